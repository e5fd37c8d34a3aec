/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * read-image.c: what images are, and what they stand on
 */
#include "config.h"

#include <string.h>

#include "plugin/backend/read-private.h"
#include "plugin/xml/disk-source.h"

LocalFile *reading_file(Reading *r, const char *path)
{
    LocalFile *file = g_hash_table_lookup(r->files, path);

    if (!file) {
        file = local_file_new(path);
        g_hash_table_insert(r->files, g_strdup(path), file);
    }
    return file;
}

/* --- volumes -------------------------------------------------------------------------------- */

/* After an error of a connection without a storage driver nothing more is asked. */
static void storage_failed(Reading *r)
{
    if (virGetLastErrorCode() == VIR_ERR_NO_SUPPORT)
        r->storage = FALSE;
}

/* What stands for the path of a volume on the network. */
#define VOLUME_REMOTE "remote"

/* Where a volume is whose pool is not active, or was not read anew since it was made. */
static char *path_in_pool(virStoragePoolPtr pool, const char *volume)
{
    g_autofree char *xml = virStoragePoolGetXMLDesc(pool, 0);
    g_autofree char *target = xml ? xml_read_pool_target(xml) : NULL;

    if (xml && xml_pool_is_remote(xml))
        return g_strdup(VOLUME_REMOTE);
    return target && !strchr(volume, '/') ? g_build_filename(target, volume, NULL) : NULL;
}

/* The path of a pool's volume, or VOLUME_REMOTE; borrowed. "": the pool cannot say it. */
static const char *volume_path(Reading *r, const ChainSource *source)
{
    g_autofree char *key = g_strconcat(source->pool, "/", source->volume, NULL);
    const char *known = g_hash_table_lookup(r->volumes, key);
    g_autoptr(virStoragePool) pool = NULL;
    g_autoptr(virStorageVol) volume = NULL;
    char *path = NULL;

    if (known || !r->storage)
        return known ? known : "";
    pool = virStoragePoolLookupByName(r->conn, source->pool);
    if (pool)
        volume = virStorageVolLookupByName(pool, source->volume);
    if (volume)
        path = virStorageVolGetPath(volume);
    if (!path)
        storage_failed(r);
    if (pool && (!path || path[0] != '/')) {
        g_free(path);
        path = path_in_pool(pool, source->volume);
    }
    if (!path)
        path = g_strdup("");
    g_hash_table_insert(r->volumes, g_steal_pointer(&key), path);
    return path;
}

virStoragePoolPtr reading_pool(Reading *r, const char *dir)
{
    BackendPool *pool;

    if (!r->opt->pools || g_str_has_prefix(dir, "/dev"))
        return NULL;
    pool = g_hash_table_lookup(r->pools, dir);
    if (!pool) {
        pool = backend_pool_open(r->conn, dir, NULL);
        g_hash_table_insert(r->pools, g_strdup(dir), pool);
    }
    return pool->pool;
}

/* Of a backing file whose format is not recorded the pool says what its bytes look like, which are
 * the guest's where it is a raw image: what the image itself records counts, and nothing else. */
static void take_recorded_format(XmlVolume *v, virStorageVolPtr volume)
{
    g_autoptr(GError) problem = NULL;
    ImageInfo *info = NULL;

    if (v->backing_path && g_strcmp0(v->format, "qcow2") == 0)
        info = reading_volume_header(volume, &problem);
    /* A read-only connection may not; it shows what the pool says, and changes nothing. */
    if (backend_error_is(problem, VIR_ERR_OPERATION_DENIED))
        return;
    g_free(v->backing_format);
    v->backing_format = info ? g_strdup(info->backing_format) : NULL;
    image_info_free(info);
}

/* @missing: set when the volume is certainly not there */
static XmlVolume *volume_at(Reading *r, const char *path, gboolean *missing)
{
    g_autofree char *dir = g_path_get_dirname(path);
    virStoragePoolPtr pool = r->storage ? reading_pool(r, dir) : NULL;
    g_autoptr(virStorageVol) volume = NULL;
    g_autofree char *xml = NULL;
    XmlVolume *v;

    *missing = FALSE;
    if (!r->storage)
        return NULL;
    if (pool) {
        g_autofree char *name = g_path_get_basename(path);

        volume = virStorageVolLookupByName(pool, name);
        *missing = !volume && virGetLastErrorCode() == VIR_ERR_NO_STORAGE_VOL;
    } else {
        volume = virStorageVolLookupByPath(r->conn, path);
    }
    if (volume)
        xml = virStorageVolGetXMLDesc(volume, 0);
    if (!xml)
        storage_failed(r);
    v = xml ? xml_read_volume(xml, NULL) : NULL;
    if (v)
        take_recorded_format(v, volume);
    return v;
}

