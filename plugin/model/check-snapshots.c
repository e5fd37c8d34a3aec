/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * check-snapshots.c: whether the snapshots of a domain still have their states
 */
#include "config.h"

#include "include/vext-i18n.h"
#include "plugin/model/check-private.h"

static ChainFinding *add_stale(Check *c, ChainSeverity severity, const char *target,
                               ChainImage *image, ChainSnapshot *s, char *message)
{
    const char *name = c->domain->name;
    g_autofree char *repair = chain_command("chain-repair", name, NULL);
    /* libvirt 9.0's own makes the snapshots above name wrong images */
    g_autofree char *forget = chain_command("snapshot-delete-external", name, s->name,
                                            "--", "--metadata", NULL);
    ChainFinding *finding;

    finding = check_add(c, "stale-snapshot", severity, target, image, message,
                        g_strdup_printf(_("Run '%s'; what cannot be repaired is forgotten with "
                                          "'%s'"), repair, forget));
    finding->snapshot = g_strdup(s->name);
    return finding;
}

static gboolean is_missing(const ChainImage *image)
{
    return image && image->flags & CHAIN_IMAGE_MISSING;
}

/* --- images that are written ---------------------------------------------------------------- */

/* The disk that writes @image: of the domain itself also after its next start, of others when
 * they run. That one of these would write it if it was started is said of the image. */
static const ChainDisk *written_by(const Check *c, const ChainImage *image)
{
    guint i;

    for (i = 0; i < c->domain->disks->len; i++) {
        const ChainDisk *disk = g_ptr_array_index(c->domain->disks, i);

        if (!disk->readonly && (disk->active == image || disk->configured == image))
            return disk;
    }
    return image->writer && image->writer->domain->active ? image->writer : NULL;
}

/* The uppermost image below @image that is written, and by which disk, or NULL. */
static ChainImage *written_below(Check *c, const ChainImage *image, const ChainDisk **disk)
{
    ChainImage *below;

    for (below = image->backing; below; below = below->backing) {
        if (g_hash_table_contains(c->quiet, below))
            break;
        *disk = written_by(c, below);
        if (*disk)
            return below;
    }
    for (below = image->backing; below && g_hash_table_add(c->quiet, below);)
        below = below->backing;
    return NULL;
}

static gboolean check_written(Check *c, ChainSnapshot *s, const ChainSnapshotDisk *sd)
{
    const ChainDisk *disk = written_by(c, sd->frozen);
    ChainImage *below;

    if (disk && disk->domain != c->domain) {
        add_stale(c, CHAIN_ERROR, sd->target, sd->frozen, s,
                  g_strdup_printf(_("Image '%s' with the state of snapshot '%s' is the one that "
                                    "disk '%s' of domain '%s' writes: the state is lost or about "
                                    "to be"), sd->frozen->path, s->name, disk->target,
                                  disk->domain->name));
    } else if (disk && disk->active == sd->frozen) {
        add_stale(c, CHAIN_ERROR, sd->target, sd->frozen, s,
                  g_strdup_printf(_("Image '%s' with the state of snapshot '%s' is the one that "
                                    "the domain writes: the state is lost or about to be"),
                                  sd->frozen->path, s->name));
    } else if (disk) {
        /* libvirt 7.0 leaves it so when it takes a snapshot of a running guest on a volume */
        add_stale(c, CHAIN_ERROR, sd->target, sd->frozen, s,
                  g_strdup_printf(_("Image '%s' with the state of snapshot '%s' is the one that "
                                    "the domain writes after its next start: the state will be "
                                    "lost"), sd->frozen->path, s->name));
    } else if ((below = written_below(c, sd->frozen, &disk))) {
        add_stale(c, CHAIN_ERROR, sd->target, below, s,
                  g_strdup_printf(_("The state of snapshot '%s' stands on image '%s', which disk "
                                    "'%s' of domain '%s' writes: it is lost or about to be"),
                                  s->name, below->path, disk->target, disk->domain->name));
    } else {
        return FALSE;
    }
    return TRUE;
}

/* --- merges by hand ------------------------------------------------------------------------- */

