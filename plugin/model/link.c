/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * link.c: from nodes as they were read to a graph: overlays, users, snapshots, trees
 */
#include "config.h"

#include <string.h>

#include "plugin/model/chain.h"

/* Only merges before the graph is linked make nodes point to others; chains of them are short. */
static ChainImage *real(ChainImage *image)
{
    while (image && image->merged_into)
        image = image->merged_into;
    return image;
}

static void resolve_array(GPtrArray *images)
{
    guint i;

    for (i = 0; images && i < images->len; i++)
        images->pdata[i] = real(images->pdata[i]);
}

static void resolve_merged(ChainGraph *graph)
{
    guint i, j, k;

    for (i = 0; i < graph->images->len; i++) {
        ChainImage *image = g_ptr_array_index(graph->images, i);

        image->backing = real(image->backing);
        image->data_file = real(image->data_file);
    }
    for (i = 0; i < graph->domains->len; i++) {
        ChainDomain *d = g_ptr_array_index(graph->domains, i);

        for (j = 0; j < d->disks->len; j++) {
            ChainDisk *disk = g_ptr_array_index(d->disks, j);

            disk->active = real(disk->active);
            disk->configured = real(disk->configured);
            if (disk->job)
                disk->job->target = real(disk->job->target);
            resolve_array(disk->live_chain);
            resolve_array(disk->config_chain);
        }
        resolve_array(d->saved);
        for (j = 0; j < d->snapshots->len; j++) {
            ChainSnapshot *s = g_ptr_array_index(d->snapshots, j);

            for (k = 0; k < s->disks->len; k++) {
                ChainSnapshotDisk *sd = g_ptr_array_index(s->disks, k);

                sd->frozen = real(sd->frozen);
                sd->frozen_inactive = real(sd->frozen_inactive);
                sd->overlay = real(sd->overlay);
                sd->revert_overlay = real(sd->revert_overlay);
            }
        }
    }
}

static void add_once(GPtrArray *array, gpointer item)
{
    guint i;

    /* duplicates come from one disk or snapshot, so one after the other */
    for (i = array->len; i > 0 && array->len - i < 4; i--) {
        if (array->pdata[i - 1] == item)
            return;
    }
    g_ptr_array_add(array, item);
}

/*
 * Walks down from @top. @walk[id] is the number of the walk that saw the image last: met again
 * in the same walk it is a loop, met in an earlier one the rest has been looked at.
 */
static void break_loop(ChainImage *top, guint *walk, guint number)
{
    ChainImage *image;

    for (image = top; image; image = image->backing) {
        ChainImage *backing = image->backing;

        if (walk[image->id])
            return;
        walk[image->id] = number;
        if (backing && walk[backing->id] == number) {
            ChainImage *in = backing;

            while (in != image) {
                in->flags |= CHAIN_IMAGE_LOOP;
                in = in->backing;
            }
            image->flags |= CHAIN_IMAGE_LOOP;
            image->backing = NULL;
            return;
        }
    }
}

/* From the disks first, so that a chain is cut below the images that a domain names. */
static void break_loops(ChainGraph *graph)
{
    g_autofree guint *walk = g_new0(guint, graph->images->len + 1);
    guint number = 0;
    guint i, j;

    for (i = 0; i < graph->domains->len; i++) {
        ChainDomain *d = g_ptr_array_index(graph->domains, i);

        for (j = 0; j < d->disks->len; j++) {
            ChainDisk *disk = g_ptr_array_index(d->disks, j);

            break_loop(disk->active, walk, ++number);
            break_loop(disk->configured, walk, ++number);
        }
    }
    for (i = 0; i < graph->images->len; i++)
        break_loop(g_ptr_array_index(graph->images, i), walk, ++number);
}

/* One disk is linked after the other: if it is there it is the last. */
static void add_user(ChainImage *image, ChainDisk *disk)
{
    if (!image->users->len || image->users->pdata[image->users->len - 1] != disk)
        g_ptr_array_add(image->users, disk);
}

static void add_user_of_chain(ChainImage *top, ChainDisk *disk)
{
    for (; top; top = top->backing) {
        add_user(top, disk);
        if (top->data_file)
            add_user(top->data_file, disk);
    }
}

/* So are domains; and below an image that has it in it all have. */
static void add_domain(ChainImage *image, ChainDomain *d)
{
    for (; image; image = image->backing) {
        if (image->domains->len && image->domains->pdata[image->domains->len - 1] == d)
            return;
        g_ptr_array_add(image->domains, d);
        if (image->data_file && !g_ptr_array_find(image->data_file->domains, d, NULL))
            g_ptr_array_add(image->data_file->domains, d);
    }
}

