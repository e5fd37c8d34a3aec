/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan.h: from a request and the model to steps, or to refusals
 *
 * Pure: no I/O, no libvirt, no clock. What --dry-run prints is the very Plan that exec runs and
 * that the journal keeps.
 *
 *      graph (plugin/model) --+
 *      request ---------------+--> plan_make() --> Plan { refusals } or Plan { merges, steps, … }
 *      facts (measured) ------+
 *
 * Two passes where exact figures can be had: plan_make() without measures lists the ranges it
 * would like to be measured (plan->wanted); the caller measures them (backend_measure_range)
 * and plans again with facts->measures.
 *
 * Words (one disk; F is frozen, O the overlay on it):
 *
 *      below <- base=F_lo <- … <- F_hi <- top=O <- above
 *
 *      a merge by commit: everything above base up to top goes into base; base then holds top's
 *                         content; gone = F_lo+1 … F_hi, top
 *      a merge by pull:   what base … F_hi hold and top has not goes into top; top then stands on
 *                         below; gone = base … F_hi (but not those that somebody else needs)
 *
 * A merge speaks of what is to be joined, not of where: whether it runs on the running domain or
 * on a helper is decided when it runs (on a resume the domain may have been started or stopped),
 * merge->live is what was true when it was planned. Merges of one disk are listed in an order in
 * which each names the images as the earlier ones leave them.
 *
 * Ownership: a Plan owns everything in it and refers to nothing of the graph, so that it can be
 * written to the journal and read back elsewhere.
 */
#pragma once

#include "plugin/model/chain.h"

G_BEGIN_DECLS

typedef enum { PLAN_DELETE, PLAN_REVERT, PLAN_REPAIR } PlanOperation;
typedef enum { PLAN_AUTO, PLAN_COMMIT, PLAN_PULL } PlanDirection;

/** What the user asked for. Strings are borrowed. */
typedef struct {
    PlanOperation operation;
    GPtrArray *names;          /**< const char *: snapshots named, in the order given */
    gboolean current;          /**< --current */

    /* delete */
    gboolean children;         /**< --children: the named and all below */
    gboolean children_only;    /**< --children-only */
    gboolean all;              /**< --all */
    gboolean metadata_only;    /**< --metadata */
    gboolean keep_files;       /**< --keep-files */
    gboolean unnamed;          /**< --unnamed: also what is no snapshot's, above one that is */
    gboolean root;             /**< --root, with unnamed: also below all of them */
    PlanDirection direction;

    /* revert */
    gboolean running, paused, force, reset_nvram;
    const char *save_current;  /**< name of the snapshot to take first, or NULL */

    /* repair; direction: of merges by hand where nothing else tells it */
    gboolean abort;            /**< end block jobs instead of finishing them */
} PlanRequest;

/** Bytes that a merge of a range would copy, measured. */
typedef struct {
    guint64 commit_bytes;      /**< or CHAIN_UNKNOWN */
    guint64 commit_growth;     /**< of commit_bytes what the base has no room for yet; or
                                    CHAIN_UNKNOWN. (What is pulled is never there yet.) */
    guint64 pull_bytes;        /**< or CHAIN_UNKNOWN */
} PlanMeasure;

#define PLAN_RANDOM_BYTES 16

/** What can be done about a read-only connection. New string. */
char *plan_readonly_remedy(void);

/** What the planner has to know beside the model. */
typedef struct {
    GHashTable *measures;      /**< plan_measure_key() -> PlanMeasure *, or NULL */
    gboolean readonly;         /**< the connection is read-only */
    gboolean name_too_long;    /**< for the record of an operation */
    gboolean ignore_operation; /**< the unfinished operation in the graph is our own (resume) */
    gint64 now;                /**< seconds since the epoch, for names */
    const guint8 *random;      /**< revert: PLAN_RANDOM_BYTES that nobody can guess, for names; or
                                    NULL: there are none */
    gboolean no_pools;         /**< revert: the connection has no storage pools */
    const char *memory_problem;/**< revert: why the memory file cannot be restored, or NULL */
    const char *memory_unfit;  /**< revert: why this host cannot run it, or NULL */
    GHashTable *merged;        /**< repair: target -> "commit" or "pull": jobs that were seen to
                                    finish since the snapshots were true; or NULL */
    gboolean uefi_variables;   /**< revert: the snapshot's configuration keeps UEFI variables
                                    in a file */
    gboolean nvram_cannot_be_reset; /**< revert: it is asked for and this libvirt cannot do it */
} PlanFacts;

