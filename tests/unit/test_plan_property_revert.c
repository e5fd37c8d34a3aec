/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_plan_property_revert.c: wherever it goes back to, every state that was saved stays
 *
 * Random trees as for delete; reverts to every snapshot, with and without --save-current, of
 * running, shut-off and transient domains, and walks of reverts and deletes on what they leave.
 * After every step, wherever a crash would leave things, everything is compared with before.
 *
 *      VEXT_TREES=100000  how many trees      VEXT_SEED=7  the seed of the first (and, with
 *      VEXT_TREES=1, only) one
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/property.h"

#define TREES 3000
#define STALE "stale-snapshot"

typedef enum { SHUT_OFF, RUNNING, TRANSIENT, N_STATES } State;

static struct {
    guint plans, refused, removed, saved, kept, memory, running, transient, branches, stays,
        stale, missing, deep, walks, deletes;
} stats;

/* One revert of one world. */
typedef struct {
    const SimWorld *before;
    int target;
    const PlanRequest *request;
    const Plan *plan;
    gboolean removable[SIM_IMAGES];
    guint seed;
    char *what;
} Case;

static void G_GNUC_NORETURN fail(const Case *c, const SimWorld *now, const char *step,
                                 const char *problem)
{
    property_fail(c->before, now, c->plan, c->seed, c->what, step, problem);
}

static gboolean is_covered(const Case *c, int disk)
{
    return c->before->snapshots[c->target].kind[disk] == CHAIN_SNAP_EXTERNAL;
}

/* --- what may go -------------------------------------------------------------------------- */

/* Whether the state of a snapshot of domain 0, or of any (@any), is in @image. */
static gboolean is_frozen(const SimWorld *w, int image, gboolean any)
{
    int i, j;

    for (i = 0; i < w->n_snapshots; i++) {
        const SimSnapshot *s = &w->snapshots[i];

        for (j = 0; s->exists && (any || s->domain == 0) && j < SIM_DISKS; j++) {
            if (s->kind[j] != CHAIN_SNAP_NO && s->frozen[j] == image)
                return TRUE;
        }
    }
    return FALSE;
}

static gboolean is_named(const SimWorld *w, int image)
{
    int i, j;

    for (i = 0; i < w->n_snapshots; i++) {
        for (j = 0; w->snapshots[i].exists && j < SIM_DISKS; j++) {
            if (w->snapshots[i].frozen[j] == image)
                return TRUE;
        }
    }
    return FALSE;
}

static int users_of(const SimWorld *w, int image)
{
    int i, j, n = 0;

    for (i = 0; i < w->n_domains; i++) {
        for (j = 0; j < w->domains[i].n_disks; j++)
            n += sim_stands_on(w, w->domains[i].active[j], image);
    }
    return n;
}

static int overlays_of(const SimWorld *w, int image)
{
    int i, n = 0;

    for (i = 0; i < w->n_images; i++)
        n += w->images[i].exists && w->images[i].backing == image;
    return n;
}

/* What was written since the newest snapshot: from the active image down, only one disk's. */
static void find_removable(Case *c)
{
    const SimWorld *w = c->before;
    int i, j;

    for (j = 0; j < w->domains[0].n_disks; j++) {
        int image = w->domains[0].active[j];
        int above = 0;
        gboolean since = FALSE;

        if (!is_covered(c, j) || c->request->save_current)
            continue;
        while (image != SIM_NONE && users_of(w, image) == 1 && !is_named(w, image) &&
               overlays_of(w, image) == above && !w->images[image].internal &&
               !w->images[image].read_only) {
            above = 1;
            image = w->images[image].backing;
        }
        for (i = image; i != SIM_NONE; i = w->images[i].backing)
            since = since || is_frozen(w, i, FALSE);
        if (image != SIM_NONE && users_of(w, image) == 1 &&
            sim_stands_on(w, w->snapshots[c->target].frozen[j], image))
            since = TRUE;
        for (i = w->domains[0].active[j]; since && i != image; i = w->images[i].backing)
            c->removable[i] = TRUE;
    }
}

/* --- after every step --------------------------------------------------------------------- */

