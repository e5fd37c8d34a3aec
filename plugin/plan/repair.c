/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * repair.c: plans the end of block jobs left running, and corrections of stale metadata
 *
 * What the snapshots say (s1 frozen at F1, s2 at F2, s3 at F3, then A) against what the images
 * say. A manual merge shows as a run of images that is not below the image that followed it:
 *
 *      snapshots     F1 <-- F2 <-- F3 <-- A
 *      images        F1 <----------------- A        run: F2, F3; base: F1
 *
 *      commit        F1 has the state of s3 now; s1 and s2 have lost theirs
 *      pull          F1 is what it was; s2 and s3 have lost theirs if their images are gone
 *
 * Both leave the same picture. Which one it was is known when we have taken over the job
 * ourselves, when there is no base (nothing to commit into), and else by when the base was
 * written last: a frozen image is written by nothing but a commit. Written after s3 was taken:
 * a commit; before: a pull; not known: the user is asked to say it.
 *
 * A snapshot that names an image further down than the one that its overlay stands on (libvirt
 * 9.0 makes it so when its parent is deleted with --metadata) gets the right one.
 *
 * A snapshot without a state is forgotten, never its images: the user is told each time.
 *
 * The caller plans, runs and plans again until there are no steps. What is stale then is what
 * cannot be put right, and is refused: it must not look like success.
 */
#include "plugin/plan/plan.h"

#include <string.h>

#include "include/vext-i18n.h"

typedef enum { UNDECIDED, BY_COMMIT, BY_PULL } How;

typedef struct {
    Plan *plan;
    ChainDomain *d;
    const PlanFacts *facts;
    PlanDirection direction; /* of merges, as the user says; AUTO: does not say */
    GHashTable *lost;       /* ChainSnapshot * */
    gboolean define;        /* the configuration is to be defined again */
    gboolean update;        /* snapshots are */
} Repair;

/* Which command forgets snapshots without touching an image. New string. */
static char *forget_command(const Repair *r, const char *name)
{
    return chain_command("virsh-ext", "snapshot-delete-external", chain_domain_word(r->d), name,
                         "--",
                         "--metadata", NULL);
}

/* --- block jobs ------------------------------------------------------------------------------ */

static gboolean job_is(const ChainJob *job, const char *type)
{
    return g_strcmp0(job->type, type) == 0;
}

static void add_job(Plan *plan, PlanAction action, const ChainDisk *disk)
{
    PlanStep *step = plan_add_step(plan, action);

    step->disk = g_strdup(disk->target);
    step->job = g_strdup(disk->job->type);
}

static void forget(Repair *r, ChainSnapshot *s, const char *target, const ChainImage *image,
                   const char *why)
{
    g_hash_table_add(r->lost, s);
    r->update = TRUE;
    plan_note(r->plan, g_strdup_printf(_("Snapshot '%s' is forgotten: disk '%s': %s: '%s'"),
                                       s->name, target, why, image->path));
}

/* The snapshots whose state an active commit writes to: what stands on its base, in other branches
 * too, but not on the active image, which has all that is written. */
static void commit_loses(Repair *r, const ChainDisk *disk)
{
    for (guint i = 0; i < r->d->snapshots->len; i++) {
        ChainSnapshot *s = g_ptr_array_index(r->d->snapshots, i);

        for (guint k = 0; k < s->disks->len; k++) {
            const ChainSnapshotDisk *sd = g_ptr_array_index(s->disks, k);

            if (sd->kind == CHAIN_SNAP_EXTERNAL && sd->frozen &&
                !chain_image_stands_on(sd->frozen, disk->active) &&
                (!disk->job->target || chain_image_stands_on(sd->frozen, disk->job->target)))
                forget(r, s, disk->target, sd->frozen, _("a commit has written to its image"));
        }
    }
}

/* The lowest image of @chain that a commit has written to since, or its root. */
static const ChainImage *lowest_written(const GPtrArray *chain, gint64 since)
{
    for (guint i = chain->len; since && i-- > 2;) {
        const ChainImage *image = g_ptr_array_index(chain, i);

        if (image->modified / CHAIN_SECOND >= since)
            return image;
    }
    return g_ptr_array_index(chain, chain->len - 1);
}

