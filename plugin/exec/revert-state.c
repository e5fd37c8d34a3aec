/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * revert-state.c: how far a revert has come, and what others have done meanwhile
 */
#include "config.h"

#include <string.h>

#include "include/vext-i18n.h"
#include "plugin/backend/domain.h"
#include "plugin/backend/files.h"
#include "plugin/backend/read.h"
#include "plugin/backend/revert.h"
#include "plugin/backend/snapshots.h"
#include "plugin/exec/revert-config.h"
#include "plugin/exec/revert-state.h"
#include "plugin/exec/revert.h"
#include "plugin/exec/world.h"
#include "plugin/xml/edit.h"

/* Between the making of an overlay and what QEMU itself writes into it when it opens it. */
#define SETTLING_NSEC (2 * G_GINT64_CONSTANT(1000000000))

gboolean revert_is_transient(const Journal *journal)
{
    return journal->domain_xml == NULL;
}

/* --- where the domain stands ----------------------------------------------------------------- */

/** As revert_names_overlays(), but with what stands on them. */
static gboolean stands_above(ExecContext *ctx, gboolean live)
{
    const Plan *plan = ctx->journal->plan;
    g_autoptr(ChainGraph) graph = exec_read_domain(ctx, NULL);
    ChainDomain *d = graph ? chain_graph_domain(graph, plan->domain) : NULL;

    for (guint i = 0; d && i < plan->overlays->len; i++) {
        const PlanOverlay *o = g_ptr_array_index(plan->overlays, i);
        const ChainDisk *disk = chain_domain_disk(d, o->disk);
        const ChainImage *overlay = exec_find_image(graph, o->overlay);
        const ChainImage *image = disk ? live ? disk->active : disk->configured : NULL;

        if (!image || !overlay || !chain_image_stands_on(image, overlay))
            return FALSE;
    }
    return d && plan->overlays->len > 0;
}

gboolean revert_stands_on_overlays(ExecContext *ctx, gboolean live)
{
    g_autofree char *xml = ctx->dom ? exec_domain_xml(ctx, live, NULL) : NULL;

    return xml && (revert_names_overlays(ctx->journal->plan->overlays, xml) ||
                   stands_above(ctx, live));
}

gboolean revert_runs_on_overlays(ExecContext *ctx)
{
    if (!exec_domain_active(ctx))
        return FALSE;
    return ctx->journal->plan->overlays->len == 0 || revert_stands_on_overlays(ctx, TRUE);
}

int revert_overlay_pristine(ExecContext *ctx, const ChainGraph *graph, const PlanOverlay *o)
{
    const ChainImage *overlay = exec_find_image(graph, o->overlay);
    const ChainImage *frozen = exec_find_image(graph, o->frozen);
    guint64 commit = CHAIN_UNKNOWN, growth, pull;
    int pristine;

    /* A transient domain that is gone names it no more. */
    if (!overlay && backend_file_exists(ctx->conn, o->overlay->path, ctx->local))
        return -1;
    if (!overlay || (overlay->flags & CHAIN_IMAGE_MISSING))
        return 1;
    /* The guest may have gone on in what stands on it. */
    if (overlay->overlays->len > 0)
        return 0;
    if (graph->local && frozen &&
        backend_measure_range(frozen, frozen, overlay, &commit, &growth, &pull) &&
        commit != CHAIN_UNKNOWN)
        return commit == 0;
    /* Chains that are encrypted or keep their data in other files are not mapped, nor is what is
     * on another host. */
    pristine = backend_maps_nothing(ctx->conn, o->overlay->path, ctx->local);
    if (pristine == -1 && overlay->modified && overlay->born &&
        overlay->modified - overlay->born > SETTLING_NSEC)
        return 0;
    return pristine;
}

int revert_overlays_pristine(ExecContext *ctx)
{
    g_autoptr(ChainGraph) graph = exec_read_domain(ctx, NULL);
    const Plan *plan = ctx->journal->plan;

    if (!graph)
        return -1;
    for (guint i = 0; i < plan->overlays->len; i++) {
        int pristine = revert_overlay_pristine(ctx, graph, g_ptr_array_index(plan->overlays, i));

        if (pristine != 1)
            return pristine;
    }
    return 1;
}

