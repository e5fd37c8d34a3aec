/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * check.c: what is wrong with a domain's images and snapshots, and what helps
 *
 * A finding is something that a person should know before changing anything. What is normal
 * gives none: a template below the oldest snapshot, images that several snapshots share, an
 * overlay that a revert has discarded.
 */
#include "config.h"

#include "include/vext-i18n.h"
#include "plugin/model/chain.h"

/* What libvirt allows where nothing else is known; a warning from nine tenths on. */
#define USUAL_LAYER_LIMIT 200
#define NEAR_LIMIT(limit) ((limit) - (limit) / 10)

typedef struct {
    ChainGraph *graph;
    ChainDomain *domain;
    GPtrArray *findings;
} Check;

void chain_finding_free(ChainFinding *finding)
{
    if (!finding)
        return;
    g_free(finding->disk);
    g_free(finding->snapshot);
    g_free(finding->message);
    g_free(finding->remedy);
    g_free(finding);
}

/* Takes @message and @remedy. */
static ChainFinding *add(Check *c, const char *code, ChainSeverity severity,
                         const ChainDisk *disk, ChainImage *image, char *message, char *remedy)
{
    ChainFinding *finding = g_new0(ChainFinding, 1);

    finding->code = code;
    finding->severity = severity;
    finding->disk = disk ? g_strdup(disk->target) : NULL;
    finding->image = image;
    finding->message = message;
    finding->remedy = remedy;
    g_ptr_array_add(c->findings, finding);
    return finding;
}

static void add_stale(Check *c, ChainSeverity severity, const char *target, ChainImage *image,
                      ChainSnapshot *s, char *message)
{
    ChainFinding *finding;

    finding = add(c, "stale-snapshot", severity, NULL, image, message,
                  g_strdup_printf(_("Run 'chain-repair %s'; what cannot be repaired is forgotten "
                                    "with 'snapshot-delete %s %s --metadata'"),
                                  c->domain->name, c->domain->name, s->name));
    finding->disk = g_strdup(target);
    finding->snapshot = g_strdup(s->name);
}

static gboolean frozen_in(const ChainImage *image, const ChainDomain *d)
{
    guint i;

    for (i = 0; i < image->frozen_by->len; i++) {
        const ChainSnapshot *s = g_ptr_array_index(image->frozen_by, i);

        if (s->domain == d)
            return TRUE;
    }
    return FALSE;
}

/* In a chain of @d or named by one of its snapshots, not just standing on such an image. */
static gboolean is_ours(const ChainImage *image, const ChainDomain *d)
{
    guint i;

    for (i = 0; i < image->users->len; i++) {
        const ChainDisk *disk = g_ptr_array_index(image->users, i);

        if (disk->domain == d)
            return TRUE;
    }
    for (i = 0; i < image->overlay_of->len; i++) {
        const ChainSnapshot *s = g_ptr_array_index(image->overlay_of, i);

        if (s->domain == d)
            return TRUE;
    }
    return frozen_in(image, d);
}

static gboolean used_elsewhere(const ChainImage *image, const ChainDomain *d, const char **who)
{
    guint i;

    for (i = 0; i < image->users->len; i++) {
        const ChainDisk *disk = g_ptr_array_index(image->users, i);

        if (disk->domain != d) {
            *who = disk->domain->name;
            return TRUE;
        }
    }
    for (i = 0; i < image->frozen_by->len; i++) {
        const ChainSnapshot *s = g_ptr_array_index(image->frozen_by, i);

        if (s->domain != d) {
            *who = s->domain->name;
            return TRUE;
        }
    }
    return FALSE;
}

/* --- one image ------------------------------------------------------------------------------ */

