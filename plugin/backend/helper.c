/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * helper.c: the helper domain of an operation
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "plugin/backend/helper.h"

gboolean backend_is_embedded(virConnectPtr conn)
{
    char *uri = virConnectGetURI(conn);
    gboolean embedded = uri && strstr(uri, ":///embed") != NULL;

    free(uri);
    return embedded;
}

gboolean backend_helper_define(virConnectPtr conn, const char *xml, char **uuid, GError **error)
{
    char text[VIR_UUID_STRING_BUFLEN];
    g_autoptr(virDomain) helper = virDomainDefineXML(conn, xml);

    if (!helper)
        return backend_error(error);
    if (virDomainGetUUIDString(helper, text) < 0)
        return backend_error(error);
    *uuid = g_strdup(text);
    return TRUE;
}

gboolean backend_helper_redefine(virConnectPtr conn, const char *xml, GError **error)
{
    g_autoptr(virDomain) helper = virDomainDefineXML(conn, xml);

    if (!helper)
        return backend_error(error);
    return TRUE;
}

virDomainPtr backend_helper_lookup(virConnectPtr conn, const char *uuid, GError **error)
{
    virDomainPtr helper = virDomainLookupByUUIDString(conn, uuid);

    if (!helper)
        backend_error(error);
    return helper;
}

gboolean backend_helper_start(virDomainPtr helper, GError **error)
{
    unsigned int flags = VIR_DOMAIN_START_PAUSED;

    if (!backend_is_embedded(virDomainGetConnect(helper)))
        flags |= VIR_DOMAIN_START_AUTODESTROY;
    if (virDomainCreateWithFlags(helper, flags) < 0)
        return backend_error(error);
    return TRUE;
}

gboolean backend_helper_stop(virDomainPtr helper, GError **error)
{
    int active = virDomainIsActive(helper);

    if (active < 0)
        return backend_error(error);
    if (active == 0)
        return TRUE;
    if (virDomainDestroy(helper) < 0) {
        backend_error(error);
        if (virDomainIsActive(helper) == 0) {
            g_clear_error(error);
            return TRUE;
        }
        return FALSE;
    }
    return TRUE;
}

gboolean backend_helper_undefine(virDomainPtr helper, GError **error)
{
    if (virDomainUndefine(helper) < 0)
        return backend_error(error);
    return TRUE;
}
