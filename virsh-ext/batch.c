/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * batch.c: one command line of own and stock commands, in any order
 */
#include <config.h>

#include "virsh-ext/batch.h"

#include <signal.h>
#include <stdio.h>

#include "virsh-ext/complete.h"
#include "virsh-ext/help.h"
#include "virsh-ext/output.h"
#include "virsh-ext/passthrough.h"
#include "virsh-ext/signals.h"

static bool takeover_enabled(void)
{
    const char *value = getenv("VIRSH_EXT_TAKEOVER");

    return value && vext_streq(value, "1");
}

static void collect_error(void *opaque, const char *message)
{
    VextBatch *b = opaque;

    vext_strv_add(&b->errors, message);
}

static VextSegment *add_segment(VextBatch *b, VextSegmentKind kind)
{
    VextSegment *seg;

    b->segs = vext_grow(b->segs, &b->cap, b->n + 1, sizeof(*b->segs));
    seg = &b->segs[b->n++];
    memset(seg, 0, sizeof(*seg));
    seg->kind = kind;
    return seg;
}

static void clear_segment(VextSegment *seg)
{
    free(seg->text);
    free(seg->uri);
    vext_cmd_free(seg->cmd);
    vext_strv_clear(&seg->words);
}

void vext_batch_free(VextBatch *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->n; i++)
        clear_segment(&b->segs[i]);
    free(b->segs);
    vext_strv_clear(&b->errors);
    free(b);
}

/* Whether @words has this option before "--". */
static bool has_option(const VextStrv *words, const char *option)
{
    for (size_t i = 0; i < words->n && !vext_streq(words->items[i], "--"); i++) {
        if (vext_streq(words->items[i], option))
            return true;
    }
    return false;
}

bool vext_needs_terminal(const VextStrv *words)
{
    const char *name = words->n ? words->items[0] : "";
    size_t len = strlen(name);

    if (has_option(words, "--help"))
        return false;
    if (vext_streq(name, "console") || vext_streq(name, "edit") ||
        vext_streq(name, "lxc-enter-namespace"))
        return true;
    if (len > 5 && vext_streq(name + len - 5, "-edit"))
        return true;
    if (vext_streq(name, "start") || vext_streq(name, "create"))
        return has_option(words, "--console");
    if (vext_streq(name, "desc") || vext_streq(name, "metadata") ||
        vext_streq(name, "net-desc") || vext_streq(name, "net-metadata"))
        return has_option(words, "--edit");
    return vext_streq(name, "secret-set-value") && has_option(words, "--interactive");
}

/* The value that `help CMD` or `connect NAME` gets: --@option, --@option=, or the first word. */
static const char *find_value(const VextStrv *words, const char *option)
{
    size_t len = strlen(option);
    const char *value = NULL;
    bool data_only = false;

    for (size_t i = 1; i < words->n; i++) {
        const char *w = words->items[i];

        if (!data_only && vext_streq(w, "--")) {
            data_only = true;
        } else if (!data_only && vext_starts_with(w, "--") && w[2]) {
            if (strncmp(w + 2, option, len) != 0)
                continue;
            if (w[2 + len] == '=')
                return w + 2 + len + 1;
            if (w[2 + len] == '\0' && i + 1 < words->n)
                return words->items[i + 1];
        } else if (!value) {
            value = w;
        }
    }
    return value;
}

/* What is not is no name of virsh's, which would say so with the name raw: in its words, but as
 * all that is printed here, we do. */
static bool is_printable(const char *name)
{
    vext_autofree char *printable = vext_printable(name);

    return vext_streq(printable, name);
}

