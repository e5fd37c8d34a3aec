/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * work.c: the images of a graph as the planner leaves them step by step
 */
#include "config.h"

#include <string.h>

#include "plugin/plan/work.h"

WorkNode *work_node(Work *work, const ChainImage *image)
{
    return image ? &work->nodes[image->id] : NULL;
}

WorkNode *work_now(WorkNode *node)
{
    while (node && node->became)
        node = node->became;
    return node;
}

/* Whether this kind of snapshot preserves the image that its <domain> names. What a manual one
 * names the user keeps in ways of his own. */
static gboolean preserves(const ChainSnapshotDisk *sd)
{
    return sd->kind == CHAIN_SNAP_EXTERNAL || sd->kind == CHAIN_SNAP_MANUAL;
}

static void keep(Work *work, ChainImage *image)
{
    if (image)
        work->nodes[image->id].kept = TRUE;
}

static void keep_snapshot_disk(Work *work, ChainSnapshot *s, ChainSnapshotDisk *sd)
{
    ChainImage *images[] = { sd->frozen, sd->frozen_inactive };
    gboolean other = s->domain != work->d;
    guint i;

    /* without a <domain> what is frozen can only be told from the overlay */
    if (!sd->frozen && preserves(sd) && sd->overlay)
        keep(work, sd->overlay->backing);
    for (i = 0; i < G_N_ELEMENTS(images); i++) {
        WorkNode *node = work_node(work, images[i]);

        if (!node)
            continue;
        if (other || preserves(sd))
            node->kept = TRUE;
        if (sd->kind == CHAIN_SNAP_INTERNAL)
            node->internal = TRUE;
        if (!other)
            node->named_by = s->name;
    }
}

/* Also of snapshots that go: nobody has said what is to become of these images. */
static void keep_manual(Work *work, ChainSnapshot *s, ChainSnapshotDisk *sd)
{
    ChainImage *images[] = { sd->frozen, sd->frozen_inactive };

    for (guint i = 0; sd->kind == CHAIN_SNAP_MANUAL && i < G_N_ELEMENTS(images); i++) {
        WorkNode *node = work_node(work, images[i]);

        keep(work, images[i]);
        if (node && s->domain == work->d)
            node->manual = s->name;
    }
}

Work *work_new(ChainGraph *graph, ChainDomain *d, GHashTable *deleted)
{
    Work *work = g_new0(Work, 1);
    guint i, j, k;

    work->graph = graph;
    work->d = d;
    work->deleted = deleted;
    work->n = graph->images->len;
    work->nodes = g_new0(WorkNode, work->n + 1);
    for (i = 0; i < work->n; i++) {
        ChainImage *image = g_ptr_array_index(graph->images, i);
        WorkNode *node = &work->nodes[i];

        node->image = image;
        node->overlays = g_ptr_array_new();
        node->allocation = image->allocation;
        node->size = image->virtual_size;
        node->relative = (image->flags & CHAIN_IMAGE_RELATIVE) != 0;
        node->internal = (image->flags & CHAIN_IMAGE_INTERNAL) != 0;
    }
    for (i = 0; i < work->n; i++) {
        WorkNode *node = &work->nodes[i];

        node->backing = work_node(work, node->image->backing);
        if (node->backing)
            g_ptr_array_add(node->backing->overlays, node);
    }
    for (i = 0; i < graph->domains->len; i++) {
        ChainDomain *other = g_ptr_array_index(graph->domains, i);

        for (j = 0; j < other->disks->len; j++) {
            ChainDisk *disk = g_ptr_array_index(other->disks, j);

            keep(work, disk->active);
            keep(work, disk->configured);
        }
        for (j = 0; j < other->saved->len; j++)
            keep(work, g_ptr_array_index(other->saved, j));
        for (j = 0; j < other->snapshots->len; j++) {
            ChainSnapshot *s = g_ptr_array_index(other->snapshots, j);

            for (k = 0; k < s->disks->len; k++) {
                keep_manual(work, s, g_ptr_array_index(s->disks, k));
                if (!g_hash_table_contains(deleted, s))
                    keep_snapshot_disk(work, s, g_ptr_array_index(s->disks, k));
            }
        }
    }
    return work;
}

