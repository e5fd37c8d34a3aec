/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_scale.c: 10,000 images and 2,000 snapshots in the model, in plans and on paper
 *
 * Prints how long each takes; tests/bench/bench_scale.py holds the figures against the limits.
 */
#include "config.h"

#include <string.h>
#include <sys/resource.h>

#include "plugin/plan/plan.h"
#include "plugin/text/chain-text.h"
#include "plugin/text/plan-text.h"

#define DISKS 5
#define SNAPSHOTS 2000

static gint64 last;

static void took(const char *what)
{
    gint64 now = g_get_monotonic_time();

    g_print("# %s: %.3f s\n", what, (now - last) / 1e6);
    last = g_get_monotonic_time();
}

static ChainImage *image(ChainGraph *graph, int disk, int number, ChainImage *below)
{
    g_autofree char *path = g_strdup_printf("/var/lib/libvirt/images/guest-vd%c.%04d.qcow2",
                                            'a' + disk, number);
    g_autofree char *identity = g_strdup_printf("inode:1:%d", disk * 10000 + number);
    g_autoptr(ChainSource) source = chain_source_new_file(path);
    ChainImage *node = chain_graph_image(graph, source, identity);

    node->format = g_strdup("qcow2");
    node->flags = CHAIN_IMAGE_HEADER_READ;
    node->backing_known = TRUE;
    node->backing = below;
    node->backing_spec = below ? g_strdup(below->path) : NULL;
    node->backing_format = below ? g_strdup("qcow2") : NULL;
    node->virtual_size = G_GUINT64_CONSTANT(10) << 30;
    node->allocation = (guint64) (number % 7 + 1) << 20;
    node->fs_free = G_GUINT64_CONSTANT(1) << 40;
    node->fs_id = 1;
    return node;
}

/* A tree: every tenth snapshot hangs on one much further up. */
static int parent_of(int number)
{
    return number % 10 ? number - 1 : number / 2;
}

static ChainDomain *make(ChainGraph *graph)
{
    ChainDomain *d = chain_graph_add_domain(graph, "guest", "u");
    g_autofree ChainImage **overlays = g_new0(ChainImage *, SNAPSHOTS * DISKS);
    ChainImage *roots[DISKS];
    int i, j;

    graph->complete = graph->local = TRUE;
    graph->layer_limit = 100000;
    d->state = g_strdup("shut off");
    d->persistent = TRUE;
    for (j = 0; j < DISKS; j++)
        roots[j] = image(graph, j, 0, NULL);
    for (i = 0; i < SNAPSHOTS; i++) {
        g_autofree char *name = g_strdup_printf("s%d", i);
        ChainSnapshot *s = chain_domain_add_snapshot(d, name);

        s->parent_name = i ? g_strdup_printf("s%d", parent_of(i)) : NULL;
        s->creation_time = i;
        s->state = g_strdup("shutoff");
        s->has_domain = TRUE;
        s->current = i == SNAPSHOTS - 1;
        for (j = 0; j < DISKS; j++) {
            char target[] = { 'v', 'd', 'a' + j, 0 };
            ChainSnapshotDisk *sd = chain_snapshot_add_disk(s, target);

            sd->kind = CHAIN_SNAP_EXTERNAL;
            sd->frozen = i ? overlays[parent_of(i) * DISKS + j] : roots[j];
            sd->overlay = overlays[i * DISKS + j] = image(graph, j, i + 1, sd->frozen);
        }
    }
    for (j = 0; j < DISKS; j++) {
        char target[] = { 'v', 'd', 'a' + j, 0 };
        ChainDisk *disk = chain_domain_add_disk(d, target);

        disk->device = g_strdup("disk");
        disk->active = disk->configured = overlays[(SNAPSHOTS - 1) * DISKS + j];
    }
    return d;
}

static void plan(ChainGraph *graph, ChainDomain *d, const char *name, gboolean all,
                 const char *what)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    PlanRequest request = { .operation = PLAN_DELETE, .names = names, .all = all };
    PlanFacts facts = { .now = 1700000000 };
    TextOptions options = { 0 };
    g_autofree char *text = NULL;
    g_autofree char *json = NULL;
    Plan *made;

    if (name)
        g_ptr_array_add(names, (gpointer) name);
    made = plan_make(graph, d, &request, &facts);
    text = made->refusals->len ? NULL : text_plan(made, &options);
    json = text_plan_json(made);
    g_assert_nonnull(json);
    plan_free(made);
    took(what);
}

static void test_scale(void)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    gint64 start = g_get_monotonic_time();
    struct rusage usage;
    TextOptions options = { .utf8 = TRUE };
    TextDomain td;
    ChainDomain *d;
    g_autofree char *tree = NULL;
    g_autofree char *table = NULL;
    g_autofree char *json = NULL;

    last = start;
    d = make(graph);
    took("fill");
    chain_graph_link(graph);
    took("link");
    text_domain_init(&td, graph, d);
    took("check");
    tree = text_chain_tree(&td, 1, NULL, &options);
    took("tree");
    table = text_chain_table(&td, 1, NULL, NULL, &options, NULL);
    took("table");
    json = text_chain_json(&td, 1, NULL, FALSE);
    took("json");
    plan(graph, d, "s1000", FALSE, "plan one");
    plan(graph, d, NULL, TRUE, "plan all");
    text_domain_clear(&td);
    g_assert_cmpuint(graph->images->len, ==, (SNAPSHOTS + 1) * DISKS);
    g_assert_nonnull(strstr(json, "s1999"));
    getrusage(RUSAGE_SELF, &usage);
    g_print("# together: %.3f s\n# memory: %ld MiB\n",
            (g_get_monotonic_time() - start) / 1e6, usage.ru_maxrss / 1024);
    /* generous: sanitizers and valgrind run it too */
    g_assert_cmpint(g_get_monotonic_time() - start, <, 120 * G_USEC_PER_SEC);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/scale", test_scale);
    return g_test_run();
}
