/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_plan_delete_kept.c: what no delete touches: templates, images that the user keeps himself or
 * whose disk is gone, data past the end of an overlay, states of snapshots that name another image
 */
#include "config.h"

#include <string.h>

#include "tests/unit/plan-delete.h"

/* --- templates -------------------------------------------------------------------------------- */

/* 0 <- 1 <- 2 (s2), and 4, active, on @template: the guest was given a fresh disk and the old one's
 * last image is gone. */
static void cloned_anew(Fixture *f, int template, gboolean with_snapshot)
{
    sim_drop_name(&f->w, 0);
    sim_drop_name(&f->w, 1);
    f->w.domains[0].active[0] = sim_add_image(&f->w, template);
    f->w.images[3].exists = FALSE;
    if (with_snapshot)
        sim_snapshot(&f->w, 0, 1);
    name(f, "s2");
}

static void test_a_template_that_is_cloned_anew_stays(Fixture *f, const void *data)
{
    static const PlanDirection directions[] = { PLAN_AUTO, PLAN_COMMIT, PLAN_PULL };
    guint i;

    cloned_anew(f, 1, data != NULL);
    for (i = 0; i < G_N_ELEMENTS(directions); i++) {
        f->request.direction = directions[i];
        assert_possible(f);
        g_assert_cmpuint(f->plan->merges->len, ==, 0);
        g_assert_cmpuint(f->plan->files->len, ==, 1);
        g_assert_true(removes(f, 2));
        g_assert_nonnull(strstr(g_ptr_array_index(f->plan->notes, 0), "--root"));
    }
    /* asked for what is above snapshots only */
    f->request.direction = PLAN_AUTO;
    f->request.unnamed = TRUE;
    assert_possible(f);
    g_assert_cmpuint(f->plan->merges->len, ==, 0);
    g_assert_cmpuint(f->plan->files->len, ==, 1);
    f->request.root = TRUE;
    assert_possible(f);
    assert_merge(f, 0, data ? "commit 0..4 gone 1 4 above 5" : "commit 0..4 gone 1 4");
}

/* 1, between the template and the snapshot, may be one as well. */
static void test_a_second_template_stays(Fixture *f, const void *data)
{
    cloned_anew(f, 0, FALSE);
    for (f->request.direction = PLAN_AUTO; f->request.direction <= PLAN_PULL;
         f->request.direction++) {
        assert_possible(f);
        g_assert_cmpuint(f->plan->merges->len, ==, 0);
        g_assert_cmpuint(f->plan->files->len, ==, 1);
        g_assert_true(removes(f, 2));
    }
    f->request.direction = PLAN_AUTO;
    f->request.unnamed = f->request.root = TRUE;
    assert_possible(f);
    g_assert_cmpuint(f->plan->files->len, ==, 1);
}

/* --- disks that are left to the user ---------------------------------------------------------- */

static void test_manual_images_are_left_alone(Fixture *f, const void *data)
{
    /* 3 was not written after s2, the user has put a copy in its place: 4 */
    f->w.snapshots[2].kind[0] = CHAIN_SNAP_MANUAL;
    f->w.images[3].exists = FALSE;
    f->w.domains[0].active[0] = sim_add_image(&f->w, 1);
    name(f, "s2");
    assert_possible(f);
    assert_steps(f, "lock update-snapshots unlock");
    g_assert_nonnull(strstr(g_ptr_array_index(f->plan->notes, 0), "leaves it to you"));
    /* also with what is below them */
    name(f, "s1");
    assert_possible(f);
    g_assert_false(removes(f, 2));
}

static void test_manual_images_are_not_merged(Fixture *f, const void *data)
{
    f->w.snapshots[2].kind[0] = CHAIN_SNAP_MANUAL;
    name(f, "s1");
    assert_possible(f);
    g_assert_cmpuint(f->plan->merges->len, ==, 0);
    g_assert_nonnull(strstr(g_ptr_array_index(f->plan->notes, 0), "to you"));
    /* nor is what they stand on put into another: a copy of them would be without it */
    name(f, "s0");
    assert_possible(f);
    g_assert_cmpuint(f->plan->merges->len, ==, 0);
    g_ptr_array_remove_index(f->request.names, 0);
    f->request.direction = PLAN_PULL;
    assert_possible(f);
    assert_merge(f, 0, "pull 0..1 gone 0");
}

