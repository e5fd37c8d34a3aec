/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * chain-tree.c: the picture of a domain's disks, and the findings below it
 */
#include "config.h"

#include <string.h>

#include "include/vext-i18n.h"
#include "plugin/text/forest.h"
#include "plugin/text/rows.h"

#define BOLD "1"
#define DIM "2"
#define RED "1;31"
#define YELLOW "33"
#define GREEN "1;32"
#define CYAN "36"

/* No name is made shorter than this many columns. */
#define NAME_MIN 16
/* So many domains that use an image are named. */
#define USERS_MAX 3

/* What is said of an image gets lines of its own where it would have less: "* active (…" fits. */
#define NOTES_MIN 24

typedef struct {
    const char *colour;
    char *text;
} Note;

/* A line of the picture. */
typedef struct {
    gboolean apart; /* begins what does not belong to the active chain's tree */
    char *lines;    /* left of the mark */
    char *below;    /* the same where the notes go on below the line */
    const char *mark, *mark_colour;
    char *name;
    const char *name_colour;
    char *format, *size;
    GArray *notes;  /* Note */
} Line;

typedef struct {
    const TextOptions *options;
    GString *out;
} Tree;

static void line_clear(gpointer data)
{
    Line *line = data;

    g_free(line->lines);
    g_free(line->below);
    g_free(line->name);
    g_free(line->format);
    g_free(line->size);
    g_array_unref(line->notes);
}

static void note_clear(gpointer data)
{
    g_free(((Note *) data)->text);
}

static GArray *notes_new(void)
{
    GArray *notes = g_array_new(FALSE, FALSE, sizeof(Note));

    g_array_set_clear_func(notes, note_clear);
    return notes;
}

/* --- pieces ----------------------------------------------------------------------------------- */

static void append_colour(GString *out, const TextOptions *options, const char *colour,
                          const char *text)
{
    if (colour && options->colour && *text)
        g_string_append_printf(out, "\033[%sm%s\033[0m", colour, text);
    else
        g_string_append(out, text);
}

static void append_blanks(GString *out, gsize n)
{
    gsize old = out->len;

    g_string_set_size(out, old + n);
    memset(out->str + old, ' ', n);
}

static void add_note(GArray *notes, const char *colour, const char *text)
{
    Note note = { colour, g_strdup(text) };

    g_array_append_val(notes, note);
}

/* Of all in one line, separated by "; ". */
static gsize notes_width(const GArray *notes)
{
    gsize width = 0;

    for (guint i = 0; i < notes->len; i++)
        width += text_width(g_array_index(notes, Note, i).text) + (i ? 2 : 0);
    return width;
}

static char *name_snapshot(const ChainSnapshot *s, const TextOptions *options)
{
    g_autofree char *name = text_name(s->name, options->utf8);

    if (s == s->domain->current)
        return g_strdup_printf(_("%s (current)"), name);
    return g_steal_pointer(&name);
}

static gboolean is_internal_on(const ChainSnapshot *s, const ChainDisk *disk)
{
    ChainSnapshotDisk *sd = chain_snapshot_disk(s, disk->target);

    return sd && sd->kind == CHAIN_SNAP_INTERNAL;
}

static void note_snapshots(GArray *notes, const TextOptions *options, const TextRow *row,
                           GPtrArray *snapshots, gboolean internal)
{
    g_autoptr(GString) names = g_string_new(NULL);
    g_autofree char *text = NULL;
    guint n = 0;

    for (guint i = 0; i < snapshots->len; i++) {
        const ChainSnapshot *s = g_ptr_array_index(snapshots, i);
        g_autofree char *name = NULL;

        if (is_internal_on(s, row->disk) != internal)
            continue;
        name = name_snapshot(s, options);
        g_string_append_printf(names, "%s%s", n++ ? ", " : "", name);
    }
    if (!n)
        return;
    if (internal)
        text = g_strdup_printf(P_("internal snapshot %s", "internal snapshots %s", n),
                               names->str);
    else
        text = g_strdup_printf(P_("snapshot %s", "snapshots %s", n), names->str);
    add_note(notes, CYAN, text);
}

