/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * jobs.h: block jobs of one domain: start, watch, pivot, abort
 *
 *      jobs = backend_jobs_new(dom)                      listens before anything is started
 *      backend_jobs_commit(jobs, …) or _pull or _attach
 *      state = backend_jobs_wait(jobs, disk, …)          READY, COMPLETED, FAILED, …
 *      backend_jobs_pivot(jobs, disk)                    active commit, after READY
 *      state = backend_jobs_wait(jobs, disk, …)          COMPLETED
 *      backend_jobs_free(jobs)
 *
 * What a job has become is what its event says, or <mirror ready='yes'>. That a job is gone
 * says nothing (a failed one leaves the same nothing as a finished one), and a job whose
 * counters have met need not be ready: BACKEND_JOB_GONE sends the caller to the chain.
 *
 * Threads: the event comes in libvirt's event loop, which must run in another thread; all
 * functions are for one thread.
 */
#pragma once

#include "plugin/backend/vir.h"

G_BEGIN_DECLS

typedef enum {
    BACKEND_JOB_RUNNING,
    BACKEND_JOB_READY,       /**< active commit: base and active image are the same */
    BACKEND_JOB_COMPLETED,
    BACKEND_JOB_FAILED,
    BACKEND_JOB_CANCELED,
    BACKEND_JOB_GONE,        /**< no job and no event: look at the chain */
    BACKEND_JOB_DEAD,        /**< the domain does not run any more */
    BACKEND_JOB_INTERRUPTED, /**< wait only: the descriptor became readable; the job goes on */
    BACKEND_JOB_TIMEOUT,     /**< wait only: the job goes on */
    BACKEND_JOB_ERROR,       /**< wait only: libvirt cannot be asked any more, see @error */
} BackendJobState;

typedef struct BackendJobs BackendJobs;

/** @type: virDomainBlockJobType or 0 for none; @cur, @end: libvirt's counters, not bytes. */
typedef struct {
    int type;
    guint64 cur, end;
    guint64 bandwidth;       /**< bytes per second, 0 unlimited */
} BackendJobInfo;

/** Progress of a job, about twice a second while it runs and once when it has ended well. */
typedef void (*BackendJobProgress)(const char *disk, const BackendJobInfo *info, gpointer data);

/** @dom: borrowed, a reference is kept. Returns new, NULL with @error. */
BackendJobs *backend_jobs_new(virDomainPtr dom, GError **error);
void backend_jobs_free(BackendJobs *jobs);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BackendJobs, backend_jobs_free)

/**
 * Starts a block commit.
 *
 * @base, @top: "vda[N]" or a path; @top NULL: the active image (a pivot follows)
 * @relative: keep relative backing names
 * @bandwidth: bytes per second, 0 unlimited
 */
gboolean backend_jobs_commit(BackendJobs *jobs, const char *disk, const char *base,
                             const char *top, gboolean relative, guint64 bandwidth,
                             GError **error);
/** Starts a pull into the active image, which then stands on @base (NULL: on nothing). */
gboolean backend_jobs_pull(BackendJobs *jobs, const char *disk, const char *base,
                           gboolean relative, guint64 bandwidth, GError **error);
/** Watches a job that runs already. */
void backend_jobs_attach(BackendJobs *jobs, const char *disk);

/** The job of a disk now. Returns 1, 0 without a job, -1 with @error. */
int backend_jobs_info(BackendJobs *jobs, const char *disk, BackendJobInfo *info,
                      GError **error);

/**
 * Waits until a job is ready (only with @until_ready), has ended, or must not be waited for.
 *
 * @interrupt_fd: -1 or a descriptor that becomes readable when the wait is to end
 * @deadline: monotonic microseconds as g_get_monotonic_time(), 0 for none
 */
BackendJobState backend_jobs_wait(BackendJobs *jobs, const char *disk, gboolean until_ready,
                                  int interrupt_fd, gint64 deadline,
                                  BackendJobProgress progress, gpointer data, GError **error);
/**
 * Why the last job of a disk failed, in QEMU's words ("No space left on device"); new, NULL where
 * that is not known: the job did not fail, or QEMU's events are not for this client.
 */
char *backend_jobs_reason(BackendJobs *jobs, const char *disk);
/** Ends a ready active commit on the base. */
gboolean backend_jobs_pivot(BackendJobs *jobs, const char *disk, GError **error);
/** "commit", "active-commit", "pull", "copy", "backup", "unknown"; static. */
const char *backend_job_type_name(int type);
/** Cancels a job and waits for its end. No job is success. */
gboolean backend_jobs_abort(BackendJobs *jobs, const char *disk, GError **error);

G_END_DECLS
