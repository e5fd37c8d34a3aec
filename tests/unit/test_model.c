/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_model.c: the graph of images, domains and snapshots, and what is found wrong in it
 */
#include "config.h"

#include <string.h>
#include <sys/resource.h>

#include "plugin/model/chain.h"

/* --- a small world -------------------------------------------------------------------------- */

static ChainImage *image(ChainGraph *graph, const char *path)
{
    g_autoptr(ChainSource) source = chain_source_new_file(path);
    ChainImage *node = chain_graph_image(graph, source, NULL);

    if (!node->format)
        node->format = g_strdup("qcow2");
    return node;
}

/* @paths from the root up, NULL-terminated: each stands on the one before. */
static ChainImage *chain(ChainGraph *graph, const char *const *paths)
{
    ChainImage *below = NULL;

    for (; *paths; paths++) {
        ChainImage *node = image(graph, *paths);

        if (!node->backing_known) {
            node->backing_known = TRUE;
            node->flags |= CHAIN_IMAGE_HEADER_READ;
            node->backing = below;
            node->backing_spec = below ? g_strdup(below->path) : NULL;
            node->backing_format = below ? g_strdup(below->format) : NULL;
        }
        below = node;
    }
    return below;
}

#define CHAIN(graph, ...) chain(graph, (const char *const[]) { __VA_ARGS__, NULL })

static ChainDomain *domain(ChainGraph *graph, const char *name)
{
    ChainDomain *d = chain_graph_add_domain(graph, name, name);

    d->state = g_strdup("shut off");
    d->persistent = TRUE;
    return d;
}

static ChainDisk *disk(ChainDomain *d, const char *target, ChainImage *active)
{
    ChainDisk *node = chain_domain_add_disk(d, target);

    node->device = g_strdup("disk");
    node->active = node->configured = active;
    return node;
}

static ChainSnapshot *snapshot(ChainDomain *d, const char *name, const char *parent)
{
    ChainSnapshot *s = chain_domain_add_snapshot(d, name);

    s->parent_name = g_strdup(parent);
    s->creation_time = d->snapshots->len;
    s->has_domain = TRUE;
    s->state = g_strdup("shutoff");
    return s;
}

static ChainSnapshotDisk *external(ChainSnapshot *s, const char *target, ChainImage *frozen,
                                   ChainImage *overlay)
{
    ChainSnapshotDisk *sd = chain_snapshot_add_disk(s, target);

    sd->kind = CHAIN_SNAP_EXTERNAL;
    sd->frozen = frozen;
    sd->overlay = overlay;
    return sd;
}

/* vm1: base <- s1 <- s2, snapshots s1 and s2. */
typedef struct {
    ChainGraph *graph;
    ChainDomain *d;
    ChainDisk *vda;
    ChainImage *base, *o1, *o2;
    ChainSnapshot *s1, *s2;
} World;

static void world_make(World *w)
{
    w->graph = chain_graph_new();
    w->d = domain(w->graph, "vm1");
    w->o2 = CHAIN(w->graph, "/i/base", "/i/s1", "/i/s2");
    w->o1 = w->o2->backing;
    w->base = w->o1->backing;
    w->vda = disk(w->d, "vda", w->o2);
    w->s1 = snapshot(w->d, "s1", NULL);
    external(w->s1, "vda", w->base, w->o1);
    w->s2 = snapshot(w->d, "s2", "s1");
    w->s2->current = TRUE;
    external(w->s2, "vda", w->o1, w->o2);
}

static void world_clear(World *w)
{
    chain_graph_free(w->graph);
}

/* The findings as "code:severity:disk:image:snapshot" lines, sorted as found. */
static char *found(ChainGraph *graph, ChainDomain *d)
{
    static const char *const severities[] = { "notice", "warning", "error" };
    g_autoptr(GPtrArray) findings = NULL;
    GString *out = g_string_new(NULL);
    guint i;

    chain_graph_link(graph);
    findings = chain_graph_check(graph, d);
    for (i = 0; i < findings->len; i++) {
        const ChainFinding *f = g_ptr_array_index(findings, i);

        g_assert_nonnull(f->message);
        g_assert_nonnull(f->remedy);
        g_assert_false(g_str_has_suffix(f->message, "."));
        g_string_append_printf(out, "%s%s:%s:%s:%s:%s", out->len ? " " : "", f->code,
                               severities[f->severity], f->disk ? f->disk : "-",
                               f->image ? f->image->path : "-", f->snapshot ? f->snapshot : "-");
    }
    return g_string_free(out, FALSE);
}

