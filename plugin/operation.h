/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * operation.h: what the commands that change things share
 *
 *      operation_daemon_log(host, cmd, &file) an option of all of them
 *      operation_open(&op, host, cmd)         connection, domain; prints its own errors
 *      operation_read(&op, &error)            the whole world, for planning
 *      operation_plan(&op, &request, …)       plan, measure, plan again
 *      operation_journal(&op, plan_take)      a journal that holds everything as it is
 *      operation_close(&op)
 */
#pragma once

#include "plugin/cmd.h"
#include "plugin/exec/exec.h"
#include "plugin/journal/journal.h"

G_BEGIN_DECLS

typedef struct {
    VextHost *host;
    virConnectPtr conn;   /**< borrowed */
    virDomainPtr dom;
    char *name;           /**< the domain's */
    gboolean readonly;    /**< the connection: as it was asked for, or its socket is */
    ChainGraph *graph;    /**< after operation_read() */
    ChainDomain *domain;  /**< in it */
    gboolean planned;     /**< the rest is of the last operation_plan() */
    PlanRequest request;  /**< a copy; its strings are borrowed */
    GHashTable *measures; /**< what was measured for it, or NULL */
    gint64 now;           /**< seconds since the epoch: names of a plan are made of it */
    guint8 random[PLAN_RANDOM_BYTES]; /**< and of this */
    gboolean has_random;
} Operation;

/** Connects and finds the domain that --domain names. FALSE after the error was printed. */
gboolean operation_open(Operation *op, VextHost *host, const VextCmd *cmd);
void operation_close(Operation *op);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Operation, operation_close)

/** The file of --daemon-log, new; NULL without. FALSE after the error was printed. */
gboolean operation_daemon_log(VextHost *host, const VextCmd *cmd, char **file);

/** Reads all domains, their snapshots and what lies beside the images. */
gboolean operation_read(Operation *op, GError **error);
/** Plans, measures what the planner wants measured and plans again. Never NULL. */
Plan *operation_plan(Operation *op, const PlanRequest *request, gboolean ignore_operation);
/** Takes @plan. NULL with @error. */
Journal *operation_journal(Operation *op, Plan *plan_take, GError **error);

/** Takes the figures of an unfinished revert as they are now: the guest may have gone on writing
 *  for days since it was planned. */
void operation_refresh(const Operation *op, Journal *journal);
/** What --dry-run says of an unfinished operation that would be finished: its whole plan. */
void operation_preview(const Operation *op, const Journal *journal, gboolean json);
/** What it says before: what it is and where it was interrupted. New string, safe for the
 *  terminal, without a newline. */
char *operation_describe_interrupted(const Operation *op, const Journal *journal);

/** How an operation is to run. */
typedef struct {
    gboolean verbose;
    gboolean resuming;       /**< goes on with what somebody who died began */
    guint64 bandwidth;       /**< bytes per second, 0 unlimited */
    guint64 timeout;         /**< seconds, 0 none */
    const char *daemon_log;  /**< of operation_daemon_log(), or NULL */
} OperationRun;

/** exec_run() with the daemon's log and the words for the user. @reasons: as of exec_run(). */
VextStatus operation_run(Operation *op, const OperationRun *how, Journal *journal,
                         GPtrArray *reasons);

/** For take-over: whether the snapshot that the line names (@name NULL: the current one) is
 *  external. Quiet. */
bool operation_claims(VextHost *host, const VextCmd *cmd, const char *name);

/** Prints each as an error line, made safe for the terminal. */
void operation_print_errors(VextHost *host, GPtrArray *lines);
void operation_print_error(VextHost *host, const char *line);
/** Prints a line on standard output, made safe for the terminal, but not under --quiet. */
void operation_print_line(VextHost *host, const char *line);
void operation_print_warning(VextHost *host, const char *line);
/** Prints what a revert throws away, with its size, a line each: before, or (@done) after; @warn:
 *  on standard error. */
void operation_say_discarded(VextHost *host, const Plan *plan, gboolean done, gboolean warn);
/** Prints why @plan is refused. */
void operation_print_refusals(VextHost *host, const Plan *plan);

G_END_DECLS
