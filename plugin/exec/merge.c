/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * merge.c: joining images by block jobs
 */
#include "config.h"

#include <string.h>
#include <unistd.h>

#include "include/vext-i18n.h"
#include "plugin/backend/domain.h"
#include "plugin/backend/files.h"
#include "plugin/backend/helper.h"
#include "plugin/exec/guard.h"
#include "plugin/exec/layers.h"
#include "plugin/exec/merge.h"
#include "plugin/exec/progress.h"
#include "plugin/exec/settle.h"
#include "plugin/xml/parse.h"

static const PlanMerge *merge_at(const Plan *plan, guint n)
{
    return g_ptr_array_index(plan->merges, n);
}

static const PlanMerge *merge_of(const ExecStep *s)
{
    return merge_at(s->plan, s->step->merge);
}

/* --- looking -------------------------------------------------------------------------------- */

static gboolean changed(GError **error, const PlanMerge *merge)
{
    g_set_error(error, EXEC_ERROR, EXEC_ERROR_CHANGED,
                _("The chain of disk '%s' is neither what it was nor what it is to become: "
                  "somebody changed it"), merge->disk);
    return FALSE;
}

/*
 * Whether the QEMU that runs the domain is the one that did when the operation began. Its number
 * alone does not say: a daemon that starts with no domain running counts from 1 again.
 */
static gboolean same_qemu(ExecContext *ctx)
{
    const char *xml = ctx->journal->live_xml;
    g_autoptr(xmlDoc) doc = xml ? xml_parse(xml, "domain", NULL) : NULL;
    g_autofree char *then = doc ? xml_attr(xmlDocGetRootElement(doc), "id") : NULL;
    g_autofree char *now = g_strdup_printf("%d", backend_domain_id(ctx->dom));

    return g_strcmp0(then, now) == 0 && exec_qemu_is_marked(ctx);
}

/*
 * A merge that is done as far as the live chain says: is it on the disk? A guest that was started
 * on an image that lacks something sees that already, and what it lacks must not be removed.
 */
static ExecDone live_done(ExecContext *ctx, const PlanMerge *merge, GError **error)
{
    ExecWritten written = exec_merge_written(ctx, merge);
    gboolean pull = merge->direction == PLAN_PULL;
    gboolean doubt = written == EXEC_LACKS ||
                     (written == EXEC_CANNOT_SEE && exec_merge_in_doubt(ctx, merge));

    /* A pivot comes after a flush. */
    if (!doubt || (!pull && !merge->above))
        return EXEC_IS_DONE;
    if (same_qemu(ctx) && pull)
        return exec_pull_settle(ctx, merge, ctx->dom, error) ? EXEC_IS_DONE : EXEC_CANNOT_TELL;
    if (same_qemu(ctx) && written == EXEC_CANNOT_SEE)
        return EXEC_IS_DONE;
    g_set_error(error, EXEC_ERROR, EXEC_ERROR_CHANGED, written == EXEC_LACKS ?
                _("Image '%s' lacks some of what was merged into it, QEMU died too early: shut "
                  "the domain down to have it merged again") :
                _("Whether all that was merged into '%s' is on the disk cannot be told: shut the "
                  "domain down to have it merged again"),
                pull ? merge->top->path : merge->base->path);
    return EXEC_CANNOT_TELL;
}

/*
 * Whether commit @n only looks done: what was to stand on the base does, but not because this
 * operation has put it there, which never began it. Somebody has given the disk that image or
 * another one on it, or has pulled the range into what is above. What the top holds then may be in
 * no other image.
 */
static gboolean is_bypassed(ExecContext *ctx, guint n, GError **error)
{
    const PlanMerge *merge = merge_at(ctx->journal->plan, n);

    if (merge->direction != PLAN_COMMIT || exec_merge_begun(ctx, n) ||
        !merge->top->source->path ||
        !backend_file_exists(ctx->conn, merge->top->source->path, ctx->local))
        return FALSE;
    g_free(ctx->remedy);
    ctx->remedy = g_strdup_printf(_("For that to go on, have the disk stand on '%s' again"),
                                  merge->top->path);
    g_set_error(error, EXEC_ERROR, EXEC_ERROR_BLOCKED,
                _("Disk '%s' does not stand on '%s' any more, which has not been merged"),
                merge->disk, merge->top->path);
    return TRUE;
}

