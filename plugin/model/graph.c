/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * graph.c: the nodes of the model and who owns them
 */
#include "config.h"

#include <string.h>

#include "plugin/model/chain.h"

static void image_free(gpointer data)
{
    ChainImage *image = data;

    g_free(image->key);
    chain_source_free(image->source);
    g_free(image->path);
    g_ptr_array_unref(image->aliases);
    g_free(image->format);
    g_free(image->other_format);
    g_free(image->backing_spec);
    g_free(image->backing_format);
    g_free(image->problem);
    g_ptr_array_unref(image->overlays);
    g_ptr_array_unref(image->users);
    g_ptr_array_unref(image->frozen_by);
    g_ptr_array_unref(image->overlay_of);
    g_ptr_array_unref(image->domains);
    g_free(image);
}

static void job_free(ChainJob *job)
{
    if (!job)
        return;
    g_free(job->type);
    g_free(job->mirror);
    g_free(job);
}

static void disk_free(gpointer data)
{
    ChainDisk *disk = data;

    g_free(disk->target);
    g_free(disk->device);
    g_clear_pointer(&disk->live_chain, g_ptr_array_unref);
    g_clear_pointer(&disk->config_chain, g_ptr_array_unref);
    job_free(disk->job);
    g_free(disk);
}

static void snapshot_disk_free(gpointer data)
{
    ChainSnapshotDisk *disk = data;

    g_free(disk->target);
    g_free(disk);
}

static void snapshot_free(gpointer data)
{
    ChainSnapshot *s = data;

    g_free(s->name);
    g_free(s->parent_name);
    g_ptr_array_unref(s->children);
    g_free(s->state);
    g_free(s->memory_file);
    g_ptr_array_unref(s->disks);
    g_free(s->xml);
    g_free(s);
}

void chain_operation_free(ChainOperation *op)
{
    if (!op)
        return;
    g_free(op->id);
    g_free(op->domain);
    g_free(op->uuid);
    g_free(op->command);
    g_free(op->snapshots);
    g_clear_pointer(&op->snapshot_names, g_ptr_array_unref);
    g_free(op->step);
    g_free(op->started);
    g_free(op->client);
    g_free(op);
}

static void domain_free(gpointer data)
{
    ChainDomain *d = data;

    g_free(d->name);
    g_free(d->uuid);
    g_free(d->state);
    g_ptr_array_unref(d->disks);
    g_ptr_array_unref(d->detached);
    g_ptr_array_unref(d->snapshots);
    g_ptr_array_unref(d->saved);
    g_free(d->xml);
    g_free(d->inactive_xml);
    chain_operation_free(d->operation);
    g_free(d->helper);
    g_free(d->unreadable);
    g_free(d->problem);
    g_clear_pointer(&d->unknown, g_ptr_array_unref);
    g_free(d);
}

ChainGraph *chain_graph_new(void)
{
    ChainGraph *graph = g_new0(ChainGraph, 1);

    graph->images = g_ptr_array_new_with_free_func(image_free);
    graph->merged = g_ptr_array_new_with_free_func(image_free);
    graph->by_key = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    graph->domains = g_ptr_array_new_with_free_func(domain_free);
    graph->unknown = g_ptr_array_new_with_free_func((GDestroyNotify) chain_unknown_free);
    return graph;
}

void chain_graph_free(ChainGraph *graph)
{
    if (!graph)
        return;
    g_hash_table_unref(graph->by_key);
    g_ptr_array_unref(graph->domains);
    g_ptr_array_unref(graph->images);
    g_ptr_array_unref(graph->merged);
    g_ptr_array_unref(graph->unknown);
    g_free(graph);
}

static ChainImage *image_new(ChainGraph *graph, const ChainSource *source, const char *key)
{
    ChainImage *image = g_new0(ChainImage, 1);

    image->id = graph->images->len;
    image->key = g_strdup(key);
    image->source = chain_source_copy(source);
    image->path = chain_source_describe(source);
    image->aliases = g_ptr_array_new_with_free_func(g_free);
    image->overlays = g_ptr_array_new();
    image->users = g_ptr_array_new();
    image->frozen_by = g_ptr_array_new();
    image->overlay_of = g_ptr_array_new();
    image->domains = g_ptr_array_new();
    image->virtual_size = CHAIN_UNKNOWN;
    image->allocation = CHAIN_UNKNOWN;
    image->fs_free = CHAIN_UNKNOWN;
    g_ptr_array_add(graph->images, image);
    return image;
}