GPtrArray *plan_commit_may_lose(const ChainDomain *d, const ChainDisk *disk, gint64 since)
{
    ChainImage *written = disk->active ? disk->active : disk->configured;
    g_autoptr(GPtrArray) chain = written ? chain_image_chain(written) : NULL;
    GPtrArray *names = g_ptr_array_new();
    const ChainImage *base;

    if (!chain || chain->len < 3)
        return names;
    base = lowest_written(chain, since);
    for (guint i = 0; i < d->snapshots->len; i++) {
        const ChainSnapshot *s = g_ptr_array_index(d->snapshots, i);
        const ChainSnapshotDisk *sd = chain_snapshot_disk(s, disk->target);

        if (sd && sd->kind == CHAIN_SNAP_EXTERNAL && sd->frozen &&
            !chain_image_stands_on(sd->frozen, g_ptr_array_index(chain, 1)) &&
            chain_image_stands_on(sd->frozen, base))
            g_ptr_array_add(names, s->name);
    }
    return names;
}

static void refuse_job(Repair *r, const ChainDisk *disk)
{
    const char *word = chain_domain_word(r->d), *target = disk->target;

    if (job_is(disk->job, "copy"))
        plan_refuse(r->plan, "copy-job",
                    g_strdup_printf(_("Disk '%s' is being copied to '%s': whether the domain is "
                                      "to go on there is yours to say"), target,
                                    disk->job->mirror ? disk->job->mirror : "?"),
                    plan_job_remedy(r->d, disk));
    else if (job_is(disk->job, "commit"))
        plan_refuse(r->plan, "commit-job",
                    g_strdup_printf(_("Disk '%s': which image the commit that runs has written to "
                                      "cannot be told, so what ending it would leave of the "
                                      "snapshots cannot either"), target),
                    plan_job_remedy(r->d, disk));
    else
        plan_refuse(r->plan, "backup-job",
                    g_strdup_printf(_("A backup of domain '%s' is running"), r->d->name),
                    chain_command("virsh", "domjobabort", word, NULL));
}

/* libvirt does not say which images a commit below the active one is about. */
static void say_may_lose(Repair *r, const ChainDisk *disk)
{
    g_autoptr(GPtrArray) names = plan_commit_may_lose(r->d, disk, 0);
    g_autofree char *list = chain_quote_names(names);

    if (names->len)
        plan_note(r->plan, g_strdup_printf(_("Disk '%s': the commit that runs takes away the state "
                                             "of some of these snapshots, and when it has ended "
                                             "they are forgotten: %s"), disk->target, list));
}

/* TRUE when there are jobs: then the plan is about them. */
static gboolean plan_jobs(Repair *r, gboolean abort)
{
    gboolean any = FALSE;

    for (guint i = 0; i < r->d->disks->len; i++) {
        const ChainDisk *disk = g_ptr_array_index(r->d->disks, i);
        const ChainJob *job = disk->job;

        if (!job)
            continue;
        any = TRUE;
        if (abort) {
            if (!job_is(job, "active-commit") && !job_is(job, "pull") && !job_is(job, "copy")) {
                refuse_job(r, disk);
                continue;
            }
            add_job(r->plan, PLAN_STEP_ABORT_JOB, disk);
            if (job_is(job, "active-commit"))
                commit_loses(r, disk);
            continue;
        }
        if (!job_is(job, "commit") && !job_is(job, "active-commit") && !job_is(job, "pull")) {
            refuse_job(r, disk);
            continue;
        }
        add_job(r->plan, PLAN_STEP_FINISH_JOB, disk);
        if (job_is(job, "active-commit"))
            commit_loses(r, disk);
        else if (job_is(job, "commit"))
            say_may_lose(r, disk);
    }
    return any;
}

/* --- merges by hand -------------------------------------------------------------------------- */

static gboolean missing(const ChainImage *image)
{
    return image->flags & CHAIN_IMAGE_MISSING;
}

/* What the snapshot says of the disk, if its state there is an image. */
static ChainSnapshotDisk *external(const ChainSnapshot *s, const char *target)
{
    ChainSnapshotDisk *sd = chain_snapshot_disk(s, target);

    return sd && sd->kind == CHAIN_SNAP_EXTERNAL && sd->frozen ? sd : NULL;
}

