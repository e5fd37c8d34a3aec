/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * read.h: the state of a connection as a graph
 *
 *      BackendReadOptions opt = { .domain = dom };
 *      g_autoptr(ChainGraph) graph = backend_read_graph(conn, &opt, &error);
 *
 * Where the parts come from:
 *      domains, snapshots   their XML; live XML also tells the chain that QEMU has open
 *      images, local        stat(); the header of those recorded as qcow2, qemu-img info for
 *                           other formats; nothing is opened whose format nobody recorded
 *      images, remote       storage volumes; block statistics of running domains
 *      jobs                 <mirror> and virDomainGetBlockJobInfo()
 *      operations           the helper domain's metadata
 * What cannot be had is CHAIN_UNKNOWN, NULL or without backing_known.
 *
 * Reading changes nothing (but see pools), takes no lock, works on a read-only connection and
 * beside jobs.
 */
#pragma once

#include "plugin/backend/vir.h"
#include "plugin/model/chain.h"

G_BEGIN_DECLS

/** An image that is to be in the graph whether somebody names it or not. */
typedef struct {
    const ChainSource *source;
    const char *format;    /**< or NULL */
} BackendNamed;

typedef struct {
    virDomainPtr domain;   /**< read this one in full and of the others what uses images;
                                NULL: all in full */
    gboolean secure;       /**< XML with the secrets that are in it, as what is defined later has
                                to have them; a connection that may not see them gets it without */
    gboolean partial;      /**< to show: a domain that cannot be read is in the graph with what
                                could be read of it, and the reason as its problem */
    gboolean complete;     /**< the snapshots of the other domains too, without which nobody knows
                                who needs an image; sets graph->complete */
    gboolean scan_orphans; /**< look through directories and pools; implies complete */
    gboolean pools;        /**< before anything is changed: where images cannot be seen from here,
                                pools are read anew, and made over their directories for the
                                time of the reading */
    gboolean undefined;    /**< to show: a domain that is not there any more is in the graph with an
                                operation whose record is left */
    gboolean state;        /**< managed save, checkpoints, backup jobs: needed for plans */

    const BackendNamed *named; /**< images beside those that are named by what is read; with
                                scan_orphans their directories are looked through too; or NULL */
    gsize n_named;

    /** The journal's: whose helper a domain of this name would be, and what a helper's XML says
     *  (journal_domain_of_helper(), journal_operation_from_xml()). Without them helper domains
     *  are taken for domains like others. */
    char *(*domain_of_helper)(const char *name);
    ChainOperation *(*operation_from_xml)(const char *helper_xml, const char *domain,
                                          gboolean running, char **unreadable);
} BackendReadOptions;

/**
 * Reads what @opt says and links it.
 *
 * Returns: new graph, or NULL with @error (BACKEND_ERROR or VEXT_XML_ERROR) when a domain that
 *          was asked for cannot be read (with @partial: when nothing of opt->domain can). What is
 *          wrong with images is in the graph, no error.
 *          Helper domains are not in it. opt->domain is the first of graph->domains.
 */
ChainGraph *backend_read_graph(virConnectPtr conn, const BackendReadOptions *opt,
                               GError **error);

/** For completers: targets of a domain's disks, NULL-terminated, malloc(); NULL for none. */
char **backend_list_disk_targets(virConnectPtr conn, const char *domain);

/** Whether the daemon of @conn sees the files that this process sees. */
gboolean backend_is_local(virConnectPtr conn);

/**
 * What a merge has not written yet, whatever the headers say.
 *
 * @sources, @formats: local files, the image that takes the data first, then downwards those that
 *                     it is taken from, then, unless @n is @merged, what is below them: only there
 *                     do the zeros matter that are written in them
 * @merged: how many of the @n are merged
 * @bytes: what these have that it does not have itself
 * Returns: FALSE when it cannot be seen
 */
gboolean backend_data_left(const ChainSource *const *sources, const char *const *formats, gsize n,
                           gsize merged, guint64 *bytes);

/**
 * Whether the qcow2 image at @path has nothing of its own (qcow2_maps_nothing()), by the file or by
 * the storage driver. @local: the connection's files are files of this machine
 * Returns: 1, 0, or -1 where it cannot be told
 */
int backend_maps_nothing(virConnectPtr conn, const char *path, gboolean local);

/**
 * What merging would copy, exactly, by qemu-img map of local images.
 *
 * @lo: the lowest image of the range (F_lo), @hi: the highest frozen one, @top: the overlay O
 *      on it
 * @commit_bytes: what of the images above @lo up to @top would be written into @lo
 * @commit_growth: how much of that @lo has no room for yet
 * @pull_bytes: what of @lo … @hi would be written into @top
 * Returns: FALSE when it cannot be measured (not local, a lock, encrypted); nothing is set then
 */
gboolean backend_measure_range(const ChainImage *lo, const ChainImage *hi, const ChainImage *top,
                               guint64 *commit_bytes, guint64 *commit_growth,
                               guint64 *pull_bytes);

G_END_DECLS
