/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * revert.c: plans the way back to an external snapshot
 *
 *        F(S) <-- O1 <-- O2 (active)              F(S) <-- O1          (O1: frozen by S2)
 *                                        ==>        ^
 *                                                   +-- R (active)     (O2 removed, last of all)
 *
 * The order of the steps follows from what must never happen:
 *
 *   overlays        made first, while the guest still runs: it can fail without any harm
 *   define          before the guest is stopped: libvirt judges the configuration while the
 *                   guest is alive. The configuration names new overlays only, so that a start
 *                   at any moment is either what was or what is wanted, never a frozen image
 *   stop            the first step that cannot be taken back
 *   snapshots       "you are here", and the target's record of its new overlay
 *   memory, start
 *   files           what was written since the newest snapshot, once the new state stands
 */
#include "plugin/plan/plan.h"

#include <string.h>

#include "include/vext-i18n.h"
#include "plugin/plan/discard.h"
#include "plugin/plan/overlay-name.h"

/* NAME_MAX of Linux less ".xml.new". */
#define SNAPSHOT_NAME_MAX 247

/** @sentence, a translated one with a %s in it, around a command. Takes @command_take. */
static char *with_command(const char *sentence, char *command_take)
{
    g_autofree char *command = command_take;
    const char *at = strstr(sentence, "%s");

    if (!at)
        return g_strconcat(sentence, " ", command, NULL);
    return g_strdup_printf("%.*s%s%s", (int)(at - sentence), sentence, command, at + 2);
}

static ChainSnapshot *find_target(Plan *plan, ChainDomain *d, const PlanRequest *request)
{
    const char *name;
    ChainSnapshot *s;

    if (request->current || !request->names || request->names->len == 0) {
        if (d->current)
            return d->current;
        plan_refuse(plan, "no-current-snapshot",
                    g_strdup_printf(_("Domain '%s' has no current snapshot"), d->name),
                    g_strdup(_("Name the snapshot")));
        return NULL;
    }
    name = g_ptr_array_index(request->names, 0);
    s = chain_domain_snapshot(d, name);
    if (!s)
        plan_refuse(plan, "unknown-snapshot",
                    g_strdup_printf(_("Domain '%s' has no snapshot '%s'"), d->name, name),
                    with_command(_("List them with: %s"),
                                 chain_command("virsh-ext", "snapshot-list", chain_domain_word(d),
                                               NULL)));
    return s;
}

/** What makes the snapshot as a whole impossible to go back to. */
static gboolean check_target(Plan *plan, ChainGraph *graph, ChainSnapshot *s,
                             const PlanRequest *request, const PlanFacts *facts)
{
    ChainDomain *d = s->domain;
    guint before = plan->refusals->len;
    g_autoptr(GPtrArray) findings = NULL;

    if (chain_snapshot_is_internal(s)) {
        plan_refuse(plan, "internal-snapshot",
                    g_strdup_printf(_("Snapshot '%s' is internal"), s->name),
                    with_command(_("Use: %s"),
                                 chain_command("virsh-ext", "snapshot-revert",
                                               chain_domain_word(d),
                                               s->name, NULL)));
        return FALSE;
    }
    if (!chain_snapshot_is_external(s)) {
        plan_refuse(plan, "not-external",
                    g_strdup_printf(_("Snapshot '%s' is not an external snapshot, or a mix of "
                                      "internal and external"), s->name),
                    with_command(_("See what it holds with: %s"),
                                 chain_command("virsh-ext", "snapshot-dumpxml",
                                               chain_domain_word(d), s->name,
                                              NULL)));
        return FALSE;
    }
    if (!s->has_domain)
        plan_refuse(plan, "no-configuration",
                    g_strdup_printf(_("Snapshot '%s' does not carry the domain's configuration"),
                                    s->name),
                    NULL);

    findings = chain_graph_check(graph, d);
    for (guint i = 0; i < findings->len; i++) {
        const ChainFinding *f = g_ptr_array_index(findings, i);
        if (g_str_equal(f->code, "stale-snapshot") && g_strcmp0(f->snapshot, s->name) == 0)
            plan_refuse(plan, "stale-snapshot", g_strdup(f->message), g_strdup(f->remedy));
    }

    if (request->running && request->paused)
        plan_refuse(plan, "bad-request",
                    g_strdup(_("Options --running and --paused are mutually exclusive")), NULL);
    if (s->memory == CHAIN_MEMORY_EXTERNAL && facts->memory_problem)
        plan_refuse(plan, "memory-file",
                    g_strdup_printf(_("The memory state of snapshot '%s' in '%s' cannot be "
                                      "restored: %s"),
                                    s->name, s->memory_file ? s->memory_file : "?",
                                    facts->memory_problem),
                    g_strdup(_("Bring the file back to its place")));
    if (s->memory == CHAIN_MEMORY_EXTERNAL && facts->memory_unfit)
        plan_refuse(plan, "host-unfit",
                    g_strdup_printf(_("The memory state of snapshot '%s' does not fit this host: "
                                      "%s"), s->name, facts->memory_unfit),
                    g_strdup(_("Revert on a host like the one it was taken on, or try it all the "
                               "same with --force")));
    if (facts->nvram_cannot_be_reset)
        plan_refuse(plan, "no-nvram-reset",
                    g_strdup(_("Before libvirt 8.1 UEFI variables cannot be reset")),
                    g_strdup(_("Revert without --reset-nvram")));
    if (d->managed_save && !request->force)
        plan_refuse(plan, "managed-save",
                    g_strdup_printf(_("Domain '%s' has a managed save image, which would not fit "
                                      "the reverted disks"), d->name),
                    with_command(_("Start the domain, or drop the saved state with --force or: %s"),
                                 chain_command("virsh-ext", "managedsave-remove",
                                               chain_domain_word(d), NULL)));
    return plan->refusals->len == before;
}

