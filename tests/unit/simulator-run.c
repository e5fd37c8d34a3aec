/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * simulator-run.c: the steps of plans
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/simulator.h"

/* --- running plans ------------------------------------------------------------------------ */

/* A running domain that has @image open: written if it is what the disk writes. */
static char *lock_conflict(const SimWorld *w, int image, gboolean writing, int but_domain)
{
    int i, j;

    for (i = 0; i < w->n_domains; i++) {
        if (!w->domains[i].running || i == but_domain)
            continue;
        for (j = 0; j < w->domains[i].n_disks; j++) {
            int active = w->domains[i].active[j];

            if (active == image || (writing && sim_stands_on(w, active, image)))
                return g_strdup_printf("image %d is open in running domain d%d", image, i);
        }
    }
    return NULL;
}

static char *check_chain(const SimWorld *w, const PlanMerge *merge)
{
    int image = sim_image_of_key(merge->top->key);
    int below;
    guint i;

    for (i = merge->range->len; i > 0; i--) {
        const PlanImage *planned = g_ptr_array_index(merge->range, i - 1);

        if (image == SIM_NONE || image != sim_image_of_key(planned->key))
            return g_strdup_printf("the chain is not the planned one at image %d", image);
        if (!w->images[image].exists)
            return g_strdup_printf("image %d does not exist", image);
        if (i > 1)
            image = w->images[image].backing;
    }
    if (image != sim_image_of_key(merge->base->key))
        return g_strdup("the range does not end with its base");
    below = w->images[image].backing;
    if (below != (merge->below ? sim_image_of_key(merge->below->key) : SIM_NONE))
        return g_strdup_printf("image %d stands on %d, which is not planned", image, below);
    if (merge->direction == PLAN_COMMIT && merge->above &&
        w->images[sim_image_of_key(merge->above->key)].backing !=
            sim_image_of_key(merge->top->key))
        return g_strdup("what is above does not stand on the top");
    return NULL;
}

/* Could this job run there at all? */
static char *check_place(const SimWorld *w, int domain, const PlanMerge *merge)
{
    const SimDomain *d = &w->domains[domain];
    int top = sim_image_of_key(merge->top->key);
    int base = sim_image_of_key(merge->base->key);
    int active = d->active[sim_disk(merge->disk)];
    int tip = merge->direction == PLAN_COMMIT && merge->above
                  ? sim_image_of_key(merge->above->key) : top;
    gboolean commit = merge->direction == PLAN_COMMIT;
    char *problem;
    guint depth = 0;
    int i;

    if (w->images[commit ? base : top].read_only)
        return g_strdup_printf("image %d is read-only", commit ? base : top);
    if (commit && tip != top && w->images[tip].read_only)
        return g_strdup_printf("image %d is read-only", tip);
    if (merge->live) {
        if (!d->running || !sim_stands_on(w, active, top))
            return g_strdup("a live merge of images that are not open");
        if (!commit && top != active)
            return g_strdup("a live pull into an image that is not written");
        return lock_conflict(w, commit ? base : top, TRUE, domain);
    }
    for (i = tip; i != SIM_NONE; i = w->images[i].backing) {
        if (!w->images[i].exists)
            return g_strdup_printf("image %d of the helper does not exist", i);
        problem = lock_conflict(w, i, FALSE, -1);
        if (problem)
            return problem;
        depth++;
    }
    if (w->layer_limit > 0 && depth > w->layer_limit)
        return g_strdup_printf("%u images are too many for a helper", depth);
    problem = lock_conflict(w, commit ? base : top, TRUE, -1);
    return problem ? problem : lock_conflict(w, tip, TRUE, -1);
}

static int seen_at(const SimWorld *w, int image, int cluster)
{
    while (image != SIM_NONE && cluster < w->images[image].size && !w->images[image].data[cluster])
        image = w->images[image].backing;
    return image != SIM_NONE && cluster < w->images[image].size ? w->images[image].data[cluster]
                                                                : SIM_ZERO;
}