static void check_found(ChainGraph *graph, ChainDomain *d, const char *expected)
{
    g_autofree char *got = found(graph, d);

    g_assert_cmpstr(got, ==, expected);
}

static char *paths_of(GPtrArray *images)
{
    GString *out = g_string_new(NULL);
    guint i;

    for (i = 0; i < images->len; i++) {
        const ChainImage *node = g_ptr_array_index(images, i);

        g_string_append_printf(out, "%s%s", out->len ? " " : "", node->path);
    }
    return g_string_free(out, FALSE);
}

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

/* --- findings ------------------------------------------------------------------------------- */

static void test_nothing_wrong(void)
{
    World w;

    world_make(&w);
    check_found(w.graph, w.d, "");
    world_clear(&w);
}

static void test_template_is_normal(void)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    ChainDomain *d = domain(graph, "vm1");
    ChainImage *top = CHAIN(graph, "/template", "/layer", "/base", "/top");

    disk(d, "vda", top);
    external(snapshot(d, "s1", NULL), "vda", top->backing, top);
    check_found(graph, d, "");
}

static void test_no_snapshots_is_normal(void)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    ChainDomain *d = domain(graph, "vm1");
    ChainDisk *cdrom;

    disk(d, "vda", CHAIN(graph, "/template", "/layer", "/top"));
    cdrom = disk(d, "sda", NULL);
    cdrom->readonly = TRUE;
    check_found(graph, d, "");
}

static void test_discarded_overlay_is_normal(void)
{
    World w;

    /* after a revert to s1: s2's overlay is gone, its frozen image is a branch */
    world_make(&w);
    w.o2->flags |= CHAIN_IMAGE_MISSING;
    w.o2->backing = NULL;
    w.o2->backing_known = FALSE;
    w.vda->active = w.vda->configured = CHAIN(w.graph, "/i/base", "/i/reverted");
    chain_snapshot_disk(w.s1, "vda")->revert_overlay = w.vda->active;
    check_found(w.graph, w.d, "");
    world_clear(&w);
}

static void test_missing(void)
{
    World w;

    world_make(&w);
    w.o2->flags |= CHAIN_IMAGE_MISSING;
    check_found(w.graph, w.d, "missing-image:error:vda:/i/s2:-");
    world_clear(&w);
}

static void test_missing_frozen(void)
{
    World w;

    world_make(&w);
    w.o1->flags |= CHAIN_IMAGE_MISSING;
    check_found(w.graph, w.d, "missing-image:error:vda:/i/s1:- "
                              "stale-snapshot:error:vda:/i/s1:s2");
    world_clear(&w);
}

static void test_missing_in_branch(void)
{
    World w;
    ChainImage *gone;

    world_make(&w);
    gone = image(w.graph, "/i/gone");
    gone->flags |= CHAIN_IMAGE_MISSING;
    external(snapshot(w.d, "s3", "s1"), "vda", gone, NULL);
    check_found(w.graph, w.d, "stale-snapshot:error:vda:/i/gone:s3");
    world_clear(&w);
}

static void test_unreadable_and_corrupt(void)
{
    World w;

    world_make(&w);
    w.base->flags |= CHAIN_IMAGE_UNREADABLE;
    w.o1->flags |= CHAIN_IMAGE_CORRUPT;
    check_found(w.graph, w.d, "unreadable-image:warning:vda:/i/base:- "
                              "corrupt-image:error:vda:/i/s1:-");
    world_clear(&w);
}

static void test_loop(void)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    ChainDomain *d = domain(graph, "vm1");
    ChainImage *top = CHAIN(graph, "/a", "/b");

    top->backing->backing = top;
    disk(d, "vda", top);
    check_found(graph, d, "backing-loop:error:vda:/a:- backing-loop:error:vda:/b:-");
}

