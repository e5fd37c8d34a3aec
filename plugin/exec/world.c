/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * world.c: reading the world again while an operation runs
 */
#include "config.h"

#include "plugin/backend/read.h"
#include "plugin/exec/world.h"

static void add_named(GArray *named, const PlanImage *image)
{
    BackendNamed n = { image->source, image->format };

    g_array_append_val(named, n);
}

/* What the operation is about is looked at also when nobody names it any more: the headers say how
 * far a merge is, and what is to be removed may have come to have others on it. */
static GArray *named_by(const Plan *plan)
{
    GArray *named = g_array_new(FALSE, FALSE, sizeof(BackendNamed));

    for (guint i = 0; i < plan->merges->len; i++) {
        const PlanMerge *merge = g_ptr_array_index(plan->merges, i);

        for (guint k = 0; k < merge->range->len; k++)
            add_named(named, g_ptr_array_index(merge->range, k));
        if (merge->above)
            add_named(named, merge->above);
    }
    for (guint i = 0; i < plan->files->len; i++) {
        const PlanFile *file = g_ptr_array_index(plan->files, i);

        if (file->image)
            add_named(named, file->image);
    }
    return named;
}

ChainGraph *exec_read_domain(ExecContext *ctx, GError **error)
{
    g_autoptr(GArray) named = named_by(ctx->journal->plan);
    BackendReadOptions options = {
        .domain = ctx->dom,
        .named = (const BackendNamed *) (const void *) named->data,
        .n_named = named->len,
        .secure = TRUE,
        .pools = TRUE,
        .domain_of_helper = journal_domain_of_helper,
        .operation_from_xml = journal_operation_from_xml,
    };

    return backend_read_graph(ctx->conn, &options, error);
}

ChainGraph *exec_read_world(ExecContext *ctx, GError **error)
{
    g_autoptr(GArray) named = named_by(ctx->journal->plan);
    BackendReadOptions options = {
        .domain = ctx->dom,
        .named = (const BackendNamed *) (const void *) named->data,
        .n_named = named->len,
        .secure = TRUE,
        .complete = TRUE,
        .scan_orphans = TRUE,
        .pools = TRUE,
        .state = TRUE,
        .domain_of_helper = journal_domain_of_helper,
        .operation_from_xml = journal_operation_from_xml,
    };

    return backend_read_graph(ctx->conn, &options, error);
}

ChainImage *exec_find_image(const ChainGraph *graph, const PlanImage *image)
{
    ChainImage *found = chain_graph_find(graph, image->source);

    /* The name may have changed its meaning, not what the image is. */
    return found ? found : g_hash_table_lookup(graph->by_key, image->key);
}
