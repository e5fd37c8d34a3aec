/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_text.c: what the pictures, tables and JSON of chain-show look like
 *
 * Each is compared with a file in tests/golden/text; VEXT_REGENERATE=1 writes the files.
 */
#include "config.h"

#include <locale.h>

#include "plugin/text/chain-text.h"
#include "tests/unit/golden.h"
#include "tests/unit/graphs.h"

static const TextOptions pipe_utf8 = { .utf8 = TRUE };
static const TextOptions pipe_ascii = { 0 };
static const TextOptions terminal = { .utf8 = TRUE, .width = 100 };
static const TextOptions narrow = { .utf8 = TRUE, .width = 60 };
static const TextOptions narrowest = { .utf8 = TRUE, .width = 40 };
static const TextOptions bytes = { .utf8 = TRUE, .bytes = TRUE };
static const TextOptions colours = { .utf8 = TRUE, .width = 100, .colour = TRUE };

/* One way to print a graph's domains. */
typedef enum { TREE, FINDINGS, TABLE, JSON, JSON_ARRAY } How;

static char *print(ChainGraph *graph, How how, const TextOptions *options, const char *disk,
                   const char *columns)
{
    gsize n = graph->domains->len;
    g_autofree TextDomain *domains = g_new0(TextDomain, n);
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    chain_graph_link(graph);
    for (gsize i = 0; i < n; i++)
        text_domain_init(&domains[i], graph, g_ptr_array_index(graph->domains, i));
    switch (how) {
    case TREE:
        text = text_chain_tree(domains, n, disk, options);
        break;
    case FINDINGS:
        text = text_chain_findings(domains, n, disk, options);
        break;
    case TABLE:
        text = text_chain_table(domains, n, disk, columns, options, &error);
        g_assert_no_error(error);
        break;
    case JSON:
        text = text_chain_json(domains, 1, disk, FALSE);
        break;
    case JSON_ARRAY:
        text = text_chain_json(domains, n, disk, TRUE);
        break;
    }
    for (gsize i = 0; i < n; i++)
        text_domain_clear(&domains[i]);
    return text;
}

static void compare(ChainGraph *graph, How how, const TextOptions *options, const char *name)
{
    g_autofree char *text = print(graph, how, options, NULL, NULL);

    compare_golden(name, text);
}

/* --- graphs ----------------------------------------------------------------------------------- */

/* A running domain with two snapshots, one after the other. */
static ChainGraph *linear(void)
{
    ChainGraph *graph = chain_graph_new();
    ChainDomain *d = graph_domain(graph, "vm1", TRUE);
    ChainImage *base = graph_image(graph, "/var/lib/libvirt/images/vm1.qcow2", NULL, 1376256);
    ChainImage *s1 = graph_image(graph, "/var/lib/libvirt/images/vm1.s1", base, 196624);
    ChainImage *s2 = graph_image(graph, "/var/lib/libvirt/images/vm1.s2", s1, 4 * MIB);

    graph_disk(d, "vda", s2);
    graph_freeze(graph_snapshot(d, "s1", NULL), "vda", base, s1);
    graph_freeze(graph_snapshot(d, "s2", "s1"), "vda", s1, s2);
    chain_domain_snapshot(d, "s2")->current = TRUE;
    return graph;
}

