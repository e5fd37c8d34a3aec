/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * metadata.c: after the merges: what the domain and its snapshots name
 *
 * libvirt's versions differ in what deleting the metadata of one snapshot changes in others
 * (9.0 points children at images although nothing was merged). So those that go are forgotten,
 * and then every one that stays is defined again from the journal's copy, parents first, with
 * the images that now hold its state. That copy is as old as the operation: right before the
 * first one is forgotten it is compared with what libvirt says, so that what somebody deleted
 * stays deleted, and what somebody changed stays changed; after that what libvirt says may be
 * our own work half done, and the copy is what counts. Snapshots taken since are mapped from what
 * libvirt says of them. <backingStore>, which would be stale, is left out, but where images are
 * encrypted: there it is written anew, with the secrets.
 */
#include "config.h"

#include <string.h>

#include "include/vext-i18n.h"
#include "plugin/backend/domain.h"
#include "plugin/backend/files.h"
#include "plugin/backend/helper.h"
#include "plugin/backend/snapshots.h"
#include "plugin/exec/layers.h"
#include "plugin/exec/merge.h"
#include "plugin/exec/world.h"
#include "plugin/xml/edit.h"
#include "plugin/xml/parse.h"
#include "plugin/xml/read.h"

/* --- which source becomes which -------------------------------------------------------------- */

static void map_image(XmlSourceMap *map, const ChainGraph *graph, const PlanImage *from,
                      const PlanImage *to)
{
    g_autofree char *key = chain_source_key(from->source);
    ChainImage *image = exec_find_image(graph, from);

    xml_source_map_add(map, key, to->source, to->format);
    for (guint i = 0; image && image->aliases && i < image->aliases->len; i++)
        xml_source_map_add(map, g_ptr_array_index(image->aliases, i), to->source, to->format);
}

/* Whether a snapshot that stays has its state of @target in @image. One whose overlay stands on
 * @top, which has pulled that, only names it, as libvirt 9.0 has it do. */
static gboolean is_state(const Plan *plan, const ChainDomain *d, const char *target,
                         const ChainImage *image, const ChainImage *top)
{
    for (guint i = 0; i < image->frozen_by->len; i++) {
        const ChainSnapshot *s = g_ptr_array_index(image->frozen_by, i);
        const ChainSnapshotDisk *sd = chain_snapshot_disk(s, target);

        if (s->domain == d && !(sd && sd->overlay && top && sd->overlay->backing == top) &&
            !g_ptr_array_find_with_equal_func(plan->snapshots, s->name, g_str_equal, NULL))
            return TRUE;
    }
    return FALSE;
}

/*
 * Whether the domain has come to stand on an image that a pull was to make superfluous: somebody
 * has given its disk that image, or taken a snapshot there. What it names then is what it is to
 * have. (What a commit takes away is in the base now, whoever names it.)
 */
static gboolean has_come_to_use(const ChainGraph *graph, const Plan *plan,
                                const PlanMerge *merge, const PlanImage *gone)
{
    const ChainDomain *d = chain_graph_domain(graph, plan->domain);
    const ChainImage *image = exec_find_image(graph, gone);

    for (guint i = 0; d && image && i < d->disks->len; i++) {
        const ChainDisk *disk = g_ptr_array_index(d->disks, i);

        if (disk->active == image || disk->configured == image)
            return TRUE;
    }
    return d && image &&
           is_state(plan, d, merge->disk, image, exec_find_image(graph, merge->top));
}

/* New; empty when nothing was merged. @overlays: for what <disks> name, which also changes when
 * an overlay goes and another one stands on the same image. */
