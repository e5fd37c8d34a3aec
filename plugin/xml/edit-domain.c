/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * edit-domain.c: names, metadata and the helper domain
 */
#include "config.h"

#include <string.h>

#include "include/vext-i18n.h"
#include "plugin/xml/edit.h"
#include "plugin/xml/disk-source.h"
#include "plugin/xml/edit-private.h"

char *xml_domain_set_name(const char *xml, const char *name, GError **error)
{
    g_autoptr(xmlDoc) doc = NULL;

    if (!xml_check_text(name, error) || !(doc = xml_parse(xml, "domain", error)))
        return NULL;
    xml_set_child_text(xmlDocGetRootElement(doc), "name", NULL, name);
    return xml_doc_to_text(doc);
}

char *xml_domain_set_uuid(const char *xml, const char *uuid, GError **error)
{
    g_autoptr(xmlDoc) doc = NULL;

    if ((uuid && !xml_check_text(uuid, error)) || !(doc = xml_parse(xml, "domain", error)))
        return NULL;
    if (uuid)
        xml_set_child_text(xmlDocGetRootElement(doc), "uuid", "name", uuid);
    else
        xml_remove_children(xmlDocGetRootElement(doc), "uuid");
    return xml_doc_to_text(doc);
}

static xmlNode *find_metadata(xmlNode *domain, const char *uri)
{
    xmlNode *metadata = xml_child(domain, "metadata");
    xmlNode *node;

    for (node = metadata ? metadata->children : NULL; node; node = node->next) {
        if (node->type == XML_ELEMENT_NODE && node->ns &&
            xmlStrEqual(node->ns->href, BAD_CAST uri))
            return node;
    }
    return NULL;
}

/* @element's root as a node of @doc; its namespace must be @uri if that is given. */
static xmlNode *read_element(xmlDoc *doc, const char *element, const char *uri, GError **error)
{
    g_autoptr(xmlDoc) text = xml_parse(element, NULL, error);
    xmlNode *root;

    if (!text)
        return NULL;
    root = xmlDocGetRootElement(text);
    if (uri && (!root->ns || !xmlStrEqual(root->ns->href, BAD_CAST uri))) {
        g_set_error(error, VEXT_XML_ERROR, VEXT_XML_ERROR_CONTENT,
                    _("The metadata element <%s> is not in the namespace '%s'"),
                    (const char *) root->name, uri);
        return NULL;
    }
    return xmlDocCopyNode(root, doc, 1);
}

char *xml_domain_set_metadata(const char *xml, const char *uri, const char *element,
                              GError **error)
{
    g_autoptr(xmlDoc) doc = xml_parse(xml, "domain", error);
    xmlNode *root, *old, *metadata, *node = NULL;

    if (!doc || (element && !(node = read_element(doc, element, uri, error))))
        return NULL;
    root = xmlDocGetRootElement(doc);
    while ((old = find_metadata(root, uri)))
        xml_remove_node(old);
    metadata = xml_child(root, "metadata");
    if (node && !metadata) {
        xmlNode *ref = xml_child(root, "uuid");

        metadata = xmlNewDocNode(doc, NULL, BAD_CAST "metadata", NULL);
        if (!ref)
            ref = xml_child(root, "name");
        if (ref)
            xml_insert_after(ref, metadata);
        else
            xml_append(root, metadata);
    }
    if (node)
        xml_append(metadata, node);
    return xml_doc_to_text(doc);
}

char *xml_domain_get_metadata(const char *xml, const char *uri, GError **error)
{
    g_autoptr(xmlDoc) doc = xml_parse(xml, "domain", error);
    g_autoptr(xmlDoc) alone = NULL;
    xmlNode *node;

    if (!doc || !(node = find_metadata(xmlDocGetRootElement(doc), uri)))
        return NULL;
    /* the prefix may have been declared further up */
    alone = xmlNewDoc(BAD_CAST "1.0");
    node = xmlDocCopyNode(node, alone, 1);
    xmlDocSetRootElement(alone, node);
    xmlReconciliateNs(alone, node);
    return xml_node_to_text(node);
}

/* --- the helper domain ---------------------------------------------------------------------- */

static void unset_all(xmlNode *node, const char *const *names, gsize n)
{
    gsize i;

    for (i = 0; node && i < n; i++)
        xmlUnsetProp(node, BAD_CAST names[i]);
}

/*
 * A disk for a QEMU that runs no guest: on virtio, which needs no controller, whatever the bus of
 * the guest is, and always writable and locked.
 */
