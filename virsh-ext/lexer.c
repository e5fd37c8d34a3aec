/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lexer.c: virsh's command line cut into words
 */
#include <config.h>

#include "virsh-ext/lexer.h"

#include "virsh-ext/util.h"

void vext_lexer_init(VextLexer *lx, const char *text)
{
    memset(lx, 0, sizeof(*lx));
    lx->pos = text;
}

void vext_lexer_init_words(VextLexer *lx, char *const *words, size_t n)
{
    memset(lx, 0, sizeof(*lx));
    lx->words = words;
    lx->nwords = n;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool ends_command(char c)
{
    return c == ';' || c == '\n';
}

const char *vext_lexer_peek(VextLexer *lx)
{
    const char *p = lx->pos;

    if (!p)
        return NULL;
    for (;;) {
        if (is_blank(*p))
            p++;
        else if (p[0] == '\\' && p[1] == '\n')
            p += 2;
        else
            break;
    }
    lx->pos = p;
    return p;
}

static VextToken string_word(VextLexer *lx, char **word)
{
    VextBuf buf = {0};
    char quote = '\0';
    const char *p;

    for (p = lx->pos; *p; p++) {
        if (!quote && (is_blank(*p) || ends_command(*p)))
            break;
        if (*p == '\'' && quote != '"') {
            quote = quote ? '\0' : '\'';
            continue;
        }
        if (*p == '"' && quote != '\'') {
            quote = quote ? '\0' : '"';
            continue;
        }
        if (*p == '\\' && quote != '\'') {
            p++;
            if (*p == '\0') {
                lx->error = "dangling \\";
                vext_buf_clear(&buf);
                return VEXT_TK_ERROR;
            }
            if (*p == '\n')
                continue;
        }
        vext_buf_add(&buf, p, 1);
    }
    if (quote == '"') {
        lx->error = "missing \"";
        vext_buf_clear(&buf);
        return VEXT_TK_ERROR;
    }
    lx->pos = p;
    *word = vext_buf_steal(&buf);
    return VEXT_TK_ARG;
}

VextToken vext_lexer_next(VextLexer *lx, char **word)
{
    const char *p;

    if (lx->words || !lx->pos) {
        if (!lx->words || lx->nwords == 0)
            return VEXT_TK_END;
        *word = vext_strdup(lx->words[0]);
        lx->words++;
        lx->nwords--;
        return VEXT_TK_ARG;
    }

    p = vext_lexer_peek(lx);
    if (*p == '\0')
        return VEXT_TK_END;
    if (ends_command(*p)) {
        lx->pos = p + 1;
        return VEXT_TK_CMD_END;
    }
    if (*p == '#') {
        p += strcspn(p, "\n");
        lx->pos = *p ? p + 1 : p;
        return VEXT_TK_CMD_END;
    }
    return string_word(lx, word);
}

char *vext_lexer_quote(const char *word)
{
    VextBuf buf = {0};

    vext_buf_add(&buf, "'", 1);
    for (; *word; word++) {
        if (*word == '\'')
            vext_buf_adds(&buf, "'\\''");
        else
            vext_buf_add(&buf, word, 1);
    }
    vext_buf_add(&buf, "'", 1);
    return vext_buf_steal(&buf);
}
