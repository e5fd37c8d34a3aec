/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * log-lock.h: one of us at a time changes log settings
 *
 * libvirt has calls to read and to set them, none that does both: of two that change them at once,
 * one would bring back what the other has just taken out.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * Waits for the lock that all processes of this user on this host share, some seconds at most:
 * somebody may hang with a daemon that hangs. Returns the descriptor to close, or -1 where there
 * is no lock to be had, and it has to go without.
 */
int log_lock(void);

G_END_DECLS
