/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * journal.h: what is going on with a domain, where no crash can lose it
 *
 * The journal of domain D is the metadata of a persistent helper domain "<D>.virsh-ext" on the
 * same daemon. It is lock, journal, worker and sign of life in one:
 *
 *   lock      It is defined without a UUID: libvirt then lets exactly one client succeed, on
 *             whatever machine it runs. A second one gets JOURNAL_ERROR_BUSY.
 *   journal   <metadata> holds two elements of ours: the operation (the plan, the XML of every
 *             snapshot and of the domain as they were; written once, with the definition) and
 *             the progress (the step that is about to run; rewritten before each step).
 *   worker    For work on a domain that is shut off it is started, paused, AUTODESTROY, on the
 *             images of the chain. QEMU's image locks then keep D from starting.
 *   liveness  While it runs, somebody is at work. When only jobs on D itself run, the client's
 *             process is named in the operation (host, pid, start time), for people.
 *
 * Life of an operation:
 *
 *      journal_begin()      -> lock taken, plan and old XML safe
 *      journal_step(n)      before step n runs
 *      ...
 *      journal_end()        helper undefined: the operation never was
 *
 * What a crash leaves: before journal_begin() nothing; after it a helper domain, running or not,
 * which journal_load() reads back. A helper left running by a dead client on a driver without
 * AUTODESTROY (embedded) or after a kill of the daemon is destroyed by name by who takes over.
 *
 * Sizes: libvirt's RPC refuses strings above 4 MiB; the payload is compressed (zlib, base64).
 */
#pragma once

#include "plugin/plan/plan.h"
#include "plugin/backend/vir.h"

G_BEGIN_DECLS

#define JOURNAL_SUFFIX ".virsh-ext"
#define JOURNAL_NS_OPERATION "https://virsh-ext.org/xmlns/operation/1"
#define JOURNAL_NS_PROGRESS "https://virsh-ext.org/xmlns/progress/1"
#define JOURNAL_FORMAT 1

typedef enum {
    JOURNAL_ERROR_BUSY,     /**< another operation holds the domain; message names it */
    JOURNAL_ERROR_FORMAT,   /**< unreadable, or of a newer virsh-ext */
    JOURNAL_ERROR_TOO_BIG,
    JOURNAL_ERROR_LIBVIRT,
} JournalError;
#define JOURNAL_ERROR (journal_error_quark())
GQuark journal_error_quark(void);

typedef struct Journal Journal;

struct Journal {
    char *id;                    /**< random, for people and messages */
    char *domain, *uuid;
    char *helper_name, *helper_uuid;
    char *started;               /**< ISO 8601 UTC */
    char *client;                /**< "host pid" */
    Plan *plan;
    char *domain_xml;            /**< persistent XML of the domain as it was, or NULL */
    char *live_xml;              /**< live XML as it was, or NULL */
    GPtrArray *snapshot_names;   /**< char *: parents first, all of the domain */
    GPtrArray *snapshot_xml;     /**< char *: in the same order, secure */
    char *current;               /**< current snapshot before, or NULL */
    guint step;                  /**< the step that was about to run, an index in plan->steps */
    gboolean committing;         /**< a commit has been started: only forward is safe */
};

void journal_free(Journal *journal);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Journal, journal_free)

/** Takes the lock and writes everything. @helper_xml_base: the domain XML to copy type and os from.
 *  Takes over nothing of @journal, fills id, helper_* and started. */
gboolean journal_begin(virConnectPtr conn, Journal *journal, const char *helper_xml_base,
                       GError **error);
/** Records that step @n is about to run (and that a commit begins). */
gboolean journal_step(virConnectPtr conn, Journal *journal, guint n, GError **error);
/** Undefines the helper. It must not run. */
gboolean journal_end(virConnectPtr conn, Journal *journal, GError **error);
/** Reads the journal of @domain. Returns NULL without @error set when there is none. */
Journal *journal_load(virConnectPtr conn, const char *domain, GError **error);
/** The short form for the model, from a helper's XML (used by chain-show, read-only). */
ChainOperation *journal_operation_from_xml(const char *helper_xml);
/** Whether a domain name is a helper's, and of which domain. New string or NULL. */
char *journal_domain_of_helper(const char *name);

G_END_DECLS
