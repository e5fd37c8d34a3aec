/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * payload.c: the two elements of a journal in the helper's <metadata>
 */
#include "config.h"

#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "include/vext-i18n.h"
#include "plugin/journal/payload.h"
#include "plugin/model/json.h"
#include "plugin/xml/parse.h"
#include "plugin/xml/secrets.h"

/* Far above what fits into libvirt's RPC compressed; a bomb stops here. */
#define PAYLOAD_MAX (256 * 1024 * 1024)
#define SNAPSHOTS_MAX 100000

static gboolean bad(GError **error, const char *why)
{
    g_set_error(error, JOURNAL_ERROR, JOURNAL_ERROR_FORMAT,
                _("The journal of the operation cannot be read: %s"), why);
    return FALSE;
}

/* --- who we are ---------------------------------------------------------------------------- */

char *journal_client_describe(void)
{
    return g_strdup_printf("process %ld on %s", (long)getpid(), g_get_host_name());
}

/* When a process began, in clock ticks since the boot: 22nd field of /proc/PID/stat, counted
 * from behind the name, which may contain anything. 0: there is no such process. */
static guint64 start_time(long pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%ld/stat", pid);
    g_autofree char *text = NULL;
    g_auto(GStrv) fields = NULL;
    const char *p;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return 0;
    p = strrchr(text, ')');
    if (!p)
        return 0;
    fields = g_strsplit(p + 1, " ", 24);
    /* a dead one that nobody has waited for yet does nothing any more */
    if (g_strv_length(fields) < 21 || fields[1][0] == 'Z')
        return 0;
    return g_ascii_strtoull(fields[20], NULL, 10);
}

/* Boot and PID namespace: where a PID means something. */
static char *machine(void)
{
    g_autofree char *boot = NULL;
    struct stat st;

    if (!g_file_get_contents("/proc/sys/kernel/random/boot_id", &boot, NULL, NULL) ||
        stat("/proc/self/ns/pid", &st) < 0)
        return NULL;
    g_strstrip(boot);
    return g_strdup_printf("%s:%llu", boot, (unsigned long long)st.st_ino);
}

char *journal_client_token(void)
{
    g_autofree char *where = machine();

    return g_strdup_printf("%s:%ld:%" G_GUINT64_FORMAT, where ? where : "?:?", (long)getpid(),
                           start_time(getpid()));
}

int journal_client_lives(const char *token)
{
    g_autofree char *where = machine();
    g_auto(GStrv) fields = token ? g_strsplit(token, ":", 5) : NULL;
    g_autofree char *theirs = NULL;
    guint64 pid, start;

    if (!where || !fields || g_strv_length(fields) != 4)
        return -1;
    theirs = g_strdup_printf("%s:%s", fields[0], fields[1]);
    if (!g_str_equal(theirs, where))
        return -1;
    if (!g_ascii_string_to_unsigned(fields[2], 10, 1, G_MAXINT32, &pid, NULL) ||
        !g_ascii_string_to_unsigned(fields[3], 10, 1, G_MAXINT64, &start, NULL))
        return -1;
    /* A process runs one operation at a time: one that this process reads of is over, stopped in a
     * shell or in the command before. */
    return (pid_t)pid != getpid() && start_time((long)pid) == start;
}

/* --- packing ------------------------------------------------------------------------------- */

static GByteArray *convert(GConverter *converter, const void *data, gsize length, gsize limit,
                           GError **error)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    const guint8 *p = data;
    guint8 buffer[16384];

    for (;;) {
        gsize read = 0, written = 0;
        GConverterResult result = g_converter_convert(converter, p, length, buffer,
                                                      sizeof(buffer), G_CONVERTER_INPUT_AT_END,
                                                      &read, &written, error);

        if (result == G_CONVERTER_ERROR)
            return NULL;
        if (out->len + written > limit) {
            bad(error, _("it is too big"));
            return NULL;
        }
        g_byte_array_append(out, buffer, written);
        p += read;
        length -= read;
        if (result == G_CONVERTER_FINISHED)
            return g_steal_pointer(&out);
    }
}

