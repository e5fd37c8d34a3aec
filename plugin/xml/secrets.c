/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * secrets.c: taking secrets out of libvirt's XML, and putting them in again
 */
#include "config.h"

#include <string.h>

#include "plugin/xml/secrets.h"

#include "plugin/xml/edit-private.h"

/* The <domain> elements of a domain's or a snapshot's XML; never NULL. */
static GPtrArray *domains_of(xmlNode *root)
{
    static const char *const names[] = { "domain", "inactiveDomain" };
    GPtrArray *nodes = g_ptr_array_new();

    if (xmlStrEqual(root->name, BAD_CAST "domain"))
        g_ptr_array_add(nodes, root);
    for (gsize i = 0; xmlStrEqual(root->name, BAD_CAST "domainsnapshot") &&
                      i < G_N_ELEMENTS(names); i++) {
        xmlNode *node = xml_child(root, names[i]);

        if (node)
            g_ptr_array_add(nodes, node);
    }
    return nodes;
}

/* --- hiding --------------------------------------------------------------------------------- */

/* In document order, the next element after @node within @root; NULL at the end. */
static xmlNode *next_in(xmlNode *root, xmlNode *node)
{
    if (node->type == XML_ELEMENT_NODE && node->children)
        return node->children;
    while (node != root && !node->next)
        node = node->parent;
    return node == root ? NULL : node->next;
}

/* Anywhere: an image's cookies are also in <backingStore> and <mirror>. */
static void hide_cookies(xmlNode *root)
{
    for (xmlNode *node = root; node; node = next_in(root, node)) {
        if (node->type != XML_ELEMENT_NODE || !xmlStrEqual(node->name, BAD_CAST "cookies"))
            continue;
        for (xmlNode *cookie = xml_child(node, "cookie"); cookie;
             cookie = xml_next(cookie, "cookie"))
            xmlNodeSetContent(cookie, BAD_CAST "");
    }
}

/* Names have no other spelling in XML. */
static gboolean may_have_secrets(const char *xml)
{
    return strstr(xml, "passwd") || strstr(xml, "cookies");
}

char *xml_hide_secrets(const char *xml, GError **error)
{
    g_autoptr(xmlDoc) doc = NULL;
    g_autoptr(GPtrArray) domains = NULL;
    xmlNode *root;

    if (!may_have_secrets(xml))
        return g_strdup(xml);
    doc = xml_parse(xml, NULL, error);
    if (!doc)
        return NULL;
    root = xmlDocGetRootElement(doc);
    domains = domains_of(root);
    for (guint i = 0; i < domains->len; i++) {
        xmlNode *devices = xml_child(g_ptr_array_index(domains, i), "devices");

        for (xmlNode *node = xml_child(devices, "graphics"); node;
             node = xml_next(node, "graphics")) {
            if (xmlHasProp(node, BAD_CAST "passwd"))
                xmlSetProp(node, BAD_CAST "passwd", BAD_CAST "");
        }
        hide_cookies(g_ptr_array_index(domains, i));
    }
    if (xmlStrEqual(root->name, BAD_CAST "source"))
        hide_cookies(root);
    return xml_doc_to_text(doc);
}

/* --- restoring ------------------------------------------------------------------------------ */

/* The display of @devices of the same type and, among those, at the same place. */
static xmlNode *same_graphics(xmlNode *devices, xmlNode *graphics)
{
    g_autofree char *type = xml_attr(graphics, "type");
    guint place = 0;

    if (!type)
        return NULL;
    for (xmlNode *node = xml_child(graphics->parent, "graphics"); node && node != graphics;
         node = xml_next(node, "graphics"))
        place += xml_attr_is(node, "type", type);
    for (xmlNode *node = xml_child(devices, "graphics"); node; node = xml_next(node, "graphics")) {
        if (xml_attr_is(node, "type", type) && place-- == 0)
            return node;
    }
    return NULL;
}

static gboolean same_attr(xmlNode *a, xmlNode *b, const char *name)
{
    g_autofree char *one = xml_attr(a, name), *other = xml_attr(b, name);

    return g_strcmp0(one, other) == 0;
}

/* A cookie goes to nobody but the server it was made for. */
static gboolean same_server(xmlNode *source, xmlNode *other)
{
    xmlNode *host = xml_child(source, "host"), *other_host = xml_child(other, "host");

    return same_attr(source, other, "protocol") && same_attr(source, other, "name") &&
           same_attr(host, other_host, "name") && same_attr(host, other_host, "port");
}

