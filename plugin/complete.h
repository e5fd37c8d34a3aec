/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * complete.h: candidates for the values that several commands take
 *
 * All are quiet and change nothing (VextCompleter).
 */
#pragma once

#include "include/virsh-ext-plugin.h"

/** Names of all domains but helpers. */
char **complete_domain(VextHost *host, const VextCmd *cmd, const char *prefix);
/** Names of the snapshots of the domain that the line names already. */
char **complete_snapshot(VextHost *host, const VextCmd *cmd, const char *prefix);
/** "auto", "commit", "pull". */
char **complete_direction(VextHost *host, const VextCmd *cmd, const char *prefix);
char **complete_merged(VextHost *host, const VextCmd *cmd, const char *prefix);