static char *pack(const char *text, GError **error)
{
    g_autoptr(GZlibCompressor) zlib = g_zlib_compressor_new(G_ZLIB_COMPRESSOR_FORMAT_ZLIB, 9);
    g_autoptr(GByteArray) bytes = convert(G_CONVERTER(zlib), text, strlen(text), PAYLOAD_MAX,
                                          error);

    return bytes ? g_base64_encode(bytes->data, bytes->len) : NULL;
}

/* Returns text that is terminated. */
static char *unpack(const char *packed, GError **error)
{
    gsize length = 0;
    g_autofree guchar *data = g_base64_decode(packed, &length);
    g_autoptr(GZlibDecompressor) zlib = g_zlib_decompressor_new(G_ZLIB_COMPRESSOR_FORMAT_ZLIB);
    g_autoptr(GError) problem = NULL;
    GByteArray *bytes;

    if (!data || !length) {
        bad(error, _("it is empty"));
        return NULL;
    }
    bytes = convert(G_CONVERTER(zlib), data, length, PAYLOAD_MAX, &problem);
    if (!bytes) {
        bad(error, problem->message);
        return NULL;
    }
    g_byte_array_append(bytes, (const guint8 *)"", 1);
    return (char *)g_byte_array_free(bytes, FALSE);
}

/* --- writing ------------------------------------------------------------------------------- */

static void set_string(JsonBuilder *b, const char *name, const char *value)
{
    if (!value)
        return;
    json_builder_set_member_name(b, name);
    json_builder_add_string_value(b, value);
}

/* FALSE with @error. A NULL @xml stays out. */
static gboolean set_xml(JsonBuilder *b, const char *name, const char *xml, GError **error)
{
    g_autofree char *hidden = xml ? xml_hide_secrets(xml, error) : NULL;

    if (xml && !hidden)
        return FALSE;
    set_string(b, name, hidden);
    return TRUE;
}

/* A plan has the <source> of images; those, too, may have secrets. */
static void hide_in_plan(JsonNode *node)
{
    if (JSON_NODE_HOLDS_ARRAY(node)) {
        JsonArray *array = json_node_get_array(node);

        for (guint i = 0; i < json_array_get_length(array); i++)
            hide_in_plan(json_array_get_element(array, i));
    } else if (JSON_NODE_HOLDS_OBJECT(node)) {
        JsonObject *object = json_node_get_object(node);
        g_autoptr(GList) names = json_object_get_members(object);

        for (GList *name = names; name; name = name->next)
            hide_in_plan(json_object_get_member(object, name->data));
        if (json_object_has_member(object, "xml")) {
            const char *xml = json_object_get_string_member_with_default(object, "xml", NULL);
            g_autofree char *hidden = xml ? xml_hide_secrets(xml, NULL) : NULL;

            if (hidden)
                json_object_set_string_member(object, "xml", g_strchomp(hidden));
            else
                json_object_set_null_member(object, "xml");
        }
    }
}

static char *plan_text(const Plan *plan)
{
    g_autofree char *text = plan_serialize(plan);
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autoptr(JsonGenerator) generator = json_generator_new();

    /* what was written just now can be read */
    if (!json_parser_load_from_data(parser, text, -1, NULL))
        g_assert_not_reached();
    hide_in_plan(json_parser_get_root(parser));
    json_generator_set_root(generator, json_parser_get_root(parser));
    return json_generator_to_data(generator, NULL);
}

static char *payload_text(const Journal *journal, GError **error)
{
    g_autoptr(JsonBuilder) b = json_builder_new();
    g_autoptr(JsonGenerator) generator = json_generator_new();
    g_autoptr(JsonNode) root = NULL;
    g_autofree char *plan = plan_text(journal->plan);

    json_builder_begin_object(b);
    set_string(b, "uuid", journal->uuid);
    set_string(b, "plan", plan);
    if (!set_xml(b, "domain_xml", journal->domain_xml, error) ||
        !set_xml(b, "live_xml", journal->live_xml, error))
        return NULL;
    set_string(b, "current", journal->current);
    json_builder_set_member_name(b, "snapshots");
    json_builder_begin_array(b);
    for (guint i = 0; i < journal->snapshot_names->len; i++) {
        json_builder_begin_object(b);
        set_string(b, "name", g_ptr_array_index(journal->snapshot_names, i));
        if (!set_xml(b, "xml", g_ptr_array_index(journal->snapshot_xml, i), error))
            return NULL;
        json_builder_end_object(b);
    }
    json_builder_end_array(b);
    json_builder_end_object(b);
    root = json_builder_get_root(b);
    json_generator_set_root(generator, root);
    return json_generator_to_data(generator, NULL);
}

