/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_model_users.c: who needs an image, who writes it, and what that costs the snapshots
 */
#include "config.h"

#include "tests/unit/graphs.h"

/* vm1: base <- s1 <- s2 <- active, frozen by s1, s2, s3. */
typedef struct {
    ChainGraph *graph;
    ChainDomain *d;
    ChainDisk *vda;
    ChainImage *base, *o1, *o2, *active;
} World;

static void world_make(World *w, gconstpointer data)
{
    ChainSnapshot *s;

    w->graph = chain_graph_new();
    w->base = graph_image(w->graph, "/i/base", NULL, MIB);
    w->o1 = graph_image(w->graph, "/i/o1", w->base, MIB);
    w->o2 = graph_image(w->graph, "/i/o2", w->o1, MIB);
    w->active = graph_image(w->graph, "/i/active", w->o2, MIB);
    w->d = graph_domain(w->graph, "vm1", TRUE);
    w->vda = graph_disk(w->d, "vda", w->active);
    s = graph_snapshot(w->d, "s1", NULL);
    graph_freeze(s, "vda", w->base, w->o1);
    s = graph_snapshot(w->d, "s2", "s1");
    graph_freeze(s, "vda", w->o1, w->o2);
    s = graph_snapshot(w->d, "s3", "s2");
    graph_freeze(s, "vda", w->o2, w->active);
}

static void world_clear(World *w, gconstpointer data)
{
    chain_graph_free(w->graph);
}

/* "code:image:snapshot:severity", in the order in which they are found. */
static void check_found(World *w, const char *expected)
{
    g_autoptr(GPtrArray) findings = NULL;
    g_autoptr(GString) out = g_string_new(NULL);

    chain_graph_link(w->graph);
    findings = chain_graph_check(w->graph, w->d);
    for (guint i = 0; i < findings->len; i++) {
        const ChainFinding *f = g_ptr_array_index(findings, i);

        g_string_append_printf(out, "%s%s:%s:%s:%d", out->len ? " " : "", f->code,
                               f->image ? f->image->path : "-", f->snapshot ? f->snapshot : "-",
                               f->severity);
    }
    g_assert_cmpstr(out->str, ==, expected);
}

static gboolean needs(const ChainDomain *d, const ChainImage *image)
{
    return g_ptr_array_find(image->domains, d, NULL);
}

static void test_nothing(World *w, gconstpointer data)
{
    check_found(w, "");
    g_assert_true(w->active->writer == w->vda);
    g_assert_null(w->base->writer);
    g_assert_cmpuint(w->base->domains->len, ==, 1);
}

static void test_all_that_stands_on_it_counts(World *w, gconstpointer data)
{
    ChainDomain *snapshots = graph_domain(w->graph, "snapshots", FALSE);
    ChainDomain *saved = graph_domain(w->graph, "saved", FALSE);
    ChainDomain *neither = graph_domain(w->graph, "neither", FALSE);
    ChainImage *clone = graph_image(w->graph, "/i/clone", w->o1, MIB);

    graph_freeze(graph_snapshot(snapshots, "x", NULL), "vda", clone, NULL);
    g_ptr_array_add(saved->saved, w->o2);
    graph_disk(neither, "vda", graph_image(w->graph, "/i/other", NULL, MIB));
    chain_graph_link(w->graph);
    chain_graph_link(w->graph);     /* nothing is counted twice */
    g_assert_true(needs(snapshots, w->base) && needs(snapshots, w->o1));
    g_assert_false(needs(snapshots, w->o2));
    g_assert_true(needs(saved, w->base) && needs(saved, w->o2));
    g_assert_false(needs(saved, w->active));
    g_assert_false(needs(neither, w->base));
    g_assert_cmpuint(w->base->domains->len, ==, 3);
}

static void test_another_writes_below(World *w, gconstpointer data)
{
    gboolean running = data != NULL;
    ChainDomain *other = graph_domain(w->graph, "vm2", running);

    graph_disk(other, "vdx", w->o1);
    if (running)
        check_found(w, "shared-image:/i/base:-:0 shared-image:/i/o1:-:2 "
                       "stale-snapshot:/i/o1:s2:2 stale-snapshot:/i/o1:s3:2");
    else
        check_found(w, "shared-image:/i/base:-:0 shared-image:/i/o1:-:1");
}

static void test_a_reader_is_no_writer(World *w, gconstpointer data)
{
    graph_disk(graph_domain(w->graph, "vm2", TRUE), "sda", w->o1)->readonly = TRUE;
    check_found(w, "shared-image:/i/base:-:0 shared-image:/i/o1:-:0");
}

/* blockcommit --active --pivot down to the base: all that stood on it is lost. */
static void test_the_domain_writes_below(World *w, gconstpointer data)
{
    w->vda->active = w->vda->configured = w->base;
    check_found(w, "stale-snapshot:/i/base:s1:2 stale-snapshot:/i/base:s2:2 "
                   "stale-snapshot:/i/base:s3:2");
}

/* o1 and o2 were merged out of active's chain: down into the base, or up into active. */
static void merge_by_hand(World *w, gint64 written)
{
    w->active->backing = w->base;
    w->base->modified = written * CHAIN_SECOND;
}

static void test_committed(World *w, gconstpointer data)
{
    merge_by_hand(w, 1700000003 + 1);   /* after s3 was taken */
    check_found(w, "stale-snapshot:/i/o1:s2:2 stale-snapshot:/i/base:s1:2");
}

static void test_pulled(World *w, gconstpointer data)
{
    merge_by_hand(w, 1700000003 - 1);
    check_found(w, "");
}

