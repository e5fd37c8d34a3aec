/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qemu-img.h: runs qemu-img on images of this machine
 *
 * Images are hostile, and qemu-img believes them: it runs with limits, whatever it is asked, and
 * opens no path but files that were opened and looked at here, so that none can be exchanged in
 * between:
 *
 *      fd = local_open_image(path, …)      is it a file, and of a format that leads nowhere else?
 *      name = qemu_img_file(0)             what qemu-img calls fds[0]
 *      qemu_img_run({ "info", name, … }, &fd, &path, 1, &error)
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** The name that the @i-th of the files has for qemu-img. New string. */
char *qemu_img_file(gsize i);

/**
 * Runs qemu-img and gives its output.
 *
 * @argv: NULL-terminated, without the program's name
 * @fds: @n descriptors that it gets; they stay open here
 * @paths: what its complaints are to call them
 * Returns: new string, or NULL with qemu-img's first line of complaint in @error, also where it
 *          reached a limit
 */
char *qemu_img_run(const char *const *argv, const int *fds, const char *const *paths, gsize n,
                   GError **error);

G_END_DECLS
