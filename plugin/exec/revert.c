/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * revert.c: the steps of a revert
 *
 * Up to stop-guest everything can be taken back with nothing lost: overlays that nobody has
 * written to are removed, the configuration is defined as it was. Stopping the guest is the
 * point of no return for a run that fails: its memory is gone, and the new state is as near as
 * the old one. --abort later still goes back to the disks as they were (they are removed last
 * of all), unless the guest has written to the new overlays since.
 */
#include "config.h"

#include <string.h>

#include "include/vext-i18n.h"
#include "plugin/backend/domain.h"
#include "plugin/backend/files.h"
#include "plugin/backend/helper.h"
#include "plugin/backend/memory.h"
#include "plugin/backend/read.h"
#include "plugin/backend/revert.h"
#include "plugin/backend/snapshots.h"
#include "plugin/exec/merge.h"
#include "plugin/exec/revert-config.h"
#include "plugin/exec/revert-state.h"
#include "plugin/exec/revert.h"
#include "plugin/exec/world.h"
#include "plugin/xml/edit.h"

/**
 * Removes overlays of ours that nobody names and nothing stands on: half of a set that was not
 * completed, or made by a run that is taken back. What is not known to stand on the frozen image
 * is somebody else's file, which has come to this name since. @undo: what others have put to a use
 * of their own is theirs.
 */
static gboolean remove_overlays(ExecStep *s, const GPtrArray *overlays, gboolean undo,
                                GError **error)
{
    g_autoptr(ChainGraph) world = exec_read_world(s->ctx, error);

    if (!world)
        return FALSE;
    for (guint i = 0; i < overlays->len; i++) {
        const PlanOverlay *o = g_ptr_array_index(overlays, i);
        const char *path = o->overlay->path, *backing = o->frozen->source->path;
        ChainImage *image = exec_find_image(world, o->overlay);
        int pristine;

        if (image && undo && revert_overlay_is_used(s->journal, image)) {
            exec_note(s->ctx, g_strdup_printf(_("'%s' stays: it is in use"), path));
            continue;
        }
        if (image && (image->users->len || image->overlays->len || image->frozen_by->len)) {
            g_set_error(error, EXEC_ERROR, EXEC_ERROR_CHANGED,
                        _("Image '%s' is in use and not removed"), path);
            return FALSE;
        }
        /* A guest has run on it, which has another configuration by now. */
        pristine = revert_overlay_pristine(s->ctx, world, o);
        if (pristine == 0 || (pristine == -1 && undo && s->ctx->overlays_used)) {
            exec_note(s->ctx, g_strdup_printf(pristine == 0
                                                  ? _("'%s' stays: it has been written to")
                                                  : _("'%s' stays: it may have been written to"),
                                              path));
            continue;
        }
        if (image && image->backing_known ? image->backing != exec_find_image(world, o->frozen)
                                          : !backing || !backend_stands_on(s->ctx->conn, path,
                                                                           backing))
            continue;
        if (backend_remove_file(s->ctx->conn, path, image ? image->key : NULL, 0,
                                s->ctx->local, error) == BACKEND_FILE_FAILED)
            return FALSE;
    }
    return TRUE;
}

/* --- create-snapshot: --save-current --------------------------------------------------------- */

static gboolean name_in_overlays(GPtrArray *overlays, const char *target)
{
    for (guint i = 0; i < overlays->len; i++)
        if (g_str_equal(((PlanOverlay *) g_ptr_array_index(overlays, i))->disk, target))
            return TRUE;
    return FALSE;
}

static BackendOverlay *backend_overlays(GPtrArray *overlays)
{
    BackendOverlay *result = g_new0(BackendOverlay, overlays->len);

    for (guint i = 0; i < overlays->len; i++) {
        const PlanOverlay *o = g_ptr_array_index(overlays, i);
        result[i] = (BackendOverlay) { o->disk, o->overlay->source->path, o->overlay->format,
                                       o->frozen->source->path, o->frozen->format,
                                       o->overlay->source->encryption };
    }
    return result;
}

/** Whether the disks stand on the overlays of --save-current, its snapshot recorded or not. */
static gboolean stands_on_save_overlays(ExecContext *ctx)
{
    g_autofree char *xml = ctx->dom ? exec_domain_xml(ctx, exec_domain_active(ctx), NULL) : NULL;

    return xml && revert_names_overlays(ctx->journal->plan->save_overlays, xml);
}

