/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * files.c: removing what nobody needs any more
 *
 * The world is read once more after the last change of metadata, all domains and what lies
 * beside the images, and each file must be unneeded in it: under no image, in no disk, in no
 * snapshot. And it must be the file that was planned, by what it is.
 */
#include "config.h"

#include "include/vext-i18n.h"
#include "plugin/backend/files.h"
#include "plugin/backend/memory.h"
#include "plugin/exec/layers.h"
#include "plugin/exec/world.h"

static gboolean has(GPtrArray *images, const ChainImage *image)
{
    for (guint i = 0; images && i < images->len; i++) {
        if (g_ptr_array_index(images, i) == image)
            return TRUE;
    }
    return FALSE;
}

/* Whether this operation removes it too, before or after. */
static gboolean goes_too(const ExecStep *s, const ChainImage *image)
{
    for (guint i = 0; i < s->plan->files->len; i++) {
        const PlanFile *file = g_ptr_array_index(s->plan->files, i);

        if (file->image && exec_find_image(s->ctx->world, file->image) == image)
            return TRUE;
    }
    return FALSE;
}

/* Its state. That its <disks> name the image only tells that it was made for it once: libvirt's
 * own revert leaves such names behind too. */
static gboolean snapshot_needs(const ChainSnapshot *snapshot, const ChainImage *image)
{
    for (guint i = 0; i < snapshot->disks->len; i++) {
        const ChainSnapshotDisk *disk = g_ptr_array_index(snapshot->disks, i);

        if (disk->frozen == image || disk->frozen_inactive == image)
            return TRUE;
    }
    return FALSE;
}

/* Who needs @image: a description, new string, or NULL. @own: set when it is our domain. */
static char *needed_by(const ExecStep *s, const ChainImage *image, gboolean *own)
{
    const ChainGraph *world = s->ctx->world;

    *own = FALSE;
    for (guint i = 0; i < world->domains->len; i++) {
        const ChainDomain *d = g_ptr_array_index(world->domains, i);

        for (guint k = 0; k < d->disks->len; k++) {
            const ChainDisk *disk = g_ptr_array_index(d->disks, k);

            if (disk->active == image || disk->configured == image ||
                has(disk->live_chain, image) || has(disk->config_chain, image) ||
                has(image->users, (const ChainImage *)disk)) {
                *own = g_strcmp0(d->uuid, s->plan->uuid) == 0;
                return g_strdup_printf(_("domain '%s'"), d->name);
            }
        }
        if (has(d->saved, image))
            return g_strdup_printf(_("the managed save image of domain '%s'"), d->name);
        for (guint k = 0; k < d->snapshots->len; k++) {
            const ChainSnapshot *snapshot = g_ptr_array_index(d->snapshots, k);

            if (snapshot_needs(snapshot, image))
                return g_strdup_printf(_("snapshot '%s' of domain '%s'"), snapshot->name,
                                       d->name);
        }
    }
    for (guint i = 0; i < image->overlays->len; i++) {
        const ChainImage *overlay = g_ptr_array_index(image->overlays, i);

        char *who;

        /* What goes too must be unneeded itself; chains have no loops after linking. */
        if (!goes_too(s, overlay))
            return g_strdup_printf(_("image '%s'"), overlay->path);
        who = needed_by(s, overlay, own);
        if (who)
            return who;
    }
    return NULL;
}

/* Whether @path and @other are one file, whose identity is @key where it can be seen here. Where
 * it cannot, links are not to be seen either: then a file of that name in another directory may be
 * it, if it is this domain's (@own). */
static gboolean same_memory(const char *path, const char *key, const char *other, gboolean own)
{
    g_autoptr(ChainSource) source = chain_source_new_file(path);
    g_autoptr(ChainSource) other_source = chain_source_new_file(other);
    g_autofree char *name = g_path_get_basename(path);
    g_autofree char *other_name = g_path_get_basename(other);
    g_autofree char *source_key = chain_source_key(source);
    g_autofree char *other_key = chain_source_key(other_source);
    g_autofree char *identity = key ? backend_file_identity(other) : NULL;

    if (g_str_equal(source_key, other_key))
        return TRUE;
    if (key && identity)
        return g_str_equal(identity, key);
    return own && g_str_equal(name, other_name);
}

/* @key: its identity, or NULL where it is not known. */
static char *memory_needed_by(const ExecStep *s, const char *path, const char *key)
{
    for (guint i = 0; i < s->ctx->world->domains->len; i++) {
        const ChainDomain *d = g_ptr_array_index(s->ctx->world->domains, i);

        for (guint k = 0; k < d->snapshots->len; k++) {
            const ChainSnapshot *snapshot = g_ptr_array_index(d->snapshots, k);

            if (snapshot->memory_file &&
                same_memory(path, key, snapshot->memory_file,
                            g_strcmp0(d->uuid, s->plan->uuid) == 0))
                return g_strdup_printf(_("snapshot '%s' of domain '%s'"), snapshot->name,
                                       d->name);
        }
    }
    return NULL;
}

/* What the image of @file is, to be removed as that and as nothing else. What --save-current has
 * made was not there when it was planned: it is known by what it stands on. */