static void test_format_not_recorded(void)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    ChainDomain *d = domain(graph, "vm1");
    ChainImage *top = CHAIN(graph, "/a", "/b");

    g_clear_pointer(&top->backing->format, g_free);
    top->backing->flags |= CHAIN_IMAGE_FORMAT_GUESSED;
    disk(d, "vda", top);
    check_found(graph, d, "format-not-recorded:warning:vda:/a:-");
}

static void test_shared(void)
{
    World w;
    ChainDomain *other;

    world_make(&w);
    other = domain(w.graph, "vm2");
    disk(other, "vda", CHAIN(w.graph, "/i/base", "/i/clone"));
    check_found(w.graph, w.d, "shared-image:notice:vda:/i/base:-");
    check_found(w.graph, other, "shared-image:notice:vda:/i/base:-");
    world_clear(&w);
}

static void test_shared_and_written(void)
{
    World w;
    ChainDomain *other;

    world_make(&w);
    other = domain(w.graph, "vm2");
    disk(other, "vda", CHAIN(w.graph, "/i/s2", "/i/clone"));
    check_found(w.graph, w.d, "shared-image:notice:vda:/i/base:- "
                              "shared-image:notice:vda:/i/s1:- "
                              "shared-image:warning:vda:/i/s2:-");
    world_clear(&w);
}

static void test_shared_cdrom_is_normal(void)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    ChainImage *iso = CHAIN(graph, "/iso");
    ChainDomain *one = domain(graph, "vm1");
    ChainDomain *two = domain(graph, "vm2");

    disk(one, "sda", iso)->readonly = TRUE;
    disk(two, "sda", iso)->readonly = TRUE;
    check_found(graph, one, "");
}

static void test_unmanaged(void)
{
    World w;
    ChainImage *top;

    world_make(&w);
    top = CHAIN(w.graph, "/i/s2", "/i/unnamed", "/i/top");
    w.vda->active = w.vda->configured = top;
    check_found(w.graph, w.d, "unmanaged-layer:warning:vda:/i/s2:- "
                              "unmanaged-layer:warning:vda:/i/unnamed:-");
    world_clear(&w);
}

/* s1's state is overwritten: the overlay was committed into it and the domain pivoted. */
static void test_committed_by_hand(void)
{
    World w;

    world_make(&w);
    w.vda->active = w.vda->configured = w.o1;
    check_found(w.graph, w.d, "stale-snapshot:error:vda:/i/s1:s2");
    world_clear(&w);
}

/* The running domain writes another image, but its configuration still names the frozen one. */
static void test_configuration_left_behind(void)
{
    World w;

    world_make(&w);
    w.vda->configured = w.o1;
    check_found(w.graph, w.d, "stale-snapshot:error:vda:/i/s1:s2");
    world_clear(&w);
}

static void test_middle_merged_by_hand(void)
{
    World w;

    /* s1 <- s2 became base <- s2; the file of s1 was kept */
    world_make(&w);
    w.o2->backing = w.base;
    check_found(w.graph, w.d, "stale-snapshot:warning:vda:/i/s1:s2");
    world_clear(&w);
}

static void test_middle_merged_and_removed(void)
{
    World w;

    world_make(&w);
    w.o2->backing = w.base;
    w.o1->flags |= CHAIN_IMAGE_MISSING;
    check_found(w.graph, w.d, "stale-snapshot:warning:vda:/i/s1:s1 "
                              "stale-snapshot:error:vda:/i/s1:s2");
    world_clear(&w);
}

static void test_wrong_state_named(void)
{
    World w;

    /* what libvirt 9.0 leaves behind: s2 says base, but its overlay stands on s1 */
    world_make(&w);
    chain_snapshot_disk(w.s2, "vda")->frozen = w.base;
    check_found(w.graph, w.d, "unmanaged-layer:warning:vda:/i/s1:- "
                              "stale-snapshot:warning:vda:/i/base:s2");
    world_clear(&w);
}

