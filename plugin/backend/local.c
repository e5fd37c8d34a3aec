/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * local.c: image files on this machine
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <linux/fs.h>

#include "include/vext-i18n.h"
#include "plugin/backend/local.h"
#include "plugin/backend/qemu-img.h"
#include "plugin/backend/vir.h"
#include "plugin/xml/qcow2.h"

/* When the file was made, where the file system keeps that. */
static gint64 born(const char *path)
{
    struct statx st;

    if (statx(AT_FDCWD, path, 0, STATX_BTIME, &st) < 0 || !(st.stx_mask & STATX_BTIME))
        return 0;
    return st.stx_btime.tv_sec * CHAIN_SECOND + st.stx_btime.tv_nsec;
}

LocalFile *local_file_new(const char *path)
{
    LocalFile *file = g_new0(LocalFile, 1);
    struct stat st;

    file->size = CHAIN_UNKNOWN;
    file->allocation = CHAIN_UNKNOWN;
    if (stat(path, &st) < 0) {
        file->state = errno == ENOENT || errno == ENOTDIR || errno == ELOOP ||
                      errno == ENAMETOOLONG
                      ? LOCAL_MISSING : LOCAL_HIDDEN;
        return file;
    }
    file->dev = st.st_dev;
    if (S_ISBLK(st.st_mode)) {
        file->block = TRUE;
        file->identity = g_strdup_printf("inode:b:%" G_GUINT64_FORMAT, (guint64) st.st_rdev);
    } else if (S_ISREG(st.st_mode)) {
        file->identity = g_strdup_printf("inode:%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT,
                                         (guint64) st.st_dev, (guint64) st.st_ino);
        file->size = st.st_size;
        file->modified = st.st_mtim.tv_sec * CHAIN_SECOND + st.st_mtim.tv_nsec;
        file->born = born(path);
        file->allocation = (guint64) st.st_blocks * 512;
        file->not_writable = (st.st_mode & (S_IWUSR | S_IWGRP | S_IWOTH)) == 0;
    } else {
        file->state = LOCAL_HIDDEN;
    }
    return file;
}

void local_file_free(LocalFile *file)
{
    if (!file)
        return;
    g_free(file->identity);
    g_free(file);
}

guint64 local_free_bytes(const char *path)
{
    struct statvfs st;

    if (statvfs(path, &st) < 0)
        return CHAIN_UNKNOWN;
    return (guint64) st.f_bavail * st.f_frsize;
}

static gboolean is_image(const struct stat *st, GError **error)
{
    if (S_ISREG(st->st_mode) || S_ISBLK(st->st_mode))
        return TRUE;
    g_set_error(error, BACKEND_ERROR, VIR_ERR_OPEN_FAILED,
                _("It is not a file or a block device"));
    return FALSE;
}