/* Reverted several times: branches, a branch of a branch, a layer of no snapshot. */
static ChainGraph *branches(void)
{
    ChainGraph *graph = chain_graph_new();
    ChainDomain *d = graph_domain(graph, "vm1", FALSE);
    ChainImage *base = graph_image(graph, "/img/vm1.qcow2", NULL, 1376256);
    ChainImage *a1 = graph_image(graph, "/img/vm1.a1", base, 196624);
    ChainImage *a2 = graph_image(graph, "/img/vm1.a2", a1, 300 * KIB);
    ChainImage *a3 = graph_image(graph, "/img/vm1.a3", a2, 400 * KIB);
    ChainImage *x1 = graph_image(graph, "/img/vm1.x1", a1, 192 * KIB);
    ChainImage *b1 = graph_image(graph, "/img/vm1.b1", base, 500 * KIB);
    ChainImage *c1 = graph_image(graph, "/img/vm1.c1", base, 600 * KIB);
    ChainImage *c2 = graph_image(graph, "/img/vm1.c2", c1, 700 * KIB);
    ChainImage *c3 = graph_image(graph, "/img/vm1.c3", c2, 800 * KIB);

    graph_disk(d, "vda", c3);
    graph_freeze(graph_snapshot(d, "clean", NULL), "vda", base, c1);
    graph_freeze(graph_snapshot(d, "a-start", "clean"), "vda", a1, a2);
    graph_freeze(graph_snapshot(d, "a-end", "a-start"), "vda", a2, a3);
    graph_freeze(graph_snapshot(d, "x", "a-start"), "vda", x1, NULL);
    graph_freeze(graph_snapshot(d, "b", "clean"), "vda", b1, NULL);
    graph_freeze(graph_snapshot(d, "now", "clean"), "vda", c2, c3);
    chain_domain_snapshot(d, "now")->current = TRUE;
    return graph;
}

/* More to be said of each image than there is room for, and names without a blank to break them. */
static ChainGraph *long_names(void)
{
    static const char *const names[] = {
        "before the upgrade of the mail server", "after the upgrade of the mail server",
        "without-any-blank-and-longer-than-the-column-that-is-there-for-it", "x",
    };
    ChainGraph *graph = branches();
    ChainDomain *d = chain_graph_domain(graph, "vm1");
    ChainDomain *other = graph_domain(graph, "another domain", FALSE);
    ChainImage *base = chain_graph_find_path(graph, "/img/vm1.qcow2");
    ChainSnapshot *s;

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        s = graph_snapshot(d, names[i], NULL);
        graph_freeze(s, "vda", i < 2 ? base : chain_graph_find_path(graph, "/img/vm1.x1"), NULL);
    }
    graph_disk(other, "vda", graph_image(graph, "/img/other", base, 500 * KIB));
    return graph;
}

