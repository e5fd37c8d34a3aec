/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_model.c: the graph of images, domains and snapshots
 */
#include "config.h"

#include "tests/unit/world.h"

/* --- identity ------------------------------------------------------------------------------- */

static void test_source_keys(void)
{
    static const struct {
        const char *path, *key;
    } table[] = {
        { "/a/b", "file:/a/b" },
        { "//a///b", "file:/a/b" },
        { "/a/./b", "file:/a/b" },
        { "/a/././/b/", "file:/a/b/" },
        { "/a/../b", "file:/a/../b" },
        { "/a/.b/..c", "file:/a/.b/..c" },
        { "/a b\n\"'-x", "file:/a b\n\"'-x" },
        { "/\xff", "file:/\xff" },
    };
    g_autoptr(ChainSource) volume = chain_source_new(CHAIN_SOURCE_VOLUME);
    g_autoptr(ChainSource) nbd = chain_source_new(CHAIN_SOURCE_NETWORK);
    g_autofree char *volume_key = NULL;
    g_autofree char *path_key = NULL;
    g_autofree char *nbd_key = NULL;
    g_autofree char *nbd_text = NULL;
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autoptr(ChainSource) source = chain_source_new_file(table[i].path);
        g_autofree char *key = chain_source_key(source);
        g_autofree char *text = chain_source_describe(source);

        g_assert_cmpstr(key, ==, table[i].key);
        g_assert_cmpstr(text, ==, table[i].path);
    }
    volume->pool = g_strdup("p");
    volume->volume = g_strdup("v");
    volume_key = chain_source_key(volume);
    g_assert_cmpstr(volume_key, ==, "volume:p/v");
    volume->path = g_strdup("/p/v");
    path_key = chain_source_key(volume);
    g_assert_cmpstr(path_key, ==, "file:/p/v");
    nbd->protocol = g_strdup("nbd");
    nbd->host = g_strdup("h:10809");
    nbd->name = g_strdup("e");
    nbd_key = chain_source_key(nbd);
    nbd_text = chain_source_describe(nbd);
    g_assert_cmpstr(nbd_key, ==, "nbd://h:10809/e");
    g_assert_cmpstr(nbd_text, ==, "nbd://h:10809/e");
}

static void test_identity_joins_spellings(void)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    g_autoptr(ChainSource) a = chain_source_new_file("/link/x");
    g_autoptr(ChainSource) b = chain_source_new_file("/real/x");
    g_autoptr(ChainSource) c = chain_source_new_file("/real//x");
    ChainImage *first = chain_graph_image(graph, a, "inode:1:2");

    g_assert_true(chain_graph_image(graph, b, "inode:1:2") == first);
    g_assert_true(chain_graph_image(graph, c, NULL) == first);
    g_assert_true(chain_graph_find(graph, b) == first);
    g_assert_true(chain_graph_find_path(graph, "/link/x") == first);
    g_assert_cmpuint(graph->images->len, ==, 1);
    g_assert_cmpstr(first->key, ==, "inode:1:2");
    g_assert_cmpuint(first->aliases->len, ==, 2);
}

/* Met by two names, then told to be one: who pointed to either points to the one. */
static void test_late_identity_merges(void)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    g_autoptr(ChainSource) a = chain_source_new_file("/link/x");
    g_autoptr(ChainSource) b = chain_source_new_file("/real/x");
    ChainDomain *d = domain(graph, "vm1");
    ChainImage *first = image(graph, "/link/x");
    ChainImage *other = image(graph, "/between");
    ChainImage *second = image(graph, "/real/x");
    ChainImage *last = image(graph, "/last");
    ChainDisk *vda = disk(d, "vda", first);
    ChainDisk *vdb = disk(d, "vdb", second);
    guint i;

    second->allocation = 42;
    last->backing = second;
    last->backing_known = TRUE;
    chain_graph_image(graph, a, "inode:1:2");
    chain_graph_image(graph, b, "inode:1:2");
    chain_graph_link(graph);
    g_assert_true(vda->active == vdb->active);
    g_assert_true(last->backing == vda->active);
    g_assert_cmpuint(vda->active->allocation, ==, 42);
    g_assert_cmpuint(graph->images->len, ==, 3);
    g_assert_true(g_ptr_array_find(graph->images, other, NULL));
    for (i = 0; i < graph->images->len; i++)
        g_assert_cmpuint(((ChainImage *) graph->images->pdata[i])->id, ==, i);
}

