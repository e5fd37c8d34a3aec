/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_snapshot_xml.c: any text as a snapshot's XML: read, checked, edited
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>

#include "plugin/xml/edit.h"
#include "plugin/xml/parse.h"
#include "plugin/xml/read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(char *xml)
{
    if (!xml)
        return;
    xmlFreeDoc(xml_parse(xml, NULL, NULL));
    g_free(xml);
}

static void edit(const char *text, ChainSnapshot *s)
{
    g_autoptr(XmlSourceMap) map = xml_source_map_new();
    g_autoptr(ChainSource) to = chain_source_new_file("/new");
    g_autoptr(GHashTable) targets = g_hash_table_new(g_str_hash, g_str_equal);
    XmlDisk disks[] = { { "vda", to, "qcow2" }, { "vdb", NULL, NULL } };
    guint i;

    for (i = 0; i < s->disks->len; i++) {
        ChainSnapshotDisk *sd = g_ptr_array_index(s->disks, i);

        if (sd->frozen)
            xml_source_map_add_image(map, sd->frozen, sd->overlay ? sd->overlay : sd->frozen);
    }
    g_hash_table_add(targets, "vda");
    take(xml_strip_backing_store(text, NULL));
    take(xml_map_snapshot_sources(text, map, map, NULL, NULL));
    take(xml_snapshot_set_parent(text, "p", NULL));
    take(xml_snapshot_set_parent(text, NULL, NULL));
    take(xml_snapshot_set_disk_source(text, "vda", to, NULL, NULL));
    take(xml_snapshot_set_revert_disks(text, disks, G_N_ELEMENTS(disks), NULL));
    take(xml_snapshot_clear_delete_in_progress(text, targets, NULL));
    take(xml_snapshot_extract_domain(text, TRUE, NULL));
    take(xml_snapshot_extract_domain(text, FALSE, NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *) data, size);
    g_autoptr(ChainGraph) graph = chain_graph_new();
    XmlReader reader = { .graph = graph };
    ChainDomain *d = chain_graph_add_domain(graph, "vm", NULL);
    ChainSnapshot *s = xml_read_snapshot(&reader, d, text, NULL);
    g_autoptr(GPtrArray) findings = NULL;

    if (!s)
        return 0;
    chain_domain_add_disk(d, "vda")->active = graph->images->len ? graph->images->pdata[0] : NULL;
    chain_graph_link(graph);
    findings = chain_graph_check(graph, d);
    edit(text, s);
    return 0;
}