/* Whether @n is done as far as the world says. A later merge of the same disk that is done
 * stands on it. */
static ExecDone merge_done(ExecContext *ctx, const Plan *plan, guint n, GError **error)
{
    for (guint i = plan->merges->len; i-- > n;) {
        const PlanMerge *merge = merge_at(plan, i);
        g_auto(ExecMergeView) view = { 0 };

        if (!g_str_equal(merge->disk, merge_at(plan, n)->disk))
            continue;
        if (!exec_merge_look(ctx, merge, &view, error))
            return EXEC_CANNOT_TELL;
        if (view.state == EXEC_MERGE_MERGED && is_bypassed(ctx, i, error))
            return EXEC_CANNOT_TELL;
        if (view.state == EXEC_MERGE_MERGED)
            return view.live ? live_done(ctx, merge, error) : EXEC_IS_DONE;
        if (i == n && view.state == EXEC_MERGE_OTHER) {
            changed(error, merge);
            return EXEC_CANNOT_TELL;
        }
    }
    return EXEC_NOT_DONE;
}

gboolean exec_merges_settle(ExecContext *ctx, GError **error)
{
    const Plan *plan = ctx->journal->plan;

    for (guint i = 0; i < plan->merges->len; i++) {
        const PlanMerge *merge = merge_at(plan, i);
        g_auto(ExecMergeView) view = { 0 };

        if (merge->direction != PLAN_PULL)
            continue;
        if (!exec_merge_look(ctx, merge, &view, error))
            return FALSE;
        if (view.live && view.state == EXEC_MERGE_MERGED &&
            live_done(ctx, merge, error) != EXEC_IS_DONE)
            return FALSE;
    }
    return TRUE;
}

static ExecDone merge_is_done(ExecStep *s, GError **error)
{
    if (g_hash_table_contains(s->ctx->finished, GUINT_TO_POINTER(s->step->merge + 1)))
        return EXEC_IS_DONE;
    return merge_done(s->ctx, s->plan, s->step->merge, error);
}

/* --- the worker ------------------------------------------------------------------------------ */

static gboolean use_jobs_of(ExecContext *ctx, virDomainPtr dom, GError **error)
{
    if (ctx->jobs && ctx->jobs_dom == dom)
        return TRUE;
    g_clear_pointer(&ctx->jobs, backend_jobs_free);
    backend_free_virDomain(ctx->jobs_dom);
    ctx->jobs_dom = NULL;
    ctx->jobs = backend_jobs_new(dom, error);
    if (!ctx->jobs)
        return FALSE;
    virDomainRef(dom);
    ctx->jobs_dom = dom;
    return TRUE;
}

static void forget_jobs(ExecContext *ctx)
{
    g_clear_pointer(&ctx->jobs, backend_jobs_free);
    backend_free_virDomain(ctx->jobs_dom);
    ctx->jobs_dom = NULL;
}

gboolean exec_helper_stop(ExecContext *ctx, GError **error)
{
    g_autoptr(GError) problem = NULL;
    g_autoptr(virDomain) helper = NULL;

    g_array_set_size(ctx->worker_merges, 0);
    if (ctx->jobs_dom != ctx->dom)
        forget_jobs(ctx);
    if (!ctx->journal || !ctx->journal->helper_uuid)
        return TRUE;
    helper = backend_helper_lookup(ctx->conn, ctx->journal->helper_uuid, &problem);
    if (!helper || !backend_helper_stop(helper, &problem)) {
        if (backend_error_is(problem, VIR_ERR_NO_DOMAIN))
            return TRUE;
        g_propagate_error(error, g_steal_pointer(&problem));
        return FALSE;
    }
    return TRUE;
}

static gboolean served(ExecContext *ctx, guint n)
{
    for (guint i = 0; i < ctx->worker_merges->len; i++) {
        if (g_array_index(ctx->worker_merges, guint, i) == n)
            return TRUE;
    }
    return FALSE;
}

