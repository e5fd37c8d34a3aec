/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hello.c: a plugin for virsh-ext with one command, to start from
 *
 * It needs the installed header only. Build and try it, from its own folder:
 *
 *      make
 *      VIRSH_EXT_PLUGIN_PATH=$PWD virsh-ext hello Bob
 */
#include <virsh-ext-plugin.h>

static const VextOptDef opts_hello[] = {
    { .name = "name", .type = VEXT_OPT_STRING, .flags = VEXT_OPT_POSITIONAL,
      .help = "whom to greet" },
    { .name = NULL },
};

static int cmd_hello(VextHost *host, const VextCmd *cmd)
{
    const char *name = host->opt_string(cmd, "name");

    host->print(host, "Hello ");
    host->print(host, name ? name : "world");
    host->print(host, "\n");
    return VEXT_OK;
}

static const VextCmdDef commands[] = {
    { .name = "hello", .handler = cmd_hello, .opts = opts_hello,
      .summary = "greet", .description = "Greet somebody." },
    { .name = NULL },
};

static const VextPlugin plugin = {
    .size = sizeof(VextPlugin), .api = VEXT_PLUGIN_API,
    .name = "hello", .version = "1",
    .group_name = "Greetings", .group_keyword = "greetings",
    .commands = commands,
};

const VextPlugin *virsh_ext_plugin_init(const VextHost *host)
{
    return &plugin;
}
