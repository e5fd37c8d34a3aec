/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_shell_grammar.c: virsh's words, options and numbers
 *
 * What virsh makes of the same lines is checked against the real one in tests/golden.
 */
#include "config.h"

#include <glib.h>

#include "virsh-ext/lexer.h"
#include "virsh-ext/parse.h"

/* The tokens of @line: words in brackets, ';' for the end of a command, '!' and the error. */
static char *lex(const char *line)
{
    GString *out = g_string_new(NULL);
    VextLexer lx;

    vext_lexer_init(&lx, line);
    for (;;) {
        char *word = NULL;

        switch (vext_lexer_next(&lx, &word)) {
        case VEXT_TK_ARG:
            g_string_append_printf(out, "[%s]", word);
            free(word);
            break;
        case VEXT_TK_CMD_END:
            g_string_append_c(out, ';');
            break;
        case VEXT_TK_ERROR:
            g_string_append_printf(out, "!%s", lx.error);
            return g_string_free(out, FALSE);
        case VEXT_TK_END:
            return g_string_free(out, FALSE);
        }
    }
}

static void test_lexer(void)
{
    static const char *const cases[][2] = {
        {"", ""},
        {" \t ", ""},
        {"a b", "[a][b]"},
        {"a\tb", "[a][b]"},
        {"a;b", "[a];[b]"},
        {"a\nb", "[a];[b]"},
        {";;", ";;"},
        {"# c", ";"},
        {"a # c\nb", "[a];[b]"},
        {"a#b", "[a#b]"},
        {"'a b'", "[a b]"},
        {"\"a b\"", "[a b]"},
        {"a'b'\"c\"d", "[abcd]"},
        {"''", "[]"},
        {"'' \"\"", "[][]"},
        {"'a\\b'", "[a\\b]"},
        {"\"a\\\"b\"", "[a\"b]"},
        {"a\\ b", "[a b]"},
        {"a\\;b", "[a;b]"},
        {"a\\\nb", "[ab]"},
        {"a \\\n b", "[a][b]"},
        {"'a;b", "[a;b]"},
        {"\"a", "!missing \""},
        {"a b\\", "[a]!dangling \\"},
        {"\"a\\", "!dangling \\"},
        {"'\"'", "[\"]"},
        {"\"'\"", "[']"},
        {"a 'b\nc'", "[a][b\nc]"},
        {"\\#a", "[#a]"},
        {"\xff\xfe", "[\xff\xfe]"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *got = lex(cases[i][0]);

        g_assert_cmpstr(got, ==, cases[i][1]);
    }
}

static void test_words_are_not_lexed(void)
{
    char *words[] = {(char *)"a;b", (char *)"'c", (char *)"#", NULL};
    VextLexer lx;
    char *word;

    vext_lexer_init_words(&lx, words, 3);
    for (int i = 0; i < 3; i++) {
        g_assert_cmpint(vext_lexer_next(&lx, &word), ==, VEXT_TK_ARG);
        g_assert_cmpstr(word, ==, words[i]);
        free(word);
    }
    g_assert_cmpint(vext_lexer_next(&lx, &word), ==, VEXT_TK_END);
}

static void test_quote_comes_back(void)
{
    static const char *const words[] = {"", "a", "a b", "it's", "'", "''", "\\", "\"", "a;b#c\n"};

    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        char *quoted = vext_lexer_quote(words[i]);
        g_autofree char *got = lex(quoted);
        g_autofree char *expected = g_strdup_printf("[%s]", words[i]);

        g_assert_cmpstr(got, ==, expected);
        free(quoted);
    }
}

static int handler(VextHost *host, const VextCmd *cmd)
{
    return VEXT_OK;
}

