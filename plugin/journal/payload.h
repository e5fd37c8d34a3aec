/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * payload.h: the two elements of a journal in the helper's <metadata>
 *
 *      <operation xmlns=… format='1' id=… domain=… command=… started=…>
 *        <snapshot>s1</snapshot>               for people and chain-show
 *        <payload>base64(zlib(JSON))</payload>   plan, XML of domain and snapshots
 *      </operation>
 *      <progress xmlns=… owner=… client='process N on HOST' process='…' step='3' furthest='3'
 *                action=… committing='no' updating='no' suspended='no'/>
 *
 * Everybody with a read-only connection can read it: secrets are taken out (xml/secrets.h).
 *
 * The text is hostile when it is read: sizes, counts and types are checked.
 */
#pragma once

#include "plugin/journal/journal.h"

G_BEGIN_DECLS

#define JOURNAL_OPERATION_PREFIX "vext-operation"
#define JOURNAL_PROGRESS_PREFIX "vext-progress"

/** New text, NULL with @error. */
char *journal_operation_element(const Journal *journal, GError **error);
/** New text; names this process as the holder. */
char *journal_progress_element(const Journal *journal);
/** The token in a progress element, new string or NULL. */
char *journal_progress_owner(const char *progress);
/** @progress: NULL when it is not wanted. helper_name and helper_uuid are left to the caller. */
Journal *journal_parse(const char *operation, const char *progress, GError **error);
/** The same from the XML of @domain's helper. */
Journal *journal_parse_helper(const char *helper_xml, const char *domain, GError **error);

/** "process 617 on HOST" for this process, for people. New string. */
char *journal_client_describe(void);
/** What identifies this process for others on this machine. New string. */
char *journal_client_token(void);
/** 1: that process lives; 0: it is dead; -1: it is not of this machine, cannot be told. */
int journal_client_lives(const char *token);

G_END_DECLS
