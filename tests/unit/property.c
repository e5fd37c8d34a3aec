/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * property.c: what the tests of random trees share
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/property.h"

static guint number_from(const char *variable, guint otherwise)
{
    const char *text = g_getenv(variable);

    return text ? (guint) g_ascii_strtoull(text, NULL, 10) : otherwise;
}

guint property_seed(void)
{
    return number_from("VEXT_SEED", 1);
}

guint property_trees(guint otherwise)
{
    return number_from("VEXT_TREES", otherwise);
}

void property_show(const SimWorld *w)
{
    g_autoptr(GString) dump = g_string_new(NULL);

    sim_dump(w, dump);
    g_test_message("%s", dump->str);
}

static void add_plan(GString *out, const Plan *plan)
{
    guint i;

    g_string_append(out, "# plan:\n");
    for (i = 0; i < plan->steps->len; i++) {
        const PlanStep *s = g_ptr_array_index(plan->steps, i);
        g_autofree char *text = plan_step_describe(plan, s);

        g_string_append_printf(out, "#   %s: %s\n", plan_action_name(plan, s), text);
    }
    for (i = 0; i < plan->notes->len; i++)
        g_string_append_printf(out, "#   note: %s\n",
                               (const char *) g_ptr_array_index(plan->notes, i));
    for (i = 0; i < plan->refusals->len; i++) {
        const PlanRefusal *refusal = g_ptr_array_index(plan->refusals, i);

        g_string_append_printf(out, "#   refused: %s: %s\n", refusal->code, refusal->message);
    }
}

void property_fail(const SimWorld *before, const SimWorld *now, const Plan *plan, guint seed,
                   const char *what, const char *step, const char *problem)
{
    g_autoptr(GString) out = g_string_new(NULL);

    g_string_append_printf(out, "# VEXT_SEED=%u VEXT_TREES=1: %s\n# after %s: %s\n# before:\n",
                           seed, what, step, problem);
    sim_dump(before, out);
    if (plan)
        add_plan(out, plan);
    g_string_append(out, "# now:\n");
    sim_dump(now, out);
    g_printerr("%s", out->str);
    g_print("Bail out! seed %u: %s\n", seed, problem);
    exit(1);
}

Plan *property_plan(const char *what, ChainGraph *graph, ChainDomain *d,
                    const PlanRequest *request, const PlanFacts *facts)
{
    if (property_trees(0) == 1)
        g_test_message("%s", what);
    return plan_make(graph, d, request, facts);
}

char *property_round_trip(const Plan *plan)
{
    g_autofree char *text = plan_serialize(plan);
    g_autoptr(GError) error = NULL;
    g_autoptr(Plan) again = plan_deserialize(text, &error);
    g_autofree char *text_again = NULL;

    if (!again)
        return g_strdup(error->message);
    text_again = plan_serialize(again);
    return strcmp(text, text_again) == 0 ? NULL : g_strdup("it is another plan");
}

void property_add_name(GPtrArray *names, int snapshot)
{
    g_ptr_array_add(names, g_strdup_printf("s%d", snapshot));
}

gboolean property_is_active(const SimWorld *w, int image)
{
    int i, j;

    for (i = 0; i < w->n_domains; i++) {
        for (j = 0; j < w->domains[i].n_disks; j++) {
            if (w->domains[i].active[j] == image)
                return TRUE;
        }
    }
    return FALSE;
}
