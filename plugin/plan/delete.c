/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * delete.c: plans the deletion of external snapshots
 *
 *   names and options -> set of snapshots -> per disk: leaves, groups, merges (delete-merge.c)
 *     -> steps
 *
 * The order of the steps follows from what must never happen:
 *
 *   lock              before anything else
 *   helper rounds     merges of what the running domain has not open, or of a domain that is
 *                     shut off; one merge per disk at a time
 *   live merges       first in the middle of chains, then into and out of active images: all of
 *                     them ready before the first
 *   pivots            …, so that a failure finds all disks as they were
 *   define, snapshots the names follow the images
 *   files             once nothing names them any more
 *   unlock
 */
#include "config.h"

#include <string.h>

#include "plugin/plan/work.h"
#include "vext-i18n.h"

/* --- which snapshots ---------------------------------------------------------------------- */

static gboolean check_options(Plan *plan, const PlanRequest *request)
{
    gboolean named = request->names && request->names->len > 0;
    const char *a = NULL, *b = NULL;

    if (request->current && named)
        a = "current", b = "snapshotname";
    else if (request->all && named)
        a = "all", b = "snapshotname";
    else if (request->all && request->current)
        a = "all", b = "current";
    else if (request->children && request->children_only)
        a = "children", b = "children-only";
    else if (request->all && (request->children || request->children_only))
        a = "all", b = request->children ? "children" : "children-only";
    else if (request->metadata_only && request->direction != PLAN_AUTO)
        a = "metadata", b = "direction";
    else if (request->metadata_only && request->unnamed)
        a = "metadata", b = "unnamed";
    if (a) {
        plan_refuse(plan, "conflicting-options",
                    g_strdup_printf(_("Options --%s and --%s are mutually exclusive"), a, b),
                    NULL);
        return FALSE;
    }
    if (!request->current && !named && !request->all && !request->unnamed) {
        plan_refuse(plan, "no-snapshot",
                    g_strdup(_("A snapshot name, --current or --all is required")), NULL);
        return FALSE;
    }
    return TRUE;
}

static void mark(GHashTable *deleted, ChainSnapshot *s, const PlanRequest *request)
{
    guint i;

    if (!request->children_only)
        g_hash_table_add(deleted, s);
    if (!request->children && !request->children_only)
        return;
    for (i = 0; i < s->domain->snapshots->len; i++) {
        ChainSnapshot *other = g_ptr_array_index(s->domain->snapshots, i);

        if (other != s && chain_snapshot_descends(other, s))
            g_hash_table_add(deleted, other);
    }
}

static void resolve(Plan *plan, ChainDomain *d, const PlanRequest *request, GHashTable *deleted)
{
    guint i;

    if (!check_options(plan, request))
        return;
    for (i = 0; request->all && i < d->snapshots->len; i++)
        g_hash_table_add(deleted, g_ptr_array_index(d->snapshots, i));
    if (request->current && !d->current)
        plan_refuse(plan, "no-current-snapshot",
                    g_strdup_printf(_("Domain '%s' has no current snapshot"), d->name),
                    chain_command("virsh", "snapshot-list", chain_domain_word(d), "--", "--tree",
                                  NULL));
    else if (request->current)
        mark(deleted, d->current, request);
    for (i = 0; request->names && i < request->names->len; i++) {
        const char *name = g_ptr_array_index(request->names, i);
        ChainSnapshot *s = chain_domain_snapshot(d, name);

        if (s)
            mark(deleted, s, request);
        else
            plan_refuse(plan, "unknown-snapshot",
                        g_strdup_printf(_("Domain snapshot not found: no domain snapshot with "
                                          "matching name '%s'"),
                                        name),
                        chain_command("virsh", "snapshot-list", chain_domain_word(d), NULL));
    }
    for (i = 0; i < d->snapshots->len; i++) {
        ChainSnapshot *s = g_ptr_array_index(d->snapshots, i);

        if (g_hash_table_contains(deleted, s))
            g_ptr_array_add(plan->snapshots, g_strdup(s->name));
    }
}

static gboolean has_internal(const ChainSnapshot *s)
{
    guint i;

    for (i = 0; i < s->disks->len; i++) {
        const ChainSnapshotDisk *sd = g_ptr_array_index(s->disks, i);

        if (sd->kind == CHAIN_SNAP_INTERNAL)
            return TRUE;
    }
    return s->memory == CHAIN_MEMORY_INTERNAL;
}

