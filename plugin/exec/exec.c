/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * exec.c: runs a plan step by step
 */
#include "config.h"

#include <string.h>

#include "include/vext-i18n.h"
#include "plugin/backend/domain.h"
#include "plugin/backend/read.h"
#include "plugin/backend/snapshots.h"
#include "plugin/exec/exec.h"
#include "plugin/exec/guard.h"
#include "plugin/exec/merge.h"
#include "plugin/exec/revert.h"
#include "plugin/exec/settle.h"
#include "plugin/exec/takeover.h"
#include "plugin/xml/secrets.h"

static const ExecStepOps *const tables[] = {
    exec_lock_ops,
    exec_merge_ops,
    exec_metadata_ops,
    exec_files_ops,
    exec_takeover_ops,
    exec_revert_ops,
};

GQuark exec_error_quark(void)
{
    return g_quark_from_static_string("virsh-ext-exec-error");
}

void exec_context_init(ExecContext *ctx, VextHost *host, virConnectPtr conn)
{
    memset(ctx, 0, sizeof(*ctx));
    ctx->host = host;
    ctx->conn = conn;
    ctx->notes = g_ptr_array_new_with_free_func(g_free);
    ctx->worker_merges = g_array_new(FALSE, FALSE, sizeof(guint));
    ctx->begun = g_hash_table_new(NULL, NULL);
    ctx->finished = g_hash_table_new(NULL, NULL);
    ctx->renewed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    ctx->images = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

void exec_context_clear(ExecContext *ctx)
{
    backend_jobs_free(ctx->jobs);
    backend_free_virDomain(ctx->jobs_dom);
    backend_free_virDomain(ctx->dom);
    chain_graph_free(ctx->world);
    g_clear_pointer(&ctx->notes, g_ptr_array_unref);
    g_clear_pointer(&ctx->worker_merges, g_array_unref);
    g_clear_pointer(&ctx->begun, g_hash_table_unref);
    g_clear_pointer(&ctx->finished, g_hash_table_unref);
    g_clear_pointer(&ctx->renewed, g_hash_table_unref);
    g_clear_pointer(&ctx->images, g_hash_table_unref);
    g_free(ctx->remedy);
    memset(ctx, 0, sizeof(*ctx));
}

/* --- for the steps ------------------------------------------------------------------------ */

void exec_no_return(ExecContext *ctx)
{
    ctx->no_return = TRUE;
}

void exec_note(ExecContext *ctx, char *text_take)
{
    g_ptr_array_add(ctx->notes, text_take);
}

gboolean exec_find_domain(ExecContext *ctx, GError **error)
{
    const Plan *plan = ctx->journal->plan;
    g_autoptr(GError) problem = NULL;
    g_autoptr(virDomain) namesake = NULL;
    virDomainPtr dom = backend_domain_by_uuid(ctx->conn, plan->uuid, &problem);

    if (!dom) {
        if (!backend_error_is(problem, VIR_ERR_NO_DOMAIN)) {
            g_propagate_error(error, g_steal_pointer(&problem));
            return FALSE;
        }
        namesake = backend_domain_by_name(ctx->conn, plan->domain, NULL);
        g_set_error(error, EXEC_ERROR, EXEC_ERROR_CHANGED,
                    namesake ? _("Domain '%s' is another one than when the operation was begun: "
                                 "it has another UUID")
                             : _("Domain '%s' does not exist any more"), plan->domain);
        return FALSE;
    }
    /* Of two that the journal names one would be changed and the other be locked. */
    if (g_strcmp0(backend_domain_name(dom), plan->domain) != 0) {
        g_autofree char *command = chain_command("virsh", "domrename",
                                                 chain_word_for(backend_domain_name(dom),
                                                                plan->uuid),
                                                 plan->domain, NULL);

        g_set_error(error, EXEC_ERROR, EXEC_ERROR_RENAMED,
                    _("The domain with the UUID of '%s' is '%s': if it was renamed, give it its "
                      "name back first with: %s"), plan->domain, backend_domain_name(dom), command);
        backend_free_virDomain(dom);
        return FALSE;
    }
    backend_free_virDomain(ctx->dom);
    ctx->dom = dom;
    return TRUE;
}

gboolean exec_domain_active(ExecContext *ctx)
{
    return ctx->dom && backend_domain_active(ctx->dom, NULL) == 1;
}

char *exec_domain_xml(ExecContext *ctx, gboolean live, GError **error)
{
    return backend_domain_xml(ctx->dom, live, error);
}

gboolean exec_go_on(ExecContext *ctx, GError **error)
{
    if (ctx->host->interrupted(ctx->host)) {
        g_set_error(error, EXEC_ERROR, EXEC_ERROR_INTERRUPTED, _("Interrupted"));
        return FALSE;
    }
    if (ctx->deadline && g_get_monotonic_time() >= ctx->deadline) {
        g_set_error(error, EXEC_ERROR, EXEC_ERROR_TIMEOUT, _("The time limit is over"));
        return FALSE;
    }
    return TRUE;
}

char *exec_repair_command(const Plan *plan)
{
    return chain_command("virsh-ext", "chain-repair", chain_word_for(plan->domain, plan->uuid),
                         NULL);
}

char *exec_finish_remedy(const Plan *plan)
{
    g_autofree char *command = exec_repair_command(plan);

    return g_strdup_printf(_("To finish it, run: %s"), command);
}

/* --- running ------------------------------------------------------------------------------- */

static const ExecStepOps *find_ops(const Plan *plan, PlanAction action)
{
    for (gsize t = 0; t < G_N_ELEMENTS(tables); t++) {
        for (const ExecStepOps *ops = tables[t]; ops->run; ops++) {
            if (ops->action == action && (ops->operations & (1u << plan->operation)))
                return ops;
        }
    }
    return NULL;
}

static void fault_step(const ExecStep *s, const char *when)
{
#ifdef VEXT_FAULTS
    g_autofree char *number = g_strdup_printf("step-%u-%s", s->index, when);
    g_autofree char *action = g_strdup_printf("%s-%s", plan_action_name(s->plan, s->step), when);

    EXEC_FAULT(number);
    EXEC_FAULT(action);
#endif
}

static char *describe(const ExecStep *s, const ExecStepOps *ops)
{
    return ops && ops->describe ? ops->describe(s) : plan_step_describe(s->plan, s->step);
}

/* A delete has its progress lines; the steps of the others take no time to speak of. */
static void say_step(const ExecStep *s, const ExecStepOps *ops)
{
    g_autofree char *what = NULL;

    if (!s->ctx->verbose || !s->ctx->say || s->plan->operation == PLAN_DELETE)
        return;
    what = describe(s, ops);
    s->ctx->say(s->ctx->host, what);
}

/* Records that @s is about to run. */
static gboolean record_step(const ExecStep *s, GError **error)
{
    ExecContext *ctx = s->ctx;

    if (s->step->action == PLAN_STEP_LOCK || s->step->action == PLAN_STEP_UNLOCK)
        return TRUE;
    if (s->step->action == PLAN_STEP_MERGE && s->plan->operation == PLAN_DELETE) {
        const PlanMerge *merge = g_ptr_array_index(s->plan->merges, s->step->merge);

        if (merge->direction == PLAN_COMMIT)
            s->journal->committing = TRUE;
        ctx->merging = TRUE;
    }
    return journal_step(ctx->conn, s->journal, s->index, error);
}

/*
 * A merge has failed of which libvirt says that its job never ran: no byte was written. Recorded
 * as begun it could not be undone any more. That this cannot be recorded is no harm.
 */
static void take_back_record(const ExecStep *s, guint step, guint furthest, gboolean committing)
{
    if (s->step->action != PLAN_STEP_MERGE || s->plan->operation != PLAN_DELETE ||
        exec_merge_begun(s->ctx, s->step->merge))
        return;
    s->journal->committing = committing;
    s->journal->furthest = furthest;
    journal_step(s->ctx->conn, s->journal, step, NULL);
}

static gboolean run_step(ExecStep *s, const ExecStepOps *ops, GError **error)
{
    ExecContext *ctx = s->ctx;
    guint before = s->journal->step, furthest = s->journal->furthest;
    gboolean committing = s->journal->committing;

    if (ctx->resuming && ops->is_done) {
        switch (ops->is_done(s, error)) {
        case EXEC_IS_DONE:
            return TRUE;
        case EXEC_CANNOT_TELL:
            return FALSE;
        case EXEC_NOT_DONE:
            break;
        }
    }
    if (ops->check && !ops->check(s, error))
        return FALSE;
    fault_step(s, "before");
    if (!record_step(s, error))
        return FALSE;
    say_step(s, ops);
    if (!ops->run(s, error)) {
        take_back_record(s, before, furthest, committing);
        return FALSE;
    }
    if (s->step->action == PLAN_STEP_LOCK && ctx->recheck &&
        !ctx->recheck(ctx->recheck_data, error))
        return FALSE;
    fault_step(s, "after");
    return TRUE;
}

/* Takes back steps @n - 1 … 0 and the journal. */
static gboolean roll_back(ExecContext *ctx, Journal *journal, guint n, GPtrArray *reasons)
{
    g_autoptr(GError) problem = NULL;

    for (guint i = n; i-- > 0;) {
        ExecStep s = { ctx, journal, journal->plan,
                       g_ptr_array_index(journal->plan->steps, i), i };
        const ExecStepOps *ops = find_ops(journal->plan, s.step->action);

        if (ops && ops->undo && !ops->undo(&s, &problem)) {
            g_ptr_array_add(reasons, g_strdup_printf(_("What was begun cannot be undone: %s"),
                                                     problem->message));
            return FALSE;
        }
    }
    exec_unmark_qemu(ctx);
    if (!exec_wake_guest(ctx, &problem)) {
        g_ptr_array_add(reasons, g_strdup(problem->message));
        return FALSE;
    }
    if (journal->helper_uuid && !journal_end(ctx->conn, journal, &problem)) {
        g_ptr_array_add(reasons, g_strdup_printf(_("The record of the operation stays: %s"),
                                                 problem->message));
        return FALSE;
    }
    return TRUE;
}

/* The last of @reasons where there is something to be gone on with. */
static VextStatus incomplete(const Plan *plan, GPtrArray *reasons)
{
    g_autofree char *command = exec_repair_command(plan);

    g_ptr_array_add(reasons, g_strdup_printf(_("To go on, run: %s"), command));
    return VEXT_INCOMPLETE;
}

/* What can be done about what is in the way of a merge, and what can be done instead. */
static void add_ways_out(ExecContext *ctx, GPtrArray *reasons)
{
    const Plan *plan = ctx->journal->plan;
    const char *remedy = ctx->remedy;
    g_autofree char *command = exec_repair_command(plan);

    if (!remedy)
        g_ptr_array_add(reasons, g_strdup(_("Remove what is in the way, or have it stand on other "
                                            "images")));
    else if (g_str_has_prefix(remedy, "virsh"))
        g_ptr_array_add(reasons, g_strdup_printf(_("Run: %s"), remedy));
    else
        g_ptr_array_add(reasons, g_strdup(remedy));
    if (exec_delete_can_abort(ctx, ctx->journal, NULL))
        g_ptr_array_add(reasons, g_strdup_printf(_("To undo the operation instead, run: "
                                                   "%s --abort"), command));
}

static VextStatus stopped(ExecStep *s, const ExecStepOps *ops, GError *problem,
                          GPtrArray *reasons)
{
    ExecContext *ctx = s->ctx;
    gboolean fenced = g_error_matches(problem, JOURNAL_ERROR, JOURNAL_ERROR_BUSY);
    /* What a pull has copied stays copied: who stops it can go on later. */
    gboolean wanted = g_error_matches(problem, EXEC_ERROR, EXEC_ERROR_INTERRUPTED) ||
                      g_error_matches(problem, EXEC_ERROR, EXEC_ERROR_TIMEOUT);
    g_autofree char *what = describe(s, ops);
    g_autoptr(GError) asleep = NULL;

    g_ptr_array_add(reasons, g_strdup(problem->message));
    /* Whoever took it over works with these jobs now; and before we began any they are not
     * ours either. */
    if (!fenced && ctx->jobs)
        exec_merges_abort(ctx);
    if (!s->journal->helper_uuid)
        return VEXT_FAILED;
    if (!ctx->no_return && !fenced && !ctx->resuming && !(wanted && ctx->merging)) {
        if (roll_back(ctx, s->journal, s->index + 1, reasons)) {
            g_ptr_array_add(reasons, g_strdup(_("Nothing was changed")));
            return VEXT_FAILED;
        }
    }
    /* A helper that runs would look like somebody at work. */
    if (!fenced) {
        exec_helper_stop(ctx, NULL);
        if (!exec_wake_guest(ctx, &asleep) &&
            !g_ptr_array_find_with_equal_func(reasons, asleep->message, g_str_equal, NULL))
            g_ptr_array_add(reasons, g_strdup(asleep->message));
    }
    g_ptr_array_add(reasons,
                    g_strdup_printf(g_error_matches(problem, EXEC_ERROR, EXEC_ERROR_LOST)
                                        ? _("Stopped at step %u of %u (%s)")
                                        : _("Stopped at step %u of %u (%s); nothing is lost"),
                                    s->index + 1, s->plan->steps->len, what));
    if (g_error_matches(problem, EXEC_ERROR, EXEC_ERROR_BLOCKED))
        add_ways_out(ctx, reasons);
    return incomplete(s->plan, reasons);
}

/* The journal's XML with the secrets that it must not hold, from what libvirt says now: from
 * @own, or if that is gone or has none from any of @others. */
static void add_secrets(char **xml, const char *own, GPtrArray *others, gboolean *missing)
{
    gboolean again = FALSE;
    char *text = *xml ? xml_restore_secrets(*xml, &own, 1, &again, NULL) : NULL;

    if (text && again) {
        g_free(text);
        text = xml_restore_secrets(*xml, (const char *const *)others->pdata, others->len,
                                   missing, NULL);
    }
    if (!text)
        return;
    g_free(*xml);
    *xml = text;
}

/* After loading. */
static void restore_secrets(ExecContext *ctx, Journal *journal)
{
    g_autoptr(GPtrArray) now = g_ptr_array_new_with_free_func(g_free);
    gboolean missing = FALSE;

    g_ptr_array_add(now, ctx->dom ? exec_domain_xml(ctx, FALSE, NULL) : NULL);
    g_ptr_array_add(now, ctx->dom ? exec_domain_xml(ctx, TRUE, NULL) : NULL);
    for (guint i = 0; i < journal->snapshot_names->len; i++) {
        const char *name = g_ptr_array_index(journal->snapshot_names, i);

        g_ptr_array_add(now, ctx->dom ? backend_snapshot_xml(ctx->dom, name, NULL) : NULL);
    }
    add_secrets(&journal->domain_xml, g_ptr_array_index(now, 0), now, &missing);
    add_secrets(&journal->live_xml, g_ptr_array_index(now, 1), now, &missing);
    for (guint i = 0; i < journal->snapshot_xml->len; i++)
        add_secrets((char **)&g_ptr_array_index(journal->snapshot_xml, i),
                    g_ptr_array_index(now, i + 2), now, &missing);
    if (missing)
        exec_note(ctx, g_strdup_printf(_("A display password or a disk's cookie of domain '%s' is "
                                         "not known any more and must be set again; until then "
                                         "that display lets nobody in"), journal->plan->domain));
}

/*
 * Whether @s is behind a delete that is gone on with: the metadata names what was merged, and only
 * files were left to be removed. The domain was free since, and what was merged may have been
 * merged on.
 */
static gboolean is_behind(const ExecStep *s)
{
    for (guint i = s->index; i < MIN(s->ctx->furthest, s->plan->steps->len); i++) {
        const PlanStep *step = g_ptr_array_index(s->plan->steps, i);

        if (s->ctx->taken_up && s->plan->operation == PLAN_DELETE &&
            step->action == PLAN_STEP_UPDATE_SNAPSHOTS)
            return TRUE;
    }
    return FALSE;
}

VextStatus exec_run(ExecContext *ctx, Journal *journal, GPtrArray *reasons)
{
    Plan *plan = journal->plan;
    ExecStep s = { ctx, journal, plan, NULL, 0 };
    g_autoptr(GError) problem = NULL;
    g_autofree char *base_xml = NULL, *command = NULL;

    ctx->journal = journal;
    ctx->local = backend_is_local(ctx->conn);
    ctx->no_return = ctx->resuming;
    if (!exec_find_domain(ctx, &problem) && ctx->resuming && exec_revert_makes_domain(journal))
        g_clear_error(&problem);
    if (problem) {
        g_ptr_array_add(reasons, g_strdup(problem->message));
        if (!ctx->resuming)
            return VEXT_FAILED;
        if (g_error_matches(problem, EXEC_ERROR, EXEC_ERROR_RENAMED))
            return incomplete(plan, reasons);
        command = exec_repair_command(plan);
        g_ptr_array_add(reasons, g_strdup_printf(_("To drop the record of the operation, run: "
                                                   "%s --abort"), command));
        return VEXT_INCOMPLETE;
    }
    ctx->taken_up = ctx->resuming;
    ctx->reached = journal->step;
    ctx->furthest = journal->furthest;
    if (ctx->resuming) {
        EXEC_FAULT("taking-over");
        base_xml = ctx->dom ? exec_domain_xml(ctx, TRUE, &problem) : g_strdup(journal->live_xml);
        if (!base_xml || !journal_take_over(ctx->conn, journal, base_xml, &problem)) {
            g_ptr_array_add(reasons, g_strdup(problem ? problem->message :
                                              _("The journal does not hold the domain's XML")));
            return VEXT_FAILED;
        }
        restore_secrets(ctx, journal);
        /* A revert goes on to stop it. */
        if (plan->operation != PLAN_REVERT &&
            (!exec_wake_guest(ctx, &problem) || !exec_leave_newer(ctx, &problem))) {
            g_ptr_array_add(reasons, g_strdup(problem->message));
            return incomplete(plan, reasons);
        }
        /* A helper that runs is in the way of making overlays on it. */
        if (plan->operation != PLAN_DELETE)
            exec_helper_stop(ctx, NULL);
    }
    for (guint i = 0; i < plan->steps->len; i++) {
        const ExecStepOps *ops;

        s.step = g_ptr_array_index(plan->steps, i);
        s.index = i;
        if (is_behind(&s))
            continue;
        ops = find_ops(plan, s.step->action);
        if (!ops) {
            g_set_error(&problem, EXEC_ERROR, EXEC_ERROR_FAILED, _("Unknown step '%s'"),
                        plan_action_name(plan, s.step));
            return stopped(&s, NULL, problem, reasons);
        }
        /* What is left after the last merge takes no time, and the result is better than a
         * state to be explained. */
        if (!exec_go_on(ctx, &problem) && ctx->merged_all)
            g_clear_error(&problem);
        if (problem || !run_step(&s, ops, &problem))
            return stopped(&s, ops, problem, reasons);
    }
    /* One that came too late was seen, too: the command's status is what counts. */
    ctx->host->interrupted(ctx->host);
    ctx->journal = NULL;
    return VEXT_OK;
}

gboolean exec_can_abort(ExecContext *ctx, Journal *journal, GError **error)
{
    g_autoptr(GError) problem = NULL;

    ctx->journal = journal;
    ctx->local = backend_is_local(ctx->conn);
    ctx->taken_up = TRUE;
    ctx->reached = journal->step;
    ctx->furthest = journal->furthest;
    if (!exec_find_domain(ctx, &problem)) {
        if (g_error_matches(problem, EXEC_ERROR, EXEC_ERROR_RENAMED)) {
            g_propagate_error(error, g_steal_pointer(&problem));
            return FALSE;
        }
        /* Without the domain there is nothing to be undone, and its images stay. */
        if (!exec_revert_makes_domain(journal))
            return TRUE;
    }
    switch (journal->plan->operation) {
    case PLAN_REVERT:
        return exec_revert_can_abort(ctx, journal, error);
    case PLAN_REPAIR:
        return exec_repair_can_abort(ctx, journal, error);
    default:
        return exec_delete_can_abort(ctx, journal, error);
    }
}

VextStatus exec_abort(ExecContext *ctx, Journal *journal, GPtrArray *reasons)
{
    g_autoptr(GError) problem = NULL;
    g_autofree char *base_xml = NULL;

    if (!exec_can_abort(ctx, journal, &problem)) {
        g_ptr_array_add(reasons, g_strdup(problem->message));
        g_ptr_array_add(reasons, exec_finish_remedy(journal->plan));
        return VEXT_FAILED;
    }
    if (!ctx->dom && !exec_revert_makes_domain(journal)) {
        if (journal_alive(ctx->conn, journal) ||
            !journal_end(ctx->conn, journal, &problem)) {
            g_ptr_array_add(reasons, g_strdup(problem ? problem->message :
                                              _("The operation is being worked on")));
            return VEXT_FAILED;
        }
        ctx->dropped = TRUE;
        return VEXT_OK;
    }
    if (exec_repair_ends_jobs(journal->plan)) {
        ctx->resuming = ctx->ending_jobs = TRUE;
        return exec_run(ctx, journal, reasons);
    }
    EXEC_FAULT("taking-over");
    base_xml = exec_domain_xml(ctx, TRUE, &problem);
    if (!base_xml || !journal_take_over(ctx->conn, journal, base_xml, &problem)) {
        g_ptr_array_add(reasons, g_strdup(problem->message));
        return VEXT_FAILED;
    }
    restore_secrets(ctx, journal);
    if (!exec_wake_guest(ctx, &problem)) {
        g_ptr_array_add(reasons, g_strdup(problem->message));
        return incomplete(journal->plan, reasons);
    }
    exec_helper_stop(ctx, NULL);
    EXEC_FAULT("abort-taken-over");
    /* A pull may have come to its end since it was asked about, or does so while it is cancelled:
     * so that is looked at when none runs any more. */
    exec_merges_abort(ctx);
    if (!exec_merges_settle(ctx, &problem) ||
        (journal->plan->operation == PLAN_DELETE &&
         (!exec_delete_can_abort(ctx, journal, &problem) ||
          !exec_follow_pulls(ctx, &problem)))) {
        g_ptr_array_add(reasons, g_strdup(problem->message));
        return incomplete(journal->plan, reasons);
    }
    ctx->resuming = TRUE;
    if (!roll_back(ctx, journal, journal->plan->steps->len, reasons))
        return incomplete(journal->plan, reasons);
    return VEXT_OK;
}