/* The image whose direct backing is @frozen and which is in use, unless it is @overlay. */
static ChainImage *other_overlay(const ChainImage *frozen, const ChainImage *overlay)
{
    guint i;

    for (i = 0; i < frozen->overlays->len; i++) {
        ChainImage *image = g_ptr_array_index(frozen->overlays, i);

        if (image != overlay && (image->users->len || image->frozen_by->len))
            return image;
    }
    return NULL;
}

/* What was committed into @base came after the states of @base and of what is between it and
 * @top, whose own state it was. */
static void lose_states(Check *c, const ChainImage *top, ChainImage *base, const char *target)
{
    ChainImage *image;
    guint i;

    for (image = top->backing; image; image = image->backing) {
        for (i = 0; i < image->frozen_by->len; i++) {
            ChainSnapshot *t = g_ptr_array_index(image->frozen_by, i);
            ChainSnapshotDisk *td = chain_snapshot_disk(t, target);

            if (t->domain == c->domain && td && td->frozen == image &&
                g_hash_table_add(c->lost, td))
                add_stale(c, CHAIN_ERROR, target, image, t,
                          g_strdup_printf(_("Later layers were committed into image '%s': the "
                                            "state of snapshot '%s' is lost"),
                                          base->path, t->name))->by_merge = TRUE;
        }
        if (image == base)
            return;
    }
}

/*
 * The image that followed @s does not stand on the state of @s any more. Layers were pulled up
 * into it, which leaves frozen images as they were, or committed down into what it stands on now.
 * Both leave the same picture; only a commit writes a frozen image (chain-repair judges the same
 * way).
 */
static void check_merged(Check *c, ChainSnapshot *s, const ChainSnapshotDisk *sd)
{
    ChainImage *base = sd->overlay->backing;
    int written = base ? chain_image_written_since(base, s, sd->overlay) : 0;

    if (!base)
        return;
    if (!chain_image_stands_on(sd->frozen, base) || written < 0)
        add_stale(c, CHAIN_WARNING, sd->target, sd->frozen, s,
                  g_strdup_printf(_("Image '%s' that followed snapshot '%s' does not stand on "
                                    "'%s' any more: layers were merged without the snapshot"),
                                  sd->overlay->path, s->name, sd->frozen->path));
    else if (written)
        lose_states(c, sd->frozen, base, sd->target);
}

static void check_overlay(Check *c, ChainSnapshot *s, const ChainSnapshotDisk *sd)
{
    ChainImage *frozen = sd->frozen;
    ChainImage *overlay = sd->overlay;
    ChainImage *now;

    if (is_missing(overlay)) {
        /* a discarded overlay is normal; one that was another snapshot's state was merged */
        now = check_frozen_in(overlay, c->domain) ? other_overlay(frozen, overlay) : NULL;
        if (now)
            add_stale(c, CHAIN_WARNING, sd->target, overlay, s,
                      g_strdup_printf(_("Image '%s' that followed snapshot '%s' is gone and '%s' "
                                        "stands in its place: the state of the snapshot may "
                                        "have been merged away"),
                                      overlay->path, s->name, now->path));
        return;
    }
    /* which file a volume is that no pool tells the path of is not known */
    if (frozen->source->type == CHAIN_SOURCE_VOLUME && !frozen->source->path)
        return;
    if (!overlay->backing_known || overlay->flags & (CHAIN_IMAGE_LOOP | CHAIN_IMAGE_UNREADABLE) ||
        overlay->backing == frozen || overlay == frozen)
        return;
    if (chain_snapshot_state(sd) != frozen)
        add_stale(c, CHAIN_WARNING, sd->target, frozen, s,
                  g_strdup_printf(_("Snapshot '%s' names '%s' as its state, but the image that "
                                    "followed it stands on '%s'"),
                                  s->name, frozen->path, overlay->backing->path));
    else
        check_merged(c, s, sd);
}

/* --- deletions by libvirt itself -------------------------------------------------------------- */

