/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rows.c: what tree, table and JSON say of an image: the columns as data
 */
#include "config.h"

#include "include/vext-i18n.h"
#include "plugin/text/rows.h"

/* Between a merge and the correction of what names its images they disagree: who is at it puts that
 * right, and who looks then is not to be alarmed. (A plan is made of all findings: what comes
 * between the request and the first change is to be seen.) */
static void leave_out_passing(GPtrArray *findings)
{
    for (guint i = findings->len; i-- > 0;) {
        const ChainFinding *finding = g_ptr_array_index(findings, i);

        if (g_str_equal(finding->code, "stale-snapshot") ||
            g_str_equal(finding->code, "chain-mismatch"))
            g_ptr_array_remove_index(findings, i);
    }
}

void text_domain_init(TextDomain *td, ChainGraph *graph, ChainDomain *d)
{
    td->domain = d;
    td->findings = chain_graph_check(graph, d);
    td->unknown = chain_graph_unknowns(graph, d);
    if (d->operation && d->operation->alive)
        leave_out_passing(td->findings);
}

void text_domain_clear(TextDomain *td)
{
    g_clear_pointer(&td->findings, g_ptr_array_unref);
    g_clear_pointer(&td->unknown, g_ptr_array_unref);
    td->domain = NULL;
}

GPtrArray *text_chain_warnings(const TextDomain *domains, gsize n)
{
    GPtrArray *found = g_ptr_array_new();

    for (gsize i = 0; i < n; i++) {
        for (guint j = 0; domains[i].unknown && j < domains[i].unknown->len; j++) {
            const ChainUnknown *unknown = g_ptr_array_index(domains[i].unknown, j);

            if (!unknown->image && !g_ptr_array_find(found, unknown->message, NULL))
                g_ptr_array_add(found, unknown->message);
        }
    }
    return found;
}

GArray *text_rows(ChainDisk *disk)
{
    GArray *rows = g_array_new(FALSE, FALSE, sizeof(TextRow));
    g_autoptr(GPtrArray) images = chain_disk_images(disk);
    g_autoptr(GHashTable) depths = g_hash_table_new(NULL, NULL);
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);

    if (disk->active) {
        g_autoptr(GPtrArray) chain = chain_image_chain(disk->active);

        for (guint i = 0; i < chain->len; i++)
            g_hash_table_insert(depths, g_ptr_array_index(chain, i), GINT_TO_POINTER((gint) i + 1));
    }
    /* files that stand on one of them and that nobody names: those of --orphans */
    for (guint i = 0; i < images->len; i++)
        g_hash_table_add(seen, g_ptr_array_index(images, i));
    for (guint i = 0; i < images->len; i++) {
        const ChainImage *image = g_ptr_array_index(images, i);

        for (guint j = 0; j < image->overlays->len; j++) {
            ChainImage *overlay = g_ptr_array_index(image->overlays, j);

            if (overlay->flags & CHAIN_IMAGE_ORPHAN && g_hash_table_add(seen, overlay))
                g_ptr_array_add(images, overlay);
        }
    }
    for (guint i = 0; i < images->len; i++) {
        TextRow row = { .disk = disk, .image = g_ptr_array_index(images, i) };

        row.depth = GPOINTER_TO_INT(g_hash_table_lookup(depths, row.image)) - 1;
        g_array_append_val(rows, row);
    }
    return rows;
}

GPtrArray *text_row_snapshots(const TextRow *row)
{
    GPtrArray *found = g_ptr_array_new();
    GPtrArray *all = row->image->frozen_by;

    for (guint i = 0; all && i < all->len; i++) {
        ChainSnapshot *s = g_ptr_array_index(all, i);

        if (s->domain == row->disk->domain && !g_ptr_array_find(found, s, NULL))
            g_ptr_array_add(found, s);
    }
    return found;
}

GPtrArray *text_row_users(const TextRow *row)
{
    GPtrArray *found = g_ptr_array_new();
    const GPtrArray *domains = row->image->domains;

    for (guint i = 0; i < domains->len; i++) {
        const ChainDomain *d = g_ptr_array_index(domains, i);

        if (d != row->disk->domain)
            g_ptr_array_add(found, d->name);
    }
    return found;
}

gboolean text_backing_unknown(const ChainImage *image)
{
    return !image->backing &&
           (!image->backing_known || image->backing_spec || image->flags & CHAIN_IMAGE_LOOP);
}

const char *text_row_role(const TextRow *row)
{
    if (row->depth == 0)
        return "active";
    return row->image->backing || text_backing_unknown(row->image) ? "layer" : "root";
}

gboolean text_disk_detached(const ChainDisk *disk)
{
    return g_ptr_array_find(disk->domain->detached, disk, NULL);
}

gboolean text_disk_wanted(const ChainDisk *disk, const char *only)
{
    return !only || g_strcmp0(disk->target, only) == 0;
}

gboolean text_finding_wanted(const ChainFinding *finding, const char *only)
{
    return !only || !finding->disk || g_strcmp0(finding->disk, only) == 0;
}

