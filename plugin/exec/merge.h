/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * merge.h: joining images by block jobs, on the running domain or on the helper
 *
 * Where a merge runs is decided when it runs: on the domain when that runs and has the images
 * in its chain, else on the helper, whose active image is then
 *
 *      commit   the image above top, or top itself (the job then ends with a pivot)
 *      pull     top
 */
#pragma once

#include "plugin/exec/exec.h"

G_BEGIN_DECLS

/** Cancels what we run and have not finished; errors are ignored: the helper's end or the next
 *  run deals with what stays. */
void exec_merges_abort(ExecContext *ctx);
/** On abort: a pull that has ended on the running domain stays; the record may go when what it took
 *  is on the disk. FALSE with @error. */
gboolean exec_merges_settle(ExecContext *ctx, GError **error);
/** Stops the helper; not running is success. */
gboolean exec_helper_stop(ExecContext *ctx, GError **error);
/** Whether an unfinished delete can be undone without loss; FALSE with @error saying why not. */
gboolean exec_delete_can_abort(ExecContext *ctx, const Journal *journal, GError **error);

G_END_DECLS
