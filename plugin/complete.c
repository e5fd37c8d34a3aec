/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * complete.c: candidates for the values that several commands take
 */
#include "config.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "plugin/backend/domain.h"
#include "plugin/backend/snapshots.h"
#include "plugin/complete.h"
#include "plugin/journal/journal.h"

/* The shell frees with free(). */
static char **to_malloc(GPtrArray *names)
{
    char **list = calloc(names->len + 1, sizeof(*list));

    for (guint i = 0; list && i < names->len; i++)
        list[i] = strdup(g_ptr_array_index(names, i));
    return list;
}

char **complete_domain(VextHost *host, const VextCmd *cmd, const char *prefix)
{
    virConnectPtr conn = host->connect_quietly(host);
    g_autoptr(GPtrArray) all = conn ? backend_domain_names(conn, NULL) : NULL;
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    if (!all)
        return NULL;
    for (guint i = 0; i < all->len; i++) {
        g_autofree char *of = journal_domain_of_helper(g_ptr_array_index(all, i));

        if (!of)
            g_ptr_array_add(names, g_ptr_array_index(all, i));
    }
    return to_malloc(names);
}

char **complete_snapshot(VextHost *host, const VextCmd *cmd, const char *prefix)
{
    const char *word = host->opt_string(cmd, "domain");
    virConnectPtr conn = word ? host->connect_quietly(host) : NULL;
    g_autoptr(virDomain) dom = conn ? backend_domain_by_word(conn, word, NULL) : NULL;
    g_autoptr(GPtrArray) names = dom ? backend_snapshot_names(dom, NULL) : NULL;

    return names ? to_malloc(names) : NULL;
}

char **complete_direction(VextHost *host, const VextCmd *cmd, const char *prefix)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    g_ptr_array_add(names, (gpointer)"auto");
    g_ptr_array_add(names, (gpointer)"commit");
    g_ptr_array_add(names, (gpointer)"pull");
    return to_malloc(names);
}

char **complete_merged(VextHost *host, const VextCmd *cmd, const char *prefix)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    g_ptr_array_add(names, (gpointer)"commit");
    g_ptr_array_add(names, (gpointer)"pull");
    return to_malloc(names);
}