static const VextOptDef opts[] = {
    {"domain", VEXT_OPT_STRING, VEXT_OPT_REQUIRED | VEXT_OPT_POSITIONAL, "d", NULL},
    {"name", VEXT_OPT_STRING, VEXT_OPT_POSITIONAL, "n", NULL},
    {"flag", VEXT_OPT_BOOL, 0, "f", NULL},
    {"other", VEXT_OPT_BOOL, 0, "o", NULL},
    {"mode", VEXT_OPT_STRING, VEXT_OPT_EMPTY_OK, "m", NULL},
    {"size", VEXT_OPT_NUMBER, 0, "s", NULL},
    {"rest", VEXT_OPT_ARGV, 0, "r", NULL},
    {NULL, 0, 0, NULL, NULL},
};
static const VextOptPair exclusive[] = {{"flag", "other"}, {NULL, NULL}};
static const VextOptPair requires_[] = {{"size", "mode"}, {NULL, NULL}};
static const VextCmdDef def = {
    .name = "cmd", .handler = handler, .opts = opts, .exclusive = exclusive,
    .requires_ = requires_, .summary = "s", .description = "d",
};

static void collect(void *opaque, const char *message)
{
    g_string_append_printf(opaque, "%s\n", message);
}

/* What the line behind the name becomes: "option=value" words, "help", or the messages. */
static char *parse(const char *line, bool run)
{
    GString *out = g_string_new(NULL);
    VextLexer lx;
    VextToken end;
    VextCmd *cmd;

    vext_lexer_init(&lx, line);
    cmd = vext_cmd_parse(&def, "cmd", &lx, &end, collect, out);
    if (cmd && (!run || vext_cmd_check_run(cmd, collect, out))) {
        for (size_t i = 0; i < cmd->nopts; i++)
            g_string_append_printf(out, "%s=%s ", cmd->opts[i].def->name,
                                   cmd->opts[i].value ? cmd->opts[i].value : "yes");
        if (cmd->help)
            g_string_append(out, "help");
    }
    vext_cmd_free(cmd);
    return g_strchomp(g_string_free(out, FALSE));
}