const char *text_severity_name(ChainSeverity severity)
{
    switch (severity) {
    case CHAIN_NOTICE:
        return "notice";
    case CHAIN_WARNING:
        return "warning";
    case CHAIN_ERROR:
        return "error";
    }
    return "error";
}

/* --- the columns ------------------------------------------------------------------------------ */

static void get_domain(const TextRow *row, TextValue *value)
{
    value->text = row->disk->domain->name;
}

static void get_disk(const TextRow *row, TextValue *value)
{
    value->text = row->disk->target;
}

static void get_path(const TextRow *row, TextValue *value)
{
    value->text = row->image->path;
}

static void get_format(const TextRow *row, TextValue *value)
{
    value->text = row->image->format;
}

static void get_backing(const TextRow *row, TextValue *value)
{
    value->text = row->image->backing ? row->image->backing->path : NULL;
}

static void get_virtual_size(const TextRow *row, TextValue *value)
{
    value->number = row->image->virtual_size;
}

static void get_allocation(const TextRow *row, TextValue *value)
{
    value->number = row->image->allocation;
}

static void get_in_active_chain(const TextRow *row, TextValue *value)
{
    value->number = row->depth >= 0;
}

static void get_depth(const TextRow *row, TextValue *value)
{
    value->number = row->depth >= 0 ? (guint64) row->depth : CHAIN_UNKNOWN;
}

static void get_role(const TextRow *row, TextValue *value)
{
    value->text = text_row_role(row);
}

static void get_snapshots(const TextRow *row, TextValue *value)
{
    g_autoptr(GPtrArray) snapshots = text_row_snapshots(row);

    value->list = g_ptr_array_new();
    for (guint i = 0; i < snapshots->len; i++) {
        ChainSnapshot *s = g_ptr_array_index(snapshots, i);

        g_ptr_array_add(value->list, s->name);
    }
}

static void get_used_by(const TextRow *row, TextValue *value)
{
    value->list = text_row_users(row);
}

static void get_overlays(const TextRow *row, TextValue *value)
{
    value->number = row->image->overlays ? row->image->overlays->len : 0;
}

static void get_problems(const TextRow *row, TextValue *value)
{
    static const struct {
        guint flag;
        const char *word;
    } words[] = {
        { CHAIN_IMAGE_MISSING, "missing" },
        { CHAIN_IMAGE_UNREADABLE, "unreadable" },
        { CHAIN_IMAGE_LOOP, "loop" },
        { CHAIN_IMAGE_CORRUPT, "corrupt" },
        { CHAIN_IMAGE_FORMAT_GUESSED, "format-not-recorded" },
        { CHAIN_IMAGE_NOT_WRITABLE, "not-writable" },
        { CHAIN_IMAGE_ORPHAN, "orphan" },
    };

    value->list = g_ptr_array_new();
    for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
        if (row->image->flags & words[i].flag)
            g_ptr_array_add(value->list, (gpointer) words[i].word);
    }
}

const TextColumn text_columns[] = {
    { "DOMAIN", NULL, TEXT_VALUE_STRING, FALSE, N_("domain"), get_domain },
    { "DISK", NULL, TEXT_VALUE_STRING, FALSE, N_("disk, by its target"), get_disk },
    { "PATH", "path", TEXT_VALUE_STRING, TRUE, N_("image"), get_path },
    { "FORMAT", "format", TEXT_VALUE_STRING, FALSE, N_("format that is recorded for it"),
      get_format },
    { "BACKING", "backing", TEXT_VALUE_STRING, TRUE, N_("next image down, on which it stands"),
      get_backing },
    { "VIRTUAL-SIZE", "virtual_size", TEXT_VALUE_SIZE, FALSE, N_("size that the guest sees"),
      get_virtual_size },
    { "ALLOCATION", "allocation", TEXT_VALUE_SIZE, FALSE, N_("space that it takes"),
      get_allocation },
    { "IN-ACTIVE-CHAIN", "in_active_chain", TEXT_VALUE_BOOL, FALSE,
      N_("whether the guest's present state needs it"), get_in_active_chain },
    { "DEPTH", "depth", TEXT_VALUE_NUMBER, FALSE,
      N_("layers from the active image down to it, which is 0"), get_depth },
    { "ROLE", "role", TEXT_VALUE_STRING, FALSE, N_("root, layer or active"), get_role },
    { "SNAPSHOTS", "snapshots", TEXT_VALUE_LIST, FALSE, N_("snapshots whose state it is"),
      get_snapshots },
    { "USED-BY", "used_by", TEXT_VALUE_LIST, FALSE, N_("other domains that need it"),
      get_used_by },
    { "OVERLAYS", NULL, TEXT_VALUE_NUMBER, FALSE, N_("number of images that stand on it"),
      get_overlays },
    { "PROBLEMS", NULL, TEXT_VALUE_LIST, FALSE, N_("what is wrong with it"), get_problems },
    { NULL },
};
