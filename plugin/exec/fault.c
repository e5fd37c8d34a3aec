/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fault.c: named points at which tests make the operation die
 */
#include "config.h"

#include "plugin/exec/fault.h"

#ifdef VEXT_FAULTS

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void list(const char *name)
{
    const char *where = g_getenv("VEXT_FAULT_LIST");
    g_autofree char *line = NULL;
    int fd;

    if (!where || !*where)
        return;
    line = g_strdup_printf("%s\n", name);
    fd = g_str_equal(where, "1") ? STDERR_FILENO
                                 : open(where, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    if (write(fd, line, strlen(line)) < 0)
        abort();
    if (fd != STDERR_FILENO)
        close(fd);
}

void exec_fault(const char *name)
{
    static guint passed;
    const char *want = g_getenv("VEXT_FAULT");
    g_auto(GStrv) parts = NULL;
    guint count = 1;

    list(name);
    if (!want)
        return;
    parts = g_strsplit(want, ":", 3);
    if (g_strv_length(parts) < 2)
        return;
    if (!g_str_equal(parts[0], "*") && !g_str_equal(parts[0], name))
        return;
    if (parts[2])
        count = (guint)g_ascii_strtoull(parts[2], NULL, 10);
    if (++passed != count)
        return;
    if (g_str_equal(parts[1], "kill"))
        kill(getpid(), SIGKILL);
    else if (g_str_equal(parts[1], "stop"))
        kill(getpid(), SIGSTOP);
    else if (g_str_equal(parts[1], "int"))
        kill(getpid(), SIGINT);
    else if (g_str_equal(parts[1], "exit"))
        _exit(99);
}

#else

/* ISO C wants something in a file. */
typedef int ExecNoFaults;

#endif
