/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain.c: asking libvirt about one domain
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "plugin/backend/domain.h"

/* libvirt's string as GLib's, or its error. */
static char *take(char *text, GError **error)
{
    char *copy;

    if (!text) {
        backend_error(error);
        return NULL;
    }
    copy = g_strdup(text);
    free(text);
    return copy;
}

static virDomainPtr found(virDomainPtr dom, GError **error)
{
    if (!dom)
        backend_error(error);
    return dom;
}

virDomainPtr backend_domain_by_uuid(virConnectPtr conn, const char *uuid, GError **error)
{
    return found(virDomainLookupByUUIDString(conn, uuid), error);
}

virDomainPtr backend_domain_by_name(virConnectPtr conn, const char *name, GError **error)
{
    return found(virDomainLookupByName(conn, name), error);
}

virDomainPtr backend_domain_by_word(virConnectPtr conn, const char *word, GError **error)
{
    virDomainPtr dom = NULL;
    guint64 id;

    if (g_ascii_string_to_unsigned(word, 10, 0, G_MAXINT32, &id, NULL))
        dom = virDomainLookupByID(conn, (int)id);
    if (!dom && strlen(word) == VIR_UUID_STRING_BUFLEN - 1)
        dom = virDomainLookupByUUIDString(conn, word);
    return dom ? dom : backend_domain_by_name(conn, word, error);
}

const char *backend_domain_name(virDomainPtr dom)
{
    return virDomainGetName(dom);
}

char *backend_domain_uuid(virDomainPtr dom, GError **error)
{
    char uuid[VIR_UUID_STRING_BUFLEN];

    if (virDomainGetUUIDString(dom, uuid) < 0) {
        backend_error(error);
        return NULL;
    }
    return g_strdup(uuid);
}

gboolean backend_domain_readonly(virDomainPtr dom)
{
    char *xml = virDomainGetXMLDesc(dom, VIR_DOMAIN_XML_SECURE);
    gboolean denied = !xml && virGetLastErrorCode() == VIR_ERR_OPERATION_DENIED;

    free(xml);
    return denied;
}

int backend_domain_block_job(virDomainPtr dom, const char *disk, GError **error)
{
    virDomainBlockJobInfo info;
    int rc = virDomainGetBlockJobInfo(dom, disk, &info, 0);

    if (rc < 0)
        backend_error(error);
    return rc;
}

int backend_domain_active(virDomainPtr dom, GError **error)
{
    int active = virDomainIsActive(dom);

    if (active < 0)
        backend_error(error);
    return active;
}

int backend_domain_persistent(virDomainPtr dom, GError **error)
{
    int persistent = virDomainIsPersistent(dom);

    if (persistent < 0)
        backend_error(error);
    return persistent;
}

int backend_domain_id(virDomainPtr dom)
{
    return virDomainIsActive(dom) == 1 ? (int)virDomainGetID(dom) : -1;
}

int backend_domain_paused(virDomainPtr dom, GError **error)
{
    int state = VIR_DOMAIN_NOSTATE;

    if (virDomainGetState(dom, &state, NULL, 0) < 0) {
        backend_error(error);
        return -1;
    }
    return state == VIR_DOMAIN_PAUSED || state == VIR_DOMAIN_PMSUSPENDED;
}

gboolean backend_domain_suspend(virDomainPtr dom, GError **error)
{
    return virDomainSuspend(dom) == 0 || backend_error(error);
}

gboolean backend_domain_resume(virDomainPtr dom, GError **error)
{
    return virDomainResume(dom) == 0 || backend_error(error);
}

char *backend_domain_xml(virDomainPtr dom, gboolean live, GError **error)
{
    unsigned int flags = VIR_DOMAIN_XML_SECURE;

    if (!live || virDomainIsActive(dom) != 1)
        flags |= VIR_DOMAIN_XML_INACTIVE;
    return take(virDomainGetXMLDesc(dom, flags), error);
}

char *backend_domain_live_xml(virDomainPtr dom, GError **error)
{
    return take(virDomainGetXMLDesc(dom, 0), error);
}

char *backend_domain_metadata(virDomainPtr dom, const char *uri, GError **error)
{
    return take(virDomainGetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, uri,
                                     VIR_DOMAIN_AFFECT_CONFIG), error);
}

gboolean backend_domain_set_metadata(virDomainPtr dom, const char *prefix, const char *uri,
                                     const char *element, GError **error)
{
    unsigned int flags = VIR_DOMAIN_AFFECT_CONFIG;

    if (virDomainIsActive(dom) == 1)
        flags |= VIR_DOMAIN_AFFECT_LIVE;
    if (virDomainSetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, element, prefix, uri, flags) < 0)
        return backend_error(error);
    return TRUE;
}

char *backend_domain_live_metadata(virDomainPtr dom, const char *uri, GError **error)
{
    return take(virDomainGetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, uri,
                                     VIR_DOMAIN_AFFECT_LIVE), error);
}

gboolean backend_domain_set_live_metadata(virDomainPtr dom, const char *prefix, const char *uri,
                                          const char *element, GError **error)
{
    return virDomainSetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, element, prefix, uri,
                                VIR_DOMAIN_AFFECT_LIVE) == 0 || backend_error(error);
}

GPtrArray *backend_domain_names(virConnectPtr conn, GError **error)
{
    virDomainPtr *list = NULL;
    int n = virConnectListAllDomains(conn, &list, 0);
    GPtrArray *names;

    if (n < 0) {
        backend_error(error);
        return NULL;
    }
    names = g_ptr_array_new_with_free_func(g_free);
    for (int i = 0; i < n; i++) {
        g_ptr_array_add(names, g_strdup(virDomainGetName(list[i])));
        virDomainFree(list[i]);
    }
    free(list);
    return names;
}