/* An image that libvirt has merged something into by half belongs to nobody but the snapshot that
 * it was to delete: that goes first, or with @s. */
static void check_half_merged(Plan *plan, const ChainSnapshot *s, GHashTable *deleted)
{
    for (guint i = 0; i < s->disks->len; i++) {
        const ChainSnapshotDisk *sd = g_ptr_array_index(s->disks, i);

        for (guint k = 0; sd->delete_in_progress && sd->overlay && k < sd->overlay->frozen_by->len;
             k++) {
            const ChainSnapshot *half = g_ptr_array_index(sd->overlay->frozen_by, k);

            if (g_hash_table_contains(deleted, (gpointer)half))
                continue;
            plan_refuse(plan, "delete-in-progress",
                        g_strdup_printf(_("libvirt has begun to delete snapshot '%s' and has not "
                                          "finished"), half->name),
                        chain_command("virsh-ext", "snapshot-delete-external",
                                      chain_domain_word(half->domain), half->name, NULL));
        }
    }
}

static void check_snapshot(Plan *plan, const ChainSnapshot *s, GHashTable *deleted)
{
    if (has_internal(s)) {
        plan_refuse(plan, "internal-snapshot",
                    chain_snapshot_is_internal(s)
                        ? g_strdup_printf(_("Snapshot '%s' is internal"), s->name)
                        : g_strdup_printf(_("Snapshot '%s' is partly internal"), s->name),
                    chain_command("virsh", "snapshot-delete", chain_domain_word(s->domain),
                                  s->name, "--",
                                 plan->metadata_only ? "--metadata" : NULL, NULL));
        return;
    }
    if (plan->metadata_only)
        return;
    if (!s->has_domain)
        plan_refuse(plan, "no-domain",
                    g_strdup_printf(_("Snapshot '%s' carries no domain configuration: which "
                                      "images it needs is not recorded"),
                                    s->name),
                    chain_command("virsh-ext", "snapshot-delete-external",
                                  chain_domain_word(s->domain),
                                  s->name, "--", "--metadata", NULL));
    check_half_merged(plan, s, deleted);
}

/* As virsh: the nearest parent that stays. */
static void choose_current(Plan *plan, ChainDomain *d, GHashTable *deleted)
{
    ChainSnapshot *s = d->current;

    if (!s || !g_hash_table_contains(deleted, s))
        return;
    while (s && g_hash_table_contains(deleted, s))
        s = s->parent;
    plan->current_changes = TRUE;
    plan->new_current = g_strdup(s ? s->name : NULL);
}

/* --- the domain's disks ------------------------------------------------------------------- */

/* Whether the XML's chain from @top says the same as the headers, as far as both are known.
 * @ends: the XML says that nothing is below its last image; else it leaves that to the headers. */
static gboolean chains_agree(const GPtrArray *xml, gboolean ends, const ChainImage *top)
{
    const ChainImage *image = top;
    guint i;

    if (!xml)
        return TRUE;
    for (i = 0; i < xml->len; i++, image = image->backing) {
        if (!image)
            return FALSE;
        if (g_ptr_array_index(xml, i) != image)
            return FALSE;
        if (!image->backing && !image->backing_known)
            return TRUE;
    }
    return !image || !ends;
}

/* A disk that something is done with: XML, images and QEMU must be of one mind. */
static void check_disk(Plan *plan, ChainDomain *d, const ChainDisk *disk)
{
    g_autofree char *remedy = chain_command("virsh-ext", "chain-show", chain_domain_word(d), "--",
                                            "--check",
                                            NULL);

    if (d->active && !chains_agree(disk->live_chain, TRUE, disk->active))
        plan_refuse(plan, "chain-mismatch",
                    g_strdup_printf(_("The chain of disk '%s' is not what the headers of its "
                                      "images say"),
                                    disk->target),
                    g_strdup(remedy));
    if (!d->active && !chains_agree(disk->config_chain, disk->config_chain_ends, disk->configured))
        plan_refuse(plan, "chain-mismatch",
                    g_strdup_printf(_("The chain of disk '%s' in the configuration is not what "
                                      "the headers of its images say"),
                                    disk->target),
                    g_strdup(remedy));
    if (d->active && d->persistent && disk->configured && disk->configured != disk->active)
        plan_refuse(plan, "config-mismatch",
                    g_strdup_printf(_("Disk '%s' uses image '%s', but the configuration says "
                                      "'%s'"),
                                    disk->target, disk->active ? disk->active->path : "",
                                    disk->configured->path),
                    chain_command("virsh", "edit", chain_domain_word(d), NULL));
}

