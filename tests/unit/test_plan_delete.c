/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_plan_delete.c: what a delete plans, and what it refuses
 *
 * The property test shows that plans lose nothing; here is that they are the right ones.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "plugin/plan/work.h"
#include "tests/unit/plan-delete.h"

/* --- directions --------------------------------------------------------------------------- */

static void test_fewer_bytes_decide(Fixture *f, const void *data)
{
    name(f, "s1");
    assert_possible(f);
    /* 1 has one cluster, 2 has three */
    assert_merge(f, 0, "pull 1..2 gone 1 below 0");
    g_assert_cmpuint(f->plan->bytes_moved, ==, 1 * SIM_CLUSTER_SIZE);
    g_assert_cmpuint(merge(f, 0)->other_bytes, ==, 3 * SIM_CLUSTER_SIZE);
    g_assert_cmpuint(f->plan->alternatives->len, ==, 1);
    g_assert_cmpuint(((PlanAlternative *) f->plan->alternatives->pdata[0])->bytes_moved, ==,
                     3 * SIM_CLUSTER_SIZE);
    assert_steps(f, "lock start-helper block-pull stop-helper update-snapshots remove-file "
                    "unlock");
}

static void test_measures_beat_estimates(Fixture *f, const void *data)
{
    name(f, "s1");
    assert_possible(f);
    g_assert_cmpuint(f->plan->wanted->len, ==, 1);
    f->facts.measures = sim_measure(&f->w, f->plan);
    assert_possible(f);
    g_assert_cmpuint(f->plan->wanted->len, ==, 0);
    /* cluster 4 is in both: nothing is left to pull */
    g_assert_cmpuint(f->plan->bytes_moved, ==, 0);
    g_assert_true(f->plan->bytes_exact);
}

/* An image's file can hold more than the guest sees, as its tables and what was discarded do. */
static void test_no_more_than_the_disk_is_moved(Fixture *f, const void *data)
{
    name(f, "s2");
    image(f, 2)->allocation = 2 * image(f, 2)->virtual_size;
    image(f, 3)->allocation = 3 * image(f, 3)->virtual_size;
    assert_possible(f);
    g_assert_cmpuint(f->plan->bytes_moved, ==, image(f, 3)->virtual_size);
    g_assert_cmpuint(merge(f, 0)->other_bytes, ==, image(f, 3)->virtual_size);
}

static void test_a_tie_goes_to_pull(Fixture *f, const void *data)
{
    name(f, "s2");
    f->w.images[3].data[7] = 99;
    assert_possible(f);
    assert_merge(f, 0, "pull 2..3 gone 2 below 1");
}

static void test_unknown_sizes_go_to_commit(Fixture *f, const void *data)
{
    name(f, "s1");
    image(f, 1)->allocation = CHAIN_UNKNOWN;
    assert_possible(f);
    assert_merge(f, 0, "commit 1..2 gone 2 below 0 above 3");
    g_assert_true(f->plan->bytes_exact);
    g_assert_cmpuint(merge(f, 0)->other_bytes, ==, CHAIN_UNKNOWN);
    image(f, 2)->allocation = CHAIN_UNKNOWN;
    assert_possible(f);
    assert_merge(f, 0, "commit 1..2 gone 2 below 0 above 3");
    g_assert_false(f->plan->bytes_exact);
}

static void cannot_see(Fixture *f, const char *code)
{
    ChainUnknown *unknown = g_new0(ChainUnknown, 1);

    unknown->code = code;
    unknown->message = g_strdup("Directory '/img' could not be looked through");
    graph(f);
    g_ptr_array_set_size(f->graph->unknown, 0);
    g_ptr_array_add(f->graph->unknown, unknown);
}

