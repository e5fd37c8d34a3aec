/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * serialize.c: a plan as JSON for the journal, and back
 *
 * The writer writes every field. The reader believes nothing: the journal is metadata of a
 * domain, which anybody with access to the connection can have written. What it returns is
 * complete (no NULL where the header promises a string) and its indexes are in range.
 *
 * Numbers that are not known are null. Text that is not UTF-8 (paths may be anything) is an
 * object {"base64": …}.
 */
#include "config.h"

#include <string.h>

#include <gio/gio.h>
#include <json-glib/json-glib.h>

#include "include/vext-i18n.h"
#include "plugin/model/json.h"
#include "plugin/plan/plan.h"

#define PLAN_FORMAT 1
#define MAX_TEXT (64 * 1024 * 1024)
#define MAX_ITEMS 100000

/* --- writing ------------------------------------------------------------------------------ */

static void put_text_value(JsonBuilder *b, const char *text)
{
    if (!text) {
        json_builder_add_null_value(b);
    } else if (g_utf8_validate(text, -1, NULL)) {
        json_builder_add_string_value(b, text);
    } else {
        g_autofree char *coded = g_base64_encode((const guchar *) text, strlen(text));

        json_builder_begin_object(b);
        json_builder_set_member_name(b, "base64");
        json_builder_add_string_value(b, coded);
        json_builder_end_object(b);
    }
}

static void put_text(JsonBuilder *b, const char *name, const char *text)
{
    json_builder_set_member_name(b, name);
    put_text_value(b, text);
}

static void put_number(JsonBuilder *b, const char *name, guint64 number)
{
    json_builder_set_member_name(b, name);
    if (number > G_MAXINT64)
        json_builder_add_null_value(b);
    else
        json_builder_add_int_value(b, (gint64) number);
}

static void put_flag(JsonBuilder *b, const char *name, gboolean flag)
{
    json_builder_set_member_name(b, name);
    json_builder_add_boolean_value(b, flag);
}

static void put_texts(JsonBuilder *b, const char *name, const GPtrArray *texts)
{
    guint i;

    json_builder_set_member_name(b, name);
    json_builder_begin_array(b);
    for (i = 0; i < texts->len; i++)
        put_text_value(b, g_ptr_array_index(texts, i));
    json_builder_end_array(b);
}

static void put_image_value(JsonBuilder *b, const PlanImage *image)
{
    const ChainSource *source;

    if (!image) {
        json_builder_add_null_value(b);
        return;
    }
    json_builder_begin_object(b);
    put_text(b, "key", image->key);
    put_text(b, "path", image->path);
    put_text(b, "format", image->format);
    put_number(b, "allocation", image->allocation);
    put_number(b, "born", (guint64) image->born);
    put_number(b, "modified", (guint64) image->modified);
    json_builder_set_member_name(b, "source");
    source = image->source;
    if (source) {
        json_builder_begin_object(b);
        put_number(b, "type", source->type);
        put_text(b, "path", source->path);
        put_text(b, "pool", source->pool);
        put_text(b, "volume", source->volume);
        put_text(b, "protocol", source->protocol);
        put_text(b, "name", source->name);
        put_text(b, "host", source->host);
        put_text(b, "other", source->other);
        put_text(b, "xml", source->xml);
        put_text(b, "disk_type", source->disk_type);
        if (source->encryption)
            put_text(b, "encryption", source->encryption);
        json_builder_end_object(b);
    } else {
        json_builder_add_null_value(b);
    }
    json_builder_end_object(b);
}

static void put_image(JsonBuilder *b, const char *name, const PlanImage *image)
{
    json_builder_set_member_name(b, name);
    put_image_value(b, image);
}

static void put_images(JsonBuilder *b, const char *name, const GPtrArray *images)
{
    guint i;

    json_builder_set_member_name(b, name);
    json_builder_begin_array(b);
    for (i = 0; i < images->len; i++)
        put_image_value(b, g_ptr_array_index(images, i));
    json_builder_end_array(b);
}

typedef void (*PutItem)(JsonBuilder *b, gconstpointer item);

static void put_list(JsonBuilder *b, const char *name, const GPtrArray *items, PutItem put)
{
    guint i;

    json_builder_set_member_name(b, name);
    json_builder_begin_array(b);
    for (i = 0; i < items->len; i++) {
        json_builder_begin_object(b);
        put(b, g_ptr_array_index(items, i));
        json_builder_end_object(b);
    }
    json_builder_end_array(b);
}