/* The same name is another file now: both stay. */
static void test_renamed_file_is_another(void)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    g_autoptr(ChainSource) a = chain_source_new_file("/x");
    ChainImage *first = chain_graph_image(graph, a, "inode:1:2");
    ChainImage *second = chain_graph_image(graph, a, "inode:1:3");

    g_assert_true(first != second);
    g_assert_cmpstr(first->key, ==, "inode:1:2");
    g_assert_true(chain_graph_find(graph, a) == second);
}

static void test_source_with_xml_wins(void)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    g_autoptr(ChainSource) a = chain_source_new_file("/x");
    g_autoptr(ChainSource) b = chain_source_new(CHAIN_SOURCE_VOLUME);
    ChainImage *node = chain_graph_image(graph, a, NULL);

    b->pool = g_strdup("p");
    b->volume = g_strdup("v");
    b->path = g_strdup("/x");
    b->xml = g_strdup("<source pool='p' volume='v'/>");
    g_assert_true(chain_graph_image(graph, b, NULL) == node);
    g_assert_cmpint(node->source->type, ==, CHAIN_SOURCE_VOLUME);
    g_assert_cmpstr(node->path, ==, "/x");
}

/* --- linking -------------------------------------------------------------------------------- */

static void test_link(void)
{
    World w;
    guint twice;

    world_make(&w);
    for (twice = 0; twice < 2; twice++) {
        chain_graph_link(w.graph);
        g_assert_cmpuint(w.base->overlays->len, ==, 1);
        g_assert_true(w.base->overlays->pdata[0] == w.o1);
        g_assert_cmpuint(w.base->users->len, ==, 1);
        g_assert_cmpuint(w.base->frozen_by->len, ==, 1);
        g_assert_cmpuint(w.o1->frozen_by->len, ==, 1);
        g_assert_cmpuint(w.o2->frozen_by->len, ==, 0);
        g_assert_cmpuint(w.o2->overlay_of->len, ==, 1);
        g_assert_true(w.s2->parent == w.s1);
        g_assert_cmpuint(w.s1->children->len, ==, 1);
        g_assert_true(w.d->current == w.s2);
    }
    g_assert_true(chain_image_stands_on(w.o2, w.base));
    g_assert_true(chain_image_stands_on(w.base, w.base));
    g_assert_false(chain_image_stands_on(w.base, w.o2));
    g_assert_true(chain_snapshot_descends(w.s2, w.s1));
    g_assert_false(chain_snapshot_descends(w.s1, w.s2));
    g_assert_true(chain_snapshot_is_external(w.s1));
    g_assert_true(chain_domain_snapshot(w.d, "s2") == w.s2);
    g_assert_true(chain_domain_disk(w.d, "vda") == w.vda);
    g_assert_null(chain_domain_disk(w.d, "vdb"));
    world_clear(&w);
}

static void test_loops_end(void)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    ChainDomain *d = domain(graph, "vm1");
    ChainImage *c = CHAIN(graph, "/a", "/b", "/c");
    ChainImage *self = image(graph, "/self");
    ChainDisk *vda = disk(d, "vda", c);
    g_autoptr(GPtrArray) images = NULL;
    g_autofree char *paths = NULL;

    c->backing->backing->backing = c->backing; /* a -> b -> a */
    self->backing = self;
    self->backing_known = TRUE;
    g_assert_false(chain_image_stands_on(c, self));
    images = chain_image_chain(c);
    g_assert_cmpuint(images->len, ==, 3);
    chain_graph_link(graph);
    chain_graph_link(graph);
    g_assert_false(c->flags & CHAIN_IMAGE_LOOP);
    g_assert_true(c->backing->flags & CHAIN_IMAGE_LOOP);
    g_assert_true(c->backing->backing->flags & CHAIN_IMAGE_LOOP);
    g_assert_null(c->backing->backing->backing);
    g_assert_true(self->flags & CHAIN_IMAGE_LOOP);
    g_assert_null(self->backing);
    g_ptr_array_unref(images);
    images = chain_disk_images(vda);
    paths = paths_of(images);
    g_assert_cmpstr(paths, ==, "/a /b /c");
}

