/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * world.c: reading the world again while an operation runs
 */
#include "config.h"

#include "plugin/backend/read.h"
#include "plugin/exec/world.h"

ChainGraph *exec_read_domain(ExecContext *ctx, GError **error)
{
    BackendReadOptions options = {
        .domain = ctx->dom,
        .secure = TRUE,
        .pools = TRUE,
        .domain_of_helper = journal_domain_of_helper,
        .operation_from_xml = journal_operation_from_xml,
    };

    return backend_read_graph(ctx->conn, &options, error);
}

ChainGraph *exec_read_world(ExecContext *ctx, GError **error)
{
    BackendReadOptions options = {
        .domain = ctx->dom,
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
