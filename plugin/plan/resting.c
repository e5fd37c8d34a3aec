/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * resting.c: what may have happened to images while a revert was not at work
 *
 * A revert that was interrupted can be gone on with after days. Images that nobody had a reason
 * to write may have been written all the same (a commit by hand), and others have grown.
 */
#include "config.h"

#include "plugin/plan/plan.h"

static void add_chain(Plan *plan, ChainImage *top, GHashTable *seen)
{
    g_autoptr(GPtrArray) chain = top ? chain_image_chain(top) : NULL;

    for (guint i = 0; chain && i < chain->len; i++) {
        PlanImage *image;

        if (!g_hash_table_add(seen, g_ptr_array_index(chain, i)))
            continue;
        image = plan_image_new(g_ptr_array_index(chain, i));
        /* It is never defined from here. */
        g_clear_pointer(&image->source->xml, g_free);
        g_ptr_array_add(plan->resting, image);
    }
}

void plan_note_resting(Plan *plan, ChainDomain *d, const ChainSnapshot *target)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);

    for (guint i = 0; i < target->disks->len; i++) {
        const ChainSnapshotDisk *sd = g_ptr_array_index(target->disks, i);

        if (sd->kind == CHAIN_SNAP_EXTERNAL)
            add_chain(plan, sd->frozen, seen);
    }
    for (guint i = 0; i < d->disks->len; i++) {
        const ChainDisk *disk = g_ptr_array_index(d->disks, i);

        if (disk->active && !disk->readonly)
            add_chain(plan, disk->active->backing, seen);
    }
}

/* The number of a device may change when the host starts again: then the name counts. */
static const PlanImage *find(const GPtrArray *images, const ChainImage *image)
{
    for (guint i = 0; i < images->len; i++) {
        const PlanImage *p = g_ptr_array_index(images, i);

        if (g_str_equal(p->key, image->key) || g_str_equal(p->path, image->path))
            return p;
    }
    return NULL;
}

static gboolean differs(gint64 a, gint64 b)
{
    return a && b && a != b;
}

const ChainImage *plan_first_written(const Plan *plan, ChainImage *image)
{
    g_autoptr(GPtrArray) chain = chain_image_chain(image);

    for (guint i = 0; i < chain->len; i++) {
        const ChainImage *at = g_ptr_array_index(chain, i);
        const PlanImage *before = find(plan->resting, at);

        if (before && (differs(before->modified, at->modified) ||
                       differs(before->born, at->born)))
            return at;
    }
    return NULL;
}

static void refresh_steps(Plan *plan, guint file, guint64 bytes)
{
    for (guint i = 0; i < plan->steps->len; i++) {
        PlanStep *step = g_ptr_array_index(plan->steps, i);

        if (step->action == PLAN_STEP_REMOVE_FILE && step->file == file)
            step->bytes = bytes;
    }
}

void plan_revert_refresh(Plan *plan, const ChainGraph *graph)
{
    guint64 sum = 0;

    for (guint i = 0; i < plan->files->len; i++) {
        PlanFile *file = g_ptr_array_index(plan->files, i);
        const ChainImage *image = file->image ? chain_graph_find(graph, file->image->source)
                                              : NULL;

        if (image && image->allocation != CHAIN_UNKNOWN) {
            file->bytes = image->allocation;
            refresh_steps(plan, i, file->bytes);
        }
        if (file->bytes != CHAIN_UNKNOWN)
            sum += MIN(file->bytes, G_MAXINT64 - sum);
    }
    plan->bytes_freed = sum;
    /* What --save-current makes is not counted as discarded. */
    if (!plan->save_current && plan->discarded_bytes != CHAIN_UNKNOWN)
        plan->discarded_bytes = sum;
}
