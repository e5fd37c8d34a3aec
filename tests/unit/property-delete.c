/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * property-delete.c: a delete of a random world, and what must be so after each of its steps
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/property.h"

PropertyStats property_stats;
static PropertyStats *const stats = &property_stats;

/* One delete of one world. */
typedef struct {
    const SimWorld *before;
    gboolean deleted[SIM_SNAPSHOTS];
    gboolean may_change[SIM_IMAGES];   /* nobody has been promised its content */
    int content[SIM_IMAGES][SIM_CLUSTERS];
    int internal[SIM_IMAGES][SIM_CLUSTERS];
    const PlanRequest *request;
    const Plan *plan;
    guint seed;
    char *what;
} Case;

static void G_GNUC_NORETURN fail(const Case *c, const SimWorld *now, const char *step,
                                 const char *problem)
{
    property_fail(c->before, now, c->plan, c->seed, c->what, step, problem);
}

/* --- what has been promised --------------------------------------------------------------- */

/* Whether a snapshot that is deleted (or one that is not) preserves @image. */
static gboolean is_frozen(const Case *c, int image, gboolean by_deleted)
{
    const SimWorld *w = c->before;
    int i, j;

    for (i = 0; i < w->n_snapshots; i++) {
        for (j = 0; j < SIM_DISKS; j++) {
            if (w->snapshots[i].exists && c->deleted[i] == by_deleted &&
                w->snapshots[i].kind[j] == CHAIN_SNAP_EXTERNAL &&
                w->snapshots[i].frozen[j] == image)
                return TRUE;
        }
    }
    return FALSE;
}

static gboolean is_deleted_image(const Case *c, int image)
{
    return !property_is_active(c->before, image) && !is_frozen(c, image, FALSE) &&
           is_frozen(c, image, TRUE);
}

static int overlays_of(const SimWorld *w, int image, int *one)
{
    int i, n = 0;

    for (i = 0; i < w->n_images; i++) {
        if (w->images[i].exists && w->images[i].backing == image) {
            *one = i;
            n++;
        }
    }
    return n;
}

/* Whether a snapshot of the domain that goes, or one that stays, has its state in @image: they are
 * set, not cleared. */
static gboolean is_point(const Case *c, int image, gboolean *going, gboolean *staying)
{
    const SimWorld *w = c->before;
    int i, j;

    for (i = 0; i < w->n_snapshots; i++) {
        for (j = 0; w->snapshots[i].exists && j < SIM_DISKS; j++) {
            if (w->snapshots[i].domain != 0 || w->snapshots[i].frozen[j] != image ||
                w->snapshots[i].kind[j] == CHAIN_SNAP_NO ||
                w->snapshots[i].kind[j] == CHAIN_SNAP_MANUAL)
                continue;
            *going = *going || c->deleted[i];
            *staying = *staying || !c->deleted[i];
        }
    }
    return *going || *staying;
}

/* The same below @image: what is below all of them may be a template. */
static gboolean is_above_point(const Case *c, int image, gboolean *going, gboolean *staying)
{
    *going = *staying = FALSE;
    while ((image = c->before->images[image].backing) != SIM_NONE)
        is_point(c, image, going, staying);
    return *going || *staying;
}

/* Whether the user keeps @image himself. */
static gboolean is_manual(const Case *c, int image)
{
    const SimWorld *w = c->before;
    int i, j;

    for (i = 0; i < w->n_snapshots; i++) {
        for (j = 0; w->snapshots[i].exists && j < SIM_DISKS; j++) {
            if (w->snapshots[i].kind[j] == CHAIN_SNAP_MANUAL &&
                w->snapshots[i].frozen[j] == image)
                return TRUE;
        }
    }
    return FALSE;
}