static VextSegmentKind builtin_kind(VextSession *s, const VextStrv *words)
{
    const char *name = words->items[0];

    if (vext_streq(name, "complete")) {
        /* without words or with an option there is nothing to add to what virsh says */
        bool option = words->n > 1 && vext_starts_with(words->items[1], "--") &&
                      words->items[1][2];

        return words->n == 1 || option ? VEXT_SEG_STOCK : VEXT_SEG_COMPLETE;
    }
    if (vext_streq(name, "self-test"))
        return has_option(words, "--help") ? VEXT_SEG_STOCK : VEXT_SEG_SELFTEST;
    if (vext_streq(name, "help")) {
        const char *topic;

        if (has_option(words, "--help"))
            return VEXT_SEG_STOCK;
        topic = find_value(words, "command");
        if (!topic && words->n > 1)
            return VEXT_SEG_STOCK; /* an error, or an option that is ignored */
        if (!topic || !*topic || vext_registry_find(s, topic) ||
            vext_registry_find_group(s, topic) || !is_printable(topic))
            return VEXT_SEG_HELP;
    }
    return VEXT_SEG_STOCK;
}

/* What virsh will do with a stock command that matters to us. */
static void note_stock(VextSegment *seg, const VextStrv *words)
{
    const char *name = words->items[0];
    const char *uri;

    if (vext_needs_terminal(words))
        seg->interactive = true;
    if (has_option(words, "--help"))
        return;
    if ((vext_streq(name, "quit") || vext_streq(name, "exit")) && words->n == 1)
        seg->quits = true;
    if (!vext_streq(name, "connect"))
        return;
    uri = find_value(words, "name");
    if (!uri)
        return;
    free(seg->uri);
    seg->uri = vext_strdup(uri);
    seg->connects = true;
    seg->readonly = has_option(words, "--readonly");
}

/* @text: the command as it stands, borrowed. Adds to the segment before where that is stock. */
static void add_stock(VextBatch *b, const VextStrv *words, const char *text, size_t len)
{
    VextSegment *seg = b->n ? &b->segs[b->n - 1] : NULL;

    if (seg && seg->kind == VEXT_SEG_STOCK && !seg->quits) {
        vext_buf_adds(&seg->buf, "; ");
    } else {
        seg = add_segment(b, VEXT_SEG_STOCK);
    }
    vext_buf_add(&seg->buf, text, len);
    seg->text = seg->buf.data;
    if (words->n)
        note_stock(seg, words);
}

/* What the lexer found wrong, to the end. Only text can be wrong; words, where @begin is NULL, are
 * taken as they are. */
static void add_rest(VextBatch *b, const VextStrv *words, const char *begin)
{
    if (begin)
        add_stock(b, words, begin, strlen(begin));
}

/* Reads the rest of a command; @end is set behind its last word. Returns what ended it. */
static VextToken read_words(VextLexer *lx, VextStrv *words, const char **end)
{
    VextToken tk;
    char *word;

    *end = lx->pos;
    while ((tk = vext_lexer_next(lx, &word)) == VEXT_TK_ARG) {
        vext_strv_take(words, word);
        *end = lx->pos;
    }
    return tk;
}

/* Returns new the text of a command: as it stands, or rebuilt when it came as words. */
static char *text_of(const char *begin, const char *end, const VextStrv *words)
{
    VextBuf buf = {0};

    if (begin)
        return vext_strndup(begin, (size_t)(end - begin));
    for (size_t i = 0; i < words->n; i++) {
        vext_autofree char *quoted = vext_lexer_quote(words->items[i]);

        if (i)
            vext_buf_adds(&buf, " ");
        vext_buf_adds(&buf, quoted);
    }
    return vext_buf_steal(&buf);
}

/*
 * One command, beginning with @name.
 * Returns: what ended it; VEXT_TK_ERROR after noting what is wrong.
 */
