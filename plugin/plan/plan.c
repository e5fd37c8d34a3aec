/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan.c: what all plans share: making, freeing, describing, and common refusals
 */
#include "config.h"

#include <string.h>

#include "plugin/plan/plan.h"
#include "vext-i18n.h"

/* --- constructors ------------------------------------------------------------------------- */

PlanImage *plan_image_new(const ChainImage *image)
{
    PlanImage *p;

    if (!image)
        return NULL;
    p = g_new0(PlanImage, 1);
    p->key = g_strdup(image->key);
    p->source = image->source ? chain_source_copy(image->source) : NULL;
    p->format = g_strdup(image->format);
    p->path = g_strdup(image->path);
    p->allocation = image->allocation;
    p->born = image->born;
    p->modified = image->modified;
    return p;
}

PlanImage *plan_image_copy(const PlanImage *image)
{
    PlanImage *p;

    if (!image)
        return NULL;
    p = g_new0(PlanImage, 1);
    p->key = g_strdup(image->key);
    p->source = image->source ? chain_source_copy(image->source) : NULL;
    p->format = g_strdup(image->format);
    p->path = g_strdup(image->path);
    p->allocation = image->allocation;
    p->born = image->born;
    p->modified = image->modified;
    return p;
}

void plan_image_free(PlanImage *image)
{
    if (!image)
        return;
    g_free(image->key);
    chain_source_free(image->source);
    g_free(image->format);
    g_free(image->path);
    g_free(image);
}

void plan_merge_free(PlanMerge *merge)
{
    if (!merge)
        return;
    g_free(merge->disk);
    plan_image_free(merge->base);
    plan_image_free(merge->top);
    plan_image_free(merge->below);
    plan_image_free(merge->above);
    g_ptr_array_unref(merge->range);
    g_ptr_array_unref(merge->gone);
    g_free(merge);
}

PlanMerge *plan_merge_new(const char *disk, PlanDirection direction)
{
    PlanMerge *merge = g_new0(PlanMerge, 1);

    merge->disk = g_strdup(disk);
    merge->direction = direction;
    merge->range = g_ptr_array_new_with_free_func((GDestroyNotify) plan_image_free);
    merge->gone = g_ptr_array_new_with_free_func((GDestroyNotify) plan_image_free);
    merge->bytes = CHAIN_UNKNOWN;
    merge->other_bytes = CHAIN_UNKNOWN;
    return merge;
}

static void file_free(PlanFile *file)
{
    plan_image_free(file->image);
    g_free(file->memory_file);
    g_free(file->disk);
    g_free(file);
}

PlanOverlay *plan_overlay_new(void)
{
    PlanOverlay *overlay = g_new0(PlanOverlay, 1);

    overlay->below = g_ptr_array_new_with_free_func((GDestroyNotify) plan_image_free);
    return overlay;
}

void plan_overlay_free(PlanOverlay *overlay)
{
    if (!overlay)
        return;
    g_free(overlay->disk);
    plan_image_free(overlay->frozen);
    plan_image_free(overlay->overlay);
    g_ptr_array_unref(overlay->below);
    g_free(overlay);
}

static void step_free(PlanStep *step)
{
    if (step->merges)
        g_array_unref(step->merges);
    g_free(step->disk);
    g_free(step->job);
    g_free(step);
}

static void refusal_free(PlanRefusal *refusal)
{
    g_free(refusal->code);
    g_free(refusal->message);
    g_free(refusal->remedy);
    g_free(refusal);
}

static void range_free(PlanRange *range)
{
    g_free(range->lo);
    g_free(range->hi);
    g_free(range->top);
    g_free(range);
}

static void rename_free(PlanRename *rename)
{
    g_free(rename->disk);
    g_free(rename->snapshot);
    plan_image_free(rename->from);
    plan_image_free(rename->to);
    g_free(rename);
}