/* Targets of the domain's disks in its order, then those that only snapshots know. */
static GPtrArray *all_targets(ChainDomain *d, GHashTable *deleted)
{
    GPtrArray *targets = g_ptr_array_new();
    guint i, j;

    for (i = 0; i < d->disks->len; i++) {
        const ChainDisk *disk = g_ptr_array_index(d->disks, i);

        g_ptr_array_add(targets, disk->target);
    }
    for (i = 0; i < d->snapshots->len; i++) {
        ChainSnapshot *s = g_ptr_array_index(d->snapshots, i);

        for (j = 0; g_hash_table_contains(deleted, s) && j < s->disks->len; j++) {
            const ChainSnapshotDisk *sd = g_ptr_array_index(s->disks, j);

            if (!g_ptr_array_find_with_equal_func(targets, sd->target, g_str_equal, NULL))
                g_ptr_array_add(targets, sd->target);
        }
    }
    return targets;
}

/* --- memory files ------------------------------------------------------------------------- */

static gboolean memory_needed(ChainGraph *graph, GHashTable *deleted, const char *path)
{
    g_autoptr(ChainSource) source = chain_source_new_file(path);
    g_autofree char *key = chain_source_key(source);
    guint i, j;

    if (chain_graph_find(graph, source))
        return TRUE;
    for (i = 0; i < graph->domains->len; i++) {
        const ChainDomain *d = g_ptr_array_index(graph->domains, i);

        for (j = 0; j < d->snapshots->len; j++) {
            ChainSnapshot *s = g_ptr_array_index(d->snapshots, j);
            g_autoptr(ChainSource) other = NULL;
            g_autofree char *other_key = NULL;

            if (!s->memory_file || g_hash_table_contains(deleted, s))
                continue;
            other = chain_source_new_file(s->memory_file);
            other_key = chain_source_key(other);
            if (strcmp(key, other_key) == 0)
                return TRUE;
        }
    }
    return FALSE;
}

static void add_memory_files(Plan *plan, ChainGraph *graph, ChainDomain *d, GHashTable *deleted)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    guint i;

    for (i = 0; i < d->snapshots->len; i++) {
        ChainSnapshot *s = g_ptr_array_index(d->snapshots, i);

        if (!g_hash_table_contains(deleted, s) || s->memory != CHAIN_MEMORY_EXTERNAL ||
            !s->memory_file || !g_hash_table_add(seen, s->memory_file))
            continue;
        if (memory_needed(graph, deleted, s->memory_file))
            plan_note(plan, g_strdup_printf(_("Memory file '%s' stays: something else needs it"),
                                            s->memory_file));
        else
            plan_add_file(plan, NULL, s->memory_file, NULL, s->memory_size);
    }
}

/* --- steps -------------------------------------------------------------------------------- */

static PlanMerge *merge_at(const Plan *plan, guint i)
{
    return g_ptr_array_index(plan->merges, i);
}

static void add_merge_step(Plan *plan, PlanAction action, guint i)
{
    PlanStep *step = plan_add_step(plan, action);

    step->merge = i;
    if (action == PLAN_STEP_MERGE)
        step->bytes = merge_at(plan, i)->bytes;
}

