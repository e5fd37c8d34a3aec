/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * files.h: removing an image or a memory file that nobody needs any more
 *
 * On the daemon's side, by the storage driver: the volume at that path in a pool that is there,
 * else in a transient pool over its directory, which goes again. Where there is no storage
 * driver (embedded) or it cannot serve the directory, and the daemon's files are files here,
 * the file is unlinked here, if it is the planned one by device and inode.
 *
 * That nobody needs the file is for the caller to prove (exec/files.c).
 */
#pragma once

#include "plugin/backend/vir.h"

G_BEGIN_DECLS

typedef enum {
    BACKEND_FILE_REMOVED,
    BACKEND_FILE_ABSENT,  /**< was gone already */
    BACKEND_FILE_OTHER,   /**< another file is there now: not touched */
    BACKEND_FILE_FAILED,  /**< see @error */
} BackendFileResult;

/**
 * @path: absolute
 * @identity: "inode:DEV:INO" as planned; anything else: not known
 * @born: ChainImage.born as planned: a device may have another number when the host has started
 *        again, a file has the inode and the birth that it had
 * @local: the connection's files are files of this machine
 */
BackendFileResult backend_remove_file(virConnectPtr conn, const char *path, const char *identity,
                                      gint64 born, gboolean local, GError **error);

/** Whether the file of this machine can be read and begins as a qcow2 image, or is not there. */
gboolean backend_may_be_image(const char *path);

/** Whether there is a file at @path, as far as it can be told: by the storage driver or here. */
gboolean backend_file_exists(virConnectPtr conn, const char *path, gboolean local);
/** Path of a pool's volume, new string; NULL when the pool cannot say it. */
char *backend_volume_path(virConnectPtr conn, const char *pool, const char *volume);

/** What a local file is, as ChainImage.key has it: "inode:DEV:INO"; NULL if it is not there. */
char *backend_file_identity(const char *path);

/**
 * Has the kernel write a file of this machine, and that it is there, to the disk: what it was made
 * from goes next, and a power cut must not take both. A file that we may not open is left to who
 * wrote it. FALSE with @error: the disk does not take it.
 */
gboolean backend_flush_file(const char *path, GError **error);

/** Bytes free for @path's file system, by the pool that has it or locally; FALSE: not known. */
gboolean backend_free_space(virConnectPtr conn, const char *path, gboolean local, guint64 *bytes);

G_END_DECLS
