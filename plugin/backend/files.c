/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * files.c: removing files that nobody needs any more
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "plugin/backend/files.h"
#include "plugin/backend/local.h"
#include "plugin/backend/pools.h"
#include "include/vext-i18n.h"

char *backend_file_identity(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return NULL;
    return g_strdup_printf("inode:%llu:%llu", (unsigned long long)st.st_dev,
                           (unsigned long long)st.st_ino);
}

gboolean backend_file_exists(virConnectPtr conn, const char *path, gboolean local)
{
    g_autofree char *dir = g_path_get_dirname(path), *base = g_path_get_basename(path);
    g_autoptr(BackendPool) pool = NULL;
    g_autoptr(virStorageVol) volume = NULL;
    struct stat st;

    if (local)
        return lstat(path, &st) == 0;
    pool = backend_pool_open(conn, dir, NULL);
    volume = pool->pool ? virStorageVolLookupByName(pool->pool, base)
                        : virStorageVolLookupByPath(conn, path);
    return volume != NULL;
}

gboolean backend_may_be_image(const char *path)
{
    struct stat st;

    return local_has_qcow2_magic(path, NULL) || (lstat(path, &st) < 0 && errno == ENOENT);
}

char *backend_volume_path(virConnectPtr conn, const char *pool, const char *volume)
{
    g_autoptr(virStoragePool) p = pool ? virStoragePoolLookupByName(conn, pool) : NULL;
    g_autoptr(virStorageVol) vol = p && volume ? virStorageVolLookupByName(p, volume) : NULL;
    char *text = vol ? virStorageVolGetPath(vol) : NULL;
    char *path = g_strdup(text);

    free(text);
    return path;
}

/* The volume at @path whose name in its pool is the file's. Returns NULL with @error. */
static virStorageVolPtr volume_at(virConnectPtr conn, const char *path, GError **error)
{
    virStorageVolPtr vol = virStorageVolLookupByPath(conn, path);

    if (!vol)
        backend_error(error);
    return vol;
}

static BackendFileResult delete_volume(virStorageVolPtr vol, GError **error)
{
    if (virStorageVolDelete(vol, 0) < 0) {
        backend_error(error);
        return BACKEND_FILE_FAILED;
    }
    return BACKEND_FILE_REMOVED;
}

/* @known: what a pool already knows at @path, or NULL */
static BackendFileResult remove_by_daemon(virConnectPtr conn, const char *path,
                                          virStorageVolPtr known, GError **error)
{
    g_autofree char *dir = g_path_get_dirname(path);
    g_autofree char *base = g_path_get_basename(path);
    g_autoptr(virStorageVol) vol = NULL;
    g_autoptr(BackendPool) pool = NULL;
    g_autoptr(GError) problem = NULL;

    if (known)
        return delete_volume(known, error);
    /* A pool that is there does not know files that were made since its last refresh. */
    pool = backend_pool_open(conn, dir, error);
    if (!pool->pool)
        return BACKEND_FILE_FAILED;
    vol = virStorageVolLookupByName(pool->pool, base);
    if (vol)
        return delete_volume(vol, error);
    backend_error(&problem);
    if (backend_error_is(problem, VIR_ERR_NO_STORAGE_VOL))
        return BACKEND_FILE_ABSENT;
    g_propagate_error(error, g_steal_pointer(&problem));
    return BACKEND_FILE_FAILED;
}

/* Whether fsync() of @path says that the disk takes it; what cannot be opened is not asked. */
static gboolean flush(const char *path, int flags)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags);
    gboolean ok;

    if (fd < 0)
        return TRUE;
    /* EINVAL: such a file has nothing to be flushed. */
    ok = fsync(fd) == 0 || errno == EINVAL || errno == EROFS;
    if (!ok) {
        int saved = errno;

        close(fd);
        errno = saved;
        return FALSE;
    }
    close(fd);
    return TRUE;
}

static gboolean flush_directory(const char *path)
{
    g_autofree char *dir = g_path_get_dirname(path);

    return flush(dir, O_DIRECTORY);
}

/* Whether it is the file that had @identity when it was planned. An inode is given again to the
 * next file that is made when the first is gone: that one has another birth. */
static gboolean same_file(const LocalFile *now, const char *identity, gint64 born)
{
    gboolean both = born && now->born && !now->block;

    if (g_str_equal(now->identity, identity))
        return !both || now->born == born;
    return both && now->born == born &&
           g_strcmp0(strrchr(now->identity, ':'), strrchr(identity, ':')) == 0;
}