/** An image as the journal can keep it. */
typedef struct {
    char *key;                 /**< identity when it was planned: ChainImage.key */
    ChainSource *source;
    char *format;
    char *path;                /**< for people and --json */
    guint64 allocation;        /**< or CHAIN_UNKNOWN */
    gint64 born;               /**< when its file was made: ChainImage.born; 0: not known */
    gint64 modified;           /**< when it was written last: ChainImage.modified; 0: not known */
} PlanImage;

/** One join of a range of images of one disk. */
typedef struct {
    char *disk;
    PlanDirection direction;   /**< PLAN_COMMIT or PLAN_PULL */
    PlanImage *base;           /**< F_lo */
    PlanImage *top;            /**< O */
    PlanImage *below;          /**< what base stands on, or NULL */
    PlanImage *above;          /**< the one overlay of top that a commit rewires, or NULL */
    GPtrArray *range;          /**< PlanImage *: base … top, both included, upwards */
    GPtrArray *gone;           /**< PlanImage *: in no chain of ours any more afterwards */
    gboolean live;             /**< planned on the running domain, not on a helper */
    gboolean top_is_active;    /**< top is what the domain writes: commit ends with a pivot */
    gboolean relative;         /**< keep relative backing names */
    guint64 bytes;             /**< moved, or CHAIN_UNKNOWN */
    guint64 other_bytes;       /**< by the other direction, CHAIN_UNKNOWN if that is not possible */
} PlanMerge;

/** A file that goes. */
typedef struct {
    PlanImage *image;          /**< or NULL for a memory file */
    char *memory_file;         /**< or NULL */
    char *disk;                /**< target, NULL for memory */
    guint64 bytes;             /**< freed, or CHAIN_UNKNOWN */
    gboolean stays;            /**< found when it was run, not in a journal: somebody needs it */
} PlanFile;

/** An overlay that a revert makes. */
typedef struct {
    char *disk;
    PlanImage *frozen;         /**< F(S): the backing image, format recorded with it */
    PlanImage *overlay;        /**< the new file: qcow2 */
    GPtrArray *below;          /**< PlanImage *: frozen and what is below it, downwards, where the
                                    configuration has to say so; else empty */
} PlanOverlay;

/**
 * A name that changes without a merge: an overlay goes and another one stands on its backing
 * image, or nothing does any more. Only for <disks> and <revertDisks> of snapshots that stay;
 * plan_overlay_replacement() takes it into account.
 */
typedef struct {
    char *disk;
    PlanImage *from;           /**< goes */
    PlanImage *to;             /**< stands on the same image and stays */
    char *snapshot;            /**< plan->corrections only: the one whose <domain> and
                                    <inactiveDomain> name from and are to name to */
} PlanRename;

/** The steps. Their names in --json are in plan_action_name(). Their numbers stand in journals that
 *  another version may read: new ones are added at the end. */
typedef enum {
    PLAN_STEP_LOCK,            /**< "lock": define the helper with the journal */
    PLAN_STEP_SAVE_CURRENT,    /**< "create-snapshot": what is now, as a snapshot */
    PLAN_STEP_CREATE_OVERLAYS, /**< "create-overlays": all plan->overlays, daemon-side */
    PLAN_STEP_START_HELPER,    /**< "start-helper": paused, on the images of step->merges */
    PLAN_STEP_MERGE,           /**< "block-commit" or "block-pull": step->merge, until done, or
                                    ready where a pivot follows */
    PLAN_STEP_PIVOT,           /**< "pivot": step->merge */
    PLAN_STEP_STOP_HELPER,     /**< "stop-helper" */
    PLAN_STEP_STOP_GUEST,      /**< "stop-guest": revert of a running domain */
    PLAN_STEP_DEFINE_DOMAIN,   /**< "define-domain": persistent configuration */
    PLAN_STEP_UPDATE_SNAPSHOTS,/**< "update-snapshots": metadata of those that go and that stay */
    PLAN_STEP_RESTORE_MEMORY,  /**< "restore-memory" */
    PLAN_STEP_START_GUEST,     /**< "start-guest" */
    PLAN_STEP_REMOVE_FILE,     /**< "remove-file": step->file */
    PLAN_STEP_UNLOCK,          /**< "unlock": the helper and the journal go */
    PLAN_STEP_FINISH_JOB,      /**< "finish-job": step->disk's, left running by somebody */
    PLAN_STEP_ABORT_JOB,       /**< "abort-job" */
    PLAN_STEP_LAST = PLAN_STEP_ABORT_JOB,
} PlanAction;

