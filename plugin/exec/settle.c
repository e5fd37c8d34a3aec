/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * settle.c: a pull is over when what was pulled is on the disk
 */
#include "config.h"

#include "include/vext-i18n.h"
#include "plugin/backend/domain.h"
#include "plugin/backend/flush.h"
#include "plugin/exec/layers.h"
#include "plugin/exec/settle.h"

/* How long a guest may take to flush by itself. */
#define PATIENCE_USEC G_USEC_PER_SEC
#define TICK_USEC (50 * 1000)

/* Whether a flush of the guest's own has ended since now. The job drained the disk when it ended:
 * one that ends from now on began after that. */
static gboolean guest_flushes(ExecContext *ctx, const PlanMerge *merge, virDomainPtr dom)
{
    gint64 end = g_get_monotonic_time() + PATIENCE_USEC;
    guint64 before, now;

    if (!backend_flush_count(dom, merge->disk, &before))
        return FALSE;
    do {
        g_usleep(TICK_USEC);
        if (!backend_flush_count(dom, merge->disk, &now))
            return FALSE;
        if (now > before)
            return TRUE;
    } while (g_get_monotonic_time() < end && !ctx->host->interrupted(ctx->host));
    return FALSE;
}

static gboolean record(ExecContext *ctx, gboolean suspended, GError **error)
{
    ctx->journal->suspended = suspended;
    return journal_step(ctx->conn, ctx->journal, ctx->journal->step, error);
}

static gboolean flush_by_suspending(ExecContext *ctx, virDomainPtr dom, GError **error)
{
    if (!record(ctx, TRUE, error))
        return FALSE;
    if (!backend_domain_suspend(dom, error)) {
        record(ctx, FALSE, NULL);
        return FALSE;
    }
    EXEC_FAULT("block-pull-suspended");
    return backend_domain_resume(dom, error) && record(ctx, FALSE, error);
}

gboolean exec_wake_guest(ExecContext *ctx, GError **error)
{
    g_autoptr(GError) problem = NULL;

    if (!ctx->journal->suspended)
        return TRUE;
    if ((!exec_domain_active(ctx) || backend_domain_paused(ctx->dom, NULL) != 1 ||
         backend_domain_resume(ctx->dom, &problem)) && record(ctx, FALSE, &problem))
        return TRUE;
    ctx->journal->suspended = TRUE;
    g_set_error(error, EXEC_ERROR, EXEC_ERROR_FAILED, _("Domain '%s' may still be paused: %s"),
                ctx->journal->plan->domain, problem->message);
    return FALSE;
}

static gboolean flush(ExecContext *ctx, const PlanMerge *merge, virDomainPtr dom, GError **error)
{
    int paused = backend_domain_paused(dom, error);

    if (paused < 0)
        return FALSE;
    if (paused)
        return backend_flush_paused(dom, merge->disk, error);
    return guest_flushes(ctx, merge, dom) || flush_by_suspending(ctx, dom, error);
}

gboolean exec_pull_settle(ExecContext *ctx, const PlanMerge *merge, virDomainPtr dom,
                          GError **error)
{
    g_autoptr(GError) problem = NULL;

    if (exec_merge_written(ctx, merge) == EXEC_WRITTEN)
        return TRUE;
    if (!flush(ctx, merge, dom, &problem)) {
        if (merge->live && !exec_domain_active(ctx)) {
            g_set_error(error, EXEC_ERROR, EXEC_ERROR_FAILED,
                        _("Domain '%s' ended before what was pulled into '%s' was written to the "
                          "disk: do not start it before the operation is finished"),
                        ctx->journal->plan->domain, merge->top->path);
            return FALSE;
        }
        g_set_error(error, EXEC_ERROR, EXEC_ERROR_FAILED,
                    _("What was pulled into '%s' cannot be written to the disk: %s"),
                    merge->top->path, problem->message);
        return FALSE;
    }
    if (exec_merge_written(ctx, merge) != EXEC_LACKS)
        return TRUE;
    g_set_error(error, EXEC_ERROR, EXEC_ERROR_CHANGED,
                _("Image '%s' lacks some of what was pulled into it: shut the domain down to "
                  "have it pulled again"), merge->top->path);
    return FALSE;
}