/* What may stand on the image unseen is not harmed by a pull that leaves it. */
static void test_where_not_all_is_seen_it_is_pulled(Fixture *f, const void *data)
{
    const char *codes[] = { "directory", "file", "pool" };

    name(f, "s2");                      /* three clusters to pull, two to commit */
    assert_possible(f);
    assert_merge(f, 0, "commit 2..3 gone 3 below 1");
    cannot_see(f, "domain");
    assert_possible(f);
    assert_merge(f, 0, "commit 2..3 gone 3 below 1");
    g_assert_cmpuint(f->plan->notes->len, ==, 0);
    for (guint i = 0; i < G_N_ELEMENTS(codes); i++) {
        cannot_see(f, codes[i]);
        f->request.direction = PLAN_AUTO;
        assert_possible(f);
        assert_merge(f, 0, "pull 2..3 gone 2 below 1");
        g_assert_cmpuint(f->plan->files->len, ==, 0);
        g_assert_cmpuint(f->plan->notes->len, ==, 1);
        f->request.direction = PLAN_COMMIT;
        assert_possible(f);
        assert_merge(f, 0, "commit 2..3 gone 3 below 1");
        g_assert_cmpuint(f->plan->files->len, ==, 1);
        g_assert_cmpuint(f->plan->notes->len, ==, 1);
    }
    /* no room for that: a commit has to be asked for */
    f->request.direction = PLAN_AUTO;
    image(f, 3)->fs_free = 2 * SIM_CLUSTER_SIZE;
    assert_refused(f, "no-space");
    /* the root stays too, and is nobody's any more as far as is known */
    image(f, 3)->fs_free = CHAIN_UNKNOWN;
    g_ptr_array_set_size(f->request.names, 0);
    name(f, "s1");
    assert_possible(f);
    g_assert_cmpint(merge(f, 0)->direction, ==, PLAN_PULL);
    g_assert_cmpuint(f->plan->files->len, ==, 0);
}

/* Another domain's image that is not there may stand on any image. */
static void test_what_is_not_there_may_stand_on_it(Fixture *f, const void *data)
{
    ChainDomain *other = chain_graph_add_domain(graph(f)->graph, "other", "0-0-0-0-0");
    g_autoptr(ChainSource) source = chain_source_new_file("/elsewhere/disk");
    ChainDisk *disk = chain_domain_add_disk(other, "vda");

    other->persistent = TRUE;
    disk->active = disk->configured = chain_graph_image(f->graph, source, NULL);
    disk->active->flags |= CHAIN_IMAGE_MISSING;
    disk->active->format = g_strdup("raw");
    name(f, "s2");
    assert_possible(f);
    assert_merge(f, 0, "commit 2..3 gone 3 below 1");
    /* not as a raw one */
    g_free(disk->active->format);
    disk->active->format = g_strdup("qcow2");
    assert_possible(f);
    assert_merge(f, 0, "pull 2..3 gone 2 below 1");
    g_assert_cmpuint(f->plan->files->len, ==, 0);
    f->request.direction = PLAN_COMMIT;
    assert_refused(f, "incomplete-view");
    /* the configuration says what it stands on */
    disk->config_chain = g_ptr_array_new();
    g_ptr_array_add(disk->config_chain, disk->active);
    assert_refused(f, "incomplete-view");
    disk->config_chain_ends = TRUE;
    assert_possible(f);
}

static void test_the_root_stays(Fixture *f, const void *data)
{
    name(f, "s0");
    f->w.images[1].data[0] = 50;
    memset(f->w.images[0].data, 0, sizeof(f->w.images[0].data));
    assert_possible(f);
    assert_merge(f, 0, "commit 0..1 gone 1 above 2");
    f->request.direction = PLAN_PULL;
    assert_possible(f);
    assert_merge(f, 0, "pull 0..1 gone 0");
    g_assert_true(removes(f, 0));
    /* which it is not for this domain alone if nobody may write it */
    image(f, 0)->flags |= CHAIN_IMAGE_NOT_WRITABLE;
    f->request.direction = PLAN_AUTO;
    assert_possible(f);
    assert_merge(f, 0, "pull 0..1 gone 0");
    g_assert_false(removes(f, 0));
    g_assert_cmpuint(f->plan->notes->len, ==, 1);
    g_assert_nonnull(strstr(g_ptr_array_index(f->plan->notes, 0), "stays: it is not writable"));
}

static void test_a_run_is_one_merge(Fixture *f, const void *data)
{
    name(f, "s1");
    name(f, "s2");
    name(f, "s1");
    f->request.direction = PLAN_COMMIT;
    assert_possible(f);
    g_assert_cmpuint(f->plan->snapshots->len, ==, 2);
    g_assert_cmpuint(f->plan->merges->len, ==, 1);
    assert_merge(f, 0, "commit 1..3 gone 2 3 below 0");
    assert_steps(f, "lock start-helper block-commit pivot stop-helper define-domain "
                    "update-snapshots remove-file remove-file unlock");
}

