/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * settle.h: a pull is over when what was pulled is on the disk
 *
 * QEMU before 9.2 ends a pull with what it pulled still in memory: the header of the image names
 * the new backing image, the tables that say where the pulled data lies come with the next flush
 * (seen with 7.2: killed right then, all that was pulled reads as zeros). So what was pulled
 * from is needed until a flush has ended; exec_pull_settle() comes before the step counts as
 * done, and before anything is removed.
 *
 * A guest that writes flushes by itself, which is waited for a moment. One that does not is
 * suspended and resumed: that is one flush, and the journal says so first, so that a guest is
 * not left suspended by a client that dies in between.
 */
#pragma once

#include "plugin/exec/exec.h"

G_BEGIN_DECLS

/**
 * @dom: what ran the job, ctx->dom or the helper; it is the same QEMU still
 * FALSE with @error: it could not be flushed, or what was pulled is not there even so.
 */
gboolean exec_pull_settle(ExecContext *ctx, const PlanMerge *merge, virDomainPtr dom,
                          GError **error);
/** On resume: a guest that a dead client left suspended runs again. */
gboolean exec_wake_guest(ExecContext *ctx, GError **error);

G_END_DECLS
