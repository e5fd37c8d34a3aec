/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_text_parts.c: safe names, sizes, the terminal, columns, and how long big pictures take
 */
#include "config.h"

#include <gio/gio.h>
#include <locale.h>
#include <pty.h>
#include <unistd.h>

#include "plugin/text/chain-text.h"
#include "plugin/text/plan-text.h"
#include "tests/unit/graphs.h"

static const TextOptions utf8 = { .utf8 = TRUE };

static void test_safe(void)
{
    static const struct {
        const char *in, *utf8, *ascii;
    } table[] = {
        { "plain-1.0_x", "plain-1.0_x", "plain-1.0_x" },
        { "", "", "" },
        { NULL, "", "" },
        { "a b", "a b", "a b" },
        { "a\nb\tc\rd\ae\bf\vg\fh",
          "a\\nb\\tc\\rd\\ae\\bf\\vg\\fh", "a\\nb\\tc\\rd\\ae\\bf\\vg\\fh" },
        { "\033[31m", "\\x1b[31m", "\\x1b[31m" },
        { "\177\001", "\\x7f\\x01", "\\x7f\\x01" },
        { "a\\nb", "a\\\\nb", "a\\\\nb" }, /* not what a newline becomes */
        { "\303\251", "\303\251", "\\u00e9" },
        { "\360\237\220\247", "\360\237\220\247", "\\U0001f427" },
        { "\351", "\\xe9", "\\xe9" },
        { "\303", "\\xc3", "\\xc3" },               /* cut off */
        { "\300\200", "\\xc0\\x80", "\\xc0\\x80" }, /* overlong NUL */
        { "\355\240\200", "\\xed\\xa0\\x80", "\\xed\\xa0\\x80" }, /* surrogate */
        { "\342\200\256x", "\\u202ex", "\\u202ex" },  /* right to left */
        { "\342\201\246x", "\\u2066x", "\\u2066x" },  /* isolate */
        { "\342\200\213", "\\u200b", "\\u200b" },     /* zero width */
        { "\357\273\277", "\\ufeff", "\\ufeff" },     /* BOM */
        { "\302\240", "\\u00a0", "\\u00a0" },         /* another blank */
        { "\342\200\250", "\\u2028", "\\u2028" },     /* line separator */
        { "\302\233m", "\\u009bm", "\\u009bm" },      /* CSI in one byte */
        { "\356\200\200", "\\ue000", "\\ue000" },     /* private use */
        { "\343\205\244", "\\u3164", "\\u3164" },     /* a letter that is blank */
        { "\363\240\201\201", "\\U000e0041", "\\U000e0041" }, /* tag */
    };

    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autofree char *u = text_safe(table[i].in, TRUE);
        g_autofree char *a = text_safe(table[i].in, FALSE);

        g_assert_cmpstr(u, ==, table[i].utf8);
        g_assert_cmpstr(a, ==, table[i].ascii);
    }
}

/* Whatever the bytes: the output is printable, and no two inputs give the same. */
static void test_safe_any_bytes(void)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint a = 1; a < 256; a++) {
        for (guint b = 0; b < 256; b++) {
            const char in[] = { (char) a, (char) b, '\0' };
            g_autofree char *ascii = text_safe(in, FALSE);
            char *out = text_safe(in, TRUE);

            g_assert_true(g_utf8_validate(out, -1, NULL));
            for (const char *p = out; *p; p = g_utf8_next_char(p))
                g_assert_true(text_char_is_safe(g_utf8_get_char(p)));
            for (const char *p = ascii; *p; p++)
                g_assert_true(*p >= 0x20 && *p < 0x7f);
            g_assert_true(g_hash_table_add(seen, out));
        }
    }
}

