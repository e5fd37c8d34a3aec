/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * layers.h: what stands on what right now, compared with what a merge expects
 *
 *      before (OLD)      … below <- base <- F2 <- top <- above …
 *      commit (MERGED)   … below <- base <------------- above …      none of F2, top
 *      pull   (MERGED)   … below <------------- top <- above …       none of base, F2
 *
 * Anything else is OTHER: somebody else was there, and the operation stops.
 *
 * The headers may say MERGED though the image that took the data lacks some of it: QEMU changes
 * them before its own caches are written. Killed then, what the data came from is still there as
 * long as this operation has not removed it, and the merge is done again with the old chain given
 * by force.
 *
 * Truth: of a running domain's disk its live XML; of everything else the image headers; which
 * image a domain that is shut off stands on, its configuration.
 */
#pragma once

#include "plugin/exec/exec.h"

G_BEGIN_DECLS

/** One image of a chain as it is now. */
typedef struct {
    ChainSource *source;
    char *format;  /**< or NULL */
    gboolean encrypted;
    guint index;   /**< N of "vda[N]" for block jobs; 0 where it does not run */
} ExecLayer;

void exec_layer_free(ExecLayer *layer);

/** Chain of a running domain's disk, active image first, from its live XML; NULL with @error,
 *  EXEC_ERROR_CHANGED when it has no such disk. */
GPtrArray *exec_live_layers(virConnectPtr conn, virDomainPtr dom, const char *disk,
                            GError **error);

/**
 * XmlBelowFunc of a graph: the chain below an image where the headers do not say all, because
 * libvirt takes the secrets of encrypted images from XML alone.
 */
gsize exec_chain_below(const ChainSource *source, gboolean written, const ChainSource ***sources,
                       const char ***formats, gpointer graph);
/**
 * The same for a domain's configuration, where also a chain that libvirt wrote is written again
 * as it is now: libvirt 9.0 deletes snapshots of a domain that is shut off by that alone. Not
 * where a name is relative: libvirt keeps it so only when it reads the headers.
 */
gsize exec_chain_below_config(const ChainSource *source, gboolean written,
                              const ChainSource ***sources, const char ***formats,
                              gpointer graph);

/** Whether it is the same image: by source, or by what the file is where files are local. */
gboolean exec_same_image(ExecContext *ctx, const ChainSource *source, const PlanImage *image);

/** Position of @image in @layers, -1 if it is not there. */
int exec_layer_find(ExecContext *ctx, GPtrArray *layers, const PlanImage *image);

typedef enum { EXEC_MERGE_OLD, EXEC_MERGE_MERGED, EXEC_MERGE_OTHER } ExecMergeState;

/** Where a merge stands. */
typedef struct {
    ExecMergeState state;
    gboolean live;       /**< its images are in the chain of the running domain */
    GPtrArray *layers;   /**< ExecLayer *: the chain that was looked at, owned */
    int top;             /**< position of top in it, -1 */
    gboolean cut;        /**< OLD, but the headers say otherwise: QEMU died after it changed them
                              and before all was written, or may have. layers are as they have to
                              be, not as the headers say */
} ExecMergeView;

typedef enum {
    EXEC_WRITTEN,
    EXEC_LACKS,
    EXEC_CANNOT_SEE,     /**< the files are not here, or not of a kind that can be looked into */
} ExecWritten;

/** Whether the image that takes the data of a merge has all of it on the disk. */
ExecWritten exec_merge_written(ExecContext *ctx, const PlanMerge *merge);
/**
 * Whether nobody knows if the merge was written: a client that died left it, it had not come to
 * the next step, and what is on the disk cannot be seen.
 */
gboolean exec_merge_in_doubt(ExecContext *ctx, const PlanMerge *merge);

void exec_merge_view_clear(ExecMergeView *view);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ExecMergeView, exec_merge_view_clear)

/** Looks. FALSE with @error when the world cannot be read. */
gboolean exec_merge_look(ExecContext *ctx, const PlanMerge *merge, ExecMergeView *view,
                         GError **error);

/**
 * Whether QEMU has merged what libvirt, by the live XML, takes for unmerged: the daemon was killed
 * between the end of the job and its own note of that. It learns no more of it while this QEMU
 * runs, and QEMU knows the images that are out no more.
 */
gboolean exec_merge_unseen(ExecContext *ctx, const PlanMerge *merge);

/** What exec_merge_look() makes of a chain; pure, for tests too. */
ExecMergeState exec_merge_compare(ExecContext *ctx, const PlanMerge *merge, GPtrArray *layers,
                                  int *top);

G_END_DECLS