static void check_there(Check *c, ChainDisk *disk, ChainImage *image)
{
    if (image->flags & CHAIN_IMAGE_MISSING) {
        /* a snapshot's image has a finding of its own, unless the guest stands on it, and an
         * overlay on which nothing stands was discarded by a revert */
        if (!g_ptr_array_find(image->users, disk, NULL) &&
            (frozen_in(image, c->domain) || image->overlays->len == 0))
            return;
        add(c, "missing-image", CHAIN_ERROR, disk, image,
            g_strdup_printf(_("Image '%s' is missing"), image->path),
            g_strdup_printf(_("Put the file back, or take the disk out of the domain with "
                              "'detach-disk %s %s --config'"), c->domain->name, disk->target));
    } else if (image->flags & CHAIN_IMAGE_UNREADABLE) {
        add(c, "unreadable-image", CHAIN_WARNING, disk, image,
            g_strdup_printf(_("Image '%s' cannot be read: what it stands on is not known"),
                            image->path),
            image->format
            ? g_strdup_printf(_("See what 'qemu-img info -U -f %s %s' says, as a user who may "
                                "read the file"), image->format, image->path)
            : g_strdup_printf(_("See what 'vol-info %s' says"), image->path));
    }
    if (image->flags & CHAIN_IMAGE_CORRUPT)
        add(c, "corrupt-image", CHAIN_ERROR, disk, image,
            g_strdup_printf(_("Image '%s' is marked as corrupt"), image->path),
            g_strdup_printf(_("Keep a copy, then look at 'qemu-img check -f %s %s' while the "
                              "domain is shut off"),
                            image->format ? image->format : "qcow2", image->path));
    if (image->flags & CHAIN_IMAGE_LOOP)
        add(c, "backing-loop", CHAIN_ERROR, disk, image,
            g_strdup_printf(_("Image '%s' stands on itself"), image->path),
            g_strdup_printf(_("Name the right backing file with 'qemu-img rebase -u -F FORMAT "
                              "-b FILE %s'"), image->path));
}

static void check_format(Check *c, ChainDisk *disk, ChainImage *image)
{
    if (image->flags & CHAIN_IMAGE_FORMAT_GUESSED) {
        ChainImage *overlay = image->overlays->len
                              ? g_ptr_array_index(image->overlays, 0) : NULL;

        if (overlay)
            add(c, "format-not-recorded", CHAIN_WARNING, disk, image,
                g_strdup_printf(_("Image '%s' does not record the format of its backing file "
                                  "'%s', which is not opened therefore"),
                                overlay->path, image->path),
                g_strdup_printf(_("Record it while the domain is shut off: 'qemu-img rebase -u "
                                  "-f %s -F FORMAT -b %s %s'"),
                                overlay->format ? overlay->format : "qcow2",
                                overlay->backing_spec ? overlay->backing_spec : image->path,
                                overlay->path));
        else
            add(c, "format-not-recorded", CHAIN_WARNING, disk, image,
                g_strdup_printf(_("The format of image '%s' is recorded nowhere"), image->path),
                g_strdup_printf(_("Record it as the driver's type of disk '%s' with 'edit %s'"),
                                disk->target, c->domain->name));
    }
}

static void check_shared(Check *c, ChainDisk *disk, ChainImage *image)
{
    const char *who;

    if (!is_ours(image, c->domain) || !used_elsewhere(image, c->domain, &who))
        return;
    if (image == disk->active && !disk->readonly && !disk->shareable) {
        add(c, "shared-image", CHAIN_WARNING, disk, image,
            g_strdup_printf(_("Image '%s' is being written, and domain '%s' uses it too"),
                            image->path, who),
            g_strdup_printf(_("See 'chain-show %s' and give each domain an overlay of its own"),
                            who));
        return;
    }
    if (disk->readonly && image == disk->active)
        return;
    add(c, "shared-image", CHAIN_NOTICE, disk, image,
        g_strdup_printf(_("Image '%s' is also used by domain '%s'"), image->path, who),
        g_strdup_printf(_("Nothing to do: it is kept as it is; see 'chain-show %s'"), who));
}

/* --- chains --------------------------------------------------------------------------------- */

/*
 * Above the oldest frozen image each image is some snapshot's or the active one. What is below
 * that is a template, and a branch's uppermost image is what a revert left.
 */
