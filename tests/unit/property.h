/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * property.h: random trees, plans on them, and what must hold after each step of each
 *
 *      seed = property_seed();  trees = property_trees(6000);
 *      for each tree:  rand of seed + i;  sim_random(&w, rand);
 *                      property_delete(&w, …), property_revert(&w, …)
 *
 * VEXT_SEED is the seed of the first tree, VEXT_TREES how many; with VEXT_TREES=1 the tree is
 * shown. What fails names both and ends the program.
 */
#pragma once

#include "tests/unit/simulator.h"

/** What happened, so that a generator that makes nothing interesting is noticed. */
typedef struct {
    guint plans, refused, commits, pulls, live, helper, pivots, leaves, ranges, notes, renames,
        branches, chosen_pulls, deep, unnamed, cut;
} PropertyStats;

extern PropertyStats property_stats; /* of deletes */

guint property_seed(void);
guint property_trees(guint otherwise);
void property_show(const SimWorld *w);

/** Prints all that is known and ends the program. @plan: may be NULL. */
void property_fail(const SimWorld *before, const SimWorld *now, const Plan *plan, guint seed,
                   const char *what, const char *step, const char *problem) G_GNUC_NORETURN;

/** plan_make(); says @what before, where one tree is looked at. */
Plan *property_plan(const char *what, ChainGraph *graph, ChainDomain *d,
                    const PlanRequest *request, const PlanFacts *facts);
/** Writes the plan for the journal and reads it back: what differs (to be freed), or NULL. */
char *property_round_trip(const Plan *plan);

void property_add_name(GPtrArray *names, int snapshot);
gboolean property_is_active(const SimWorld *w, int image);

/**
 * Plans a delete for domain 0 of @w and runs it, checking what must be so after each step.
 *
 * @graph: of @w
 * @after: NULL, or what became of @w
 * Returns: FALSE if it was refused, as it should be
 */
gboolean property_delete(const SimWorld *w, ChainGraph *graph, const PlanRequest *request,
                         GRand *rand, guint seed, SimWorld *after);