/** What the guest writes from the snapshot on until it is stopped would be in no snapshot. Who
 *  gives up in between lets it go on (exec.c). */
static gboolean hold_guest(ExecStep *s, GError **error)
{
    int paused = exec_domain_active(s->ctx) ? backend_domain_paused(s->ctx->dom, error) : 1;

    if (paused != 0)
        return paused > 0;
    s->journal->suspended = TRUE;
    if (!journal_step(s->ctx->conn, s->journal, s->index, error))
        return FALSE;
    if (backend_domain_suspend(s->ctx->dom, error))
        return TRUE;
    s->journal->suspended = FALSE;
    journal_step(s->ctx->conn, s->journal, s->index, NULL);
    return FALSE;
}

static ExecDone save_is_done(ExecStep *s, GError **error)
{
    const char *name = s->plan->save_current;
    g_autofree char *xml = NULL, *message = NULL, *text = NULL;

    if (revert_saved(s->ctx)) {
        /* One that went on is looked at when it is still. Where that cannot be done, as files are
         * not seen, it is only known to have been held (revert_check_saved()). */
        if (s->ctx->local && stands_on_save_overlays(s->ctx) && !hold_guest(s, error))
            return EXEC_CANNOT_TELL;
        return EXEC_IS_DONE;
    }
    /* A transient domain that was stopped has taken the snapshot along, until it is there again.
     * One that still stands above it needs it, whoever has forgotten it. */
    if (s->ctx->furthest > s->index && !stands_on_save_overlays(s->ctx))
        return EXEC_IS_DONE;
    xml = s->ctx->dom ? backend_snapshot_xml(s->ctx->dom, name, NULL) : NULL;
    if (!xml)
        return EXEC_NOT_DONE;
    message = g_strdup_printf(_("Snapshot '%s' of domain '%s' was taken by somebody else "
                                "meanwhile: what is to be saved is not in it"), name,
                              s->plan->domain);
    text = revert_with_abort(s->ctx, message);
    g_set_error_literal(error, EXEC_ERROR, EXEC_ERROR_CHANGED, text);
    return EXEC_CANNOT_TELL;
}

/** libvirt switches the disks first and records the snapshot last: that can fail by itself, or the
 *  daemon die in between. */
static gboolean record_saved(ExecStep *s, GError **error)
{
    g_autoptr(GError) problem = NULL;
    g_autofree char *xml = revert_saved_xml(s->journal, &problem), *message = NULL, *text = NULL;

    exec_no_return(s->ctx);
    if (xml && backend_snapshot_redefine(s->ctx->dom, xml, TRUE, &problem))
        return TRUE;
    message = g_strdup_printf(_("The disks have got their new overlays, but snapshot '%s' "
                                "could not be recorded: %s"), s->plan->save_current,
                              problem->message);
    text = s->ctx->taken_up ? revert_with_abort(s->ctx, message) : NULL;
    g_set_error_literal(error, EXEC_ERROR, EXEC_ERROR_FAILED, text ? text : message);
    return FALSE;
}

/* What libvirt made of a domain that is shut off everybody may read. */
static void close_overlays(ExecStep *s, const BackendOverlay *overlays, gsize n)
{
    for (gsize i = 0; i < n; i++)
        if (!backend_close_overlay(s->ctx->conn, &overlays[i], s->ctx->local))
            exec_note(s->ctx, g_strdup_printf(_("Every user of its host may read '%s', where this "
                                                "libvirt allows no other way to make it: take the "
                                                "right away with chmod"), overlays[i].path));
}

/* libvirt would write through a link that leads to nothing. No pool tells of such a link on another
 * host: there the name keeps others from making one, which nobody can guess (overlay-name.h). */
static gboolean nothing_there(const ExecStep *s, const BackendOverlay *overlays, gsize n,
                              GError **error)
{
    for (gsize i = 0; i < n; i++) {
        if (!backend_file_exists(s->ctx->conn, overlays[i].path, s->ctx->local))
            continue;
        g_set_error(error, EXEC_ERROR, EXEC_ERROR_CHANGED, _("'%s' exists already"),
                    overlays[i].path);
        return FALSE;
    }
    return TRUE;
}

