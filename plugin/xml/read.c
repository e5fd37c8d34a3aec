/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * read.c: the XML of domains, snapshots and volumes into the model
 */
#include "config.h"

#include <string.h>

#include "include/vext-i18n.h"
#include "plugin/xml/disk-source.h"
#include "plugin/xml/read.h"

static ChainImage *node_for(XmlReader *reader, xmlNode *disk)
{
    g_autoptr(ChainSource) source = xml_read_source(disk);

    if (source->type == CHAIN_SOURCE_NONE)
        return NULL;
    if (reader->image)
        return reader->image(reader, source);
    return chain_graph_image(reader->graph, source, NULL);
}

/* What the XML records beside the source: the format named by @named, encryption. */
static void record_format(ChainImage *image, xmlNode *disk, const char *named)
{
    g_autofree char *format = NULL;

    if (!image)
        return;
    format = xml_attr(xml_child(disk, named), "type");
    chain_image_record_format(image, format);
    if (xml_child(disk, "encryption") || xml_child(xml_child(disk, "source"), "encryption"))
        image->flags |= CHAIN_IMAGE_ENCRYPTED;
}

/*
 * The <backingStore> of @disk and what is in it, from the image of the disk down. An empty
 * element ends the chain, a missing one says nothing.
 *
 * @live: record in the images what stands on what
 * @ends: whether the chain ends with an empty element
 * Returns: new array, or NULL when the XML tells no chain
 */
static GPtrArray *read_chain(XmlReader *reader, xmlNode *disk, ChainImage *top, gboolean live,
                             gboolean *ends)
{
    xmlNode *store = xml_child(disk, "backingStore");
    ChainImage *above = top;
    GPtrArray *chain;

    *ends = FALSE;
    if (!store || !top)
        return NULL;
    chain = g_ptr_array_new();
    g_ptr_array_add(chain, top);
    for (; store; store = xml_child(store, "backingStore")) {
        ChainImage *image = node_for(reader, store);

        record_format(image, store, "format");
        if (live && !above->backing_known) {
            above->backing_known = TRUE;
            above->backing = image;
            if (image) {
                above->backing_spec = g_strdup(image->path);
                above->backing_format = g_strdup(image->format);
            }
        }
        if (!image) {
            *ends = TRUE;
            break;
        }
        g_ptr_array_add(chain, image);
        above = image;
    }
    return chain;
}

static ChainJob *read_job(XmlReader *reader, xmlNode *disk)
{
    xmlNode *mirror = xml_child(disk, "mirror");
    ChainJob *job;

    if (!mirror)
        return NULL;
    job = g_new0(ChainJob, 1);
    job->type = xml_attr(mirror, "job");
    if (!job->type)
        job->type = g_strdup("copy");
    job->ready = xml_attr_is(mirror, "ready", "yes");
    job->target = node_for(reader, mirror);
    record_format(job->target, mirror, "format");
    if (job->target)
        job->mirror = g_strdup(job->target->path);
    return job;
}

static void read_disk(XmlReader *reader, ChainDomain *d, xmlNode *node, gboolean live)
{
    g_autofree char *target = xml_attr(xml_child(node, "target"), "dev");
    ChainDisk *disk;
    ChainImage *image;
    GPtrArray *chain;
    gboolean ends;

    if (!target || !*target)
        return;
    disk = chain_domain_disk(d, target);
    if (!disk) {
        disk = chain_domain_add_disk(d, target);
        disk->device = xml_attr(node, "device");
        if (!disk->device)
            disk->device = g_strdup("disk");
        disk->readonly = xml_child(node, "readonly") != NULL ||
                         g_str_equal(disk->device, "cdrom");
        disk->shareable = xml_child(node, "shareable") != NULL;
        if (live || !d->active)
            disk->job = read_job(reader, node);
    } else if (live ? disk->active != NULL : disk->configured != NULL) {
        return; /* two disks with one target: libvirt lets none in */
    }
    image = node_for(reader, node);
    record_format(image, node, "driver");
    chain = read_chain(reader, node, image, live, &ends);
    if (live) {
        disk->active = image;
        disk->live_chain = chain;
    } else {
        disk->configured = image;
        disk->config_chain = chain;
        disk->config_chain_ends = ends;
        if (!d->active)
            disk->active = image;
    }
}

static gboolean read_disks(XmlReader *reader, ChainDomain *d, const char *xml, gboolean live,
                           GError **error)
{
    g_autoptr(xmlDoc) doc = xml_parse(xml, "domain", error);
    xmlNode *devices, *disk;

    if (!doc)
        return FALSE;
    devices = xml_child(xmlDocGetRootElement(doc), "devices");
    for (disk = xml_child(devices, "disk"); disk; disk = xml_next(disk, "disk"))
        read_disk(reader, d, disk, live);
    return TRUE;
}

gboolean xml_read_domain(XmlReader *reader, ChainDomain *d, const char *live,
                         const char *inactive, GError **error)
{
    return (!live || read_disks(reader, d, live, TRUE, error)) &&
           (!inactive || read_disks(reader, d, inactive, FALSE, error));
}

