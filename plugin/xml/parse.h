/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * parse.h: libxml2 made safe for text that others wrote
 *
 * No network, no DTD, no entities, at most XML_MAX_BYTES of text and XML_MAX_DEPTH elements
 * deep. libxml2's own messages go into the GError, never to standard error.
 */
#pragma once

#include <glib.h>
#include <libxml/parser.h>
#include <libxml/tree.h>

G_BEGIN_DECLS

#define VEXT_XML_ERROR (vext_xml_error_quark())
GQuark vext_xml_error_quark(void);

typedef enum {
    VEXT_XML_ERROR_PARSE,   /**< not XML, or beyond the limits */
    VEXT_XML_ERROR_CONTENT, /**< XML, but not what is needed here */
} VextXmlError;

#define XML_MAX_BYTES (64 * 1024 * 1024)
/** A chain of 200 layers is 200 nested <backingStore>, 400 with their children. */
#define XML_MAX_DEPTH 1024

G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlDoc, xmlFreeDoc)
typedef xmlChar XmlString;
static inline void xml_string_free(XmlString *s)
{
    if (s)
        xmlFree(s);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(XmlString, xml_string_free)

/**
 * @root: the name the root element must have, NULL for any
 * Returns: new document, or NULL with @error
 */
xmlDoc *xml_parse(const char *text, const char *root, GError **error);

/** The first child element of @node with this name, or NULL. NULL @node gives NULL. */
xmlNode *xml_child(xmlNode *node, const char *name);
/** The next sibling element of @node with this name, or NULL. */
xmlNode *xml_next(xmlNode *node, const char *name);
/** An attribute's value, new string (g_free), or NULL. NULL @node gives NULL. */
char *xml_attr(xmlNode *node, const char *name);
/** The text of @node, new string, NULL for NULL. */
char *xml_text(xmlNode *node);
/** Whether an attribute is there and has this value. */
gboolean xml_attr_is(xmlNode *node, const char *name, const char *value);
/** Whether XML can carry @text. */
gboolean xml_check_text(const char *text, GError **error);
/** @node as text without a declaration, new string. */
char *xml_node_to_text(xmlNode *node);
/** The root element as text without a declaration, with a newline at its end. New string. */
char *xml_doc_to_text(xmlDoc *doc);

G_END_DECLS