/* --- nodes ---------------------------------------------------------------------------------- */

ChainImage *reading_image(XmlReader *reader, ChainSource *source)
{
    Reading *r = (Reading *) reader;
    LocalFile *file = NULL;

    if (source->type == CHAIN_SOURCE_VOLUME && !source->path) {
        const char *path = volume_path(r, source);

        if (*path == '/')
            source->path = g_strdup(path);
        else if (*path)
            source->protocol = g_strdup(path);
    }
    if (r->local && source->path && source->path[0] == '/')
        file = reading_file(r, source->path);
    if (file && file->block && source->type == CHAIN_SOURCE_FILE && !source->xml)
        source->type = CHAIN_SOURCE_BLOCK;
    return chain_graph_image(r->graph, source, file ? file->identity : NULL);
}

void reading_set_backing(Reading *r, ChainImage *image, const char *spec, const char *format)
{
    g_autofree char *told = NULL;
    gboolean relative = FALSE;

    image->backing_known = TRUE;
    image->flags |= CHAIN_IMAGE_HEADER_READ;
    image->backing = NULL;
    g_clear_pointer(&image->backing_spec, g_free);
    g_clear_pointer(&image->backing_format, g_free);
    if (spec) {
        g_autoptr(ChainSource) source = NULL;
        g_autofree char *dir = image->source->path ? g_path_get_dirname(image->source->path)
                                                   : NULL;

        source = xml_source_from_spec(spec, dir, &told, &relative);
        if (!format)
            format = told;
        image->backing_spec = xml_spec_hide_secrets(spec);
        image->backing_format = g_strdup(format);
        image->backing = reading_image(&r->reader, source);
        /* as raw it is nothing but its own bytes, however else it is read */
        if (!image->backing->format || g_strcmp0(format, "raw") != 0)
            chain_image_record_format(image->backing, format);
        if (relative)
            image->flags |= CHAIN_IMAGE_RELATIVE;
    }
}

/* --- local images --------------------------------------------------------------------------- */

static guint64 free_bytes(Reading *r, guint64 dev, const char *path)
{
    gint64 key = dev;
    guint64 *known = g_hash_table_lookup(r->free_bytes, &key);

    if (!known) {
        gint64 *new_key = g_new(gint64, 1);

        *new_key = key;
        known = g_new(guint64, 1);
        *known = local_free_bytes(path);
        g_hash_table_insert(r->free_bytes, new_key, known);
    }
    return *known;
}

static void apply_file(Reading *r, ChainImage *image, const LocalFile *file)
{
    image->fs_id = file->dev;
    image->modified = file->modified;
    image->born = file->born;
    if (file->allocation != CHAIN_UNKNOWN)
        image->allocation = file->allocation;
    if (g_strcmp0(image->format, "raw") == 0 && !(image->flags & CHAIN_IMAGE_ENCRYPTED))
        image->virtual_size = file->size;
    if (!file->block)
        image->fs_free = free_bytes(r, file->dev, image->source->path);
    if (file->not_writable)
        image->flags |= CHAIN_IMAGE_NOT_WRITABLE;
}

static void set_flag(ChainImage *image, ChainImageFlags flag, gboolean on)
{
    if (on)
        image->flags |= flag;
}

/* The guest's data are in the data file; the image itself is next to nothing. */
static void add_data_file(Reading *r, ChainImage *image, const char *name)
{
    g_autofree char *dir = g_path_get_dirname(image->source->path);
    g_autoptr(ChainSource) source = xml_source_from_spec(name, dir, NULL, NULL);
    const LocalFile *file;

    image->flags |= CHAIN_IMAGE_DATA_FILE;
    if (source->type != CHAIN_SOURCE_FILE)
        return;
    /* a node of its own, or it is taken for nobody's */
    image->data_file = reading_image(&r->reader, source);
    if (image->data_file == image)
        image->data_file = NULL;
    else if (!image->data_file->format)
        image->data_file->format = g_strdup("raw");
    file = reading_file(r, source->path);
    if (file->state == LOCAL_MISSING)
        image->flags |= CHAIN_IMAGE_UNREADABLE;
    else if (file->allocation != CHAIN_UNKNOWN && image->allocation != CHAIN_UNKNOWN)
        image->allocation += file->allocation;
}

