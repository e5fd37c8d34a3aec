/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * image-info.c: what qemu-img info says, and the image names that QEMU understands
 */
#include "config.h"

#include <string.h>

#include <json-glib/json-glib.h>

#include "include/vext-i18n.h"
#include "plugin/xml/disk-source.h"
#include "plugin/xml/json.h"
#include "plugin/xml/read.h"

/* json-glib recurses; what QEMU prints and what anybody needs is much flatter. It also takes
 * comments and 'strings', in which a bracket or a quote would be miscounted here: they are not
 * JSON, and refused, as are strings across lines and a second root, with which it loses the
 * first. */
#define JSON_MAX_DEPTH 64

static gboolean json_too_deep(const char *text, gsize len)
{
    gboolean in_string = FALSE, over = FALSE;
    int depth = 0;
    gsize i;

    for (i = 0; i < len; i++) {
        char c = text[i];

        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = FALSE;
            else if (c == '\n')
                return TRUE;
        } else if (!depth && !g_ascii_isspace(c) && (over || (c != '{' && c != '['))) {
            return TRUE;
        } else if (c == '"') {
            in_string = TRUE;
        } else if (c == '/' || c == '#' || c == '\'') {
            return TRUE;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_MAX_DEPTH)
                return TRUE;
        } else if (c == '}' || c == ']') {
            over = --depth <= 0;
        }
    }
    return FALSE;
}

JsonNode *json_read(const char *text, gsize len, GError **error)
{
    g_autoptr(JsonParser) parser = json_parser_new();

    /* what json-glib does with other bytes depends on its version */
    if (json_too_deep(text, len) || !g_utf8_validate(text, len, NULL) ||
        !json_parser_load_from_data(parser, text, len, NULL) ||
        !json_parser_get_root(parser)) {
        g_set_error(error, VEXT_XML_ERROR, VEXT_XML_ERROR_PARSE, _("Invalid JSON"));
        return NULL;
    }
    return json_parser_steal_root(parser);
}

JsonNode *json_member(JsonObject *object, const char *name)
{
    return object ? json_object_get_member(object, name) : NULL;
}

JsonObject *json_member_object(JsonObject *object, const char *name)
{
    JsonNode *node = json_member(object, name);

    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

JsonArray *json_member_array(JsonObject *object, const char *name)
{
    JsonNode *node = json_member(object, name);

    return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

char *json_member_string(JsonObject *object, const char *name)
{
    JsonNode *node = json_member(object, name);

    if (!node || !JSON_NODE_HOLDS_VALUE(node))
        return NULL;
    if (json_node_get_value_type(node) == G_TYPE_STRING)
        return g_strdup(json_node_get_string(node));
    if (json_node_get_value_type(node) == G_TYPE_INT64)
        return g_strdup_printf("%" G_GINT64_FORMAT, json_node_get_int(node));
    return NULL;
}

gboolean json_member_true(JsonObject *object, const char *name)
{
    JsonNode *node = json_member(object, name);

    return node && JSON_NODE_HOLDS_VALUE(node) &&
           json_node_get_value_type(node) == G_TYPE_BOOLEAN && json_node_get_boolean(node);
}

guint64 json_member_bytes(JsonObject *object, const char *name)
{
    JsonNode *node = json_member(object, name);

    if (!node || !JSON_NODE_HOLDS_VALUE(node) ||
        json_node_get_value_type(node) != G_TYPE_INT64 || json_node_get_int(node) < 0)
        return CHAIN_UNKNOWN;
    return json_node_get_int(node);
}

/* --- qemu-img info -------------------------------------------------------------------------- */

void image_info_free(ImageInfo *info)
{
    if (!info)
        return;
    g_free(info->filename);
    g_free(info->format);
    g_free(info->backing);
    g_free(info->full_backing);
    g_free(info->backing_format);
    g_free(info->data_file);
    g_free(info);
}

static guint array_length(JsonArray *array)
{
    return array ? json_array_get_length(array) : 0;
}

static ImageInfo *read_info(JsonObject *object)
{
    JsonObject *data = json_member_object(json_member_object(object, "format-specific"), "data");
    ImageInfo *info = g_new0(ImageInfo, 1);

    info->filename = json_member_string(object, "filename");
    info->format = json_member_string(object, "format");
    info->backing = json_member_string(object, "backing-filename");
    info->full_backing = json_member_string(object, "full-backing-filename");
    info->backing_format = json_member_string(object, "backing-filename-format");
    info->virtual_size = json_member_bytes(object, "virtual-size");
    info->allocation = json_member_bytes(object, "actual-size");
    info->encrypted = json_member_true(object, "encrypted") ||
                      g_strcmp0(info->format, "luks") == 0;
    info->corrupt = json_member_true(data, "corrupt");
    info->data_file = json_member_string(data, "data-file");
    info->bitmaps = array_length(json_member_array(data, "bitmaps"));
    info->snapshots = array_length(json_member_array(object, "snapshots"));
    if (info->backing && !*info->backing)
        g_clear_pointer(&info->backing, g_free);
    return info;
}

GPtrArray *image_info_parse(const char *json, gsize len, GError **error)
{
    g_autoptr(JsonNode) root = json_read(json, len, error);
    g_autoptr(GPtrArray) infos = NULL;
    JsonArray *array;
    guint i;

    if (!root)
        return NULL;
    infos = g_ptr_array_new_with_free_func((GDestroyNotify) image_info_free);
    if (JSON_NODE_HOLDS_OBJECT(root)) {
        g_ptr_array_add(infos, read_info(json_node_get_object(root)));
        return g_steal_pointer(&infos);
    }
    array = JSON_NODE_HOLDS_ARRAY(root) ? json_node_get_array(root) : NULL;
    for (i = 0; i < array_length(array); i++) {
        JsonNode *node = json_array_get_element(array, i);

        if (!JSON_NODE_HOLDS_OBJECT(node))
            break;
        g_ptr_array_add(infos, read_info(json_node_get_object(node)));
    }
    if (!array || i < array_length(array)) {
        g_set_error(error, VEXT_XML_ERROR, VEXT_XML_ERROR_CONTENT,
                    _("The image information is not what qemu-img prints"));
        return NULL;
    }
    return g_steal_pointer(&infos);
}
