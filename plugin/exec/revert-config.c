/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * revert-config.c: the configurations that a revert defines
 */
#include "config.h"

#include "plugin/exec/revert-config.h"

#include "include/vext-i18n.h"
#include "plugin/xml/edit.h"
#include "plugin/xml/parse.h"
#include "plugin/xml/read.h"

const char *revert_snapshot_xml(const Journal *journal)
{
    const char *name = g_ptr_array_index(journal->plan->snapshots, 0);

    for (guint i = 0; i < journal->snapshot_names->len; i++)
        if (g_str_equal(g_ptr_array_index(journal->snapshot_names, i), name))
            return g_ptr_array_index(journal->snapshot_xml, i);
    return NULL;
}

ChainGraph *revert_read_disks(const char *xml, ChainDomain **domain, GError **error)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    XmlReader reader = { .graph = graph };

    *domain = chain_graph_add_domain(graph, "domain", NULL);
    if (!xml_read_domain(&reader, *domain, NULL, xml, error))
        return NULL;
    return g_steal_pointer(&graph);
}

static ChainImage *disk_image(const ChainDisk *disk)
{
    return disk->active ? disk->active : disk->configured;
}

static const char *xml_before(const Journal *journal)
{
    return journal->live_xml ? journal->live_xml : journal->domain_xml;
}

gboolean revert_keeps_disk(const Journal *journal, const char *target)
{
    for (guint i = 0; i < journal->plan->kept_disks->len; i++)
        if (g_str_equal(g_ptr_array_index(journal->plan->kept_disks, i), target))
            return TRUE;
    return FALSE;
}

gboolean revert_kept_disks_same(const Journal *journal, const char *xml, const char *now_xml,
                                GError **error)
{
    GPtrArray *kept = journal->plan->kept_disks;
    ChainDomain *d = NULL, *d_now = NULL;
    g_autoptr(ChainGraph) before = NULL, now = NULL;

    if (kept->len == 0)
        return TRUE;
    before = revert_read_disks(xml ? xml : xml_before(journal), &d, error);
    now = before ? revert_read_disks(now_xml, &d_now, error) : NULL;
    if (!now)
        return FALSE;
    for (guint i = 0; i < kept->len; i++) {
        const char *target = g_ptr_array_index(kept, i);
        const ChainDisk *disk = chain_domain_disk(d, target);
        const ChainDisk *disk_now = chain_domain_disk(d_now, target);
        const ChainImage *image = disk ? disk_image(disk) : NULL;
        const ChainImage *image_now = disk_now ? disk_image(disk_now) : NULL;

        if (image && image_now && g_str_equal(image->key, image_now->key) &&
            (!disk_now->job || !disk_now->job->target))
            continue;
        g_set_error(error, VEXT_XML_ERROR, VEXT_XML_ERROR_CONTENT,
                    _("Somebody has changed the image of disk '%s' meanwhile"), target);
        return FALSE;
    }
    return TRUE;
}

/** The new overlay, and what has to be said of the images below it. */
static char *set_overlay(char *xml_take, const PlanOverlay *o, GError **error)
{
    g_autofree char *xml = xml_take;
    g_autofree const ChainSource **sources = g_new(const ChainSource *, o->below->len);
    g_autofree const char **formats = g_new(const char *, o->below->len);
    XmlDisk disk = { o->disk, o->overlay->source, o->overlay->format, sources, formats,
                     o->below->len };

    for (guint i = 0; i < o->below->len; i++) {
        const PlanImage *image = g_ptr_array_index(o->below, i);

        sources[i] = image->source;
        formats[i] = image->format;
    }
    return xml_domain_set_disk(xml, &disk, error);
}

/** @from, of the configuration of before, as it was. */
static char *set_kept(char *xml_take, const ChainDisk *from, const ChainImage *image,
                      GError **error)
{
    g_autofree char *xml = xml_take;
    const GPtrArray *chain = from->config_chain;
    guint n = chain ? chain->len : 0;
    g_autofree const ChainSource **sources = g_new(const ChainSource *, n + 1);
    g_autofree const char **formats = g_new(const char *, n + 1);
    XmlDisk disk = { from->target, image->source, image->format, sources, formats, 0 };
    gboolean secrets = FALSE;

    for (guint i = 1; i < n; i++) {
        const ChainImage *below = g_ptr_array_index(chain, i);

        secrets = secrets || chain_source_decrypts(below->source);
        sources[i - 1] = below->source;
        formats[i - 1] = below->format;
    }
    if (secrets)
        disk.n_below = n - 1;
    return xml_domain_set_disk(xml, &disk, error);
}