static gboolean run_save(ExecStep *s, GError **error)
{
    g_autoptr(ChainGraph) graph = exec_read_domain(s->ctx, error);
    g_autofree BackendOverlay *overlays = backend_overlays(s->plan->save_overlays);
    g_autoptr(GPtrArray) others = g_ptr_array_new();
    ChainDomain *d;

    if (!graph)
        return FALSE;
    if (s->ctx->resuming && stands_on_save_overlays(s->ctx))
        return record_saved(s, error);
    if (!revert_settle_managed_save(s->ctx, error))
        return FALSE;
    /* What a daemon that died has left is in the way. A QEMU that runs may use it all the same. */
    if (s->ctx->resuming && !exec_domain_active(s->ctx) &&
        !remove_overlays(s, s->plan->save_overlays, FALSE, error))
        return FALSE;
    d = chain_graph_domain(graph, s->plan->domain);
    for (guint i = 0; d && i < d->disks->len; i++) {
        ChainDisk *disk = g_ptr_array_index(d->disks, i);
        if (!name_in_overlays(s->plan->save_overlays, disk->target))
            g_ptr_array_add(others, disk->target);
    }
    g_ptr_array_add(others, NULL);
    if (!(s->ctx->resuming && exec_domain_active(s->ctx)) &&
        !nothing_there(s, overlays, s->plan->save_overlays->len, error))
        return FALSE;
    if (!hold_guest(s, error))
        return FALSE;
    EXEC_FAULT("create-snapshot-held");
    if (!backend_take_snapshot(s->ctx->dom, s->plan->save_current, overlays,
                               s->plan->save_overlays->len,
                               (const char *const *) others->pdata, error)) {
        if (!stands_on_save_overlays(s->ctx))
            return FALSE;
        g_clear_error(error);
        return record_saved(s, error);
    }
    /* It was asked for and stays, whatever comes. */
    exec_no_return(s->ctx);
    if (!exec_domain_active(s->ctx))
        close_overlays(s, overlays, s->plan->save_overlays->len);
    return TRUE;
}

/* --- create-overlays ------------------------------------------------------------------------ */

typedef enum { NO_DISKS, FROZEN_IMAGES, NEW_OVERLAYS } HelperDisks;

static gboolean set_helper_disks(ExecStep *s, HelperDisks which, GError **error)
{
    const char *snapshot = revert_snapshot_xml(s->journal); /* journal_load() makes sure of it */
    g_autofree XmlDisk *disks = g_new0(XmlDisk, s->plan->overlays->len);
    g_autofree char *base = NULL, *xml = NULL;

    if (snapshot)
        base = xml_snapshot_extract_domain(snapshot, FALSE, error);
    else
        g_set_error_literal(error, EXEC_ERROR, EXEC_ERROR_FAILED,
                            _("The journal does not hold the snapshot's XML"));
    if (!base)
        return FALSE;
    for (guint i = 0; i < s->plan->overlays->len; i++) {
        const PlanOverlay *o = g_ptr_array_index(s->plan->overlays, i);
        const PlanImage *image = which == FROZEN_IMAGES ? o->frozen : o->overlay;

        disks[i] = (XmlDisk) { o->disk, image->source, image->format };
    }
    xml = journal_helper_xml(s->ctx->conn, s->journal, base, disks,
                             which == NO_DISKS ? 0 : s->plan->overlays->len, error);
    return xml && backend_helper_redefine(s->ctx->conn, xml, error);
}

static ExecDone overlays_are_done(ExecStep *s, GError **error)
{
    g_autoptr(virDomain) helper = NULL;
    g_autofree char *xml = NULL;

    if (revert_stands_on_overlays(s->ctx, FALSE) || revert_runs_on_overlays(s->ctx))
        return EXEC_IS_DONE;
    /* A transient domain may have run on them and be gone. */
    if (s->ctx->furthest > s->index && revert_overlays_exist(s->ctx))
        return EXEC_IS_DONE;
    helper = backend_helper_lookup(s->ctx->conn, s->journal->helper_uuid, error);
    if (!helper)
        return EXEC_CANNOT_TELL;
    xml = backend_domain_xml(helper, FALSE, error);
    if (!xml)
        return EXEC_CANNOT_TELL;
    return revert_names_overlays(s->plan->overlays, xml) ? EXEC_IS_DONE : EXEC_NOT_DONE;
}

