/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan-text.h: a plan for people (--dry-run) and for scripts (--json)
 *
 * Pure: returns text, nothing prints.
 */
#pragma once

#include "plugin/plan/plan.h"
#include "plugin/text/safe.h"

G_BEGIN_DECLS

/**
 * The steps in order, words of the planner, what would be discarded, and at the end
 * "Would move <size>, free <size>" with the alternatives. Not for a refused plan.
 * Returns: new text that ends with a newline
 */
char *text_plan(const Plan *plan, const TextOptions *options);

/**
 * Why a plan is refused: a reason and its remedy each, one to a line and without the word
 * "error:" (the caller's host->error() writes that). New array of char *, frees its items.
 */
GPtrArray *text_plan_refusals(const Plan *plan, const TextOptions *options);

/**
 * The contract's JSON object; docs/plan.schema.json describes it. A refused plan too.
 * Returns: new text that ends with a newline; valid UTF-8 (other bytes become U+FFFD)
 */
char *text_plan_json(const Plan *plan);

G_END_DECLS