Plan *plan_new(PlanOperation operation)
{
    Plan *plan = g_new0(Plan, 1);

    plan->operation = operation;
    plan->snapshots = g_ptr_array_new_with_free_func(g_free);
    plan->refusals = g_ptr_array_new_with_free_func((GDestroyNotify) refusal_free);
    plan->notes = g_ptr_array_new_with_free_func(g_free);
    plan->merges = g_ptr_array_new_with_free_func((GDestroyNotify) plan_merge_free);
    plan->files = g_ptr_array_new_with_free_func((GDestroyNotify) file_free);
    plan->steps = g_ptr_array_new_with_free_func((GDestroyNotify) step_free);
    plan->alternatives = g_ptr_array_new_with_free_func(g_free);
    plan->wanted = g_ptr_array_new_with_free_func((GDestroyNotify) range_free);
    plan->renames = g_ptr_array_new_with_free_func((GDestroyNotify) rename_free);
    plan->corrections = g_ptr_array_new_with_free_func((GDestroyNotify) rename_free);
    plan->overlays = g_ptr_array_new_with_free_func((GDestroyNotify) plan_overlay_free);
    plan->save_overlays = g_ptr_array_new_with_free_func((GDestroyNotify) plan_overlay_free);
    plan->kept_disks = g_ptr_array_new_with_free_func(g_free);
    plan->resting = g_ptr_array_new_with_free_func((GDestroyNotify) plan_image_free);
    plan->bytes_exact = TRUE;
    plan->discarded_bytes = 0;
    return plan;
}

void plan_free(Plan *plan)
{
    if (!plan)
        return;
    g_free(plan->domain);
    g_free(plan->uuid);
    g_free(plan->command);
    g_ptr_array_unref(plan->snapshots);
    g_ptr_array_unref(plan->refusals);
    g_ptr_array_unref(plan->notes);
    g_ptr_array_unref(plan->merges);
    g_ptr_array_unref(plan->files);
    g_ptr_array_unref(plan->steps);
    g_ptr_array_unref(plan->alternatives);
    g_ptr_array_unref(plan->wanted);
    g_ptr_array_unref(plan->renames);
    g_ptr_array_unref(plan->corrections);
    g_ptr_array_unref(plan->overlays);
    g_ptr_array_unref(plan->save_overlays);
    g_ptr_array_unref(plan->kept_disks);
    g_ptr_array_unref(plan->resting);
    g_free(plan->new_current);
    g_free(plan->save_current);
    g_free(plan->memory_file);
    g_free(plan->want_state);
    g_free(plan);
}

void plan_refuse(Plan *plan, const char *code, char *message_take, char *remedy_take)
{
    PlanRefusal *refusal;
    guint i;

    for (i = 0; i < plan->refusals->len; i++) {
        refusal = g_ptr_array_index(plan->refusals, i);
        if (strcmp(refusal->code, code) == 0 && strcmp(refusal->message, message_take) == 0) {
            g_free(message_take);
            g_free(remedy_take);
            return;
        }
    }
    refusal = g_new0(PlanRefusal, 1);
    refusal->code = g_strdup(code);
    refusal->message = message_take;
    refusal->remedy = remedy_take;
    g_ptr_array_add(plan->refusals, refusal);
}

void plan_note(Plan *plan, char *note_take)
{
    guint i;

    for (i = 0; i < plan->notes->len; i++) {
        if (strcmp(g_ptr_array_index(plan->notes, i), note_take) == 0) {
            g_free(note_take);
            return;
        }
    }
    g_ptr_array_add(plan->notes, note_take);
}

PlanStep *plan_add_step(Plan *plan, PlanAction action)
{
    PlanStep *step = g_new0(PlanStep, 1);

    step->action = action;
    g_ptr_array_add(plan->steps, step);
    return step;
}

PlanFile *plan_add_file(Plan *plan, const ChainImage *image, const char *memory_file,
                        const char *disk, guint64 bytes)
{
    PlanFile *file = g_new0(PlanFile, 1);

    file->image = plan_image_new(image);
    file->memory_file = g_strdup(memory_file);
    file->disk = g_strdup(disk);
    file->bytes = bytes;
    g_ptr_array_add(plan->files, file);
    return file;
}

void plan_add_file_steps(Plan *plan)
{
    guint i;

    for (i = 0; i < plan->files->len; i++) {
        PlanFile *file = g_ptr_array_index(plan->files, i);
        PlanStep *step = plan_add_step(plan, PLAN_STEP_REMOVE_FILE);

        step->file = i;
        step->bytes = file->bytes;
    }
}

static void add_bytes(guint64 *sum, gboolean *exact, guint64 bytes)
{
    if (bytes == CHAIN_UNKNOWN) {
        *exact = FALSE;
        return;
    }
    *sum = *sum > G_MAXINT64 - MIN(bytes, (guint64) G_MAXINT64) ? G_MAXINT64 : *sum + bytes;
}

