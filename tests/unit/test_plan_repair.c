/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_plan_repair.c: what chain-repair makes of snapshots that are stale
 */
#include "config.h"

#include "plugin/plan/plan.h"
#include "tests/unit/graphs.h"

/* vm1, shut off: base <- o1 <- o2 <- active, frozen by s1, s2, s3. */
typedef struct {
    ChainGraph *graph;
    ChainDomain *d;
    ChainImage *base, *o1, *o2, *active;
    PlanRequest request;
    GHashTable *merged;  /* or NULL */
    Plan *plan;
} World;

static void world_make(World *w, gconstpointer data)
{
    w->graph = chain_graph_new();
    w->graph->complete = w->graph->local = TRUE;
    w->d = graph_domain(w->graph, "vm1", FALSE);
    w->base = graph_image(w->graph, "/i/base", NULL, MIB);
    w->o1 = graph_image(w->graph, "/i/o1", w->base, MIB);
    w->o2 = graph_image(w->graph, "/i/o2", w->o1, MIB);
    w->active = graph_image(w->graph, "/i/active", w->o2, MIB);
    graph_disk(w->d, "vda", w->active);
    graph_freeze(graph_snapshot(w->d, "s1", NULL), "vda", w->base, w->o1);
    graph_freeze(graph_snapshot(w->d, "s2", "s1"), "vda", w->o1, w->o2);
    graph_freeze(graph_snapshot(w->d, "s3", "s2"), "vda", w->o2, w->active);
    chain_domain_snapshot(w->d, "s3")->current = TRUE;
    w->request.operation = PLAN_REPAIR;
    w->request.names = g_ptr_array_new();
}

static void world_clear(World *w, gconstpointer data)
{
    plan_free(w->plan);
    g_ptr_array_unref(w->request.names);
    chain_graph_free(w->graph);
}

static const Plan *repair(World *w)
{
    PlanFacts facts = { .merged = w->merged };

    chain_graph_link(w->graph);
    plan_free(w->plan);
    w->plan = plan_make(w->graph, w->d, &w->request, &facts);
    return w->plan;
}

static ChainSnapshotDisk *disk_of(World *w, const char *snapshot)
{
    return chain_snapshot_disk(chain_domain_snapshot(w->d, snapshot), "vda");
}

static void check_codes(const Plan *plan, const char *codes)
{
    g_autoptr(GString) got = g_string_new(NULL);

    for (guint i = 0; i < plan->refusals->len; i++)
        g_string_append_printf(got, "%s%s", i ? " " : "",
                               ((PlanRefusal *) plan->refusals->pdata[i])->code);
    g_assert_cmpstr(got->str, ==, codes);
}

static void check_correction(const Plan *plan, guint i, const char *snapshot, const char *from,
                             const char *to)
{
    const PlanRename *c;

    g_assert_cmpuint(plan->corrections->len, >, i);
    c = plan->corrections->pdata[i];
    g_assert_cmpstr(c->snapshot, ==, snapshot);
    g_assert_cmpstr(c->disk, ==, "vda");
    g_assert_cmpstr(c->from->path, ==, from);
    g_assert_cmpstr(c->to->path, ==, to);
}

static void test_nothing(World *w, gconstpointer data)
{
    const Plan *plan = repair(w);

    check_codes(plan, "");
    g_assert_cmpuint(plan->steps->len, ==, 0);
}

/* What it corrects goes through the journal as it is. */
static void test_too_far_down(World *w, gconstpointer data)
{
    g_autofree char *text = NULL;
    g_autoptr(Plan) again = NULL;
    const Plan *plan;
    GError *error = NULL;

    disk_of(w, "s3")->frozen = disk_of(w, "s3")->frozen_inactive = w->base;
    plan = repair(w);
    check_codes(plan, "");
    g_assert_cmpuint(plan->corrections->len, ==, 1);
    check_correction(plan, 0, "s3", "/i/base", "/i/o2");
    g_assert_cmpuint(plan->steps->len, ==, 3);
    text = plan_serialize(plan);
    again = plan_deserialize(text, &error);
    g_assert_no_error(error);
    check_correction(again, 0, "s3", "/i/base", "/i/o2");
}

static void test_two_images(World *w, gconstpointer data)
{
    const Plan *plan;

    disk_of(w, "s2")->frozen_inactive = w->base;
    plan = repair(w);
    check_codes(plan, "");
    g_assert_cmpuint(plan->corrections->len, ==, 1);
    check_correction(plan, 0, "s2", "/i/base", "/i/o1");
}

