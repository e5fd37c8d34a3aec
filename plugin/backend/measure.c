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

gboolean backend_measure_range(const ChainImage *lo, const ChainImage *hi, const ChainImage *top,
                               guint64 *commit_bytes, guint64 *pull_bytes)
{
    const char *argv[] = { "map", "--output=json", "-U", "-f", top->format, top->source->path,
                           NULL };
    g_autoptr(JsonNode) root = NULL;
    g_autofree char *out = NULL;
    guint64 commit = 0, pull = 0, lo_depth = 0;
    const ChainImage *image;
    JsonArray *array;
    guint i;

    for (image = top; image && image != lo; image = image->backing)
        lo_depth++;
    if (!image || lo_depth == 0 || !can_be_mapped(top))
        return FALSE;
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
        gboolean data = json_member_true(extent, "data");
        gboolean zero = json_member_true(extent, "zero");

        if (depth == CHAIN_UNKNOWN || length == CHAIN_UNKNOWN || depth > lo_depth)
            continue;
        /* a commit writes zeros of a layer out; what no layer has is at the lowest depth */
        if (depth < lo_depth && (data || zero))
            commit += length;
        if (depth > 0 && data)
            pull += length;
    }
    *commit_bytes = commit;
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
