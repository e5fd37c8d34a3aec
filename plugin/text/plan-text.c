/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan-text.c: a plan for people (--dry-run) and for scripts (--json)
 */
#include "config.h"

#include "include/vext-i18n.h"
#include "plugin/text/json.h"
#include "plugin/text/plan-text.h"

static gboolean is_possible(const Plan *plan)
{
    return !plan->refusals || plan->refusals->len == 0;
}

/* --- for people ------------------------------------------------------------------------------- */

static void append_title(GString *out, const Plan *plan, const TextOptions *options)
{
    g_autoptr(GString) names = g_string_new(NULL);
    g_autofree char *domain = text_sentence_name(plan->domain, options->utf8);
    guint n = plan->snapshots ? plan->snapshots->len : 0;

    for (guint i = 0; i < n; i++) {
        g_autofree char *name =
            text_sentence_name(g_ptr_array_index(plan->snapshots, i), options->utf8);

        g_string_append_printf(names, "%s%s", i ? ", " : "", name);
    }
    if (plan->operation == PLAN_DELETE && n == 0)
        g_string_append_printf(out, _("Merge unnamed layers of domain %s:"), domain);
    else if (plan->operation == PLAN_DELETE)
        g_string_append_printf(out, P_("Delete snapshot %s of domain %s:",
                                       "Delete snapshots %s of domain %s:", n),
                               names->str, domain);
    else if (plan->operation == PLAN_REVERT)
        g_string_append_printf(out, _("Revert domain %2$s to snapshot %1$s:"), names->str,
                               domain);
    else
        g_string_append_printf(out, _("Repair domain %s:"), domain);
    g_string_append_c(out, '\n');
}

static void append_steps(GString *out, const Plan *plan, const TextOptions *options)
{
    for (guint i = 0; plan->steps && i < plan->steps->len; i++) {
        const PlanStep *step = g_ptr_array_index(plan->steps, i);
        g_autofree char *sentence = plan_step_describe(plan, step);
        g_autofree char *safe = text_sentence(sentence, options->utf8);

        g_string_append_printf(out, "%4u. %s", i + 1, safe);
        if (step->action == PLAN_STEP_MERGE || step->action == PLAN_STEP_REMOVE_FILE) {
            g_autofree char *size = text_size(step->bytes, options->bytes);

            g_string_append_printf(out, " (%s)", size);
        }
        g_string_append_c(out, '\n');
    }
    if (!plan->steps || !plan->steps->len)
        g_string_append_printf(out, "%s\n", _("Nothing to do"));
}

static void append_end(GString *out, const Plan *plan, const TextOptions *options)
{
    g_autofree char *moved = text_size(plan->bytes_moved, options->bytes);
    g_autofree char *freed = text_size(plan->bytes_freed, options->bytes);

    if (plan->bytes_exact)
        g_string_append_printf(out, _("Would move %s, free %s"), moved, freed);
    else
        g_string_append_printf(out, _("Would move at least %s, free at least %s"), moved, freed);
    g_string_append_c(out, '\n');
    for (guint i = 0; plan->alternatives && i < plan->alternatives->len; i++) {
        const PlanAlternative *other = g_ptr_array_index(plan->alternatives, i);
        g_autofree char *size = text_size(other->bytes_moved, options->bytes);

        g_string_append_printf(out, other->direction == PLAN_PULL
                               ? _("With --direction pull it would move %s")
                               : _("With --direction commit it would move %s"), size);
        g_string_append_c(out, '\n');
    }
}

char *text_plan(const Plan *plan, const TextOptions *options)
{
    GString *out = g_string_new(NULL);

    append_title(out, plan, options);
    append_steps(out, plan, options);
    for (guint i = 0; plan->notes && i < plan->notes->len; i++) {
        g_autofree char *note = text_sentence(g_ptr_array_index(plan->notes, i), options->utf8);

        g_string_append_printf(out, _("Note: %s"), note);
        g_string_append_c(out, '\n');
    }
    if (plan->operation == PLAN_REVERT && plan->discarded_bytes > 0) {
        g_autofree char *size = text_size(plan->discarded_bytes, options->bytes);

        g_string_append_printf(out, _("Would discard %s written since the newest snapshot"),
                               size);
        g_string_append_c(out, '\n');
    }
    append_end(out, plan, options);
    return g_string_free(out, FALSE);
}

/* A remedy that is nothing but a command, as a script wants it, is a sentence for people. */
static char *remedy_sentence(const char *remedy, gboolean utf8)
{
    g_autofree char *whole = NULL;

    if (!g_str_has_prefix(remedy, "virsh"))
        return text_sentence(remedy, utf8);
    whole = g_strdup_printf(_("Run: %s"), remedy);
    return text_sentence(whole, utf8);
}

GPtrArray *text_plan_refusals(const Plan *plan, const TextOptions *options)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; plan->refusals && i < plan->refusals->len; i++) {
        const PlanRefusal *refusal = g_ptr_array_index(plan->refusals, i);

        g_ptr_array_add(lines, text_sentence(refusal->message, options->utf8));
        if (refusal->remedy)
            g_ptr_array_add(lines, remedy_sentence(refusal->remedy, options->utf8));
    }
    return lines;
}

/* --- for scripts ------------------------------------------------------------------------------ */

static const char *direction_name(PlanDirection direction)
{
    switch (direction) {
    case PLAN_AUTO:
        return "auto";
    case PLAN_COMMIT:
        return "commit";
    case PLAN_PULL:
        return "pull";
    }
    return "auto";
}

