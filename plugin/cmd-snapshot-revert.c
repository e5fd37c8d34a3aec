/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cmd-snapshot-revert.c: snapshot-revert-external
 */
#include "config.h"

#include <string.h>
#include <unistd.h>

#include "include/vext-i18n.h"
#include "plugin/backend/read.h"
#include "plugin/complete.h"
#include "plugin/operation.h"
#include "plugin/text/plan-text.h"

const VextOptDef opts_snapshot_revert[] = {
    { .name = "domain", .type = VEXT_OPT_STRING, .flags = VEXT_OPT_REQUIRED | VEXT_OPT_POSITIONAL,
      .help = N_("domain name, id or uuid"), .completer = complete_domain },
    { .name = "snapshotname", .type = VEXT_OPT_STRING, .flags = VEXT_OPT_POSITIONAL,
      .help = N_("snapshot name"), .completer = complete_snapshot },
    { .name = "current", .type = VEXT_OPT_BOOL, .help = N_("revert to current snapshot") },
    { .name = "running", .type = VEXT_OPT_BOOL,
      .help = N_("after reverting, change state to running") },
    { .name = "paused", .type = VEXT_OPT_BOOL,
      .help = N_("after reverting, change state to paused") },
    { .name = "force", .type = VEXT_OPT_BOOL,
      .help = N_("also lose a managed save image; ignore that the host does not fit") },
    { .name = "reset-nvram", .type = VEXT_OPT_BOOL,
      .help = N_("re-initialize NVRAM from its pristine template") },
    { .name = "save-current", .type = VEXT_OPT_STRING,
      .help = N_("first take a snapshot of this name of the present disks") },
    { .name = "verbose", .type = VEXT_OPT_BOOL, .help = N_("say what is done") },
    { .name = "dry-run", .type = VEXT_OPT_BOOL,
      .help = N_("print the steps and change nothing") },
    { .name = "json", .type = VEXT_OPT_BOOL, .help = N_("print JSON") },
    { .name = "daemon-log", .type = VEXT_OPT_STRING,
      .help = N_("let the daemon log its block layer to this file of its host meanwhile") },
    { .name = NULL },
};

const VextOptPair exclusive_snapshot_revert[] = {
    { "snapshotname", "current" },
    { "running", "paused" },
    { NULL, NULL },
};

/** The snapshot's name that is meant: borrowed from the line or the graph; NULL: none. */
static const char *target_name(const Operation *op, const VextCmd *cmd)
{
    const char *name = op->host->opt_string(cmd, "snapshotname");

    if (!name && op->host->opt_bool(cmd, "current") && op->domain && op->domain->current)
        name = op->domain->current->name;
    return name;
}

bool claims_snapshot_revert(VextHost *host, const VextCmd *cmd)
{
    return operation_claims(host, cmd, host->opt_string(cmd, "snapshotname"));
}

/** What failed, and the reasons below it. */
static int fail(VextHost *host, const char *name, GPtrArray *reasons, VextStatus status)
{
    g_autofree char *first = g_strdup_printf(_("Failed to revert snapshot '%s'"), name);

    operation_print_error(host, first);
    operation_print_errors(host, reasons);
    return status;
}

static void say_notes(VextHost *host, const Plan *plan)
{
    for (guint i = 0; i < plan->notes->len; i++)
        operation_print_warning(host, g_ptr_array_index(plan->notes, i));
}

/** Runs the journal's plan and says what it throws away; @resuming: what its first run said is
 *  not here to be read. */
static VextStatus execute(Operation *op, const VextCmd *cmd, Journal *journal, gboolean resuming,
                          const char *daemon_log)
{
    VextHost *host = op->host;
    const char *name = g_ptr_array_index(journal->plan->snapshots, 0);
    g_autoptr(GPtrArray) reasons = g_ptr_array_new_with_free_func(g_free);
    OperationRun how = {
        .verbose = host->opt_bool(cmd, "verbose"),
        .resuming = resuming,
        .daemon_log = daemon_log,
    };
    gboolean json = host->opt_bool(cmd, "json");
    /* Taken over, standard output has virsh's one line. */
    gboolean stock = g_str_equal(host->cmd_name(cmd), "snapshot-revert");
    g_autofree char *text = NULL;
    VextStatus status;

    if (!json)
        operation_say_discarded(host, journal->plan, FALSE, stock);
    status = operation_run(op, &how, journal, reasons);
    if (status != VEXT_OK)
        return fail(host, name, reasons, status);
    if (json) {
        text = text_plan_json(journal->plan);
        host->print(host, text);
    } else {
        text = g_strdup_printf(_("Domain snapshot %s reverted"), name);
        if (!stock)
            operation_say_discarded(host, journal->plan, TRUE, FALSE);
        operation_print_line(host, text);
    }
    return VEXT_OK;
}

/** An unfinished revert to the same snapshot, of a client that is dead; else NULL. */
static Journal *interrupted(Operation *op, const char *name)
{
    g_autoptr(Journal) journal = journal_load(op->conn, op->name, NULL);

    if (!journal || journal->plan->operation != PLAN_REVERT ||
        journal->plan->snapshots->len != 1 ||
        !g_str_equal(g_ptr_array_index(journal->plan->snapshots, 0), name) ||
        journal_alive(op->conn, journal))
        return NULL;
    return g_steal_pointer(&journal);
}

