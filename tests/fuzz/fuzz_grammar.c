/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_grammar.c: any text as a command line: cut, parsed, divided, completed
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "virsh-ext/batch.h"
#include "virsh-ext/complete.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

static int handler(VextHost *host, const VextCmd *cmd)
{
    return VEXT_OK;
}

static bool claims(VextHost *host, const VextCmd *cmd)
{
    return true;
}

static char **complete_word(VextHost *host, const VextCmd *cmd, const char *prefix)
{
    char **v = calloc(2, sizeof(*v));

    CHECK(v);
    v[0] = strdup(prefix);
    return v;
}

static const VextOptDef opts[] = {
    {"domain", VEXT_OPT_STRING, VEXT_OPT_REQUIRED | VEXT_OPT_POSITIONAL, "h", complete_word},
    {"n", VEXT_OPT_NUMBER, VEXT_OPT_POSITIONAL, "h", NULL},
    {"a", VEXT_OPT_BOOL, 0, "h", NULL},
    {"b", VEXT_OPT_BOOL, 0, "h", NULL},
    {"s", VEXT_OPT_STRING, VEXT_OPT_EMPTY_OK, "h", complete_word},
    {"w", VEXT_OPT_ARGV, 0, "h", NULL},
    {NULL, 0, 0, NULL, NULL},
};
static const VextOptPair exclusive[] = {{"a", "b"}, {NULL, NULL}};
static const VextCmdDef commands[] = {
    {.name = "own", .handler = handler, .opts = opts, .exclusive = exclusive, .summary = "s",
     .description = "d"},
    {.name = "over", .handler = handler, .opts = opts, .summary = "s", .description = "d",
     .takes_over = "list", .claims = claims},
    {.name = NULL},
};
static const VextPlugin plugin = {
    .size = sizeof(VextPlugin), .api = VEXT_PLUGIN_API, .name = "fuzz", .version = "1",
    .group_name = "Fuzz", .group_keyword = "fuzz", .commands = commands,
};

static void ignore(void *opaque, const char *message)
{
    CHECK(message);
}

/* Every word that comes out goes in again when it is quoted. */
static void fuzz_words(const char *text)
{
    VextLexer lx;
    char *word;
    VextToken tk;

    vext_lexer_init(&lx, text);
    while ((tk = vext_lexer_next(&lx, &word)) == VEXT_TK_ARG || tk == VEXT_TK_CMD_END) {
        vext_autofree char *quoted = NULL;
        vext_autofree char *again = NULL;
        unsigned long long n;
        VextLexer second;

        if (tk != VEXT_TK_ARG)
            continue;
        quoted = vext_lexer_quote(word);
        vext_lexer_init(&second, quoted);
        CHECK(vext_lexer_next(&second, &again) == VEXT_TK_ARG && vext_streq(word, again));
        vext_number_parse(word, 0, 100, &n);
        vext_scaled_parse(word, 1024, 1 << 30, &n);
        free(word);
    }
    CHECK(lx.pos <= text + strlen(text));
}

static void fuzz_command(const char *text)
{
    VextLexer lx;
    VextToken end;
    VextCmd *cmd;

    vext_lexer_init(&lx, text);
    cmd = vext_cmd_parse(&commands[0], "own", &lx, &end, ignore, NULL);
    if (!cmd)
        return;
    CHECK(cmd->help || vext_cmd_opt(cmd, "domain"));
    vext_cmd_check_run(cmd, ignore, NULL);
    vext_cmd_free(cmd);
}

static void fuzz_line(VextSession *s, const char *text)
{
    VextBatch *b = vext_batch_parse(s, text);
    VextStrv candidates = {0};
    bool own;

    for (size_t i = 0; i < b->n; i++)
        CHECK(b->segs[i].text || b->segs[i].cmd);
    CHECK(!b->failed || b->errors.n);
    vext_batch_free(b);
    vext_complete_line(s, text, &candidates, &own);
    vext_strv_clear(&candidates);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *argv[] = {(char *)"virsh-ext", NULL};
    static VextSession session;
    vext_autofree char *text = vext_strndup((const char *)data, size);

    if (!session.argc) {
        setenv("VIRSH_EXT_TAKEOVER", "1", 1);
        vext_session_init(&session, 1, argv);
        vext_registry_add(&session.registry, &plugin);
    }
    fuzz_words(text);
    fuzz_command(text);
    fuzz_line(&session, text);
    return 0;
}
