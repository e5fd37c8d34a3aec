/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memory.h: what can be said of a memory file before the guest is stopped for it
 */
#pragma once

#include "plugin/backend/vir.h"

G_BEGIN_DECLS

/** The configuration kept in a memory file (secure), or NULL: missing, damaged, incomplete. */
char *backend_memory_xml(virConnectPtr conn, const char *file, GError **error);

/**
 * Whether @file holds a memory state of the domain with @uuid. Restoring another domain's would
 * start that one, on the disks of this one. What follows the configuration in the file is not
 * looked at: nothing but QEMU can.
 */
gboolean backend_memory_check(virConnectPtr conn, const char *file, const char *uuid,
                              GError **error);

/**
 * Why this host cannot run what the memory file was saved of: its machine type is not known to
 * the emulator, or the CPU that the guest saw (where libvirt has recorded it completely) is more
 * than the host has.
 * Returns: new string, or NULL: nothing speaks against it
 */
char *backend_memory_unfit(virConnectPtr conn, const char *file);

G_END_DECLS