void work_free(Work *work)
{
    guint i;

    if (!work)
        return;
    for (i = 0; i < work->n; i++)
        g_ptr_array_unref(work->nodes[i].overlays);
    g_free(work->nodes);
    g_free(work);
}

/* --- whose images are whose --------------------------------------------------------------- */

static void own_chain(Work *work, const ChainImage *image)
{
    WorkNode *node;

    for (node = work_now(work_node(work, image)); node && !node->own; node = node->backing)
        node->own = TRUE;
}

static void foreign_node(WorkNode *node, const char *domain)
{
    if (!node || node->foreign)
        return;
    node->foreign = TRUE;
    node->foreign_domain = domain;
}

static void foreign_chain(Work *work, const ChainImage *image, const char *domain)
{
    WorkNode *node;

    for (node = work_now(work_node(work, image)); node; node = node->backing) {
        foreign_node(node, domain);
        foreign_node(work_node(work, node->image->data_file), domain);
    }
}

static void foreign_images(Work *work, const GPtrArray *images, const char *domain)
{
    guint i;

    for (i = 0; images && i < images->len; i++) {
        const ChainImage *image = g_ptr_array_index(images, i);

        foreign_node(work_now(work_node(work, image)), domain);
        foreign_node(work_node(work, image->data_file), domain);
    }
}

static void focus_disks(Work *work, ChainDomain *other)
{
    guint i;

    for (i = 0; other != work->d && i < other->saved->len; i++)
        foreign_chain(work, g_ptr_array_index(other->saved, i), other->name);
    for (i = 0; i < other->disks->len; i++) {
        ChainDisk *disk = g_ptr_array_index(other->disks, i);

        if (disk == work->disk) {
            own_chain(work, disk->active);
            own_chain(work, disk->configured);
            continue;
        }
        foreign_chain(work, disk->active, other->name);
        foreign_chain(work, disk->configured, other->name);
        foreign_images(work, disk->live_chain, other->name);
        foreign_images(work, disk->config_chain, other->name);
    }
}

static void focus_snapshot_disk(Work *work, ChainSnapshot *s, ChainSnapshotDisk *sd)
{
    gboolean ours = s->domain == work->d && strcmp(sd->target, work->target) == 0;

    if (ours) {
        if (sd->kind != CHAIN_SNAP_NO) {
            own_chain(work, sd->frozen);
            own_chain(work, sd->frozen_inactive);
            own_chain(work, sd->overlay);
        }
        own_chain(work, sd->revert_overlay);
        return;
    }
    if (g_hash_table_contains(work->deleted, s))
        return;
    /* a disk of this domain that was left out is foreign through the disk itself */
    if (s->domain == work->d && sd->kind == CHAIN_SNAP_NO)
        return;
    foreign_chain(work, sd->frozen, s->domain->name);
    foreign_chain(work, sd->frozen_inactive, s->domain->name);
    foreign_chain(work, sd->overlay, s->domain->name);
    foreign_chain(work, sd->revert_overlay, s->domain->name);
}

static void focus_deleted(Work *work)
{
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, work->deleted);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        ChainSnapshotDisk *sd = chain_snapshot_disk(key, work->target);
        WorkNode *node = NULL;

        if (sd && sd->kind == CHAIN_SNAP_EXTERNAL)
            node = work_node(work, sd->frozen ? sd->frozen : sd->frozen_inactive);
        if (node && !node->removed && !node->kept)
            node->del = TRUE;
    }
}