static void note_users(GArray *notes, const TextOptions *options, const TextRow *row)
{
    g_autoptr(GPtrArray) users = text_row_users(row);
    g_autoptr(GString) names = g_string_new(NULL);
    g_autofree char *text = NULL;
    guint shown = users->len > USERS_MAX + 1 ? USERS_MAX : users->len;

    if (!users->len)
        return;
    for (guint i = 0; i < shown; i++) {
        g_autofree char *name = text_name(g_ptr_array_index(users, i), options->utf8);

        g_string_append_printf(names, "%s%s", i ? ", " : "", name);
    }
    if (shown < users->len)
        text = g_strdup_printf(_("used by %s and %u other domains"), names->str,
                               users->len - shown);
    else
        text = g_strdup_printf(P_("used by domain %s", "used by domains %s", users->len),
                               names->str);
    add_note(notes, YELLOW, text);
}

static void note_flags(GArray *notes, const ChainImage *image)
{
    static const struct {
        guint flag;
        const char *colour, *words;
    } table[] = {
        { CHAIN_IMAGE_MISSING, RED, N_("missing") },
        { CHAIN_IMAGE_UNREADABLE, RED, N_("cannot be read") },
        { CHAIN_IMAGE_LOOP, RED, N_("stands on itself") },
        { CHAIN_IMAGE_CORRUPT, RED, N_("marked as corrupt") },
        { CHAIN_IMAGE_FORMAT_GUESSED, YELLOW, N_("format not recorded") },
        { CHAIN_IMAGE_NOT_WRITABLE, YELLOW, N_("read-only") },
        { CHAIN_IMAGE_ORPHAN, YELLOW, N_("orphan") },
        { CHAIN_IMAGE_ENCRYPTED, DIM, N_("encrypted") },
        { CHAIN_IMAGE_DATA_FILE, DIM, N_("external data file") },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        if (image->flags & table[i].flag)
            add_note(notes, table[i].colour, _(table[i].words));
    }
}

static void note_image(GArray *notes, const TextOptions *options, const TextRow *row)
{
    g_autoptr(GPtrArray) snapshots = text_row_snapshots(row);
    const ChainImage *image = row->image;
    const ChainImage *active = row->disk->active;

    note_snapshots(notes, options, row, snapshots, FALSE);
    note_snapshots(notes, options, row, snapshots, TRUE);
    if (row->depth == 0)
        add_note(notes, GREEN, _("* active (you are here)"));
    else if (active && row->disk->configured == image)
        add_note(notes, YELLOW, _("active after the next start"));
    else if (!snapshots->len && !(image->flags & (CHAIN_IMAGE_ORPHAN | CHAIN_IMAGE_MISSING)))
        add_note(notes, DIM, _("no snapshot"));
    note_flags(notes, image);
    note_users(notes, options, row);
    if (active && active != image && image->virtual_size != CHAIN_UNKNOWN &&
        active->virtual_size != CHAIN_UNKNOWN && image->virtual_size != active->virtual_size) {
        g_autofree char *size = text_size(image->virtual_size, options->bytes);
        g_autofree char *text = g_strdup_printf(_("virtual size %s"), size);

        add_note(notes, DIM, text);
    }
}

/* --- one disk --------------------------------------------------------------------------------- */

/* "/img/" of "/img/a"; NULL for what is no path. @length: of it. */
static const char *folder(const ChainImage *image, gsize *length)
{
    const char *slash;

    if (!image->path || image->path[0] != '/')
        return NULL;
    slash = strrchr(image->path, '/');
    *length = (gsize) (slash - image->path) + 1;
    return image->path;
}

/* The directory with its slash that most of the images are in, if that is more than one. */
static char *common_folder(const GArray *rows)
{
    g_autoptr(GHashTable) counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    const char *best = NULL;
    guint most = 1;

    for (guint i = 0; i < rows->len; i++) {
        gsize length = 0;
        const char *path = folder(g_array_index(rows, TextRow, i).image, &length);
        char *key;
        guint n;

        if (!path)
            continue;
        key = g_strndup(path, length);
        n = GPOINTER_TO_UINT(g_hash_table_lookup(counts, key)) + 1;
        g_hash_table_replace(counts, key, GUINT_TO_POINTER(n));
        if (n > most) {
            most = n;
            best = key;
        } else if (best && strcmp(best, key) == 0) {
            best = key; /* the old key is gone */
        }
    }
    return g_strdup(best);
}

