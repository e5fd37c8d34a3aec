/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cmd-chain-show.c: chain-show
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "include/vext-i18n.h"
#include "plugin/backend/domain.h"
#include "plugin/backend/read.h"
#include "plugin/cmd.h"
#include "plugin/complete.h"
#include "plugin/journal/journal.h"
#include "plugin/operation.h"
#include "plugin/text/chain-text.h"

static char **complete_disks(VextHost *host, const VextCmd *cmd, const char *prefix)
{
    const char *domain = host->opt_string(cmd, "domain");
    virConnectPtr conn = domain ? host->connect_quietly(host) : NULL;

    return conn ? backend_list_disk_targets(conn, domain) : NULL;
}

/* The last of several columns, in the case that was typed; what came before it stays in front. */
static char **complete_columns(VextHost *host, const VextCmd *cmd, const char *prefix)
{
    const char *const *names = text_chain_column_names();
    const char *comma = strrchr(prefix, ',');
    int before = comma ? comma + 1 - prefix : prefix[0] == '+';
    guint n = g_strv_length((char **) names);
    char **found = calloc(n + 1, sizeof(*found));
    gboolean upper = g_ascii_isupper(prefix[before]);
    guint i;

    for (i = 0; found && i < n; i++) {
        g_autofree char *name = upper ? g_ascii_strup(names[i], -1)
                                      : g_ascii_strdown(names[i], -1);

        if (asprintf(&found[i], "%.*s%s", before, prefix, name) < 0)
            found[i] = NULL;
    }
    return found;
}

const VextOptDef opts_chain_show[] = {
    { "domain", VEXT_OPT_STRING, VEXT_OPT_POSITIONAL, N_("domain name, id or uuid"),
      complete_domain },
    { "disk", VEXT_OPT_STRING, 0, N_("only this disk: its target, such as vda"),
      complete_disks },
    { "all", VEXT_OPT_BOOL, 0, N_("all domains of the connection"), NULL },
    { "tree", VEXT_OPT_BOOL, 0, N_("print a tree for each disk (the default)"), NULL },
    { "table", VEXT_OPT_BOOL, 0, N_("print a table"), NULL },
    { "json", VEXT_OPT_BOOL, 0, N_("print JSON"), NULL },
    { "columns", VEXT_OPT_STRING, 0, N_("the table's columns, separated by commas"),
      complete_columns },
    { "bytes", VEXT_OPT_BOOL, 0, N_("print sizes in bytes"), NULL },
    { "orphans", VEXT_OPT_BOOL, 0,
      N_("also look for images on the chain that no domain and no snapshot uses"), NULL },
    { "check", VEXT_OPT_BOOL, 0, N_("print only what is wrong; fail if anything is"), NULL },
    { NULL },
};

const VextOptPair exclusive_chain_show[] = {
    { "domain", "all" },
    { "tree", "table" },
    { "tree", "json" },
    { "table", "json" },
    { "columns", "tree" },
    { "columns", "json" },
    { NULL, NULL },
};

static void fail(VextHost *host, const char *what, const GError *error)
{
    operation_print_error(host, what);
    operation_print_error(host, error->message);
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    const TextDomain *x = a, *y = b;

    return g_strcmp0(x->domain->name, y->domain->name);
}

static void clear_domain(gpointer data)
{
    text_domain_clear(data);
}

/* As virsh's commands fail when they could not do all of what they were asked for. */
static gboolean print_problems(VextHost *host, const TextDomain *domains, gsize n)
{
    gboolean ok = TRUE;

    for (gsize i = 0; i < n; i++) {
        const ChainDomain *d = domains[i].domain;
        g_autofree char *what = NULL;

        if (!d->problem)
            continue;
        what = g_strdup_printf(_("Failed to read domain '%s'"), d->name);
        operation_print_error(host, what);
        operation_print_error(host, d->problem);
        ok = FALSE;
    }
    return ok;
}