/* A branch point whose name went earlier: merged away when one branch is left. */
static gboolean is_unnamed_branch_point(const Case *c, int image)
{
    const SimWorld *w = c->before;
    gboolean going, staying;
    int one;

    return (is_above_point(c, image, &going, &staying) || c->request->root) &&
           !property_is_active(w, image) && !is_frozen(c, image, FALSE) &&
           !is_frozen(c, image, TRUE) && overlays_of(w, image, &one) >= 2;
}

static gboolean is_unnamed(const Case *c, int image)
{
    return !property_is_active(c->before, image) && !is_frozen(c, image, FALSE) &&
           !is_frozen(c, image, TRUE) && !c->before->images[image].orphan;
}

/* An unnamed layer between two images whose points in time go. */
static gboolean is_between(const Case *c, int image)
{
    const SimWorld *w = c->before;
    int up = image, down = image;

    do {
        if (overlays_of(w, up, &up) != 1)
            return FALSE;
    } while (is_unnamed(c, up) && !is_unnamed_branch_point(c, up));
    do
        down = w->images[down].backing;
    while (down != SIM_NONE && is_unnamed(c, down) && !is_unnamed_branch_point(c, down));
    return down != SIM_NONE &&
           (is_deleted_image(c, up) || is_unnamed_branch_point(c, up)) &&
           (is_deleted_image(c, down) || is_unnamed_branch_point(c, down));
}

/* Whether all that stands on @image goes, and is not just unnamed at its ends. */
static gboolean all_above_goes(const Case *c, int image)
{
    const SimWorld *w = c->before;
    gboolean leaf = TRUE;
    int i;

    for (i = 0; i < w->n_images; i++) {
        if (!w->images[i].exists || w->images[i].backing != image)
            continue;
        leaf = FALSE;
        if ((!is_deleted_image(c, i) && !is_unnamed(c, i)) || !all_above_goes(c, i))
            return FALSE;
    }
    return !leaf || is_deleted_image(c, image);
}

/* An unnamed layer of a branch of which nothing else is left, above a point in time. */
static gboolean is_of_lost_branch(const Case *c, int image)
{
    gboolean going = FALSE, staying = FALSE;
    int down = image;

    do
        down = c->before->images[down].backing;
    while (down != SIM_NONE && is_unnamed(c, down) && !is_point(c, down, &going, &staying));
    return down != SIM_NONE && all_above_goes(c, image);
}

/* An unnamed layer above a point in time: merged when asked for, or as none is left below it. */
static gboolean is_taken(const Case *c, int image)
{
    gboolean going, staying;
    int one;

    if (overlays_of(c->before, image, &one) == 0)
        return FALSE;
    if (c->request->root)
        return TRUE;
    is_above_point(c, image, &going, &staying);
    return c->request->unnamed ? going || staying : going && !staying;
}

/* What nobody needs, and either cannot be seen itself or what it stands on. */
static gboolean is_lost_from_sight(const Case *c, int image)
{
    const SimWorld *w = c->before;
    int i;

    for (i = image; i != SIM_NONE; i = w->images[i].backing) {
        if (w->images[i].hidden)
            return !sim_is_needed(w, image, c->deleted);
    }
    return FALSE;
}

static void promise(Case *c)
{
    const SimWorld *w = c->before;
    int i;

    for (i = 0; i < w->n_images; i++) {
        int one;

        sim_read_internal(w, i, c->internal[i]);
        if (!w->images[i].exists || !sim_read(w, i, c->content[i]) || is_lost_from_sight(c, i))
            c->may_change[i] = TRUE;
        else if (c->request->keep_files && overlays_of(w, i, &one) == 0)
            c->may_change[i] = FALSE;
        else
            c->may_change[i] = !is_manual(c, i) &&
                               (is_deleted_image(c, i) || is_unnamed_branch_point(c, i) ||
                                (is_unnamed(c, i) &&
                                 (is_between(c, i) || is_of_lost_branch(c, i) ||
                                  is_taken(c, i))));
    }
}

/* --- is it kept --------------------------------------------------------------------------- */

