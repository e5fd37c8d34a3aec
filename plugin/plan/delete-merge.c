/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * delete-merge.c: what becomes of the images of one disk when snapshots are deleted
 *
 *   1. leaves     images of deleted snapshots that nothing stands on go (delete-leaves.c)
 *   2. groups     runs of images that need not be kept as points in time any more:
 *
 *                     kept <- [F_lo <- … <- F_hi] <- O <- …
 *
 *   3. merges     each group is joined with O, by commit or pull; what can be joined in no way
 *                 stays as an unnamed layer
 *
 * A merge is only planned if nothing else sees a difference. The simulator in tests/unit holds
 * this file to that.
 */
#include "config.h"

#include <string.h>

#include "plugin/plan/work.h"
#include "vext-i18n.h"

/* @bytes: what is written to @node that it has no room for yet. */
static void need_space(DeleteState *st, WorkNode *node, guint64 bytes)
{
    const ChainImage *image = node->image;
    PlanSpace space = { image->fs_id, image->fs_free, bytes, image->path };
    guint i;

    if (bytes == CHAIN_UNKNOWN || image->fs_free == CHAIN_UNKNOWN)
        return;
    /* an image does not grow beyond what the guest sees (its tables are small) */
    if (image->virtual_size != CHAIN_UNKNOWN && node->allocation != CHAIN_UNKNOWN)
        space.need = MIN(bytes, image->virtual_size - MIN(image->virtual_size,
                                                          node->allocation));
    for (i = 0; image->fs_id != 0 && i < st->spaces->len; i++) {
        PlanSpace *known = &g_array_index(st->spaces, PlanSpace, i);

        if (known->fs_id == space.fs_id) {
            known->need += MIN(space.need, G_MAXINT64 - known->need);
            known->free = MIN(known->free, space.free);
            return;
        }
    }
    g_array_append_val(st->spaces, space);
}

static void want_measure(DeleteState *st, WorkNode *lo, WorkNode *top)
{
    PlanRange *range;

    if (merge_measured(st, lo, top))
        return;
    range = g_new0(PlanRange, 1);
    range->lo = g_strdup(lo->image->key);
    range->hi = g_strdup(top->backing->image->key);
    range->top = g_strdup(top->image->key);
    g_ptr_array_add(st->plan->wanted, range);
}

/* --- planning a merge --------------------------------------------------------------------- */

/* Whether the image may be removed once nothing stands on it. */
static gboolean may_go(const WorkNode *node)
{
    return !node->kept && !node->foreign && !node->internal &&
           !work_has_flag(node, CHAIN_IMAGE_NOT_WRITABLE);
}

static gboolean all_relative(WorkNode *from, WorkNode *until)
{
    for (; from != until; from = from->backing) {
        if (!from->relative)
            return FALSE;
    }
    return TRUE;
}

static char *look_at_chain(const DeleteState *st)
{
    return chain_command("virsh-ext", "chain-show",
                         chain_word_for(st->plan->domain, st->plan->uuid), "--", "--check", NULL);
}

static void refuse_broken(DeleteState *st, WorkNode *node)
{
    const char *path = node->image->path;
    g_autofree char *bitmap = chain_command("qemu-img", "bitmap", "--remove", path, NULL);

    if (work_has_flag(node, CHAIN_IMAGE_MISSING))
        plan_refuse(st->plan, "missing-image",
                    g_strdup_printf(_("Image '%s' of disk '%s' is missing"), path,
                                    st->work->target),
                    g_strdup_printf(_("Bring it back, or delete only the metadata with "
                                      "--metadata")));
    else if (work_has_flag(node, CHAIN_IMAGE_UNREADABLE | CHAIN_IMAGE_CORRUPT))
        plan_refuse(st->plan, "unreadable-image",
                    g_strdup_printf(_("Image '%s' of disk '%s' cannot be read"), path,
                                    st->work->target),
                    look_at_chain(st));
    else if (work_has_flag(node, CHAIN_IMAGE_LOOP))
        plan_refuse(st->plan, "backing-loop",
                    g_strdup_printf(_("Image '%s' of disk '%s' stands on itself"), path,
                                    st->work->target),
                    look_at_chain(st));
    else if (work_has_flag(node, CHAIN_IMAGE_FORMAT_GUESSED))
        plan_refuse(st->plan, "format-not-recorded",
                    g_strdup_printf(_("The format of image '%s' of disk '%s' is recorded "
                                      "nowhere"),
                                    path, st->work->target),
                    look_at_chain(st));
    else if (work_has_flag(node, CHAIN_IMAGE_FORMATS_DIFFER))
        plan_refuse(st->plan, "format-not-recorded",
                    g_strdup_printf(_("The format of image '%s' of disk '%s' is recorded as '%s' "
                                      "and as '%s'"), path, st->work->target,
                                    node->image->format, node->image->other_format),
                    chain_unknown_remedy(node->image));
    else if (work_has_flag(node, CHAIN_IMAGE_BITMAPS))
        plan_refuse(st->plan, "bitmaps",
                    g_strdup_printf(_("Image '%s' of disk '%s' has dirty bitmaps, which would "
                                      "break"),
                                    path, st->work->target),
                    g_strdup_printf(_("Remove them with '%s NAME' while the domain is shut off"),
                                    bitmap));
}