/* "vda: 256M, in /img" */
static void append_heading(Tree *tree, const ChainDisk *disk, const char *dir)
{
    const TextOptions *options = tree->options;
    g_autofree char *target = text_safe(disk->target, options->utf8);
    g_autofree char *size = NULL;
    g_autoptr(GString) label = g_string_new(NULL);

    append_colour(label, options, BOLD, target);
    if (disk->device && strcmp(disk->device, "disk") != 0) {
        g_autofree char *device = text_safe(disk->device, options->utf8);

        g_string_append_printf(label, " (%s)", device);
    }
    if (text_disk_detached(disk))
        size = g_strdup(_("not in the domain any more"));
    else if (!disk->active)
        size = g_strdup(_("empty"));
    else if (disk->active->virtual_size == CHAIN_UNKNOWN)
        size = g_strdup(_("size not known"));
    else
        size = text_size(disk->active->virtual_size, options->bytes);
    if (dir) {
        g_autofree char *plain = g_strndup(dir, MAX(strlen(dir), 2) - 1);
        g_autofree char *safe = text_safe(plain, options->utf8);

        g_string_append_printf(tree->out, _("%s: %s, in %s"), label->str, size, safe);
    } else {
        g_string_append_printf(tree->out, "%s: %s", label->str, size);
    }
    g_string_append_c(tree->out, '\n');
}

static void append_job(Tree *tree, const ChainJob *job)
{
    const TextOptions *options = tree->options;
    g_autofree char *type = text_safe(job->type, options->utf8);
    g_autofree char *text = NULL;

    if (job->ready) {
        text = g_strdup_printf(_("block job: %s, ready to be finished"), type);
    } else if (job->end == 0 || job->end == CHAIN_UNKNOWN || job->cur > job->end) {
        text = g_strdup_printf(_("block job: %s"), type);
    } else {
        g_autofree char *cur = text_size(job->cur, options->bytes);
        g_autofree char *end = text_size(job->end, options->bytes);

        text = g_strdup_printf(_("block job: %s, %s of %s"), type, cur, end);
    }
    g_string_append(tree->out, "  ");
    append_colour(tree->out, options, YELLOW, text);
    g_string_append_c(tree->out, '\n');
}

/* What stands below the lowest image that was read. */
static void add_unknown(GArray *lines, const Tree *tree, const TextLeaf *leaf,
                        const ChainImage *image)
{
    const TextOptions *options = tree->options;
    Line line = { .mark = "?", .mark_colour = YELLOW, .name_colour = DIM };

    line.lines = g_strdup(leaf->lines);
    line.below = g_strdup(leaf->below);
    line.name = image->backing_spec ? text_safe(image->backing_spec, options->utf8)
                                    : g_strdup(_("(not known)"));
    line.format = text_safe(image->backing_format, options->utf8);
    line.size = g_strdup("");
    line.notes = notes_new();
    add_note(line.notes, DIM, image->backing_spec
             ? _("not followed") : _("whether anything is below is not known"));
    g_array_append_val(lines, line);
}

static void add_line(GArray *lines, const Tree *tree, const TextLeaf *leaf, const TextRow *row,
                     const char *dir)
{
    const TextOptions *options = tree->options;
    const ChainImage *image = row->image;
    const char *path = image->path ? image->path : "";
    Line line = { .notes = notes_new() };
    gboolean named = FALSE;

    for (guint i = 0; i < image->frozen_by->len && !named; i++)
        named = ((ChainSnapshot *) image->frozen_by->pdata[i])->domain == row->disk->domain;
    if (image->flags & CHAIN_IMAGE_MISSING) {
        line.mark = "!";
        line.mark_colour = line.name_colour = RED;
    } else if (row->depth == 0) {
        line.mark = "*";
        line.mark_colour = line.name_colour = GREEN;
    } else if (named) {
        line.mark = options->utf8 ? "\342\227\217" : "o";
    } else {
        line.mark = options->utf8 ? "\342\227\213" : "o";
        line.name_colour = row->depth < 0 ? DIM : NULL;
    }
    if (dir && g_str_has_prefix(path, dir) && !strchr(path + strlen(dir), '/'))
        path += strlen(dir);
    line.lines = g_strdup(leaf->lines);
    line.below = g_strdup(leaf->below);
    line.name = text_safe(path, options->utf8);
    line.format = text_safe(image->format ? image->format : "?", options->utf8);
    line.size = text_size(image->allocation, options->bytes);
    note_image(line.notes, options, row);
    g_array_append_val(lines, line);
}

/* The columns of a disk's lines. */
typedef struct {
    gsize names, formats, sizes;
    gsize notes;  /* room for them; 0: no end of it */
    gboolean below; /* they have lines of their own */
} Widths;

