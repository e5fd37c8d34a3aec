/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * json.h: json-glib made safe for text that others wrote
 *
 * A member of another type than asked for is as good as missing. NULL objects have no members.
 */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/** Returns: new, or NULL with @error (G_IO_ERROR_INVALID_DATA) for what is not JSON or too deep. */
JsonNode *json_read(const char *text, gsize len, GError **error);

JsonNode *json_member(JsonObject *object, const char *name);
JsonObject *json_member_object(JsonObject *object, const char *name);
JsonArray *json_member_array(JsonObject *object, const char *name);
/** A string, or a whole number as text; new string. */
char *json_member_string(JsonObject *object, const char *name);
gboolean json_member_true(JsonObject *object, const char *name);
/** A whole number from 0 on, or CHAIN_UNKNOWN. */
guint64 json_member_bytes(JsonObject *object, const char *name);

G_END_DECLS
