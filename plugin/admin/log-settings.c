/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * log-settings.c: a daemon's log settings with ours in them, and out of them again (pure)
 */
#include "config.h"

#include <string.h>

#include "plugin/admin/log-settings.h"

/* The parts of the daemon that create images, run block jobs and talk to QEMU about them. */
static const char *const our_filters[] = {
    "1:qemu.qemu_block", "1:qemu.qemu_blockjob", "1:qemu.qemu_snapshot", "1:qemu.qemu_monitor",
    "1:qemu.qemu_driver",
};

#define MARK_LEVEL "4:"
#define MARK "virsh-ext-log/"

void log_settings_clear(LogSettings *s)
{
    g_clear_pointer(&s->filters, g_ptr_array_unref);
    g_clear_pointer(&s->outputs, g_ptr_array_unref);
}

static GPtrArray *words_of(const char *text)
{
    GPtrArray *words = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) all = g_strsplit(text ? text : "", " ", -1);

    for (gsize i = 0; all[i]; i++)
        if (*all[i])
            g_ptr_array_add(words, g_strdup(all[i]));
    return words;
}

/*
 * What the daemon has to be given to have the filter that it tells. libvirt puts one "*" on
 * either side of a name and tells it so; and it drops one "+" in front of a name. A name may have
 * its own of both: "*" alone is told as "***", and is given back as "*", as nothing would not be
 * legal.
 */
static char *as_given(const char *told)
{
    const char *name = strchr(told, ':');
    gsize length = name ? strlen(++name) : 0;

    if (length < 3 || name[0] != '*' || name[length - 1] != '*')
        return g_strdup(told);
    return g_strdup_printf("%.*s%s%.*s", (int) (name - told), told, name[1] == '+' ? "+" : "",
                           (int) length - 2, name + 1);
}

/*
 * @filter without stars around its name: new. Who sets again what virt-admin shows adds a pair to
 * each, and so to ours.
 */
static char *bare(const char *filter)
{
    const char *name = strchr(filter, ':');
    gsize level = name ? (gsize) (name + 1 - filter) : 0, length;

    name = filter + level + strspn(filter + level, "*");
    length = strlen(name);
    while (length && name[length - 1] == '*')
        length--;
    return g_strdup_printf("%.*s%.*s", (int) level, filter, (int) length, name);
}

void log_settings_parse(LogSettings *s, const char *filters, const char *outputs)
{
    log_settings_clear(s);
    s->filters = words_of(filters);
    s->outputs = words_of(outputs);
    for (guint i = 0; i < s->filters->len; i++) {
        g_autofree char *told = s->filters->pdata[i];

        s->filters->pdata[i] = as_given(told);
    }
}

static char *joined(const GPtrArray *words)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < words->len; i++)
        g_string_append_printf(text, "%s%s", i ? " " : "", (char *) words->pdata[i]);
    return g_string_free(text, FALSE);
}

char *log_settings_filters(const LogSettings *s)
{
    return joined(s->filters);
}

char *log_settings_outputs(const LogSettings *s)
{
    return joined(s->outputs);
}

char *log_settings_commands(const LogSettings *s, const char *uri)
{
    g_autofree char *filters = joined(s->filters), *outputs = joined(s->outputs);
    g_autofree char *u = g_shell_quote(uri), *f = g_shell_quote(filters);
    g_autofree char *o = g_shell_quote(outputs);

    return g_strdup_printf("virt-admin -c %s daemon-log-outputs %s && "
                           "virt-admin -c %s daemon-log-filters %s", u, o, u, f);
}

const char *log_settings_output_to(const LogSettings *s, const char *file)
{
    for (guint i = 0; i < s->outputs->len; i++) {
        const char *output = s->outputs->pdata[i], *dest = strchr(output, ':');
        g_autofree char *path = NULL;

        if (!dest || !g_str_has_prefix(dest, ":file:"))
            continue;
        path = g_canonicalize_filename(dest + strlen(":file:"), "/");
        if (g_str_equal(path, file))
            return output;
    }
    return NULL;
}

/* --- the mark --------------------------------------------------------------------------------- */

char *log_mark_new(const char *owner, const char *file)
{
    g_autofree char *escaped = g_uri_escape_string(file, "/", FALSE);

    return g_strconcat(MARK_LEVEL MARK, owner, escaped, NULL);
}

char *log_mark_owner(const char *mark)
{
    const char *owner = g_str_has_prefix(mark, MARK_LEVEL MARK) ? mark + strlen(MARK_LEVEL MARK)
                                                                : NULL;
    const char *slash = owner ? strchr(owner, '/') : NULL;

    return slash ? g_strndup(owner, (gsize) (slash - owner)) : NULL;
}

char *log_mark_file(const char *mark)
{
    const char *slash = g_str_has_prefix(mark, MARK_LEVEL MARK)
                            ? strchr(mark + strlen(MARK_LEVEL MARK), '/') : NULL;

    return slash ? g_uri_unescape_string(slash, NULL) : NULL;
}

/* The output of @mark as the daemon tells it; new. */
static char *output_of(const char *mark)
{
    g_autofree char *file = log_mark_file(mark);

    return file ? g_strconcat("1:file:", file, NULL) : NULL;
}

GPtrArray *log_settings_marks(const LogSettings *s)
{
    GPtrArray *marks = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < s->filters->len; i++) {
        g_autofree char *filter = bare(s->filters->pdata[i]);
        g_autofree char *file = log_mark_file(filter);

        if (file)
            g_ptr_array_add(marks, g_steal_pointer(&filter));
    }
    return marks;
}

void log_settings_add(LogSettings *s, const char *mark)
{
    int at = 0;

    g_ptr_array_insert(s->filters, at++, g_strdup(mark));
    for (gsize i = 0; i < G_N_ELEMENTS(our_filters); i++)
        g_ptr_array_insert(s->filters, at++, g_strdup(our_filters[i]));
    g_ptr_array_add(s->outputs, output_of(mark));
}

/* Removes the first @filter from @from on; FALSE: there is none. *@at: where it was. */
static gboolean take_filter(LogSettings *s, const char *filter, guint from, guint *at)
{
    for (guint i = from; i < s->filters->len; i++) {
        g_autofree char *word = bare(s->filters->pdata[i]);

        if (g_str_equal(word, filter)) {
            g_ptr_array_remove_index(s->filters, i);
            *at = i;
            return TRUE;
        }
    }
    return FALSE;
}

gboolean log_settings_take_output(LogSettings *s, const char *mark)
{
    g_autofree char *output = output_of(mark);
    guint i;

    if (!output || !g_ptr_array_find_with_equal_func(s->outputs, output, g_str_equal, &i))
        return FALSE;
    g_ptr_array_remove_index(s->outputs, i);
    return TRUE;
}

gboolean log_settings_take(LogSettings *s, const char *mark)
{
    guint from, at;

    if (!take_filter(s, mark, 0, &from))
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(our_filters); i++)
        take_filter(s, our_filters[i], from, &at);
    log_settings_take_output(s, mark);
    return TRUE;
}