/* The notes take from the names what they need. What is too little for both is shared. */
static void fit(Widths *w, gsize notes, gsize width)
{
    /* margin, mark, three gaps */
    gsize others = 2 + 2 + 2 + w->formats + 2 + w->sizes + 2;
    gsize room = width > others ? width - others : 0;

    if (w->names + notes <= room)
        return;
    if (notes + NAME_MIN <= room) {
        w->names = room - notes;
        return;
    }
    w->below = room < NAME_MIN + NOTES_MIN;
    w->names = MIN(w->names, w->below ? MAX(room + 2, NAME_MIN)
                                      : MIN(room / 2, room - NOTES_MIN));
    w->notes = room - MIN(w->names, room);
}

static Widths measure(const GArray *lines, gsize width)
{
    Widths w = { 0 };
    gsize notes = 0;

    for (guint i = 0; i < lines->len; i++) {
        const Line *line = &g_array_index(lines, Line, i);

        w.names = MAX(w.names, text_width(line->lines) + text_width(line->name));
        w.formats = MAX(w.formats, text_width(line->format));
        w.sizes = MAX(w.sizes, strlen(line->size));
        notes = MAX(notes, notes_width(line->notes));
    }
    if (width)
        fit(&w, notes, width);
    return w;
}

static void end_line(GString *out)
{
    while (out->len && out->str[out->len - 1] == ' ')
        g_string_truncate(out, out->len - 1);
    g_string_append_c(out, '\n');
}

static void go_on_below(Tree *tree, const Line *line, gsize column)
{
    gsize used = 2 + text_width(line->below);

    end_line(tree->out);
    g_string_append(tree->out, "  ");
    g_string_append(tree->out, line->below);
    append_blanks(tree->out, column > used ? column - used : 0);
}

/* @column: at which they begin; that is where the line is by now, unless they have lines of their
 * own. @room: columns for them, 0: all that there are */
static void append_notes(Tree *tree, const Line *line, gsize column, gsize room, gboolean below)
{
    gsize used = 0;

    for (guint i = 0; i < line->notes->len; i++) {
        const Note *note = &g_array_index(line->notes, Note, i);
        gboolean last = i + 1 == line->notes->len;
        gsize width = text_width(note->text) + !last;
        gboolean start = room && (i ? used + 1 + width > room && width <= room : below);
        g_autoptr(GPtrArray) chunks = NULL;

        if (start) {
            go_on_below(tree, line, column);
            used = 0;
        } else if (i) {
            g_string_append_c(tree->out, ' ');
            used++;
        }
        if (!room || used + width <= room) {
            append_colour(tree->out, tree->options, note->colour, note->text);
            used += width;
        } else {
            chunks = text_wrap(note->text, room - MIN(used + !last, room), room - !last);
            for (guint c = 0; c < chunks->len; c++) {
                const char *chunk = g_ptr_array_index(chunks, c);

                if (c)
                    go_on_below(tree, line, column);
                append_colour(tree->out, tree->options, note->colour, chunk);
                used = text_width(chunk) + !last;
            }
        }
        if (!last)
            g_string_append_c(tree->out, ';');
    }
}

static void append_lines(Tree *tree, GArray *lines)
{
    const TextOptions *options = tree->options;
    gsize width = options->width;
    Widths w = measure(lines, width);

    for (guint i = 0; i < lines->len; i++) {
        Line *line = &g_array_index(lines, Line, i);
        gsize left = text_width(line->lines);
        gsize used = left;
        gsize column;

        if (width && used + text_width(line->name) > w.names) {
            gsize room = w.names > used + NAME_MIN / 2 ? w.names - used : NAME_MIN / 2;
            char *shorter = text_shorten(line->name, room, options->utf8);

            g_free(line->name);
            line->name = shorter;
        }
        used += text_width(line->name);
        if (line->apart) {
            g_string_append(tree->out, "  ");
            append_colour(tree->out, options, DIM, _("apart from the active image:"));
            g_string_append_c(tree->out, '\n');
        }
        g_string_append(tree->out, "  ");
        g_string_append(tree->out, line->lines);
        append_colour(tree->out, options, line->mark_colour, line->mark);
        g_string_append_c(tree->out, ' ');
        append_colour(tree->out, options, line->name_colour, line->name);
        append_blanks(tree->out, (w.names > used ? w.names - used : 0) + 2);
        append_colour(tree->out, options, DIM, line->format);
        append_blanks(tree->out, w.formats - text_width(line->format) + 2 +
                                 w.sizes - strlen(line->size));
        g_string_append(tree->out, line->size);
        if (w.below) {
            column = 2 + left + 4;
            append_notes(tree, line, column, width > column + 1 ? width - column : 1, TRUE);
        } else {
            g_string_append(tree->out, "  ");
            append_notes(tree, line, 2 + 2 + MAX(w.names, used) + 2 + w.formats + 2 + w.sizes + 2,
                         w.notes, FALSE);
        }
        end_line(tree->out);
    }
}