/* Where in the view's chain the image is that the helper has to write to for this merge. */
static guint helper_active(const PlanMerge *merge, const ExecMergeView *view)
{
    return merge->direction == PLAN_COMMIT && view->top > 0 ? view->top - 1 : view->top;
}

/* Whether the headers do not say all that QEMU has to know of what is below @at. */
static gboolean needs_chain(const ExecMergeView *view, guint at)
{
    gboolean needs = view->cut;

    for (guint i = at + 1; i < view->layers->len; i++)
        needs = needs || ((const ExecLayer *)g_ptr_array_index(view->layers, i))->encrypted;
    return needs;
}

/* Has the helper find what is below its image by force. */
static void give_chain(XmlDisk *disk, const ExecMergeView *view, guint at, GPtrArray *keep)
{
    GPtrArray *sources = g_ptr_array_new(), *formats = g_ptr_array_new();

    for (guint i = at + 1; i < view->layers->len; i++) {
        const ExecLayer *layer = g_ptr_array_index(view->layers, i);

        g_ptr_array_add(sources, layer->source);
        g_ptr_array_add(formats, layer->format);
    }
    disk->below = (const ChainSource *const *)sources->pdata;
    disk->below_formats = (const char *const *)formats->pdata;
    disk->n_below = sources->len;
    g_ptr_array_add(keep, sources);
    g_ptr_array_add(keep, formats);
}

/* Starts the helper on those of @candidates (indices) that are still to be done on it. */
static gboolean start_helper(ExecContext *ctx, const Plan *plan, const GArray *candidates,
                             GError **error)
{
    g_autofree XmlDisk *disks = g_new0(XmlDisk, candidates->len);
    g_autoptr(GPtrArray) keep = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
    g_autofree char *base_xml = NULL, *xml = NULL;
    g_autoptr(virDomain) helper = NULL;
    gsize n = 0;

    if (!exec_helper_stop(ctx, error))
        return FALSE;
    for (guint i = 0; i < candidates->len; i++) {
        guint index = g_array_index(candidates, guint, i);
        const PlanMerge *merge = merge_at(plan, index);
        g_auto(ExecMergeView) view = { 0 };
        const ExecLayer *active;
        guint at;

        if (g_hash_table_contains(ctx->finished, GUINT_TO_POINTER(index + 1)))
            continue;
        if (!exec_merge_look(ctx, merge, &view, error))
            return FALSE;
        if (view.live || view.state == EXEC_MERGE_MERGED)
            continue;
        if (view.state == EXEC_MERGE_OTHER)
            return changed(error, merge);
        at = helper_active(merge, &view);
        active = g_ptr_array_index(view.layers, at);
        disks[n].target = merge->disk;
        disks[n].source = active->source;
        disks[n].format = active->format;
        if (needs_chain(&view, at))
            give_chain(&disks[n], &view, at, keep);
        n++;
        g_array_append_val(ctx->worker_merges, index);
        g_ptr_array_add(keep, g_steal_pointer(&view.layers));
    }
    if (n == 0)
        return TRUE;
    base_xml = exec_domain_xml(ctx, FALSE, NULL);
    if (!base_xml)
        base_xml = exec_domain_xml(ctx, TRUE, error);
    if (!base_xml)
        return FALSE;
    xml = journal_helper_xml(ctx->conn, ctx->journal, base_xml, disks, n, error);
    if (!xml || !backend_helper_redefine(ctx->conn, xml, error))
        return FALSE;
    helper = backend_helper_lookup(ctx->conn, ctx->journal->helper_uuid, error);
    if (!helper || !backend_helper_start(helper, error)) {
        g_array_set_size(ctx->worker_merges, 0);
        return FALSE;
    }
    return use_jobs_of(ctx, helper, error);
}

static gboolean run_start_helper(ExecStep *s, GError **error)
{
    return start_helper(s->ctx, s->plan, s->step->merges, error);
}

/* A helper for a merge for which none was planned (the guest was shut off meanwhile), with the
 * merges of other disks that follow without a stop in between. */
