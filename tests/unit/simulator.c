/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * simulator.c: images, domains and snapshots small enough to check everything
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/simulator.h"

const char *sim_target(int disk)
{
    return disk == 0 ? "vda" : "vdb";
}

int sim_disk(const char *target)
{
    return strcmp(target, "vda") == 0 ? 0 : 1;
}

/* --- making worlds ------------------------------------------------------------------------ */

void sim_init(SimWorld *w)
{
    memset(w, 0, sizeof(*w));
    w->next_value = 1;
}

int sim_add_image(SimWorld *w, int backing)
{
    SimImage *image;

    if (w->n_images == SIM_IMAGES)
        return SIM_NONE;
    image = &w->images[w->n_images];
    memset(image, 0, sizeof(*image));
    image->exists = TRUE;
    image->backing = backing;
    image->size = backing == SIM_NONE ? SIM_CLUSTERS : w->images[backing].size;
    return w->n_images++;
}

int sim_add_domain(SimWorld *w)
{
    SimDomain *d = &w->domains[w->n_domains];

    g_assert(w->n_domains < SIM_DOMAINS);
    memset(d, 0, sizeof(*d));
    d->current = SIM_NONE;
    return w->n_domains++;
}

int sim_add_disk(SimWorld *w, int domain, int backing)
{
    SimDomain *d = &w->domains[domain];

    g_assert(d->n_disks < SIM_DISKS);
    d->active[d->n_disks] = sim_add_image(w, backing);
    return d->n_disks++;
}

void sim_write(SimWorld *w, int domain, int disk, int cluster)
{
    SimImage *image = &w->images[w->domains[domain].active[disk]];

    if (cluster < image->size)
        image->data[cluster] = w->next_value++;
}

int sim_snapshot(SimWorld *w, int domain, guint disks)
{
    SimDomain *d = &w->domains[domain];
    SimSnapshot *s;
    int i;

    if (w->n_snapshots == SIM_SNAPSHOTS || w->n_images + SIM_DISKS > SIM_IMAGES)
        return SIM_NONE;
    s = &w->snapshots[w->n_snapshots];
    memset(s, 0, sizeof(*s));
    s->exists = TRUE;
    s->domain = domain;
    s->parent = d->current;
    for (i = 0; i < SIM_DISKS; i++) {
        s->kind[i] = CHAIN_SNAP_NO;
        s->frozen[i] = i < d->n_disks ? d->active[i] : SIM_NONE;
        s->overlay[i] = SIM_NONE;
        s->revert_overlay[i] = SIM_NONE;
        if (i >= d->n_disks || !(disks & (1u << i)))
            continue;
        s->kind[i] = CHAIN_SNAP_EXTERNAL;
        s->overlay[i] = d->active[i] = sim_add_image(w, d->active[i]);
    }
    d->current = w->n_snapshots;
    return w->n_snapshots++;
}

static void snapshot_inside(SimWorld *w, int image)
{
    w->images[image].internal = TRUE;
    memcpy(w->images[image].internal_data, w->images[image].data,
           sizeof(w->images[image].data));
}

int sim_snapshot_internal(SimWorld *w, int domain)
{
    int s = sim_snapshot(w, domain, 0);
    int i;

    for (i = 0; s != SIM_NONE && i < w->domains[domain].n_disks; i++) {
        w->snapshots[s].kind[i] = CHAIN_SNAP_INTERNAL;
        snapshot_inside(w, w->domains[domain].active[i]);
    }
    return s;
}

void sim_commit_by_hand(SimWorld *w, int domain, int disk)
{
    int top = w->domains[domain].active[disk];
    int base = w->images[top].backing;
    int i, j;

    if (base == SIM_NONE || w->images[base].read_only || w->images[top].internal ||
        w->images[base].size != w->images[top].size)
        return;
    for (i = 0; i < w->n_images; i++) {
        if (w->images[i].exists && i != top && (w->images[i].backing == base ||
                                                w->images[i].backing == top))
            return;
    }
    for (i = 0; i < w->n_domains; i++) {
        for (j = 0; j < w->domains[i].n_disks; j++) {
            if ((i != domain || j != disk) && (w->domains[i].active[j] == top ||
                                               w->domains[i].active[j] == base))
                return;
        }
    }
    for (i = 0; i < SIM_CLUSTERS; i++) {
        if (w->images[top].data[i])
            w->images[base].data[i] = w->images[top].data[i];
    }
    w->images[top].exists = FALSE;
    w->domains[domain].active[disk] = base;
}