static void put_merge(JsonBuilder *b, gconstpointer item)
{
    const PlanMerge *merge = item;

    put_text(b, "disk", merge->disk);
    put_number(b, "direction", merge->direction);
    put_image(b, "base", merge->base);
    put_image(b, "top", merge->top);
    put_image(b, "below", merge->below);
    put_image(b, "above", merge->above);
    put_images(b, "range", merge->range);
    put_images(b, "gone", merge->gone);
    put_flag(b, "live", merge->live);
    put_flag(b, "top_is_active", merge->top_is_active);
    put_flag(b, "relative", merge->relative);
    put_number(b, "bytes", merge->bytes);
    put_number(b, "other_bytes", merge->other_bytes);
}

static void put_file(JsonBuilder *b, gconstpointer item)
{
    const PlanFile *file = item;

    put_image(b, "image", file->image);
    put_text(b, "memory_file", file->memory_file);
    put_text(b, "disk", file->disk);
    put_number(b, "bytes", file->bytes);
}

static void put_rename(JsonBuilder *b, gconstpointer item)
{
    const PlanRename *rename = item;

    put_text(b, "disk", rename->disk);
    put_image(b, "from", rename->from);
    put_image(b, "to", rename->to);
    if (rename->snapshot)
        put_text(b, "snapshot", rename->snapshot);
}

static void put_overlay(JsonBuilder *b, gconstpointer item)
{
    const PlanOverlay *overlay = item;

    put_text(b, "disk", overlay->disk);
    put_image(b, "frozen", overlay->frozen);
    put_image(b, "overlay", overlay->overlay);
    if (overlay->below->len)
        put_images(b, "below", overlay->below);
}

static void put_step(JsonBuilder *b, gconstpointer item)
{
    const PlanStep *step = item;
    guint i;

    put_number(b, "action", step->action);
    put_number(b, "merge", step->merge);
    put_number(b, "file", step->file);
    put_number(b, "bytes", step->bytes);
    if (step->disk) {
        put_text(b, "disk", step->disk);
        put_text(b, "job", step->job);
    }
    if (!step->merges)
        return;
    json_builder_set_member_name(b, "merges");
    json_builder_begin_array(b);
    for (i = 0; i < step->merges->len; i++)
        json_builder_add_int_value(b, g_array_index(step->merges, guint, i));
    json_builder_end_array(b);
}

static void put_refusal(JsonBuilder *b, gconstpointer item)
{
    const PlanRefusal *refusal = item;

    put_text(b, "code", refusal->code);
    put_text(b, "message", refusal->message);
    put_text(b, "remedy", refusal->remedy);
}

static void put_alternative(JsonBuilder *b, gconstpointer item)
{
    const PlanAlternative *alternative = item;

    put_number(b, "direction", alternative->direction);
    put_number(b, "bytes_moved", alternative->bytes_moved);
}

static void put_range(JsonBuilder *b, gconstpointer item)
{
    const PlanRange *range = item;

    put_text(b, "lo", range->lo);
    put_text(b, "hi", range->hi);
    put_text(b, "top", range->top);
}

char *plan_serialize(const Plan *plan)
{
    g_autoptr(JsonBuilder) b = json_builder_new_immutable();
    g_autoptr(JsonGenerator) generator = json_generator_new();
    g_autoptr(JsonNode) root = NULL;

    json_builder_begin_object(b);
    put_number(b, "format", PLAN_FORMAT);
    put_number(b, "operation", plan->operation);
    put_text(b, "domain", plan->domain);
    put_text(b, "uuid", plan->uuid);
    put_text(b, "command", plan->command);
    put_texts(b, "snapshots", plan->snapshots);
    put_list(b, "refusals", plan->refusals, put_refusal);
    put_texts(b, "notes", plan->notes);
    put_list(b, "merges", plan->merges, put_merge);
    put_list(b, "files", plan->files, put_file);
    put_list(b, "steps", plan->steps, put_step);
    put_list(b, "alternatives", plan->alternatives, put_alternative);
    put_list(b, "wanted", plan->wanted, put_range);
    put_list(b, "renames", plan->renames, put_rename);
    /* not known to the first versions, which can do without it in plans that have none */
    if (plan->corrections->len)
        put_list(b, "corrections", plan->corrections, put_rename);
    put_number(b, "bytes_moved", plan->bytes_moved);
    put_number(b, "bytes_freed", plan->bytes_freed);
    put_flag(b, "bytes_exact", plan->bytes_exact);
    put_flag(b, "metadata_only", plan->metadata_only);
    put_flag(b, "keep_files", plan->keep_files);
    put_text(b, "new_current", plan->new_current);
    put_flag(b, "current_changes", plan->current_changes);
    put_list(b, "overlays", plan->overlays, put_overlay);
    put_list(b, "save_overlays", plan->save_overlays, put_overlay);
    put_texts(b, "kept_disks", plan->kept_disks);
    put_images(b, "resting", plan->resting);
    put_text(b, "save_current", plan->save_current);
    put_text(b, "memory_file", plan->memory_file);
    put_text(b, "want_state", plan->want_state);
    put_flag(b, "was_running", plan->was_running);
    put_flag(b, "force", plan->force);
    put_flag(b, "reset_nvram", plan->reset_nvram);
    put_number(b, "discarded_bytes", plan->discarded_bytes);
    json_builder_end_object(b);

    root = json_builder_get_root(b);
    json_generator_set_root(generator, root);
    return json_generator_to_data(generator, NULL);
}