static gboolean in_use(const Repair *r, const ChainImage *image)
{
    if (image->users->len)
        return TRUE;
    for (guint i = 0; i < image->frozen_by->len; i++) {
        if (!g_hash_table_contains(r->lost, g_ptr_array_index(image->frozen_by, i)))
            return TRUE;
    }
    return FALSE;
}

/* A merge: what lay between base and above by the snapshots and does not by the images. */
typedef struct {
    const char *target;
    ChainImage *base;       /* or NULL */
    ChainImage *above;
    GPtrArray *run;         /* ChainImage *, upwards; borrowed */
    ChainSnapshot *newest;  /* frozen at the last of run */
} Merge;

/* The image of a snapshot that says that @image followed it, or NULL. */
static ChainImage *before(const Repair *r, const char *target, const ChainImage *image)
{
    for (guint i = 0; i < r->d->snapshots->len; i++) {
        ChainSnapshot *s = g_ptr_array_index(r->d->snapshots, i);
        const ChainSnapshotDisk *sd = external(s, target);

        if (sd && sd->overlay == image && sd->frozen != image)
            return sd->frozen;
    }
    return NULL;
}

/* Fills @m when the image that followed @s does not stand on the state of @s; run is new then. */
static gboolean find_merge(const Repair *r, ChainSnapshot *s, const ChainSnapshotDisk *sd,
                           Merge *m)
{
    ChainImage *above = sd->overlay;
    ChainImage *below = NULL;

    if (!above || missing(above) || !above->backing_known || above == sd->frozen ||
        above->flags & (CHAIN_IMAGE_LOOP | CHAIN_IMAGE_UNREADABLE) || !in_use(r, above) ||
        chain_image_stands_on(above, sd->frozen))
        return FALSE;
    m->target = sd->target;
    m->above = above;
    m->newest = s;
    m->run = g_ptr_array_new();
    m->base = above->backing;
    g_ptr_array_add(m->run, sd->frozen);
    /* down to what it stands on; longer than the snapshots are many it cannot be */
    for (guint i = 0; i < r->d->snapshots->len; i++) {
        below = before(r, sd->target, g_ptr_array_index(m->run, 0));
        if (!below)
            break;
        if (below == m->base)
            return TRUE;
        if (chain_image_stands_on(above, below) || g_ptr_array_find(m->run, below, NULL))
            break;
        g_ptr_array_insert(m->run, 0, below);
    }
    if (below && m->base) {
        /* Something else lies in between: not understood, left alone. */
        g_clear_pointer(&m->run, g_ptr_array_unref);
        return FALSE;
    }
    return TRUE;
}

static How how_merged(const Repair *r, const Merge *m)
{
    const char *known = r->facts->merged ? g_hash_table_lookup(r->facts->merged, m->target)
                                         : NULL;

    if (!m->base || g_strcmp0(known, "pull") == 0)
        return BY_PULL;
    /* That a commit was seen to finish says nothing of a merge that was there before it. */
    switch (chain_image_written_since(m->base, m->newest, m->above)) {
    case 0:
        return BY_PULL;
    case 1:
        return BY_COMMIT;
    default:
        if (known)
            return BY_COMMIT;
        return r->direction == PLAN_AUTO ? UNDECIDED
               : r->direction == PLAN_PULL ? BY_PULL : BY_COMMIT;
    }
}

static void lose_frozen(Repair *r, const char *target, const ChainImage *image, const char *why)
{
    for (guint i = 0; i < r->d->snapshots->len; i++) {
        ChainSnapshot *s = g_ptr_array_index(r->d->snapshots, i);
        const ChainSnapshotDisk *sd = external(s, target);

        if (sd && sd->frozen == image)
            forget(r, s, target, image, why);
    }
}