/** As volumes: all or none. FALSE without @error where that is not possible. */
static gboolean create_volumes(ExecStep *s, const BackendOverlay *overlays, gsize n,
                               GError **error)
{
    BackendOverlayResult result = BACKEND_OVERLAY_MADE;
    gsize made = 0;

    while (made < n) {
        result = backend_create_overlay(s->ctx->conn, &overlays[made], s->ctx->local, error);
        if (result != BACKEND_OVERLAY_MADE)
            break;
        made++;
        EXEC_FAULT("create-overlays-one");
    }
    if (result == BACKEND_OVERLAY_MADE && set_helper_disks(s, NEW_OVERLAYS, error))
        return TRUE;
    if (made > 0)
        remove_overlays(s, s->plan->overlays, FALSE,
                        result == BACKEND_OVERLAY_UNABLE ? error : NULL);
    return FALSE;
}

static gboolean on_encrypted(const Plan *plan)
{
    for (guint i = 0; i < plan->overlays->len; i++)
        if (((const PlanOverlay *) g_ptr_array_index(plan->overlays, i))->below->len)
            return TRUE;
    return FALSE;
}

/** QEMU flushes a qcow2 image that it makes before it says that it is made, so what is named in
 * the next steps outlives a power cut. */
static gboolean create_overlays(ExecStep *s, GError **error)
{
    g_autofree BackendOverlay *overlays = backend_overlays(s->plan->overlays);
    gsize n = s->plan->overlays->len;
    g_autoptr(virDomain) helper = NULL;
    g_autoptr(GError) problem = NULL;

    if (!nothing_there(s, overlays, n, error))
        return FALSE;
    if (create_volumes(s, overlays, n, &problem))
        return TRUE;
    if (problem && on_encrypted(s->plan)) {
        g_set_error(error, EXEC_ERROR, EXEC_ERROR_FAILED,
                    _("An overlay on encrypted images could not be made, which qemu-img 5.2 is not "
                      "able to and 7.2 is (make it with qemu-img create -u, and put it into the "
                      "domain with virsh edit): %s"), problem->message);
        return FALSE;
    }
    if (problem) {
        g_propagate_error(error, g_steal_pointer(&problem));
        return FALSE;
    }
    for (gsize i = 0; i < n; i++) {
        if (!overlays[i].encryption)
            continue;
        g_set_error(error, EXEC_ERROR, EXEC_ERROR_FAILED,
                    _("The overlay of disk '%s' is to be encrypted, which takes a storage pool, "
                      "and there can be none over the directory of '%s'"),
                    overlays[i].target, overlays[i].path);
        return FALSE;
    }
    if (!set_helper_disks(s, FROZEN_IMAGES, error))
        return FALSE;
    EXEC_FAULT("create-overlays-defined");
    helper = backend_helper_lookup(s->ctx->conn, s->journal->helper_uuid, error);
    if (!helper || !backend_create_overlays(helper, overlays, n, error))
        return FALSE;
    close_overlays(s, overlays, n);
    return TRUE;
}

static gboolean run_overlays(ExecStep *s, GError **error)
{
    g_autoptr(GError) problem = NULL, in_use = NULL;

    exec_helper_stop(s->ctx, NULL);
    if (create_overlays(s, &problem)) {
        EXEC_FAULT("create-overlays-made");
        return TRUE;
    }
    if (!s->ctx->resuming) {
        g_propagate_error(error, g_steal_pointer(&problem));
        return FALSE;
    }
    if (!remove_overlays(s, s->plan->overlays, FALSE, &in_use))
        return revert_refuse(s->ctx, in_use->message, error);
    return create_overlays(s, error);
}

static gboolean undo_overlays(ExecStep *s, GError **error)
{
    ExecDone done = overlays_are_done(s, error);

    if (done == EXEC_CANNOT_TELL)
        return FALSE;
    /* libvirt removes what it made of a set of overlays that fails. A take-over has made the helper
     * forget its disks: then a later step says that they were made. */
    if (done == EXEC_NOT_DONE)
        return (!s->ctx->resuming && s->journal->furthest <= s->index) ||
               remove_overlays(s, s->plan->overlays, TRUE, error);
    return set_helper_disks(s, NO_DISKS, error) &&
           remove_overlays(s, s->plan->overlays, TRUE, error);
}

/* --- define-domain -------------------------------------------------------------------------- */

