/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * delete-leaves.c: which images of one disk go when snapshots are deleted
 *
 *   leaves     images of deleted snapshots that nothing stands on, and what that leaves without
 *              overlays in its turn: their files go
 *   layers     images that no snapshot names any more: which of them are merged with the rest
 *
 * What is below all snapshots may be a template, whatever stands on it: that a revert made its
 * overlays, and not the user who gives the guest a fresh disk, is not to be seen. It is touched
 * on the user's word only.
 */
#include "config.h"

#include <string.h>

#include "plugin/plan/work.h"
#include "vext-i18n.h"

static void leaf_stays(DeleteState *st, WorkNode *node, char *message_take)
{
    Reason reason = { "kept-file", message_take };

    delete_stays_unnamed(st, node, &reason);
    reason_clear(&reason);
}

/* Whether a leaf of deleted snapshots goes; says why if it does not. */
static gboolean leaf_goes(DeleteState *st, WorkNode *node)
{
    const ChainImage *image = node->image;
    g_autofree char *unproved = delete_unproved(st);

    if (work_has_flag(node, CHAIN_IMAGE_MISSING))
        return TRUE;
    if (st->keep_files) {
        node->del = FALSE;
        return FALSE;
    }
    if (work_has_flag(node, CHAIN_IMAGE_UNREADABLE | CHAIN_IMAGE_LOOP) ||
        (!node->backing && !image->backing_known))
        leaf_stays(st, node, g_strdup(_("It cannot be read")));
    else if (node->foreign)
        leaf_stays(st, node, g_strdup_printf(_("Domain '%s' needs image '%s'"),
                                             node->foreign_domain, image->path));
    else if (node->internal)
        leaf_stays(st, node, g_strdup(_("It has internal snapshots, which would be lost")));
    else if (work_has_flag(node, CHAIN_IMAGE_NOT_WRITABLE))
        leaf_stays(st, node, g_strdup(_("It is not writable")));
    else if (node->named_by)
        leaf_stays(st, node, g_strdup_printf(_("Snapshot '%s' names it"), node->named_by));
    else if (work_is_root(node) && st->direction != PLAN_PULL)
        leaf_stays(st, node, g_strdup(_("It is the root of its chain; --direction pull would "
                                        "remove it")));
    else if (unproved)
        leaf_stays(st, node, g_steal_pointer(&unproved));
    else
        return TRUE;
    return FALSE;
}

/* Whether a snapshot of this domain, going or staying, has or had its state in @node. */
static gboolean is_point_of(const WorkNode *node, const ChainDomain *d)
{
    guint i;

    for (i = 0; i < node->image->frozen_by->len; i++) {
        const ChainSnapshot *snapshot = g_ptr_array_index(node->image->frozen_by, i);

        if (snapshot->domain == d)
            return TRUE;
    }
    return FALSE;
}

/* Whether a snapshot of this domain has its state below @node. @staying: one that stays. */
static gboolean point_below(const Work *work, const WorkNode *node, gboolean staying)
{
    guint i;

    for (node = node->backing; node; node = node->backing) {
        for (i = 0; i < node->image->frozen_by->len; i++) {
            ChainSnapshot *s = g_ptr_array_index(node->image->frozen_by, i);

            if (s->domain == work->d && !(staying && g_hash_table_contains(work->deleted, s)))
                return TRUE;
        }
    }
    return FALSE;
}

/* Whether @node was a snapshot's whose name is deleted: only that tells of it that a revert put
 * several images of this disk on it. Below all snapshots a template has them as well, when the
 * guest was given a fresh disk on it. */
static gboolean was_point(const Work *work, const WorkNode *node)
{
    return node->branch_point && point_below(work, node, FALSE);
}

/* Unnamed layers below a leaf that went go too: nothing reaches them any more. But only above
 * an image that is or was a snapshot's: what is below all snapshots, a template, is not of this
 * domain's making. */
static void take_layers_below(const Work *work, WorkNode *leaf)
{
    WorkNode *first = leaf->backing;
    WorkNode *node, *down;

    for (down = first;
         down && !down->del && !was_point(work, down) && !is_point_of(down, work->d);
         down = down->backing) {
        if (!down->own || down->kept || down->foreign ||
            down->overlays->len != (down == first ? 0 : 1))
            return;
    }
    for (node = first; down && node != down; node = node->backing)
        node->del = TRUE;
}

