/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * conn.h: the session's connection to libvirt, for own commands
 *
 * virsh-ext is not linked with libvirt: the library is loaded when the first own command asks for
 * a connection. Then the default event loop is registered and run in a thread of its own (the
 * embedded drivers need it, and so do events and keepalive), and the connection is opened as
 * virsh opens it: same URI, read-only mode, authentication, keepalive, same messages.
 *
 * Lifecycle: closed -> vext_conn_get() -> open -> (lost -> vext_conn_get() reopens it) ->
 * vext_conn_close() -> closed. The loop's thread stays until vext_conn_end().
 */
#ifndef VEXT_CONN_H
#define VEXT_CONN_H

#include <libvirt/libvirt.h>
#include <stdbool.h>

struct VextSession;
typedef struct VextConn VextConn;

/*
 * The open connection; opens it, or opens it again when it was lost.
 * @quiet: print nothing and ask for no password
 * Returns: borrowed, or NULL (after printing the error, if not quiet)
 */
virConnectPtr vext_conn_get(struct VextSession *s, bool quiet);

/* As virsh's `connect`: closes what is open and goes to @uri (borrowed, NULL: the same as before).
 * The next use opens it. */
void vext_conn_move(struct VextSession *s, const char *uri, bool readonly);

/* Closes the connection, if there is one. */
void vext_conn_close(struct VextSession *s);

/*
 * Whether the session's URI is that of an embedded driver. Only one process at a time can use its
 * root, from the first connection to the end of the process: whoever wants to run a virsh on it
 * as well must leave the connecting to a process of its own (vext_run_apart()).
 */
bool vext_conn_is_exclusive(const struct VextSession *s);

/* Closes all and ends the thread. */
void vext_conn_end(struct VextSession *s);

#endif
