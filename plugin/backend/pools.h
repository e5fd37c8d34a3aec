/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pools.h: storage pools over directories that cannot be seen from here
 */
#pragma once

#include "plugin/backend/vir.h"

G_BEGIN_DECLS

/** A pool that knows what is in a directory right now. */
typedef struct {
    virStoragePoolPtr pool;  /**< reference held; NULL: there is none to be had */
    gboolean transient;      /**< made for us, and destroyed by backend_pool_close() */
} BackendPool;

/**
 * The pool over a directory of the daemon's host, read anew; made for the time being where there
 * is none. No file is touched by that.
 *
 * @dir: absolute
 * Returns: new; its pool is NULL with @error where the directory cannot be looked at
 */
BackendPool *backend_pool_open(virConnectPtr conn, const char *dir, GError **error);
void backend_pool_close(BackendPool *pool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BackendPool, backend_pool_close)

G_END_DECLS
