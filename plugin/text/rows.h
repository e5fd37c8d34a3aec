/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rows.h: what tree, table and JSON say of an image: the columns as data
 *
 * Private to plugin/text. One table (text_columns) drives --columns, its help, the table's
 * cells and the members of the JSON objects.
 */
#pragma once

#include "plugin/text/chain-text.h"

G_BEGIN_DECLS

/** One image of one disk. */
typedef struct {
    ChainDisk *disk;
    ChainImage *image;
    gint depth; /**< 0 is the active image; -1: not in the active chain */
} TextRow;

typedef enum {
    TEXT_VALUE_STRING, /**< text; NULL is "none" */
    TEXT_VALUE_NUMBER, /**< number; CHAIN_UNKNOWN is "not known" or "not applicable" */
    TEXT_VALUE_SIZE,   /**< the same, in bytes */
    TEXT_VALUE_BOOL,   /**< number */
    TEXT_VALUE_LIST,   /**< list of text */
} TextValueType;

typedef struct {
    const char *text;  /**< borrowed */
    guint64 number;
    GPtrArray *list;   /**< const char *, owned by the value */
} TextValue;

typedef struct {
    const char *name;  /**< as in --columns and the header: upper case */
    const char *json;  /**< member of the image's object, or NULL: not in it */
    TextValueType type;
    gboolean path;     /**< may be shortened on a terminal; gets a "…_bytes" in JSON */
    const char *help;  /**< N_() */
    void (*get)(const TextRow *row, TextValue *value); /**< value is zeroed before */
} TextColumn;

/** Ends with a NULL name; the JSON members are in the contract's order. */
extern const TextColumn text_columns[];

/** The images of a disk as chain_disk_images() lists them. New array of TextRow. */
GArray *text_rows(ChainDisk *disk);

/** The disk's domain's snapshots whose state the image is: new array of ChainSnapshot *. */
GPtrArray *text_row_snapshots(const TextRow *row);

/** Names of other domains that use the image, each once: new array of const char *, borrowed. */
GPtrArray *text_row_users(const TextRow *row);

const char *text_row_role(const TextRow *row);

/** Whether only snapshots have it: it was taken out of the domain. */
gboolean text_disk_detached(const ChainDisk *disk);

/** Whether there may be an image below that the graph does not have. */
gboolean text_backing_unknown(const ChainImage *image);

/** Whether a disk is to be shown. */
gboolean text_disk_wanted(const ChainDisk *disk, const char *only);

/** Whether a finding is to be shown. */
gboolean text_finding_wanted(const ChainFinding *finding, const char *only);

/** "notice", "warning", "error": static. */
const char *text_severity_name(ChainSeverity severity);

G_END_DECLS
