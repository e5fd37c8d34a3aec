/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_plan_delete.c: what a delete plans, and what it refuses
 *
 * The property test shows that plans lose nothing; here is that they are the right ones.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/simulator.h"

/* 0 (s0) <- 1 (s1) <- 2 (s2) <- 3 (active): allocated are 4, 1, 3 and 2 clusters. */
typedef struct {
    SimWorld w;
    ChainGraph *graph;
    ChainDomain *d;
    PlanRequest request;
    PlanFacts facts;
    Plan *plan;
} Fixture;

static void write_clusters(SimWorld *w, int disk, int from, int n)
{
    for (; n > 0; n--)
        sim_write(w, 0, disk, from++);
}

static void chain(SimWorld *w)
{
    sim_init(w);
    sim_add_domain(w);
    sim_add_disk(w, 0, SIM_NONE);
    write_clusters(w, 0, 0, 4);
    sim_snapshot(w, 0, 1);
    write_clusters(w, 0, 4, 1);
    sim_snapshot(w, 0, 1);
    write_clusters(w, 0, 4, 3);
    sim_snapshot(w, 0, 1);
    write_clusters(w, 0, 2, 2);
}

static void setup(Fixture *f, const void *data)
{
    memset(f, 0, sizeof(*f));
    chain(&f->w);
    f->request.operation = PLAN_DELETE;
    f->request.names = g_ptr_array_new();
    f->facts.helper_possible = TRUE;
}

static void teardown(Fixture *f, const void *data)
{
    plan_free(f->plan);
    chain_graph_free(f->graph);
    g_ptr_array_unref(f->request.names);
    if (f->facts.measures)
        g_hash_table_unref(f->facts.measures);
}

static void name(Fixture *f, const char *snapshot)
{
    g_ptr_array_add(f->request.names, (char *) snapshot);
}

static ChainDomain *graph(Fixture *f)
{
    if (!f->graph) {
        f->graph = sim_graph(&f->w);
        f->d = chain_graph_domain(f->graph, "d0");
    }
    return f->d;
}

static ChainImage *image(Fixture *f, int index)
{
    g_autofree char *path = g_strdup_printf("/img/vm.%d", index);

    graph(f);
    return chain_graph_find_path(f->graph, path);
}

static Plan *make(Fixture *f)
{
    graph(f);
    plan_free(f->plan);
    f->plan = plan_make(f->graph, f->d, &f->request, &f->facts);
    return f->plan;
}

static PlanMerge *merge(Fixture *f, guint i)
{
    g_assert_cmpuint(i, <, f->plan->merges->len);
    return g_ptr_array_index(f->plan->merges, i);
}

static void assert_refused(Fixture *f, const char *code)
{
    make(f);
    g_assert_cmpuint(f->plan->refusals->len, ==, 1);
    g_assert_cmpstr(((PlanRefusal *) g_ptr_array_index(f->plan->refusals, 0))->code, ==, code);
    g_assert_cmpuint(f->plan->steps->len, ==, 0);
}

static void assert_possible(Fixture *f)
{
    make(f);
    if (f->plan->refusals->len > 0)
        g_error("refused: %s",
                ((PlanRefusal *) g_ptr_array_index(f->plan->refusals, 0))->message);
}

/* "lock start-helper block-commit pivot …" */
static void assert_steps(Fixture *f, const char *expected)
{
    g_autoptr(GString) steps = g_string_new(NULL);
    guint i;

    for (i = 0; i < f->plan->steps->len; i++) {
        const PlanStep *step = g_ptr_array_index(f->plan->steps, i);

        g_string_append_printf(steps, "%s%s", i > 0 ? " " : "",
                               plan_action_name(f->plan, step));
    }
    g_assert_cmpstr(steps->str, ==, expected);
}

