/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * check.c: what is wrong with a domain's images and snapshots, and what helps
 *
 * A finding is something that a person should know before changing anything. What is normal
 * gives none: a template below the oldest snapshot, images that several snapshots share, an
 * overlay that a revert has discarded.
 */
#include "config.h"

#include <string.h>

#include "include/vext-i18n.h"
#include "plugin/model/check-private.h"

/* What libvirt allows where nothing else is known; a warning from nine tenths on. */
#define USUAL_LAYER_LIMIT 200
#define NEAR_LIMIT(limit) ((limit) - (limit) / 10)

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

ChainFinding *check_add(Check *c, const char *code, ChainSeverity severity,
                        const char *target, ChainImage *image, char *message, char *remedy)
{
    ChainFinding *finding = g_new0(ChainFinding, 1);

    finding->code = code;
    finding->severity = severity;
    finding->disk = g_strdup(target);
    finding->image = image;
    finding->message = message;
    finding->remedy = remedy;
    g_ptr_array_add(c->findings, finding);
    return finding;
}

gboolean check_frozen_in(const ChainImage *image, const ChainDomain *d)
{
    guint i;

    for (i = 0; i < image->frozen_by->len; i++) {
        const ChainSnapshot *s = g_ptr_array_index(image->frozen_by, i);

        if (s->domain == d)
            return TRUE;
    }
    return FALSE;
}

/* In a chain of @d, not just standing on such an image. */
static gboolean is_ours(const ChainImage *image, const ChainDomain *d)
{
    return g_ptr_array_find(image->domains, d, NULL);
}

/* The name of a domain other than @d that needs @image, or NULL. */
static const char *used_elsewhere(const ChainImage *image, const ChainDomain *d)
{
    guint i;

    for (i = 0; i < image->domains->len; i++) {
        const ChainDomain *other = g_ptr_array_index(image->domains, i);

        if (other != d)
            return other->name;
    }
    return NULL;
}

/* --- one image ------------------------------------------------------------------------------ */

static const char *format_of(const ChainImage *image)
{
    return image->format ? image->format : "qcow2";
}

/* Only the header is written; FORMAT is for the user to fill in. */
static char *rebase_command(const ChainImage *image, const char *backing)
{
    return chain_command("qemu-img", "rebase", "-u", "-f", format_of(image), "-F", "FORMAT", "-b",
                         backing, image->path, NULL);
}

/* A remedy whose command has FILE in the place of a name that, as it is known here, would not work:
 * @hidden, without its secret; or NULL for one that has none. */
static char *with_hidden(char *remedy_take, const char *hidden)
{
    g_autofree char *remedy = remedy_take;

    return hidden ? g_strdup_printf(_("%s; FILE is '%s' with the secret that is not shown here"),
                                    remedy, hidden)
                  : g_steal_pointer(&remedy);
}

static char *remove_disk(const ChainDomain *d, const ChainDisk *disk)
{
    const char *where = d->persistent ? "--config" : "--live";

    if (!disk->active && !disk->configured)
        return g_strdup(_("Put the file back"));
    if (g_strcmp0(disk->device, "cdrom") == 0 || g_strcmp0(disk->device, "floppy") == 0)
        return check_remedy(_("Put the file back, or take the medium out with '%s'"),
                            chain_command("change-media", chain_domain_word(d), disk->target, "--",
                                          "--eject",
                                          where, NULL));
    return check_remedy(_("Put the file back, or take the disk out of the domain with '%s'"),
                        chain_command("detach-disk", chain_domain_word(d), disk->target, "--",
                                      where, NULL));
}

