/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * daemon-log.h: lets a daemon log its block layer to a file too, for a time
 */
#pragma once

#include "plugin/admin/connection.h"
#include "plugin/admin/log-settings.h"

G_BEGIN_DECLS

/** Reads the settings into @s; FALSE with libvirt's error. */
gboolean daemon_log_read(virAdmConnectPtr admin, LogSettings *s);

/** Takes what dead processes left out of @s. Returns new the files that they logged to. */
GPtrArray *daemon_log_take_left(LogSettings *s);

/** Puts back on the daemon what dead processes left. Adds the files that they logged to, new.
 *  Returns the exit status; the reason is printed. */
int daemon_log_put_back(virAdmConnectPtr admin, GPtrArray *put_back);

/**
 * Adds ours to the daemon's settings, prints "ready", waits for the end of standard input and
 * takes it out again. What dead processes left is put back before that.
 *
 * @admin: is opened again from @uris where the daemon was restarted meanwhile
 * @file: canonical, without blanks and colons
 *
 * Returns the exit status; the reason is printed.
 */
int daemon_log(virAdmConnectPtr *admin, char **uris, const char *file);

G_END_DECLS