static XmlSourceMap *source_map(const ChainGraph *graph, const Plan *plan, gboolean overlays)
{
    XmlSourceMap *map = xml_source_map_new();

    for (guint i = 0; i < plan->merges->len; i++) {
        const PlanMerge *merge = g_ptr_array_index(plan->merges, i);

        for (guint k = 0; k < merge->gone->len; k++) {
            const PlanImage *gone = g_ptr_array_index(merge->gone, k);
            const PlanImage *to = plan_replacement(plan, merge->disk, gone->key);

            if (!overlays && merge->direction == PLAN_PULL &&
                has_come_to_use(graph, plan, merge, gone))
                continue;
            if (to && !g_str_equal(to->key, gone->key))
                map_image(map, graph, gone, to);
        }
    }
    for (guint i = 0; overlays && i < plan->renames->len; i++) {
        const PlanRename *rename = g_ptr_array_index(plan->renames, i);

        map_image(map, graph, rename->from,
                  plan_overlay_replacement(plan, rename->disk, rename->from->key));
    }
    return map;
}

/* Frozen images that snapshot @name names wrongly, and what they are. New, or NULL when there are
 * none. */
static XmlSourceMap *corrections_of(const ChainGraph *graph, const Plan *plan, const char *name)
{
    XmlSourceMap *map = NULL;

    for (guint i = 0; i < plan->corrections->len; i++) {
        const PlanRename *c = g_ptr_array_index(plan->corrections, i);

        if (!g_str_equal(c->snapshot, name))
            continue;
        if (!map)
            map = xml_source_map_new();
        map_image(map, graph, c->from, c->to);
    }
    return map;
}

/* --- define-domain --------------------------------------------------------------------------- */

/*
 * While a helper merges the domain is free: when it was started on the old image it may have been
 * written to, and when a snapshot was taken an overlay stands on what is merged. Then the merge is
 * to be done again, on the running domain or below that overlay.
 */
static gboolean check_define(ExecStep *s, GError **error)
{
    ExecContext *ctx = s->ctx;

    if (!exec_find_domain(ctx, error))
        return FALSE;
    for (guint i = 0; s->plan->operation == PLAN_DELETE && i < s->plan->merges->len; i++) {
        const PlanMerge *merge = g_ptr_array_index(s->plan->merges, i);
        gboolean pivoted = merge->direction == PLAN_COMMIT && merge->top_is_active;
        g_auto(ExecMergeView) view = { 0 };

        if (!pivoted && !exec_domain_active(ctx))
            continue;
        if (!exec_merge_look(ctx, merge, &view, error))
            return FALSE;
        if (view.state != EXEC_MERGE_OLD)
            continue;
        if (view.live) {
            g_set_error(error, EXEC_ERROR, EXEC_ERROR_CHANGED,
                        _("Domain '%s' was started meanwhile"), s->plan->domain);
            return FALSE;
        }
        if (pivoted && view.top > 0) {
            const ExecLayer *above = g_ptr_array_index(view.layers, (guint)view.top - 1);

            g_set_error(error, EXEC_ERROR, EXEC_ERROR_CHANGED,
                        _("A snapshot was taken meanwhile: disk '%s' stands on '%s' now"),
                        merge->disk, above->source->path ? above->source->path : "?");
            return FALSE;
        }
    }
    return TRUE;
}

/* @mapped: to what the images that were merged are in now; else each stays, on what it is on now */
static gboolean follow_chain(ExecContext *ctx, gboolean mapped, GError **error)
{
    g_autofree char *now = NULL, *names = NULL, *xml = NULL;
    g_autoptr(XmlSourceMap) map = NULL;
    g_autoptr(ChainGraph) graph = NULL;
    int persistent = backend_domain_persistent(ctx->dom, error);

    if (persistent < 0)
        return FALSE;
    if (!persistent)
        return TRUE;
    graph = exec_read_domain(ctx, error);
    if (!graph)
        return FALSE;
    map = mapped ? source_map(graph, ctx->journal->plan, FALSE) : xml_source_map_new();
    now = exec_domain_xml(ctx, FALSE, error);
    names = now ? xml_map_sources(now, map, NULL, error) : NULL;
    xml = names ? xml_write_backing_store(names, exec_chain_below_config, graph, error) : NULL;
    if (!xml)
        return FALSE;
    if (g_str_equal(now, xml))
        return TRUE;
    exec_no_return(ctx);
    return backend_helper_redefine(ctx->conn, xml, error);
}

