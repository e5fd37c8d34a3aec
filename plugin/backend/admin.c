/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * admin.c: the daemon's admin socket, through the program daemon-admin (which says why)
 */
#include "config.h"

#include "plugin/backend/admin.h"

#include <gio/gio.h>
#include <libxml/uri.h>
#include <stdlib.h>
#include <string.h>

#include "include/vext-i18n.h"

/** "socket=/a/b" in a URI's query; new string or NULL. */
static char *query_socket(const char *query)
{
    g_auto(GStrv) parts = query ? g_strsplit(query, "&", -1) : NULL;

    for (gsize i = 0; parts && parts[i]; i++)
        if (g_str_has_prefix(parts[i], "socket="))
            return g_uri_unescape_string(parts[i] + strlen("socket="), NULL);
    return NULL;
}

/* Beside @socket, by the name that the daemon of that socket gives it. */
static char *uri_beside(const char *socket, const char *path)
{
    g_autofree char *dir = g_path_get_dirname(socket), *base = g_path_get_basename(socket);
    gboolean modular = g_str_has_prefix(base, "virtqemud-");
    g_autofree char *admin = g_build_filename(dir, modular ? "virtqemud-admin-sock" :
                                                             "libvirt-admin-sock", NULL);
    g_autofree char *escaped = g_uri_escape_string(admin, "/", FALSE);

    return g_strdup_printf("%s://%s?socket=%s", modular ? "virtqemud" : "libvirtd", path, escaped);
}

/*
 * The admin URIs that may belong to a connection's URI: "libvirtd:///system" for "qemu:///system",
 * before it that of the modular daemon, which libvirt itself prefers where both are there; with
 * the admin socket beside a socket named in it. NULL with @error for a remote or embedded one.
 */
static GStrv admin_uris(const char *uri, GError **error)
{
    xmlURIPtr parsed = uri ? xmlParseURI(uri) : NULL;
    g_autofree char *socket = NULL;
    GStrv result = NULL;

    if (!parsed) {
        g_set_error(error, BACKEND_ERROR, VIR_ERR_INVALID_ARG, _("URI '%s' cannot be read"),
                    uri ? uri : "");
        return NULL;
    }
    socket = query_socket(parsed->query_raw);
    if (parsed->server && *parsed->server)
        g_set_error(error, BACKEND_ERROR, VIR_ERR_NO_SUPPORT,
                    _("the daemon's admin socket is on host '%s'"), parsed->server);
    else if (g_strcmp0(parsed->path, "/embed") == 0)
        g_set_error_literal(error, BACKEND_ERROR, VIR_ERR_NO_SUPPORT,
                            _("the embedded driver has no daemon"));
    else if (g_strcmp0(parsed->path, "/system") != 0 && g_strcmp0(parsed->path, "/session") != 0)
        g_set_error(error, BACKEND_ERROR, VIR_ERR_NO_SUPPORT,
                    _("driver '%s' has no admin socket"), parsed->scheme ? parsed->scheme : "");
    else {
        result = g_new0(char *, 3);
        result[0] = socket ? uri_beside(socket, parsed->path) :
                             g_strdup_printf("virtqemud://%s", parsed->path);
        result[1] = socket ? NULL : g_strdup_printf("libvirtd://%s", parsed->path);
    }
    xmlFreeURI(parsed);
    return result;
}

/** daemon-admin's path. The user's environment is trusted as PATH is, but not that of a set-uid
 *  program's; and what an empty or relative value meant would depend on where one is. */
static char *program(void)
{
    const char *dir = secure_getenv("VIRSH_EXT_LIBEXECDIR");

    return g_build_filename(dir && g_path_is_absolute(dir) ? dir : PKGLIBEXECDIR, "daemon-admin",
                            NULL);
}

/** Starts daemon-admin; NULL with @error. @file: of the verb "log" alone, else NULL. */
static GSubprocess *start(virConnectPtr conn, const char *verb, const char *file, GError **error)
{
    g_autofree char *path = program();
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_auto(GStrv) uris = NULL;
    char *uri = virConnectGetURI(conn);

    if (!uri) {
        backend_error(error);
        return NULL;
    }
    uris = admin_uris(uri, error);
    free(uri);
    if (!uris)
        return NULL;
    g_ptr_array_add(argv, path);
    g_ptr_array_add(argv, (char *)verb);
    if (file)
        g_ptr_array_add(argv, (char *)file);
    for (char **u = uris; *u; u++)
        g_ptr_array_add(argv, *u);
    g_ptr_array_add(argv, NULL);
    return g_subprocess_newv((const char *const *)argv->pdata,
                             G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                             G_SUBPROCESS_FLAGS_STDERR_PIPE, error);
}

/** Its last words as an error, without the newline. */
static void failed(const char *text, GError **error)
{
    g_autofree char *reason = g_strdup(text && *text ? text : _("daemon-admin failed"));

    g_set_error_literal(error, BACKEND_ERROR, VIR_ERR_OPERATION_FAILED, g_strchomp(reason));
}

