/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * connection.h: the connection to a daemon's admin socket
 */
#pragma once

#include <libvirt/libvirt-admin.h>

#include <glib.h>

G_BEGIN_DECLS

/** Opens the first of @uris (NULL-terminated) whose socket is there; NULL with libvirt's error. */
virAdmConnectPtr connection_open(char **uris);

/** Whether the last error says that no daemon is there. */
gboolean connection_absent(void);

/** Prints why connection_open() failed, and what to do about it where it is that the socket cannot
 *  be used; 1, for the exit status. */
int connection_open_failed(void);

/** Prints the last error of a daemon that is connected to: its errno is not the socket's, but of a
 *  file, say; 1, for the exit status. */
int connection_fail(void);

G_END_DECLS
