/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan-delete.h: what the tests of the deletes that are planned share
 *
 *      name(f, "s1");  f->request… = …;  image(f, 2)->… = …;
 *      assert_possible(f);  assert_merge(f, 0, "pull 1..2 gone 1 below 0");
 */
#pragma once

#include "tests/unit/simulator.h"

/* 0 (s0) <- 1 (s1) <- 2 (s2) <- 3 (active): allocated are 4, 1, 3 and 2 clusters. */
typedef struct {
    SimWorld w;
    ChainGraph *graph;
    ChainDomain *d;
    PlanRequest request;
    PlanFacts facts;
    Plan *plan;
} Fixture;

void fixture_setup(Fixture *f, const void *data);
void fixture_teardown(Fixture *f, const void *data);
/** Asks for one more snapshot. */
void name(Fixture *f, const char *snapshot);
/** Made at the first use: later changes of f->w are not in it. */
ChainDomain *graph(Fixture *f);
ChainImage *image(Fixture *f, int index);
Plan *make(Fixture *f);
PlanMerge *merge(Fixture *f, guint i);
/** For this one reason. */
void assert_refused(Fixture *f, const char *code);
void assert_possible(Fixture *f);
/** "lock start-helper block-commit pivot …" */
void assert_steps(Fixture *f, const char *expected);
/** "commit 1..3 gone 2 3 below 0 above 4" */
void assert_merge(Fixture *f, guint i, const char *expected);
gboolean removes(Fixture *f, int index);
