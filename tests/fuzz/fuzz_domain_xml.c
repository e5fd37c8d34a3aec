/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_domain_xml.c: any text as a domain's XML: read, checked, edited
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>

#include "plugin/xml/edit.h"
#include "plugin/xml/parse.h"
#include "plugin/xml/read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What an edit gives is XML again. */
static void take(char *xml)
{
    if (!xml)
        return;
    xmlFreeDoc(xml_parse(xml, NULL, NULL));
    g_free(xml);
}

static void edit(const char *text, ChainDomain *d)
{
    g_autoptr(XmlSourceMap) map = xml_source_map_new();
    g_autoptr(ChainSource) to = chain_source_new_file("/new");
    g_autoptr(GArray) disks = g_array_new(FALSE, TRUE, sizeof(XmlDisk));
    guint i;

    for (i = 0; i < d->disks->len; i++) {
        ChainDisk *disk = g_ptr_array_index(d->disks, i);
        XmlDisk helper = { disk->target, i % 2 ? to : NULL, "qcow2" };

        g_array_append_val(disks, helper);
        if (disk->active)
            xml_source_map_add_image(map, disk->active, disk->active);
    }
    take(xml_strip_backing_store(text, NULL));
    take(xml_map_sources(text, map, NULL, NULL));
    take(xml_domain_set_disk_source(text, "vda", to, "raw", NULL));
    take(xml_domain_set_uuid(text, NULL, NULL));
    take(xml_domain_set_metadata(text, "urn:x", "<x xmlns='urn:x'/>", NULL));
    g_free(xml_domain_get_metadata(text, "urn:x", NULL));
    take(xml_helper_domain(text, "helper", (const XmlDisk *) disks->data, disks->len, NULL, NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *) data, size);
    g_autoptr(ChainGraph) graph = chain_graph_new();
    XmlReader reader = { .graph = graph };
    ChainDomain *d = chain_graph_add_domain(graph, "vm", NULL);
    g_autoptr(GPtrArray) findings = NULL;
    guint i;

    d->active = size % 2;
    if (!xml_read_domain(&reader, d, d->active ? text : NULL, text, NULL))
        return 0;
    chain_graph_link(graph);
    for (i = 0; i < d->disks->len; i++)
        g_ptr_array_unref(chain_disk_images(g_ptr_array_index(d->disks, i)));
    findings = chain_graph_check(graph, d);
    edit(text, d);
    return 0;
}
