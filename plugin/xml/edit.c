/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * edit.c: disk sources and backing stores in libvirt's XML
 */
#include "config.h"

#include <string.h>

#include "include/vext-i18n.h"
#include "plugin/xml/edit.h"
#include "plugin/xml/edit-private.h"
#include "plugin/xml/disk-source.h"

void xml_remove_node(xmlNode *node)
{
    xmlNode *blank = node->prev;

    if (blank && xmlIsBlankNode(blank)) {
        xmlUnlinkNode(blank);
        xmlFreeNode(blank);
    }
    xmlUnlinkNode(node);
    xmlFreeNode(node);
}

void xml_remove_children(xmlNode *node, const char *name)
{
    xmlNode *child;

    while ((child = xml_child(node, name)))
        xml_remove_node(child);
}

void xml_insert_after(xmlNode *ref, xmlNode *node)
{
    xmlNode *blank = ref->prev;

    xmlAddNextSibling(ref, node);
    if (blank && xmlIsBlankNode(blank))
        xmlAddPrevSibling(node, xmlDocCopyNode(blank, node->doc, 1));
}

void xml_append(xmlNode *parent, xmlNode *node)
{
    xmlNode *last = parent->last;

    while (last && last->type != XML_ELEMENT_NODE)
        last = last->prev;
    if (last)
        xml_insert_after(last, node);
    else
        xmlAddChild(parent, node);
}

void xml_set_child_text(xmlNode *parent, const char *name, const char *after, const char *text)
{
    xmlNode *child = xml_child(parent, name);
    xmlNode *node = xmlNewDocNode(parent->doc, NULL, BAD_CAST name, NULL);
    xmlNode *ref = after ? xml_child(parent, after) : NULL;

    xmlAddChild(node, xmlNewDocText(parent->doc, BAD_CAST text));
    if (child) {
        xmlReplaceNode(child, node);
        xmlFreeNode(child);
    } else if (ref) {
        xml_insert_after(ref, node);
    } else {
        xml_append(parent, node);
    }
}

gboolean xml_set_disk(xmlNode *disk, const ChainSource *source, const char *format,
                      GError **error)
{
    xmlNode *old = xml_child(disk, "source");
    xmlNode *driver = xml_child(disk, "driver");
    xmlNode *node = NULL;

    if (source) {
        node = xml_write_source(disk->doc, source, old, error);
        if (!node)
            return FALSE;
    }
    if (format && !driver) {
        driver = xmlNewDocNode(disk->doc, NULL, BAD_CAST "driver", NULL);
        if (!xmlStrEqual(disk->parent->name, BAD_CAST "disks") &&
            !xmlStrEqual(disk->parent->name, BAD_CAST "revertDisks"))
            xmlSetProp(driver, BAD_CAST "name", BAD_CAST "qemu");
        if (disk->children)
            xmlAddPrevSibling(disk->children, driver);
        else
            xmlAddChild(disk, driver);
    }
    if (format)
        xmlSetProp(driver, BAD_CAST "type", BAD_CAST format);
    if (node) {
        xmlSetProp(disk, BAD_CAST "type", BAD_CAST xml_source_disk_type(source));
        xml_remove_children(disk, "encryption"); /* the old image's; the new one's is in @node */
        if (old) {
            xmlReplaceNode(old, node);
            xmlFreeNode(old);
        } else if (driver) {
            xml_insert_after(driver, node);
        } else {
            xml_append(disk, node);
        }
    }
    xml_remove_children(disk, "backingStore");
    return TRUE;
}

/* --- going through the disks ---------------------------------------------------------------- */

gboolean xml_each_disk(xmlNode *list, XmlDiskFunc func, gpointer opaque, GError **error)
{
    xmlNode *disk;

    for (disk = xml_child(list, "disk"); disk; disk = xml_next(disk, "disk")) {
        if (!func(disk, opaque, error))
            return FALSE;
    }
    return TRUE;
}

