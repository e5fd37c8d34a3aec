/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qcow2.c: the header of a qcow2 image
 *
 * docs/interop/qcow2.txt of QEMU; the limits are those of block/qcow2.c.
 */
#include "config.h"

#include <string.h>

#include "include/vext-i18n.h"
#include "plugin/xml/parse.h"
#include "plugin/xml/qcow2.h"

#define VERSION2_LENGTH 72
#define VERSION3_LENGTH 104
#define BACKING_NAME_MAX 1023
#define BACKING_FORMAT_MAX 15
#define EXTENSION_END 0x00000000
#define EXTENSION_BACKING_FORMAT 0xe2792aca
#define EXTENSION_BITMAPS 0x23852875
#define EXTENSION_DATA_FILE 0x44415441
#define INCOMPATIBLE_CORRUPT (1 << 1)
#define INCOMPATIBLE_DATA_FILE (1 << 2)
#define INCOMPATIBLE_EXTENDED_L2 (1 << 4)
#define INCOMPATIBLE_KNOWN 0x1f
#define CRYPT_LUKS 2
#define REFCOUNT_ORDER_MAX 6
#define SNAPSHOTS_MAX 65536
#define L1_ENTRIES_MAX (32 * 1024 * 1024 / 8)
#define REFCOUNT_TABLE_MAX (8u * 1024 * 1024)
#define CHUNK 65536

static guint32 be32(const guint8 *p)
{
    guint32 value;

    memcpy(&value, p, sizeof(value));
    return GUINT32_FROM_BE(value);
}

static guint64 be64(const guint8 *p)
{
    guint64 value;

    memcpy(&value, p, sizeof(value));
    return GUINT64_FROM_BE(value);
}

gboolean qcow2_has_magic(const guint8 *data, gsize len)
{
    return len >= 4 && memcmp(data, "QFI\xfb", 4) == 0;
}

typedef enum { EXTENSIONS_READ, EXTENSIONS_DAMAGED, EXTENSIONS_GO_ON } Extensions;

/* Up to @end; they may go on behind the @len bytes that there are. */
static Extensions read_extensions(ImageInfo *info, const guint8 *data, gsize len, gsize at,
                                  gsize end)
{
    while (at + 8 <= end) {
        guint32 type, size;

        if (at + 8 > len)
            return EXTENSIONS_GO_ON;
        type = be32(data + at);
        size = be32(data + at + 4);
        at += 8;
        if (type == EXTENSION_END)
            break;
        if (size > end - at ||
            (type == EXTENSION_BACKING_FORMAT && size > BACKING_FORMAT_MAX))
            return EXTENSIONS_DAMAGED;
        if (at + size > len)
            return EXTENSIONS_GO_ON;
        if (type == EXTENSION_BACKING_FORMAT) {
            g_free(info->backing_format);
            info->backing_format = g_strndup((const char *) data + at, size);
        } else if (type == EXTENSION_DATA_FILE) {
            g_free(info->data_file);
            info->data_file = g_strndup((const char *) data + at, size);
        } else if (type == EXTENSION_BITMAPS && size >= 4) {
            info->bitmaps = be32(data + at);
        }
        at += (size + 7) & ~(gsize) 7;
    }
    return EXTENSIONS_READ;
}

static ImageInfo *invalid(GError **error, const char *message)
{
    g_set_error_literal(error, VEXT_XML_ERROR, VEXT_XML_ERROR_CONTENT, message);
    return NULL;
}

/* Whether QEMU's own checks of the tables pass: nobody opens the image otherwise. */
static gboolean tables_are_sound(const guint8 *data, guint32 cluster_bits, guint64 incompatible)
{
    guint64 size = be64(data + 24);
    guint64 within = ((guint64) 1 << cluster_bits) - 1; /* a cluster */
    guint32 l2_bits = cluster_bits - (incompatible & INCOMPATIBLE_EXTENDED_L2 ? 4 : 3);
    guint32 l1_entries = be32(data + 36);
    guint32 shift = cluster_bits + l2_bits;
    guint64 l1_needed = (size >> shift) + ((size & (((guint64) 1 << shift) - 1)) != 0);

    return be32(data + 32) <= CRYPT_LUKS && l1_entries <= L1_ENTRIES_MAX &&
           l1_needed <= l1_entries && (be64(data + 40) & within) == 0 &&
           (be64(data + 48) & within) == 0 && be32(data + 56) > 0 &&
           be32(data + 56) <= REFCOUNT_TABLE_MAX >> cluster_bits &&
           be32(data + 60) <= SNAPSHOTS_MAX && (be64(data + 64) & within) == 0;
}