void plan_sum(Plan *plan)
{
    guint i;

    plan->bytes_moved = 0;
    plan->bytes_freed = 0;
    plan->bytes_exact = TRUE;
    for (i = 0; i < plan->merges->len; i++) {
        PlanMerge *merge = g_ptr_array_index(plan->merges, i);

        add_bytes(&plan->bytes_moved, &plan->bytes_exact, merge->bytes);
    }
    for (i = 0; i < plan->files->len; i++) {
        PlanFile *file = g_ptr_array_index(plan->files, i);

        add_bytes(&plan->bytes_freed, &plan->bytes_exact, file->bytes);
    }
}

char *plan_measure_key(const char *lo, const char *top)
{
    /* the length tells where the first key ends, whatever is in it */
    return g_strdup_printf("%zu:%s:%s", strlen(lo), lo, top);
}

Plan *plan_make(ChainGraph *graph, ChainDomain *d, const PlanRequest *request,
                const PlanFacts *facts)
{
    Plan *plan = plan_new(request->operation);

    plan->domain = g_strdup(d->name);
    plan->uuid = g_strdup(d->uuid);
    plan->was_running = d->active;
    switch (request->operation) {
    case PLAN_DELETE:
        plan->command = g_strdup("snapshot-delete-external");
        plan_delete(plan, graph, d, request, facts);
        break;
    case PLAN_REVERT:
        plan->command = g_strdup("snapshot-revert-external");
        plan_revert(plan, graph, d, request, facts);
        break;
    case PLAN_REPAIR:
        plan->command = g_strdup("chain-repair");
        plan_repair(plan, graph, d, request, facts);
        break;
    }
    return plan;
}

/* --- after the merges --------------------------------------------------------------------- */

/* The last word that @merge has on @key: NULL if it does not speak of it. */
static const PlanImage *merge_image(const PlanMerge *merge, const char *key)
{
    guint i;

    for (i = 0; i < merge->gone->len; i++) {
        const PlanImage *image = g_ptr_array_index(merge->gone, i);

        if (strcmp(image->key, key) == 0)
            return merge->direction == PLAN_PULL ? merge->top : merge->base;
    }
    for (i = 0; i < merge->range->len; i++) {
        const PlanImage *image = g_ptr_array_index(merge->range, i);

        if (strcmp(image->key, key) == 0)
            return image;
    }
    if (merge->below && strcmp(merge->below->key, key) == 0)
        return merge->below;
    if (merge->above && strcmp(merge->above->key, key) == 0)
        return merge->above;
    return NULL;
}

const PlanImage *plan_replacement(const Plan *plan, const char *disk, const char *key)
{
    const PlanImage *now = NULL;
    guint i;

    for (i = 0; i < plan->merges->len; i++) {
        const PlanMerge *merge = g_ptr_array_index(plan->merges, i);
        const PlanImage *next;

        if (g_strcmp0(merge->disk, disk) != 0)
            continue;
        next = merge_image(merge, key);
        if (next) {
            now = next;
            key = next->key;
        }
    }
    return now;
}

const PlanImage *plan_overlay_replacement(const Plan *plan, const char *disk, const char *key)
{
    guint i;

    for (i = 0; i < plan->renames->len; i++) {
        const PlanRename *rename = g_ptr_array_index(plan->renames, i);

        if (g_strcmp0(rename->disk, disk) == 0 && strcmp(rename->from->key, key) == 0) {
            const PlanImage *now = plan_replacement(plan, disk, rename->to->key);

            return now ? now : rename->to;
        }
    }
    return plan_replacement(plan, disk, key);
}

/* --- for people --------------------------------------------------------------------------- */

const char *plan_action_name(const Plan *plan, const PlanStep *step)
{
    switch (step->action) {
    case PLAN_STEP_LOCK:
        return "lock";
    case PLAN_STEP_SAVE_CURRENT:
        return "create-snapshot";
    case PLAN_STEP_CREATE_OVERLAYS:
        return "create-overlays";
    case PLAN_STEP_START_HELPER:
        return "start-helper";
    case PLAN_STEP_MERGE: {
        const PlanMerge *merge = g_ptr_array_index(plan->merges, step->merge);

        return merge->direction == PLAN_PULL ? "block-pull" : "block-commit";
    }
    case PLAN_STEP_PIVOT:
        return "pivot";
    case PLAN_STEP_STOP_HELPER:
        return "stop-helper";
    case PLAN_STEP_STOP_GUEST:
        return "stop-guest";
    case PLAN_STEP_DEFINE_DOMAIN:
        return "define-domain";
    case PLAN_STEP_UPDATE_SNAPSHOTS:
        return "update-snapshots";
    case PLAN_STEP_RESTORE_MEMORY:
        return "restore-memory";
    case PLAN_STEP_START_GUEST:
        return "start-guest";
    case PLAN_STEP_REMOVE_FILE:
        return "remove-file";
    case PLAN_STEP_FINISH_JOB:
        return "finish-job";
    case PLAN_STEP_ABORT_JOB:
        return "abort-job";
    case PLAN_STEP_UNLOCK:
        return "unlock";
    }
    return "unknown";
}

