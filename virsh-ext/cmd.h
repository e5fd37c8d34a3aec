/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cmd.h: the registry of own commands, and the checks of their tables
 *
 *      NAME.so            the plugin; links libvirt, so loading it costs about 10 ms
 *      NAME.commands      optional, beside it: "group KEYWORD NAME", then a line for each command,
 *                         "COMMAND" or "COMMAND takes-over STOCK", a tab and its summary
 *
 * With the second file the registry knows which words are own commands without loading the first
 * one; the plugin is loaded when one of them is used. Without it the plugin is loaded at once.
 */
#ifndef VEXT_CMD_H
#define VEXT_CMD_H

#include "include/virsh-ext-plugin.h"
#include "virsh-ext/util.h"

struct VextSession;

/* What is known about a command before its plugin is loaded. */
typedef struct {
    char *name;
    char *takes_over; /* or NULL */
    char *summary;
} VextManifestEntry;

typedef struct {
    char *path;                 /* of the module */
    bool has_manifest;
    VextManifestEntry *entries; /* of the manifest */
    size_t nentries;
    size_t cap;
    char *group_keyword;        /* of the manifest, may be NULL */
    char *group_name;
    bool tried;                 /* loading was tried */
    const VextPlugin *plugin;   /* NULL until loaded, and when that failed */
} VextModule;

typedef struct {
    VextModule *modules;
    size_t nmodules;
    size_t cap;
    bool scanned; /* the folders were searched */
} VextRegistry;

/* Whether virsh has a command of this name (stock.c). */
bool vext_is_stock_name(const char *name);

/* A table's self-check: returns NULL, or new the first thing that is wrong with it. */
char *vext_cmddef_check(const VextCmdDef *def);
/* The same for a plugin as a whole (size, number, names, all commands). */
char *vext_plugin_check(const VextPlugin *plugin);

/*
 * Makes a plugin known whose tables are in this program (for tests).
 * @plugin: passed vext_plugin_check()
 */
void vext_registry_add(VextRegistry *reg, const VextPlugin *plugin);

/*
 * The own command of this name; loads its plugin.
 * Returns: NULL when there is none.
 */
const VextCmdDef *vext_registry_find(struct VextSession *s, const char *name);

/* The own command that takes over the stock command @stock; loads its plugin. */
const VextCmdDef *vext_registry_find_takeover(struct VextSession *s, const char *stock);

/* Whether there is any own command. */
bool vext_registry_any(struct VextSession *s);

/* The plugin whose group is called so (keyword, or name), or NULL. Loads plugins. */
const VextPlugin *vext_registry_find_group(struct VextSession *s, const char *name);

/* What `help` says about a plugin. Untranslated, borrowed. */
typedef struct {
    const char *name;
    const char *keyword;
    const char *const *commands;  /* names, NULL-terminated */
    const char *const *summaries; /* of the same length */
} VextGroup;

/*
 * Calls @function for the group of every plugin; loads only those without a manifest.
 */
void vext_registry_groups(struct VextSession *s,
                          void (*function)(void *opaque, const VextGroup *group), void *opaque);

/*
 * Goes through the loaded plugins; loads them all on the first call.
 * @i: from 0 on
 * Returns: NULL behind the last one.
 */
const VextPlugin *vext_registry_plugin(struct VextSession *s, size_t *i);

/* Adds the names of all own commands; loads only plugins without a manifest. */
void vext_registry_names(struct VextSession *s, VextStrv *names);

/* Returns new the manifest that belongs to @plugin. */
char *vext_manifest_text(const VextPlugin *plugin);

/*
 * Checks all tables and manifests, printing what is wrong.
 * Returns: the exit status
 */
int vext_self_test(struct VextSession *s);

#endif
