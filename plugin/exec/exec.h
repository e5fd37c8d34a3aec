/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * exec.h: the only code that changes anything: runs a plan step by step, or goes on with one
 *
 *      journal = journal_new() and fill it, or journal_load()
 *      exec_context_init(&ctx, host, conn, dom)
 *      status = exec_run(&ctx, journal, reasons)
 *      exec_context_clear(&ctx)
 *
 * For each step of the plan in order:
 *
 *      is_done?  -> only on resume: the world is asked (chains, configuration, files). Only
 *                   where that cannot tell, how far the operation ever was (furthest) decides
 *      check        what must hold right before; changes nothing
 *      journal      "step n is about to run"
 *      run          idempotent: a crash in it is answered by running it again
 *
 * When a step fails or the user stops it:
 *
 *   before the point of no return   what was made is undone (undo of the steps run, backwards),
 *                                   the journal goes: VEXT_FAILED, nothing was changed; but who
 *                                   stops a pull by a signal or a time limit wants to go on
 *                                   later: VEXT_INCOMPLETE, too
 *   after it                        everything stays as it is, with the journal:
 *                                   VEXT_INCOMPLETE, the last reason names the command
 *
 * The point of no return of a delete is the start of a commit, the end of a pull or the first
 * change of metadata; of a revert see exec/revert-*.c. Steps report it by exec_no_return().
 *
 * Each group of steps is a file with a table; exec.c lists the tables.
 */
#pragma once

#include "include/virsh-ext-plugin.h"
#include "plugin/backend/jobs.h"
#include "plugin/exec/fault.h"
#include "plugin/journal/journal.h"

G_BEGIN_DECLS

typedef enum {
    EXEC_ERROR_FAILED,
    EXEC_ERROR_CHANGED,     /**< the world is not as planned: somebody else was at it */
    EXEC_ERROR_RENAMED,     /**< the domain has another name than when it was locked */
    EXEC_ERROR_INTERRUPTED, /**< SIGINT and the like */
    EXEC_ERROR_TIMEOUT,
    EXEC_ERROR_BLOCKED,     /**< somebody has come to need what a merge would change */
    EXEC_ERROR_LOST,        /**< somebody else's work has cost a snapshot its state */
} ExecErrorCode;
#define EXEC_ERROR (exec_error_quark())
GQuark exec_error_quark(void);

/** An operation that runs. Zeroed by init; the public fields are the caller's to set. */
typedef struct {
    VextHost *host;         /**< signals and messages */
    virConnectPtr conn;     /**< borrowed */
    gboolean verbose;       /**< progress on standard error */
    void (*say)(VextHost *host, const char *line); /**< prints a step under verbose, or NULL */
    /** Called once the lock is held, before anything changes: is the plan still right? Between
     *  reading and locking somebody may have been faster. FALSE with @error: it is not. NULL: no
     *  such question. */
    gboolean (*recheck)(gpointer data, GError **error);
    gpointer recheck_data;
    guint64 bandwidth;      /**< of block jobs, bytes per second, 0 unlimited */
    gint64 deadline;        /**< monotonic microseconds, 0 none */
    gboolean resuming;      /**< steps may have been done by somebody who died */
    gboolean ending_jobs;   /**< repair: jobs are ended, not waited for */

    /* --- kept by exec ------------------------------------------------------------------ */
    gboolean local;         /**< the connection's files are files here */
    Journal *journal;       /**< borrowed during exec_run() */
    virDomainPtr dom;       /**< the domain; reference held; NULL: it does not exist now */
    gboolean no_return;     /**< see above */
    gboolean dropped;       /**< undoing: there is no such domain any more, so there was
                                 nothing but the record */
    gboolean taken_up;      /**< the journal was loaded, not begun */
    guint reached;          /**< taken up: the step that had not ended */
    guint furthest;         /**< taken up: the furthest that was ever begun */
    gboolean merging;       /**< delete: a merge was begun */
    gboolean merged_all;    /**< delete: all merges are behind us */
    char *remedy;           /**< of EXEC_ERROR_BLOCKED: a command or a sentence; or NULL */
    GPtrArray *notes;       /**< char *: words for the user, printed as warnings at the end */
    /* merges */
    BackendJobs *jobs;      /**< of jobs_dom */
    virDomainPtr jobs_dom;
    GArray *worker_merges;  /**< guint: indices in plan->merges that the running helper serves */
    GHashTable *begun;      /**< merge index + 1 -> itself: we asked for its job, and libvirt did
                                 not say that there is none */
    GHashTable *finished;   /**< merge index + 1 -> itself: pivoted by us, the configuration may
                                 not say so yet */
    /* revert */
    gboolean never_run;     /**< the guest was stopped that ran on the disks of before: so none can
                                 have been started on the new overlays until then */
    gboolean overlays_used; /**< undoing: a guest may have written its overlays, which cannot be
                                 seen from here */
    /* remove-file */
    GHashTable *renewed;    /**< names of snapshots that are others by now than the journal's */
    GHashTable *images;     /**< taken up: key of a file of the plan -> itself: a domain or one of
                                 its snapshots had it as an image before the metadata changed */
    ChainGraph *world;      /**< everything, read after the last change of metadata */
    gint64 tick;            /**< progress: when the line was printed last */
    gint64 started;         /**< progress: when the job began */
} ExecContext;

