/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * complete.c: virsh's `complete` command, for own and stock commands
 */
#include <config.h>

#include "virsh-ext/complete.h"

#include <stdio.h>

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
    const VextPlugin *p;

    for (size_t i = 0; (p = vext_registry_plugin(s, &i));) {
        for (const VextCmdDef *c = p->commands; c->name; c++) {
            if (vext_starts_with(c->name, prefix))
                vext_strv_add(out, c->name);
        }
    }
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

/* What virsh offers, appended to @candidates without those that are there. */
static void ask_virsh(VextSession *s, const VextStrv *words, VextStrv *candidates)
{
    VextStrv args = {0};
    VextStrv found = {0};
    VextBuf out = {0};
    char *save = NULL;

    if (!vext_virsh_exists())
        return;
    vext_virsh_args(s, &args);
    free(args.items[0]);
    memmove(args.items, args.items + 1, args.n * sizeof(*args.items));
    args.n--;
    vext_strv_add(&args, "-q");
    for (size_t i = 0; i < words->n; i++)
        vext_strv_add(&args, words->items[i]);
    vext_virsh_capture(s, &args, &out, NULL);
    for (char *l = out.data ? strtok_r(out.data, "\n", &save) : NULL; l;
         l = strtok_r(NULL, "\n", &save))
        vext_strv_add(&found, l);
    for (size_t i = 0; i < candidates->n; i++) {
        if (!vext_strv_has(&found, candidates->items[i]))
            vext_strv_add(&found, candidates->items[i]);
    }
    vext_strv_clear(candidates);
    *candidates = found;
    vext_strv_clear(&args);
    vext_buf_clear(&out);
}

int vext_complete(VextSession *s, const VextStrv *words)
{
    VextStrv candidates = {0};
    VextBuf line = {0};
    bool data_only = false;
    bool own;
    int status;

    for (size_t i = 1; i < words->n; i++) {
        const char *w = words->items[i];

        if (!data_only && vext_streq(w, "--")) {
            data_only = true;
            continue;
        }
        if (line.len || i > 1 + (size_t)data_only)
            vext_buf_adds(&line, " ");
        vext_buf_adds(&line, w);
    }
    vext_complete_line(s, line.data ? line.data : "", &candidates, &own);
    if (!own)
        ask_virsh(s, words, &candidates);
    for (size_t i = 0; i < candidates.n; i++)
        printf("%s\n", candidates.items[i]);
    status = candidates.n ? VEXT_OK : VEXT_FAILED;
    vext_strv_clear(&candidates);
    vext_buf_clear(&line);
    return status;
}