static void know(ChainGraph *graph, const char *key, ChainImage *image)
{
    g_hash_table_replace(graph->by_key, g_strdup(key), image);
}

static void add_alias(ChainImage *image, const char *key)
{
    guint i;

    if (g_str_equal(image->key, key))
        return;
    for (i = 0; i < image->aliases->len; i++) {
        if (g_str_equal(g_ptr_array_index(image->aliases, i), key))
            return;
    }
    g_ptr_array_add(image->aliases, g_strdup(key));
}

static void set_identity(ChainGraph *graph, ChainImage *image, const char *identity)
{
    if (!g_str_has_prefix(image->key, "inode:")) {
        g_autofree char *old = g_steal_pointer(&image->key);

        image->key = g_strdup(identity);
        add_alias(image, old);
    }
    know(graph, identity, image);
}

static void take_string(char **into, char **from)
{
    if (!*into)
        *into = g_steal_pointer(from);
}

/* Whether @other says more than @source of where and what the image is. */
static gboolean says_more(const ChainSource *other, const ChainSource *source)
{
    if (!other->xml || !source->xml)
        return other->xml != NULL;
    return chain_source_decrypts(other) && !chain_source_decrypts(source);
}

void chain_image_record_format(ChainImage *image, const char *format)
{
    gboolean read = image->backing_known || image->flags & CHAIN_IMAGE_HEADER_READ;

    if (!format || g_strcmp0(image->format, format) == 0)
        return;
    if (!image->format) {
        image->format = g_strdup(format);
        return;
    }
    image->flags |= CHAIN_IMAGE_FORMATS_DIFFER;
    g_free(image->other_format);
    /* what it stands on matters to one of the two, whoever was read first */
    if (!read && g_str_equal(image->format, "raw")) {
        image->other_format = image->format;
        image->format = g_strdup(format);
    } else {
        image->other_format = g_strdup(format);
    }
}

/* @gone turned out to be @image. Who points to @gone is set right by chain_graph_link(). */
static void merge(ChainGraph *graph, ChainImage *image, ChainImage *gone)
{
    guint i;

    add_alias(image, gone->key);
    know(graph, gone->key, image);
    for (i = 0; i < gone->aliases->len; i++) {
        const char *alias = g_ptr_array_index(gone->aliases, i);

        add_alias(image, alias);
        know(graph, alias, image);
    }
    if (says_more(gone->source, image->source)) {
        ChainSource *source = image->source;

        image->source = gone->source;
        gone->source = source;
        g_free(image->path);
        image->path = chain_source_describe(image->source);
    }
    chain_image_record_format(image, gone->format);
    take_string(&image->other_format, &gone->other_format);
    if (!image->backing_known && gone->backing_known) {
        image->backing_known = TRUE;
        image->backing = gone->backing;
        take_string(&image->backing_spec, &gone->backing_spec);
        take_string(&image->backing_format, &gone->backing_format);
    }
    take_string(&image->problem, &gone->problem);
    if (!image->data_file)
        image->data_file = gone->data_file;
    image->flags |= gone->flags;
    if (image->virtual_size == CHAIN_UNKNOWN)
        image->virtual_size = gone->virtual_size;
    if (image->allocation == CHAIN_UNKNOWN)
        image->allocation = gone->allocation;
    if (image->fs_free == CHAIN_UNKNOWN) {
        image->fs_free = gone->fs_free;
        image->fs_id = gone->fs_id;
        image->modified = gone->modified;
        image->born = gone->born;
    }

    gone->merged_into = image;
    /* the last takes its place in the array: ids are indices until the graph is linked */
    g_ptr_array_steal_index_fast(graph->images, gone->id);
    if (gone->id < graph->images->len) {
        ChainImage *moved = g_ptr_array_index(graph->images, gone->id);

        moved->id = gone->id;
    }
    g_ptr_array_add(graph->merged, gone);
}

