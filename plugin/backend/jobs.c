/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * jobs.c: block jobs of one domain
 */
#include "config.h"

#include <libvirt/libvirt-qemu.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "include/vext-i18n.h"
#include "plugin/backend/jobs.h"
#include "plugin/model/json.h"
#include "plugin/xml/parse.h"

/* How often the counters are read. */
#define TICK_MS 250
/* An event may still be on its way when the job is gone already. */
#define GRACE_USEC (3 * G_USEC_PER_SEC)

/* Shared with libvirt's event thread, which may outlive the deregistration by one call. */
typedef struct {
    gint refs;
    GMutex mutex;
    GHashTable *states;  /* disk -> GINT(BackendJobState) */
    GHashTable *reasons; /* disk -> QEMU's words for why its job failed */
    int wake;
} Watch;

struct BackendJobs {
    virDomainPtr dom;
    virConnectPtr conn;
    int callback, qemu_callback;
    Watch *watch;
};

static void watch_unref(gpointer data)
{
    Watch *watch = data;

    if (!g_atomic_int_dec_and_test(&watch->refs))
        return;
    close(watch->wake);
    g_hash_table_unref(watch->states);
    g_hash_table_unref(watch->reasons);
    g_mutex_clear(&watch->mutex);
    g_free(watch);
}

static void on_job(virConnectPtr conn, virDomainPtr dom, const char *disk, int type, int status,
                   void *data)
{
    Watch *watch = data;
    BackendJobState state;
    guint64 one = 1;

    switch (status) {
    case VIR_DOMAIN_BLOCK_JOB_COMPLETED:
        state = BACKEND_JOB_COMPLETED;
        break;
    case VIR_DOMAIN_BLOCK_JOB_FAILED:
        state = BACKEND_JOB_FAILED;
        break;
    case VIR_DOMAIN_BLOCK_JOB_CANCELED:
        state = BACKEND_JOB_CANCELED;
        break;
    case VIR_DOMAIN_BLOCK_JOB_READY:
        state = BACKEND_JOB_READY;
        break;
    default:
        return;
    }
    g_mutex_lock(&watch->mutex);
    g_hash_table_replace(watch->states, g_strdup(disk), GINT_TO_POINTER(state));
    g_mutex_unlock(&watch->mutex);
    if (write(watch->wake, &one, sizeof(one)) != sizeof(one)) {
        /* The counter is full: it is readable anyhow. */
    }
}

/* QEMU's own event, which comes before the one that libvirt makes of it: that leaves out why a job
 * failed. libvirt names its jobs KIND-DISK-NODE. */
static void on_qemu(virConnectPtr conn, virDomainPtr dom, const char *event, long long seconds,
                    unsigned int micros, const char *details, void *data)
{
    Watch *watch = data;
    g_autoptr(JsonNode) node = details ? json_read(details, strlen(details), NULL) : NULL;
    JsonObject *object = node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
    g_autofree char *job = json_member_string(object, "device");
    g_autofree char *reason = json_member_string(object, "error");
    g_auto(GStrv) parts = job && reason ? g_strsplit(job, "-", 3) : NULL;

    if (!parts || !parts[0] || !parts[1])
        return;
    g_mutex_lock(&watch->mutex);
    g_hash_table_replace(watch->reasons, g_strdup(parts[1]), g_steal_pointer(&reason));
    g_mutex_unlock(&watch->mutex);
}

char *backend_jobs_reason(BackendJobs *jobs, const char *disk)
{
    char *reason;

    g_mutex_lock(&jobs->watch->mutex);
    reason = g_strdup(g_hash_table_lookup(jobs->watch->reasons, disk));
    g_mutex_unlock(&jobs->watch->mutex);
    return reason;
}

static BackendJobState watched(BackendJobs *jobs, const char *disk)
{
    BackendJobState state;

    g_mutex_lock(&jobs->watch->mutex);
    state = GPOINTER_TO_INT(g_hash_table_lookup(jobs->watch->states, disk));
    g_mutex_unlock(&jobs->watch->mutex);
    return state;
}

static void forget(BackendJobs *jobs, const char *disk)
{
    g_mutex_lock(&jobs->watch->mutex);
    g_hash_table_remove(jobs->watch->states, disk);
    g_hash_table_remove(jobs->watch->reasons, disk);
    g_mutex_unlock(&jobs->watch->mutex);
}