/** Whether @cmd asks for what the unfinished revert of @plan does not do: what is to be saved now
 *  would be thrown away. */
static gboolean asks_for_more(VextHost *host, const VextCmd *cmd, const Plan *plan)
{
    const char *save = host->opt_string(cmd, "save-current");

    return (save && g_strcmp0(save, plan->save_current) != 0) ||
           (host->opt_bool(cmd, "running") && !g_str_equal(plan->want_state, "running")) ||
           (host->opt_bool(cmd, "paused") && !g_str_equal(plan->want_state, "paused")) ||
           (host->opt_bool(cmd, "reset-nvram") && !plan->reset_nvram);
}

/** What is there instead of the plan that is asked for. */
static Plan *refuse_more(const Operation *op, const Journal *journal)
{
    Plan *plan = plan_new(PLAN_REVERT);
    g_autofree char *command = exec_repair_command(journal->plan);

    plan->domain = g_strdup(op->name);
    g_ptr_array_add(plan->snapshots, g_strdup(g_ptr_array_index(journal->plan->snapshots, 0)));
    plan_refuse(plan, "interrupted-operation",
                g_strdup_printf(_("The revert of domain '%s' that was begun %s and interrupted was "
                                  "asked for with other options"), op->name, journal->started),
                g_strdup_printf(_("To undo what was begun, run: %s --abort; to finish it as it was "
                                  "asked for, run: %s"), command, command));
    return plan;
}

static Plan *make_plan(Operation *op, const VextCmd *cmd, gboolean ours)
{
    VextHost *host = op->host;
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const char *name = host->opt_string(cmd, "snapshotname");
    PlanRequest request = {
        .operation = PLAN_REVERT,
        .names = names,
        .current = host->opt_bool(cmd, "current"),
        .running = host->opt_bool(cmd, "running"),
        .paused = host->opt_bool(cmd, "paused"),
        .force = host->opt_bool(cmd, "force"),
        .reset_nvram = host->opt_bool(cmd, "reset-nvram"),
        .save_current = host->opt_string(cmd, "save-current"),
    };

    if (name)
        g_ptr_array_add(names, (void *) name);
    return operation_plan(op, &request, ours);
}

int cmd_snapshot_revert(VextHost *host, const VextCmd *cmd)
{
    g_auto(Operation) op = { 0 };
    g_autoptr(GError) problem = NULL;
    g_autoptr(GPtrArray) reasons = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(Journal) journal = NULL;
    g_autoptr(Plan) plan = NULL;
    gboolean dry_run = host->opt_bool(cmd, "dry-run"), json = host->opt_bool(cmd, "json");
    g_autofree char *daemon_log = NULL;
    const char *name;

    if (!operation_daemon_log(host, cmd, &daemon_log))
        return VEXT_FAILED;
    if (!host->opt_string(cmd, "snapshotname") && !host->opt_bool(cmd, "current")) {
        host->error(host, _("--snapshotname or --current is required"));
        return VEXT_FAILED;
    }
    if (!operation_open(&op, host, cmd))
        return VEXT_FAILED;
    if (!operation_read(&op, &problem)) {
        g_ptr_array_add(reasons, g_strdup(problem->message));
        name = host->opt_string(cmd, "snapshotname");
        return fail(host, name ? name : "--current", reasons, VEXT_FAILED);
    }
    name = target_name(&op, cmd);
    journal = name ? interrupted(&op, name) : NULL;
    if (journal && asks_for_more(host, cmd, journal->plan)) {
        plan = refuse_more(&op, journal);
    } else if (journal) {
        operation_refresh(&op, journal);
        if (!dry_run)
            return execute(&op, cmd, journal, TRUE, daemon_log);
        operation_preview(&op, journal, json);
        return VEXT_OK;
    } else {
        plan = make_plan(&op, cmd, FALSE);
    }
    if (json && (dry_run || plan->refusals->len > 0)) {
        g_autofree char *text = text_plan_json(plan);

        host->print(host, text);
        if (plan->refusals->len == 0)
            return VEXT_OK;
    }
    if (plan->refusals->len > 0) {
        g_autofree char *first =
            g_strdup_printf(_("Failed to revert snapshot '%s'"), name ? name : "--current");

        operation_print_error(host, first);
        operation_print_refusals(host, plan);
        return VEXT_FAILED;
    }
    if (dry_run) {
        TextOptions options = text_terminal_options(STDOUT_FILENO);
        g_autofree char *text = text_plan(plan, &options);

        host->print(host, text);
        return VEXT_OK;
    }

    say_notes(host, plan);
    journal = operation_journal(&op, g_steal_pointer(&plan), &problem);
    if (!journal) {
        g_ptr_array_add(reasons, g_strdup(problem->message));
        return fail(host, name, reasons, VEXT_FAILED);
    }
    return execute(&op, cmd, journal, FALSE, daemon_log);
}