static gboolean named(const SimWorld *w, int image)
{
    int i, j;

    for (i = 0; i < w->n_images; i++) {
        if (w->images[i].exists && w->images[i].backing == image)
            return TRUE;
    }
    for (i = 0; i < w->n_snapshots; i++) {
        for (j = 0; j < SIM_DISKS; j++) {
            if (w->snapshots[i].exists && w->snapshots[i].frozen[j] == image)
                return TRUE;
        }
    }
    for (i = 0; i < w->n_domains; i++) {
        for (j = 0; j < w->domains[i].n_disks; j++) {
            if (w->domains[i].active[j] == image)
                return TRUE;
        }
    }
    return FALSE;
}

void sim_revert(SimWorld *w, int snapshot, gboolean keep, int record)
{
    SimSnapshot *s = &w->snapshots[snapshot];
    SimDomain *d = &w->domains[s->domain];
    int i;

    if (w->n_images + SIM_DISKS > SIM_IMAGES)
        return;
    for (i = 0; i < d->n_disks; i++) {
        if (s->kind[i] == CHAIN_SNAP_EXTERNAL && !w->images[s->frozen[i]].exists)
            return;
    }
    for (i = 0; i < d->n_disks; i++) {
        int old = d->active[i];

        if (s->kind[i] != CHAIN_SNAP_EXTERNAL)
            continue;
        d->active[i] = sim_add_image(w, s->frozen[i]);
        if (record == 1)
            s->overlay[i] = d->active[i];
        if (record == 2)
            s->revert_overlay[i] = d->active[i];
        if (!keep && !named(w, old))
            w->images[old].exists = FALSE;
    }
    d->current = snapshot;
}

void sim_layer(SimWorld *w, int domain, int disk)
{
    SimDomain *d = &w->domains[domain];

    if (w->n_images < SIM_IMAGES)
        d->active[disk] = sim_add_image(w, d->active[disk]);
}

void sim_clone_anew(SimWorld *w, int domain, int disk, gboolean keep)
{
    SimDomain *d = &w->domains[domain];
    int old = d->active[disk], template = old;

    while (w->images[template].backing != SIM_NONE)
        template = w->images[template].backing;
    if (template == old || w->n_images == SIM_IMAGES)
        return;
    d->active[disk] = sim_add_image(w, template);
    if (!keep && !named(w, old))
        w->images[old].exists = FALSE;
}

void sim_grow(SimWorld *w, int image, int clusters)
{
    SimImage *grown = &w->images[image];
    gboolean hide = grown->backing != SIM_NONE &&
                    w->images[grown->backing].size > grown->size;

    for (; grown->size < clusters; grown->size++)
        grown->data[grown->size] = hide ? SIM_ZERO : 0;
}

void sim_resize(SimWorld *w, int domain, int disk, int clusters)
{
    SimImage *image = &w->images[w->domains[domain].active[disk]];
    int i;

    /* QEMU refuses it for the sake of the internal snapshots */
    if (image->internal || image->read_only)
        return;
    for (i = clusters; i < image->size; i++)
        image->data[i] = 0;
    sim_grow(w, w->domains[domain].active[disk], clusters);
    image->size = clusters;
}

void sim_drop_name(SimWorld *w, int snapshot)
{
    SimSnapshot *s = &w->snapshots[snapshot];
    int i;

    s->exists = FALSE;
    for (i = 0; i < w->n_snapshots; i++) {
        if (w->snapshots[i].exists && w->snapshots[i].parent == snapshot)
            w->snapshots[i].parent = s->parent;
    }
    if (w->domains[s->domain].current == snapshot)
        w->domains[s->domain].current = s->parent;
}