static void check_there(Check *c, ChainDisk *disk, ChainImage *image)
{
    if (image->flags & CHAIN_IMAGE_MISSING) {
        /* a snapshot's image has a finding of its own, unless the guest stands on it, and an
         * overlay on which nothing stands was discarded by a revert */
        if (!g_ptr_array_find(image->users, disk, NULL) &&
            (check_frozen_in(image, c->domain) || image->overlays->len == 0))
            return;
        check_add(c, "missing-image", CHAIN_ERROR, disk->target, image,
                  g_strdup_printf(_("Image '%s' is missing"), image->path),
                  remove_disk(c->domain, disk));
    } else if (image->flags & CHAIN_IMAGE_UNREADABLE && image->flags & CHAIN_IMAGE_DATA_FILE) {
        check_add(c, "unreadable-image", CHAIN_ERROR, disk->target, image,
                  g_strdup_printf(_("The data file of image '%s' is missing"), image->path),
                  check_remedy(_("Put the file back; its name is in what '%s' says"),
                               chain_command("qemu-img", "info", "-U", "-f", format_of(image),
                                             image->path, NULL)));
    } else if (image->flags & CHAIN_IMAGE_UNREADABLE) {
        check_add(c, "unreadable-image", CHAIN_WARNING, disk->target, image,
                  image->problem
                  ? g_strdup_printf(_("Image '%s' cannot be read, and what it stands on is not "
                                      "known: %s"), image->path, image->problem)
                  : g_strdup_printf(_("Image '%s' cannot be read: what it stands on is not "
                                      "known"), image->path),
                  check_remedy(_("See what '%s' says, as a user who may read the file"),
                               chain_command("qemu-img", "info", "-U", "-f", format_of(image),
                                             image->path, NULL)));
    }
    if (image->flags & CHAIN_IMAGE_CORRUPT)
        check_add(c, "corrupt-image", CHAIN_ERROR, disk->target, image,
                  g_strdup_printf(_("Image '%s' is marked as corrupt"), image->path),
                  check_remedy(_("Keep a copy, then repair it with '%s' while no domain uses it"),
                               chain_command("qemu-img", "check", "-r", "all", "-f",
                                             format_of(image), image->path, NULL)));
    if (image->flags & CHAIN_IMAGE_LOOP)
        check_add(c, "backing-loop", CHAIN_ERROR, disk->target, image,
                  g_strdup_printf(_("Image '%s' stands on itself"), image->path),
                  check_remedy(_("Name the right backing file with '%s'"),
                               rebase_command(image, "FILE")));
}

/* Wherever else its format may be recorded, in the XML of a running domain for one: it has to be
 * in the header of what stands on it. */
static void check_format(Check *c, ChainDisk *disk, ChainImage *image)
{
    gboolean guessed = image->flags & CHAIN_IMAGE_FORMAT_GUESSED;
    const ChainImage *overlay = NULL;
    guint i;

    for (i = 0; i < image->overlays->len && !overlay; i++) {
        const ChainImage *above = g_ptr_array_index(image->overlays, i);

        if (!above->backing_format && (guessed || above->flags & CHAIN_IMAGE_HEADER_READ) &&
            !(above->flags & CHAIN_IMAGE_ORPHAN))
            overlay = above;
    }
    if (overlay) {
        const char *spec = overlay->backing_spec ? overlay->backing_spec : image->path;
        gboolean hidden = chain_spec_is_hidden(spec);

        check_add(c, "format-not-recorded", CHAIN_WARNING, disk->target, image,
                  g_strdup_printf(guessed
                                  ? _("Image '%s' does not record the format of its backing file "
                                      "'%s', which is not opened therefore")
                                  : _("Image '%s' does not record the format of its backing file "
                                      "'%s'"), overlay->path, image->path),
                  with_hidden(check_remedy(_("Record it while the domain is shut off: '%s'"),
                                           rebase_command(overlay, hidden ? "FILE" : spec)),
                              hidden ? spec : NULL));
    } else if (guessed) {
        check_add(c, "format-not-recorded", CHAIN_WARNING, disk->target, image,
                  g_strdup_printf(_("The format of image '%s' is recorded nowhere"), image->path),
                  check_remedy(_("Record it as the type of the disk's driver with '%s'"),
                               chain_command("edit", chain_domain_word(c->domain), NULL)));
    }
}

