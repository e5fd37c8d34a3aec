/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * json.c: members of JSON objects whose strings are hostile
 */
#include "config.h"

#include <string.h>

#include "plugin/text/json.h"
#include "plugin/text/safe.h"

void text_json_string(JsonBuilder *b, const char *name, const char *s)
{
    json_builder_set_member_name(b, name);
    text_json_value(b, s);
}

void text_json_value(JsonBuilder *b, const char *s)
{
    if (!s) {
        json_builder_add_null_value(b);
    } else if (g_utf8_validate(s, -1, NULL)) {
        json_builder_add_string_value(b, s);
    } else {
        g_autofree char *valid = g_utf8_make_valid(s, -1);

        json_builder_add_string_value(b, valid);
    }
}

void text_json_path(JsonBuilder *b, const char *name, const char *path)
{
    text_json_string(b, name, path);
    if (path && !g_utf8_validate(path, -1, NULL)) {
        g_autofree char *member = g_strconcat(name, "_bytes", NULL);
        g_autofree char *base64 = g_base64_encode((const guchar *) path, strlen(path));

        text_json_string(b, member, base64);
    }
}

void text_json_number(JsonBuilder *b, const char *name, guint64 n)
{
    json_builder_set_member_name(b, name);
    if (n > G_MAXINT64) /* CHAIN_UNKNOWN too */
        json_builder_add_null_value(b);
    else
        json_builder_add_int_value(b, (gint64) n);
}

void text_json_bool(JsonBuilder *b, const char *name, gboolean value)
{
    json_builder_set_member_name(b, name);
    json_builder_add_boolean_value(b, value);
}

void text_json_list(JsonBuilder *b, const char *name, const GPtrArray *strings)
{
    json_builder_set_member_name(b, name);
    json_builder_begin_array(b);
    for (guint i = 0; strings && i < strings->len; i++)
        text_json_value(b, g_ptr_array_index(strings, i));
    json_builder_end_array(b);
}

/*
 * The generator escapes what JSON wants escaped; on a terminal more than that is harmful. What
 * is not ASCII stands only inside of strings.
 */
static char *escape_unsafe(const char *json)
{
    gsize length = strlen(json);
    GString *out = g_string_sized_new(length + 2);
    const char *plain = json;

    for (const char *p = json; *p;) {
        const char *next = g_utf8_next_char(p);
        gunichar c = (guchar) *p < 0x80 ? 0 : g_utf8_get_char(p);

        if (c && !text_char_is_safe(c)) {
            g_string_append_len(out, plain, p - plain);
            if (c < 0x10000)
                g_string_append_printf(out, "\\u%04x", c);
            else
                g_string_append_printf(out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
                                       0xdc00 + (c & 0x3ff));
            plain = next;
        }
        p = next;
    }
    g_string_append(out, plain);
    g_string_append_c(out, '\n');
    return g_string_free(out, FALSE);
}

char *text_json_finish(JsonBuilder *b)
{
    g_autoptr(JsonNode) root = json_builder_get_root(b);
    g_autoptr(JsonGenerator) generator = json_generator_new();
    g_autofree char *text = NULL;

    json_generator_set_pretty(generator, TRUE);
    json_generator_set_indent(generator, 2);
    json_generator_set_root(generator, root);
    text = json_generator_to_data(generator, NULL);
    return escape_unsafe(text);
}