static int show(VextHost *host, const VextCmd *cmd, const TextDomain *domains, gsize n)
{
    const char *disk = host->opt_string(cmd, "disk");
    const char *columns = host->opt_string(cmd, "columns");
    gboolean all = host->opt_bool(cmd, "all");
    gboolean check = host->opt_bool(cmd, "check");
    TextOptions options = text_terminal_options(STDOUT_FILENO);
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;

    options.bytes = host->opt_bool(cmd, "bytes");
    options.several = all;
    options.quiet = host->is_quiet(host);
    if (host->opt_bool(cmd, "json"))
        text = text_chain_json(domains, n, disk, all);
    else if (check)
        text = text_chain_findings(domains, n, disk, &options);
    else if (columns || host->opt_bool(cmd, "table"))
        text = text_chain_table(domains, n, disk, columns, &options, &error);
    else
        text = text_chain_tree(domains, n, disk, &options);
    if (error) {
        operation_print_error(host, error->message);
        return VEXT_FAILED;
    }
    host->print(host, text);
    if (!host->opt_bool(cmd, "json")) {
        g_autoptr(GPtrArray) warnings = text_chain_warnings(domains, n);

        for (guint i = 0; i < warnings->len; i++)
            operation_print_warning(host, g_ptr_array_index(warnings, i));
    }
    if (!print_problems(host, domains, n))
        return VEXT_FAILED;
    return check && text_chain_count_findings(domains, n, disk) ? VEXT_FAILED : VEXT_OK;
}

static gboolean has_disk(const ChainDomain *d, const char *target)
{
    g_autoptr(GPtrArray) disks = chain_domain_all_disks(d);

    for (guint i = 0; i < disks->len; i++) {
        if (g_strcmp0(((const ChainDisk *) g_ptr_array_index(disks, i))->target, target) == 0)
            return TRUE;
    }
    return FALSE;
}

int cmd_chain_show(VextHost *host, const VextCmd *cmd)
{
    const char *name = host->opt_string(cmd, "domain");
    const char *disk = host->opt_string(cmd, "disk");
    gboolean all = host->opt_bool(cmd, "all");
    g_autoptr(GArray) shown = g_array_new(FALSE, TRUE, sizeof(TextDomain));
    g_autoptr(GError) error = NULL;
    g_autoptr(virDomain) dom = NULL;
    g_autoptr(ChainGraph) graph = NULL;
    BackendReadOptions opt = {
        .partial = TRUE,
        .complete = TRUE,
        .scan_orphans = host->opt_bool(cmd, "orphans"),
        .undefined = all,
        .domain_of_helper = journal_domain_of_helper,
        .operation_from_xml = journal_operation_from_xml,
    };
    virConnectPtr conn;
    guint i;

    g_array_set_clear_func(shown, clear_domain);
    if (!name && !all) {
        host->error(host, _("command 'chain-show' requires <domain> option or --all"));
        return VEXT_FAILED;
    }
    conn = host->connect(host);
    if (!conn)
        return VEXT_FAILED;
    backend_errors_quiet(conn);
    if (name) {
        dom = backend_domain_by_word(conn, name, &error);
        if (!dom) {
            g_autofree char *what = g_strdup_printf(_("failed to get domain '%s'"), name);

            fail(host, what, error);
            return VEXT_FAILED;
        }
        opt.domain = dom;
    }
    graph = backend_read_graph(conn, &opt, &error);
    if (!graph) {
        fail(host, _("Failed to read the images and snapshots"), error);
        return VEXT_FAILED;
    }
    for (i = 0; i < (name ? 1 : graph->domains->len); i++) {
        ChainDomain *d = g_ptr_array_index(graph->domains, i);
        TextDomain td = { 0 };

        if (disk && !has_disk(d, disk)) {
            g_autofree char *what = NULL;

            if (all)
                continue;
            what = g_strdup_printf(_("Domain '%s' has no disk '%s'"), d->name, disk);
            operation_print_error(host, what);
            return VEXT_FAILED;
        }
        text_domain_init(&td, graph, d);
        g_array_append_val(shown, td);
    }
    g_array_sort(shown, by_name);
    return show(host, cmd, (const TextDomain *) shown->data, shown->len);
}