static void test_name(void)
{
    static const struct {
        const char *in, *out;
    } table[] = {
        { "s1", "s1" },
        { "a/b:c@d.e-f+g", "a/b:c@d.e-f+g" },
        { "", "''" },
        { "two words", "'two words'" },
        { "a,b", "'a,b'" },
        { "x (current)", "'x (current)'" },
        { "it's", "'it\\'s'" },
        { "a\nb", "'a\\nb'" },
        { "* active", "'* active'" },
    };
    g_autofree char *listed = text_name("b\\s\t", TRUE);
    g_autofree char *bare = text_sentence_name("b\\s", TRUE);
    g_autofree char *quoted = text_sentence_name("b\\s\t", TRUE);

    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autofree char *out = text_name(table[i].in, TRUE);
        g_autofree char *told = text_sentence_name(table[i].in, TRUE);

        g_assert_cmpstr(out, ==, table[i].out);
        g_assert_cmpstr(told, ==, table[i].out);
    }
    g_assert_cmpstr(listed, ==, "'b\\\\s\\t'");
    g_assert_cmpstr(bare, ==, "b\\s");
    g_assert_cmpstr(quoted, ==, "'b\\s\\t'");
}

static void test_size(void)
{
    static const struct {
        guint64 size;
        const char *text;
    } table[] = {
        { 0, "0B" },
        { 1, "1B" },
        { 1023, "1023B" },
        { 1024, "1K" },
        { 1536, "1.5K" },
        { 196624, "192K" },
        { 1376256, "1.3M" },
        { 256 * MIB, "256M" },
        { 1024 * KIB - 1, "1M" },
        { GIB - 1, "1G" },
        { GIB + GIB / 2, "1.5G" },
        { 10 * GIB + 100 * MIB, "10.1G" },
        { 1024 * GIB, "1T" },
        { G_GUINT64_CONSTANT(1) << 60, "1E" },
        { CHAIN_UNKNOWN - 1, "16E" },
        { CHAIN_UNKNOWN, "?" },
    };
    g_autofree char *plain = text_size(1376256, TRUE);
    g_autofree char *unknown = text_size(CHAIN_UNKNOWN, TRUE);

    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autofree char *text = text_size(table[i].size, FALSE);

        g_assert_cmpstr(text, ==, table[i].text);
    }
    g_assert_cmpstr(plain, ==, "1376256");
    g_assert_cmpstr(unknown, ==, "?");
}

static void test_duration(void)
{
    static const struct {
        gint64 us;
        const char *text;
    } table[] = {
        { 0, "0.0 s" },
        { 450000, "0.4 s" },
        { 9999999, "9.9 s" },
        { 12 * G_USEC_PER_SEC, "12 s" },
        { 185 * G_USEC_PER_SEC, "3 min 5 s" },
        { G_GINT64_CONSTANT(7440) * G_USEC_PER_SEC, "2 h 4 min" },
        { -1, "?" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autofree char *text = text_duration(table[i].us);

        g_assert_cmpstr(text, ==, table[i].text);
    }
}

static void test_shorten(void)
{
    static const char *const texts[] = {
        "/var/lib/libvirt/images/a-rather-long-name.qcow2",
        "/img/\346\227\245\346\234\254\350\252\236\346\227\245\346\234\254\350\252\236.qcow2",
        "/img/e\314\201e\314\201e\314\201e\314\201e\314\201e\314\201e\314\201",
    };
    g_autofree char *same = text_shorten("/img/a", 6, TRUE);
    g_autofree char *cut = text_shorten(texts[0], 20, TRUE);
    g_autofree char *ascii = text_shorten(texts[0], 20, FALSE);

    g_assert_cmpstr(same, ==, "/img/a");
    g_assert_cmpstr(cut, ==, "/var/l\342\200\246ng-name.qcow2");
    g_assert_cmpstr(ascii, ==, "/var/...g-name.qcow2");
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        for (gsize width = 0; width < 60; width++) {
            g_autofree char *u = text_shorten(texts[i], width, TRUE);
            g_autofree char *a = text_shorten(texts[i], width, FALSE);

            g_assert_true(g_utf8_validate(u, -1, NULL));
            g_assert_cmpuint(text_width(u), <=, width);
            g_assert_cmpuint(text_width(a), <=, width);
        }
    }
}