static void say_undecided(Repair *r, const Merge *m)
{
    const char *word = chain_domain_word(r->d);
    g_autofree char *commit = chain_command("virsh-ext", "chain-repair", word, "--", "--merged",
                                            "commit", NULL);
    g_autofree char *pull = chain_command("virsh-ext", "chain-repair", word, "--", "--merged",
                                          "pull", NULL);

    plan_refuse(r->plan, "merged-somehow",
                g_strdup_printf(_("Disk '%s': images between '%s' and '%s' were merged by hand, "
                                  "and whether downwards or upwards cannot be told, as it is not "
                                  "known whether '%s' was written after snapshot '%s' was taken"),
                                m->target, m->base->path, m->above->path, m->base->path,
                                m->newest->name),
                g_strdup_printf(r->d->graph->local
                                ? _("If you know it, say so: '%s' after a blockcommit, '%s' "
                                    "after a blockpull")
                                : _("Run this on the machine that has the images, or if you know "
                                    "it, say so: '%s' after a blockcommit, '%s' after a "
                                    "blockpull"), commit, pull));
}

/* The state of the newest snapshot is in the base now: recorded as the merge that it was. */
static void moved(Repair *r, const Merge *m)
{
    PlanMerge *merge = plan_merge_new(m->target, PLAN_COMMIT);
    const ChainImage *top = g_ptr_array_index(m->run, m->run->len - 1);

    merge->base = plan_image_new(m->base);
    merge->top = plan_image_new(top);
    merge->below = plan_image_new(m->base->backing);
    merge->above = plan_image_new(m->above);
    merge->bytes = 0;
    g_ptr_array_add(merge->range, plan_image_new(m->base));
    for (guint i = 0; i < m->run->len; i++) {
        g_ptr_array_add(merge->range, plan_image_new(g_ptr_array_index(m->run, i)));
        g_ptr_array_add(merge->gone, plan_image_new(g_ptr_array_index(m->run, i)));
    }
    g_ptr_array_add(r->plan->merges, merge);
    r->update = r->define = TRUE;
    plan_note(r->plan, g_strdup_printf(_("Snapshot '%s': disk '%s': '%s' was committed into '%s', "
                                         "which has its state now"),
                                       m->newest->name, m->target, top->path, m->base->path));
}

/* Whether its directory shows that its storage is there: something of the connection's is in it. */
static gboolean would_be_seen(const Repair *r, const ChainImage *image)
{
    g_autofree char *dir = g_path_get_dirname(image->path);

    for (guint i = 0; i < r->d->graph->images->len; i++) {
        const ChainImage *other = g_ptr_array_index(r->d->graph->images, i);
        g_autofree char *its = missing(other) ? NULL : g_path_get_dirname(other->path);

        if (g_strcmp0(its, dir) == 0)
            return TRUE;
    }
    return FALSE;
}

/* A file system that is not mounted is no reason to forget what is on it. */
static void refuse_unseen(Repair *r, const char *target, const ChainImage *image)
{
    for (guint i = 0; i < r->d->snapshots->len; i++) {
        const ChainSnapshot *s = g_ptr_array_index(r->d->snapshots, i);
        const ChainSnapshotDisk *sd = external(s, target);
        g_autofree char *command = forget_command(r, s->name);

        if (sd && sd->frozen == image)
            plan_refuse(r->plan, "missing-image",
                        g_strdup_printf(_("Image '%s' with the state of snapshot '%s' is missing, "
                                          "and so is all else in its directory: it may only be out "
                                          "of reach"), image->path, s->name),
                        g_strdup_printf(_("Bring it back, or forget the snapshot with '%s'"),
                                        command));
    }
}

static void correct_merge(Repair *r, const Merge *m)
{
    How how = how_merged(r, m);

    if (how == UNDECIDED) {
        say_undecided(r, m);
        return;
    }
    for (guint i = 0; i < m->run->len; i++) {
        const ChainImage *image = g_ptr_array_index(m->run, i);
        gboolean top = i + 1 == m->run->len;

        if (how == BY_PULL && missing(image) && !would_be_seen(r, image))
            refuse_unseen(r, m->target, image);
        else if (how == BY_PULL ? missing(image) : !top)
            lose_frozen(r, m->target, image,
                        how == BY_PULL ? _("its image was merged upwards and is gone")
                                       : _("its image was merged downwards, with what came later"));
    }
    if (how == BY_COMMIT) {
        lose_frozen(r, m->target, m->base, _("a later image was committed into its own"));
        if (missing(g_ptr_array_index(m->run, m->run->len - 1)))
            moved(r, m);
    }
}

/* --- images that are written ------------------------------------------------------------------ */

