/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * admin.h: what the daemon's admin socket tells and lets us set (libvirt-admin)
 *
 * The socket is root's and local: a connection to another host has none that we can reach.
 *
 *      file = backend_daemon_log_file("/var/log/x.log", &error)      before anything else
 *      log = backend_daemon_log_begin(conn, file, &error)
 *      ... the operation ...
 *      backend_daemon_log_end(log)      puts the settings back; also when the operation failed
 */
#pragma once

#include "plugin/backend/vir.h"

G_BEGIN_DECLS

/** What is known of the daemon. Strings are new; -1 where a number is not known. */
typedef struct {
    char *filters, *outputs;
    GPtrArray *left;         /**< char *: the files to which clients that were killed let it log */
    char *remedy;            /**< the commands that put back what they left, or NULL */
    int workers_min, workers_max, workers_free, jobs_queued;
    int clients, clients_max;
    GPtrArray *client_list;  /**< char *: "id 3: unix, pid 4711, uid 0" */
} BackendDaemon;

void backend_daemon_free(BackendDaemon *daemon);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BackendDaemon, backend_daemon_free)

/** Asks the daemon behind @conn; NULL with the reason in @error where it cannot be reached. */
BackendDaemon *backend_daemon_read(virConnectPtr conn, GError **error);

typedef struct BackendDaemonLog BackendDaemonLog;

/** Returns new the name by which the daemon knows @file; NULL where it can be none of its log. */
char *backend_daemon_log_file(const char *file, GError **error);
/**
 * Lets the daemon write its log of the block layer to @file (of backend_daemon_log_file()) too,
 * after what clients left that were killed is put back. NULL with @error, and nothing changed,
 * where the admin socket cannot be used or the daemon logs to @file already.
 */
BackendDaemonLog *backend_daemon_log_begin(virConnectPtr conn, const char *file, GError **error);
/** Puts back what was; frees @log. FALSE with what is left behind named in @error. */
gboolean backend_daemon_log_end(BackendDaemonLog *log, GError **error);
/** Puts back what clients left that were killed. Returns new the files that they let the daemon
 *  log to, mostly none; NULL with @error. */
GPtrArray *backend_daemon_log_tidy(virConnectPtr conn, GError **error);

G_END_DECLS