static ExecDone define_is_done(ExecStep *s, GError **error)
{
    /* Without an overlay nothing tells the two configurations apart; defining is idempotent. */
    return !revert_has_old_memory(s->ctx) && revert_stands_on_overlays(s->ctx, FALSE)
        ? EXEC_IS_DONE : EXEC_NOT_DONE;
}

/** Disks that the snapshot leaves out go on with the image that was read when it was planned. */
static gboolean check_kept_disks(ExecStep *s, GError **error)
{
    g_autofree char *xml = NULL;

    if (!s->ctx->dom)
        return TRUE; /* a transient domain that is stopped already */
    xml = exec_domain_xml(s->ctx, TRUE, error);
    return xml && revert_check_kept(s->ctx, NULL, xml, error);
}

static gboolean check_define(ExecStep *s, GError **error)
{
    /* With --force it is dropped when the configuration stands. */
    return (s->plan->force || revert_settle_managed_save(s->ctx, error)) &&
           check_kept_disks(s, error) && revert_check_overlays(s->ctx, error) &&
           revert_check_target(s->ctx, error) && revert_check_saved(s->ctx, error);
}

static gboolean run_define(ExecStep *s, GError **error)
{
    g_autofree char *xml = NULL;

    /* It would go on with the disks that it has, and no step stops it. */
    if (!s->plan->was_running && exec_domain_active(s->ctx) && !revert_runs_on_overlays(s->ctx)) {
        g_set_error(error, EXEC_ERROR, EXEC_ERROR_CHANGED,
                    _("Domain '%s' has been started meanwhile: shut it down first"),
                    s->plan->domain);
        return FALSE;
    }
    xml = revert_domain_xml(s->journal, error);
    return xml && backend_define(s->ctx->conn, xml, error) &&
           revert_settle_managed_save(s->ctx, error);
}

static gboolean undo_define(ExecStep *s, GError **error)
{
    g_autofree char *xml = NULL;

    if (!revert_owns_configuration(s->ctx))
        return TRUE;
    xml = revert_way_back(s->ctx, error);
    return xml && backend_define(s->ctx->conn, xml, error);
}

/* --- stop-guest ----------------------------------------------------------------------------- */

static ExecDone stop_is_done(ExecStep *s, GError **error)
{
    if (exec_domain_active(s->ctx) &&
        !(s->plan->overlays->len > 0 && revert_stands_on_overlays(s->ctx, TRUE)))
        return EXEC_NOT_DONE;
    s->journal->suspended = FALSE; /* the one that was held is gone */
    return EXEC_IS_DONE;
}

/** Also what would else show when the guest is off. */
static gboolean check_stop(ExecStep *s, GError **error)
{
    g_autofree char *saved = NULL, *xml = NULL, *now = NULL, *next = NULL;

    if (s->plan->memory_file) {
        saved = backend_memory_xml(s->ctx->conn, s->plan->memory_file, error);
        xml = saved ? revert_memory_xml(s->journal, saved, error) : NULL;
        if (!xml)
            return FALSE;
    }
    now = exec_domain_xml(s->ctx, TRUE, error);
    /* Where others have put a layer on such a disk since an interruption, libvirt has put it into
     * the configuration, too, which goes on with it. */
    if (now && s->ctx->resuming && !revert_is_transient(s->journal))
        next = exec_domain_xml(s->ctx, FALSE, error);
    return now && revert_check_kept(s->ctx, next, now, error) &&
           (!s->ctx->resuming || (revert_check_target(s->ctx, error) &&
                                  revert_check_saved(s->ctx, error)));
}

static gboolean run_stop(ExecStep *s, GError **error)
{
    /* Whoever has ended it and started it again has started it on the reverted disks. */
    if (s->plan->overlays->len > 0 && revert_runs_on_overlays(s->ctx))
        exec_note(s->ctx, g_strdup_printf(_("Domain '%s' has been started on the reverted disks "
                                            "meanwhile and goes on"), s->plan->domain));
    else if (!revert_check_persistent(s->ctx, error) || !backend_stop(s->ctx->dom, error))
        return FALSE;
    else
        s->ctx->never_run = TRUE;
    s->journal->suspended = FALSE; /* the next step records it */
    exec_no_return(s->ctx);
    s->ctx->merged_all = TRUE; /* the rest is quick, and better than a stopped guest */
    return TRUE;
}

/* --- update-snapshots ----------------------------------------------------------------------- */

