/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memory.c: what can be said of a memory file before the guest is stopped for it
 */
#include "plugin/backend/memory.h"

#include <stdlib.h>

#include "include/vext-i18n.h"
#include "plugin/xml/parse.h"

char *backend_memory_xml(virConnectPtr conn, const char *file, GError **error)
{
    char *xml = virDomainSaveImageGetXMLDesc(conn, file, VIR_DOMAIN_SAVE_IMAGE_XML_SECURE);
    char *copy;

    if (!xml) {
        backend_error(error);
        return NULL;
    }
    copy = g_strdup(xml);
    free(xml);
    return copy;
}

static xmlDoc *read_memory(virConnectPtr conn, const char *file, GError **error)
{
    g_autofree char *xml = backend_memory_xml(conn, file, error);

    return xml ? xml_parse(xml, "domain", error) : NULL;
}

gboolean backend_memory_check(virConnectPtr conn, const char *file, const char *uuid,
                              GError **error)
{
    g_autoptr(xmlDoc) doc = read_memory(conn, file, error);
    g_autofree char *theirs = NULL, *name = NULL;
    xmlNode *root;

    if (!doc)
        return FALSE;
    root = xmlDocGetRootElement(doc);
    theirs = xml_text(xml_child(root, "uuid"));
    name = xml_text(xml_child(root, "name"));
    if (g_strcmp0(theirs, uuid) == 0)
        return TRUE;
    g_set_error(error, VEXT_XML_ERROR, VEXT_XML_ERROR_CONTENT,
                _("It was saved of another domain, '%s'"), name ? name : "?");
    return FALSE;
}

char *backend_memory_unfit(virConnectPtr conn, const char *file)
{
    g_autoptr(xmlDoc) doc = read_memory(conn, file, NULL);
    g_autoptr(GError) problem = NULL;
    g_autofree char *emulator = NULL, *arch = NULL, *machine = NULL, *virt = NULL, *text = NULL;
    xmlNode *root, *type, *cpu;
    char *capabilities;

    if (!doc)
        return NULL;
    root = xmlDocGetRootElement(doc);
    type = xml_child(xml_child(root, "os"), "type");
    emulator = xml_text(xml_child(xml_child(root, "devices"), "emulator"));
    arch = xml_attr(type, "arch");
    machine = xml_attr(type, "machine");
    virt = xml_attr(root, "type");
    capabilities = virConnectGetDomainCapabilities(conn, emulator, arch, machine, virt, 0);
    if (!capabilities) {
        backend_error(&problem);
        return backend_error_is(problem, VIR_ERR_NO_SUPPORT) ? NULL : g_strdup(problem->message);
    }
    free(capabilities);

    cpu = xml_child(root, "cpu");
    /* Of others libvirt has not recorded what the guest saw. */
    if (!xml_attr_is(cpu, "check", "full") || !xml_attr_is(cpu, "mode", "custom"))
        return NULL;
    text = xml_node_to_text(cpu);
    if (virConnectCompareHypervisorCPU(conn, emulator, arch, machine, virt, text,
                                       VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE) >= 0)
        return NULL;
    backend_error(&problem);
    /* Any other failure: libvirt has no comparison for this architecture. */
    return backend_error_is(problem, VIR_ERR_CPU_INCOMPATIBLE) ? g_strdup(problem->message) : NULL;
}
