/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * revert-back.c: whether, and to what, an unfinished revert can be undone
 *
 * The journal says what was. What others have done since it was written decides whether going
 * back to that is right:
 *
 *   the guest runs             on what it runs on, that is what the configuration says afterwards
 *   a snapshot of the old      the guest's newest data are in its overlay, and that is gone back
 *   disks was taken            to; the image of before is frozen now
 *   a snapshot of the new      the revert can only be finished
 *   overlays was taken
 *   images below were written  the image of before does not say any more what it said
 *   the configuration was      undoing would undo that, too
 *   changed
 */
#include "config.h"

#include "include/vext-i18n.h"
#include "plugin/backend/snapshots.h"
#include "plugin/exec/revert-config.h"
#include "plugin/exec/revert-state.h"
#include "plugin/exec/revert.h"
#include "plugin/exec/world.h"

static gboolean refuse(GError **error, char *message_take)
{
    g_autofree char *message = message_take;

    g_set_error_literal(error, EXEC_ERROR, EXEC_ERROR_CHANGED, message);
    return FALSE;
}

gboolean revert_owns_configuration(ExecContext *ctx)
{
    if (revert_is_transient(ctx->journal))
        return FALSE;
    /* Without an overlay nothing tells the two configurations apart. */
    if (ctx->journal->plan->overlays->len == 0)
        return journal_has_reached(ctx->journal, PLAN_STEP_DEFINE_DOMAIN);
    return revert_stands_on_overlays(ctx, FALSE);
}

/** The one image that holds what was written to @image's disk since somebody took snapshots of it
 *  while the revert was not at work; @image itself where nobody did. */
static ChainImage *newest_of(const Journal *journal, ChainImage *image, GError **error)
{
    const ChainSnapshot *s;

    while ((s = revert_newer_snapshot(journal, image)) || image->overlays->len > 0) {
        ChainImage *above = image->overlays->len == 1 ? g_ptr_array_index(image->overlays, 0)
                                                      : NULL;
        gboolean known = FALSE;

        for (guint i = 0; s && above && i < above->overlay_of->len; i++)
            known = known || g_ptr_array_index(above->overlay_of, i) == s;
        if (known) {
            image = above;
            continue;
        }
        if (s)
            refuse(error, g_strdup_printf(_("Image '%s' holds the state of snapshot '%s', which "
                                            "was taken meanwhile"), image->path, s->name));
        else
            refuse(error, g_strdup_printf(_("Other images stand on '%s'"), image->path));
        return NULL;
    }
    return image;
}

static ChainImage *image_in(const ChainDisk *disk, const ChainGraph *world)
{
    return chain_graph_find(world, (disk->active ? disk->active : disk->configured)->source);
}

/** What --save-current has put on disk @target, or NULL. */
static const PlanOverlay *save_overlay(const Plan *plan, const char *target)
{
    for (guint i = 0; i < plan->save_overlays->len; i++) {
        const PlanOverlay *o = g_ptr_array_index(plan->save_overlays, i);

        if (g_str_equal(o->disk, target))
            return o;
    }
    return NULL;
}

/** The image that @disk, as it was before, had last. Of a guest that is off. *@image NULL: nothing
 *  is known of it, and so nothing lost. */
static gboolean image_before(const Journal *journal, const ChainDisk *disk, gboolean saved,
                             const ChainGraph *world, ChainImage **image, GError **error)
{
    const PlanOverlay *o = saved ? save_overlay(journal->plan, disk->target) : NULL;
    const ChainImage *written;
    g_autofree char *command = NULL;

    *image = o ? exec_find_image(world, o->overlay) : image_in(disk, world);
    if (!*image || (*image)->flags & CHAIN_IMAGE_MISSING)
        return !o || refuse(error, g_strdup_printf(_("Image '%s' of disk '%s' is missing"),
                                                   o->overlay->path, disk->target));
    *image = newest_of(journal, *image, error);
    written = *image ? plan_first_written(journal->plan, *image) : NULL;
    if (!written)
        return *image != NULL;
    command = chain_command("virsh", "edit", chain_word_for(journal->plan->domain,
                                                            journal->plan->uuid), NULL);
    return refuse(error, g_strdup_printf(_("Image '%s', which disk '%s' stood on before, has been "
                                           "written meanwhile: put the image that it is to have "
                                           "into the configuration first, with: %s"),
                                         written->path, disk->target, command));
}

static gboolean is_written(const ChainDisk *disk)
{
    return (disk->active || disk->configured) && !disk->readonly &&
           (!disk->device || g_str_equal(disk->device, "disk") ||
            g_str_equal(disk->device, "lun"));
}