/* "commit 1..3 of 8 gone 2 3 below 0 above 4" */
static void assert_merge(Fixture *f, guint i, const char *expected)
{
    const PlanMerge *m = merge(f, i);
    g_autoptr(GString) out = g_string_new(m->direction == PLAN_PULL ? "pull" : "commit");
    guint j;

    g_string_append_printf(out, " %d..%d gone", sim_image_of_key(m->base->key),
                           sim_image_of_key(m->top->key));
    for (j = 0; j < m->gone->len; j++)
        g_string_append_printf(out, " %d",
                               sim_image_of_key(((PlanImage *) m->gone->pdata[j])->key));
    if (m->below)
        g_string_append_printf(out, " below %d", sim_image_of_key(m->below->key));
    if (m->above)
        g_string_append_printf(out, " above %d", sim_image_of_key(m->above->key));
    g_assert_cmpstr(out->str, ==, expected);
}

static gboolean removes(Fixture *f, int index)
{
    guint i;

    for (i = 0; i < f->plan->files->len; i++) {
        const PlanFile *file = g_ptr_array_index(f->plan->files, i);

        if (file->image && sim_image_of_key(file->image->key) == index)
            return TRUE;
    }
    return FALSE;
}

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

static void test_a_chain_that_only_the_configuration_names(Fixture *f, const void *data)
{
    ChainDomain *other;
    ChainDisk *disk;

    branch(f, FALSE);
    name(f, "s2");
    graph(f);
    other = chain_graph_add_domain(f->graph, "other", "other");
    disk = chain_domain_add_disk(other, "vda");
    disk->config_chain = g_ptr_array_new();
    g_ptr_array_add(disk->config_chain, image(f, 2));
    chain_graph_link(f->graph);
    assert_possible(f);
    g_assert_false(removes(f, 2));
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

/* --- refusals ----------------------------------------------------------------------------- */

static void test_bad_requests(Fixture *f, const void *data)
{
    assert_refused(f, "no-snapshot");
    name(f, "nobody");
    assert_refused(f, "unknown-snapshot");
    f->request.current = TRUE;
    assert_refused(f, "conflicting-options");
    g_ptr_array_set_size(f->request.names, 0);
    graph(f)->current = NULL;
    assert_refused(f, "no-current-snapshot");
    f->request.all = TRUE;
    assert_refused(f, "conflicting-options");
    f->request.current = FALSE;
    f->request.children = TRUE;
    assert_refused(f, "conflicting-options");
    f->request.children = FALSE;
    assert_possible(f);
}

static void test_bad_snapshots(Fixture *f, const void *data)
{
    ChainSnapshot *s;

    name(f, "s1");
    s = chain_domain_snapshot(graph(f), "s1");
    s->has_domain = FALSE;
    assert_refused(f, "no-domain");
    s->has_domain = TRUE;
    chain_snapshot_disk(s, "vda")->delete_in_progress = TRUE;
    assert_refused(f, "delete-in-progress");
    name(f, "s2");
    assert_possible(f);
    chain_snapshot_disk(s, "vda")->delete_in_progress = FALSE;
    s->memory = CHAIN_MEMORY_INTERNAL;
    assert_refused(f, "internal-snapshot");
}

static void test_what_a_domain_may_not_have(Fixture *f, const void *data)
{
    ChainDisk *disk;

    name(f, "s1");
    graph(f)->managed_save = TRUE;
    assert_refused(f, "managed-save");
    f->d->managed_save = FALSE;
    f->d->checkpoints = 1;
    assert_refused(f, "checkpoints");
    f->d->checkpoints = 0;
    f->d->backup_job = TRUE;
    assert_refused(f, "backup-job");
    f->d->backup_job = FALSE;
    disk = chain_domain_disk(f->d, "vda");
    disk->job = g_new0(ChainJob, 1);
    assert_refused(f, "active-job");
    g_clear_pointer(&disk->job, g_free);
    f->facts.readonly = TRUE;
    assert_refused(f, "read-only");
    f->facts.readonly = FALSE;
    f->graph->complete = FALSE;
    assert_refused(f, "incomplete-view");
    f->graph->complete = TRUE;
    assert_possible(f);
}

static void test_an_unfinished_operation(Fixture *f, const void *data)
{
    ChainOperation operation = { .command = (char *) "snapshot-revert-external" };

    name(f, "s1");
    graph(f)->operation = &operation;
    assert_refused(f, "interrupted-operation");
    operation.alive = TRUE;
    assert_refused(f, "operation-running");
    f->facts.ignore_operation = TRUE;
    assert_possible(f);
    f->d->operation = NULL;
}

static void test_bad_images(Fixture *f, const void *data)
{
    static const struct {
        guint flag;
        const char *code;
    } bad[] = {
        { CHAIN_IMAGE_MISSING, "missing-image" },
        { CHAIN_IMAGE_UNREADABLE, "unreadable-image" },
        { CHAIN_IMAGE_CORRUPT, "unreadable-image" },
        { CHAIN_IMAGE_LOOP, "backing-loop" },
        { CHAIN_IMAGE_FORMAT_GUESSED, "format-not-recorded" },
        { CHAIN_IMAGE_BITMAPS, "bitmaps" },
    };
    guint i;

    name(f, "s1");
    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        image(f, 2)->flags |= bad[i].flag;
        assert_refused(f, bad[i].code);
        image(f, 2)->flags &= ~bad[i].flag;
    }
    assert_possible(f);
    /* below the range they only matter to a helper */
    image(f, 0)->flags |= CHAIN_IMAGE_UNREADABLE;
    assert_refused(f, "missing-image");
    f->d->active = TRUE;
    assert_possible(f);
}

