/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * safe.c: how names, paths, sizes and times from outside are written for people
 */
#include "config.h"

#include <langinfo.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "include/vext-i18n.h"
#include "plugin/model/chain.h"
#include "plugin/text/safe.h"

TextOptions text_terminal_options(int fd)
{
    TextOptions options = { 0 };
    const char *term = g_getenv("TERM");
    const char *no_colour = g_getenv("NO_COLOR");
    struct winsize size;

    options.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    if (!isatty(fd))
        return options;
    options.colour = !(no_colour && *no_colour) && term && *term && strcmp(term, "dumb") != 0;
    options.width = 80;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        options.width = size.ws_col;
    } else {
        const char *columns = g_getenv("COLUMNS");
        guint64 n;

        if (columns && g_ascii_string_to_unsigned(columns, 10, 1, 10000, &n, NULL))
            options.width = (guint) n;
    }
    return options;
}

/* Letters and marks by their category that nevertheless show nothing or only a blank. */
static gboolean shows_nothing(gunichar c)
{
    switch (c) {
    case 0x034f: /* combining grapheme joiner */
    case 0x115f: /* Hangul fillers */
    case 0x1160:
    case 0x3164:
    case 0xffa0:
    case 0x17b4: /* Khmer inherent vowels */
    case 0x17b5:
    case 0x2800: /* Braille blank */
        return TRUE;
    default:
        return FALSE;
    }
}

gboolean text_char_is_safe(gunichar c)
{
    if (c < 0x80)
        return c >= 0x20 && c < 0x7f;
    switch (g_unichar_type(c)) {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT: /* marks of direction, joiners, tags */
    case G_UNICODE_UNASSIGNED:
    case G_UNICODE_PRIVATE_USE:
    case G_UNICODE_SURROGATE:
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
    case G_UNICODE_SPACE_SEPARATOR:
        return FALSE;
    default:
        return !shows_nothing(c);
    }
}

static void append_escaped(GString *out, gunichar c)
{
    static const char letters[] = { '\a', 'a', '\b', 'b', '\t', 't', '\n', 'n',
                                    '\v', 'v', '\f', 'f', '\r', 'r', '\\', '\\' };

    for (gsize i = 0; i < sizeof(letters); i += 2) {
        if (c == (gunichar) letters[i]) {
            g_string_append_c(out, '\\');
            g_string_append_c(out, letters[i + 1]);
            return;
        }
    }
    if (c < 0x80)
        g_string_append_printf(out, "\\x%02x", c);
    else if (c < 0x10000)
        g_string_append_printf(out, "\\u%04x", c);
    else
        g_string_append_printf(out, "\\U%08x", c);
}

/* @quote: escaped too, or '\0'. @backslash: so is "\", which makes the escapes unambiguous. */
static void append_safe(GString *out, const char *s, gboolean utf8, char quote,
                        gboolean backslash)
{
    while (*s) {
        gunichar c;

        if ((guchar) *s < 0x80)
            c = (guchar) *s;
        else
            c = g_utf8_get_char_validated(s, -1);
        if (c == (gunichar) -1 || c == (gunichar) -2) {
            g_string_append_printf(out, "\\x%02x", (guchar) *s);
            s++;
            continue;
        }
        if (quote && c == (gunichar) quote) {
            g_string_append_c(out, '\\');
            g_string_append_c(out, quote);
        } else if ((c == '\\' && backslash) || !text_char_is_safe(c) || (c >= 0x80 && !utf8)) {
            append_escaped(out, c);
        } else {
            g_string_append_unichar(out, c);
        }
        s = g_utf8_next_char(s);
    }
}

char *text_safe(const char *s, gboolean utf8)
{
    GString *out = g_string_new(NULL);

    append_safe(out, s ? s : "", utf8, '\0', TRUE);
    return g_string_free(out, FALSE);
}

char *text_sentence(const char *s, gboolean utf8)
{
    static const char ellipsis[] = "\342\200\246";
    g_autofree char *ascii = NULL;
    GString *out = g_string_new(NULL);

    if (!utf8 && s && strstr(s, ellipsis)) {
        g_auto(GStrv) parts = g_strsplit(s, ellipsis, -1);

        ascii = g_strjoinv("...", parts);
        s = ascii;
    }
    append_safe(out, s ? s : "", utf8, '\0', FALSE);
    return g_string_free(out, FALSE);
}

static char *one_word(const char *s, gboolean utf8, gboolean backslash)
{
    GString *out = g_string_new(NULL);

    if (s && *s && *s != '*' && !strpbrk(s, " \t\n\r\v\f,;'\"()[]{}<>|&")) {
        append_safe(out, s, utf8, '\0', backslash);
    } else {
        g_string_append_c(out, '\'');
        append_safe(out, s ? s : "", utf8, '\'', backslash);
        g_string_append_c(out, '\'');
    }
    return g_string_free(out, FALSE);
}

char *text_name(const char *s, gboolean utf8)
{
    return one_word(s, utf8, TRUE);
}

