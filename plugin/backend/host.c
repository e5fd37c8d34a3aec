/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * host.c: the checks behind host-check
 */
#include "config.h"

#include "plugin/backend/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "include/vext-i18n.h"
#include "plugin/backend/admin.h"
#include "plugin/backend/host-private.h"
#include "plugin/backend/read.h"

#define LIBVIRT_V(major, minor) ((major) * 1000000UL + (minor) * 1000UL)

static void check_free(void *data)
{
    BackendCheck *check = data;

    g_free(check->detail);
    g_free(check);
}

void host_add_check(GPtrArray *checks, const char *code, const char *title,
                    BackendCheckLevel level, char *detail_take)
{
    BackendCheck *check = g_new0(BackendCheck, 1);

    check->code = code;
    check->title = title;
    check->level = level;
    check->detail = detail_take;
    g_ptr_array_add(checks, check);
}

static char *last_error(void)
{
    g_autoptr(GError) error = NULL;

    backend_error(&error);
    return g_strdup(error->message);
}

/* External snapshots are images of QEMU's, and what is checked below is how they are dealt with.
 * Another driver may keep records that look the same (the test driver does), with no image. */
static gboolean check_driver(GPtrArray *checks, virConnectPtr conn)
{
    static const char *const title = N_("Checking the driver");
    const char *type = virConnectGetType(conn);

    if (type && g_str_equal(type, "QEMU")) {
        host_add_check(checks, "driver", title, BACKEND_CHECK_PASS, g_strdup(type));
        return TRUE;
    }
    host_add_check(checks, "driver", title, BACKEND_CHECK_FAIL,
                   type ? g_strdup_printf(_("%s; external snapshots can be deleted, reverted to "
                                            "and repaired only with QEMU's"), type)
                        : last_error());
    return FALSE;
}

static void check_libvirt(GPtrArray *checks, virConnectPtr conn)
{
    static const char *const libvirt_title = N_("Checking libvirt's version");
    unsigned long v = 0;
    g_autofree char *text = NULL;

    if (virConnectGetLibVersion(conn, &v) < 0) {
        host_add_check(checks, "libvirt", libvirt_title, BACKEND_CHECK_WARN, last_error());
    } else {
        text = g_strdup_printf("%lu.%lu.%lu", v / 1000000, v / 1000 % 1000, v % 1000);
        if (v < LIBVIRT_V(7, 0))
            host_add_check(checks, "libvirt", libvirt_title, BACKEND_CHECK_FAIL,
                g_strdup_printf(_("%s; 7.0 is the oldest that is supported"), text));
        else if (v >= LIBVIRT_V(11, 0) && v < LIBVIRT_V(12, 0))
            host_add_check(checks, "libvirt", libvirt_title, BACKEND_CHECK_WARN,
                g_strdup_printf(_("%s; guests with more than 25 images in a chain do not start"),
                                text));
        else
            host_add_check(checks, "libvirt", libvirt_title, BACKEND_CHECK_PASS, g_strdup(text));
    }
}

static void check_qemu(GPtrArray *checks, virConnectPtr conn)
{
    static const char *const qemu_title = N_("Checking QEMU's version");
    unsigned long v = 0;

    if (virConnectGetVersion(conn, &v) < 0 || v == 0)
        host_add_check(checks, "qemu", qemu_title, BACKEND_CHECK_WARN, last_error());
    else
        host_add_check(checks, "qemu", qemu_title,
            v < LIBVIRT_V(5, 0) ? BACKEND_CHECK_WARN : BACKEND_CHECK_PASS,
            g_strdup_printf("%lu.%lu.%lu", v / 1000000, v / 1000 % 1000, v % 1000));
}

/* <externalSnapshot/> is there from libvirt 9.9 on. */
static void check_native(GPtrArray *checks, virConnectPtr conn)
{
    static const char *const title = N_("Checking what libvirt does natively");
    char *caps = virConnectGetCapabilities(conn);
    unsigned long version;

    if (!caps)
        host_add_check(checks, "native", title, BACKEND_CHECK_WARN, last_error());
    else if (strstr(caps, "<externalSnapshot/>"))
        host_add_check(checks, "native", title, BACKEND_CHECK_PASS,
            g_strdup(_("deletes external snapshots without branches, reverts to them")));
    else if (virConnectGetLibVersion(conn, &version) == 0 && version >= 9000000)
        host_add_check(checks, "native", title, BACKEND_CHECK_WARN,
            g_strdup(_("deletes external snapshots without branches, does not revert to them; "
                       "virsh-ext does")));
    else
        host_add_check(checks, "native", title, BACKEND_CHECK_WARN,
            g_strdup(_("neither deletes external snapshots nor reverts to them; virsh-ext does")));
    free(caps);
}