static gboolean start_helper_for(ExecStep *s, GError **error)
{
    g_autoptr(GArray) candidates = g_array_new(FALSE, FALSE, sizeof(guint));

    for (guint i = s->index; i < s->plan->steps->len; i++) {
        const PlanStep *step = g_ptr_array_index(s->plan->steps, i);
        gboolean seen = FALSE;

        if (step->action == PLAN_STEP_PIVOT)
            continue;
        if (step->action != PLAN_STEP_MERGE)
            break;
        for (guint k = 0; k < candidates->len; k++) {
            if (g_str_equal(merge_at(s->plan, g_array_index(candidates, guint, k))->disk,
                            merge_at(s->plan, step->merge)->disk))
                seen = TRUE;
        }
        if (seen)
            break;
        g_array_append_val(candidates, step->merge);
    }
    return start_helper(s->ctx, s->plan, candidates, error);
}

static gboolean run_stop_helper(ExecStep *s, GError **error)
{
    const PlanStep *next = s->index + 1 < s->plan->steps->len ?
                               g_ptr_array_index(s->plan->steps, s->index + 1) : NULL;

    /* While it runs nobody can start the domain on an image that the next step takes out of
     * its configuration; that step stops it. */
    if (next && next->action == PLAN_STEP_DEFINE_DOMAIN)
        return TRUE;
    return exec_helper_stop(s->ctx, error);
}

/* --- jobs ------------------------------------------------------------------------------------ */

/* Whether the image of a pull that is to end early was cut off, or may have been. */
static gboolean is_cut(ExecContext *ctx, const PlanMerge *merge)
{
    g_auto(ExecMergeView) view = { 0 };

    return !exec_merge_look(ctx, merge, &view, NULL) || view.cut ||
           view.state != EXEC_MERGE_OLD;
}

/* A pull may still come to its end while it is cancelled, and QEMU to its own. */
static void abort_job(ExecContext *ctx, const PlanMerge *merge)
{
    gboolean ended = backend_jobs_abort(ctx->jobs, merge->disk, NULL);

    if (merge->direction == PLAN_PULL && (!ended || is_cut(ctx, merge)))
        exec_no_return(ctx);
}

void exec_merges_abort(ExecContext *ctx)
{
    const Plan *plan = ctx->journal ? ctx->journal->plan : NULL;

    if (!plan || !exec_domain_active(ctx) || !use_jobs_of(ctx, ctx->dom, NULL))
        return;
    for (guint i = 0; i < plan->merges->len; i++) {
        const PlanMerge *merge = merge_at(plan, i);
        g_auto(ExecMergeView) view = { 0 };
        BackendJobInfo info;

        /* The domain may have been started since it was planned to be done on a helper. */
        if ((merge->live || (exec_merge_look(ctx, merge, &view, NULL) && view.live)) &&
            exec_own_job(ctx, i, &info, NULL) == 1)
            abort_job(ctx, merge);
    }
}

/* "vda[3]" of @image in the chain of @layers. New string, NULL with @error. */
static char *job_name(ExecContext *ctx, const PlanMerge *merge, GPtrArray *layers,
                      const PlanImage *image, GError **error)
{
    int at = exec_layer_find(ctx, layers, image);
    const ExecLayer *layer;

    if (at < 0) {
        changed(error, merge);
        return NULL;
    }
    layer = g_ptr_array_index(layers, at);
    if (layer->index)
        return g_strdup_printf("%s[%u]", merge->disk, layer->index);
    if (layer->source->path)
        return g_strdup(layer->source->path);
    changed(error, merge);
    return NULL;
}