static void test_images_that_one_direction_cannot_take(Fixture *f, const void *data)
{
    name(f, "s1");
    image(f, 2)->flags |= CHAIN_IMAGE_INTERNAL;
    assert_possible(f);
    g_assert_cmpuint(f->plan->merges->len, ==, 0);
    g_assert_cmpuint(f->plan->notes->len, ==, 1);
    image(f, 2)->flags &= ~CHAIN_IMAGE_INTERNAL;
    image(f, 1)->flags |= CHAIN_IMAGE_INTERNAL;
    assert_possible(f);
    assert_merge(f, 0, "commit 1..2 gone 2 below 0 above 3");
    image(f, 1)->flags &= ~CHAIN_IMAGE_INTERNAL;
    image(f, 1)->flags |= CHAIN_IMAGE_NOT_WRITABLE;
    assert_possible(f);
    assert_merge(f, 0, "pull 1..2 gone 1 below 0");
    g_assert_false(removes(f, 1));
    f->request.direction = PLAN_COMMIT;
    assert_refused(f, "read-only-image");
}

static void test_encrypted_images(Fixture *f, const void *data)
{
    int i;

    name(f, "s1");
    for (i = 0; i < 4; i++)
        image(f, i)->flags |= CHAIN_IMAGE_ENCRYPTED;
    assert_refused(f, "encrypted");
    f->d->active = TRUE;
    assert_possible(f);
    g_assert_cmpuint(f->plan->merges->len, ==, 1);
    f->d->active = FALSE;
    for (i = 0; i < 4; i++)
        image(f, i)->source->xml =
            g_strdup("<source><encryption format='luks'><secret/></encryption></source>");
    assert_possible(f);
    assert_merge(f, 0, "pull 1..2 gone 1 below 0");
    /* nothing goes into an image in the clear, but the other way round it may */
    image(f, 2)->flags &= ~CHAIN_IMAGE_ENCRYPTED;
    assert_possible(f);
    assert_merge(f, 0, "commit 1..2 gone 2 below 0 above 3");
    f->request.direction = PLAN_PULL;
    assert_refused(f, "encryption-differs");
    image(f, 1)->flags &= ~CHAIN_IMAGE_ENCRYPTED;
    image(f, 2)->flags |= CHAIN_IMAGE_ENCRYPTED;
    assert_possible(f);
    f->request.direction = PLAN_COMMIT;
    assert_refused(f, "encryption-differs");
}

static void test_descriptions_that_disagree(Fixture *f, const void *data)
{
    ChainDisk *disk;

    name(f, "s1");
    disk = chain_domain_disk(graph(f), "vda");
    disk->config_chain = g_ptr_array_new();
    g_ptr_array_add(disk->config_chain, image(f, 3));
    g_ptr_array_add(disk->config_chain, image(f, 1));
    assert_refused(f, "chain-mismatch");
    f->d->active = TRUE;
    assert_possible(f);
    disk->live_chain = g_ptr_array_new();
    g_ptr_array_add(disk->live_chain, image(f, 3));
    assert_refused(f, "chain-mismatch");
    g_clear_pointer(&disk->live_chain, g_ptr_array_unref);
    g_clear_pointer(&disk->config_chain, g_ptr_array_unref);
    disk->configured = image(f, 2);
    assert_refused(f, "config-mismatch");
}

