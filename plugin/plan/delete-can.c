/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * delete-can.c: which direction is possible for one range of images, and what it costs
 *
 * The rules that keep data safe are here: a direction is possible only if nothing else sees a
 * difference.
 */
#include "config.h"

#include "plugin/plan/work.h"
#include "vext-i18n.h"

void reason_clear(Reason *reason)
{
    g_clear_pointer(&reason->message, g_free);
    reason->code = NULL;
}

static gboolean no(Reason *reason, const char *code, char *message_take)
{
    reason_clear(reason);
    reason->code = code;
    reason->message = message_take;
    return FALSE;
}

/* --- one direction ------------------------------------------------------------------------ */

gboolean work_has_flag(const WorkNode *node, guint flag)
{
    return (node->image->flags & flag) != 0;
}

static gboolean no_manual(Reason *reason, const WorkNode *node)
{
    return no(reason, "manual-snapshot",
              g_strdup_printf(_("Snapshot '%s' leaves image '%s' to you"), node->manual,
                              node->image->path));
}

/* What holds for a range in both directions. @into: its end that takes the data. */
static gboolean range_possible(DeleteState *st, WorkNode *lo, WorkNode *top, WorkNode *into,
                               Reason *reason)
{
    WorkNode *node;

    if (st->work->disk && st->work->disk->readonly)
        return no(reason, "read-only-image",
                  g_strdup_printf(_("Disk '%s' is read-only"), st->work->target));
    /* a helper's disks are made from the domain's */
    if (!st->work->disk)
        return no(reason, "no-disk",
                  g_strdup_printf(_("Domain '%s' has no disk '%s' any more"), st->work->d->name,
                                  st->work->target));
    for (node = top;; node = node->backing) {
        if (node->manual)
            return no_manual(reason, node);
        if (work_has_flag(node, CHAIN_IMAGE_DATA_FILE))
            return no(reason, "data-file",
                      g_strdup_printf(_("Image '%s' has an external data file"),
                                      node->image->path));
        if (work_has_flag(node, CHAIN_IMAGE_ENCRYPTED) &&
            !work_has_flag(into, CHAIN_IMAGE_ENCRYPTED))
            return no(reason, "encryption-differs",
                      g_strdup_printf(_("Image '%s' is encrypted, and '%s', into which it would "
                                        "be merged, is not"),
                                      node->image->path, into->image->path));
        if (node == lo)
            return TRUE;
    }
}

/* Whether a helper domain can be started with @tip as the image of its disk. */
static gboolean helper_possible(DeleteState *st, WorkNode *tip, Reason *reason)
{
    guint limit = st->work->graph->layer_limit;
    WorkNode *node;

    if (limit > 0 && work_depth(tip) > limit)
        return no(reason, "deep-chain",
                  g_strdup_printf(_("The chain of '%s' has %u images, more than the %u that can "
                                    "be started here"),
                                  tip->image->path, work_depth(tip), limit));
    for (node = tip; node; node = node->backing) {
        const ChainDisk *writer = work_writer(st->work, node);

        if (writer)
            return no(reason, "image-in-use",
                      g_strdup_printf(_("The running domain '%s' writes image '%s'"),
                                      writer->domain->name, node->image->path));
        if (work_has_flag(node, CHAIN_IMAGE_ENCRYPTED) &&
            !chain_source_decrypts(node->image->source))
            return no(reason, "encrypted",
                      g_strdup_printf(_("Image '%s' is encrypted, and neither the domain nor a "
                                        "snapshot says with which secret"),
                                      node->image->path));
        if (work_has_flag(node, WORK_BROKEN))
            return no(reason, "missing-image",
                      g_strdup_printf(_("Image '%s' is missing or cannot be read"),
                                      node->image->path));
        /* libvirt (6.2 on) starts nothing on it, whatever else says the format, except where the
         * backing file stands on nothing */
        if (work_has_flag(node, CHAIN_IMAGE_HEADER_READ) && !node->image->backing_format &&
            node->backing && node->backing->image == node->image->backing &&
            node->image->backing->backing)
            return no(reason, "format-not-recorded",
                      g_strdup_printf(_("Image '%s' does not record the format of its backing "
                                        "file '%s'"),
                                      node->image->path, node->backing->image->path));
    }
    return TRUE;
}

gboolean merge_is_live(DeleteState *st, WorkNode *top)
{
    return st->work->d->active && work_in_active_chain(st->work, top);
}

static WorkNode *other_overlay(WorkNode *node, WorkNode *but)
{
    guint i;

    for (i = 0; i < node->overlays->len; i++) {
        if (g_ptr_array_index(node->overlays, i) != but)
            return g_ptr_array_index(node->overlays, i);
    }
    return NULL;
}

/* The first from @node up that is somebody's: what goes is in nobody's way but for what stands on
 * it. NULL: none. */