gboolean revert_overlays_exist(ExecContext *ctx)
{
    const Plan *plan = ctx->journal->plan;

    for (guint i = 0; i < plan->overlays->len; i++) {
        const PlanOverlay *o = g_ptr_array_index(plan->overlays, i);

        if (!backend_file_exists(ctx->conn, o->overlay->path, ctx->local))
            return FALSE;
    }
    return TRUE;
}

/** Whether the saved domain wrote to what stands on the overlays: to a snapshot taken since. */
static gboolean saved_above(ExecContext *ctx)
{
    const Plan *plan = ctx->journal->plan;
    g_autoptr(ChainGraph) graph = exec_read_domain(ctx, NULL);
    const ChainDomain *d = graph ? chain_graph_domain(graph, plan->domain) : NULL;

    for (guint i = 0; d && i < plan->overlays->len; i++) {
        const PlanOverlay *o = g_ptr_array_index(plan->overlays, i);
        const ChainImage *overlay = exec_find_image(graph, o->overlay);
        gboolean found = FALSE;

        for (guint k = 0; overlay && k < d->saved->len; k++)
            found |= chain_image_stands_on(g_ptr_array_index(d->saved, k), overlay);
        if (!found)
            return FALSE;
    }
    return d && plan->overlays->len > 0;
}

gboolean revert_has_old_memory(ExecContext *ctx)
{
    g_autofree char *xml = NULL;

    if (!ctx->dom || !backend_managed_save(ctx->dom))
        return FALSE;
    xml = backend_managed_save_xml(ctx->dom, NULL);
    return !xml || !(revert_names_overlays(ctx->journal->plan->overlays, xml) ||
                     saved_above(ctx));
}

gboolean revert_is_saved_since(ExecContext *ctx)
{
    return ctx->dom && backend_managed_save(ctx->dom) && !revert_has_old_memory(ctx);
}

/* --- snapshots of later ---------------------------------------------------------------------- */

gboolean revert_saved(ExecContext *ctx)
{
    const Plan *plan = ctx->journal->plan;
    const char *name = plan->save_current;
    g_autofree char *xml = name && ctx->dom ? backend_snapshot_xml(ctx->dom, name, NULL) : NULL;

    return xml && revert_is_saved_xml(plan, xml);
}

gboolean revert_is_newer(const Journal *journal, const char *name)
{
    if (g_strcmp0(journal->plan->save_current, name) == 0)
        return FALSE;
    for (guint i = 0; i < journal->snapshot_names->len; i++)
        if (g_str_equal(g_ptr_array_index(journal->snapshot_names, i), name))
            return FALSE;
    return TRUE;
}

static gboolean is_ours(const Journal *journal, const ChainSnapshot *s)
{
    return g_strcmp0(s->domain->uuid, journal->plan->uuid) == 0;
}

static gboolean has_state_in(const ChainSnapshot *s, const ChainImage *image)
{
    for (guint i = 0; i < s->disks->len; i++)
        if (((const ChainSnapshotDisk *) g_ptr_array_index(s->disks, i))->frozen == image)
            return TRUE;
    return FALSE;
}

const ChainSnapshot *revert_newer_snapshot(const Journal *journal, const ChainImage *image)
{
    for (guint i = 0; i < image->frozen_by->len; i++) {
        const ChainSnapshot *s = g_ptr_array_index(image->frozen_by, i);

        if (is_ours(journal, s) && revert_is_newer(journal, s->name) && has_state_in(s, image))
            return s;
    }
    return NULL;
}

gboolean revert_overlay_is_used(const Journal *journal, const ChainImage *image)
{
    if (image->overlays->len > 0)
        return TRUE;
    for (guint i = 0; i < image->users->len; i++) {
        const ChainDisk *user = g_ptr_array_index(image->users, i);

        if (g_strcmp0(user->domain->uuid, journal->plan->uuid) != 0)
            return TRUE;
    }
    for (guint i = 0; i < image->frozen_by->len; i++) {
        const ChainSnapshot *s = g_ptr_array_index(image->frozen_by, i);

        if (!is_ours(journal, s) || has_state_in(s, image))
            return TRUE;
    }
    return FALSE;
}

