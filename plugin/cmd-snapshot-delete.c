/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cmd-snapshot-delete.c: snapshot-delete-external
 */
#include "config.h"

#include <string.h>
#include <unistd.h>

#include "include/vext-i18n.h"
#include "plugin/backend/snapshots.h"
#include "plugin/complete.h"
#include "plugin/operation.h"
#include "plugin/text/plan-text.h"

const VextOptDef opts_snapshot_delete[] = {
    { "domain", VEXT_OPT_STRING, VEXT_OPT_REQUIRED | VEXT_OPT_POSITIONAL,
      N_("domain name, id or uuid"), complete_domain },
    { "current", VEXT_OPT_BOOL, 0, N_("delete the current snapshot"), NULL },
    { "children", VEXT_OPT_BOOL, 0, N_("delete the snapshot and all its children"), NULL },
    { "children-only", VEXT_OPT_BOOL, 0, N_("delete the children but not the snapshot"), NULL },
    { "all", VEXT_OPT_BOOL, 0, N_("delete all snapshots of the domain"), NULL },
    { "metadata", VEXT_OPT_BOOL, 0,
      N_("delete only libvirt's metadata, leave the images as they are"), NULL },
    { "unnamed", VEXT_OPT_BOOL, 0,
      N_("merge also the images above a snapshot that belong to none"), NULL },
    { "root", VEXT_OPT_BOOL, 0,
      N_("as --unnamed, and those below all snapshots too: they are no templates"), NULL },
    { "direction", VEXT_OPT_STRING, 0,
      N_("auto, commit or pull: how images are merged (default: the fewest bytes)"),
      complete_direction },
    { "keep-files", VEXT_OPT_BOOL, 0, N_("leave files that nobody needs any more"), NULL },
    { "bandwidth", VEXT_OPT_NUMBER, 0, N_("bandwidth limit in MiB/s"), NULL },
    { "bytes", VEXT_OPT_BOOL, 0,
      N_("the bandwidth limit is in bytes/s; sizes are printed in bytes"), NULL },
    { "timeout", VEXT_OPT_NUMBER, 0, N_("stop after so many seconds"), NULL },
    { "verbose", VEXT_OPT_BOOL, 0, N_("show the progress"), NULL },
    { "dry-run", VEXT_OPT_BOOL, 0, N_("change nothing, print what would be done"), NULL },
    { "json", VEXT_OPT_BOOL, 0, N_("print the plan as JSON"), NULL },
    { "daemon-log", VEXT_OPT_STRING, 0,
      N_("let the daemon log its block layer to this file of its host meanwhile"), NULL },
    { "snapshotname", VEXT_OPT_ARGV, VEXT_OPT_POSITIONAL, N_("snapshot name"),
      complete_snapshot },
    { NULL },
};

const VextOptPair exclusive_snapshot_delete[] = {
    { "current", "snapshotname" },
    { "all", "snapshotname" },
    { "all", "current" },
    { "all", "children" },
    { "all", "children-only" },
    { "children", "children-only" },
    { "metadata", "direction" },
    { "metadata", "unnamed" },
    { "metadata", "root" },
    { NULL, NULL },
};

typedef struct {
    PlanRequest request;
    guint64 bandwidth, timeout;
    gboolean verbose, dry_run, json, bytes;
    char *daemon_log; /* or NULL */
    gboolean taken_over; /* typed as virsh's own snapshot-delete */
} DeleteOptions;

static gboolean read_direction(VextHost *host, const char *word, PlanDirection *direction)
{
    g_autofree char *message = NULL;

    if (!word || g_str_equal(word, "auto"))
        *direction = PLAN_AUTO;
    else if (g_str_equal(word, "commit"))
        *direction = PLAN_COMMIT;
    else if (g_str_equal(word, "pull"))
        *direction = PLAN_PULL;
    else {
        message = g_strdup_printf(_("Unknown direction '%s': auto, commit or pull"), word);
        operation_print_error(host, message);
        return FALSE;
    }
    return TRUE;
}

/* Whether it is only about images that belong to no snapshot. */
static gboolean only_layers(const PlanRequest *request)
{
    return request->unnamed && !request->names->len && !request->current && !request->all &&
           !request->children && !request->children_only;
}

