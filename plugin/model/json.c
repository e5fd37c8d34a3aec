/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * json.c: json-glib made safe for text that others wrote
 */
#include <config.h>

#include "include/vext-i18n.h"
#include "plugin/model/chain.h"
#include "plugin/model/json.h"

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
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("Invalid JSON"));
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