static gboolean same(const Case *c, const SimWorld *now, int image, int was)
{
    int content[SIM_CLUSTERS];

    return sim_read(now, image, content) &&
           memcmp(content, c->content[was], sizeof(content)) == 0;
}

static int now_called(const Case *c, int image)
{
    int disk;

    for (disk = 0; disk < SIM_DISKS; disk++) {
        g_autofree char *key = g_strdup_printf("inode:1:%d", image);
        const PlanImage *now = plan_replacement(c->plan, sim_target(disk), key);

        if (now && sim_image_of_key(now->key) != image)
            return sim_image_of_key(now->key);
    }
    return image;
}

static gboolean was_shared(const Case *c, int image)
{
    const SimWorld *w = c->before;
    int i, j;

    for (i = 0; i < w->n_domains; i++) {
        for (j = 0; j < w->domains[i].n_disks; j++) {
            if (i != 0 && sim_stands_on(w, w->domains[i].active[j], image))
                return TRUE;
        }
    }
    for (i = 0; i < w->n_snapshots; i++) {
        const SimSnapshot *s = &w->snapshots[i];

        for (j = 0; s->exists && s->domain != 0 && j < SIM_DISKS; j++) {
            if (s->frozen[j] != SIM_NONE && sim_stands_on(w, s->frozen[j], image))
                return TRUE;
        }
    }
    return FALSE;
}

static void check_kept(const Case *c, const SimWorld *now, const char *step)
{
    const SimWorld *w = c->before;
    int i, j;

    for (i = 0; i < w->n_domains; i++) {
        for (j = 0; j < w->domains[i].n_disks; j++) {
            if (!same(c, now, now->domains[i].active[j], w->domains[i].active[j]))
                fail(c, now, step, "an active disk has changed");
        }
    }
    for (i = 0; i < w->n_snapshots; i++) {
        const SimSnapshot *s = &w->snapshots[i];

        for (j = 0; s->exists && !c->deleted[i] && j < SIM_DISKS; j++) {
            int content[SIM_CLUSTERS];

            if (s->kind[j] == CHAIN_SNAP_EXTERNAL && sim_read(w, s->frozen[j], content) &&
                !same(c, now, now->snapshots[i].frozen[j], s->frozen[j]))
                fail(c, now, step, "a snapshot that stays has changed");
        }
    }
    for (i = 0; i < w->n_images; i++) {
        int content[SIM_CLUSTERS];

        if (w->images[i].internal && w->images[i].exists &&
            (!sim_read_internal(now, i, content) ||
             memcmp(content, c->internal[i], sizeof(content)) != 0))
            fail(c, now, step, "an internal snapshot has changed");
        if (w->images[i].orphan && w->images[i].exists &&
            memcmp(&now->images[i], &w->images[i], sizeof(SimImage)) != 0)
            fail(c, now, step, "an image that nobody knows was written");
        if (w->images[i].exists && !now->images[i].exists && was_shared(c, i))
            fail(c, now, step, "an image that another domain uses is gone");
        if (w->images[i].exists && is_manual(c, i) &&
            memcmp(&now->images[i], &w->images[i], sizeof(SimImage)) != 0)
            fail(c, now, step, "an image that the user keeps himself was written");
        if (c->may_change[i] || same(c, now, i, i))
            continue;
        if (w->images[i].orphan)
            fail(c, now, step, "an image that nobody knows has changed");
        /* an unnamed layer may have been merged into one that reads the same */
        if (!same(c, now, now_called(c, i), i))
            fail(c, now, step, "an unnamed layer has changed");
    }
}

