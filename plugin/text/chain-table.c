/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * chain-table.c: a line per image, in the manner of lsblk
 */
#include "config.h"

#include <gio/gio.h>
#include <libsmartcols.h>
#include <string.h>

#include "include/vext-i18n.h"
#include "plugin/text/rows.h"

#define DEFAULT_COLUMNS "DISK,DEPTH,PATH,FORMAT,ALLOCATION,ROLE,SNAPSHOTS,USED-BY"
/* No path and no list is made narrower than this many columns. */
#define PATH_MIN 16
#define LIST_MIN 10

typedef struct libscols_table ScolsTable;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScolsTable, scols_unref_table)

const char *const *text_chain_column_names(void)
{
    static const char *names[32];

    if (!names[0]) {
        for (gsize i = 0; text_columns[i].name && i + 1 < G_N_ELEMENTS(names); i++)
            names[i] = text_columns[i].name;
    }
    return names;
}

char *text_chain_column_help(void)
{
    GString *out = g_string_new(NULL);
    int width = 0;

    for (const TextColumn *c = text_columns; c->name; c++)
        width = MAX(width, (int) strlen(c->name));
    for (const TextColumn *c = text_columns; c->name; c++)
        g_string_append_printf(out, "%-*s  %s\n", width, c->name, _(c->help));
    return g_string_free(out, FALSE);
}

/* Any case, and as in JSON: "used_by" is "USED-BY". */
static gboolean same_name(const char *name, const char *given)
{
    for (; *name && *given; name++, given++) {
        char c = *given == '_' ? '-' : g_ascii_toupper(*given);

        if (c != *name)
            return FALSE;
    }
    return !*name && !*given;
}

static gboolean add_columns(GPtrArray *chosen, const char *list, GError **error)
{
    g_auto(GStrv) names = NULL;

    /* of nothing g_strsplit() makes no names at all: it is one empty name */
    names = *list ? g_strsplit(list, ",", -1) : g_strsplit(",", ",", 2);
    for (char **name = names; *name; name++) {
        const TextColumn *found = NULL;

        g_strstrip(*name);
        for (const TextColumn *c = text_columns; c->name && !found; c++) {
            if (same_name(c->name, *name))
                found = c;
        }
        if (!found) {
            g_autofree char *safe = text_safe(*name, FALSE);
            g_autofree char *known = g_strjoinv(", ", (char **) text_chain_column_names());

            g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                        _("Unknown column '%s', known are: %s"), safe, known);
            return FALSE;
        }
        if (!g_ptr_array_find(chosen, found, NULL))
            g_ptr_array_add(chosen, (gpointer) found);
    }
    return TRUE;
}

static GPtrArray *choose_columns(const char *columns, gboolean several, GError **error)
{
    g_autoptr(GPtrArray) chosen = g_ptr_array_new();

    if (!columns || columns[0] == '+') {
        if ((several && !add_columns(chosen, "DOMAIN", error)) ||
            !add_columns(chosen, DEFAULT_COLUMNS, error))
            return NULL;
    }
    if (columns && !add_columns(chosen, columns[0] == '+' ? columns + 1 : columns, error))
        return NULL;
    return g_steal_pointer(&chosen);
}

/* Between the names of a list until it is known whether each has a line of its own. */
#define BETWEEN "\n"

/* In a list each name is quoted where it could be taken for two; alone it cannot be. */
static char *cell_text(const TextColumn *column, const TextRow *row, const TextOptions *options)
{
    TextValue value = { 0 };
    GString *list;
    char *text = NULL;

    column->get(row, &value);
    switch (column->type) {
    case TEXT_VALUE_STRING:
        if (!value.text)
            text = g_strdup("-");
        else if (column->path)
            text = text_safe(value.text, options->utf8);
        else
            text = text_name(value.text, options->utf8);
        break;
    case TEXT_VALUE_NUMBER:
        text = value.number == CHAIN_UNKNOWN ? g_strdup("-") : text_size(value.number, TRUE);
        break;
    case TEXT_VALUE_SIZE:
        text = text_size(value.number, options->bytes);
        break;
    case TEXT_VALUE_BOOL:
        text = g_strdup(value.number ? _("yes") : _("no"));
        break;
    case TEXT_VALUE_LIST:
        list = g_string_new(NULL);
        for (guint i = 0; i < value.list->len; i++) {
            g_autofree char *name = text_name(g_ptr_array_index(value.list, i), options->utf8);

            g_string_append_printf(list, "%s%s", i ? BETWEEN : "", name);
        }
        if (!list->len)
            g_string_append_c(list, '-');
        text = g_string_free(list, FALSE);
        break;
    }
    g_clear_pointer(&value.list, g_ptr_array_unref);
    return text;
}

typedef struct {
    GPtrArray *columns; /* const TextColumn * */
    GPtrArray *cells;   /* char *, row by row */
} Grid;

static void fill_grid(Grid *grid, const TextDomain *domains, gsize n, const char *only,
                      const TextOptions *options)
{
    for (gsize i = 0; i < n; i++) {
        g_autoptr(GPtrArray) disks = chain_domain_all_disks(domains[i].domain);

        for (guint j = 0; j < disks->len; j++) {
            ChainDisk *disk = g_ptr_array_index(disks, j);
            g_autoptr(GArray) rows = NULL;

            if (!text_disk_wanted(disk, only))
                continue;
            rows = text_rows(disk);
            for (guint k = 0; k < rows->len; k++) {
                for (guint c = 0; c < grid->columns->len; c++)
                    g_ptr_array_add(grid->cells,
                                    cell_text(g_ptr_array_index(grid->columns, c),
                                              &g_array_index(rows, TextRow, k), options));
            }
        }
    }
}