/* @domains for the disks of domains, @lists for <disks> and <revertDisks>; NULL: skip. */
static gboolean each_disk_anywhere(xmlNode *root, XmlDiskFunc domains, gpointer domains_opaque,
                                   XmlDiskFunc lists, gpointer lists_opaque, GError **error)
{
    static const char *const domain_names[] = { "domain", "inactiveDomain" };
    static const char *const list_names[] = { "disks", "revertDisks" };
    gsize i;

    if (xmlStrEqual(root->name, BAD_CAST "domain"))
        return !domains || xml_each_disk(xml_child(root, "devices"), domains, domains_opaque,
                                         error);
    if (!xmlStrEqual(root->name, BAD_CAST "domainsnapshot")) {
        g_set_error(error, VEXT_XML_ERROR, VEXT_XML_ERROR_CONTENT,
                    _("XML of a domain or a snapshot was expected, this is <%s>"),
                    (const char *) root->name);
        return FALSE;
    }
    for (i = 0; domains && i < G_N_ELEMENTS(domain_names); i++) {
        xmlNode *domain = xml_child(root, domain_names[i]);

        if (!xml_each_disk(xml_child(domain, "devices"), domains, domains_opaque, error))
            return FALSE;
    }
    for (i = 0; lists && i < G_N_ELEMENTS(list_names); i++) {
        if (!xml_each_disk(xml_child(root, list_names[i]), lists, lists_opaque, error))
            return FALSE;
    }
    return TRUE;
}

gboolean xml_add_chain(xmlNode *disk, const XmlDisk *of, GError **error)
{
    xmlNode *above = disk;
    gsize i;

    for (i = 0; i < of->n_below; i++) {
        xmlNode *store = xmlNewDocNode(disk->doc, NULL, BAD_CAST "backingStore", NULL);
        xmlNode *source = xml_write_source(disk->doc, of->below[i], NULL, error);

        if (!source) {
            xmlFreeNode(store);
            return FALSE;
        }
        xmlSetProp(store, BAD_CAST "type", BAD_CAST xml_source_disk_type(of->below[i]));
        if (of->below_formats[i])
            xmlSetProp(xmlNewChild(store, NULL, BAD_CAST "format", NULL), BAD_CAST "type",
                       BAD_CAST of->below_formats[i]);
        xmlAddChild(store, source);
        if (above == disk)
            xml_append(above, store);
        else
            xmlAddChild(above, store);
        above = store;
    }
    return TRUE;
}

typedef struct {
    XmlBelowFunc below;
    gpointer opaque;
} Chains;

static gboolean strip_disk(xmlNode *disk, gpointer opaque, GError **error)
{
    const Chains *chains = opaque;
    xmlNode *source = xml_child(disk, "source");
    g_autoptr(ChainSource) says = NULL;
    g_autofree const ChainSource **sources = NULL;
    g_autofree const char **formats = NULL;
    XmlDisk of = { 0 };
    gboolean written = xml_child(xml_child(disk, "backingStore"), "source") != NULL;

    xml_remove_children(disk, "backingStore");
    if (source)
        xmlUnsetProp(source, BAD_CAST "index");
    if (!source || !chains)
        return TRUE;
    says = xml_read_source(disk);
    of.n_below = chains->below(says, written, &sources, &formats, chains->opaque);
    of.below = sources;
    of.below_formats = formats;
    return xml_add_chain(disk, &of, error);
}

char *xml_write_backing_store(const char *xml, XmlBelowFunc below, gpointer opaque,
                              GError **error)
{
    g_autoptr(xmlDoc) doc = xml_parse(xml, NULL, error);
    Chains chains = { below, opaque };

    if (!doc || !each_disk_anywhere(xmlDocGetRootElement(doc), strip_disk,
                                    below ? &chains : NULL, strip_disk, NULL, error))
        return NULL;
    return xml_doc_to_text(doc);
}

char *xml_strip_backing_store(const char *xml, GError **error)
{
    return xml_write_backing_store(xml, NULL, NULL, error);
}

/* --- maps ----------------------------------------------------------------------------------- */

typedef struct {
    ChainSource *source;
    char *format;
} Replacement;

struct XmlSourceMap {
    GHashTable *by_key; /* char * -> Replacement * */
};

static void replacement_free(gpointer data)
{
    Replacement *r = data;

    chain_source_free(r->source);
    g_free(r->format);
    g_free(r);
}

XmlSourceMap *xml_source_map_new(void)
{
    XmlSourceMap *map = g_new0(XmlSourceMap, 1);

    map->by_key = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, replacement_free);
    return map;
}

void xml_source_map_free(XmlSourceMap *map)
{
    if (!map)
        return;
    g_hash_table_unref(map->by_key);
    g_free(map);
}

void xml_source_map_add(XmlSourceMap *map, const char *from_key, const ChainSource *to,
                        const char *to_format)
{
    Replacement *r = g_new0(Replacement, 1);

    r->source = chain_source_copy(to);
    r->format = g_strdup(to_format);
    g_hash_table_replace(map->by_key, g_strdup(from_key), r);
}

