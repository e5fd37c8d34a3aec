/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * admin.h: what the daemon's admin socket tells and lets us set (libvirt-admin)
 *
 * The socket is root's and local: a connection to another host has none that we can reach.
 *
 *      log = backend_daemon_log_begin(conn, "/var/log/x.log", &error)
 *      ... the operation ...
 *      backend_daemon_log_end(log)      puts the settings back; also when the operation failed
 */
#pragma once

#include "plugin/backend/vir.h"

G_BEGIN_DECLS

/** What is known of the daemon. Strings are new; -1 where a number is not known. */
typedef struct {
    char *filters, *outputs;
    int workers_min, workers_max, workers_free, jobs_queued;
    int clients, clients_max;
    GPtrArray *client_list;  /**< char *: "id 3: unix, pid 4711, uid 0" */
} BackendDaemon;

void backend_daemon_free(BackendDaemon *daemon);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BackendDaemon, backend_daemon_free)

/** Asks the daemon behind @conn; NULL with the reason in @error where it cannot be reached. */
BackendDaemon *backend_daemon_read(virConnectPtr conn, GError **error);

typedef struct BackendDaemonLog BackendDaemonLog;

/** Lets the daemon write its log of the block layer to @file too (absolute, no blanks). */
BackendDaemonLog *backend_daemon_log_begin(virConnectPtr conn, const char *file, GError **error);
/** Puts back what was; frees @log. FALSE with what is left behind named in @error. */
gboolean backend_daemon_log_end(BackendDaemonLog *log, GError **error);

G_END_DECLS