static gboolean run_define(ExecStep *s, GError **error)
{
    /* It kept the domain from being started on what is not named any more. */
    return follow_chain(s->ctx, TRUE, error) && exec_helper_stop(s->ctx, error);
}

gboolean exec_follow_pulls(ExecContext *ctx, GError **error)
{
    const Plan *plan = ctx->journal->plan;

    for (guint i = 0; i < plan->merges->len; i++) {
        g_auto(ExecMergeView) view = { 0 };

        if (!exec_merge_look(ctx, g_ptr_array_index(plan->merges, i), &view, error))
            return FALSE;
        if (view.state == EXEC_MERGE_MERGED)
            return follow_chain(ctx, FALSE, error);
    }
    return TRUE;
}

/* --- what the journal knows ------------------------------------------------------------------ */

/*
 * What libvirt says of a snapshot that is not what it was. libvirt 9.0 has it name the image of
 * its parent when that was deleted with --metadata, though nothing was merged: the image that its
 * overlay stands on is the one. New string, NULL with @error.
 */
static char *with_state(const ChainGraph *graph, const Plan *plan, const char *name,
                        const char *xml, GError **error)
{
    const ChainDomain *d = chain_graph_domain(graph, plan->domain);
    const ChainSnapshot *s = d ? chain_domain_snapshot(d, name) : NULL;
    g_autoptr(XmlSourceMap) map = xml_source_map_new();

    for (guint i = 0; s && i < s->disks->len; i++) {
        const ChainSnapshotDisk *sd = g_ptr_array_index(s->disks, i);
        const ChainImage *state = chain_snapshot_state(sd);

        if (sd->frozen && state != sd->frozen) {
            PlanImage *from = plan_image_new(sd->frozen), *to = plan_image_new(state);

            map_image(map, graph, from, to);
            plan_image_free(from);
            plan_image_free(to);
        }
    }
    return xml_map_snapshot_sources(xml, map, NULL, NULL, error);
}

static const char *journal_xml(const Journal *journal, const char *name)
{
    for (guint i = 0; i < journal->snapshot_names->len; i++) {
        if (g_str_equal(g_ptr_array_index(journal->snapshot_names, i), name))
            return g_ptr_array_index(journal->snapshot_xml, i);
    }
    return NULL;
}

/* New string, or NULL. */
static char *taken_at(const char *xml)
{
    g_autoptr(xmlDoc) doc = xml ? xml_parse(xml, "domainsnapshot", NULL) : NULL;

    return doc ? xml_text(xml_child(xmlDocGetRootElement(doc), "creationTime")) : NULL;
}

/* Whether they are two snapshots of one name, as far as is known. */
static gboolean are_different(const char *xml, const char *other)
{
    g_autofree char *at = taken_at(xml), *other_at = taken_at(other);

    return at && other_at && !g_str_equal(at, other_at);
}

/* New string, NULL for a root. */
static char *parent_of(const char *xml)
{
    g_autoptr(xmlDoc) doc = xml_parse(xml, "domainsnapshot", NULL);
    xmlNode *parent = doc ? xml_child(xmlDocGetRootElement(doc), "parent") : NULL;

    return parent ? xml_text(xml_child(parent, "name")) : NULL;
}

/* The journal's copy of @name becomes @now, of another snapshot that has the name by now: what was
 * below the old one is below its parent. */