/* One merge of each disk at a time, in the order in which they were planned. */
static void add_helper_rounds(Plan *plan)
{
    g_autofree gboolean *done = g_new0(gboolean, plan->merges->len + 1);
    guint i;

    for (;;) {
        g_autoptr(GHashTable) disks = g_hash_table_new(g_str_hash, g_str_equal);
        g_autoptr(GArray) round = g_array_new(FALSE, FALSE, sizeof(guint));

        for (i = 0; i < plan->merges->len; i++) {
            PlanMerge *merge = merge_at(plan, i);

            if (!merge->live && !done[i] && g_hash_table_add(disks, merge->disk)) {
                g_array_append_val(round, i);
                done[i] = TRUE;
            }
        }
        if (round->len == 0)
            return;
        plan_add_step(plan, PLAN_STEP_START_HELPER)->merges = g_array_ref(round);
        for (i = 0; i < round->len; i++)
            add_merge_step(plan, PLAN_STEP_MERGE, g_array_index(round, guint, i));
        for (i = 0; i < round->len; i++) {
            PlanMerge *merge = merge_at(plan, g_array_index(round, guint, i));

            if (merge->direction == PLAN_COMMIT && !merge->above)
                add_merge_step(plan, PLAN_STEP_PIVOT, g_array_index(round, guint, i));
        }
        plan_add_step(plan, PLAN_STEP_STOP_HELPER);
    }
}

static void add_live_merges(Plan *plan)
{
    guint i;

    for (i = 0; i < plan->merges->len; i++) {
        if (merge_at(plan, i)->live && !merge_at(plan, i)->top_is_active)
            add_merge_step(plan, PLAN_STEP_MERGE, i);
    }
    for (i = 0; i < plan->merges->len; i++) {
        if (merge_at(plan, i)->live && merge_at(plan, i)->top_is_active)
            add_merge_step(plan, PLAN_STEP_MERGE, i);
    }
    for (i = 0; i < plan->merges->len; i++) {
        PlanMerge *merge = merge_at(plan, i);

        if (merge->live && merge->top_is_active && merge->direction == PLAN_COMMIT)
            add_merge_step(plan, PLAN_STEP_PIVOT, i);
    }
}

/* Whether the persistent configuration names an image or a chain that is not so any more. */
static gboolean config_changes(const Plan *plan, const ChainDomain *d)
{
    guint i, j, k;

    for (i = 0; d->persistent && i < plan->merges->len; i++) {
        const PlanMerge *merge = merge_at(plan, i);
        const ChainDisk *disk = chain_domain_disk(d, merge->disk);

        if (!disk)
            continue;
        if (!d->active && merge->top_is_active && merge->direction == PLAN_COMMIT)
            return TRUE;
        for (j = 0; disk->config_chain && j < disk->config_chain->len; j++) {
            const ChainImage *image = g_ptr_array_index(disk->config_chain, j);

            for (k = 0; k < merge->range->len; k++) {
                const PlanImage *in_range = g_ptr_array_index(merge->range, k);

                if (strcmp(in_range->key, image->key) == 0)
                    return TRUE;
            }
        }
    }
    return FALSE;
}

static void add_steps(Plan *plan, const ChainDomain *d)
{
    if (plan->snapshots->len == 0 && plan->merges->len == 0)
        return;
    plan_add_step(plan, PLAN_STEP_LOCK);
    add_helper_rounds(plan);
    add_live_merges(plan);
    if (config_changes(plan, d))
        plan_add_step(plan, PLAN_STEP_DEFINE_DOMAIN);
    plan_add_step(plan, PLAN_STEP_UPDATE_SNAPSHOTS);
    plan_add_file_steps(plan);
    plan_add_step(plan, PLAN_STEP_UNLOCK);
}

static void add_alternative(Plan *plan, PlanDirection direction)
{
    PlanAlternative *alternative;
    gboolean same = TRUE;
    guint64 sum = 0;
    guint i;

    for (i = 0; i < plan->merges->len; i++) {
        const PlanMerge *merge = merge_at(plan, i);
        guint64 bytes = merge->direction == direction ? merge->bytes : merge->other_bytes;

        if (bytes == CHAIN_UNKNOWN)
            return;
        same = same && merge->direction == direction;
        sum += MIN(bytes, G_MAXINT64 - sum);
    }
    if (same)
        return;
    alternative = g_new0(PlanAlternative, 1);
    alternative->direction = direction;
    alternative->bytes_moved = sum;
    g_ptr_array_add(plan->alternatives, alternative);
}

/* --- all together ------------------------------------------------------------------------- */

static gboolean enough_space(const GArray *spaces)
{
    guint i;

    for (i = 0; i < spaces->len; i++) {
        const PlanSpace *space = &g_array_index(spaces, PlanSpace, i);

        if (space->need > space->free)
            return FALSE;
    }
    return TRUE;
}

