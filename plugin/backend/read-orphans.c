/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * read-orphans.c: files that stand on images of a chain and that nobody uses
 *
 * Looks through the directories of the images and through the storage pools. Only files that no
 * domain and no snapshot names are opened, and only those that begin as qcow2 images do. Whether
 * such a file is one is recorded nowhere: it may be a raw disk of a guest that is not defined here,
 * which that guest has written. What it names is compared with names that are known and not looked
 * up (read-names.h); and nothing in it speaks for or against other files. Of what may not be read
 * from here the pools tell.
 */
#include "config.h"

#include <string.h>

#include "include/vext-i18n.h"
#include "plugin/backend/read-names.h"
#include "plugin/backend/read-private.h"
#include "plugin/xml/disk-source.h"

/* A file that may turn out to stand on an image of ours. */
typedef struct {
    char *path;
    char *identity;       /* or NULL */
    ChainSource *backing;
    char *backing_spec, *backing_format;
    guint64 virtual_size, allocation;
    gboolean added;
} Candidate;

static void candidate_free(gpointer data)
{
    Candidate *c = data;

    g_free(c->path);
    g_free(c->identity);
    chain_source_free(c->backing);
    g_free(c->backing_spec);
    g_free(c->backing_format);
    g_free(c);
}

typedef struct {
    Reading *r;
    GPtrArray *candidates;
    GHashTable *dirs;     /* directories that were looked through */
    GHashTable *closed;   /* files, and why not, directories, that could not be: path -> message */
    GHashTable *far;      /* those on another host, which pools have or nobody looks through */
    HostNames *names;
} Scan;

/* The image that is the file at @path, or NULL. */
static ChainImage *known(Reading *r, const char *path, const char *identity)
{
    g_autoptr(ChainSource) source = chain_source_new_file(path);
    ChainImage *image = identity ? g_hash_table_lookup(r->graph->by_key, identity) : NULL;

    return image ? image : chain_graph_find(r->graph, source);
}

/* libvirt makes them so that others cannot read them. */
static gboolean is_memory(const ChainGraph *graph, const char *path)
{
    for (guint i = 0; i < graph->domains->len; i++) {
        const ChainDomain *d = g_ptr_array_index(graph->domains, i);

        for (guint k = 0; k < d->snapshots->len; k++) {
            const ChainSnapshot *s = g_ptr_array_index(d->snapshots, k);

            if (g_strcmp0(s->memory_file, path) == 0)
                return TRUE;
        }
    }
    return FALSE;
}

static void scan_file(Scan *scan, const char *path)
{
    g_autoptr(LocalFile) file = local_file_new(path);
    g_autofree char *dir = g_path_get_dirname(path);
    ChainImage *image = file->state == LOCAL_FOUND ? known(scan->r, path, file->identity) : NULL;
    gboolean immutable = FALSE, closed = FALSE, begins;
    ImageInfo *info;
    Candidate *c;

    if (image)
        host_names_file(scan->names, path, image);
    if (image || file->state != LOCAL_FOUND || file->block ||
        reading_is_written(scan->r, path, file->identity))
        return;
    begins = local_has_qcow2_magic(path, &closed);
    if (closed && !is_memory(scan->r->graph, path))
        g_hash_table_insert(scan->closed, g_strdup(path),
                            g_strdup_printf(_("Not all files in directory '%s' could be read: "
                                              "'%s'"), dir, path));
    if (!begins)
        return;
    info = local_read_header(path, "qcow2", &immutable, NULL);
    if (!info)
        return;
    if (info->backing) {
        c = g_new0(Candidate, 1);
        c->path = g_strdup(path);
        c->identity = g_strdup(file->identity);
        c->backing_spec = xml_spec_hide_secrets(info->backing);
        c->backing_format = g_strdup(info->backing_format);
        c->backing = xml_source_from_spec(info->backing, dir, &c->backing_format, NULL);
        c->virtual_size = info->virtual_size;
        c->allocation = file->allocation;
        g_ptr_array_add(scan->candidates, c);
    }
    image_info_free(info);
}