static gboolean start_job(ExecContext *ctx, const PlanMerge *merge, gboolean *pivot,
                          GError **error)
{
    g_autoptr(GPtrArray) layers = exec_live_layers(ctx->conn, ctx->jobs_dom, merge->disk,
                                                         error);
    g_autofree char *base = NULL, *top = NULL;
    int at;

    if (!layers)
        return FALSE;
    at = exec_layer_find(ctx, layers, merge->top);
    if (at < 0)
        return changed(error, merge);
    if (merge->direction == PLAN_PULL) {
        *pivot = FALSE;
        if (at != 0) {
            g_set_error(error, EXEC_ERROR, EXEC_ERROR_CHANGED,
                        _("A running domain pulls only into the image that it writes, and '%s' is "
                          "not that one any more: shut the domain down first"),
                        merge->top->path);
            return FALSE;
        }
        if (merge->below) {
            base = job_name(ctx, merge, layers, merge->below, error);
            if (!base)
                return FALSE;
        }
        return backend_jobs_pull(ctx->jobs, merge->disk, base, merge->relative, ctx->bandwidth,
                                 error);
    }
    *pivot = at == 0;
    base = job_name(ctx, merge, layers, merge->base, error);
    if (!base)
        return FALSE;
    if (at > 0) {
        top = job_name(ctx, merge, layers, merge->top, error);
        if (!top)
            return FALSE;
    }
    return backend_jobs_commit(ctx->jobs, merge->disk, base, top, merge->relative,
                               ctx->bandwidth, error);
}

/* Why a job may have failed: libvirt does not say. Adds to @error's message. */
static void explain_space(ExecContext *ctx, const PlanMerge *merge, guint64 before,
                          GString *message)
{
    const PlanImage *grows = merge->direction == PLAN_COMMIT ? merge->base : merge->top;
    guint64 now;
    g_autofree char *dir = NULL, *was = NULL, *is = NULL;

    if (!grows->source->path ||
        !backend_free_space(ctx->conn, grows->source->path, ctx->local, &now))
        return;
    /* What is left is less than a cluster's worth of what a job writes at once. */
    if (now >= 16 * 1024 * 1024)
        return;
    dir = g_path_get_dirname(grows->source->path);
    is = plan_size_text(now, FALSE);
    was = plan_size_text(before, FALSE);
    g_string_append(message, "; ");
    if (before != CHAIN_UNKNOWN && before > now)
        g_string_append_printf(message, _("the file system of '%s' is full: %s free, %s before"),
                               dir, is, was);
    else
        g_string_append_printf(message, _("the file system of '%s' is full: %s free"), dir, is);
}

static gboolean job_failed(ExecContext *ctx, const PlanMerge *merge, BackendJobState state,
                           guint64 space, GError *cause, GError **error)
{
    gboolean on_helper = ctx->jobs_dom != ctx->dom;
    g_autofree char *reason = backend_jobs_reason(ctx->jobs, merge->disk);
    g_autoptr(GString) message = g_string_new(NULL);
    int code = EXEC_ERROR_FAILED;

    switch (state) {
    case BACKEND_JOB_INTERRUPTED:
        code = EXEC_ERROR_INTERRUPTED;
        g_string_append_printf(message, _("Interrupted while disk '%s' was being merged"),
                               merge->disk);
        break;
    case BACKEND_JOB_TIMEOUT:
        code = EXEC_ERROR_TIMEOUT;
        g_string_append_printf(message, _("The time limit is over; disk '%s' was being merged"),
                               merge->disk);
        break;
    case BACKEND_JOB_DEAD:
        if (on_helper)
            g_string_append_printf(message, _("The helper's QEMU ended while disk '%s' was being "
                                              "merged"), merge->disk);
        else
            g_string_append_printf(message, _("The guest stopped while disk '%s' was being "
                                              "merged"), merge->disk);
        break;
    case BACKEND_JOB_CANCELED:
        g_string_append_printf(message, _("The block job of disk '%s' was cancelled by somebody"),
                               merge->disk);
        break;
    case BACKEND_JOB_ERROR:
        g_string_append_printf(message, _("The block job of disk '%s' cannot be watched: %s"),
                               merge->disk, cause ? cause->message : "?");
        break;
    default:
        if (merge->direction == PLAN_COMMIT)
            g_string_append_printf(message, _("The block commit of disk '%s' into '%s' failed"),
                                   merge->disk, merge->base->path);
        else
            g_string_append_printf(message, _("The block pull of disk '%s' into '%s' failed"),
                                   merge->disk, merge->top->path);
        if (reason)
            g_string_append_printf(message, ": %s", reason);
        explain_space(ctx, merge, space, message);
        break;
    }
    g_set_error_literal(error, EXEC_ERROR, code, message->str);
    return FALSE;
}

