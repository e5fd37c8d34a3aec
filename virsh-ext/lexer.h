/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lexer.h: virsh's command line cut into words
 *
 * Two sources give the same tokens: a string, cut as virsh cuts it (string mode, a line of the
 * shell), and an argument vector, where every argument is a word as it is and the vector is one
 * command. Pure: no output, no environment.
 *
 * In a string, blanks are space and tab; ';' and newline end a command; '#' at a word's start is
 * a comment to the end of the line; '\' escapes the next character except between single quotes;
 * backslash-newline vanishes; an open '"' and a '\' at the end are errors, an open "'" is not.
 */
#ifndef VEXT_LEXER_H
#define VEXT_LEXER_H

#include <stdbool.h>
#include <stddef.h>

typedef enum {
    VEXT_TK_ERROR,   /* not a word: see the lexer's error */
    VEXT_TK_ARG,     /* a word, possibly empty */
    VEXT_TK_CMD_END, /* the command ends, there may be another one */
    VEXT_TK_END,     /* nothing is left */
} VextToken;

typedef struct {
    const char *pos;    /* string: what is left */
    char *const *words; /* vector: what is left; NULL for a string */
    size_t nwords;
    const char *error;  /* after VEXT_TK_ERROR: untranslated text of virsh's message */
} VextLexer;

/* Starts on a string; borrows it. */
void vext_lexer_init(VextLexer *lx, const char *text);
/* Starts on @n words; borrows them. */
void vext_lexer_init_words(VextLexer *lx, char *const *words, size_t n);

/*
 * Gets the next token.
 * @word: set, new, for VEXT_TK_ARG alone
 */
VextToken vext_lexer_next(VextLexer *lx, char **word);

/*
 * Where the next token of a string begins (blanks and vanishing newlines skipped), so that a
 * command's text can be cut out of the line as it stands.
 */
const char *vext_lexer_peek(VextLexer *lx);

/* Returns new @word quoted so that the lexer gives it back. */
char *vext_lexer_quote(const char *word);

#endif