/* Damage is refused, whatever the direction. */
static gboolean range_sound(DeleteState *st, WorkNode *lo, WorkNode *top)
{
    guint before = st->plan->refusals->len;
    WorkNode *node;

    for (node = top;; node = node->backing) {
        if (work_has_flag(node, WORK_BROKEN | CHAIN_IMAGE_BITMAPS))
            refuse_broken(st, node);
        if (node == lo)
            break;
    }
    if (!lo->backing && !lo->image->backing_known)
        plan_refuse(st->plan, "unreadable-image",
                    g_strdup_printf(_("What image '%s' of disk '%s' stands on is not known"),
                                    lo->image->path, st->work->target),
                    look_at_chain(st));
    if (top->overlays->len == 1) {
        WorkNode *above = g_ptr_array_index(top->overlays, 0);

        if (work_has_flag(above, WORK_BROKEN))
            refuse_broken(st, above);
    }
    return st->plan->refusals->len == before;
}

static void add_gone_file(DeleteState *st, WorkNode *node)
{
    if (!st->keep_files)
        plan_add_file(st->plan, node->image, NULL, st->work->target, node->image->allocation);
}

/* Plans one merge and does it to the model. */
static void apply(DeleteState *st, WorkNode *lo, WorkNode *top, PlanDirection direction)
{
    PlanMerge *merge = plan_merge_new(st->work->target, direction);
    g_autoptr(GPtrArray) range = g_ptr_array_new();
    g_auto(Reason) reason = { NULL, NULL };
    WorkNode *above = top->overlays->len == 1 ? g_ptr_array_index(top->overlays, 0) : NULL;
    g_autofree char *unproved = delete_unproved(st);
    gboolean commit = direction == PLAN_COMMIT;
    WorkNode *node;
    guint i;

    merge->base = plan_image_new(lo->image);
    merge->top = plan_image_new(top->image);
    merge->below = lo->backing ? plan_image_new(lo->backing->image) : NULL;
    merge->above = commit && above ? plan_image_new(above->image) : NULL;
    merge->live = merge_is_live(st, top);
    merge->top_is_active = top == st->work->active;
    if (commit)
        merge->relative = above && all_relative(above, lo);
    else
        merge->relative = lo->backing && all_relative(top, lo->backing);
    if (commit) {
        merge->bytes = commit_cost(st, lo, top);
        if (pull_possible(st, lo, top, &reason))
            merge->other_bytes = pull_cost(st, lo, top);
        need_space(st, lo, commit_growth(st, lo, top));
    } else {
        merge->bytes = pull_cost(st, lo, top);
        if (commit_possible(st, lo, top, &reason))
            merge->other_bytes = commit_cost(st, lo, top);
        need_space(st, top, merge->bytes);
    }
    want_measure(st, lo, top);
    for (node = top; node != lo; node = node->backing)
        g_ptr_array_add(range, node);
    g_ptr_array_add(range, lo);
    for (i = range->len; i > 0; i--) {
        node = g_ptr_array_index(range, i - 1);
        g_ptr_array_add(merge->range, plan_image_new(node->image));
    }

    if (commit) {
        work_commit(st->work, lo, top);
        if (above)
            above->relative = merge->relative;
    } else {
        work_pull(st->work, lo, top, unproved ? delete_may_not_go : may_go);
        top->relative = merge->relative;
    }
    /* from the top down: what is not removed, but not in a chain of ours any more either */
    for (i = 1; !commit && i < range->len; i++) {
        node = g_ptr_array_index(range, i);
        if (node->removed)
            continue;
        if (work_own_overlays(node, NULL) > 0)
            break;
        work_disown(st->work, node);
        delete_note_kept(st, node, may_go(node) ? unproved : NULL);
    }
    for (i = range->len; i > 0; i--) {
        node = g_ptr_array_index(range, i - 1);
        if (node->removed || !node->own)
            g_ptr_array_add(merge->gone, plan_image_new(node->image));
        node->del = FALSE;
    }
    g_ptr_array_add(st->plan->merges, merge);
    st->affected = TRUE;
    for (i = range->len; i > 0; i--) {
        node = g_ptr_array_index(range, i - 1);
        if (node->removed)
            add_gone_file(st, node);
    }
}