/** Which of our overlays @s, of later, names as a second state: to what is the first. */
static XmlSourceMap *second_states(const Plan *plan, const ChainGraph *graph,
                                   const ChainSnapshot *s)
{
    XmlSourceMap *map = xml_source_map_new();

    for (guint i = 0; i < plan->overlays->len; i++) {
        const PlanOverlay *o = g_ptr_array_index(plan->overlays, i);
        const ChainImage *overlay = exec_find_image(graph, o->overlay);
        const ChainSnapshotDisk *sd = chain_snapshot_disk(s, o->disk);

        if (overlay && sd && sd->frozen && sd->frozen_inactive == overlay &&
            sd->frozen != overlay)
            xml_source_map_add_image(map, overlay, sd->frozen);
    }
    return map;
}

/** Whether @s, of later, was taken of the new overlays themselves. */
static gboolean is_of_overlays(const Plan *plan, const ChainGraph *graph, const ChainSnapshot *s)
{
    for (guint i = 0; i < plan->overlays->len; i++) {
        const PlanOverlay *o = g_ptr_array_index(plan->overlays, i);
        const ChainImage *overlay = exec_find_image(graph, o->overlay);

        if (overlay && has_state_in(s, overlay))
            return TRUE;
    }
    return FALSE;
}

/** Whether @s, of later, was put below what libvirt took for the current snapshot. */
static gboolean is_misplaced(const Journal *journal, const ChainGraph *graph,
                             const ChainSnapshot *s)
{
    const char *target = g_ptr_array_index(journal->plan->snapshots, 0);

    return is_of_overlays(journal->plan, graph, s) && chain_domain_snapshot(s->domain, target) &&
           g_strcmp0(s->parent_name, target) != 0 &&
           !(s->parent_name && revert_is_newer(journal, s->parent_name));
}

/** @s, of later, as it should be; new text, or NULL: it is, or with @error. */
static char *corrected(const Journal *journal, const ChainGraph *graph, const ChainSnapshot *s,
                       GError **error)
{
    g_autoptr(XmlSourceMap) map = second_states(journal->plan, graph, s);
    const char *target = g_ptr_array_index(journal->plan->snapshots, 0);
    gboolean misplaced = is_misplaced(journal, graph, s);
    g_autofree char *xml = NULL;

    if (xml_source_map_size(map) == 0 && !misplaced)
        return NULL;
    xml = xml_map_snapshot_sources(s->xml, map, NULL, NULL, error);
    return xml && misplaced ? xml_snapshot_set_parent(xml, target, error)
                            : g_steal_pointer(&xml);
}

gboolean revert_correct_newer(ExecContext *ctx, GError **error)
{
    const Plan *plan = ctx->journal->plan;
    g_autoptr(ChainGraph) graph = exec_read_domain(ctx, error);
    ChainDomain *d = graph ? chain_graph_domain(graph, plan->domain) : NULL;

    for (guint i = 0; d && i < d->snapshots->len; i++) {
        const ChainSnapshot *s = g_ptr_array_index(d->snapshots, i);
        g_autoptr(GError) problem = NULL;
        g_autofree char *xml = NULL;

        if (!revert_is_newer(ctx->journal, s->name))
            continue;
        xml = corrected(ctx->journal, graph, s, &problem);
        if (!problem && !xml)
            continue;
        if (problem || !backend_snapshot_redefine(ctx->dom, xml, d->current == s, &problem)) {
            g_set_error(error, EXEC_ERROR, EXEC_ERROR_FAILED,
                        _("Snapshot '%s' cannot be defined again: %s"), s->name,
                        problem->message);
            return FALSE;
        }
    }
    return graph != NULL;
}

/* --- before the next step -------------------------------------------------------------------- */

static gboolean changed(GError **error, char *message_take)
{
    g_autofree char *message = message_take;

    g_set_error_literal(error, EXEC_ERROR, EXEC_ERROR_CHANGED, message);
    return FALSE;
}

char *revert_with_abort(ExecContext *ctx, const char *message)
{
    g_autofree char *command = exec_repair_command(ctx->journal->plan);

    if (!exec_revert_can_abort(ctx, ctx->journal, NULL))
        return g_strdup(message);
    return g_strdup_printf(_("%s; to undo what was begun, run: %s --abort"), message, command);
}

gboolean revert_refuse(ExecContext *ctx, const char *message, GError **error)
{
    return changed(error, ctx->taken_up ? revert_with_abort(ctx, message) : g_strdup(message));
}

