/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * check-private.h: what the files that look for what is wrong share
 */
#pragma once

#include "plugin/model/chain.h"

G_BEGIN_DECLS

typedef struct {
    ChainGraph *graph;
    ChainDomain *domain;
    GPtrArray *findings;
    GHashTable *lost;       /**< ChainSnapshotDisk * whose state was called lost already */
    GHashTable *quiet;      /**< ChainImage * that nobody writes, nor what they stand on */
} Check;

/** @target: of the disk, or NULL. Takes @message and @remedy. */
ChainFinding *check_add(Check *c, const char *code, ChainSeverity severity,
                        const char *target, ChainImage *image, char *message, char *remedy);

/** @format with one %s for @command, which is taken. */
#define check_remedy(format, command) \
    ({ \
        g_autofree char *command_ = (command); \
        g_strdup_printf(format, command_); \
    })

/** Whether a snapshot of @d has its state in @image. */
gboolean check_frozen_in(const ChainImage *image, const ChainDomain *d);

/** What is wrong with the snapshots of the domain. */
void check_snapshots(Check *c);

G_END_DECLS