/* What stands in the element itself can be no text that XML has no way to write. */
static gboolean can_be_written(const Journal *journal, GError **error)
{
    const GPtrArray *names = journal->plan->snapshots;

    for (guint i = 0; i < names->len; i++) {
        if (!xml_check_text(g_ptr_array_index(names, i), error))
            return FALSE;
    }
    return xml_check_text(journal->domain, error) &&
           xml_check_text(journal->plan->command, error);
}

char *journal_operation_element(const Journal *journal, GError **error)
{
    g_autofree char *text = can_be_written(journal, error) ? payload_text(journal, error) : NULL;
    g_autofree char *packed = text ? pack(text, error) : NULL;
    g_autofree char *head = NULL;
    GString *out;

    if (!packed)
        return NULL;
    head = g_markup_printf_escaped("<operation xmlns='%s' format='%d' id='%s' domain='%s'"
                                   " command='%s' started='%s'>",
                                   JOURNAL_NS_OPERATION, JOURNAL_FORMAT, journal->id,
                                   journal->domain, journal->plan->command, journal->started);
    out = g_string_new(head);
    for (guint i = 0; i < journal->plan->snapshots->len; i++) {
        g_autofree char *name = g_markup_printf_escaped(
            "<snapshot>%s</snapshot>", (char *)g_ptr_array_index(journal->plan->snapshots, i));

        g_string_append(out, name);
    }
    g_string_append_printf(out, "<payload>%s</payload></operation>", packed);
    return g_string_free(out, FALSE);
}

char *journal_progress_element(const Journal *journal)
{
    const PlanStep *step = journal->step < journal->plan->steps->len ?
                               g_ptr_array_index(journal->plan->steps, journal->step) : NULL;
    g_autofree char *token = journal_client_token();

    return g_markup_printf_escaped("<progress xmlns='%s' owner='%s' client='%s' process='%s'"
                                   " step='%u' furthest='%u' action='%s' committing='%s'"
                                   " updating='%s' suspended='%s'/>",
                                   JOURNAL_NS_PROGRESS, journal->owner, journal->client, token,
                                   journal->step, journal->furthest,
                                   step ? plan_action_name(journal->plan, step) : "",
                                   journal->committing ? "yes" : "no",
                                   journal->updating ? "yes" : "no",
                                   journal->suspended ? "yes" : "no");
}

/* --- reading ------------------------------------------------------------------------------- */

char *journal_progress_owner(const char *progress)
{
    g_autoptr(xmlDoc) doc = xml_parse(progress, "progress", NULL);

    return doc ? xml_attr(xmlDocGetRootElement(doc), "owner") : NULL;
}

static char *member(JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member(object, name);

    if (!node || !JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_STRING)
        return NULL;
    return g_strdup(json_node_get_string(node));
}

static gboolean read_snapshots(Journal *journal, JsonObject *object, GError **error)
{
    JsonNode *node = json_object_get_member(object, "snapshots");
    JsonArray *array;

    if (!node || !JSON_NODE_HOLDS_ARRAY(node))
        return bad(error, _("it lists no snapshots"));
    array = json_node_get_array(node);
    if (json_array_get_length(array) > SNAPSHOTS_MAX)
        return bad(error, _("it is too big"));
    for (guint i = 0; i < json_array_get_length(array); i++) {
        JsonNode *item = json_array_get_element(array, i);
        g_autofree char *name = NULL, *xml = NULL;

        if (JSON_NODE_HOLDS_OBJECT(item)) {
            name = member(json_node_get_object(item), "name");
            xml = member(json_node_get_object(item), "xml");
        }
        if (!name || !xml)
            return bad(error, _("a snapshot in it has no name or no XML"));
        g_ptr_array_add(journal->snapshot_names, g_steal_pointer(&name));
        g_ptr_array_add(journal->snapshot_xml, g_steal_pointer(&xml));
    }
    return TRUE;
}