static gsize limited(const TextColumn *column, gsize width, gsize limit)
{
    if (column->path)
        return MIN(width, MAX(limit, PATH_MIN));
    return column->type == TEXT_VALUE_LIST ? MIN(width, limit) : width;
}

/* Whether the table does when no path and no list is wider than @limit. */
static gboolean fits(const gsize *widths, const GPtrArray *columns, gsize limit, gsize width)
{
    gsize sum = columns->len - 1; /* separators */

    for (guint c = 0; c < columns->len; c++)
        sum += limited(g_ptr_array_index(columns, c), widths[c], limit);
    return sum <= width;
}

/* @list: becomes one line, or a name a line if it is too wide */
static char *break_list(const char *list, gsize width)
{
    g_auto(GStrv) names = g_strsplit(list, BETWEEN, -1);
    g_autofree char *line = g_strjoinv(",", names);
    g_autoptr(GString) out = g_string_new(NULL);

    if (text_width(line) <= width)
        return g_steal_pointer(&line);
    for (char **name = names; *name; name++) {
        g_autofree char *item = g_strconcat(*name, name[1] ? "," : "", NULL);
        g_autoptr(GPtrArray) lines = text_wrap(item, width, width);

        for (guint i = 0; i < lines->len; i++)
            g_string_append_printf(out, "%s%s", out->len ? "\n" : "",
                                   (const char *) g_ptr_array_index(lines, i));
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}

/* Paths are shortened; lists get further lines, as a name in them is not to be cut, unless the
 * terminal breaks the lines all the same. */
static void fit_grid(Grid *grid, const TextOptions *options)
{
    guint n = grid->columns->len;
    g_autofree gsize *widths = g_new0(gsize, n);
    gsize limit = G_MAXSIZE, lists = G_MAXSIZE;

    if (!grid->cells->len)
        return;
    if (options->width) {
        for (guint c = 0; c < n; c++)
            widths[c] = strlen(((const TextColumn *) g_ptr_array_index(grid->columns, c))->name);
        for (guint i = 0; i < grid->cells->len; i++)
            widths[i % n] = MAX(widths[i % n], text_width(g_ptr_array_index(grid->cells, i)));
        for (limit = options->width; limit > LIST_MIN; limit--) {
            if (fits(widths, grid->columns, limit, options->width))
                break;
        }
        if (fits(widths, grid->columns, limit, options->width))
            lists = limit;
    }
    for (guint i = 0; i < grid->cells->len; i++) {
        const TextColumn *column = g_ptr_array_index(grid->columns, i % n);
        char *cell = grid->cells->pdata[i];

        if (column->path)
            grid->cells->pdata[i] = text_shorten(cell, MAX(limit, PATH_MIN), options->utf8);
        else if (column->type == TEXT_VALUE_LIST)
            grid->cells->pdata[i] = break_list(cell, lists);
        else
            continue;
        g_free(cell);
    }
}

static void strip_blanks(GString *text)
{
    gsize to = 0;

    for (gsize i = 0; i < text->len; i++) {
        if (text->str[i] == '\n') {
            while (to && text->str[to - 1] == ' ')
                to--;
        }
        text->str[to++] = text->str[i];
    }
    g_string_truncate(text, to);
}

static char *print_grid(const Grid *grid, const TextOptions *options)
{
    g_autoptr(ScolsTable) table = scols_new_table();
    struct libscols_line *line = NULL;
    guint n = grid->columns->len;
    g_autoptr(GString) out = g_string_new(NULL);
    char *text = NULL;

    if (!table)
        g_error("libsmartcols: out of memory");
    scols_table_set_termforce(table, SCOLS_TERMFORCE_NEVER);
    scols_table_enable_noencoding(table, TRUE); /* it is safe already */
    scols_table_enable_noheadings(table, options->quiet);
    for (guint c = 0; c < n; c++) {
        const TextColumn *column = g_ptr_array_index(grid->columns, c);
        int flags = column->type == TEXT_VALUE_NUMBER || column->type == TEXT_VALUE_SIZE
                    ? SCOLS_FL_RIGHT : column->type == TEXT_VALUE_LIST ? SCOLS_FL_WRAP : 0;
        struct libscols_column *made = scols_table_new_column(table, column->name, 0, flags);

        if (!made || scols_column_set_safechars(made, "\n") != 0 ||
            scols_column_set_wrapfunc(made, scols_wrapnl_chunksize, scols_wrapnl_nextchunk,
                                      NULL) != 0)
            g_error("libsmartcols: out of memory");
    }
    for (guint i = 0; i < grid->cells->len; i++) {
        if (i % n == 0) /* NOLINT(clang-analyzer-core.DivideZero): cells are of columns */
            line = scols_table_new_line(table, NULL);
        if (!line || scols_line_set_data(line, i % n, g_ptr_array_index(grid->cells, i)) != 0)
            g_error("libsmartcols: out of memory");
    }
    /* with no line at all it prints nothing, not even the header: as lsblk */
    if (scols_print_table_to_string(table, &text) == 0 && text)
        g_string_append(out, text);
    free(text);
    if (out->len && out->str[out->len - 1] != '\n')
        g_string_append_c(out, '\n');
    strip_blanks(out);
    return g_string_free(g_steal_pointer(&out), FALSE);
}

char *text_chain_table(const TextDomain *domains, gsize n, const char *disk,
                       const char *columns, const TextOptions *options, GError **error)
{
    g_autoptr(GPtrArray) chosen = choose_columns(columns, n != 1 || options->several, error);
    g_autoptr(GPtrArray) cells = g_ptr_array_new_with_free_func(g_free);
    Grid grid = { chosen, cells };

    if (!chosen)
        return NULL;
    fill_grid(&grid, domains, n, disk, options);
    fit_grid(&grid, options);
    return print_grid(&grid, options);
}