static void test_pulled_off_everything(World *w, gconstpointer data)
{
    w->active->backing = NULL;
    check_found(w, "");
}

static void test_merged_somehow(World *w, gconstpointer data)
{
    merge_by_hand(w, 1700000003);
    check_found(w, "stale-snapshot:/i/o2:s3:1");
    merge_by_hand(w, 0);
    check_found(w, "stale-snapshot:/i/o2:s3:1");
}

/* Within the second in which s3 was taken the moment at which its overlay was made counts. */
static void test_merged_within_the_second(World *w, gconstpointer data)
{
    const gint64 taken = 1700000003 * CHAIN_SECOND;

    merge_by_hand(w, 1700000003);
    w->base->modified = taken + 5;
    w->active->born = taken + 4;
    check_found(w, "stale-snapshot:/i/o1:s2:2 stale-snapshot:/i/base:s1:2");
    w->active->born = taken + 6;
    check_found(w, "");
    w->active->born = w->base->modified;
    check_found(w, "stale-snapshot:/i/o2:s3:1");
    w->active->born = taken + 5 * CHAIN_SECOND;     /* a copy of it */
    check_found(w, "stale-snapshot:/i/o2:s3:1");
    w->active->born = taken - CHAIN_SECOND / 2;     /* made beforehand */
    check_found(w, "stale-snapshot:/i/o2:s3:1");
}

/* What libvirt 9.0 makes of s3 when s2 is deleted with --metadata. */
static void test_names_an_image_too_far_down(World *w, gconstpointer data)
{
    ChainSnapshotDisk *sd = chain_snapshot_disk(chain_domain_snapshot(w->d, "s3"), "vda");

    g_assert_true(chain_snapshot_state(sd) == w->o2);
    sd->frozen = w->base;
    g_assert_true(chain_snapshot_state(sd) == w->o2);
    check_found(w, "unmanaged-layer:/i/o2:-:1 stale-snapshot:/i/base:s3:1");
    sd->overlay = NULL;
    g_assert_true(chain_snapshot_state(sd) == w->base);
}

static void test_names_two_images(World *w, gconstpointer data)
{
    chain_snapshot_disk(chain_domain_snapshot(w->d, "s3"), "vda")->frozen_inactive = w->o1;
    check_found(w, "stale-snapshot:/i/o2:s3:1");
}

static void test_configuration_ends_early(World *w, gconstpointer data)
{
    w->vda->config_chain = g_ptr_array_new();
    g_ptr_array_add(w->vda->config_chain, w->active);
    g_ptr_array_add(w->vda->config_chain, w->o2);
    check_found(w, "");
    w->vda->config_chain_ends = TRUE;
    check_found(w, "chain-mismatch:/i/o1:-:1");
}

static void test_detached(World *w, gconstpointer data)
{
    ChainImage *image = graph_image(w->graph, "/i/vdb", NULL, MIB);
    ChainSnapshot *s = graph_snapshot(w->d, "s4", "s3");
    g_autoptr(GPtrArray) all = NULL;

    graph_freeze(s, "vdb", image, graph_image(w->graph, "/i/vdb.s4", image, MIB));
    graph_freeze(s, "vdc", w->o1, NULL);    /* what is behind vda has another target now */
    check_found(w, "");
    check_found(w, "");
    g_assert_cmpuint(w->d->detached->len, ==, 1);
    all = chain_domain_all_disks(w->d);
    g_assert_cmpuint(all->len, ==, 2);
    g_assert_cmpstr(((ChainDisk *) g_ptr_array_index(all, 1))->target, ==, "vdb");
}

/* Names as a shell has them again. */
static void test_commands_are_quoted(World *w, gconstpointer data)
{
    ChainDomain *d = graph_domain(w->graph, "a \"b\" $c `d` \\ it's", FALSE);
    ChainImage *image = graph_image(w->graph, "/lost", NULL, MIB);
    g_autoptr(GPtrArray) findings = NULL;

    graph_disk(d, "vda", image);
    image->flags |= CHAIN_IMAGE_MISSING;
    chain_graph_link(w->graph);
    findings = chain_graph_check(w->graph, d);
    g_assert_cmpuint(findings->len, ==, 1);
    g_assert_cmpstr(((ChainFinding *) g_ptr_array_index(findings, 0))->remedy, ==,
                    "Put the file back, or take the disk out of the domain with 'detach-disk "
                    "\"a \\\"b\\\" \\$c \\`d\\` \\\\ it's\" vda --config'");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, data, test) \
    g_test_add("/model-users/" name, World, data, world_make, test, world_clear)
    ADD("nothing", NULL, test_nothing);
    ADD("all-that-stands-on-it-counts", NULL, test_all_that_stands_on_it_counts);
    ADD("another-writes-below/running", "running", test_another_writes_below);
    ADD("another-writes-below/shut-off", NULL, test_another_writes_below);
    ADD("a-reader-is-no-writer", NULL, test_a_reader_is_no_writer);
    ADD("the-domain-writes-below", NULL, test_the_domain_writes_below);
    ADD("committed", NULL, test_committed);
    ADD("pulled", NULL, test_pulled);
    ADD("pulled-off-everything", NULL, test_pulled_off_everything);
    ADD("merged-somehow", NULL, test_merged_somehow);
    ADD("merged-within-the-second", NULL, test_merged_within_the_second);
    ADD("names-an-image-too-far-down", NULL, test_names_an_image_too_far_down);
    ADD("names-two-images", NULL, test_names_two_images);
    ADD("configuration-ends-early", NULL, test_configuration_ends_early);
    ADD("detached", NULL, test_detached);
    ADD("commands-are-quoted", NULL, test_commands_are_quoted);
    return g_test_run();
}