gboolean xml_read_saved(XmlReader *reader, ChainDomain *d, const char *xml, GError **error)
{
    g_autoptr(xmlDoc) doc = xml_parse(xml, "domain", error);
    xmlNode *devices, *disk;

    if (!doc)
        return FALSE;
    devices = xml_child(xmlDocGetRootElement(doc), "devices");
    for (disk = xml_child(devices, "disk"); disk; disk = xml_next(disk, "disk")) {
        ChainImage *image = node_for(reader, disk);
        g_autoptr(GPtrArray) chain = NULL;
        gboolean ends;

        if (!image)
            continue;
        record_format(image, disk, "driver");
        g_ptr_array_add(d->saved, image);
        chain = read_chain(reader, disk, image, FALSE, &ends);
        if (chain)
            g_ptr_array_extend(d->saved, chain, NULL, NULL);
    }
    return TRUE;
}

/* --- snapshots ------------------------------------------------------------------------------ */

static ChainSnapshotDisk *snapshot_disk(ChainSnapshot *s, GHashTable *by_target,
                                        const char *target)
{
    ChainSnapshotDisk *sd = g_hash_table_lookup(by_target, target);

    if (!sd) {
        sd = chain_snapshot_add_disk(s, target);
        g_hash_table_insert(by_target, sd->target, sd);
    }
    return sd;
}

static void read_snapshot_list(XmlReader *reader, ChainSnapshot *s, GHashTable *by_target,
                               xmlNode *list, gboolean revert)
{
    xmlNode *node;

    for (node = xml_child(list, "disk"); node; node = xml_next(node, "disk")) {
        g_autofree char *target = xml_attr(node, "name");
        ChainSnapshotDisk *sd;
        ChainImage *image;

        if (!target || !*target)
            continue;
        sd = snapshot_disk(s, by_target, target);
        image = node_for(reader, node);
        record_format(image, node, "driver");
        if (xml_child(node, "snapshotDeleteInProgress"))
            sd->delete_in_progress = TRUE;
        if (revert) {
            sd->revert_overlay = image;
            continue;
        }
        if (xml_attr_is(node, "snapshot", "internal"))
            sd->kind = CHAIN_SNAP_INTERNAL;
        else if (xml_attr_is(node, "snapshot", "manual"))
            sd->kind = CHAIN_SNAP_MANUAL;
        else if (xml_attr_is(node, "snapshot", "external") || image)
            sd->kind = CHAIN_SNAP_EXTERNAL;
        else
            sd->kind = CHAIN_SNAP_NO;
        if (sd->kind == CHAIN_SNAP_EXTERNAL)
            sd->overlay = image;
    }
}

static void read_snapshot_domain(XmlReader *reader, ChainSnapshot *s, GHashTable *by_target,
                                 xmlNode *domain, gboolean inactive)
{
    xmlNode *devices = xml_child(domain, "devices");
    xmlNode *node;

    for (node = xml_child(devices, "disk"); node; node = xml_next(node, "disk")) {
        g_autofree char *target = xml_attr(xml_child(node, "target"), "dev");
        ChainSnapshotDisk *sd;
        ChainImage *image;

        if (!target || !*target)
            continue;
        sd = snapshot_disk(s, by_target, target);
        image = node_for(reader, node);
        record_format(image, node, "driver");
        if (inactive)
            sd->frozen_inactive = image;
        else
            sd->frozen = image;
        sd->not_written = xml_child(node, "readonly") || xml_attr_is(node, "device", "cdrom") ||
                          xml_attr_is(node, "device", "floppy");
        sd->optional = xml_attr_is(xml_child(node, "source"), "startupPolicy", "optional");
    }
}

ChainSnapshot *xml_read_snapshot(XmlReader *reader, ChainDomain *d, const char *xml,
                                 GError **error)
{
    g_autoptr(xmlDoc) doc = xml_parse(xml, "domainsnapshot", error);
    g_autoptr(GHashTable) by_target = g_hash_table_new(g_str_hash, g_str_equal);
    g_autofree char *name = NULL;
    g_autofree char *time = NULL;
    xmlNode *root, *memory;
    ChainSnapshot *s;

    if (!doc)
        return NULL;
    root = xmlDocGetRootElement(doc);
    name = xml_text(xml_child(root, "name"));
    if (!name || !*name) {
        g_set_error(error, VEXT_XML_ERROR, VEXT_XML_ERROR_CONTENT,
                    _("The XML of a snapshot has no name"));
        return NULL;
    }
    s = chain_domain_add_snapshot(d, name);
    s->xml = g_strdup(xml);
    s->parent_name = xml_text(xml_child(xml_child(root, "parent"), "name"));
    s->state = xml_text(xml_child(root, "state"));
    time = xml_text(xml_child(root, "creationTime"));
    if (time)
        s->creation_time = g_ascii_strtoll(time, NULL, 10);

    memory = xml_child(root, "memory");
    if (xml_attr_is(memory, "snapshot", "internal"))
        s->memory = CHAIN_MEMORY_INTERNAL;
    else if (xml_attr_is(memory, "snapshot", "external"))
        s->memory = CHAIN_MEMORY_EXTERNAL;
    if (s->memory == CHAIN_MEMORY_EXTERNAL)
        s->memory_file = xml_attr(memory, "file");

    s->has_domain = xml_child(xml_child(root, "domain"), "devices") != NULL;
    s->has_inactive = xml_child(root, "inactiveDomain") != NULL;
    read_snapshot_list(reader, s, by_target, xml_child(root, "disks"), FALSE);
    read_snapshot_list(reader, s, by_target, xml_child(root, "revertDisks"), TRUE);
    read_snapshot_domain(reader, s, by_target, xml_child(root, "domain"), FALSE);
    read_snapshot_domain(reader, s, by_target, xml_child(root, "inactiveDomain"), TRUE);
    return s;
}

