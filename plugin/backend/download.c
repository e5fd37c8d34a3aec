/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * download.c: the header of an image that only the daemon can read
 */
#include "config.h"

#include "plugin/backend/read-private.h"
#include "plugin/xml/qcow2.h"

/* The first bytes of the volume, at most @len; -1 with @error. */
static gssize download(virStorageVolPtr volume, guint8 *data, gsize len, GError **error)
{
    g_autoptr(virStream) stream = virStreamNew(virStorageVolGetConnect(volume), 0);
    gsize done = 0;

    if (!stream || virStorageVolDownload(volume, stream, 0, len, 0) < 0) {
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
    gsize len = QCOW2_HEADER_BYTES;
    gsize need = 0;

    for (;;) {
        g_autofree guint8 *data = g_malloc(len);
        g_autoptr(GError) problem = NULL;
        gssize got = download(volume, data, len, error);
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