/* Whether @image is @below or stands on it, by the snapshots where it is not there any more. */
static gboolean stood_on(const Repair *r, const char *target, const ChainImage *image,
                         const ChainImage *below)
{
    for (guint i = 0; i <= r->d->snapshots->len; i++) {
        if (chain_image_stands_on(image, below))
            return TRUE;
        image = missing(image) ? before(r, target, image) : NULL;
        if (!image)
            return FALSE;
    }
    return FALSE;
}

/* Snapshots whose state is, or stands on, the image that the domain writes. */
static void check_written(Repair *r, const ChainDisk *disk)
{
    ChainImage *written = disk->active ? disk->active : disk->configured;

    if (!written || disk->readonly)
        return;
    for (guint i = 0; i < r->d->snapshots->len; i++) {
        ChainSnapshot *s = g_ptr_array_index(r->d->snapshots, i);
        const ChainSnapshotDisk *sd = external(s, disk->target);

        if (!sd || !stood_on(r, disk->target, sd->frozen, written))
            continue;
        if (r->d->active || written->modified / CHAIN_SECOND > s->creation_time + 1) {
            forget(r, s, disk->target, written, _("the domain writes to its image"));
        } else {
            g_autofree char *edit = chain_command("virsh", "edit", chain_domain_word(r->d), NULL);
            g_autofree char *command = forget_command(r, s->name);

            plan_refuse(r->plan, "configured-to-write",
                        g_strdup_printf(_("Disk '%s': the domain is configured to write to '%s', "
                                          "the state of snapshot '%s'"), disk->target,
                                        written->path, s->name),
                        g_strdup_printf(_("Before it is started, name an overlay of that image "
                                          "instead with '%s', or forget the snapshot with '%s'"),
                                        edit, command));
        }
    }
}

/* --- overlays --------------------------------------------------------------------------------- */

/* The one image in use that stands on the snapshot's, where its recorded overlay is nobody's. */
static void check_overlay(Repair *r, const ChainSnapshot *s, const ChainSnapshotDisk *sd)
{
    ChainImage *found = NULL;
    PlanRename *rename;

    if (!sd->overlay || missing(sd->frozen) || sd->revert_overlay ||
        (!missing(sd->overlay) && in_use(r, sd->overlay)))
        return;
    for (guint i = 0; i < sd->frozen->overlays->len; i++) {
        ChainImage *image = g_ptr_array_index(sd->frozen->overlays, i);

        if (image == sd->overlay || !in_use(r, image))
            continue;
        if (found)
            return;
        found = image;
    }
    if (!found)
        return;
    for (guint i = 0; i < found->overlay_of->len; i++) {
        if (!g_hash_table_contains(r->lost, g_ptr_array_index(found->overlay_of, i)))
            return;
    }
    rename = g_new0(PlanRename, 1);
    rename->disk = g_strdup(sd->target);
    rename->from = plan_image_new(sd->overlay);
    rename->to = plan_image_new(found);
    g_ptr_array_add(r->plan->renames, rename);
    r->update = TRUE;
    plan_note(r->plan, g_strdup_printf(_("Snapshot '%s': disk '%s' goes on in '%s', not in '%s'"),
                                       s->name, sd->target, found->path, sd->overlay->path));
}

/* libvirt's own mark of a deletion that another has finished: writing the metadata drops it. */
static void check_mark(Repair *r, const ChainSnapshot *s, const ChainSnapshotDisk *sd)
{
    if (!sd->delete_in_progress || !sd->overlay || sd->overlay->frozen_by->len)
        return;
    r->update = TRUE;
    plan_note(r->plan, g_strdup_printf(_("Snapshot '%s': the mark that a deletion by libvirt left "
                                         "is taken off"), s->name));
}

/* --- frozen images ---------------------------------------------------------------------------- */

static void correct_frozen(Repair *r, const ChainSnapshot *s, const char *target,
                           const ChainImage *from, const ChainImage *to)
{
    PlanRename *correction = g_new0(PlanRename, 1);

    correction->snapshot = g_strdup(s->name);
    correction->disk = g_strdup(target);
    correction->from = plan_image_new(from);
    correction->to = plan_image_new(to);
    g_ptr_array_add(r->plan->corrections, correction);
    r->update = TRUE;
    plan_note(r->plan, g_strdup_printf(_("Snapshot '%s': the state of disk '%s' is in '%s', not "
                                         "in '%s'"), s->name, target, to->path, from->path));
}