/* What a merge wrote is in the host's cache, which dies with the host; what it came from goes. */
static gboolean flush_image(ExecContext *ctx, const PlanImage *image, GError **error)
{
    if (!ctx->local || !image->source->path || image->source->type != CHAIN_SOURCE_FILE)
        return TRUE;
    return backend_flush_file(image->source->path, error);
}

/* After the last merge what is left takes no time. */
static void note_end(ExecStep *s)
{
    for (guint i = s->index + 1; i < s->plan->steps->len; i++) {
        PlanAction action = ((PlanStep *)g_ptr_array_index(s->plan->steps, i))->action;

        if (action == PLAN_STEP_MERGE || action == PLAN_STEP_PIVOT)
            return;
    }
    s->ctx->merged_all = TRUE;
}

/* The merge of @s is over: is it what it is to be? */
static gboolean verify(ExecStep *s, GError **error)
{
    ExecContext *ctx = s->ctx;
    const PlanMerge *merge = merge_of(s);
    g_auto(ExecMergeView) view = { 0 };

    if (ctx->jobs_dom != ctx->dom) {
        /* The helper's own chain says it, also for an image that only a pivot left. */
        g_autoptr(GPtrArray) layers = exec_live_layers(ctx->conn, ctx->jobs_dom, merge->disk,
                                                         error);
        int top;

        if (!layers)
            return FALSE;
        if (exec_merge_compare(ctx, merge, layers, &top) != EXEC_MERGE_MERGED)
            return changed(error, merge);
    } else {
        if (!exec_merge_look(ctx, merge, &view, error))
            return FALSE;
        if (view.state != EXEC_MERGE_MERGED)
            return changed(error, merge);
    }
    if (merge->direction == PLAN_PULL && !exec_pull_settle(ctx, merge, ctx->jobs_dom, error))
        return FALSE;
    exec_no_return(ctx);
    if (!flush_image(ctx, merge->direction == PLAN_COMMIT ? merge->base : merge->top, error) ||
        (merge->direction == PLAN_COMMIT && merge->above &&
         !flush_image(ctx, merge->above, error)))
        return FALSE;
    g_hash_table_add(ctx->finished, GUINT_TO_POINTER(s->step->merge + 1));
    note_end(s);
    return TRUE;
}

/* Before anything of it is written, and before the journal says that it may be. */
static gboolean check_merge(ExecStep *s, GError **error)
{
    ExecContext *ctx = s->ctx;
    g_auto(ExecMergeView) view = { 0 };
    BackendJobInfo info;

    if (!exec_merge_look(ctx, merge_of(s), &view, error))
        return FALSE;
    /* Somebody else has done it, or it looks so. */
    if (view.state == EXEC_MERGE_MERGED)
        return !is_bypassed(ctx, s->step->merge, error) &&
               (!view.live || live_done(ctx, merge_of(s), error) == EXEC_IS_DONE);
    /* What else it is run_merge() says. */
    if (view.state != EXEC_MERGE_OLD ||
        (ctx->taken_up && view.live && exec_merge_unseen(ctx, merge_of(s))))
        return TRUE;
    if (view.live && !served(ctx, s->step->merge)) {
        int rc = use_jobs_of(ctx, ctx->dom, error) ?
                     exec_own_job(ctx, s->step->merge, &info, error) : -1;

        /* Ours, left running by a client that died. */
        if (rc != 0)
            return rc == 1;
    }
    return exec_merge_may_begin(s, &view, error);
}

/* Asking for its job has failed: whether QEMU may have begun it all the same, and written. */
static gboolean may_be_written(ExecContext *ctx, const PlanMerge *merge)
{
    if (merge->direction == PLAN_PULL)
        return is_cut(ctx, merge);
    /* Only a QEMU that is dead does not write any more. */
    return backend_domain_active(ctx->jobs_dom, NULL) != 0 || !exec_base_is_untouched(ctx, merge);
}