static gboolean read_options(VextHost *host, const VextCmd *cmd, DeleteOptions *o)
{
    const char *const *names = host->opt_argv(cmd, "snapshotname");
    unsigned long long number = 0;
    int rc;

    memset(o, 0, sizeof(*o));
    o->request.operation = PLAN_DELETE;
    o->request.names = g_ptr_array_new();
    for (; *names; names++)
        g_ptr_array_add(o->request.names, (gpointer)*names);
    o->request.current = host->opt_bool(cmd, "current");
    o->request.children = host->opt_bool(cmd, "children");
    o->request.children_only = host->opt_bool(cmd, "children-only");
    o->request.all = host->opt_bool(cmd, "all");
    o->request.metadata_only = host->opt_bool(cmd, "metadata");
    o->request.keep_files = host->opt_bool(cmd, "keep-files");
    o->request.root = host->opt_bool(cmd, "root");
    o->request.unnamed = o->request.root || host->opt_bool(cmd, "unnamed");
    o->verbose = host->opt_bool(cmd, "verbose");
    o->dry_run = host->opt_bool(cmd, "dry-run");
    o->json = host->opt_bool(cmd, "json");
    o->bytes = host->opt_bool(cmd, "bytes");
    o->taken_over = g_str_equal(host->cmd_name(cmd), "snapshot-delete");
    if (!operation_daemon_log(host, cmd, &o->daemon_log))
        return FALSE;
    if (!read_direction(host, host->opt_string(cmd, "direction"), &o->request.direction))
        return FALSE;
    if (o->bytes)
        rc = host->opt_scaled(host, cmd, "bandwidth", 1, G_MAXINT64, &number);
    else
        rc = host->opt_number(host, cmd, "bandwidth", 0, G_MAXINT64 >> 20, &number);
    if (rc < 0)
        return FALSE;
    o->bandwidth = rc ? (o->bytes ? number : number << 20) : 0;
    rc = host->opt_number(host, cmd, "timeout", 1, G_MAXINT32 / 1000, &number);
    if (rc < 0)
        return FALSE;
    o->timeout = rc ? number : 0;
    if (!o->request.names->len && !o->request.current && !o->request.all &&
        !only_layers(&o->request)) {
        host->error(host, _("--snapshotname or --current is required"));
        return FALSE;
    }
    return TRUE;
}

static void print_failed(VextHost *host, const PlanRequest *request, GPtrArray *names)
{
    g_autoptr(GString) list = g_string_new(NULL);
    g_autofree char *line = NULL;
    guint n = names->len;

    for (guint i = 0; i < n; i++)
        g_string_append_printf(list, "%s'%s'", i ? ", " : "",
                               (const char *)g_ptr_array_index(names, i));
    if (only_layers(request))
        line = g_strdup(_("Failed to merge unnamed layers"));
    else if (!n)
        line = g_strdup(_("Failed to delete snapshots"));
    else
        line = g_strdup_printf(g_dngettext(GETTEXT_PACKAGE, "Failed to delete snapshot %s",
                                           "Failed to delete snapshots %s", n),
                               list->str);
    operation_print_error(host, line);
}

/*
 * @asked: of a command taken over, the one snapshot that was named: virsh then says one line,
 *         however many go with it
 * @some_stay: a snapshot that was to go is another one by now
 */
static void print_deleted(VextHost *host, const DeleteOptions *o, const Plan *plan,
                          const char *asked, gboolean some_stay)
{
    guint n = asked ? 1 : plan->snapshots->len;

    if (some_stay) {
        g_autofree char *line = g_strdup_printf(_("Finished: %s of domain '%s'"), plan->command,
                                                plan->domain);

        operation_print_line(host, line);
    } else if (!plan->steps->len && !asked)
        operation_print_line(host, _("Nothing to do"));
    else if (!plan->snapshots->len && !asked)
        operation_print_line(host, _("Unnamed layers merged"));
    for (guint i = 0; i < n; i++) {
        const char *name = asked ? asked : g_ptr_array_index(plan->snapshots, i);
        g_autofree char *line =
            asked && o->request.children_only
                ? g_strdup_printf(_("Domain snapshot %s children deleted"), name)
                : g_strdup_printf(_("Domain snapshot %s deleted"), name);

        operation_print_line(host, line);
    }
}

/* Returns new the one snapshot that a command taken over names, or NULL. */
static char *asked_of_stock(Operation *op, const DeleteOptions *o)
{
    const PlanRequest *request = &o->request;

    if (!o->taken_over || request->all || request->names->len > 1)
        return NULL;
    if (request->names->len)
        return g_strdup(g_ptr_array_index(request->names, 0));
    return backend_snapshot_current(op->dom, NULL);
}

/* Whether the dead operation in @journal is what is asked for now. */
static gboolean same_request(const Journal *journal, const PlanRequest *request)
{
    const Plan *plan = journal->plan;
    gboolean wide = request->current || request->all || request->children ||
                    request->children_only;
    guint found = 0;

    if (plan->operation != PLAN_DELETE || plan->metadata_only != request->metadata_only ||
        (request->keep_files && !plan->keep_files))
        return FALSE;
    if (!plan->snapshots->len || only_layers(request))
        return !plan->snapshots->len && only_layers(request);
    for (guint i = 0; i < request->names->len; i++) {
        for (guint k = 0; k < plan->snapshots->len; k++) {
            if (g_str_equal(g_ptr_array_index(request->names, i),
                            g_ptr_array_index(plan->snapshots, k))) {
                found++;
                break;
            }
        }
    }
    if (request->children_only)
        return TRUE;
    return found == request->names->len && (wide || found == plan->snapshots->len);
}