/* --- reading ------------------------------------------------------------------------------ */

/* The first thing that was wrong stays; after that nothing is read any more. */
typedef struct {
    GError *error;
} Reader;

static void G_GNUC_PRINTF(2, 3) bad(Reader *r, const char *format, ...)
{
    va_list args;

    if (r->error)
        return;
    va_start(args, format);
    r->error = g_error_new_valist(G_IO_ERROR, G_IO_ERROR_INVALID_DATA, format, args);
    va_end(args);
}

static JsonNode *member(Reader *r, JsonObject *o, const char *name)
{
    JsonNode *node = r->error ? NULL : json_object_get_member(o, name);

    if (!node)
        bad(r, "Plan without '%s'", name);
    return node;
}

static char *text_of(Reader *r, JsonNode *node, const char *name, gboolean required)
{
    if (!node)
        return NULL;
    if (JSON_NODE_HOLDS_NULL(node) && !required)
        return NULL;
    if (JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING)
        return json_node_dup_string(node);
    if (JSON_NODE_HOLDS_OBJECT(node)) {
        JsonNode *coded = json_object_get_member(json_node_get_object(node), "base64");

        if (coded && JSON_NODE_HOLDS_VALUE(coded) &&
            json_node_get_value_type(coded) == G_TYPE_STRING) {
            gsize len = 0;
            g_autofree guchar *bytes = g_base64_decode(json_node_get_string(coded), &len);

            if (bytes && !memchr(bytes, '\0', len))
                return g_strndup((char *) bytes, len);
        }
    }
    bad(r, "'%s' of a plan is not text", name);
    return NULL;
}

static char *get_text(Reader *r, JsonObject *o, const char *name, gboolean required)
{
    return text_of(r, member(r, o, name), name, required);
}

/* Not known (null) is CHAIN_UNKNOWN. */
static guint64 get_bytes(Reader *r, JsonObject *o, const char *name)
{
    JsonNode *node = member(r, o, name);

    if (!node || JSON_NODE_HOLDS_NULL(node))
        return CHAIN_UNKNOWN;
    if (JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_INT64 &&
        json_node_get_int(node) >= 0)
        return (guint64) json_node_get_int(node);
    bad(r, "'%s' of a plan is not a number of bytes", name);
    return 0;
}

/* 0: not known, as in what an older virsh-ext wrote. */
static gint64 get_time(Reader *r, JsonObject *o, const char *name)
{
    guint64 time = json_object_has_member(o, name) ? get_bytes(r, o, name) : CHAIN_UNKNOWN;

    return time == CHAIN_UNKNOWN ? 0 : (gint64) time;
}

static guint get_number(Reader *r, JsonObject *o, const char *name, guint max)
{
    guint64 number = get_bytes(r, o, name);

    if (!r->error && number > max)
        bad(r, "'%s' of a plan is out of range", name);
    return r->error ? 0 : (guint) number;
}

static gboolean get_flag(Reader *r, JsonObject *o, const char *name)
{
    JsonNode *node = member(r, o, name);

    if (!node)
        return FALSE;
    if (JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_BOOLEAN)
        return json_node_get_boolean(node);
    bad(r, "'%s' of a plan is neither true nor false", name);
    return FALSE;
}