static gboolean read_local_header(Reading *r, ChainImage *image, GError **error)
{
    const char *format = image->format;
    gboolean immutable = FALSE;
    ImageInfo *info;

    /* to libvirt a LUKS device is a raw image with <encryption> */
    if (g_str_equal(format, "raw") && image->flags & CHAIN_IMAGE_ENCRYPTED)
        format = "luks";
    info = local_read_header(image->source->path, format, &immutable, error);
    if (!info)
        return FALSE;
    image->virtual_size = info->virtual_size;
    image->allocation = info->allocation;
    set_flag(image, CHAIN_IMAGE_NOT_WRITABLE, immutable);
    set_flag(image, CHAIN_IMAGE_ENCRYPTED, info->encrypted);
    set_flag(image, CHAIN_IMAGE_CORRUPT, info->corrupt);
    set_flag(image, CHAIN_IMAGE_BITMAPS, info->bitmaps > 0);
    set_flag(image, CHAIN_IMAGE_INTERNAL, info->snapshots > 0);
    reading_set_backing(r, image, info->backing, info->backing_format);
    if (info->data_file)
        add_data_file(r, image, info->data_file);
    image_info_free(info);
    return TRUE;
}

/* --- volumes as images ---------------------------------------------------------------------- */

/*
 * The pool probes formats when it is refreshed, so what it says counts only where it agrees with
 * what is recorded: a raw image stands on nothing whatever the guest wrote into it.
 */
static gboolean read_volume(Reading *r, ChainImage *image)
{
    gboolean raw = g_strcmp0(image->format, "raw") == 0;
    gboolean missing = FALSE;
    g_autoptr(XmlVolume) volume = volume_at(r, image->source->path, &missing);

    set_flag(image, CHAIN_IMAGE_MISSING, missing);
    if (!volume)
        return FALSE;
    image->allocation = volume->physical != CHAIN_UNKNOWN ? volume->physical
                                                          : volume->allocation;
    if (image->flags & CHAIN_IMAGE_HEADER_READ || !image->format)
        return TRUE;
    if (raw || g_strcmp0(volume->format, image->format) == 0) {
        if (image->virtual_size == CHAIN_UNKNOWN)
            image->virtual_size = volume->capacity;
        if (volume->encrypted)
            image->flags |= CHAIN_IMAGE_ENCRYPTED;
        reading_set_backing(r, image, raw ? NULL : volume->backing_path,
                            volume->backing_format);
        return TRUE;
    }
    return FALSE;
}

/* Nobody recorded its format. It is not probed for one: only whether it could name another. */
static void look_at_start(Reading *r, ChainImage *image)
{
    const char *path = image->source->path;

    image->flags |= CHAIN_IMAGE_FORMAT_GUESSED;
    if (r->local && path && path[0] == '/' && reading_file(r, path)->state == LOCAL_FOUND &&
        local_names_no_other(path))
        image->flags |= CHAIN_IMAGE_NO_HEADER;
}

/* Returns: FALSE when it has to be looked at again once its format is known. */
static gboolean read_image(Reading *r, ChainImage *image)
{
    const char *path = image->source->path;
    g_autoptr(GError) problem = NULL;
    const LocalFile *file;

    /* wherever it is: what its bytes look like is the guest's affair */
    if (g_strcmp0(image->format, "raw") == 0 && !image->backing)
        image->backing_known = TRUE;
    if (!path || path[0] != '/')
        return image->format != NULL;
    if (!r->local) {
        if (!image->format)
            return FALSE;
        if (image->backing_known && image->allocation != CHAIN_UNKNOWN)
            return TRUE;
        read_volume(r, image);
        return TRUE;
    }
    file = reading_file(r, path);
    if (file->state == LOCAL_MISSING) {
        image->flags |= CHAIN_IMAGE_MISSING;
        return TRUE;
    }
    if (file->state == LOCAL_FOUND)
        apply_file(r, image, file);
    if (!image->format)
        return FALSE;
    if (file->state == LOCAL_FOUND && read_local_header(r, image, &problem))
        return TRUE;
    /* not for us to read: libvirt may tell, as it has where the live XML names the chain */
    if (!read_volume(r, image) && !image->backing_known) {
        image->flags |= CHAIN_IMAGE_UNREADABLE;
        if (problem)
            image->problem = g_strdup(problem->message);
    }
    return TRUE;
}

