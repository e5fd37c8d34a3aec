/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cmd-chain-repair.c: chain-repair
 *
 * In this order, each only when there is nothing of the one before:
 *
 *      an unfinished operation     is finished, or undone with --abort
 *      block jobs left running     are waited for and finished, or ended with --abort
 *      stale metadata              is corrected as far as it is certain (plugin/plan/repair.c)
 */
#include "config.h"

#include <unistd.h>

#include "include/vext-i18n.h"
#include "plugin/backend/admin.h"
#include "plugin/backend/domain.h"
#include "plugin/complete.h"
#include "plugin/operation.h"
#include "plugin/text/plan-text.h"

const VextOptDef opts_chain_repair[] = {
    { .name = "domain", .type = VEXT_OPT_STRING, .flags = VEXT_OPT_REQUIRED | VEXT_OPT_POSITIONAL,
      .help = N_("domain name, id or uuid"), .completer = complete_domain },
    { .name = "abort", .type = VEXT_OPT_BOOL,
      .help = N_("undo an unfinished operation, end a block job left running") },
    { .name = "merged", .type = VEXT_OPT_STRING,
      .help = N_("what was done by hand where that cannot be told: commit or pull"),
      .completer = complete_merged },
    { .name = "verbose", .type = VEXT_OPT_BOOL, .help = N_("show the progress") },
    { .name = "dry-run", .type = VEXT_OPT_BOOL,
      .help = N_("change nothing, print what would be done") },
    { .name = "json", .type = VEXT_OPT_BOOL, .help = N_("print the plan as JSON") },
    { .name = "daemon-log", .type = VEXT_OPT_STRING,
      .help = N_("let the daemon log its block layer to this file of its host meanwhile") },
    { .name = NULL },
};

typedef struct {
    gboolean abort, verbose, dry_run, json;
    PlanDirection merged;     /**< AUTO: not said */
    const char *daemon_log;   /**< or NULL */
} RepairOptions;

static void print_line(const Operation *op, char *text_take)
{
    g_autofree char *text = text_take;

    operation_print_line(op->host, text);
}

static void print_failed(const Operation *op)
{
    g_autofree char *line = g_strdup_printf(_("Failed to repair domain '%s'"), op->name);

    operation_print_error(op->host, line);
}

static VextStatus failed(const Operation *op, const GError *error)
{
    print_failed(op);
    operation_print_error(op->host, error->message);
    return VEXT_FAILED;
}

static void print_plan(const Operation *op, const RepairOptions *o, const Plan *plan)
{
    g_autofree char *text = NULL;

    if (o->json) {
        text = text_plan_json(plan);
    } else {
        TextOptions options = text_terminal_options(STDOUT_FILENO);

        text = text_plan(plan, &options);
    }
    op->host->print(op->host, text);
}

static VextStatus refused(const Operation *op, const RepairOptions *o, const Plan *plan)
{
    if (o->json)
        print_plan(op, o, plan);
    print_failed(op);
    operation_print_refusals(op->host, plan);
    return VEXT_FAILED;
}

/* --- running ------------------------------------------------------------------------------- */

typedef enum { RUN, RESUME, UNDO } How;

/* Runs, resumes or undoes what is in @journal; prints why it did not work. */
static VextStatus execute(const Operation *op, const RepairOptions *o, Journal *journal, How how)
{
    g_autoptr(GPtrArray) reasons = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) problem = NULL;
    BackendDaemonLog *log = NULL;
    ExecContext ctx;
    VextStatus status;

    if (o->daemon_log &&
        !(log = backend_daemon_log_begin(op->conn, o->daemon_log, &problem)))
        return failed(op, problem);
    exec_context_init(&ctx, op->host, op->conn);
    ctx.verbose = o->verbose;
    ctx.resuming = how == RESUME;
    status = how == UNDO ? exec_abort(&ctx, journal, reasons)
                         : exec_run(&ctx, journal, reasons);
    for (guint i = 0; i < ctx.notes->len; i++)
        operation_print_warning(op->host, g_ptr_array_index(ctx.notes, i));
    exec_context_clear(&ctx);
    if (log && !backend_daemon_log_end(log, &problem))
        operation_print_warning(op->host, problem->message);
    if (status != VEXT_OK) {
        print_failed(op);
        operation_print_errors(op->host, reasons);
    }
    return status;
}

/* --- an unfinished operation --------------------------------------------------------------- */

static char *joined(const GPtrArray *names)
{
    GString *out = g_string_new(NULL);

    for (guint i = 0; i < names->len; i++)
        g_string_append_printf(out, "%s'%s'", i ? ", " : "",
                               (const char *)g_ptr_array_index(names, i));
    return g_string_free(out, FALSE);
}

static VextStatus held(const Operation *op, const Journal *journal)
{
    g_autofree char *names = joined(journal->plan->snapshots);
    g_autofree char *line =
        g_strdup_printf(_("Another client is at work: %s of %s, begun %s by %s"),
                        journal->plan->command, *names ? names : op->name, journal->started,
                        journal->client);

    print_failed(op);
    operation_print_error(op->host, line);
    operation_print_error(op->host, _("Wait until it has ended, or end that client"));
    return VEXT_FAILED;
}