static char *describe_merge(const PlanMerge *merge)
{
    if (merge->direction == PLAN_PULL) {
        if (merge->range->len > 2)
            return g_strdup_printf(_("Disk '%s': pull what lies from '%s' up to below '%s' "
                                     "into the latter"),
                                   merge->disk, merge->base->path, merge->top->path);
        return g_strdup_printf(_("Disk '%s': pull '%s' into '%s'"), merge->disk,
                               merge->base->path, merge->top->path);
    }
    if (merge->range->len > 2)
        return g_strdup_printf(_("Disk '%s': commit everything above '%s' up to '%s' "
                                 "into the former"),
                               merge->disk, merge->base->path, merge->top->path);
    return g_strdup_printf(_("Disk '%s': commit '%s' into '%s'"), merge->disk, merge->top->path,
                           merge->base->path);
}

static char *describe_overlays(const Plan *plan)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new();
    g_autofree char *list = NULL;
    guint i;

    for (i = 0; i < plan->overlays->len; i++) {
        const PlanOverlay *overlay = g_ptr_array_index(plan->overlays, i);

        g_ptr_array_add(paths, overlay->overlay->path);
    }
    list = chain_quote_names(paths);
    return g_strdup_printf(P_("Create the overlay %s", "Create the overlays %s", paths->len),
                           list);
}

static char *describe_helper(const Plan *plan, const PlanStep *step)
{
    g_autoptr(GPtrArray) disks = g_ptr_array_new();
    g_autofree char *list = NULL;
    guint i;

    for (i = 0; step->merges && i < step->merges->len; i++) {
        const PlanMerge *merge = g_ptr_array_index(plan->merges,
                                                   g_array_index(step->merges, guint, i));

        g_ptr_array_add(disks, merge->disk);
    }
    list = chain_quote_names(disks);
    return g_strdup_printf(P_("Start a paused helper domain on the images of disk %s",
                              "Start a paused helper domain on the images of disks %s",
                              disks->len),
                           list);
}

static char *describe_snapshots(const Plan *plan)
{
    g_autofree char *list = chain_quote_names(plan->snapshots);

    if (plan->operation != PLAN_REVERT && plan->snapshots->len > 0)
        return g_strdup_printf(P_("Delete the metadata of snapshot %s, correct that of the others",
                                  "Delete the metadata of snapshots %s, correct that of the "
                                  "others",
                                  plan->snapshots->len),
                               list);
    if (plan->operation == PLAN_REVERT)
        return g_strdup_printf(_("Make snapshot %s the current one"), list);
    return g_strdup(_("Correct the metadata of the snapshots"));
}

char *plan_size_text(guint64 bytes, gboolean exact)
{
    g_autofree char *text = g_format_size_full(bytes, exact ? G_FORMAT_SIZE_IEC_UNITS |
                                                              G_FORMAT_SIZE_LONG_FORMAT :
                                                              G_FORMAT_SIZE_IEC_UNITS);
    g_auto(GStrv) parts = g_strsplit(text, "\u00a0", -1);

    return g_strjoinv(" ", parts);
}