static JsonArray *get_array(Reader *r, JsonObject *o, const char *name)
{
    JsonNode *node = member(r, o, name);

    if (!node)
        return NULL;
    if (!JSON_NODE_HOLDS_ARRAY(node) ||
        json_array_get_length(json_node_get_array(node)) > MAX_ITEMS) {
        bad(r, "'%s' of a plan is not a list", name);
        return NULL;
    }
    return json_node_get_array(node);
}

static void get_texts(Reader *r, JsonObject *o, const char *name, GPtrArray *texts)
{
    JsonArray *array = get_array(r, o, name);
    guint i;

    for (i = 0; array && !r->error && i < json_array_get_length(array); i++) {
        char *text = text_of(r, json_array_get_element(array, i), name, TRUE);

        if (text)
            g_ptr_array_add(texts, text);
    }
}

static ChainSource *source_of(Reader *r, JsonNode *node)
{
    ChainSource *source;
    JsonObject *o;

    if (!node || JSON_NODE_HOLDS_NULL(node))
        return NULL;
    if (!JSON_NODE_HOLDS_OBJECT(node)) {
        bad(r, "A source of a plan is not an object");
        return NULL;
    }
    o = json_node_get_object(node);
    source = chain_source_new(get_number(r, o, "type", CHAIN_SOURCE_OTHER));
    source->path = get_text(r, o, "path", FALSE);
    source->pool = get_text(r, o, "pool", FALSE);
    source->volume = get_text(r, o, "volume", FALSE);
    source->protocol = get_text(r, o, "protocol", FALSE);
    source->name = get_text(r, o, "name", FALSE);
    source->host = get_text(r, o, "host", FALSE);
    source->other = get_text(r, o, "other", FALSE);
    source->xml = get_text(r, o, "xml", FALSE);
    source->disk_type = get_text(r, o, "disk_type", FALSE);
    if (json_object_has_member(o, "encryption"))
        source->encryption = get_text(r, o, "encryption", FALSE);
    return source;
}

static PlanImage *image_of(Reader *r, JsonNode *node, const char *name, gboolean required)
{
    PlanImage *image;
    JsonObject *o;

    if (!node || (JSON_NODE_HOLDS_NULL(node) && !required))
        return NULL;
    if (!JSON_NODE_HOLDS_OBJECT(node)) {
        bad(r, "'%s' of a plan is not an image", name);
        return NULL;
    }
    o = json_node_get_object(node);
    image = g_new0(PlanImage, 1);
    image->key = get_text(r, o, "key", TRUE);
    image->path = get_text(r, o, "path", TRUE);
    image->format = get_text(r, o, "format", FALSE);
    image->allocation = get_bytes(r, o, "allocation");
    image->born = get_time(r, o, "born");
    image->modified = get_time(r, o, "modified");
    image->source = source_of(r, member(r, o, "source"));
    if (!r->error && !image->source)
        bad(r, "'%s' of a plan has no source", name);
    return image;
}

static PlanImage *get_image(Reader *r, JsonObject *o, const char *name, gboolean required)
{
    return image_of(r, member(r, o, name), name, required);
}

static void get_images(Reader *r, JsonObject *o, const char *name, GPtrArray *images)
{
    JsonArray *array = get_array(r, o, name);
    guint i;

    for (i = 0; array && !r->error && i < json_array_get_length(array); i++) {
        PlanImage *image = image_of(r, json_array_get_element(array, i), name, TRUE);

        if (image)
            g_ptr_array_add(images, image);
    }
}

typedef void (*GetItem)(Reader *r, JsonObject *o, Plan *plan);

static void get_list(Reader *r, JsonObject *o, const char *name, Plan *plan, GetItem get)
{
    JsonArray *array = get_array(r, o, name);
    guint i;

    for (i = 0; array && !r->error && i < json_array_get_length(array); i++) {
        JsonNode *node = json_array_get_element(array, i);

        if (JSON_NODE_HOLDS_OBJECT(node))
            get(r, json_node_get_object(node), plan);
        else
            bad(r, "'%s' of a plan lists something else", name);
    }
}