static VextToken parse_command(VextSession *s, VextBatch *b, VextLexer *lx, const char *begin,
                               const char *name)
{
    const VextCmdDef *def = vext_registry_find(s, name);
    VextLexer saved = *lx;
    VextSegmentKind kind;
    VextStrv words = {0};
    const char *end;
    VextCmd *cmd;
    VextToken tk;

    if (def) {
        cmd = vext_cmd_parse(def, name, lx, &tk, collect_error, b);
        if (!cmd) {
            b->failed = true;
            return VEXT_TK_ERROR;
        }
        add_segment(b, VEXT_SEG_OWN)->cmd = cmd;
        return tk;
    }

    if (!is_printable(name)) {
        char *message = NULL;

        if (asprintf(&message, V_("unknown command: '%s'"), name) < 0)
            abort();
        collect_error(b, message);
        free(message);
        b->failed = true;
        return VEXT_TK_ERROR;
    }
    vext_strv_add(&words, name);
    tk = read_words(lx, &words, &end);
    if (tk == VEXT_TK_ERROR) {
        /* virsh says what is wrong, or finds something before that */
        b->lex_error = true;
        add_rest(b, &words, begin);
        vext_strv_clear(&words);
        return tk;
    }
    if (takeover_enabled() && (def = vext_registry_find_takeover(s, name))) {
        VextToken again;

        cmd = vext_cmd_parse(def, name, &saved, &again, NULL, NULL);
        if (cmd && !cmd->help) {
            VextSegment *seg = add_segment(b, VEXT_SEG_TAKEOVER);

            seg->cmd = cmd;
            seg->text = text_of(begin, end, &words);
            vext_strv_clear(&words);
            return tk;
        }
        vext_cmd_free(cmd);
    }
    kind = builtin_kind(s, &words);
    if (kind == VEXT_SEG_STOCK) {
        vext_autofree char *text = text_of(begin, end, &words);

        add_stock(b, &words, text, strlen(text));
        vext_strv_clear(&words);
    } else {
        VextSegment *seg = add_segment(b, kind);

        seg->text = text_of(begin, end, &words);
        seg->words = words;
    }
    return tk;
}

static VextBatch *parse(VextSession *s, VextLexer *lx)
{
    VextBatch *b = vext_calloc(1, sizeof(*b));
    VextToken tk = VEXT_TK_CMD_END;

    while (tk == VEXT_TK_CMD_END) {
        const char *begin = lx->words ? NULL : vext_lexer_peek(lx);
        vext_autofree char *name = NULL;

        tk = vext_lexer_next(lx, &name);
        if (tk == VEXT_TK_ARG) {
            tk = parse_command(s, b, lx, begin, name);
        } else if (tk == VEXT_TK_ERROR) {
            VextStrv none = {0};

            b->lex_error = true;
            add_rest(b, &none, begin);
        }
    }
    return b;
}

VextBatch *vext_batch_parse(VextSession *s, const char *line)
{
    VextLexer lx;

    vext_lexer_init(&lx, line);
    return parse(s, &lx);
}

VextBatch *vext_batch_parse_words(VextSession *s, char *const *words, size_t n)
{
    VextLexer lx;

    vext_lexer_init_words(&lx, words, n);
    return parse(s, &lx);
}

bool vext_batch_is_stock(const VextBatch *b)
{
    if (b->failed)
        return false;
    for (size_t i = 0; i < b->n; i++) {
        if (b->segs[i].kind != VEXT_SEG_STOCK)
            return false;
    }
    return true;
}

bool vext_batch_check(VextSession *s, const VextBatch *b)
{
    VextBuf stock = {0};
    bool ok = true;

    for (size_t i = 0; i < b->n; i++) {
        VextSegmentKind kind = b->segs[i].kind;

        if (kind == VEXT_SEG_STOCK || kind == VEXT_SEG_SELFTEST)
            vext_buf_addf(&stock, "%s%s", stock.len ? "\n" : "", b->segs[i].text);
    }
    if (stock.len)
        ok = vext_virsh_check(s, stock.data);
    vext_buf_clear(&stock);
    if (!ok)
        return false;
    if (b->lex_error) {
        /* virsh took what our lexer did not: the rule of another version */
        vext_error(s, "%s", _("The command line cannot be divided into own and other commands"));
        return false;
    }
    for (size_t i = 0; i < b->errors.n; i++)
        vext_error(s, "%s", b->errors.items[i]);
    return !b->failed;
}