/* What libvirt merges into is gone from the first byte on; nobody knows how far it came. */
static void check_half_merged(Check *c, ChainSnapshot *s, ChainSnapshotDisk *sd)
{
    const char *name = c->domain->name;
    ChainFinding *finding;

    if (sd->frozen && chain_image_half_merged(sd->frozen)) {
        finding = check_add(c, "stale-snapshot", CHAIN_ERROR, sd->target, sd->frozen,
                            g_strdup_printf(_("libvirt has begun to delete snapshot '%s' and has "
                                              "not finished: its state may be half merged"),
                                            s->name),
                            check_remedy(_("Finish with '%s'"),
                                         chain_command("snapshot-delete-external", name, s->name,
                                                       NULL)));
        finding->snapshot = g_strdup(s->name);
    }
    if (!sd->delete_in_progress || !sd->overlay || sd->overlay->frozen_by->len)
        return;
    finding = check_add(c, "interrupted-operation", CHAIN_WARNING, sd->target, sd->overlay,
                        g_strdup_printf(_("A deletion by libvirt has left its mark on snapshot "
                                          "'%s': libvirt refuses to delete that one"), s->name),
                        check_remedy(_("Run '%s'"), chain_command("chain-repair", name, NULL)));
    finding->snapshot = g_strdup(s->name);
}

/* --- all snapshots -------------------------------------------------------------------------- */

static void check_snapshot_disk(Check *c, ChainSnapshot *s, ChainSnapshotDisk *sd)
{
    ChainImage *frozen = sd->frozen;

    if (sd->kind == CHAIN_SNAP_INTERNAL) {
        if (is_missing(frozen))
            add_stale(c, CHAIN_ERROR, sd->target, frozen, s,
                      g_strdup_printf(_("Image '%s' that holds the state of snapshot '%s' is "
                                        "missing"), frozen->path, s->name));
        return;
    }
    if (sd->kind != CHAIN_SNAP_EXTERNAL || !frozen)
        return;
    if (sd->frozen_inactive && sd->frozen_inactive != frozen)
        add_stale(c, CHAIN_WARNING, sd->target, frozen, s,
                  g_strdup_printf(_("Snapshot '%s' names two images as its state, '%s' and '%s'"),
                                  s->name, frozen->path, sd->frozen_inactive->path));
    if (is_missing(frozen))
        add_stale(c, CHAIN_ERROR, sd->target, frozen, s,
                  g_strdup_printf(_("Image '%s' with the state of snapshot '%s' is missing"),
                                  frozen->path, s->name));
    else if ((frozen == sd->overlay || !check_written(c, s, sd)) && sd->overlay)
        check_overlay(c, s, sd);
    check_half_merged(c, s, sd);
}

void check_snapshots(Check *c)
{
    gboolean external = FALSE, internal = FALSE;
    ChainSnapshot *first_internal = NULL;
    guint i, j;

    for (i = 0; i < c->domain->snapshots->len; i++) {
        ChainSnapshot *s = g_ptr_array_index(c->domain->snapshots, i);
        gboolean ext = s->memory == CHAIN_MEMORY_EXTERNAL;
        gboolean in = s->memory == CHAIN_MEMORY_INTERNAL;

        for (j = 0; j < s->disks->len; j++) {
            ChainSnapshotDisk *sd = g_ptr_array_index(s->disks, j);

            ext |= sd->kind == CHAIN_SNAP_EXTERNAL;
            in |= sd->kind == CHAIN_SNAP_INTERNAL;
            check_snapshot_disk(c, s, sd);
        }
        external |= ext;
        internal |= in;
        if (in && !first_internal)
            first_internal = s;
        if (s->memory == CHAIN_MEMORY_EXTERNAL && s->memory_missing)
            add_stale(c, CHAIN_WARNING, NULL, NULL, s,
                      g_strdup_printf(_("Memory file '%s' of snapshot '%s' is missing"),
                                      s->memory_file ? s->memory_file : "", s->name));
        if (ext && !s->has_domain)
            add_stale(c, CHAIN_WARNING, NULL, NULL, s,
                      g_strdup_printf(_("Snapshot '%s' carries no domain definition: it cannot "
                                        "be reverted to"), s->name));
    }
    if (external && internal) {
        ChainFinding *finding;

        finding = check_add(c, "internal-and-external", CHAIN_WARNING, NULL, NULL,
                            g_strdup_printf(_("Domain '%s' has internal and external snapshots; "
                                              "merging an image loses the internal snapshots in "
                                              "it"), c->domain->name),
                            check_remedy(_("Delete internal snapshots that are not needed with "
                                           "'%s'"),
                                         chain_command("snapshot-delete",
                                                       chain_domain_word(c->domain),
                                                       first_internal->name, NULL)));
        finding->snapshot = g_strdup(first_internal->name);
    }
}
