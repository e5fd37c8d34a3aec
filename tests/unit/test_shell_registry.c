/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_shell_registry.c: tables that check themselves, manifests, the division of lines
 */
#include "config.h"

#include <glib.h>

#include "virsh-ext/batch.h"
#include "virsh-ext/cmd.h"
#include "virsh-ext/complete.h"

static int handler(VextHost *host, const VextCmd *cmd)
{
    return VEXT_OK;
}

static bool claims(VextHost *host, const VextCmd *cmd)
{
    return true;
}

static char **complete_colour(VextHost *host, const VextCmd *cmd, const char *prefix)
{
    char **v = calloc(3, sizeof(*v));

    v[0] = strdup("red");
    v[1] = strdup("green");
    return v;
}

#define BOOLEAN(name) {name, VEXT_OPT_BOOL, 0, "help", NULL}
#define STRING(name, flags) {name, VEXT_OPT_STRING, flags, "help", NULL}
#define END {NULL, 0, 0, NULL, NULL}

static const VextOptDef good_opts[] = {
    STRING("domain", VEXT_OPT_REQUIRED | VEXT_OPT_POSITIONAL),
    {"colour", VEXT_OPT_STRING, VEXT_OPT_POSITIONAL, "help", complete_colour},
    BOOLEAN("flag"),
    END,
};

static VextCmdDef good(void)
{
    return (VextCmdDef){.name = "paint", .handler = handler, .opts = good_opts,
                        .summary = "paint it", .description = "Paints it."};
}

static void expect_problem(const VextCmdDef *def, const char *part)
{
    char *problem = vext_cmddef_check(def);

    g_assert_nonnull(problem);
    if (!strstr(problem, part))
        g_error("'%s' is not in '%s'", part, problem);
    free(problem);
}

static void expect_bad_options(const VextOptDef *opts, const char *part)
{
    VextCmdDef def = good();

    def.opts = opts;
    expect_problem(&def, part);
}

static void test_good_table(void)
{
    VextCmdDef def = good();

    g_assert_null(vext_cmddef_check(&def));
    def.opts = NULL;
    g_assert_null(vext_cmddef_check(&def));
}

static void test_bad_commands(void)
{
    static const VextOptPair pairs[] = {{"flag", "absent"}, {NULL, NULL}};
    VextCmdDef def = good();

    def.name = "Paint";
    expect_problem(&def, "bad name");
    def.name = "list";
    expect_problem(&def, "virsh's");
    def = good();
    def.handler = NULL;
    expect_problem(&def, "no handler");
    def = good();
    def.summary = "two\nlines";
    expect_problem(&def, "no summary");
    def = good();
    def.description = "";
    expect_problem(&def, "no description");
    def = good();
    def.claims = claims;
    expect_problem(&def, "takes over");
    def.takes_over = "list";
    g_assert_null(vext_cmddef_check(&def));
    def = good();
    def.exclusive = pairs;
    expect_problem(&def, "relates");
    def = good();
    def.requires_ = pairs;
    expect_problem(&def, "relates");
}

static void test_bad_options(void)
{
    static const VextOptDef bad_name[] = {BOOLEAN("Flag"), END};
    static const VextOptDef help[] = {BOOLEAN("help"), END};
    static const VextOptDef twice[] = {BOOLEAN("a"), BOOLEAN("b"), BOOLEAN("a"), END};
    static const VextOptDef no_help[] = {{"a", VEXT_OPT_BOOL, 0, NULL, NULL}, END};
    static const VextOptDef bool_flags[] = {{"a", VEXT_OPT_BOOL, VEXT_OPT_REQUIRED, "h", NULL},
                                            END};
    static const VextOptDef late[] = {BOOLEAN("a"), STRING("b", VEXT_OPT_REQUIRED), END};
    static const VextOptDef argv[] = {{"a", VEXT_OPT_ARGV, 0, "h", NULL}, BOOLEAN("b"), END};
    static const VextOptDef type[] = {{"a", (VextOptType)9, 0, "h", NULL}, END};
    static const VextOptDef flag[] = {STRING("a", 1U << 9), END};
    VextOptDef many[VEXT_MAX_OPTS + 2];
    char names[VEXT_MAX_OPTS + 1][8];

    expect_bad_options(bad_name, "bad name");
    expect_bad_options(help, "bad name");
    expect_bad_options(twice, "twice");
    expect_bad_options(no_help, "no help");
    expect_bad_options(bool_flags, "boolean");
    expect_bad_options(late, "must stand before");
    expect_bad_options(argv, "last");
    expect_bad_options(type, "unknown type");
    expect_bad_options(flag, "unknown type");
    for (size_t i = 0; i <= VEXT_MAX_OPTS; i++) {
        g_snprintf(names[i], sizeof(names[i]), "o%zu", i);
        many[i] = (VextOptDef)BOOLEAN(names[i]);
    }
    many[VEXT_MAX_OPTS + 1] = (VextOptDef)END;
    expect_bad_options(many, "too many");
}