static gboolean replace_namesake(ExecContext *ctx, const char *name, const char *now,
                                 GError **error)
{
    Journal *journal = ctx->journal;
    g_autofree char *parent = NULL;

    g_hash_table_add(ctx->renewed, g_strdup(name));
    for (guint i = 0; i < journal->snapshot_names->len; i++) {
        char **xml = (char **)&g_ptr_array_index(journal->snapshot_xml, i);

        if (!g_str_equal(g_ptr_array_index(journal->snapshot_names, i), name))
            continue;
        parent = parent_of(*xml);
        g_free(*xml);
        *xml = g_strdup(now);
    }
    for (guint i = 0; i < journal->snapshot_names->len; i++) {
        char **xml = (char **)&g_ptr_array_index(journal->snapshot_xml, i);
        g_autofree char *above = parent_of(*xml);
        char *moved;

        if (g_strcmp0(above, name) != 0)
            continue;
        moved = xml_snapshot_set_parent(*xml, parent, error);
        if (!moved)
            return FALSE;
        g_free(*xml);
        *xml = moved;
    }
    return TRUE;
}

gboolean exec_leave_newer(ExecContext *ctx, GError **error)
{
    Journal *journal = ctx->journal;
    GPtrArray *going = journal->plan->snapshots;

    for (guint i = going->len; i-- > 0;) {
        const char *name = g_ptr_array_index(going, i);
        const char *old = journal_xml(journal, name);
        g_autoptr(GError) problem = NULL;
        g_autofree char *now = backend_snapshot_xml(ctx->dom, name, &problem);

        if (!now && !backend_error_is(problem, VIR_ERR_NO_DOMAIN_SNAPSHOT)) {
            g_propagate_error(error, g_steal_pointer(&problem));
            return FALSE;
        }
        if (!old || !now || !are_different(old, now))
            continue;
        exec_note(ctx, g_strdup_printf(_("Snapshot '%s' stays: it was taken after the operation "
                                         "was begun, and is another one than was to go"), name));
        if (!replace_namesake(ctx, name, now, error))
            return FALSE;
        g_ptr_array_remove_index(going, i);
    }
    return TRUE;
}

/* Takes what libvirt says into the journal where that is something else, and records that from
 * now on the journal is right. */
static gboolean record_snapshots(ExecStep *s, const ChainGraph *graph, GError **error)
{
    ExecContext *ctx = s->ctx;
    Journal *journal = s->journal;
    g_autoptr(GPtrArray) names = backend_snapshot_names(ctx->dom, error);
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *current = NULL;
    g_autoptr(GError) problem = NULL;
    gboolean same = names && names->len == journal->snapshot_names->len;

    if (!names)
        return FALSE;
    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i), *old = journal_xml(journal, name);
        g_autofree char *xml = backend_snapshot_xml(ctx->dom, name, error);

        if (!xml)
            return FALSE;
        if (g_strcmp0(xml, old) == 0) {
            g_ptr_array_add(texts, g_steal_pointer(&xml));
            continue;
        }
        same = FALSE;
        g_ptr_array_add(texts, with_state(graph, s->plan, name, xml, error));
        if (!g_ptr_array_index(texts, i))
            return FALSE;
    }
    current = backend_snapshot_current(ctx->dom, &problem);
    if (problem) {
        g_propagate_error(error, g_steal_pointer(&problem));
        return FALSE;
    }
    if (!same || g_strcmp0(current, journal->current) != 0) {
        g_ptr_array_unref(journal->snapshot_names);
        journal->snapshot_names = g_steal_pointer(&names);
        g_ptr_array_unref(journal->snapshot_xml);
        journal->snapshot_xml = g_steal_pointer(&texts);
        g_free(journal->current);
        journal->current = g_steal_pointer(&current);
        if (!journal_rewrite(ctx->conn, journal, error))
            return FALSE;
    }
    journal->updating = TRUE;
    return journal_step(ctx->conn, journal, s->index, error);
}

/* --- update-snapshots ------------------------------------------------------------------------ */

/* What is known of all snapshots: the journal's copy, or, of those taken since it was made, what
 * libvirt says. */
typedef struct {
    GPtrArray *names;    /* char *, parents first, borrowed from where they come */
    GHashTable *xml;     /* name -> XML, owned */
    GHashTable *parents; /* name -> name of the parent, owned, absent for roots */
    GHashTable *going;   /* names that nothing is to be below, borrowed */
    char *current;       /* name or NULL, owned */
} Snapshots;

