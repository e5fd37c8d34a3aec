/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * log-owner.c: which process a change of the daemon's log settings is for, and whether it lives
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/admin/log-owner.h"

typedef struct {
    guint64 namespace, pid, start;
} Owner;

/* 0 where it cannot be seen */
static guint64 own_namespace(void)
{
    struct stat st;

    return stat("/proc/self/ns/pid", &st) == 0 ? st.st_ino : 0;
}

/*
 * When @pid started, in clock ticks after the boot. 0: it has ended, also when nobody has waited
 * for it yet. FALSE where that cannot be told.
 */
static gboolean start_of(guint64 pid, guint64 *start)
{
    g_autofree char *path = g_strdup_printf("/proc/%" G_GUINT64_FORMAT "/stat", pid);
    g_autofree char *text = NULL;
    g_autoptr(GError) problem = NULL;
    g_auto(GStrv) words = NULL;
    const char *rest;

    if (!g_file_get_contents(path, &text, NULL, &problem)) {
        *start = 0;
        return g_error_matches(problem, G_FILE_ERROR, G_FILE_ERROR_NOENT);
    }
    /* The name in parentheses is of the process's own making. After it: state, ..., proc(5)'s
     * field 22. */
    rest = strrchr(text, ')');
    words = rest ? g_strsplit(g_strchug((char *) rest + 1), " ", 21) : NULL;
    if (!words || g_strv_length(words) < 21)
        return FALSE;
    *start = strchr("ZX", *words[0]) ? 0 : g_ascii_strtoull(words[19], NULL, 10);
    return TRUE;
}

char *log_owner_self(void)
{
    Owner self = { own_namespace(), (guint64) getpid(), 0 };

    if (!self.namespace || !start_of(self.pid, &self.start) || !self.start)
        self = (Owner) { 0, 0, 0 };
    return g_strdup_printf("%" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT,
                           self.namespace, self.pid, self.start);
}

gboolean log_owner_dead(const char *owner)
{
    g_auto(GStrv) numbers = g_strsplit(owner, ".", -1);
    Owner o;
    guint64 start;

    if (g_strv_length(numbers) != 3 ||
        !g_ascii_string_to_unsigned(numbers[0], 10, 1, G_MAXUINT64, &o.namespace, NULL) ||
        !g_ascii_string_to_unsigned(numbers[1], 10, 1, G_MAXINT32, &o.pid, NULL) ||
        !g_ascii_string_to_unsigned(numbers[2], 10, 1, G_MAXUINT64, &o.start, NULL))
        return FALSE;
    return o.namespace == own_namespace() && start_of(o.pid, &start) && start != o.start;
}