static VextCmdDef commands[3];
static VextPlugin plugin = {
    .size = sizeof(VextPlugin), .api = VEXT_PLUGIN_API, .name = "paint", .version = "1",
    .group_name = "Painting", .group_keyword = "painting", .commands = commands,
};

static void expect_bad_plugin(const VextPlugin *bad, const char *part)
{
    char *problem = vext_plugin_check(bad);

    g_assert_nonnull(problem);
    if (!strstr(problem, part))
        g_error("'%s' is not in '%s'", part, problem);
    free(problem);
}

static void test_plugins(void)
{
    VextPlugin bad = plugin;

    commands[0] = good();
    commands[1] = good();
    expect_bad_plugin(&plugin, "twice");
    commands[1].name = "spray";
    g_assert_null(vext_plugin_check(&plugin));
    bad.api++;
    expect_bad_plugin(&bad, "interface 2");
    bad = plugin;
    bad.size--;
    expect_bad_plugin(&bad, "interface 1");
    bad = plugin;
    bad.group_keyword = "Two words";
    expect_bad_plugin(&bad, "description");
    bad = plugin;
    bad.commands = NULL;
    expect_bad_plugin(&bad, "description");
}

static void session_begin(VextSession *s)
{
    static char *argv[] = {(char *)"virsh-ext", NULL};

    memset(s, 0, sizeof(*s));
    vext_session_init(s, 1, argv);
    commands[0] = good();
    commands[1] = good();
    commands[1].name = "spray";
    commands[1].takes_over = "list";
    commands[1].claims = claims;
    vext_registry_add(&s->registry, &plugin);
}

static void session_end(VextSession *s)
{
    free(s->registry.modules[0].path);
    free(s->registry.modules);
    vext_session_end(s);
}

static void test_find(void)
{
    size_t i = 0;
    VextSession s;

    session_begin(&s);
    g_assert_true(vext_registry_find(&s, "paint") == &commands[0]);
    g_assert_null(vext_registry_find(&s, "list"));
    g_assert_true(vext_registry_find_takeover(&s, "list") == &commands[1]);
    g_assert_null(vext_registry_find_takeover(&s, "paint"));
    g_assert_true(vext_registry_find_group(&s, "painting") == &plugin);
    g_assert_true(vext_registry_find_group(&s, "Painting") == &plugin);
    g_assert_null(vext_registry_find_group(&s, "paint"));
    g_assert_true(vext_registry_any(&s));
    g_assert_true(vext_registry_plugin(&s, &i) == &plugin);
    g_assert_null(vext_registry_plugin(&s, &i));
    session_end(&s);
}

static void test_manifest(void)
{
    char *text;

    commands[0] = good();
    commands[1] = good();
    commands[1].name = "spray";
    commands[1].takes_over = "list";
    commands[1].claims = claims;
    text = vext_manifest_text(&plugin);
    g_assert_cmpstr(text, ==, "group painting Painting\n"
                                "paint\tpaint it\nspray takes-over list\tpaint it\n");
    free(text);
}

/* A letter for each segment with its text or words: "S(list; dominfo x) O(paint)". */
static char *divide(VextSession *s, const char *line)
{
    GString *out = g_string_new(NULL);
    VextBatch *b = vext_batch_parse(s, line);

    for (size_t i = 0; i < b->n; i++) {
        const VextSegment *seg = &b->segs[i];

        g_string_append_printf(out, "%c(%s)%s%s ", "SOTHCT"[seg->kind],
                               seg->text ? seg->text : seg->cmd->name, seg->quits ? "q" : "",
                               seg->connects ? seg->uri : "");
    }
    for (size_t i = 0; i < b->errors.n; i++)
        g_string_append_printf(out, "!%s ", b->errors.items[i]);
    if (b->lex_error)
        g_string_append(out, "!lexer");
    vext_batch_free(b);
    return g_strchomp(g_string_free(out, FALSE));
}

static void test_divide(void)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"list", "S(list)"},
        {" list ;; dominfo x ", "S(list; dominfo x)"},
        {"list; paint d; dominfo 'x'", "S(list) O(paint) S(dominfo 'x')"},
        {"list # c\npaint d", "S(list) O(paint)"},
        {"paint; list", "!command 'paint' requires <domain> option"},
        {"list; paint --x", "S(list) !command 'paint' doesn't support option --x"},
        {"quit; paint d", "S(quit)q O(paint)"},
        {"list; exit; list; list", "S(list; exit)q S(list; list)"},
        {"connect a:///b; list", "S(connect a:///b; list)a:///b"},
        {"connect --readonly --name a:///b", "S(connect --readonly --name a:///b)a:///b"},
        {"connect --readonly", "S(connect --readonly)"},
        {"help", "H(help)"},
        {"help ''", "H(help '')"},
        {"help paint", "H(help paint)"},
        {"help --command painting", "H(help --command painting)"},
        {"help list", "S(help list)"},
        {"help --help", "S(help --help)"},
        {"paint d; list \"x", "O(paint) S(list \"x) !lexer"},
        {"\"x", "S(\"x) !lexer"},
        {"echo 'a;", "S(echo 'a;)"},
        {"echo a\\;; paint d", "S(echo a\\;) O(paint)"},
    };
    VextSession s;

    session_begin(&s);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *got = divide(&s, cases[i][0]);

        g_assert_cmpstr(got, ==, cases[i][1]);
    }
    session_end(&s);
}

