/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_plan_merge_check.c: what may come between a plan and its merges (that nothing does where
 * nobody was at it is tested by property-delete.c)
 */
#include "config.h"

#include "tests/unit/plan-delete.h"

/* s1 goes: image 1 is the base, 2 the top and 3 above. */
static void plan_one(Fixture *f, PlanDirection direction)
{
    f->request.direction = direction;
    name(f, "s1");
    assert_possible(f);
    assert_merge(f, 0, direction == PLAN_COMMIT ? "commit 1..2 gone 2 below 0 above 3"
                                                : "pull 1..2 gone 1 below 0");
}

static void assert_may(Fixture *f, gboolean begun, const char *code)
{
    g_autoptr(Plan) check = NULL;

    chain_graph_link(f->graph);
    check = plan_check_merge(f->plan, merge(f, 0), f->graph, f->d, begun);
    if (check->refusals->len) {
        const PlanRefusal *refusal = g_ptr_array_index(check->refusals, 0);

        g_test_message("%s", refusal->message);
        g_assert_cmpstr(refusal->code, ==, code);
    }
    g_assert_cmpuint(check->refusals->len, ==, (code ? 1 : 0));
}

static ChainImage *stand_on(Fixture *f, ChainImage *backing)
{
    g_autoptr(ChainSource) source = chain_source_new_file("/img/clone");
    ChainImage *clone = chain_graph_image(f->graph, source, "inode:1:99");

    clone->format = g_strdup("qcow2");
    clone->flags |= CHAIN_IMAGE_HEADER_READ | CHAIN_IMAGE_ORPHAN;
    clone->backing_known = TRUE;
    clone->backing = backing;
    clone->backing_format = g_strdup("qcow2");
    return clone;
}

static void test_nothing(Fixture *f, const void *direction)
{
    plan_one(f, GPOINTER_TO_INT(direction));
    assert_may(f, FALSE, NULL);
    assert_may(f, TRUE, NULL);
}

static void test_a_clone_of_the_base(Fixture *f, const void *data)
{
    plan_one(f, PLAN_COMMIT);
    stand_on(f, image(f, 1));
    assert_may(f, FALSE, "shared-image");
    /* what it saw was no state of anything */
    assert_may(f, TRUE, NULL);
}

static void test_a_clone_of_the_top(Fixture *f, const void *data)
{
    plan_one(f, PLAN_COMMIT);
    stand_on(f, image(f, 2));
    assert_may(f, FALSE, "branch-point");
}

static void test_a_clone_below(Fixture *f, const void *data)
{
    plan_one(f, PLAN_COMMIT);
    stand_on(f, image(f, 0));
    assert_may(f, FALSE, NULL);
}

static void test_a_clone_of_what_is_pulled(Fixture *f, const void *data)
{
    plan_one(f, PLAN_PULL);
    stand_on(f, image(f, 1));
    assert_may(f, FALSE, NULL);
}

static void test_a_guest_on_the_base(Fixture *f, const void *data)
{
    ChainDisk *disk;

    plan_one(f, PLAN_COMMIT);
    disk = chain_domain_add_disk(chain_graph_add_domain(f->graph, "clone", "1"), "vda");
    disk->device = g_strdup("disk");
    disk->active = disk->configured = image(f, 1);
    assert_may(f, FALSE, "shared-image");
}

static void test_the_disk_on_the_base(Fixture *f, const void *data)
{
    ChainDisk *disk;

    plan_one(f, PLAN_COMMIT);
    disk = g_ptr_array_index(f->d->disks, 0);
    disk->active = disk->configured = image(f, 1);
    assert_may(f, FALSE, "shared-image");
}

static void test_the_disk_on_what_is_pulled(Fixture *f, const void *data)
{
    ChainDisk *disk;

    plan_one(f, PLAN_PULL);
    disk = g_ptr_array_index(f->d->disks, 0);
    disk->active = disk->configured = image(f, 1);
    assert_may(f, FALSE, "shared-image");
}

static void test_the_disk_beside_the_top(Fixture *f, const void *data)
{
    ChainDisk *disk;

    plan_one(f, PLAN_PULL);
    disk = g_ptr_array_index(f->d->disks, 0);
    disk->active = disk->configured = stand_on(f, image(f, 1));
    assert_may(f, FALSE, "shared-image");
}

static void test_a_saved_guest(Fixture *f, const void *direction)
{
    plan_one(f, GPOINTER_TO_INT(direction));
    f->d->managed_save = TRUE;
    assert_may(f, FALSE, "managed-save");
    assert_may(f, TRUE, "managed-save");
}