static const WorkNode *needed_from(const WorkNode *node)
{
    const WorkNode *found = NULL;

    if (!node->own || node->kept)
        return node;
    for (guint i = 0; !found && i < node->overlays->len; i++)
        found = needed_from(g_ptr_array_index(node->overlays, i));
    return found;
}

/* That @other stands on @below and is none of ours; of a file that nobody names only it says so. */
static char *stands_too(const WorkNode *other, const WorkNode *below)
{
    const WorkNode *needed = needed_from(other);

    other = needed ? needed : other;
    if (work_has_flag(other, CHAIN_IMAGE_ORPHAN))
        return g_strdup_printf(_("File '%s', which no domain and no snapshot uses, looks like an "
                                 "image that stands on '%s'"), other->image->path,
                               below->image->path);
    return g_strdup_printf(_("Image '%s' stands on '%s' too"), other->image->path,
                           below->image->path);
}

/* Whether QEMU can make the image longer. With internal snapshots it depends on QEMU and on the
 * image's version. */
static gboolean can_grow(const WorkNode *node)
{
    const ChainImage *image = node->image;
    const ChainSource *source = image->source;

    if (node->internal)
        return FALSE;
    if (g_strcmp0(image->format, "raw") != 0 && g_strcmp0(image->format, "luks") != 0)
        return TRUE;
    if (source->type == CHAIN_SOURCE_NETWORK)
        return g_strcmp0(source->protocol, "nbd") != 0 &&
               g_strcmp0(source->protocol, "iscsi") != 0;
    return source->type == CHAIN_SOURCE_FILE;
}

/*
 * QEMU moves what is allocated. What an image cuts off, by being smaller than one below it, it
 * allocates nowhere, and when the image goes the guest sees old data where it saw the end of the
 * disk, or zeros if a later image is longer again. (Where the base of a commit grows over an image
 * below it that is longer, QEMU, from 5.1 on, fills it with zeros.)
 */
static gboolean no_size(Reason *reason, const WorkNode *node)
{
    return no(reason, "size-unknown",
              g_strdup_printf(_("The size of image '%s' is not known: old data may be below its "
                                "end, which the merge would bring back"), node->image->path));
}

static gboolean no_cut(Reason *reason, const WorkNode *node, const WorkNode *below)
{
    return no(reason, "smaller-image",
              g_strdup_printf(_("Image '%s' is smaller than '%s' below it: the merge would bring "
                                "back what it cuts off"),
                              node->image->path, below->image->path));
}

static gboolean commit_sizes_possible(WorkNode *lo, WorkNode *top, Reason *reason)
{
    WorkNode *node;

    for (node = top;; node = node->backing) {
        if (node->size == CHAIN_UNKNOWN)
            return no_size(reason, node);
        if (node == lo)
            break;
        if (node->size < node->backing->size)
            return no_cut(reason, node, node->backing);
    }
    if (top->size > lo->size && !can_grow(lo))
        return no(reason, "fixed-size",
                  g_strdup_printf(_("Image '%s' is larger than '%s', which cannot grow"),
                                  top->image->path, lo->image->path));
    return TRUE;
}

static gboolean pull_sizes_possible(WorkNode *lo, WorkNode *top, Reason *reason)
{
    WorkNode *below = lo->backing;
    guint64 seen = below ? MIN(below->size, top->size) : 0;
    WorkNode *node;

    for (node = top->backing; node != below; node = node->backing) {
        if (seen > 0 && (node->size == CHAIN_UNKNOWN || seen == CHAIN_UNKNOWN))
            return no_size(reason, node->size == CHAIN_UNKNOWN ? node : below);
        if (node->size < seen)
            return no_cut(reason, node, below);
    }
    return TRUE;
}

gboolean commit_possible(DeleteState *st, WorkNode *lo, WorkNode *top, Reason *reason)
{
    WorkNode *above = top->overlays->len > 0 ? g_ptr_array_index(top->overlays, 0) : NULL;
    WorkNode *foreign = work_foreign_above(lo);
    WorkNode *node;

    if (!range_possible(st, lo, top, lo, reason) || !commit_sizes_possible(lo, top, reason))
        return FALSE;
    for (node = top; node != lo; node = node->backing) {
        WorkNode *other = other_overlay(node->backing, node);

        if (other)
            return no(reason, "shared-image", stands_too(other, node->backing));
        if (node->internal)
            return no(reason, "internal-snapshots",
                      g_strdup_printf(_("Image '%s' has internal snapshots, which would be lost"),
                                      node->image->path));
    }
    if (top->overlays->len > 1)
        return no(reason, "branch-point",
                  g_strdup_printf(_("Several images stand on '%s'"), top->image->path));
    if (foreign)
        return no(reason, "shared-image",
                  g_strdup_printf(_("Domain '%s' needs image '%s'"), foreign->foreign_domain,
                                  foreign->image->path));
    /* what the user has kept of it stands on what would go */
    if (above && above->manual)
        return no_manual(reason, above);
    foreign = lo->stood_on_by;
    if (foreign)
        return no(reason, "shared-image", stands_too(foreign, lo));
    if (st->unknown)
        return no(reason, "incomplete-view", delete_unproved(st));
    /* where it is asked for it is done, and said (note_unseen) */
    if (delete_unseen_here(st) && st->direction != PLAN_COMMIT)
        return no(reason, "unseen-images",
                  g_strdup_printf(_("%s; another image that stands on '%s' would be damaged by a "
                                    "commit"), st->unseen->message, lo->image->path));
    /* written: base, and the header of what is above; removed: the others */
    for (node = above ? above : top;; node = node->backing) {
        if (work_has_flag(node, CHAIN_IMAGE_NOT_WRITABLE))
            return no(reason, "read-only-image",
                      g_strdup_printf(_("Image '%s' is not writable"), node->image->path));
        if (node == lo)
            break;
    }
    return merge_is_live(st, top) || helper_possible(st, above ? above : top, reason);
}