static gboolean same(const SimWorld *a, int image_a, const SimWorld *b, int image_b)
{
    int content_a[SIM_CLUSTERS], content_b[SIM_CLUSTERS];

    return image_a != SIM_NONE && image_b != SIM_NONE && sim_read(a, image_a, content_a) &&
           sim_read(b, image_b, content_b) &&
           memcmp(content_a, content_b, sizeof(content_a)) == 0;
}

static void check_snapshots(const Case *c, const SimWorld *now, const char *step)
{
    const SimWorld *w = c->before;
    int i, j;

    for (i = 0; i < w->n_snapshots; i++) {
        const SimSnapshot *was = &w->snapshots[i], *is = &now->snapshots[i];
        int content[SIM_CLUSTERS];

        if (was->exists != is->exists || was->memory_exists != is->memory_exists ||
            was->parent != is->parent)
            fail(c, now, step, "another snapshot than before");
        for (j = 0; was->exists && j < SIM_DISKS; j++) {
            if (was->frozen[j] != is->frozen[j] || was->kind[j] != is->kind[j])
                fail(c, now, step, "a snapshot names another image");
            /* also what it leaves out: libvirt's own revert takes that as it is named */
            if (was->frozen[j] != SIM_NONE && sim_read(w, was->frozen[j], content) &&
                !same(w, was->frozen[j], now, is->frozen[j]))
                fail(c, now, step, "a snapshot has changed");
            if (i != c->target && (was->overlay[j] != is->overlay[j] ||
                                   was->revert_overlay[j] != is->revert_overlay[j]))
                fail(c, now, step, "another snapshot's overlay changes");
        }
    }
}

static void check_images(const Case *c, const SimWorld *now, const char *step)
{
    const SimWorld *w = c->before;
    int i;

    for (i = 0; i < w->n_images; i++) {
        if (!w->images[i].exists)
            continue;
        if (!now->images[i].exists && !c->removable[i])
            fail(c, now, step, "an image is gone that was not written since a snapshot only");
        if (now->images[i].exists &&
            memcmp(&now->images[i], &w->images[i], sizeof(SimImage)) != 0)
            fail(c, now, step, "an image was written");
    }
    for (i = 0; i < now->n_images; i++) {
        int backing = now->images[i].backing;

        if (now->images[i].exists && backing != SIM_NONE && !now->images[backing].exists &&
            !(i < w->n_images && !w->images[backing].exists))
            fail(c, now, step, "an image stands on one that is gone");
    }
}

/* A disk that is @now on another image than before must not be on one that holds anything. */
static void check_place(const Case *c, const SimWorld *now, const char *step, int disk, int image)
{
    if (image == SIM_NONE || image == c->before->domains[0].active[disk])
        return;
    if (image < c->before->n_images)
        fail(c, now, step, "a disk is put on an image that was there before");
    if (is_frozen(now, image, TRUE))
        fail(c, now, step, "a disk is on an image that holds a snapshot's state");
    if (overlays_of(now, image) > 0)
        fail(c, now, step, "a disk is on an image on which another one stands");
}

/* Whether the disks, if there is a domain at all, are all as they were (0) or all as they are
 * to be (1); -1 neither. */
static int which(const Case *c, const SimWorld *now, gboolean configured)
{
    const SimDomain *d = &now->domains[0];
    gboolean old = TRUE, new = TRUE;
    int j;

    for (j = 0; j < d->n_disks; j++) {
        int image = configured ? sim_configured(d, j) : d->active[j];
        gboolean as_before;

        if (image == SIM_NONE)
            return d->transient && !d->running ? 0 : -1;
        as_before = same(c->before, c->before->domains[0].active[j], now, image);
        old = old && as_before;
        new = new && (is_covered(c, j)
                          ? same(c->before, c->before->snapshots[c->target].frozen[j], now, image)
                          : as_before);
    }
    return old ? 0 : new ? 1 : -1;
}