void delete_stays_unnamed(DeleteState *st, WorkNode *node, const Reason *reason)
{
    node->del = FALSE;
    plan_note(st->plan, g_strdup_printf(_("Image '%s' of disk '%s' stays as an unnamed layer: %s"),
                                        node->image->path, st->work->target, reason->message));
}

/* --- choosing ----------------------------------------------------------------------------- */

/* PLAN_AUTO: none. Why neither, as far as it is about commit, is in @reason. */
static PlanDirection choose(DeleteState *st, WorkNode *lo, WorkNode *top, Reason *reason)
{
    g_auto(Reason) no_pull = { NULL, NULL };
    gboolean commit, pull;
    guint64 commit_bytes, pull_bytes;

    if (st->direction == PLAN_COMMIT)
        return commit_possible(st, lo, top, reason) ? PLAN_COMMIT : PLAN_AUTO;
    if (st->direction == PLAN_PULL)
        return pull_possible(st, lo, top, reason) ? PLAN_PULL : PLAN_AUTO;

    commit = commit_possible(st, lo, top, reason);
    /* what may have others on it stays, and is their root */
    pull = pull_possible(st, lo, top, &no_pull) &&
           (st->unknown || st->unseen || !root_goes(lo, top));
    if (!commit && !pull)
        return PLAN_AUTO;
    if (!commit || !pull)
        return commit ? PLAN_COMMIT : PLAN_PULL;
    if (st->prefer != PLAN_AUTO)
        return st->prefer;
    commit_bytes = commit_cost(st, lo, top);
    pull_bytes = pull_cost(st, lo, top);
    if (commit_bytes == CHAIN_UNKNOWN || pull_bytes == CHAIN_UNKNOWN)
        return PLAN_COMMIT;
    return pull_bytes <= commit_bytes ? PLAN_PULL : PLAN_COMMIT;
}

/*
 * A chain that is too long to be started: a part of the run at its lower end is joined first,
 * with a helper on an image of permitted depth. What is left of the run starts at the result.
 */
static WorkNode *shorten(DeleteState *st, WorkNode *lo, WorkNode *top)
{
    guint limit = st->work->graph->layer_limit;
    g_auto(Reason) reason = { NULL, NULL };

    while (choose(st, lo, top, &reason) == PLAN_AUTO && g_str_equal(reason.code, "deep-chain")) {
        guint skip = work_depth(top) + 1 > limit ? work_depth(top) + 1 - limit : 0;
        WorkNode *part = top;
        PlanDirection direction;

        while (skip-- > 0 && part != lo)
            part = part->backing;
        /* at least one image has to go */
        if (part == lo || part == top)
            return lo;
        direction = choose(st, lo, part, &reason);
        if (direction == PLAN_AUTO)
            return lo;
        apply(st, lo, part, direction);
        if (direction == PLAN_PULL)
            lo = part;
    }
    return lo;
}

/* The way round a commit that the sizes of the images do not allow; NULL: it is not about them. */
static char *size_remedy(DeleteState *st, WorkNode *lo, WorkNode *top, const Reason *why)
{
    g_auto(Reason) reason = { NULL, NULL };
    gboolean unknown = g_str_equal(why->code, "size-unknown");

    if (!unknown && !g_str_equal(why->code, "smaller-image") &&
        !g_str_equal(why->code, "fixed-size"))
        return NULL;
    if (pull_possible(st, lo, top, &reason))
        return g_strdup(_("Use --direction pull"));
    if (st->work->d->active)
        return g_strdup(_("Do it while the domain is shut off"));
    return unknown ? g_strdup(_("Do it while the domain runs")) : look_at_chain(st);
}

/* What cannot be done in this way is refused: only the names would go, which nobody asked for.
 * @reason: why no commit is possible */
