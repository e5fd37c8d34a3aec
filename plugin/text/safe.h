/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * safe.h: how names, paths, sizes and times from outside are written for people
 *
 * Names and paths are hostile: everything that prints one passes it through one of the functions
 * below. What comes out has no control character, no escape sequence, nothing that turns or hides
 * text around it, and is valid in the user's locale. Which one:
 *
 *      text_safe(), text_name()    a name as an entry of a picture, a table, a list: a backslash
 *                                  is escaped too, so that two different names never look the same
 *      text_sentence()             a sentence, whole, with the names raw in it: all that commands
 *                                  say of what they do, did and refuse. A backslash stays as it
 *                                  is: it may be in a command that is to be typed as it is printed
 *      text_sentence_name()        a name for a sentence that is put together of safe parts
 *
 * All returned strings are new.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** What the place that text goes to can show. Zeroed: a pipe in the C locale. */
typedef struct {
    gboolean utf8;   /**< UTF-8 may be printed: line drawing, names as they are */
    gboolean colour; /**< ANSI colours may be printed */
    guint width;     /**< columns of the terminal; 0: not a terminal, nothing is shortened */
    gboolean bytes;  /**< --bytes: sizes as plain numbers */
    gboolean quiet;  /**< -q: no table header */
    gboolean several;/**< --all: the domain is named even if there is only one */
} TextOptions;

/**
 * What the file behind @fd can show: the locale's character set, terminal or not, its width,
 * colour unless NO_COLOR is set and not empty or TERM is "dumb". The one place that asks.
 */
TextOptions text_terminal_options(int fd);

/**
 * A name or path that is safe to print.
 *
 * Control characters become \n, \t, … or \x1b, bytes that are not UTF-8 \xff, a backslash \\,
 * characters that show nothing, another blank or change the direction of text \u202e. Without
 * @utf8 every character that is not ASCII becomes \u00e9.
 */
char *text_safe(const char *s, gboolean utf8);

/** As text_safe(), and in single quotes (with \' inside) where it could be taken for more than
 *  one word of a list: blanks, commas, quotes, brackets, empty. */
char *text_name(const char *s, gboolean utf8);

/** As text_name(), and a backslash as in text_sentence(). */
char *text_sentence_name(const char *s, gboolean utf8);

/** A whole sentence with raw names in it (a finding, a refusal, a step) as text_safe(), but with
 *  backslashes as they are: it may have a command in it that is to be typed as it is printed.
 *  Without @utf8 its own "…" becomes "...". */
char *text_sentence(const char *s, gboolean utf8);

/** Whether a character shows and cannot turn, hide or forge the text around it. */
gboolean text_char_is_safe(gunichar c);

/** "256M", "1.3G", "193K", "12B", powers of 1024 as lsblk prints them; CHAIN_UNKNOWN is "?".
 *  With @bytes the plain number. */
char *text_size(guint64 size, gboolean bytes);

/** "0.4 s", "12 s", "3 min 5 s", "2 h 4 min". */
char *text_duration(gint64 microseconds);

/** Columns that safe text takes on a terminal. */
gsize text_width(const char *safe);

/** @safe in at most @width columns: the middle replaced by "…" ("..." without @utf8); the end,
 *  where names differ, keeps more than the start. */
char *text_shorten(const char *safe, gsize width, gboolean utf8);

/** @safe in lines of at most @width columns (the first one @first), broken where a blank or a comma
 *  is, words that are longer anywhere. Without room for a word the first line is empty. New array
 *  of strings, at least one. */
GPtrArray *text_wrap(const char *safe, gsize first, gsize width);

G_END_DECLS
