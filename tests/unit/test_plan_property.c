/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_plan_property.c: whatever is deleted, everything that stays is what it was
 *
 * Random trees of snapshots, branches, unnamed layers and sharing; deletes of all kinds; each
 * plan executed on the simulator. After every step, and in the middle of every copy, the
 * content of everything that stays is compared with what it was before.
 *
 *      VEXT_TREES=100000  how many trees      VEXT_SEED=7  the seed of the first (and, with
 *      VEXT_TREES=1, only) one
 */
#include "config.h"

#include "tests/unit/property.h"

#define TREES 6000

static const PropertyStats *const stats = &property_stats;

/* Every snapshot alone, and some of everything else. */
static void delete_all_ways(const SimWorld *w, GRand *rand, guint seed)
{
    g_autoptr(ChainGraph) graph = sim_graph(w);
    int i, n;

    for (i = 0; i < w->n_snapshots + 5; i++) {
        g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
        PlanRequest request = { .operation = PLAN_DELETE, .names = names };

        if (i < w->n_snapshots) {
            if (!w->snapshots[i].exists || w->snapshots[i].domain != 0)
                continue;
            property_add_name(names, i);
            n = g_rand_int_range(rand, 0, 4);
            request.children = n == 0;
            request.children_only = n == 1;
        } else if (i == w->n_snapshots) {
            request.all = TRUE;
        } else if (i == w->n_snapshots + 1) {
            request.unnamed = TRUE;
        } else {
            for (n = 0; n < w->n_snapshots; n++) {
                if (w->snapshots[n].exists && w->snapshots[n].domain == 0 &&
                    g_rand_boolean(rand))
                    property_add_name(names, n);
            }
            if (names->len == 0)
                continue;
        }
        request.direction = g_rand_boolean(rand) ? PLAN_AUTO : g_rand_int_range(rand, 0, 3);
        request.keep_files = g_rand_int_range(rand, 0, 10) == 0;
        request.unnamed = request.unnamed || g_rand_int_range(rand, 0, 8) == 0;
        request.root = request.unnamed && g_rand_boolean(rand);
        request.metadata_only = request.direction == PLAN_AUTO && !request.unnamed &&
                                g_rand_int_range(rand, 0, 20) == 0;
        property_delete(w, graph, &request, rand, seed, NULL);
    }
}

/* libvirt tells of a running domain what its images stand on, to be seen or not. */
static gboolean is_told(const SimWorld *w, int image)
{
    for (int d = 0; d < w->n_domains; d++) {
        for (int k = 0; w->domains[d].running && k < w->domains[d].n_disks; k++) {
            if (sim_stands_on(w, w->domains[d].active[k], image))
                return TRUE;
        }
    }
    return FALSE;
}

/* In every eighth tree some images cannot be seen when the plan is made. */
static void hide_some(SimWorld *w, GRand *rand)
{
    int i;

    if (g_rand_int_range(rand, 0, 8) != 0)
        return;
    for (i = 0; i < w->n_images; i++)
        w->images[i].hidden = !w->images[i].orphan && !is_told(w, i) &&
                              g_rand_int_range(rand, 0, 5) == 0;
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

        sim_random(&w, rand);
        hide_some(&w, rand);
        if (trees == 1)
            property_show(&w);
        w.domains[0].running = FALSE;
        delete_all_ways(&w, rand, seed + i);
        w.domains[0].running = TRUE;
        delete_all_ways(&w, rand, seed + i);
        g_rand_free(rand);
    }
    g_test_message("%u plans, %u refused; merges: %u commits, %u pulls (%u chosen), %u live, "
                   "%u on helpers, %u of several images, %u into branches; %u pivots; %u leaf "
                   "files; %u plans with notes, %u with renamed overlays",
                   stats->plans, stats->refused, stats->commits, stats->pulls, stats->chosen_pulls,
                   stats->live, stats->helper, stats->ranges, stats->branches, stats->pivots,
                   stats->leaves, stats->notes, stats->renames);
    if (trees < TREES)
        return;
    /* a generator that makes nothing of interest would prove nothing */
    g_assert_cmpuint(stats->plans, >, trees);
    g_assert_cmpuint(stats->refused, >, 100);
    g_assert_cmpuint(stats->commits, >, 1000);
    g_assert_cmpuint(stats->pulls, >, 1000);
    g_assert_cmpuint(stats->chosen_pulls, >, 300);
    g_assert_cmpuint(stats->live, >, 1000);
    g_assert_cmpuint(stats->helper, >, 1000);
    g_assert_cmpuint(stats->ranges, >, 500);
    g_assert_cmpuint(stats->branches, >, 100);
    g_assert_cmpuint(stats->pivots, >, 500);
    g_assert_cmpuint(stats->leaves, >, 300);
    g_assert_cmpuint(stats->notes, >, 300);
    g_assert_cmpuint(stats->renames, >, 30);
    g_assert_cmpuint(stats->unnamed, >, 300);
    g_assert_cmpuint(stats->cut, >, 100);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/plan/delete/random-trees", test_random_trees);
    return g_test_run();
}
