/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * host.c: the functions that plugins get
 */
#include <config.h>

#include <assert.h>
#include <stdio.h>

#include "virsh-ext/output.h"
#include "virsh-ext/parse.h"
#include "virsh-ext/session.h"
#include "virsh-ext/signals.h"

/* The host is the session's first member. */
static VextSession *session(const VextHost *host)
{
    return (VextSession *)(void *)host;
}

/* A name that the table does not have is the plugin's mistake. */
static const VextOptVal *find(const VextCmd *cmd, const char *name)
{
    const VextOptDef *o = cmd->def->opts;

    while (o && o->name && !vext_streq(o->name, name))
        o++;
    assert(o && o->name);
    return vext_cmd_opt(cmd, name);
}

static bool opt_bool(const VextCmd *cmd, const char *name)
{
    return find(cmd, name) != NULL;
}

static const char *opt_string(const VextCmd *cmd, const char *name)
{
    const VextOptVal *v = find(cmd, name);

    return v ? v->value : NULL;
}

static int opt_number(VextHost *host, const VextCmd *cmd, const char *name,
                      unsigned long long min, unsigned long long max, unsigned long long *value)
{
    const VextOptVal *v = find(cmd, name);

    if (!v)
        return 0;
    if (vext_number_parse(v->value, min, max, value))
        return 1;
    vext_error(session(host),
               V_("Numeric value '%s' for <%s> option is malformed or out of range"), v->value,
               name);
    return -1;
}

static int opt_scaled(VextHost *host, const VextCmd *cmd, const char *name,
                      unsigned long long scale, unsigned long long max, unsigned long long *value)
{
    const VextOptVal *v = find(cmd, name);

    if (!v)
        return 0;
    if (vext_scaled_parse(v->value, scale, max, value))
        return 1;
    vext_error(session(host),
               V_("Scaled numeric value '%s' for <%s> option is malformed or out of range"),
               v->value, name);
    return -1;
}

static const char *const *opt_argv(const VextCmd *cmd, const char *name)
{
    find(cmd, name);
    return cmd->argv;
}

static const char *cmd_name(const VextCmd *cmd)
{
    return cmd->name;
}

static virConnectPtr host_connect(VextHost *host)
{
    return vext_conn_get(session(host), false);
}

static virConnectPtr host_connect_quietly(VextHost *host)
{
    return vext_conn_get(session(host), true);
}

static bool is_readonly(const VextHost *host)
{
    return session(host)->readonly;
}

static void print(VextHost *host, const char *text)
{
    fputs(text, stdout);
}

static void print_extra(VextHost *host, const char *text)
{
    vext_print_extra(session(host), text);
}

static void host_error(VextHost *host, const char *message)
{
    vext_session_set_reporting(session(host), true);
    vext_error(session(host), "%s", message);
}

static void host_warn(VextHost *host, const char *message)
{
    vext_warn(session(host), "%s", message);
}

static bool is_quiet(const VextHost *host)
{
    return session(host)->opts.quiet;
}

static bool interrupted(const VextHost *host)
{
    return vext_signals_interrupted();
}

static int interrupt_fd(const VextHost *host)
{
    return vext_signals_fd();
}

void vext_host_init(VextSession *s)
{
    static const VextHost host = {
        .size = sizeof(VextHost),
        .api = VEXT_PLUGIN_API,
        .opt_bool = opt_bool,
        .opt_string = opt_string,
        .opt_number = opt_number,
        .opt_scaled = opt_scaled,
        .opt_argv = opt_argv,
        .cmd_name = cmd_name,
        .connect = host_connect,
        .connect_quietly = host_connect_quietly,
        .is_readonly = is_readonly,
        .print = print,
        .print_extra = print_extra,
        .error = host_error,
        .warn = host_warn,
        .is_quiet = is_quiet,
        .interrupted = interrupted,
        .interrupt_fd = interrupt_fd,
    };

    s->host = host;
}