/* Everything that there is to be said. */
static ChainGraph *troubles(void)
{
    ChainGraph *graph = chain_graph_new();
    ChainDomain *vm1 = graph_domain(graph, "vm1", TRUE);
    ChainDomain *vm2 = graph_domain(graph, "vm2", FALSE);
    ChainDomain *vm3;
    ChainUnknown *unknown;
    ChainImage *tmpl = graph_image(graph, "/templates/debian12.qcow2", NULL, 2 * GIB);
    ChainImage *base = graph_image(graph, "/img/vm1.qcow2", tmpl, 300 * MIB);
    ChainImage *layer = graph_image(graph, "/img/vm1.layer", base, 5 * MIB);
    ChainImage *top = graph_image(graph, "/img/vm1.s2", layer, CHAIN_UNKNOWN);
    ChainImage *gone = graph_image(graph, "/img/vm1.gone", NULL, CHAIN_UNKNOWN);
    ChainImage *lost = graph_image(graph, "/img/data.lost", NULL, CHAIN_UNKNOWN);
    ChainImage *data = graph_image(graph, "/img/data.top", lost, 7 * MIB);
    ChainImage *remote = graph_image(graph, "/img/remote.qcow2", NULL, 12345);
    ChainImage *orphan = graph_image(graph, "/img/vm1.old", base, 9 * MIB);
    ChainDisk *disk = graph_disk(vm1, "vda", top);
    ChainSnapshot *s;

    tmpl->virtual_size = 10 * GIB;
    gone->flags = lost->flags = CHAIN_IMAGE_MISSING;
    gone->backing_known = lost->backing_known = FALSE;
    gone->virtual_size = lost->virtual_size = CHAIN_UNKNOWN;
    remote->backing_known = FALSE;
    remote->flags = CHAIN_IMAGE_FORMAT_GUESSED;
    g_clear_pointer(&remote->format, g_free);
    orphan->flags |= CHAIN_IMAGE_ORPHAN;
    disk->job = g_new0(ChainJob, 1);
    disk->job->type = g_strdup("commit");
    disk->job->cur = 3 * MIB;
    disk->job->end = 5 * MIB;
    graph_disk(vm1, "vdb", data);
    graph_disk(vm1, "vdc", remote);
    disk = graph_disk(vm1, "sda", NULL);
    g_free(disk->device);
    disk->device = g_strdup("cdrom");
    graph_freeze(graph_snapshot(vm1, "s1", NULL), "vda", base, layer);
    graph_freeze(graph_snapshot(vm1, "s2", "s1"), "vda", gone, top);
    s = graph_snapshot(vm1, "memory only", "s2");
    s->memory = CHAIN_MEMORY_EXTERNAL;
    s->memory_file = g_strdup("/img/memory");
    vm1->operation = g_new0(ChainOperation, 1);
    vm1->operation->id = g_strdup("5f0c");
    vm1->operation->command = g_strdup("snapshot-delete-external");
    vm1->operation->snapshots = g_strdup("s1");
    vm1->operation->snapshot_names = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(vm1->operation->snapshot_names, g_strdup("s1"));
    vm1->operation->step = g_strdup("block-commit vda");
    vm1->operation->started = g_strdup("2026-11-20T14:00:00Z");
    graph_disk(vm2, "vda", graph_image(graph, "/img/vm2.qcow2", tmpl, 40 * MIB));
    vm3 = chain_graph_add_domain(graph, "vm3", "c7a5fdbd-edaf-9455-926a-d65c16db1810");
    vm3->problem = g_strdup("access denied");
    unknown = g_new0(ChainUnknown, 1);
    unknown->code = "domain";
    unknown->message = g_strdup("What domain 'vm3' uses is not known: access denied");
    g_ptr_array_add(graph->unknown, unknown);
    unknown = g_new0(ChainUnknown, 1);
    unknown->code = "directory";
    unknown->path = g_strdup("/img\xff");
    unknown->message = g_strdup("Directory '/img\xff' could not be looked through");
    g_ptr_array_add(graph->unknown, unknown);
    return graph;
}

/* A loop, network and volume sources, internal snapshots, a job that is ready, an operation under
 * way, an image that only the next start takes, something that stands on the active image. */