static void check_domains(const Case *c, const SimWorld *now, const char *step)
{
    const SimWorld *w = c->before;
    const SimDomain *d = &now->domains[0];
    int i, j;

    for (i = 1; i < w->n_domains; i++) {
        if (memcmp(&w->domains[i], &now->domains[i], sizeof(SimDomain)) != 0)
            fail(c, now, step, "another domain has changed");
        for (j = 0; j < w->domains[i].n_disks; j++) {
            int content[SIM_CLUSTERS];

            if (sim_read(w, w->domains[i].active[j], content) &&
                !same(w, w->domains[i].active[j], now, now->domains[i].active[j]))
                fail(c, now, step, "another domain's disk has changed");
        }
    }
    for (j = 0; j < d->n_disks; j++) {
        check_place(c, now, step, j, d->active[j]);
        check_place(c, now, step, j, sim_configured(d, j));
    }
    if (which(c, now, FALSE) < 0)
        fail(c, now, step, "the domain's disks are neither as before nor as wanted");
    if (which(c, now, TRUE) < 0)
        fail(c, now, step, "the configuration is neither as before nor as wanted");
}

static void check_saved(const Case *c, const SimWorld *now, const char *step)
{
    const SimWorld *w = c->before;
    const SimSnapshot *s = &now->snapshots[w->n_snapshots];
    int j;

    if (!c->request->save_current || now->n_snapshots == w->n_snapshots)
        return;
    if (!s->exists || s->domain != 0 || s->parent != w->domains[0].current)
        fail(c, now, step, "what was saved is not where it should be");
    for (j = 0; j < w->domains[0].n_disks; j++) {
        if (!same(w, w->domains[0].active[j], now, s->frozen[j]))
            fail(c, now, step, "what was saved is not what was there");
        if (is_covered(c, j) && s->kind[j] != CHAIN_SNAP_EXTERNAL)
            fail(c, now, step, "a disk that is reverted was not saved");
    }
}

static void check_step(const Case *c, const SimWorld *now, const char *step)
{
    check_snapshots(c, now, step);
    check_images(c, now, step);
    check_domains(c, now, step);
    check_saved(c, now, step);
}

/* --- at the end --------------------------------------------------------------------------- */

static void check_names(const Case *c, const SimWorld *now)
{
    const SimSnapshot *s = &now->snapshots[c->target];
    int j;

    for (j = 0; j < now->domains[0].n_disks; j++) {
        int active = now->domains[0].active[j];

        if (is_covered(c, j) && s->overlay[j] != active && s->revert_overlay[j] != active)
            fail(c, now, "all", "the snapshot does not name its new overlay");
    }
}

static void check_end(const Case *c, const SimWorld *now)
{
    const SimWorld *w = c->before;
    const SimDomain *d = &now->domains[0];
    int i, j, made = 0;

    for (j = 0; j < d->n_disks; j++) {
        if (!is_covered(c, j) && d->active[j] != w->domains[0].active[j])
            fail(c, now, "all", "a disk that the snapshot leaves out changes");
        if (is_covered(c, j) &&
            now->images[d->active[j]].backing != w->snapshots[c->target].frozen[j])
            fail(c, now, "all", "a disk is not on the snapshot's image");
        made += is_covered(c, j);
    }
    if (which(c, now, FALSE) < 0 || (made > 0 && d->active[0] == SIM_NONE))
        fail(c, now, "all", "the disks are not what the snapshot holds");
    if (d->redefined)
        fail(c, now, "all", "the domain still runs as it was");
    if (d->running != (c->request->running || c->request->paused ||
                       w->snapshots[c->target].memory))
        fail(c, now, "all", "the domain should run, or should not");
    if (d->current != c->target)
        fail(c, now, "all", "it is not current");
    if (c->request->save_current && now->n_snapshots != w->n_snapshots + 1)
        fail(c, now, "all", "nothing was saved");
    for (i = w->n_images; i < now->n_images; i++)
        made -= now->images[i].exists;
    if (made != 0)
        fail(c, now, "all", "not as many new images as disks that were reverted");
    for (i = 0; i < w->n_images; i++) {
        if (c->removable[i] && now->images[i].exists && !sim_anything_unknown(w, NULL))
            fail(c, now, "all", "what was written since the newest snapshot was left behind");
    }
    check_names(c, now);
}

/* --- running ------------------------------------------------------------------------------ */

