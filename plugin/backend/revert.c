/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * revert.c: libvirt's calls of a revert
 */
#include "plugin/backend/revert.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/backend/helper.h"

/* Since libvirt 8.1. */
#if LIBVIR_VERSION_NUMBER >= 8001000
# define START_RESET_NVRAM VIR_DOMAIN_START_RESET_NVRAM
# define SAVE_RESET_NVRAM VIR_DOMAIN_SAVE_RESET_NVRAM
#else
# define START_RESET_NVRAM (1 << 5)
# define SAVE_RESET_NVRAM (1 << 3)
#endif

static void append_disk(GString *xml, const BackendOverlay *o)
{
    g_autofree char *target = g_markup_escape_text(o->target, -1);
    g_autofree char *path = g_markup_escape_text(o->path, -1);
    g_autofree char *format = g_markup_escape_text(o->format, -1);

    g_string_append_printf(xml,
                           "<disk name='%s' snapshot='external' type='file'>"
                           "<driver type='%s'/><source file='%s'/></disk>",
                           target, format, path);
}

/** @name NULL: libvirt chooses one, which nobody sees without metadata. */
static char *snapshot_xml(const char *name, const BackendOverlay *overlays, gsize n,
                          const char *const *other_targets)
{
    GString *xml = g_string_new("<domainsnapshot>");

    if (name) {
        g_autofree char *escaped = g_markup_escape_text(name, -1);
        g_string_append_printf(xml, "<name>%s</name>", escaped);
    }
    g_string_append(xml, "<disks>");
    for (gsize i = 0; i < n; i++)
        append_disk(xml, &overlays[i]);
    for (; other_targets && *other_targets; other_targets++) {
        g_autofree char *target = g_markup_escape_text(*other_targets, -1);
        g_string_append_printf(xml, "<disk name='%s' snapshot='no'/>", target);
    }
    g_string_append(xml, "</disks></domainsnapshot>");
    return g_string_free(xml, FALSE);
}

gboolean backend_create_overlays(virDomainPtr helper, const BackendOverlay *overlays, gsize n,
                                 GError **error)
{
    g_autofree char *xml = snapshot_xml(NULL, overlays, n, NULL);
    g_autoptr(virDomainSnapshot) snapshot = NULL;
    gboolean here = backend_is_embedded(virDomainGetConnect(helper));
    mode_t mask = here ? umask(0077) : 0;

    snapshot = virDomainSnapshotCreateXML(helper, xml,
                                          VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY |
                                          VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA);
    if (here)
        umask(mask);
    return snapshot ? TRUE : backend_error(error);
}

gboolean backend_close_overlay(virConnectPtr conn, const BackendOverlay *overlay, gboolean local)
{
    unsigned long version = 0;
    struct stat frozen, st;
    mode_t may = 0600;
    gboolean closed;
    int fd;

    if (backend_is_embedded(conn) ||
        (virConnectGetLibVersion(conn, &version) == 0 && version >= 11010000))
        return TRUE;
    if (!local)
        return FALSE;
    if (overlay->backing && stat(overlay->backing, &frozen) == 0 && S_ISREG(frozen.st_mode))
        may |= frozen.st_mode & 0777;
    fd = open(overlay->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return FALSE;
    closed = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
             ((st.st_mode & 0777 & ~may) == 0 || fchmod(fd, st.st_mode & may) == 0);
    close(fd);
    return closed;
}

gboolean backend_take_snapshot(virDomainPtr dom, const char *name, const BackendOverlay *overlays,
                               gsize n, const char *const *other_targets, GError **error)
{
    g_autofree char *xml = snapshot_xml(name, overlays, n, other_targets);
    g_autoptr(virDomainSnapshot) snapshot = NULL;

    snapshot = virDomainSnapshotCreateXML(dom, xml,
                                          VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY |
                                          VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC);
    return snapshot ? TRUE : backend_error(error);
}

gboolean backend_keeps_revert_disks(virConnectPtr conn)
{
    unsigned long version = 0;

    return virConnectGetLibVersion(conn, &version) == 0 && version >= 9009000;
}

gboolean backend_resets_nvram(virConnectPtr conn)
{
    unsigned long version = 0;

    return virConnectGetLibVersion(conn, &version) == 0 && version >= 8001000;
}

gboolean backend_define(virConnectPtr conn, const char *xml, GError **error)
{
    g_autoptr(virDomain) dom = virDomainDefineXML(conn, xml);

    return dom ? TRUE : backend_error(error);
}

gboolean backend_stop(virDomainPtr dom, GError **error)
{
    int active = virDomainIsActive(dom);

    if (active < 0)
        return backend_error(error);
    if (active == 0)
        return TRUE;
    if (virDomainDestroyFlags(dom, 0) == 0)
        return TRUE;
    backend_error(error);
    /* It may have ended by itself in between. */
    if (virDomainIsActive(dom) == 0) {
        g_clear_error(error);
        return TRUE;
    }
    return FALSE;
}

gboolean backend_start(virConnectPtr conn, virDomainPtr dom, const char *transient_xml,
                       gboolean paused, gboolean reset_nvram, GError **error)
{
    unsigned int flags = (paused ? VIR_DOMAIN_START_PAUSED : 0) |
                         (reset_nvram ? START_RESET_NVRAM : 0);

    if (transient_xml) {
        g_autoptr(virDomain) made = virDomainCreateXML(conn, transient_xml, flags);
        return made ? TRUE : backend_error(error);
    }
    return virDomainCreateWithFlags(dom, flags) == 0 ? TRUE : backend_error(error);
}

gboolean backend_restore(virConnectPtr conn, const char *file, const char *xml, gboolean paused,
                         gboolean reset_nvram, GError **error)
{
    unsigned int flags = (paused ? VIR_DOMAIN_SAVE_PAUSED : VIR_DOMAIN_SAVE_RUNNING) |
                         (reset_nvram ? SAVE_RESET_NVRAM : 0);

    return virDomainRestoreFlags(conn, file, xml, flags) == 0 ? TRUE : backend_error(error);
}

gboolean backend_managed_save(virDomainPtr dom)
{
    return virDomainHasManagedSaveImage(dom, 0) == 1;
}

char *backend_managed_save_xml(virDomainPtr dom, GError **error)
{
    char *text = virDomainManagedSaveGetXMLDesc(dom, 0);
    char *xml = g_strdup(text);

    free(text);
    if (!xml)
        backend_error(error);
    return xml;
}

gboolean backend_drop_managed_save(virDomainPtr dom, GError **error)
{
    return virDomainManagedSaveRemove(dom, 0) == 0 ? TRUE : backend_error(error);
}