static void check_helpers(GPtrArray *checks, virConnectPtr conn, gboolean readonly)
{
    static const char *const title = N_("Checking for helper domains");
    char *caps;

    if (readonly) {
        host_add_check(checks, "helper", title, BACKEND_CHECK_WARN,
            g_strdup(_("the connection is read-only: nothing can be changed")));
        return;
    }
    caps = virConnectGetDomainCapabilities(conn, NULL, NULL, NULL, "qemu", 0);
    if (caps)
        host_add_check(checks, "helper", title, BACKEND_CHECK_PASS,
            g_strdup(_("paused QEMU processes without a guest can be started")));
    else
        host_add_check(checks, "helper", title, BACKEND_CHECK_FAIL, last_error());
    free(caps);
}

/* QEMU uses locks of open file descriptions, and silently none where its own probe on /dev/null
 * fails. */
static void check_locking(GPtrArray *checks, virConnectPtr conn)
{
    static const char *const title = N_("Checking image locking");
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
    struct stat st;
    int fd;

    if (!backend_is_local(conn)) {
        host_add_check(checks, "locking", title, BACKEND_CHECK_WARN,
            g_strdup(_("cannot be seen on another host")));
        return;
    }
    fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || fcntl(fd, F_OFD_SETLK, &lock) < 0)
        host_add_check(checks, "locking", title, BACKEND_CHECK_WARN,
            g_strdup_printf(_("QEMU's probe on /dev/null would fail (%s): images are not locked"),
                            g_strerror(errno)));
    else
        host_add_check(checks, "locking", title, BACKEND_CHECK_PASS, NULL);
    if (fd >= 0)
        close(fd);
}

/* What --daemon-log changed is put back by the next client with that option, too. */
static void check_log(GPtrArray *checks, const BackendDaemon *daemon)
{
    static const char *const title = N_("Checking the daemon's log settings");
    const char *filters = daemon->filters ? daemon->filters : "?";
    const char *outputs = daemon->outputs ? daemon->outputs : "?";
    g_autofree char *files = NULL;

    if (!daemon->left->len) {
        host_add_check(checks, "log", title, BACKEND_CHECK_PASS,
            g_strdup_printf(_("filters '%s', outputs '%s'"), filters, outputs));
        return;
    }
    g_ptr_array_add(daemon->left, NULL);
    files = g_strjoinv(", ", (char **) daemon->left->pdata);
    host_add_check(checks, "log", title, BACKEND_CHECK_WARN,
        g_strdup_printf(_("filters '%s', outputs '%s'; a client with --daemon-log that was killed "
                          "left the daemon logging to %s; put back what was with: %s"),
                        filters, outputs, files, daemon->remedy ? daemon->remedy : "virt-admin"));
}

static void check_daemon(GPtrArray *checks, virConnectPtr conn)
{
    static const char *const socket_title = N_("Checking the daemon's admin socket");
    g_autoptr(GError) error = NULL;
    g_autoptr(BackendDaemon) daemon = backend_daemon_read(conn, &error);

    if (!daemon) {
        host_add_check(checks, "admin", socket_title, BACKEND_CHECK_WARN, g_strdup(error->message));
        return;
    }
    host_add_check(checks, "admin", socket_title, BACKEND_CHECK_PASS, NULL);
    check_log(checks, daemon);
    host_add_check(checks, "workers", N_("Checking the daemon's thread pool"),
        daemon->jobs_queued > 0 && daemon->workers_free == 0 ? BACKEND_CHECK_WARN
                                                             : BACKEND_CHECK_PASS,
        g_strdup_printf(_("%d to %d workers, %d free, %d jobs waiting"), daemon->workers_min,
                        daemon->workers_max, daemon->workers_free, daemon->jobs_queued));
    {
        g_autofree char *list = NULL;

        g_ptr_array_add(daemon->client_list, NULL);
        list = g_strjoinv("; ", (char **) daemon->client_list->pdata);
        host_add_check(checks, "clients", N_("Checking the daemon's clients"),
            daemon->clients >= daemon->clients_max - 1 ? BACKEND_CHECK_WARN : BACKEND_CHECK_PASS,
            g_strdup_printf(_("%d of %d: %s"), daemon->clients, daemon->clients_max, list));
    }
}

GPtrArray *backend_host_check(virConnectPtr conn, gboolean readonly)
{
    GPtrArray *checks = g_ptr_array_new_with_free_func(check_free);

    check_libvirt(checks, conn);
    if (check_driver(checks, conn)) {
        check_qemu(checks, conn);
        check_native(checks, conn);
        check_helpers(checks, conn, readonly);
        check_locking(checks, conn);
        host_check_directories(checks, conn);
    }
    check_daemon(checks, conn);
    return checks;
}
