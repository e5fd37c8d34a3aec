/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * merge-check.c: whether a merge that was planned may begin in the world as it is now
 *
 * Between the plan and a merge of it lie the merges of other disks, and on a resume whatever
 * somebody did in the meantime. The chain may still be what was planned when a guest has been
 * cloned from an image of it, or saved with it open. So the planner's own rules are asked again,
 * for this one merge.
 */
#include "config.h"

#include <string.h>

#include "plugin/plan/work.h"
#include "vext-i18n.h"

static WorkNode *find(Work *work, const PlanImage *image)
{
    ChainImage *found = chain_graph_find(work->graph, image->source);

    /* The name may have changed its meaning, not what the image is. */
    return work_node(work, found ? found : g_hash_table_lookup(work->graph->by_key, image->key));
}

static GHashTable *deleted_of(const Plan *plan, const ChainDomain *d)
{
    GHashTable *deleted = g_hash_table_new(NULL, NULL);

    for (guint i = 0; i < plan->snapshots->len; i++) {
        ChainSnapshot *s = chain_domain_snapshot(d, g_ptr_array_index(plan->snapshots, i));

        if (s)
            g_hash_table_add(deleted, s);
    }
    return deleted;
}

static void add_nodes(GHashTable *nodes, Work *work, const GPtrArray *images)
{
    for (guint i = 0; i < images->len; i++) {
        WorkNode *node = find(work, g_ptr_array_index(images, i));

        if (node)
            g_hash_table_add(nodes, node);
    }
}

/* Whether nobody has come to use what the plan takes away. */
static gboolean unused(const Work *work, const WorkNode *node)
{
    if (node->removed || node->kept || node->overlays->len)
        return FALSE;
    for (guint i = 0; i < node->image->domains->len; i++) {
        if (g_ptr_array_index(node->image->domains, i) != work->d)
            return FALSE;
    }
    return TRUE;
}

/* Takes out what the plan takes away and has not removed yet: the leaves of snapshots, and what
 * merges that are done have left of the same chain. */
static void leave_out(Work *work, const Plan *plan, const PlanMerge *merge)
{
    g_autoptr(GHashTable) going = g_hash_table_new(NULL, NULL), stay = g_hash_table_new(NULL, NULL);
    gboolean again = TRUE;

    for (guint i = 0; i < plan->merges->len; i++)
        add_nodes(going, work, ((const PlanMerge *)g_ptr_array_index(plan->merges, i))->gone);
    for (guint i = 0; i < plan->files->len; i++) {
        const PlanFile *file = g_ptr_array_index(plan->files, i);
        WorkNode *node = file->image ? find(work, file->image) : NULL;

        if (node)
            g_hash_table_add(going, node);
    }
    add_nodes(stay, work, merge->range);
    while (again) {
        GHashTableIter iter;
        gpointer node;

        again = FALSE;
        g_hash_table_iter_init(&iter, going);
        while (g_hash_table_iter_next(&iter, &node, NULL)) {
            if (g_hash_table_contains(stay, node) || !unused(work, node))
                continue;
            work_remove_leaf(node);
            again = TRUE;
        }
    }
}

static gboolean stands_on(const WorkNode *top, const WorkNode *lo)
{
    while (top && top != lo)
        top = top->backing;
    return top != NULL;
}

/* The snapshot of the disk that stays and whose state @node is, or NULL. That of an internal one
 * is inside an image, where a commit does not reach it. */
static const ChainSnapshot *preserved_by(const Work *work, const WorkNode *node)
{
    for (guint i = 0; i < work->d->snapshots->len; i++) {
        ChainSnapshot *s = g_ptr_array_index(work->d->snapshots, i);
        const ChainSnapshotDisk *sd = g_hash_table_contains(work->deleted, s) ?
                                          NULL : chain_snapshot_disk(s, work->target);

        if (sd && (sd->kind == CHAIN_SNAP_EXTERNAL || sd->kind == CHAIN_SNAP_MANUAL) &&
            chain_snapshot_state(sd) == node->image)
            return s;
    }
    return NULL;
}

/* A commit changes what is seen through each image from its base up to below its top. */
static gboolean seen_by_us(const Work *work, const WorkNode *lo, const WorkNode *top, Plan *check)
{
    const ChainDisk *disk = work->disk;

    for (const WorkNode *node = top->backing;; node = node->backing) {
        const ChainSnapshot *s = preserved_by(work, node);

        if (s)
            plan_refuse(check, "shared-image",
                        g_strdup_printf(_("Snapshot '%s' needs image '%s'"), s->name,
                                        node->image->path), NULL);
        else if (disk && (disk->active == node->image || disk->configured == node->image))
            plan_refuse(check, "shared-image",
                        g_strdup_printf(_("Disk '%s' uses image '%s' now"), disk->target,
                                        node->image->path), NULL);
        if (node == lo)
            return check->refusals->len > 0;
    }
}

/* Whether @node stands on @below by another way than over @top. */
static gboolean goes_round(const WorkNode *node, const WorkNode *below, const WorkNode *top)
{
    while (node && node != below && node != top)
        node = node->backing;
    return node && node == below;
}

/*
 * What a pull takes away was only needed for what stands on its top. Somebody may have put the
 * domain's disk on it since, or taken a snapshot there: then it is another chain that is to be
 * looked at.
 */
