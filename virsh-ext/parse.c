/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * parse.c: the words of one own command, matched with its option table
 */
#include <config.h>

#include "virsh-ext/parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "virsh-ext/util.h"

static void reportf(VextReport report, void *opaque, const char *format, ...) VEXT_PRINTF(3, 4);

static void reportf(VextReport report, void *opaque, const char *format, ...)
{
    vext_autofree char *text = NULL;
    va_list ap;

    if (!report)
        return;
    va_start(ap, format);
    if (vasprintf(&text, format, ap) < 0)
        abort();
    va_end(ap);
    report(opaque, text);
}

static VextCmd *cmd_new(const VextCmdDef *def, const char *name)
{
    VextCmd *cmd = vext_calloc(1, sizeof(*cmd));

    cmd->def = def;
    cmd->name = vext_strdup(name);
    return cmd;
}

void vext_cmd_free(VextCmd *cmd)
{
    if (!cmd)
        return;
    for (size_t i = 0; i < cmd->nopts; i++)
        free(cmd->opts[i].value);
    free(cmd->opts);
    free(cmd->argv);
    free(cmd->name);
    free(cmd);
}

const VextOptVal *vext_cmd_opt(const VextCmd *cmd, const char *name)
{
    for (size_t i = 0; i < cmd->nopts; i++) {
        if (vext_streq(cmd->opts[i].def->name, name))
            return &cmd->opts[i];
    }
    return NULL;
}

/* Takes @value. */
static void cmd_add(VextCmd *cmd, const VextOptDef *def, char *value)
{
    cmd->opts = vext_grow(cmd->opts, &cmd->cap, cmd->nopts + 1, sizeof(*cmd->opts));
    cmd->opts[cmd->nopts].def = def;
    cmd->opts[cmd->nopts].value = value;
    cmd->nopts++;
}

/* Fills cmd->argv once all options are there. */
static void cmd_finish(VextCmd *cmd)
{
    size_t n = 0;

    cmd->argv = vext_calloc(cmd->nopts + 1, sizeof(*cmd->argv));
    for (size_t i = 0; i < cmd->nopts; i++) {
        if (cmd->opts[i].def->type == VEXT_OPT_ARGV)
            cmd->argv[n++] = cmd->opts[i].value;
    }
}

static const VextOptDef *find_def(const VextCmdDef *def, const char *name)
{
    for (const VextOptDef *o = def->opts; o && o->name; o++) {
        if (vext_streq(o->name, name))
            return o;
    }
    return NULL;
}

static bool takes_plain_word(const VextOptDef *def)
{
    return def->type == VEXT_OPT_ARGV ||
           (def->type != VEXT_OPT_BOOL && (def->flags & VEXT_OPT_POSITIONAL));
}

const VextOptDef *vext_cmd_next_positional(const VextCmd *cmd)
{
    for (const VextOptDef *o = cmd->def->opts; o && o->name; o++) {
        if (takes_plain_word(o) && (o->type == VEXT_OPT_ARGV || !vext_cmd_opt(cmd, o->name)))
            return o;
    }
    return NULL;
}

static bool is_option_word(const char *word)
{
    return word[0] == '-' && word[1] == '-' && isalnum((unsigned char)word[2]);
}

/*
 * One "--name[=value]" word; gets the value from @lx where it is the next word.
 * Returns: VEXT_TK_ARG when the option was stored, else VEXT_TK_ERROR after reporting.
 */