static int any_image(SimWorld *w, GRand *rand, gboolean active_too)
{
    int tries;

    for (tries = 0; tries < 20; tries++) {
        int image = g_rand_int_range(rand, 0, w->n_images);
        gboolean active = FALSE;
        int i, j;

        for (i = 0; i < w->n_domains; i++) {
            for (j = 0; j < w->domains[i].n_disks; j++)
                active = active || w->domains[i].active[j] == image;
        }
        if (w->images[image].exists && (active_too || !active))
            return image;
    }
    return SIM_NONE;
}

static int any_snapshot(SimWorld *w, GRand *rand, int domain)
{
    int tries;

    for (tries = 0; w->n_snapshots > 0 && tries < 20; tries++) {
        int s = g_rand_int_range(rand, 0, w->n_snapshots);

        if (w->snapshots[s].exists && w->snapshots[s].domain == domain)
            return s;
    }
    return SIM_NONE;
}

static void random_share(SimWorld *w, GRand *rand)
{
    int image = any_image(w, rand, g_rand_int_range(rand, 0, 10) == 0);
    int i;

    if (image == SIM_NONE || w->n_images + 2 > SIM_IMAGES)
        return;
    if (g_rand_boolean(rand)) {
        i = sim_add_image(w, image);
        w->images[i].orphan = TRUE;
        w->images[i].data[g_rand_int_range(rand, 0, SIM_CLUSTERS)] = w->next_value++;
    } else if (w->n_domains < SIM_DOMAINS && !w->images[image].orphan) {
        int d = sim_add_domain(w);

        sim_add_disk(w, d, image);
        sim_write(w, d, 0, g_rand_int_range(rand, 0, SIM_CLUSTERS));
        w->domains[d].running = g_rand_boolean(rand);
        /* careless, but it happens: the image itself */
        if (g_rand_int_range(rand, 0, 4) == 0) {
            w->images[w->domains[d].active[0]].exists = FALSE;
            w->domains[d].active[0] = image;
        }
    }
}

static void random_flag(SimWorld *w, GRand *rand)
{
    int image = any_image(w, rand, FALSE);

    if (image == SIM_NONE)
        return;
    if (g_rand_boolean(rand))
        w->images[image].read_only = TRUE;
    else if (!w->images[image].orphan)
        snapshot_inside(w, image);
}

void sim_random(SimWorld *w, GRand *rand)
{
    int ops = g_rand_int_range(rand, 3, 24);
    gboolean sharing = g_rand_int_range(rand, 0, 3) == 0;
    gboolean resizing = g_rand_int_range(rand, 0, 4) == 0;
    int n, i, j;

    sim_init(w);
    if (g_rand_int_range(rand, 0, 8) == 0)
        w->layer_limit = (guint) g_rand_int_range(rand, 3, 7);
    sim_add_domain(w);
    n = g_rand_int_range(rand, 1, SIM_DISKS + 1);
    for (i = 0; i < n; i++) {
        int template = SIM_NONE;

        if (g_rand_int_range(rand, 0, 4) == 0) {
            template = i > 0 && g_rand_boolean(rand) ? 0 : sim_add_image(w, SIM_NONE);
            for (j = 0; j < SIM_CLUSTERS; j++)
                w->images[template].data[j] = w->next_value++;
        }
        sim_add_disk(w, 0, template);
        for (j = 0; j < SIM_CLUSTERS; j++) {
            if (g_rand_boolean(rand))
                sim_write(w, 0, i, j);
        }
    }
    while (ops-- > 0) {
        int d = g_rand_int_range(rand, 0, 5) > 0 ? 0 : g_rand_int_range(rand, 0, w->n_domains);
        int disk = g_rand_int_range(rand, 0, w->domains[d].n_disks);
        guint all = (1u << w->domains[d].n_disks) - 1;
        int s = any_snapshot(w, rand, d);

        switch (g_rand_int_range(rand, 0, 20)) {
        case 0: case 1: case 2: case 3: case 4:
            s = sim_snapshot(w, d, g_rand_int_range(rand, 0, 4) > 0
                                       ? all : (guint) g_rand_int_range(rand, 0, (gint) all + 1));
            if (s != SIM_NONE && g_rand_int_range(rand, 0, 4) == 0)
                w->snapshots[s].memory = w->snapshots[s].memory_exists = TRUE;
            break;
        case 5: case 6: case 7:
            if (s != SIM_NONE)
                sim_revert(w, s, g_rand_int_range(rand, 0, 4) == 0,
                           g_rand_int_range(rand, 0, 3));
            break;
        case 8:
            sim_layer(w, d, disk);
            break;
        case 9:
            if (s != SIM_NONE)
                sim_drop_name(w, s);
            break;
        case 10:
            if (sharing)
                random_share(w, rand);
            break;
        case 11:
            if (sharing && g_rand_int_range(rand, 0, 3) == 0)
                random_flag(w, rand);
            break;
        case 12:
            if (g_rand_int_range(rand, 0, 3) == 0)
                sim_snapshot_internal(w, d);
            break;
        case 13:
            if (g_rand_int_range(rand, 0, 3) == 0)
                sim_commit_by_hand(w, d, disk);
            break;
        case 14:
            if (g_rand_int_range(rand, 0, 3) == 0)
                sim_clone_anew(w, d, disk, g_rand_boolean(rand));
            break;
        case 15:
            if (resizing)
                sim_resize(w, d, disk, g_rand_int_range(rand, 1, SIM_CLUSTERS + 1));
            break;
        case 16:
            if (s != SIM_NONE && w->snapshots[s].kind[disk] == CHAIN_SNAP_NO &&
                g_rand_boolean(rand))
                w->snapshots[s].kind[disk] = CHAIN_SNAP_MANUAL;
            break;
        default:
            break;
        }
        for (i = g_rand_int_range(rand, 0, 4); i > 0; i--)
            sim_write(w, d, g_rand_int_range(rand, 0, w->domains[d].n_disks),
                      g_rand_int_range(rand, 0, SIM_CLUSTERS));
    }
}

