/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_plan.c: any text as the plan in a journal
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugin/plan/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *) data, size);
    g_autoptr(Plan) plan = plan_deserialize(text, NULL);
    g_autofree char *once = NULL;
    g_autofree char *twice = NULL;
    g_autoptr(Plan) again = NULL;
    guint i;

    if (!plan)
        return 0;
    for (i = 0; i < plan->steps->len; i++) {
        const PlanStep *step = g_ptr_array_index(plan->steps, i);

        g_assert_nonnull(plan_action_name(plan, step));
        g_free(plan_step_describe(plan, step));
    }
    for (i = 0; i < plan->merges->len; i++) {
        const PlanMerge *merge = g_ptr_array_index(plan->merges, i);

        plan_replacement(plan, merge->disk, merge->top->key);
        plan_overlay_replacement(plan, merge->disk, merge->base->key);
    }
    /* what was read once is written and read the same for ever */
    once = plan_serialize(plan);
    again = plan_deserialize(once, NULL);
    if (!again)
        abort();
    twice = plan_serialize(again);
    if (strcmp(once, twice) != 0)
        abort();
    return 0;
}