/* The overlay was put on the snapshot's state and nothing comes in between later: what it stands
 * on is that state, whatever the snapshot says. */
static void check_frozen(Repair *r, const ChainSnapshot *s, const ChainSnapshotDisk *sd)
{
    ChainImage *state = chain_snapshot_state(sd);

    if (missing(state) || state->writer || !sd->overlay || !in_use(r, sd->overlay) ||
        sd->overlay->backing != state)
        return;
    if (state != sd->frozen)
        correct_frozen(r, s, sd->target, sd->frozen, state);
    if (sd->frozen_inactive && sd->frozen_inactive != state && sd->frozen_inactive != sd->frozen)
        correct_frozen(r, s, sd->target, sd->frozen_inactive, state);
}

/* --- the rest --------------------------------------------------------------------------------- */

/* Whether the persistent XML's explicit chain contradicts the images. */
static void check_config(Repair *r, const ChainDisk *disk)
{
    g_autoptr(GPtrArray) images = NULL;

    if (!disk->configured || !disk->config_chain)
        return;
    images = chain_image_chain(disk->configured);
    for (guint i = 0; i < disk->config_chain->len; i++) {
        const ChainImage *said = g_ptr_array_index(disk->config_chain, i);

        if (i < images->len ? said == g_ptr_array_index(images, i)
                            : !((ChainImage *) g_ptr_array_index(images, images->len - 1))
                                   ->backing_known)
            continue;
        r->define = TRUE;
        plan_note(r->plan, g_strdup_printf(_("Disk '%s': the configuration lists '%s' below '%s', "
                                             "the images do not"),
                                           disk->target, said->path, disk->configured->path));
        return;
    }
    if (disk->config_chain_ends && disk->config_chain->len < images->len) {
        r->define = TRUE;
        plan_note(r->plan, g_strdup_printf(_("Disk '%s': the configuration lists nothing below "
                                             "'%s', the images go on"), disk->target,
                                           ((ChainImage *) g_ptr_array_index(
                                               disk->config_chain, disk->config_chain->len - 1))
                                               ->path));
    }
}

static ChainSnapshot *staying(const Repair *r, ChainSnapshot *s)
{
    while (s && g_hash_table_contains(r->lost, s))
        s = s->parent;
    return s;
}

/* The only snapshot on the nearest image below the active one that has any. */
static ChainSnapshot *derive_current(const Repair *r)
{
    for (guint i = 0; i < r->d->disks->len; i++) {
        const ChainDisk *disk = g_ptr_array_index(r->d->disks, i);

        for (ChainImage *image = disk->active ? disk->active->backing : NULL; image;
             image = image->backing) {
            ChainSnapshot *found = NULL;
            guint n = 0;

            for (guint k = 0; k < image->frozen_by->len; k++) {
                ChainSnapshot *s = g_ptr_array_index(image->frozen_by, k);

                if (s->domain == r->d && !g_hash_table_contains(r->lost, s)) {
                    found = s;
                    n++;
                }
            }
            if (n)
                return n == 1 ? found : NULL;
        }
    }
    return NULL;
}

static void set_current(Repair *r)
{
    ChainSnapshot *now = staying(r, r->d->current);

    if (r->d->current && now == r->d->current)
        return;
    if (!r->d->current) {
        now = derive_current(r);
        if (!now)
            return;
        plan_note(r->plan, g_strdup_printf(_("No snapshot is the current one; '%s' becomes it"),
                                           now->name));
        r->update = TRUE;
    }
    r->plan->new_current = g_strdup(now ? now->name : NULL);
    r->plan->current_changes = TRUE;
}