/* What the domain writes is nobody's state: not a thing to correct to. */
static void test_no_state_that_is_written(World *w, gconstpointer data)
{
    graph_disk(graph_domain(w->graph, "vm2", TRUE), "vda", w->o2);
    disk_of(w, "s3")->frozen = w->base;
    g_assert_cmpuint(repair(w)->corrections->len, ==, 0);
    check_codes(w->plan, "stale-snapshot");
}

/* o1 and o2 were merged into base or active, and went. */
static void merged(World *w, gint64 base_modified)
{
    w->active->backing = w->base;
    w->o1->flags |= CHAIN_IMAGE_MISSING;
    w->o2->flags |= CHAIN_IMAGE_MISSING;
    w->base->modified = base_modified;
}

static void check_lost(const Plan *plan, const char *names)
{
    g_autofree char *got = NULL;

    g_ptr_array_add(plan->snapshots, NULL);
    got = g_strjoinv(" ", (char **) plan->snapshots->pdata);
    g_ptr_array_set_size(plan->snapshots, plan->snapshots->len - 1);
    g_assert_cmpstr(got, ==, names);
}

static void test_committed(World *w, gconstpointer data)
{
    merged(w, chain_domain_snapshot(w->d, "s3")->creation_time * CHAIN_SECOND + 2 * CHAIN_SECOND);
    check_lost(repair(w), "s1 s2");
    g_assert_cmpuint(w->plan->merges->len, ==, 1);
}

static void test_pulled(World *w, gconstpointer data)
{
    merged(w, chain_domain_snapshot(w->d, "s3")->creation_time * CHAIN_SECOND - 1);
    check_lost(repair(w), "s2 s3");
    g_assert_cmpuint(w->plan->merges->len, ==, 0);
}

/* It must not look like success, and nothing may change that the decision needs. */
static void test_merged_somehow(World *w, gconstpointer data)
{
    merged(w, chain_domain_snapshot(w->d, "s3")->creation_time * CHAIN_SECOND);
    check_codes(repair(w), "merged-somehow");
    g_assert_cmpuint(w->plan->steps->len, ==, 0);
    w->request.direction = PLAN_COMMIT;
    check_codes(repair(w), "");
    check_lost(w->plan, "s1 s2");
    w->request.direction = PLAN_PULL;
    check_lost(repair(w), "s2 s3");
}

/* When a copy was made says nothing of when the image was written. */
static void test_copied(World *w, gconstpointer data)
{
    gint64 taken = chain_domain_snapshot(w->d, "s3")->creation_time;

    merged(w, (taken + 100) * CHAIN_SECOND);
    w->base->born = (taken + 50) * CHAIN_SECOND;
    check_codes(repair(w), "merged-somehow");
}

/* What is merely not mounted is not forgotten. */
static void test_out_of_reach(World *w, gconstpointer data)
{
    test_pulled(w, NULL);
    g_free(w->o2->path);
    w->o2->path = g_strdup("/mnt/o2");
    check_codes(repair(w), "missing-image");
}

/* Evidence is more than a word. */
static void test_evidence_counts(World *w, gconstpointer data)
{
    test_committed(w, NULL);
    w->request.direction = PLAN_PULL;
    check_lost(repair(w), "s1 s2");
}

/* A commit further up was waited for; what was pulled before it was not committed by that. */
static void test_another_commit_was_seen(World *w, gconstpointer data)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    g_hash_table_insert(seen, (gpointer) "vda", (gpointer) "commit");
    w->merged = seen;
    test_pulled(w, NULL);
    w->base->modified = 0;
    check_lost(repair(w), "s1 s2");
    w->merged = NULL;
}

static void test_missing(World *w, gconstpointer data)
{
    w->o1->flags |= CHAIN_IMAGE_MISSING;
    check_codes(repair(w), "stale-snapshot");
    g_assert_nonnull(strstr(((PlanRefusal *) w->plan->refusals->pdata[0])->remedy,
                            "virsh-ext snapshot-delete-external vm1 s2 --metadata"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, test) g_test_add("/plan-repair/" name, World, NULL, world_make, test, world_clear)
    ADD("nothing", test_nothing);
    ADD("too-far-down", test_too_far_down);
    ADD("two-images", test_two_images);
    ADD("no-state-that-is-written", test_no_state_that_is_written);
    ADD("committed", test_committed);
    ADD("pulled", test_pulled);
    ADD("merged-somehow", test_merged_somehow);
    ADD("copied", test_copied);
    ADD("out-of-reach", test_out_of_reach);
    ADD("evidence-counts", test_evidence_counts);
    ADD("another-commit-was-seen", test_another_commit_was_seen);
    ADD("missing", test_missing);
    return g_test_run();
}