static void assert_remedy(Fixture *f, const char *remedy)
{
    g_assert_cmpstr(((PlanRefusal *) f->plan->refusals->pdata[0])->remedy, ==, remedy);
}

static void test_space(Fixture *f, const void *data)
{
    GHashTableIter iter;
    gpointer value;
    int i;

    name(f, "s1");
    for (i = 0; i < 4; i++) {
        image(f, i)->fs_id = i == 2 ? 2 : 1;
        image(f, i)->fs_free = i == 2 ? 100 : 100 * SIM_CLUSTER_SIZE;
    }
    /* no room for the pull into 2, but for the commit into 1 */
    assert_possible(f);
    assert_merge(f, 0, "commit 1..2 gone 2 below 0 above 3");
    f->request.direction = PLAN_PULL;
    assert_refused(f, "no-space");
    g_assert_nonnull(strstr(((PlanRefusal *) f->plan->refusals->pdata[0])->message, "65536"));
    /* no character that a terminal may not have */
    g_assert_true(g_str_is_ascii(((PlanRefusal *) f->plan->refusals->pdata[0])->message));
    assert_remedy(f, "Make room, or try --direction auto");
    f->request.direction = PLAN_AUTO;
    image(f, 1)->fs_free = 100;
    assert_refused(f, "no-space");
    assert_remedy(f, "Make room");

    /* what is written over takes no room; what is refused is measured too */
    g_assert_cmpuint(f->plan->wanted->len, ==, 1);
    f->facts.measures = sim_measure(&f->w, f->plan);
    assert_possible(f);
    assert_merge(f, 0, "pull 1..2 gone 1 below 0");
    f->request.direction = PLAN_COMMIT;
    assert_refused(f, "no-space");
    g_hash_table_iter_init(&iter, f->facts.measures);
    g_assert_true(g_hash_table_iter_next(&iter, NULL, &value));
    ((PlanMeasure *) value)->commit_growth = 50;
    assert_possible(f);
    assert_merge(f, 0, "commit 1..2 gone 2 below 0 above 3");

    /* the root is pulled only when that is asked for */
    f->request.direction = PLAN_AUTO;
    g_ptr_array_set_size(f->request.names, 0);
    name(f, "s0");
    image(f, 0)->fs_free = 10;
    assert_refused(f, "no-space");
    assert_remedy(f, "Make room, or try --direction pull");
}

static void test_helpers(Fixture *f, const void *data)
{
    name(f, "s2");
    f->facts.helper_possible = FALSE;
    assert_refused(f, "no-helper");
    graph(f)->active = TRUE;
    assert_possible(f);
}

static void test_long_chains(Fixture *f, const void *data)
{
    int i;

    for (i = 0; i < 5; i++)
        sim_snapshot(&f->w, 0, 1);
    f->w.layer_limit = 4;
    name(f, "s7");
    assert_refused(f, "deep-chain");
    /* a run is shortened from its lower end, with helpers that can be started */
    g_ptr_array_set_size(f->request.names, 0);
    f->request.all = TRUE;
    f->request.direction = PLAN_COMMIT;
    assert_possible(f);
    assert_merge(f, 0, "commit 0..2 gone 1 2 above 3");
    g_assert_cmpuint(f->plan->merges->len, >, 1);
    g_assert_null(merge(f, f->plan->merges->len - 1)->above);
}

/* --- the journal's text ------------------------------------------------------------------- */