/* --- volumes -------------------------------------------------------------------------------- */

static guint64 read_bytes(xmlNode *node)
{
    g_autofree char *text = xml_text(node);
    g_autofree char *unit = xml_attr(node, "unit");
    guint64 value;
    char *end;

    if (!text || (unit && !g_str_equal(unit, "bytes")))
        return CHAIN_UNKNOWN;
    value = g_ascii_strtoull(text, &end, 10);
    return end == text ? CHAIN_UNKNOWN : value;
}

char *xml_read_pool_target(const char *xml)
{
    static const char *const types[] = { "dir", "fs", "netfs", "logical" };
    g_autoptr(xmlDoc) doc = xml_parse(xml, "pool", NULL);
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    gsize i;

    for (i = 0; root && i < G_N_ELEMENTS(types); i++) {
        if (xml_attr_is(root, "type", types[i]))
            return xml_text(xml_child(xml_child(root, "target"), "path"));
    }
    return NULL;
}

gboolean xml_pool_is_remote(const char *xml)
{
    static const char *const types[] = { "gluster", "iscsi-direct", "rbd", "sheepdog" };
    g_autoptr(xmlDoc) doc = xml_parse(xml, "pool", NULL);
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;

    for (gsize i = 0; root && i < G_N_ELEMENTS(types); i++) {
        if (xml_attr_is(root, "type", types[i]))
            return TRUE;
    }
    return FALSE;
}

static void add_path(GPtrArray *paths, char *path_take)
{
    if (path_take && path_take[0] == '/')
        g_ptr_array_add(paths, path_take);
    else
        g_free(path_take);
}

GPtrArray *xml_read_written_files(const char *xml)
{
    GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(xmlDoc) doc = xml_parse(xml, "domain", NULL);
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    xmlNode *devices = root ? xml_child(root, "devices") : NULL;
    xmlNode *device;

    if (root)
        add_path(paths, xml_text(xml_child(xml_child(root, "os"), "nvram")));
    for (device = devices ? devices->children : NULL; device; device = device->next) {
        if (device->type != XML_ELEMENT_NODE || xmlStrEqual(device->name, BAD_CAST "disk"))
            continue;
        if (xml_attr_is(device, "type", "file"))
            add_path(paths, xml_attr(xml_child(device, "source"), "path"));
        add_path(paths, xml_attr(xml_child(device, "log"), "file"));
    }
    return paths;
}

XmlVolume *xml_read_volume(const char *xml, GError **error)
{
    g_autoptr(xmlDoc) doc = xml_parse(xml, "volume", error);
    xmlNode *root, *target, *backing;
    XmlVolume *volume;

    if (!doc)
        return NULL;
    root = xmlDocGetRootElement(doc);
    target = xml_child(root, "target");
    backing = xml_child(root, "backingStore");
    volume = g_new0(XmlVolume, 1);
    volume->name = xml_text(xml_child(root, "name"));
    volume->type = xml_attr(root, "type");
    volume->path = xml_text(xml_child(target, "path"));
    volume->format = xml_attr(xml_child(target, "format"), "type");
    volume->encrypted = xml_child(target, "encryption") != NULL;
    volume->backing_path = xml_text(xml_child(backing, "path"));
    volume->backing_format = xml_attr(xml_child(backing, "format"), "type");
    volume->capacity = read_bytes(xml_child(root, "capacity"));
    volume->allocation = read_bytes(xml_child(root, "allocation"));
    volume->physical = read_bytes(xml_child(root, "physical"));
    if (volume->backing_path && !*volume->backing_path)
        g_clear_pointer(&volume->backing_path, g_free);
    return volume;
}

void xml_volume_free(XmlVolume *volume)
{
    if (!volume)
        return;
    g_free(volume->name);
    g_free(volume->type);
    g_free(volume->path);
    g_free(volume->format);
    g_free(volume->backing_path);
    g_free(volume->backing_format);
    g_free(volume);
}
