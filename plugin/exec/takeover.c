/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * takeover.c: block jobs that somebody left running on the domain
 *
 * A job that is waited for and interrupted goes on by itself: that is no change of ours. But what
 * a commit does is to be followed to its end: the plan has forgotten what an active commit takes
 * away; of one further down it is only known from what the images look like when it has ended
 * well, and the record stays until that is so or the user drops it.
 */
#include "config.h"

#include "include/vext-i18n.h"
#include "plugin/backend/snapshots.h"
#include "plugin/exec/progress.h"
#include "plugin/exec/takeover.h"
#include "plugin/exec/world.h"
#include "plugin/xml/parse.h"

/* Whether it is the job that was planned on: one of another kind was begun when that had ended, and
 * what it does to the snapshots nobody has thought of yet. */
static gboolean is_planned(const PlanStep *step, const BackendJobInfo *info)
{
    return !step->job || g_str_equal(backend_job_type_name(info->type), step->job);
}

/* The job of the step's disk: 1, 0 when it is there no more, -1 with @error. */
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
    if (rc == 1 && !is_planned(s->step, info))
        return 0;
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

static gboolean is_commit(const ExecStep *s)
{
    return g_strcmp0(s->step->job, "pull") != 0;
}

static gboolean is_below_active(const ExecStep *s)
{
    return g_strcmp0(s->step->job, "commit") == 0;
}

/* How many images the disk had when the operation was planned, with the job running. */
static guint images_before(const ExecStep *s)
{
    const char *text = s->journal->live_xml;
    g_autoptr(xmlDoc) doc = text ? xml_parse(text, "domain", NULL) : NULL;
    xmlNode *devices = doc ? xml_child(xmlDocGetRootElement(doc), "devices") : NULL;
    guint n = 0;

    for (xmlNode *disk = xml_child(devices, "disk"); disk; disk = xml_next(disk, "disk")) {
        if (!xml_attr_is(xml_child(disk, "target"), "dev", s->step->disk))
            continue;
        for (xmlNode *image = disk; image && xml_child(image, "source");
             image = xml_child(image, "backingStore"))
            n++;
    }
    return n;
}

/* Whether the images show that the job has done what it was to do. */
static gboolean is_shortened(const ExecStep *s, const ChainDisk *disk)
{
    ChainImage *written = !disk ? NULL : disk->active ? disk->active : disk->configured;
    g_autoptr(GPtrArray) chain = written ? chain_image_chain(written) : NULL;

    return chain && ((ChainImage *)g_ptr_array_index(chain, chain->len - 1))->backing_known &&
           chain->len < images_before(s);
}

static gint64 since(const Journal *journal)
{
    g_autoptr(GDateTime) started = g_date_time_new_from_iso8601(journal->started, NULL);

    return started ? g_date_time_to_unix(started) : 0;
}

/* The user gives up a commit that broke off: children first. */
static gboolean forget_all(ExecStep *s, const GPtrArray *names, GError **error)
{
    exec_no_return(s->ctx);
    for (guint i = names->len; i-- > 0;) {
        const char *name = g_ptr_array_index(names, i);

        if (!backend_snapshot_forget(s->ctx->dom, name, error))
            return FALSE;
        exec_note(s->ctx, g_strdup_printf(_("Snapshot '%s' is forgotten: a commit on disk '%s' "
                                            "that ended before it was done may have written to "
                                            "its image"), name, s->step->disk));
    }
    return TRUE;
}

/* There is no job: has it done what it was to do? What an active commit takes away has been
 * forgotten, and a pull takes nothing away. */