static void print_done(Operation *op, const DeleteOptions *o, const Plan *plan,
                       const char *asked, gboolean some_stay)
{
    if (o->json) {
        g_autofree char *json = text_plan_json(plan);

        op->host->print(op->host, json);
    } else {
        print_deleted(op->host, o, plan, some_stay ? NULL : asked, some_stay);
    }
}

static VextStatus run(Operation *op, const DeleteOptions *o, Journal *journal, gboolean resuming)
{
    g_autoptr(GPtrArray) reasons = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *asked = asked_of_stock(op, o); /* before it is gone */
    OperationRun how = {
        .verbose = o->verbose,
        .resuming = resuming,
        .bandwidth = o->bandwidth,
        .timeout = o->timeout,
        .daemon_log = o->daemon_log,
    };
    guint n = journal->plan->snapshots->len;
    VextStatus status = operation_run(op, &how, journal, reasons);

    if (status != VEXT_OK) {
        print_failed(op->host, &o->request, journal->plan->snapshots);
        operation_print_errors(op->host, reasons);
    } else {
        print_done(op, o, journal->plan, asked, journal->plan->snapshots->len < n);
    }
    return status;
}

static VextStatus failed(Operation *op, const DeleteOptions *o, const GError *error)
{
    print_failed(op->host, &o->request, o->request.names);
    operation_print_error(op->host, error->message);
    return VEXT_FAILED;
}

/* What was asked for as far as it is known, with what goes along, then the names that no snapshot
 * has: which of them is at fault is the reason's to say. New; borrows the names. */
static GPtrArray *names_refused(const Operation *op, const PlanRequest *request, const Plan *plan)
{
    GPtrArray *names = g_ptr_array_copy(plan->snapshots, NULL, NULL);

    g_ptr_array_set_free_func(names, NULL);
    for (guint i = 0; i < request->names->len; i++) {
        gpointer name = g_ptr_array_index(request->names, i);

        if (!plan->snapshots->len ||
            (!chain_domain_snapshot(op->domain, name) &&
             !g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL)))
            g_ptr_array_add(names, name);
    }
    return names;
}

static VextStatus delete(Operation *op, const DeleteOptions *o)
{
    g_autoptr(Journal) journal = NULL;
    g_autoptr(GError) problem = NULL;
    Plan *plan;

    if (!op->readonly) {
        journal = journal_load(op->conn, op->name, &problem);
        /* one that cannot be read is refused with the plan */
        if (g_error_matches(problem, JOURNAL_ERROR, JOURNAL_ERROR_FORMAT) ||
            g_error_matches(problem, JOURNAL_ERROR, JOURNAL_ERROR_FOREIGN))
            g_clear_error(&problem);
        if (problem)
            return failed(op, o, problem);
        if (journal && same_request(journal, &o->request) && !journal_alive(op->conn, journal)) {
            if (!o->dry_run)
                return run(op, o, journal, TRUE);
            operation_preview(op, journal, o->json);
            return VEXT_OK;
        }
        g_clear_pointer(&journal, journal_free);
    }
    if (!operation_read(op, &problem))
        return failed(op, o, problem);
    plan = operation_plan(op, &o->request, FALSE);
    if (o->json && (o->dry_run || plan->refusals->len)) {
        g_autofree char *json = text_plan_json(plan);

        op->host->print(op->host, json);
    }
    if (plan->refusals->len) {
        g_autoptr(GPtrArray) names = names_refused(op, &o->request, plan);

        print_failed(op->host, &o->request, names);
        operation_print_refusals(op->host, plan);
        plan_free(plan);
        return VEXT_FAILED;
    }
    if (o->dry_run) {
        if (!o->json) {
            TextOptions options = text_terminal_options(STDOUT_FILENO);
            g_autofree char *text = NULL;

            options.bytes = o->bytes;
            text = text_plan(plan, &options);
            op->host->print(op->host, text);
        }
        plan_free(plan);
        return VEXT_OK;
    }
    for (guint i = 0; i < plan->notes->len; i++)
        operation_print_warning(op->host, g_ptr_array_index(plan->notes, i));
    if (!plan->steps->len) {
        g_autofree char *asked = asked_of_stock(op, o);

        print_done(op, o, plan, asked, FALSE);
        plan_free(plan);
        return VEXT_OK;
    }
    journal = operation_journal(op, plan, &problem);
    if (!journal)
        return failed(op, o, problem);
    return run(op, o, journal, FALSE);
}

int cmd_snapshot_delete(VextHost *host, const VextCmd *cmd)
{
    g_auto(Operation) op = { 0 };
    DeleteOptions o;
    VextStatus status = VEXT_FAILED;

    if (read_options(host, cmd, &o) && operation_open(&op, host, cmd))
        status = delete(&op, &o);
    g_ptr_array_unref(o.request.names);
    g_free(o.daemon_log);
    return status;
}

bool claims_snapshot_delete(VextHost *host, const VextCmd *cmd)
{
    return operation_claims(host, cmd, host->opt_argv(cmd, "snapshotname")[0]);
}