void xml_source_map_add_image(XmlSourceMap *map, const ChainImage *from, const ChainImage *to)
{
    g_autofree char *key = chain_source_key(from->source);
    guint i;

    xml_source_map_add(map, key, to->source, to->format);
    for (i = 0; i < from->aliases->len; i++)
        xml_source_map_add(map, g_ptr_array_index(from->aliases, i), to->source, to->format);
}

guint xml_source_map_size(const XmlSourceMap *map)
{
    return g_hash_table_size(map->by_key);
}

typedef struct {
    const XmlSourceMap *map;
    guint changed;
} Mapping;

static gboolean map_disk(xmlNode *disk, gpointer opaque, GError **error)
{
    Mapping *mapping = opaque;
    g_autoptr(ChainSource) source = xml_read_source(disk);
    g_autofree char *key = chain_source_key(source);
    const Replacement *r = g_hash_table_lookup(mapping->map->by_key, key);

    if (!r || source->type == CHAIN_SOURCE_NONE)
        return TRUE;
    mapping->changed++;
    return xml_set_disk(disk, r->source, r->format, error);
}

char *xml_map_sources(const char *xml, const XmlSourceMap *map, guint *changed, GError **error)
{
    g_autoptr(xmlDoc) doc = xml_parse(xml, "domain", error);
    Mapping mapping = { map, 0 };

    if (!doc || !each_disk_anywhere(xmlDocGetRootElement(doc), map_disk, &mapping, NULL, NULL,
                                    error))
        return NULL;
    if (changed)
        *changed = mapping.changed;
    return xml_doc_to_text(doc);
}

char *xml_map_snapshot_sources(const char *xml, const XmlSourceMap *domains,
                               const XmlSourceMap *disks, guint *changed, GError **error)
{
    g_autoptr(xmlDoc) doc = xml_parse(xml, "domainsnapshot", error);
    Mapping in_domains = { domains, 0 };
    Mapping in_disks = { disks, 0 };

    if (!doc || !each_disk_anywhere(xmlDocGetRootElement(doc),
                                    domains ? map_disk : NULL, &in_domains,
                                    disks ? map_disk : NULL, &in_disks, error))
        return NULL;
    if (changed)
        *changed = in_domains.changed + in_disks.changed;
    return xml_doc_to_text(doc);
}

xmlNode *xml_find_disk(xmlNode *list, const char *target)
{
    xmlNode *disk;

    for (disk = xml_child(list, "disk"); disk; disk = xml_next(disk, "disk")) {
        /* in a domain the target is an element, in a snapshot the name attribute */
        if (xml_attr_is(xml_child(disk, "target"), "dev", target) ||
            xml_attr_is(disk, "name", target))
            return disk;
    }
    return NULL;
}

static void set_no_disk(GError **error, const char *target)
{
    g_set_error(error, VEXT_XML_ERROR, VEXT_XML_ERROR_CONTENT, _("There is no disk '%s'"),
                target);
}

char *xml_domain_set_disk(const char *xml, const XmlDisk *disk, GError **error)
{
    g_autoptr(xmlDoc) doc = xml_parse(xml, "domain", error);
    xmlNode *node;

    if (!doc)
        return NULL;
    node = xml_find_disk(xml_child(xmlDocGetRootElement(doc), "devices"), disk->target);
    if (!node) {
        set_no_disk(error, disk->target);
        return NULL;
    }
    return xml_set_disk(node, disk->source, disk->format, error) &&
           xml_add_chain(node, disk, error) ? xml_doc_to_text(doc) : NULL;
}

char *xml_domain_set_disk_source(const char *xml, const char *target, const ChainSource *source,
                                 const char *format, GError **error)
{
    XmlDisk disk = { .target = target, .source = source, .format = format };

    return xml_domain_set_disk(xml, &disk, error);
}

/* --- snapshots ------------------------------------------------------------------------------ */

