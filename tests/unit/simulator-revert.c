/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * simulator-revert.c: the steps of a revert, as plugin/exec/revert.c and revert-config.c do them
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/simulator.h"

int sim_planned_image(const SimWorld *w, const PlanImage *image)
{
    int i;

    if (g_str_has_prefix(image->key, "inode:"))
        return sim_image_of_key(image->key);
    for (i = 0; i < w->n_made; i++) {
        if (strcmp(w->made[i].path, image->path) == 0)
            return w->made[i].image;
    }
    return SIM_NONE;
}

static char *make_overlay(SimWorld *w, const PlanOverlay *o, int *made)
{
    int frozen = sim_planned_image(w, o->frozen);

    if (sim_planned_image(w, o->overlay) != SIM_NONE || w->n_made == 2 * SIM_DISKS)
        return g_strdup_printf("'%s' exists already", o->overlay->path);
    if (frozen == SIM_NONE || !w->images[frozen].exists)
        return g_strdup_printf("'%s' does not exist", o->frozen->path);
    if (g_strcmp0(o->frozen->format, "qcow2") != 0)
        return g_strdup("the format of the frozen image is not recorded");
    *made = sim_add_image(w, frozen);
    g_assert(*made != SIM_NONE);
    g_strlcpy(w->made[w->n_made].path, o->overlay->path, sizeof(w->made[0].path));
    w->made[w->n_made++].image = *made;
    return NULL;
}

static char *save_current(SimWorld *w, int domain, const Plan *plan)
{
    SimDomain *d = &w->domains[domain];
    int index = sim_snapshot(w, domain, 0);
    SimSnapshot *s = &w->snapshots[index];
    guint i;

    if (index == SIM_NONE || atoi(plan->save_current + 1) != index)
        return g_strdup_printf("there is no place for snapshot '%s'", plan->save_current);
    for (i = 0; i < plan->save_overlays->len; i++) {
        const PlanOverlay *o = g_ptr_array_index(plan->save_overlays, i);
        int disk = sim_disk(o->disk);
        char *problem;

        if (sim_planned_image(w, o->frozen) != d->active[disk])
            return g_strdup_printf("%s is not on the image to be frozen", o->disk);
        problem = make_overlay(w, o, &s->overlay[disk]);
        if (problem)
            return problem;
        s->kind[disk] = CHAIN_SNAP_EXTERNAL;
        d->active[disk] = s->overlay[disk];
    }
    return NULL;
}

static char *create_overlays(SimWorld *w, const Plan *plan)
{
    char *problem = NULL;
    guint i;
    int made;

    for (i = 0; !problem && i < plan->overlays->len; i++)
        problem = make_overlay(w, g_ptr_array_index(plan->overlays, i), &made);
    return problem;
}

static int reverted_to(const Plan *plan)
{
    return atoi((const char *) g_ptr_array_index(plan->snapshots, 0) + 1);
}

/* What the configuration names that a revert defines. */
static void revert_config(const SimWorld *w, const SimDomain *d, const Plan *plan,
                          int disks[SIM_DISKS])
{
    guint n;
    int i;

    for (i = 0; i < d->n_disks; i++)
        disks[i] = w->snapshots[reverted_to(plan)].frozen[i];
    for (n = 0; n < plan->overlays->len; n++) {
        const PlanOverlay *o = g_ptr_array_index(plan->overlays, n);
        disks[sim_disk(o->disk)] = sim_planned_image(w, o->overlay);
    }
    for (n = 0; n < plan->kept_disks->len; n++) {
        i = sim_disk(g_ptr_array_index(plan->kept_disks, n));
        disks[i] = w->journal[i];
    }
}

static char *revert_stop(SimDomain *d)
{
    int i;

    /* libvirt might not accept it: that must be known while the guest still runs */
    if (d->running && !d->transient && !d->redefined)
        return g_strdup("the guest is stopped before the new configuration is defined");
    for (i = 0; i < d->n_disks; i++)
        d->active[i] = d->transient ? SIM_NONE : sim_configured(d, i);
    d->redefined = FALSE;
    d->running = FALSE;
    return NULL;
}