BackendJobs *backend_jobs_new(virDomainPtr dom, GError **error)
{
    g_autoptr(BackendJobs) jobs = g_new0(BackendJobs, 1);
    Watch *watch = g_new0(Watch, 1);

    watch->refs = 1;
    g_mutex_init(&watch->mutex);
    watch->states = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    watch->reasons = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    watch->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    jobs->watch = watch;
    jobs->callback = jobs->qemu_callback = -1;
    jobs->dom = dom;
    virDomainRef(dom);
    jobs->conn = virDomainGetConnect(dom);
    virConnectRef(jobs->conn);
    g_atomic_int_inc(&watch->refs);
    jobs->callback = virConnectDomainEventRegisterAny(jobs->conn, dom,
                                                      VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2,
                                                      VIR_DOMAIN_EVENT_CALLBACK(on_job), watch,
                                                      watch_unref);
    if (jobs->callback < 0) {
        backend_error(error);
        watch_unref(watch);
        return NULL;
    }
    g_atomic_int_inc(&watch->refs);
    jobs->qemu_callback = virConnectDomainQemuMonitorEventRegister(jobs->conn, dom,
                                                                   "BLOCK_JOB_COMPLETED", on_qemu,
                                                                   watch, watch_unref, 0);
    /* Not allowed: then nobody says why. */
    if (jobs->qemu_callback < 0)
        watch_unref(watch);
    return g_steal_pointer(&jobs);
}

void backend_jobs_free(BackendJobs *jobs)
{
    if (!jobs)
        return;
    if (jobs->callback >= 0)
        virConnectDomainEventDeregisterAny(jobs->conn, jobs->callback);
    if (jobs->qemu_callback >= 0)
        virConnectDomainQemuMonitorEventDeregister(jobs->conn, jobs->qemu_callback);
    watch_unref(jobs->watch);
    virDomainFree(jobs->dom);
    virConnectClose(jobs->conn);
    g_free(jobs);
}

gboolean backend_jobs_commit(BackendJobs *jobs, const char *disk, const char *base,
                             const char *top, gboolean relative, guint64 bandwidth,
                             GError **error)
{
    unsigned int flags = VIR_DOMAIN_BLOCK_COMMIT_BANDWIDTH_BYTES;

    if (!top)
        flags |= VIR_DOMAIN_BLOCK_COMMIT_ACTIVE;
    if (relative)
        flags |= VIR_DOMAIN_BLOCK_COMMIT_RELATIVE;
    forget(jobs, disk);
    if (virDomainBlockCommit(jobs->dom, disk, base, top, bandwidth, flags) < 0)
        return backend_error(error);
    return TRUE;
}

gboolean backend_jobs_pull(BackendJobs *jobs, const char *disk, const char *base,
                           gboolean relative, guint64 bandwidth, GError **error)
{
    unsigned int flags = VIR_DOMAIN_BLOCK_REBASE_BANDWIDTH_BYTES;
    int rc;

    forget(jobs, disk);
    if (base) {
        if (relative)
            flags |= VIR_DOMAIN_BLOCK_REBASE_RELATIVE;
        rc = virDomainBlockRebase(jobs->dom, disk, base, bandwidth, flags);
    } else {
        rc = virDomainBlockPull(jobs->dom, disk, bandwidth,
                                VIR_DOMAIN_BLOCK_PULL_BANDWIDTH_BYTES);
    }
    if (rc < 0)
        return backend_error(error);
    return TRUE;
}

void backend_jobs_attach(BackendJobs *jobs, const char *disk)
{
    /* What its event said before we listened is found by the counters and the XML. */
}

int backend_jobs_info(BackendJobs *jobs, const char *disk, BackendJobInfo *info, GError **error)
{
    virDomainBlockJobInfo vir = { 0 };
    int rc = virDomainGetBlockJobInfo(jobs->dom, disk, &vir,
                                      VIR_DOMAIN_BLOCK_JOB_INFO_BANDWIDTH_BYTES);

    if (rc < 0) {
        backend_error(error);
        return -1;
    }
    info->type = rc ? vir.type : 0;
    info->cur = vir.cur;
    info->end = vir.end;
    info->bandwidth = vir.bandwidth;
    return rc;
}

/* Whether the live XML says <mirror … ready='yes'>: the READY event may have been missed. */
static gboolean mirror_ready(BackendJobs *jobs, const char *disk)
{
    char *text = virDomainGetXMLDesc(jobs->dom, 0);
    g_autoptr(xmlDoc) doc = text ? xml_parse(text, "domain", NULL) : NULL;
    gboolean ready = FALSE;

    free(text);
    if (!doc)
        return FALSE;
    for (xmlNode *node = xml_child(xml_child(xmlDocGetRootElement(doc), "devices"), "disk"); node;
         node = xml_next(node, "disk")) {
        if (xml_attr_is(xml_child(node, "target"), "dev", disk))
            ready = xml_attr_is(xml_child(node, "mirror"), "ready", "yes");
    }
    return ready;
}

