/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * discard.c: what a revert throws away: images that nothing else needs
 */
#include "plugin/plan/discard.h"

#include "include/vext-i18n.h"

/** A snapshot of any domain that has @image as a disk's source, left out of it or not; or NULL. */
static const ChainSnapshot *named_by(const ChainGraph *graph, const ChainImage *image)
{
    for (guint i = 0; i < graph->domains->len; i++) {
        const ChainDomain *d = g_ptr_array_index(graph->domains, i);

        for (guint j = 0; j < d->snapshots->len; j++) {
            const ChainSnapshot *s = g_ptr_array_index(d->snapshots, j);

            for (guint k = 0; k < s->disks->len; k++) {
                const ChainSnapshotDisk *sd = g_ptr_array_index(s->disks, k);

                if (sd->frozen == image || sd->frozen_inactive == image)
                    return s;
            }
        }
    }
    return NULL;
}

/**
 * Whether anybody but @disk as it stands now, and but @above, needs @image. libvirt's own revert
 * takes also disks that a snapshot left out from its configuration: these count. So do internal
 * snapshots that libvirt has no name for, and somebody's write protection.
 */
static gboolean only_for(const ChainImage *image, const ChainDisk *disk, const ChainImage *above)
{
    if (image->frozen_by->len > 0 || named_by(disk->domain->graph, image) ||
        image->flags & (CHAIN_IMAGE_INTERNAL | CHAIN_IMAGE_NOT_WRITABLE))
        return FALSE;
    for (guint i = 0; i < image->users->len; i++)
        if (g_ptr_array_index(image->users, i) != disk)
            return FALSE;
    for (guint i = 0; i < image->domains->len; i++)
        if (g_ptr_array_index(image->domains, i) != disk->domain)
            return FALSE;
    for (guint i = 0; i < image->overlays->len; i++)
        if (g_ptr_array_index(image->overlays, i) != above)
            return FALSE;
    return TRUE;
}

/**
 * Whether what stands on image @n of @chain was written since a snapshot of this domain: one of
 * its snapshots lies in the chain below, or it is a branch point of this disk alone (whose name
 * was deleted) on which @target stands too. On a template that others share it was not.
 */
static gboolean is_since_snapshot(const GPtrArray *chain, guint n, const ChainDisk *disk,
                                  const ChainImage *target)
{
    const ChainImage *stop = g_ptr_array_index(chain, n);

    for (guint i = n; i < chain->len; i++) {
        const ChainImage *image = g_ptr_array_index(chain, i);

        for (guint j = 0; j < image->frozen_by->len; j++) {
            const ChainSnapshot *s = g_ptr_array_index(image->frozen_by, j);

            if (s->domain == disk->domain)
                return TRUE;
        }
    }
    for (guint i = 0; i < stop->users->len; i++)
        if (g_ptr_array_index(stop->users, i) != disk)
            return FALSE;
    return chain_image_stands_on(target, stop);
}

/** Says why what was written since the newest snapshot is not thrown away below @stop, where
 *  that is not because a snapshot's state is there. */
static void note_stop(Plan *plan, const ChainDisk *disk, const ChainImage *stop)
{
    const ChainSnapshot *s = named_by(disk->domain->graph, stop);

    if (s && stop->frozen_by->len == 0)
        g_ptr_array_add(plan->notes,
                        g_strdup_printf(_("Image '%s' of disk '%s' stays: snapshot '%s' names it, "
                                          "though it leaves the disk out"), stop->path,
                                        disk->target, s->name));
    else if (stop->flags & CHAIN_IMAGE_INTERNAL && stop->frozen_by->len == 0)
        g_ptr_array_add(plan->notes,
                        g_strdup_printf(_("Image '%s' of disk '%s' stays: it has internal "
                                          "snapshots, which would be lost"), stop->path,
                                        disk->target));
    else if (stop->flags & CHAIN_IMAGE_NOT_WRITABLE && stop->frozen_by->len == 0)
        g_ptr_array_add(plan->notes,
                        g_strdup_printf(_("Image '%s' of disk '%s' stays: it is not writable"),
                                        stop->path, disk->target));
    else if (stop == disk->active && stop->frozen_by->len == 0)
        g_ptr_array_add(plan->notes,
                        g_strdup_printf(_("The present image '%s' of disk '%s' stays: something "
                                          "else needs it"), stop->path, disk->target));
}

void plan_revert_discard(Plan *plan, ChainDisk *disk, const ChainImage *target)
{
    g_autoptr(GPtrArray) chain = chain_image_chain(disk->active);
    const ChainGraph *graph = disk->domain->graph;
    const ChainImage *unknown = chain_graph_unknown(graph, NULL);
    guint n = 0;

    if (disk->active->flags & CHAIN_IMAGE_MISSING) {
        g_ptr_array_add(plan->notes,
                        g_strdup_printf(_("The present image '%s' of disk '%s' is missing: nothing "
                                          "of it is left to be discarded"), disk->active->path,
                                        disk->target));
        return;
    }
    while (n < chain->len) {
        const ChainImage *above = n ? g_ptr_array_index(chain, n - 1) : NULL;
        if (!only_for(g_ptr_array_index(chain, n), disk, above))
            break;
        n++;
    }
    if (n == chain->len || !is_since_snapshot(chain, n, disk, target)) {
        g_ptr_array_add(plan->notes,
                        g_strdup_printf(_("The present image '%s' of disk '%s' stays: it "
                                          "stands on no snapshot"), disk->active->path,
                                        disk->target));
        return;
    }
    note_stop(plan, disk, g_ptr_array_index(chain, n));
    if (n > 0 && unknown) {
        g_autofree char *message = chain_unknown_message(graph, unknown);

        g_ptr_array_add(plan->notes,
                        g_strdup_printf(_("The present image '%s' of disk '%s' stays: %s"),
                                        disk->active->path, disk->target, message));
        return;
    }
    for (guint i = 0; i < n; i++) {
        const ChainImage *image = g_ptr_array_index(chain, i);
        PlanFile *file = g_new0(PlanFile, 1);

        file->image = plan_image_new(image);
        file->disk = g_strdup(disk->target);
        file->bytes = image->allocation;
        g_ptr_array_add(plan->files, file);

        if (image->allocation == CHAIN_UNKNOWN) {
            plan->bytes_exact = FALSE;
            plan->discarded_bytes = CHAIN_UNKNOWN;
        } else {
            plan->bytes_freed += image->allocation;
            if (plan->discarded_bytes != CHAIN_UNKNOWN)
                plan->discarded_bytes += image->allocation;
        }
    }
}
