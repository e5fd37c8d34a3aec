/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * admin.c: libvirt-admin
 */
#include "config.h"

#include "plugin/backend/admin.h"

#include <libvirt/libvirt-admin.h>
#include <libxml/uri.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/vext-i18n.h"

/* The parts of the daemon that create images, run block jobs and talk to QEMU about them. */
#define LOG_FILTERS \
    "1:qemu.qemu_block 1:qemu.qemu_blockjob 1:qemu.qemu_snapshot " \
    "1:qemu.qemu_monitor 1:qemu.qemu_driver"

BACKEND_VIR_FREE(virAdmConnect, virAdmConnectClose)
BACKEND_VIR_FREE(virAdmServer, virAdmServerFree)
BACKEND_VIR_FREE(virAdmClient, virAdmClientFree)

/** "socket=/a/b" in a URI's query; new string or NULL. */
static char *query_socket(const char *query)
{
    g_auto(GStrv) parts = query ? g_strsplit(query, "&", -1) : NULL;

    for (gsize i = 0; parts && parts[i]; i++)
        if (g_str_has_prefix(parts[i], "socket="))
            return g_uri_unescape_string(parts[i] + strlen("socket="), NULL);
    return NULL;
}

char *backend_admin_uri(const char *uri, GError **error)
{
    xmlURIPtr parsed = uri ? xmlParseURI(uri) : NULL;
    g_autofree char *socket = NULL;
    char *result = NULL;

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
    else if (socket) {
        g_autofree char *dir = g_path_get_dirname(socket);
        g_autofree char *admin = g_build_filename(dir, "libvirt-admin-sock", NULL);
        g_autofree char *escaped = g_uri_escape_string(admin, "/", FALSE);
        result = g_strdup_printf("libvirtd://%s?socket=%s", parsed->path, escaped);
    } else
        result = g_strdup_printf("libvirtd://%s", parsed->path);
    xmlFreeURI(parsed);
    return result;
}

static virAdmConnectPtr admin_open(virConnectPtr conn, GError **error)
{
    char *uri = virConnectGetURI(conn);
    g_autofree char *admin = NULL;
    virAdmConnectPtr result;

    if (!uri) {
        backend_error(error);
        return NULL;
    }
    admin = backend_admin_uri(uri, error);
    free(uri);
    if (!admin)
        return NULL;
    if (virAdmInitialize() < 0 || !(result = virAdmConnectOpen(admin, 0))) {
        /* Modular daemons have a socket of their own. */
        if (g_str_has_prefix(admin, "libvirtd:///") && !strchr(admin, '?')) {
            g_autofree char *modular =
                g_strdup_printf("virtqemud:///%s", admin + strlen("libvirtd:///"));
            g_autoptr(GError) first = NULL;

            backend_error(&first);
            if ((result = virAdmConnectOpen(modular, 0)))
                return result;
            g_propagate_error(error, g_steal_pointer(&first));
            return NULL;
        }
        backend_error(error);
        return NULL;
    }
    return result;
}

/** The server that clients of the driver connect to. */
static virAdmServerPtr main_server(virAdmConnectPtr admin)
{
    virAdmServerPtr server = virAdmConnectLookupServer(admin, "libvirtd", 0);

    return server ? server : virAdmConnectLookupServer(admin, "virtqemud", 0);
}

static int param_int(virTypedParameterPtr params, int n, const char *name)
{
    unsigned int value;

    return virTypedParamsGetUInt(params, n, name, &value) == 1 ? (int) value : -1;
}

static void read_pool(BackendDaemon *daemon, virAdmServerPtr server)
{
    virTypedParameterPtr params = NULL;
    int n = 0;

    if (virAdmServerGetThreadPoolParameters(server, &params, &n, 0) == 0) {
        daemon->workers_min = param_int(params, n, VIR_THREADPOOL_WORKERS_MIN);
        daemon->workers_max = param_int(params, n, VIR_THREADPOOL_WORKERS_MAX);
        daemon->workers_free = param_int(params, n, VIR_THREADPOOL_WORKERS_FREE);
        daemon->jobs_queued = param_int(params, n, VIR_THREADPOOL_JOB_QUEUE_DEPTH);
    }
    virTypedParamsFree(params, n);
    params = NULL;
    n = 0;
    if (virAdmServerGetClientLimits(server, &params, &n, 0) == 0) {
        daemon->clients = param_int(params, n, VIR_SERVER_CLIENTS_CURRENT);
        daemon->clients_max = param_int(params, n, VIR_SERVER_CLIENTS_MAX);
    }
    virTypedParamsFree(params, n);
}

static char *describe_client(virAdmClientPtr client)
{
    static const char *const transports[] = { "unix", "tcp", "tls" };
    int transport = virAdmClientGetTransport(client);
    GString *text = g_string_new(NULL);
    virTypedParameterPtr params = NULL;
    const char *address = NULL;
    int n = 0, pid, uid;

    g_string_append_printf(text, "id %llu: %s", virAdmClientGetID(client),
                           transport >= 0 && transport < (int) G_N_ELEMENTS(transports)
                           ? transports[transport] : "?");
    if (virAdmClientGetInfo(client, &params, &n, 0) == 0) {
        if (virTypedParamsGetInt(params, n, VIR_CLIENT_INFO_UNIX_PROCESS_ID, &pid) == 1)
            g_string_append_printf(text, ", pid %d", pid);
        if (virTypedParamsGetInt(params, n, VIR_CLIENT_INFO_UNIX_USER_ID, &uid) == 1)
            g_string_append_printf(text, ", uid %d", uid);
        if (virTypedParamsGetString(params, n, VIR_CLIENT_INFO_SOCKET_ADDR, &address) == 1)
            g_string_append_printf(text, ", %s", address);
    }
    virTypedParamsFree(params, n);
    return g_string_free(text, FALSE);
}

