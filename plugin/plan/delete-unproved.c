/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * delete-unproved.c: what may stand on an image though nobody here can know it
 *
 * An image of somebody's that is not to be seen now, or not to be understood, may stand on any
 * other (chain_graph_unknown); a directory that cannot be looked through may have images nobody
 * names. Into what may have others on it nothing is committed, and it is not removed. It can be
 * pulled: that changes nothing for them.
 */
#include "config.h"

#include "plugin/plan/work.h"
#include "vext-i18n.h"

gboolean delete_unseen_here(const DeleteState *st)
{
    return st->unseen && st->work->graph->local;
}

char *delete_unproved(const DeleteState *st)
{
    if (st->unknown)
        return chain_unknown_message(st->work->graph, st->unknown);
    return delete_unseen_here(st) ? g_strdup(st->unseen->message) : NULL;
}

gboolean delete_may_not_go(G_GNUC_UNUSED const WorkNode *node)
{
    return FALSE;
}

void delete_note_kept(DeleteState *st, const WorkNode *node, const char *unproved)
{
    const char *path = node->image->path;

    if (!unproved && !node->kept && !node->foreign) {
        if (node->internal)
            unproved = _("it has internal snapshots, which would be lost");
        else if (work_has_flag(node, CHAIN_IMAGE_NOT_WRITABLE))
            unproved = _("it is not writable");
    }
    if (unproved)
        plan_note(st->plan,
                  g_strdup_printf(_("Image '%s' is not needed for disk '%s' any more, but stays: "
                                    "%s"), path, st->work->target, unproved));
    else
        plan_note(st->plan,
                  g_strdup_printf(_("Image '%s' is not needed for disk '%s' any more, but stays "
                                    "for others"), path, st->work->target));
}

gboolean delete_refuse_unknown(DeleteState *st, const Reason *reason)
{
    g_autofree char *remedy = NULL;

    if (st->unknown && g_str_equal(reason->code, "incomplete-view"))
        remedy = chain_unknown_remedy(st->unknown);
    else if (g_str_equal(reason->code, "unseen-images"))
        remedy = g_strdup(_("Start a storage pool over its directory, run this as a user who may "
                            "read it, or have it done all the same with --direction commit"));
    else
        return FALSE;
    plan_refuse(st->plan, reason->code, g_strdup(reason->message),
                st->direction == PLAN_AUTO
                ? g_steal_pointer(&remedy)
                : g_strdup_printf(_("Use --direction auto; or: %s"), remedy));
    return TRUE;
}

/* Whether an image of a deleted snapshot is in focus, or a layer may be that nobody names. */
static gboolean is_concerned(const DeleteState *st)
{
    for (guint i = 0; i < st->work->n; i++) {
        if (st->work->nodes[i].own && st->work->nodes[i].del)
            return TRUE;
    }
    return st->unnamed;
}

gboolean delete_chain_there(DeleteState *st)
{
    const ChainDisk *disk = st->work->disk;
    const ChainImage *tops[] = { disk ? disk->active : NULL, disk ? disk->configured : NULL };

    if (!is_concerned(st))
        return TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(tops); i++) {
        for (WorkNode *node = work_node(st->work, tops[i]); node; node = node->backing) {
            if (!work_has_flag(node, CHAIN_IMAGE_MISSING))
                continue;
            plan_refuse(st->plan, "missing-image",
                        g_strdup_printf(_("Image '%s' of disk '%s' is missing"),
                                        node->image->path, st->work->target),
                        g_strdup(_("Bring it back, or delete only the metadata with "
                                   "--metadata")));
            return FALSE;
        }
    }
    return TRUE;
}
