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
 *             snapshot and of the domain as they were; written with the definition, and once more
 *             where somebody has changed snapshots before their metadata is updated) and
 *             the progress (the step that is about to run; rewritten before each step).
 *   worker    For work on a domain that is shut off it is started, paused, AUTODESTROY, on the
 *             images of the chain. QEMU's image locks then keep D from starting.
 *   liveness  While it runs, somebody is at work: the daemon destroys it when its starter's
 *             connection ends. Beside that the client's process is named in the progress; a
 *             client on the same machine asks the kernel whether that lives.
 *
 * Life of an operation:
 *
 *      journal_begin()      -> lock taken, plan and old XML safe
 *      journal_claim()         the helper runs without disks: a sign of life (operations whose
 *                              jobs run on D itself; the others start it as their worker)
 *      journal_step(n)      before step n runs
 *      ...
 *      journal_end()        helper undefined: the operation never was
 *
 *      journal_load()       -> somebody's operation; journal_alive() whether to keep off
 *      journal_take_over()  -> it is ours now; then steps and end as above
 *
 * Fencing: journal_step() finds the helper by its UUID and its own token in the progress. A
 * client that was taken for dead, or whose operation was finished by somebody else, gets
 * JOURNAL_ERROR_BUSY before its next step and must stop.
 *
 * What a crash leaves: before journal_begin() nothing; after it a helper domain, running or not,
 * which journal_load() reads back. A helper left running by a dead client on a driver without
 * AUTODESTROY (embedded) or after a kill of the daemon is destroyed by journal_take_over().
 *
 * Sizes: libvirt's RPC refuses strings above 4 MiB; the payload is compressed (zlib, base64).
 */
#pragma once

#include "plugin/backend/vir.h"
#include "plugin/plan/plan.h"
#include "plugin/xml/edit.h"

G_BEGIN_DECLS

#define JOURNAL_SUFFIX ".virsh-ext"
#define JOURNAL_NS_OPERATION "https://virsh-ext.org/xmlns/operation/1"
#define JOURNAL_NS_PROGRESS "https://virsh-ext.org/xmlns/progress/1"
/** In the live metadata of the domain itself: gone with its QEMU (exec_qemu_is_marked()). */
#define JOURNAL_NS_QEMU "https://virsh-ext.org/xmlns/qemu/1"
#define JOURNAL_FORMAT 1

typedef enum {
    JOURNAL_ERROR_BUSY,     /**< another operation holds the domain; message names it */
    JOURNAL_ERROR_FORMAT,   /**< unreadable, or of a newer virsh-ext */
    JOURNAL_ERROR_FOREIGN,  /**< a domain of the helper's name that virsh-ext did not make */
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
    char *client;                /**< "process 617 on host", for people */
    Plan *plan;
    char *domain_xml;            /**< persistent XML of the domain as it was, or NULL */
    char *live_xml;              /**< live XML as it was, or NULL */
    GPtrArray *snapshot_names;   /**< char *: parents first, all of the domain */
    GPtrArray *snapshot_xml;     /**< char *: in the same order, secure; loaded: with
                                      secrets hidden, see xml/secrets.h */
    char *current;               /**< current snapshot before, or NULL */
    char *client_token;          /**< loaded: the process that holds it, see payload.h */
    char *owner;                 /**< random token of the client that holds it */
    guint step;                  /**< the step that was about to run, an index in plan->steps */
    guint furthest;              /**< the furthest that ever was: who goes on begins anew */
    gboolean committing;         /**< a commit has been started: only forward is safe */
    gboolean updating;           /**< the snapshots' metadata is being written: what libvirt says
                                      of them now may be half of that, snapshot_* and current are
                                      what it said before */
    gboolean suspended;          /**< the guest is suspended for a moment, see exec/settle.h */
};

Journal *journal_new(void);
void journal_free(Journal *journal);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Journal, journal_free)

/**
 * Takes the lock and writes everything.
 *
 * @journal: domain, uuid, plan and the XML are filled by the caller; id, helper_*, owner,
 *           client and started by this
 * @base_xml: the domain XML to copy the helper's type and os from
 */
gboolean journal_begin(virConnectPtr conn, Journal *journal, const char *base_xml,
                       GError **error);
/** Starts the helper without disks as a sign of life. Embedded: does nothing. */
gboolean journal_claim(virConnectPtr conn, Journal *journal, const char *base_xml,
                       GError **error);
/** Records that step @n is about to run (and that a commit begins). */
gboolean journal_step(virConnectPtr conn, Journal *journal, guint n, GError **error);
/** Whether a step of that kind was ever begun. */
gboolean journal_has_reached(const Journal *journal, PlanAction action);
/** Writes all of it again but the progress: its snapshots are others than when it was begun. */
gboolean journal_rewrite(virConnectPtr conn, Journal *journal, GError **error);
/** Whether libvirt can define a helper for a domain of this name. */
gboolean journal_name_fits(const char *domain);

/** Destroys the helper if it runs and undefines it. Not there is success. */
gboolean journal_end(virConnectPtr conn, Journal *journal, GError **error);
/** Reads the journal of @domain. Returns NULL without @error set when there is none. */
Journal *journal_load(virConnectPtr conn, const char *domain, GError **error);
/** Whether the client that holds a loaded journal lives, as far as can be told. */
gboolean journal_alive(virConnectPtr conn, Journal *journal);
/** Makes a loaded journal ours; BUSY when its client lives or another one is faster. */
gboolean journal_take_over(virConnectPtr conn, Journal *journal, const char *base_xml,
                           GError **error);
/**
 * The helper's XML with these disks and the journal as it is now, to start it as a worker.
 * @disks: as in xml_helper_domain(). Returns new text.
 */
char *journal_helper_xml(virConnectPtr conn, Journal *journal, const char *base_xml,
                         const XmlDisk *disks, gsize n, GError **error);
/**
 * The short form for the model, from the XML of @domain's helper (used by chain-show, read-only).
 *
 * @running: whether the helper runs
 * @unreadable: set to why journal_load() would not read it, else untouched. New string.
 * Returns: new, or NULL when there is nothing of ours in it
 */
ChainOperation *journal_operation_from_xml(const char *helper_xml, const char *domain,
                                           gboolean running, char **unreadable);
/** Whether a domain name is a helper's, and of which domain. New string or NULL. */
char *journal_domain_of_helper(const char *name);

G_END_DECLS