static void test_snapshot_circles_end(void)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    ChainDomain *d = domain(graph, "vm1");
    ChainSnapshot *a = snapshot(d, "a", "b");
    ChainSnapshot *b = snapshot(d, "b", "a");
    ChainSnapshot *c = snapshot(d, "c", "b");
    ChainSnapshot *self = snapshot(d, "self", "self");
    ChainSnapshot *lost = snapshot(d, "lost", "nobody");

    chain_graph_link(graph);
    g_assert_cmpuint(d->snapshots->len, ==, 5);
    g_assert_true((a->parent == NULL) != (b->parent == NULL));
    g_assert_true(c->parent == b);
    g_assert_null(self->parent);
    g_assert_null(lost->parent);
    g_assert_false(chain_snapshot_descends(self, a));
}

static void test_snapshots_are_sorted(void)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    ChainDomain *d = domain(graph, "vm1");
    static const char *const expected[] = { "root", "a", "a2", "b" };
    guint i;

    snapshot(d, "a2", "a")->creation_time = 1;
    snapshot(d, "b", "root")->creation_time = 9;
    snapshot(d, "a", "root")->creation_time = 5;
    snapshot(d, "root", NULL)->creation_time = 7;
    chain_graph_link(graph);
    for (i = 0; i < 4; i++) {
        const ChainSnapshot *s = g_ptr_array_index(d->snapshots, i);

        g_assert_cmpstr(s->name, ==, expected[i]);
    }
}

static void test_disk_images(void)
{
    World w;
    g_autoptr(GPtrArray) images = NULL;
    g_autofree char *paths = NULL;

    world_make(&w);
    CHAIN(w.graph, "/i/base", "/i/unnamed", "/i/tip");
    CHAIN(w.graph, "/i/elsewhere", "/i/on-elsewhere");
    chain_graph_link(w.graph);
    images = chain_disk_images(w.vda);
    paths = paths_of(images);
    g_assert_cmpstr(paths, ==, "/i/base /i/s1 /i/s2 /i/unnamed /i/tip");
    world_clear(&w);
}

/* What stands on an unnamed layer of the active chain belongs to the disk too. */
static void test_disk_images_above_unnamed(void)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    ChainDomain *d = domain(graph, "vm1");
    ChainImage *top = CHAIN(graph, "/t", "/base", "/unnamed", "/top");
    ChainDisk *vda = disk(d, "vda", top);
    g_autoptr(GPtrArray) images = NULL;
    g_autofree char *paths = NULL;

    CHAIN(graph, "/t", "/base", "/unnamed", "/branch");
    CHAIN(graph, "/t", "/clone"); /* another's image on our template */
    external(snapshot(d, "s1", NULL), "vda", image(graph, "/base"), NULL);
    chain_graph_link(graph);
    images = chain_disk_images(vda);
    paths = paths_of(images);
    g_assert_cmpstr(paths, ==, "/t /base /unnamed /top /branch");
}

static void test_users(void)
{
    World w;
    ChainDomain *other;

    world_make(&w);
    other = domain(w.graph, "vm2");
    disk(other, "vda", CHAIN(w.graph, "/i/base", "/i/clone"));
    w.vda->configured = image(w.graph, "/i/configured");
    chain_graph_link(w.graph);
    g_assert_cmpuint(w.base->users->len, ==, 2);
    g_assert_cmpuint(w.o1->users->len, ==, 1);
    g_assert_cmpuint(w.vda->configured->users->len, ==, 1);
    world_clear(&w);
}

/* An image of "vm2" with nothing known of it but its source and format. */
static ChainImage *unseen(ChainGraph *graph, ChainSourceType type, const char *format)
{
    g_autoptr(ChainSource) source = chain_source_new(type);
    ChainDomain *d = domain(graph, "vm2");
    ChainImage *image;

    source->path = type == CHAIN_SOURCE_FILE ? g_strdup("/gone") : NULL;
    source->pool = g_strdup("pool");
    source->volume = g_strdup("volume");
    source->other = g_strdup("json:{}");
    image = chain_graph_image(graph, source, NULL);
    chain_image_record_format(image, format);
    disk(d, "vda", image);
    return image;
}