/* @lines: separated by "|" */
static void wrapped(const char *text, gsize first, gsize width, const char *lines)
{
    g_autoptr(GPtrArray) found = text_wrap(text, first, width);
    g_autofree char *joined = NULL;

    g_ptr_array_add(found, NULL);
    joined = g_strjoinv("|", (char **) found->pdata);
    g_assert_cmpstr(joined, ==, lines);
}

static void test_wrap(void)
{
    wrapped("", 5, 5, "");
    wrapped("one", 3, 3, "one");
    wrapped("one two", 7, 7, "one two");
    wrapped("one two", 6, 6, "one|two");
    wrapped("one two", 3, 7, "one|two");
    wrapped("one two", 2, 7, "|one two");
    wrapped("one two", 0, 3, "|one|two");
    wrapped("a,b,c", 3, 3, "a,|b,c");
    wrapped("a,b,c", 4, 4, "a,b,|c");
    wrapped("abcdefgh", 3, 3, "abc|def|gh");
    wrapped("abcdefgh", 1, 3, "|abc|def|gh");
    wrapped("a bcdefgh", 3, 3, "a|bcd|efg|h");
    wrapped(" x", 1, 1, "|x");
    /* two columns each */
    wrapped("\346\227\245\346\234\254", 3, 3, "\346\227\245|\346\234\254");
    wrapped("\346\227\245\346\234\254", 1, 1, "\346\227\245|\346\234\254");
}

static void test_terminal(void)
{
    struct winsize size = { .ws_row = 20, .ws_col = 77 };
    int pipes[2], master, slave;
    TextOptions options;

    g_setenv("TERM", "xterm", TRUE);
    g_unsetenv("NO_COLOR");
    g_assert_cmpint(pipe(pipes), ==, 0);
    options = text_terminal_options(pipes[1]);
    g_assert_cmpuint(options.width, ==, 0);
    g_assert_false(options.colour);
    g_assert_true(options.utf8);

    g_assert_cmpint(openpty(&master, &slave, NULL, NULL, &size), ==, 0);
    options = text_terminal_options(slave);
    g_assert_cmpuint(options.width, ==, 77);
    g_assert_true(options.colour);
    g_setenv("NO_COLOR", "1", TRUE);
    g_assert_false(text_terminal_options(slave).colour);
    g_setenv("NO_COLOR", "", TRUE); /* empty is not set: no-color.org */
    g_assert_true(text_terminal_options(slave).colour);
    g_setenv("TERM", "dumb", TRUE);
    g_assert_false(text_terminal_options(slave).colour);
    g_unsetenv("TERM");
    g_assert_false(text_terminal_options(slave).colour);

    setlocale(LC_CTYPE, "C");
    g_assert_false(text_terminal_options(slave).utf8);
    setlocale(LC_CTYPE, "C.UTF-8");
    close(pipes[0]);
    close(pipes[1]);
    close(master);
    close(slave);
}

/* --- columns and choices ---------------------------------------------------------------------- */

static ChainGraph *two_disks(void)
{
    ChainGraph *graph = chain_graph_new();
    ChainDomain *d = graph_domain(graph, "vm1", FALSE);

    graph_disk(d, "vda", graph_image(graph, "/img/a", NULL, 1 * MIB));
    graph_disk(d, "vdb", graph_image(graph, "/img/b", NULL, 2 * MIB));
    chain_graph_link(graph);
    return graph;
}

static char *table(const char *columns, const char *disk, gboolean quiet, GError **error)
{
    g_autoptr(ChainGraph) graph = two_disks();
    TextOptions options = { .utf8 = TRUE, .quiet = quiet };
    TextDomain td;
    char *text;

    text_domain_init(&td, graph, g_ptr_array_index(graph->domains, 0));
    text = text_chain_table(&td, 1, disk, columns, &options, error);
    text_domain_clear(&td);
    return text;
}

