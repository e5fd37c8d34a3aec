/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * layers.c: what stands on what right now
 */
#include "config.h"

#include "include/vext-i18n.h"
#include "plugin/backend/domain.h"
#include "plugin/backend/files.h"
#include "plugin/backend/read.h"
#include "plugin/exec/layers.h"
#include "plugin/exec/world.h"
#include "plugin/xml/parse.h"
#include "plugin/xml/disk-source.h"

void exec_layer_free(ExecLayer *layer)
{
    if (!layer)
        return;
    chain_source_free(layer->source);
    g_free(layer->format);
    g_free(layer);
}

void exec_merge_view_clear(ExecMergeView *view)
{
    g_clear_pointer(&view->layers, g_ptr_array_unref);
}

static GPtrArray *layers_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)exec_layer_free);
}

/* The levels of one <disk>: <source> and <driver type>, then <backingStore> with <format>. */
static GPtrArray *read_layers(virConnectPtr conn, xmlNode *disk)
{
    GPtrArray *layers = layers_new();
    xmlNode *node = disk;

    while (node) {
        xmlNode *source = xml_child(node, "source");
        xmlNode *driver = xml_child(node, node == disk ? "driver" : "format");
        /* of the disk itself at <source>, of what is below at <backingStore> */
        g_autofree char *index = xml_attr(node == disk ? source : node, "index");
        ExecLayer *layer;

        if (!source)
            break;
        layer = g_new0(ExecLayer, 1);
        layer->source = xml_read_source(node);
        if (layer->source->type == CHAIN_SOURCE_VOLUME && !layer->source->path)
            layer->source->path = backend_volume_path(conn, layer->source->pool,
                                                      layer->source->volume);
        layer->format = xml_attr(driver, "type");
        if (index)
            layer->index = (guint)g_ascii_strtoull(index, NULL, 10);
        g_ptr_array_add(layers, layer);
        node = xml_child(node, "backingStore");
    }
    return layers;
}

GPtrArray *exec_live_layers(virConnectPtr conn, virDomainPtr dom, const char *disk, GError **error)
{
    g_autofree char *text = backend_domain_live_xml(dom, error);
    g_autoptr(xmlDoc) doc = text ? xml_parse(text, "domain", error) : NULL;

    if (!doc)
        return NULL;
    for (xmlNode *node = xml_child(xml_child(xmlDocGetRootElement(doc), "devices"), "disk"); node;
         node = xml_next(node, "disk")) {
        if (xml_attr_is(xml_child(node, "target"), "dev", disk))
            return read_layers(conn, node);
    }
    g_set_error(error, EXEC_ERROR, EXEC_ERROR_CHANGED, _("Domain '%s' has no disk '%s' any more"),
                backend_domain_name(dom), disk);
    return NULL;
}

gboolean exec_same_image(ExecContext *ctx, const ChainSource *source, const PlanImage *image)
{
    g_autofree char *a = chain_source_key(source);
    g_autofree char *b = chain_source_key(image->source);
    g_autofree char *ia = NULL, *ib = NULL;

    if (g_str_equal(a, b))
        return TRUE;
    if (!ctx->local || !source->path || !image->source->path)
        return FALSE;
    ia = backend_file_identity(source->path);
    ib = backend_file_identity(image->source->path);
    return ia && ib && g_str_equal(ia, ib);
}

int exec_layer_find(ExecContext *ctx, GPtrArray *layers, const PlanImage *image)
{
    for (guint i = 0; i < layers->len; i++) {
        const ExecLayer *layer = g_ptr_array_index(layers, i);

        if (exec_same_image(ctx, layer->source, image))
            return (int)i;
    }
    return -1;
}

static gboolean layer_is(ExecContext *ctx, GPtrArray *layers, int at, const PlanImage *image)
{
    const ExecLayer *layer;

    if (at < 0 || (guint)at >= layers->len)
        return image == NULL;
    layer = g_ptr_array_index(layers, at);
    return image && exec_same_image(ctx, layer->source, image);
}