static void test_what_may_stand_anywhere(void)
{
    static const struct {
        ChainSourceType type;
        const char *format, *protocol;
        gboolean unknown;
    } table[] = {
        { CHAIN_SOURCE_FILE, "qcow2", NULL, TRUE },
        { CHAIN_SOURCE_FILE, "raw", NULL, FALSE },
        { CHAIN_SOURCE_FILE, NULL, NULL, TRUE },
        { CHAIN_SOURCE_VOLUME, "raw", NULL, TRUE },
        { CHAIN_SOURCE_VOLUME, "raw", "remote", FALSE },
        { CHAIN_SOURCE_VOLUME, "qcow2", "remote", TRUE },
        { CHAIN_SOURCE_OTHER, "raw", NULL, TRUE },
        { CHAIN_SOURCE_OTHER, "raw", "iscsi", FALSE },
        { CHAIN_SOURCE_NETWORK, "raw", NULL, FALSE },
        { CHAIN_SOURCE_NETWORK, "qcow2", NULL, TRUE },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autoptr(ChainGraph) graph = chain_graph_new();
        ChainImage *image = unseen(graph, table[i].type, table[i].format);
        g_autofree char *message = NULL;
        g_autofree char *remedy = NULL;

        image->source->protocol = g_strdup(table[i].protocol);
        chain_graph_link(graph);
        g_assert_true(chain_graph_unknown(graph, NULL) == (table[i].unknown ? image : NULL));
        message = chain_unknown_message(graph, image);
        remedy = chain_unknown_remedy(image);
        g_assert_nonnull(strstr(message, "domain 'vm2' needs it"));
        g_assert_true(*remedy);
        /* what begins as no image does needs no format */
        image->flags |= CHAIN_IMAGE_NO_HEADER;
        g_assert_null(chain_graph_unknown(graph, NULL));
    }
}

static void test_two_formats(void)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    ChainImage *first = image(graph, "/first"), *last = image(graph, "/last");

    g_clear_pointer(&first->format, g_free);
    g_clear_pointer(&last->format, g_free);
    /* whoever is read first, it is read as what can stand on another */
    chain_image_record_format(first, "qcow2");
    chain_image_record_format(first, "raw");
    chain_image_record_format(last, "raw");
    chain_image_record_format(last, "qcow2");
    g_assert_cmpstr(first->format, ==, "qcow2");
    g_assert_cmpstr(last->format, ==, "qcow2");
    g_assert_cmpstr(last->other_format, ==, "raw");
    g_assert_true(first->flags & last->flags & CHAIN_IMAGE_FORMATS_DIFFER);
    disk(domain(graph, "vm1"), "vda", first);
    first->backing_known = TRUE;
    chain_graph_link(graph);
    g_assert_null(chain_graph_unknown(graph, NULL));
    /* too late */
    chain_image_record_format(first, "vmdk");
    g_assert_cmpstr(first->format, ==, "qcow2");
    g_assert_true(chain_graph_unknown(graph, NULL) == first);
}

static void test_whose_snapshot_it_is(void)
{
    World w;
    g_autoptr(GHashTable) gone = g_hash_table_new(NULL, NULL);
    ChainImage *away;
    ChainSnapshot *s;

    world_make(&w);
    chain_graph_link(w.graph);
    g_assert_null(chain_graph_unknown(w.graph, NULL));
    away = image(w.graph, "/i/away");
    away->flags |= CHAIN_IMAGE_MISSING;
    s = chain_domain_add_snapshot(w.d, "away");
    chain_snapshot_add_disk(s, "vda")->kind = CHAIN_SNAP_EXTERNAL;
    chain_snapshot_disk(s, "vda")->overlay = away;
    chain_graph_link(w.graph);
    g_assert_null(chain_graph_unknown(w.graph, NULL));
    chain_snapshot_disk(s, "vda")->frozen = away;
    chain_graph_link(w.graph);
    g_assert_true(chain_graph_unknown(w.graph, NULL) == away);
    g_hash_table_add(gone, s);
    g_assert_null(chain_graph_unknown(w.graph, gone));
    world_clear(&w);
}

#define ADD(name) g_test_add_func("/model/" #name, test_##name)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(source_keys);
    ADD(identity_joins_spellings);
    ADD(late_identity_merges);
    ADD(renamed_file_is_another);
    ADD(source_with_xml_wins);
    ADD(link);
    ADD(loops_end);
    ADD(snapshot_circles_end);
    ADD(snapshots_are_sorted);
    ADD(disk_images);
    ADD(disk_images_above_unnamed);
    ADD(users);
    ADD(what_may_stand_anywhere);
    ADD(two_formats);
    ADD(whose_snapshot_it_is);
    return g_test_run();
}