/** Every image from the frozen one down is there, readable, and of a recorded format. */
static void check_frozen(Plan *plan, ChainGraph *graph, const ChainSnapshot *s,
                         const ChainSnapshotDisk *sd)
{
    g_autoptr(GPtrArray) chain = chain_image_chain(sd->frozen);
    ChainImage *frozen = sd->frozen;
    g_autofree char *remedy =
        with_command(_("See: %s"), chain_command("virsh-ext", "chain-show",
                                                 chain_domain_word(s->domain),
                                                "--", "--check", NULL));

    for (guint i = 0; i < chain->len; i++) {
        const ChainImage *image = g_ptr_array_index(chain, i);

        if (image->flags & CHAIN_IMAGE_MISSING)
            plan_refuse(plan, "missing-image",
                        g_strdup_printf(_("Image '%s' of disk '%s' is missing"), image->path,
                                        sd->target),
                        g_strdup(remedy));
        else if (image->flags & (CHAIN_IMAGE_LOOP | CHAIN_IMAGE_CORRUPT))
            plan_refuse(plan, "damaged-image",
                        g_strdup_printf(_("Image '%s' of disk '%s' is damaged"), image->path,
                                        sd->target),
                        g_strdup(remedy));
        else if (image->flags & CHAIN_IMAGE_UNREADABLE)
            plan_refuse(plan, "unreadable-image",
                        g_strdup_printf(_("Image '%s' of disk '%s' could not be read"),
                                        image->path, sd->target),
                        g_strdup(remedy));
        else if (image->flags & CHAIN_IMAGE_ENCRYPTED && !chain_source_decrypts(image->source))
            plan_refuse(plan, "encrypted",
                        g_strdup_printf(_("Image '%s' of disk '%s' is encrypted, and neither the "
                                          "domain nor a snapshot says with which secret"),
                                        image->path, sd->target),
                        with_command(_("Give the image an <encryption> in the disk's "
                                       "<backingStore> with: %s"),
                                     chain_command("virsh", "edit", chain_domain_word(s->domain),
                                                   NULL)));
        else if (!image->format || (image->flags & CHAIN_IMAGE_FORMAT_GUESSED))
            plan_refuse(plan, "format-not-recorded",
                        g_strdup_printf(_("Nothing records the format of image '%s' of disk "
                                          "'%s'"), image->path, sd->target),
                        g_strdup(remedy));
    }

    if (graph->layer_limit && chain->len + 1 > graph->layer_limit)
        plan_refuse(plan, "deep-chain",
                    g_strdup_printf(_("Disk '%s' would have %u images, and the guest can be "
                                      "started with %u at most"), sd->target, chain->len + 1,
                                    graph->layer_limit),
                    with_command(_("Delete snapshots first with: %s"),
                                 chain_command("virsh-ext", "snapshot-delete-external",
                                              chain_domain_word(s->domain), NULL)));

    /* libvirt (to 11.3 at least) makes overlays on files and devices only. */
    if (!frozen->source->path)
        plan_refuse(plan, "not-a-file",
                    g_strdup_printf(_("Image '%s' of disk '%s' is neither a file nor a device, and "
                                      "libvirt makes no overlay on it"), frozen->path, sd->target),
                    with_command(_("Make the overlay with qemu-img, and put it into the domain "
                                   "with: %s"),
                                 chain_command("virsh", "edit", chain_domain_word(s->domain),
                                               NULL)));

    if (sd->frozen_inactive && sd->frozen_inactive != frozen)
        plan_refuse(plan, "chain-mismatch",
                    g_strdup_printf(_("Snapshot '%s' names two images for disk '%s': '%s' and "
                                      "'%s'"), s->name, sd->target, frozen->path,
                                    sd->frozen_inactive->path),
                    with_command(_("Correct it with: %s"),
                                 chain_command("virsh-ext", "chain-repair",
                                               chain_domain_word(s->domain),
                                              NULL)));

    if (chain_snapshot_state(sd) != frozen)
        plan_refuse(plan, "stale-snapshot",
                    g_strdup_printf(_("Snapshot '%s' names '%s' as its state, but the image that "
                                      "followed it stands on '%s'"), s->name, frozen->path,
                                    chain_snapshot_state(sd)->path),
                    with_command(_("Correct it with: %s"),
                                 chain_command("virsh-ext", "chain-repair",
                                               chain_domain_word(s->domain),
                                              NULL)));

    /* Whoever has a frozen image as its active one writes into it. */
    for (guint i = 0; i < chain->len; i++) {
        const ChainImage *image = g_ptr_array_index(chain, i);

        for (guint j = 0; j < image->users->len; j++) {
            const ChainDisk *user = g_ptr_array_index(image->users, j);

            if ((user->active != image && user->configured != image) || user->readonly)
                continue;
            plan_refuse(plan, "stale-snapshot",
                        g_strdup_printf(_("Disk '%s' of domain '%s' writes into '%s', which "
                                          "holds the state of snapshot '%s'"), user->target,
                                        user->domain->name, image->path, s->name),
                        with_command(_("Put a new overlay between them, or delete the snapshot "
                                       "with: %s"),
                                     chain_command("virsh-ext", "snapshot-delete-external",
                                                  chain_domain_word(s->domain), s->name, NULL)));
        }
    }
}