void work_focus(Work *work, const char *target)
{
    guint i, j, k;

    work->target = target;
    work->disk = chain_domain_disk(work->d, target);
    work->active = work->disk ? work_now(work_node(work, work->disk->active)) : NULL;
    for (i = 0; i < work->n; i++) {
        work->nodes[i].own = FALSE;
        work->nodes[i].del = FALSE;
        work->nodes[i].foreign = FALSE;
        work->nodes[i].foreign_domain = NULL;
        work->nodes[i].branch_point = FALSE;
        work->nodes[i].stood_on_by = NULL;
    }
    for (i = 0; i < work->graph->domains->len; i++) {
        ChainDomain *other = g_ptr_array_index(work->graph->domains, i);

        focus_disks(work, other);
        for (j = 0; j < other->snapshots->len; j++) {
            ChainSnapshot *s = g_ptr_array_index(other->snapshots, j);

            for (k = 0; k < s->disks->len; k++)
                focus_snapshot_disk(work, s, g_ptr_array_index(s->disks, k));
        }
    }
    focus_deleted(work);
    for (i = 0; i < work->n; i++) {
        WorkNode *node = &work->nodes[i];

        node->branch_point = node->overlays->len >= 2 &&
                             work_own_overlays(node, NULL) == node->overlays->len;
        if (!node->own && !node->removed)
            work_disown(work, node);
    }
}

guint work_own_overlays(const WorkNode *node, WorkNode **only)
{
    guint i, n = 0;

    for (i = 0; i < node->overlays->len; i++) {
        WorkNode *overlay = g_ptr_array_index(node->overlays, i);

        if (!overlay->own)
            continue;
        if (n == 0 && only)
            *only = overlay;
        n++;
    }
    return n;
}

gboolean work_is_root(const WorkNode *node)
{
    return !node->backing;
}

gboolean work_in_active_chain(const Work *work, const WorkNode *node)
{
    const WorkNode *n;

    for (n = work->active; n; n = n->backing) {
        if (n == node)
            return TRUE;
    }
    return FALSE;
}

guint work_depth(const WorkNode *node)
{
    guint depth = 0;

    for (; node; node = node->backing)
        depth++;
    return depth;
}

WorkNode *work_foreign_above(WorkNode *node)
{
    g_autoptr(GPtrArray) stack = g_ptr_array_new();

    g_ptr_array_add(stack, node);
    while (stack->len > 0) {
        WorkNode *n = g_ptr_array_steal_index(stack, stack->len - 1);
        guint i;

        if (n->foreign)
            return n;
        for (i = 0; i < n->overlays->len; i++)
            g_ptr_array_add(stack, g_ptr_array_index(n->overlays, i));
    }
    return NULL;
}

void work_disown(Work *work, WorkNode *node)
{
    WorkNode *below;

    node->own = FALSE;
    /* what is below one that has been marked has been marked with it */
    for (below = node; below && !below->stood_on_by;
         below = work_node(work, below->image->backing))
        below->stood_on_by = node;
}

const ChainDisk *work_running_user(const Work *work, const WorkNode *node)
{
    guint i;

    for (i = 0; i < node->image->users->len; i++) {
        const ChainDisk *disk = g_ptr_array_index(node->image->users, i);

        if (disk != work->disk && disk->domain->active)
            return disk;
    }
    return NULL;
}

const ChainDisk *work_writer(const Work *work, const WorkNode *node)
{
    guint i;

    for (i = 0; i < node->image->users->len; i++) {
        const ChainDisk *disk = g_ptr_array_index(node->image->users, i);

        if (disk->domain->active && disk->active == node->image)
            return disk;
    }
    return NULL;
}

/* --- what merges do ----------------------------------------------------------------------- */

void work_remove_leaf(WorkNode *node)
{
    node->removed = TRUE;
    if (node->backing)
        g_ptr_array_remove(node->backing->overlays, node);
}

static void stand_on(WorkNode *node, WorkNode *backing)
{
    if (node->backing)
        g_ptr_array_remove(node->backing->overlays, node);
    node->backing = backing;
    if (backing)
        g_ptr_array_add(backing->overlays, node);
}

static void add_allocation(WorkNode *node, guint64 more)
{
    if (node->allocation == CHAIN_UNKNOWN || more == CHAIN_UNKNOWN)
        node->allocation = CHAIN_UNKNOWN;
    else
        node->allocation += MIN(more, G_MAXINT64 - MIN(node->allocation, G_MAXINT64));
}