static void test_memory_file_gone(void)
{
    World w;

    world_make(&w);
    w.s1->memory = CHAIN_MEMORY_EXTERNAL;
    w.s1->memory_file = g_strdup("/i/mem");
    w.s1->memory_missing = TRUE;
    w.s2->has_domain = FALSE;
    check_found(w.graph, w.d, "stale-snapshot:warning:-:-:s1 stale-snapshot:warning:-:-:s2");
    world_clear(&w);
}

static void test_interrupted(void)
{
    World w;

    world_make(&w);
    w.d->operation = g_new0(ChainOperation, 1);
    w.d->operation->command = g_strdup("snapshot-delete-external");
    w.d->operation->alive = TRUE;
    check_found(w.graph, w.d, "");
    w.d->operation->alive = FALSE;
    check_found(w.graph, w.d, "interrupted-operation:error:-:-:-");
    world_clear(&w);
}

static void test_interrupted_by_libvirt(void)
{
    World w;

    world_make(&w);
    /* what is merged into the image that s1 made is the state of s2 */
    chain_snapshot_disk(w.s1, "vda")->delete_in_progress = TRUE;
    w.vda->job = g_new0(ChainJob, 1);
    w.vda->job->type = g_strdup("active-commit");
    w.vda->job->cur = w.vda->job->end = 5;
    check_found(w.graph, w.d, "stale-snapshot:error:vda:/i/s1:s2");
    g_assert_null(chain_snapshot_half_merged(w.s1));
    g_assert_true(chain_snapshot_half_merged(w.s2) == w.o1);
    chain_snapshot_disk(w.s2, "vda")->frozen = NULL;
    check_found(w.graph, w.d, "unmanaged-layer:warning:vda:/i/s1:- "
                              "interrupted-operation:warning:vda:/i/s1:s1");
    chain_snapshot_disk(w.s2, "vda")->frozen = w.o1;
    w.vda->job->ready = TRUE;
    chain_snapshot_disk(w.s1, "vda")->delete_in_progress = FALSE;
    check_found(w.graph, w.d, "interrupted-operation:warning:vda:/i/s2:-");
    world_clear(&w);
}

static void test_orphan(void)
{
    World w;
    ChainImage *top;

    world_make(&w);
    top = CHAIN(w.graph, "/i/base", "/i/orphan", "/i/orphan2");
    top->flags |= CHAIN_IMAGE_ORPHAN;
    top->backing->flags |= CHAIN_IMAGE_ORPHAN;
    check_found(w.graph, w.d, "orphan-file:warning:vda:/i/orphan:- "
                              "orphan-file:warning:vda:/i/orphan2:-");
    world_clear(&w);
}

static void test_deep(void)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    ChainDomain *d = domain(graph, "vm1");
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    ChainDisk *vda;
    guint i;

    for (i = 0; i < 201; i++)
        g_ptr_array_add(paths, g_strdup_printf("/%u", i));
    g_ptr_array_add(paths, NULL);
    chain(graph, (const char *const *) paths->pdata);
    vda = disk(d, "vda", image(graph, "/178"));
    check_found(graph, d, "");
    vda->active = vda->configured = image(graph, "/179");
    check_found(graph, d, "deep-chain:warning:vda:/179:-");
    vda->active = vda->configured = image(graph, "/200");
    check_found(graph, d, "deep-chain:error:vda:/200:-");
    graph->layer_limit = 25;
    vda->active = vda->configured = image(graph, "/21");
    check_found(graph, d, "");
    vda->active = vda->configured = image(graph, "/24");
    check_found(graph, d, "deep-chain:warning:vda:/24:-");
    vda->active = vda->configured = image(graph, "/25");
    check_found(graph, d, "deep-chain:error:vda:/25:-");
}

static void test_internal_and_external(void)
{
    World w;
    ChainSnapshotDisk *sd;

    world_make(&w);
    sd = external(snapshot(w.d, "i1", "s2"), "vda", w.o2, NULL);
    sd->kind = CHAIN_SNAP_INTERNAL;
    check_found(w.graph, w.d, "internal-and-external:warning:-:-:i1");
    g_assert_true(chain_snapshot_is_internal(chain_domain_snapshot(w.d, "i1")));
    world_clear(&w);
}