static void snapshots_clear(Snapshots *all)
{
    g_clear_pointer(&all->names, g_ptr_array_unref);
    g_clear_pointer(&all->xml, g_hash_table_unref);
    g_clear_pointer(&all->parents, g_hash_table_unref);
    g_clear_pointer(&all->going, g_hash_table_unref);
    g_free(all->current);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Snapshots, snapshots_clear)

static void add_parent(Snapshots *all, const char *name, const char *xml)
{
    char *parent = parent_of(xml);

    if (parent)
        g_hash_table_replace(all->parents, g_strdup(name), parent);
}

static void add_snapshot(Snapshots *all, const char *name, const char *xml)
{
    g_ptr_array_add(all->names, g_strdup(name));
    g_hash_table_replace(all->xml, g_strdup(name), g_strdup(xml));
    add_parent(all, name, xml);
}

static const char *staying_parent(const Snapshots *all, const char *name)
{
    const char *parent = g_hash_table_lookup(all->parents, name);

    /* a cycle cannot be in libvirt's tree; hostile text could have one */
    for (guint i = 0; parent && i <= all->names->len; i++) {
        if (!g_hash_table_contains(all->going, parent))
            return parent;
        parent = g_hash_table_lookup(all->parents, parent);
    }
    return NULL;
}

/* Which one is current afterwards: the one that is so now, or, where that goes, as planned. */
static const char *staying_current(const ExecStep *s, const Snapshots *all)
{
    const char *current = s->journal->current, *planned = s->plan->new_current;

    if (current && !g_hash_table_contains(all->going, current))
        return current;
    if (!s->plan->current_changes)
        return current ? staying_parent(all, current) : NULL;
    if (planned && !g_hash_table_contains(all->xml, planned))
        return current ? staying_parent(all, current) : NULL;
    return planned;
}

/* Whether a snapshot that is not there, though it was when the update began, was deleted with its
 * images: then it was not this update that lost it. */
static gboolean overlay_is_gone(ExecContext *ctx, const char *xml)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    XmlReader reader = { .graph = graph };
    ChainSnapshot *s = xml_read_snapshot(&reader, chain_graph_add_domain(graph, "", ""), xml, NULL);

    for (guint i = 0; s && i < s->disks->len; i++) {
        const ChainSnapshotDisk *sd = g_ptr_array_index(s->disks, i);

        if (ctx->local && sd->overlay && sd->overlay->source->path &&
            !backend_file_exists(ctx->conn, sd->overlay->source->path, ctx->local))
            return TRUE;
    }
    return FALSE;
}

static gboolean has_name(const GPtrArray *names, const char *name)
{
    return g_ptr_array_find_with_equal_func((GPtrArray *)names, name, g_str_equal, NULL);
}

/* Snapshots that stay and are others by now than the journal's, which must not replace them. */
static gboolean take_namesakes(ExecStep *s, const GPtrArray *now, GError **error)
{
    Journal *journal = s->journal;

    for (guint i = 0; i < journal->snapshot_names->len; i++) {
        const char *name = g_ptr_array_index(journal->snapshot_names, i);
        g_autofree char *xml = NULL;

        if (!has_name(now, name) || has_name(s->plan->snapshots, name))
            continue;
        xml = backend_snapshot_xml(s->ctx->dom, name, error);
        if (!xml || (are_different(g_ptr_array_index(journal->snapshot_xml, i), xml) &&
                     !replace_namesake(s->ctx, name, xml, error)))
            return FALSE;
    }
    return TRUE;
}