char *plan_step_describe(const Plan *plan, const PlanStep *step)
{
    const PlanMerge *merge;
    const PlanFile *file;

    switch (step->action) {
    case PLAN_STEP_LOCK:
        return g_strdup_printf(_("Lock domain '%s' and record the operation"), plan->domain);
    case PLAN_STEP_SAVE_CURRENT:
        return g_strdup_printf(_("Take snapshot '%s' of what is now"),
                               plan->save_current ? plan->save_current : "");
    case PLAN_STEP_CREATE_OVERLAYS:
        return describe_overlays(plan);
    case PLAN_STEP_START_HELPER:
        return describe_helper(plan, step);
    case PLAN_STEP_MERGE:
        return describe_merge(g_ptr_array_index(plan->merges, step->merge));
    case PLAN_STEP_PIVOT:
        merge = g_ptr_array_index(plan->merges, step->merge);
        return g_strdup_printf(_("Disk '%s': switch from '%s' to '%s'"), merge->disk,
                               merge->top->path, merge->base->path);
    case PLAN_STEP_STOP_HELPER:
        return g_strdup(_("Stop the helper domain"));
    case PLAN_STEP_STOP_GUEST:
        return g_strdup_printf(_("Stop domain '%s'"), plan->domain);
    case PLAN_STEP_DEFINE_DOMAIN:
        if (plan->operation == PLAN_REVERT)
            return g_strdup_printf(_("Define domain '%s' as it was in the snapshot"),
                                   plan->domain);
        return g_strdup_printf(_("Correct the images in the configuration of domain '%s'"),
                               plan->domain);
    case PLAN_STEP_UPDATE_SNAPSHOTS:
        return describe_snapshots(plan);
    case PLAN_STEP_RESTORE_MEMORY:
        return g_strdup_printf(_("Restore the memory from '%s'"),
                               plan->memory_file ? plan->memory_file : "");
    case PLAN_STEP_START_GUEST:
        return g_strdup_printf(_("Start domain '%s'"), plan->domain);
    case PLAN_STEP_REMOVE_FILE:
        file = g_ptr_array_index(plan->files, step->file);
        if (!file->image)
            return g_strdup_printf(_("Remove the memory file '%s'"), file->memory_file);
        return g_strdup_printf(_("Remove '%s'"), file->image->path);
    case PLAN_STEP_FINISH_JOB:
        if (g_strcmp0(step->job, "active-commit") == 0)
            return g_strdup_printf(_("Disk '%s': wait for the block commit that runs and switch "
                                     "to its base"), step->disk);
        return g_strdup_printf(_("Disk '%s': wait for the block job that runs (%s)"), step->disk,
                               step->job);
    case PLAN_STEP_ABORT_JOB:
        return g_strdup_printf(_("Disk '%s': end the block job that runs (%s)"), step->disk,
                               step->job);
    case PLAN_STEP_UNLOCK:
        return g_strdup_printf(_("Unlock domain '%s'"), plan->domain);
    }
    return g_strdup("");
}

/* --- refusals that all operations share --------------------------------------------------- */

/* Repairs, and merges of unnamed layers, are of no snapshot. */
static char *describe_operation(const ChainOperation *operation)
{
    const char *command = operation->command ? operation->command : "?";

    if (!operation->snapshots || !*operation->snapshots)
        return g_strdup(command);
    return g_strdup_printf(_("%s of '%s'"), command, operation->snapshots);
}

char *plan_job_remedy(const ChainDomain *d, const ChainDisk *disk)
{
    const char *word = chain_domain_word(d), *type = disk->job->type ? disk->job->type : "";
    g_autofree char *repair = chain_command("virsh-ext", "chain-repair", word, NULL);
    g_autofree char *end = chain_command("virsh-ext", "chain-repair", word, "--", "--abort", NULL);
    g_autofree char *pivot = chain_command("virsh", "blockjob", word, disk->target, "--",
                                            "--pivot", NULL);

    if (g_str_equal(type, "copy"))
        return g_strdup_printf(_("Go on there with '%s', or end the copy with '%s'"), pivot, end);
    if (g_str_equal(type, "pull"))
        return g_strdup_printf(_("Wait until it has finished, take it over with '%s', or end it "
                                 "with '%s'"), repair, end);
    if (g_str_equal(type, "active-commit"))
        return g_strdup_printf(_("Finish it with '%s', or end it with '%s', which also forgets "
                                 "the snapshots whose state it has written to"), repair, end);
    if (g_str_equal(type, "commit"))
        return g_strdup_printf(_("Let it finish with '%s'"), repair);
    return g_strdup(_("Wait until it has finished"));
}