/* Whether @lo loses its meaning as the chain's root when @top is pulled off it. */
gboolean root_goes(WorkNode *lo, WorkNode *top)
{
    WorkNode *next = top;

    while (next->backing != lo)
        next = next->backing;
    return work_is_root(lo) && !work_has_flag(lo, CHAIN_IMAGE_NOT_WRITABLE) &&
           !other_overlay(lo, next);
}

gboolean pull_possible(DeleteState *st, WorkNode *lo, WorkNode *top, Reason *reason)
{
    WorkNode *node;
    const ChainDisk *user;
    guint i;

    if (!range_possible(st, lo, top, top, reason) || !pull_sizes_possible(lo, top, reason))
        return FALSE;
    for (node = top;; node = node->backing) {
        if (node->internal)
            return no(reason, "internal-snapshots",
                      g_strdup_printf(_("Image '%s' has internal snapshots, which would be lost"),
                                      node->image->path));
        if (node == lo)
            break;
    }
    if (work_has_flag(top, CHAIN_IMAGE_NOT_WRITABLE))
        return no(reason, "read-only-image",
                  g_strdup_printf(_("Image '%s' is not writable"), top->image->path));
    for (i = 0; i < top->image->users->len; i++) {
        user = g_ptr_array_index(top->image->users, i);
        if (user->domain == st->work->d && user != st->work->disk)
            return no(reason, "shared-image",
                      g_strdup_printf(_("Disk '%s' needs image '%s' too"), user->target,
                                      top->image->path));
    }
    user = work_running_user(st->work, top);
    if (user)
        return no(reason, "image-in-use",
                  g_strdup_printf(_("The running domain '%s' uses image '%s'"),
                                  user->domain->name, top->image->path));
    if (merge_is_live(st, top)) {
        if (top != st->work->active)
            return no(reason, "not-active",
                      g_strdup_printf(_("A running domain pulls only into the image that it "
                                        "writes, and '%s' is not that one"),
                                      top->image->path));
        return TRUE;
    }
    return helper_possible(st, top, reason);
}

/* --- figures ------------------------------------------------------------------------------ */

const PlanMeasure *merge_measured(DeleteState *st, WorkNode *lo, WorkNode *top)
{
    g_autofree char *key = NULL;

    if (!st->facts->measures)
        return NULL;
    key = plan_measure_key(lo->image->key, top->image->key);
    return g_hash_table_lookup(st->facts->measures, key);
}

static guint64 sum_allocation(WorkNode *from, WorkNode *until)
{
    guint64 sum = 0, size = 0;
    WorkNode *node;

    for (node = from; node != until; node = node->backing) {
        if (node->allocation == CHAIN_UNKNOWN)
            return CHAIN_UNKNOWN;
        sum += MIN(node->allocation, G_MAXINT64 - sum);
        size = MAX(size, node->image->virtual_size);
    }
    return size == CHAIN_UNKNOWN ? sum : MIN(sum, size);
}

guint64 commit_cost(DeleteState *st, WorkNode *lo, WorkNode *top)
{
    const PlanMeasure *m = merge_measured(st, lo, top);

    if (m && m->commit_bytes != CHAIN_UNKNOWN)
        return m->commit_bytes;
    return sum_allocation(top, lo);
}

guint64 commit_growth(DeleteState *st, WorkNode *lo, WorkNode *top)
{
    const PlanMeasure *m = merge_measured(st, lo, top);

    if (m && m->commit_growth != CHAIN_UNKNOWN)
        return m->commit_growth;
    return commit_cost(st, lo, top);
}

guint64 pull_cost(DeleteState *st, WorkNode *lo, WorkNode *top)
{
    const PlanMeasure *m = merge_measured(st, lo, top);

    if (m && m->pull_bytes != CHAIN_UNKNOWN)
        return m->pull_bytes;
    return sum_allocation(top->backing, lo->backing);
}
