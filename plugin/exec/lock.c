/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lock.c: the first step and the last one
 */
#include "config.h"

#include "include/vext-i18n.h"
#include "plugin/backend/domain.h"
#include "plugin/backend/snapshots.h"
#include "plugin/exec/exec.h"
#include "plugin/xml/parse.h"

static gboolean has_step(const Plan *plan, PlanAction action)
{
    for (guint i = 0; i < plan->steps->len; i++) {
        if (((PlanStep *)g_ptr_array_index(plan->steps, i))->action == action)
            return TRUE;
    }
    return FALSE;
}

/* Whether others must see for long that somebody is at work, before a helper does work. */
static gboolean wants_sign_of_life(const Plan *plan)
{
    return has_step(plan, PLAN_STEP_FINISH_JOB) ||
           (has_step(plan, PLAN_STEP_MERGE) && !has_step(plan, PLAN_STEP_START_HELPER));
}

/* What was read before the lock was ours must still be so: another operation may have ended, or
 * libvirt's own commands may have been at it. */
static gboolean unchanged(ExecStep *s, GError **error)
{
    const Journal *journal = s->journal;
    g_autoptr(GPtrArray) names = backend_snapshot_names(s->ctx->dom, error);
    gboolean same = names && names->len == journal->snapshot_names->len;

    if (!names)
        return FALSE;
    for (guint i = 0; same && i < journal->snapshot_names->len; i++) {
        g_autofree char *xml = backend_snapshot_xml(
            s->ctx->dom, g_ptr_array_index(journal->snapshot_names, i), NULL);

        same = g_strcmp0(xml, g_ptr_array_index(journal->snapshot_xml, i)) == 0;
    }
    if (!same)
        g_set_error(error, EXEC_ERROR, EXEC_ERROR_CHANGED,
                    _("The snapshots of domain '%s' were changed by somebody else just now"),
                    s->plan->domain);
    return same;
}

/*
 * A live merge that is over may lack what QEMU had not written when it died, and nothing that a
 * client on another machine reads tells one QEMU of a domain from the next: so the first is
 * marked. Without the mark a merge that another client left is never believed, which is safe.
 */
static void mark_qemu(ExecContext *ctx)
{
    g_autofree char *mark = g_markup_printf_escaped("<operation id='%s'/>", ctx->journal->id);

    if (has_step(ctx->journal->plan, PLAN_STEP_MERGE) && exec_domain_active(ctx))
        backend_domain_set_live_metadata(ctx->dom, "virsh-ext", JOURNAL_NS_QEMU, mark, NULL);
}

gboolean exec_qemu_is_marked(ExecContext *ctx)
{
    g_autofree char *text = backend_domain_live_metadata(ctx->dom, JOURNAL_NS_QEMU, NULL);
    g_autoptr(xmlDoc) doc = text ? xml_parse(text, NULL, NULL) : NULL;
    g_autofree char *id = doc ? xml_attr(xmlDocGetRootElement(doc), "id") : NULL;

    return id && g_strcmp0(id, ctx->journal->id) == 0;
}

void exec_unmark_qemu(ExecContext *ctx)
{
    if (exec_domain_active(ctx) && exec_qemu_is_marked(ctx))
        backend_domain_set_live_metadata(ctx->dom, "virsh-ext", JOURNAL_NS_QEMU, NULL, NULL);
}

static gboolean run_lock(ExecStep *s, GError **error)
{
    ExecContext *ctx = s->ctx;
    g_autofree char *base_xml = exec_domain_xml(ctx, TRUE, error);
    g_autoptr(GError) problem = NULL;

    if (!base_xml || !journal_begin(ctx->conn, s->journal, base_xml, error) ||
        !unchanged(s, error))
        return FALSE;
    mark_qemu(ctx);
    if (!wants_sign_of_life(s->plan))
        return TRUE;
    if (!journal_claim(ctx->conn, s->journal, base_xml, &problem) &&
        g_error_matches(problem, JOURNAL_ERROR, JOURNAL_ERROR_BUSY)) {
        g_propagate_error(error, g_steal_pointer(&problem));
        return FALSE;
    }
    /* Without the sign of life only clients on this machine see that somebody is at work. */
    return TRUE;
}

static ExecDone lock_is_done(ExecStep *s, GError **error)
{
    return EXEC_IS_DONE;
}

static gboolean run_unlock(ExecStep *s, GError **error)
{
    exec_unmark_qemu(s->ctx);
    return journal_end(s->ctx->conn, s->journal, error);
}

const ExecStepOps exec_lock_ops[] = {
    { PLAN_STEP_LOCK, EXEC_DELETE | EXEC_REVERT | EXEC_REPAIR, NULL, NULL, run_lock,
      lock_is_done, NULL },
    { PLAN_STEP_UNLOCK, EXEC_DELETE | EXEC_REVERT | EXEC_REPAIR, NULL, NULL, run_unlock, NULL,
      NULL },
    { 0 },
};