/* @shown: gets the images of the picture */
static void append_disk(Tree *tree, ChainDisk *disk, GHashTable *shown)
{
    g_autoptr(GArray) rows = text_rows(disk);
    g_autoptr(GArray) leaves = text_forest(rows, tree->options->utf8);
    g_autofree char *dir = tree->options->width ? common_folder(rows) : NULL;
    g_autoptr(GArray) lines = g_array_new(FALSE, FALSE, sizeof(Line));

    g_array_set_clear_func(lines, line_clear);
    append_heading(tree, disk, dir);
    if (disk->job)
        append_job(tree, disk->job);
    for (guint i = 0; i < leaves->len; i++) {
        const TextLeaf *leaf = &g_array_index(leaves, TextLeaf, i);
        const TextRow *row = &g_array_index(rows, TextRow, leaf->row);
        const ChainImage *image = row->image;
        guint first = lines->len;

        g_hash_table_add(shown, row->image);
        if (leaf->root && text_backing_unknown(image) &&
            !(image->flags & (CHAIN_IMAGE_LOOP | CHAIN_IMAGE_MISSING)))
            add_unknown(lines, tree, leaf, image);
        add_line(lines, tree, leaf, row, dir);
        g_array_index(lines, Line, first).apart = leaf->root && i > 0 && disk->active;
    }
    append_lines(tree, lines);
}

/* --- the domain ------------------------------------------------------------------------------- */

static void append_title(Tree *tree, const ChainDomain *d)
{
    const TextOptions *options = tree->options;
    g_autofree char *name = text_name(d->name, options->utf8);
    g_autofree char *state = text_safe(d->state ? d->state : _("state not known"),
                                       options->utf8);
    g_autoptr(GString) label = g_string_new(NULL);

    append_colour(label, options, BOLD, name);
    if (d->undefined) {
        g_string_append_printf(tree->out, "%s: %s", label->str, state);
    } else if (d->current) {
        g_autofree char *current = text_name(d->current->name, options->utf8);

        g_string_append_printf(tree->out, _("%s: %s, current snapshot %s"), label->str, state,
                               current);
    } else if (d->problem) {
        g_string_append_printf(tree->out, _("%s: %s, snapshots not known"), label->str, state);
    } else if (d->snapshots->len) {
        g_string_append_printf(tree->out, _("%s: %s, no current snapshot"), label->str, state);
    } else {
        g_string_append_printf(tree->out, _("%s: %s, no snapshots"), label->str, state);
    }
    g_string_append_c(tree->out, '\n');
}

static void append_operation(Tree *tree, const ChainOperation *operation)
{
    const TextOptions *options = tree->options;
    gboolean named = operation->snapshots && *operation->snapshots;
    g_autofree char *words = g_strconcat(operation->command ? operation->command : "?",
                                         named ? " " : "", named ? operation->snapshots : "",
                                         NULL);
    g_autofree char *what = text_sentence(words, options->utf8);
    g_autofree char *started = text_safe(operation->started, options->utf8);
    g_autofree char *step = text_sentence(operation->step, options->utf8);
    g_autofree char *text =
        g_strdup_printf(operation->alive ? _("%s is under way since %s, at: %s")
                                         : _("%s, begun %s, is unfinished, at: %s"),
                        what, started, step);

    append_colour(tree->out, options, operation->alive ? YELLOW : RED, text);
    g_string_append_c(tree->out, '\n');
}

/* Whether the picture names @s at an image; @shown: its images. */
static gboolean is_shown(const ChainSnapshot *s, GHashTable *shown)
{
    for (guint i = 0; i < s->disks->len; i++) {
        const ChainSnapshotDisk *sd = g_ptr_array_index(s->disks, i);

        if ((sd->kind == CHAIN_SNAP_EXTERNAL || sd->kind == CHAIN_SNAP_INTERNAL) &&
            (g_hash_table_contains(shown, sd->frozen) ||
             g_hash_table_contains(shown, sd->frozen_inactive)))
            return TRUE;
    }
    return FALSE;
}

