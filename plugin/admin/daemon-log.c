/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * daemon-log.c: lets a daemon log its block layer to a file too, for a time
 *
 * The mark is written first and removed last, so that there is never anything of ours without it.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "include/vext-i18n.h"
#include "plugin/admin/daemon-log.h"
#include "plugin/admin/log-lock.h"
#include "plugin/admin/log-owner.h"

gboolean daemon_log_read(virAdmConnectPtr admin, LogSettings *s)
{
    char *filters = NULL, *outputs = NULL;
    gboolean ok = virAdmConnectGetLoggingFilters(admin, &filters, 0) >= 0 &&
                  virAdmConnectGetLoggingOutputs(admin, &outputs, 0) >= 0;

    if (ok)
        log_settings_parse(s, filters, outputs);
    free(filters);
    free(outputs);
    return ok;
}

static gboolean write_filters(virAdmConnectPtr admin, const LogSettings *s)
{
    g_autofree char *filters = log_settings_filters(s);

    return virAdmConnectSetLoggingFilters(admin, filters, 0) >= 0;
}

static gboolean write_outputs(virAdmConnectPtr admin, const LogSettings *s)
{
    g_autofree char *outputs = log_settings_outputs(s);

    return virAdmConnectSetLoggingOutputs(admin, outputs, 0) >= 0;
}

GPtrArray *daemon_log_take_left(LogSettings *s)
{
    g_autoptr(GPtrArray) marks = log_settings_marks(s);
    GPtrArray *files = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < marks->len; i++) {
        const char *mark = g_ptr_array_index(marks, i);
        g_autofree char *owner = log_mark_owner(mark);

        if (log_owner_dead(owner) && log_settings_take(s, mark))
            g_ptr_array_add(files, log_mark_file(mark));
    }
    return files;
}

/* Under the lock. */
static int put_back_left(virAdmConnectPtr admin, GPtrArray *put_back)
{
    g_auto(LogSettings) s = { NULL, NULL };
    g_autoptr(GPtrArray) files = NULL;

    if (!daemon_log_read(admin, &s))
        return connection_fail();
    files = daemon_log_take_left(&s);
    if (!files->len)
        return 0;
    if (!write_outputs(admin, &s) || !write_filters(admin, &s))
        return connection_fail();
    g_ptr_array_extend_and_steal(put_back, g_steal_pointer(&files));
    return 0;
}

static void unlock(int lock)
{
    if (lock >= 0)
        close(lock);
}

int daemon_log_put_back(virAdmConnectPtr admin, GPtrArray *put_back)
{
    int lock = log_lock(), rc = put_back_left(admin, put_back);

    unlock(lock);
    return rc;
}

/* --- the beginning ---------------------------------------------------------------------------- */

/* Under the lock. *@changed: whether anything was written, or may have been. */
static int begin(virAdmConnectPtr admin, const char *mark, const char *file, gboolean *changed)
{
    g_auto(LogSettings) s = { NULL, NULL };
    g_autoptr(GPtrArray) put_back = g_ptr_array_new_with_free_func(g_free);
    const char *output;

    if (put_back_left(admin, put_back) != 0)
        return 1;
    if (!daemon_log_read(admin, &s))
        return connection_fail();
    /* The daemon has one output to a file: ours would take the place of this one. */
    output = log_settings_output_to(&s, file);
    if (output) {
        fprintf(stderr, _("The daemon logs to '%s' already (output '%s'): name another file\n"),
                file, output);
        return 1;
    }
    log_settings_add(&s, mark);
    *changed = TRUE;
    return write_filters(admin, &s) && write_outputs(admin, &s) ? 0 : connection_fail();
}

/* --- the end ---------------------------------------------------------------------------------- */

/*
 * Reads the settings, of the daemon that runs now. *@same: FALSE when that may be another than the
 * one that we changed. FALSE with libvirt's error.
 */
static gboolean read_again(virAdmConnectPtr *admin, char **uris, LogSettings *s, gboolean *same)
{
    if (*admin && daemon_log_read(*admin, s))
        return TRUE;
    if (*admin && virAdmConnectIsAlive(*admin) == 1)
        return FALSE;
    if (*admin)
        virAdmConnectClose(*admin);
    *same = FALSE;
    *admin = connection_open(uris);
    return *admin && daemon_log_read(*admin, s);
}

static void print_commands(virAdmConnectPtr admin, const LogSettings *s)
{
    char *uri = virAdmConnectGetURI(admin);
    g_autofree char *commands = log_settings_commands(s, uri ? uri : "");

    fprintf(stderr, _("Put them back with: %s\n"), commands);
    free(uri);
}

/* Under the lock. */
static int end(virAdmConnectPtr *admin, char **uris, const char *mark)
{
    g_auto(LogSettings) s = { NULL, NULL };
    gboolean same = TRUE;

    if (!read_again(admin, uris, &s, &same)) {
        if (*admin)
            return connection_fail();
        /* A daemon that has ended has lost its settings. */
        return connection_absent() ? 0 : connection_open_failed();
    }
    /* Somebody may have set all filters anew meanwhile, and the mark is gone. Of another daemon
     * that says that the output is not ours. */
    if (!log_settings_take(&s, mark) && !(same && log_settings_take_output(&s, mark)))
        return 0;
    if (write_outputs(*admin, &s) && write_filters(*admin, &s))
        return 0;
    connection_fail();
    print_commands(*admin, &s);
    return 1;
}

int daemon_log(virAdmConnectPtr *admin, char **uris, const char *file)
{
    g_autofree char *owner = log_owner_self(), *mark = log_mark_new(owner, file);
    gboolean changed = FALSE;
    char buffer[256];
    int lock, rc;

    /* A terminal's Ctrl-C, and a signal to the client's whole process group, are not for this
     * process: its end is the end of the pipe alone. */
    setsid();
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);

    lock = log_lock();
    rc = begin(*admin, mark, file, &changed);
    if (rc != 0 && changed)
        end(admin, uris, mark);
    unlock(lock);
    if (rc != 0)
        return rc;
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        ssize_t got = read(STDIN_FILENO, buffer, sizeof(buffer));

        if (got == 0 || (got < 0 && errno != EINTR))
            break;
    }
    lock = log_lock();
    rc = end(admin, uris, mark);
    unlock(lock);
    return rc;
}
