/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * host.h: what a connection can do for external snapshots
 */
#pragma once

#include "plugin/backend/vir.h"

G_BEGIN_DECLS

typedef enum { BACKEND_CHECK_PASS, BACKEND_CHECK_WARN, BACKEND_CHECK_FAIL } BackendCheckLevel;

typedef struct {
    const char *code;   /**< static, for scripts */
    const char *title;  /**< static, marked for translation */
    BackendCheckLevel level;
    char *detail;       /**< or NULL */
} BackendCheck;

/** Runs all checks; changes nothing. Never NULL; frees its items. */
GPtrArray *backend_host_check(virConnectPtr conn, gboolean readonly);

G_END_DECLS