static void check_unmanaged(Check *c, ChainDisk *disk, GPtrArray *images)
{
    guint i;

    for (i = 0; i < images->len; i++) {
        ChainImage *image = g_ptr_array_index(images, i);
        ChainImage *below;
        ChainSnapshot *s = NULL;
        guint k;

        if (image == disk->active || image == disk->configured || image->overlays->len == 0 ||
            image->flags & CHAIN_IMAGE_ORPHAN || frozen_in(image, c->domain))
            continue;
        /* made by another domain on an image of ours: that domain's business */
        if (image->users->len > 0 && !g_ptr_array_find(image->users, disk, NULL))
            continue;
        for (below = image->backing; below && !s; below = below->backing) {
            for (k = 0; k < below->frozen_by->len && !s; k++) {
                ChainSnapshot *t = g_ptr_array_index(below->frozen_by, k);

                if (t->domain == c->domain)
                    s = t;
            }
        }
        if (!s)
            continue;
        add(c, "unmanaged-layer", CHAIN_WARNING, disk, image,
            g_strdup_printf(_("Image '%s' belongs to no snapshot"), image->path),
            g_strdup_printf(_("It does no harm; 'snapshot-delete-external %s %s' merges it with "
                              "the snapshot below it"), c->domain->name, s->name));
    }
}

static void check_depth(Check *c, ChainDisk *disk)
{
    g_autoptr(GPtrArray) chain = chain_image_chain(disk->active);
    guint limit = c->graph->layer_limit ? c->graph->layer_limit : USUAL_LAYER_LIMIT;
    char *remedy;

    if (chain->len < NEAR_LIMIT(limit))
        return;
    remedy = c->domain->snapshots->len
             ? g_strdup_printf(_("Delete snapshots that are not needed with "
                                 "'snapshot-delete-external %s NAME…'"), c->domain->name)
             : g_strdup_printf(_("Merge layers with 'blockpull %s %s --wait' while the domain "
                                 "runs"), c->domain->name, disk->target);
    if (chain->len > limit)
        add(c, "deep-chain", CHAIN_ERROR, disk, disk->active,
            g_strdup_printf(_("Disk '%s' has a chain of %u images; a domain with more than %u "
                              "does not start here"), disk->target, chain->len, limit), remedy);
    else
        add(c, "deep-chain", CHAIN_WARNING, disk, disk->active,
            g_strdup_printf(_("Disk '%s' has a chain of %u images; the limit is %u"),
                            disk->target, chain->len, limit), remedy);
}

static void check_relative(Check *c, ChainDisk *disk, GPtrArray *images)
{
    ChainImage *first = NULL;
    guint n = 0;
    guint i;

    for (i = 0; i < images->len; i++) {
        ChainImage *image = g_ptr_array_index(images, i);

        if (image->flags & CHAIN_IMAGE_RELATIVE) {
            n++;
            first = image;
        }
    }
    if (!n)
        return;
    add(c, "relative-backing", CHAIN_NOTICE, disk, first,
        g_strdup_printf(P_("%u image of disk '%s' names its backing file relative to itself, "
                           "'%s'",
                           "%u images of disk '%s' name their backing file relative to "
                           "themselves, such as '%s'", n), n, disk->target, first->path),
        g_strdup_printf(_("Move the files only together; the name is made absolute with "
                          "'qemu-img rebase -u -f %s -F FORMAT -b FILE %s' while the domain is "
                          "shut off"), first->format ? first->format : "qcow2", first->path));
}

/* @told is from the active image down, as @what says it; as far as both sides know. */
static void check_agreement(Check *c, ChainDisk *disk, ChainImage *top, GPtrArray *told,
                            gboolean live)
{
    g_autoptr(GPtrArray) chain = NULL;
    guint i;

    /* a job is about to change both */
    if (!told || !top || disk->job)
        return;
    chain = chain_image_chain(top);
    for (i = 0; i < told->len; i++) {
        ChainImage *is = i < chain->len ? g_ptr_array_index(chain, i) : NULL;
        ChainImage *says = g_ptr_array_index(told, i);

        if (is == says)
            continue;
        if (!is && i > 0) {
            const ChainImage *last = g_ptr_array_index(chain, i - 1);

            if (!last->backing_known || last->flags & CHAIN_IMAGE_LOOP)
                return;
        }
        if (live)
            add(c, "chain-mismatch", CHAIN_ERROR, disk, says,
                g_strdup_printf(_("The running domain has '%s' open where the image headers of "
                                  "disk '%s' lead to '%s'"), says->path, disk->target,
                                is ? is->path : _("no image")),
                g_strdup_printf(_("Change nothing in this chain before it is understood: compare "
                                  "'dumpxml %s' with 'qemu-img info'"), c->domain->name));
        else
            add(c, "chain-mismatch", CHAIN_WARNING, disk, says,
                g_strdup_printf(_("The configuration of disk '%s' names '%s' as backing file "
                                  "where the image headers lead to '%s': the domain may not "
                                  "start"), disk->target, says->path,
                                is ? is->path : _("no image")),
                g_strdup_printf(_("Run 'chain-repair %s', or remove <backingStore> with 'edit "
                                  "%s'"), c->domain->name, c->domain->name));
        return;
    }
}