/* Asks for the job of merge @n. Unless libvirt is sure that there is none it counts as begun. */
static gboolean begin_job(ExecContext *ctx, const PlanMerge *merge, guint n, gboolean *pivot,
                          GError **error)
{
    BackendJobInfo info;
    gboolean before = g_hash_table_contains(ctx->begun, GUINT_TO_POINTER(n + 1));

    g_hash_table_add(ctx->begun, GUINT_TO_POINTER(n + 1));
    if (start_job(ctx, merge, pivot, error))
        return TRUE;
    if (!before && backend_jobs_info(ctx->jobs, merge->disk, &info, NULL) == 0)
        g_hash_table_remove(ctx->begun, GUINT_TO_POINTER(n + 1));
    return FALSE;
}

static gboolean run_merge(ExecStep *s, GError **error)
{
    ExecContext *ctx = s->ctx;
    const PlanMerge *merge = merge_of(s);
    gboolean commit = merge->direction == PLAN_COMMIT;
    const PlanImage *grows = commit ? merge->base : merge->top;
    g_auto(ExecMergeView) view = { 0 };
    g_autoptr(GError) problem = NULL;
    BackendJobInfo info;
    BackendJobState state;
    ExecProgress progress = { .ctx = ctx, .label = commit ? _("Block commit") : _("Block pull"),
                              .percent = -1 };
    guint64 space = CHAIN_UNKNOWN;
    gboolean pivot = FALSE;
    int rc;

    EXEC_FAULT("merge-recorded");
    if (!served(ctx, s->step->merge)) {
        if (!exec_merge_look(ctx, merge, &view, error))
            return FALSE;
        if (view.state == EXEC_MERGE_OTHER)
            return changed(error, merge);
        if (view.state == EXEC_MERGE_MERGED) {
            note_end(s);
            return TRUE;
        }
        if (view.live) {
            if (!use_jobs_of(ctx, ctx->dom, error))
                return FALSE;
        } else if (!start_helper_for(s, error)) {
            return FALSE;
        }
    }
    if (grows->source->path &&
        !backend_free_space(ctx->conn, grows->source->path, ctx->local, &space))
        space = CHAIN_UNKNOWN;

    rc = exec_own_job(ctx, s->step->merge, &info, error);
    if (rc < 0)
        return FALSE;
    if (rc == 1) {
        /* Left running by a client that died; what it did is judged by the chain. */
        pivot = info.type == VIR_DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT;
        backend_jobs_attach(ctx->jobs, merge->disk);
    } else if (!exec_go_on(ctx, error)) {
        return FALSE;
    } else if (!begin_job(ctx, merge, s->step->merge, &pivot, &problem)) {
        if (exec_merge_begun(ctx, s->step->merge) && may_be_written(ctx, merge))
            exec_no_return(ctx);
        if (ctx->taken_up && view.live && exec_merge_unseen(ctx, merge))
            g_set_error(error, EXEC_ERROR, EXEC_ERROR_CHANGED,
                        _("The images of disk '%s' are merged, but libvirt did not see it: shut "
                          "the domain down first"), merge->disk);
        else
            g_propagate_error(error, g_steal_pointer(&problem));
        return FALSE;
    }
    if (commit)
        exec_no_return(ctx);
    EXEC_FAULT(commit ? "block-commit-running" : "block-pull-running");
    state = backend_jobs_wait(ctx->jobs, merge->disk, pivot, ctx->host->interrupt_fd(ctx->host),
                              ctx->deadline, exec_progress, &progress, &problem);
    exec_progress_end(&progress);
    if (state == BACKEND_JOB_READY)
        return TRUE;
    if (state == BACKEND_JOB_COMPLETED || state == BACKEND_JOB_GONE) {
        if (verify(s, &problem))
            return TRUE;
    }
    /* Whatever it was: an image that was cut off is not as it was. */
    if (!commit && is_cut(ctx, merge))
        exec_no_return(ctx);
    if (state == BACKEND_JOB_COMPLETED || state == BACKEND_JOB_GONE) {
        if (state == BACKEND_JOB_COMPLETED || !g_error_matches(problem, EXEC_ERROR,
                                                               EXEC_ERROR_CHANGED)) {
            g_propagate_error(error, g_steal_pointer(&problem));
            return FALSE;
        }
    }
    if (state == BACKEND_JOB_INTERRUPTED)
        ctx->host->interrupted(ctx->host); /* the shell wants to know that it was seen */
    if (state == BACKEND_JOB_INTERRUPTED || state == BACKEND_JOB_TIMEOUT)
        abort_job(ctx, merge);
    return job_failed(ctx, merge, state, space, problem, error);
}