char *text_sentence_name(const char *s, gboolean utf8)
{
    return one_word(s, utf8, FALSE);
}

char *text_size(guint64 size, gboolean bytes)
{
    static const char units[] = "BKMGTPE";
    guint unit = 0;
    guint64 whole, tenths;

    if (size == CHAIN_UNKNOWN)
        return g_strdup("?");
    if (bytes)
        return g_strdup_printf("%" G_GUINT64_FORMAT, size);
    while (unit < 6 && size >> (10 * (unit + 1)))
        unit++;
    whole = size >> (10 * unit);
    tenths = 0;
    if (unit > 0) {
        /* of the ten bits below the unit: nothing overflows */
        guint64 rest = (size >> (10 * (unit - 1))) & 1023;

        tenths = (rest * 10 + 512) / 1024;
        if (tenths == 10) {
            whole++;
            tenths = 0;
        }
        if (whole == 1024 && unit < 6) {
            whole = 1;
            unit++;
        }
    }
    if (tenths)
        return g_strdup_printf("%" G_GUINT64_FORMAT ".%u%c", whole, (guint) tenths, units[unit]);
    return g_strdup_printf("%" G_GUINT64_FORMAT "%c", whole, units[unit]);
}

char *text_duration(gint64 microseconds)
{
    gint64 s = microseconds / G_USEC_PER_SEC;

    if (microseconds < 0)
        return g_strdup("?");
    if (s < 10)
        return g_strdup_printf(_("%u.%u s"), (guint) s,
                               (guint) (microseconds % G_USEC_PER_SEC / 100000));
    if (s < 60)
        return g_strdup_printf(_("%u s"), (guint) s);
    if (s < 3600)
        return g_strdup_printf(_("%u min %u s"), (guint) (s / 60), (guint) (s % 60));
    return g_strdup_printf(_("%u h %u min"), (guint) (s / 3600), (guint) (s % 3600 / 60));
}

static gsize char_width(gunichar c)
{
    if (g_unichar_iszerowidth(c))
        return 0;
    return g_unichar_iswide(c) ? 2 : 1;
}

/* The character at *@p and its width; *@p is set behind it. */
static gunichar take_char(const char **p, gsize *width)
{
    gunichar c = (guchar) **p < 0x80 ? (guchar) **p : g_utf8_get_char_validated(*p, -1);

    if (c == (gunichar) -1 || c == (gunichar) -2) { /* a translation in another charset */
        *width = 1;
        (*p)++;
    } else {
        *width = char_width(c);
        *p = g_utf8_next_char(*p);
    }
    return c;
}

gsize text_width(const char *safe)
{
    gsize width = 0;

    for (const char *p = safe; *p;) {
        gsize one;

        take_char(&p, &one);
        width += one;
    }
    return width;
}

char *text_shorten(const char *safe, gsize width, gboolean utf8)
{
    const char *gap = utf8 ? "\342\200\246" : "...";
    gsize gap_width = utf8 ? 1 : 3;
    gsize keep, left, used, i;
    gsize n;
    g_autofree gunichar *chars = NULL;
    glong length;
    GString *out;

    if (text_width(safe) <= width)
        return g_strdup(safe);
    chars = g_utf8_to_ucs4_fast(safe, -1, &length);
    n = (gsize) length;
    out = g_string_new(NULL);
    keep = width > gap_width ? width - gap_width : 0;
    left = keep / 3;
    for (i = 0, used = 0; i < n && used + char_width(chars[i]) <= left; i++) {
        used += char_width(chars[i]);
        g_string_append_unichar(out, chars[i]);
    }
    if (width >= gap_width)
        g_string_append(out, gap);
    for (i = n; i > 0 && used + char_width(chars[i - 1]) <= keep; i--)
        used += char_width(chars[i - 1]);
    while (i < n && g_unichar_iszerowidth(chars[i])) /* its letter is in the gap */
        i++;
    for (; i < n; i++)
        g_string_append_unichar(out, chars[i]);
    return g_string_free(out, FALSE);
}

GPtrArray *text_wrap(const char *safe, gsize first, gsize width)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
    const char *start = safe;
    gsize room = first;

    do {
        const char *p = start, *end = NULL, *next = NULL; /* of this line, of the next */
        const char *fits = start;
        gsize used = 0;

        while (*p && used <= room) {
            const char *here = p;
            gsize one;
            gunichar c = take_char(&p, &one);

            if (c == ' ') {
                end = here;
                next = p;
            }
            used += one;
            if (used <= room)
                fits = p;
            if (used <= room && c == ',')
                end = next = p;
        }
        if (!*fits)
            end = next = fits;
        else if (!end && room < width)
            end = next = start; /* the next line has room for more of the word */
        else if (!end)
            end = next = fits > start ? fits : p;
        g_ptr_array_add(lines, g_strndup(start, (gsize) (end - start)));
        start = next;
        room = width;
    } while (*start);
    return lines;
}