ImageInfo *qcow2_read_header(const guint8 *data, gsize len, gsize *need, GError **error)
{
    guint64 backing_offset, incompatible = 0;
    guint32 version, cluster_bits, backing_size;
    gsize header_length = VERSION2_LENGTH;
    gsize cluster, extensions_end;
    Extensions extensions;
    ImageInfo *info;

    *need = 0;
    if (len < VERSION2_LENGTH || !qcow2_has_magic(data, len))
        return invalid(error, _("It is not a qcow2 image"));
    version = be32(data + 4);
    cluster_bits = be32(data + 20);
    if (version < 2 || version > 3)
        return invalid(error, _("It is a qcow2 image of an unknown version"));
    if (cluster_bits < 9 || cluster_bits > 21)
        return invalid(error, _("The header of the qcow2 image is damaged"));
    cluster = (gsize) 1 << cluster_bits;
    if (version == 3) {
        if (len < VERSION3_LENGTH)
            return invalid(error, _("The header of the qcow2 image is damaged"));
        incompatible = be64(data + 72);
        header_length = be32(data + 100);
        if (header_length < VERSION3_LENGTH || header_length > cluster ||
            be32(data + 96) > REFCOUNT_ORDER_MAX)
            return invalid(error, _("The header of the qcow2 image is damaged"));
        if (incompatible & ~(guint64) INCOMPATIBLE_KNOWN)
            return invalid(error, _("The qcow2 image has features that are not known"));
    }
    if (!tables_are_sound(data, cluster_bits, incompatible))
        return invalid(error, _("The header of the qcow2 image is damaged"));
    backing_offset = be64(data + 8);
    backing_size = be32(data + 16);
    if (backing_offset && (backing_size > BACKING_NAME_MAX ||
                           backing_offset > cluster - backing_size))
        return invalid(error, _("The header of the qcow2 image is damaged"));
    if (backing_offset && backing_offset + backing_size > len) {
        *need = cluster;
        return invalid(error, _("The qcow2 image ends within its header"));
    }

    info = g_new0(ImageInfo, 1);
    info->format = g_strdup("qcow2");
    info->virtual_size = be64(data + 24);
    info->allocation = CHAIN_UNKNOWN;
    info->encrypted = be32(data + 32) != 0;
    info->snapshots = be32(data + 60);
    info->corrupt = (incompatible & INCOMPATIBLE_CORRUPT) != 0;
    if (backing_offset && backing_size)
        info->backing = g_strndup((const char *) data + backing_offset, backing_size);
    extensions_end = backing_offset ? backing_offset : cluster;
    extensions = read_extensions(info, data, len, header_length, extensions_end);
    if (extensions != EXTENSIONS_READ) {
        image_info_free(info);
        if (extensions == EXTENSIONS_DAMAGED)
            return invalid(error, _("The header of the qcow2 image is damaged"));
        *need = cluster;
        return invalid(error, _("The qcow2 image ends within its header"));
    }
    if (incompatible & INCOMPATIBLE_DATA_FILE && !info->data_file)
        info->data_file = g_strdup("");
    if (!(incompatible & INCOMPATIBLE_DATA_FILE))
        g_clear_pointer(&info->data_file, g_free);
    if (info->backing_format && !*info->backing_format)
        g_clear_pointer(&info->backing_format, g_free);
    return info;
}

ImageInfo *qcow2_read_start(Qcow2ReadFunc read, gpointer opaque, GError **error)
{
    gsize len = QCOW2_HEADER_BYTES;
    gsize need = 0;

    for (;;) {
        g_autofree guint8 *data = g_malloc(len);
        g_autoptr(GError) problem = NULL;
        gssize got = read(opaque, 0, data, len, error);
        ImageInfo *info;

        if (got < 0)
            return NULL;
        info = qcow2_read_header(data, (gsize) got, &need, &problem);
        if (info)
            return info;
        if (need <= len) {
            g_propagate_error(error, g_steal_pointer(&problem));
            return NULL;
        }
        len = need;
    }
}

int qcow2_maps_nothing(Qcow2ReadFunc read, gpointer opaque)
{
    ImageInfo *info = qcow2_read_start(read, opaque, NULL);
    gboolean sound = info != NULL, snapshots = info && info->snapshots > 0;
    g_autofree guint8 *data = g_malloc(CHUNK);
    guint64 at, left;

    image_info_free(info);
    if (!sound || read(opaque, 0, data, VERSION2_LENGTH, NULL) != VERSION2_LENGTH)
        return -1;
    if (snapshots)
        return 0;
    left = MIN(be32(data + 36), L1_ENTRIES_MAX) * sizeof(guint64);
    for (at = be64(data + 40); left > 0;) {
        gsize len = MIN(left, CHUNK);

        if (at > G_MAXINT64 - len || read(opaque, at, data, len, NULL) != (gssize) len)
            return -1;
        for (gsize i = 0; i < len; i++)
            if (data[i])
                return 0;
        at += len;
        left -= len;
    }
    return 1;
}