/* What must be refused: NULL if nothing. */
static const char *expected_refusal(const Case *c, const PlanFacts *facts)
{
    const SimWorld *w = c->before;
    const SimSnapshot *s = &w->snapshots[c->target];
    gboolean external = s->memory, internal = FALSE, deep = FALSE;
    int j;

    for (j = 0; j < w->domains[0].n_disks; j++) {
        external = external || s->kind[j] == CHAIN_SNAP_EXTERNAL;
        internal = internal || s->kind[j] == CHAIN_SNAP_INTERNAL;
    }
    if (!external)
        return internal ? "internal-snapshot" : "not-external";
    if (s->memory && facts->memory_problem)
        return "memory-file";
    for (j = 0; j < w->domains[0].n_disks; j++) {
        int content[SIM_CLUSTERS], image;
        guint depth = 1;

        if (s->kind[j] != CHAIN_SNAP_EXTERNAL)
            continue;
        if (!sim_read(w, s->frozen[j], content))
            return "missing-image";
        for (image = s->frozen[j]; image != SIM_NONE; image = w->images[image].backing) {
            if (property_is_active(w, image))
                return STALE;
            depth++;
        }
        deep = deep || (w->layer_limit > 0 && depth > w->layer_limit);
    }
    if (w->domains[0].transient && !s->memory && !c->request->running && !c->request->paused)
        return "transient-domain";
    return deep ? "deep-chain" : NULL;
}

/* Whether @snapshot's images are not as they were made: somebody has merged them by hand, and
 * its state may be lost. No plan leaves one so. */
static gboolean looks_stale(const SimWorld *w, int snapshot)
{
    const SimSnapshot *s = &w->snapshots[snapshot];
    int j;

    for (j = 0; j < w->domains[0].n_disks; j++) {
        int overlay = s->overlay[j];

        if (s->kind[j] != CHAIN_SNAP_EXTERNAL || overlay == SIM_NONE || overlay == s->frozen[j])
            continue;
        if (w->images[overlay].exists ? w->images[overlay].backing != s->frozen[j]
                                      : is_frozen(w, overlay, FALSE))
            return TRUE;
    }
    return FALSE;
}

static void check_refusal(const Case *c, const char *expected)
{
    guint i;

    if (c->plan->refusals->len > 0 && looks_stale(c->before, c->target))
        expected = STALE;

    for (i = 0; expected && i < c->plan->refusals->len; i++) {
        const PlanRefusal *refusal = g_ptr_array_index(c->plan->refusals, i);

        if (strcmp(refusal->code, expected) == 0 || (strcmp(expected, "missing-image") == 0 &&
                                                     strcmp(refusal->code, STALE) == 0))
            break;
    }
    if (expected && i == c->plan->refusals->len)
        fail(c, c->before, "planning", expected);
    if (!expected && c->plan->refusals->len > 0)
        fail(c, c->before, "planning", "it is refused");
}

static void count(const Case *c)
{
    const Plan *plan = c->plan;
    int target = c->before->snapshots[c->target].frozen[0];

    stats.plans++;
    stats.removed += plan->files->len > plan->save_overlays->len;
    stats.saved += plan->save_overlays->len > 0;
    stats.kept += plan->kept_disks->len > 0;
    stats.memory += plan->memory_file != NULL;
    stats.running += c->before->domains[0].running && !c->before->domains[0].transient;
    stats.transient += c->before->domains[0].transient;
    stats.branches += target != SIM_NONE && overlays_of(c->before, target) > 0;
    stats.stays += plan->notes->len > 0;
}

static gboolean has_step(const Plan *plan, PlanAction action)
{
    guint i;

    for (i = 0; i < plan->steps->len; i++) {
        if (((const PlanStep *) g_ptr_array_index(plan->steps, i))->action == action)
            return TRUE;
    }
    return FALSE;
}

static void run_plan(const Case *c, SimWorld *after)
{
    SimWorld now = *c->before;
    guint copied = 0;
    guint i;

    for (i = 0; i < c->plan->steps->len; i++) {
        const PlanStep *step = g_ptr_array_index(c->plan->steps, i);
        const char *name = plan_action_name(c->plan, step);
        char *problem = sim_step(&now, 0, c->plan, step, SIM_ALL_CLUSTERS, &copied);

        if (problem)
            fail(c, &now, name, problem);
        check_step(c, &now, name);
    }
    if (!has_step(c->plan, PLAN_STEP_LOCK) || !has_step(c->plan, PLAN_STEP_UNLOCK))
        fail(c, &now, "all", "it is not locked");
    if (has_step(c->plan, PLAN_STEP_RESTORE_MEMORY) != c->before->snapshots[c->target].memory)
        fail(c, &now, "all", "memory should be restored, or should not");
    check_end(c, &now);
    if (after)
        *after = now;
}

