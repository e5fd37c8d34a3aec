/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * revert.h: what exec.c asks of a revert; its steps are in exec_revert_ops (exec.h)
 */
#pragma once

#include "plugin/exec/exec.h"

G_BEGIN_DECLS

/** Whether an unfinished revert can be undone without loss; FALSE with @error saying why not. */
gboolean exec_revert_can_abort(ExecContext *ctx, Journal *journal, GError **error);
/** The sizes of what finishing a revert throws away, as they are now, into the plan. @ctx: only
 *  initialised; nothing happens where they cannot be had. */
void exec_revert_refresh(ExecContext *ctx, Journal *journal);
/** Whether the domain of this operation is gone in between: a transient one, stopped. */
gboolean exec_revert_makes_domain(const Journal *journal);

G_END_DECLS