static void test_separate_runs_follow_each_other(Fixture *f, const void *data)
{
    name(f, "s2");
    name(f, "s0");
    f->request.direction = PLAN_COMMIT;
    assert_possible(f);
    /* the second finds what the first left */
    assert_merge(f, 0, "commit 0..1 gone 1 above 2");
    assert_merge(f, 1, "commit 2..3 gone 3 below 0");
    g_assert_cmpint(sim_image_of_key(plan_replacement(f->plan, "vda", "inode:1:1")->key), ==, 0);
    g_assert_cmpint(sim_image_of_key(plan_replacement(f->plan, "vda", "inode:1:3")->key), ==, 2);
    g_assert_null(plan_replacement(f->plan, "vdb", "inode:1:1"));
    g_assert_null(plan_replacement(f->plan, "vda", "inode:1:9"));
}

/* --- running ------------------------------------------------------------------------------ */

static void test_live_middle_is_committed(Fixture *f, const void *data)
{
    name(f, "s1");
    f->w.domains[0].running = TRUE;
    assert_possible(f);
    assert_merge(f, 0, "commit 1..2 gone 2 below 0 above 3");
    g_assert_true(merge(f, 0)->live);
    assert_steps(f, "lock block-commit update-snapshots remove-file unlock");
    f->request.direction = PLAN_PULL;
    assert_refused(f, "not-active");
}

static void test_live_active_goes_both_ways(Fixture *f, const void *data)
{
    name(f, "s2");
    f->w.domains[0].running = TRUE;
    f->request.direction = PLAN_PULL;
    assert_possible(f);
    assert_steps(f, "lock block-pull update-snapshots remove-file unlock");
    f->request.direction = PLAN_COMMIT;
    assert_possible(f);
    assert_steps(f, "lock block-commit pivot update-snapshots remove-file unlock");
    g_assert_true(merge(f, 0)->top_is_active);
}

static void test_all_disks_are_ready_before_the_first_pivot(Fixture *f, const void *data)
{
    sim_init(&f->w);
    sim_add_domain(&f->w);
    sim_add_disk(&f->w, 0, SIM_NONE);
    sim_add_disk(&f->w, 0, SIM_NONE);
    sim_snapshot(&f->w, 0, 3);
    f->w.domains[0].running = TRUE;
    f->request.all = TRUE;
    assert_possible(f);
    assert_steps(f, "lock block-commit block-commit pivot pivot update-snapshots remove-file "
                    "remove-file unlock");
    chain_graph_free(f->graph);
    f->graph = NULL;
    f->w.domains[0].running = FALSE;
    assert_possible(f);
    assert_steps(f, "lock start-helper block-commit block-commit pivot pivot stop-helper "
                    "define-domain update-snapshots remove-file remove-file unlock");
}

static void test_a_disk_that_is_left_out(Fixture *f, const void *data)
{
    sim_init(&f->w);
    sim_add_domain(&f->w);
    sim_add_disk(&f->w, 0, SIM_NONE);  /* 0 */
    sim_add_disk(&f->w, 0, SIM_NONE);  /* 1 */
    sim_snapshot(&f->w, 0, 3);         /* s0: 2 on 0, 3 on 1 */
    sim_snapshot(&f->w, 0, 1);         /* s1: 4 on 2, leaves out 3 */
    sim_snapshot(&f->w, 0, 3);         /* s2: 5 on 4, 6 on 3 */
    name(f, "s1");
    f->request.direction = PLAN_COMMIT;
    assert_possible(f);
    g_assert_cmpuint(f->plan->merges->len, ==, 1);
    assert_merge(f, 0, "commit 2..4 gone 4 below 0 above 5");
}

/* --- branches ----------------------------------------------------------------------------- */

/* 1 (s1) carries 2 (s2) <- 3, abandoned, and 4, active */
static void branch(Fixture *f, gboolean keep)
{
    sim_revert(&f->w, 1, keep, 1);
}

static void test_a_branch_point_stays_unnamed(Fixture *f, const void *data)
{
    branch(f, TRUE);
    name(f, "s1");
    assert_possible(f);
    g_assert_cmpuint(f->plan->merges->len, ==, 0);
    g_assert_cmpuint(f->plan->notes->len, ==, 1);
    assert_steps(f, "lock update-snapshots unlock");
}