static void check_shared(Check *c, ChainDisk *disk, ChainImage *image)
{
    const char *who = is_ours(image, c->domain) ? used_elsewhere(image, c->domain) : NULL;
    const ChainDisk *writer = image->writer;

    if (image == disk->active && disk->readonly)
        return;
    /* whoever stands on it sees blocks change below */
    if (writer && writer != disk && image != disk->active && image != disk->configured &&
        g_ptr_array_find(image->users, disk, NULL)) {
        gboolean now = writer->domain->active;

        check_add(c, "shared-image", now ? CHAIN_ERROR : CHAIN_WARNING, disk->target, image,
                  g_strdup_printf(now
                                  ? _("Image '%s', on which disk '%s' stands, is written by disk "
                                      "'%s' of domain '%s'")
                                  : _("Image '%s', on which disk '%s' stands, would be written by "
                                      "disk '%s' of domain '%s' if that was started"),
                                  image->path, disk->target, writer->target,
                                  writer->domain->name),
                  check_remedy(now
                               ? _("Stop that domain and give it an overlay of its own; see '%s'")
                               : _("Give that domain an overlay of its own before it is started; "
                                   "see '%s'"),
                               chain_command("chain-show", chain_domain_word(writer->domain),
                                             NULL)));
        return;
    }
    if (!who)
        return;
    if (image == disk->active && !disk->shareable) {
        check_add(c, "shared-image", CHAIN_WARNING, disk->target, image,
                  g_strdup_printf(_("Image '%s' is being written, and domain '%s' uses it too"),
                                  image->path, who),
                  check_remedy(_("See '%s' and give each domain an overlay of its own"),
                               chain_command("chain-show", who, NULL)));
        return;
    }
    check_add(c, "shared-image", CHAIN_NOTICE, disk->target, image,
              g_strdup_printf(_("Image '%s' is also used by domain '%s'"), image->path, who),
              check_remedy(_("Nothing to do: it is kept as it is; see '%s'"),
                           chain_command("chain-show", who, NULL)));
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
        const ChainImage *below;
        gboolean above = FALSE;

        if (image == disk->active || image == disk->configured || image->overlays->len == 0 ||
            image->flags & CHAIN_IMAGE_ORPHAN || check_frozen_in(image, c->domain))
            continue;
        /* made by another domain on an image of ours: that domain's business */
        if (image->domains->len && !is_ours(image, c->domain))
            continue;
        for (below = image->backing; below && !above; below = below->backing)
            above = check_frozen_in(below, c->domain);
        if (!above)
            continue;
        check_add(c, "unmanaged-layer", CHAIN_WARNING, disk->target, image,
                  g_strdup_printf(_("Image '%s' belongs to no snapshot"), image->path),
                  image->overlays->len > 1
                  ? check_remedy(_("It does no harm; it is merged when one of the images that "
                                   "stand on it is left, or now, into each of them, with '%s'"),
                                 chain_command("snapshot-delete-external",
                                               chain_domain_word(c->domain), "--",
                                               "--unnamed", "--direction", "pull", NULL))
                  : check_remedy(_("It does no harm; merge it with '%s'"),
                                 chain_command("snapshot-delete-external",
                                               chain_domain_word(c->domain), "--",
                                               "--unnamed", NULL)));
    }
}

static char *shorten(const Check *c, const ChainDisk *disk, const GPtrArray *chain, guint limit)
{
    const ChainImage *lower;
    gboolean hidden;

    if (c->domain->snapshots->len)
        return check_remedy(_("Delete snapshots that are not needed with '%s NAME…'"),
                            chain_command("snapshot-delete-external", chain_domain_word(c->domain),
                                          NULL));
    if (chain->len <= limit || c->domain->active)
        return check_remedy(_("Merge layers with '%s' while the domain runs"),
                            chain_command("blockpull", chain_domain_word(c->domain), disk->target,
                                          "--",
                                          "--wait", NULL));
    /* it cannot be started: half of the layers into the active image, and no file goes */
    lower = g_ptr_array_index(chain, chain->len - limit / 2);
    hidden = chain_spec_is_hidden(lower->path);
    return with_hidden(check_remedy(_("Merge layers with '%s' while the domain is shut off"),
                                    chain_command("qemu-img", "rebase", "-f",
                                                  format_of(disk->active), "-F", format_of(lower),
                                                  "-b", hidden ? "FILE" : lower->path,
                                                  disk->active->path, NULL)),
                       hidden ? lower->path : NULL);
}