static gboolean still_needed(Work *work, const PlanMerge *merge, Plan *check)
{
    const WorkNode *top = find(work, merge->top);
    const ChainDisk *disk = work->disk;

    for (guint i = 0; i < merge->gone->len; i++) {
        const WorkNode *gone = find(work, g_ptr_array_index(merge->gone, i));

        if (gone && disk && (goes_round(work_node(work, disk->active), gone, top) ||
                             goes_round(work_node(work, disk->configured), gone, top)))
            plan_refuse(check, "shared-image",
                        g_strdup_printf(_("Disk '%s' uses image '%s' now"), disk->target,
                                        gone->image->path), NULL);
        for (guint k = 0; gone && k < work->d->snapshots->len; k++) {
            ChainSnapshot *s = g_ptr_array_index(work->d->snapshots, k);
            const ChainSnapshotDisk *sd = g_hash_table_contains(work->deleted, s) ?
                                              NULL : chain_snapshot_disk(s, work->target);

            if (sd && sd->kind == CHAIN_SNAP_EXTERNAL &&
                goes_round(work_node(work, chain_snapshot_state(sd)), gone, top))
                plan_refuse(check, "shared-image",
                            g_strdup_printf(_("Snapshot '%s' needs image '%s'"), s->name,
                                            gone->image->path), NULL);
        }
    }
    return check->refusals->len > 0;
}

/* What a device is too small for is found when its job has begun, and then nobody knows whether
 * some of it was written. */
static gboolean is_too_small(const WorkNode *lo, const WorkNode *top, Plan *check)
{
    if (lo->image->source->type != CHAIN_SOURCE_BLOCK ||
        g_strcmp0(lo->image->format, "raw") != 0 ||
        lo->image->virtual_size == CHAIN_UNKNOWN || top->image->virtual_size == CHAIN_UNKNOWN ||
        lo->image->virtual_size >= top->image->virtual_size)
        return FALSE;
    plan_refuse(check, "base-too-small",
                g_strdup_printf(_("Image '%s' is larger than the device '%s'"), top->image->path,
                                lo->image->path), NULL);
    return TRUE;
}

/* @begun: the headers may say already what they are to say in the end. */
static gboolean in_place(Plan *check, Work *work, const PlanMerge *merge, gboolean begun)
{
    const WorkNode *lo = find(work, merge->base), *top = find(work, merge->top);
    const WorkNode *above = merge->above ? find(work, merge->above) : NULL;
    const PlanImage *upper = merge->top, *lower = merge->base;
    gboolean same = lo && top && lo != top && (begun || stands_on(top, lo));

    /* Somebody who merged what is above may have merged it into the base as well. */
    if (same && merge->direction == PLAN_COMMIT && merge->above) {
        same = above && (above->backing == top || (begun && above->backing == lo));
        upper = merge->above;
        lower = merge->top;
    }
    if (!same)
        plan_refuse(check, "changed-chain",
                    g_strdup_printf(_("Image '%s' does not stand on '%s' any more"), upper->path,
                                    lower->path), NULL);
    return same;
}

/* New string, or NULL. */
static char *remedy_of(const DeleteState *state, const Reason *reason)
{
    if (state->unknown && g_str_equal(reason->code, "incomplete-view"))
        return chain_unknown_remedy(state->unknown);
    if (g_str_equal(reason->code, "no-disk"))
        return g_strdup_printf(_("For that to go on, attach disk '%s' again as it was"),
                               state->work->target);
    /* it was planned while the domain was shut off */
    if (g_str_equal(reason->code, "not-active"))
        return g_strdup(_("For that to go on, shut the domain down first"));
    return NULL;
}

static void check_images(Plan *check, const Plan *plan, const PlanMerge *merge, ChainGraph *graph,
                         ChainDomain *d, const PlanFacts *facts, gboolean begun)
{
    g_autoptr(GHashTable) deleted = deleted_of(plan, d);
    g_autoptr(Work) work = work_new(graph, d, deleted);
    WorkNode *lo = find(work, merge->base), *top = find(work, merge->top);
    DeleteState state = { .plan = check, .work = work, .facts = facts,
                          .direction = merge->direction, .prefer = merge->direction,
                          .unknown = chain_graph_unknown(graph, deleted) };
    g_auto(Reason) reason = { 0 };
    gboolean may;

    if (!in_place(check, work, merge, begun) || begun)
        return;
    leave_out(work, plan, merge);
    work_focus(work, merge->disk);
    if (merge->direction == PLAN_PULL && still_needed(work, merge, check))
        return;
    if (merge->direction == PLAN_COMMIT &&
        (seen_by_us(work, lo, top, check) || is_too_small(lo, top, check)))
        return;
    may = merge->direction == PLAN_COMMIT ? commit_possible(&state, lo, top, &reason)
                                          : pull_possible(&state, lo, top, &reason);
    if (!may)
        plan_refuse(check, reason.code, g_strdup(reason.message), remedy_of(&state, &reason));
}

/* What plan_check_domain() says that is not so here. */
static gboolean counts(const PlanRefusal *refusal, gboolean begun)
{
    /* Those of our own other disks are among them. */
    if (g_str_equal(refusal->code, "active-job"))
        return FALSE;
    /* Restored, the guest writes to the images as they were. */
    return !begun || g_str_equal(refusal->code, "managed-save");
}

Plan *plan_check_merge(const Plan *plan, const PlanMerge *merge, ChainGraph *graph, ChainDomain *d,
                       gboolean begun)
{
    PlanFacts facts = { .ignore_operation = TRUE };
    Plan *check = plan_new(plan->operation);

    plan_check_domain(check, graph, d, &facts);
    for (guint i = check->refusals->len; i-- > 0;) {
        if (!counts(g_ptr_array_index(check->refusals, i), begun))
            g_ptr_array_remove_index(check->refusals, i);
    }
    if (!check->refusals->len)
        check_images(check, plan, merge, graph, d, &facts, begun);
    return check;
}