static gboolean is_over(ExecStep *s, GError **error)
{
    ExecContext *ctx = s->ctx;
    const char *target = s->step->disk;
    g_autoptr(ChainGraph) graph = exec_read_domain(ctx, error);
    const ChainDomain *d = graph ? chain_graph_domain(graph, s->plan->domain) : NULL;
    const ChainDisk *disk = d ? chain_domain_disk(d, target) : NULL;
    g_autoptr(GPtrArray) names = NULL;
    g_autofree char *list = NULL;

    if (!graph)
        return FALSE;
    if (is_shortened(s, disk)) {
        exec_no_return(ctx);
        return TRUE;
    }
    names = disk && is_below_active(s)
        ? plan_commit_may_lose(d, disk, ctx->local ? since(s->journal) : 0)
        : g_ptr_array_new();
    if (!names->len) {
        exec_note(ctx, g_strdup_printf(_("The block job of disk '%s' ended before it was done"),
                                       target));
        return TRUE;
    }
    if (ctx->ending_jobs)
        return forget_all(s, names, error);
    exec_no_return(ctx);
    list = chain_quote_names(names);
    g_set_error(error, EXEC_ERROR, EXEC_ERROR_LOST,
                _("A commit on disk '%s' ended before it was done, and which images it has "
                  "written to cannot be told: the state of some of these snapshots is lost: %s. "
                  "Begin the same blockcommit again, or have them forgotten with --abort"),
                target, list);
    return FALSE;
}

static gboolean abort_job(ExecStep *s, BackendJobs *jobs, GError **error)
{
    exec_no_return(s->ctx);
    return backend_jobs_abort(jobs, s->step->disk, error);
}

static gboolean run_abort(ExecStep *s, GError **error)
{
    g_autoptr(BackendJobs) jobs = NULL;
    BackendJobInfo info;
    int rc = watch(s, &jobs, &info, error);

    return rc <= 0 ? rc == 0 : abort_job(s, jobs, error);
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

    if (rc < 0)
        return FALSE;
    if (rc == 0)
        return is_over(s, error);
    if (ctx->ending_jobs)
        return abort_job(s, jobs, error);
    if (is_commit(s))
        exec_no_return(ctx);
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
    if (state == BACKEND_JOB_GONE)
        return is_over(s, error);
    if (state != BACKEND_JOB_COMPLETED)
        return ended_badly(s, state, problem, error);
    exec_no_return(ctx);
    return TRUE;
}

gboolean exec_repair_ends_jobs(const Plan *plan)
{
    for (guint i = 0; plan->operation == PLAN_REPAIR && i < plan->steps->len; i++) {
        const PlanStep *step = g_ptr_array_index(plan->steps, i);

        if (step->action == PLAN_STEP_FINISH_JOB || step->action == PLAN_STEP_ABORT_JOB)
            return TRUE;
    }
    return FALSE;
}

/* Whether a commit below the active image still runs: ending it leaves what nobody can tell. */
static gboolean runs_below_active(ExecContext *ctx, const PlanStep *step)
{
    g_autoptr(BackendJobs) jobs = NULL;
    BackendJobInfo info;

    if (step->action != PLAN_STEP_FINISH_JOB || g_strcmp0(step->job, "commit") != 0 ||
        !exec_domain_active(ctx))
        return FALSE;
    jobs = backend_jobs_new(ctx->dom, NULL);
    return jobs && backend_jobs_info(jobs, step->disk, &info, NULL) == 1 &&
           is_planned(step, &info);
}

gboolean exec_repair_can_abort(ExecContext *ctx, const Journal *journal, GError **error)
{
    const Plan *plan = journal->plan;
    gboolean jobs = exec_repair_ends_jobs(plan);

    for (guint i = 0; i < plan->steps->len; i++) {
        const PlanStep *step = g_ptr_array_index(plan->steps, i);

        if (runs_below_active(ctx, step)) {
            g_set_error(error, EXEC_ERROR, EXEC_ERROR_FAILED,
                        _("Disk '%s': which image the commit that runs has written to cannot be "
                          "told, so what ending it would leave of the snapshots cannot either"),
                        step->disk);
            return FALSE;
        }
    }
    if (!jobs && (journal_has_reached(journal, PLAN_STEP_UPDATE_SNAPSHOTS) ||
                  journal_has_reached(journal, PLAN_STEP_DEFINE_DOMAIN))) {
        g_set_error(error, EXEC_ERROR, EXEC_ERROR_FAILED,
                    _("The corrections are being written and can only be finished"));
        return FALSE;
    }
    return TRUE;
}

const ExecStepOps exec_takeover_ops[] = {
    { PLAN_STEP_FINISH_JOB, EXEC_REPAIR, NULL, NULL, run_finish, NULL, NULL },
    { PLAN_STEP_ABORT_JOB, EXEC_REPAIR, NULL, NULL, run_abort, NULL, NULL },
    { 0 },
};
