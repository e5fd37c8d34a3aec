/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ext.c: the plugin's table of commands
 */
#include "config.h"

#include <glib.h>

#include "plugin/cmd.h"
#include "include/vext-i18n.h"

static const VextCmdDef commands[] = {
    {
        .name = "chain-repair",
        .handler = cmd_chain_repair,
        .opts = opts_chain_repair,
        .summary = N_("finish or undo what was interrupted, correct stale snapshots"),
        .description = N_("Finish an operation on external snapshots that was interrupted, or "
                          "undo it with --abort where that loses nothing. Take over block jobs "
                          "that were left running, and correct snapshots that a manual "
                          "blockcommit, blockpull or blockcopy left stale."),
    },
    {
        .name = "chain-show",
        .handler = cmd_chain_show,
        .opts = opts_chain_show,
        .exclusive = exclusive_chain_show,
        .summary = N_("show the images behind a domain's disks and its snapshots"),
        .description = N_("Show every image behind every disk of a domain, running or shut off, "
                          "and which snapshot each image belongs to."),
    },
    {
        .name = "host-check",
        .handler = cmd_host_check,
        .opts = opts_host_check,
        .summary = N_("show what a connection can do for external snapshots"),
        .description = N_("Check what this connection can do for external snapshots: versions, "
                          "helper domains, image locking, storage pools, and the daemon's own "
                          "settings where its admin socket can be reached."),
    },
    {
        .name = "snapshot-delete-external",
        .handler = cmd_snapshot_delete,
        .opts = opts_snapshot_delete,
        .exclusive = exclusive_snapshot_delete,
        .summary = N_("delete external snapshots"),
        .description = N_("Delete external snapshots of a domain, running or shut off, and keep "
                          "everything else: what the guest sees and the state of every snapshot "
                          "that stays. Several names, --children and --all are one operation."),
        .takes_over = "snapshot-delete",
        .claims = claims_snapshot_delete,
    },
    {
        .name = "snapshot-revert-external",
        .handler = cmd_snapshot_revert,
        .opts = opts_snapshot_revert,
        .exclusive = exclusive_snapshot_revert,
        .summary = N_("revert a domain to an external snapshot"),
        .description = N_("Put disks, memory (if the snapshot has it) and configuration back to an "
                          "external snapshot, by new overlays on its images. Every snapshot stays "
                          "as it is; what was written since the newest one is discarded."),
        .takes_over = "snapshot-revert",
        .claims = claims_snapshot_revert,
    },
    { .name = NULL },
};

static const VextPlugin plugin = {
    .size = sizeof(VextPlugin),
    .api = VEXT_PLUGIN_API,
    .name = "snapshots",
    .version = PACKAGE_VERSION,
    .group_name = N_("External snapshots"),
    .group_keyword = "external",
    .commands = commands,
};

const VextPlugin *virsh_ext_plugin_init(const VextHost *host)
{
    return &plugin;
}
