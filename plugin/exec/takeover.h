/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * takeover.h: block jobs that somebody left running on the domain
 */
#pragma once

#include "plugin/exec/exec.h"

G_BEGIN_DECLS

/** Whether --abort of an unfinished repair is to end the jobs that it waited for. */
gboolean exec_repair_ends_jobs(const Plan *plan);
/** Whether an unfinished repair can be undone without loss; FALSE with @error saying why not. */
gboolean exec_repair_can_abort(ExecContext *ctx, const Journal *journal, GError **error);

G_END_DECLS