static void append_elsewhere(Tree *tree, const ChainDomain *d, GHashTable *picture)
{
    const TextOptions *options = tree->options;
    g_autoptr(GString) names = g_string_new(NULL);
    g_autofree char *text = NULL;
    guint n = 0;

    for (guint i = 0; i < d->snapshots->len; i++) {
        const ChainSnapshot *s = g_ptr_array_index(d->snapshots, i);
        g_autofree char *name = NULL;

        if (is_shown(s, picture))
            continue;
        name = name_snapshot(s, options);
        g_string_append_printf(names, "%s%s", n++ ? ", " : "", name);
    }
    if (!n)
        return;
    text = g_strdup_printf(P_("Snapshot without an image of these disks: %s",
                              "Snapshots without an image of these disks: %s", n), names->str);
    g_string_append_printf(tree->out, "\n%s\n", text);
}

static void append_finding(Tree *tree, const ChainDomain *d, const ChainFinding *finding)
{
    static const struct {
        const char *word, *colour;
    } severities[] = {
        [CHAIN_NOTICE] = { N_("notice:"), CYAN },
        [CHAIN_WARNING] = { N_("warning:"), YELLOW },
        [CHAIN_ERROR] = { N_("error:"), RED },
    };
    const TextOptions *options = tree->options;
    guint severity = MIN((guint) finding->severity, (guint) CHAIN_ERROR);
    g_autofree char *message = text_sentence(finding->message, options->utf8);
    g_autofree char *remedy = text_sentence(finding->remedy, options->utf8);

    append_colour(tree->out, options, severities[severity].colour, _(severities[severity].word));
    g_string_append_c(tree->out, ' ');
    if (d) {
        g_autofree char *name = text_name(d->name, options->utf8);

        g_string_append_printf(tree->out, "%s: ", name);
    }
    if (finding->disk) {
        g_autofree char *disk = text_safe(finding->disk, options->utf8);

        g_string_append_printf(tree->out, "%s: ", disk);
    }
    g_string_append_printf(tree->out, "%s [%s]\n", message, finding->code);
    if (finding->remedy)
        g_string_append_printf(tree->out, "  %s %s\n",
                               options->utf8 ? "\342\206\222" : "->", remedy);
}

static void append_domain(Tree *tree, const TextDomain *td, const char *only)
{
    ChainDomain *d = td->domain;
    g_autoptr(GPtrArray) disks = chain_domain_all_disks(d);
    g_autoptr(GHashTable) shown = g_hash_table_new(NULL, NULL);
    gboolean blank = FALSE;

    append_title(tree, d);
    if (d->operation)
        append_operation(tree, d->operation);
    for (guint i = 0; i < disks->len; i++) {
        ChainDisk *disk = g_ptr_array_index(disks, i);

        if (!text_disk_wanted(disk, only))
            continue;
        g_string_append_c(tree->out, '\n');
        append_disk(tree, disk, shown);
    }
    if (!only)
        append_elsewhere(tree, d, shown);
    for (guint i = 0; td->findings && i < td->findings->len; i++) {
        const ChainFinding *finding = g_ptr_array_index(td->findings, i);

        if (!text_finding_wanted(finding, only))
            continue;
        if (!blank)
            g_string_append_c(tree->out, '\n');
        blank = TRUE;
        append_finding(tree, NULL, finding);
    }
}

char *text_chain_tree(const TextDomain *domains, gsize n, const char *disk,
                      const TextOptions *options)
{
    Tree tree = { options, g_string_new(NULL) };

    for (gsize i = 0; i < n; i++) {
        if (i)
            g_string_append_c(tree.out, '\n');
        append_domain(&tree, &domains[i], disk);
    }
    return g_string_free(tree.out, FALSE);
}

char *text_chain_findings(const TextDomain *domains, gsize n, const char *disk,
                          const TextOptions *options)
{
    Tree tree = { options, g_string_new(NULL) };

    for (gsize i = 0; i < n; i++) {
        GPtrArray *findings = domains[i].findings;

        for (guint j = 0; findings && j < findings->len; j++) {
            const ChainFinding *finding = g_ptr_array_index(findings, j);

            if (text_finding_wanted(finding, disk))
                append_finding(&tree, n == 1 && !options->several ? NULL : domains[i].domain,
                               finding);
        }
    }
    return g_string_free(tree.out, FALSE);
}

gsize text_chain_count_findings(const TextDomain *domains, gsize n, const char *disk)
{
    gsize count = 0;

    for (gsize i = 0; i < n; i++) {
        GPtrArray *findings = domains[i].findings;

        for (guint j = 0; findings && j < findings->len; j++)
            count += text_finding_wanted(g_ptr_array_index(findings, j), disk);
    }
    return count;
}