/* What the steps rely on. Whoever may change the helper's definition can have written it. */
static gboolean can_be_run(const Journal *journal, GError **error)
{
    const Plan *plan = journal->plan;

    if (g_strcmp0(plan->uuid, journal->uuid) != 0 ||
        g_strcmp0(plan->domain, journal->domain) != 0)
        return bad(error, _("it is about another domain"));
    if (!plan->steps->len || plan->refusals->len)
        return bad(error, _("its plan has no steps"));
    if (plan->operation == PLAN_REVERT && (plan->snapshots->len != 1 || !plan->want_state))
        return bad(error, _("its plan does not say what to revert to"));
    if (plan->operation == PLAN_REVERT &&
        !g_ptr_array_find_with_equal_func(journal->snapshot_names,
                                          g_ptr_array_index(plan->snapshots, 0), g_str_equal,
                                          NULL))
        return bad(error, _("it does not hold the snapshot to be reverted to"));
    for (guint i = 0; i < plan->steps->len; i++) {
        const PlanStep *step = g_ptr_array_index(plan->steps, i);

        if (step->action == PLAN_STEP_RESTORE_MEMORY && !plan->memory_file)
            return bad(error, _("its plan names no memory to be restored"));
    }
    return TRUE;
}

static gboolean read_payload(Journal *journal, const char *packed, GError **error)
{
    g_autofree char *text = unpack(packed, error);
    g_autofree char *plan = NULL;
    g_autoptr(GError) problem = NULL;
    g_autoptr(JsonNode) root = NULL;
    JsonObject *object;

    if (!text)
        return FALSE;
    root = json_read(text, strlen(text), &problem);
    if (!root)
        return bad(error, problem->message);
    if (!JSON_NODE_HOLDS_OBJECT(root))
        return bad(error, _("it is no object"));
    object = json_node_get_object(root);
    journal->uuid = member(object, "uuid");
    journal->domain_xml = member(object, "domain_xml");
    journal->live_xml = member(object, "live_xml");
    journal->current = member(object, "current");
    plan = member(object, "plan");
    if (!journal->uuid || !plan)
        return bad(error, _("it has no plan"));
    journal->plan = plan_deserialize(plan, &problem);
    if (!journal->plan)
        return bad(error, problem->message);
    return read_snapshots(journal, object, error) && can_be_run(journal, error);
}

static guint64 number(xmlNode *node, const char *name)
{
    g_autofree char *text = xml_attr(node, name);
    guint64 value = 0;

    if (!text || !g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT32, &value, NULL))
        return 0;
    return value;
}

static gboolean number_is_there(xmlNode *node, const char *name)
{
    g_autofree char *text = xml_attr(node, name);

    return text && g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT32, NULL, NULL);
}

Journal *journal_parse(const char *operation, const char *progress, GError **error)
{
    g_autoptr(Journal) journal = journal_new();
    g_autoptr(GError) problem = NULL;
    g_autoptr(xmlDoc) doc = xml_parse(operation, "operation", &problem);
    g_autoptr(xmlDoc) progress_doc = progress ? xml_parse(progress, "progress", NULL) : NULL;
    g_autofree char *packed = NULL;
    xmlNode *root;

    if (!doc) {
        bad(error, problem->message);
        return NULL;
    }
    root = xmlDocGetRootElement(doc);
    if (number(root, "format") != JOURNAL_FORMAT) {
        bad(error, _("it was written by another version of virsh-ext"));
        return NULL;
    }
    journal->id = xml_attr(root, "id");
    journal->domain = xml_attr(root, "domain");
    journal->started = xml_attr(root, "started");
    packed = xml_text(xml_child(root, "payload"));
    if (!journal->id || !journal->domain || !journal->started || !packed) {
        bad(error, _("something is missing in it"));
        return NULL;
    }
    if (!read_payload(journal, packed, error))
        return NULL;
    if (progress) {
        xmlNode *p = progress_doc ? xmlDocGetRootElement(progress_doc) : NULL;

        /* how far it is decides whether it can be undone: nothing is assumed */
        if (!p || !number_is_there(p, "step") ||
            (!xml_attr_is(p, "committing", "yes") && !xml_attr_is(p, "committing", "no"))) {
            bad(error, _("it does not say how far the operation is"));
            return NULL;
        }
        journal->owner = xml_attr(p, "owner");
        journal->client = xml_attr(p, "client");
        journal->client_token = xml_attr(p, "process");
        journal->step = number(p, "step");
        journal->furthest = MAX(number(p, "furthest"), journal->step);
        journal->committing = xml_attr_is(p, "committing", "yes");
        journal->updating = xml_attr_is(p, "updating", "yes");
        journal->suspended = xml_attr_is(p, "suspended", "yes");
    }
    if (!journal->client)
        journal->client = g_strdup("?");
    return g_steal_pointer(&journal);
}

