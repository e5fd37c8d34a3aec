/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * world.h: a domain with two snapshots, and what is found wrong with it
 */
#pragma once

#include "plugin/model/chain.h"

static inline ChainImage *image(ChainGraph *graph, const char *path)
{
    g_autoptr(ChainSource) source = chain_source_new_file(path);
    ChainImage *node = chain_graph_image(graph, source, NULL);

    if (!node->format)
        node->format = g_strdup("qcow2");
    return node;
}

/* @paths from the root up, NULL-terminated: each stands on the one before. */
static inline ChainImage *chain(ChainGraph *graph, const char *const *paths)
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

static inline ChainDomain *domain(ChainGraph *graph, const char *name)
{
    ChainDomain *d = chain_graph_add_domain(graph, name, name);

    d->state = g_strdup("shut off");
    d->persistent = TRUE;
    return d;
}

static inline ChainDisk *disk(ChainDomain *d, const char *target, ChainImage *active)
{
    ChainDisk *node = chain_domain_add_disk(d, target);

    node->device = g_strdup("disk");
    node->active = node->configured = active;
    return node;
}

static inline ChainSnapshot *snapshot(ChainDomain *d, const char *name, const char *parent)
{
    ChainSnapshot *s = chain_domain_add_snapshot(d, name);

    s->parent_name = g_strdup(parent);
    s->creation_time = d->snapshots->len;
    s->has_domain = TRUE;
    s->state = g_strdup("shutoff");
    return s;
}

static inline ChainSnapshotDisk *external(ChainSnapshot *s, const char *target, ChainImage *frozen,
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

static inline void world_make(World *w)
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

static inline void world_clear(World *w)
{
    chain_graph_free(w->graph);
}

/* The findings as "code:severity:disk:image:snapshot" lines, sorted as found. */
static inline char *found(ChainGraph *graph, ChainDomain *d)
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

static inline void check_found(ChainGraph *graph, ChainDomain *d, const char *expected)
{
    g_autofree char *got = found(graph, d);

    g_assert_cmpstr(got, ==, expected);
}

static inline char *paths_of(GPtrArray *images)
{
    GString *out = g_string_new(NULL);
    guint i;

    for (i = 0; i < images->len; i++) {
        const ChainImage *node = g_ptr_array_index(images, i);

        g_string_append_printf(out, "%s%s", out->len ? " " : "", node->path);
    }
    return g_string_free(out, FALSE);
}
