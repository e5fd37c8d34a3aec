/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qemu-img.c: runs qemu-img on images of this machine
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gio/gio.h>

#include "include/vext-i18n.h"
#include "plugin/backend/qemu-img.h"
#include "plugin/backend/vir.h"
#include "plugin/xml/disk-source.h"

/* The first of the files: beyond the descriptors that GLib's launcher has for itself (before 2.72
 * it loses one of them where a file is to have its number). */
#define FIRST_FD 100

char *qemu_img_file(gsize i)
{
    return g_strdup_printf("/dev/fd/%" G_GSIZE_FORMAT, FIRST_FD + i);
}

/* A few bytes of header make qemu-img read a table of gigabytes: VDI's is four bytes for each MiB
 * of a size that anyone can write there. And a map is a line for each change between clusters that
 * hold something and that do not. Images that are really used come nowhere near: a map of 1 TiB
 * takes half a second. */
static void limit(gpointer opaque)
{
    static const struct rlimit memory = { 1 << 30, 1 << 30 };
    static const struct rlimit seconds = { 10, 10 };
    static const struct rlimit output = { 64 << 20, 64 << 20 };

    setrlimit(RLIMIT_AS, &memory);
    setrlimit(RLIMIT_CPU, &seconds);
    setrlimit(RLIMIT_FSIZE, &output);
}

/* The whole of what was written to @fd, as text; new. */
static char *content(int fd)
{
    struct stat st;
    gsize size = fstat(fd, &st) == 0 ? (gsize) st.st_size : 0, done = 0;
    char *text = g_malloc(size + 1);

    while (done < size) {
        ssize_t n = pread(fd, text + done, size - done, (off_t) done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (gsize) n;
    }
    text[done] = '\0';
    return text;
}

static void set_complaint(int err, const char *const *paths, gsize n, GError **error)
{
    g_autofree char *raw = content(err);
    g_autofree char *message = g_utf8_make_valid(raw, -1);
    g_autofree char *shown = NULL;

    message[strcspn(message, "\n")] = '\0';
    for (gsize i = 0; i < n; i++) {
        g_autofree char *name = qemu_img_file(i);
        g_auto(GStrv) parts = g_strsplit(message, name, -1);

        g_free(message);
        message = g_strjoinv(paths[i], parts);
    }
    shown = xml_text_hide_secrets(*message ? message : _("qemu-img failed"));
    g_set_error_literal(error, BACKEND_ERROR, VIR_ERR_INTERNAL_ERROR, shown);
}

/* A file for the output: unlike a pipe it has a limit, and two of them cannot block each other. */
static int output_file(GSubprocessLauncher *launcher,
                       void (*take)(GSubprocessLauncher *launcher, gint fd))
{
    int fd = memfd_create("qemu-img", MFD_CLOEXEC);

    if (fd >= 0)
        take(launcher, fcntl(fd, F_DUPFD_CLOEXEC, 3));
    return fd;
}

static gboolean succeeds(GSubprocessLauncher *launcher, const char *const *argv, GError **error)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    g_autoptr(GSubprocess) process = NULL;

    g_ptr_array_add(words, (gpointer) "qemu-img");
    for (; *argv; argv++)
        g_ptr_array_add(words, (gpointer) *argv);
    g_ptr_array_add(words, NULL);
    process = g_subprocess_launcher_spawnv(launcher, (const char *const *) words->pdata, error);
    return process && g_subprocess_wait(process, NULL, error) &&
           g_subprocess_get_successful(process);
}

char *qemu_img_run(const char *const *argv, const int *fds, const char *const *paths, gsize n,
                   GError **error)
{
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_NONE);
    int out = output_file(launcher, g_subprocess_launcher_take_stdout_fd);
    int err = output_file(launcher, g_subprocess_launcher_take_stderr_fd);
    g_autoptr(GError) problem = NULL;
    char *text = NULL;

    for (gsize i = 0; i < n; i++)
        g_subprocess_launcher_take_fd(launcher, fcntl(fds[i], F_DUPFD_CLOEXEC, 3),
                                      (gint) (FIRST_FD + i));
    g_subprocess_launcher_set_child_setup(launcher, limit, NULL, NULL);
    if (out < 0 || err < 0)
        g_set_error_literal(error, BACKEND_ERROR, VIR_ERR_SYSTEM_ERROR, g_strerror(errno));
    else if (succeeds(launcher, argv, &problem))
        text = content(out);
    else if (problem)
        g_propagate_error(error, g_steal_pointer(&problem));
    else
        set_complaint(err, paths, n, error);
    if (out >= 0)
        close(out);
    if (err >= 0)
        close(err);
    return text;
}