/* --- reading ------------------------------------------------------------------------------ */

gboolean sim_read(const SimWorld *w, int image, int content[SIM_CLUSTERS])
{
    int size = w->images[image].size;
    int i;

    memset(content, 0, sizeof(int) * SIM_CLUSTERS);
    for (; image != SIM_NONE; image = w->images[image].backing) {
        if (!w->images[image].exists)
            return FALSE;
        for (i = 0; i < SIM_CLUSTERS; i++) {
            if (content[i] == 0)
                content[i] = i < w->images[image].size ? w->images[image].data[i] : SIM_ZERO;
        }
    }
    for (i = 0; i < SIM_CLUSTERS; i++) {
        if (i >= size)
            content[i] = SIM_PAST_THE_END;
        else if (content[i] == SIM_ZERO)
            content[i] = 0;
    }
    return TRUE;
}

gboolean sim_read_internal(const SimWorld *w, int image, int content[SIM_CLUSTERS])
{
    SimWorld *then;
    gboolean ok;
    int i;

    if (!w->images[image].exists)
        return FALSE;
    /* as the image was: its data, and its size, which does not change any more */
    then = g_memdup2(w, sizeof(*w));
    for (i = 0; i < SIM_CLUSTERS; i++)
        then->images[image].data[i] = w->images[image].internal_data[i];
    ok = sim_read(then, image, content);
    g_free(then);
    return ok;
}

gboolean sim_stands_on(const SimWorld *w, int image, int below)
{
    for (; image != SIM_NONE; image = w->images[image].backing) {
        if (image == below)
            return TRUE;
    }
    return FALSE;
}

int sim_image_of_key(const char *key)
{
    g_assert(g_str_has_prefix(key, "inode:1:"));
    return (int) g_ascii_strtoll(key + strlen("inode:1:"), NULL, 10);
}

int sim_configured(const SimDomain *d, int disk)
{
    return d->redefined ? d->configured[disk] : d->active[disk];
}

static guint64 allocation(const SimImage *image)
{
    guint64 n = 0;
    int i;

    for (i = 0; i < SIM_CLUSTERS; i++)
        n += image->data[i] != 0;
    return n * SIM_CLUSTER_SIZE;
}

