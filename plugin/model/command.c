/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * command.c: commands for people to copy, with names that others chose
 */
#include "config.h"

#include <string.h>

#include "include/vext-i18n.h"
#include "plugin/model/chain.h"

/* Whether @word can be shown, and typed, as it is. */
static gboolean can_be_typed(const char *word)
{
    gboolean utf8 = g_get_charset(NULL);

    if (!g_utf8_validate(word, -1, NULL) || (!utf8 && !g_str_is_ascii(word)))
        return FALSE;
    for (; *word; word = g_utf8_next_char(word)) {
        if (*word != ' ' && !g_unichar_isgraph(g_utf8_get_char(word)))
            return FALSE;
    }
    return TRUE;
}

/* As every shell takes it; virsh's own has no way to write such a name. */
static void append_bytes(GString *out, const char *word)
{
    g_string_append(out, "\"$(printf %b \"");
    for (; *word; word++) {
        guchar c = (guchar) *word;

        if (g_ascii_isalnum(c) || strchr(" /._-", c))
            g_string_append_c(out, *word);
        else
            g_string_append_printf(out, "\\0%03o", c);
    }
    g_string_append(out, "\")\"");
}

static void append_word(GString *out, const char *word)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "_.:+@%/=-";

    if (out->len)
        g_string_append_c(out, ' ');
    if (*word && word[strspn(word, safe)] == '\0') {
        g_string_append(out, word);
        return;
    }
    if (!can_be_typed(word)) {
        append_bytes(out, word);
        return;
    }
    if (strchr(word, '!')) {
        /* which an interactive bash expands between " */
        g_autofree char *quoted = g_shell_quote(word);

        g_string_append(out, quoted);
        return;
    }
    g_string_append_c(out, '"');
    for (; *word; word++) {
        if (strchr("\\\"$`", *word))
            g_string_append_c(out, '\\');
        g_string_append_c(out, *word);
    }
    g_string_append_c(out, '"');
}

static void append_words(GString *out, const GPtrArray *words)
{
    for (guint i = 0; i < words->len; i++)
        append_word(out, g_ptr_array_index(words, i));
}

char *chain_unreadable_remedy(const char *helper, gboolean ours)
{
    g_autofree char *command = ours ? chain_command("virsh", "undefine", helper, NULL)
                                    : chain_command("virsh", "domrename", helper, "NEWNAME", NULL);

    if (!ours)
        return g_strdup_printf(_("Give that domain another name with '%s', which takes a domain "
                                 "that is shut off"), command);
    return g_strdup_printf(_("Use the virsh-ext that wrote it; if it is nobody's, drop it with "
                             "'%s'"), command);
}

const char *chain_word_for(const char *name, const char *uuid)
{
    gsize digits = strspn(name, "0123456789");
    gsize hex = 0, other = 0;

    for (const char *c = name; *c; c++) {
        if (g_ascii_isxdigit(*c))
            hex++;
        else if (*c != '-')
            other++;
    }
    return uuid && *name && (!name[digits] || (hex == 32 && !other)) ? uuid : name;
}

const char *chain_domain_word(const ChainDomain *d)
{
    return chain_word_for(d->name, d->uuid);
}

char *chain_quote_names(const GPtrArray *names)
{
    GString *out = g_string_new(NULL);

    for (guint i = 0; i < names->len; i++)
        g_string_append_printf(out, "%s'%s'", i ? ", " : "",
                               (const char *) g_ptr_array_index(names, i));
    return g_string_free(out, FALSE);
}

char *chain_command(const char *word, ...)
{
    GString *out = g_string_new(NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_autoptr(GPtrArray) options = g_ptr_array_new();
    GPtrArray *into = names;
    gboolean virsh = !g_str_equal(word, "qemu-img") && !g_str_equal(word, "rm");
    gboolean odd = FALSE;
    va_list words;

    append_word(out, word);
    va_start(words, word);
    if (g_str_has_prefix(word, "virsh"))
        append_word(out, va_arg(words, const char *));
    while ((word = va_arg(words, const char *))) {
        if (virsh && into == names && g_str_equal(word, "--")) {
            into = options;
            continue;
        }
        odd |= virsh && into == names && *word == '-';
        g_ptr_array_add(into, (gpointer) word);
    }
    va_end(words);
    if (odd) {
        append_words(out, options);
        append_word(out, "--");
    }
    append_words(out, names);
    if (!odd)
        append_words(out, options);
    return g_string_free(out, FALSE);
}
