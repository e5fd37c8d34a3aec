/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qcow2.h: the header of a qcow2 image
 *
 * What a chain needs of it, read without a process: chains have hundreds of images and
 * connections hundreds of domains. Everything else of an image is qemu-img's. Only for images
 * that are recorded as qcow2: in a raw image these bytes are the guest's.
 */
#pragma once

#include "plugin/xml/read.h"

G_BEGIN_DECLS

/** Enough for the header of almost every image. */
#define QCOW2_HEADER_BYTES 4096

gboolean qcow2_has_magic(const guint8 *data, gsize len);

/**
 * @data: the first @len bytes of the image
 * @need: set to how many first bytes to try again with when there are too few, else 0
 * Returns: new (filename and allocation not set), or NULL with @error
 */
ImageInfo *qcow2_read_header(const guint8 *data, gsize len, gsize *need, GError **error);

/** Reads bytes of an image from @at on, at most @len. Returns: how many, or -1 with @error */
typedef gssize (*Qcow2ReadFunc)(gpointer opaque, guint64 at, guint8 *data, gsize len,
                                GError **error);

/** qcow2_read_header() with as many bytes as it takes. */
ImageInfo *qcow2_read_start(Qcow2ReadFunc read, gpointer opaque, GError **error);

/**
 * Whether the image has nothing of its own, neither data nor zeros: all that is seen through it is
 * what it stands on. Told by its first table, so also of encrypted images and of those whose data
 * are in another file. Of an image that no QEMU has open for writing.
 * Returns: 1, 0, or -1 where it cannot be read
 */
int qcow2_maps_nothing(Qcow2ReadFunc read, gpointer opaque);

G_END_DECLS