/* What --dry-run says of an operation that would go on or be undone. */
static VextStatus preview(const Operation *op, const RepairOptions *o, const Journal *journal)
{
    const Plan *plan = journal->plan;

    if (!o->json) {
        guint n = MIN(journal->step, plan->steps->len - 1);
        g_autofree char *step = plan_step_describe(plan, g_ptr_array_index(plan->steps, n));
        g_autofree char *line =
            g_strdup_printf(_("%s of domain '%s', begun %s by %s, was interrupted at step %u: "
                              "%s"),
                            plan->command, op->name, journal->started, journal->client, n + 1,
                            step);
        g_autofree char *safe = text_sentence(line, text_terminal_options(STDOUT_FILENO).utf8);
        g_autofree char *whole =
            g_strdup_printf("%s\n%s\n", safe, o->abort ? _("Would undo it, if nothing is lost "
                                                           "by that")
                                                       : _("Would finish it; the whole plan:"));

        op->host->print(op->host, whole);
        if (o->abort)
            return VEXT_OK;
    }
    print_plan(op, o, plan);
    return VEXT_OK;
}

static VextStatus readonly(const Operation *op)
{
    print_failed(op);
    operation_print_error(op->host, _("The connection is read-only"));
    operation_print_error(op->host, _("Connect without --readonly"));
    return VEXT_FAILED;
}

static VextStatus go_on(const Operation *op, const RepairOptions *o, Journal *journal)
{
    const Plan *plan = journal->plan;
    VextStatus status;

    if (journal_alive(op->conn, journal))
        return held(op, journal);
    if (o->dry_run)
        return preview(op, o, journal);
    if (op->host->is_readonly(op->host))
        return readonly(op);
    if (!o->json && !o->abort)
        operation_say_discarded(op->host, plan, FALSE);
    status = execute(op, o, journal, o->abort ? UNDO : RESUME);
    if (status != VEXT_OK)
        return status;
    if (o->json) {
        print_plan(op, o, plan);
    } else if (o->abort) {
        print_line(op, g_strdup_printf(_("Undone: %s of domain '%s'"), plan->command, op->name));
    } else {
        operation_say_discarded(op->host, plan, TRUE);
        for (guint i = 0; plan->operation == PLAN_DELETE && i < plan->snapshots->len; i++)
            print_line(op, g_strdup_printf(_("Domain snapshot %s deleted"),
                                           (char *)g_ptr_array_index(plan->snapshots, i)));
        print_line(op, g_strdup_printf(_("Finished: %s of domain '%s'"), plan->command,
                                       op->name));
    }
    return VEXT_OK;
}

/* --- jobs and metadata --------------------------------------------------------------------- */

/* Which jobs @plan sees to their end: target -> "commit" or "pull", added to @merged. */
static void add_merged(GHashTable *merged, const Plan *plan)
{
    for (guint i = 0; i < plan->steps->len; i++) {
        const PlanStep *step = g_ptr_array_index(plan->steps, i);

        if (step->action == PLAN_STEP_FINISH_JOB)
            g_hash_table_replace(merged, g_strdup(step->disk),
                                 g_strdup(g_str_equal(step->job, "pull") ? "pull" : "commit"));
    }
}

static void print_notes(const Operation *op, const Plan *plan)
{
    for (guint i = 0; i < plan->notes->len; i++)
        operation_print_warning(op->host, g_ptr_array_index(plan->notes, i));
}

/* More than can follow from each other: jobs, what they left, what that left. */
#define ROUNDS_MAX 8

/* Plans and runs one round. *@done: what the rounds before did, if there were any, then what this
 * did; it stays as it is where there is nothing to do. */
static VextStatus round_of(Operation *op, const RepairOptions *o, GHashTable *merged,
                           Journal **done)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    PlanRequest request = { .operation = PLAN_REPAIR, .names = names, .abort = o->abort,
                            .direction = o->merged };
    PlanFacts facts = {
        .readonly = op->host->is_readonly(op->host),
        .now = g_get_real_time() / G_USEC_PER_SEC,
        .merged = merged,
    };
    g_autoptr(Plan) plan = NULL;
    g_autoptr(Journal) journal = NULL;
    g_autoptr(GError) problem = NULL;
    guint before = g_hash_table_size(merged);
    VextStatus status;

    if (!operation_read(op, &problem))
        return failed(op, problem);
    plan = plan_make(op->graph, op->domain, &request, &facts);
    if (plan->refusals->len)
        return refused(op, o, plan);
    if (o->dry_run) {
        print_plan(op, o, plan);
        return VEXT_OK;
    }
    print_notes(op, plan);
    if (!plan->steps->len) {
        if (o->json && !*done)
            print_plan(op, o, plan);
        else if (!o->json && !*done)
            print_line(op, g_strdup_printf(_("Nothing to repair on domain '%s'"), op->name));
        return VEXT_OK;
    }
    add_merged(merged, plan);
    journal = operation_journal(op, g_steal_pointer(&plan), &problem);
    if (!journal)
        return failed(op, problem);
    status = execute(op, o, journal, RUN);
    if (status != VEXT_OK)
        return status;
    journal_free(*done);
    *done = g_steal_pointer(&journal);
    if (!o->json)
        print_line(op, g_hash_table_size(merged) > before
                       ? g_strdup_printf(_("The block jobs of domain '%s' are finished"), op->name)
                       : g_strdup_printf(_("Domain '%s' is repaired"), op->name));
    return VEXT_OK;
}

