/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * forest.c: the order and the lines in which the images of a disk are drawn
 *
 * libsmartcols can draw trees, but indents every generation: a chain of 200 layers would be
 * 400 columns wide.
 */
#include "config.h"

#include "plugin/text/forest.h"

#define NONE G_MAXUINT

typedef struct {
    guint first, last, next; /* children in the rows' order: a list through next */
    guint parent;
    guint size;              /* of the subtree */
    gboolean done;
} Node;

typedef struct {
    const GArray *rows;
    Node *nodes;
    GArray *leaves;
    const char *fork, *corner, *bar;
} Forest;

static const TextRow *row_at(const Forest *f, guint i)
{
    return &g_array_index(f->rows, TextRow, i);
}

static void find_parents(Forest *f)
{
    g_autoptr(GHashTable) index = g_hash_table_new(NULL, NULL);
    guint n = f->rows->len;

    for (guint i = 0; i < n; i++) {
        g_hash_table_insert(index, row_at(f, i)->image, GUINT_TO_POINTER(i + 1));
        f->nodes[i] = (Node) { NONE, NONE, NONE, NONE, 1, FALSE };
    }
    for (guint i = 0; i < n; i++) {
        ChainImage *backing = row_at(f, i)->image->backing;
        guint parent = backing ? GPOINTER_TO_UINT(g_hash_table_lookup(index, backing)) : 0;

        if (parent == 0 || --parent == i)
            continue;
        f->nodes[i].parent = parent;
        if (f->nodes[parent].first == NONE)
            f->nodes[parent].first = i;
        else
            f->nodes[f->nodes[parent].last].next = i;
        f->nodes[parent].last = i;
    }
}

/* Children are met after their parents in @order, so backwards each size is complete. */
static void find_sizes(Forest *f)
{
    g_autoptr(GArray) order = g_array_new(FALSE, FALSE, sizeof(guint));

    for (guint i = 0; i < f->rows->len; i++) {
        if (f->nodes[i].parent == NONE)
            g_array_append_val(order, i);
    }
    for (guint i = 0; i < order->len; i++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): find_parents() filled all */
        for (guint c = f->nodes[g_array_index(order, guint, i)].first; c != NONE;
             c = f->nodes[c].next)
            g_array_append_val(order, c);
    }
    for (guint i = order->len; i > 0; i--) {
        const Node *node = &f->nodes[g_array_index(order, guint, i - 1)];

        if (node->parent != NONE)
            f->nodes[node->parent].size += node->size;
    }
}

/* With which child the run goes on. */
static guint next_in_run(const Forest *f, guint i)
{
    guint best = NONE;

    if (row_at(f, i)->depth == 0)
        return NONE;
    for (guint c = f->nodes[i].first; c != NONE; c = f->nodes[c].next) {
        if (row_at(f, c)->depth >= 0)
            return c;
        if (best == NONE || f->nodes[c].size > f->nodes[best].size)
            best = c;
    }
    return best;
}

/* @first: left of the run's first image; @rest: left of its others. Takes both. */
static void draw_run(Forest *f, guint i, char *first, char *rest)
{
    g_autofree char *lines = first;
    g_autofree char *column = rest;

    while (i != NONE && !f->nodes[i].done) {
        guint next = next_in_run(f, i);
        TextLeaf leaf = { i, g_steal_pointer(&lines), g_strdup(column),
                          f->nodes[i].parent == NONE };

        f->nodes[i].done = TRUE;
        g_array_append_val(f->leaves, leaf);
        for (guint c = f->nodes[i].first; c != NONE; c = f->nodes[c].next) {
            gboolean last = next == NONE && f->nodes[c].next == NONE;

            if (c != next)
                draw_run(f, c, g_strconcat(column, last ? f->corner : f->fork, NULL),
                         g_strconcat(column, last ? "  " : f->bar, NULL));
        }
        lines = g_strdup(column);
        i = next;
    }
}

static void leaf_clear(gpointer leaf)
{
    g_free(((TextLeaf *) leaf)->lines);
    g_free(((TextLeaf *) leaf)->below);
}

GArray *text_forest(const GArray *rows, gboolean utf8)
{
    g_autofree Node *nodes = g_new(Node, rows->len + 1);
    Forest f = {
        .rows = rows,
        .nodes = nodes,
        .leaves = g_array_sized_new(FALSE, FALSE, sizeof(TextLeaf), rows->len),
        .fork = utf8 ? "\342\224\234\342\224\200" : "|-",
        .corner = utf8 ? "\342\224\224\342\224\200" : "`-",
        .bar = utf8 ? "\342\224\202 " : "| ",
    };

    g_array_set_clear_func(f.leaves, leaf_clear);
    find_parents(&f);
    find_sizes(&f);
    for (guint i = 0; i < rows->len; i++) {
        if (nodes[i].parent == NONE)
            draw_run(&f, i, g_strdup(""), g_strdup(""));
    }
    /* a circle that nobody broke has no root */
    for (guint i = 0; i < rows->len; i++) {
        if (!nodes[i].done)
            draw_run(&f, i, g_strdup(""), g_strdup(""));
    }
    return f.leaves;
}