typedef struct {
    PlanAction action;
    guint merge;               /**< index in plan->merges (MERGE, PIVOT) */
    GArray *merges;            /**< guint: START_HELPER: one merge per disk of this round */
    guint file;                /**< index in plan->files (REMOVE_FILE) */
    char *disk;                /**< target (FINISH_JOB, ABORT_JOB), else NULL */
    char *job;                 /**< as ChainJob.type (the same), else NULL */
    guint64 bytes;             /**< moved (MERGE), freed (REMOVE_FILE), CHAIN_UNKNOWN; else 0 */
} PlanStep;

/** Why a request is refused. */
typedef struct {
    char *code;                /**< "unknown-snapshot", "internal-snapshot", "active-job", … */
    char *message;             /**< whole sentence, no full stop, translated */
    char *remedy;              /**< the way out, or NULL */
} PlanRefusal;

typedef struct {
    PlanDirection direction;
    guint64 bytes_moved;
} PlanAlternative;

/** A range to be measured. Keys as in PlanImage. */
typedef struct {
    char *lo, *hi, *top;
} PlanRange;

typedef struct {
    PlanOperation operation;
    char *domain, *uuid;
    char *command;             /**< "snapshot-delete-external", … */
    GPtrArray *snapshots;      /**< char *: deleted (parents first), or the one reverted to */
    GPtrArray *refusals;       /**< PlanRefusal *; not empty: nothing else is to be used */
    GPtrArray *notes;          /**< char *: words for the user (unnamed layers that stay, …) */
    GPtrArray *merges;         /**< PlanMerge * */
    GPtrArray *files;          /**< PlanFile * */
    GPtrArray *steps;          /**< PlanStep * in order */
    GPtrArray *alternatives;   /**< PlanAlternative * */
    GPtrArray *wanted;         /**< PlanRange *: see above */
    guint64 bytes_moved;       /**< sum of known figures */
    guint64 bytes_freed;
    gboolean bytes_exact;      /**< no figure was unknown */
    gboolean metadata_only, keep_files;

    /* delete, repair: what to do with the metadata; snapshots: those that are forgotten */
    char *new_current;         /**< snapshot that becomes current, NULL: leave as it is / none */
    gboolean current_changes;
    GPtrArray *renames;        /**< PlanRename * */
    GPtrArray *corrections;    /**< PlanRename *: frozen images that a snapshot names wrongly */

    /* revert */
    GPtrArray *overlays;       /**< PlanOverlay * */
    GPtrArray *kept_disks;     /**< char *: targets that keep their present image */
    GPtrArray *resting;        /**< PlanImage *: what nobody is to write until it is done: the
                                    images of the target's state, and those below the present
                                    ones */
    char *save_current;
    GPtrArray *save_overlays;  /**< PlanOverlay *: what the snapshot save_current puts on top of
                                    the present images; superfluous once the revert stands */
    char *memory_file;         /**< restored from it, or NULL */
    char *want_state;          /**< "running", "paused", "shutoff" */
    gboolean was_running;
    gboolean force, reset_nvram;
    guint64 discarded_bytes;   /**< what is thrown away, or CHAIN_UNKNOWN */
} Plan;

/**
 * Plans a request.
 *
 * @graph: linked; complete and with orphans for anything that is really to run
 * @d: the domain in it
 * Returns: a new plan, never NULL: what cannot be done is in plan->refusals.
 */
Plan *plan_make(ChainGraph *graph, ChainDomain *d, const PlanRequest *request,
                const PlanFacts *facts);

/* Each in its own file. Called by plan_make(). */
void plan_delete(Plan *plan, ChainGraph *graph, ChainDomain *d, const PlanRequest *request,
                 const PlanFacts *facts);
void plan_revert(Plan *plan, ChainGraph *graph, ChainDomain *d, const PlanRequest *request,
                 const PlanFacts *facts);
void plan_repair(Plan *plan, ChainGraph *graph, ChainDomain *d, const PlanRequest *request,
                 const PlanFacts *facts);
/**
 * What to do about the block job of @disk. Never to end a commit with virsh: it has written to the
 * state of a snapshot, and nothing would say so. New string.
 */