static void check_orphans(Check *c, ChainDisk *disk, GPtrArray *images)
{
    guint i, j;

    for (i = 0; i < images->len; i++) {
        ChainImage *image = g_ptr_array_index(images, i);

        for (j = 0; j < image->overlays->len; j++) {
            ChainImage *overlay = g_ptr_array_index(image->overlays, j);

            /* what stands on an orphan has been or will be met as an overlay of the orphan */
            if (!(overlay->flags & CHAIN_IMAGE_ORPHAN) || overlay->users->len ||
                overlay->frozen_by->len || overlay->overlay_of->len)
                continue;
            add(c, "orphan-file", CHAIN_WARNING, disk, overlay,
                g_strdup_printf(_("File '%s' stands on '%s' and no domain and no snapshot uses "
                                  "it"), overlay->path, image->path),
                g_strdup_printf(_("If nothing outside libvirt needs it, remove it with "
                                  "'vol-delete %s'"), overlay->path));
            if (!g_ptr_array_find(images, overlay, NULL))
                g_ptr_array_add(images, overlay);
        }
    }
}

/* --- snapshots ------------------------------------------------------------------------------ */

static gboolean is_missing(const ChainImage *image)
{
    return image && image->flags & CHAIN_IMAGE_MISSING;
}

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

static void check_snapshot_disk(Check *c, ChainSnapshot *s, ChainSnapshotDisk *sd)
{
    ChainDisk *disk = chain_domain_disk(c->domain, sd->target);
    ChainImage *frozen = sd->frozen;
    ChainImage *overlay = sd->overlay;

    if (sd->kind == CHAIN_SNAP_INTERNAL) {
        if (is_missing(frozen))
            add_stale(c, CHAIN_ERROR, sd->target, frozen, s,
                      g_strdup_printf(_("Image '%s' that holds the state of snapshot '%s' is "
                                        "missing"), frozen->path, s->name));
        return;
    }
    if (sd->kind != CHAIN_SNAP_EXTERNAL || !frozen)
        return;

    if (is_missing(frozen)) {
        add_stale(c, CHAIN_ERROR, sd->target, frozen, s,
                  g_strdup_printf(_("Image '%s' with the state of snapshot '%s' is missing"),
                                  frozen->path, s->name));
        return;
    }
    if (disk && disk->active == frozen && frozen != overlay) {
        add_stale(c, CHAIN_ERROR, sd->target, frozen, s,
                  g_strdup_printf(_("Image '%s' with the state of snapshot '%s' is the one that "
                                    "the domain writes: the state is lost or about to be"),
                                  frozen->path, s->name));
        return;
    }
    /* libvirt 7.0 leaves it so when it takes a snapshot of a running guest on a volume */
    if (disk && disk->configured == frozen && frozen != overlay) {
        add_stale(c, CHAIN_ERROR, sd->target, frozen, s,
                  g_strdup_printf(_("Image '%s' with the state of snapshot '%s' is the one that "
                                    "the domain writes after its next start: the state will be "
                                    "lost"), frozen->path, s->name));
        return;
    }
    if (!overlay)
        return;
    if (is_missing(overlay)) {
        /* a discarded overlay is normal; one that was another snapshot's state was merged */
        ChainImage *now = frozen_in(overlay, c->domain) ? other_overlay(frozen, overlay) : NULL;

        if (now)
            add_stale(c, CHAIN_WARNING, sd->target, overlay, s,
                      g_strdup_printf(_("Image '%s' that followed snapshot '%s' is gone and '%s' "
                                        "stands in its place: the state of the snapshot may "
                                        "have been merged away"),
                                      overlay->path, s->name, now->path));
        return;
    }
    if (!overlay->backing_known || overlay->flags & (CHAIN_IMAGE_LOOP | CHAIN_IMAGE_UNREADABLE) ||
        overlay->backing == frozen || overlay == frozen)
        return;
    if (chain_image_stands_on(overlay, frozen))
        add_stale(c, CHAIN_WARNING, sd->target, frozen, s,
                  g_strdup_printf(_("Snapshot '%s' names '%s' as its state, but the image that "
                                    "followed it stands on '%s'"),
                                  s->name, frozen->path, overlay->backing->path));
    else
        add_stale(c, CHAIN_WARNING, sd->target, frozen, s,
                  g_strdup_printf(_("Image '%s' that followed snapshot '%s' does not stand on "
                                    "'%s' any more: layers were merged without the snapshot"),
                                  overlay->path, s->name, frozen->path));
}