gboolean sim_is_needed(const SimWorld *w, int image, const gboolean *deleted)
{
    int i, j;

    for (i = 0; i < w->n_domains; i++) {
        for (j = 0; j < w->domains[i].n_disks; j++) {
            if (sim_stands_on(w, w->domains[i].active[j], image) ||
                (w->domains[i].redefined && sim_stands_on(w, w->domains[i].configured[j], image)))
                return TRUE;
        }
    }
    for (i = 0; i < w->n_snapshots; i++) {
        const SimSnapshot *s = &w->snapshots[i];

        for (j = 0; s->exists && !(deleted && deleted[i]) && j < SIM_DISKS; j++) {
            if (s->kind[j] != CHAIN_SNAP_NO && s->frozen[j] != SIM_NONE &&
                sim_stands_on(w, s->frozen[j], image))
                return TRUE;
        }
    }
    return FALSE;
}

gboolean sim_anything_unknown(const SimWorld *w, const gboolean *deleted)
{
    int i;

    for (i = 0; i < w->n_images; i++) {
        if ((!w->images[i].exists || w->images[i].hidden) && sim_is_needed(w, i, deleted))
            return TRUE;
    }
    return FALSE;
}

static ChainImage *graph_image(ChainGraph *graph, int index)
{
    g_autofree char *path = g_strdup_printf("/img/vm.%d", index);
    g_autofree char *key = g_strdup_printf("inode:1:%d", index);
    g_autoptr(ChainSource) source = NULL;

    if (index == SIM_NONE)
        return NULL;
    source = chain_source_new_file(path);
    return chain_graph_image(graph, source, key);
}

static void graph_images(ChainGraph *graph, const SimWorld *w)
{
    int i;

    for (i = 0; i < w->n_images; i++) {
        const SimImage *from = &w->images[i];
        ChainImage *image = graph_image(graph, i);

        image->format = g_strdup("qcow2");
        image->virtual_size = (guint64) from->size * SIM_CLUSTER_SIZE;
        image->allocation = allocation(from);
        image->fs_free = CHAIN_UNKNOWN;
        if (!from->exists || from->hidden) {
            image->flags |= CHAIN_IMAGE_MISSING;
            continue;
        }
        image->flags |= CHAIN_IMAGE_HEADER_READ;
        image->flags |= from->orphan ? CHAIN_IMAGE_ORPHAN : 0;
        image->flags |= from->read_only ? CHAIN_IMAGE_NOT_WRITABLE : 0;
        image->flags |= from->internal ? CHAIN_IMAGE_INTERNAL : 0;
        image->backing_known = TRUE;
        image->backing = graph_image(graph, from->backing);
        image->backing_format = g_strdup(image->backing ? "qcow2" : NULL);
    }
}

static void graph_snapshot(ChainGraph *graph, ChainDomain *d, const SimWorld *w, int index)
{
    const SimSnapshot *from = &w->snapshots[index];
    g_autofree char *name = g_strdup_printf("s%d", index);
    ChainSnapshot *s = chain_domain_add_snapshot(d, name);
    int i;

    s->parent_name = from->parent == SIM_NONE ? NULL : g_strdup_printf("s%d", from->parent);
    s->creation_time = 1000 + index;
    s->has_domain = TRUE;
    s->current = w->domains[from->domain].current == index;
    if (from->memory) {
        s->memory = CHAIN_MEMORY_EXTERNAL;
        s->memory_file = g_strdup_printf("/mem/%d", index);
        s->memory_size = SIM_CLUSTER_SIZE;
    }
    for (i = 0; i < w->domains[from->domain].n_disks; i++) {
        ChainSnapshotDisk *sd;

        sd = chain_snapshot_add_disk(s, sim_target(i));
        sd->kind = (ChainSnapshotKind) from->kind[i];
        sd->frozen = graph_image(graph, from->frozen[i]);
        sd->overlay = graph_image(graph, from->overlay[i]);
        sd->revert_overlay = graph_image(graph, from->revert_overlay[i]);
    }
}

