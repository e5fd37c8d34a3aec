/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * work.h: the images of a graph as the planner leaves them step by step
 *
 * The graph is only read; a plan of several merges has to know what each of them finds. A
 * WorkNode is one image: what it stands on and what stands on it now, after everything that
 * has been planned so far. Private to plugin/plan.
 *
 *      work = work_new(graph, d, deleted)
 *      for every disk:   work_focus(work, target, disk)   whose images are whose
 *                        … work_remove_leaf(), work_commit(), work_pull() …
 *      work_needed(work, plan)                            whose files may not go?
 *      work_free(work)
 */
#pragma once

#include "plugin/plan/plan.h"

G_BEGIN_DECLS

typedef struct WorkNode WorkNode;

struct WorkNode {
    ChainImage *image;
    WorkNode *backing;
    GPtrArray *overlays;   /**< WorkNode *: those that exist */
    WorkNode *became;      /**< merged away: what stands for it now (commit: base, pull: top) */
    gboolean removed;      /**< not there any more, as far as this plan goes */
    gboolean relative;     /**< its backing is recorded by a relative name */
    guint64 allocation;    /**< estimate after what is planned */
    guint64 size;          /**< bytes that are seen through it, or CHAIN_UNKNOWN */

    /* of all domains, set once */
    gboolean kept;         /**< active, configured, or frozen by a snapshot that stays */
    gboolean internal;     /**< has internal snapshots */
    const char *manual;    /**< a snapshot of this domain, also one that goes, that leaves it to the
                                user (snapshot='manual'): kept as it is; or NULL */
    const char *named_by;  /**< a snapshot of this domain that stays and that names it as a
                                disk's source, whether or not it preserves it; or NULL */

    /* of the disk in focus */
    gboolean own;          /**< named by the disk or its snapshots, or below such an image */
    gboolean del;          /**< frozen by deleted snapshots only, or to be treated so */
    gboolean foreign;      /**< somebody else uses it: another domain, another disk */
    const char *foreign_domain; /**< whose, for words */
    gboolean branch_point; /**< had several overlays, all of this disk */
    WorkNode *stood_on_by; /**< an image of somebody else that stood on it when the plan was begun,
                                or NULL: what an earlier merge takes off it may run later than a
                                merge into it */
};

typedef struct {
    ChainGraph *graph;
    ChainDomain *d;
    GHashTable *deleted;   /**< set of ChainSnapshot * */
    WorkNode *nodes;       /**< by ChainImage.id */
    guint n;

    const char *target;    /**< of the disk in focus */
    ChainDisk *disk;       /**< or NULL: the domain has it no more */
    WorkNode *active;      /**< what the disk writes now, or NULL */
} Work;

Work *work_new(ChainGraph *graph, ChainDomain *d, GHashTable *deleted);
void work_free(Work *work);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Work, work_free)

/** Sets what is said of the disk in focus. @target is borrowed. */
void work_focus(Work *work, const char *target);

WorkNode *work_node(Work *work, const ChainImage *image);
/** Following became. */
WorkNode *work_now(WorkNode *node);
/** How many overlays of this disk stand on it; *@only is the first of them. */
guint work_own_overlays(const WorkNode *node, WorkNode **only);
gboolean work_is_root(const WorkNode *node);
/** Whether the disk in focus has it in its active chain. */
gboolean work_in_active_chain(const Work *work, const WorkNode *node);
/** Images from @node down to the root, itself included. */
guint work_depth(const WorkNode *node);
/** Some image that is @node or stands on it and is somebody else's, or NULL. */
WorkNode *work_foreign_above(WorkNode *node);
/** It is not of the disk in focus, or not any more; what is below it is marked as stood on. */
void work_disown(Work *work, WorkNode *node);
/** A running domain that has @node in the chain of a disk, but not of the one in focus. */
const ChainDisk *work_running_user(const Work *work, const WorkNode *node);
/** A running domain that writes @node. */
const ChainDisk *work_writer(const Work *work, const WorkNode *node);

/** Takes a leaf away. */
void work_remove_leaf(WorkNode *node);
/** Everything above @lo up to @top goes into @lo. */
void work_commit(Work *work, WorkNode *lo, WorkNode *top);
/** @top stands on what @lo stands on. Images between go when nothing stands on them and
 *  @may_go says so. */
void work_pull(Work *work, WorkNode *lo, WorkNode *top,
               gboolean (*may_go)(const WorkNode *node));
/** Keys of all images whose files something in the graph needs: those that are not removed and
 *  what they stand on, disks of all domains, snapshots that stay (through @plan's replacements).
 *  New set of strings borrowed from the graph and @plan. */
GHashTable *work_needed(const Work *work, const Plan *plan);

