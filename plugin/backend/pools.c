/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pools.c: storage pools over directories that cannot be seen from here
 */
#include "plugin/backend/pools.h"

/* What one of ours is called. One that a client left behind when it died is used again. */
#define POOL_PREFIX "virsh-ext-"

static virStoragePoolPtr make_pool(virConnectPtr conn, const char *dir)
{
    g_autofree char *uuid = g_uuid_string_random();
    g_autofree char *xml = g_markup_printf_escaped(
        "<pool type='dir'><name>" POOL_PREFIX "%s</name><target><path>%s</path></target></pool>",
        uuid, dir);

    return virStoragePoolCreateXML(conn, xml, 0);
}

BackendPool *backend_pool_open(virConnectPtr conn, const char *dir, GError **error)
{
    BackendPool *p = g_new0(BackendPool, 1);
    virStoragePoolPtr pool = virStoragePoolLookupByTargetPath(conn, dir);

    if (pool && virStoragePoolRefresh(pool, 0) < 0) {
        backend_error(error);
        virStoragePoolFree(pool);
        return p;
    }
    if (pool) {
        p->pool = pool;
        p->transient = g_str_has_prefix(virStoragePoolGetName(pool), POOL_PREFIX) &&
                       virStoragePoolIsPersistent(pool) == 0;
        return p;
    }
    p->pool = make_pool(conn, dir);
    p->transient = p->pool != NULL;
    if (!p->pool)
        backend_error(error);
    return p;
}

void backend_pool_close(BackendPool *p)
{
    if (!p)
        return;
    if (p->transient)
        virStoragePoolDestroy(p->pool);
    if (p->pool)
        virStoragePoolFree(p->pool);
    g_free(p);
}