static gboolean collect(ExecStep *s, Snapshots *all, GError **error)
{
    ExecContext *ctx = s->ctx;
    g_autoptr(GPtrArray) now = backend_snapshot_names(ctx->dom, error);
    g_autofree char *current = NULL;
    g_autoptr(GError) problem = NULL;
    gboolean newer;

    if (!now || !take_namesakes(s, now, error))
        return FALSE;
    all->names = g_ptr_array_new_with_free_func(g_free);
    all->xml = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    all->parents = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    all->going = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < s->plan->snapshots->len; i++)
        g_hash_table_add(all->going, g_ptr_array_index(s->plan->snapshots, i));
    for (guint i = 0; i < s->journal->snapshot_names->len; i++) {
        const char *name = g_ptr_array_index(s->journal->snapshot_names, i);
        const char *xml = g_ptr_array_index(s->journal->snapshot_xml, i);
        g_autofree char *parent = parent_of(xml), *merged = NULL;

        if (!has_name(now, name) && !g_hash_table_contains(all->going, name) &&
            overlay_is_gone(ctx, xml)) {
            g_hash_table_add(all->going, (gpointer)name);
            add_parent(all, name, xml);
            continue;
        }
        /* What was merged then libvirt has put right in what was next. */
        if (parent && has_name(now, name) && g_hash_table_contains(all->going, parent) &&
            !has_name(s->plan->snapshots, parent)) {
            merged = backend_snapshot_xml(ctx->dom, name, error);
            if (!merged)
                return FALSE;
        }
        add_snapshot(all, name, merged ? merged : xml);
    }
    current = backend_snapshot_current(ctx->dom, &problem);
    if (problem) {
        g_propagate_error(error, g_steal_pointer(&problem));
        return FALSE;
    }
    newer = current && g_hash_table_contains(ctx->renewed, current);
    for (guint i = 0; i < now->len; i++) {
        const char *name = g_ptr_array_index(now, i);
        g_autofree char *xml = NULL;

        if (g_hash_table_contains(all->xml, name))
            continue;
        xml = backend_snapshot_xml(ctx->dom, name, error);
        if (!xml)
            return FALSE;
        add_snapshot(all, name, xml);
        if (g_strcmp0(current, name) == 0)
            newer = TRUE;
    }
    if (newer)
        all->current = g_steal_pointer(&current);
    else
        all->current = g_strdup(staying_current(s, all));
    return TRUE;
}

/* Disks of @s with libvirt's own mark of a deletion of which nothing is left to be finished: no
 * snapshot stays whose state is in the image that was merged into. */
static GHashTable *finished_deletions(const Snapshots *all, const ChainSnapshot *s)
{
    GHashTable *targets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; s && i < s->disks->len; i++) {
        const ChainSnapshotDisk *sd = g_ptr_array_index(s->disks, i);
        gboolean stays = !sd->overlay;

        for (guint k = 0; sd->overlay && k < sd->overlay->frozen_by->len; k++) {
            const ChainSnapshot *t = g_ptr_array_index(sd->overlay->frozen_by, k);

            stays |= t->domain != s->domain || !g_hash_table_contains(all->going, t->name);
        }
        if (!stays)
            g_hash_table_add(targets, g_strdup(sd->target));
    }
    return targets;
}

/* The XML that a snapshot that stays is to have. @own: what this one names wrongly, or NULL. New
 * string, NULL with @error. */
static char *new_xml(const Snapshots *all, const char *domain, const char *name,
                     ChainGraph *graph, const XmlSourceMap *map, const XmlSourceMap *overlays,
                     const XmlSourceMap *own, GError **error)
{
    const char *xml = g_hash_table_lookup(all->xml, name);
    const ChainDomain *d = chain_graph_domain(graph, domain);
    g_autoptr(GHashTable) finished = NULL;
    g_autofree char *corrected = NULL, *mapped = NULL, *parented = NULL, *cleared = NULL;

    if (own) {
        xml = corrected = xml_map_snapshot_sources(xml, own, NULL, NULL, error);
        if (!xml)
            return NULL;
    }
    mapped = xml_map_snapshot_sources(xml, map, overlays, NULL, error);
    if (!mapped)
        return NULL;
    parented = xml_snapshot_set_parent(mapped, staying_parent(all, name), error);
    if (!parented)
        return NULL;
    finished = finished_deletions(all, d ? chain_domain_snapshot(d, name) : NULL);
    cleared = xml_snapshot_clear_delete_in_progress(parented, finished, error);
    if (!cleared)
        return NULL;
    return xml_write_backing_store(cleared, exec_chain_below, graph, error);
}

