/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * revert-state.h: how far a revert has come, and what others have done meanwhile
 *
 * Asked of the world each time. A client can have been stopped for days before any step, in which
 * the guest ran, snapshots were taken and images were merged by hand.
 */
#pragma once

#include "plugin/exec/exec.h"

G_BEGIN_DECLS

gboolean revert_is_transient(const Journal *journal);

/** Whether the domain's disks are the new overlays, or stand on them (somebody has taken a snapshot
 *  since): by its configuration, or @live if it runs. */
gboolean revert_stands_on_overlays(ExecContext *ctx, gboolean live);
gboolean revert_runs_on_overlays(ExecContext *ctx);

/**
 * Whether nothing has been written to any of the new overlays, so that they may go, or memory
 * be restored over them.
 * Returns: 1, 0, or -1 where that cannot be seen from here
 */
int revert_overlays_pristine(ExecContext *ctx);
/** The same of one, in @graph. */
int revert_overlay_pristine(ExecContext *ctx, const ChainGraph *graph, const PlanOverlay *o);
/** Whether all of them are files that are there. */
gboolean revert_overlays_exist(ExecContext *ctx);

/** Whether the domain has a managed save image whose memory is not that of the new overlays:
 *  libvirt would start it on the disks that it had. */
gboolean revert_has_old_memory(ExecContext *ctx);

/** Whether it has one that is: it has run on them, and goes on from there when it is started. */
gboolean revert_is_saved_since(ExecContext *ctx);

/** Whether the snapshot of --save-current is there: one that stands on our overlays, not
 *  somebody else's of that name. */
gboolean revert_saved(ExecContext *ctx);
/** @message, and the other way out. New string. */
char *revert_with_abort(ExecContext *ctx, const char *message);
/** FALSE with @error: @message, and where the revert was taken up the other way out. */
gboolean revert_refuse(ExecContext *ctx, const char *message, GError **error);

/**
 * The saved memory is that of the disks as they were, and libvirt starts the domain from it: on
 * those disks, whatever the configuration says, also where a snapshot holds their state by now.
 * With --force it is dropped, otherwise FALSE with @error.
 */
gboolean revert_settle_managed_save(ExecContext *ctx, GError **error);

/** Whether snapshot @name was taken by somebody else since the revert began. */
gboolean revert_is_newer(const Journal *journal, const char *name);
/** One of those, of this domain, whose state is @image; or NULL. What it says of a configuration
 *  that was never run does not count: that is corrected (revert_correct_newer()). */
const ChainSnapshot *revert_newer_snapshot(const Journal *journal, const ChainImage *image);
/** Whether such a one is in the way of removing or writing overlay @image. */
gboolean revert_overlay_is_used(const Journal *journal, const ChainImage *image);

/**
 * Snapshots that were taken of the running guest when its configuration was the reverted one
 * already name that for the persistent one: two states. Those that were taken of the reverted
 * disks got the wrong parent. FALSE with @error.
 */
gboolean revert_correct_newer(ExecContext *ctx, GError **error);

/** The overlays are about to be what the domain writes. Where somebody has put them to a use of his
 *  own meanwhile, that would be overwritten: FALSE with @error. */
gboolean revert_check_overlays(ExecContext *ctx, GError **error);
/** revert_kept_disks_same(); FALSE with @error. */
gboolean revert_check_kept(ExecContext *ctx, const char *xml, const char *now_xml, GError **error);

/** To be asked right before the guest is stopped: one that was undefined while it runs would be
 *  gone then, and its snapshots too. FALSE with @error. */
gboolean revert_check_persistent(ExecContext *ctx, GError **error);

/** Whether the state that is reverted to is still what it was when that was planned. True also
 *  where the guest may have gone on from it already, and nothing is to be gained by stopping.
 *  FALSE with @error. */
gboolean revert_check_target(ExecContext *ctx, GError **error);
/** Resuming: whether the snapshot of --save-current still holds what the guest has written. Who has
 *  gone on working since the operation was interrupted wants to keep that. FALSE with @error. */
gboolean revert_check_saved(ExecContext *ctx, GError **error);

/* --- revert-back.c ------------------------------------------------------------------------ */

/** Whether the configuration is one that this operation has defined. */
gboolean revert_owns_configuration(ExecContext *ctx);
/**
 * What the domain is to be configured as when the revert is undone. New text; NULL with @error
 * where that would lose something or undo somebody else's work.
 */
char *revert_way_back(ExecContext *ctx, GError **error);

G_END_DECLS
