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
    gboolean no_jobs;         /**< where block jobs run nothing is to be done */
    PlanDirection merged;     /**< AUTO: not said */
    const char *daemon_log;   /**< of operation_daemon_log(), or NULL */
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

/* Runs, resumes or undoes what is in @journal; prints why it did not work. *@dropped (or NULL): as
 * in the context. */
static VextStatus execute(const Operation *op, const RepairOptions *o, Journal *journal, How how,
                          gboolean *dropped)
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
    /* Undoing is not stopped half-way, so a signal that came meanwhile was seen: the command's
     * status is what counts. */
    if (how == UNDO)
        op->host->interrupted(op->host);
    for (guint i = 0; i < ctx.notes->len; i++)
        operation_print_warning(op->host, g_ptr_array_index(ctx.notes, i));
    if (dropped)
        *dropped = ctx.dropped;
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

/* In words and in --json. @plan: what is not done, or NULL where it is not known. */
static VextStatus refuse(const Operation *op, const RepairOptions *o, Plan *plan,
                         const char *code, char *message_take, char *remedy_take)
{
    g_autoptr(Plan) empty = plan ? NULL : plan_new(PLAN_REPAIR);

    if (!plan) {
        plan = empty;
        plan->domain = g_strdup(op->name);
    }
    plan_refuse(plan, code, message_take, remedy_take);
    return refused(op, o, plan);
}

static VextStatus refuse_readonly(const Operation *op, const RepairOptions *o, Plan *plan)
{
    return refuse(op, o, plan, "read-only", g_strdup(_("The connection is read-only")),
                  plan_readonly_remedy());
}

static VextStatus held(const Operation *op, const RepairOptions *o, Journal *journal)
{
    g_autofree char *names = chain_quote_names(journal->plan->snapshots);

    return refuse(op, o, journal->plan, "operation-running",
                  g_strdup_printf(_("Another client is at work: %s of %s, begun %s by %s"),
                                  journal->plan->command, *names ? names : op->name,
                                  journal->started, journal->client),
                  g_strdup(_("Wait until it has ended, or end that client")));
}

/* Undoing has no steps of its own: what is printed of it is what it is about. */
static void print_journal_plan(const Operation *op, const RepairOptions *o, const Plan *plan)
{
    g_autoptr(Plan) undo = NULL;

    if (!o->abort) {
        print_plan(op, o, plan);
        return;
    }
    undo = plan_new(plan->operation);
    undo->domain = g_strdup(plan->domain);
    for (guint i = 0; i < plan->snapshots->len; i++)
        g_ptr_array_add(undo->snapshots, g_strdup(g_ptr_array_index(plan->snapshots, i)));
    plan_note(undo, g_strdup(_("The operation is undone")));
    print_plan(op, o, undo);
}

/* What --dry-run says of an operation that would go on or be undone. */
static VextStatus preview(const Operation *op, const RepairOptions *o, Journal *journal)
{
    Plan *plan = journal->plan;
    g_autoptr(GError) problem = NULL;
    g_autofree char *what = NULL, *whole = NULL;

    if (o->abort) {
        ExecContext ctx;
        gboolean can;

        exec_context_init(&ctx, op->host, op->conn);
        can = exec_can_abort(&ctx, journal, &problem);
        exec_context_clear(&ctx);
        if (!can)
            return refuse(op, o, plan, "cannot-be-undone", g_strdup(problem->message),
                          exec_finish_remedy(plan));
    }
    if (!o->abort) {
        operation_preview(op, journal, o->json);
        return VEXT_OK;
    }
    if (!o->json) {
        what = operation_describe_interrupted(op, journal);
        whole = g_strdup_printf("%s\n%s\n", what, _("Would undo it"));
        op->host->print(op->host, whole);
        return VEXT_OK;
    }
    print_journal_plan(op, o, plan);
    return VEXT_OK;
}

/* The client that died may have had --daemon-log. Who may not use the admin socket, or another
 * host's daemon, is not asked to. */