Journal *journal_parse_helper(const char *helper_xml, const char *domain, GError **error)
{
    g_autofree char *name = g_strconcat(domain, JOURNAL_SUFFIX, NULL);
    g_autofree char *operation = xml_domain_get_metadata(helper_xml, JOURNAL_NS_OPERATION, NULL);
    g_autofree char *progress = xml_domain_get_metadata(helper_xml, JOURNAL_NS_PROGRESS, NULL);
    g_autoptr(Journal) journal = NULL;

    if (!operation) {
        g_set_error(error, JOURNAL_ERROR, JOURNAL_ERROR_FOREIGN,
                    _("Domain '%s' has the name of a helper of virsh-ext, which did not make it"),
                    name);
        return NULL;
    }
    journal = journal_parse(operation, progress ? progress : "", error);
    if (!journal)
        return NULL;
    /* A renamed domain's helper does not fit any more; a copied one never did. */
    if (g_strcmp0(journal->domain, domain) != 0) {
        g_set_error(error, JOURNAL_ERROR, JOURNAL_ERROR_FORMAT,
                    _("The journal in '%s' is that of domain '%s'"), name, journal->domain);
        return NULL;
    }
    return g_steal_pointer(&journal);
}

ChainOperation *journal_operation_from_xml(const char *helper_xml, const char *domain,
                                           gboolean running, char **unreadable)
{
    g_autofree char *operation = xml_domain_get_metadata(helper_xml, JOURNAL_NS_OPERATION, NULL);
    g_autofree char *progress = xml_domain_get_metadata(helper_xml, JOURNAL_NS_PROGRESS, NULL);
    g_autoptr(xmlDoc) doc = operation ? xml_parse(operation, "operation", NULL) : NULL;
    g_autoptr(xmlDoc) progress_doc = progress ? xml_parse(progress, "progress", NULL) : NULL;
    g_autoptr(GError) problem = NULL;
    g_autoptr(Journal) journal = journal_parse_helper(helper_xml, domain, &problem);
    ChainOperation *op;
    xmlNode *root;
    int lives = -1;

    if (!journal)
        *unreadable = g_strdup(problem->message); /* NOLINT(clang-analyzer-core.NullDereference) */
    if (!doc)
        return NULL;
    root = xmlDocGetRootElement(doc);
    op = g_new0(ChainOperation, 1);
    op->id = xml_attr(root, "id");
    op->domain = journal ? g_strdup(journal->domain) : NULL;
    op->uuid = journal ? g_strdup(journal->uuid) : NULL;
    op->command = xml_attr(root, "command");
    op->started = xml_attr(root, "started");
    op->snapshot_names = g_ptr_array_new_with_free_func(g_free);
    for (xmlNode *node = xml_child(root, "snapshot"); node; node = xml_next(node, "snapshot"))
        g_ptr_array_add(op->snapshot_names, xml_text(node));
    g_ptr_array_add(op->snapshot_names, NULL);
    op->snapshots = g_strjoinv(", ", (char **)op->snapshot_names->pdata);
    g_ptr_array_set_size(op->snapshot_names, op->snapshot_names->len - 1);
    if (progress_doc) {
        xmlNode *p = xmlDocGetRootElement(progress_doc);
        g_autofree char *token = xml_attr(p, "process");

        op->step = xml_attr(p, "action");
        op->client = xml_attr(p, "client");
        op->committing = xml_attr_is(p, "committing", "yes");
        lives = journal_client_lives(token);
    }
    /* a helper whose daemon was killed outlives its client */
    op->alive = lives >= 0 ? lives : running;
    return op;
}