static gboolean is_written_disk(const ChainDisk *disk)
{
    return !disk->readonly && (!disk->device || g_str_equal(disk->device, "disk") ||
                               g_str_equal(disk->device, "lun"));
}

/** The disk that the domain has at @target now, if it is one that the guest writes; else NULL. */
static ChainDisk *present_disk(const ChainDomain *d, const char *target)
{
    ChainDisk *disk = chain_domain_disk(d, target);

    return disk && disk->active && is_written_disk(disk) ? disk : NULL;
}

/** libvirt takes the secrets of the images below a disk's own from XML alone. */
static void name_below(PlanOverlay *overlay, ChainImage *frozen)
{
    g_autoptr(GPtrArray) chain = chain_image_chain(frozen);
    gboolean encrypted = FALSE;

    for (guint i = 0; i < chain->len; i++) {
        const ChainImage *image = g_ptr_array_index(chain, i);

        encrypted = encrypted || image->flags & CHAIN_IMAGE_ENCRYPTED;
    }
    for (guint i = 0; encrypted && i < chain->len; i++)
        g_ptr_array_add(overlay->below, plan_image_new(g_ptr_array_index(chain, i)));
}

static PlanOverlay *overlay_new(const char *target, ChainImage *frozen, const char *path)
{
    g_autoptr(ChainSource) source = chain_source_new_file(path);
    PlanOverlay *overlay = plan_overlay_new();

    /* What was a secret stays one. */
    if (frozen->flags & CHAIN_IMAGE_ENCRYPTED)
        source->encryption = chain_source_encryption(frozen->source);
    name_below(overlay, frozen);

    overlay->disk = g_strdup(target);
    overlay->frozen = plan_image_new(frozen);
    overlay->overlay = g_new0(PlanImage, 1);
    overlay->overlay->key = chain_source_key(source);
    overlay->overlay->source = g_steal_pointer(&source);
    overlay->overlay->format = g_strdup("qcow2");
    overlay->overlay->path = g_strdup(path);
    overlay->overlay->allocation = CHAIN_UNKNOWN;
    return overlay;
}