static void test_text_that_is_not_utf8(Fixture *f, const void *data)
{
    g_autofree char *text = NULL;
    g_autoptr(Plan) again = NULL;
    GError *error = NULL;

    name(f, "s1");
    assert_possible(f);
    g_free(merge(f, 0)->base->path);
    merge(f, 0)->base->path = g_strdup("/img/\xff\x01\"");
    text = plan_serialize(f->plan);
    again = plan_deserialize(text, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(((PlanMerge *) again->merges->pdata[0])->base->path, ==, "/img/\xff\x01\"");
    g_assert_cmpuint(((PlanMerge *) again->merges->pdata[0])->other_bytes, ==,
                     3 * SIM_CLUSTER_SIZE);
}

static void test_bad_text(Fixture *f, const void *data)
{
    static const struct {
        const char *from, *to;
    } changes[] = {
        { "\"format\":1", "\"format\":2" },
        { "\"operation\":0", "\"operation\":17" },
        { "\"operation\":0", "\"operation\":-1" },
        { "\"merge\":0", "\"merge\":9" },
        { "\"merges\":[0]", "\"merges\":[9]" },
        { "\"merges\":[0]", "\"merges\":[-1]" },
        { "\"merges\":[0]", "\"merges\":[[]]" },
        { "\"snapshots\":[\"s1\"]", "\"snapshots\":[null]" },
        { "\"snapshots\":[\"s1\"]", "\"snapshots\":{}" },
        { "\"bytes_exact\":true", "\"bytes_exact\":1" },
        { "\"domain\":\"d0\"", "\"domain\":null" },
        { "\"domain\":\"d0\"", "\"domain\":{\"base64\":\"AAA=\"}" },
        { "\"direction\":2", "\"direction\":0" },
        { "\"top\":", "\"pot\":" },
        { "}", "" },
    };
    g_autofree char *text = NULL;
    g_autofree char *deep = g_strnfill(1000000, '[');
    guint i;

    name(f, "s1");
    assert_possible(f);
    text = plan_serialize(f->plan);
    for (i = 0; i < G_N_ELEMENTS(changes); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GString) changed = g_string_new(NULL);
        const char *at = strstr(text, changes[i].from);
        g_autoptr(Plan) plan = NULL;

        g_assert_nonnull(at);
        g_string_append_len(changed, text, at - text);
        g_string_append(changed, changes[i].to);
        g_string_append(changed, at + strlen(changes[i].from));
        plan = plan_deserialize(changed->str, &error);
        if (plan)
            g_error("'%s' was taken", changes[i].to);
        g_assert_nonnull(error);
    }
    g_assert_null(plan_deserialize(deep, NULL));
    g_assert_null(plan_deserialize("", NULL));
    g_assert_null(plan_deserialize("[]", NULL));
}

static void test_every_step_has_words(Fixture *f, const void *data)
{
    guint i;

    name(f, "s1");
    name(f, "s2");
    f->w.snapshots[1].memory = TRUE;
    f->request.direction = PLAN_COMMIT;
    assert_possible(f);
    for (i = 0; i < f->plan->steps->len; i++) {
        g_autofree char *words = plan_step_describe(f->plan, f->plan->steps->pdata[i]);

        g_assert_true(g_ascii_isupper(words[0]));
        g_assert_false(g_str_has_suffix(words, "."));
    }
}

static void test_commands_can_be_copied(Fixture *f, const void *data)
{
    g_autofree char *plain = chain_command("virsh", "edit", "vm-1.a", NULL);
    static const char *const hostile[] = { "a; rm -rf /", "", "$(reboot) `reboot` $HOME", "it's",
                                           "a \\ \"b\"", "wow!x 'y' $z", "two\nlines",
                                           "\033[31mred%s\\n\xff '\"$x", "h\u00e9llo" };

    g_assert_cmpstr(plain, ==, "virsh edit vm-1.a");
    for (gsize i = 0; i < G_N_ELEMENTS(hostile); i++) {
        g_autofree char *command = chain_command("virsh", "edit", hostile[i], NULL);
        g_autofree char *script = g_strdup_printf("set -- %s; printf %%s%%s $# \"$3\"", command);
        const char *argv[] = { "sh", "-c", script, NULL };
        g_autofree char *out = NULL;
        g_autofree char *expected = g_strconcat("3", hostile[i], NULL);

        g_assert_true(g_spawn_sync(NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL,
                                   &out, NULL, NULL, NULL));
        g_assert_cmpstr(out, ==, expected);
    }
}

