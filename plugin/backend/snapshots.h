/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * snapshots.h: changing the metadata of snapshots, never an image
 */
#pragma once

#include "plugin/backend/vir.h"

G_BEGIN_DECLS

/** Names of all snapshots, parents before children. New array of char *, frees its items. */
GPtrArray *backend_snapshot_names(virDomainPtr dom, GError **error);
/** Its XML with secrets, g_free; NULL with @error (VIR_ERR_NO_DOMAIN_SNAPSHOT: there is none). */
char *backend_snapshot_xml(virDomainPtr dom, const char *name, GError **error);
/** Name of the current snapshot, g_free; NULL without @error when there is none. */
char *backend_snapshot_current(virDomainPtr dom, GError **error);
/** Forgets one snapshot; one that is not there is success. */
gboolean backend_snapshot_forget(virDomainPtr dom, const char *name, GError **error);
/** Defines it (again); parents must be there. @current: it becomes the current one. */
gboolean backend_snapshot_redefine(virDomainPtr dom, const char *xml, gboolean current,
                                   GError **error);

G_END_DECLS