static char *run_merge(SimWorld *w, int domain, const PlanMerge *merge, guint clusters,
                       guint *copied)
{
    int base = sim_image_of_key(merge->base->key);
    int top = sim_image_of_key(merge->top->key);
    gboolean commit = merge->direction == PLAN_COMMIT;
    int from = commit ? top : w->images[top].backing;
    int until = commit ? base : w->images[base].backing;
    int into = commit ? base : top;
    char *problem;
    guint moved;
    int i;

    problem = check_chain(w, merge);
    if (!problem)
        problem = check_place(w, domain, merge);
    if (problem)
        return problem;
    if (commit)
        sim_grow(w, base, w->images[top].size);
    moved = sim_allocated(w, from, until) & clusters & ((1u << w->images[top].size) - 1);
    for (i = 0; i < SIM_CLUSTERS; i++) {
        if (!(moved & (1u << i)) || (!commit && w->images[top].data[i]))
            continue;
        w->images[into].data[i] = seen_at(w, from, i);
        (*copied)++;
    }
    if (clusters != SIM_ALL_CLUSTERS)
        return NULL;
    if (commit && merge->above)
        w->images[sim_image_of_key(merge->above->key)].backing = base;
    else if (!commit)
        w->images[top].backing = until;
    return NULL;
}

static int replaced(const Plan *plan, int disk, int image, gboolean overlay)
{
    g_autofree char *key = g_strdup_printf("inode:1:%d", image);
    const PlanImage *now;

    if (image == SIM_NONE)
        return image;
    now = overlay ? plan_overlay_replacement(plan, sim_target(disk), key)
                  : plan_replacement(plan, sim_target(disk), key);
    return now ? sim_image_of_key(now->key) : image;
}

static void update_snapshots(SimWorld *w, int domain, const Plan *plan)
{
    guint n;
    int i, j;

    for (n = 0; n < plan->snapshots->len; n++)
        sim_drop_name(w, atoi((const char *) g_ptr_array_index(plan->snapshots, n) + 1));
    for (i = 0; i < w->n_snapshots; i++) {
        SimSnapshot *s = &w->snapshots[i];

        if (!s->exists || s->domain != domain)
            continue;
        for (j = 0; j < SIM_DISKS; j++) {
            s->frozen[j] = replaced(plan, j, s->frozen[j], FALSE);
            s->overlay[j] = replaced(plan, j, s->overlay[j], TRUE);
            s->revert_overlay[j] = replaced(plan, j, s->revert_overlay[j], TRUE);
        }
    }
    if (plan->current_changes)
        w->domains[domain].current = plan->new_current ? atoi(plan->new_current + 1) : SIM_NONE;
}

char *sim_remove_file(SimWorld *w, const PlanFile *file)
{
    int image;

    if (!file->image) {
        w->snapshots[atoi(file->memory_file + strlen("/mem/"))].memory_exists = FALSE;
        return NULL;
    }
    image = sim_planned_image(w, file->image);
    if (image == SIM_NONE)
        return g_strdup_printf("'%s' was never made and is removed", file->image->path);
    if (!w->images[image].exists)
        return g_strdup_printf("image %d is removed twice", image);
    if (w->images[image].internal)
        return g_strdup_printf("image %d is removed with its internal snapshots", image);
    if (w->images[image].read_only)
        return g_strdup_printf("image %d is removed though it is read-only", image);
    w->images[image].exists = FALSE;
    return lock_conflict(w, image, TRUE, -1);
}

char *sim_step(SimWorld *w, int domain, const Plan *plan, const PlanStep *step, guint clusters,
               guint *copied)
{
    SimDomain *d = &w->domains[domain];
    const PlanMerge *merge;
    int i;

    if (plan->operation == PLAN_REVERT)
        return sim_revert_step(w, domain, plan, step);
    switch (step->action) {
    case PLAN_STEP_MERGE:
        return run_merge(w, domain, g_ptr_array_index(plan->merges, step->merge), clusters,
                         copied);
    case PLAN_STEP_PIVOT:
        merge = g_ptr_array_index(plan->merges, step->merge);
        if (merge->live)
            d->active[sim_disk(merge->disk)] = sim_image_of_key(merge->base->key);
        return NULL;
    case PLAN_STEP_DEFINE_DOMAIN:
        for (i = 0; i < d->n_disks; i++)
            d->active[i] = replaced(plan, i, d->active[i], FALSE);
        return NULL;
    case PLAN_STEP_UPDATE_SNAPSHOTS:
        update_snapshots(w, domain, plan);
        return NULL;
    case PLAN_STEP_REMOVE_FILE:
        return sim_remove_file(w, g_ptr_array_index(plan->files, step->file));
    case PLAN_STEP_LOCK:
    case PLAN_STEP_START_HELPER:
    case PLAN_STEP_STOP_HELPER:
    case PLAN_STEP_UNLOCK:
        return NULL;
    default:
        return g_strdup_printf("step %d has no place in a delete", step->action);
    }
}