/** Whether any other snapshot names the target as its parent now. -1 with @error: not known. */
static int has_children(ExecStep *s, GError **error)
{
    g_autoptr(ChainGraph) graph = exec_read_domain(s->ctx, error);
    ChainDomain *d = graph ? chain_graph_domain(graph, s->plan->domain) : NULL;
    ChainSnapshot *target = d ? chain_domain_snapshot(d, g_ptr_array_index(s->plan->snapshots, 0))
                              : NULL;

    return !graph ? -1 : target && target->children->len > 0;
}

static gboolean redefine_target(ExecStep *s, const char *xml, gboolean current, GError **error)
{
    int children = has_children(s, error);
    gboolean revert_disks = children > 0 && backend_keeps_revert_disks(s->ctx->conn);
    g_autofree char *changed = children < 0 ? NULL : revert_target_xml(s->journal, xml,
                                                                       revert_disks, error);

    return changed && backend_snapshot_redefine(s->ctx->dom, changed, current, error);
}

/** A transient domain took its snapshots along; all of them come back, parents first, and that of
 *  --save-current, which was taken when the journal had been written. @current: or NULL */
static gboolean bring_back(ExecStep *s, const char *current, GError **error)
{
    const Journal *journal = s->journal;

    for (guint i = 0; i < journal->snapshot_names->len; i++)
        if (!backend_snapshot_redefine(s->ctx->dom, g_ptr_array_index(journal->snapshot_xml, i),
                                       g_strcmp0(g_ptr_array_index(journal->snapshot_names, i),
                                                 current) == 0, error))
            return FALSE;
    if (s->plan->save_current) {
        g_autofree char *xml = revert_saved_xml(journal, error);

        if (!xml || !backend_snapshot_redefine(s->ctx->dom, xml,
                                               g_strcmp0(s->plan->save_current, current) == 0,
                                               error))
            return FALSE;
    }
    return TRUE;
}

static gboolean redefine_all(ExecStep *s, GError **error)
{
    return bring_back(s, NULL, error) &&
           redefine_target(s, revert_snapshot_xml(s->journal), TRUE, error);
}

/** Resuming: what is current stays so where it is a snapshot that was taken of the reverted disks
 *  meanwhile: what the domain is on was put on top of it. */
static gboolean is_past_target(ExecStep *s)
{
    g_autofree char *current = backend_snapshot_current(s->ctx->dom, NULL);
    g_autoptr(ChainGraph) graph = NULL;
    ChainDomain *d;
    const ChainSnapshot *at, *target;

    if (!current || !revert_is_newer(s->journal, current))
        return FALSE;
    graph = exec_read_domain(s->ctx, NULL);
    d = graph ? chain_graph_domain(graph, s->plan->domain) : NULL;
    at = d ? chain_domain_snapshot(d, current) : NULL;
    target = d ? chain_domain_snapshot(d, g_ptr_array_index(s->plan->snapshots, 0)) : NULL;
    for (guint i = 0; at && target && i < s->plan->overlays->len; i++) {
        const PlanOverlay *o = g_ptr_array_index(s->plan->overlays, i);
        const ChainSnapshotDisk *sd = chain_snapshot_disk(at, o->disk);
        const ChainImage *overlay = exec_find_image(graph, o->overlay);

        if (sd && sd->frozen && overlay && chain_image_stands_on(sd->frozen, overlay))
            return TRUE;
    }
    return FALSE;
}

/** What was written on top of a snapshot that somebody took of the old disks meanwhile no
 *  configuration names any more. */
static void say_left_over(ExecStep *s)
{
    g_autoptr(ChainGraph) graph = exec_read_domain(s->ctx, NULL);
    ChainDomain *d = graph ? chain_graph_domain(graph, s->plan->domain) : NULL;

    for (guint i = 0; d && i < d->snapshots->len; i++) {
        const ChainSnapshot *at = g_ptr_array_index(d->snapshots, i);

        for (guint k = 0; revert_is_newer(s->journal, at->name) && k < at->disks->len; k++) {
            const ChainImage *image = ((const ChainSnapshotDisk *)
                                       g_ptr_array_index(at->disks, k))->overlay;

            if (image && !(image->flags & CHAIN_IMAGE_MISSING) && !image->users->len &&
                !image->overlays->len && !image->frozen_by->len)
                exec_note(s->ctx, g_strdup_printf(_("What was written since snapshot '%s', which "
                                                    "was taken meanwhile, stays in '%s'"),
                                                  at->name, image->path));
        }
    }
}

