/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan-delete.c: a chain with three snapshots, requests, and what is planned
 */
#include "config.h"

#include <string.h>

#include "tests/unit/plan-delete.h"

static void write_clusters(SimWorld *w, int disk, int from, int n)
{
    for (; n > 0; n--)
        sim_write(w, 0, disk, from++);
}

static void chain(SimWorld *w)
{
    sim_init(w);
    sim_add_domain(w);
    sim_add_disk(w, 0, SIM_NONE);
    write_clusters(w, 0, 0, 4);
    sim_snapshot(w, 0, 1);
    write_clusters(w, 0, 4, 1);
    sim_snapshot(w, 0, 1);
    write_clusters(w, 0, 4, 3);
    sim_snapshot(w, 0, 1);
    write_clusters(w, 0, 2, 2);
}

void fixture_setup(Fixture *f, const void *data)
{
    memset(f, 0, sizeof(*f));
    chain(&f->w);
    f->request.operation = PLAN_DELETE;
    f->request.names = g_ptr_array_new();
}

void fixture_teardown(Fixture *f, const void *data)
{
    plan_free(f->plan);
    chain_graph_free(f->graph);
    g_ptr_array_unref(f->request.names);
    if (f->facts.measures)
        g_hash_table_unref(f->facts.measures);
}

void name(Fixture *f, const char *snapshot)
{
    g_ptr_array_add(f->request.names, (char *) snapshot);
}

ChainDomain *graph(Fixture *f)
{
    if (!f->graph) {
        f->graph = sim_graph(&f->w);
        f->d = chain_graph_domain(f->graph, "d0");
    }
    return f->d;
}

ChainImage *image(Fixture *f, int index)
{
    g_autofree char *path = g_strdup_printf("/img/vm.%d", index);

    graph(f);
    return chain_graph_find_path(f->graph, path);
}

Plan *make(Fixture *f)
{
    graph(f);
    plan_free(f->plan);
    f->plan = plan_make(f->graph, f->d, &f->request, &f->facts);
    return f->plan;
}

PlanMerge *merge(Fixture *f, guint i)
{
    g_assert_cmpuint(i, <, f->plan->merges->len);
    return g_ptr_array_index(f->plan->merges, i);
}

void assert_refused(Fixture *f, const char *code)
{
    make(f);
    g_assert_cmpuint(f->plan->refusals->len, ==, 1);
    g_assert_cmpstr(((PlanRefusal *) g_ptr_array_index(f->plan->refusals, 0))->code, ==, code);
    g_assert_cmpuint(f->plan->steps->len, ==, 0);
}

void assert_possible(Fixture *f)
{
    make(f);
    if (f->plan->refusals->len > 0)
        g_error("refused: %s",
                ((PlanRefusal *) g_ptr_array_index(f->plan->refusals, 0))->message);
}

void assert_steps(Fixture *f, const char *expected)
{
    g_autoptr(GString) steps = g_string_new(NULL);
    guint i;

    for (i = 0; i < f->plan->steps->len; i++) {
        const PlanStep *step = g_ptr_array_index(f->plan->steps, i);

        g_string_append_printf(steps, "%s%s", i > 0 ? " " : "",
                               plan_action_name(f->plan, step));
    }
    g_assert_cmpstr(steps->str, ==, expected);
}

void assert_merge(Fixture *f, guint i, const char *expected)
{
    const PlanMerge *m = merge(f, i);
    g_autoptr(GString) out = g_string_new(m->direction == PLAN_PULL ? "pull" : "commit");
    guint j;

    g_string_append_printf(out, " %d..%d gone", sim_image_of_key(m->base->key),
                           sim_image_of_key(m->top->key));
    for (j = 0; j < m->gone->len; j++)
        g_string_append_printf(out, " %d",
                               sim_image_of_key(((PlanImage *) m->gone->pdata[j])->key));
    if (m->below)
        g_string_append_printf(out, " below %d", sim_image_of_key(m->below->key));
    if (m->above)
        g_string_append_printf(out, " above %d", sim_image_of_key(m->above->key));
    g_assert_cmpstr(out->str, ==, expected);
}

gboolean removes(Fixture *f, int index)
{
    guint i;

    for (i = 0; i < f->plan->files->len; i++) {
        const PlanFile *file = g_ptr_array_index(f->plan->files, i);

        if (file->image && sim_image_of_key(file->image->key) == index)
            return TRUE;
    }
    return FALSE;
}