static void check_snapshots(Check *c)
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

        finding = add(c, "internal-and-external", CHAIN_WARNING, NULL, NULL,
                      g_strdup_printf(_("Domain '%s' has internal and external snapshots; merging "
                                        "an image loses the internal snapshots in it"),
                                      c->domain->name),
                      g_strdup_printf(_("Delete internal snapshots that are not needed with "
                                        "'snapshot-delete %s %s'"),
                                      c->domain->name, first_internal->name));
        finding->snapshot = g_strdup(first_internal->name);
    }
}

static void check_interrupted(Check *c)
{
    const ChainOperation *op = c->domain->operation;
    guint i;

    if (op && op->alive)
        return;
    if (op) {
        add(c, "interrupted-operation", CHAIN_ERROR, NULL, NULL,
            op->step
            ? g_strdup_printf(_("'%s' of domain '%s' was interrupted at '%s'"),
                              op->command ? op->command : "", c->domain->name, op->step)
            : g_strdup_printf(_("'%s' of domain '%s' was interrupted"),
                              op->command ? op->command : "", c->domain->name),
            g_strdup_printf(_("Run 'chain-repair %s'"), c->domain->name));
        return;
    }
    for (i = 0; i < c->domain->disks->len; i++) {
        ChainDisk *disk = g_ptr_array_index(c->domain->disks, i);

        if (disk->job && disk->job->ready && g_strcmp0(disk->job->type, "active-commit") == 0)
            add(c, "interrupted-operation", CHAIN_WARNING, disk, disk->active,
                g_strdup_printf(_("A block commit of disk '%s' is ready and waits to be "
                                  "finished"), disk->target),
                g_strdup_printf(_("Run 'chain-repair %s', or finish it with 'blockjob %s %s "
                                  "--pivot'"), c->domain->name, c->domain->name, disk->target));
    }
    for (i = 0; i < c->domain->snapshots->len; i++) {
        ChainSnapshot *s = g_ptr_array_index(c->domain->snapshots, i);
        ChainFinding *finding;

        if (!s->delete_in_progress)
            continue;
        finding = add(c, "interrupted-operation", CHAIN_WARNING, NULL, NULL,
                      g_strdup_printf(_("A deletion of snapshot '%s' was begun and not finished: "
                                        "its state may be half merged"), s->name),
                      g_strdup_printf(_("Run 'snapshot-delete-external %s %s'"),
                                      c->domain->name, s->name));
        finding->snapshot = g_strdup(s->name);
    }
}

GPtrArray *chain_graph_check(ChainGraph *graph, ChainDomain *d)
{
    Check c = { graph, d,
                g_ptr_array_new_with_free_func((GDestroyNotify) chain_finding_free) };
    guint i, j;

    check_interrupted(&c);
    for (i = 0; i < d->disks->len; i++) {
        ChainDisk *disk = g_ptr_array_index(d->disks, i);
        g_autoptr(GPtrArray) images = chain_disk_images(disk);

        for (j = 0; j < images->len; j++) {
            ChainImage *image = g_ptr_array_index(images, j);

            check_there(&c, disk, image);
            check_format(&c, disk, image);
            check_shared(&c, disk, image);
        }
        check_unmanaged(&c, disk, images);
        check_agreement(&c, disk, disk->active, disk->live_chain, TRUE);
        check_agreement(&c, disk, disk->configured, disk->config_chain, FALSE);
        check_depth(&c, disk);
        check_relative(&c, disk, images);
        check_orphans(&c, disk, images);
    }
    check_snapshots(&c);
    return c.findings;
}
