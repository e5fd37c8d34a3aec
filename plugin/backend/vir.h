/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vir.h: libvirt's objects for g_autoptr, libvirt's errors as GError
 *
 * libvirt's free functions do not take NULL; the wrappers here do. They reset the thread's last
 * error: read it (backend_error) before anything is freed or anything else calls libvirt.
 *
 *      g_autoptr(virDomain) dom = virDomainLookupByName(conn, name);
 *      if (!dom)
 *          return backend_error(error);        always FALSE (or NULL)
 */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

G_BEGIN_DECLS

/** Errors that came from libvirt; the code is libvirt's virErrorNumber. */
#define BACKEND_ERROR (backend_error_quark())
GQuark backend_error_quark(void);

/** Sets @error to libvirt's last error of this thread. Always returns FALSE. */
gboolean backend_error(GError **error);
/** Whether @error is libvirt's @number. */
gboolean backend_error_is(const GError *error, virErrorNumber number);
/** The text of libvirt's last error of this thread as it may be shown: in one line, without
 *  secrets (xml_text_hide_secrets()). New string. */
char *backend_error_text(void);
/** Lets libvirt print nothing by itself: errors reach the user through GError alone. Where libvirt
 *  has no text for one, they tell whether @conn was lost; it must outlive the command. */
void backend_errors_quiet(virConnectPtr conn);

#define BACKEND_VIR_FREE(type, freefunc) \
    static inline void backend_free_##type(type *p) \
    { \
        if (p) \
            freefunc(p); \
    } \
    G_DEFINE_AUTOPTR_CLEANUP_FUNC(type, backend_free_##type)

BACKEND_VIR_FREE(virConnect, virConnectClose)
BACKEND_VIR_FREE(virStream, virStreamFree)
BACKEND_VIR_FREE(virDomain, virDomainFree)
BACKEND_VIR_FREE(virDomainSnapshot, virDomainSnapshotFree)
BACKEND_VIR_FREE(virStoragePool, virStoragePoolFree)
BACKEND_VIR_FREE(virStorageVol, virStorageVolFree)

G_END_DECLS