/* Until there is nothing more to do; what stays wrong then is refused. */
static VextStatus correct(Operation *op, const RepairOptions *o, GHashTable *merged)
{
    g_autoptr(Journal) done = NULL;
    VextStatus status = VEXT_OK;

    for (guint i = 0; status == VEXT_OK && i < (o->abort || o->dry_run ? 1 : ROUNDS_MAX); i++) {
        const Journal *before = done;

        status = round_of(op, o, merged, &done);
        if (status == VEXT_OK && done == before)
            break;
    }
    if (status == VEXT_OK && o->json && done)
        print_plan(op, o, done->plan);
    /* some of it was put right: not "nothing was changed" */
    return status == VEXT_FAILED && done ? VEXT_INCOMPLETE : status;
}

/* --- the command --------------------------------------------------------------------------- */

static VextStatus repair(Operation *op, const RepairOptions *o)
{
    g_autoptr(GHashTable) merged = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GError) problem = NULL;
    g_autoptr(Journal) journal = journal_load(op->conn, op->name, &problem);
    VextStatus status;

    /* the helper's XML with secrets is kept from such a connection */
    if (problem && op->host->is_readonly(op->host))
        return readonly(op);
    if (problem) {
        status = failed(op, problem);
        if (g_error_matches(problem, JOURNAL_ERROR, JOURNAL_ERROR_FORMAT)) {
            g_autofree char *helper = g_strconcat(op->name, JOURNAL_SUFFIX, NULL);
            g_autofree char *remedy = chain_unreadable_remedy(helper);

            operation_print_error(op->host, remedy);
        }
        return status;
    }
    if (!journal)
        return correct(op, o, merged);
    status = go_on(op, o, journal);
    /* What was interrupted was a repair's wait for jobs: the metadata was to come next. */
    add_merged(merged, journal->plan);
    if (status == VEXT_OK && !o->abort && !o->dry_run && g_hash_table_size(merged))
        return correct(op, o, merged);
    return status;
}

/* The record of an operation whose domain is gone can still be dropped, or the operation makes
 * the domain again. FALSE when there is none. */
static gboolean repair_lost(VextHost *host, const VextCmd *cmd, const RepairOptions *o,
                            VextStatus *status)
{
    g_autofree char *word = g_strdup(host->opt_string(cmd, "domain"));
    Operation op = { .host = host, .conn = host->connect(host), .name = word };
    g_autoptr(virDomain) dom = NULL;
    g_autoptr(Journal) journal = NULL;

    if (!op.conn) {
        *status = VEXT_FAILED;
        return TRUE;
    }
    backend_errors_quiet();
    dom = backend_domain_by_word(op.conn, word, NULL);
    journal = dom ? NULL : journal_load(op.conn, word, NULL);
    if (!journal)
        return FALSE;
    *status = go_on(&op, o, journal);
    return TRUE;
}

static gboolean read_merged(VextHost *host, const VextCmd *cmd, PlanDirection *merged)
{
    const char *word = host->opt_string(cmd, "merged");
    g_autofree char *message = NULL;

    if (!word || g_str_equal(word, "commit") || g_str_equal(word, "pull")) {
        *merged = !word ? PLAN_AUTO : *word == 'c' ? PLAN_COMMIT : PLAN_PULL;
        return TRUE;
    }
    message = g_strdup_printf(_("Unknown merge '%s': commit or pull"), word);
    operation_print_error(host, message);
    return FALSE;
}

int cmd_chain_repair(VextHost *host, const VextCmd *cmd)
{
    g_auto(Operation) op = { 0 };
    RepairOptions o = {
        .abort = host->opt_bool(cmd, "abort"),
        .verbose = host->opt_bool(cmd, "verbose"),
        .dry_run = host->opt_bool(cmd, "dry-run"),
        .json = host->opt_bool(cmd, "json"),
        .daemon_log = host->opt_string(cmd, "daemon-log"),
    };
    VextStatus status;

    if (!read_merged(host, cmd, &o.merged))
        return VEXT_FAILED;
    if (repair_lost(host, cmd, &o, &status))
        return status;
    return operation_open(&op, host, cmd) ? repair(&op, &o) : VEXT_FAILED;
}
