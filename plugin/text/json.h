/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * json.h: members of JSON objects whose strings are hostile
 *
 * Private to plugin/text. What is not UTF-8 in a string becomes U+FFFD: the output is always
 * valid JSON.
 */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/** @name: @s, or null. */
void text_json_string(JsonBuilder *b, const char *name, const char *s);
/** An element of an array, or the value after json_builder_set_member_name(). */
void text_json_value(JsonBuilder *b, const char *s);
/** As text_json_string(); a path that is not UTF-8 is repeated as base64 in "NAME_bytes". */
void text_json_path(JsonBuilder *b, const char *name, const char *path);
/** @name: @n; null where it is CHAIN_UNKNOWN. */
void text_json_number(JsonBuilder *b, const char *name, guint64 n);
void text_json_bool(JsonBuilder *b, const char *name, gboolean value);
/** @name: an array of @strings (char *); empty for NULL. */
void text_json_list(JsonBuilder *b, const char *name, const GPtrArray *strings);

/** The text of what was built, indented, with a newline at the end. New string. */
char *text_json_finish(JsonBuilder *b);

G_END_DECLS