gboolean revert_check_overlays(ExecContext *ctx, GError **error)
{
    g_autoptr(ChainGraph) graph = exec_read_domain(ctx, error);

    for (guint i = 0; graph && i < ctx->journal->plan->overlays->len; i++) {
        const PlanOverlay *o = g_ptr_array_index(ctx->journal->plan->overlays, i);
        const ChainImage *image = exec_find_image(graph, o->overlay);
        g_autofree char *message = NULL;

        if (!image || !revert_overlay_is_used(ctx->journal, image))
            continue;
        message = g_strdup_printf(_("Somebody has put the new overlay '%s' to another use "
                                    "meanwhile"), o->overlay->path);
        return revert_refuse(ctx, message, error);
    }
    return graph != NULL;
}

gboolean revert_check_kept(ExecContext *ctx, const char *xml, const char *now_xml, GError **error)
{
    g_autoptr(GError) problem = NULL;

    return revert_kept_disks_same(ctx->journal, xml, now_xml, &problem) ||
           revert_refuse(ctx, problem->message, error);
}

gboolean revert_check_persistent(ExecContext *ctx, GError **error)
{
    int persistent = revert_is_transient(ctx->journal) ||
                     backend_domain_persistent(ctx->dom, error);
    g_autofree char *message = NULL;

    if (persistent != 0)
        return persistent > 0;
    message = g_strdup_printf(_("Domain '%s' was undefined meanwhile and would be gone when it is "
                                "stopped"), ctx->journal->plan->domain);
    return revert_refuse(ctx, message, error);
}

gboolean revert_settle_managed_save(ExecContext *ctx, GError **error)
{
    const Plan *plan = ctx->journal->plan;
    g_autofree char *command = NULL, *message = NULL;

    if (!revert_has_old_memory(ctx))
        return TRUE;
    if (plan->force) {
        exec_no_return(ctx); /* it does not come back */
        return backend_drop_managed_save(ctx->dom, error);
    }
    command = chain_command("virsh", "managedsave-remove",
                            chain_word_for(plan->domain, plan->uuid), NULL);
    message = g_strdup_printf(_("Domain '%s' has got a managed save image meanwhile, which would "
                                "not fit the reverted disks: drop it with: %s"), plan->domain,
                              command);
    return revert_refuse(ctx, message, error);
}

/** Whether the revert can still be undone: else it is better finished, whatever it finds. */
static gboolean is_open(ExecContext *ctx)
{
    int pristine;

    if (revert_runs_on_overlays(ctx))
        return FALSE;
    if (!revert_stands_on_overlays(ctx, FALSE))
        return TRUE;
    if (journal_has_reached(ctx->journal, PLAN_STEP_REMOVE_FILE) || revert_is_saved_since(ctx))
        return FALSE;
    pristine = revert_overlays_pristine(ctx);
    return pristine == 1 || (pristine == -1 && exec_domain_active(ctx));
}

static gboolean check_target_disk(const Plan *plan, const ChainGraph *graph,
                                  const ChainSnapshot *target, const PlanOverlay *o,
                                  GError **error)
{
    const ChainSnapshotDisk *sd = chain_snapshot_disk(target, o->disk);
    ChainImage *frozen = exec_find_image(graph, o->frozen);
    g_autoptr(GPtrArray) chain = frozen ? chain_image_chain(frozen) : NULL;
    const ChainImage *written;

    if (!sd || !frozen || sd->frozen != frozen || chain_snapshot_state(sd) != frozen)
        return changed(error, g_strdup_printf(_("Snapshot '%s' does not have its state of disk "
                                                "'%s' in '%s' any more"), target->name, o->disk,
                                              o->frozen->path));
    written = plan_first_written(plan, frozen);
    for (guint i = 0; !written && i < chain->len; i++)
        if (((const ChainImage *) g_ptr_array_index(chain, i))->writer)
            written = g_ptr_array_index(chain, i);
    if (written)
        return changed(error, g_strdup_printf(_("Image '%s' has been written since the revert was "
                                                "planned: the state of snapshot '%s' is not in it "
                                                "any more"), written->path, target->name));
    return TRUE;
}

