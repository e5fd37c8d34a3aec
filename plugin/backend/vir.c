/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vir.c: libvirt's errors as GError
 */
#include "config.h"

#include "include/vext-i18n.h"
#include "plugin/backend/vir.h"
#include "plugin/xml/disk-source.h"

/* The connection whose objects errors come from: the command's own. */
static virConnectPtr connection;

GQuark backend_error_quark(void)
{
    return g_quark_from_static_string("virsh-ext-backend-error");
}

/* libvirt says "An error occurred, but the cause is unknown" where it has set none, as can be when
 * the connection was closed meanwhile (seen with 9.0). All others have the words of the place they
 * come from. */
static gboolean has_cause(const virError *last)
{
    return last && last->message && last->str1;
}

char *backend_error_text(void)
{
    virErrorPtr last = virGetLastError();
    gboolean cause = has_cause(last);
    g_autofree char *message = g_strdup(last && last->message ? last->message
                                                              : _("unknown error"));
    g_auto(GStrv) lines = NULL;

    if (!cause && connection && virConnectIsAlive(connection) != 1)
        return g_strdup(_("The connection to the daemon was lost"));
    /* What a program that libvirt ran said ends with its newline, and may have several lines. */
    lines = g_strsplit(g_strchomp(message), "\n", -1);
    g_free(message);
    message = g_strjoinv("; ", lines);
    return xml_text_hide_secrets(message);
}

gboolean backend_error(GError **error)
{
    virErrorPtr last = virGetLastError();
    int code = last ? last->code : VIR_ERR_INTERNAL_ERROR;
    g_autofree char *message = backend_error_text();

    g_set_error_literal(error, BACKEND_ERROR, code, message);
    return FALSE;
}

gboolean backend_error_is(const GError *error, virErrorNumber number)
{
    return g_error_matches(error, BACKEND_ERROR, number);
}

static void ignore(void *data, virErrorPtr error)
{
}

void backend_errors_quiet(virConnectPtr conn)
{
    connection = conn;
    virSetErrorFunc(NULL, ignore);
}