static void test_words_are_one_command(void)
{
    char *words[] = {(char *)"echo", (char *)"a; b", (char *)"it's", NULL};
    VextSession s;
    VextBatch *b;

    session_begin(&s);
    b = vext_batch_parse_words(&s, words, 3);
    g_assert_cmpuint(b->n, ==, 1);
    g_assert_true(vext_batch_is_stock(b));
    g_assert_cmpstr(b->segs[0].text, ==, "'echo' 'a; b' 'it'\\''s'");
    vext_batch_free(b);
    session_end(&s);
}

static void test_takeover_is_asked_for(void)
{
    VextSession s;
    VextBatch *b;

    session_begin(&s);
    g_setenv("VIRSH_EXT_TAKEOVER", "1", TRUE);
    b = vext_batch_parse(&s, "list x; list; list --all");
    g_unsetenv("VIRSH_EXT_TAKEOVER");
    /* the second and third one do not fit the own table: they are virsh's */
    g_assert_cmpuint(b->n, ==, 2);
    g_assert_cmpint(b->segs[0].kind, ==, VEXT_SEG_TAKEOVER);
    g_assert_cmpstr(b->segs[0].cmd->name, ==, "list");
    g_assert_cmpint(b->segs[1].kind, ==, VEXT_SEG_STOCK);
    vext_batch_free(b);
    session_end(&s);
}

static void test_needs_terminal(void)
{
    static const struct {
        const char *line;
        bool expected;
    } cases[] = {
        {"console x", true},       {"edit x", true},           {"net-edit x", true},
        {"start x", false},        {"start x --console", true}, {"desc x --edit", true},
        {"desc x", false},         {"edit --help", false},     {"list", false},
        {"create x -- --console", false},
    };
    VextSession s;

    session_begin(&s);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        VextBatch *b = vext_batch_parse(&s, cases[i].line);

        g_assert_cmpint(b->segs[0].interactive, ==, cases[i].expected);
        vext_batch_free(b);
    }
    session_end(&s);
}

static char *candidates(VextSession *s, const char *line, bool expect_own)
{
    VextStrv v = {0};
    char *text;
    bool own;

    vext_complete_line(s, line, &v, &own);
    g_assert_cmpint(own, ==, expect_own);
    text = v.n ? g_strjoinv(" ", v.items) : g_strdup("");
    vext_strv_clear(&v);
    return text;
}

static void test_complete(void)
{
    static const struct {
        const char *line;
        bool own;
        const char *expected;
    } cases[] = {
        {"p", false, "paint"},
        {"", false, "paint spray"},
        {"list; s", false, "spray"},
        {"paint ", true, "--domain --colour --flag"},
        {"paint d ", true, "red green --colour --flag"},
        {"paint d g", true, "green"},
        {"paint d --", true, "--colour --flag"},
        {"paint d --colour ", true, "red green"},
        {"paint d --colour r", true, "red"},
        {"paint d --colour=g", true, "--colour=green"},
        {"paint d -- ", true, "red green"},
        {"paint d red ", true, "--flag"},
        {"paint d 'r", true, "red"},
        {"help sp", false, "spray"},
        {"list ", false, ""},
    };
    VextSession s;

    session_begin(&s);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *got = candidates(&s, cases[i].line, cases[i].own);

        g_assert_cmpstr(got, ==, cases[i].expected);
    }
    session_end(&s);
}

static void test_stock_names_are_sorted(void)
{
    /* bsearch() finds the first, the last and one between only if they are */
    g_assert_true(vext_is_stock_name("allocpages") || vext_is_stock_name("attach-device"));
    g_assert_true(vext_is_stock_name("vol-wipe"));
    g_assert_true(vext_is_stock_name("snapshot-delete"));
    g_assert_true(vext_is_stock_name("complete"));
    g_assert_false(vext_is_stock_name("snapshot-delete-external"));
    g_assert_false(vext_is_stock_name(""));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/shell/good-table", test_good_table);
    g_test_add_func("/shell/bad-commands", test_bad_commands);
    g_test_add_func("/shell/bad-options", test_bad_options);
    g_test_add_func("/shell/plugins", test_plugins);
    g_test_add_func("/shell/find", test_find);
    g_test_add_func("/shell/manifest", test_manifest);
    g_test_add_func("/shell/divide", test_divide);
    g_test_add_func("/shell/words-are-one-command", test_words_are_one_command);
    g_test_add_func("/shell/takeover-is-asked-for", test_takeover_is_asked_for);
    g_test_add_func("/shell/needs-terminal", test_needs_terminal);
    g_test_add_func("/shell/complete", test_complete);
    g_test_add_func("/shell/stock-names-are-sorted", test_stock_names_are_sorted);
    return g_test_run();
}