static void test_a_branch_point_is_merged_when_one_branch_is_left(Fixture *f, const void *data)
{
    branch(f, FALSE);
    sim_drop_name(&f->w, 1);
    name(f, "s2");
    f->request.direction = PLAN_COMMIT;
    assert_possible(f);
    /* 2 is a leaf; then only 4 stands on 1 */
    assert_merge(f, 0, "commit 1..4 gone 4 below 0");
    g_assert_true(removes(f, 2));
}

static void test_a_branch_point_is_pulled_on_request(Fixture *f, const void *data)
{
    branch(f, TRUE);
    name(f, "s1");
    f->request.direction = PLAN_PULL;
    assert_possible(f);
    g_assert_cmpuint(f->plan->merges->len, ==, 2);
    g_assert_cmpuint(merge(f, 0)->gone->len, ==, 0);
    assert_merge(f, 1, "pull 1..4 gone 1 below 0");
    g_assert_true(removes(f, 1));
    g_assert_cmpuint(f->plan->notes->len, ==, 0);
}

static void test_a_branch_point_is_pulled_into_all_or_none(Fixture *f, const void *data)
{
    branch(f, TRUE);
    image(f, 2)->flags |= CHAIN_IMAGE_NOT_WRITABLE;
    name(f, "s1");
    f->request.direction = PLAN_PULL;
    assert_possible(f);
    g_assert_cmpuint(f->plan->merges->len, ==, 0);
    g_assert_cmpuint(f->plan->notes->len, ==, 1);
    g_assert_nonnull(strstr(g_ptr_array_index(f->plan->notes, 0), "is not writable"));
    assert_steps(f, "lock update-snapshots unlock");
}

/* Nothing plans that; it would be the end of the other branch. */
static void test_a_commit_under_another_branch_is_impossible(Fixture *f, const void *data)
{
    g_autoptr(GHashTable) deleted = g_hash_table_new(NULL, NULL);
    g_autoptr(Work) work = NULL;
    g_auto(Reason) reason = { NULL, NULL };
    DeleteState state = { .facts = &f->facts };

    branch(f, TRUE);
    graph(f);
    work = state.work = work_new(f->graph, f->d, deleted);
    work_focus(work, "vda");
    g_assert_false(commit_possible(&state, work_node(work, image(f, 1)),
                                   work_node(work, image(f, 4)), &reason));
    g_assert_cmpstr(reason.code, ==, "shared-image");
}

static void test_a_leaf_goes_with_its_snapshot(Fixture *f, const void *data)
{
    branch(f, FALSE);
    f->w.snapshots[1].overlay[0] = 2;
    name(f, "s2");
    assert_possible(f);
    assert_steps(f, "lock update-snapshots remove-file unlock");
    g_assert_true(removes(f, 2));
    /* s1 named it as its overlay: now the other branch */
    g_assert_cmpint(sim_image_of_key(plan_overlay_replacement(f->plan, "vda", "inode:1:2")->key),
                    ==, 4);
}

static void test_an_unnamed_template_is_left_alone(Fixture *f, const void *data)
{
    sim_drop_name(&f->w, 0);
    f->request.all = TRUE;
    f->request.direction = PLAN_COMMIT;
    assert_possible(f);
    assert_merge(f, 0, "commit 1..3 gone 2 3 below 0");
}

static void test_layers_between_are_swallowed(Fixture *f, const void *data)
{
    sim_drop_name(&f->w, 1);
    f->request.all = TRUE;
    assert_possible(f);
    assert_merge(f, 0, "commit 0..3 gone 1 2 3");
}

/* 0 (s0) <- 1 unnamed <- 2 (s2) <- 3 */
static void test_layers_are_merged_on_request(Fixture *f, const void *data)
{
    sim_drop_name(&f->w, 1);
    f->request.unnamed = TRUE;
    assert_possible(f);
    assert_merge(f, 0, "pull 1..2 gone 1 below 0");
    assert_steps(f, "lock start-helper block-pull stop-helper update-snapshots remove-file "
                    "unlock");
    g_assert_cmpuint(f->plan->snapshots->len, ==, 0);
    f->request.metadata_only = TRUE;
    assert_refused(f, "conflicting-options");
}

static void test_layers_stay_until_then(Fixture *f, const void *data)
{
    sim_drop_name(&f->w, 1);
    name(f, "s2");
    f->request.direction = PLAN_COMMIT;
    assert_possible(f);
    assert_merge(f, 0, "commit 2..3 gone 3 below 1");
    g_assert_cmpuint(f->plan->merges->len, ==, 1);
}

