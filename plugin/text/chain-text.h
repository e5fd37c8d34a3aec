/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * chain-text.h: the model as a picture, a table and JSON
 *
 * Pure: all of it returns text, nothing prints. The graph must be linked.
 *
 *      options = text_terminal_options(STDOUT_FILENO)
 *      text_domain_init(&td, graph, domain)          runs chain_graph_check()
 *      text_chain_tree(&td, 1, disk, &options)       the picture and the findings below it
 *      text_domain_clear(&td)
 *
 *      vm1: running, current snapshot s2
 *
 *      vda: 256M, in /img
 *        ● vm1.qcow2    qcow2  1.3M  snapshot s1
 *        ├─● vm1.b      qcow2  193K  snapshot s3             a branch
 *        │ ● vm1.c      qcow2  193K  no snapshot             stands on vm1.b
 *        ● vm1.s1       qcow2  193K  snapshot s2 (current)   stands on vm1.qcow2
 *        * vm1.s2       qcow2    4M  * active (you are here)
 *
 * A line stands on the nearest line above it in its own column, or, at a "├─" or "└─", on the
 * image where that branches off. So only branches indent and 200 layers are one straight line;
 * where the active chain is, it is the leftmost line.
 */
#pragma once

#include "plugin/model/chain.h"
#include "plugin/text/safe.h"

G_BEGIN_DECLS

/** A domain to be shown. */
typedef struct {
    ChainDomain *domain;  /**< borrowed */
    GPtrArray *findings;  /**< ChainFinding *, owned; may be NULL: none */
    GPtrArray *unknown;   /**< ChainUnknown *, borrowed; may be NULL: none */
} TextDomain;

/** Fills @td with @d, chain_graph_check()'s findings and chain_graph_unknowns(). */
void text_domain_init(TextDomain *td, ChainGraph *graph, ChainDomain *d);
void text_domain_clear(TextDomain *td);

/**
 * Pictures of domains, a tree per disk, findings below each.
 *
 * @disk: only this target, or NULL for all; that it exists is the caller's to check
 * Returns: new text that ends with a newline
 */
char *text_chain_tree(const TextDomain *domains, gsize n, const char *disk,
                      const TextOptions *options);

/**
 * Only the findings, each with its remedy (--check). With several domains, or with
 * options->several, each is named.
 * Returns: new text; empty if there is none
 */
char *text_chain_findings(const TextDomain *domains, gsize n, const char *disk,
                          const TextOptions *options);

/**
 * What a reader who sees no JSON has to be told about what is not known, each thing once however
 * many domains there are. What images stand on is not in it: tree and table show that.
 * Returns: new array of const char *, borrowed
 */
GPtrArray *text_chain_warnings(const TextDomain *domains, gsize n);

/** How many findings text_chain_findings() prints. */
gsize text_chain_count_findings(const TextDomain *domains, gsize n, const char *disk);

/**
 * A line per image (--table).
 *
 * @columns: names separated by commas, any case; a leading "+" adds to the default ones;
 *           NULL: the default ones (with the domain first if @n is not 1 or with
 *           options->several)
 * Returns: new text, or NULL with an error that names the unknown column and the known ones
 *          (G_IO_ERROR_INVALID_ARGUMENT)
 */
char *text_chain_table(const TextDomain *domains, gsize n, const char *disk,
                       const char *columns, const TextOptions *options, GError **error);

/** Names of the table's columns, static, NULL-terminated: for completion. */
const char *const *text_chain_column_names(void);

/** A line per column, "NAME  what it is" (translated): for --help and the manual. New text. */
char *text_chain_column_help(void);

/**
 * The contract's JSON object, or an array of them.
 *
 * Always valid UTF-8: bytes of a path that are not UTF-8 become U+FFFD and the path is repeated,
 * exact, as base64 in "path_bytes" ("active_bytes", "backing_bytes", "image_bytes").
 * docs/chain-show.schema.json describes it.
 *
 * @array: --all: an array, also of one or none; otherwise @n must be 1
 * Returns: new text that ends with a newline
 */
char *text_chain_json(const TextDomain *domains, gsize n, const char *disk, gboolean array);

G_END_DECLS