/* Whether anything that stays reads @image. */
static gboolean is_read(const Case *c, const SimWorld *now, int image)
{
    int i, j;

    for (i = 0; i < now->n_domains; i++) {
        for (j = 0; j < now->domains[i].n_disks; j++) {
            if (sim_stands_on(now, now->domains[i].active[j], image))
                return TRUE;
        }
    }
    for (i = 0; i < now->n_snapshots; i++) {
        for (j = 0; now->snapshots[i].exists && j < SIM_DISKS; j++) {
            if (now->snapshots[i].frozen[j] != SIM_NONE &&
                sim_stands_on(now, now->snapshots[i].frozen[j], image))
                return TRUE;
        }
    }
    for (i = 0; i < now->n_images; i++) {
        if (now->images[i].exists && i != image && sim_stands_on(now, i, image))
            return TRUE;
    }
    return FALSE;
}

/* Whether an unnamed layer that was to be kept lives on in @image. */
static gboolean holds_layer(const Case *c, int image)
{
    int i;

    for (i = 0; i < c->before->n_images; i++) {
        if (i != image && !c->may_change[i] && now_called(c, i) == image)
            return TRUE;
    }
    return FALSE;
}

static gboolean is_named_out(const Case *c, const SimWorld *now, int image)
{
    int i, j;

    for (i = 0; i < now->n_snapshots; i++) {
        for (j = 0; now->snapshots[i].exists && j < SIM_DISKS; j++) {
            if (now->snapshots[i].frozen[j] == image)
                return TRUE;
        }
    }
    return FALSE;
}

/* Whether something that domain 0 or its snapshots name stands on @image. */
static gboolean has_known_overlay(const SimWorld *now, int image)
{
    int i, j;

    for (j = 0; j < now->domains[0].n_disks; j++) {
        int active = now->domains[0].active[j];

        if (active != image && sim_stands_on(now, active, image))
            return TRUE;
    }
    for (i = 0; i < now->n_snapshots; i++) {
        const SimSnapshot *s = &now->snapshots[i];

        for (j = 0; s->exists && s->domain == 0 && j < SIM_DISKS; j++) {
            if (s->kind[j] == CHAIN_SNAP_EXTERNAL && s->frozen[j] != image &&
                now->images[s->frozen[j]].exists && sim_stands_on(now, s->frozen[j], image))
                return TRUE;
        }
    }
    return FALSE;
}

static void check_end(const Case *c, const SimWorld *now)
{
    const SimWorld *w = c->before;
    int i, j;

    for (i = 0; i < now->n_snapshots; i++) {
        const SimSnapshot *s = &now->snapshots[i];

        if (s->exists != (w->snapshots[i].exists && !c->deleted[i]))
            fail(c, now, "all", "not the snapshots that were asked for are gone");
        for (j = 0; s->exists && j < SIM_DISKS; j++) {
            if (s->frozen[j] != SIM_NONE && !now->images[s->frozen[j]].exists &&
                w->images[w->snapshots[i].frozen[j]].exists)
                fail(c, now, "all", "a snapshot names an image that is gone");
            if (s->overlay[j] != SIM_NONE && !now->images[s->overlay[j]].exists &&
                w->images[w->snapshots[i].overlay[j]].exists &&
                s->domain == 0 && has_known_overlay(now, s->frozen[j]))
                fail(c, now, "all", "a snapshot names an overlay that is gone");
            if (s->memory && !s->memory_exists)
                fail(c, now, "all", "a memory file that is needed is gone");
        }
        if (!s->exists && w->snapshots[i].exists && w->snapshots[i].memory &&
            s->memory_exists && !c->plan->keep_files && !c->plan->metadata_only)
            fail(c, now, "all", "a memory file was left behind");
    }
    for (i = 0; i < now->n_images; i++) {
        if (!now->images[i].exists || !is_deleted_image(c, i) || c->plan->keep_files ||
            c->plan->metadata_only || is_read(c, now, i))
            continue;
        if (w->images[i].backing == SIM_NONE || w->images[i].internal ||
            w->images[i].read_only || was_shared(c, i) || is_named_out(c, now, i) ||
            is_manual(c, i) || holds_layer(c, i) || w->images[i].hidden ||
            sim_anything_unknown(w, c->deleted))
            continue;
        fail(c, now, "all", "an image that nobody needs was left behind");
    }
    for (i = 0; i < now->n_images; i++) {
        const SimImage *image = &now->images[i];

        if (image->exists && image->backing != SIM_NONE && !now->images[image->backing].exists &&
            w->images[image->backing].exists && !(i < w->n_images && is_lost_from_sight(c, i)))
            if (!c->plan->keep_files)
                fail(c, now, "all", "an image stands on one that is gone");
    }
}