static void get_merge(Reader *r, JsonObject *o, Plan *plan)
{
    g_autofree char *disk = get_text(r, o, "disk", TRUE);
    PlanMerge *merge = plan_merge_new(disk, get_number(r, o, "direction", PLAN_PULL));

    g_ptr_array_add(plan->merges, merge);
    merge->base = get_image(r, o, "base", TRUE);
    merge->top = get_image(r, o, "top", TRUE);
    merge->below = get_image(r, o, "below", FALSE);
    merge->above = get_image(r, o, "above", FALSE);
    get_images(r, o, "range", merge->range);
    get_images(r, o, "gone", merge->gone);
    merge->live = get_flag(r, o, "live");
    merge->top_is_active = get_flag(r, o, "top_is_active");
    merge->relative = get_flag(r, o, "relative");
    merge->bytes = get_bytes(r, o, "bytes");
    merge->other_bytes = get_bytes(r, o, "other_bytes");
    if (!r->error && merge->direction == PLAN_AUTO)
        bad(r, "A merge of a plan has no direction");
    if (!r->error && merge->range->len < 2)
        bad(r, "A merge of a plan has nothing to join");
}

static void get_file(Reader *r, JsonObject *o, Plan *plan)
{
    PlanFile *file = g_new0(PlanFile, 1);

    g_ptr_array_add(plan->files, file);
    file->image = get_image(r, o, "image", FALSE);
    file->memory_file = get_text(r, o, "memory_file", FALSE);
    file->disk = get_text(r, o, "disk", FALSE);
    file->bytes = get_bytes(r, o, "bytes");
    if (!r->error && !file->image == !file->memory_file)
        bad(r, "A file of a plan is neither an image nor memory");
}

static void get_rename_to(Reader *r, JsonObject *o, GPtrArray *renames, gboolean of_snapshot)
{
    PlanRename *rename = g_new0(PlanRename, 1);

    g_ptr_array_add(renames, rename);
    rename->disk = get_text(r, o, "disk", TRUE);
    rename->from = get_image(r, o, "from", TRUE);
    rename->to = get_image(r, o, "to", TRUE);
    if (of_snapshot)
        rename->snapshot = get_text(r, o, "snapshot", TRUE);
}

static void get_rename(Reader *r, JsonObject *o, Plan *plan)
{
    get_rename_to(r, o, plan->renames, FALSE);
}

static void get_correction(Reader *r, JsonObject *o, Plan *plan)
{
    get_rename_to(r, o, plan->corrections, TRUE);
}

static void get_overlay(Reader *r, JsonObject *o, GPtrArray *overlays)
{
    PlanOverlay *overlay = plan_overlay_new();

    g_ptr_array_add(overlays, overlay);
    overlay->disk = get_text(r, o, "disk", TRUE);
    overlay->frozen = get_image(r, o, "frozen", TRUE);
    overlay->overlay = get_image(r, o, "overlay", TRUE);
    if (json_object_has_member(o, "below"))
        get_images(r, o, "below", overlay->below);
}

static void get_plan_overlay(Reader *r, JsonObject *o, Plan *plan)
{
    get_overlay(r, o, plan->overlays);
}

static void get_save_overlay(Reader *r, JsonObject *o, Plan *plan)
{
    get_overlay(r, o, plan->save_overlays);
}

static void get_refusal(Reader *r, JsonObject *o, Plan *plan)
{
    PlanRefusal *refusal = g_new0(PlanRefusal, 1);

    g_ptr_array_add(plan->refusals, refusal);
    refusal->code = get_text(r, o, "code", TRUE);
    refusal->message = get_text(r, o, "message", TRUE);
    refusal->remedy = get_text(r, o, "remedy", FALSE);
}

static void get_alternative(Reader *r, JsonObject *o, Plan *plan)
{
    PlanAlternative *alternative = g_new0(PlanAlternative, 1);

    g_ptr_array_add(plan->alternatives, alternative);
    alternative->direction = get_number(r, o, "direction", PLAN_PULL);
    alternative->bytes_moved = get_bytes(r, o, "bytes_moved");
}

static void get_range(Reader *r, JsonObject *o, Plan *plan)
{
    PlanRange *range = g_new0(PlanRange, 1);

    g_ptr_array_add(plan->wanted, range);
    range->lo = get_text(r, o, "lo", TRUE);
    range->hi = get_text(r, o, "hi", TRUE);
    range->top = get_text(r, o, "top", TRUE);
}