static gboolean refuse_incapable(DeleteState *st, WorkNode *lo, WorkNode *top,
                                 const Reason *reason)
{
    g_autofree char *edit =
        chain_command("virsh", "edit", chain_word_for(st->plan->domain, st->plan->uuid), NULL);
    char *remedy;

    if (g_str_equal(reason->code, "encrypted"))
        remedy = g_strdup_printf(_("Give the image an <encryption> in the disk's <backingStore> "
                                   "with: %s"),
                                 edit);
    else if (g_str_equal(reason->code, "deep-chain"))
        remedy = g_strdup(_("Delete snapshots at the lower end of the chain first"));
    else if (g_str_equal(reason->code, "missing-image") ||
             g_str_equal(reason->code, "format-not-recorded"))
        remedy = look_at_chain(st);
    else
        remedy = size_remedy(st, lo, top, reason);
    if (!remedy)
        return delete_refuse_unknown(st, reason);
    plan_refuse(st->plan, reason->code, g_strdup(reason->message), remedy);
    return TRUE;
}

/*
 * Joins the run from @lo up to what is under @top with it. Where not all can be joined at once,
 * the longest part at the upper end that can; the rest is a run of its own.
 */
static void join(DeleteState *st, WorkNode *lo, WorkNode *top)
{
    g_auto(Reason) reason = { NULL, NULL };
    g_auto(Reason) first = { NULL, NULL };
    g_autoptr(GPtrArray) run = g_ptr_array_new();
    WorkNode *node;
    guint hi, s;

    for (node = top; node && node != lo; node = node->backing)
        ;
    g_return_if_fail(node && lo != top);
    if (!range_sound(st, lo, top))
        return;
    lo = shorten(st, lo, top);
    if (st->direction != PLAN_AUTO) {
        PlanDirection direction = choose(st, lo, top, &reason);

        if (direction == PLAN_AUTO && !delete_refuse_unknown(st, &reason))
            plan_refuse(st->plan, reason.code, g_strdup(reason.message),
                        g_strdup(_("Use --direction auto")));
        else if (direction != PLAN_AUTO)
            apply(st, lo, top, direction);
        return;
    }
    for (node = top->backing; node != lo; node = node->backing)
        g_ptr_array_insert(run, 0, node);
    g_ptr_array_insert(run, 0, lo);

    for (hi = run->len; hi > 0; hi--) {
        for (s = 0; s < hi; s++) {
            PlanDirection direction = choose(st, g_ptr_array_index(run, s), top, &reason);

            if (direction != PLAN_AUTO)
                break;
            if (s == 0) {
                first = reason;
                reason = (Reason) { NULL, NULL };
            }
        }
        if (s < hi) {
            WorkNode *from = g_ptr_array_index(run, s);
            PlanDirection direction;

            if (s > 0) {
                join(st, lo, from);
                from = work_now(from);
            }
            /* what lies below has changed */
            direction = choose(st, from, top, &reason);
            if (direction != PLAN_AUTO)
                apply(st, from, top, direction);
            else
                delete_stays_unnamed(st, from, &reason);
            return;
        }
        if (refuse_incapable(st, lo, top, &first))
            return;
        node = g_ptr_array_index(run, hi - 1);
        delete_stays_unnamed(st, node, &first);
        reason_clear(&first);
        if (pull_possible(st, node, top, &reason) && root_goes(node, top))
            plan_note(st->plan,
                      g_strdup_printf(_("With --direction pull image '%s' would be merged into "
                                        "'%s', which would be the new root of the chain"),
                                      node->image->path, top->image->path));
        top = node;
    }
}

/* --- groups ---------------------------------------------------------------------------------- */

/* An unnamed layer that a merge of what is below and above it may swallow. */
static gboolean may_swallow(const WorkNode *node)
{
    return node->own && !node->del && !node->kept && !node->foreign && !node->removed &&
           node->overlays->len == 1 && work_own_overlays(node, NULL) == 1;
}

static gboolean in_run(const WorkNode *node)
{
    return node->own && node->del && !node->removed && work_own_overlays(node, NULL) == 1;
}

/* The next image of a run below (down) or above @node, over unnamed layers; NULL: it ends. */
static WorkNode *next_of_run(WorkNode *node, gboolean down)
{
    do {
        WorkNode *next = NULL;

        if (down)
            next = node->backing;
        else
            work_own_overlays(node, &next);
        node = next;
    } while (node && may_swallow(node));
    return node && in_run(node) ? node : NULL;
}

static WorkNode *run_bottom(WorkNode *node)
{
    WorkNode *next;

    while ((next = next_of_run(node, TRUE)))
        node = next;
    return node;
}

/* A run and what it is to be joined with. Found first, planned in order. */
typedef struct {
    WorkNode *lo, *top;
    gboolean pull_branch;   /* one of several overlays that a branch point is pulled into */
    guint order;            /* helper, live, live into the active image; then depth */
} Group;

