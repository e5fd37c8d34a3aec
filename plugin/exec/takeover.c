/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * takeover.c: block jobs that somebody left running on the domain
 *
 * A job that is waited for and interrupted goes on by itself: only a job that has been switched
 * or has ended is a change.
 */
#include "config.h"

#include "include/vext-i18n.h"
#include "plugin/exec/progress.h"

/* The job of the step's disk: 1, 0 when there is none any more, -1 with @error. */
static int watch(ExecStep *s, BackendJobs **jobs, BackendJobInfo *info, GError **error)
{
    int rc;

    if (!exec_find_domain(s->ctx, error))
        return -1;
    if (!exec_domain_active(s->ctx))
        return 0;
    *jobs = backend_jobs_new(s->ctx->dom, error);
    if (!*jobs)
        return -1;
    rc = backend_jobs_info(*jobs, s->step->disk, info, error);
    if (rc == 1)
        backend_jobs_attach(*jobs, s->step->disk);
    return rc;
}

static gboolean ended_badly(const ExecStep *s, BackendJobState state, const GError *cause,
                            GError **error)
{
    const char *disk = s->step->disk;

    switch (state) {
    case BACKEND_JOB_INTERRUPTED:
        s->ctx->host->interrupted(s->ctx->host); /* the shell wants to know that it was seen */
        g_set_error(error, EXEC_ERROR, EXEC_ERROR_INTERRUPTED,
                    _("Interrupted; the block job of disk '%s' goes on"), disk);
        break;
    case BACKEND_JOB_DEAD:
        g_set_error(error, EXEC_ERROR, EXEC_ERROR_FAILED,
                    _("The guest stopped while the block job of disk '%s' ran"), disk);
        break;
    case BACKEND_JOB_CANCELED:
        g_set_error(error, EXEC_ERROR, EXEC_ERROR_FAILED,
                    _("The block job of disk '%s' was cancelled by somebody"), disk);
        break;
    case BACKEND_JOB_ERROR:
        g_set_error(error, EXEC_ERROR, EXEC_ERROR_FAILED,
                    _("The block job of disk '%s' cannot be watched: %s"), disk,
                    cause ? cause->message : "?");
        break;
    default:
        g_set_error(error, EXEC_ERROR, EXEC_ERROR_FAILED, _("The block job of disk '%s' failed"),
                    disk);
        break;
    }
    return FALSE;
}

static gboolean run_finish(ExecStep *s, GError **error)
{
    ExecContext *ctx = s->ctx;
    g_autoptr(BackendJobs) jobs = NULL;
    g_autoptr(GError) problem = NULL;
    BackendJobInfo info;
    BackendJobState state;
    ExecProgress progress = { .ctx = ctx, .label = _("Block job"), .percent = -1 };
    int rc = watch(s, &jobs, &info, error);
    gboolean pivot;

    if (rc <= 0)
        return rc == 0;
    pivot = info.type == VIR_DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT;
    EXEC_FAULT("finish-job-running");
    state = backend_jobs_wait(jobs, s->step->disk, pivot, ctx->host->interrupt_fd(ctx->host),
                              ctx->deadline, exec_progress, &progress, &problem);
    exec_progress_end(&progress);
    if (state == BACKEND_JOB_READY) {
        if (!backend_jobs_pivot(jobs, s->step->disk, error))
            return FALSE;
        exec_no_return(ctx);
        EXEC_FAULT("finish-job-pivot");
        state = backend_jobs_wait(jobs, s->step->disk, FALSE, -1, 0, NULL, NULL, &problem);
    }
    if (state != BACKEND_JOB_COMPLETED && state != BACKEND_JOB_GONE)
        return ended_badly(s, state, problem, error);
    exec_no_return(ctx);
    return TRUE;
}

static gboolean run_abort(ExecStep *s, GError **error)
{
    g_autoptr(BackendJobs) jobs = NULL;
    BackendJobInfo info;
    int rc = watch(s, &jobs, &info, error);

    if (rc <= 0)
        return rc == 0;
    exec_no_return(s->ctx);
    return backend_jobs_abort(jobs, s->step->disk, error);
}

const ExecStepOps exec_takeover_ops[] = {
    { PLAN_STEP_FINISH_JOB, EXEC_REPAIR, NULL, NULL, run_finish, NULL, NULL },
    { PLAN_STEP_ABORT_JOB, EXEC_REPAIR, NULL, NULL, run_abort, NULL, NULL },
    { 0 },
};