static void correct_metadata(Repair *r)
{
    for (guint i = 0; i < r->d->disks->len; i++) {
        const ChainDisk *disk = g_ptr_array_index(r->d->disks, i);

        check_written(r, disk);
        check_config(r, disk);
    }
    for (guint i = 0; i < r->d->snapshots->len; i++) {
        ChainSnapshot *s = g_ptr_array_index(r->d->snapshots, i);

        for (guint k = 0; k < s->disks->len; k++) {
            ChainSnapshotDisk *sd = g_ptr_array_index(s->disks, k);
            Merge m = { 0 };

            if (!external(s, sd->target) || !find_merge(r, s, sd, &m))
                continue;
            correct_merge(r, &m);
            g_ptr_array_unref(m.run);
        }
    }
    for (guint i = 0; i < r->d->snapshots->len; i++) {
        ChainSnapshot *s = g_ptr_array_index(r->d->snapshots, i);

        for (guint k = 0; k < s->disks->len && !g_hash_table_contains(r->lost, s); k++) {
            const ChainSnapshotDisk *sd = g_ptr_array_index(s->disks, k);

            if (external(s, sd->target)) {
                check_frozen(r, s, sd);
                check_overlay(r, s, sd);
                check_mark(r, s, sd);
            }
        }
    }
}

/* Parents first, as the domain has them. */
static void list_lost(Repair *r)
{
    for (guint i = 0; i < r->d->snapshots->len; i++) {
        ChainSnapshot *s = g_ptr_array_index(r->d->snapshots, i);

        if (!g_hash_table_contains(r->lost, s))
            continue;
        g_ptr_array_add(r->plan->snapshots, g_strdup(s->name));
        if (s->memory_file)
            plan_note(r->plan, g_strdup_printf(_("The memory of snapshot '%s' stays in '%s'"),
                                               s->name, s->memory_file));
    }
}

/* --- what stays wrong ------------------------------------------------------------------------- */

static void refuse_stale(Repair *r, ChainGraph *graph)
{
    g_autoptr(GPtrArray) findings = chain_graph_check(graph, r->d);

    for (guint i = 0; i < findings->len; i++) {
        const ChainFinding *finding = g_ptr_array_index(findings, i);
        const ChainSnapshot *s = finding->snapshot ? chain_domain_snapshot(r->d, finding->snapshot)
                                                   : NULL;
        g_autofree char *command = s ? forget_command(r, s->name) : NULL;

        if (s && g_str_equal(finding->code, "stale-snapshot"))
            plan_refuse(r->plan, "stale-snapshot", g_strdup(finding->message),
                        g_strdup_printf(_("If you cannot put that right, forget the snapshot "
                                          "with '%s'"), command));
    }
}

void plan_repair(Plan *plan, ChainGraph *graph, ChainDomain *d, const PlanRequest *request,
                 const PlanFacts *facts)
{
    g_autoptr(GHashTable) lost = g_hash_table_new(NULL, NULL);
    guint jobs;
    Repair r = { .plan = plan, .d = d, .facts = facts, .direction = request->direction,
                 .lost = lost };

    plan_check_operation(plan, d, facts);
    if (plan->refusals->len)
        return;
    if (!plan_jobs(&r, request->abort) && !request->abort)
        correct_metadata(&r);
    if (d->managed_save && (r.define || r.update))
        plan_note(plan, g_strdup_printf(_("Domain '%s' has a managed save image, whose own list "
                                          "of images is not corrected"), d->name));
    list_lost(&r);
    if (!request->abort || g_hash_table_size(lost))
        set_current(&r);
    /* A correction can take away what a decision is to be founded on: not while there is one. */
    if (plan->refusals->len)
        return;
    if (!plan->steps->len && !r.define && !r.update) {
        if (!request->abort)
            refuse_stale(&r, graph);
        return;
    }
    if (facts->readonly) {
        plan_refuse(plan, "read-only", g_strdup(_("The connection is read-only")),
                    plan_readonly_remedy());
        return;
    }
    /* What a commit has taken away is forgotten first: it may end in a way that leaves no trace
     * of it in the images. */
    jobs = plan->steps->len;
    plan_add_step(plan, PLAN_STEP_LOCK);
    if (r.define)
        plan_add_step(plan, PLAN_STEP_DEFINE_DOMAIN);
    if (r.update)
        plan_add_step(plan, PLAN_STEP_UPDATE_SNAPSHOTS);
    for (guint i = 0; i < jobs; i++)
        g_ptr_array_add(plan->steps, g_ptr_array_steal_index(plan->steps, 0));
    plan_add_step(plan, PLAN_STEP_UNLOCK);
    plan_sum(plan);
}