static void test_options(void)
{
    static const char *const cases[][2] = {
        {"d", "domain=d"},
        {"--domain d", "domain=d"},
        {"--domain=d", "domain=d"},
        {"--domain= ", "domain="},
        {"--domain=a=b", "domain=a=b"},
        {"d n r1 r2", "domain=d name=n rest=r1 rest=r2"},
        {"--name n d r", "name=n domain=d rest=r"},
        {"d --flag n", "domain=d flag=yes name=n"},
        {"-- --flag", "domain=--flag"},
        {"d -- -- x", "domain=d name=-- rest=x"},
        {"-a", "domain=-a"},
        {"--", "command 'cmd' requires <domain> option"},
        {"---x", "domain=---x"},
        {"d --rest a --rest b", "domain=d rest=a rest=b"},
        {"", "command 'cmd' requires <domain> option"},
        {"--help", "help"},
        {"d --help --flag", "domain=d flag=yes help"},
        {"--help=x", "invalid '=' after option --help"},
        {"d --flag=x", "invalid '=' after option --flag"},
        {"d --bogus", "command 'cmd' doesn't support option --bogus"},
        {"d --flag --flag", "option --flag already seen"},
        {"d --domain e", "option --domain already seen"},
        {"d --mode", "expected syntax: --mode <string>"},
        {"d --size", "expected syntax: --size <number>"},
        {"d --mode ; x", "expected syntax: --mode <string>"},
        {"d --mode --flag", "domain=d mode=--flag"},
        {"d \"x", "missing \""},
        {"d --mode \"x", "missing \""},
        {"d; e", "domain=d"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *got = parse(cases[i][0], false);

        g_assert_cmpstr(got, ==, cases[i][1]);
    }
}

static void test_checks_before_it_runs(void)
{
    static const char *const cases[][2] = {
        {"d --flag", "domain=d flag=yes"},
        {"d --flag --other", "Options --flag and --other are mutually exclusive"},
        {"d --size 1", "Option --mode is required by option --size"},
        {"d --size 1 --mode ''", "domain=d size=1 mode="},
        {"''", "Failed to get option 'domain': Option argument is empty"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *got = parse(cases[i][0], true);

        g_assert_cmpstr(got, ==, cases[i][1]);
    }
}

static void test_argv(void)
{
    VextLexer lx;
    VextToken end;
    VextCmd *cmd;

    vext_lexer_init(&lx, "d n a b; next");
    cmd = vext_cmd_parse(&def, "cmd", &lx, &end, NULL, NULL);
    g_assert_cmpint(end, ==, VEXT_TK_CMD_END);
    g_assert_cmpstr(lx.pos, ==, " next");
    g_assert_cmpstr(cmd->argv[0], ==, "a");
    g_assert_cmpstr(cmd->argv[1], ==, "b");
    g_assert_null(cmd->argv[2]);
    vext_cmd_free(cmd);
}

static void test_partial(void)
{
    char *words[] = {(char *)"d", (char *)"--bogus", (char *)"--mode", NULL};
    const VextOptDef *pending;
    bool data_only;
    VextCmd *cmd = vext_cmd_parse_partial(&def, words, 3, &pending, &data_only);

    g_assert_cmpstr(pending->name, ==, "mode");
    g_assert_cmpstr(vext_cmd_opt(cmd, "domain")->value, ==, "d");
    g_assert_cmpstr(vext_cmd_next_positional(cmd)->name, ==, "name");
    vext_cmd_free(cmd);

    cmd = vext_cmd_parse_partial(&def, words, 1, &pending, &data_only);
    g_assert_null(pending);
    g_assert_false(data_only);
    vext_cmd_free(cmd);
}

static void test_numbers(void)
{
    unsigned long long n = 7;

    g_assert_true(vext_number_parse("10", 0, 100, &n));
    g_assert_cmpuint(n, ==, 10);
    g_assert_true(vext_number_parse("010", 0, 100, &n));
    g_assert_cmpuint(n, ==, 10);
    n = 7;
    for (const char *const *bad = (const char *const[]){"", "-1", "0x10", "1 ", "x", "101", "1.5",
                                                        "99999999999999999999", NULL};
         *bad; bad++)
        g_assert_false(vext_number_parse(*bad, 0, 100, &n));
    g_assert_false(vext_number_parse("0", 1, 100, &n));
    g_assert_cmpuint(n, ==, 7);
}

static void test_scaled_numbers(void)
{
    static const struct {
        const char *text;
        unsigned long long expected;
    } good[] = {
        {"0", 0},           {"3", 3072},           {"3b", 3},          {"3B", 3},
        {"3byte", 3},       {"3Bytes", 3},         {"3k", 3072},       {"3K", 3072},
        {"3KiB", 3072},     {"3kib", 3072},        {"3KB", 3000},      {"3MB", 3000000},
        {"2G", 2147483648}, {"2gb", 2000000000},   {"1T", 1ULL << 40}, {"1PiB", 1ULL << 50},
        {"1E", 1ULL << 60}, {"15e", 15ULL << 60},
    };
    static const char *const bad[] = {"", "-1", "1.5G", "1 G", "1x", "1KiBs", "1Ki", "16e", "k"};
    unsigned long long n = 7;

    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        g_assert_true(vext_scaled_parse(good[i].text, 1024, G_MAXUINT64, &n));
        g_assert_cmpuint(n, ==, good[i].expected);
    }
    n = 7;
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(vext_scaled_parse(bad[i], 1024, G_MAXUINT64, &n));
    g_assert_false(vext_scaled_parse("2k", 1, 2047, &n));
    g_assert_cmpuint(n, ==, 7);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/shell/lexer", test_lexer);
    g_test_add_func("/shell/words-are-not-lexed", test_words_are_not_lexed);
    g_test_add_func("/shell/quote-comes-back", test_quote_comes_back);
    g_test_add_func("/shell/options", test_options);
    g_test_add_func("/shell/checks-before-it-runs", test_checks_before_it_runs);
    g_test_add_func("/shell/argv", test_argv);
    g_test_add_func("/shell/partial", test_partial);
    g_test_add_func("/shell/numbers", test_numbers);
    g_test_add_func("/shell/scaled-numbers", test_scaled_numbers);
    return g_test_run();
}
