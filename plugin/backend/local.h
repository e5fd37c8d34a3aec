/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * local.h: image files on this machine
 *
 * Looks, never locks, never changes, never guesses a format.
 */
#pragma once

#include <sys/stat.h>

#include "plugin/xml/read.h"

G_BEGIN_DECLS

typedef enum {
    LOCAL_FOUND,
    LOCAL_MISSING,    /**< certainly not there */
    LOCAL_HIDDEN,     /**< cannot be looked at: permissions, I/O error, not a file or device */
} LocalState;

/** What the file system says of a path. */
typedef struct {
    LocalState state;
    char *identity;       /**< "inode:DEV:INO", "inode:b:RDEV" for block devices, or NULL */
    gboolean block;
    guint64 dev;          /**< st_dev */
    gint64 modified, born; /**< as in ChainImage; 0 for block devices */
    guint64 size;         /**< bytes, or CHAIN_UNKNOWN (block devices: see local_read_header) */
    guint64 allocation;   /**< bytes on the disk, or CHAIN_UNKNOWN */
    gboolean not_writable;/**< no write permission for anybody */
} LocalFile;

LocalFile *local_file_new(const char *path);
void local_file_free(LocalFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LocalFile, local_file_free)

/** Bytes free for everybody where @path lies, or CHAIN_UNKNOWN. */
guint64 local_free_bytes(const char *path);

/**
 * What the image at @path says of itself.
 *
 * @format: as recorded; "raw" has nothing to say but its size; never NULL. The allocation of a
 *          block device is its size
 * @immutable: set when the file system says so (chattr +i, read-only)
 * Returns: new, or NULL with @error
 */
ImageInfo *local_read_header(const char *path, const char *format, gboolean *immutable,
                             GError **error);

/** qcow2_maps_nothing() of the qcow2 image at @path. */
int local_maps_nothing(const char *path);

/** Whether the file begins as a qcow2 image does. For files that no domain uses.
 *  @closed: whether it may not be read; or NULL. */
gboolean local_has_qcow2_magic(const char *path, gboolean *closed);
/** Whether the file begins as no image does that can have a backing file, as far as libvirt knows
 *  formats; FALSE where it cannot be read. */
gboolean local_names_no_other(const char *path);

/**
 * Opens the regular file or block device at @path for reading; anything else could block, or have
 * effects, when it is opened.
 *
 * @st: set to what was opened
 * Returns: a descriptor that is closed on exec, or -1 with @error
 */
int local_open_image(const char *path, struct stat *st, GError **error);

/** Whether qemu-img may be given the image in @fd as one of @format: that can be another image's
 *  word for it, and some formats are protocols or lead to other files. */
gboolean local_may_be_opened(int fd, const char *format);

G_END_DECLS