static void test_columns(void)
{
    g_autofree char *some = table("path,Used_By,virtual-size", NULL, FALSE, NULL);
    g_autofree char *quiet = table("path", NULL, TRUE, NULL);
    g_autofree char *one = table("disk,path", "vdb", FALSE, NULL);
    g_autofree char *more = table("+domain,path", "vda", FALSE, NULL);

    g_assert_cmpstr(some, ==, "PATH   USED-BY VIRTUAL-SIZE\n"
                              "/img/a -               256M\n"
                              "/img/b -               256M\n");
    g_assert_cmpstr(quiet, ==, "/img/a\n/img/b\n");
    g_assert_cmpstr(one, ==, "DISK PATH\nvdb  /img/b\n");
    g_assert_cmpstr(more, ==,
                    "DISK DEPTH PATH   FORMAT ALLOCATION ROLE   SNAPSHOTS USED-BY DOMAIN\n"
                    "vda      0 /img/a qcow2          1M active -         -       vm1\n");
}

static void test_unknown_column(void)
{
    static const char *const wrong[] = { "path,b\033ad", "", "path,", "+", "PATHS", "PAT" };
    g_autoptr(GError) error = NULL;

    g_assert_null(table(wrong[0], NULL, FALSE, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
    g_assert_true(g_str_has_prefix(error->message,
                                   "Unknown column 'b\\x1bad', known are: DOMAIN, "));
    for (gsize i = 1; i < G_N_ELEMENTS(wrong); i++) {
        g_clear_error(&error);
        g_assert_null(table(wrong[i], NULL, FALSE, &error));
        g_assert_nonnull(error);
    }
}

/* Every column has a name that can be asked for, a help, and a cell. */
static void test_all_columns(void)
{
    const char *const *names = text_chain_column_names();
    g_autofree char *help = text_chain_column_help();
    g_autofree char *list = g_strjoinv(",", (char **) names);
    g_autofree char *text = table(list, NULL, FALSE, NULL);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_auto(GStrv) helps = g_strsplit(help, "\n", -1);

    g_assert_cmpuint(g_strv_length(lines), ==, 4);
    g_assert_cmpuint(g_strv_length(helps), ==, g_strv_length((char **) names) + 1);
    for (gsize i = 0; names[i]; i++) {
        g_assert_nonnull(strstr(lines[0], names[i]));
        g_assert_true(g_str_has_prefix(helps[i], names[i]));
        g_assert_cmpuint(strlen(helps[i]), >, strlen(names[i]) + 6);
    }
}

static void test_chosen_disk(void)
{
    g_autoptr(ChainGraph) graph = two_disks();
    TextDomain td;
    g_autofree char *tree = NULL;
    g_autofree char *json = NULL;

    text_domain_init(&td, graph, g_ptr_array_index(graph->domains, 0));
    tree = text_chain_tree(&td, 1, "vdb", &utf8);
    json = text_chain_json(&td, 1, "vdb", FALSE);
    g_assert_cmpstr(tree, ==, "vm1: shut off, no snapshots\n\nvdb: 256M\n"
                              "  * /img/b  qcow2  2M  * active (you are here)\n");
    g_assert_null(strstr(json, "vda"));
    g_assert_nonnull(strstr(json, "/img/b"));
    text_domain_clear(&td);
}

static void test_many_users(void)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    ChainImage *base = graph_image(graph, "/img/base", NULL, 1 * MIB);
    TextDomain td;
    g_autofree char *tree = NULL;

    for (guint i = 0; i < 300; i++) {
        g_autofree char *name = g_strdup_printf("vm%u", i);
        g_autofree char *path = g_strdup_printf("/img/%s", name);
        ChainDomain *d = graph_domain(graph, name, FALSE);

        graph_disk(d, "vda", graph_image(graph, path, base, 1 * MIB));
    }
    chain_graph_link(graph);
    td = (TextDomain) { g_ptr_array_index(graph->domains, 0), NULL };
    tree = text_chain_tree(&td, 1, NULL, &utf8);
    g_assert_nonnull(strstr(tree, "used by vm1, vm2, vm3 and 296 other domains\n"));
}

/* --- big -------------------------------------------------------------------------------------- */

/* 2000 snapshots and 10000 images on one disk; @comb: each layer has four branches, otherwise
 * one straight chain. */
static ChainGraph *big(gboolean comb)
{
    ChainGraph *graph = chain_graph_new();
    ChainDomain *d = graph_domain(graph, "big", FALSE);
    ChainImage *image = graph_image(graph, "/img/0", NULL, 1 * MIB);
    g_autofree char *parent = NULL;

    for (guint i = 1; i < 10000; i++) {
        g_autofree char *path = g_strdup_printf("/img/%u", i);
        gboolean trunk = !comb || i % 5 == 0;
        ChainImage *next = graph_image(graph, path, image, i * KIB);

        if (i % 5 == 0) {
            char *name = g_strdup_printf("s%u", i);

            graph_freeze(graph_snapshot(d, name, parent), "vda", image, next);
            g_free(parent);
            parent = name;
        }
        if (trunk)
            image = next;
    }
    graph_disk(d, "vda", image);
    chain_graph_link(graph);
    return graph;
}

static void test_big(gconstpointer comb)
{
    g_autoptr(ChainGraph) graph = big(GPOINTER_TO_INT(comb));
    TextOptions terminal = { .utf8 = TRUE, .width = 100, .colour = TRUE };
    TextDomain td = { g_ptr_array_index(graph->domains, 0), NULL };
    gint64 start = g_get_monotonic_time();
    g_autofree char *tree = text_chain_tree(&td, 1, NULL, &terminal);
    gint64 treed = g_get_monotonic_time();
    g_autofree char *table_text = text_chain_table(&td, 1, NULL, NULL, &terminal, NULL);
    gint64 tabled = g_get_monotonic_time();
    g_autofree char *json = text_chain_json(&td, 1, NULL, FALSE);
    gint64 jsoned = g_get_monotonic_time();

    g_test_message("tree %" G_GINT64_FORMAT " ms, table %" G_GINT64_FORMAT " ms, JSON %"
                   G_GINT64_FORMAT " ms", (treed - start) / 1000, (tabled - treed) / 1000,
                   (jsoned - tabled) / 1000);
    g_assert_nonnull(strstr(tree, "snapshot s9995"));
    g_assert_nonnull(strstr(table_text, "s9995"));
    g_assert_nonnull(strstr(json, "\"/img/9999\""));
    /* far more than it takes, far less than anything quadratic; valgrind is slower */
    if (!g_getenv("VEXT_WRAPPER"))
        g_assert_cmpint(jsoned - start, <, 5 * G_USEC_PER_SEC);
}

int main(int argc, char **argv)
{
    /* smartcols measures by the locale */
    setlocale(LC_CTYPE, "C.UTF-8");
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/text/safe", test_safe);
    g_test_add_func("/text/safe/any-bytes", test_safe_any_bytes);
    g_test_add_func("/text/name", test_name);
    g_test_add_func("/text/size", test_size);
    g_test_add_func("/text/duration", test_duration);
    g_test_add_func("/text/shorten", test_shorten);
    g_test_add_func("/text/wrap", test_wrap);
    g_test_add_func("/text/terminal", test_terminal);
    g_test_add_func("/text/columns", test_columns);
    g_test_add_func("/text/columns/unknown", test_unknown_column);
    g_test_add_func("/text/columns/all", test_all_columns);
    g_test_add_func("/text/chosen-disk", test_chosen_disk);
    g_test_add_func("/text/many-users", test_many_users);
    g_test_add_data_func("/text/big/chain", GINT_TO_POINTER(FALSE), test_big);
    g_test_add_data_func("/text/big/comb", GINT_TO_POINTER(TRUE), test_big);
    return g_test_run();
}
