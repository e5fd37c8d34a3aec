/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * log-owner.h: which process a change of the daemon's log settings is for, and whether it lives
 *
 * A number is given to another process when its owner is dead, so its start time goes with it,
 * and in another PID namespace it is another process's.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** Returns new "NAMESPACE.PID.START" of this process; of zeros where /proc does not tell. */
char *log_owner_self(void);

/** Whether that process has certainly ended: FALSE also where it cannot be seen from here. */
gboolean log_owner_dead(const char *owner);

G_END_DECLS