ExecMergeState exec_merge_compare(ExecContext *ctx, const PlanMerge *merge, GPtrArray *layers,
                                  int *top)
{
    int at = exec_layer_find(ctx, layers, merge->top);
    gboolean whole = at >= 0;

    *top = at;
    /* range is upwards, layers are downwards */
    for (guint i = 0; whole && i < merge->range->len; i++) {
        const PlanImage *image = g_ptr_array_index(merge->range, merge->range->len - 1 - i);

        whole = layer_is(ctx, layers, at + (int)i, image);
    }
    /* The XML of some versions ends above an image that has nothing below; what counts is that
     * no other image is in between. */
    if (whole && layer_is(ctx, layers, at + (int)merge->range->len, merge->below))
        return EXEC_MERGE_OLD;
    if (merge->direction == PLAN_PULL)
        return at >= 0 && layer_is(ctx, layers, at + 1, merge->below) ? EXEC_MERGE_MERGED
                                                                      : EXEC_MERGE_OTHER;
    at = exec_layer_find(ctx, layers, merge->base);
    if (at < 0 || !layer_is(ctx, layers, at + 1, merge->below))
        return EXEC_MERGE_OTHER;
    for (guint i = 1; i < merge->range->len; i++) {
        if (exec_layer_find(ctx, layers, g_ptr_array_index(merge->range, i)) >= 0)
            return EXEC_MERGE_OTHER;
    }
    return EXEC_MERGE_MERGED;
}

static GPtrArray *graph_layers(ChainImage *from)
{
    g_autoptr(GPtrArray) images = chain_image_chain(from);
    GPtrArray *layers = layers_new();

    for (guint i = 0; i < images->len; i++) {
        ChainImage *image = g_ptr_array_index(images, i);
        ExecLayer *layer = g_new0(ExecLayer, 1);

        layer->source = chain_source_copy(image->source);
        layer->format = g_strdup(image->format);
        layer->encrypted = (image->flags & CHAIN_IMAGE_ENCRYPTED) != 0;
        g_ptr_array_add(layers, layer);
    }
    return layers;
}

/* Whether it is known to the last image by what the headers say, with names as XML has them. */
static gboolean known_and_absolute(GPtrArray *chain)
{
    for (guint i = 0; chain && i < chain->len; i++) {
        const ChainImage *image = g_ptr_array_index(chain, i);

        if (!image->format || image->flags & (CHAIN_IMAGE_RELATIVE | CHAIN_IMAGE_LOOP))
            return FALSE;
        if (!(image->flags & CHAIN_IMAGE_HEADER_READ) && !g_str_equal(image->format, "raw"))
            return FALSE;
    }
    return chain != NULL;
}

static gboolean any_encrypted(GPtrArray *chain)
{
    for (guint i = 1; chain && i < chain->len; i++) {
        if (((const ChainImage *) g_ptr_array_index(chain, i))->flags & CHAIN_IMAGE_ENCRYPTED)
            return TRUE;
    }
    return FALSE;
}

static gsize chain_below(const ChainSource *source, gboolean known, const ChainSource ***sources,
                         const char ***formats, ChainGraph *graph)
{
    ChainImage *top = chain_graph_find(graph, source);
    g_autoptr(GPtrArray) chain = top ? chain_image_chain(top) : NULL;

    if (!any_encrypted(chain) && !(known && known_and_absolute(chain)))
        return 0;
    *sources = g_new(const ChainSource *, chain->len);
    *formats = g_new(const char *, chain->len);
    for (guint i = 1; i < chain->len; i++) {
        const ChainImage *image = g_ptr_array_index(chain, i);

        (*sources)[i - 1] = image->source;
        (*formats)[i - 1] = image->format;
    }
    return chain->len - 1;
}

gsize exec_chain_below(const ChainSource *source, G_GNUC_UNUSED gboolean written,
                       const ChainSource ***sources, const char ***formats, gpointer graph)
{
    return chain_below(source, FALSE, sources, formats, graph);
}