static ChainGraph *oddities(void)
{
    ChainGraph *graph = chain_graph_new();
    ChainDomain *d = graph_domain(graph, "odd", TRUE);
    ChainImage *loop1 = graph_image(graph, "/img/loop1", NULL, 1 * MIB);
    ChainImage *loop2 = graph_image(graph, "/img/loop2", loop1, 1 * MIB);
    ChainImage *inside = graph_image(graph, "/img/inside.qcow2", NULL, 90 * MIB);
    ChainImage *copy = graph_image(graph, "/img/copy.qcow2", NULL, 50 * MIB);
    ChainImage *foreign = graph_image(graph, "/else/foreign", inside, 2 * MIB);
    ChainImage *foreign2 = graph_image(graph, "/else/foreign2", inside, 3 * MIB);
    ChainSource *source = chain_source_new(CHAIN_SOURCE_NETWORK);
    ChainImage *nbd, *volume;
    ChainSnapshotDisk *sd;
    ChainSnapshot *s;
    ChainDisk *disk;

    source->protocol = g_strdup("nbd");
    source->host = g_strdup("backup.example:10809");
    source->name = g_strdup("export");
    nbd = chain_graph_image(graph, source, NULL);
    chain_source_free(source);
    source = chain_source_new(CHAIN_SOURCE_VOLUME);
    source->pool = g_strdup("lvm");
    source->volume = g_strdup("disk");
    volume = chain_graph_image(graph, source, NULL);
    chain_source_free(source);
    volume->format = g_strdup("qcow2");
    volume->flags |= CHAIN_IMAGE_UNREADABLE;
    volume->backing_spec = g_strdup("json:{\"driver\":\"https\"}");
    nbd->format = g_strdup("raw");
    nbd->virtual_size = 1 * GIB;
    nbd->backing_known = TRUE;

    loop1->backing = loop2;
    graph_disk(d, "vda", loop2);
    disk = graph_disk(d, "vdb", inside);
    disk->configured = copy;
    disk->job = g_new0(ChainJob, 1);
    disk->job->type = g_strdup("copy");
    disk->job->cur = disk->job->end = 50 * MIB;
    disk->job->ready = TRUE;
    graph_disk(d, "vdc", nbd);
    graph_disk(d, "vdd", volume);
    s = graph_snapshot(d, "checkpoint 1", NULL);
    sd = chain_snapshot_add_disk(s, "vdb");
    sd->kind = CHAIN_SNAP_INTERNAL;
    sd->frozen = inside;
    s = graph_snapshot(d, "outside", "checkpoint 1");
    graph_freeze(s, "vdb", inside, NULL);
    d->operation = g_new0(ChainOperation, 1);
    d->operation->command = g_strdup("snapshot-revert-external");
    d->operation->snapshots = g_strdup("outside");
    d->operation->started = g_strdup("2026-11-20T14:00:00Z");
    d->operation->step = g_strdup("stop-guest");
    d->operation->alive = TRUE;
    foreign->flags |= CHAIN_IMAGE_ORPHAN;
    foreign2->flags |= CHAIN_IMAGE_ORPHAN;
    return graph;
}

static const char hostile[] = "/img/a\nb\tc\033[31m\\d \342\200\256gpj.\302\233x\177\"'";

/* Names that want to be something else. */
static ChainGraph *hostile_names(void)
{
    ChainGraph *graph = chain_graph_new();
    ChainDomain *d = graph_domain(graph, "vm\n1\033]0;owned\a", FALSE);
    ChainImage *base = graph_image(graph, hostile, NULL, 12 * MIB);
    ChainImage *top = graph_image(graph, "/img/-x; rm -rf", base, 1 * MIB);

    graph_disk(d, "vda\033[2J", top);
    graph_freeze(graph_snapshot(d, "s1, s2 (current)", NULL), "vda\033[2J", base, top);
    return graph;
}

/* A path in Latin-1 and one in Japanese. */
static ChainGraph *other_charsets(void)
{
    ChainGraph *graph = chain_graph_new();
    ChainDomain *d = graph_domain(graph, "vm1", FALSE);
    ChainImage *base = graph_image(graph, "/img/caf\351.qcow2", NULL, 12 * MIB);
    ChainImage *top = graph_image(graph, "/img/\346\227\245\346\234\254.qcow2", base, 1 * MIB);

    graph_disk(d, "vda", top);
    graph_freeze(graph_snapshot(d, "\303\251t\303\251", NULL), "vda", base, top);
    return graph;
}

static ChainGraph *layers(guint n)
{
    ChainGraph *graph = chain_graph_new();
    ChainDomain *d = graph_domain(graph, "deep", FALSE);
    ChainImage *image = graph_image(graph, "/img/deep.0", NULL, 1 * MIB);
    g_autofree char *parent = NULL;

    for (guint i = 1; i < n; i++) {
        g_autofree char *path = g_strdup_printf("/img/deep.%u", i);
        char *name = g_strdup_printf("s%u", i);
        ChainImage *next = graph_image(graph, path, image, i * KIB);

        graph_freeze(graph_snapshot(d, name, parent), "vda", image, next);
        g_free(parent);
        parent = name;
        image = next;
    }
    graph_disk(d, "vda", image);
    return graph;
}