/* --- disks that are gone ---------------------------------------------------------------------- */

static void test_images_of_a_detached_disk_stay(Fixture *f, const void *data)
{
    name(f, "s1");
    g_ptr_array_set_size(graph(f)->disks, 0);
    assert_possible(f);
    assert_steps(f, "lock update-snapshots unlock");
    g_assert_nonnull(strstr(g_ptr_array_index(f->plan->notes, 0), "has no disk 'vda'"));
}

/* --- sizes ------------------------------------------------------------------------------------ */

static void assert_remedy(Fixture *f, const char *remedy)
{
    g_assert_cmpstr(((PlanRefusal *) f->plan->refusals->pdata[0])->remedy, ==, remedy);
}

/* 1 is a cluster shorter than 0 and 2. */
static void test_what_an_image_cuts_off_stays_away(Fixture *f, const void *data)
{
    static const char *const names[] = { "s0", "s1" };
    guint i;

    image(f, 1)->virtual_size -= SIM_CLUSTER_SIZE;
    for (i = 0; i < G_N_ELEMENTS(names); i++) {
        g_ptr_array_set_size(f->request.names, 0);
        name(f, names[i]);
        f->request.direction = i == 0 ? PLAN_COMMIT : PLAN_PULL;
        assert_refused(f, "smaller-image");
        /* it grows, and is filled with zeros; or takes no more than it shows */
        f->request.direction = i == 0 ? PLAN_PULL : PLAN_COMMIT;
        assert_possible(f);
    }
    f->request.direction = PLAN_AUTO;
    assert_possible(f);
    assert_merge(f, 0, "commit 1..2 gone 2 below 0 above 3");
    /* the root stays, unless it is asked for */
    g_ptr_array_set_size(f->request.names, 0);
    name(f, "s0");
    f->request.direction = PLAN_AUTO;
    assert_refused(f, "smaller-image");
    assert_remedy(f, "Use --direction pull");
    f->d->active = TRUE;
    assert_refused(f, "smaller-image");
    assert_remedy(f, "Do it while the domain is shut off");
    /* in the middle of a range, over what 2 shows as zeros */
    f->d->active = FALSE;
    name(f, "s1");
    f->request.direction = PLAN_COMMIT;
    assert_refused(f, "smaller-image");
}

/* 0 <- 1 <- 2 <- 3: 2 is shorter, and auto takes the other way. */
static void test_auto_pulls_where_a_commit_would_bring_data_back(Fixture *f, const void *data)
{
    image(f, 2)->virtual_size -= SIM_CLUSTER_SIZE;
    image(f, 1)->allocation = 8 * SIM_CLUSTER_SIZE;
    name(f, "s1");
    assert_possible(f);
    assert_merge(f, 0, "pull 1..2 gone 1 below 0");
}

static void test_a_device_does_not_grow(Fixture *f, const void *data)
{
    image(f, 0)->virtual_size -= SIM_CLUSTER_SIZE;
    name(f, "s0");
    f->request.direction = PLAN_COMMIT;
    assert_possible(f);
    image(f, 0)->source->type = CHAIN_SOURCE_BLOCK;
    assert_possible(f);
    g_free(image(f, 0)->format);
    image(f, 0)->format = g_strdup("raw");
    assert_refused(f, "fixed-size");
    f->request.direction = PLAN_AUTO;
    assert_refused(f, "fixed-size");
    assert_remedy(f, "Use --direction pull");
    image(f, 0)->source->type = CHAIN_SOURCE_FILE;
    assert_possible(f);
    image(f, 0)->flags |= CHAIN_IMAGE_INTERNAL;
    assert_refused(f, "fixed-size");
    image(f, 0)->flags &= ~CHAIN_IMAGE_INTERNAL;
    image(f, 0)->source->type = CHAIN_SOURCE_BLOCK;
    image(f, 0)->virtual_size += SIM_CLUSTER_SIZE;
    assert_possible(f);
}