gsize exec_chain_below_config(const ChainSource *source, gboolean written,
                              const ChainSource ***sources, const char ***formats,
                              gpointer graph)
{
    return chain_below(source, written, sources, formats, graph);
}

/* Whether a merge is about this chain at all. A merge in a branch shares its lower images. */
static gboolean concerns(ExecContext *ctx, const PlanMerge *merge, GPtrArray *layers)
{
    if (exec_layer_find(ctx, layers, merge->top) >= 0)
        return TRUE;
    if (merge->direction == PLAN_PULL)
        return FALSE;
    if (merge->top_is_active)
        return exec_layer_find(ctx, layers, merge->base) >= 0;
    return merge->above && exec_layer_find(ctx, layers, merge->above) >= 0;
}

/*
 * Of a pull top must have all that the images below it in the range have, of a commit base what
 * those above it have: looked for with what takes the data on top of what it is taken from.
 */
ExecWritten exec_merge_written(ExecContext *ctx, const PlanMerge *merge)
{
    g_autoptr(GPtrArray) sources = g_ptr_array_new(), formats = g_ptr_array_new();
    guint64 left = 0;
    gsize merged;

    /* A raw image has no tables. */
    if (merge->direction == PLAN_COMMIT && g_strcmp0(merge->base->format, "raw") == 0)
        return EXEC_WRITTEN;
    if (!ctx->local)
        return EXEC_CANNOT_SEE;
    if (merge->direction == PLAN_COMMIT) {
        g_ptr_array_add(sources, merge->base->source);
        g_ptr_array_add(formats, merge->base->format);
    }
    for (guint i = merge->range->len; i-- > (merge->direction == PLAN_COMMIT ? 1 : 0);) {
        const PlanImage *image = g_ptr_array_index(merge->range, i);

        g_ptr_array_add(sources, image->source);
        g_ptr_array_add(formats, image->format);
    }
    merged = sources->len;
    if (merge->below) {
        g_ptr_array_add(sources, merge->below->source);
        g_ptr_array_add(formats, merge->below->format);
    }
    if (!backend_data_left((const ChainSource *const *)sources->pdata,
                           (const char *const *)formats->pdata, sources->len, merged, &left))
        return EXEC_CANNOT_SEE;
    return left ? EXEC_LACKS : EXEC_WRITTEN;
}

gboolean exec_merge_in_doubt(ExecContext *ctx, const PlanMerge *merge)
{
    const Plan *plan = ctx->journal->plan;

    if (!ctx->taken_up)
        return FALSE;
    for (guint i = 0; i < plan->steps->len; i++) {
        const PlanStep *step = g_ptr_array_index(plan->steps, i);

        if (step->action == PLAN_STEP_MERGE &&
            g_ptr_array_index(plan->merges, step->merge) == merge)
            return i >= ctx->reached;
    }
    return FALSE;
}

/* The headers say that it is merged: puts what they leave out back in where that is wrong. */
static void look_for_cut(ExecContext *ctx, const PlanMerge *merge, ExecMergeView *view)
{
    gboolean pull = merge->direction == PLAN_PULL;
    ExecWritten written;
    int at;

    /* What is written by the domain itself was flushed before the switch, and no header changed. */
    if (!pull && !merge->above)
        return;
    written = exec_merge_written(ctx, merge);
    if (written == EXEC_WRITTEN ||
        (written == EXEC_CANNOT_SEE && !exec_merge_in_doubt(ctx, merge)))
        return;
    at = pull ? view->top + 1 : exec_layer_find(ctx, view->layers, merge->base);
    if (at <= 0)
        return;
    view->cut = TRUE;
    view->state = EXEC_MERGE_OLD;
    if (!pull)
        view->top = at;
    for (guint i = pull ? 0 : 1; i < merge->range->len - (pull ? 1 : 0); i++) {
        const PlanImage *image = g_ptr_array_index(merge->range, i);
        ExecLayer *layer = g_new0(ExecLayer, 1);

        layer->source = chain_source_copy(image->source);
        layer->format = g_strdup(image->format);
        layer->encrypted = chain_source_decrypts(image->source);
        g_ptr_array_insert(view->layers, at, layer);
    }
}