int local_open_image(const char *path, struct stat *st, GError **error)
{
    int fd = -1;

    if (stat(path, st) == 0) {
        if (!is_image(st, error))
            return -1;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOATIME);
        if (fd < 0 && errno == EPERM) /* another's file: without O_NOATIME */
            fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    }
    if (fd < 0 || fstat(fd, st) < 0) {
        g_set_error_literal(error, BACKEND_ERROR, VIR_ERR_OPEN_FAILED, g_strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    if (!is_image(st, error)) { /* exchanged in between */
        close(fd);
        return -1;
    }
    return fd;
}

static gssize read_at(int fd, guint64 at, guint8 *data, gsize len)
{
    gsize done = 0;

    while (done < len) {
        ssize_t n = pread(fd, data + done, len - done, (off_t) (at + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += n;
    }
    return done;
}

static gssize read_start(int fd, guint8 *data, gsize len)
{
    return read_at(fd, 0, data, len);
}

/* Qcow2ReadFunc of an open file. */
static gssize read_file(gpointer opaque, guint64 at, guint8 *data, gsize len, GError **error)
{
    gssize got = read_at(*(const int *) opaque, at, data, len);

    if (got < 0)
        g_set_error_literal(error, BACKEND_ERROR, VIR_ERR_OPEN_FAILED, g_strerror(errno));
    return got;
}

/* A VMDK image can be a list of other files and addresses, or have one in it: then it names what
 * qemu-img would open. */
static gboolean is_vmdk_alone(int fd)
{
    static const guint8 nothing[8];
    guint8 data[20];

    if (read_start(fd, data, sizeof(data)) != sizeof(data))
        return FALSE;
    return memcmp(data, "COWD", 4) == 0 ||
           (memcmp(data, "KDMV", 4) == 0 && memcmp(data + 12, nothing, sizeof(nothing)) != 0);
}

gboolean local_may_be_opened(int fd, const char *format)
{
    static const char *const alone[] = { "bochs", "cloop", "dmg", "luks", "parallels", "qcow",
                                         "qcow2", "qed", "raw", "vdi", "vhdx", "vpc", NULL };

    return g_strv_contains(alone, format) || (g_str_equal(format, "vmdk") && is_vmdk_alone(fd));
}

static ImageInfo *read_other(int fd, const char *path, const char *format, GError **error)
{
    g_autofree char *name = qemu_img_file(0);
    const char *argv[] = { "info", "--output=json", "-U", "-f", format, name, NULL };
    g_autofree char *out = NULL;
    g_autoptr(GPtrArray) infos = NULL;

    if (!local_may_be_opened(fd, format)) {
        g_set_error(error, BACKEND_ERROR, VIR_ERR_OPEN_FAILED,
                    _("Format '%s' is not opened here: it may lead to other files"), format);
        return NULL;
    }
    out = qemu_img_run(argv, &fd, &path, 1, error);
    infos = out ? image_info_parse(out, strlen(out), error) : NULL;
    if (!infos)
        return NULL;
    if (infos->len != 1) {
        g_set_error(error, BACKEND_ERROR, VIR_ERR_INTERNAL_ERROR,
                    _("qemu-img says nothing about it"));
        return NULL;
    }
    return g_ptr_array_steal_index(infos, 0);
}

ImageInfo *local_read_header(const char *path, const char *format, gboolean *immutable,
                             GError **error)
{
    struct statvfs vfs;
    struct stat st;
    ImageInfo *info = NULL;
    int attributes = 0;
    guint64 bytes;
    int fd = local_open_image(path, &st, error);

    if (fd < 0)
        return NULL;
    bytes = st.st_size;
    *immutable = (S_ISREG(st.st_mode) && ioctl(fd, FS_IOC_GETFLAGS, &attributes) == 0 &&
                  attributes & FS_IMMUTABLE_FL) ||
                 (fstatvfs(fd, &vfs) == 0 && vfs.f_flag & ST_RDONLY && S_ISREG(st.st_mode));
    if (S_ISBLK(st.st_mode) && ioctl(fd, BLKGETSIZE64, &bytes) < 0)
        bytes = CHAIN_UNKNOWN;
    if (g_str_equal(format, "qcow2")) {
        info = qcow2_read_start(read_file, &fd, error);
    } else if (g_str_equal(format, "raw")) {
        info = g_new0(ImageInfo, 1);
        info->format = g_strdup("raw");
        info->virtual_size = bytes;
    } else {
        info = read_other(fd, path, format, error);
    }
    if (info)
        info->allocation = S_ISBLK(st.st_mode) ? bytes : (guint64) st.st_blocks * 512;
    close(fd);
    return info;
}

int local_maps_nothing(const char *path)
{
    struct stat st;
    int fd = local_open_image(path, &st, NULL);
    int nothing;

    if (fd < 0)
        return -1;
    nothing = qcow2_maps_nothing(read_file, &fd);
    close(fd);
    return nothing;
}

gboolean local_has_qcow2_magic(const char *path, gboolean *closed)
{
    guint8 data[4];
    struct stat st;
    int fd = local_open_image(path, &st, NULL);
    gboolean has;

    if (closed)
        *closed = fd < 0 && access(path, R_OK) < 0 && errno == EACCES;
    if (fd < 0)
        return FALSE;
    has = S_ISREG(st.st_mode) && read_start(fd, data, sizeof(data)) == sizeof(data) &&
          qcow2_has_magic(data, sizeof(data));
    close(fd);
    return has;
}

gboolean local_names_no_other(const char *path)
{
    /* cow, qcow and qcow2, qed, vmdk */
    static const char magic[][5] = { "OOOM", "QFI\xfb", "QED", "KDMV", "COWD", "# Di" };
    guint8 data[4] = { 0 };
    struct stat st;
    int fd = local_open_image(path, &st, NULL);
    gboolean none;

    if (fd < 0)
        return FALSE;
    none = read_start(fd, data, sizeof(data)) >= 0;
    for (gsize i = 0; i < G_N_ELEMENTS(magic); i++)
        none = none && memcmp(data, magic[i], sizeof(data)) != 0;
    close(fd);
    return none;
}