ChainImage *chain_graph_image(ChainGraph *graph, const ChainSource *source,
                              const char *identity)
{
    g_autofree char *key = chain_source_key(source);
    ChainImage *named = g_hash_table_lookup(graph->by_key, key);
    ChainImage *image = identity ? g_hash_table_lookup(graph->by_key, identity) : NULL;

    /* the name was given to another file since it was read first: what it is counts */
    if (named && identity && named != image && g_str_has_prefix(named->key, "inode:") &&
        g_str_has_prefix(identity, "inode:"))
        named = NULL;
    if (!image && !named) {
        image = image_new(graph, source, identity ? identity : key);
    } else if (!image) {
        image = named;
        if (identity)
            set_identity(graph, image, identity);
    } else if (named && named != image) {
        /* one spelling is one file: the older node is kept, so that pointers stay good longest */
        if (named->id < image->id) {
            ChainImage *other = image;

            image = named;
            set_identity(graph, image, identity);
            merge(graph, image, other);
        } else {
            merge(graph, image, named);
        }
    }
    add_alias(image, key);
    know(graph, key, image);
    if (identity)
        know(graph, identity, image);

    if (says_more(source, image->source)) {
        chain_source_free(image->source);
        image->source = chain_source_copy(source);
        g_free(image->path);
        image->path = chain_source_describe(source);
    }
    graph->linked = FALSE;
    return image;
}

ChainImage *chain_graph_find(const ChainGraph *graph, const ChainSource *source)
{
    g_autofree char *key = chain_source_key(source);

    return g_hash_table_lookup(graph->by_key, key);
}

ChainImage *chain_graph_find_path(const ChainGraph *graph, const char *path)
{
    g_autoptr(ChainSource) source = chain_source_new_file(path);
    ChainImage *image = chain_graph_find(graph, source);
    guint i;

    if (image)
        return image;
    for (i = 0; i < graph->images->len; i++) {
        image = g_ptr_array_index(graph->images, i);
        if (g_str_equal(image->path, path))
            return image;
    }
    return NULL;
}

ChainDomain *chain_graph_add_domain(ChainGraph *graph, const char *name, const char *uuid)
{
    ChainDomain *d = g_new0(ChainDomain, 1);

    d->graph = graph;
    d->name = g_strdup(name);
    d->uuid = g_strdup(uuid);
    d->disks = g_ptr_array_new_with_free_func(disk_free);
    d->detached = g_ptr_array_new_with_free_func(disk_free);
    d->snapshots = g_ptr_array_new_with_free_func(snapshot_free);
    d->saved = g_ptr_array_new();
    g_ptr_array_add(graph->domains, d);
    graph->linked = FALSE;
    return d;
}

ChainDomain *chain_graph_domain(const ChainGraph *graph, const char *name)
{
    guint i;

    for (i = 0; i < graph->domains->len; i++) {
        ChainDomain *d = g_ptr_array_index(graph->domains, i);

        if (g_str_equal(d->name, name))
            return d;
    }
    return NULL;
}

void chain_graph_remove_domain(ChainGraph *graph, ChainDomain *d)
{
    g_ptr_array_remove(graph->domains, d);
    graph->linked = FALSE;
}

ChainDisk *chain_domain_add_disk(ChainDomain *d, const char *target)
{
    ChainDisk *disk = g_new0(ChainDisk, 1);

    disk->domain = d;
    disk->target = g_strdup(target);
    g_ptr_array_add(d->disks, disk);
    d->graph->linked = FALSE;
    return disk;
}

GPtrArray *chain_domain_all_disks(const ChainDomain *d)
{
    GPtrArray *all = g_ptr_array_new();

    g_ptr_array_extend(all, d->disks, NULL, NULL);
    g_ptr_array_extend(all, d->detached, NULL, NULL);
    return all;
}

