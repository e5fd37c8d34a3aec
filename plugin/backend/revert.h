/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * revert.h: what only a revert asks of libvirt: overlays, defining, stopping, starting, restoring
 *
 * All through the public API, so all on the daemon's side. Nothing here decides anything.
 */
#pragma once

#include "plugin/backend/vir.h"
#include "plugin/model/chain.h"

G_BEGIN_DECLS

/** A new image on a frozen one. Borrowed strings. */
typedef struct {
    const char *target; /**< disk of the helper whose source is the frozen image */
    const char *path;   /**< the new file, absolute */
    const char *format; /**< "qcow2" */
    const char *backing;        /**< the frozen image; NULL: it is no file and no device */
    const char *backing_format;
    const char *encryption;     /**< its <encryption> element, or NULL */
} BackendOverlay;

typedef enum {
    BACKEND_OVERLAY_MADE,
    BACKEND_OVERLAY_UNABLE, /**< no storage pool to be had over its directory, or one that would
                                 wait for ever (local): nothing was done */
    BACKEND_OVERLAY_FAILED,
} BackendOverlayResult;

/**
 * Makes one overlay on the daemon's side, as a storage volume: with the format of both images
 * recorded; with the mode, the owner and, from libvirt 7.4 on, the cluster size of the frozen
 * image. Fails where the file exists.
 *
 * @error: set with BACKEND_OVERLAY_FAILED only
 */
BackendOverlayResult backend_create_overlay(virConnectPtr conn, const BackendOverlay *overlay,
                                            gboolean local, GError **error);
/** Whether the daemon sees an image at @path whose backing file is @backing. */
gboolean backend_stands_on(virConnectPtr conn, const char *path, const char *backing);

/**
 * Makes overlays where that is not possible: by a disk-only snapshot without metadata of a helper
 * domain that is not running and whose disks are the frozen images. libvirt runs qemu-img create,
 * and the helper names the overlays afterwards. Fails, with nothing made, when one of the files
 * exists. Before libvirt 11.10 everybody may read them, except with the embedded driver, which is
 * this process: see backend_close_overlay().
 */
gboolean backend_create_overlays(virDomainPtr helper, const BackendOverlay *overlays, gsize n,
                                 GError **error);
/**
 * Takes from such an overlay the rights that its frozen image does not give, while nothing has been
 * written to it yet.
 * @local: the connection's files are files of this machine
 * Returns: FALSE where everybody may go on reading it
 */
gboolean backend_close_overlay(virConnectPtr conn, const BackendOverlay *overlay, gboolean local);

/** Takes a disk-only snapshot @name of @dom: @overlays covered, @other_targets left out. */
gboolean backend_take_snapshot(virDomainPtr dom, const char *name, const BackendOverlay *overlays,
                               gsize n, const char *const *other_targets, GError **error);

/** Whether this libvirt keeps <revertDisks> in a snapshot's XML (9.9 and newer). */
gboolean backend_keeps_revert_disks(virConnectPtr conn);

/** Whether this libvirt can reset the firmware's variables (8.1 and newer). */
gboolean backend_resets_nvram(virConnectPtr conn);

/** Defines @xml. */
gboolean backend_define(virConnectPtr conn, const char *xml, GError **error);

/** Stops a running domain at once, as virsh destroy does; one that does not run is no error. */
gboolean backend_stop(virDomainPtr dom, GError **error);

/**
 * Starts a defined domain, or creates a transient one.
 *
 * @transient_xml: NULL to start the domain @dom
 */
gboolean backend_start(virConnectPtr conn, virDomainPtr dom, const char *transient_xml,
                       gboolean paused, gboolean reset_nvram, GError **error);

/** Resumes a guest from a memory file, which stays as it is, with @xml as its configuration. */
gboolean backend_restore(virConnectPtr conn, const char *file, const char *xml, gboolean paused,
                         gboolean reset_nvram, GError **error);

/** Whether it has a managed save image. */
gboolean backend_managed_save(virDomainPtr dom);
/** The configuration in it; new text, NULL with @error. */
char *backend_managed_save_xml(virDomainPtr dom, GError **error);
/** Drops the managed save image. */
gboolean backend_drop_managed_save(virDomainPtr dom, GError **error);

G_END_DECLS
