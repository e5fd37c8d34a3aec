/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * complete.c: virsh's `complete` command, for own and stock commands
 */
#include <config.h>

#include "virsh-ext/complete.h"

#include <stdio.h>

#include "virsh-ext/output.h"
#include "virsh-ext/parse.h"
#include "virsh-ext/passthrough.h"

/* Adds the values that a completer knows, those that begin with @prefix, as @before and value. */
static void add_values(VextSession *s, const VextOptDef *o, const VextCmd *cmd,
                       const char *prefix, const char *before, VextStrv *out)
{
    char **values = o->completer ? o->completer(&s->host, cmd, prefix) : NULL;

    for (char **v = values; v && *v; v++) {
        if (vext_starts_with(*v, prefix))
            vext_strv_take(out, vext_strdup_printf("%s%s", before, *v));
        free(*v);
    }
    free(values);
}

static void add_options(const VextCmd *cmd, const char *prefix, VextStrv *out)
{
    for (const VextOptDef *o = cmd->def->opts; o && o->name; o++) {
        vext_autofree char *word = vext_strdup_printf("--%s", o->name);

        if ((o->type == VEXT_OPT_ARGV || !vext_cmd_opt(cmd, o->name)) &&
            vext_starts_with(word, prefix))
            vext_strv_add(out, word);
    }
}

static const VextOptDef *find_value_option(const VextCmdDef *def, const char *name, size_t len)
{
    for (const VextOptDef *o = def->opts; o && o->name; o++) {
        if (strlen(o->name) == len && strncmp(o->name, name, len) == 0)
            return o->type == VEXT_OPT_BOOL ? NULL : o;
    }
    return NULL;
}

/* The words behind an own command's name, the last of which is @prefix. */
static void complete_own(VextSession *s, const VextCmdDef *def, char *const *words, size_t n,
                         const char *prefix, VextStrv *out)
{
    const VextOptDef *pending;
    const VextOptDef *next;
    bool data_only;
    VextCmd *cmd = vext_cmd_parse_partial(def, words, n, &pending, &data_only);
    const char *eq = strchr(prefix, '=');

    if (pending) {
        add_values(s, pending, cmd, prefix, "", out);
    } else if (!data_only && *prefix == '-') {
        if (eq && vext_starts_with(prefix, "--")) {
            vext_autofree char *before = vext_strndup(prefix, (size_t)(eq - prefix) + 1);

            next = find_value_option(def, prefix + 2, (size_t)(eq - prefix) - 2);
            if (next)
                add_values(s, next, cmd, eq + 1, before, out);
        } else {
            add_options(cmd, prefix, out);
        }
    } else {
        next = vext_cmd_next_positional(cmd);
        if (next)
            add_values(s, next, cmd, prefix, "", out);
        if (!data_only)
            add_options(cmd, prefix, out);
    }
    vext_cmd_free(cmd);
}

static void add_names(VextSession *s, const char *prefix, VextStrv *out)
{
    VextStrv names = {0};

    vext_registry_names(s, &names);
    for (size_t i = 0; i < names.n; i++) {
        if (vext_starts_with(names.items[i], prefix))
            vext_strv_add(out, names.items[i]);
    }
    vext_strv_clear(&names);
}

/* The last command of the line as words; an unfinished last word counts, possibly empty. */
static void last_command(const char *line, VextStrv *words)
{
    VextLexer lx;
    VextToken tk;
    char *word;

    vext_lexer_init(&lx, line);
    for (;;) {
        const char *begin = vext_lexer_peek(&lx);

        tk = vext_lexer_next(&lx, &word);
        if (tk == VEXT_TK_ARG) {
            vext_strv_take(words, word);
            if (*lx.pos == '\0')
                return;
        } else if (tk == VEXT_TK_CMD_END) {
            vext_strv_clear(words);
        } else {
            /* an open quote: what is behind it is the prefix */
            if (tk == VEXT_TK_ERROR && (*begin == '"' || *begin == '\''))
                begin++;
            vext_strv_add(words, tk == VEXT_TK_ERROR ? begin : "");
            return;
        }
    }
}