/* For --direction auto both were tried, but no pull that would take the chain's root away. */
static char *space_remedy(const Plan *plan, PlanDirection asked)
{
    gboolean other = asked != PLAN_AUTO;
    guint i;

    for (i = 0; asked == PLAN_AUTO && i < plan->merges->len; i++) {
        const PlanMerge *merge = merge_at(plan, i);

        other = other || (merge->direction == PLAN_COMMIT && merge->other_bytes != CHAIN_UNKNOWN);
    }
    if (!other)
        return g_strdup(_("Make room"));
    return g_strdup_printf(_("Make room, or try --direction %s"),
                           asked == PLAN_AUTO ? "pull" : "auto");
}

static void refuse_space(Plan *plan, const GArray *spaces, PlanDirection asked)
{
    guint i;

    for (i = 0; i < spaces->len; i++) {
        const PlanSpace *space = &g_array_index(spaces, PlanSpace, i);
        g_autofree char *need = NULL;
        g_autofree char *room = NULL;

        if (space->need <= space->free)
            continue;
        need = plan_size_text(space->need, TRUE);
        room = plan_size_text(space->free, TRUE);
        plan_refuse(plan, "no-space",
                    g_strdup_printf(_("Not enough space where image '%s' lies: up to %s needed, "
                                      "%s free"),
                                    space->path, need, room),
                    space_remedy(plan, asked));
    }
}

static void forget(Plan *plan)
{
    g_ptr_array_set_size(plan->refusals, 0);
    g_ptr_array_set_size(plan->notes, 0);
    g_ptr_array_set_size(plan->merges, 0);
    g_ptr_array_set_size(plan->files, 0);
    g_ptr_array_set_size(plan->wanted, 0);
    g_ptr_array_set_size(plan->renames, 0);
}

/* Whether images that nobody knows may be where @unknown was not looked. */
static gboolean hides_images(const ChainUnknown *unknown)
{
    return g_str_equal(unknown->code, "directory") || g_str_equal(unknown->code, "file") ||
           g_str_equal(unknown->code, "pool");
}

static const ChainUnknown *find_unseen(const ChainGraph *graph)
{
    for (guint i = 0; i < graph->unknown->len; i++) {
        if (hides_images(g_ptr_array_index(graph->unknown, i)))
            return g_ptr_array_index(graph->unknown, i);
    }
    return NULL;
}

/* A commit changes what else stands on its base. That nobody can look for it (another host without
 * pools, a directory closed to this user) is no reason to refuse one that was asked for, but has to
 * be said. */
static void note_unseen(Plan *plan, const ChainGraph *graph)
{
    for (guint i = 0; i < plan->merges->len; i++) {
        const PlanMerge *merge = g_ptr_array_index(plan->merges, i);

        for (guint k = 0; merge->direction == PLAN_COMMIT && k < graph->unknown->len; k++) {
            const ChainUnknown *unknown = g_ptr_array_index(graph->unknown, k);

            if (hides_images(unknown))
                plan_note(plan, g_strdup_printf(_("%s; another image that stands on '%s' would be "
                                                  "damaged by the commit"),
                                                unknown->message, merge->base->path));
        }
    }
}

/* What becomes of the images; FALSE if there is not enough space for it. */
static gboolean plan_images(Plan *plan, ChainGraph *graph, ChainDomain *d, GHashTable *deleted,
                            const PlanRequest *request, const PlanFacts *facts,
                            PlanDirection prefer, gboolean last)
{
    g_autoptr(Work) work = work_new(graph, d, deleted);
    g_autoptr(GPtrArray) targets = all_targets(d, deleted);
    g_autoptr(GPtrArray) leaves = g_ptr_array_new();
    g_autoptr(GArray) spaces = g_array_new(FALSE, FALSE, sizeof(PlanSpace));
    DeleteState state = {
        .plan = plan, .work = work, .facts = facts, .direction = request->direction,
        .prefer = prefer, .keep_files = request->keep_files,
        .unknown = chain_graph_unknown(graph, deleted), .unseen = find_unseen(graph),
        .unnamed = request->unnamed, .root = request->root, .leaves = leaves, .spaces = spaces,
    };
    guint i;

    for (i = 0; i < targets->len; i++) {
        work_focus(work, g_ptr_array_index(targets, i));
        delete_disk(&state);
        if (state.affected && work->disk)
            check_disk(plan, d, work->disk);
    }
    note_unseen(plan, graph);
    if (enough_space(spaces))
        return TRUE;
    if (last)
        refuse_space(plan, spaces, request->direction);
    return FALSE;
}

