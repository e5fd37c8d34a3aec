/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * loader.h: finds plugins and loads them
 *
 * Folders: those of VIRSH_EXT_PLUGIN_PATH, or the installed one. A file or folder that somebody
 * else could have written (group or others may write, or it belongs to another user who is not
 * root) is refused with a warning; so is a plugin of another interface number or with bad tables.
 */
#ifndef VEXT_LOADER_H
#define VEXT_LOADER_H

#include "virsh-ext/session.h"

/* Fills s->registry with what is in the folders; reads manifests; loads nothing. */
void vext_loader_scan(VextSession *s);

/* Loads a module once. Returns its tables, or NULL (the warning was printed the first time). */
const VextPlugin *vext_loader_load(VextSession *s, VextModule *module);

#endif