/* The first commit makes 0 as long as 1 was: what 2 cuts off of that must not be seen through 3. */
static void test_a_base_that_has_grown_shows_more(Fixture *f, const void *data)
{
    image(f, 0)->virtual_size -= SIM_CLUSTER_SIZE;
    image(f, 2)->virtual_size -= SIM_CLUSTER_SIZE;
    image(f, 3)->allocation = 8 * SIM_CLUSTER_SIZE;
    name(f, "s0");
    name(f, "s2");
    assert_possible(f);
    assert_merge(f, 0, "commit 0..1 gone 1 above 2");
    assert_merge(f, 1, "commit 2..3 gone 3 below 0");
}

static void test_unknown_sizes_are_no_proof(Fixture *f, const void *data)
{
    image(f, 1)->virtual_size = CHAIN_UNKNOWN;
    name(f, "s0");
    f->request.direction = PLAN_COMMIT;
    assert_refused(f, "size-unknown");
    f->request.direction = PLAN_PULL;
    assert_possible(f);
    f->request.direction = PLAN_AUTO;
    assert_refused(f, "size-unknown");
    assert_remedy(f, "Use --direction pull");
    image(f, 1)->flags |= CHAIN_IMAGE_INTERNAL;
    assert_refused(f, "size-unknown");
    assert_remedy(f, "Do it while the domain runs");
    image(f, 1)->flags &= ~CHAIN_IMAGE_INTERNAL;
    g_ptr_array_set_size(f->request.names, 0);
    name(f, "s1");
    f->request.direction = PLAN_PULL;
    assert_refused(f, "size-unknown");
}

/* --- names of other images -------------------------------------------------------------------- */

/* libvirt 9.0 deletes the name of s1 and lets s2 name its image: 1 has the state of s2. */
static void test_a_misnamed_state_is_corrected_first(Fixture *f, const void *data)
{
    static const char *const names[] = { "s0", "s2", NULL };
    guint i;

    sim_drop_name(&f->w, 1);
    f->w.snapshots[2].frozen[0] = 1;
    for (i = 0; i < G_N_ELEMENTS(names); i++) {
        g_ptr_array_set_size(f->request.names, 0);
        f->request.unnamed = !names[i];
        if (names[i])
            name(f, names[i]);
        assert_refused(f, "stale-snapshot");
    }
    f->request.unnamed = FALSE;
    name(f, "s2");
    f->request.metadata_only = TRUE;
    assert_possible(f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, function, data) \
    g_test_add("/plan/delete/" path, Fixture, data, fixture_setup, function, fixture_teardown)
    ADD("templates/cloned-anew", test_a_template_that_is_cloned_anew_stays, NULL);
    ADD("templates/cloned-anew-with-snapshot", test_a_template_that_is_cloned_anew_stays, "s");
    ADD("templates/second", test_a_second_template_stays, NULL);
    ADD("manual/left-alone", test_manual_images_are_left_alone, NULL);
    ADD("manual/not-merged", test_manual_images_are_not_merged, NULL);
    ADD("disks/detached", test_images_of_a_detached_disk_stay, NULL);
    ADD("sizes/smaller", test_what_an_image_cuts_off_stays_away, NULL);
    ADD("sizes/auto-pulls", test_auto_pulls_where_a_commit_would_bring_data_back, NULL);
    ADD("sizes/device", test_a_device_does_not_grow, NULL);
    ADD("sizes/grown", test_a_base_that_has_grown_shows_more, NULL);
    ADD("sizes/unknown", test_unknown_sizes_are_no_proof, NULL);
    ADD("names/corrected-first", test_a_misnamed_state_is_corrected_first, NULL);
    return g_test_run();
}