static void add_domain_to(const GPtrArray *images, ChainDomain *d)
{
    guint i;

    for (i = 0; images && i < images->len; i++)
        add_domain(g_ptr_array_index(images, i), d);
}

static void set_writer(ChainImage *image, ChainDisk *disk)
{
    if (image && !disk->readonly &&
        (!image->writer || (disk->domain->active && !image->writer->domain->active)))
        image->writer = disk;
    if (image && image->data_file && !disk->readonly && !image->data_file->writer)
        image->data_file->writer = disk;
}

static void link_disks(ChainDomain *d)
{
    guint i, j;

    add_domain_to(d->saved, d);
    for (i = 0; i < d->disks->len; i++) {
        ChainDisk *disk = g_ptr_array_index(d->disks, i);

        add_domain(disk->active, d);
        add_domain(disk->configured, d);
        add_domain_to(disk->live_chain, d);
        add_domain_to(disk->config_chain, d);
        set_writer(disk->active, disk);
        set_writer(disk->configured, disk);
        if (disk->job)
            add_domain(disk->job->target, d);
        add_user_of_chain(disk->active, disk);
        add_user_of_chain(disk->configured, disk);
        if (disk->job)
            add_user_of_chain(disk->job->target, disk);
        /* what QEMU says that it has open is used, whatever the headers say */
        for (j = 0; disk->live_chain && j < disk->live_chain->len; j++)
            add_user(g_ptr_array_index(disk->live_chain, j), disk);
    }
}

static void link_snapshot_disks(ChainSnapshot *s)
{
    guint i;

    for (i = 0; i < s->disks->len; i++) {
        ChainSnapshotDisk *sd = g_ptr_array_index(s->disks, i);

        if (sd->kind == CHAIN_SNAP_EXTERNAL || sd->kind == CHAIN_SNAP_INTERNAL) {
            if (sd->frozen)
                add_once(sd->frozen->frozen_by, s);
            if (sd->frozen_inactive)
                add_once(sd->frozen_inactive->frozen_by, s);
        }
        add_domain(sd->frozen, s->domain);
        add_domain(sd->frozen_inactive, s->domain);
        add_domain(sd->overlay, s->domain);
        add_domain(sd->revert_overlay, s->domain);
        if (sd->overlay)
            add_once(sd->overlay->overlay_of, s);
        if (sd->revert_overlay)
            add_once(sd->revert_overlay->overlay_of, s);
    }
}

static gint by_time_and_name(gconstpointer a, gconstpointer b)
{
    const ChainSnapshot *s = *(const ChainSnapshot *const *) a;
    const ChainSnapshot *t = *(const ChainSnapshot *const *) b;

    if (s->creation_time != t->creation_time)
        return s->creation_time < t->creation_time ? -1 : 1;
    return g_strcmp0(s->name, t->name);
}

/* Parents before children, brothers by time. Not recursive: the tree may be a long list. */
static void sort_snapshots(ChainDomain *d)
{
    g_autoptr(GPtrArray) stack = g_ptr_array_new();
    g_autoptr(GPtrArray) sorted = g_ptr_array_sized_new(d->snapshots->len);
    guint i;

    for (i = d->snapshots->len; i > 0; i--) {
        ChainSnapshot *s = g_ptr_array_index(d->snapshots, i - 1);

        if (!s->parent)
            g_ptr_array_add(stack, s);
    }
    while (stack->len > 0) {
        ChainSnapshot *s = g_ptr_array_steal_index(stack, stack->len - 1);

        g_ptr_array_add(sorted, s);
        for (i = s->children->len; i > 0; i--)
            g_ptr_array_add(stack, g_ptr_array_index(s->children, i - 1));
    }
    if (sorted->len == d->snapshots->len && sorted->len > 0)
        memcpy(d->snapshots->pdata, sorted->pdata, sorted->len * sizeof(gpointer));
}