static void check_depth(Check *c, ChainDisk *disk)
{
    g_autoptr(GPtrArray) chain = chain_image_chain(disk->active);
    guint limit = c->graph->layer_limit ? c->graph->layer_limit : USUAL_LAYER_LIMIT;
    char *remedy;

    if (chain->len < NEAR_LIMIT(limit))
        return;
    remedy = shorten(c, disk, chain, limit);
    if (chain->len > limit)
        check_add(c, "deep-chain", CHAIN_ERROR, disk->target, disk->active,
                  g_strdup_printf(_("Disk '%s' has a chain of %u images; a domain with more than "
                                    "%u does not start here"), disk->target, chain->len, limit),
                  remedy);
    else
        check_add(c, "deep-chain", CHAIN_WARNING, disk->target, disk->active,
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
    check_add(c, "relative-backing", CHAIN_NOTICE, disk->target, first,
              g_strdup_printf(P_("%u image of disk '%s' names its backing file relative to itself, "
                                 "'%s'",
                                 "%u images of disk '%s' name their backing file relative to "
                                 "themselves, such as '%s'", n), n, disk->target, first->path),
              check_remedy(_("Move the files only together; the name is made absolute with '%s' "
                             "while the domain is shut off"), rebase_command(first, "FILE")));
}

static void add_mismatch(Check *c, ChainDisk *disk, const ChainImage *says, ChainImage *is,
                         gboolean live)
{
    const char *said = says ? says->path : _("no image");
    const char *found = is ? is->path : _("no image");
    const char *name = chain_domain_word(c->domain);

    if (live) {
        check_add(c, "chain-mismatch", CHAIN_ERROR, disk->target, (ChainImage *) says,
                  g_strdup_printf(_("The running domain has '%s' open where the image headers of "
                                    "disk '%s' lead to '%s'"), said, disk->target, found),
                  check_remedy(_("Change nothing in this chain before it is understood: compare "
                                 "'%s' with 'qemu-img info'"),
                               chain_command("dumpxml", name, NULL)));
    } else {
        g_autofree char *edit = chain_command("edit", name, NULL);
        g_autofree char *repair = chain_command("chain-repair", name, NULL);

        check_add(c, "chain-mismatch", CHAIN_WARNING, disk->target,
                  (ChainImage *) (says ? says : is),
                  g_strdup_printf(_("The configuration of disk '%s' names '%s' as backing file "
                                    "where the image headers lead to '%s': the domain may not "
                                    "start"), disk->target, said, found),
                  g_strdup_printf(_("Run '%s', or remove <backingStore> with '%s'"), repair,
                                  edit));
    }
}

/* @told is from the active image down, as far as it is told; @ends: it ends where it does. */
static void check_agreement(Check *c, ChainDisk *disk, ChainImage *top, GPtrArray *told,
                            gboolean ends, gboolean live)
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
        add_mismatch(c, disk, says, is, live);
        return;
    }
    if (ends && told->len < chain->len)
        add_mismatch(c, disk, NULL, g_ptr_array_index(chain, told->len), live);
}

static void check_orphans(Check *c, ChainDisk *disk, GPtrArray *images)
{
    guint i, j;

    for (i = 0; i < images->len; i++) {
        ChainImage *image = g_ptr_array_index(images, i);

        for (j = 0; j < image->overlays->len; j++) {
            ChainImage *overlay = g_ptr_array_index(image->overlays, j);

            /* what stands on an orphan has been or will be met as an overlay of the orphan */
            if (!(overlay->flags & CHAIN_IMAGE_ORPHAN) || overlay->domains->len)
                continue;
            check_add(c, "orphan-file", CHAIN_WARNING, disk->target, overlay,
                      g_strdup_printf(_("File '%s', which no domain and no snapshot uses, looks "
                                        "like an image that stands on '%s'"), overlay->path,
                                      image->path),
                      check_remedy(_("Find out whose it is: it may as well be the raw disk of a "
                                     "guest that is not defined here and that has written this "
                                     "into it. If nobody needs it, remove it with '%s'"),
                                   chain_command(c->graph->local ? "rm" : "vol-delete",
                                                 overlay->path, NULL)));
            if (!g_ptr_array_find(images, overlay, NULL))
                g_ptr_array_add(images, overlay);
        }
    }
}

/* --- operations ------------------------------------------------------------------------------ */

/* New string. */
static char *describe_interrupted(const Check *c, const ChainOperation *op)
{
    const char *command = op->command ? op->command : "";
    g_autofree char *names = NULL;

    if (c->domain->undefined)
        return g_strdup_printf(_("'%s' of domain '%s', which is not defined any more, was "
                                 "interrupted at '%s'"), command, c->domain->name,
                               op->step ? op->step : "?");
    if (op->step && op->committing && op->snapshot_names->len) {
        names = chain_quote_names(op->snapshot_names);
        return g_strdup_printf(_("'%s' of domain '%s' was interrupted at '%s', and the state of "
                                 "what it deletes is gone: %s"), command, c->domain->name, op->step,
                               names);
    }
    if (op->step)
        return g_strdup_printf(_("'%s' of domain '%s' was interrupted at '%s'"), command,
                               c->domain->name, op->step);
    return g_strdup_printf(_("'%s' of domain '%s' was interrupted"), command, c->domain->name);
}