void reading_images(Reading *r)
{
    gboolean again = TRUE;
    guint i;

    /* reading one adds what it stands on, and may tell the format of one that was met before */
    while (again) {
        again = FALSE;
        for (i = 0; i < r->graph->images->len; i++) {
            ChainImage *image = g_ptr_array_index(r->graph->images, i);

            if (g_hash_table_contains(r->done, image) || !read_image(r, image))
                continue;
            g_hash_table_add(r->done, image);
            again = TRUE;
        }
    }
    for (i = 0; i < r->graph->images->len; i++) {
        ChainImage *image = g_ptr_array_index(r->graph->images, i);

        if (!image->format && !(image->flags & CHAIN_IMAGE_MISSING))
            look_at_start(r, image);
    }
}

/* --- statistics ----------------------------------------------------------------------------- */

static const char *block_string(virDomainStatsRecordPtr record, unsigned int i, const char *name)
{
    char field[VIR_TYPED_PARAM_FIELD_LENGTH];
    const char *value = NULL;

    g_snprintf(field, sizeof(field), "block.%u.%s", i, name);
    virTypedParamsGetString(record->params, record->nparams, field, &value);
    return value;
}

/* The image that is the @n-th of @disk from above, unless it is at another @path by now. Network
 * images have no path there. */
static ChainImage *image_in_use(Reading *r, const ChainDisk *disk, guint n, const char *path)
{
    ChainImage *image = NULL;

    if (disk && disk->live_chain && n < disk->live_chain->len)
        image = g_ptr_array_index(disk->live_chain, n);
    else if (disk && n == 0)
        image = disk->active;
    return path && chain_graph_find_path(r->graph, path) != image ? NULL : image;
}

static void apply_record(Reading *r, virDomainStatsRecordPtr record)
{
    const ChainDomain *d = chain_graph_domain(r->graph, virDomainGetName(record->dom));
    const char *last = NULL;
    unsigned int count = 0;
    unsigned int i;
    guint n = 0;

    virTypedParamsGetUInt(record->params, record->nparams, "block.count", &count);
    for (i = 0; d && d->active && i < count; i++) {
        const char *name = block_string(record, i, "name");
        char field[VIR_TYPED_PARAM_FIELD_LENGTH];
        unsigned long long value;
        ChainImage *image;

        /* the images of a disk follow each other, the active one first */
        n = g_strcmp0(name, last) == 0 ? n + 1 : 0;
        last = name;
        image = name ? image_in_use(r, chain_domain_disk(d, name), n,
                                    block_string(record, i, "path")) : NULL;
        if (!image)
            continue;
        g_snprintf(field, sizeof(field), "block.%u.physical", i);
        if (image->allocation == CHAIN_UNKNOWN &&
            virTypedParamsGetULLong(record->params, record->nparams, field, &value) == 1)
            image->allocation = value;
        g_snprintf(field, sizeof(field), "block.%u.capacity", i);
        if (image->virtual_size == CHAIN_UNKNOWN &&
            virTypedParamsGetULLong(record->params, record->nparams, field, &value) == 1)
            image->virtual_size = value;
    }
}

static gboolean size_unknown(const ChainImage *image)
{
    return image && (image->allocation == CHAIN_UNKNOWN || image->virtual_size == CHAIN_UNKNOWN) &&
           !(image->flags & (CHAIN_IMAGE_MISSING | CHAIN_IMAGE_UNREADABLE));
}

/* Whether a running domain has an image open whose size is not known. */
static gboolean stats_could_help(Reading *r)
{
    guint i, j, k;

    for (i = 0; i < r->graph->domains->len; i++) {
        const ChainDomain *d = g_ptr_array_index(r->graph->domains, i);

        for (j = 0; j < d->disks->len; j++) {
            const ChainDisk *disk = g_ptr_array_index(d->disks, j);

            if (d->active && size_unknown(disk->active))
                return TRUE;
            for (k = 0; disk->live_chain && k < disk->live_chain->len; k++) {
                if (size_unknown(g_ptr_array_index(disk->live_chain, k)))
                    return TRUE;
            }
        }
    }
    return FALSE;
}

void reading_stats(Reading *r)
{
    virDomainStatsRecordPtr *records = NULL;
    int n, i;

    if (!stats_could_help(r))
        return;
    /* does not wait for a domain that is busy */
    n = virConnectGetAllDomainStats(r->conn, VIR_DOMAIN_STATS_BLOCK, &records,
                                    VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING |
                                    VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT);
    for (i = 0; i < n; i++)
        apply_record(r, records[i]);
    if (records)
        virDomainStatsRecordListFree(records);
}