static void link_snapshots(ChainDomain *d)
{
    g_autoptr(GHashTable) by_name = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    guint i;

    d->current = NULL;
    g_ptr_array_sort(d->snapshots, by_time_and_name);
    for (i = 0; i < d->snapshots->len; i++) {
        ChainSnapshot *s = g_ptr_array_index(d->snapshots, i);

        g_hash_table_insert(by_name, s->name, s);
        g_ptr_array_set_size(s->children, 0);
        s->parent = NULL;
        if (s->current && !d->current)
            d->current = s;
    }
    for (i = 0; i < d->snapshots->len; i++) {
        ChainSnapshot *s = g_ptr_array_index(d->snapshots, i);

        if (s->parent_name)
            s->parent = g_hash_table_lookup(by_name, s->parent_name);
        link_snapshot_disks(s);
    }
    /* libvirt lets no circle in; whatever made one, what follows must end */
    for (i = 0; i < d->snapshots->len; i++) {
        ChainSnapshot *s = g_ptr_array_index(d->snapshots, i);
        gpointer walk = GUINT_TO_POINTER(i + 1);

        while (s && !g_hash_table_contains(seen, s)) {
            g_hash_table_insert(seen, s, walk);
            if (s->parent && g_hash_table_lookup(seen, s->parent) == walk)
                s->parent = NULL;
            s = s->parent;
        }
    }
    for (i = 0; i < d->snapshots->len; i++) {
        ChainSnapshot *s = g_ptr_array_index(d->snapshots, i);

        if (s->parent)
            g_ptr_array_add(s->parent->children, s);
    }
    sort_snapshots(d);
}

GPtrArray *chain_image_chain(ChainImage *top)
{
    GPtrArray *chain = g_ptr_array_new();
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);

    for (; top && g_hash_table_add(seen, top); top = top->backing)
        g_ptr_array_add(chain, top);
    return chain;
}

gboolean chain_image_stands_on(const ChainImage *image, const ChainImage *below)
{
    const ChainImage *slow = image;
    gboolean step = FALSE;

    while (image) {
        if (image == below)
            return TRUE;
        image = image->backing;
        if (step)
            slow = slow->backing;
        step = !step;
        if (image == slow)
            return FALSE;
    }
    return FALSE;
}

ChainImage *chain_snapshot_state(const ChainSnapshotDisk *sd)
{
    ChainImage *overlay = sd->kind == CHAIN_SNAP_EXTERNAL ? sd->overlay : NULL;
    ChainImage *state = overlay ? overlay->backing : NULL;

    if (!sd->frozen || !state || overlay == sd->frozen ||
        overlay->flags & (CHAIN_IMAGE_LOOP | CHAIN_IMAGE_MISSING) ||
        !chain_image_stands_on(state, sd->frozen))
        return sd->frozen;
    return state;
}

int chain_image_written_since(const ChainImage *image, const ChainSnapshot *s,
                              const ChainImage *overlay)
{
    gint64 taken = s->creation_time, born = overlay->born / CHAIN_SECOND;
    gint64 written = image->modified / CHAIN_SECOND;

    /* A copy that was made since says when it was copied, not when it was written. */
    if (!image->modified || !taken || image->born / CHAIN_SECOND > taken + 1)
        return -1;
    /* A copy of the overlay is younger than the snapshot, and one made beforehand older. */
    if ((born == taken || born == taken + 1) && image->modified != overlay->born)
        return image->modified > overlay->born;
    return written == taken ? -1 : written > taken;
}

typedef struct {
    GPtrArray *images;
    GHashTable *seen;
} Collection;

static void collect(Collection *c, ChainImage *image)
{
    if (image && g_hash_table_add(c->seen, image))
        g_ptr_array_add(c->images, image);
}

/* @image and what is below it, the lowest first. */
static void collect_down(Collection *c, ChainImage *image)
{
    guint first = c->images->len;
    guint i, last;

    while (image && !g_hash_table_contains(c->seen, image)) {
        collect(c, image);
        image = image->backing;
    }
    for (i = first, last = c->images->len; i + 1 < last; i++, last--) {
        gpointer other = c->images->pdata[i];

        c->images->pdata[i] = c->images->pdata[last - 1];
        c->images->pdata[last - 1] = other;
    }
}

/* An overlay that is gone and that nothing stands on was discarded by a revert, virsh's or ours;
 * that its snapshot still names it means nothing. */
static ChainImage *unless_discarded(ChainImage *overlay)
{
    if (overlay && overlay->flags & CHAIN_IMAGE_MISSING && !overlay->overlays->len &&
        !overlay->users->len && !overlay->frozen_by->len)
        return NULL;
    return overlay;
}