static void check_interrupted(Check *c)
{
    const ChainOperation *op = c->domain->operation;
    guint i;

    if (op && op->alive)
        return;
    if (c->domain->unreadable) {
        check_add(c, "unreadable-operation", CHAIN_ERROR, NULL, NULL,
                  g_strdup(c->domain->unreadable),
                  chain_unreadable_remedy(c->domain->helper, c->domain->operation != NULL));
        return;
    }
    if (op) {
        const char *word = chain_domain_word(c->domain);

        check_add(c, "interrupted-operation", CHAIN_ERROR, NULL, NULL, describe_interrupted(c, op),
                  chain_domain_is_renamed(c->domain)
                      ? check_remedy(_("Give it the name back that it had then, with '%s'"),
                                     chain_command("domrename", word, op->domain, NULL))
                      : check_remedy(_("Run '%s'"), chain_command("chain-repair", word, NULL)));
        return;
    }
    for (i = 0; i < c->domain->disks->len; i++) {
        ChainDisk *disk = g_ptr_array_index(c->domain->disks, i);
        g_autofree char *repair = NULL;
        g_autofree char *pivot = NULL;

        if (!disk->job || !disk->job->ready || g_strcmp0(disk->job->type, "active-commit") != 0)
            continue;
        repair = chain_command("chain-repair", chain_domain_word(c->domain), NULL);
        pivot = chain_command("blockjob", chain_domain_word(c->domain), disk->target, "--",
                              "--pivot", NULL);
        check_add(c, "interrupted-operation", CHAIN_WARNING, disk->target, disk->active,
                  g_strdup_printf(_("A block commit of disk '%s' is ready and waits to be "
                                    "finished"), disk->target),
                  g_strdup_printf(_("Run '%s', or finish it with '%s'"), repair, pivot));
    }
}

static void check_problem(Check *c)
{
    const ChainDomain *d = c->domain;

    if (!d->problem)
        return;
    if (d->xml)
        check_add(c, "unreadable-domain", CHAIN_ERROR, NULL, NULL,
                  g_strdup_printf(_("The snapshots of domain '%s' could not all be read: %s"),
                                  d->name, d->problem),
                  check_remedy(_("See what '%s' says"),
                               chain_command("snapshot-list", chain_domain_word(d), NULL)));
    else
        check_add(c, "unreadable-domain", CHAIN_ERROR, NULL, NULL,
                  g_strdup_printf(_("Domain '%s' could not be read: %s"), d->name, d->problem),
                  check_remedy(_("See what '%s' says"),
                               chain_command("dumpxml", chain_domain_word(d), NULL)));
}

GPtrArray *chain_graph_check(ChainGraph *graph, ChainDomain *d)
{
    g_autoptr(GHashTable) lost = g_hash_table_new(NULL, NULL);
    g_autoptr(GHashTable) quiet = g_hash_table_new(NULL, NULL);
    g_autoptr(GPtrArray) disks = chain_domain_all_disks(d);
    Check c = {
        .graph = graph, .domain = d, .lost = lost, .quiet = quiet,
        .findings = g_ptr_array_new_with_free_func((GDestroyNotify) chain_finding_free),
    };
    guint i, j;

    check_problem(&c);
    check_interrupted(&c);
    for (i = 0; i < disks->len; i++) {
        ChainDisk *disk = g_ptr_array_index(disks, i);
        g_autoptr(GPtrArray) images = chain_disk_images(disk);

        for (j = 0; j < images->len; j++) {
            ChainImage *image = g_ptr_array_index(images, j);

            check_there(&c, disk, image);
            check_format(&c, disk, image);
            check_shared(&c, disk, image);
            if (image->data_file)
                check_shared(&c, disk, image->data_file);
        }
        /* it may be the state of one that could not be read */
        if (!d->problem)
            check_unmanaged(&c, disk, images);
        check_agreement(&c, disk, disk->active, disk->live_chain, FALSE, TRUE);
        check_agreement(&c, disk, disk->configured, disk->config_chain, disk->config_chain_ends,
                        FALSE);
        check_depth(&c, disk);
        check_relative(&c, disk, images);
        check_orphans(&c, disk, images);
    }
    check_snapshots(&c);
    return c.findings;
}