gboolean revert_check_target(ExecContext *ctx, GError **error)
{
    const Plan *plan = ctx->journal->plan;
    const char *name = g_ptr_array_index(plan->snapshots, 0);
    g_autoptr(ChainGraph) graph = NULL;
    ChainDomain *d;
    const ChainSnapshot *target;
    gboolean same = TRUE;
    g_autoptr(GError) problem = NULL;

    if (!ctx->dom)
        return TRUE; /* transient and stopped: it took its snapshots along */
    graph = exec_read_domain(ctx, error);
    if (!graph)
        return FALSE;
    d = chain_graph_domain(graph, plan->domain);
    target = d ? chain_domain_snapshot(d, name) : NULL;
    if (!target)
        same = changed(&problem, g_strdup_printf(_("Domain '%s' has no snapshot '%s' any more"),
                                                 plan->domain, name));
    for (guint i = 0; same && i < plan->overlays->len; i++)
        same = check_target_disk(plan, graph, target, g_ptr_array_index(plan->overlays, i),
                                 &problem);
    return same || !is_open(ctx) || revert_refuse(ctx, problem->message, error);
}

/** The step before which the state that --save-current saves may still have been written. */
static guint first_past(const Plan *plan)
{
    for (guint i = 0; i < plan->steps->len; i++) {
        PlanAction action = ((const PlanStep *) g_ptr_array_index(plan->steps, i))->action;

        if (action == PLAN_STEP_STOP_GUEST || action == PLAN_STEP_UPDATE_SNAPSHOTS)
            return i;
    }
    return 0;
}

/** Whether anything, or perhaps something, was written on top of what was saved. */
static gboolean saved_is_written(ExecContext *ctx, const ChainGraph *world, const PlanOverlay *o)
{
    const ChainImage *image = exec_find_image(world, o->overlay);
    const ChainImage *frozen = exec_find_image(world, o->frozen);
    guint64 commit = CHAIN_UNKNOWN, growth, pull;

    if (!image || image->flags & CHAIN_IMAGE_MISSING)
        return FALSE;
    if (image->overlays->len > 0 || !frozen)
        return TRUE;
    /* QEMU may keep to itself for a while where it has put what the guest wrote. */
    if (image->modified && image->born && image->modified - image->born > SETTLING_NSEC)
        return TRUE;
    if (backend_measure_range(frozen, frozen, image, &commit, &growth, &pull) &&
        commit != CHAIN_UNKNOWN)
        return commit > 0;
    return exec_domain_active(ctx) ||
           backend_maps_nothing(ctx->conn, o->overlay->path, ctx->local) != 1;
}

gboolean revert_check_saved(ExecContext *ctx, GError **error)
{
    const Plan *plan = ctx->journal->plan;
    g_autoptr(ChainGraph) world = NULL;

    if (!ctx->taken_up || plan->save_overlays->len == 0 || ctx->furthest > first_past(plan) ||
        !revert_saved(ctx) || !is_open(ctx))
        return TRUE;
    /* Nothing tells on another host but that it has been held since. */
    if (!ctx->local && ctx->journal->suspended && exec_domain_active(ctx) &&
        backend_domain_paused(ctx->dom, NULL) == 1)
        return TRUE;
    world = exec_read_world(ctx, error);
    if (!world)
        return FALSE;
    for (guint i = 0; i < plan->save_overlays->len; i++) {
        const PlanOverlay *o = g_ptr_array_index(plan->save_overlays, i);
        g_autofree char *message = NULL;

        if (!saved_is_written(ctx, world, o))
            continue;
        message = g_strdup_printf(_("What was written into '%s' since the operation was "
                                    "interrupted is not in snapshot '%s' and would be lost"),
                                  o->overlay->path, plan->save_current);
        return changed(error, revert_with_abort(ctx, message));
    }
    return TRUE;
}

/* --- for people ------------------------------------------------------------------------------ */

void exec_revert_refresh(ExecContext *ctx, Journal *journal)
{
    g_autoptr(ChainGraph) world = NULL;

    if (journal->plan->operation != PLAN_REVERT)
        return;
    ctx->journal = journal;
    if (!exec_find_domain(ctx, NULL))
        return;
    world = exec_read_world(ctx, NULL);
    if (world)
        plan_revert_refresh(journal->plan, world);
}
