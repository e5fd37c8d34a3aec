/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * unknown.c: what could not be found out about a domain, and about what others need
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

/* --- what may stand anywhere ---------------------------------------------------------------- */

/* Whether images of that format name no other. */
static gboolean stands_on_nothing(const char *format)
{
    static const char *const alone[] = { "bochs", "cloop", "dmg", "fat", "iso", "luks", "parallels",
                                         "ploop", "raw", "vdi", "vhdx", "vpc", NULL };

    return format && g_strv_contains(alone, format);
}

/* Whether it is not even known which file or device it is: it may be any. */
static gboolean is_anywhere(const ChainImage *image)
{
    const ChainSource *source = image->source;

    if (source->protocol)
        return FALSE;
    return (source->type == CHAIN_SOURCE_VOLUME && !source->path) ||
           /* of what XML has, directories and devices that are passed through, none is an image */
           (source->type == CHAIN_SOURCE_OTHER && !source->xml);
}

/* Whether it was read by a format by which it stands on nothing, and somebody records another. */
static gboolean is_read_otherwise(const ChainImage *image)
{
    return image->flags & CHAIN_IMAGE_FORMATS_DIFFER && !stands_on_nothing(image->other_format);
}

static gboolean is_unknown(const ChainImage *image)
{
    if (image->flags & (CHAIN_IMAGE_LOOP | CHAIN_IMAGE_NO_HEADER))
        return FALSE;
    return is_anywhere(image) || is_read_otherwise(image) ||
           (!image->backing && !image->backing_known && !stands_on_nothing(image->format));
}

/* @seen: images below which there is none. */
static const ChainImage *unknown_below(const ChainImage *image, GHashTable *seen)
{
    for (; image && g_hash_table_add(seen, (gpointer) image); image = image->backing) {
        if (is_unknown(image))
            return image;
        if (image->data_file && is_anywhere(image->data_file))
            return image->data_file;
    }
    return NULL;
}

/* As unknown_below(), where XML tells @chain, and if it @ends all of it: libvirt does not look into
 * the headers of what is above its last image. */
static const ChainImage *unknown_in(const ChainImage *image, const GPtrArray *chain, gboolean ends,
                                    GHashTable *seen)
{
    if (!chain)
        return unknown_below(image, seen);
    for (guint i = 0; i < chain->len; i++) {
        const ChainImage *told = g_ptr_array_index(chain, i);

        if (is_anywhere(told))
            return told;
    }
    return ends ? NULL : unknown_below(g_ptr_array_index(chain, chain->len - 1), seen);
}

static const ChainImage *unknown_of_disk(const ChainDisk *disk, GHashTable *seen)
{
    const ChainDomain *d = disk->domain;
    const ChainImage *unknown = NULL;

    if (d->active)
        unknown = unknown_below(disk->active, seen);
    if (!unknown && (d->persistent || !d->active))
        unknown = unknown_in(disk->configured ? disk->configured : disk->active,
                             disk->config_chain, disk->config_chain_ends, seen);
    if (!unknown && disk->job)
        unknown = unknown_below(disk->job->target, seen);
    return unknown;
}

static const ChainImage *unknown_of_snapshot(const ChainSnapshot *s, GHashTable *seen)
{
    const ChainImage *unknown = NULL;

    for (guint i = 0; !unknown && i < s->disks->len; i++) {
        const ChainSnapshotDisk *sd = g_ptr_array_index(s->disks, i);

        /* a disk that is left out is not preserved */
        if (sd->kind == CHAIN_SNAP_NO)
            continue;
        unknown = unknown_below(sd->frozen, seen);
        if (!unknown)
            unknown = unknown_below(sd->frozen_inactive, seen);
    }
    return unknown;
}

