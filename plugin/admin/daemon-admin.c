/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * daemon-admin: the part of virsh-ext that talks to a daemon's admin socket
 *
 *      daemon-admin show URI...         what the daemon says of itself, "name<TAB>value" lines
 *      daemon-admin log FILE URI...     lets the daemon log its block layer to FILE too, prints
 *                                       "ready", waits for the end of standard input and takes
 *                                       what it added out of the settings again: others may
 *                                       have changed them meanwhile
 *
 * The daemon is that of the first URI whose socket is there.
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

/* --- the log ---------------------------------------------------------------------------------- */

typedef struct {
    GPtrArray *filters, *outputs; /* char * */
} Settings;

static void settings_clear(Settings *s)
{
    g_clear_pointer(&s->filters, g_ptr_array_unref);
    g_clear_pointer(&s->outputs, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Settings, settings_clear)

static GPtrArray *words_of(const char *text)
{
    GPtrArray *words = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) all = g_strsplit(text ? text : "", " ", -1);

    for (gsize i = 0; all[i]; i++)
        if (*all[i])
            g_ptr_array_add(words, g_strdup(all[i]));
    return words;
}

/* libvirt puts a "*" on either side of a filter's name and tells it so; given back to it like
 * that it would have one more each time. */
static void take_stars(char *filter)
{
    char *name = strchr(filter, ':');
    gsize stars, length;

    if (!name)
        return;
    stars = strspn(++name, "*");
    length = strlen(name + stars);
    memmove(name, name + stars, length + 1);
    while (length && name[length - 1] == '*')
        name[--length] = '\0';
}

static gboolean settings_read(virAdmConnectPtr admin, Settings *s)
{
    char *filters = NULL, *outputs = NULL;
    gboolean ok = virAdmConnectGetLoggingFilters(admin, &filters, 0) >= 0 &&
                  virAdmConnectGetLoggingOutputs(admin, &outputs, 0) >= 0;

    if (ok) {
        s->filters = words_of(filters);
        s->outputs = words_of(outputs);
        for (guint i = 0; i < s->filters->len; i++)
            take_stars(g_ptr_array_index(s->filters, i));
    }
    free(filters);
    free(outputs);
    return ok;
}

static char *joined(GPtrArray *words)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < words->len; i++)
        g_string_append_printf(text, "%s%s", i ? " " : "", (char *) words->pdata[i]);
    return g_string_free(text, FALSE);
}

static gboolean settings_write(virAdmConnectPtr admin, const Settings *s)
{
    g_autofree char *filters = joined(s->filters), *outputs = joined(s->outputs);

    return virAdmConnectSetLoggingOutputs(admin, outputs, 0) >= 0 &&
           virAdmConnectSetLoggingFilters(admin, filters, 0) >= 0;
}

static void remove_one(GPtrArray *words, const char *word)
{
    guint i;

    if (g_ptr_array_find_with_equal_func(words, word, g_str_equal, &i))
        g_ptr_array_remove_index(words, i);
}

static int end_log(virAdmConnectPtr admin, GPtrArray *ours, const char *output)
{
    g_auto(Settings) now = { NULL, NULL };
    g_autofree char *filters = NULL, *outputs = NULL;

    if (!settings_read(admin, &now))
        return fail();
    for (guint i = 0; i < ours->len; i++)
        remove_one(now.filters, g_ptr_array_index(ours, i));
    remove_one(now.outputs, output);
    if (settings_write(admin, &now))
        return 0;
    fail();
    filters = joined(now.filters);
    outputs = joined(now.outputs);
    fprintf(stderr, _("Set filters '%s' and outputs '%s' with virt-admin\n"), filters, outputs);
    return 1;
}

static int cmd_log(virAdmConnectPtr admin, const char *file)
{
    g_autoptr(GPtrArray) ours = words_of(LOG_FILTERS);
    g_autofree char *output = g_strdup_printf("1:file:%s", file);
    g_auto(Settings) with_ours = { NULL, NULL };
    char buffer[256];

    if (!settings_read(admin, &with_ours))
        return fail();
    /* The first matching filter counts: ours stand in front. */
    for (guint i = 0; i < ours->len; i++)
        g_ptr_array_insert(with_ours.filters, (int) i, g_strdup(g_ptr_array_index(ours, i)));
    g_ptr_array_add(with_ours.outputs, g_strdup(output));

    /* A terminal's Ctrl-C reaches this process too; its end is the end of the pipe alone. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);

    if (!settings_write(admin, &with_ours)) {
        fail();
        end_log(admin, ours, output);
        return 1;
    }
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        ssize_t got = read(STDIN_FILENO, buffer, sizeof(buffer));
        if (got == 0 || (got < 0 && errno != EINTR))
            break;
    }
    return end_log(admin, ours, output);
}

static virAdmConnectPtr open_first(char **uris)
{
    for (; *uris; uris++) {
        virAdmConnectPtr admin = virAdmConnectOpen(*uris, 0);
        virErrorPtr error = virGetLastError();

        if (admin || !uris[1])
            return admin;
        /* int1 is the errno. A daemon that does not run may have left its socket. */
        if (!error || error->code != VIR_ERR_SYSTEM_ERROR ||
            (error->int1 != ENOENT && error->int1 != ECONNREFUSED))
            return NULL;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    gboolean log = argc > 1 && strcmp(argv[1], "log") == 0;
    int first = log ? 3 : 2;
    virAdmConnectPtr admin;
    int rc;

    vext_i18n_init();
    virSetErrorFunc(NULL, quiet);
    if (argc <= first || (!log && strcmp(argv[1], "show") != 0)) {
        fprintf(stderr, "usage: daemon-admin show URI... | log FILE URI...\n");
        return 1;
    }
    if (virAdmInitialize() < 0 || !(admin = open_first(argv + first)))
        return fail();
    rc = log ? cmd_log(admin, argv[2]) : cmd_show(admin);
    virAdmConnectClose(admin);
    return rc;
}
