/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guard.h: what must hold before a merge begins, and whose a block job is
 *
 * An operation takes hours and may lie interrupted for days, and others go on meanwhile: they
 * clone an image, save the guest, copy a disk. So right before each merge begins, at first and on
 * a resume, the world is read again and the planner's rules are asked again for this merge. One of
 * which some was written already can only go on.
 */
#pragma once

#include "plugin/exec/exec.h"
#include "plugin/exec/layers.h"

G_BEGIN_DECLS

/** Whether the merge of step @s may begin, or go on, in the world as it is now. @view: how it
 *  stands. FALSE with @error. */
gboolean exec_merge_may_begin(ExecStep *s, const ExecMergeView *view, GError **error);

/**
 * The job that ctx->jobs_dom has on the disk of merge @n: only one that this operation began is
 * to be waited for, pivoted or cancelled.
 *
 * Returns: 1, 0 when there is none, -1 with @error when it cannot be told or is somebody else's
 */
int exec_own_job(ExecContext *ctx, guint n, BackendJobInfo *info, GError **error);
/**
 * Whether a commit has written nothing into its base, by the base's modification time. To be asked
 * by the client that began it alone: after a power cut the time may be older than the content.
 */
gboolean exec_base_is_untouched(ExecContext *ctx, const PlanMerge *merge);
/** Whether merge @n is one that this operation has begun, or may have. */
gboolean exec_merge_begun(ExecContext *ctx, guint n);

G_END_DECLS