/* --- running ------------------------------------------------------------------------------ */

static void count(const Plan *plan)
{
    guint i;

    stats->plans++;
    stats->unnamed += plan->snapshots->len == 0 && plan->merges->len > 0;
    stats->notes += plan->notes->len > 0;
    stats->renames += plan->renames->len > 0;
    for (i = 0; i < plan->merges->len; i++) {
        const PlanMerge *merge = g_ptr_array_index(plan->merges, i);

        stats->commits += merge->direction == PLAN_COMMIT;
        stats->pulls += merge->direction == PLAN_PULL;
        stats->live += merge->live;
        stats->helper += !merge->live;
        stats->ranges += merge->range->len > 2;
        stats->branches += merge->gone->len == 0;
        stats->chosen_pulls += merge->direction == PLAN_PULL && merge->other_bytes != CHAIN_UNKNOWN;
    }
    for (i = 0; i < plan->steps->len; i++) {
        const PlanStep *step = g_ptr_array_index(plan->steps, i);

        stats->pivots += step->action == PLAN_STEP_PIVOT;
        stats->leaves += step->action == PLAN_STEP_REMOVE_FILE && plan->merges->len == 0;
    }
}

/* Where nobody else was at it, what was planned may be done. */
static void check_may_begin(const Case *c, const SimWorld *now, const PlanStep *step)
{
    g_autoptr(ChainGraph) graph = sim_graph(now);
    const PlanMerge *merge = g_ptr_array_index(c->plan->merges, step->merge);
    g_autoptr(Plan) check = plan_check_merge(c->plan, merge, graph,
                                             chain_graph_domain(graph, "d0"), FALSE);

    if (check->refusals->len)
        fail(c, now, "before a merge",
             g_strdup(((PlanRefusal *)g_ptr_array_index(check->refusals, 0))->message));
}

static void run_plan(const Case *c, GRand *rand, gboolean measured, SimWorld *after)
{
    SimWorld now = *c->before;
    guint copied_all = 0;
    gboolean crashed = FALSE;
    guint i;

    for (i = 0; i < c->plan->steps->len; i++) {
        const PlanStep *step = g_ptr_array_index(c->plan->steps, i);
        const char *name = plan_action_name(c->plan, step);
        guint copied = 0;
        char *problem;

        if (step->action == PLAN_STEP_MERGE) {
            /* a crash in the middle, twice; then it is run again from the start */
            int crashes = g_rand_int_range(rand, 0, 3);

            check_may_begin(c, &now, step);
            while (crashes-- > 0) {
                guint some = g_rand_int(rand) & SIM_ALL_CLUSTERS & ~1u;

                crashed = TRUE;
                problem = sim_step(&now, 0, c->plan, step, some, &copied);
                if (problem)
                    fail(c, &now, name, problem);
                check_kept(c, &now, "a part of a merge");
            }
            copied = 0;
        }
        problem = sim_step(&now, 0, c->plan, step, SIM_ALL_CLUSTERS, &copied);
        if (problem)
            fail(c, &now, name, problem);
        check_kept(c, &now, name);
        if (step->action == PLAN_STEP_MERGE && step->bytes != CHAIN_UNKNOWN &&
            !(measured && i > 3) && (guint64) copied * SIM_CLUSTER_SIZE > step->bytes)
            fail(c, &now, name, "more was moved than the plan said");
        copied_all += copied;
    }
    check_end(c, &now);
    if (measured && !crashed && c->plan->merges->len == 1 &&
        (guint64) copied_all * SIM_CLUSTER_SIZE != c->plan->bytes_moved)
        fail(c, &now, "all", "not what was measured was moved");
    if (!c->plan->bytes_exact)
        fail(c, &now, "all", "sizes are known, the plan says they are not");
    if (after)
        *after = now;
}

