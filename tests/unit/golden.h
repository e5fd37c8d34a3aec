/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * golden.h: comparing text with files in tests/golden/text; VEXT_REGENERATE=1 writes them
 */
#pragma once

#include <glib.h>
#include <string.h>

static inline void compare_golden(const char *name, const char *text)
{
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "golden", "text", name, NULL);
    g_autofree char *expected = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_nonnull(text);
    if (g_getenv("VEXT_REGENERATE")) {
        g_file_set_contents(path, text, -1, &error);
        g_assert_no_error(error);
        return;
    }
    g_file_get_contents(path, &expected, NULL, &error);
    g_assert_no_error(error);
    if (strcmp(text, expected) != 0)
        g_test_message("%s should be:\n%sbut is:\n%s", name, expected, text);
    g_assert_cmpstr(text, ==, expected);
}