const ChainImage *chain_graph_unknown(const ChainGraph *graph, GHashTable *gone)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    const ChainImage *unknown = NULL;

    for (guint i = 0; !unknown && i < graph->domains->len; i++) {
        const ChainDomain *d = g_ptr_array_index(graph->domains, i);

        for (guint k = 0; !unknown && k < d->disks->len; k++)
            unknown = unknown_of_disk(g_ptr_array_index(d->disks, k), seen);
        for (guint k = 0; !unknown && k < d->saved->len; k++)
            unknown = unknown_below(g_ptr_array_index(d->saved, k), seen);
        for (guint k = 0; !unknown && k < d->snapshots->len; k++) {
            ChainSnapshot *s = g_ptr_array_index(d->snapshots, k);

            if (!gone || !g_hash_table_contains(gone, s))
                unknown = unknown_of_snapshot(s, seen);
        }
    }
    return unknown;
}

/* --- in words ------------------------------------------------------------------------------- */

static char *why(const ChainGraph *graph, const ChainImage *image)
{
    if (is_anywhere(image) && image->source->type == CHAIN_SOURCE_VOLUME)
        return g_strdup_printf(_("It is not known which file volume '%s' is: its storage pool is "
                                 "not there or does not say"), image->path);
    if (is_anywhere(image))
        return g_strdup_printf(_("It is not known of which file '%s' is a part"), image->path);
    if (image->flags & CHAIN_IMAGE_FORMATS_DIFFER)
        return g_strdup_printf(_("What image '%s' stands on is not known: its format is recorded "
                                 "as '%s' and as '%s'"), image->path, image->format,
                               image->other_format);
    if (image->flags & CHAIN_IMAGE_MISSING)
        return g_strdup_printf(_("What image '%s' stands on is not known: it is missing"),
                               image->path);
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

/* A domain that needs it, or NULL. */
static const ChainDomain *domain_of(const ChainImage *image)
{
    return image->domains->len ? g_ptr_array_index(image->domains, 0) : NULL;
}

char *chain_unknown_message(const ChainGraph *graph, const ChainImage *image)
{
    const ChainDomain *d = domain_of(image);
    char *message = why(graph, image);

    if (d) {
        g_autofree char *alone = message;

        message = g_strdup_printf(_("%s; domain '%s' needs it"), alone, d->name);
    }
    return message;
}

char *chain_unknown_remedy(const ChainImage *image)
{
    const ChainDomain *d = domain_of(image);
    const char *word = d ? chain_domain_word(d) : "DOMAIN";
    g_autofree char *edit = chain_command("virsh", "edit", word, NULL);
    g_autofree char *check = chain_command("virsh-ext", "chain-show", word, "--", "--check", NULL);

    if (is_anywhere(image) && image->source->type == CHAIN_SOURCE_VOLUME)
        return g_strdup_printf(_("Define storage pool '%s' and start it, or take the volume out "
                                 "with: %s"), image->source->pool ? image->source->pool : "",
                               edit);
    if (image->flags & CHAIN_IMAGE_FORMATS_DIFFER)
        return g_strdup_printf(_("Correct the format that is wrong with: %s"), edit);
    if (image->flags & CHAIN_IMAGE_MISSING)
        return g_strdup_printf(_("Put it back, or mount what it lies on; if it is gone for good, "
                                 "take what names it out of the domain or delete its snapshot "
                                 "with --metadata; or say in a <backingStore> what it stands on "
                                 "with: %s"), edit);
    if (!image->format && !is_anywhere(image))
        return g_strdup_printf(_("See how to record it with: %s"), check);
    if (is_anywhere(image) || image->source->type == CHAIN_SOURCE_NETWORK)
        return g_strdup_printf(_("Say in a <backingStore> of the disk, down to an empty one, what "
                                 "it stands on with: %s"), edit);
    return g_strdup(_("Start a storage pool over its directory, or run this where the image can "
                      "be read"));
}

/* What chain-show tells: that an image is missing is a finding there. */
static gboolean is_told(const ChainImage *image)
{
    if (image->flags & CHAIN_IMAGE_MISSING)
        return FALSE;
    return is_anywhere(image) || is_read_otherwise(image) ||
           (!image->backing && !image->backing_known);
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

            if (!is_told(image))
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
