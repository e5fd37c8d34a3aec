/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * progress.h: the line that tells how far a block job is
 *
 *      Block commit of vda: [ 45 %], 85.2 MiB/s, 0:03 left
 *
 * As virsh prints it, on standard error, rewritten in place; with the rate and the time left.
 */
#pragma once

#include "plugin/exec/exec.h"

G_BEGIN_DECLS

typedef struct {
    ExecContext *ctx;
    const char *label;   /**< "Block commit", translated */
    gint64 started;      /**< monotonic microseconds, 0: not yet */
    gint64 printed;
    int percent;
    gsize width;         /**< columns that the last line took */
} ExecProgress;

/** For backend_jobs_wait(); @data: ExecProgress. */
void exec_progress(const char *disk, const BackendJobInfo *info, gpointer data);
/** Ends the line. */
void exec_progress_end(ExecProgress *progress);

G_END_DECLS
