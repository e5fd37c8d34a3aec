/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * discard.h: what a revert throws away: what was written since the newest snapshot
 *
 *        F(S1) <-- F(S2) <-- O2 (active)      back to S1: O2 is discarded; F(S2) holds a state
 */
#pragma once

#include "plugin/plan/plan.h"

G_BEGIN_DECLS

/**
 * Adds to plan->files, and to its sums of bytes, what was written to @disk since the newest
 * snapshot: from the active image down to the first one that something else needs. A chain that no
 * snapshot knows is not ours to throw away. Notes in @plan say what stays, and why.
 *
 * @target: the frozen image that the disk goes back to; of the same graph.
 */
void plan_revert_discard(Plan *plan, ChainDisk *disk, const ChainImage *target);

G_END_DECLS