/** A journal is metadata of a domain, which others can write: it defines no other domain. */
static char *as_our_domain(const Plan *plan, char *xml_take, GError **error)
{
    g_autofree char *xml = xml_take;
    g_autofree char *named = xml ? xml_domain_set_name(xml, plan->domain, error) : NULL;

    return named ? xml_domain_set_uuid(named, plan->uuid, error) : NULL;
}

/** See the head of the header. */
static char *with_our_disks(const Journal *journal, const char *xml, GError **error)
{
    const Plan *plan = journal->plan;
    const char *before = xml_before(journal);
    g_autofree char *result = xml_strip_backing_store(xml, error);
    g_autoptr(ChainGraph) graph = NULL;
    ChainDomain *d = NULL;

    for (guint i = 0; result && i < plan->overlays->len; i++)
        result = set_overlay(result, g_ptr_array_index(plan->overlays, i), error);
    if (!result)
        return NULL;
    if (plan->kept_disks->len == 0)
        return g_steal_pointer(&result);

    graph = before ? revert_read_disks(before, &d, error) : NULL;
    for (guint i = 0; result && i < plan->kept_disks->len; i++) {
        const char *target = g_ptr_array_index(plan->kept_disks, i);
        ChainDisk *disk = graph ? chain_domain_disk(d, target) : NULL;
        ChainImage *image = disk ? disk_image(disk) : NULL;

        if (!image) {
            if (error && !*error)
                g_set_error(error, VEXT_XML_ERROR, VEXT_XML_ERROR_CONTENT,
                            _("The domain's configuration of before has no image for disk '%s'"),
                            target);
            return NULL;
        }
        result = set_kept(result, disk, image, error);
    }
    return g_steal_pointer(&result);
}

char *revert_domain_xml(const Journal *journal, GError **error)
{
    const char *snapshot = revert_snapshot_xml(journal);
    g_autofree char *xml = NULL;

    if (!snapshot) {
        g_set_error_literal(error, VEXT_XML_ERROR, VEXT_XML_ERROR_CONTENT,
                            _("The journal does not hold the snapshot's XML"));
        return NULL;
    }
    xml = xml_snapshot_extract_domain(snapshot, TRUE, error);
    return xml ? as_our_domain(journal->plan, with_our_disks(journal, xml, error), error) : NULL;
}

/** Disk @target on @image, as the linked graph knows it. */
static char *set_image(char *xml_take, const char *target, ChainImage *image, GError **error)
{
    g_autofree char *xml = xml_take;
    g_autoptr(GPtrArray) chain = chain_image_chain(image);
    g_autofree const ChainSource **sources = g_new(const ChainSource *, chain->len);
    g_autofree const char **formats = g_new(const char *, chain->len);
    XmlDisk disk = { target, image->source, image->format, sources, formats, 0 };

    for (guint i = 1; i < chain->len; i++) {
        const ChainImage *below = g_ptr_array_index(chain, i);

        sources[i - 1] = below->source;
        formats[i - 1] = below->format;
        if (chain_source_decrypts(below->source))
            disk.n_below = chain->len - 1;
    }
    return xml_domain_set_disk(xml, &disk, error);
}

char *revert_undo_xml(const Journal *journal, GHashTable *disks, GError **error)
{
    char *result = g_hash_table_size(disks) ? xml_strip_backing_store(journal->domain_xml, error)
                                            : g_strdup(journal->domain_xml);
    GHashTableIter iter;
    gpointer target, image;

    g_hash_table_iter_init(&iter, disks);
    while (result && g_hash_table_iter_next(&iter, &target, &image))
        result = set_image(result, target, image, error);
    return as_our_domain(journal->plan, result, error);
}

/** What a kept disk stands on is for others to change. */
static gboolean has_disks_of(const Journal *journal, const ChainDomain *a, const ChainDomain *b)
{
    for (guint i = 0; i < a->disks->len; i++) {
        const ChainDisk *disk = g_ptr_array_index(a->disks, i);
        const ChainDisk *other = chain_domain_disk(b, disk->target);
        const ChainImage *image = disk_image(disk), *image_other = other ? disk_image(other) : NULL;

        if (!other || !image != !image_other ||
            (image && !revert_keeps_disk(journal, disk->target) &&
             !g_str_equal(image->key, image_other->key)))
            return FALSE;
    }
    return TRUE;
}

