/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * daemon-admin: the part of virsh-ext that talks to a daemon's admin socket
 *
 *      daemon-admin show URI...         what the daemon says of itself, "name<TAB>value" lines
 *      daemon-admin tidy URI...         puts back the log settings that others of us left which
 *                                       were killed; "left<TAB>FILE" lines for what that was
 *      daemon-admin log FILE URI...     the same, then lets the daemon log its block layer to FILE
 *                                       too, prints "ready", waits for the end of standard input
 *                                       and takes what it added out of the settings again: others
 *                                       may have changed them meanwhile
 *
 * The daemon is that of the first URI whose socket is there.
 *
 * A program of its own for two reasons. libvirt-admin and libvirt cannot be used in one process:
 * both register the same GObject types (seen with libvirt 9.0). And the settings must be put
 * back even when the client is killed: the end of its pipe tells us. When this program is killed
 * too, the next one finds what it left (log-settings.h).
 *
 * Not for people. Exit status 0, or 1 with the reason on standard error.
 */
#include "config.h"

#include <libvirt/libvirt-admin.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>

#include <glib.h>

#include "include/vext-i18n.h"
#include "plugin/admin/connection.h"
#include "plugin/admin/daemon-log.h"

static void quiet(void *data, virErrorPtr error)
{
}

/** Values are of the daemon's making; a newline in one must not look like another line. */
static void show(const char *name, const char *value)
{
    g_autofree char *escaped = g_strescape(value, NULL);

    printf("%s\t%s\n", name, escaped);
}

/** The server that clients of the driver connect to. */
static virAdmServerPtr main_server(virAdmConnectPtr admin)
{
    virAdmServerPtr server = virAdmConnectLookupServer(admin, "libvirtd", 0);

    return server ? server : virAdmConnectLookupServer(admin, "virtqemud", 0);
}

static void show_params(virTypedParameterPtr params, int n)
{
    for (int i = 0; i < n; i++)
        if (params[i].type == VIR_TYPED_PARAM_UINT)
            printf("%s\t%u\n", params[i].field, params[i].value.ui);
}

static void show_client(virAdmClientPtr client)
{
    static const char *const transports[] = { "unix", "tcp", "tls" };
    int transport = virAdmClientGetTransport(client);
    g_autoptr(GString) text = g_string_new(NULL);
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
    show("client", text->str);
}

/** The settings, and of what dead processes left in them the files and what puts it back. */
static void show_log(virAdmConnectPtr admin)
{
    g_auto(LogSettings) s = { NULL, NULL };
    g_autoptr(GPtrArray) left = NULL;
    char *text = NULL;

    if (virAdmConnectGetLoggingFilters(admin, &text, 0) >= 0)
        show("filters", text ? text : "");
    free(text);
    text = NULL;
    if (virAdmConnectGetLoggingOutputs(admin, &text, 0) >= 0)
        show("outputs", text ? text : "");
    free(text);
    if (!daemon_log_read(admin, &s))
        return;
    left = daemon_log_take_left(&s);
    for (guint i = 0; i < left->len; i++)
        show("left", g_ptr_array_index(left, i));
    if (left->len) {
        char *uri = virAdmConnectGetURI(admin);
        g_autofree char *commands = log_settings_commands(&s, uri ? uri : "");

        show("remedy", commands);
        free(uri);
    }
}

static int cmd_show(virAdmConnectPtr admin)
{
    virAdmServerPtr server = main_server(admin);
    virAdmClientPtr *clients = NULL;
    virTypedParameterPtr params = NULL;
    int n = 0;

    show_log(admin);
    if (!server)
        return 0;
    if (virAdmServerGetThreadPoolParameters(server, &params, &n, 0) == 0)
        show_params(params, n);
    virTypedParamsFree(params, n);
    params = NULL;
    n = 0;
    if (virAdmServerGetClientLimits(server, &params, &n, 0) == 0)
        show_params(params, n);
    virTypedParamsFree(params, n);
    n = virAdmServerListClients(server, &clients, 0);
    for (int i = 0; i < n; i++) {
        show_client(clients[i]);
        virAdmClientFree(clients[i]);
    }
    free(clients);
    virAdmServerFree(server);
    return 0;
}

static int cmd_tidy(virAdmConnectPtr admin)
{
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
    int rc = daemon_log_put_back(admin, files);

    for (guint i = 0; i < files->len; i++)
        show("left", g_ptr_array_index(files, i));
    return rc;
}

int main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    gboolean log = g_str_equal(verb, "log"), tidy = g_str_equal(verb, "tidy");
    int first = log ? 3 : 2;
    virAdmConnectPtr admin;
    int rc;

    vext_i18n_init();
    virSetErrorFunc(NULL, quiet);
    if (argc <= first || (!log && !tidy && !g_str_equal(verb, "show"))) {
        fprintf(stderr, "usage: daemon-admin show URI... | tidy URI... | log FILE URI...\n");
        return 1;
    }
    if (virAdmInitialize() < 0 || !(admin = connection_open(argv + first)))
        return connection_open_failed();
    rc = log ? daemon_log(&admin, argv + first, argv[2])
             : tidy ? cmd_tidy(admin) : cmd_show(admin);
    if (admin)
        virAdmConnectClose(admin);
    return rc;
}