static gboolean check_update(ExecStep *s, GError **error)
{
    return !s->ctx->resuming || (revert_check_target(s->ctx, error) &&
                                 revert_check_saved(s->ctx, error));
}

static gboolean run_update(ExecStep *s, GError **error)
{
    const char *target = g_ptr_array_index(s->plan->snapshots, 0);
    gboolean past;
    g_autofree char *xml = NULL;

    if (revert_is_transient(s->journal))
        return redefine_all(s, error);
    if (!revert_correct_newer(s->ctx, error))
        return FALSE;
    past = is_past_target(s);
    xml = backend_snapshot_xml(s->ctx->dom, target, error);
    if (!xml || !redefine_target(s, xml, !past, error))
        return FALSE;
    say_left_over(s);
    return TRUE;
}

/** Undoing: somebody has made a transient domain again that was stopped. Of its snapshots nobody
 *  knows but the record, which goes next. */
static gboolean undo_stop(ExecStep *s, GError **error)
{
    const char *current = s->plan->save_current ? s->plan->save_current : s->journal->current;
    g_autoptr(GPtrArray) names = NULL;

    if (!journal_has_reached(s->journal, PLAN_STEP_STOP_GUEST))
        return TRUE;
    names = backend_snapshot_names(s->ctx->dom, error);
    return names && (names->len || bring_back(s, current, error));
}

static gboolean undo_update(ExecStep *s, GError **error)
{
    const char *target = g_ptr_array_index(s->plan->snapshots, 0);
    const char *current = revert_saved(s->ctx) ? s->plan->save_current : s->journal->current;
    g_autofree char *now = NULL, *present = NULL, *xml = NULL;

    if (revert_is_transient(s->journal))
        return undo_stop(s, error);
    if (!revert_correct_newer(s->ctx, error))
        return FALSE;
    now = backend_snapshot_current(s->ctx->dom, NULL);
    /* Of the name that is to be saved: ours, or somebody else's that was faster. */
    if (now && (revert_is_newer(s->journal, now) || g_strcmp0(now, s->plan->save_current) == 0))
        current = now;
    /* Somebody may have deleted it meanwhile. */
    if (s->journal->furthest >= s->index)
        present = backend_snapshot_xml(s->ctx->dom, target, NULL);
    if (present && !backend_snapshot_redefine(s->ctx->dom, revert_snapshot_xml(s->journal), FALSE,
                                              error))
        return FALSE;
    if (!present && g_strcmp0(now, current) == 0)
        return TRUE;
    xml = current ? backend_snapshot_xml(s->ctx->dom, current, NULL) : NULL;
    return !xml || backend_snapshot_redefine(s->ctx->dom, xml, TRUE, error);
}

/* --- restore-memory, start-guest ------------------------------------------------------------- */

/** Whether somebody can have started the domain on the new overlays: its configuration has named
 *  them since a run that was interrupted. */
static gboolean may_have_run(const ExecStep *s)
{
    for (guint i = 0; i < s->index && i <= s->ctx->furthest; i++) {
        const PlanStep *step = g_ptr_array_index(s->plan->steps, i);

        if (step->action == PLAN_STEP_DEFINE_DOMAIN)
            return s->ctx->taken_up && !s->ctx->never_run;
    }
    return FALSE;
}

static ExecDone start_is_done(ExecStep *s, GError **error)
{
    gboolean never;
    int pristine;

    if (revert_runs_on_overlays(s->ctx))
        return EXEC_IS_DONE;
    /* Its snapshots can be defined again only when it is there again. */
    if (revert_is_transient(s->journal) && !s->ctx->dom)
        return EXEC_NOT_DONE;
    never = s->ctx->furthest < s->index; /* the step that runs now may be an earlier one again */
    if (never && s->step->action != PLAN_STEP_RESTORE_MEMORY)
        return EXEC_NOT_DONE;
    if (s->step->action == PLAN_STEP_RESTORE_MEMORY && revert_is_saved_since(s->ctx)) {
        exec_note(s->ctx, g_strdup_printf(_("Domain '%s' has run since the revert and was saved: "
                                            "it is not started, and goes on from there when it "
                                            "is"), s->plan->domain));
        return EXEC_IS_DONE;
    }
    /* It may have run and ended again. Memory over disks that have changed is worse than none
     * (run_restore()). */
    pristine = revert_overlays_pristine(s->ctx);
    if (pristine == 1 || (pristine == -1 && never))
        return EXEC_NOT_DONE;
    exec_note(s->ctx, g_strdup_printf(
                  pristine == 0
                  ? _("Domain '%s' has run since the revert and is not started again")
                  : _("Domain '%s' may have run since the revert and is not started again"),
                  s->plan->domain));
    return EXEC_IS_DONE;
}

