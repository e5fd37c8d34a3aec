/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_plan_resting.c: what is noticed and said when a revert is gone on with after a while
 */
#include "config.h"

#include "plugin/plan/plan.h"
#include "tests/unit/graphs.h"

/*
 *   base (s1) <- one (s2) <- two (active vda)       keys by inode, written at 100, 200, 300
 */
typedef struct {
    ChainGraph *graph;
    ChainDomain *d;
    ChainImage *base, *one, *two;
    ChainSnapshot *s1, *s2;
    Plan *plan;
} World;

static ChainImage *image(ChainGraph *graph, const char *path, const char *key, ChainImage *backing,
                         gint64 modified)
{
    g_autoptr(ChainSource) source = chain_source_new_file(path);
    ChainImage *node = chain_graph_image(graph, source, key);

    node->format = g_strdup("qcow2");
    node->flags |= CHAIN_IMAGE_HEADER_READ;
    node->backing_known = TRUE;
    node->backing = backing;
    node->allocation = 10 * MIB;
    node->modified = modified;
    node->born = modified - 50;
    return node;
}

static void setup(World *w, const void *data)
{
    w->graph = chain_graph_new();
    w->base = image(w->graph, "/i/base", "inode:1:1", NULL, 100);
    w->one = image(w->graph, "/i/one", "inode:1:2", w->base, 200);
    w->two = image(w->graph, "/i/two", "inode:1:3", w->one, 300);
    w->d = graph_domain(w->graph, "vm", FALSE);
    graph_disk(w->d, "vda", w->two);
    w->s1 = graph_snapshot(w->d, "s1", NULL);
    graph_freeze(w->s1, "vda", w->base, w->one);
    w->s2 = graph_snapshot(w->d, "s2", "s1");
    graph_freeze(w->s2, "vda", w->one, w->two);
    chain_graph_link(w->graph);
    w->plan = plan_new(PLAN_REVERT);
    plan_note_resting(w->plan, w->d, w->s1);
}

static void teardown(World *w, const void *data)
{
    plan_free(w->plan);
    chain_graph_free(w->graph);
}

static gboolean rests(const World *w, const ChainImage *at)
{
    for (guint i = 0; i < w->plan->resting->len; i++)
        if (g_str_equal(((PlanImage *) g_ptr_array_index(w->plan->resting, i))->key, at->key))
            return TRUE;
    return FALSE;
}

/* What the guest writes until it is stopped does not rest; each image is noted once. */
static void test_what_rests(World *w, const void *data)
{
    g_assert_cmpuint(w->plan->resting->len, ==, 2);
    g_assert_true(rests(w, w->base));
    g_assert_true(rests(w, w->one));
    g_assert_false(rests(w, w->two));
    g_assert_null(plan_first_written(w->plan, w->two));
    w->two->modified = 400;
    g_assert_null(plan_first_written(w->plan, w->two));
}

static void test_written(World *w, const void *data)
{
    w->base->modified++;
    g_assert_true(plan_first_written(w->plan, w->base) == w->base);
    g_assert_true(plan_first_written(w->plan, w->two) == w->base);
    w->one->modified++; /* the uppermost is what is said */
    g_assert_true(plan_first_written(w->plan, w->two) == w->one);
    g_assert_true(plan_first_written(w->plan, w->base) == w->base);
}

/* A clock that was put back, and another file that has its time of writing from the first one. */
static void test_written_otherwise(World *w, const void *data)
{
    w->base->modified--;
    g_assert_true(plan_first_written(w->plan, w->base) == w->base);
    w->base->modified++;
    g_assert_null(plan_first_written(w->plan, w->base));
    w->base->born++;
    g_assert_true(plan_first_written(w->plan, w->base) == w->base);
}

/* Of which no times are known, then or now: nothing is said of what cannot be seen. */
static void test_unknown(World *w, const void *data)
{
    w->base->modified = w->base->born = 0;
    g_assert_null(plan_first_written(w->plan, w->base));
    w->base->modified = 101;
    g_assert_true(plan_first_written(w->plan, w->base) == w->base);
    ((PlanImage *) g_ptr_array_index(w->plan->resting, 0))->modified = 0;
    g_assert_null(plan_first_written(w->plan, w->base));
}

/* A device has another number after the host has started again: then the name tells. */
static void test_another_number(World *w, const void *data)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    ChainImage *base = image(graph, "/i/base", "inode:2:1", NULL, 100);
    ChainImage *strange = image(graph, "/i/strange", "inode:2:9", base, 999);

    g_assert_null(plan_first_written(w->plan, strange));
    base->modified = 101;
    g_assert_true(plan_first_written(w->plan, strange) == base);
}

