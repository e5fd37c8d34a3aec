/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * image-info.c: what qemu-img info says, and the image names that QEMU understands
 */
#include "config.h"

#include <string.h>

#include <json-glib/json-glib.h>

#include "include/vext-i18n.h"
#include "plugin/model/json.h"
#include "plugin/xml/disk-source.h"
#include "plugin/xml/read.h"

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