static VextToken parse_option(VextCmd *cmd, char *word, VextLexer *lx, VextReport report,
                              void *opaque)
{
    char *name = word + 2;
    char *eq = strchr(name, '=');
    const VextOptDef *def;
    char *value = NULL;
    VextToken tk;

    if (eq)
        *eq = '\0';

    if (vext_streq(name, "help")) {
        if (eq) {
            reportf(report, opaque, V_("invalid '=' after option --%s"), name);
            return VEXT_TK_ERROR;
        }
        cmd->help = true;
        return VEXT_TK_ARG;
    }
    def = find_def(cmd->def, name);
    if (!def) {
        reportf(report, opaque, V_("command '%s' doesn't support option --%s"), cmd->name, name);
        return VEXT_TK_ERROR;
    }
    if (def->type != VEXT_OPT_ARGV && vext_cmd_opt(cmd, name)) {
        reportf(report, opaque, V_("option --%s already seen"), name);
        return VEXT_TK_ERROR;
    }
    if (def->type == VEXT_OPT_BOOL) {
        if (eq) {
            reportf(report, opaque, V_("invalid '=' after option --%s"), name);
            return VEXT_TK_ERROR;
        }
        cmd_add(cmd, def, NULL);
        return VEXT_TK_ARG;
    }
    if (eq) {
        cmd_add(cmd, def, vext_strdup(eq + 1));
        return VEXT_TK_ARG;
    }
    tk = vext_lexer_next(lx, &value);
    if (tk == VEXT_TK_ERROR) {
        reportf(report, opaque, "%s", V_(lx->error));
        return VEXT_TK_ERROR;
    }
    if (tk != VEXT_TK_ARG) {
        reportf(report, opaque, V_("expected syntax: --%s <%s>"), name,
                def->type == VEXT_OPT_NUMBER ? V_("number") : V_("string"));
        return VEXT_TK_ERROR;
    }
    cmd_add(cmd, def, value);
    return VEXT_TK_ARG;
}

/* Reports every required option that is missing. */
static bool check_required(const VextCmd *cmd, VextReport report, void *opaque)
{
    bool ok = true;

    for (const VextOptDef *o = cmd->def->opts; o && o->name; o++) {
        if (!(o->flags & VEXT_OPT_REQUIRED) || vext_cmd_opt(cmd, o->name))
            continue;
        if (takes_plain_word(o))
            reportf(report, opaque, V_("command '%s' requires <%s> option"), cmd->name, o->name);
        else
            reportf(report, opaque, V_("command '%s' requires --%s option"), cmd->name, o->name);
        ok = false;
    }
    return ok;
}

VextCmd *vext_cmd_parse(const VextCmdDef *def, const char *name, VextLexer *lx, VextToken *end,
                        VextReport report, void *opaque)
{
    VextCmd *cmd = cmd_new(def, name);
    bool data_only = false;
    VextToken tk;

    for (;;) {
        vext_autofree char *word = NULL;
        const VextOptDef *o;

        tk = vext_lexer_next(lx, &word);
        if (tk == VEXT_TK_ERROR) {
            reportf(report, opaque, "%s", V_(lx->error));
            goto error;
        }
        if (tk != VEXT_TK_ARG)
            break;
        if (!data_only && is_option_word(word)) {
            if (parse_option(cmd, word, lx, report, opaque) != VEXT_TK_ARG)
                goto error;
            continue;
        }
        if (!data_only && vext_streq(word, "--")) {
            data_only = true;
            continue;
        }
        o = vext_cmd_next_positional(cmd);
        if (!o) {
            reportf(report, opaque, V_("unexpected data '%s'"), word);
            goto error;
        }
        cmd_add(cmd, o, word);
        word = NULL;
    }
    if (!cmd->help && !check_required(cmd, report, opaque))
        goto error;
    cmd_finish(cmd);
    *end = tk;
    return cmd;

error:
    vext_cmd_free(cmd);
    return NULL;
}