/** @disks: target -> ChainImage of @world: what disks are to be that were something else. */
static gboolean find_images(ExecContext *ctx, const ChainGraph *world, GHashTable *disks,
                            GError **error)
{
    const Journal *journal = ctx->journal;
    ChainDomain *d_before = NULL, *d = chain_graph_domain(world, journal->plan->domain);
    g_autoptr(ChainGraph) before = revert_read_disks(journal->domain_xml, &d_before, error);
    gboolean active = exec_domain_active(ctx), saved = revert_saved(ctx);

    if (!before)
        return FALSE;
    for (guint i = 0; i < d_before->disks->len; i++) {
        const ChainDisk *disk = g_ptr_array_index(d_before->disks, i);
        const ChainDisk *now = d ? chain_domain_disk(d, disk->target) : NULL;
        gboolean kept = revert_keeps_disk(journal, disk->target);
        ChainImage *image = !now ? NULL : active ? now->active : kept ? now->configured : NULL;

        if (!is_written(disk))
            continue;
        if (!active && !kept && !image_before(journal, disk, saved, world, &image, error))
            return FALSE;
        if (image && image != image_in(disk, world))
            g_hash_table_insert(disks, g_strdup(disk->target), image);
    }
    return TRUE;
}

/** The overlays are to be removed: whoever needs them must not be bereft. */
static gboolean check_overlays(const Journal *journal, const ChainGraph *world, GError **error)
{
    const Plan *plan = journal->plan;

    for (guint i = 0; i < plan->overlays->len; i++) {
        const PlanOverlay *o = g_ptr_array_index(plan->overlays, i);
        const ChainImage *image = exec_find_image(world, o->overlay);

        if (image && revert_overlay_is_used(journal, image))
            return refuse(error, g_strdup_printf(_("Image '%s' of the reverted disk '%s' is in "
                                                   "use: another image or a snapshot has been put "
                                                   "on it"), o->overlay->path, o->disk));
    }
    return TRUE;
}

/** Whether nothing that undoing would throw away was written to the reverted disks. */
static gboolean check_unwritten(ExecContext *ctx, GError **error)
{
    int pristine;

    if (ctx->journal->plan->overlays->len > 0 && revert_runs_on_overlays(ctx))
        return refuse(error, g_strdup_printf(_("Domain '%s' runs on the reverted disks"),
                                             ctx->journal->plan->domain));
    if (revert_is_saved_since(ctx))
        return refuse(error, g_strdup_printf(_("The managed save image of domain '%s' is that of "
                                               "the reverted disks"), ctx->journal->plan->domain));
    if (!revert_stands_on_overlays(ctx, FALSE))
        return TRUE;
    pristine = revert_overlays_pristine(ctx);
    /* A guest that still runs on the old disks has not been started on others. */
    if (pristine == 1 || (pristine == -1 && exec_domain_active(ctx)))
        return TRUE;
    return refuse(error, g_strdup_printf(_("The reverted disks of domain '%s' have, or may have, "
                                           "been written to"), ctx->journal->plan->domain));
}

char *revert_way_back(ExecContext *ctx, GError **error)
{
    g_autoptr(GHashTable) disks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(ChainGraph) world = NULL;
    g_autofree char *now = NULL;

    if (!check_unwritten(ctx, error))
        return NULL;
    world = exec_read_world(ctx, error);
    now = world ? exec_domain_xml(ctx, FALSE, error) : NULL;
    if (!now || !check_overlays(ctx->journal, world, error))
        return NULL;
    if (!revert_is_as_defined(ctx->journal, now)) {
        refuse(error, g_strdup_printf(_("Somebody has changed the configuration of domain '%s' "
                                        "meanwhile, which would be undone, too"),
                                      ctx->journal->plan->domain));
        return NULL;
    }
    return find_images(ctx, world, disks, error) ? revert_undo_xml(ctx->journal, disks, error)
                                                 : NULL;
}

gboolean exec_revert_can_abort(ExecContext *ctx, Journal *journal, GError **error)
{
    g_autofree char *xml = NULL;

    ctx->journal = journal;
    if (revert_is_transient(journal) && !ctx->dom)
        return refuse(error, g_strdup_printf(_("The transient domain '%s' has been stopped and can "
                                               "only be reverted"), journal->plan->domain));
    if (journal_has_reached(journal, PLAN_STEP_REMOVE_FILE))
        return refuse(error, g_strdup(_("The images of the state before the revert are being "
                                        "removed already")));
    if (!revert_owns_configuration(ctx)) {
        /* Somebody has put the domain back, which may have run on the new disks before. */
        ctx->overlays_used = journal_has_reached(journal, revert_is_transient(journal)
                                                             ? PLAN_STEP_STOP_GUEST
                                                             : PLAN_STEP_DEFINE_DOMAIN) &&
                             revert_overlays_pristine(ctx) == -1;
        return check_unwritten(ctx, error);
    }
    xml = revert_way_back(ctx, error);
    return xml != NULL;
}