ChainGraph *sim_graph(const SimWorld *w)
{
    ChainGraph *graph = chain_graph_new();
    int i, j;

    graph->complete = TRUE;
    graph->local = TRUE;
    graph->layer_limit = w->layer_limit;
    graph_images(graph, w);
    for (i = 0; i < w->n_domains; i++) {
        g_autofree char *name = g_strdup_printf("d%d", i);
        ChainDomain *d = chain_graph_add_domain(graph, name, name);

        d->active = w->domains[i].running;
        d->persistent = !w->domains[i].transient;
        d->state = g_strdup(d->active ? "running" : "shut off");
        for (j = 0; j < w->domains[i].n_disks; j++) {
            ChainDisk *disk = chain_domain_add_disk(d, sim_target(j));

            disk->device = g_strdup("disk");
            disk->active = graph_image(graph, w->domains[i].active[j]);
            if (d->persistent)
                disk->configured = disk->active;
        }
        for (j = 0; j < w->n_snapshots; j++) {
            if (w->snapshots[j].exists && w->snapshots[j].domain == i)
                graph_snapshot(graph, d, w, j);
        }
    }
    chain_graph_link(graph);
    return graph;
}

void sim_dump(const SimWorld *w, GString *out)
{
    static const char *const kinds[] = { "(out)", "(internal)", "", "(manual)" };
    int i, j;

    for (i = 0; i < w->n_images; i++) {
        const SimImage *image = &w->images[i];

        if (!image->exists)
            continue;
        g_string_append_printf(out, "# image %d on %d, %d long%s%s%s:", i, image->backing,
                               image->size,
                               image->orphan ? " orphan" : "",
                               image->read_only ? " read-only" : "",
                               image->internal ? " internal" : "");
        for (j = 0; j < SIM_CLUSTERS; j++)
            g_string_append_printf(out, " %d", image->data[j]);
        g_string_append_c(out, '\n');
    }
    for (i = 0; i < w->n_domains; i++) {
        const SimDomain *d = &w->domains[i];

        g_string_append_printf(out, "# domain d%d%s%s current s%d:", i,
                               d->transient ? " transient" : "", d->running ? " running" : "",
                               d->current);
        for (j = 0; j < d->n_disks; j++)
            g_string_append_printf(out, " %s=%d (%d)", sim_target(j), d->active[j],
                                   sim_configured(d, j));
        g_string_append_c(out, '\n');
    }
    for (i = 0; i < w->n_snapshots; i++) {
        const SimSnapshot *s = &w->snapshots[i];

        if (!s->exists)
            continue;
        g_string_append_printf(out, "# snapshot s%d of d%d parent s%d:", i, s->domain,
                               s->parent);
        for (j = 0; j < w->domains[s->domain].n_disks; j++)
            g_string_append_printf(out, " %s%s frozen %d overlay %d revert %d", sim_target(j),
                                   kinds[s->kind[j]], s->frozen[j], s->overlay[j],
                                   s->revert_overlay[j]);
        g_string_append_c(out, '\n');
    }
}

guint sim_allocated(const SimWorld *w, int from, int until)
{
    guint mask = 0;
    int i;

    for (; from != until; from = w->images[from].backing) {
        for (i = 0; i < SIM_CLUSTERS; i++) {
            if (w->images[from].data[i])
                mask |= 1u << i;
        }
    }
    return mask;
}

static guint64 bytes_of(guint mask)
{
    guint64 n = 0;

    for (; mask; mask &= mask - 1)
        n++;
    return n * SIM_CLUSTER_SIZE;
}

GHashTable *sim_measure(const SimWorld *w, const Plan *plan)
{
    GHashTable *measures = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    guint i;

    for (i = 0; i < plan->wanted->len; i++) {
        const PlanRange *range = g_ptr_array_index(plan->wanted, i);
        int lo = sim_image_of_key(range->lo);
        int top = sim_image_of_key(range->top);
        guint seen = (1u << w->images[top].size) - 1;
        PlanMeasure *m = g_new0(PlanMeasure, 1);

        /* the commit copies what is above base; the pull what top itself has not */
        m->commit_bytes = bytes_of(sim_allocated(w, top, lo) & seen);
        m->commit_growth = bytes_of(sim_allocated(w, top, lo) & seen &
                                    ~sim_allocated(w, lo, w->images[lo].backing));
        m->pull_bytes = bytes_of(sim_allocated(w, w->images[top].backing, w->images[lo].backing) &
                                 seen & ~sim_allocated(w, top, w->images[top].backing));
        g_hash_table_insert(measures, plan_measure_key(range->lo, range->top), m);
    }
    return measures;
}
