/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * help.h: help about own commands, and virsh's lists with ours among them
 */
#ifndef VEXT_HELP_H
#define VEXT_HELP_H

#include "virsh-ext/session.h"

/* `help COMMAND`; @name: as it was called. Returns: the exit status. */
int vext_help_command(VextSession *s, const VextCmdDef *def, const char *name);

/*
 * `help [TOPIC]`: the list of all groups, one of our groups, one of our commands.
 * @topic: NULL or "" for the list
 * Returns: the exit status
 */
int vext_help_topic(VextSession *s, const char *topic);

/* `virsh-ext --help`. Returns: the exit status. */
int vext_help_usage(VextSession *s);

/* `-v` (short) and `-V`: virsh's version and ours. Returns: the exit status. */
int vext_help_version(VextSession *s, bool longer);

#endif
