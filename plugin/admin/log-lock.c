/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * log-lock.c: one of us at a time changes log settings
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "plugin/admin/log-lock.h"

#define WAIT_MAX (5 * G_USEC_PER_SEC)
#define WAIT_STEP (5 * 1000)

int log_lock(void)
{
    /* Folders that nobody else can write. The lock file itself nobody else can open, and hold.
     * Of root the environment may still be the user's who became it. */
    const char *dir = geteuid() == 0 ? "/run" : g_get_user_runtime_dir();
    g_autofree char *path = g_build_filename(dir, "virsh-ext-log.lock", NULL);
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    gint64 deadline = g_get_monotonic_time() + WAIT_MAX;

    if (fd < 0)
        return -1;
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || g_get_monotonic_time() > deadline) {
            close(fd);
            return -1;
        }
        g_usleep(WAIT_STEP);
    }
    return fd;
}
