/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * spec-secrets.c: backing file names, and what libvirt and QEMU say of them, without their secrets
 */
#include "config.h"

#include <string.h>

#include "plugin/model/json.h"
#include "plugin/xml/disk-source.h"

/* A flag is none: qcow2 has some that pass discards on. */
static gboolean is_secret(const char *name, JsonNode *value)
{
    return chain_names_secret(name, -1) && !JSON_NODE_HOLDS_NULL(value) &&
           !(JSON_NODE_HOLDS_VALUE(value) && json_node_get_value_type(value) == G_TYPE_BOOLEAN);
}

static gboolean hide_members(JsonNode *node);

/* What is to be in the place of @value, of an object's member @name or (NULL) of an array; new,
 * or NULL: it stays, changed in place where something in it was hidden, which *@any tells. */
static JsonNode *hide_value(const char *name, JsonNode *value, gboolean *any)
{
    const char *text = JSON_NODE_HOLDS_VALUE(value) ? json_node_get_string(value) : NULL;
    g_autofree char *hidden = text ? xml_spec_hide_secrets(text) : NULL;

    if (name && is_secret(name, value)) {
        g_free(hidden);
        hidden = g_strdup(CHAIN_HIDDEN);
    }
    if (!hidden) {
        *any |= hide_members(value);
        return NULL;
    }
    if (g_strcmp0(hidden, text) == 0)
        return NULL;
    *any = TRUE;
    return json_node_init_string(json_node_alloc(), hidden);
}

/* json_read() has limited the depth. Returns: whether there was anything */
static gboolean hide_members(JsonNode *node)
{
    JsonObject *object = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
    JsonArray *array = JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    g_autoptr(GList) names = object ? json_object_get_members(object) : NULL;
    g_autoptr(JsonArray) shown = array ? json_array_new() : NULL;
    gboolean any = FALSE;

    for (GList *name = names; name; name = name->next) {
        JsonNode *instead = hide_value(name->data, json_object_get_member(object, name->data),
                                       &any);

        if (instead)
            json_object_set_member(object, name->data, instead);
    }
    /* an array has no function that sets one of its elements */
    for (guint i = 0; array && i < json_array_get_length(array); i++) {
        JsonNode *value = json_array_get_element(array, i);
        JsonNode *instead = hide_value(NULL, value, &any);

        json_array_add_element(shown, instead ? instead : json_node_copy(value));
    }
    if (array && any)
        json_node_set_array(node, shown);
    return any;
}

/* The values of "key" in "rbd:POOL/IMAGE[:KEY=VALUE…]", with "\" before a ":" in one. */
static char *hide_in_rbd(const char *spec)
{
    g_autoptr(GString) out = g_string_new(NULL);
    const char *end;

    for (; *spec; spec = end) {
        gboolean key = g_str_has_prefix(spec, ":key=");

        for (end = spec + 1; *end && *end != ':'; end++)
            end += *end == '\\' && end[1];
        g_string_append_len(out, spec, key ? (gssize) strlen(":key=") : end - spec);
        if (key)
            g_string_append(out, CHAIN_HIDDEN);
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}

char *xml_spec_hide_secrets(const char *spec)
{
    char *hidden = NULL;

    if (g_str_has_prefix(spec, "json:")) {
        const char *text = spec + strlen("json:");
        g_autoptr(JsonNode) root = json_read(text, strlen(text), NULL);

        /* nobody can tell what is what in it */
        if (!root)
            return g_strdup("json:" CHAIN_HIDDEN);
        if (hide_members(root)) {
            g_autofree char *json = json_to_string(root, FALSE);

            return g_strconcat("json:", json, NULL);
        }
    } else if (g_str_has_prefix(spec, "rbd:")) {
        return hide_in_rbd(spec);
    } else {
        hidden = chain_uri_hide_secrets(spec);
    }
    return hidden ? hidden : g_strdup(spec);
}

/* --- texts ---------------------------------------------------------------------------------- */

/* A quote may be escaped itself, in JSON that is in a string of other JSON. */
#define QUOTED_MEMBER "(?<q>\\\\*\")(?<name>[^\"\\\\]*)\\k<q>\\s*:\\s*\\k<q>" \
                      "(?<value>.*?)(?:(?<!\\\\)\\k<q>|\\z)"
#define SPEC_START "(?:[A-Za-z][A-Za-z0-9+.-]*://|\\brbd:)"
/* A quote in a password does not end the name, unless it looks as if it were the end. */
#define QUOTED_SPEC "(?<q>\\\\*[\"'])(?<spec>" SPEC_START ".*?)" \
                    "(?:(?<!\\\\)\\k<q>(?![A-Za-z0-9])|\\z)"
#define PLAIN_SPEC "(?<spec>" SPEC_START "[^\\s\"'<>]*[^\\s\"'<>:,.;)])"

static char *replace_all(const char *pattern, const char *text, GRegexEvalCallback callback)
{
    g_autoptr(GRegex) regex = g_regex_new(pattern, G_REGEX_RAW | G_REGEX_DOTALL, 0, NULL);
    char *shown = regex ? g_regex_replace_eval(regex, text, -1, 0, 0, callback, NULL, NULL) : NULL;

    /* it could not be looked through: nobody can tell what is in it */
    return shown ? shown : g_strdup(CHAIN_HIDDEN);
}

static gboolean hide_member(const GMatchInfo *match, GString *out, gpointer data)
{
    g_autofree char *whole = g_match_info_fetch(match, 0);
    g_autofree char *name = g_match_info_fetch_named(match, "name");
    g_autofree char *value = g_match_info_fetch_named(match, "value");
    g_autofree char *quote = g_match_info_fetch_named(match, "q");
    const char *end = g_str_has_suffix(whole + strlen(quote), quote) ? quote : "";
    gsize before = strlen(whole) - strlen(end) - strlen(value);
    g_autofree char *shown = chain_names_secret(name, -1)
                             ? g_strdup(CHAIN_HIDDEN)
                             : replace_all(QUOTED_MEMBER, value, hide_member);

    g_string_append_len(out, whole, (gssize) before);
    g_string_append_printf(out, "%s%s", shown, end);
    return FALSE;
}

static gboolean hide_spec(const GMatchInfo *match, GString *out, gpointer data)
{
    g_autofree char *whole = g_match_info_fetch(match, 0);
    g_autofree char *spec = g_match_info_fetch_named(match, "spec");
    g_autofree char *shown = xml_spec_hide_secrets(spec);
    const char *at = strstr(whole, spec);

    g_string_append_len(out, whole, at - whole);
    g_string_append_printf(out, "%s%s", shown, at + strlen(spec));
    return FALSE;
}

char *xml_text_hide_secrets(const char *text)
{
    g_autofree char *members = replace_all(QUOTED_MEMBER, text, hide_member);
    g_autofree char *quoted = replace_all(QUOTED_SPEC, members, hide_spec);

    return replace_all(PLAIN_SPEC, quoted, hide_spec);
}