/* Looks and removes in one directory, which nobody can exchange for another in between. */
static BackendFileResult remove_here(const char *path, const char *identity, gint64 born,
                                     GError **error)
{
    g_autofree char *dir = g_path_get_dirname(path), *base = g_path_get_basename(path);
    int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    BackendFileResult result = BACKEND_FILE_FAILED;
    struct stat st;

    if (fd < 0 || fstatat(fd, base, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        result = errno == ENOENT ? BACKEND_FILE_ABSENT : BACKEND_FILE_FAILED;
    } else if (!S_ISREG(st.st_mode)) {
        /* Through a link only the link would go, and the image would stay. */
        result = BACKEND_FILE_OTHER;
    } else {
        g_autofree char *at = g_strdup_printf("/proc/self/fd/%d/%s", fd, base);
        g_autoptr(LocalFile) now = local_file_new(at);

        if (!now->identity || !same_file(now, identity, born))
            result = BACKEND_FILE_OTHER;
        else if (unlinkat(fd, base, 0) == 0)
            result = BACKEND_FILE_REMOVED;
        else if (errno == ENOENT)
            result = BACKEND_FILE_ABSENT;
    }
    if (result == BACKEND_FILE_FAILED)
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), errno == EPERM ?
                    _("%s (it or its folder may be immutable, see lsattr)") : "%s",
                    g_strerror(errno));
    if (fd >= 0)
        close(fd);
    return result;
}

BackendFileResult backend_remove_file(virConnectPtr conn, const char *path, const char *identity,
                                      gint64 born, gboolean local, GError **error)
{
    gboolean known = identity && g_str_has_prefix(identity, "inode:");
    g_autoptr(virStorageVol) vol = NULL;
    g_autoptr(GError) problem = NULL;
    BackendFileResult result;
    struct stat st;
    gboolean seen;

    if (!g_path_is_absolute(path)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_FILENAME, _("'%s' is no absolute path"),
                    path);
        return BACKEND_FILE_FAILED;
    }
    seen = local && lstat(path, &st) == 0;
    if (local && !seen && errno == ENOENT) {
        /* Who removed it may have been killed before this. */
        flush_directory(path);
        return BACKEND_FILE_ABSENT;
    }
    if (local && identity) {
        g_autoptr(LocalFile) now = local_file_new(path);
        /* neither then nor now: in a folder that this user may not look into */
        gboolean hidden = !known && !now->identity;

        if (!hidden && (!known || !now->identity || !same_file(now, identity, born)))
            return BACKEND_FILE_OTHER;
        /* Through a link only the link would go, and the image would stay. */
        if (seen && !S_ISREG(st.st_mode))
            return BACKEND_FILE_OTHER;
    }
    vol = volume_at(conn, path, NULL);
    /* A pool that knows it has to forget it. One that is made or read anew for it would have the
     * daemon open what the files of the folder name, guests' own bytes among them. */
    if (local && known && !vol) {
        result = remove_here(path, identity, born, &problem);
        if (result == BACKEND_FILE_FAILED &&
            remove_by_daemon(conn, path, NULL, NULL) == BACKEND_FILE_REMOVED)
            result = BACKEND_FILE_REMOVED;
    } else {
        result = remove_by_daemon(conn, path, vol, &problem);
        if (result == BACKEND_FILE_FAILED && local && known) {
            g_clear_error(&problem);
            result = remove_here(path, identity, born, &problem);
        }
    }
    /* The record of the operation goes next: after a power cut nobody would know of the file. */
    if ((result == BACKEND_FILE_REMOVED || result == BACKEND_FILE_ABSENT) && local)
        flush_directory(path);
    if (result == BACKEND_FILE_FAILED)
        g_set_error(error, problem->domain, problem->code, _("Cannot remove '%s': %s"), path,
                    problem->message);
    return result;
}

gboolean backend_flush_file(const char *path, GError **error)
{
    if (flush(path, 0) && flush_directory(path))
        return TRUE;
    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno),
                _("'%s' cannot be written to the disk: %s"), path, g_strerror(errno));
    return FALSE;
}

gboolean backend_free_space(virConnectPtr conn, const char *path, gboolean local, guint64 *bytes)
{
    g_autofree char *dir = g_path_get_dirname(path);
    g_autoptr(virStoragePool) pool = NULL;
    virStoragePoolInfo info;

    if (local) {
        struct statvfs st;

        if (statvfs(dir, &st) < 0)
            return FALSE;
        *bytes = (guint64)st.f_bavail * st.f_frsize;
        return TRUE;
    }
    pool = virStoragePoolLookupByTargetPath(conn, dir);
    if (!pool || virStoragePoolGetInfo(pool, &info) < 0)
        return FALSE;
    *bytes = info.available;
    return TRUE;
}
