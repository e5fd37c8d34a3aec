/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * measure.c: what a merge would copy, from qemu-img's map of the layers
 */
#include "config.h"

#include <string.h>
#include <sys/stat.h>

#include "plugin/backend/local.h"
#include "plugin/backend/read.h"
#include "plugin/model/json.h"

/* qemu-img opens the whole chain: only where it needs to guess nothing, and no data file, which
 * is any name in an image's header. */
static gboolean can_be_mapped(const ChainImage *top)
{
    const ChainImage *image;

    for (image = top; image; image = image->backing) {
        if (!(image->flags & CHAIN_IMAGE_HEADER_READ) || !image->format || !image->source->path ||
            image->flags & (CHAIN_IMAGE_ENCRYPTED | CHAIN_IMAGE_LOOP | CHAIN_IMAGE_MISSING |
                            CHAIN_IMAGE_DATA_FILE) ||
            (image->backing && !image->backing_format))
            return FALSE;
    }
    return TRUE;
}

/** What one extent of qemu-img's map says. */
typedef struct {
    guint64 start, length, depth;
    gboolean data, zero;
    gboolean packed;          /* compressed (QEMU 8.2 and newer say so) */
} Extent;

/* The map of @top with all that it stands on: Extent, by their starts. NULL: it cannot be had. */
static GArray *map_image(const ChainImage *top)
{
    const char *argv[] = { "map", "--output=json", "-U", "-f", top->format, top->source->path,
                           NULL };
    g_autofree char *out = local_qemu_img(argv, NULL);
    g_autoptr(JsonNode) root = out ? json_read(out, strlen(out), NULL) : NULL;
    GArray *extents;
    JsonArray *array;

    if (!root || !JSON_NODE_HOLDS_ARRAY(root))
        return NULL;
    extents = g_array_new(FALSE, FALSE, sizeof(Extent));
    array = json_node_get_array(root);
    for (guint i = 0; i < json_array_get_length(array); i++) {
        JsonNode *node = json_array_get_element(array, i);
        JsonObject *object = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
        Extent extent = {
            json_member_bytes(object, "start"), json_member_bytes(object, "length"),
            json_member_bytes(object, "depth"), json_member_true(object, "data"),
            json_member_true(object, "zero"),
            json_member_true(object, "compressed"),
        };

        if (extent.start < G_MAXINT64 && extent.length < G_MAXINT64 &&
            extent.depth != CHAIN_UNKNOWN)
            g_array_append_val(extents, extent);
    }
    return extents;
}

/* How much of @from would be written over what the image of @map has itself. Both in order: @at
 * goes along. */
static guint64 allocated_in(const Extent *from, const GArray *map, guint *at)
{
    guint64 end = from->start + from->length, sum = 0;

    for (; *at < map->len; (*at)++) {
        const Extent *extent = &g_array_index(map, Extent, *at);
        guint64 first = MAX(from->start, extent->start);
        guint64 last = MIN(end, extent->start + extent->length);

        if (extent->depth == 0 && extent->data && !extent->packed && first < last)
            sum += last - first;
        if (extent->start + extent->length > end)
            break;
    }
    return sum;
}

gboolean backend_measure_range(const ChainImage *lo, const ChainImage *hi, const ChainImage *top,
                               guint64 *commit_bytes, guint64 *commit_growth,
                               guint64 *pull_bytes)
{
    guint64 commit = 0, growth = 0, pull = 0, lo_depth = 0;
    g_autoptr(GArray) map = NULL, base = NULL;
    const ChainImage *image;
    guint at = 0;

    for (image = top; image && image != lo; image = image->backing)
        lo_depth++;
    if (!image || lo_depth == 0 || !can_be_mapped(top))
        return FALSE;
    map = map_image(top);
    base = map ? map_image(lo) : NULL;
    if (!base)
        return FALSE;
    for (guint i = 0; i < map->len; i++) {
        const Extent *extent = &g_array_index(map, Extent, i);

        if (extent->depth > lo_depth)
            continue;
        /* a commit writes zeros of a layer out; what no layer has is at the lowest depth */
        if (extent->depth < lo_depth && (extent->data || extent->zero)) {
            commit += extent->length;
            growth += extent->length - allocated_in(extent, base, &at);
        }
        if (extent->depth > 0 && extent->data)
            pull += extent->length;
    }
    *commit_bytes = commit;
    /* what an internal snapshot keeps is not written over */
    *commit_growth = lo->flags & CHAIN_IMAGE_INTERNAL ? commit : growth;
    *pull_bytes = pull;
    return TRUE;
}

/* The chain as a json: name, so that no header says what is below the images of @sources. */
static JsonNode *chain_node(const ChainSource *const *sources, const char *const *formats, gsize n)
{
    JsonObject *image = json_object_new();
    JsonObject *file = json_object_new();
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);
    struct stat info;
    gboolean device = stat(sources[0]->path, &info) == 0 && S_ISBLK(info.st_mode);

    json_object_set_string_member(file, "driver", device ? "host_device" : "file");
    json_object_set_string_member(file, "filename", sources[0]->path);
    json_object_set_string_member(image, "driver", formats[0]);
    json_object_set_object_member(image, "file", file);
    if (n > 1)
        json_object_set_member(image, "backing", chain_node(sources + 1, formats + 1, n - 1));
    else if (g_strcmp0(formats[0], "raw") != 0)
        json_object_set_null_member(image, "backing");
    json_node_take_object(node, image);
    return node;
}

gboolean backend_data_left(const ChainSource *const *sources, const char *const *formats, gsize n,
                           guint64 *bytes)
{
    g_autoptr(JsonNode) chain = NULL, root = NULL;
    g_autofree char *json = NULL, *name = NULL, *out = NULL;
    const char *argv[] = { "map", "--output=json", "-U", NULL, NULL };
    guint64 left = 0;
    JsonArray *array;
    gsize i;

    for (i = 0; i < n; i++)
        if ((sources[i]->type != CHAIN_SOURCE_FILE && sources[i]->type != CHAIN_SOURCE_BLOCK &&
             sources[i]->type != CHAIN_SOURCE_VOLUME) || !sources[i]->path || !formats[i])
            return FALSE;
    chain = chain_node(sources, formats, n);
    json = json_to_string(chain, FALSE);
    name = g_strconcat("json:", json, NULL);
    argv[3] = name;
    out = local_qemu_img(argv, NULL);
    root = out ? json_read(out, strlen(out), NULL) : NULL;
    if (!root || !JSON_NODE_HOLDS_ARRAY(root))
        return FALSE;
    array = json_node_get_array(root);
    for (i = 0; i < json_array_get_length(array); i++) {
        JsonNode *node = json_array_get_element(array, i);
        JsonObject *extent = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
        guint64 depth = json_member_bytes(extent, "depth");
        guint64 length = json_member_bytes(extent, "length");

        if (depth != CHAIN_UNKNOWN && length != CHAIN_UNKNOWN && depth > 0 &&
            json_member_true(extent, "data"))
            left += length;
    }
    *bytes = left;
    return TRUE;
}
