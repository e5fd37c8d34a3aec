/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cmd.h: the plugin's commands as ext.c registers them
 *
 * One file cmd-NAME.c per command defines its options (opts_...), the pairs that exclude or
 * require each other, and its handler (cmd_...).
 */
#pragma once

#include "include/virsh-ext-plugin.h"

extern const VextOptDef opts_chain_repair[];
int cmd_chain_repair(VextHost *host, const VextCmd *cmd);

extern const VextOptDef opts_chain_show[];
extern const VextOptPair exclusive_chain_show[];
int cmd_chain_show(VextHost *host, const VextCmd *cmd);

extern const VextOptDef opts_host_check[];
int cmd_host_check(VextHost *host, const VextCmd *cmd);

extern const VextOptDef opts_snapshot_delete[];
extern const VextOptPair exclusive_snapshot_delete[];
int cmd_snapshot_delete(VextHost *host, const VextCmd *cmd);
bool claims_snapshot_delete(VextHost *host, const VextCmd *cmd);

extern const VextOptDef opts_snapshot_revert[];
extern const VextOptPair exclusive_snapshot_revert[];
int cmd_snapshot_revert(VextHost *host, const VextCmd *cmd);
bool claims_snapshot_revert(VextHost *host, const VextCmd *cmd);