/* Merges and files were read before: every index can be looked at. */
static void get_step(Reader *r, JsonObject *o, Plan *plan)
{
    PlanStep *step;
    JsonArray *array;
    guint i;

    step = plan_add_step(plan, get_number(r, o, "action", PLAN_STEP_LAST));
    step->merge = get_number(r, o, "merge", MAX_ITEMS);
    step->file = get_number(r, o, "file", MAX_ITEMS);
    step->bytes = get_bytes(r, o, "bytes");
    if (step->action == PLAN_STEP_FINISH_JOB || step->action == PLAN_STEP_ABORT_JOB) {
        step->disk = get_text(r, o, "disk", TRUE);
        step->job = get_text(r, o, "job", TRUE);
    }
    if (step->action == PLAN_STEP_MERGE || step->action == PLAN_STEP_PIVOT || step->merge > 0) {
        if (step->merge >= plan->merges->len)
            bad(r, "A step of a plan is about a merge that is not there");
    }
    if (step->action == PLAN_STEP_REMOVE_FILE || step->file > 0) {
        if (step->file >= plan->files->len)
            bad(r, "A step of a plan is about a file that is not there");
    }
    if (r->error || !json_object_has_member(o, "merges"))
        return;
    array = get_array(r, o, "merges");
    step->merges = g_array_new(FALSE, TRUE, sizeof(guint));
    for (i = 0; array && i < json_array_get_length(array); i++) {
        JsonNode *node = json_array_get_element(array, i);
        gint64 n = -1;
        guint index;

        if (JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_INT64)
            n = json_node_get_int(node);
        if (n < 0 || n >= plan->merges->len) {
            bad(r, "A step of a plan is about a merge that is not there");
            return;
        }
        index = (guint) n;
        g_array_append_val(step->merges, index);
    }
}

static Plan *get_plan(Reader *r, JsonObject *o)
{
    Plan *plan;

    if (get_number(r, o, "format", G_MAXINT) != PLAN_FORMAT && !r->error) {
        bad(r, "The plan was written by a newer version");
        return NULL;
    }
    plan = plan_new(get_number(r, o, "operation", PLAN_REPAIR));
    plan->domain = get_text(r, o, "domain", TRUE);
    plan->uuid = get_text(r, o, "uuid", FALSE);
    plan->command = get_text(r, o, "command", TRUE);
    get_texts(r, o, "snapshots", plan->snapshots);
    get_list(r, o, "refusals", plan, get_refusal);
    get_texts(r, o, "notes", plan->notes);
    get_list(r, o, "merges", plan, get_merge);
    get_list(r, o, "files", plan, get_file);
    get_list(r, o, "steps", plan, get_step);
    get_list(r, o, "alternatives", plan, get_alternative);
    get_list(r, o, "wanted", plan, get_range);
    get_list(r, o, "renames", plan, get_rename);
    if (json_object_has_member(o, "corrections"))
        get_list(r, o, "corrections", plan, get_correction);
    plan->bytes_moved = get_bytes(r, o, "bytes_moved");
    plan->bytes_freed = get_bytes(r, o, "bytes_freed");
    plan->bytes_exact = get_flag(r, o, "bytes_exact");
    plan->metadata_only = get_flag(r, o, "metadata_only");
    plan->keep_files = get_flag(r, o, "keep_files");
    plan->new_current = get_text(r, o, "new_current", FALSE);
    plan->current_changes = get_flag(r, o, "current_changes");
    get_list(r, o, "overlays", plan, get_plan_overlay);
    get_list(r, o, "save_overlays", plan, get_save_overlay);
    get_texts(r, o, "kept_disks", plan->kept_disks);
    if (json_object_has_member(o, "resting"))
        get_images(r, o, "resting", plan->resting);
    plan->save_current = get_text(r, o, "save_current", FALSE);
    plan->memory_file = get_text(r, o, "memory_file", FALSE);
    plan->want_state = get_text(r, o, "want_state", FALSE);
    plan->was_running = get_flag(r, o, "was_running");
    plan->force = get_flag(r, o, "force");
    plan->reset_nvram = get_flag(r, o, "reset_nvram");
    plan->discarded_bytes = get_bytes(r, o, "discarded_bytes");
    return plan;
}

Plan *plan_deserialize(const char *text, GError **error)
{
    g_autoptr(JsonNode) root = NULL;
    Reader r = { NULL };
    gsize len = strlen(text);
    Plan *plan = NULL;

    if (len > MAX_TEXT) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("The plan is too big"));
        return NULL;
    }
    root = json_read(text, len, error);
    if (!root)
        return NULL;
    if (JSON_NODE_HOLDS_OBJECT(root))
        plan = get_plan(&r, json_node_get_object(root));
    else
        bad(&r, "The plan is not a JSON object");
    if (r.error) {
        g_propagate_error(error, r.error);
        plan_free(plan);
        return NULL;
    }
    return plan;
}