/**
 * --save-current: the present image becomes the frozen image of a new snapshot. The overlay
 * that libvirt puts on top of it is written at most until the guest stops, and goes like any
 * other state after the newest snapshot.
 */
static void plan_saved_disk(Plan *plan, ChainGraph *graph, ChainDisk *disk, const PlanFacts *facts)
{
    g_autofree char *path = plan_overlay_path(plan, graph, disk->active, disk->active,
                                              plan->save_current, facts);
    PlanOverlay *overlay;
    PlanFile *file;

    if (disk->active->flags & CHAIN_IMAGE_MISSING) {
        plan_refuse(plan, "missing-image",
                    g_strdup_printf(_("The present image '%s' of disk '%s' is missing: there is "
                                      "nothing to be saved"), disk->active->path, disk->target),
                    g_strdup(_("Bring it back to its place, or revert without --save-current")));
        return;
    }
    if (!path || !disk->active->format) {
        plan_refuse(plan, "no-directory",
                    g_strdup_printf(_("The present state of disk '%s' cannot be saved: its image "
                                      "'%s' is not a file of a recorded format"), disk->target,
                                    disk->active->path),
                    g_strdup(_("Take the snapshot with snapshot-create-as and --diskspec")));
        return;
    }
    if (disk->active->flags & CHAIN_IMAGE_ENCRYPTED) {
        plan_refuse(plan, "encrypted-image",
                    g_strdup_printf(_("The present image '%s' of disk '%s' is encrypted, and the "
                                      "overlay that libvirt makes to save it would not be"),
                                    disk->active->path, disk->target),
                    with_command(_("Take the snapshot with an encrypted overlay of your own "
                                   "first, with: %s"),
                                 chain_command("virsh-ext", "snapshot-create",
                                               chain_word_for(plan->domain, plan->uuid),
                                               "--disk-only", "--reuse-external",
                                               "--xmlfile", "FILE", NULL)));
        return;
    }
    overlay = overlay_new(disk->target, disk->active, path);
    g_ptr_array_add(plan->save_overlays, overlay);

    file = g_new0(PlanFile, 1);
    file->image = plan_image_copy(overlay->overlay);
    file->disk = g_strdup(disk->target);
    file->bytes = CHAIN_UNKNOWN;
    g_ptr_array_add(plan->files, file);
}

/** libvirt keeps a snapshot in a file of its name with ".xml" after it. One that it cannot write it
 *  notices only when the disks have their overlays already, and it forgets the current snapshot. */
static void check_save_name(Plan *plan, const ChainDomain *d)
{
    const char *name = plan->save_current, *why = NULL;

    if (name[0] == '.' || strchr(name, '/'))
        why = _("it begins with '.' or has a '/' in it");
    else if (strlen(name) > SNAPSHOT_NAME_MAX)
        why = _("it is too long");
    else if (!g_utf8_validate(name, -1, NULL))
        why = _("it is no text");
    for (const char *p = name; !why && *p; p++)
        if ((guchar)*p < 0x20 && *p != '\n' && *p != '\t')
            why = _("it is no text");
    if (why)
        plan_refuse(plan, "bad-name",
                    g_strdup_printf(_("'%s' cannot be a snapshot's name: %s"), name, why),
                    g_strdup(_("Give --save-current another name")));
    else if (chain_domain_snapshot(d, name))
        plan_refuse(plan, "snapshot-exists",
                    g_strdup_printf(_("Domain '%s' has a snapshot '%s' already"), d->name, name),
                    g_strdup(_("Give --save-current another name")));
}

