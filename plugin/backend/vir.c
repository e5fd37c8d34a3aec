/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vir.c: libvirt's errors as GError
 */
#include "config.h"

#include "plugin/backend/vir.h"

GQuark backend_error_quark(void)
{
    return g_quark_from_static_string("virsh-ext-backend-error");
}

gboolean backend_error(GError **error)
{
    virErrorPtr last = virGetLastError();
    g_autofree char *message = g_strdup(last && last->message ? last->message : "unknown error");

    /* What a program that libvirt ran said ends with its newline. */
    g_set_error_literal(error, BACKEND_ERROR, last ? last->code : VIR_ERR_INTERNAL_ERROR,
                        g_strchomp(message));
    return FALSE;
}

gboolean backend_error_is(const GError *error, virErrorNumber number)
{
    return g_error_matches(error, BACKEND_ERROR, number);
}

static void ignore(void *data, virErrorPtr error)
{
}

void backend_errors_quiet(void)
{
    virSetErrorFunc(NULL, ignore);
}
