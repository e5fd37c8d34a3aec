/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guard.c: what must hold before a merge begins, and whose a block job is
 */
#include "config.h"

#include "include/vext-i18n.h"
#include "plugin/exec/guard.h"
#include "plugin/exec/world.h"

/* --- what was begun ------------------------------------------------------------------------ */

gboolean exec_merge_begun(ExecContext *ctx, guint n)
{
    const Plan *plan = ctx->journal->plan;

    if (g_hash_table_contains(ctx->begun, GUINT_TO_POINTER(n + 1)))
        return TRUE;
    for (guint i = 0; ctx->taken_up && i <= ctx->furthest && i < plan->steps->len; i++) {
        const PlanStep *step = g_ptr_array_index(plan->steps, i);

        if (step->action == PLAN_STEP_MERGE && step->merge == n)
            return TRUE;
    }
    return FALSE;
}

/* --- whose job it is ----------------------------------------------------------------------- */

/* Whether what the disk is mirrored to is the base of @merge, which an active commit writes. */
static gboolean mirrors_base(ExecContext *ctx, const PlanMerge *merge)
{
    g_autoptr(ChainGraph) graph = exec_read_domain(ctx, NULL);
    const ChainDomain *d = graph ? chain_graph_domain(graph, ctx->journal->plan->domain) : NULL;
    const ChainDisk *disk = d ? chain_domain_disk(d, merge->disk) : NULL;

    return disk && disk->job && disk->job->target &&
           disk->job->target == exec_find_image(graph, merge->base);
}

/* Whether it is of the kind that @merge is done by. What a commit further down is about nothing
 * tells while it runs: that is judged by the chain when it has ended. */
static gboolean fits(ExecContext *ctx, const PlanMerge *merge, const BackendJobInfo *info)
{
    if (merge->direction == PLAN_PULL)
        return info->type == VIR_DOMAIN_BLOCK_JOB_TYPE_PULL;
    if (info->type == VIR_DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT)
        return mirrors_base(ctx, merge);
    return info->type == VIR_DOMAIN_BLOCK_JOB_TYPE_COMMIT;
}

int exec_own_job(ExecContext *ctx, guint n, BackendJobInfo *info, GError **error)
{
    const Plan *plan = ctx->journal->plan;
    const PlanMerge *merge = g_ptr_array_index(plan->merges, n);
    int rc = backend_jobs_info(ctx->jobs, merge->disk, info, error);
    g_autofree char *command = NULL;

    /* The helper is nobody else's. */
    if (rc <= 0 || ctx->jobs_dom != ctx->dom)
        return rc;
    if (exec_merge_begun(ctx, n) && fits(ctx, merge, info))
        return 1;
    /* A commit that is cancelled has spoilt what it wrote to. */
    if (info->type == VIR_DOMAIN_BLOCK_JOB_TYPE_COMMIT) {
        g_set_error(error, EXEC_ERROR, EXEC_ERROR_CHANGED,
                    _("Disk '%s' has a block job (%s) that somebody else began: wait until it has "
                      "ended"), merge->disk, backend_job_type_name(info->type));
        return -1;
    }
    command = chain_command("virsh", "blockjob", chain_word_for(plan->domain, plan->uuid),
                            merge->disk, "--",
                            info->type == VIR_DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT ? "--pivot"
                                                                                  : "--abort",
                            NULL);
    g_set_error(error, EXEC_ERROR, EXEC_ERROR_CHANGED,
                _("Disk '%s' has a block job (%s) that somebody else began: wait until it has "
                  "ended, or end it with: %s"), merge->disk, backend_job_type_name(info->type),
                command);
    return -1;
}

/* --- may it begin -------------------------------------------------------------------------- */

/* Whether the base of a commit is as it was when that was planned: what was to be begun when its
 * client died never was. Where files cannot be seen that is not known. */
static gboolean is_untouched(const PlanMerge *merge, const ChainGraph *world)
{
    const ChainImage *base = exec_find_image(world, merge->base);

    return base && merge->base->modified && base->modified == merge->base->modified &&
           g_str_equal(base->key, merge->base->key);
}

gboolean exec_base_is_untouched(ExecContext *ctx, const PlanMerge *merge)
{
    g_autoptr(ChainGraph) graph = exec_read_domain(ctx, NULL);

    return graph && is_untouched(merge, graph);
}

/* Whether some of it may be written. Of a pull nobody sees a difference before the image is cut
 * off from what it pulls. */
static gboolean is_written(const ExecStep *s, const PlanMerge *merge, const ExecMergeView *view,
                           const ChainGraph *world)
{
    return view->cut || (merge->direction == PLAN_COMMIT && s->journal->committing &&
                         exec_merge_begun(s->ctx, s->step->merge) && !is_untouched(merge, world));
}

static gboolean blocked(ExecContext *ctx, const PlanMerge *merge, const PlanRefusal *refusal,
                        GError **error)
{
    g_free(ctx->remedy);
    ctx->remedy = g_strdup(refusal->remedy);
    g_set_error(error, EXEC_ERROR, EXEC_ERROR_BLOCKED, _("Disk '%s' cannot be merged now: %s"),
                merge->disk, refusal->message);
    return FALSE;
}

static gboolean may_begin(ExecContext *ctx, const PlanMerge *merge, ChainGraph *world,
                          gboolean written, GError **error)
{
    const Plan *plan = ctx->journal->plan;
    ChainDomain *d = chain_graph_domain(world, plan->domain);
    g_autoptr(Plan) check = NULL;

    if (!d) {
        g_set_error(error, EXEC_ERROR, EXEC_ERROR_CHANGED,
                    _("Domain '%s' does not exist any more"), plan->domain);
        return FALSE;
    }
    check = plan_check_merge(plan, merge, world, d, written);
    return !check->refusals->len ||
           blocked(ctx, merge, g_ptr_array_index(check->refusals, 0), error);
}

/* As long as no commit has begun all can be undone: so what is in the way of the first one of
 * another disk is found now. */
static gboolean others_may_begin(ExecStep *s, ChainGraph *world, GError **error)
{
    g_autoptr(GHashTable) disks = g_hash_table_new(g_str_hash, g_str_equal);
    const PlanMerge *this = g_ptr_array_index(s->plan->merges, s->step->merge);

    g_hash_table_add(disks, this->disk);
    for (guint i = 0; i < s->plan->merges->len; i++) {
        const PlanMerge *merge = g_ptr_array_index(s->plan->merges, i);

        if (g_hash_table_add(disks, merge->disk) && merge->direction == PLAN_COMMIT &&
            !may_begin(s->ctx, merge, world, FALSE, error))
            return FALSE;
    }
    return TRUE;
}

gboolean exec_merge_may_begin(ExecStep *s, const ExecMergeView *view, GError **error)
{
    const PlanMerge *merge = g_ptr_array_index(s->plan->merges, s->step->merge);
    g_autoptr(ChainGraph) world = exec_read_world(s->ctx, error);

    return world && may_begin(s->ctx, merge, world, is_written(s, merge, view, world),
                              error) &&
           (s->journal->committing || others_may_begin(s, world, error));
}