/** A disk that the snapshot covers: a new overlay on its frozen image. */
static void plan_covered_disk(Plan *plan, ChainGraph *graph, ChainSnapshot *s,
                              ChainSnapshotDisk *sd, const PlanFacts *facts)
{
    ChainDisk *disk = present_disk(s->domain, sd->target);
    g_autofree char *path = NULL, *diskspec = g_strdup_printf("%s,file=FILE", sd->target);
    PlanOverlay *overlay;

    if (!sd->frozen) {
        plan_refuse(plan, "chain-mismatch",
                    g_strdup_printf(_("Snapshot '%s' covers disk '%s', but its configuration has "
                                      "no image for it"), s->name, sd->target), NULL);
        return;
    }
    if (s->has_inactive && !sd->frozen_inactive && !plan->memory_file) {
        g_ptr_array_add(plan->notes,
                        g_strdup_printf(_("Disk '%s' was plugged in for the running guest only and "
                                          "does not come back; its state in snapshot '%s' stays in "
                                          "'%s'"), sd->target, s->name, sd->frozen->path));
        return;
    }
    if (s->has_inactive && !sd->frozen_inactive) {
        plan_refuse(plan, "not-in-configuration",
                    g_strdup_printf(_("Disk '%s' of snapshot '%s' was plugged in for the running "
                                      "guest only: the memory state needs it, and the "
                                      "configuration does not have it"), sd->target, s->name),
                    with_command(_("Add it to <inactiveDomain> with: %s"),
                                 chain_command("virsh-ext", "snapshot-edit",
                                               chain_domain_word(s->domain),
                                              s->name, NULL)));
        return;
    }
    check_frozen(plan, graph, s, sd);
    path = plan_overlay_path(plan, graph, disk ? disk->active : NULL, sd->frozen, s->name,
                             facts);
    if (!path) {
        plan_refuse(plan, "no-directory",
                    g_strdup_printf(_("There is no directory for a new overlay of disk '%s': "
                                      "neither its present image nor '%s' is a file"), sd->target,
                                    sd->frozen->path),
                    with_command(_("Take a snapshot of the present state into a FILE first "
                                   "with: %s"),
                                 chain_command("virsh-ext", "snapshot-create-as",
                                               chain_domain_word(s->domain),
                                              "--", "--disk-only", "--diskspec", diskspec,
                                              NULL)));
        return;
    }
    overlay = overlay_new(sd->target, sd->frozen, path);
    g_ptr_array_add(plan->overlays, overlay);
    if (overlay->overlay->source->encryption && facts->no_pools)
        plan_refuse(plan, "encrypted-image",
                    g_strdup_printf(_("Image '%s' of disk '%s' is encrypted, and overlays that are "
                                      "too are made in storage pools, which this connection does "
                                      "not have"), sd->frozen->path, sd->target),
                    g_strdup(_("Connect to a daemon")));

    if (!disk || disk->active == sd->frozen)
        return;
    if (plan->save_current)
        plan_saved_disk(plan, graph, disk, facts);
    else
        plan_revert_discard(plan, disk, sd->frozen);
}

/** What stands in the way of starting the guest with a disk that the snapshot leaves out. */
static void check_left_out(Plan *plan, const ChainSnapshotDisk *sd, const ChainImage *image)
{
    g_autoptr(GPtrArray) chain = image ? chain_image_chain((ChainImage *)image) : NULL;

    for (guint i = 0; chain && !sd->optional && i < chain->len; i++) {
        const ChainImage *at = g_ptr_array_index(chain, i);

        if (!(at->flags & CHAIN_IMAGE_MISSING))
            continue;
        if (g_str_equal(plan->want_state, "shutoff"))
            g_ptr_array_add(plan->notes,
                            g_strdup_printf(_("Image '%s' of disk '%s' is missing: without it the "
                                              "domain cannot be started"), at->path, sd->target));
        else
            plan_refuse(plan, "missing-image",
                        g_strdup_printf(_("Image '%s' of disk '%s' is missing: without it the "
                                          "domain cannot be started"), at->path, sd->target),
                        g_strdup(_("Bring it back to its place")));
    }
}

/**
 * @image, of a disk that @s leaves out and that is not in the domain any more, may be used as the
 * configuration says, unless a snapshot of later froze it, something stands on it or another disk
 * is on it by now: the guest would overwrite that.
 */