/* A name is no option, whatever it looks like. */
static void test_names_are_no_options(Fixture *f, const void *data)
{
    g_autofree char *plain = chain_command("undefine", "vm1", "--", "--nvram", NULL);
    g_autofree char *odd = chain_command("undefine", "--all", "--", "--nvram", NULL);
    g_autofree char *alone = chain_command("virsh", "edit", "--help", NULL);
    g_autofree char *other = chain_command("qemu-img", "rebase", "-u", "-b", "--", "/x", NULL);

    g_assert_cmpstr(plain, ==, "undefine vm1 --nvram");
    g_assert_cmpstr(odd, ==, "undefine --nvram -- --all");
    g_assert_cmpstr(alone, ==, "virsh edit -- --help");
    g_assert_cmpstr(other, ==, "qemu-img rebase -u -b -- /x");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, function) \
    g_test_add("/plan/delete/" path, Fixture, NULL, setup, function, teardown)
    ADD("words/names-are-no-options", test_names_are_no_options);
    ADD("direction/fewer-bytes-decide", test_fewer_bytes_decide);
    ADD("direction/measures-beat-estimates", test_measures_beat_estimates);
    ADD("direction/a-tie-goes-to-pull", test_a_tie_goes_to_pull);
    ADD("direction/unknown-sizes-go-to-commit", test_unknown_sizes_go_to_commit);
    ADD("direction/the-root-stays", test_the_root_stays);
    ADD("runs/a-run-is-one-merge", test_a_run_is_one_merge);
    ADD("runs/separate-runs-follow-each-other", test_separate_runs_follow_each_other);
    ADD("live/middle-is-committed", test_live_middle_is_committed);
    ADD("live/active-goes-both-ways", test_live_active_goes_both_ways);
    ADD("live/all-ready-before-the-first-pivot", test_all_disks_are_ready_before_the_first_pivot);
    ADD("disks/one-is-left-out", test_a_disk_that_is_left_out);
    ADD("branches/a-branch-point-stays-unnamed", test_a_branch_point_stays_unnamed);
    ADD("branches/merged-when-one-is-left",
        test_a_branch_point_is_merged_when_one_branch_is_left);
    ADD("branches/pulled-on-request", test_a_branch_point_is_pulled_on_request);
    ADD("branches/a-leaf-goes", test_a_leaf_goes_with_its_snapshot);
    ADD("layers/a-template-is-left-alone", test_an_unnamed_template_is_left_alone);
    ADD("layers/between-are-swallowed", test_layers_between_are_swallowed);
    ADD("sharing/a-shared-base-is-pulled-from", test_a_shared_base_is_pulled_from);
    ADD("sharing/an-orphan-counts", test_an_orphan_counts);
    ADD("sharing/running-stays-unnamed", test_running_and_shared_stays_unnamed);
    ADD("sharing/the-part-that-can-be-joined-is", test_the_part_that_can_be_joined_is);
    ADD("sharing/a-chain-in-a-configuration", test_a_chain_that_only_the_configuration_names);
    ADD("metadata/only", test_metadata_only);
    ADD("metadata/current-goes-to-the-parent", test_current_goes_to_the_parent);
    ADD("metadata/children", test_children);
    ADD("metadata/relative-names", test_relative_names_stay_relative);
    ADD("metadata/explicit-backing-store", test_explicit_backing_store_is_corrected);
    ADD("files/kept-on-request", test_files_are_kept_on_request);
    ADD("files/memory-goes-unless-named", test_memory_goes_unless_named);
    ADD("refusals/requests", test_bad_requests);
    ADD("refusals/snapshots", test_bad_snapshots);
    ADD("refusals/domains", test_what_a_domain_may_not_have);
    ADD("refusals/unfinished-operation", test_an_unfinished_operation);
    ADD("refusals/images", test_bad_images);
    ADD("refusals/one-direction", test_images_that_one_direction_cannot_take);
    ADD("refusals/encrypted", test_encrypted_images);
    ADD("refusals/descriptions-disagree", test_descriptions_that_disagree);
    ADD("refusals/space", test_space);
    ADD("refusals/helpers", test_helpers);
    ADD("refusals/long-chains", test_long_chains);
    ADD("text/not-utf8", test_text_that_is_not_utf8);
    ADD("text/bad", test_bad_text);
    ADD("text/every-step-has-words", test_every_step_has_words);
    ADD("text/commands-can-be-copied", test_commands_can_be_copied);
    return g_test_run();
}