static char *describe(const PlanRequest *r, const SimWorld *w)
{
    return g_strdup_printf("revert %s%s%s%s%s, %s", (const char *) g_ptr_array_index(r->names, 0),
                           r->running ? " --running" : "", r->paused ? " --paused" : "",
                           r->save_current ? " --save-current " : "",
                           r->save_current ? r->save_current : "",
                           w->domains[0].transient ? "transient"
                           : w->domains[0].running ? "running" : "shut off");
}

/* Reverts domain 0 of @w; FALSE if it was refused, as it should be. */
static gboolean revert_one(const SimWorld *w, ChainGraph *graph, int target, gboolean save,
                           GRand *rand, guint seed, SimWorld *after)
{
    ChainDomain *d = chain_graph_domain(graph, "d0");
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *saved = save ? g_strdup_printf("s%d", w->n_snapshots) : NULL;
    PlanRequest request = { .operation = PLAN_REVERT, .names = names, .save_current = saved };
    PlanFacts facts = { .random = (const guint8 *) "0123456789abcdef" };
    g_autofree char *what = NULL;
    g_autoptr(Plan) plan = NULL;
    Case c = { .before = w, .target = target, .request = &request, .seed = seed };
    const char *expected;
    int start = g_rand_int_range(rand, 0, 3);

    if (w->n_images + 2 * SIM_DISKS > SIM_IMAGES || (save && w->n_snapshots == SIM_SNAPSHOTS))
        return FALSE;
    property_add_name(names, target);
    request.running = start == 1 || (w->domains[0].transient && g_rand_boolean(rand));
    request.paused = start == 2 && !request.running;
    if (g_rand_int_range(rand, 0, 10) == 0)
        facts.memory_problem = "No such file";
    c.what = what = describe(&request, w);
    c.plan = plan = property_plan(what, graph, d, &request, &facts);
    expected = expected_refusal(&c, &facts);
    check_refusal(&c, expected);
    if (plan->refusals->len > 0) {
        stats.refused++;
        stats.stale += g_strcmp0(expected, STALE) == 0;
        stats.missing += g_strcmp0(expected, "missing-image") == 0;
        stats.deep += g_strcmp0(expected, "deep-chain") == 0;
        return FALSE;
    }
    find_removable(&c);
    count(&c);
    run_plan(&c, after);
    if (g_rand_int_range(rand, 0, 16) == 0) {
        char *problem = property_round_trip(plan);

        if (problem)
            fail(&c, w, "reading the plan back", problem);
    }
    return TRUE;
}

static void set_state(SimWorld *w, State state)
{
    w->domains[0].running = state != SHUT_OFF;
    w->domains[0].transient = state == TRANSIENT;
}

static gboolean is_ours(const SimWorld *w, int snapshot)
{
    return w->snapshots[snapshot].exists && w->snapshots[snapshot].domain == 0;
}

/* Every snapshot, saving what is there first and not. */
static void revert_all_ways(const SimWorld *w, GRand *rand, guint seed)
{
    g_autoptr(ChainGraph) graph = sim_graph(w);
    int i;

    for (i = 0; i < w->n_snapshots; i++) {
        if (!is_ours(w, i))
            continue;
        revert_one(w, graph, i, FALSE, rand, seed, NULL);
        revert_one(w, graph, i, TRUE, rand, seed, NULL);
    }
}

static int random_snapshot(const SimWorld *w, GRand *rand)
{
    int i, n = 0, chosen = SIM_NONE;

    for (i = 0; i < w->n_snapshots; i++) {
        if (is_ours(w, i) && g_rand_int_range(rand, 0, ++n) == 0)
            chosen = i;
    }
    return chosen;
}