static void test_relative(void)
{
    World w;

    world_make(&w);
    w.o1->flags |= CHAIN_IMAGE_RELATIVE;
    w.o2->flags |= CHAIN_IMAGE_RELATIVE;
    check_found(w.graph, w.d, "relative-backing:notice:vda:/i/s2:-");
    world_clear(&w);
}

static void test_disagreement(void)
{
    World w;

    world_make(&w);
    w.vda->live_chain = g_ptr_array_new();
    g_ptr_array_add(w.vda->live_chain, w.o2);
    g_ptr_array_add(w.vda->live_chain, w.o1);
    check_found(w.graph, w.d, ""); /* what is not told is no contradiction */
    g_ptr_array_remove_index(w.vda->live_chain, 1);
    g_ptr_array_add(w.vda->live_chain, w.base);
    check_found(w.graph, w.d, "chain-mismatch:error:vda:/i/base:-");
    w.vda->config_chain = g_steal_pointer(&w.vda->live_chain);
    check_found(w.graph, w.d, "chain-mismatch:warning:vda:/i/base:-");
    world_clear(&w);
}

/* --- size ----------------------------------------------------------------------------------- */

#define MANY_IMAGES 10000
#define MANY_SNAPSHOTS 2000

static void test_scale(void)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    ChainDomain *d = domain(graph, "vm1");
    ChainImage *below = NULL;
    struct rusage before, after;
    gint64 start = g_get_monotonic_time();
    g_autofree char *text = NULL;
    double seconds;
    int i;

    getrusage(RUSAGE_SELF, &before);
    for (i = 0; i < MANY_IMAGES; i++) {
        g_autofree char *path = g_strdup_printf("/images/of/a/guest/disk-%05d.qcow2", i);
        ChainImage *node = image(graph, path);

        /* every fifth begins a branch somewhere below */
        node->backing = i % 5 == 4 ? graph->images->pdata[i / 2] : below;
        node->backing_known = TRUE;
        node->flags |= CHAIN_IMAGE_HEADER_READ;
        below = node;
    }
    disk(d, "vda", below);
    for (i = 0; i < MANY_SNAPSHOTS; i++) {
        g_autofree char *name = g_strdup_printf("s%d", i);
        g_autofree char *parent = i ? g_strdup_printf("s%d", i - 1) : NULL;
        ChainImage *frozen = graph->images->pdata[i * 4];

        external(snapshot(d, name, parent), "vda", frozen, frozen->overlays->len
                 ? frozen->overlays->pdata[0] : NULL);
    }
    text = found(graph, d);
    seconds = (g_get_monotonic_time() - start) / 1e6;
    getrusage(RUSAGE_SELF, &after);
    g_test_message("%.3f s, %ld KiB", seconds, after.ru_maxrss - before.ru_maxrss);
    g_assert_cmpfloat(seconds, <, 5.0); /* also under valgrind and sanitizers */
    g_assert_cmpint(after.ru_maxrss - before.ru_maxrss, <, 100 * 1024);
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
    ADD(nothing_wrong);
    ADD(template_is_normal);
    ADD(no_snapshots_is_normal);
    ADD(discarded_overlay_is_normal);
    ADD(missing);
    ADD(missing_frozen);
    ADD(missing_in_branch);
    ADD(unreadable_and_corrupt);
    ADD(loop);
    ADD(format_not_recorded);
    ADD(shared);
    ADD(shared_and_written);
    ADD(shared_cdrom_is_normal);
    ADD(unmanaged);
    ADD(committed_by_hand);
    ADD(configuration_left_behind);
    ADD(middle_merged_by_hand);
    ADD(middle_merged_and_removed);
    ADD(wrong_state_named);
    ADD(memory_file_gone);
    ADD(interrupted);
    ADD(interrupted_by_libvirt);
    ADD(orphan);
    ADD(deep);
    ADD(internal_and_external);
    ADD(relative);
    ADD(disagreement);
    ADD(scale);
    return g_test_run();
}