static void scan_dir(Scan *scan, const char *dir)
{
    g_autoptr(GDir) entries = NULL;
    g_autoptr(GError) problem = NULL;
    const char *name;

    if (!g_hash_table_add(scan->dirs, g_strdup(dir)))
        return;
    entries = g_dir_open(dir, 0, &problem);
    if (!entries && !g_error_matches(problem, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        g_hash_table_insert(scan->closed, g_strdup(dir),
                            g_strdup_printf(_("Directory '%s' could not be looked through: %s"),
                                            dir, problem->message));
    while (entries && (name = g_dir_read_name(entries))) {
        g_autofree char *path = g_build_filename(dir, name, NULL);

        scan_file(scan, path);
    }
    if (entries)
        host_names_dir(scan->names, dir);
}

static gboolean has_active_pool(const Reading *r, const char *dir)
{
    g_autoptr(virStoragePool) pool = r->storage ? virStoragePoolLookupByTargetPath(r->conn, dir)
                                                : NULL;

    return pool && virStoragePoolIsActive(pool) == 1;
}

/* On another host only what pools have is seen. Where something is to be changed there one is made:
 * it would be for reading what is not running, or for removing a file, too. */
static void scan_far_dir(Scan *scan, const char *dir)
{
    if (!g_hash_table_add(scan->far, g_strdup(dir)))
        return;
    if (!(scan->r->storage && reading_pool(scan->r, dir)) && !has_active_pool(scan->r, dir))
        reading_unknown(scan->r, "directory", dir,
                        g_strdup_printf(_("Directory '%s' could not be looked through: it is on "
                                          "another host, and no active storage pool there has it"),
                                        dir));
    else
        host_names_dir(scan->names, dir);
}

static void scan_volume(Scan *scan, virStorageVolPtr volume)
{
    g_autofree char *path = virStorageVolGetPath(volume);
    g_autofree char *dir = path ? g_path_get_dirname(path) : NULL;
    g_autofree char *xml = NULL;
    g_autoptr(XmlVolume) told = NULL;
    Candidate *c;

    if (!path || path[0] != '/')
        return;
    if (scan->r->local) {
        if (!g_hash_table_contains(scan->dirs, dir) || g_hash_table_contains(scan->closed, dir)) {
            host_names_readable_dir(scan->names, dir);
            scan_file(scan, path);
        }
        if (!g_hash_table_contains(scan->closed, path))
            return;
    }
    host_names_dir(scan->names, dir);
    if (known(scan->r, path, NULL) || reading_is_written(scan->r, path, NULL))
        return;
    xml = virStorageVolGetXMLDesc(volume, 0);
    told = xml ? xml_read_volume(xml, NULL) : NULL;
    if (told)
        g_hash_table_remove(scan->closed, path);
    if (!told || !told->backing_path || g_strcmp0(told->format, "qcow2") != 0)
        return;
    c = g_new0(Candidate, 1);
    c->path = g_strdup(path);
    c->backing_spec = xml_spec_hide_secrets(told->backing_path);
    c->backing_format = g_strdup(told->backing_format);
    c->backing = xml_source_from_spec(told->backing_path, dir, &c->backing_format, NULL);
    c->virtual_size = told->capacity;
    c->allocation = told->physical != CHAIN_UNKNOWN ? told->physical : told->allocation;
    g_ptr_array_add(scan->candidates, c);
}

static void scan_pools(Scan *scan)
{
    virStoragePoolPtr *pools = NULL;
    int n, i;

    if (!scan->r->storage)
        return;
    n = virConnectListAllStoragePools(scan->r->conn, &pools,
                                      VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE);
    if (n < 0) {
        g_autofree char *reason = backend_error_text();

        reading_unknown(scan->r, "pool", NULL,
                        g_strdup_printf(_("The storage pools could not be looked through: %s"),
                                        reason));
    }
    for (i = 0; i < n; i++) {
        virStorageVolPtr *volumes = NULL;
        int m = virStoragePoolListAllVolumes(pools[i], &volumes, 0);
        int j;

        if (m < 0) {
            g_autofree char *reason = backend_error_text();

            reading_unknown(scan->r, "pool", NULL,
                            g_strdup_printf(_("Storage pool '%s' could not be looked through: "
                                              "%s"), virStoragePoolGetName(pools[i]), reason));
        }
        for (j = 0; j < m; j++) {
            scan_volume(scan, volumes[j]);
            virStorageVolFree(volumes[j]);
        }
        free(volumes);
        virStoragePoolFree(pools[i]);
    }
    free(pools);
}

/* What the pools did not tell either. Of the files one in each directory. */
static void tell_closed(Scan *scan)
{
    g_autoptr(GHashTable) told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GList) paths = g_list_sort(g_hash_table_get_keys(scan->closed),
                                         (GCompareFunc) strcmp);

    for (GList *p = paths; p; p = p->next) {
        const char *path = p->data, *message = g_hash_table_lookup(scan->closed, path);
        gboolean is_dir = g_hash_table_contains(scan->dirs, path);
        g_autofree char *dir = is_dir ? g_strdup(path) : g_path_get_dirname(path);

        if ((is_dir && has_active_pool(scan->r, dir)) || g_hash_table_contains(told, dir))
            continue;
        g_hash_table_add(told, g_steal_pointer(&dir));
        reading_unknown(scan->r, is_dir ? "directory" : "file", path, g_strdup(message));
    }
}

/* The aliases of @image, a file that is met by several names, are @c's of the same identity. */
static void note_names(const Scan *scan, const Candidate *c, ChainImage *image)
{
    guint i;

    host_names_file(scan->names, c->path, image);
    for (i = 0; c->identity && i < scan->candidates->len; i++) {
        const Candidate *other = g_ptr_array_index(scan->candidates, i);

        if (g_strcmp0(other->identity, c->identity) == 0)
            host_names_file(scan->names, other->path, image);
    }
}

static void add_candidate(const Scan *scan, Candidate *c, ChainImage *backing)
{
    g_autoptr(ChainSource) source = chain_source_new_file(c->path);
    ChainImage *image = chain_graph_image(scan->r->graph, source, c->identity);

    c->added = TRUE;
    image->flags |= CHAIN_IMAGE_ORPHAN | CHAIN_IMAGE_HEADER_READ;
    image->format = g_strdup("qcow2");
    image->backing_known = TRUE;
    image->backing = backing;
    image->backing_spec = g_strdup(c->backing_spec);
    image->backing_format = g_strdup(c->backing_format);
    image->virtual_size = c->virtual_size;
    image->allocation = c->allocation;
    note_names(scan, c, image);
}

/* Whether the image belongs to a domain that was asked for. */
static gboolean asked_for(Reading *r, const ChainImage *image)
{
    const ChainDomain *d = r->graph->domains->len ? g_ptr_array_index(r->graph->domains, 0) : NULL;
    guint i;

    if (!r->opt->domain)
        return TRUE;
    for (i = 0; i < image->users->len; i++) {
        if (((const ChainDisk *) image->users->pdata[i])->domain == d)
            return TRUE;
    }
    for (i = 0; i < image->frozen_by->len; i++) {
        if (((const ChainSnapshot *) image->frozen_by->pdata[i])->domain == d)
            return TRUE;
    }
    return FALSE;
}

static void scan_dir_of(Scan *scan, const char *path)
{
    g_autofree char *dir = path && path[0] == '/' ? g_path_get_dirname(path) : NULL;

    if (!dir || g_str_has_prefix(dir, "/dev"))
        return;
    if (scan->r->local)
        scan_dir(scan, dir);
    else
        scan_far_dir(scan, dir);
}

void reading_orphans(Reading *r)
{
    g_autoptr(GPtrArray) candidates = g_ptr_array_new_with_free_func(candidate_free);
    g_autoptr(GHashTable) dirs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) far = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) closed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(HostNames) names = host_names_new(r->graph);
    Scan scan = { r, candidates, dirs, closed, far, names };
    guint n = r->graph->images->len;
    gboolean again = TRUE;
    guint i;

    /* an unused file may be a domain's that could not be read */
    if (!r->graph->complete) {
        reading_unknown(r, "orphans", NULL,
                        g_strdup(_("Files that nobody uses were not looked for: not all of what is "
                                   "used is known")));
        return;
    }
    for (i = 0; i < n; i++) {
        const ChainImage *image = g_ptr_array_index(r->graph->images, i);

        if (asked_for(r, image))
            scan_dir_of(&scan, image->source->path);
    }
    for (gsize k = 0; k < r->opt->n_named; k++)
        scan_dir_of(&scan, r->opt->named[k].source->path);
    scan_pools(&scan);
    tell_closed(&scan);
    while (again) {
        again = FALSE;
        for (i = 0; i < candidates->len; i++) {
            Candidate *c = g_ptr_array_index(candidates, i);
            ChainImage *backing = c->added ? NULL : host_names_find(names, c->backing);

            if (!backing)
                continue;
            add_candidate(&scan, c, backing);
            again = TRUE;
        }
    }
}
