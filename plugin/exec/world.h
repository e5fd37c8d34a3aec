/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * world.h: reading the world again while an operation runs
 */
#pragma once

#include "plugin/exec/exec.h"

G_BEGIN_DECLS

/** The operation's domain, linked. NULL with @error. */
ChainGraph *exec_read_domain(ExecContext *ctx, GError **error);
/** All domains, their snapshots and what lies beside their images, linked. NULL with @error. */
ChainGraph *exec_read_world(ExecContext *ctx, GError **error);
/** The node of a planned image, or NULL. */
ChainImage *exec_find_image(const ChainGraph *graph, const PlanImage *image);

G_END_DECLS