/** Why a direction is not possible. */
typedef struct {
    const char *code;      /**< as in PlanRefusal */
    char *message;
} Reason;

void reason_clear(Reason *reason);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reason, reason_clear)

/* --- delete-merge.c ----------------------------------------------------------------------- */

/** What the merges of one request have in common. */
typedef struct {
    Plan *plan;
    Work *work;
    const PlanFacts *facts;
    PlanDirection direction;   /**< asked for */
    PlanDirection prefer;      /**< for auto: the fewer bytes (AUTO), or this one if possible */
    const ChainImage *unknown; /**< one that may stand on any image, or NULL: nothing is committed
                                    into, and nothing removed */
    const ChainUnknown *unseen;/**< where what may stand on the images could not be looked for, or
                                    NULL: the same, unless a commit was asked for */
    gboolean keep_files;
    gboolean unnamed, root;    /**< as in PlanRequest */
    gboolean affected;         /**< something is done with the disk in focus */
    GPtrArray *leaves;         /**< WorkNode *: removed leaves of the disk in focus */
    GArray *spaces;            /**< PlanSpace */
} DeleteState;

/** Room that merges need on a file system. */
typedef struct {
    guint64 fs_id, free, need;
    char *path;                /**< an image there, borrowed from the graph */
} PlanSpace;

/** Plans the leaves and merges of the disk in focus. */
void delete_disk(DeleteState *state);
/** Says why an image that was to be merged is not. */
void delete_stays_unnamed(DeleteState *st, WorkNode *node, const Reason *reason);

/* --- delete-leaves.c ---------------------------------------------------------------------- */

/** Plans which files go and marks what is to be merged. */
void delete_leaves(DeleteState *st);
/** Snapshots that stay and name a leaf that went as their overlay get one that is there. */
void delete_rename_overlays(DeleteState *st);

/* --- delete-unproved.c: what nobody here can know ------------------------------------------ */

/** Whether files on this machine could not be looked for: another user could. On another host what
 *  the connection's domains and snapshots name is all that can be known, which is said, and is no
 *  reason to refuse. */
gboolean delete_unseen_here(const DeleteState *st);
/** Why it cannot be proved that nobody needs an image that nobody is known to need: a sentence, new
 *  string, or NULL. */
char *delete_unproved(const DeleteState *st);
/** For work_pull(), where that cannot be proved. */
gboolean delete_may_not_go(const WorkNode *node);
/** Notes that @node stays. @unproved: why what could go otherwise does, or NULL. */
void delete_note_kept(DeleteState *st, const WorkNode *node, const char *unproved);
/** Whether all images are there that the guest needs to start, where something is to be done with
 *  the disk in focus: one that is missing may stand on what would be merged or removed. Refuses. */
gboolean delete_chain_there(DeleteState *st);

/* --- delete-can.c: which direction is possible for one range, and what it costs ------------ */

/** Flags of an image that no job may touch. */
#define WORK_BROKEN (CHAIN_IMAGE_MISSING | CHAIN_IMAGE_UNREADABLE | CHAIN_IMAGE_LOOP | \
                     CHAIN_IMAGE_FORMAT_GUESSED | CHAIN_IMAGE_FORMATS_DIFFER | \
                     CHAIN_IMAGE_CORRUPT)

/** Refuses, with a remedy, a merge that is not possible because not all is known; FALSE: that is
 *  not why. */
gboolean delete_refuse_unknown(DeleteState *st, const Reason *reason);

gboolean work_has_flag(const WorkNode *node, guint flag);
/** Whether a merge into or of @top would run on the running domain. */
gboolean merge_is_live(DeleteState *st, WorkNode *top);
/** Whether everything above @lo up to @top may go into @lo. @reason is set if not. */
gboolean commit_possible(DeleteState *st, WorkNode *lo, WorkNode *top, Reason *reason);
/** Whether @lo up to what is below @top may go into @top. @reason is set if not. */
gboolean pull_possible(DeleteState *st, WorkNode *lo, WorkNode *top, Reason *reason);
/** Whether @lo is the chain's root, and is so no more when it has been pulled into @top. */
gboolean root_goes(WorkNode *lo, WorkNode *top);
const PlanMeasure *merge_measured(DeleteState *st, WorkNode *lo, WorkNode *top);
/** Bytes moved: measured, else estimated from what is allocated; or CHAIN_UNKNOWN. */
guint64 commit_cost(DeleteState *st, WorkNode *lo, WorkNode *top);
guint64 pull_cost(DeleteState *st, WorkNode *lo, WorkNode *top);
/** Bytes by which a commit makes @lo larger, at most. */
guint64 commit_growth(DeleteState *st, WorkNode *lo, WorkNode *top);

G_END_DECLS
