/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * disk-source.c: <source> elements into ChainSource, and back
 */
#include "config.h"

#include <string.h>

#include "include/vext-i18n.h"
#include "plugin/xml/disk-source.h"

static char *attr_of(xmlNode *node, const char *name)
{
    char *value = xml_attr(node, name);

    if (value && !*value)
        g_clear_pointer(&value, g_free);
    return value;
}

const char *xml_default_port(const char *protocol)
{
    if (g_strcmp0(protocol, "nbd") == 0)
        return "10809";
    if (g_strcmp0(protocol, "iscsi") == 0)
        return "3260";
    if (g_strcmp0(protocol, "http") == 0)
        return "80";
    if (g_strcmp0(protocol, "https") == 0)
        return "443";
    if (g_strcmp0(protocol, "ssh") == 0)
        return "22";
    return NULL;
}

static char *read_host(xmlNode *source, const char *protocol)
{
    xmlNode *host = xml_child(source, "host");
    g_autofree char *name = attr_of(host, "name");
    g_autofree char *port = attr_of(host, "port");
    g_autofree char *socket = attr_of(host, "socket");

    if (socket)
        return g_steal_pointer(&socket);
    if (!name)
        return NULL;
    if (!port)
        port = g_strdup(xml_default_port(protocol));
    if (strchr(name, ':') && name[0] != '[') {
        char *bracketed = g_strdup_printf("[%s]", name);

        g_free(name);
        name = bracketed;
    }
    return port ? g_strdup_printf("%s:%s", name, port) : g_steal_pointer(&name);
}

/* The name with what else says which image it is: a snapshot in rbd's way, a URL's query. */
static char *read_name(xmlNode *source, const char *protocol)
{
    g_autofree char *name = attr_of(source, "name");
    g_autofree char *query = attr_of(source, "query");
    g_autofree char *snapshot = attr_of(xml_child(source, "snapshot"), "name");

    if (snapshot && g_strcmp0(protocol, "rbd") == 0)
        return g_strconcat(name ? name : "", "@", snapshot, NULL);
    if (query)
        return g_strconcat(name ? name : "", "?", query, NULL);
    return g_steal_pointer(&name);
}

/* The element as it can be used again: without the number that a running QEMU gave it. */
static char *source_text(xmlNode *disk, xmlNode *node)
{
    xmlNode *copy = xmlCopyNode(node, 1);
    xmlNode *encryption = xml_child(disk, "encryption");
    xmlNode *old;
    char *text;

    /* It belongs to the image, wherever the user wrote it. */
    if (encryption && !xml_child(copy, "encryption"))
        xmlAddChild(copy, xmlDocCopyNode(encryption, copy->doc, 1));
    while ((old = xml_child(copy, "backingStore"))) {
        xmlUnlinkNode(old);
        xmlFreeNode(old);
    }
    xmlUnsetProp(copy, BAD_CAST "index");
    text = xml_node_to_text(copy);
    xmlFreeNode(copy);
    return text;
}

ChainSource *xml_read_source(xmlNode *disk)
{
    xmlNode *node = xml_child(disk, "source");
    g_autofree char *type = xml_attr(disk, "type");
    ChainSource *source = chain_source_new(CHAIN_SOURCE_NONE);

    if (!type)
        type = g_strdup("file");
    if (!node)
        return source;

    if (g_str_equal(type, "file")) {
        source->path = attr_of(node, "file");
        if (source->path)
            source->type = CHAIN_SOURCE_FILE;
    } else if (g_str_equal(type, "block")) {
        source->path = attr_of(node, "dev");
        if (source->path)
            source->type = CHAIN_SOURCE_BLOCK;
    } else if (g_str_equal(type, "volume")) {
        source->pool = attr_of(node, "pool");
        source->volume = attr_of(node, "volume");
        if (source->pool && source->volume)
            source->type = CHAIN_SOURCE_VOLUME;
    } else if (g_str_equal(type, "network")) {
        source->type = CHAIN_SOURCE_NETWORK;
        source->protocol = attr_of(node, "protocol");
        source->name = read_name(node, source->protocol);
        source->host = read_host(node, source->protocol);
    } else {
        g_autofree char *text = source_text(disk, node);

        source->type = CHAIN_SOURCE_OTHER;
        source->other = g_strdup_printf("%s:%s", type, text);
    }
    if (source->type != CHAIN_SOURCE_NONE) {
        source->xml = source_text(disk, node);
        source->disk_type = g_steal_pointer(&type);
    }
    return source;
}

const char *xml_source_disk_type(const ChainSource *source)
{
    if (source->disk_type)
        return source->disk_type;
    switch (source->type) {
    case CHAIN_SOURCE_BLOCK:
        return "block";
    case CHAIN_SOURCE_VOLUME:
        return source->path ? "file" : "volume";
    case CHAIN_SOURCE_NETWORK:
        return "network";
    case CHAIN_SOURCE_NONE:
    case CHAIN_SOURCE_FILE:
    case CHAIN_SOURCE_OTHER:
        break;
    }
    return "file";
}

static gboolean set_attr(xmlNode *node, const char *name, const char *value, GError **error)
{
    if (!value)
        return TRUE;
    if (!xml_check_text(value, error))
        return FALSE;
    xmlSetProp(node, BAD_CAST name, BAD_CAST value);
    return TRUE;
}

