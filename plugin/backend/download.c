/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * download.c: the header of an image that only the daemon can read
 */
#include "config.h"

#include "plugin/backend/read-private.h"
#include "plugin/xml/qcow2.h"

/* Qcow2ReadFunc of a volume. */
static gssize download(gpointer opaque, guint8 *data, gsize len, GError **error)
{
    virStorageVolPtr volume = opaque;
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
    return qcow2_read_start(download, volume, error);
}
