/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * host-private.h: what the files of host-check's checks share
 */
#pragma once

#include "plugin/backend/host.h"

G_BEGIN_DECLS

/** Adds a check. @code, @title: static. Takes @detail, NULL for none. */
void host_add_check(GPtrArray *checks, const char *code, const char *title,
                    BackendCheckLevel level, char *detail_take);

/** Adds what there is to say of the directories that merges and new overlays write into: pools
 *  over them, and, where they are here, their space and whether they can be written. */
void host_check_directories(GPtrArray *checks, virConnectPtr conn);

G_END_DECLS
