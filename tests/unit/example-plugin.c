/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * example-plugin.c: a plugin with every kind of option, for the tests of the shell
 *
 * With -DEXAMPLE_... it becomes one of the bad plugins that the shell must refuse.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <unistd.h>

#include "virsh-ext-plugin.h"

static void printf_host(VextHost *host, const char *label, const char *text)
{
    host->print(host, label);
    host->print(host, text ? text : "(none)");
    host->print(host, "\n");
}

/* example-show: prints what the parser made of the line */
static int cmd_show(VextHost *host, const VextCmd *cmd)
{
    unsigned long long number = 0;
    unsigned long long size = 0;
    char text[64];
    int rc;

    printf_host(host, "name=", host->cmd_name(cmd));
    printf_host(host, "domain=", host->opt_string(cmd, "domain"));
    printf_host(host, "extra=", host->opt_string(cmd, "extra"));
    printf_host(host, "mode=", host->opt_string(cmd, "mode"));
    printf_host(host, "flag=", host->opt_bool(cmd, "flag") ? "yes" : "no");
    rc = host->opt_number(host, cmd, "timeout", 1, INT_MAX / 1000, &number);
    if (rc < 0)
        return VEXT_FAILED;
    snprintf(text, sizeof(text), "%d:%llu", rc, number);
    printf_host(host, "timeout=", text);
    rc = host->opt_scaled(host, cmd, "size", 1024, ULLONG_MAX, &size);
    if (rc < 0)
        return VEXT_FAILED;
    snprintf(text, sizeof(text), "%d:%llu", rc, size);
    printf_host(host, "size=", text);
    for (const char *const *w = host->opt_argv(cmd, "words"); *w; w++)
        printf_host(host, "word=", *w);
    printf_host(host, "readonly=", host->is_readonly(host) ? "yes" : "no");
    host->print_extra(host, "shown\n");
    return VEXT_OK;
}

/* example-uri: uses the connection */
static int cmd_uri(VextHost *host, const VextCmd *cmd)
{
    virConnectPtr conn = host->connect(host);
    char *uri = conn ? virConnectGetURI(conn) : NULL;
    char cwd[PATH_MAX];

    if (!uri)
        return VEXT_FAILED;
    printf_host(host, "uri=", uri);
    free(uri);
    printf_host(host, "cwd=", getcwd(cwd, sizeof(cwd)));
    return VEXT_OK;
}

/* example-status: ends as it is told to */
static int cmd_status(VextHost *host, const VextCmd *cmd)
{
    unsigned long long status = 0;

    if (host->opt_number(host, cmd, "status", 0, 255, &status) < 0)
        return VEXT_FAILED;
    if (status) {
        host->print(host, "half a line");
        host->error(host, "Failed to do as asked");
        host->warn(host, "It was asked for");
    }
    return (int)status;
}

/* example-wait: until it is interrupted */
static int cmd_wait(VextHost *host, const VextCmd *cmd)
{
    struct pollfd pfd = {.fd = host->interrupt_fd(host), .events = POLLIN};

    host->print(host, "waiting\n");
    fflush(stdout);
    if (host->opt_bool(cmd, "deaf")) {
        while (poll(&pfd, 1, -1) < 0)
            ;
        return VEXT_OK;
    }
    while (!host->interrupted(host))
        poll(&pfd, 1, 10000);
    host->error(host, "Interrupted");
    return VEXT_INCOMPLETE;
}

/* example-delete: what a take-over gets */
static int cmd_delete(VextHost *host, const VextCmd *cmd)
{
    printf_host(host, "own ", host->cmd_name(cmd));
    printf_host(host, "domain=", host->opt_string(cmd, "domain"));
    printf_host(host, "snapshotname=", host->opt_string(cmd, "snapshotname"));
    return VEXT_OK;
}

static bool claims_delete(VextHost *host, const VextCmd *cmd)
{
    const char *name = host->opt_string(cmd, "snapshotname");

    return name && strncmp(name, "ext", 3) == 0;
}

static char **complete_domain(VextHost *host, const VextCmd *cmd, const char *prefix)
{
    virConnectPtr conn = host->connect_quietly(host);
    virDomainPtr *doms = NULL;
    char **names;
    int n = conn ? virConnectListAllDomains(conn, &doms, 0) : -1;

    if (n < 0)
        return NULL;
    names = calloc((size_t)n + 1, sizeof(*names));
    for (int i = 0; i < n; i++) {
        if (names)
            names[i] = strdup(virDomainGetName(doms[i]));
        virDomainFree(doms[i]);
    }
    free(doms);
    return names;
}