static void read_clients(BackendDaemon *daemon, virAdmServerPtr server)
{
    virAdmClientPtr *clients = NULL;
    int n = virAdmServerListClients(server, &clients, 0);

    for (int i = 0; i < n; i++) {
        g_autoptr(virAdmClient) client = clients[i];
        g_ptr_array_add(daemon->client_list, describe_client(client));
    }
    free(clients);
}

BackendDaemon *backend_daemon_read(virConnectPtr conn, GError **error)
{
    g_autoptr(virAdmConnect) admin = admin_open(conn, error);
    g_autoptr(virAdmServer) server = NULL;
    BackendDaemon *daemon;
    char *text = NULL;

    if (!admin)
        return NULL;
    daemon = g_new0(BackendDaemon, 1);
    daemon->workers_min = daemon->workers_max = daemon->workers_free = -1;
    daemon->jobs_queued = daemon->clients = daemon->clients_max = -1;
    daemon->client_list = g_ptr_array_new_with_free_func(g_free);

    if (virAdmConnectGetLoggingFilters(admin, &text, 0) >= 0)
        daemon->filters = g_strdup(text ? text : "");
    free(text);
    text = NULL;
    if (virAdmConnectGetLoggingOutputs(admin, &text, 0) >= 0)
        daemon->outputs = g_strdup(text ? text : "");
    free(text);
    if ((server = main_server(admin))) {
        read_pool(daemon, server);
        read_clients(daemon, server);
    }
    return daemon;
}

void backend_daemon_free(BackendDaemon *daemon)
{
    if (!daemon)
        return;
    g_free(daemon->filters);
    g_free(daemon->outputs);
    g_ptr_array_unref(daemon->client_list);
    g_free(daemon);
}

struct BackendDaemonLog {
    virAdmConnectPtr admin;
    char *filters, *outputs; /* as they were */
    char *file;
};

static void daemon_log_free(BackendDaemonLog *log)
{
    backend_free_virAdmConnect(log->admin);
    g_free(log->filters);
    g_free(log->outputs);
    g_free(log->file);
    g_free(log);
}

BackendDaemonLog *backend_daemon_log_begin(virConnectPtr conn, const char *file, GError **error)
{
    BackendDaemonLog *log = g_new0(BackendDaemonLog, 1);
    g_autofree char *filters = NULL, *outputs = NULL;
    char *text = NULL;

    /* The list of outputs is separated by blanks and knows no quoting. */
    if (!g_path_is_absolute(file) || strpbrk(file, " \t\n\r") || !g_utf8_validate(file, -1, NULL)) {
        g_set_error(error, BACKEND_ERROR, VIR_ERR_INVALID_ARG,
                    _("the daemon's log file '%s' must be an absolute path without blanks"), file);
        goto fail;
    }
    if (!(log->admin = admin_open(conn, error)))
        goto fail;
    log->file = g_strdup(file);
    if (virAdmConnectGetLoggingFilters(log->admin, &text, 0) < 0) {
        backend_error(error);
        goto fail;
    }
    log->filters = g_strdup(text ? text : "");
    free(text);
    text = NULL;
    if (virAdmConnectGetLoggingOutputs(log->admin, &text, 0) < 0) {
        backend_error(error);
        goto fail;
    }
    log->outputs = g_strdup(text ? text : "");
    free(text);

    /* The first matching filter counts: ours stand in front. */
    filters = g_strjoin(*log->filters ? " " : "", LOG_FILTERS, log->filters, NULL);
    outputs = g_strdup_printf("%s%s1:file:%s", log->outputs, *log->outputs ? " " : "", file);
    if (virAdmConnectSetLoggingOutputs(log->admin, outputs, 0) < 0) {
        backend_error(error);
        goto fail;
    }
    if (virAdmConnectSetLoggingFilters(log->admin, filters, 0) < 0) {
        backend_error(error);
        virAdmConnectSetLoggingOutputs(log->admin, log->outputs, 0);
        goto fail;
    }
    return log;

fail:
    daemon_log_free(log);
    return NULL;
}

gboolean backend_daemon_log_end(BackendDaemonLog *log, GError **error)
{
    gboolean ok = TRUE;

    if (!log)
        return TRUE;
    if (virAdmConnectSetLoggingFilters(log->admin, log->filters, 0) < 0 ||
        virAdmConnectSetLoggingOutputs(log->admin, log->outputs, 0) < 0) {
        g_autoptr(GError) reason = NULL;

        backend_error(&reason);
        g_set_error(error, BACKEND_ERROR, reason->code,
                    _("the daemon's log settings could not be put back (%s): set filters '%s' and "
                      "outputs '%s' with virt-admin"), reason->message, log->filters, log->outputs);
        ok = FALSE;
    }
    daemon_log_free(log);
    return ok;
}
