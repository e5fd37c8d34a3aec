/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cmd-chain-show.c: chain-show
 */
#include "config.h"

#include <glib.h>

#include "plugin/cmd.h"
#include "include/vext-i18n.h"

const VextOptDef opts_chain_show[] = {
    { "domain", VEXT_OPT_STRING, VEXT_OPT_POSITIONAL, N_("domain name, id or uuid"), NULL },
    { "disk", VEXT_OPT_STRING, 0, N_("only this disk: its target, such as vda"), NULL },
    { "all", VEXT_OPT_BOOL, 0, N_("all domains of the connection"), NULL },
    { "tree", VEXT_OPT_BOOL, 0, N_("print a tree for each disk (the default)"), NULL },
    { "table", VEXT_OPT_BOOL, 0, N_("print a table"), NULL },
    { "json", VEXT_OPT_BOOL, 0, N_("print JSON"), NULL },
    { "columns", VEXT_OPT_STRING, 0, N_("the table's columns, separated by commas"), NULL },
    { "bytes", VEXT_OPT_BOOL, 0, N_("print sizes in bytes"), NULL },
    { "orphans", VEXT_OPT_BOOL, 0,
      N_("also look for images on the chain that no domain and no snapshot uses"), NULL },
    { "check", VEXT_OPT_BOOL, 0, N_("print only what is wrong; fail if anything is"), NULL },
    { NULL },
};

const VextOptPair exclusive_chain_show[] = {
    { "domain", "all" },
    { "disk", "all" },
    { "tree", "table" },
    { "tree", "json" },
    { "table", "json" },
    { "columns", "tree" },
    { "columns", "json" },
    { NULL, NULL },
};

int cmd_chain_show(VextHost *host, const VextCmd *cmd)
{
    host->error(host, _("Not there yet"));
    return VEXT_FAILED;
}