static void make_helper_disk(xmlNode *disk)
{
    static const char *const gone[] = {
        "address", "alias", "backingStore", "mirror", "boot", "iotune", "readonly", "shareable",
        "transient", "wwn", "vendor", "product", "geometry", "serial", "acpi", "throttlefilters",
    };
    static const char *const disk_attrs[] = { "model", "rawio", "sgio", "snapshot" };
    static const char *const driver_attrs[] = {
        "iothread", "queues", "queue_size", "iommu", "ats", "packed", "page_per_vq", "ioeventfd",
        "event_idx", "copy_on_read", "error_policy", "rerror_policy", "metadata_cache",
    };
    static const char *const target_attrs[] = { "tray", "removable", "rotation_rate" };
    xmlNode *driver = xml_child(disk, "driver");
    xmlNode *target = xml_child(disk, "target");
    xmlNode *source = xml_child(disk, "source");
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(gone); i++)
        xml_remove_children(disk, gone[i]);
    unset_all(disk, disk_attrs, G_N_ELEMENTS(disk_attrs));
    unset_all(driver, driver_attrs, G_N_ELEMENTS(driver_attrs));
    if (driver) {
        /* what is merged must be on the disk before anything names it */
        if (xml_attr_is(driver, "cache", "unsafe"))
            xmlUnsetProp(driver, BAD_CAST "cache");
        xml_remove_children(driver, "iothreads");
        xml_remove_children(driver, "statistics");
    }
    unset_all(target, target_attrs, G_N_ELEMENTS(target_attrs));
    xmlSetProp(target, BAD_CAST "bus", BAD_CAST "virtio");
    xmlSetProp(disk, BAD_CAST "device", BAD_CAST "disk");
    if (source) {
        xmlUnsetProp(source, BAD_CAST "index");
        xmlUnsetProp(source, BAD_CAST "startupPolicy");
    }
}

static xmlNode *add_element(xmlNode *parent, const char *name, const char *text)
{
    return xmlNewTextChild(parent, NULL, BAD_CAST name, BAD_CAST text);
}

static void add_os(xmlNode *helper, xmlNode *domain)
{
    xmlNode *type = xml_child(xml_child(domain, "os"), "type");
    g_autofree char *arch = xml_attr(type, "arch");
    g_autofree char *machine = xml_attr(type, "machine");
    g_autofree char *text = xml_text(type);
    xmlNode *node;

    node = add_element(add_element(helper, "os", NULL), "type", text ? text : "hvm");
    if (arch)
        xmlSetProp(node, BAD_CAST "arch", BAD_CAST arch);
    /* machines without a bus for more disks: the default of the architecture instead */
    if (machine && !g_str_equal(machine, "none") && !g_str_has_prefix(machine, "microvm"))
        xmlSetProp(node, BAD_CAST "machine", BAD_CAST machine);
}

/* Static labels and switched-off drivers hold for the files; libvirt makes up the others. */
static void add_seclabels(xmlNode *helper, xmlNode *domain)
{
    xmlNode *label;

    for (label = xml_child(domain, "seclabel"); label; label = xml_next(label, "seclabel")) {
        if (xml_attr_is(label, "type", "static") || xml_attr_is(label, "type", "none"))
            xmlAddChild(helper, xmlDocCopyNode(label, helper->doc, 1));
    }
}

static void add_device(xmlNode *devices, const char *name, const char *type)
{
    xmlNode *node = add_element(devices, name, NULL);

    if (type)
        xmlSetProp(node, BAD_CAST "type", BAD_CAST type);
    xmlSetProp(node, BAD_CAST "model", BAD_CAST "none");
}

static gboolean add_disks(xmlNode *devices, xmlNode *from, const XmlDisk *disks, gsize n,
                          GError **error)
{
    gsize i;

    for (i = 0; i < n; i++) {
        xmlNode *disk = xml_find_disk(from, disks[i].target);

        if (!disk) {
            g_set_error(error, VEXT_XML_ERROR, VEXT_XML_ERROR_CONTENT,
                        _("There is no disk '%s'"), disks[i].target);
            return FALSE;
        }
        disk = xmlAddChild(devices, xmlDocCopyNode(disk, devices->doc, 1));
        make_helper_disk(disk);
        if (!xml_set_disk(disk, disks[i].source, disks[i].format, error) ||
            !xml_add_chain(disk, &disks[i], error))
            return FALSE;
    }
    return TRUE;
}

char *xml_helper_domain(const char *domain_xml, const char *name, const XmlDisk *disks, gsize n,
                        const char *metadata, GError **error)
{
    g_autoptr(xmlDoc) domain_doc = NULL;
    g_autoptr(xmlDoc) doc = NULL;
    g_autofree char *type = NULL;
    xmlNode *domain, *helper, *node, *emulator, *devices;

    if (!xml_check_text(name, error) ||
        !(domain_doc = xml_parse(domain_xml, "domain", error)))
        return NULL;
    domain = xmlDocGetRootElement(domain_doc);
    doc = xmlNewDoc(BAD_CAST "1.0");
    helper = xmlNewDocNode(doc, NULL, BAD_CAST "domain", NULL);
    xmlDocSetRootElement(doc, helper);

    type = xml_attr(domain, "type");
    xmlSetProp(helper, BAD_CAST "type", BAD_CAST (type ? type : "qemu"));
    add_element(helper, "name", name);
    if (metadata) {
        node = read_element(doc, metadata, NULL, error);
        if (!node)
            return NULL;
        xmlAddChild(add_element(helper, "metadata", NULL), node);
    }
    xmlSetProp(add_element(helper, "memory", "16"), BAD_CAST "unit", BAD_CAST "MiB");
    add_element(helper, "vcpu", "1");
    add_os(helper, domain);

    devices = add_element(helper, "devices", NULL);
    emulator = xml_child(xml_child(domain, "devices"), "emulator");
    if (emulator)
        xmlAddChild(devices, xmlDocCopyNode(emulator, doc, 1));
    if (!add_disks(devices, xml_child(domain, "devices"), disks, n, error))
        return NULL;
    add_device(devices, "controller", "usb");
    add_device(devices, "memballoon", NULL);
    add_seclabels(helper, domain);
    return xml_doc_to_text(doc);
}