GPtrArray *chain_disk_images(ChainDisk *disk)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    g_autoptr(GPtrArray) named = g_ptr_array_new();
    g_autoptr(GPtrArray) standing = g_ptr_array_new();
    g_autoptr(GHashTable) walked = g_hash_table_new(NULL, NULL);
    Collection c = { g_ptr_array_new(), seen };
    guint i, j;

    collect_down(&c, disk->active);
    collect_down(&c, disk->configured);
    for (i = 0; i < disk->domain->snapshots->len; i++) {
        ChainSnapshot *s = g_ptr_array_index(disk->domain->snapshots, i);
        ChainSnapshotDisk *sd = chain_snapshot_disk(s, disk->target);

        if (!sd)
            continue;
        g_ptr_array_add(named, sd->frozen);
        g_ptr_array_add(named, sd->frozen_inactive);
        g_ptr_array_add(named, unless_discarded(sd->overlay));
        g_ptr_array_add(named, unless_discarded(sd->revert_overlay));
    }
    for (i = 0; i < named->len; i++) {
        ChainImage *image = g_ptr_array_index(named, i);

        collect_down(&c, image);
        if (image && g_hash_table_add(walked, image))
            g_ptr_array_add(standing, image);
    }
    /* what stands on images of snapshots: branches that no snapshot names */
    while (standing->len > 0) {
        ChainImage *image = g_ptr_array_steal_index(standing, standing->len - 1);

        for (j = 0; j < image->overlays->len; j++) {
            ChainImage *overlay = g_ptr_array_index(image->overlays, j);

            collect(&c, overlay);
            if (g_hash_table_add(walked, overlay))
                g_ptr_array_add(standing, overlay);
        }
    }
    return c.images;
}

/* Whether a snapshot's disk has an image that is behind none of @shown. */
static gboolean shows_more(const ChainSnapshotDisk *sd, GHashTable *shown)
{
    return (sd->frozen && !g_hash_table_contains(shown, sd->frozen)) ||
           (sd->frozen_inactive && !g_hash_table_contains(shown, sd->frozen_inactive));
}

static void add_shown(GHashTable *shown, ChainDisk *disk)
{
    g_autoptr(GPtrArray) images = chain_disk_images(disk);
    guint i;

    for (i = 0; i < images->len; i++)
        g_hash_table_add(shown, g_ptr_array_index(images, i));
}

/* Disks that were taken out of the domain since; not those that merely have another target now. */
static void find_detached(ChainDomain *d)
{
    g_autoptr(GHashTable) shown = NULL;
    guint i, j;

    g_ptr_array_set_size(d->detached, 0);
    for (i = 0; i < d->snapshots->len; i++) {
        const ChainSnapshot *s = g_ptr_array_index(d->snapshots, i);

        for (j = 0; j < s->disks->len; j++) {
            const ChainSnapshotDisk *sd = g_ptr_array_index(s->disks, j);
            ChainDisk *disk;

            if ((sd->kind != CHAIN_SNAP_EXTERNAL && sd->kind != CHAIN_SNAP_INTERNAL) ||
                chain_domain_disk(d, sd->target))
                continue;
            if (!shown) {
                guint k;

                shown = g_hash_table_new(NULL, NULL);
                for (k = 0; k < d->disks->len; k++)
                    add_shown(shown, g_ptr_array_index(d->disks, k));
            }
            if (!shows_more(sd, shown))
                continue;
            disk = g_new0(ChainDisk, 1);
            disk->domain = d;
            disk->target = g_strdup(sd->target);
            disk->device = g_strdup("disk");
            g_ptr_array_add(d->detached, disk);
            add_shown(shown, disk);
        }
    }
}

void chain_graph_link(ChainGraph *graph)
{
    guint i;

    resolve_merged(graph);
    for (i = 0; i < graph->images->len; i++) {
        ChainImage *image = g_ptr_array_index(graph->images, i);

        image->id = i;
        g_ptr_array_set_size(image->overlays, 0);
        g_ptr_array_set_size(image->users, 0);
        g_ptr_array_set_size(image->frozen_by, 0);
        g_ptr_array_set_size(image->overlay_of, 0);
        g_ptr_array_set_size(image->domains, 0);
        image->writer = NULL;
    }
    break_loops(graph);
    for (i = 0; i < graph->images->len; i++) {
        ChainImage *image = g_ptr_array_index(graph->images, i);

        if (image->backing)
            g_ptr_array_add(image->backing->overlays, image);
    }
    for (i = 0; i < graph->domains->len; i++) {
        ChainDomain *d = g_ptr_array_index(graph->domains, i);

        link_disks(d);
        link_snapshots(d);
    }
    for (i = 0; i < graph->domains->len; i++)
        find_detached(g_ptr_array_index(graph->domains, i));
    graph->linked = TRUE;
}