static void test_checkpoints(Fixture *f, const void *data)
{
    plan_one(f, PLAN_COMMIT);
    f->d->checkpoints = 1;
    assert_may(f, FALSE, "checkpoints");
    assert_may(f, TRUE, NULL);
}

static void test_a_view_that_is_not_whole(Fixture *f, const void *data)
{
    plan_one(f, PLAN_COMMIT);
    f->graph->complete = FALSE;
    assert_may(f, FALSE, "incomplete-view");
}

static void test_an_image_of_which_nothing_is_known(Fixture *f, const void *data)
{
    ChainImage *clone;
    ChainDisk *disk;

    plan_one(f, PLAN_COMMIT);
    clone = stand_on(f, NULL);
    clone->backing_known = FALSE;
    clone->flags = CHAIN_IMAGE_UNREADABLE;
    disk = chain_domain_add_disk(chain_graph_add_domain(f->graph, "clone", "1"), "vda");
    disk->configured = clone;
    assert_may(f, FALSE, "incomplete-view");
}

static void test_an_internal_snapshot(Fixture *f, const void *direction)
{
    plan_one(f, GPOINTER_TO_INT(direction));
    image(f, 2)->flags |= CHAIN_IMAGE_INTERNAL;
    assert_may(f, FALSE, "internal-snapshots");
}

static void test_what_stood_above_is_merged(Fixture *f, const void *data)
{
    plan_one(f, PLAN_COMMIT);
    image(f, 3)->backing = image(f, 0);
    assert_may(f, FALSE, "changed-chain");
    assert_may(f, TRUE, "changed-chain");
    /* the header was written, and QEMU died */
    image(f, 3)->backing = image(f, 1);
    assert_may(f, TRUE, NULL);
}

static void test_the_range_is_merged(Fixture *f, const void *direction)
{
    plan_one(f, GPOINTER_TO_INT(direction));
    image(f, 2)->backing = image(f, 0);
    assert_may(f, FALSE, "changed-chain");
}

static void test_a_snapshot_on_top(Fixture *f, const void *data)
{
    ChainDisk *disk;

    f->request.direction = PLAN_COMMIT;
    name(f, "s2");
    assert_possible(f);
    assert_merge(f, 0, "commit 2..3 gone 3 below 1");
    disk = g_ptr_array_index(f->d->disks, 0);
    disk->active = disk->configured = stand_on(f, image(f, 3));
    disk->active->flags &= ~CHAIN_IMAGE_ORPHAN;
    assert_may(f, FALSE, NULL);
}

#define ADD(path, data, function) \
    g_test_add("/plan/merge-check/" path, Fixture, GINT_TO_POINTER(data), fixture_setup, function, \
               fixture_teardown)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("nothing/commit", PLAN_COMMIT, test_nothing);
    ADD("nothing/pull", PLAN_PULL, test_nothing);
    ADD("clone-of-base", 0, test_a_clone_of_the_base);
    ADD("clone-of-top", 0, test_a_clone_of_the_top);
    ADD("clone-below", 0, test_a_clone_below);
    ADD("clone-of-what-is-pulled", 0, test_a_clone_of_what_is_pulled);
    ADD("guest-on-base", 0, test_a_guest_on_the_base);
    ADD("disk-on-base", 0, test_the_disk_on_the_base);
    ADD("disk-on-what-is-pulled", 0, test_the_disk_on_what_is_pulled);
    ADD("disk-beside-top", 0, test_the_disk_beside_the_top);
    ADD("saved/commit", PLAN_COMMIT, test_a_saved_guest);
    ADD("saved/pull", PLAN_PULL, test_a_saved_guest);
    ADD("checkpoints", 0, test_checkpoints);
    ADD("incomplete", 0, test_a_view_that_is_not_whole);
    ADD("unknown", 0, test_an_image_of_which_nothing_is_known);
    ADD("internal/commit", PLAN_COMMIT, test_an_internal_snapshot);
    ADD("internal/pull", PLAN_PULL, test_an_internal_snapshot);
    ADD("above-merged", 0, test_what_stood_above_is_merged);
    ADD("range-merged/commit", PLAN_COMMIT, test_the_range_is_merged);
    ADD("range-merged/pull", PLAN_PULL, test_the_range_is_merged);
    ADD("snapshot-on-top", 0, test_a_snapshot_on_top);
    return g_test_run();
}