/* --- tests ------------------------------------------------------------------------------------ */

typedef ChainGraph *(*Make)(void);

static ChainGraph *layers_200(void)
{
    return layers(200);
}

static const struct {
    const char *name;
    Make make;
    How how;
    const TextOptions *options;
} pictures[] = {
    { "linear.txt", linear, TREE, &pipe_utf8 },
    { "linear-terminal.txt", linear, TREE, &terminal },
    { "linear-ascii.txt", linear, TREE, &pipe_ascii },
    { "linear-colour.txt", linear, TREE, &colours },
    { "linear-table.txt", linear, TABLE, &pipe_utf8 },
    { "linear.json", linear, JSON, NULL },
    { "branches.txt", branches, TREE, &pipe_utf8 },
    { "branches-terminal.txt", branches, TREE, &terminal },
    { "branches-ascii.txt", branches, TREE, &pipe_ascii },
    { "branches-narrow.txt", branches, TREE, &narrow },
    { "branches-colour.txt", branches, TREE, &colours },
    { "branches-bytes.txt", branches, TREE, &bytes },
    { "branches-table.txt", branches, TABLE, &pipe_utf8 },
    { "branches.json", branches, JSON, NULL },
    { "long-names-wide.txt", long_names, TREE, &terminal },
    { "long-names-narrow.txt", long_names, TREE, &narrow },
    { "long-names-narrowest.txt", long_names, TREE, &narrowest },
    { "long-names-table.txt", long_names, TABLE, &terminal },
    { "long-names-table-narrowest.txt", long_names, TABLE, &narrowest },
    { "troubles.txt", troubles, TREE, &pipe_utf8 },
    { "troubles-terminal.txt", troubles, TREE, &terminal },
    { "troubles-narrow.txt", troubles, TREE, &narrow },
    { "troubles-colour.txt", troubles, TREE, &colours },
    { "troubles-check.txt", troubles, FINDINGS, &pipe_utf8 },
    { "troubles-table.txt", troubles, TABLE, &pipe_utf8 },
    { "troubles-table-narrow.txt", troubles, TABLE, &narrow },
    { "troubles-array.json", troubles, JSON_ARRAY, NULL },
    { "oddities.txt", oddities, TREE, &pipe_utf8 },
    { "oddities.json", oddities, JSON, NULL },
    { "hostile.txt", hostile_names, TREE, &pipe_utf8 },
    { "hostile-ascii.txt", hostile_names, TREE, &pipe_ascii },
    { "hostile-check.txt", hostile_names, FINDINGS, &pipe_utf8 },
    { "hostile-table.txt", hostile_names, TABLE, &pipe_utf8 },
    { "hostile.json", hostile_names, JSON, NULL },
    { "charsets.txt", other_charsets, TREE, &pipe_utf8 },
    { "charsets-ascii.txt", other_charsets, TREE, &pipe_ascii },
    { "charsets-table.txt", other_charsets, TABLE, &pipe_utf8 },
    { "charsets.json", other_charsets, JSON, NULL },
    { "layers-200.txt", layers_200, TREE, &terminal },
    { "none.json", chain_graph_new, JSON_ARRAY, NULL },
    { "none-table.txt", chain_graph_new, TABLE, &pipe_utf8 },
};

static void test_picture(gconstpointer data)
{
    gsize i = GPOINTER_TO_SIZE(data);
    g_autoptr(ChainGraph) graph = pictures[i].make();

    compare(graph, pictures[i].how, pictures[i].options, pictures[i].name);
}

int main(int argc, char **argv)
{
    /* smartcols measures by the locale */
    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        setlocale(LC_CTYPE, "C.utf8");
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(pictures); i++) {
        g_autofree char *path = g_strdup_printf("/text/picture/%s", pictures[i].name);

        g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_picture);
    }
    return g_test_run();
}