static void read_line(BackendDaemon *daemon, const char *name, char *value_take)
{
    const struct {
        const char *name;
        int *number;
    } numbers[] = {
        { "minWorkers", &daemon->workers_min },     { "maxWorkers", &daemon->workers_max },
        { "freeWorkers", &daemon->workers_free },   { "jobQueueDepth", &daemon->jobs_queued },
        { "nclients", &daemon->clients },           { "nclients_max", &daemon->clients_max },
    };
    g_autofree char *value = value_take;

    for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++)
        if (g_str_equal(name, numbers[i].name))
            *numbers[i].number = (int) g_ascii_strtoll(value, NULL, 10);
    if (g_str_equal(name, "filters") && !daemon->filters)
        daemon->filters = g_steal_pointer(&value);
    else if (g_str_equal(name, "outputs") && !daemon->outputs)
        daemon->outputs = g_steal_pointer(&value);
    else if (g_str_equal(name, "client"))
        g_ptr_array_add(daemon->client_list, g_steal_pointer(&value));
    else if (g_str_equal(name, "left"))
        g_ptr_array_add(daemon->left, g_steal_pointer(&value));
    else if (g_str_equal(name, "remedy") && !daemon->remedy)
        daemon->remedy = g_steal_pointer(&value);
}

/* What daemon-admin says to @verb. */
static BackendDaemon *ask(virConnectPtr conn, const char *verb, GError **error)
{
    g_autoptr(GSubprocess) process = start(conn, verb, NULL, error);
    g_autofree char *out = NULL, *err = NULL;
    g_auto(GStrv) lines = NULL;
    BackendDaemon *daemon;

    if (!process || !g_subprocess_communicate_utf8(process, NULL, NULL, &out, &err, error))
        return NULL;
    if (!g_subprocess_get_successful(process)) {
        failed(err, error);
        return NULL;
    }
    daemon = g_new0(BackendDaemon, 1);
    daemon->workers_min = daemon->workers_max = daemon->workers_free = -1;
    daemon->jobs_queued = daemon->clients = daemon->clients_max = -1;
    daemon->client_list = g_ptr_array_new_with_free_func(g_free);
    daemon->left = g_ptr_array_new_with_free_func(g_free);
    lines = g_strsplit(out, "\n", -1);
    for (gsize i = 0; lines[i]; i++) {
        char *tab = strchr(lines[i], '\t');

        if (!tab)
            continue;
        *tab = '\0';
        read_line(daemon, lines[i], g_strcompress(tab + 1));
    }
    return daemon;
}

BackendDaemon *backend_daemon_read(virConnectPtr conn, GError **error)
{
    return ask(conn, "show", error);
}

GPtrArray *backend_daemon_log_tidy(virConnectPtr conn, GError **error)
{
    g_autoptr(BackendDaemon) daemon = ask(conn, "tidy", error);

    return daemon ? g_steal_pointer(&daemon->left) : NULL;
}

void backend_daemon_free(BackendDaemon *daemon)
{
    if (!daemon)
        return;
    g_free(daemon->filters);
    g_free(daemon->outputs);
    g_free(daemon->remedy);
    g_ptr_array_unref(daemon->client_list);
    g_clear_pointer(&daemon->left, g_ptr_array_unref);
    g_free(daemon);
}

struct BackendDaemonLog {
    GSubprocess *process;
};

char *backend_daemon_log_file(const char *file, GError **error)
{
    /* The list of outputs is separated by blanks, their parts by colons, and there is no quoting
     * (libvirt's virlog.c). */
    if (!g_path_is_absolute(file) || strpbrk(file, ": \t\n\r") ||
        !g_utf8_validate(file, -1, NULL)) {
        g_set_error(error, BACKEND_ERROR, VIR_ERR_INVALID_ARG,
                    _("The daemon's log file '%s' must be an absolute path without blanks and "
                      "colons"), file);
        return NULL;
    }
    /* As newer versions of libvirt do; the older leave it as it is. It tells the same then. */
    return g_canonicalize_filename(file, "/");
}

BackendDaemonLog *backend_daemon_log_begin(virConnectPtr conn, const char *file, GError **error)
{
    g_autoptr(GSubprocess) process = NULL;
    g_autoptr(GDataInputStream) out = NULL;
    g_autofree char *line = NULL;
    BackendDaemonLog *log;

    process = start(conn, "log", file, error);
    if (!process)
        return NULL;
    out = g_data_input_stream_new(g_subprocess_get_stdout_pipe(process));
    g_filter_input_stream_set_close_base_stream(G_FILTER_INPUT_STREAM(out), FALSE);
    line = g_data_input_stream_read_line(out, NULL, NULL, NULL);
    if (g_strcmp0(line, "ready") != 0) {
        g_autofree char *err = NULL;

        g_subprocess_communicate_utf8(process, NULL, NULL, NULL, &err, NULL);
        failed(err, error);
        return NULL;
    }
    log = g_new0(BackendDaemonLog, 1);
    log->process = g_steal_pointer(&process);
    return log;
}

gboolean backend_daemon_log_end(BackendDaemonLog *log, GError **error)
{
    g_autofree char *err = NULL;
    gboolean ok;

    if (!log)
        return TRUE;
    /* Closes its standard input, which is what it waits for. */
    ok = g_subprocess_communicate_utf8(log->process, NULL, NULL, NULL, &err, error);
    if (ok && g_subprocess_get_if_signaled(log->process)) {
        g_set_error_literal(error, BACKEND_ERROR, VIR_ERR_OPERATION_FAILED,
                            _("the daemon's log settings were not put back, as daemon-admin was "
                              "killed: 'host-check' tells how to"));
        ok = FALSE;
    } else if (ok && !g_subprocess_get_successful(log->process)) {
        g_set_error(error, BACKEND_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("the daemon's log settings could not be put back: %s"), g_strchomp(err));
        ok = FALSE;
    }
    g_object_unref(log->process);
    g_free(log);
    return ok;
}
