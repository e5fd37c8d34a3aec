/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * connection.c: the connection to a daemon's admin socket
 */
#include "config.h"

#include <errno.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdio.h>

#include "include/vext-i18n.h"
#include "plugin/admin/connection.h"

/* The errno of the last error, 0 where it is none of the system's. */
static int last_errno(void)
{
    virErrorPtr error = virGetLastError();

    return error && error->code == VIR_ERR_SYSTEM_ERROR ? error->int1 : 0;
}

gboolean connection_absent(void)
{
    /* A daemon that does not run may have left its socket. */
    return last_errno() == ENOENT || last_errno() == ECONNREFUSED;
}

virAdmConnectPtr connection_open(char **uris)
{
    virAdmConnectPtr admin = NULL;

    for (; *uris && !admin; uris++) {
        admin = virAdmConnectOpen(*uris, 0);
        if (!admin && !connection_absent())
            return NULL;
    }
    return admin;
}

/* Of the last error. */
static const char *last_reason(void)
{
    virErrorPtr error = virGetLastError();

    return error && error->message ? error->message : _("unknown error");
}

int connection_open_failed(void)
{
    const char *reason = last_reason();

    if (last_errno() == EACCES || last_errno() == EPERM)
        fprintf(stderr, _("%s; the daemon's admin socket is open to its owner alone: run the "
                          "command as root (of a session daemon, as its user)\n"), reason);
    else if (connection_absent())
        fprintf(stderr, _("%s; the daemon's admin socket is not served: start "
                          "virtqemud-admin.socket or libvirtd-admin.socket, whichever is the "
                          "daemon's\n"), reason);
    else
        fprintf(stderr, "%s\n", reason);
    return 1;
}

int connection_fail(void)
{
    fprintf(stderr, "%s\n", last_reason());
    return 1;
}