/** One step, as its functions get it. */
typedef struct {
    ExecContext *ctx;
    Journal *journal;
    Plan *plan;             /**< journal->plan */
    const PlanStep *step;
    guint index;            /**< in plan->steps */
} ExecStep;

typedef enum { EXEC_NOT_DONE, EXEC_IS_DONE, EXEC_CANNOT_TELL } ExecDone;

/** How a kind of step is done. Tables end with an entry whose run is NULL. */
typedef struct {
    PlanAction action;
    unsigned int operations;                            /**< bits 1 << PlanOperation */
    char *(*describe)(const ExecStep *s);               /**< NULL: plan_step_describe() */
    gboolean (*check)(ExecStep *s, GError **error);     /**< or NULL */
    gboolean (*run)(ExecStep *s, GError **error);
    /** Resume only. NULL: run it again. CANNOT_TELL with @error stops. */
    ExecDone (*is_done)(ExecStep *s, GError **error);
    /** Before the point of no return: takes back what run did (or half did). Or NULL. */
    gboolean (*undo)(ExecStep *s, GError **error);
} ExecStepOps;

#define EXEC_DELETE (1u << PLAN_DELETE)
#define EXEC_REVERT (1u << PLAN_REVERT)
#define EXEC_REPAIR (1u << PLAN_REPAIR)

extern const ExecStepOps exec_lock_ops[];     /* lock.c: lock, unlock */
extern const ExecStepOps exec_merge_ops[];    /* merge.c: the helper and block jobs */
extern const ExecStepOps exec_metadata_ops[]; /* metadata.c: define-domain, update-snapshots */
extern const ExecStepOps exec_takeover_ops[]; /* takeover.c: jobs that somebody left running */
extern const ExecStepOps exec_files_ops[];    /* files.c: remove-file */
extern const ExecStepOps exec_revert_ops[];   /* revert.c: what only a revert does */

void exec_context_init(ExecContext *ctx, VextHost *host, virConnectPtr conn);
void exec_context_clear(ExecContext *ctx);

/**
 * Runs the plan in @journal.
 *
 * @journal: new (not begun) or, with ctx->resuming, loaded and taken over by this function
 * @reasons: char *: on failure why, in order, the last one naming the command that goes on
 *           where the operation is incomplete
 * Returns: VEXT_OK, VEXT_FAILED (nothing was changed) or VEXT_INCOMPLETE
 */
VextStatus exec_run(ExecContext *ctx, Journal *journal, GPtrArray *reasons);

/**
 * Undoes an operation that somebody left unfinished, where that loses nothing.
 * Returns: as exec_run(); VEXT_FAILED with the reason where it can only go forward.
 */
VextStatus exec_abort(ExecContext *ctx, Journal *journal, GPtrArray *reasons);

/**
 * Whether exec_abort() would undo it. Changes nothing. FALSE with @error saying why not.
 *
 * @journal: loaded
 */
gboolean exec_can_abort(ExecContext *ctx, Journal *journal, GError **error);
/** The way out where it would not. New string. */
char *exec_finish_remedy(const Plan *plan);

/* --- for the steps ------------------------------------------------------------------------ */

/** From now on only forward is safe. */
void exec_no_return(ExecContext *ctx);
/** Reference to the domain by the plan's UUID in ctx->dom, looked up again. FALSE with @error:
 *  it is gone. */
gboolean exec_find_domain(ExecContext *ctx, GError **error);
/** Whether the domain runs now. */
gboolean exec_domain_active(ExecContext *ctx);
/** Whether the QEMU that runs the domain is the one that did when the operation began to merge. */
gboolean exec_qemu_is_marked(ExecContext *ctx);
/** At the operation's end, while its record is still there. */
void exec_unmark_qemu(ExecContext *ctx);
/** The domain's XML as it is now: live if @live and it runs, else persistent (secure), g_free.
 *  NULL with @error. */
char *exec_domain_xml(ExecContext *ctx, gboolean live, GError **error);
/** Fails with INTERRUPTED or TIMEOUT when the user wants an end. */
gboolean exec_go_on(ExecContext *ctx, GError **error);
/** On a resume: a snapshot that was taken since under a name that is to go is not the one that was
 *  meant. It is taken out of the plan. FALSE with @error: libvirt does not say. */
gboolean exec_leave_newer(ExecContext *ctx, GError **error);
/** Undoing a delete: what was pulled stays pulled, so the configuration says of the images below
 *  what their headers say. */
gboolean exec_follow_pulls(ExecContext *ctx, GError **error);
/** A word for the user, printed at the end. Takes @text. */
void exec_note(ExecContext *ctx, char *text_take);
/** "virsh-ext chain-repair NAME", quoted for a shell. New string. */
char *exec_repair_command(const Plan *plan);

G_END_DECLS