ChainSnapshot *chain_domain_add_snapshot(ChainDomain *d, const char *name)
{
    ChainSnapshot *s = g_new0(ChainSnapshot, 1);

    s->domain = d;
    s->name = g_strdup(name);
    s->children = g_ptr_array_new();
    s->disks = g_ptr_array_new_with_free_func(snapshot_disk_free);
    s->memory_size = CHAIN_UNKNOWN;
    g_ptr_array_add(d->snapshots, s);
    d->graph->linked = FALSE;
    return s;
}

ChainSnapshotDisk *chain_snapshot_add_disk(ChainSnapshot *s, const char *target)
{
    ChainSnapshotDisk *disk = g_new0(ChainSnapshotDisk, 1);

    disk->target = g_strdup(target);
    g_ptr_array_add(s->disks, disk);
    s->domain->graph->linked = FALSE;
    return disk;
}

ChainDisk *chain_domain_disk(const ChainDomain *d, const char *target)
{
    guint i;

    for (i = 0; i < d->disks->len; i++) {
        ChainDisk *disk = g_ptr_array_index(d->disks, i);

        if (g_strcmp0(disk->target, target) == 0)
            return disk;
    }
    return NULL;
}

ChainSnapshot *chain_domain_snapshot(const ChainDomain *d, const char *name)
{
    guint i;

    for (i = 0; i < d->snapshots->len; i++) {
        ChainSnapshot *s = g_ptr_array_index(d->snapshots, i);

        if (g_strcmp0(s->name, name) == 0)
            return s;
    }
    return NULL;
}

ChainSnapshotDisk *chain_snapshot_disk(const ChainSnapshot *s, const char *target)
{
    guint i;

    for (i = 0; i < s->disks->len; i++) {
        ChainSnapshotDisk *disk = g_ptr_array_index(s->disks, i);

        if (g_strcmp0(disk->target, target) == 0)
            return disk;
    }
    return NULL;
}

static gboolean has_kind(const ChainSnapshot *s, ChainSnapshotKind kind, ChainMemoryKind memory)
{
    guint i;

    if (s->memory == memory)
        return TRUE;
    for (i = 0; i < s->disks->len; i++) {
        const ChainSnapshotDisk *disk = g_ptr_array_index(s->disks, i);

        if (disk->kind == kind)
            return TRUE;
    }
    return FALSE;
}

ChainSnapshot *chain_image_half_merged(const ChainImage *image)
{
    for (guint i = 0; i < image->overlay_of->len; i++) {
        ChainSnapshot *s = g_ptr_array_index(image->overlay_of, i);

        for (guint k = 0; k < s->disks->len; k++) {
            const ChainSnapshotDisk *sd = g_ptr_array_index(s->disks, k);

            if (sd->delete_in_progress &&
                (sd->overlay == image || sd->revert_overlay == image))
                return s;
        }
    }
    return NULL;
}

ChainImage *chain_snapshot_half_merged(const ChainSnapshot *s)
{
    for (guint i = 0; i < s->disks->len; i++) {
        const ChainSnapshotDisk *sd = g_ptr_array_index(s->disks, i);

        if (sd->frozen && chain_image_half_merged(sd->frozen))
            return sd->frozen;
    }
    return NULL;
}

gboolean chain_snapshot_is_external(const ChainSnapshot *s)
{
    return has_kind(s, CHAIN_SNAP_EXTERNAL, CHAIN_MEMORY_EXTERNAL) &&
           !has_kind(s, CHAIN_SNAP_INTERNAL, CHAIN_MEMORY_INTERNAL);
}

gboolean chain_snapshot_is_internal(const ChainSnapshot *s)
{
    return has_kind(s, CHAIN_SNAP_INTERNAL, CHAIN_MEMORY_INTERNAL) &&
           !has_kind(s, CHAIN_SNAP_EXTERNAL, CHAIN_MEMORY_EXTERNAL);
}

gboolean chain_snapshot_descends(const ChainSnapshot *s, const ChainSnapshot *ancestor)
{
    for (; s; s = s->parent) {
        if (s == ancestor)
            return TRUE;
    }
    return FALSE;
}

gboolean chain_domain_is_renamed(const ChainDomain *d)
{
    return d->operation && d->operation->domain && !g_str_equal(d->operation->domain, d->name);
}