static void test_no_layer_is_left_where_no_snapshot_is(Fixture *f, const void *data)
{
    sim_drop_name(&f->w, 1);
    sim_drop_name(&f->w, 2);
    name(f, "s0");
    assert_possible(f);
    g_assert_cmpuint(f->plan->merges->len, ==, 1);
    assert_merge(f, 0, "commit 0..3 gone 1 2 3");
}

static void test_nothing_to_merge_is_no_step(Fixture *f, const void *data)
{
    /* a template below all snapshots is nothing to merge */
    sim_drop_name(&f->w, 0);
    f->request.unnamed = TRUE;
    assert_possible(f);
    g_assert_cmpuint(f->plan->steps->len, ==, 0);
    g_assert_nonnull(strstr(g_ptr_array_index(f->plan->notes, 0), "--root"));
}

/* 0 unnamed <- 1 (s1) <- 2 (s2) <- 3 */
static void test_a_root_is_merged_on_the_users_word(Fixture *f, const void *data)
{
    sim_drop_name(&f->w, 0);
    f->request.unnamed = f->request.root = TRUE;
    assert_possible(f);
    assert_merge(f, 0, "commit 0..1 gone 1 above 2");
    g_assert_cmpuint(f->plan->notes->len, ==, 0);
    f->request.direction = PLAN_PULL;
    assert_possible(f);
    assert_merge(f, 0, "pull 0..1 gone 0");
    g_assert_true(removes(f, 0));
    /* a template by its mode */
    image(f, 0)->flags |= CHAIN_IMAGE_NOT_WRITABLE;
    assert_possible(f);
    g_assert_cmpuint(f->plan->steps->len, ==, 0);
    g_assert_cmpuint(f->plan->notes->len, ==, 0);
}

static void test_a_root_with_branches_keeps_its_file(Fixture *f, const void *data)
{
    sim_revert(&f->w, 0, TRUE, 1);
    sim_drop_name(&f->w, 0);
    f->request.unnamed = TRUE;
    assert_possible(f);
    g_assert_cmpuint(f->plan->merges->len, ==, 0);
    g_assert_cmpuint(f->plan->notes->len, ==, 1);
    f->request.direction = PLAN_PULL;
    assert_possible(f);
    g_assert_cmpuint(f->plan->merges->len, ==, 0);
    g_assert_nonnull(strstr(g_ptr_array_index(f->plan->notes, 0), "--root"));
    f->request.root = TRUE;
    assert_possible(f);
    g_assert_cmpuint(f->plan->merges->len, ==, 2);
    assert_merge(f, 0, "pull 0..1 gone");
    assert_merge(f, 1, "pull 0..4 gone 0");
    g_assert_true(removes(f, 0));
}

/* --- sharing ------------------------------------------------------------------------------ */

static void test_a_shared_base_is_pulled_from(Fixture *f, const void *data)
{
    sim_add_disk(&f->w, sim_add_domain(&f->w), 0);
    name(f, "s0");
    assert_possible(f);
    assert_merge(f, 0, "pull 0..1 gone 0");
    g_assert_false(removes(f, 0));
    f->request.direction = PLAN_COMMIT;
    assert_refused(f, "shared-image");
}

static void test_an_orphan_counts(Fixture *f, const void *data)
{
    f->w.images[sim_add_image(&f->w, 1)].orphan = TRUE;
    name(f, "s1");
    f->request.direction = PLAN_COMMIT;
    assert_refused(f, "shared-image");
}

static void test_running_and_shared_stays_unnamed(Fixture *f, const void *data)
{
    sim_add_disk(&f->w, sim_add_domain(&f->w), 1);
    f->w.domains[0].running = TRUE;
    name(f, "s1");
    assert_possible(f);
    g_assert_cmpuint(f->plan->merges->len, ==, 0);
    g_assert_cmpuint(f->plan->notes->len, ==, 1);
    assert_steps(f, "lock update-snapshots unlock");
}

static void test_the_part_that_can_be_joined_is(Fixture *f, const void *data)
{
    /* somebody stands on 1: it can't be committed into, but 2 can */
    sim_add_disk(&f->w, sim_add_domain(&f->w), 1);
    sim_snapshot(&f->w, 0, 1);
    f->w.domains[0].running = TRUE;
    name(f, "s1");
    name(f, "s2");
    assert_possible(f);
    g_assert_cmpuint(f->plan->merges->len, ==, 1);
    assert_merge(f, 0, "commit 2..3 gone 3 below 1 above 5");
    g_assert_cmpuint(f->plan->notes->len, ==, 1);
}

