/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_journal.c: any text as a helper's XML, and any bytes in its journal
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>

#include "plugin/xml/secrets.h"
#include "tests/unit/payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse(const char *operation, const char *progress)
{
    g_autoptr(Journal) journal = journal_parse(operation, progress, NULL);
    g_autoptr(Journal) again = NULL;
    g_autofree char *once = NULL, *written = NULL;

    if (!journal)
        return;
    journal->owner = journal->owner ? journal->owner : g_strdup("owner");
    once = journal_operation_element(journal, NULL);
    written = journal_progress_element(journal);
    /* The XML of a snapshot in it need not be any, and then it is not written again. */
    again = once ? journal_parse(once, written, NULL) : NULL;
    if (once && !again)
        abort();
    if (again && again->snapshot_names->len != journal->snapshot_names->len)
        abort();
}

static void as_helper(const char *text)
{
    g_autofree char *operation = xml_domain_get_metadata(text, JOURNAL_NS_OPERATION, NULL);
    g_autofree char *progress = xml_domain_get_metadata(text, JOURNAL_NS_PROGRESS, NULL);
    g_autofree char *unreadable = NULL;

    chain_operation_free(journal_operation_from_xml(text, "vm1", FALSE, &unreadable));
    if (operation)
        parse(operation, progress);
    if (progress)
        g_free(journal_progress_owner(progress));
    journal_client_lives(text);
}

/* What is hidden comes back from where it was. */
static void as_secrets(const char *text)
{
    g_autofree char *hidden = xml_hide_secrets(text, NULL);
    g_autofree char *twice = hidden ? xml_hide_secrets(hidden, NULL) : NULL;
    g_autofree char *back = NULL;
    const char *from = text;

    if (!hidden)
        return;
    if (!twice || !g_str_equal(hidden, twice))
        abort();
    back = xml_restore_secrets(hidden, &from, 1, NULL, NULL);
    if (!back)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autofree char *raw = g_base64_encode(data, size);
    g_autofree char *bytes = operation_of_packed(raw);
    g_autofree char *packed = operation_of(data, size);

    parse(bytes, NULL);
    parse(packed, NULL);
    as_helper(text);
    as_secrets(text);
    return 0;
}