static const char *operation_name(PlanOperation operation)
{
    switch (operation) {
    case PLAN_DELETE:
        return "delete";
    case PLAN_REVERT:
        return "revert";
    case PLAN_REPAIR:
        return "repair";
    }
    return "repair";
}

static const char *image_path(const PlanImage *image)
{
    return image ? image->path : NULL;
}

static void add_overlays(JsonBuilder *b, const GPtrArray *overlays)
{
    json_builder_set_member_name(b, "overlays");
    json_builder_begin_array(b);
    for (guint i = 0; overlays && i < overlays->len; i++) {
        const PlanOverlay *overlay = g_ptr_array_index(overlays, i);

        json_builder_begin_object(b);
        text_json_string(b, "disk", overlay->disk);
        text_json_path(b, "path", image_path(overlay->overlay));
        text_json_path(b, "backing", image_path(overlay->frozen));
        json_builder_end_object(b);
    }
    json_builder_end_array(b);
}

static void add_step(JsonBuilder *b, const Plan *plan, const PlanStep *step)
{
    const PlanMerge *merge;
    const PlanFile *file;

    json_builder_begin_object(b);
    text_json_string(b, "action", plan_action_name(plan, step));
    switch (step->action) {
    case PLAN_STEP_MERGE:
    case PLAN_STEP_PIVOT:
        merge = g_ptr_array_index(plan->merges, step->merge);
        text_json_string(b, "disk", merge->disk);
        text_json_path(b, "base", image_path(merge->base));
        text_json_path(b, "top", image_path(merge->top));
        if (step->action == PLAN_STEP_MERGE)
            text_json_number(b, "bytes", step->bytes);
        break;
    case PLAN_STEP_START_HELPER:
        json_builder_set_member_name(b, "disks");
        json_builder_begin_array(b);
        for (guint i = 0; step->merges && i < step->merges->len; i++) {
            merge = g_ptr_array_index(plan->merges, g_array_index(step->merges, guint, i));
            text_json_value(b, merge->disk);
        }
        json_builder_end_array(b);
        break;
    case PLAN_STEP_REMOVE_FILE:
        file = g_ptr_array_index(plan->files, step->file);
        text_json_string(b, "disk", file->disk);
        text_json_path(b, "path", file->image ? file->image->path : file->memory_file);
        text_json_number(b, "bytes", step->bytes);
        break;
    case PLAN_STEP_CREATE_OVERLAYS:
        add_overlays(b, plan->overlays);
        break;
    case PLAN_STEP_SAVE_CURRENT:
        text_json_string(b, "snapshot", plan->save_current);
        add_overlays(b, plan->save_overlays);
        break;
    case PLAN_STEP_RESTORE_MEMORY:
        text_json_path(b, "path", plan->memory_file);
        break;
    case PLAN_STEP_FINISH_JOB:
    case PLAN_STEP_ABORT_JOB:
        text_json_string(b, "disk", step->disk);
        text_json_string(b, "job", step->job);
        break;
    case PLAN_STEP_LOCK:
    case PLAN_STEP_STOP_HELPER:
    case PLAN_STEP_STOP_GUEST:
    case PLAN_STEP_DEFINE_DOMAIN:
    case PLAN_STEP_UPDATE_SNAPSHOTS:
    case PLAN_STEP_START_GUEST:
    case PLAN_STEP_UNLOCK:
        break;
    }
    json_builder_end_object(b);
}

static void add_refusals(JsonBuilder *b, const Plan *plan)
{
    json_builder_set_member_name(b, "refusals");
    json_builder_begin_array(b);
    for (guint i = 0; plan->refusals && i < plan->refusals->len; i++) {
        const PlanRefusal *refusal = g_ptr_array_index(plan->refusals, i);

        json_builder_begin_object(b);
        text_json_string(b, "code", refusal->code);
        text_json_string(b, "message", refusal->message);
        text_json_string(b, "remedy", refusal->remedy);
        json_builder_end_object(b);
    }
    json_builder_end_array(b);
}

char *text_plan_json(const Plan *plan)
{
    g_autoptr(JsonBuilder) b = json_builder_new();
    gboolean possible = is_possible(plan);

    json_builder_begin_object(b);
    text_json_string(b, "operation", operation_name(plan->operation));
    text_json_string(b, "domain", plan->domain);
    text_json_list(b, "snapshots", plan->snapshots);
    text_json_bool(b, "possible", possible);
    add_refusals(b, plan);
    json_builder_set_member_name(b, "steps");
    json_builder_begin_array(b);
    for (guint i = 0; possible && plan->steps && i < plan->steps->len; i++)
        add_step(b, plan, g_ptr_array_index(plan->steps, i));
    json_builder_end_array(b);
    text_json_number(b, "bytes_moved", possible ? plan->bytes_moved : 0);
    text_json_number(b, "bytes_freed", possible ? plan->bytes_freed : 0);
    text_json_bool(b, "bytes_exact", !possible || plan->bytes_exact);
    json_builder_set_member_name(b, "alternatives");
    json_builder_begin_array(b);
    for (guint i = 0; possible && plan->alternatives && i < plan->alternatives->len; i++) {
        const PlanAlternative *other = g_ptr_array_index(plan->alternatives, i);

        json_builder_begin_object(b);
        text_json_string(b, "direction", direction_name(other->direction));
        text_json_number(b, "bytes_moved", other->bytes_moved);
        json_builder_end_object(b);
    }
    json_builder_end_array(b);
    text_json_list(b, "notes", possible ? plan->notes : NULL);
    if (plan->operation == PLAN_REVERT)
        text_json_number(b, "discarded_bytes", possible ? plan->discarded_bytes : 0);
    json_builder_end_object(b);
    return text_json_finish(b);
}
