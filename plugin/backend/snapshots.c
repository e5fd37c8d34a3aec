/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * snapshots.c: changing the metadata of snapshots
 */
#include "config.h"

#include <stdlib.h>

#include "plugin/backend/snapshots.h"

GPtrArray *backend_snapshot_names(virDomainPtr dom, GError **error)
{
    virDomainSnapshotPtr *list = NULL;
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    int n = virDomainListAllSnapshots(dom, &list, VIR_DOMAIN_SNAPSHOT_LIST_TOPOLOGICAL);

    if (n < 0) {
        backend_error(error);
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        g_ptr_array_add(names, g_strdup(virDomainSnapshotGetName(list[i])));
        virDomainSnapshotFree(list[i]);
    }
    free(list);
    return g_steal_pointer(&names);
}

static virDomainSnapshotPtr lookup(virDomainPtr dom, const char *name, GError **error)
{
    virDomainSnapshotPtr snapshot = virDomainSnapshotLookupByName(dom, name, 0);

    if (!snapshot)
        backend_error(error);
    return snapshot;
}

char *backend_snapshot_xml(virDomainPtr dom, const char *name, GError **error)
{
    g_autoptr(virDomainSnapshot) snapshot = lookup(dom, name, error);
    char *text, *copy;

    if (!snapshot)
        return NULL;
    text = virDomainSnapshotGetXMLDesc(snapshot, VIR_DOMAIN_SNAPSHOT_XML_SECURE);
    if (!text) {
        backend_error(error);
        return NULL;
    }
    copy = g_strdup(text);
    free(text);
    return copy;
}

char *backend_snapshot_current(virDomainPtr dom, GError **error)
{
    g_autoptr(virDomainSnapshot) snapshot = virDomainSnapshotCurrent(dom, 0);

    if (!snapshot) {
        g_autoptr(GError) problem = NULL;

        backend_error(&problem);
        if (!backend_error_is(problem, VIR_ERR_NO_DOMAIN_SNAPSHOT))
            g_propagate_error(error, g_steal_pointer(&problem));
        return NULL;
    }
    return g_strdup(virDomainSnapshotGetName(snapshot));
}

gboolean backend_snapshot_forget(virDomainPtr dom, const char *name, GError **error)
{
    g_autoptr(GError) problem = NULL;
    g_autoptr(virDomainSnapshot) snapshot = lookup(dom, name, &problem);

    if (!snapshot) {
        if (backend_error_is(problem, VIR_ERR_NO_DOMAIN_SNAPSHOT))
            return TRUE;
        g_propagate_error(error, g_steal_pointer(&problem));
        return FALSE;
    }
    if (virDomainSnapshotDelete(snapshot, VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY) < 0)
        return backend_error(error);
    return TRUE;
}

gboolean backend_snapshot_redefine(virDomainPtr dom, const char *xml, gboolean current,
                                   GError **error)
{
    unsigned int flags = VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE;
    g_autoptr(virDomainSnapshot) snapshot = NULL;

    if (current)
        flags |= VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT;
    snapshot = virDomainSnapshotCreateXML(dom, xml, flags);
    if (!snapshot)
        return backend_error(error);
    return TRUE;
}