char *plan_job_remedy(const ChainDomain *d, const ChainDisk *disk);
/** Refuses where another operation is under way or lies interrupted. */
void plan_check_operation(Plan *plan, const ChainDomain *d, const PlanFacts *facts);
/** Refusals that all operations share: jobs, managed save, checkpoints, another operation. */
void plan_check_domain(Plan *plan, ChainGraph *graph, ChainDomain *d, const PlanFacts *facts);

/** The snapshots of @d, parents first, of which a commit below the active image of @disk may take
 *  the state away: which images it is about is not known, but for what it has written @since
 *  (seconds since the epoch; 0: not known). New array of borrowed names. */
GPtrArray *plan_commit_may_lose(const ChainDomain *d, const ChainDisk *disk, gint64 since);

void plan_free(Plan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Plan, plan_free)

/** An empty plan; plan_make() fills it. */
Plan *plan_new(PlanOperation operation);
PlanMerge *plan_merge_new(const char *disk, PlanDirection direction);
void plan_merge_free(PlanMerge *merge);
PlanOverlay *plan_overlay_new(void);
void plan_overlay_free(PlanOverlay *overlay);
PlanImage *plan_image_new(const ChainImage *image);
PlanImage *plan_image_copy(const PlanImage *image);
void plan_image_free(PlanImage *image);

void plan_refuse(Plan *plan, const char *code, char *message_take, char *remedy_take);
/** Adds a word for the user, once. */
void plan_note(Plan *plan, char *note_take);
PlanStep *plan_add_step(Plan *plan, PlanAction action);
/** A step for each item of plan->files. */
void plan_add_file_steps(Plan *plan);
PlanFile *plan_add_file(Plan *plan, const ChainImage *image, const char *memory_file,
                        const char *disk, guint64 bytes);
/** Fills bytes_moved, bytes_freed, bytes_exact from the merges and files. */
void plan_sum(Plan *plan);
const char *plan_action_name(const Plan *plan, const PlanStep *step);
/** One line for people, as --dry-run prints it. New string. */
char *plan_step_describe(const Plan *plan, const PlanStep *step);
/** "8.3 MiB" in the user's language, without GLib's no-break space, which not every terminal can
 *  show. New string. */
char *plan_size_text(guint64 bytes, gboolean exact);
char *plan_measure_key(const char *lo, const char *top);

/** Fills plan->resting of a revert of @d to @target. */
void plan_note_resting(Plan *plan, ChainDomain *d, const ChainSnapshot *target);
/** The first of @image and what it stands on that is known to have been written, or replaced, since
 *  it was noted in plan->resting; or NULL. Borrowed. */
const ChainImage *plan_first_written(const Plan *plan, ChainImage *image);
/** Takes the sizes of the files that go as they are in @graph, and what is summed up of them. */
void plan_revert_refresh(Plan *plan, const ChainGraph *graph);

/** Whether two plans do the same with the same images, whatever it costs: their snapshots,
 *  merges, overlays, files and order of steps agree. */
gboolean plan_same_work(const Plan *a, const Plan *b);

/**
 * Whether a merge of a plan may begin in the world as it is now: since it was planned somebody may
 * have come to need what it changes. Earlier merges of the plan may be done, its files are not
 * removed yet, and block jobs are the caller's to look at.
 *
 * @graph: linked, complete and with orphans; @d: the domain in it
 * @begun: some of it may be written already: it can only go on, and just what would be lost by
 *         that is in the way
 * Returns: a new plan, never NULL: its refusals say what is in the way
 */
Plan *plan_check_merge(const Plan *plan, const PlanMerge *merge, ChainGraph *graph, ChainDomain *d,
                       gboolean begun);

/** What an image is after the merges: the one that stands for it now (itself, if none does; NULL
 *  if the plan does not speak of it, it is then itself too).
 *  Rule for snapshot XML: commit: gone -> base; pull: gone -> top. */
const PlanImage *plan_replacement(const Plan *plan, const char *disk, const char *key);
/** The same for the overlays in <disks> and <revertDisks>: plan->renames too. */
const PlanImage *plan_overlay_replacement(const Plan *plan, const char *disk, const char *key);

/** The whole plan as JSON for the journal, and back. @error: G_IO_ERROR_INVALID_DATA for bad
 *  input, which is hostile: sizes and depths are limited, nothing is trusted. Indexes in the
 *  steps of a plan that was read are in range. */
char *plan_serialize(const Plan *plan);
Plan *plan_deserialize(const char *text, GError **error);

G_END_DECLS