static gboolean write_host(xmlNode *node, const char *where, GError **error)
{
    xmlNode *host = xmlNewChild(node, NULL, BAD_CAST "host", NULL);
    g_autofree char *name = NULL;
    const char *colon = strrchr(where, ':');
    const char *bracket = strrchr(where, ']');

    if (where[0] == '/') {
        xmlSetProp(host, BAD_CAST "transport", BAD_CAST "unix");
        return set_attr(host, "socket", where, error);
    }
    if (colon && bracket && bracket > colon)
        colon = NULL;
    name = colon ? g_strndup(where, colon - where) : g_strdup(where);
    if (name[0] == '[' && g_str_has_suffix(name, "]")) {
        name[strlen(name) - 1] = '\0';
        memmove(name, name + 1, strlen(name));
    }
    return set_attr(host, "name", name, error) &&
           (!colon || set_attr(host, "port", colon + 1, error));
}

/* As read_name() has it. */
static gboolean write_name(xmlNode *node, const ChainSource *source, GError **error)
{
    gboolean rbd = g_strcmp0(source->protocol, "rbd") == 0;
    gboolean url = source->protocol && g_str_has_prefix(source->protocol, "http");
    const char *more = source->name && (rbd || url) ? strchr(source->name, rbd ? '@' : '?')
                                                    : NULL;
    g_autofree char *name = more ? g_strndup(source->name, more - source->name)
                                 : g_strdup(source->name);

    if (!set_attr(node, "name", name, error))
        return FALSE;
    if (!more)
        return TRUE;
    if (url)
        return set_attr(node, "query", more + 1, error);
    return set_attr(xmlNewChild(node, NULL, BAD_CAST "snapshot", NULL), "name", more + 1, error);
}

static gboolean write_fields(xmlNode *node, const ChainSource *source, GError **error)
{
    switch (source->type) {
    case CHAIN_SOURCE_FILE:
        return set_attr(node, "file", source->path, error);
    case CHAIN_SOURCE_BLOCK:
        return set_attr(node, "dev", source->path, error);
    case CHAIN_SOURCE_VOLUME:
        if (source->path)
            return set_attr(node, "file", source->path, error);
        return set_attr(node, "pool", source->pool, error) &&
               set_attr(node, "volume", source->volume, error);
    case CHAIN_SOURCE_NETWORK:
        return set_attr(node, "protocol", source->protocol, error) &&
               write_name(node, source, error) &&
               (!source->host || write_host(node, source->host, error));
    case CHAIN_SOURCE_NONE:
        return TRUE;
    case CHAIN_SOURCE_OTHER:
        break;
    }
    g_set_error(error, VEXT_XML_ERROR, VEXT_XML_ERROR_CONTENT,
                _("'%s' cannot be written in libvirt's XML"),
                source->other ? source->other : "");
    return FALSE;
}

static void keep_from_old(xmlNode *node, xmlNode *old)
{
    static const char *const kept[] = { "seclabel", "reservations" };
    g_autofree char *policy = xml_attr(old, "startupPolicy");
    xmlNode *child;
    gsize i;

    if (policy)
        xmlSetProp(node, BAD_CAST "startupPolicy", BAD_CAST policy);
    for (i = 0; i < G_N_ELEMENTS(kept); i++) {
        for (child = xml_child(old, kept[i]); child; child = xml_next(child, kept[i]))
            xmlAddChild(node, xmlDocCopyNode(child, node->doc, 1));
    }
}

/* libvirt 9.0 and 11.3 fill it in for the image of a disk only, not for those below it and not in
 * snapshots, and start no domain without. */
static void say_engine(xmlNode *encryption)
{
    if (encryption && !xmlHasProp(encryption, BAD_CAST "engine"))
        xmlSetProp(encryption, BAD_CAST "engine", BAD_CAST "qemu");
}

static gboolean add_encryption(xmlNode *node, const char *encryption, GError **error)
{
    g_autoptr(xmlDoc) doc = xml_parse(encryption, "encryption", error);
    xmlNode *copy;

    if (!doc)
        return FALSE;
    copy = xmlDocCopyNode(xmlDocGetRootElement(doc), node->doc, 1);
    say_engine(copy);
    xmlAddChild(node, copy);
    return TRUE;
}

xmlNode *xml_write_source(xmlDoc *doc, const ChainSource *source, xmlNode *old, GError **error)
{
    xmlNode *node;

    if (source->xml) {
        g_autoptr(xmlDoc) text = xml_parse(source->xml, "source", error);

        if (!text)
            return NULL;
        node = xmlDocCopyNode(xmlDocGetRootElement(text), doc, 1);
        say_engine(xml_child(node, "encryption"));
        return node;
    }
    node = xmlNewDocNode(doc, NULL, BAD_CAST "source", NULL);
    if (!write_fields(node, source, error)) {
        xmlFreeNode(node);
        return NULL;
    }
    if (old)
        keep_from_old(node, old);
    if (source->encryption && !add_encryption(node, source->encryption, error)) {
        xmlFreeNode(node);
        return NULL;
    }
    return node;
}