/* What goes on between two operations. */
static void live_on(SimWorld *w, GRand *rand)
{
    int n, n_disks = w->domains[0].n_disks;

    if (!w->domains[0].transient)
        w->domains[0].running = g_rand_boolean(rand);
    for (n = g_rand_int_range(rand, 0, 4); n > 0; n--)
        sim_write(w, 0, g_rand_int_range(rand, 0, n_disks),
                  g_rand_int_range(rand, 0, SIM_CLUSTERS));
    n = g_rand_int_range(rand, 0, 8);
    if (n == 0)
        sim_snapshot(w, 0, (guint) g_rand_int_range(rand, 1, 1 << n_disks));
    else if (n == 1)
        sim_layer(w, 0, g_rand_int_range(rand, 0, n_disks));
}

static void check_none_stale(const SimWorld *w, const SimWorld *after, guint seed)
{
    int i;

    for (i = 0; i < w->n_snapshots; i++) {
        if (is_ours(w, i) && is_ours(after, i) && !looks_stale(w, i) && looks_stale(after, i))
            property_fail(w, after, NULL, seed, "a walk", "all", "a snapshot looks stale");
    }
}

/* Deletes and reverts in turn, each on what the last one left. */
static void walk(const SimWorld *from, GRand *rand, guint seed)
{
    SimWorld w = *from;
    int ops;

    stats.walks++;
    for (ops = g_rand_int_range(rand, 3, 7); ops > 0; ops--) {
        g_autoptr(ChainGraph) graph = sim_graph(&w);
        int s = random_snapshot(&w, rand);
        SimWorld after = w;

        if (s == SIM_NONE)
            return;
        if (g_rand_boolean(rand)) {
            revert_one(&w, graph, s, g_rand_int_range(rand, 0, 3) == 0, rand, seed, &after);
        } else {
            g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
            PlanRequest request = { .operation = PLAN_DELETE, .names = names };

            property_add_name(names, s);
            request.children = g_rand_int_range(rand, 0, 6) == 0;
            request.direction = g_rand_int_range(rand, 0, 3);
            stats.deletes += property_delete(&w, graph, &request, rand, seed, &after);
        }
        check_none_stale(&w, &after, seed);
        w = after;
        live_on(&w, rand);
    }
}

static void test_random_trees(void)
{
    guint seed = property_seed();
    guint trees = property_trees(TREES);
    guint i;

    g_test_message("VEXT_SEED=%u VEXT_TREES=%u", seed, trees);
    for (i = 0; i < trees; i++) {
        GRand *rand = g_rand_new_with_seed(seed + i);
        SimWorld w;
        int state;

        sim_random(&w, rand);
        w.revert_disks = g_rand_boolean(rand);
        if (trees == 1)
            property_show(&w);
        for (state = 0; state < N_STATES; state++) {
            set_state(&w, (State) state);
            revert_all_ways(&w, rand, seed + i);
        }
        set_state(&w, (State) g_rand_int_range(rand, 0, N_STATES));
        walk(&w, rand, seed + i);
        walk(&w, rand, seed + i);
        g_rand_free(rand);
    }
    g_test_message("%u reverts: %u running, %u transient, %u with memory, %u saving, %u removing "
                   "files, %u with disks left out, %u into branches, %u with notes; %u refused "
                   "(%u stale, %u missing, %u deep); %u walks with %u deletes",
                   stats.plans, stats.running, stats.transient, stats.memory, stats.saved,
                   stats.removed, stats.kept, stats.branches, stats.stays, stats.refused,
                   stats.stale, stats.missing, stats.deep, stats.walks, stats.deletes);
    if (trees < TREES)
        return;
    /* a generator that makes nothing of interest would prove nothing */
    g_assert_cmpuint(stats.plans, >, 10 * trees);
    g_assert_cmpuint(stats.running, >, trees);
    g_assert_cmpuint(stats.transient, >, trees);
    g_assert_cmpuint(stats.memory, >, trees);
    g_assert_cmpuint(stats.saved, >, trees);
    g_assert_cmpuint(stats.removed, >, trees);
    g_assert_cmpuint(stats.kept, >, trees);
    g_assert_cmpuint(stats.branches, >, trees);
    g_assert_cmpuint(stats.stays, >, trees / 10);
    g_assert_cmpuint(stats.stale, >, trees / 10);
    g_assert_cmpuint(stats.deep, >, trees / 10);
    g_assert_cmpuint(stats.deletes, >, trees);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/plan/revert/random-trees", test_random_trees);
    return g_test_run();
}