static void tidy_log(const Operation *op)
{
    g_autoptr(GPtrArray) files = backend_daemon_log_tidy(op->conn, NULL);

    for (guint i = 0; files && i < files->len; i++) {
        g_autofree char *line =
            g_strdup_printf(_("A client that was killed left the daemon logging to '%s': the "
                              "settings are put back"), (char *)g_ptr_array_index(files, i));

        operation_print_warning(op->host, line);
    }
}

/* @more: metadata is corrected next, and JSON is one object. */
static VextStatus go_on(const Operation *op, const RepairOptions *o, Journal *journal,
                        gboolean more)
{
    const Plan *plan = journal->plan;
    gboolean dropped = FALSE;
    VextStatus status;

    if (journal_alive(op->conn, journal))
        return held(op, o, journal);
    operation_refresh(op, journal);
    if (o->dry_run)
        return preview(op, o, journal);
    if (op->readonly)
        return refuse_readonly(op, o, journal->plan);
    tidy_log(op);
    if (!o->json && !o->abort)
        operation_say_discarded(op->host, plan, FALSE, FALSE);
    status = execute(op, o, journal, o->abort ? UNDO : RESUME, &dropped);
    if (status != VEXT_OK)
        return status;
    if (o->json) {
        if (!more)
            print_journal_plan(op, o, plan);
    } else if (dropped) {
        print_line(op, g_strdup_printf(_("Dropped the record of %s: the domain '%s' that it was "
                                         "begun on is not there any more, its images stay as "
                                         "they are"), plan->command,
                                       op->name));
    } else if (o->abort) {
        print_line(op, g_strdup_printf(_("Undone: %s of domain '%s'"), plan->command, op->name));
    } else {
        operation_say_discarded(op->host, plan, TRUE, FALSE);
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

static gboolean has_job(const ChainDomain *d)
{
    for (guint i = 0; i < d->disks->len; i++) {
        if (((const ChainDisk *)g_ptr_array_index(d->disks, i))->job)
            return TRUE;
    }
    return FALSE;
}

/* Something was put to its end; a job that has begun since is not looked at. */
static void print_left(const Operation *op, const RepairOptions *o)
{
    g_autoptr(Plan) plan = plan_new(PLAN_REPAIR);

    plan->domain = g_strdup(op->name);
    plan_note(plan, g_strdup(_("The operation is undone; a block job that has begun since goes "
                               "on")));
    print_plan(op, o, plan);
}

/* Plans and runs one round. *@done: what the rounds before did, if there were any, then what this
 * did; it stays as it is where there is nothing to do. */
static VextStatus round_of(Operation *op, const RepairOptions *o, GHashTable *merged,
                           Journal **done)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    PlanRequest request = { .operation = PLAN_REPAIR, .names = names, .abort = o->abort,
                            .direction = o->merged };
    PlanFacts facts = {
        .readonly = op->readonly,
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
    if (o->no_jobs && has_job(op->domain)) {
        if (o->json && !*done)
            print_left(op, o);
        return VEXT_OK;
    }
    plan = plan_make(op->graph, op->domain, &request, &facts);
    if (plan->refusals->len)
        return refused(op, o, plan);
    if (o->dry_run) {
        print_plan(op, o, plan);
        return VEXT_OK;
    }
    print_notes(op, plan);
    if (!plan->steps->len) {
        if (*done)
            return VEXT_OK;
        if (o->json)
            print_plan(op, o, plan);
        else
            print_line(op, g_strdup_printf(o->abort ? _("No operation and no block job to be "
                                                        "ended on domain '%s'")
                                                    : _("Nothing to repair on domain '%s'"),
                                           op->name));
        return VEXT_OK;
    }
    add_merged(merged, plan);
    journal = operation_journal(op, g_steal_pointer(&plan), &problem);
    if (!journal)
        return failed(op, problem);
    status = execute(op, o, journal, RUN, NULL);
    if (status != VEXT_OK)
        return status;
    journal_free(*done);
    *done = g_steal_pointer(&journal);
    if (!o->json && g_hash_table_size(merged) > before)
        print_line(op, g_strdup_printf(_("The block jobs of domain '%s' are finished"), op->name));
    return VEXT_OK;
}

static void say_go_on(const Operation *op)
{
    g_autofree char *command = chain_command("virsh-ext", "chain-repair", op->name, NULL);
    g_autofree char *line = g_strdup_printf(_("Some of it is repaired; to go on then, run: %s"),
                                            command);

    operation_print_error(op->host, line);
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
    if (status == VEXT_OK && done && o->json)
        print_plan(op, o, done->plan);
    else if (status == VEXT_OK && done)
        print_line(op, g_strdup_printf(_("Domain '%s' is repaired"), op->name));
    if (status != VEXT_FAILED || !done)
        return status;
    /* some of it was put right: not "nothing was changed" */
    say_go_on(op);
    return VEXT_INCOMPLETE;
}

/* --- the command --------------------------------------------------------------------------- */

static VextStatus repair(Operation *op, const RepairOptions *o)
{
    g_autoptr(GHashTable) merged = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GError) problem = NULL;
    g_autoptr(Journal) journal = journal_load(op->conn, op->name, &problem);
    RepairOptions rest = *o;
    gboolean more;
    VextStatus status;

    /* the helper's XML with secrets is kept from such a connection */
    if (problem && op->readonly)
        return refuse_readonly(op, o, NULL);
    if (problem) {
        g_autofree char *helper = g_strconcat(op->name, JOURNAL_SUFFIX, NULL);
        gboolean ours = g_error_matches(problem, JOURNAL_ERROR, JOURNAL_ERROR_FORMAT);

        if (!ours && !g_error_matches(problem, JOURNAL_ERROR, JOURNAL_ERROR_FOREIGN))
            return failed(op, problem);
        return refuse(op, o, NULL, "unreadable-operation", g_strdup(problem->message),
                      chain_unreadable_remedy(helper, ours));
    }
    if (!journal)
        return correct(op, o, merged);
    /* What was interrupted was a repair's wait for jobs: the metadata was to come next. */
    add_merged(merged, journal->plan);
    more = !o->dry_run && g_hash_table_size(merged);
    status = go_on(op, o, journal, more);
    if (status != VEXT_OK || !more)
        return status;
    /* a job that has begun since is not what was to be ended, nor is it to be waited for */
    rest.no_jobs = o->abort;
    rest.abort = FALSE;
    return correct(op, &rest, merged);
}

/* The record of an operation whose domain is gone can still be dropped, or the operation makes
 * the domain again. FALSE when there is none. */
static gboolean repair_lost(VextHost *host, const VextCmd *cmd, const RepairOptions *o,
                            VextStatus *status)
{
    g_autofree char *word = g_strdup(host->opt_string(cmd, "domain"));
    Operation op = { .host = host, .conn = host->connect(host), .name = word,
                     .readonly = host->is_readonly(host) };
    g_autoptr(virDomain) dom = NULL;
    g_autoptr(Journal) journal = NULL;

    if (!op.conn) {
        *status = VEXT_FAILED;
        return TRUE;
    }
    backend_errors_quiet(op.conn);
    dom = backend_domain_by_word(op.conn, word, NULL);
    journal = dom ? NULL : journal_load(op.conn, word, NULL);
    if (!journal)
        return FALSE;
    *status = go_on(&op, o, journal, FALSE);
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
    };
    g_autofree char *daemon_log = NULL;
    VextStatus status;

    if (!read_merged(host, cmd, &o.merged) || !operation_daemon_log(host, cmd, &daemon_log))
        return VEXT_FAILED;
    o.daemon_log = daemon_log;
    if (repair_lost(host, cmd, &o, &status))
        return status;
    return operation_open(&op, host, cmd) ? repair(&op, &o) : VEXT_FAILED;
}