static int run_handler(VextSession *s, const VextCmd *cmd)
{
    bool noticed = false;
    int status;
    int sig;

    if (cmd->help)
        return vext_help_command(s, cmd->def, cmd->name);
    if (!vext_cmd_check_run(cmd, vext_report_error, s))
        return VEXT_FAILED;

    vext_session_set_reporting(s, false);
    vext_signals_own_begin();
    status = cmd->def->handler(&s->host, cmd);
    sig = vext_signals_own_end(&noticed);
    fflush(stdout);
    /* SIGINT ends the command; the others, and what the command did not see, end the program */
    if (sig && !(sig == SIGINT && (noticed || s->interactive))) {
        vext_session_end(s);
        fflush(NULL);
        vext_signals_die(sig);
    }
    return status;
}

int vext_own_run(VextSession *s, const VextCmd *cmd)
{
    double begin = vext_now_ms();
    int status = run_handler(s, cmd);

    vext_print_trailer(s, vext_now_ms() - begin);
    return status;
}

static int run_stock_alone(VextSession *s, VextSegment *seg, void *opaque)
{
    int status = vext_virsh_run(s, seg->text);

    if (seg->quits)
        s->quit = true;
    return status;
}

static int run_stock_segment(VextSession *s, VextSegment *seg, VextStockRunner run_stock,
                             void *opaque)
{
    int status = run_stock(s, seg, opaque);

    if (seg->connects)
        vext_conn_move(s, seg->uri, seg->readonly);
    return status;
}

static bool claims(VextSession *s, const VextCmd *cmd)
{
    bool yes;

    if (!vext_cmd_check_run(cmd, NULL, NULL))
        return false;
    yes = cmd->def->claims(&s->host, cmd);
    fflush(stdout);
    return yes;
}

/* What run_own() returns for a stock command that is not claimed. */
#define NOT_OURS 125

static int run_own(VextSession *s, void *opaque)
{
    const VextSegment *seg = opaque;

    if (seg->kind == VEXT_SEG_TAKEOVER && !claims(s, seg->cmd))
        return NOT_OURS;
    return vext_own_run(s, seg->cmd);
}

static int connect_only(VextSession *s, void *opaque)
{
    return vext_conn_get(s, false) ? 0 : 1;
}

bool vext_batch_connect(VextSession *s, VextBatch *b)
{
    if (vext_conn_is_exclusive(s)) {
        for (size_t i = 0; i < b->n; i++) {
            if (b->segs[i].kind == VEXT_SEG_STOCK || b->segs[i].kind == VEXT_SEG_TAKEOVER)
                b->apart = true;
        }
    }
    if (!s->opts.uri)
        return true;
    return (b->apart ? vext_run_apart(s, connect_only, NULL) : connect_only(s, NULL)) == 0;
}

static int run_segment(VextSession *s, const VextBatch *b, VextSegment *seg,
                       VextStockRunner run_stock, void *opaque)
{
    double begin = vext_now_ms();
    int status = 0;

    switch (seg->kind) {
    case VEXT_SEG_STOCK:
        return run_stock_segment(s, seg, run_stock, opaque);
    case VEXT_SEG_TAKEOVER:
    case VEXT_SEG_OWN:
        status = b->apart ? vext_run_apart(s, run_own, seg) : run_own(s, seg);
        if (status == NOT_OURS && seg->kind == VEXT_SEG_TAKEOVER)
            return run_stock_segment(s, seg, run_stock, opaque);
        return status;
    case VEXT_SEG_HELP:
        status = vext_help_topic(s, find_value(&seg->words, "command"));
        break;
    case VEXT_SEG_COMPLETE:
        return vext_complete(s, &seg->words);
    case VEXT_SEG_SELFTEST:
        status = vext_self_test(s);
        if (status == 0 && vext_virsh_exists())
            return run_stock(s, seg, opaque);
        break;
    }
    vext_print_trailer(s, vext_now_ms() - begin);
    return status;
}

int vext_batch_run(VextSession *s, VextBatch *b, VextStockRunner run_stock, void *opaque)
{
    int status = 0;

    for (size_t i = 0; i < b->n && !s->quit; i++)
        status = run_segment(s, b, &b->segs[i], run_stock ? run_stock : run_stock_alone, opaque);
    return status;
}
