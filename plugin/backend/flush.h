/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * flush.h: having QEMU write what it keeps of an image in memory
 *
 * libvirt has no call for it. Three ways lead there:
 *
 *   the guest's own flush     backend_flush_count() rises when one has ended
 *   suspend and resume        QEMU flushes all disks when the vCPUs stop
 *   a resize to the same size QEMU writes the tables of a qcow2 image and flushes its file
 *                             (qcow2_co_truncate() updates the cache sizes, since 3.1; measured
 *                             with 7.2). Between reading the size and setting it somebody may
 *                             have grown the disk: only where no vCPU can have written to what
 *                             that would cut off.
 */
#pragma once

#include "plugin/backend/vir.h"

G_BEGIN_DECLS

/** Flushes of the disk's active image that the guest has had done since it was started; FALSE:
 *  not known. */
gboolean backend_flush_count(virDomainPtr dom, const char *disk, guint64 *count);
/** Of a domain that is paused. FALSE with @error. */
gboolean backend_flush_paused(virDomainPtr dom, const char *disk, GError **error);

G_END_DECLS