static void check_comes_back(Plan *plan, const ChainSnapshot *s, const ChainSnapshotDisk *sd,
                             const ChainImage *image)
{
    g_autofree char *holds = NULL;

    for (guint i = 0; !holds && i < image->frozen_by->len; i++) {
        const ChainSnapshot *other = g_ptr_array_index(image->frozen_by, i);
        const ChainSnapshotDisk *od = chain_snapshot_disk(other, sd->target);

        if (!od || od->kind != CHAIN_SNAP_NO)
            holds = g_strdup_printf(_("its image '%s' holds the state of snapshot '%s'"),
                                    image->path, other->name);
    }
    if (!holds && image->overlays->len > 0)
        holds = g_strdup_printf(_("other images stand on its image '%s'"), image->path);
    for (guint i = 0; !holds && i < image->users->len; i++) {
        const ChainDisk *user = g_ptr_array_index(image->users, i);

        if (!user->readonly && !user->shareable)
            holds = g_strdup_printf(_("its image '%s' is that of disk '%s' of domain '%s'"),
                                    image->path, user->target, user->domain->name);
    }
    if (holds)
        plan_refuse(plan, "frozen-image",
                    g_strdup_printf(_("Disk '%s' is left out by snapshot '%s' and not in the "
                                      "domain any more, and %s"), sd->target, s->name, holds),
                    g_strdup(_("Attach the disk with the image that it is to have first")));
}

/** A disk that the snapshot leaves out: its content is kept, whatever image holds it now. */
static void plan_left_out_disk(Plan *plan, ChainSnapshot *s, ChainSnapshotDisk *sd)
{
    ChainDisk *disk = present_disk(s->domain, sd->target);
    ChainImage *images[] = { sd->frozen,
                             sd->frozen_inactive != sd->frozen ? sd->frozen_inactive : NULL };

    if (disk && !sd->not_written) {
        g_ptr_array_add(plan->kept_disks, g_strdup(sd->target));
        check_left_out(plan, sd, disk->active);
        return;
    }
    for (guint i = 0; i < G_N_ELEMENTS(images); i++) {
        if (images[i] && !sd->not_written)
            check_comes_back(plan, s, sd, images[i]);
        check_left_out(plan, sd, images[i]);
    }
}

/** A disk that is not in the snapshot's configuration: it leaves the domain. */
static void plan_leaving_disk(Plan *plan, ChainGraph *graph, const ChainSnapshot *s,
                              ChainDisk *disk, const PlanFacts *facts)
{
    g_ptr_array_add(plan->notes,
                    g_strdup_printf(_("Disk '%s' is not in snapshot '%s' and leaves the domain; "
                                      "its image '%s' is kept"), disk->target, s->name,
                                    disk->active->path));
    /* Where it cannot be in the snapshot, its image says the same as long as nobody uses it. */
    if (plan->save_current && plan_file_path(disk->active) && disk->active->format)
        plan_saved_disk(plan, graph, disk, facts);
}

/** libvirt resets them when it starts the guest; QEMU writes those of a memory state back into the
 *  file when the guest goes on. */
static const char *uefi_note(const Plan *plan)
{
    gboolean stays_off = g_str_equal(plan->want_state, "shutoff");

    if (plan->memory_file && plan->reset_nvram)
        return _("UEFI variables are not reset: they come back with the memory state");
    if (plan->memory_file)
        return _("UEFI variables come back with the memory state");
    if (plan->reset_nvram && stays_off)
        return _("UEFI variables are not reset before the domain is started: use virsh start with "
                 "--reset-nvram");
    if (plan->reset_nvram)
        return _("UEFI variables are reset: a snapshot without memory does not hold them");
    return _("UEFI variables stay as they are now: a snapshot without memory does not hold them");
}

static void plan_notes(Plan *plan, ChainSnapshot *s, const PlanFacts *facts)
{
    ChainDomain *d = s->domain;

    if (facts->uefi_variables)
        g_ptr_array_add(plan->notes, g_strdup(uefi_note(plan)));
    if (plan->memory_file && plan->kept_disks->len > 0)
        g_ptr_array_add(plan->notes,
                        g_strdup(_("The memory state comes back over disks that the snapshot left "
                                   "out and that may have changed since")));
    if (d->managed_save)
        g_ptr_array_add(plan->notes, g_strdup(_("The managed save image is dropped")));
}

