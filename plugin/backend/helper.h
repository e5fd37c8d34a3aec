/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * helper.h: the helper domain of an operation: define, start, stop, forget
 *
 * Lock, journal and worker (journal.h says how they go together). Always looked up by the UUID
 * that libvirt gave it when we defined it: a helper of the same name that somebody defined
 * later is another operation's.
 */
#pragma once

#include "plugin/backend/vir.h"

G_BEGIN_DECLS

/**
 * Defines a domain that must not exist yet.
 *
 * @xml: without a UUID
 * @uuid: set to the new UUID's text (g_free)
 * Errors: BACKEND_ERROR with VIR_ERR_OPERATION_FAILED or VIR_ERR_DOM_EXIST when there is one.
 */
gboolean backend_helper_define(virConnectPtr conn, const char *xml, char **uuid, GError **error);
/** Defines it again with @xml, which has the UUID. */
gboolean backend_helper_redefine(virConnectPtr conn, const char *xml, GError **error);
/** New reference, or NULL with @error (VIR_ERR_NO_DOMAIN: it is gone). */
virDomainPtr backend_helper_lookup(virConnectPtr conn, const char *uuid, GError **error);
/** Starts it paused, destroyed by the daemon when this connection ends (where it can). Fails with
 *  VIR_ERR_OPERATION_INVALID when it runs already. */
gboolean backend_helper_start(virDomainPtr helper, GError **error);
/** Not running is success. */
gboolean backend_helper_stop(virDomainPtr helper, GError **error);
gboolean backend_helper_undefine(virDomainPtr helper, GError **error);
/** Whether the driver runs in this process: no AUTODESTROY, no storage driver. */
gboolean backend_is_embedded(virConnectPtr conn);

G_END_DECLS