/* What is to be removed is nobody's when the metadata is corrected: that it was an image is seen
 * before. */
static void remember_images(ExecContext *ctx, const ChainGraph *graph)
{
    const Plan *plan = ctx->journal->plan;

    for (guint i = 0; i < plan->files->len; i++) {
        const PlanFile *file = g_ptr_array_index(plan->files, i);
        const ChainImage *image = file->image ? exec_find_image(graph, file->image) : NULL;

        if (image && image->domains->len > 0 && g_str_equal(image->key, file->image->key))
            g_hash_table_add(ctx->images, g_strdup(image->key));
    }
}

static gboolean run_update(ExecStep *s, GError **error)
{
    ExecContext *ctx = s->ctx;
    g_autoptr(ChainGraph) graph = NULL;
    g_autoptr(XmlSourceMap) map = NULL, overlays = NULL;
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    g_auto(Snapshots) all = { 0 };
    g_autoptr(GError) problem = NULL;

    if (!exec_find_domain(ctx, error))
        return FALSE;
    graph = exec_read_domain(ctx, error);
    if (!graph || (!s->journal->updating && !record_snapshots(s, graph, error)) ||
        !collect(s, &all, error))
        return FALSE;
    remember_images(ctx, graph);
    map = source_map(graph, s->plan, FALSE);
    overlays = source_map(graph, s->plan, TRUE);
    /* All new texts first: what cannot be written is found before anything is forgotten. */
    for (guint i = 0; i < all.names->len; i++) {
        const char *name = g_ptr_array_index(all.names, i);
        char *xml = NULL;

        if (!g_hash_table_contains(all.going, name)) {
            g_autoptr(XmlSourceMap) own = corrections_of(graph, s->plan, name);

            xml = new_xml(&all, s->plan->domain, name, graph, map, overlays, own, error);
            if (!xml)
                return FALSE;
        }
        g_ptr_array_add(texts, xml);
    }
    exec_no_return(ctx);
    for (guint i = s->plan->snapshots->len; i-- > 0;) {
        if (!backend_snapshot_forget(ctx->dom, g_ptr_array_index(s->plan->snapshots, i), error))
            return FALSE;
        EXEC_FAULT("update-snapshots-forgotten");
    }
    for (guint i = 0; i < all.names->len; i++) {
        const char *name = g_ptr_array_index(all.names, i);
        const char *xml = g_ptr_array_index(texts, i);

        if (xml && !backend_snapshot_redefine(ctx->dom, xml, g_strcmp0(name, all.current) == 0,
                                              &problem)) {
            g_autoptr(GError) cause = g_steal_pointer(&problem);

            g_set_error(error, EXEC_ERROR, EXEC_ERROR_FAILED,
                        _("Snapshot '%s' cannot be defined again: %s"), name, cause->message);
            return FALSE;
        }
        EXEC_FAULT("update-snapshots-redefined");
    }
    /* At once: what is changed from now on, merges too, is somebody else's doing. */
    s->journal->updating = FALSE;
    return journal_step(ctx->conn, s->journal, s->index + 1, error);
}

const ExecStepOps exec_metadata_ops[] = {
    { PLAN_STEP_DEFINE_DOMAIN, EXEC_DELETE | EXEC_REPAIR, NULL, check_define, run_define, NULL,
      NULL },
    { PLAN_STEP_UPDATE_SNAPSHOTS, EXEC_DELETE | EXEC_REPAIR, NULL, check_define, run_update, NULL,
      NULL },
    { 0 },
};
