/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * unknown.c: what could not be found out about a domain
 *
 * No finding: nothing is wrong with what merely cannot be seen from here.
 */
#include "config.h"

#include "include/vext-i18n.h"
#include "plugin/model/chain.h"

void chain_unknown_free(ChainUnknown *unknown)
{
    if (!unknown)
        return;
    g_free(unknown->disk);
    g_free(unknown->path);
    g_free(unknown->message);
    g_free(unknown);
}

static gboolean is_unknown(const ChainImage *image)
{
    return !image->backing && !image->backing_known && !(image->flags & CHAIN_IMAGE_MISSING);
}

static char *why(const ChainGraph *graph, const ChainImage *image)
{
    if (!image->format)
        return g_strdup_printf(_("What image '%s' stands on is not known: its format is recorded "
                                 "nowhere"), image->path);
    if (image->source->type == CHAIN_SOURCE_NETWORK)
        return g_strdup_printf(_("What image '%s' stands on is not known: images on the network "
                                 "are not opened"), image->path);
    if (!graph->local)
        return g_strdup_printf(_("What image '%s' stands on is not known: it is on another host "
                                 "and in no active storage pool there"), image->path);
    return g_strdup_printf(_("What image '%s' stands on is not known: it cannot be read"),
                           image->path);
}

GPtrArray *chain_graph_unknowns(ChainGraph *graph, ChainDomain *d)
{
    GPtrArray *all = g_ptr_array_new();
    g_autoptr(GPtrArray) disks = chain_domain_all_disks(d);
    guint i, j;

    if (!d->unknown)
        d->unknown = g_ptr_array_new_with_free_func((GDestroyNotify) chain_unknown_free);
    g_ptr_array_set_size(d->unknown, 0);
    for (i = 0; i < disks->len; i++) {
        ChainDisk *disk = g_ptr_array_index(disks, i);
        g_autoptr(GPtrArray) images = chain_disk_images(disk);

        for (j = 0; j < images->len; j++) {
            ChainImage *image = g_ptr_array_index(images, j);
            ChainUnknown *unknown;

            if (!is_unknown(image))
                continue;
            unknown = g_new0(ChainUnknown, 1);
            unknown->code = "backing";
            unknown->disk = g_strdup(disk->target);
            unknown->image = image;
            unknown->message = why(graph, image);
            g_ptr_array_add(d->unknown, unknown);
        }
    }
    g_ptr_array_extend(all, d->unknown, NULL, NULL);
    g_ptr_array_extend(all, graph->unknown, NULL, NULL);
    return all;
}