/* Another domain that names image @index in its chain, though nothing of it stands there. */
static void name_in_another_chain(Fixture *f, int index)
{
    ChainDomain *other;
    ChainDisk *disk;

    graph(f);
    other = chain_graph_add_domain(f->graph, "other", "other");
    disk = chain_domain_add_disk(other, "vda");
    disk->config_chain = g_ptr_array_new();
    g_ptr_array_add(disk->config_chain, image(f, index));
    chain_graph_link(f->graph);
}

static void test_a_chain_that_only_the_configuration_names(Fixture *f, const void *data)
{
    branch(f, FALSE);
    name(f, "s2");
    name_in_another_chain(f, 2);
    assert_possible(f);
    g_assert_false(removes(f, 2));
}

static void test_a_saved_state_counts(Fixture *f, const void *data)
{
    ChainDomain *other;

    name(f, "s1");
    graph(f);
    other = chain_graph_add_domain(f->graph, "other", "other");
    g_ptr_array_add(other->saved, image(f, 1));
    chain_graph_link(f->graph);
    assert_possible(f);
    g_assert_cmpuint(f->plan->merges->len, ==, 0);
    g_assert_cmpuint(f->plan->files->len, ==, 0);
}

static void test_a_layer_that_others_name_is_not_swallowed(Fixture *f, const void *data)
{
    sim_drop_name(&f->w, 1);
    f->request.all = TRUE;
    name_in_another_chain(f, 1);
    assert_possible(f);
    g_assert_cmpuint(f->plan->merges->len, ==, 1);
    assert_merge(f, 0, "commit 2..3 gone 3 below 1");
}

static void test_a_disk_of_the_same_domain_counts(Fixture *f, const void *data)
{
    sim_add_disk(&f->w, 0, SIM_NONE);
    f->w.domains[0].active[1] = 2;
    name(f, "s1");
    f->request.direction = PLAN_PULL;
    assert_refused(f, "shared-image");
}

/* s1, which stays, carries no <domain>: what it froze can be told from its overlay alone. */
static void test_a_snapshot_without_a_domain_keeps_its_image(Fixture *f, const void *data)
{
    ChainSnapshot *s1 = chain_domain_snapshot(graph(f), "s1");
    ChainSnapshotDisk *sd = chain_snapshot_disk(s1, "vda");

    s1->has_domain = FALSE;
    sd->frozen = sd->frozen_inactive = NULL;
    chain_graph_link(f->graph);
    name(f, "s0");
    name(f, "s2");
    f->request.direction = PLAN_COMMIT;
    assert_possible(f);
    g_assert_cmpuint(f->plan->merges->len, ==, 2);
}

static void test_what_a_header_names_is_not_removed(Fixture *f, const void *data)
{
    branch(f, FALSE);
    name(f, "s2");
    image(f, 0)->data_file = image(f, 2);
    assert_refused(f, "image-in-use");
}

/* --- leaves ------------------------------------------------------------------------------- */

/* 0 (s0) <- 1, unnamed <- 2 (s2), abandoned; the domain is on another branch of 0. */
static void lost_branch(Fixture *f)
{
    sim_drop_name(&f->w, 1);
    sim_revert(&f->w, 0, FALSE, 1);
    name(f, "s2");
}

static void test_layers_below_a_leaf_go_with_it(Fixture *f, const void *data)
{
    lost_branch(f);
    assert_possible(f);
    g_assert_cmpuint(f->plan->merges->len, ==, 0);
    g_assert_cmpuint(f->plan->files->len, ==, 2);
    g_assert_true(removes(f, 2) && removes(f, 1));
}

static void test_layers_that_others_need_stay(Fixture *f, const void *data)
{
    lost_branch(f);
    name_in_another_chain(f, 1);
    assert_possible(f);
    g_assert_true(removes(f, 2) && !removes(f, 1));
}

static void test_layers_with_another_overlay_stay(Fixture *f, const void *data)
{
    lost_branch(f);
    f->w.images[sim_add_image(&f->w, 1)].orphan = TRUE;
    assert_possible(f);
    g_assert_true(removes(f, 2) && !removes(f, 1));
}