/** How many of them a domain has libvirt does not change by itself. */
static const char *const attached[] = {
    "interface", "hostdev", "filesystem", "redirdev", "memory", "shmem", "lease", "tpm", "rng",
    "smartcard", "vsock",
};
static const char *const texts[] = { "title", "description", "memory", "currentMemory", "vcpu" };

static guint count(xmlNodePtr devices, const char *name)
{
    guint n = 0;

    for (xmlNodePtr node = devices ? devices->children : NULL; node; node = node->next)
        n += node->type == XML_ELEMENT_NODE && g_str_equal((const char *) node->name, name);
    return n;
}

static gboolean same_devices(xmlNodePtr a, xmlNodePtr b)
{
    for (gsize i = 0; i < G_N_ELEMENTS(attached); i++)
        if (count(xml_child(a, "devices"), attached[i]) !=
            count(xml_child(b, "devices"), attached[i]))
            return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *text = xml_text(xml_child(a, texts[i]));
        g_autofree char *other = xml_text(xml_child(b, texts[i]));

        if (g_strcmp0(text, other) != 0)
            return FALSE;
    }
    return TRUE;
}

gboolean revert_is_as_defined(const Journal *journal, const char *now_xml)
{
    g_autofree char *xml = revert_domain_xml(journal, NULL);
    ChainDomain *d = NULL, *d_now = NULL;
    g_autoptr(ChainGraph) graph = xml ? revert_read_disks(xml, &d, NULL) : NULL;
    g_autoptr(ChainGraph) now = revert_read_disks(now_xml, &d_now, NULL);
    g_autoptr(xmlDoc) doc = xml ? xml_parse(xml, "domain", NULL) : NULL;
    g_autoptr(xmlDoc) doc_now = xml_parse(now_xml, "domain", NULL);

    return graph && now && doc && doc_now && has_disks_of(journal, d, d_now) &&
           has_disks_of(journal, d_now, d) &&
           same_devices(xmlDocGetRootElement(doc), xmlDocGetRootElement(doc_now));
}

char *revert_memory_xml(const Journal *journal, const char *memory_xml, GError **error)
{
    return as_our_domain(journal->plan, with_our_disks(journal, memory_xml, error), error);
}

/** XmlBelowFunc: of a frozen image what the plan says, where that has to be said. */
static gsize below_frozen(const ChainSource *source, G_GNUC_UNUSED gboolean written,
                          const ChainSource ***sources, const char ***formats, gpointer opaque)
{
    const Plan *plan = opaque;
    g_autofree char *key = chain_source_key(source);

    for (guint i = 0; i < plan->overlays->len; i++) {
        const PlanOverlay *o = g_ptr_array_index(plan->overlays, i);
        g_autofree char *frozen = chain_source_key(o->frozen->source);

        if (o->below->len < 2 || !g_str_equal(key, frozen))
            continue;
        *sources = g_new(const ChainSource *, o->below->len);
        *formats = g_new(const char *, o->below->len);
        for (guint k = 1; k < o->below->len; k++) {
            const PlanImage *image = g_ptr_array_index(o->below, k);

            (*sources)[k - 1] = image->source;
            (*formats)[k - 1] = image->format;
        }
        return o->below->len - 1;
    }
    return 0;
}

char *revert_target_xml(const Journal *journal, const char *xml, gboolean revert_disks,
                        GError **error)
{
    const Plan *plan = journal->plan;
    g_autofree char *result = xml_write_backing_store(xml, below_frozen, journal->plan, error);

    if (result && revert_disks) {
        g_autofree XmlDisk *disks = g_new0(XmlDisk, plan->overlays->len + plan->kept_disks->len);
        gsize n = 0;
        char *next;

        for (guint i = 0; i < plan->overlays->len; i++) {
            const PlanOverlay *o = g_ptr_array_index(plan->overlays, i);
            disks[n++] = (XmlDisk) { o->disk, o->overlay->source, o->overlay->format };
        }
        for (guint i = 0; i < plan->kept_disks->len; i++)
            disks[n++] = (XmlDisk) { g_ptr_array_index(plan->kept_disks, i), NULL, NULL };
        next = xml_snapshot_set_revert_disks(result, disks, n, error);
        g_free(result);
        result = next;
    } else if (result) {
        char *next = xml_snapshot_set_revert_disks(result, NULL, 0, error);

        g_free(result);
        result = next;
        for (guint i = 0; result && i < plan->overlays->len; i++) {
            const PlanOverlay *o = g_ptr_array_index(plan->overlays, i);

            next = xml_snapshot_set_disk_source(result, o->disk, o->overlay->source,
                                                o->overlay->format, error);
            g_free(result);
            result = next;
        }
    }
    return g_steal_pointer(&result);
}

