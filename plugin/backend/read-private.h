/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * read-private.h: what the files of the reading side share
 */
#pragma once

#include "plugin/backend/local.h"
#include "plugin/backend/pools.h"
#include "plugin/backend/read.h"
#include "plugin/xml/read.h"

G_BEGIN_DECLS

/** One reading. */
typedef struct {
    XmlReader reader;      /**< first: the callback gets a pointer to it */
    virConnectPtr conn;
    const BackendReadOptions *opt;
    ChainGraph *graph;
    gboolean local;
    gboolean secure;       /**< XML with secrets can be had */
    gboolean storage;      /**< the connection has storage pools */
    GHashTable *files;     /**< path -> LocalFile * */
    GHashTable *free_bytes;/**< st_dev as text -> guint64 * */
    GHashTable *volumes;   /**< "pool/volume" -> path or "" */
    GHashTable *pools;     /**< directory -> BackendPool *, with opt->pools */
    GHashTable *done;      /**< ChainImage * that were read */
    GHashTable *written;   /**< keys and identities of files beside disks that guests write */
    GHashTable *saved;     /**< names of the domains with a managed save image */
} Reading;

/** XmlReader's callback: resolves volumes, finds the identity of local files. */
ChainImage *reading_image(XmlReader *reader, ChainSource *source);
/** The file at @path, looked at once. Borrowed. */
LocalFile *reading_file(Reading *r, const char *path);
/** The pool over @dir as it is now, made if there is none, borrowed; NULL without opt->pools. */
virStoragePoolPtr reading_pool(Reading *r, const char *dir);
/** Follows all images down as far as formats are recorded. */
void reading_images(Reading *r);
/** Sets what @image stands on from the name that its header or volume records. */
void reading_set_backing(Reading *r, ChainImage *image, const char *spec, const char *format);
/** Whether a domain writes the file at @path and it is no disk of it: what its guest likes is in
 *  it. @identity: or NULL where it is not known. */
gboolean reading_is_written(Reading *r, const char *path, const char *identity);
/** Records that the view is incomplete. Takes @message; @path may be NULL. */
void reading_unknown(Reading *r, const char *code, const char *path, char *message);
/** Files that stand on images of @domains' disks and that nobody uses. The graph is linked. */
void reading_orphans(Reading *r);
/** Sizes of the images of running domains, from the statistics of the connection. */
void reading_stats(Reading *r);

/**
 * The qcow2 header of a volume, for which a stream is opened; not for read-only connections.
 * Returns: new, or NULL with @error
 */
ImageInfo *reading_volume_header(virStorageVolPtr volume, GError **error);

G_END_DECLS