void vext_complete_line(VextSession *s, const char *line, VextStrv *candidates, bool *own)
{
    VextStrv words = {0};
    const VextCmdDef *def;

    *own = false;
    last_command(line, &words);
    if (words.n == 1) {
        add_names(s, words.items[0], candidates);
    } else if ((def = vext_registry_find(s, words.items[0]))) {
        *own = true;
        complete_own(s, def, words.items + 1, words.n - 2, words.items[words.n - 1], candidates);
    } else if (vext_streq(words.items[0], "help") && words.n == 2) {
        add_names(s, words.items[1], candidates);
    }
    vext_strv_clear(&words);
}

/* The line that `complete` is about: its words joined by blanks. */
static char *join_words(const VextStrv *words)
{
    VextBuf line = {0};
    bool data_only = false;
    bool first = true;

    for (size_t i = 1; i < words->n; i++) {
        if (!data_only && vext_streq(words->items[i], "--")) {
            data_only = true;
            continue;
        }
        vext_buf_addf(&line, "%s%s", first ? "" : " ", words->items[i]);
        first = false;
    }
    return vext_buf_steal(&line);
}

bool vext_complete_is_stock(VextSession *s, const VextStrv *words)
{
    vext_autofree char *line = join_words(words);
    VextStrv last = {0};
    VextStrv names = {0};
    bool stock;

    last_command(line, &last);
    if (last.n == 1)
        add_names(s, last.items[0], &names);
    else if (last.n == 2 && vext_streq(last.items[0], "help"))
        add_names(s, last.items[1], &names);
    else if (last.n > 1 && vext_registry_find(s, last.items[0]))
        vext_strv_add(&names, last.items[0]);
    stock = names.n == 0;
    vext_strv_clear(&last);
    vext_strv_clear(&names);
    return stock;
}

/*
 * Prints what virsh offers; what it has too is taken out of ours.
 * Returns: its exit status; -1 when it could not connect to what -c says, which ends virsh
 */
static int ask_virsh(VextSession *s, const VextStrv *words, VextStrv *out)
{
    VextStrv args = {0};
    VextBuf text = {0};
    VextBuf err = {0};
    bool timing = s->opts.timing;
    bool ended;
    int status;

    /* one trailer is enough */
    s->opts.timing = false;
    vext_virsh_args(s, &args);
    s->opts.timing = timing;
    vext_strv_add(&args, "-q");
    for (size_t i = 0; i < words->n; i++)
        vext_strv_add(&args, words->items[i]);
    status = vext_virsh_capture_as(s, &args, &text, &err);
    /* the agent of polkit, which virsh starts on a terminal, may say something too */
    ended = status != 0 && !text.len && s->opts.uri && !s->uri_moved && err.len &&
            memmem(err.data, err.len, V_("error: "), strlen(V_("error: ")));
    /* it complains of the connection even when only a name is wanted */
    if (err.len && (ended || !out->n))
        fwrite(err.data, 1, err.len, stderr);
    if (text.len)
        fwrite(text.data, 1, text.len, stdout);
    for (char *l = text.data, *end; l && *l; l = end) {
        end = l + strcspn(l, "\n");
        if (*end)
            *end++ = '\0';
        vext_strv_remove(out, l);
    }
    vext_strv_clear(&args);
    vext_buf_clear(&text);
    vext_buf_clear(&err);
    if (ended)
        return -1;
    return status == 0 ? VEXT_OK : VEXT_FAILED;
}

/* A candidate is a line, and goes to the terminal: a name with controls cannot be completed. */
static bool has_controls(const char *text)
{
    vext_autofree char *printable = vext_printable(text);

    return strpbrk(text, "\n\t") || strcmp(printable, text) != 0;
}

int vext_complete(VextSession *s, const VextStrv *words)
{
    vext_autofree char *line = join_words(words);
    double begin = vext_now_ms();
    VextStrv candidates = {0};
    int status = VEXT_FAILED;
    bool own;

    vext_complete_line(s, line, &candidates, &own);
    if (!own && vext_virsh_exists())
        status = ask_virsh(s, words, &candidates);
    if (status < 0) {
        vext_strv_clear(&candidates);
        return VEXT_FAILED;
    }
    for (size_t i = 0; i < candidates.n; i++) {
        if (!own || !has_controls(candidates.items[i]))
            printf("%s\n", candidates.items[i]);
    }
    if (candidates.n)
        status = VEXT_OK;
    vext_strv_clear(&candidates);
    vext_print_trailer(s, vext_now_ms() - begin);
    return status;
}
