/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * same.c: whether two plans do the same
 *
 * A plan is made before the lock is taken and again after it. Figures may have changed (a guest
 * writes), what is done with which image may not.
 */
#include "config.h"

#include "plugin/plan/plan.h"

static gboolean same_image(const PlanImage *a, const PlanImage *b)
{
    return a == b || (a && b && g_str_equal(a->key, b->key));
}

static gboolean same_images(const GPtrArray *a, const GPtrArray *b)
{
    if (a->len != b->len)
        return FALSE;
    for (guint i = 0; i < a->len; i++)
        if (!same_image(g_ptr_array_index(a, i), g_ptr_array_index(b, i)))
            return FALSE;
    return TRUE;
}

static gboolean same_merge(const PlanMerge *a, const PlanMerge *b)
{
    return g_str_equal(a->disk, b->disk) && a->direction == b->direction &&
           a->live == b->live && a->top_is_active == b->top_is_active &&
           same_image(a->base, b->base) && same_image(a->top, b->top) &&
           same_image(a->below, b->below) && same_image(a->above, b->above) &&
           same_images(a->range, b->range) && same_images(a->gone, b->gone);
}

static gboolean same_file(const PlanFile *a, const PlanFile *b)
{
    return same_image(a->image, b->image) && g_strcmp0(a->memory_file, b->memory_file) == 0;
}

static gboolean same_overlay(const PlanOverlay *a, const PlanOverlay *b)
{
    return g_str_equal(a->disk, b->disk) && same_image(a->frozen, b->frozen) &&
           same_image(a->overlay, b->overlay);
}

static gboolean same_step(const PlanStep *a, const PlanStep *b)
{
    return a->action == b->action && a->merge == b->merge && a->file == b->file;
}

static gboolean same_text(const char *a, const char *b)
{
    return g_strcmp0(a, b) == 0;
}

/* Compares two arrays with a function for their items. */
#define SAME(a, b, member, same) \
    ({ \
        gboolean all_ = (a)->member->len == (b)->member->len; \
        for (guint i_ = 0; all_ && i_ < (a)->member->len; i_++) \
            all_ = same(g_ptr_array_index((a)->member, i_), g_ptr_array_index((b)->member, i_)); \
        all_; \
    })

gboolean plan_same_work(const Plan *a, const Plan *b)
{
    return a->operation == b->operation && same_text(a->uuid, b->uuid) &&
           SAME(a, b, snapshots, same_text) && SAME(a, b, merges, same_merge) &&
           SAME(a, b, files, same_file) && SAME(a, b, overlays, same_overlay) &&
           SAME(a, b, save_overlays, same_overlay) && SAME(a, b, kept_disks, same_text) &&
           SAME(a, b, steps, same_step) && same_text(a->new_current, b->new_current) &&
           same_text(a->want_state, b->want_state) && same_text(a->memory_file, b->memory_file);
}