/** Appends the domain's XML @xml as the element @name. */
static gboolean append_domain(GString *text, const char *xml, const char *name, GError **error)
{
    g_autoptr(xmlDoc) doc = xml_parse(xml, "domain", error);
    g_autofree char *element = NULL;

    if (!doc)
        return FALSE;
    xmlNodeSetName(xmlDocGetRootElement(doc), (const xmlChar *) name);
    element = xml_node_to_text(xmlDocGetRootElement(doc));
    g_string_append(text, element);
    return TRUE;
}

static void append_text(GString *text, const char *before, const char *value, const char *after)
{
    g_autofree char *escaped = g_markup_escape_text(value, -1);

    g_string_append_printf(text, "%s%s%s", before, escaped, after);
}

static const PlanOverlay *overlay_of(const GPtrArray *overlays, const char *target)
{
    for (guint i = 0; i < overlays->len; i++) {
        const PlanOverlay *o = g_ptr_array_index(overlays, i);

        if (g_str_equal(o->disk, target))
            return o;
    }
    return NULL;
}

char *revert_saved_xml(const Journal *journal, GError **error)
{
    const Plan *plan = journal->plan;
    ChainDomain *d = NULL;
    g_autoptr(ChainGraph) before = revert_read_disks(xml_before(journal), &d, error);
    g_autoptr(GString) text = g_string_new("<domainsnapshot>");

    if (!before)
        return NULL;
    append_text(text, "<name>", plan->save_current, "</name>");
    append_text(text, "<state>", journal->live_xml ? "disk-snapshot" : "shutoff", "</state>");
    if (journal->current)
        append_text(text, "<parent><name>", journal->current, "</name></parent>");
    g_string_append_printf(text, "<creationTime>%" G_GINT64_FORMAT "</creationTime>"
                           "<memory snapshot='no'/><disks>",
                           g_get_real_time() / G_USEC_PER_SEC);
    for (guint i = 0; i < d->disks->len; i++) {
        const ChainDisk *disk = g_ptr_array_index(d->disks, i);
        const PlanOverlay *o = overlay_of(plan->save_overlays, disk->target);

        append_text(text, "<disk name='", disk->target, "' ");
        if (!o) {
            g_string_append(text, "snapshot='no'/>");
            continue;
        }
        g_string_append(text, "snapshot='external' type='file'>");
        append_text(text, "<driver type='", o->overlay->format, "'/>");
        append_text(text, "<source file='", o->overlay->source->path, "'/></disk>");
    }
    g_string_append(text, "</disks>");
    if (!append_domain(text, xml_before(journal), "domain", error) ||
        (journal->live_xml && journal->domain_xml &&
         !append_domain(text, journal->domain_xml, "inactiveDomain", error)))
        return NULL;
    g_string_append(text, "</domainsnapshot>");
    return xml_strip_backing_store(text->str, error);
}

gboolean revert_is_saved_xml(const Plan *plan, const char *xml)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    XmlReader reader = { .graph = graph };
    ChainDomain *d = chain_graph_add_domain(graph, "domain", NULL);
    const ChainSnapshot *s = xml_read_snapshot(&reader, d, xml, NULL);

    for (guint i = 0; s && i < plan->save_overlays->len; i++) {
        const PlanOverlay *o = g_ptr_array_index(plan->save_overlays, i);
        const ChainSnapshotDisk *sd = chain_snapshot_disk(s, o->disk);
        g_autofree char *key = sd && sd->overlay ? chain_source_key(sd->overlay->source) : NULL;
        g_autofree char *want = chain_source_key(o->overlay->source);

        if (g_strcmp0(key, want) != 0)
            return FALSE;
    }
    return s != NULL;
}

gboolean revert_names_overlays(const GPtrArray *overlays, const char *domain_xml)
{
    ChainDomain *d = NULL;
    g_autoptr(ChainGraph) graph = revert_read_disks(domain_xml, &d, NULL);

    if (!graph || overlays->len == 0)
        return FALSE;
    for (guint i = 0; i < overlays->len; i++) {
        const PlanOverlay *o = g_ptr_array_index(overlays, i);
        ChainDisk *disk = chain_domain_disk(d, o->disk);
        ChainImage *image = disk ? disk_image(disk) : NULL;
        g_autofree char *key = NULL, *want = NULL;

        if (!image)
            return FALSE;
        key = chain_source_key(image->source);
        want = chain_source_key(o->overlay->source);
        if (!g_str_equal(key, want))
            return FALSE;
    }
    return TRUE;
}