static gboolean run_pivot(ExecStep *s, GError **error)
{
    ExecContext *ctx = s->ctx;
    const PlanMerge *merge = merge_of(s);
    g_autoptr(GError) problem = NULL;
    BackendJobInfo info;
    BackendJobState state;

    /* It ended without one: a snapshot was taken on top meanwhile, or it was done before. */
    if (g_hash_table_contains(ctx->finished, GUINT_TO_POINTER(s->step->merge + 1)))
        return TRUE;
    if (!ctx->jobs) {
        ExecDone done = merge_done(ctx, s->plan, s->step->merge, error);

        if (done == EXEC_IS_DONE)
            return TRUE;
        return done == EXEC_CANNOT_TELL ? FALSE : changed(error, merge);
    }
    if (exec_own_job(ctx, s->step->merge, &info, error) < 0 ||
        !backend_jobs_pivot(ctx->jobs, merge->disk, error))
        return FALSE;
    EXEC_FAULT("pivot-running");
    state = backend_jobs_wait(ctx->jobs, merge->disk, FALSE, -1, 0, NULL, NULL, &problem);
    if (state == BACKEND_JOB_COMPLETED || state == BACKEND_JOB_GONE)
        return verify(s, error);
    return job_failed(ctx, merge, state, CHAIN_UNKNOWN, problem, error);
}

gboolean exec_delete_can_abort(ExecContext *ctx, const Journal *journal, GError **error)
{
    if (journal->committing) {
        g_set_error(error, EXEC_ERROR, EXEC_ERROR_FAILED,
                    _("A commit has begun: the state of the snapshots that were to be deleted is "
                      "gone, the operation can only be finished"));
        return FALSE;
    }
    for (guint i = 0; i < journal->plan->merges->len; i++) {
        const PlanMerge *merge = merge_at(journal->plan, i);
        g_auto(ExecMergeView) view = { 0 };

        if (merge->direction != PLAN_PULL)
            continue;
        if (!exec_merge_look(ctx, merge, &view, error))
            return FALSE;
        if (!view.cut)
            continue;
        g_set_error(error, EXEC_ERROR, EXEC_ERROR_FAILED,
                    _("Image '%s' has been cut off from what it was to pull and may lack some of "
                      "it: the operation can only be finished"), merge->top->path);
        return FALSE;
    }
    if (journal_has_reached(journal, PLAN_STEP_UPDATE_SNAPSHOTS) ||
        journal_has_reached(journal, PLAN_STEP_DEFINE_DOMAIN) ||
        journal_has_reached(journal, PLAN_STEP_REMOVE_FILE)) {
        g_set_error(error, EXEC_ERROR, EXEC_ERROR_FAILED,
                    _("The merges are complete: the operation can only be finished"));
        return FALSE;
    }
    return TRUE;
}

const ExecStepOps exec_merge_ops[] = {
    { PLAN_STEP_START_HELPER, EXEC_DELETE, NULL, NULL, run_start_helper, NULL, NULL },
    { PLAN_STEP_MERGE, EXEC_DELETE, NULL, check_merge, run_merge, merge_is_done, NULL },
    { PLAN_STEP_PIVOT, EXEC_DELETE, NULL, NULL, run_pivot, merge_is_done, NULL },
    { PLAN_STEP_STOP_HELPER, EXEC_DELETE, NULL, NULL, run_stop_helper, NULL, NULL },
    { 0 },
};
