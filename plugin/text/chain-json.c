/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * chain-json.c: the model as JSON; docs/chain-show.schema.json describes it
 */
#include "config.h"

#include "plugin/text/json.h"
#include "plugin/text/rows.h"

static void add_image(JsonBuilder *b, const TextRow *row)
{
    json_builder_begin_object(b);
    for (const TextColumn *column = text_columns; column->name; column++) {
        TextValue value = { 0 };

        if (!column->json)
            continue;
        column->get(row, &value);
        switch (column->type) {
        case TEXT_VALUE_STRING:
            if (column->path)
                text_json_path(b, column->json, value.text);
            else
                text_json_string(b, column->json, value.text);
            break;
        case TEXT_VALUE_NUMBER:
        case TEXT_VALUE_SIZE:
            text_json_number(b, column->json, value.number);
            break;
        case TEXT_VALUE_BOOL:
            text_json_bool(b, column->json, value.number != 0);
            break;
        case TEXT_VALUE_LIST:
            text_json_list(b, column->json, value.list);
            break;
        }
        g_clear_pointer(&value.list, g_ptr_array_unref);
    }
    /* "backing": null alone would say that it is a root */
    if (text_backing_unknown(row->image))
        text_json_bool(b, "backing_known", FALSE);
    json_builder_end_object(b);
}

static void add_disk(JsonBuilder *b, ChainDisk *disk)
{
    g_autoptr(GArray) rows = text_rows(disk);

    json_builder_begin_object(b);
    text_json_string(b, "target", disk->target);
    text_json_path(b, "active", disk->active ? disk->active->path : NULL);
    /* "active": null alone would be an empty drive */
    if (text_disk_detached(disk))
        text_json_bool(b, "attached", FALSE);
    json_builder_set_member_name(b, "images");
    json_builder_begin_array(b);
    for (guint i = 0; i < rows->len; i++)
        add_image(b, &g_array_index(rows, TextRow, i));
    json_builder_end_array(b);
    json_builder_set_member_name(b, "job");
    if (disk->job) {
        json_builder_begin_object(b);
        text_json_string(b, "type", disk->job->type);
        text_json_number(b, "cur", disk->job->cur);
        text_json_number(b, "end", disk->job->end);
        text_json_bool(b, "ready", disk->job->ready);
        json_builder_end_object(b);
    } else {
        json_builder_add_null_value(b);
    }
    json_builder_end_object(b);
}

static void add_operation(JsonBuilder *b, const ChainOperation *operation)
{
    json_builder_set_member_name(b, "operation");
    if (!operation) {
        json_builder_add_null_value(b);
        return;
    }
    json_builder_begin_object(b);
    text_json_string(b, "id", operation->id);
    text_json_string(b, "command", operation->command);
    text_json_list(b, "snapshots", operation->snapshot_names);
    text_json_string(b, "step", operation->step);
    text_json_string(b, "started", operation->started);
    json_builder_end_object(b);
}

static void add_finding(JsonBuilder *b, const ChainFinding *finding)
{
    json_builder_begin_object(b);
    text_json_string(b, "code", finding->code);
    text_json_string(b, "severity", text_severity_name(finding->severity));
    text_json_string(b, "disk", finding->disk);
    text_json_path(b, "image", finding->image ? finding->image->path : NULL);
    if (finding->snapshot)
        text_json_string(b, "snapshot", finding->snapshot);
    text_json_string(b, "message", finding->message);
    text_json_string(b, "remedy", finding->remedy);
    json_builder_end_object(b);
}

static void add_memory(JsonBuilder *b, const ChainSnapshot *s)
{
    json_builder_set_member_name(b, "memory");
    if (s->memory == CHAIN_MEMORY_NONE) {
        json_builder_add_null_value(b);
        return;
    }
    json_builder_begin_object(b);
    text_json_string(b, "kind", s->memory == CHAIN_MEMORY_INTERNAL ? "internal" : "external");
    text_json_path(b, "path", s->memory_file);
    text_json_number(b, "allocation", s->memory_size);
    json_builder_end_object(b);
}