static void test_journal(World *w, const void *data)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(Plan) again = NULL;

    w->plan->domain = g_strdup("vm");
    w->plan->command = g_strdup("snapshot-revert-external");
    text = plan_serialize(w->plan);
    again = plan_deserialize(text, &error);
    g_assert_no_error(error);
    w->base->modified++;
    g_assert_true(plan_first_written(again, w->two) == w->base);
}

/* --- what it discards ------------------------------------------------------------------------ */

static PlanFile *add_file(World *w, ChainImage *at, guint64 bytes)
{
    PlanFile *file = g_new0(PlanFile, 1);
    PlanStep *step;

    file->image = at ? plan_image_new(at) : NULL;
    file->memory_file = at ? NULL : g_strdup("/i/memory");
    file->bytes = bytes;
    g_ptr_array_add(w->plan->files, file);
    step = plan_add_step(w->plan, PLAN_STEP_REMOVE_FILE);
    step->file = w->plan->files->len - 1;
    step->bytes = bytes;
    return file;
}

static guint64 step_bytes(const World *w, guint n)
{
    return ((PlanStep *) g_ptr_array_index(w->plan->steps, n))->bytes;
}

static void test_refresh(World *w, const void *data)
{
    PlanFile *two = add_file(w, w->two, 5), *one = add_file(w, w->one, CHAIN_UNKNOWN);

    w->plan->bytes_freed = w->plan->discarded_bytes = 5;
    w->two->allocation = 20 * MIB;
    plan_revert_refresh(w->plan, w->graph);
    g_assert_cmpuint(two->bytes, ==, 20 * MIB);
    g_assert_cmpuint(one->bytes, ==, 10 * MIB);
    g_assert_cmpuint(step_bytes(w, 0), ==, 20 * MIB);
    g_assert_cmpuint(step_bytes(w, 1), ==, 10 * MIB);
    g_assert_cmpuint(w->plan->bytes_freed, ==, 30 * MIB);
    g_assert_cmpuint(w->plan->discarded_bytes, ==, 30 * MIB);
}

/* What is gone already, or cannot be seen, keeps the size that it was planned with. */
static void test_refresh_of_what_is_gone(World *w, const void *data)
{
    g_autoptr(ChainGraph) empty = chain_graph_new();
    PlanFile *two = add_file(w, w->two, 5), *memory = add_file(w, NULL, 7);
    PlanFile *unknown = add_file(w, w->one, CHAIN_UNKNOWN);

    plan_revert_refresh(w->plan, empty);
    g_assert_cmpuint(two->bytes, ==, 5);
    g_assert_cmpuint(memory->bytes, ==, 7);
    g_assert_cmpuint(unknown->bytes, ==, CHAIN_UNKNOWN);
    g_assert_cmpuint(w->plan->bytes_freed, ==, 12);
    w->two->allocation = CHAIN_UNKNOWN;
    plan_revert_refresh(w->plan, w->graph);
    g_assert_cmpuint(two->bytes, ==, 5);
}

/* What --save-current makes and takes away again discards nothing; nor is a sum that is not known
 * made up. */
static void test_refresh_discards_nothing(World *w, const void *data)
{
    add_file(w, w->two, 5);
    w->plan->discarded_bytes = CHAIN_UNKNOWN;
    plan_revert_refresh(w->plan, w->graph);
    g_assert_cmpuint(w->plan->discarded_bytes, ==, CHAIN_UNKNOWN);
    w->plan->save_current = g_strdup("kept");
    w->plan->discarded_bytes = 0;
    plan_revert_refresh(w->plan, w->graph);
    g_assert_cmpuint(w->plan->discarded_bytes, ==, 0);
    g_assert_cmpuint(w->plan->bytes_freed, ==, 10 * MIB);
}

int main(int argc, char **argv)
{
#define ADD(name, fn) g_test_add("/plan/resting/" name, World, NULL, setup, fn, teardown)
    g_test_init(&argc, &argv, NULL);
    ADD("what-rests", test_what_rests);
    ADD("written", test_written);
    ADD("written-otherwise", test_written_otherwise);
    ADD("unknown", test_unknown);
    ADD("another-number", test_another_number);
    ADD("journal", test_journal);
    ADD("refresh", test_refresh);
    ADD("refresh-gone", test_refresh_of_what_is_gone);
    ADD("refresh-discards-nothing", test_refresh_discards_nothing);
    return g_test_run();
}
