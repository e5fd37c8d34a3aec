/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * download.c: the header of an image that only the daemon can read, and its first table
 */
#include "config.h"

#include "plugin/backend/read-private.h"
#include "plugin/xml/qcow2.h"

/* Qcow2ReadFunc of a volume. */
static gssize download(gpointer opaque, guint64 at, guint8 *data, gsize len, GError **error)
{
    virStorageVolPtr volume = opaque;
    g_autoptr(virStream) stream = virStreamNew(virStorageVolGetConnect(volume), 0);
    gsize done = 0;

    if (!stream || virStorageVolDownload(volume, stream, at, len, 0) < 0) {
        backend_error(error);
        return -1;
    }
    while (done < len) {
        int n = virStreamRecv(stream, (char *) data + done, len - done);

        if (n < 0) {
            backend_error(error);
            virStreamAbort(stream);
            return -1;
        }
        if (n == 0)
            break;
        done += (gsize) n;
    }
    if (virStreamFinish(stream) < 0) {
        backend_error(error);
        return -1;
    }
    return (gssize) done;
}

ImageInfo *reading_volume_header(virStorageVolPtr volume, GError **error)
{
    return qcow2_read_start(download, volume, error);
}

int backend_maps_nothing(virConnectPtr conn, const char *path, gboolean local)
{
    g_autofree char *dir = g_path_get_dirname(path), *base = g_path_get_basename(path);
    g_autoptr(BackendPool) pool = NULL;
    g_autoptr(virStorageVol) volume = NULL;
    int nothing = local ? local_maps_nothing(path) : -1;

    if (nothing >= 0)
        return nothing;
    /* A pool that is made for it would have the daemon open whatever is in the folder: not where
     * that can be asked here. */
    pool = local ? NULL : backend_pool_open(conn, dir, NULL);
    volume = pool && pool->pool ? virStorageVolLookupByName(pool->pool, base)
                                : virStorageVolLookupByPath(conn, path);
    return volume ? qcow2_maps_nothing(download, volume) : -1;
}