/* The chain that the headers say, from the image on that a merge changes; NULL: it is unknown. */
static GPtrArray *header_layers(ChainGraph *graph, const PlanMerge *merge)
{
    ChainImage *from = NULL;

    if (merge->direction == PLAN_COMMIT && merge->above)
        from = chain_graph_find(graph, merge->above->source);
    if (!from)
        from = chain_graph_find(graph, merge->top->source);
    return from ? graph_layers(from) : NULL;
}

gboolean exec_merge_unseen(ExecContext *ctx, const PlanMerge *merge)
{
    g_autoptr(ChainGraph) graph = exec_read_domain(ctx, NULL);
    g_autoptr(GPtrArray) layers = graph ? header_layers(graph, merge) : NULL;
    int top;

    return layers && exec_merge_compare(ctx, merge, layers, &top) == EXEC_MERGE_MERGED;
}

/*
 * The chain of a running domain as it is known to be now. While a job runs QEMU has to answer:
 * one that is killed may have changed the headers, and libvirt says for a moment still what was
 * before. When there is none any more what was read may be of the time before its end.
 */
static gboolean look_live(ExecContext *ctx, const PlanMerge *merge, ExecMergeView *view,
                          GError **error)
{
    int job = backend_domain_block_job(ctx->dom, merge->disk, error);

    if (job < 0)
        return FALSE;
    if (job == 0) {
        g_ptr_array_unref(view->layers);
        view->layers = exec_live_layers(ctx->conn, ctx->dom, merge->disk, error);
        if (!view->layers)
            return FALSE;
    }
    view->live = TRUE;
    view->state = exec_merge_compare(ctx, merge, view->layers, &view->top);
    return TRUE;
}

gboolean exec_merge_look(ExecContext *ctx, const PlanMerge *merge, ExecMergeView *view,
                         GError **error)
{
    g_autoptr(ChainGraph) graph = NULL;
    g_autoptr(GError) problem = NULL;
    ChainDomain *d;
    ChainDisk *disk;

    view->live = FALSE;
    view->cut = FALSE;
    view->top = -1;
    g_clear_pointer(&view->layers, g_ptr_array_unref);
    if (exec_domain_active(ctx)) {
        view->layers = exec_live_layers(ctx->conn, ctx->dom, merge->disk, &problem);
        /* Of a disk that was unplugged meanwhile the images are there as ever. */
        if (problem && !g_error_matches(problem, EXEC_ERROR, EXEC_ERROR_CHANGED)) {
            g_propagate_error(error, g_steal_pointer(&problem));
            return FALSE;
        }
        if (view->layers && concerns(ctx, merge, view->layers))
            return look_live(ctx, merge, view, error);
        g_clear_pointer(&view->layers, g_ptr_array_unref);
    }

    graph = exec_read_domain(ctx, error);
    if (!graph)
        return FALSE;
    d = chain_graph_domain(graph, ctx->journal->plan->domain);
    disk = d ? chain_domain_disk(d, merge->disk) : NULL;
    if (!exec_domain_active(ctx) && disk && disk->active) {
        view->layers = graph_layers(disk->active);
        if (!concerns(ctx, merge, view->layers))
            g_clear_pointer(&view->layers, g_ptr_array_unref);
    }
    if (!view->layers) {
        view->layers = header_layers(graph, merge);
        if (!view->layers) {
            view->layers = layers_new();
            view->state = EXEC_MERGE_OTHER;
            return TRUE;
        }
    }
    view->state = exec_merge_compare(ctx, merge, view->layers, &view->top);
    if (view->state == EXEC_MERGE_MERGED)
        look_for_cut(ctx, merge, view);
    return TRUE;
}