/* Nothing says that what is below all snapshots is of this domain's making. */
static void test_a_template_below_a_leaf_stays(Fixture *f, const void *data)
{
    sim_drop_name(&f->w, 0);
    sim_drop_name(&f->w, 1);
    f->w.domains[0].active[0] = sim_add_image(&f->w, SIM_NONE);
    f->w.images[3].exists = FALSE;
    name(f, "s2");
    assert_possible(f);
    g_assert_cmpuint(f->plan->files->len, ==, 1);
    g_assert_true(removes(f, 2));
}

/* --- metadata and files ------------------------------------------------------------------- */

static void test_metadata_only(Fixture *f, const void *data)
{
    name(f, "s1");
    f->request.metadata_only = TRUE;
    graph(f)->managed_save = TRUE;
    assert_possible(f);
    assert_steps(f, "lock update-snapshots unlock");
}

static void test_files_are_kept_on_request(Fixture *f, const void *data)
{
    name(f, "s1");
    f->w.snapshots[1].memory = TRUE;
    f->request.keep_files = TRUE;
    assert_possible(f);
    g_assert_cmpuint(f->plan->files->len, ==, 0);
    g_assert_cmpuint(f->plan->bytes_freed, ==, 0);
}

static void test_memory_goes_unless_named(Fixture *f, const void *data)
{
    name(f, "s1");
    f->w.snapshots[1].memory = TRUE;
    assert_possible(f);
    g_assert_cmpuint(f->plan->files->len, ==, 2);
    g_assert_cmpstr(((PlanFile *) f->plan->files->pdata[1])->memory_file, ==, "/mem/1");
    chain_domain_snapshot(f->d, "s2")->memory_file = g_strdup("//mem/./1");
    assert_possible(f);
    g_assert_cmpuint(f->plan->files->len, ==, 1);
}

static void test_current_goes_to_the_parent(Fixture *f, const void *data)
{
    name(f, "s1");
    assert_possible(f);
    g_assert_false(f->plan->current_changes);
    name(f, "s2");
    assert_possible(f);
    g_assert_true(f->plan->current_changes);
    g_assert_cmpstr(f->plan->new_current, ==, "s0");
    g_ptr_array_set_size(f->request.names, 0);
    f->request.all = TRUE;
    assert_possible(f);
    g_assert_true(f->plan->current_changes);
    g_assert_null(f->plan->new_current);
}

static void test_children(Fixture *f, const void *data)
{
    name(f, "s1");
    f->request.children = TRUE;
    assert_possible(f);
    g_assert_cmpuint(f->plan->snapshots->len, ==, 2);
    g_assert_cmpstr(f->plan->snapshots->pdata[0], ==, "s1");
    f->request.children = FALSE;
    f->request.children_only = TRUE;
    assert_possible(f);
    g_assert_cmpuint(f->plan->snapshots->len, ==, 1);
    g_assert_cmpstr(f->plan->snapshots->pdata[0], ==, "s2");
}

static void test_relative_names_stay_relative(Fixture *f, const void *data)
{
    int i;

    name(f, "s1");
    for (i = 1; i < 4; i++)
        image(f, i)->flags |= CHAIN_IMAGE_RELATIVE;
    f->request.direction = PLAN_COMMIT;
    assert_possible(f);
    g_assert_true(merge(f, 0)->relative);
    image(f, 2)->flags &= ~CHAIN_IMAGE_RELATIVE;
    assert_possible(f);
    g_assert_false(merge(f, 0)->relative);
}