static gboolean has_hidden_cookie(xmlNode *cookies)
{
    for (xmlNode *node = xml_child(cookies, "cookie"); node; node = xml_next(node, "cookie")) {
        g_autofree char *text = xml_text(node);

        if (!text || !*text)
            return TRUE;
    }
    return FALSE;
}

/* @froms: <domain> elements. FALSE: in none of them. */
static gboolean restore_cookies(xmlNode *source, GPtrArray *froms)
{
    xmlNode *cookies = xml_child(source, "cookies");

    if (!cookies || !has_hidden_cookie(cookies))
        return TRUE;
    for (guint i = 0; i < froms->len; i++) {
        xmlNode *devices = xml_child(g_ptr_array_index(froms, i), "devices");

        for (xmlNode *disk = xml_child(devices, "disk"); disk; disk = xml_next(disk, "disk")) {
            xmlNode *other = xml_child(disk, "source");
            xmlNode *there = xml_child(other, "cookies");

            if (!there || !same_server(source, other) || has_hidden_cookie(there))
                continue;
            xmlFreeNode(xmlReplaceNode(cookies, xmlDocCopyNode(there, source->doc, 1)));
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean restore_password(xmlNode *graphics, GPtrArray *froms)
{
    if (!xml_attr_is(graphics, "passwd", ""))
        return TRUE;
    for (guint i = 0; i < froms->len; i++) {
        xmlNode *there = same_graphics(xml_child(g_ptr_array_index(froms, i), "devices"),
                                       graphics);
        g_autofree char *password = there ? xml_attr(there, "passwd") : NULL;

        if (password) {
            xmlSetProp(graphics, BAD_CAST "passwd", BAD_CAST password);
            return TRUE;
        }
    }
    return FALSE;
}

/* First the elements of the same name: a snapshot has a <domain> and an <inactiveDomain>. */
static GPtrArray *in_order(GPtrArray *all, xmlNode *like)
{
    GPtrArray *sorted = g_ptr_array_new();

    for (int same = 1; same >= 0; same--) {
        for (guint i = 0; i < all->len; i++) {
            xmlNode *node = g_ptr_array_index(all, i);

            if (xmlStrEqual(node->name, like->name) == same)
                g_ptr_array_add(sorted, node);
        }
    }
    return sorted;
}

static gboolean restore_domain(xmlNode *domain, GPtrArray *docs)
{
    g_autoptr(GPtrArray) froms = g_ptr_array_new();
    xmlNode *devices = xml_child(domain, "devices");
    gboolean all = TRUE;

    for (guint i = 0; i < docs->len; i++) {
        g_autoptr(GPtrArray) there = domains_of(xmlDocGetRootElement(g_ptr_array_index(docs, i)));
        g_autoptr(GPtrArray) sorted = in_order(there, domain);

        for (guint k = 0; k < sorted->len; k++)
            g_ptr_array_add(froms, g_ptr_array_index(sorted, k));
    }
    for (xmlNode *node = xml_child(devices, "graphics"); node; node = xml_next(node, "graphics"))
        all &= restore_password(node, froms);
    for (xmlNode *disk = xml_child(devices, "disk"); disk; disk = xml_next(disk, "disk"))
        all &= restore_cookies(xml_child(disk, "source"), froms);
    return all;
}

static void free_doc(gpointer doc)
{
    xmlFreeDoc(doc);
}

char *xml_restore_secrets(const char *hidden, const char *const *froms, gsize n,
                          gboolean *missing, GError **error)
{
    g_autoptr(xmlDoc) doc = NULL;
    g_autoptr(GPtrArray) docs = g_ptr_array_new_with_free_func(free_doc);
    g_autoptr(GPtrArray) domains = NULL;
    gboolean all = TRUE;

    if (!may_have_secrets(hidden))
        return g_strdup(hidden);
    doc = xml_parse(hidden, NULL, error);
    if (!doc)
        return NULL;
    for (gsize i = 0; i < n; i++) {
        xmlDoc *from = froms[i] ? xml_parse(froms[i], NULL, NULL) : NULL;

        if (from)
            g_ptr_array_add(docs, from);
    }
    domains = domains_of(xmlDocGetRootElement(doc));
    for (guint i = 0; i < domains->len; i++)
        all &= restore_domain(g_ptr_array_index(domains, i), docs);
    if (!all && missing)
        *missing = TRUE;
    return xml_doc_to_text(doc);
}