static const char *identity_of(const ExecStep *s, const PlanFile *file, const ChainImage *image)
{
    for (guint i = 0; image && i < s->plan->save_overlays->len; i++) {
        const PlanOverlay *o = g_ptr_array_index(s->plan->save_overlays, i);

        if (g_str_equal(o->overlay->key, file->image->key) && image->backing &&
            image->backing == exec_find_image(s->ctx->world, o->frozen))
            return image->key;
    }
    return file->image->key;
}

/* What this operation has made nothing stands on that cannot be seen now. */
static gboolean made_here(const ExecStep *s, const PlanFile *file)
{
    for (guint i = 0; file->image && i < s->plan->save_overlays->len; i++) {
        const PlanOverlay *o = g_ptr_array_index(s->plan->save_overlays, i);

        if (g_str_equal(o->overlay->key, file->image->key))
            return TRUE;
    }
    return FALSE;
}

/* Nobody is told that it is discarded. */
static gboolean left(ExecStep *s, char *note_take)
{
    PlanFile *file = g_ptr_array_index(s->plan->files, s->step->file);

    file->stays = TRUE;
    exec_note(s->ctx, note_take);
    return TRUE;
}

/* What is not known of who needs it: a sentence, new string, or NULL. */
static char *unproved(const ExecStep *s, const PlanFile *file)
{
    const ChainGraph *world = s->ctx->world;
    const ChainImage *unknown;

    if (!world->complete) {
        const ChainUnknown *first = world->unknown->len ? g_ptr_array_index(world->unknown, 0)
                                                        : NULL;

        return g_strdup(first ? first->message : _("Not all domains and snapshots of the "
                                                   "connection could be read"));
    }
    unknown = file->image ? chain_graph_unknown(world, NULL) : NULL;
    return unknown ? chain_unknown_message(world, unknown) : NULL;
}

static gboolean run_remove(ExecStep *s, GError **error)
{
    ExecContext *ctx = s->ctx;
    const PlanFile *file = g_ptr_array_index(s->plan->files, s->step->file);
    const char *path = file->memory_file;
    const char *key = NULL;
    gint64 born = 0;
    g_autofree char *who = NULL, *memory_key = NULL, *message = NULL;
    g_autoptr(GError) problem = NULL;
    gboolean own = FALSE, seen = FALSE;

    if (!ctx->world) {
        ctx->world = exec_read_world(ctx, error);
        if (!ctx->world)
            return FALSE;
    }
    if (file->image) {
        ChainImage *image = exec_find_image(ctx->world, file->image);

        if (file->image->source->type != CHAIN_SOURCE_FILE &&
            file->image->source->type != CHAIN_SOURCE_VOLUME)
            return left(s, g_strdup_printf(_("'%s' is not needed any more; it is no file and is "
                                             "left to you"), file->image->path));
        path = file->image->source->path;
        key = identity_of(s, file, image);
        born = file->image->born;
        if (image)
            who = needed_by(s, image, &own);
        /* That it is in the world says nothing, nor that something stands on it: what the record
         * names is read, too, and anybody can make an overlay on any file. */
        seen = (image && image->domains->len + image->overlay_of->len > 0) ||
               g_hash_table_contains(ctx->images, file->image->key);
    } else {
        memory_key = ctx->local ? backend_file_identity(path) : NULL;
        who = memory_needed_by(s, path, memory_key);
        if (!who && backend_file_exists(ctx->conn, path, ctx->local) &&
            !backend_memory_check(ctx->conn, path, s->plan->uuid, &problem))
            return left(s, g_strdup_printf(_("'%s' stays: %s"), path, problem->message));
        key = memory_key;
    }
    if (!who && !made_here(s, file) && (message = unproved(s, file)))
        return left(s, g_strdup_printf(_("'%s' stays: %s"),
                                       file->image ? file->image->path : path, message));
    /* What a delete has merged may be used again by whoever wants: it is as good as before. */
    if (who && own && s->plan->operation != PLAN_DELETE) {
        g_set_error(error, EXEC_ERROR, EXEC_ERROR_CHANGED,
                    _("'%s' was to be removed, but %s uses it"), path, who);
        return FALSE;
    }
    if (who)
        return left(s, g_strdup_printf(_("'%s' stays: %s needs it"), path, who));
    if (file->image && !path)
        return left(s, g_strdup_printf(_("'%s' is not needed any more; where it lies is not "
                                         "known, it is left to you"), file->image->path));
    /* The record that was taken up is metadata, which others can have written. What stands on
     * images of ours, or looks as if it could, has been seen. */
    if (file->image && !seen && ctx->taken_up && ctx->local && !backend_may_be_image(path))
        return left(s, g_strdup_printf(_("'%s' stays: nothing but the record of the operation "
                                         "shows that it is an image"), path));
    exec_no_return(ctx);
    switch (backend_remove_file(ctx->conn, path, key, born, ctx->local, &problem)) {
    case BACKEND_FILE_REMOVED:
    case BACKEND_FILE_ABSENT:
        return TRUE;
    case BACKEND_FILE_OTHER:
        return left(s, g_strdup_printf(_("'%s' stays: it is another file than when the operation "
                                         "was planned"), path));
    case BACKEND_FILE_FAILED:
        g_propagate_error(error, g_steal_pointer(&problem));
        return FALSE;
    }
    return FALSE;
}

const ExecStepOps exec_files_ops[] = {
    { PLAN_STEP_REMOVE_FILE, EXEC_DELETE | EXEC_REVERT | EXEC_REPAIR, NULL, NULL, run_remove,
      NULL, NULL },
    { 0 },
};