static void test_explicit_backing_store_is_corrected(Fixture *f, const void *data)
{
    ChainDisk *disk;
    int i;

    name(f, "s1");
    disk = chain_domain_disk(graph(f), "vda");
    disk->config_chain = g_ptr_array_new();
    for (i = 3; i >= 0; i--)
        g_ptr_array_add(disk->config_chain, image(f, i));
    assert_possible(f);
    assert_steps(f, "lock start-helper block-pull stop-helper define-domain update-snapshots "
                    "remove-file unlock");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, function) \
    g_test_add("/plan/delete/" path, Fixture, NULL, fixture_setup, function, fixture_teardown)
    ADD("direction/fewer-bytes-decide", test_fewer_bytes_decide);
    ADD("direction/measures-beat-estimates", test_measures_beat_estimates);
    ADD("direction/no-more-than-the-disk-is-moved", test_no_more_than_the_disk_is_moved);
    ADD("direction/a-tie-goes-to-pull", test_a_tie_goes_to_pull);
    ADD("direction/unknown-sizes-go-to-commit", test_unknown_sizes_go_to_commit);
    ADD("direction/where-not-all-is-seen-it-is-pulled", test_where_not_all_is_seen_it_is_pulled);
    ADD("direction/what-is-not-there-may-stand-on-it", test_what_is_not_there_may_stand_on_it);
    ADD("direction/the-root-stays", test_the_root_stays);
    ADD("runs/a-run-is-one-merge", test_a_run_is_one_merge);
    ADD("runs/separate-runs-follow-each-other", test_separate_runs_follow_each_other);
    ADD("live/middle-is-committed", test_live_middle_is_committed);
    ADD("live/active-goes-both-ways", test_live_active_goes_both_ways);
    ADD("live/all-ready-before-the-first-pivot", test_all_disks_are_ready_before_the_first_pivot);
    ADD("disks/one-is-left-out", test_a_disk_that_is_left_out);
    ADD("branches/a-branch-point-is-pulled-into-all-or-none",
        test_a_branch_point_is_pulled_into_all_or_none);
    ADD("branches/a-commit-under-another-branch-is-impossible",
        test_a_commit_under_another_branch_is_impossible);
    ADD("branches/a-branch-point-stays-unnamed", test_a_branch_point_stays_unnamed);
    ADD("branches/merged-when-one-is-left",
        test_a_branch_point_is_merged_when_one_branch_is_left);
    ADD("branches/pulled-on-request", test_a_branch_point_is_pulled_on_request);
    ADD("branches/a-leaf-goes", test_a_leaf_goes_with_its_snapshot);
    ADD("layers/a-root-is-merged-on-the-users-word", test_a_root_is_merged_on_the_users_word);
    ADD("layers/a-template-is-left-alone", test_an_unnamed_template_is_left_alone);
    ADD("layers/between-are-swallowed", test_layers_between_are_swallowed);
    ADD("layers/merged-on-request", test_layers_are_merged_on_request);
    ADD("layers/stay-until-then", test_layers_stay_until_then);
    ADD("layers/none-is-left-where-no-snapshot-is", test_no_layer_is_left_where_no_snapshot_is);
    ADD("layers/nothing-to-merge", test_nothing_to_merge_is_no_step);
    ADD("layers/a-root-with-branches", test_a_root_with_branches_keeps_its_file);
    ADD("sharing/a-shared-base-is-pulled-from", test_a_shared_base_is_pulled_from);
    ADD("sharing/an-orphan-counts", test_an_orphan_counts);
    ADD("sharing/running-stays-unnamed", test_running_and_shared_stays_unnamed);
    ADD("sharing/the-part-that-can-be-joined-is", test_the_part_that_can_be_joined_is);
    ADD("sharing/a-chain-in-a-configuration", test_a_chain_that_only_the_configuration_names);
    ADD("sharing/a-saved-state-counts", test_a_saved_state_counts);
    ADD("sharing/a-layer-that-others-name", test_a_layer_that_others_name_is_not_swallowed);
    ADD("sharing/a-disk-of-the-same-domain", test_a_disk_of_the_same_domain_counts);
    ADD("sharing/a-snapshot-without-a-domain", test_a_snapshot_without_a_domain_keeps_its_image);
    ADD("sharing/what-a-header-names", test_what_a_header_names_is_not_removed);
    ADD("leaves/layers-below-go-too", test_layers_below_a_leaf_go_with_it);
    ADD("leaves/layers-that-others-need-stay", test_layers_that_others_need_stay);
    ADD("leaves/layers-with-another-overlay-stay", test_layers_with_another_overlay_stay);
    ADD("leaves/a-template-below-stays", test_a_template_below_a_leaf_stays);
    ADD("metadata/only", test_metadata_only);
    ADD("metadata/current-goes-to-the-parent", test_current_goes_to_the_parent);
    ADD("metadata/children", test_children);
    ADD("metadata/relative-names", test_relative_names_stay_relative);
    ADD("metadata/explicit-backing-store", test_explicit_backing_store_is_corrected);
    ADD("files/kept-on-request", test_files_are_kept_on_request);
    ADD("files/memory-goes-unless-named", test_memory_goes_unless_named);
    return g_test_run();
}