/** See the head of this file for the order. */
static void plan_steps(Plan *plan, ChainDomain *d)
{
    gboolean runs = !g_str_equal(plan->want_state, "shutoff");

    plan_add_step(plan, PLAN_STEP_LOCK);
    if (plan->save_current)
        plan_add_step(plan, PLAN_STEP_SAVE_CURRENT);
    if (plan->overlays->len > 0)
        plan_add_step(plan, PLAN_STEP_CREATE_OVERLAYS);
    if (d->persistent)
        plan_add_step(plan, PLAN_STEP_DEFINE_DOMAIN);
    if (d->active)
        plan_add_step(plan, PLAN_STEP_STOP_GUEST);
    /* A transient domain takes its snapshots' metadata along when it stops; they can be defined
     * again only when it is there again. */
    if (d->persistent)
        plan_add_step(plan, PLAN_STEP_UPDATE_SNAPSHOTS);
    if (plan->memory_file && runs)
        plan_add_step(plan, PLAN_STEP_RESTORE_MEMORY);
    else if (runs)
        plan_add_step(plan, PLAN_STEP_START_GUEST);
    if (!d->persistent)
        plan_add_step(plan, PLAN_STEP_UPDATE_SNAPSHOTS);
    for (guint i = 0; i < plan->files->len; i++) {
        const PlanFile *file = g_ptr_array_index(plan->files, i);
        PlanStep *step = plan_add_step(plan, PLAN_STEP_REMOVE_FILE);

        step->file = i;
        step->bytes = file->bytes;
    }
    plan_add_step(plan, PLAN_STEP_UNLOCK);
}

static const char *wanted_state(const ChainSnapshot *s, const PlanRequest *request)
{
    if (request->running)
        return "running";
    if (request->paused)
        return "paused";
    if (s->memory == CHAIN_MEMORY_EXTERNAL)
        return g_strcmp0(s->state, "paused") == 0 ? "paused" : "running";
    return "shutoff";
}

void plan_revert(Plan *plan, ChainGraph *graph, ChainDomain *d, const PlanRequest *request,
                 const PlanFacts *facts)
{
    ChainSnapshot *s = find_target(plan, d, request);

    if (!s)
        return;
    g_ptr_array_add(plan->snapshots, g_strdup(s->name));
    plan_check_domain(plan, graph, d, facts);
    if (!check_target(plan, graph, s, request, facts))
        return;

    plan->bytes_exact = TRUE;
    plan->force = request->force;
    plan->reset_nvram = request->reset_nvram;
    plan->was_running = d->active;
    plan->save_current = g_strdup(request->save_current);
    plan->want_state = g_strdup(wanted_state(s, request));
    if (s->memory == CHAIN_MEMORY_EXTERNAL)
        plan->memory_file = g_strdup(s->memory_file);

    if (!d->persistent && g_str_equal(plan->want_state, "shutoff"))
        plan_refuse(plan, "transient-domain",
                    g_strdup_printf(_("Domain '%s' is transient and would be gone: snapshot '%s' "
                                      "was taken of a domain that did not run, or has no memory "
                                      "state"), d->name, s->name),
                    g_strdup(_("Add --running or --paused")));
    if (plan->save_current)
        check_save_name(plan, d);
    if (!facts->random) {
        plan_refuse(plan, "no-random-numbers",
                    g_strdup(_("The system has no random numbers for the names of new overlays, "
                               "which nobody is to guess")), NULL);
        return;
    }

    for (guint i = 0; i < s->disks->len; i++) {
        ChainSnapshotDisk *sd = g_ptr_array_index(s->disks, i);

        if (sd->kind == CHAIN_SNAP_EXTERNAL)
            plan_covered_disk(plan, graph, s, sd, facts);
        else if (sd->kind == CHAIN_SNAP_NO || sd->kind == CHAIN_SNAP_MANUAL)
            plan_left_out_disk(plan, s, sd);
        if (sd->kind == CHAIN_SNAP_MANUAL)
            g_ptr_array_add(plan->notes,
                            g_strdup_printf(_("Disk '%s' is left to you by snapshot '%s' and "
                                              "keeps its present content"), sd->target, s->name));
    }
    for (guint i = 0; i < d->disks->len; i++) {
        ChainDisk *disk = present_disk(d, ((ChainDisk *)g_ptr_array_index(d->disks, i))->target);
        const ChainSnapshotDisk *sd = disk ? chain_snapshot_disk(s, disk->target) : NULL;

        if (disk && (!sd || sd->not_written))
            plan_leaving_disk(plan, graph, s, disk, facts);
    }
    if (plan->refusals->len > 0)
        return;
    plan_note_resting(plan, d, s);
    plan->current_changes = d->current != s;
    plan->new_current = g_strdup(s->name);
    plan_notes(plan, s, facts);
    plan_steps(plan, d);
}