static char *describe(const PlanRequest *r, const SimWorld *w)
{
    static const char *directions[] = { "auto", "commit", "pull" };
    GString *out = g_string_new("delete");
    guint i;

    for (i = 0; r->names && i < r->names->len; i++)
        g_string_append_printf(out, " %s", (const char *) g_ptr_array_index(r->names, i));
    g_string_append_printf(out, "%s%s%s%s%s%s%s --direction %s%s", r->all ? " --all" : "",
                           r->children ? " --children" : "",
                           r->children_only ? " --children-only" : "",
                           r->current ? " --current" : "", r->metadata_only ? " --metadata" : "",
                           r->keep_files ? " --keep-files" : "",
                           r->root ? " --root" : r->unnamed ? " --unnamed" : "",
                           directions[r->direction],
                           w->domains[0].running ? ", running" : ", shut off");
    return g_string_free(out, FALSE);
}

static gboolean was_resized(const SimWorld *w)
{
    int i;

    for (i = 0; i < w->n_images; i++) {
        if (w->images[i].size != SIM_CLUSTERS)
            return TRUE;
    }
    return FALSE;
}

gboolean property_delete(const SimWorld *w, ChainGraph *graph, const PlanRequest *request,
                         GRand *rand, guint seed, SimWorld *after)
{
    ChainDomain *d = chain_graph_domain(graph, "d0");
    PlanFacts facts = { 0 };
    g_autofree char *what = describe(request, w);
    g_autoptr(Plan) plan = property_plan(what, graph, d, request, &facts);
    g_autoptr(GHashTable) measures = NULL;
    Case c = { .before = w, .request = request, .seed = seed, .what = what };
    gboolean measured = g_rand_boolean(rand);
    guint i;

    if (measured && plan->wanted->len > 0) {
        measures = sim_measure(w, plan);
        facts.measures = measures;
        plan_free(plan);
        plan = plan_make(graph, d, request, &facts);
    }
    c.plan = plan;
    for (i = 0; i < plan->snapshots->len; i++)
        c.deleted[atoi((const char *) g_ptr_array_index(plan->snapshots, i) + 1)] = TRUE;
    if (plan->refusals->len > 0) {
        const PlanRefusal *refusal = g_ptr_array_index(plan->refusals, 0);

        /* only what was asked for too precisely is refused: and damage, which is not made here */
        if (request->direction == PLAN_AUTO && strcmp(refusal->code, "internal-snapshot") != 0 &&
            !((strcmp(refusal->code, "smaller-image") == 0 ||
               strcmp(refusal->code, "fixed-size") == 0) && was_resized(w)) &&
            !(strcmp(refusal->code, "deep-chain") == 0 && w->layer_limit > 0) &&
            !(sim_anything_unknown(w, NULL) && (strcmp(refusal->code, "incomplete-view") == 0 ||
                                                strcmp(refusal->code, "missing-image") == 0)))
            fail(&c, w, "planning", refusal->message);
        stats->refused++;
        stats->cut += strcmp(refusal->code, "smaller-image") == 0;
        stats->deep += strcmp(refusal->code, "deep-chain") == 0;
        return FALSE;
    }
    promise(&c);
    count(plan);
    run_plan(&c, rand, measured, after);
    if (g_rand_int_range(rand, 0, 16) == 0) {
        char *problem = property_round_trip(plan);

        if (problem)
            fail(&c, w, "reading the plan back", problem);
    }
    return TRUE;
}