static gint by_order(gconstpointer a, gconstpointer b)
{
    const Group *g = a, *h = b;

    return g->order == h->order ? 0 : g->order < h->order ? -1 : 1;
}

static void add_group(DeleteState *st, GArray *groups, WorkNode *lo, WorkNode *top,
                      gboolean pull_branch)
{
    Group group = { lo, top, pull_branch, MIN(work_depth(lo), 0xffffff) };

    if (merge_is_live(st, top))
        group.order += top == st->work->active ? 2 << 24 : 1 << 24;
    g_array_append_val(groups, group);
}

/* --direction pull: a branch point goes when it can be pulled into all that stands on it. */
static gboolean add_branches(DeleteState *st, GArray *groups, WorkNode *point, Reason *reason)
{
    WorkNode *lo = run_bottom(point);
    guint i;

    if (st->direction != PLAN_PULL || work_own_overlays(point, NULL) != point->overlays->len)
        return FALSE;
    for (i = 0; i < point->overlays->len; i++) {
        WorkNode *top = g_ptr_array_index(point->overlays, i);

        if (!pull_possible(st, lo, top, reason))
            return FALSE;
    }
    for (i = 0; i < point->overlays->len; i++)
        add_group(st, groups, lo, g_ptr_array_index(point->overlays, i), TRUE);
    return TRUE;
}

static void find_groups(DeleteState *st, GArray *groups)
{
    Work *work = st->work;
    g_autoptr(GHashTable) taken = g_hash_table_new(NULL, NULL);
    guint i;

    for (i = 0; i < work->n; i++) {
        WorkNode *node = &work->nodes[i];
        g_auto(Reason) reason = { NULL, NULL };
        guint overlays;

        if (!node->own || !node->del || node->removed)
            continue;
        overlays = work_own_overlays(node, NULL);
        if (overlays == 1)
            continue;
        if (overlays > 1 && add_branches(st, groups, node, &reason)) {
            WorkNode *down;

            for (down = node; down; down = next_of_run(down, TRUE))
                g_hash_table_add(taken, down);
            continue;
        }
        if (reason.message)
            ; /* why it cannot be pulled into one of them */
        else if (overlays > 1)
            reason.message = g_strdup_printf(P_("%u image stands on it", "%u images stand on it",
                                                overlays),
                                             overlays);
        else if (node->overlays->len > 0)
            reason.message =
                g_strdup_printf(_("Image '%s', which is not of this disk, stands on it"),
                                ((WorkNode *) g_ptr_array_index(node->overlays, 0))->image->path);
        else
            reason.message = g_strdup(_("It cannot be removed"));
        delete_stays_unnamed(st, node, &reason);
    }
    for (i = 0; i < work->n; i++) {
        WorkNode *node = &work->nodes[i];
        WorkNode *top = NULL;

        if (!in_run(node) || g_hash_table_contains(taken, node) || next_of_run(node, FALSE))
            continue;
        work_own_overlays(node, &top);
        add_group(st, groups, run_bottom(node), top, FALSE);
    }
    g_array_sort(groups, by_order);
}

/* Nothing is removed that is not proved unneeded. */
static void prove_files(DeleteState *st, guint first)
{
    g_autoptr(GHashTable) needed = NULL;
    guint i;

    if (first < st->plan->files->len)
        needed = work_needed(st->work, st->plan);
    for (i = first; i < st->plan->files->len; i++) {
        PlanFile *file = g_ptr_array_index(st->plan->files, i);
        ChainImage *image = g_hash_table_lookup(st->work->graph->by_key, file->image->key);

        if (image && !g_hash_table_contains(needed, image->key))
            continue;
        plan_refuse(st->plan, "image-in-use",
                    g_strdup_printf(_("Image '%s' of disk '%s' would not be needed any more, but "
                                      "something still names it"),
                                    file->image->path, st->work->target),
                    look_at_chain(st));
    }
}

void delete_disk(DeleteState *st)
{
    g_autoptr(GArray) groups = g_array_new(FALSE, TRUE, sizeof(Group));
    guint first = st->plan->files->len;
    guint i;

    st->affected = FALSE;
    g_ptr_array_set_size(st->leaves, 0);
    if (!delete_chain_there(st))
        return;
    delete_leaves(st);
    find_groups(st, groups);
    for (i = 0; i < groups->len; i++) {
        Group *group = &g_array_index(groups, Group, i);

        join(st, work_now(group->lo), work_now(group->top));
    }
    delete_rename_overlays(st);
    prove_files(st, first);
}