char *xml_snapshot_set_parent(const char *xml, const char *parent, GError **error)
{
    g_autoptr(xmlDoc) doc = NULL;
    xmlNode *root, *node;

    if ((parent && !xml_check_text(parent, error)) ||
        !(doc = xml_parse(xml, "domainsnapshot", error)))
        return NULL;
    root = xmlDocGetRootElement(doc);
    node = xml_child(root, "parent");
    if (!parent) {
        xml_remove_children(root, "parent");
    } else {
        if (!node) {
            xmlNode *ref = xml_child(root, "state");

            node = xmlNewDocNode(doc, NULL, BAD_CAST "parent", NULL);
            if (!ref)
                ref = xml_child(root, "name");
            if (ref)
                xml_insert_after(ref, node);
            else
                xml_append(root, node);
        }
        xml_set_child_text(node, "name", NULL, parent);
    }
    return xml_doc_to_text(doc);
}

char *xml_snapshot_set_disk_source(const char *xml, const char *target,
                                   const ChainSource *source, const char *format,
                                   GError **error)
{
    g_autoptr(xmlDoc) doc = xml_parse(xml, "domainsnapshot", error);
    xmlNode *disk;

    if (!doc)
        return NULL;
    disk = xml_find_disk(xml_child(xmlDocGetRootElement(doc), "disks"), target);
    if (!disk) {
        set_no_disk(error, target);
        return NULL;
    }
    xmlSetProp(disk, BAD_CAST "snapshot", BAD_CAST "external");
    return xml_set_disk(disk, source, format, error) ? xml_doc_to_text(doc) : NULL;
}

char *xml_snapshot_set_revert_disks(const char *xml, const XmlDisk *disks, gsize n,
                                    GError **error)
{
    g_autoptr(xmlDoc) doc = xml_parse(xml, "domainsnapshot", error);
    xmlNode *root, *list, *ref;
    gsize i;

    if (!doc)
        return NULL;
    root = xmlDocGetRootElement(doc);
    xml_remove_children(root, "revertDisks");
    if (n == 0)
        return xml_doc_to_text(doc);

    list = xmlNewDocNode(doc, NULL, BAD_CAST "revertDisks", NULL);
    ref = xml_child(root, "disks");
    if (ref)
        xml_insert_after(ref, list);
    else
        xml_append(root, list);
    for (i = 0; i < n; i++) {
        xmlNode *disk;

        if (!xml_check_text(disks[i].target, error))
            return NULL;
        xmlAddChild(list, xmlNewDocText(doc, BAD_CAST "\n    "));
        disk = xmlNewChild(list, NULL, BAD_CAST "disk", NULL);
        xmlSetProp(disk, BAD_CAST "name", BAD_CAST disks[i].target);
        xmlSetProp(disk, BAD_CAST "snapshot",
                   BAD_CAST (disks[i].source ? "external" : "no"));
        if (disks[i].source && !xml_set_disk(disk, disks[i].source, disks[i].format, error))
            return NULL;
    }
    xmlAddChild(list, xmlNewDocText(doc, BAD_CAST "\n  "));
    return xml_doc_to_text(doc);
}

static gboolean clear_in_progress(xmlNode *disk, gpointer opaque, GError **error)
{
    g_autofree char *target = xml_attr(disk, "name");

    if (target && g_hash_table_contains(opaque, target))
        xml_remove_children(disk, "snapshotDeleteInProgress");
    return TRUE;
}

char *xml_snapshot_clear_delete_in_progress(const char *xml, GHashTable *targets, GError **error)
{
    g_autoptr(xmlDoc) doc = xml_parse(xml, "domainsnapshot", error);

    if (!doc || !each_disk_anywhere(xmlDocGetRootElement(doc), NULL, NULL, clear_in_progress,
                                    targets, error))
        return NULL;
    return xml_doc_to_text(doc);
}

char *xml_snapshot_extract_domain(const char *xml, gboolean inactive, GError **error)
{
    g_autoptr(xmlDoc) doc = xml_parse(xml, "domainsnapshot", error);
    g_autoptr(xmlDoc) domain = NULL;
    xmlNode *node = NULL;

    if (!doc)
        return NULL;
    if (inactive)
        node = xml_child(xmlDocGetRootElement(doc), "inactiveDomain");
    if (!node)
        node = xml_child(xmlDocGetRootElement(doc), "domain");
    if (!node) {
        g_set_error(error, VEXT_XML_ERROR, VEXT_XML_ERROR_CONTENT,
                    _("The snapshot carries no domain definition"));
        return NULL;
    }
    domain = xmlNewDoc(BAD_CAST "1.0");
    node = xmlDocCopyNode(node, domain, 1);
    xmlNodeSetName(node, BAD_CAST "domain");
    xmlDocSetRootElement(domain, node);
    return xml_doc_to_text(domain);
}