void plan_check_operation(Plan *plan, const ChainDomain *d, const PlanFacts *facts)
{
    g_autofree char *operation = NULL, *back = NULL;

    if (d->unreadable) {
        plan_refuse(plan, "unreadable-operation", g_strdup(d->unreadable),
                    chain_unreadable_remedy(d->helper, d->operation != NULL));
        return;
    }
    if (!d->operation || facts->ignore_operation)
        return;
    operation = describe_operation(d->operation);
    if (chain_domain_is_renamed(d))
        back = chain_command("virsh", "domrename", chain_domain_word(d), d->operation->domain,
                             NULL);
    if (d->operation->alive)
        plan_refuse(plan, "operation-running",
                    g_strdup_printf(_("Another operation (%s, begun %s by %s) is running on domain "
                                      "'%s'"), operation,
                                    d->operation->started ? d->operation->started : "?",
                                    d->operation->client ? d->operation->client : "?", d->name),
                    g_strdup(_("Wait until it has finished, or end that client")));
    else if (back)
        plan_refuse(plan, "interrupted-operation",
                    g_strdup_printf(_("An interrupted operation (%s) on domain '%s', which was "
                                      "'%s' then, has to be finished first"), operation, d->name,
                                    d->operation->domain),
                    g_strdup_printf(_("Give it its name back with: %s"), back));
    else
        plan_refuse(plan, "interrupted-operation",
                    g_strdup_printf(_("An interrupted operation (%s) on domain '%s' "
                                      "has to be finished first"),
                                    operation, d->name),
                    chain_command("virsh-ext", "chain-repair", chain_domain_word(d), NULL));
}

char *plan_readonly_remedy(void)
{
    return g_strdup(_("Connect without --readonly, and not to a socket that is read-only"));
}

void plan_check_domain(Plan *plan, ChainGraph *graph, ChainDomain *d, const PlanFacts *facts)
{
    g_autofree char *discard = NULL;
    g_autofree char *checkpoints = NULL;
    g_autofree char *delete_checkpoint = NULL;
    guint i;

    if (facts->readonly)
        plan_refuse(plan, "read-only",
                    g_strdup(_("The connection is read-only")),
                    plan_readonly_remedy());
    if (facts->name_too_long)
        plan_refuse(plan, "name-too-long",
                    g_strdup_printf(_("The name of domain '%s' is too long: libvirt cannot keep "
                                      "the record of the operation under a name that begins with "
                                      "it"), d->name),
                    chain_command("virsh", "domrename", chain_domain_word(d), "NEWNAME", NULL));
    plan_check_operation(plan, d, facts);
    if (plan->metadata_only)
        return;
    if (!graph->complete)
        plan_refuse(plan, "incomplete-view",
                    g_strdup(_("Not all domains and snapshots of the connection could be read: "
                               "nobody knows who else needs the images")),
                    chain_command("virsh-ext", "chain-show", "--", "--all", "--check", NULL));
    discard = chain_command("virsh", "managedsave-remove", chain_domain_word(d), NULL);
    checkpoints = chain_command("virsh", "checkpoint-list", chain_domain_word(d), NULL);
    delete_checkpoint = chain_command("virsh", "checkpoint-delete", chain_domain_word(d), NULL);
    for (i = 0; i < d->disks->len; i++) {
        const ChainDisk *disk = g_ptr_array_index(d->disks, i);

        /* With an operation on the domain it is that one's, and not to be touched. */
        if (!disk->job || (d->operation && !facts->ignore_operation))
            continue;
        plan_refuse(plan, "active-job",
                    g_strdup_printf(_("Disk '%s' has an active block job (%s)"), disk->target,
                                    disk->job->type ? disk->job->type : "?"),
                    plan_job_remedy(d, disk));
    }
    if (d->backup_job)
        plan_refuse(plan, "backup-job",
                    g_strdup_printf(_("A backup of domain '%s' is running"), d->name),
                    chain_command("virsh", "domjobabort", chain_domain_word(d), NULL));
    /* A revert has its own rule: --force drops it. */
    if (d->managed_save && plan->operation != PLAN_REVERT)
        plan_refuse(plan, "managed-save",
                    g_strdup_printf(_("Domain '%s' has a managed save image, which needs its "
                                      "disks as they are"),
                                    d->name),
                    g_strdup_printf(_("Start the domain, or discard the saved state with: %s"),
                                    discard));
    if (d->checkpoints > 0)
        plan_refuse(plan, "checkpoints",
                    g_strdup_printf(_("Domain '%s' has checkpoints, whose bitmaps would break"),
                                    d->name),
                    g_strdup_printf(_("Delete them, each that '%s' lists, with '%s NAME'"),
                                    checkpoints, delete_checkpoint));
}