/* Once the images are merged nothing tells any more that what such a snapshot keeps is lost. */
static void refuse_stale(Plan *plan, ChainGraph *graph, ChainDomain *d, GHashTable *deleted)
{
    g_autoptr(GPtrArray) findings = chain_graph_check(graph, d);

    for (guint i = 0; i < findings->len; i++) {
        const ChainFinding *f = g_ptr_array_index(findings, i);
        ChainSnapshot *s = f->by_merge ? chain_domain_snapshot(d, f->snapshot) : NULL;

        if (s && !g_hash_table_contains(deleted, s))
            plan_refuse(plan, "stale-snapshot", g_strdup(f->message), g_strdup(f->remedy));
    }
}

/*
 * The image that a snapshot names is not the one that its overlay stands on: libvirt 9.0 does that
 * to the next snapshot with --metadata. What it names would be taken for its state, which would be
 * merged away for an unnamed layer, or deleted in its place; and then nothing tells of it.
 */
static void refuse_misnamed(Plan *plan, ChainDomain *d)
{
    g_autofree char *repair = chain_command("virsh-ext", "chain-repair", chain_domain_word(d),
                                            NULL);

    for (guint i = 0; i < d->snapshots->len; i++) {
        const ChainSnapshot *s = g_ptr_array_index(d->snapshots, i);
        g_autofree char *forget = chain_command("virsh-ext", "snapshot-delete-external",
                                                chain_domain_word(d), s->name, "--",
                                                "--metadata", NULL);

        for (guint k = 0; k < s->disks->len; k++) {
            const ChainSnapshotDisk *sd = g_ptr_array_index(s->disks, k);
            const ChainImage *state = chain_snapshot_state(sd);

            if (state == sd->frozen)
                continue;
            plan_refuse(plan, "stale-snapshot",
                        g_strdup_printf(_("Snapshot '%s' names '%s' as its state, but the image "
                                          "that followed it stands on '%s'"),
                                        s->name, sd->frozen->path, state->path),
                        g_strdup_printf(_("Run '%s'; what cannot be repaired is forgotten with "
                                          "'%s'"), repair, forget));
        }
    }
}

void plan_delete(Plan *plan, ChainGraph *graph, ChainDomain *d, const PlanRequest *request,
                 const PlanFacts *facts)
{
    g_autoptr(GHashTable) deleted = g_hash_table_new(NULL, NULL);
    guint i;

    plan->metadata_only = request->metadata_only;
    plan->keep_files = request->keep_files;
    plan_check_domain(plan, graph, d, facts);
    resolve(plan, d, request, deleted);
    for (i = 0; i < d->snapshots->len; i++) {
        ChainSnapshot *s = g_ptr_array_index(d->snapshots, i);

        if (g_hash_table_contains(deleted, s))
            check_snapshot(plan, s, deleted);
    }
    choose_current(plan, d, deleted);
    if (!request->metadata_only) {
        refuse_stale(plan, graph, d, deleted);
        refuse_misnamed(plan, d);
    }
    if (plan->refusals->len > 0)
        return;

    if (!request->metadata_only) {
        static const PlanDirection prefer[] = { PLAN_AUTO, PLAN_COMMIT, PLAN_PULL, PLAN_AUTO };
        guint tries = request->direction == PLAN_AUTO ? G_N_ELEMENTS(prefer) : 1;

        for (i = 0; i < tries; i++) {
            forget(plan);
            if (plan_images(plan, graph, d, deleted, request, facts, prefer[i], i + 1 == tries))
                break;
        }
        if (!request->keep_files)
            add_memory_files(plan, graph, d, deleted);
    }
    if (plan->refusals->len > 0)
        return;
    add_steps(plan, d);
    add_alternative(plan, PLAN_COMMIT);
    add_alternative(plan, PLAN_PULL);
    plan_sum(plan);
}
