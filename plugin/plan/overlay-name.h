/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * overlay-name.h: where a new overlay goes and what it is called
 *
 *      /img/vm1.s3-20261120T101112Z-h4wq9zkb.qcow2     the frozen image's name up to its first
 *                                                      dot, the snapshot, the time, and what
 *                                                      nobody can guess
 *
 * Others may be able to make files in the directory. Whoever knew the name beforehand could have a
 * file or a link there, which makes the revert fail: it writes over nothing, and removes nothing.
 */
#pragma once

#include "plugin/plan/plan.h"

G_BEGIN_DECLS

/** The path of an image that is a file, borrowed; else NULL, as for NULL. */
const char *plan_file_path(const ChainImage *image);

/**
 * A path that neither @graph nor @plan has, the same for the same @facts: in the directory of the
 * image that it replaces, else of the frozen one (also where that image is missing: its directory
 * may be, too). New string; NULL when neither is a file (nothing says where files of this disk may
 * lie), or without facts->random.
 */
char *plan_overlay_path(const Plan *plan, const ChainGraph *graph, const ChainImage *active,
                        const ChainImage *frozen, const char *snapshot,
                        const PlanFacts *facts);

G_END_DECLS