static char *revert_start(const SimWorld *w, SimDomain *d, const Plan *plan)
{
    int i;

    if (d->running)
        return g_strdup("the domain runs already");
    d->running = TRUE;
    if (d->transient)
        revert_config(w, d, plan, d->active);
    for (i = 0; i < d->n_disks; i++) {
        int content[SIM_CLUSTERS];

        if (d->active[i] == SIM_NONE || !sim_read(w, d->active[i], content))
            return g_strdup_printf("%s cannot be opened", sim_target(i));
    }
    return NULL;
}

static void revert_update(SimWorld *w, int domain, const Plan *plan)
{
    int target = reverted_to(plan);
    SimSnapshot *s = &w->snapshots[target];
    gboolean children = FALSE;
    guint n;
    int i;

    for (i = 0; i < w->n_snapshots; i++)
        children = children || (w->snapshots[i].exists && w->snapshots[i].parent == target);
    for (i = 0; i < SIM_DISKS; i++)
        s->revert_overlay[i] = SIM_NONE;
    for (n = 0; n < plan->overlays->len; n++) {
        const PlanOverlay *o = g_ptr_array_index(plan->overlays, n);
        int *names = children && w->revert_disks ? s->revert_overlay : s->overlay;

        names[sim_disk(o->disk)] = sim_planned_image(w, o->overlay);
    }
    w->domains[domain].current = target;
}

/* Who would miss @image; new string or NULL. */
static char *needed_by(const SimWorld *w, int image)
{
    int i, j;

    for (i = 0; i < w->n_domains; i++) {
        for (j = 0; j < w->domains[i].n_disks; j++) {
            if (w->domains[i].active[j] == image || sim_configured(&w->domains[i], j) == image)
                return g_strdup_printf("domain d%d", i);
        }
    }
    for (i = 0; i < w->n_snapshots; i++) {
        for (j = 0; w->snapshots[i].exists && j < SIM_DISKS; j++) {
            if (w->snapshots[i].frozen[j] == image)
                return g_strdup_printf("snapshot s%d", i);
        }
    }
    for (i = 0; i < w->n_images; i++) {
        if (w->images[i].exists && w->images[i].backing == image)
            return g_strdup_printf("image %d", i);
    }
    return NULL;
}

char *sim_revert_step(SimWorld *w, int domain, const Plan *plan, const PlanStep *step)
{
    SimDomain *d = &w->domains[domain];
    const PlanFile *file;
    char *who, *problem;

    switch (step->action) {
    case PLAN_STEP_LOCK:
        w->n_made = 0;
        memcpy(w->journal, d->active, sizeof(w->journal));
        return NULL;
    case PLAN_STEP_SAVE_CURRENT:
        return save_current(w, domain, plan);
    case PLAN_STEP_CREATE_OVERLAYS:
        return create_overlays(w, plan);
    case PLAN_STEP_DEFINE_DOMAIN:
        d->redefined = d->running;
        revert_config(w, d, plan, d->running ? d->configured : d->active);
        return d->transient ? g_strdup("a transient domain is defined") : NULL;
    case PLAN_STEP_STOP_GUEST:
        return revert_stop(d);
    case PLAN_STEP_UPDATE_SNAPSHOTS:
        revert_update(w, domain, plan);
        return d->transient && !d->running ? g_strdup("there is no domain for snapshots") : NULL;
    case PLAN_STEP_RESTORE_MEMORY:
    case PLAN_STEP_START_GUEST:
        return revert_start(w, d, plan);
    case PLAN_STEP_REMOVE_FILE:
        file = g_ptr_array_index(plan->files, step->file);
        who = file->image ? needed_by(w, sim_planned_image(w, file->image))
                          : g_strdup("its snapshot");
        if (!who)
            return sim_remove_file(w, file);
        problem = g_strdup_printf("a file is removed that %s needs", who);
        g_free(who);
        return problem;
    case PLAN_STEP_UNLOCK:
        return NULL;
    default:
        return g_strdup_printf("step %d has no place in a revert", step->action);
    }
}
