/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * graphs.h: graphs made by hand, for tests of what reads the model
 */
#pragma once

#include <string.h>

#include "plugin/model/chain.h"

#define KIB ((guint64) 1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/* A qcow2 image of 256 MiB whose header was read; a backing image makes it an overlay. */
static inline ChainImage *graph_image(ChainGraph *graph, const char *path, ChainImage *backing,
                                      guint64 allocation)
{
    g_autoptr(ChainSource) source = chain_source_new_file(path);
    ChainImage *image = chain_graph_image(graph, source, NULL);

    g_free(image->format);
    image->format = g_strdup("qcow2");
    image->flags |= CHAIN_IMAGE_HEADER_READ;
    image->virtual_size = 256 * MIB;
    image->allocation = allocation;
    image->backing_known = TRUE;
    image->backing = backing;
    if (backing) {
        g_free(image->backing_spec);
        g_free(image->backing_format);
        image->backing_spec = g_strdup(backing->path);
        image->backing_format = g_strdup(backing->format);
    }
    return image;
}

static inline ChainDomain *graph_domain(ChainGraph *graph, const char *name, gboolean active)
{
    ChainDomain *d = chain_graph_add_domain(graph, name, "c7a5fdbd-edaf-9455-926a-d65c16db1809");

    g_free(d->state);
    d->state = g_strdup(active ? "running" : "shut off");
    d->active = active;
    d->persistent = TRUE;
    return d;
}

static inline ChainDisk *graph_disk(ChainDomain *d, const char *target, ChainImage *active)
{
    ChainDisk *disk = chain_domain_add_disk(d, target);

    g_free(disk->device);
    disk->device = g_strdup("disk");
    disk->active = disk->configured = active;
    return disk;
}

static inline ChainSnapshot *graph_snapshot(ChainDomain *d, const char *name, const char *parent)
{
    ChainSnapshot *s = chain_domain_add_snapshot(d, name);

    s->parent_name = g_strdup(parent);
    s->creation_time = 1700000000 + d->snapshots->len;
    s->has_domain = TRUE;
    g_free(s->state);
    s->state = g_strdup("shutoff");
    return s;
}

static inline void graph_freeze(ChainSnapshot *s, const char *target, ChainImage *frozen,
                                ChainImage *overlay)
{
    ChainSnapshotDisk *sd = chain_snapshot_add_disk(s, target);

    sd->kind = CHAIN_SNAP_EXTERNAL;
    sd->frozen = frozen;
    sd->overlay = overlay;
}