static char **complete_mode(VextHost *host, const VextCmd *cmd, const char *prefix)
{
    static const char *const modes[] = {"auto", "commit", "pull", NULL};
    char **names = calloc(sizeof(modes) / sizeof(modes[0]), sizeof(*names));

    for (size_t i = 0; names && modes[i]; i++)
        names[i] = strdup(modes[i]);
    return names;
}

static const VextOptDef opts_show[] = {
    {"domain", VEXT_OPT_STRING, VEXT_OPT_REQUIRED | VEXT_OPT_POSITIONAL, "domain name, id or uuid",
     complete_domain},
    {"extra", VEXT_OPT_STRING, VEXT_OPT_POSITIONAL, "one more word", NULL},
    {"flag", VEXT_OPT_BOOL, 0, "a flag", NULL},
    {"other", VEXT_OPT_BOOL, 0, "a flag that excludes the first", NULL},
    {"mode", VEXT_OPT_STRING, VEXT_OPT_EMPTY_OK, "a word by name", complete_mode},
    {"timeout", VEXT_OPT_NUMBER, 0, "seconds", NULL},
    {"size", VEXT_OPT_NUMBER, 0, "a scaled number", NULL},
    {"words", VEXT_OPT_ARGV, 0, "more words", NULL},
    {NULL, 0, 0, NULL, NULL},
};

static const VextOptPair exclusive_show[] = {{"flag", "other"}, {NULL, NULL}};
static const VextOptPair requires_show[] = {{"size", "timeout"}, {NULL, NULL}};

static const VextOptDef opts_status[] = {
    {"status", VEXT_OPT_NUMBER, VEXT_OPT_REQUIRED | VEXT_OPT_POSITIONAL, "exit status", NULL},
    {NULL, 0, 0, NULL, NULL},
};

static const VextOptDef opts_wait[] = {
    {"deaf", VEXT_OPT_BOOL, 0, "do not look why the waiting ends", NULL},
    {NULL, 0, 0, NULL, NULL},
};

static const VextOptDef opts_delete[] = {
    {"domain", VEXT_OPT_STRING, VEXT_OPT_REQUIRED | VEXT_OPT_POSITIONAL, "domain name, id or uuid",
     complete_domain},
    {"snapshotname", VEXT_OPT_STRING, VEXT_OPT_POSITIONAL, "snapshot name", NULL},
    {"dry-run", VEXT_OPT_BOOL, 0, "change nothing", NULL},
    {NULL, 0, 0, NULL, NULL},
};

static const VextCmdDef commands[] = {
    {
        .name = "example-show",
        .handler = cmd_show,
        .opts = opts_show,
        .exclusive = exclusive_show,
        .requires_ = requires_show,
        .summary = "show how a command line is read",
        .description = "Prints every option as it was read.",
    },
    {
        .name = "example-uri",
        .handler = cmd_uri,
        .summary = "print the connection's URI",
        .description = "Prints the connection's URI and the working directory.",
    },
    {
        .name = "example-status",
        .handler = cmd_status,
        .opts = opts_status,
        .summary = "end with a status",
        .description = "Ends with the exit status that it is given.",
    },
    {
        .name = "example-wait",
        .handler = cmd_wait,
        .opts = opts_wait,
        .summary = "wait for a signal",
        .description = "Waits until it is interrupted.",
    },
    {
        .name = "example-delete",
        .handler = cmd_delete,
        .opts = opts_delete,
        .summary = "take over snapshot-delete",
        .description = "Stands for snapshot-delete of a snapshot whose name begins with ext.",
        .takes_over = "snapshot-delete",
        .claims = claims_delete,
    },
#ifdef EXAMPLE_STOCK_NAME
    {
        .name = "list",
        .handler = cmd_uri,
        .summary = "take a command away from virsh",
        .description = "Must not be possible.",
    },
#endif
#ifdef EXAMPLE_BAD_TABLE
    {.name = "example-bad", .handler = cmd_uri, .summary = "no description"},
#endif
    {.name = NULL},
};

static const VextPlugin plugin = {
    .size = sizeof(VextPlugin),
#ifdef EXAMPLE_BAD_API
    .api = VEXT_PLUGIN_API + 1,
#else
    .api = VEXT_PLUGIN_API,
#endif
#ifdef EXAMPLE_NAME
    .name = EXAMPLE_NAME,
#else
    .name = "example",
#endif
    .version = "1",
    .group_name = "Examples",
    .group_keyword = "example",
    .commands = commands,
};

const VextPlugin *virsh_ext_plugin_init(const VextHost *host)
{
#if defined(EXAMPLE_NULL)
    return NULL;
#elif defined(EXAMPLE_CRASH)
    abort();
#else
    return host->size >= sizeof(VextHost) ? &plugin : NULL;
#endif
}