VextCmd *vext_cmd_parse_partial(const VextCmdDef *def, char *const *words, size_t n,
                                const VextOptDef **pending, bool *data_only)
{
    VextCmd *cmd = cmd_new(def, def->name);

    *pending = NULL;
    *data_only = false;
    for (size_t i = 0; i < n; i++) {
        vext_autofree char *word = vext_strdup(words[i]);
        const VextOptDef *o;

        if (!*data_only && is_option_word(word)) {
            VextLexer lx;

            vext_lexer_init_words(&lx, words + i + 1, n - i - 1);
            if (parse_option(cmd, word, &lx, NULL, NULL) == VEXT_TK_ARG) {
                i = n - lx.nwords - 1;
            } else if (i + 1 == n && (o = find_def(def, word + 2)) && o->type != VEXT_OPT_BOOL &&
                       !strchr(words[i], '=') && !vext_cmd_opt(cmd, o->name)) {
                *pending = o;
            }
            continue;
        }
        if (!*data_only && vext_streq(word, "--")) {
            *data_only = true;
            continue;
        }
        o = vext_cmd_next_positional(cmd);
        if (o) {
            cmd_add(cmd, o, word);
            word = NULL;
        }
    }
    cmd_finish(cmd);
    return cmd;
}

bool vext_cmd_check_run(const VextCmd *cmd, VextReport report, void *opaque)
{
    for (size_t i = 0; i < cmd->nopts; i++) {
        const VextOptVal *v = &cmd->opts[i];

        if (v->def->type == VEXT_OPT_STRING && !*v->value && !(v->def->flags & VEXT_OPT_EMPTY_OK)) {
            reportf(report, opaque, V_("Failed to get option '%s': %s"), v->def->name,
                    V_("Option argument is empty"));
            return false;
        }
    }
    for (const VextOptPair *p = cmd->def->exclusive; p && p->first; p++) {
        if (vext_cmd_opt(cmd, p->first) && vext_cmd_opt(cmd, p->second)) {
            reportf(report, opaque, V_("Options --%s and --%s are mutually exclusive"), p->first,
                    p->second);
            return false;
        }
    }
    for (const VextOptPair *p = cmd->def->requires_; p && p->first; p++) {
        if (vext_cmd_opt(cmd, p->first) && !vext_cmd_opt(cmd, p->second)) {
            reportf(report, opaque, V_("Option --%s is required by option --%s"), p->second,
                    p->first);
            return false;
        }
    }
    return true;
}

/* A number without sign; sets @end behind it. */
static bool number_prefix(const char *text, unsigned long long *value, const char **end)
{
    const char *p = text;
    char *stop;

    /* strtoull() takes blanks and a plus sign, as virsh does, and negates what has a minus */
    while (isspace((unsigned char)*p))
        p++;
    if (*p == '-')
        return false;
    errno = 0;
    *value = strtoull(text, &stop, 10);
    if (errno || stop == text)
        return false;
    *end = stop;
    return true;
}

bool vext_number_parse(const char *text, unsigned long long min, unsigned long long max,
                       unsigned long long *value)
{
    unsigned long long n;
    const char *end;

    if (!number_prefix(text, &n, &end) || *end || n < min || n > max)
        return false;
    *value = n;
    return true;
}

/* What a suffix multiplies by; 0 for none that exists. */
static unsigned long long suffix_scale(const char *suffix, unsigned long long scale)
{
    static const char letters[] = "kmgtpe";
    unsigned long long base;
    unsigned long long factor = 1;
    const char *letter;

    if (!*suffix)
        return scale;
    if (strcasecmp(suffix, "b") == 0 || strcasecmp(suffix, "byte") == 0 ||
        strcasecmp(suffix, "bytes") == 0)
        return 1;
    letter = strchr(letters, tolower((unsigned char)suffix[0]));
    if (!letter)
        return 0;
    if (!suffix[1] || strcasecmp(suffix + 1, "ib") == 0)
        base = 1024;
    else if (strcasecmp(suffix + 1, "b") == 0)
        base = 1000;
    else
        return 0;
    for (const char *l = letters; l <= letter; l++)
        factor *= base;
    return factor;
}

bool vext_scaled_parse(const char *text, unsigned long long scale, unsigned long long max,
                       unsigned long long *value)
{
    unsigned long long n;
    unsigned long long factor;
    const char *end;

    if (!number_prefix(text, &n, &end))
        return false;
    factor = suffix_scale(end, scale);
    if (!factor || n > max / factor)
        return false;
    *value = n * factor;
    return true;
}
