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
} BackendOverlay;

/**
 * Makes overlays on the daemon's side: a disk-only snapshot without metadata of a helper domain
 * that is not running and whose disks are the frozen images. libvirt runs qemu-img create with
 * the format of both images recorded, owner and label are set, and the helper names the overlays
 * afterwards. Fails, with nothing made, when one of the files exists.
 *
 * @helper: its other disks (not in @overlays) are left out
 */
gboolean backend_create_overlays(virDomainPtr helper, const BackendOverlay *overlays, gsize n,
                                 const char *const *other_targets, GError **error);

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
/** Drops the managed save image. */
gboolean backend_drop_managed_save(virDomainPtr dom, GError **error);

G_END_DECLS