void work_commit(Work *work, WorkNode *lo, WorkNode *top)
{
    WorkNode *node = top;

    while (top->overlays->len > 0)
        stand_on(g_ptr_array_index(top->overlays, 0), lo);
    while (node != lo) {
        WorkNode *down = node->backing;

        add_allocation(lo, node->allocation);
        work_remove_leaf(node);
        node->became = lo;
        node = down;
    }
    /* it holds now what the top held; whoever kept that keeps this */
    if (top->kept)
        lo->kept = TRUE; /* NOLINT(clang-analyzer-core.NullDereference): @top stands on @lo */
    lo->size = top->size; /* NOLINT(clang-analyzer-core.NullDereference): as above */
    if (work->active == top)
        work->active = lo;
}

void work_pull(Work *work, WorkNode *lo, WorkNode *top,
               gboolean (*may_go)(const WorkNode *node))
{
    WorkNode *below = lo->backing;
    WorkNode *node = top->backing;

    stand_on(top, below);
    while (node != below) {
        WorkNode *down = node->backing;

        add_allocation(top, node->allocation);
        if (node->overlays->len == 0 && may_go(node)) {
            work_remove_leaf(node);
            node->became = top;
        }
        node = down;
    }
}

/* --- may a file go ------------------------------------------------------------------------ */

/* @image, or what the plan makes of it for the disk @target of our domain (NULL: of another). */
static void need(GHashTable *needed, const Plan *plan, const char *target, const ChainImage *image)
{
    const PlanImage *now = NULL;

    if (!image)
        return;
    if (target)
        now = plan_replacement(plan, target, image->key);
    g_hash_table_add(needed, now ? now->key : image->key);
}

static void need_all(GHashTable *needed, const GPtrArray *chain)
{
    guint i;

    for (i = 0; chain && i < chain->len; i++)
        g_hash_table_add(needed, ((const ChainImage *) chain->pdata[i])->key);
}

static void disk_needs(const Work *work, const Plan *plan, const ChainDisk *disk,
                       GHashTable *needed)
{
    const char *target = disk->domain == work->d ? disk->target : NULL;

    need(needed, plan, target, disk->active);
    need(needed, plan, target, disk->configured);
    /* our own chains are those of the merges */
    if (disk == work->disk)
        return;
    need_all(needed, disk->live_chain);
    need_all(needed, disk->config_chain);
}

static void snapshot_needs(const Work *work, const Plan *plan, const ChainSnapshot *s,
                           GHashTable *needed)
{
    guint i;

    for (i = 0; i < s->disks->len; i++) {
        const ChainSnapshotDisk *sd = g_ptr_array_index(s->disks, i);
        const char *target = s->domain == work->d ? sd->target : NULL;

        need(needed, plan, target, sd->frozen);
        need(needed, plan, target, sd->frozen_inactive);
        if (!target) {
            need(needed, plan, NULL, sd->overlay);
            need(needed, plan, NULL, sd->revert_overlay);
        }
    }
}

GHashTable *work_needed(const Work *work, const Plan *plan)
{
    GHashTable *needed = g_hash_table_new(g_str_hash, g_str_equal);
    guint i, j;

    for (i = 0; i < work->n; i++) {
        const WorkNode *node = &work->nodes[i];

        if (node->removed)
            continue;
        g_hash_table_add(needed, node->image->key);
        if (node->backing)
            g_hash_table_add(needed, node->backing->image->key);
        if (node->image->data_file)
            g_hash_table_add(needed, node->image->data_file->key);
    }
    for (i = 0; i < work->graph->domains->len; i++) {
        const ChainDomain *d = g_ptr_array_index(work->graph->domains, i);

        for (j = 0; j < d->disks->len; j++)
            disk_needs(work, plan, g_ptr_array_index(d->disks, j), needed);
        for (j = 0; j < d->snapshots->len; j++) {
            ChainSnapshot *s = g_ptr_array_index(d->snapshots, j);

            if (!g_hash_table_contains(work->deleted, s))
                snapshot_needs(work, plan, s, needed);
        }
    }
    return needed;
}