static gboolean readable(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    return fd >= 0 && poll(&p, 1, 0) > 0;
}

BackendJobState backend_jobs_wait(BackendJobs *jobs, const char *disk, gboolean until_ready,
                                  int interrupt_fd, gint64 deadline,
                                  BackendJobProgress progress, gpointer data, GError **error)
{
    gint64 gone_since = 0;
    BackendJobInfo seen = { 0 };

    for (;;) {
        BackendJobState state = watched(jobs, disk);
        BackendJobInfo info = { 0 };
        g_autoptr(GError) problem = NULL;
        struct pollfd fds[2];
        guint64 count;
        gint64 now;
        int rc;

        if (state == BACKEND_JOB_COMPLETED || (state == BACKEND_JOB_READY && until_ready)) {
            if (progress) {
                seen.cur = seen.end = MAX(seen.end, 1);
                progress(disk, &seen, data);
            }
            return state;
        }
        if (state == BACKEND_JOB_FAILED || state == BACKEND_JOB_CANCELED) {
            /* QEMU's death fails its jobs too. */
            if (virDomainIsActive(jobs->dom) == 0)
                return BACKEND_JOB_DEAD;
            return state;
        }
        if (readable(interrupt_fd))
            return BACKEND_JOB_INTERRUPTED;
        now = g_get_monotonic_time();
        if (deadline && now >= deadline)
            return BACKEND_JOB_TIMEOUT;

        rc = backend_jobs_info(jobs, disk, &info, &problem);
        if (rc < 0) {
            if (virDomainIsActive(jobs->dom) == 0)
                return BACKEND_JOB_DEAD;
            if (virConnectIsAlive(jobs->conn) != 1) {
                g_set_error_literal(error, BACKEND_ERROR, VIR_ERR_NO_CONNECT,
                                    _("the connection to libvirt was lost"));
                return BACKEND_JOB_ERROR;
            }
            if (!backend_error_is(problem, VIR_ERR_OPERATION_INVALID)) {
                g_propagate_error(error, g_steal_pointer(&problem));
                return BACKEND_JOB_ERROR;
            }
        }
        if (rc == 1) {
            gone_since = 0;
            seen = info;
            if (progress)
                progress(disk, &info, data);
            if (until_ready && info.end && info.cur == info.end && mirror_ready(jobs, disk))
                return BACKEND_JOB_READY;
        } else {
            int active = virDomainIsActive(jobs->dom);

            if (active == 0)
                return BACKEND_JOB_DEAD;
            if (!gone_since)
                gone_since = now;
            else if (now - gone_since > GRACE_USEC)
                return BACKEND_JOB_GONE;
        }

        fds[0] = (struct pollfd){ .fd = jobs->watch->wake, .events = POLLIN };
        fds[1] = (struct pollfd){ .fd = interrupt_fd, .events = POLLIN };
        if (poll(fds, interrupt_fd >= 0 ? 2 : 1, TICK_MS) > 0 && (fds[0].revents & POLLIN) &&
            read(jobs->watch->wake, &count, sizeof(count)) < 0) {
            /* Somebody else's wake-up was read before; the states are looked at anyhow. */
        }
    }
}

gboolean backend_jobs_pivot(BackendJobs *jobs, const char *disk, GError **error)
{
    /* READY must not be taken for the end of the pivot. */
    forget(jobs, disk);
    if (virDomainBlockJobAbort(jobs->dom, disk, VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT) < 0)
        return backend_error(error);
    return TRUE;
}

const char *backend_job_type_name(int type)
{
    switch (type) {
    case VIR_DOMAIN_BLOCK_JOB_TYPE_PULL:
        return "pull";
    case VIR_DOMAIN_BLOCK_JOB_TYPE_COPY:
        return "copy";
    case VIR_DOMAIN_BLOCK_JOB_TYPE_COMMIT:
        return "commit";
    case VIR_DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT:
        return "active-commit";
    case VIR_DOMAIN_BLOCK_JOB_TYPE_BACKUP:
        return "backup";
    default:
        return "unknown";
    }
}

gboolean backend_jobs_abort(BackendJobs *jobs, const char *disk, GError **error)
{
    BackendJobInfo info;
    int rc = backend_jobs_info(jobs, disk, &info, error);

    if (rc <= 0)
        return rc == 0;
    if (virDomainBlockJobAbort(jobs->dom, disk, 0) < 0) {
        backend_error(error);
        /* It may have ended by itself meanwhile. */
        if (backend_jobs_info(jobs, disk, &info, NULL) == 0) {
            g_clear_error(error);
            return TRUE;
        }
        return FALSE;
    }
    return TRUE;
}