static gboolean found_again(ExecStep *s, GError **error)
{
    exec_no_return(s->ctx);
    return exec_find_domain(s->ctx, error);
}

/** Others can have started the domain at any moment since its configuration names the overlays. */
static gboolean check_restore(ExecStep *s, GError **error)
{
    if (!s->ctx->dom ||
        (!exec_domain_active(s->ctx) && (revert_has_old_memory(s->ctx) ||
                                         (!revert_is_saved_since(s->ctx) &&
                                          revert_overlays_pristine(s->ctx) != 0))))
        return TRUE;
    exec_no_return(s->ctx); /* what it has written since is kept */
    g_set_error(error, EXEC_ERROR, EXEC_ERROR_CHANGED,
                _("Domain '%s' has been started on the reverted disks meanwhile, and the memory "
                  "state does not fit them any more"), s->plan->domain);
    return FALSE;
}

static gboolean run_start(ExecStep *s, GError **error)
{
    g_autofree char *xml = NULL;

    s->ctx->merged_all = TRUE;
    if (!revert_settle_managed_save(s->ctx, error))
        return FALSE;
    if (revert_is_transient(s->journal)) {
        xml = revert_domain_xml(s->journal, error);
        if (!xml)
            return FALSE;
    }
    return backend_start(s->ctx->conn, s->ctx->dom, xml,
                         g_str_equal(s->plan->want_state, "paused"), s->plan->reset_nvram,
                         error) && found_again(s, error);
}

static gboolean run_restore(ExecStep *s, GError **error)
{
    g_autofree char *saved = NULL, *xml = NULL;

    s->ctx->merged_all = TRUE;
    /* It may have run on the reverted disks and ended: a transient domain by our own start, another
     * by anybody's. */
    if ((s->ctx->dom ? may_have_run(s) : s->ctx->taken_up && s->ctx->furthest >= s->index) &&
        revert_overlays_pristine(s->ctx) != 1) {
        exec_note(s->ctx, g_strdup_printf(_("Domain '%s' may have run since the revert and is "
                                            "started without its memory state"),
                                          s->plan->domain));
        return run_start(s, error);
    }
    if (!revert_settle_managed_save(s->ctx, error))
        return FALSE;
    saved = backend_memory_xml(s->ctx->conn, s->plan->memory_file, error);
    xml = saved ? revert_memory_xml(s->journal, saved, error) : NULL;
    if (!xml)
        return FALSE;
    return backend_restore(s->ctx->conn, s->plan->memory_file, xml,
                           g_str_equal(s->plan->want_state, "paused"), s->plan->reset_nvram,
                           error) && found_again(s, error);
}

/* --- for exec.c ------------------------------------------------------------------------------ */

gboolean exec_revert_makes_domain(const Journal *journal)
{
    return journal->plan->operation == PLAN_REVERT && revert_is_transient(journal);
}

const ExecStepOps exec_revert_ops[] = {
    { PLAN_STEP_SAVE_CURRENT, EXEC_REVERT, NULL, NULL, run_save, save_is_done, NULL },
    { PLAN_STEP_CREATE_OVERLAYS, EXEC_REVERT, NULL, NULL, run_overlays, overlays_are_done,
      undo_overlays },
    { PLAN_STEP_DEFINE_DOMAIN, EXEC_REVERT, NULL, check_define, run_define, define_is_done,
      undo_define },
    { PLAN_STEP_STOP_GUEST, EXEC_REVERT, NULL, check_stop, run_stop, stop_is_done, NULL },
    { PLAN_STEP_UPDATE_SNAPSHOTS, EXEC_REVERT, NULL, check_update, run_update, NULL, undo_update },
    { PLAN_STEP_RESTORE_MEMORY, EXEC_REVERT, NULL, check_restore, run_restore, start_is_done,
      NULL },
    { PLAN_STEP_START_GUEST, EXEC_REVERT, NULL, NULL, run_start, start_is_done, NULL },
    { 0 },
};
