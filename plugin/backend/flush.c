/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * flush.c: having QEMU write what it keeps of an image in memory
 */
#include "config.h"

#include "plugin/backend/flush.h"

gboolean backend_flush_count(virDomainPtr dom, const char *disk, guint64 *count)
{
    virTypedParameterPtr params = NULL;
    long long value = -1;
    int n = 0;

    if (virDomainBlockStatsFlags(dom, disk, NULL, &n, 0) < 0 || n <= 0)
        return FALSE;
    params = g_new0(virTypedParameter, n);
    if (virDomainBlockStatsFlags(dom, disk, params, &n, 0) < 0 ||
        virTypedParamsGetLLong(params, n, VIR_DOMAIN_BLOCK_STATS_FLUSH_REQ, &value) != 1)
        value = -1;
    virTypedParamsClear(params, n);
    g_free(params);
    if (value < 0)
        return FALSE;
    *count = (guint64)value;
    return TRUE;
}

gboolean backend_flush_paused(virDomainPtr dom, const char *disk, GError **error)
{
    virDomainBlockInfo info;

    if (virDomainGetBlockInfo(dom, disk, &info, 0) < 0 ||
        virDomainBlockResize(dom, disk, info.capacity, VIR_DOMAIN_BLOCK_RESIZE_BYTES) < 0)
        return backend_error(error);
    return TRUE;
}