/* Those too that have no image, as snapshots of the memory alone. */
static void add_snapshot(JsonBuilder *b, const ChainSnapshot *s)
{
    static const char *const kinds[] = {
        [CHAIN_SNAP_NO] = "no",
        [CHAIN_SNAP_INTERNAL] = "internal",
        [CHAIN_SNAP_EXTERNAL] = "external",
        [CHAIN_SNAP_MANUAL] = "manual",
    };

    json_builder_begin_object(b);
    text_json_string(b, "name", s->name);
    text_json_string(b, "parent", s->parent_name);
    text_json_number(b, "creation_time", MAX(s->creation_time, 0));
    text_json_string(b, "state", s->state);
    add_memory(b, s);
    json_builder_set_member_name(b, "disks");
    json_builder_begin_array(b);
    for (guint i = 0; i < s->disks->len; i++) {
        const ChainSnapshotDisk *sd = g_ptr_array_index(s->disks, i);

        json_builder_begin_object(b);
        text_json_string(b, "target", sd->target);
        text_json_string(b, "kind", kinds[sd->kind]);
        json_builder_end_object(b);
    }
    json_builder_end_array(b);
    json_builder_end_object(b);
}

static void add_unknown(JsonBuilder *b, const ChainUnknown *unknown)
{
    json_builder_begin_object(b);
    text_json_string(b, "code", unknown->code);
    text_json_string(b, "disk", unknown->disk);
    text_json_path(b, "path", unknown->image ? unknown->image->path : unknown->path);
    text_json_string(b, "message", unknown->message);
    json_builder_end_object(b);
}

static void add_domain(JsonBuilder *b, const TextDomain *td, const char *only)
{
    ChainDomain *d = td->domain;
    g_autoptr(GPtrArray) disks = chain_domain_all_disks(d);

    json_builder_begin_object(b);
    json_builder_set_member_name(b, "domain");
    json_builder_begin_object(b);
    text_json_string(b, "name", d->name);
    text_json_string(b, "uuid", d->uuid);
    text_json_string(b, "state", d->state);
    json_builder_end_object(b);
    text_json_string(b, "current_snapshot", d->current ? d->current->name : NULL);
    json_builder_set_member_name(b, "disks");
    json_builder_begin_array(b);
    for (guint i = 0; i < disks->len; i++) {
        ChainDisk *disk = g_ptr_array_index(disks, i);

        if (text_disk_wanted(disk, only))
            add_disk(b, disk);
    }
    json_builder_end_array(b);
    add_operation(b, d->operation);
    json_builder_set_member_name(b, "findings");
    json_builder_begin_array(b);
    for (guint i = 0; td->findings && i < td->findings->len; i++) {
        ChainFinding *finding = g_ptr_array_index(td->findings, i);

        if (text_finding_wanted(finding, only))
            add_finding(b, finding);
    }
    json_builder_end_array(b);
    json_builder_set_member_name(b, "snapshots");
    json_builder_begin_array(b);
    for (guint i = 0; i < d->snapshots->len; i++)
        add_snapshot(b, g_ptr_array_index(d->snapshots, i));
    json_builder_end_array(b);
    json_builder_set_member_name(b, "unknown");
    json_builder_begin_array(b);
    for (guint i = 0; td->unknown && i < td->unknown->len; i++) {
        const ChainUnknown *unknown = g_ptr_array_index(td->unknown, i);

        if (!only || !unknown->disk || g_strcmp0(unknown->disk, only) == 0)
            add_unknown(b, unknown);
    }
    json_builder_end_array(b);
    json_builder_end_object(b);
}

char *text_chain_json(const TextDomain *domains, gsize n, const char *disk, gboolean array)
{
    g_autoptr(JsonBuilder) b = json_builder_new();

    g_return_val_if_fail(array || n == 1, NULL);
    if (array)
        json_builder_begin_array(b);
    for (gsize i = 0; i < n; i++)
        add_domain(b, &domains[i], disk);
    if (array)
        json_builder_end_array(b);
    return text_json_finish(b);
}
