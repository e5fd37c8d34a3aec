/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * daemon-admin: the part of virsh-ext that talks to a daemon's admin socket
 *
 *      daemon-admin URI show            what the daemon says of itself, "name<TAB>value" lines
 *      daemon-admin URI log FILE        lets the daemon log its block layer to FILE too, prints
 *                                       "ready", waits for the end of standard input and puts
 *                                       the settings back
 *
 * A program of its own for two reasons. libvirt-admin and libvirt cannot be used in one process:
 * both register the same GObject types (seen with libvirt 9.0). And the settings must be put
 * back even when the client is killed: the end of its pipe tells us.
 *
 * Not for people. Exit status 0, or 1 with the reason on standard error.
 */
#include "config.h"

#include <errno.h>
#include <libvirt/libvirt-admin.h>
#include <libvirt/virterror.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "include/vext-i18n.h"

/* The parts of the daemon that create images, run block jobs and talk to QEMU about them. */
#define LOG_FILTERS \
    "1:qemu.qemu_block 1:qemu.qemu_blockjob 1:qemu.qemu_snapshot 1:qemu.qemu_monitor " \
    "1:qemu.qemu_driver"

static void quiet(void *data, virErrorPtr error)
{
}

static int fail(void)
{
    virErrorPtr error = virGetLastError();

    fprintf(stderr, "%s\n", error && error->message ? error->message : "unknown error");
    return 1;
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

static int cmd_show(virAdmConnectPtr admin)
{
    virAdmServerPtr server = main_server(admin);
    virAdmClientPtr *clients = NULL;
    virTypedParameterPtr params = NULL;
    char *text = NULL;
    int n = 0;

    if (virAdmConnectGetLoggingFilters(admin, &text, 0) >= 0)
        show("filters", text ? text : "");
    free(text);
    text = NULL;
    if (virAdmConnectGetLoggingOutputs(admin, &text, 0) >= 0)
        show("outputs", text ? text : "");
    free(text);
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

static int cmd_log(virAdmConnectPtr admin, const char *file)
{
    g_autofree char *filters = NULL, *outputs = NULL;
    char *old_filters = NULL, *old_outputs = NULL;
    char buffer[256];

    if (virAdmConnectGetLoggingFilters(admin, &old_filters, 0) < 0 ||
        virAdmConnectGetLoggingOutputs(admin, &old_outputs, 0) < 0)
        return fail();
    old_filters = old_filters ? old_filters : strdup("");
    old_outputs = old_outputs ? old_outputs : strdup("");

    /* A terminal's Ctrl-C reaches this process too; its end is the end of the pipe alone. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);

    /* The first matching filter counts: ours stand in front. */
    filters = g_strjoin(*old_filters ? " " : "", LOG_FILTERS, old_filters, NULL);
    outputs = g_strdup_printf("%s%s1:file:%s", old_outputs, *old_outputs ? " " : "", file);
    if (virAdmConnectSetLoggingOutputs(admin, outputs, 0) < 0)
        return fail();
    if (virAdmConnectSetLoggingFilters(admin, filters, 0) < 0) {
        int rc = fail();
        virAdmConnectSetLoggingOutputs(admin, old_outputs, 0);
        return rc;
    }
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        ssize_t got = read(STDIN_FILENO, buffer, sizeof(buffer));
        if (got == 0 || (got < 0 && errno != EINTR))
            break;
    }
    if (virAdmConnectSetLoggingFilters(admin, old_filters, 0) < 0 ||
        virAdmConnectSetLoggingOutputs(admin, old_outputs, 0) < 0) {
        fail();
        fprintf(stderr, _("Set filters '%s' and outputs '%s' with virt-admin\n"), old_filters,
                old_outputs);
        return 1;
    }
    free(old_filters);
    free(old_outputs);
    return 0;
}

int main(int argc, char **argv)
{
    virAdmConnectPtr admin;
    int rc = 1;

    vext_i18n_init();
    virSetErrorFunc(NULL, quiet);
    if (argc < 3) {
        fprintf(stderr, "usage: daemon-admin URI show | URI log FILE\n");
        return 1;
    }
    if (virAdmInitialize() < 0 || !(admin = virAdmConnectOpen(argv[1], 0)))
        return fail();
    if (strcmp(argv[2], "show") == 0 && argc == 3)
        rc = cmd_show(admin);
    else if (strcmp(argv[2], "log") == 0 && argc == 4)
        rc = cmd_log(admin, argv[3]);
    virAdmConnectClose(admin);
    return rc;
}
