/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_exec_layers.c: after a merge only the old chain or the merged one is accepted
 */
#include "config.h"

#include "plugin/exec/layers.h"

static PlanImage *image(const char *path)
{
    PlanImage *i = g_new0(PlanImage, 1);

    i->source = chain_source_new_file(path);
    i->key = chain_source_key(i->source);
    i->path = g_strdup(path);
    return i;
}

/* Images named by letters; @chain is downwards, "below base f2 top above" is "edcba". */
static GPtrArray *layers(const char *chain)
{
    GPtrArray *all = g_ptr_array_new_with_free_func((GDestroyNotify)exec_layer_free);

    for (; *chain; chain++) {
        ExecLayer *layer = g_new0(ExecLayer, 1);
        char path[] = { '/', *chain, '\0' };

        layer->source = chain_source_new_file(path);
        g_ptr_array_add(all, layer);
    }
    return all;
}

typedef struct {
    PlanDirection direction;
    gboolean root;      /* base has nothing below */
    const char *chain;
    ExecMergeState state;
} Case;

/* a below, b base, c F2, d top, e above; x somebody else's */
static const Case cases[] = {
    { PLAN_COMMIT, FALSE, "edcba", EXEC_MERGE_OLD },
    { PLAN_COMMIT, FALSE, "dcba", EXEC_MERGE_OLD },
    { PLAN_COMMIT, FALSE, "xedcba", EXEC_MERGE_OLD },
    { PLAN_COMMIT, FALSE, "eba", EXEC_MERGE_MERGED },
    { PLAN_COMMIT, FALSE, "ba", EXEC_MERGE_MERGED },
    { PLAN_COMMIT, FALSE, "xba", EXEC_MERGE_MERGED },
    { PLAN_COMMIT, FALSE, "ecba", EXEC_MERGE_OTHER },
    { PLAN_COMMIT, FALSE, "edba", EXEC_MERGE_OTHER },
    { PLAN_COMMIT, FALSE, "edxcba", EXEC_MERGE_OTHER },
    { PLAN_COMMIT, FALSE, "edcb", EXEC_MERGE_OTHER },
    { PLAN_COMMIT, FALSE, "edcbx", EXEC_MERGE_OTHER },
    { PLAN_COMMIT, FALSE, "ebx", EXEC_MERGE_OTHER },
    { PLAN_COMMIT, FALSE, "ea", EXEC_MERGE_OTHER },
    { PLAN_COMMIT, FALSE, "", EXEC_MERGE_OTHER },
    { PLAN_COMMIT, TRUE, "edcb", EXEC_MERGE_OLD },
    { PLAN_COMMIT, TRUE, "edcba", EXEC_MERGE_OTHER },
    { PLAN_COMMIT, TRUE, "eb", EXEC_MERGE_MERGED },
    { PLAN_PULL, FALSE, "edcba", EXEC_MERGE_OLD },
    { PLAN_PULL, FALSE, "eda", EXEC_MERGE_MERGED },
    { PLAN_PULL, FALSE, "da", EXEC_MERGE_MERGED },
    { PLAN_PULL, FALSE, "edca", EXEC_MERGE_OTHER },
    { PLAN_PULL, FALSE, "edba", EXEC_MERGE_OTHER },
    { PLAN_PULL, FALSE, "ed", EXEC_MERGE_OTHER },
    { PLAN_PULL, FALSE, "eba", EXEC_MERGE_OTHER },
    { PLAN_PULL, TRUE, "edcb", EXEC_MERGE_OLD },
    { PLAN_PULL, TRUE, "ed", EXEC_MERGE_MERGED },
    { PLAN_PULL, TRUE, "eda", EXEC_MERGE_OTHER },
};

static void test_compare(void)
{
    ExecContext ctx = { 0 };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        PlanImage *below = image("/a");
        PlanMerge merge = {
            .disk = (char *)"vda",
            .direction = cases[i].direction,
            .range = g_ptr_array_new_with_free_func((GDestroyNotify)plan_image_free),
            .below = cases[i].root ? NULL : below,
        };
        g_autoptr(GPtrArray) now = layers(cases[i].chain);
        int top;

        g_ptr_array_add(merge.range, image("/b"));
        g_ptr_array_add(merge.range, image("/c"));
        g_ptr_array_add(merge.range, image("/d"));
        merge.base = g_ptr_array_index(merge.range, 0);
        merge.top = g_ptr_array_index(merge.range, 2);
        g_test_message("%s of \"%s\"", cases[i].direction == PLAN_COMMIT ? "commit" : "pull",
                       cases[i].chain);
        g_assert_cmpint(exec_merge_compare(&ctx, &merge, now, &top), ==, cases[i].state);
        g_ptr_array_unref(merge.range);
        plan_image_free(below);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/exec/layers/compare", test_compare);
    return g_test_run();
}