static gboolean remove_leaves(DeleteState *st)
{
    Work *work = st->work;
    gboolean any = FALSE, again = TRUE;
    guint i;

    while (again) {
        again = FALSE;
        for (i = 0; i < work->n; i++) {
            WorkNode *node = &work->nodes[i];

            if (!node->own || !node->del || node->removed || node->overlays->len > 0)
                continue;
            if (!leaf_goes(st, node)) {
                node->del = FALSE;
                continue;
            }
            work_remove_leaf(node);
            g_ptr_array_add(st->leaves, node);
            if (!work_has_flag(node, CHAIN_IMAGE_MISSING)) {
                st->affected = TRUE;
                plan_add_file(st->plan, node->image, NULL, work->target,
                              node->image->allocation);
            }
            take_layers_below(work, node);
            any = again = TRUE;
        }
    }
    return any;
}

/* What is below all snapshots: a template, or what a revert left one branch of. Only the user
 * can know. */
static gboolean take_base(DeleteState *st, const WorkNode *node)
{
    if (work_has_flag(node, CHAIN_IMAGE_NOT_WRITABLE))
        return FALSE;
    if (!st->root)
        plan_note(st->plan,
                  g_strdup_printf(_("Image '%s' of disk '%s' is below all snapshots and may be a "
                                    "template: if it is not, --root merges it too"),
                                  node->image->path, st->work->target));
    return st->root;
}

/* A branch point whose name went earlier and that has lost its branches but one (or all). */
static gboolean take_branch_points(DeleteState *st)
{
    Work *work = st->work;
    gboolean any = FALSE;
    guint i;

    for (i = 0; i < work->n; i++) {
        WorkNode *node = &work->nodes[i];

        if (!node->own || !node->branch_point || node->removed || node->kept || node->del)
            continue;
        if (node->overlays->len > 1 || (node->overlays->len == 0 && work_is_root(node)))
            continue;
        if (st->root || was_point(work, node))
            node->del = any = TRUE;
        else if (!st->unnamed)
            take_base(st, node);
        node->branch_point = FALSE;
    }
    return any;
}

/*
 * Unnamed layers that are merged with the rest: on request those above a snapshot's
 * image, or all; unasked those below which no snapshot will be left, as nobody could tell
 * them from a template then.
 */
static void take_unnamed(DeleteState *st)
{
    guint i;

    for (i = 0; i < st->work->n; i++) {
        WorkNode *node = &st->work->nodes[i];
        guint overlays = work_own_overlays(node, NULL);
        gboolean above = point_below(st->work, node, FALSE);

        if (!node->own || node->del || node->kept || node->removed || node->foreign ||
            overlays == 0 || node->overlays->len > overlays)
            continue;
        if (st->unnamed && (above || take_base(st, node)))
            node->del = TRUE;
        else if (above && overlays == 1)
            node->del = !point_below(st->work, node, TRUE);
    }
}

/* Snapshots that stay and name a removed leaf as their overlay get one that is still there. */
void delete_rename_overlays(DeleteState *st)
{
    Work *work = st->work;
    guint i, j;

    for (i = 0; i < st->leaves->len; i++) {
        WorkNode *leaf = g_ptr_array_index(st->leaves, i);
        WorkNode *backing = work_now(leaf->backing);
        WorkNode *to = NULL;
        PlanRename *rename;
        gboolean named = FALSE;

        for (j = 0; j < work->d->snapshots->len; j++) {
            ChainSnapshot *s = g_ptr_array_index(work->d->snapshots, j);
            ChainSnapshotDisk *sd = chain_snapshot_disk(s, work->target);

            if (sd && !g_hash_table_contains(work->deleted, s) &&
                (sd->overlay == leaf->image || sd->revert_overlay == leaf->image))
                named = TRUE;
        }
        for (j = 0; named && backing && j < backing->overlays->len; j++) {
            WorkNode *overlay = g_ptr_array_index(backing->overlays, j);

            if (overlay->own && (!to || work_in_active_chain(work, overlay)))
                to = overlay;
        }
        if (!to)
            continue;
        rename = g_new0(PlanRename, 1);
        rename->disk = g_strdup(work->target);
        rename->from = plan_image_new(leaf->image);
        rename->to = plan_image_new(to->image);
        g_ptr_array_add(st->plan->renames, rename);
    }
}

static void note_manual(DeleteState *st)
{
    for (guint i = 0; i < st->work->d->snapshots->len; i++) {
        ChainSnapshot *s = g_ptr_array_index(st->work->d->snapshots, i);
        const ChainSnapshotDisk *sd = chain_snapshot_disk(s, st->work->target);

        if (g_hash_table_contains(st->work->deleted, s) && sd && sd->frozen &&
            sd->kind == CHAIN_SNAP_MANUAL)
            plan_note(st->plan,
                      g_strdup_printf(_("Image '%s' of disk '%s' stays as it is: snapshot '%s' "
                                        "leaves it to you"),
                                      sd->frozen->path, st->work->target, s->name));
    }
}

void delete_leaves(DeleteState *st)
{
    note_manual(st);
    do
        remove_leaves(st);
    while (take_branch_points(st));
    take_unnamed(st);
}
