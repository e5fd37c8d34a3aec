/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * parse.c: libxml2 made safe for text that others wrote
 */
#include "config.h"

#include <string.h>

#include <libxml/parserInternals.h>
#include <libxml/xmlerror.h>

#include "include/vext-i18n.h"
#include "plugin/xml/parse.h"

G_DEFINE_QUARK(vext-xml-error-quark, vext_xml_error)

/* What a document with a DTD is: not from libvirt. Stops before an entity can be declared. */
static void refuse_dtd(void *ctx, const xmlChar *name, const xmlChar *external,
                       const xmlChar *system)
{
    xmlParserCtxt *ctxt = ctx;

    ctxt->_private = ctxt;
    xmlStopParser(ctxt);
}

static gboolean too_deep(xmlNode *root)
{
    xmlNode *node = root;
    guint depth = 0;

    while (node) {
        if (node->type == XML_ELEMENT_NODE && node->children) {
            node = node->children;
            if (++depth > XML_MAX_DEPTH)
                return TRUE;
            continue;
        }
        while (node != root && !node->next) {
            node = node->parent;
            depth--;
        }
        if (node == root)
            break;
        node = node->next;
    }
    return FALSE;
}

static void set_parse_error(GError **error, xmlParserCtxt *ctxt)
{
    const xmlError *last = xmlCtxtGetLastError(ctxt);
    g_autofree char *message = NULL;

    if (ctxt->_private) {
        g_set_error(error, VEXT_XML_ERROR, VEXT_XML_ERROR_PARSE,
                    _("XML with a document type declaration is not accepted"));
        return;
    }
    if (last && last->message)
        message = g_utf8_make_valid(last->message, -1);
    else
        message = g_strdup(_("not well-formed"));
    g_strstrip(message);
    g_set_error(error, VEXT_XML_ERROR, VEXT_XML_ERROR_PARSE, _("Invalid XML in line %d: %s"),
                last ? last->line : 0, message);
}

static const char *skip_past(const char *p, const char *end)
{
    const char *found = strstr(p, end);

    return found ? found + strlen(end) : p + strlen(p);
}

/* Copies the tag at @p to @out with blanks in its attributes' values as references. */
static const char *protect_tag(GString *out, const char *p)
{
    char quote = 0;

    for (; *p && (quote || *p != '>'); p++) {
        if (quote && (*p == '\n' || *p == '\t' || *p == '\r')) {
            g_string_append_printf(out, "&#%d;", *p);
            continue;
        }
        if (*p == quote)
            quote = 0;
        else if (!quote && (*p == '"' || *p == '\''))
            quote = *p;
        g_string_append_c(out, *p);
    }
    if (*p)
        g_string_append_c(out, *p++);
    return p;
}

/* Copies the text at @p to @out; in what is more than blanks a carriage return as a reference. */
static const char *protect_text(GString *out, const char *p)
{
    const char *end = p + strcspn(p, "<");
    gboolean blank = p + strspn(p, " \t\r\n") == end;

    for (; p < end; p++) {
        if (*p == '\r' && !blank)
            g_string_append(out, "&#13;");
        else
            g_string_append_c(out, *p);
    }
    return end;
}

/*
 * libvirt (seen with 9.0) writes a newline in a path as it is into an attribute, where XML makes
 * a blank of it, and a carriage return into a name, where XML makes a newline of it. libvirt
 * breaks no line within a value, so that each was meant.
 */
static char *protect_values(const char *text)
{
    GString *out = g_string_new(NULL);
    const char *p = text;

    while (*p) {
        const char *start = p;

        if (g_str_has_prefix(p, "<!--"))
            p = skip_past(p, "-->");
        else if (g_str_has_prefix(p, "<![CDATA["))
            p = skip_past(p, "]]>");
        else if (g_str_has_prefix(p, "<?"))
            p = skip_past(p, "?>");
        else if (*p == '<')
            start = p = protect_tag(out, p);
        else
            start = p = protect_text(out, p);
        g_string_append_len(out, start, p - start);
    }
    return g_string_free(out, FALSE);
}

xmlDoc *xml_parse(const char *text, const char *root, GError **error)
{
    size_t len = strlen(text);
    g_autofree char *protected = NULL;
    xmlParserCtxt *ctxt;
    g_autoptr(xmlDoc) doc = NULL;
    xmlNode *node;

    if (len > XML_MAX_BYTES) {
        g_set_error(error, VEXT_XML_ERROR, VEXT_XML_ERROR_PARSE,
                    _("XML of %zu bytes is too large"), len);
        return NULL;
    }
    ctxt = xmlNewParserCtxt();
    if (!ctxt || !ctxt->sax) {
        xmlFreeParserCtxt(ctxt);
        g_set_error(error, VEXT_XML_ERROR, VEXT_XML_ERROR_PARSE, _("Out of memory"));
        return NULL;
    }
    ctxt->sax->internalSubset = refuse_dtd;
    protected = protect_values(text);
    doc = xmlCtxtReadMemory(ctxt, protected, (int) strlen(protected), "libvirt.xml", "UTF-8",
                            XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (!doc || ctxt->_private || !ctxt->wellFormed) {
        set_parse_error(error, ctxt);
        xmlFreeParserCtxt(ctxt);
        return NULL;
    }
    xmlFreeParserCtxt(ctxt);

    node = xmlDocGetRootElement(doc);
    if (!node || too_deep(node)) {
        g_set_error(error, VEXT_XML_ERROR, VEXT_XML_ERROR_PARSE, _("XML is nested too deeply"));
        return NULL;
    }
    if (root && !xmlStrEqual(node->name, BAD_CAST root)) {
        g_set_error(error, VEXT_XML_ERROR, VEXT_XML_ERROR_CONTENT,
                    _("XML with <%s> was expected, this is <%s>"), root,
                    (const char *) node->name);
        return NULL;
    }
    return g_steal_pointer(&doc);
}

static xmlNode *this_or_next(xmlNode *node, const char *name)
{
    while (node && (node->type != XML_ELEMENT_NODE || !xmlStrEqual(node->name, BAD_CAST name)))
        node = node->next;
    return node;
}

xmlNode *xml_child(xmlNode *node, const char *name)
{
    return node ? this_or_next(node->children, name) : NULL;
}

xmlNode *xml_next(xmlNode *node, const char *name)
{
    return node ? this_or_next(node->next, name) : NULL;
}

char *xml_attr(xmlNode *node, const char *name)
{
    g_autoptr(XmlString) value = node ? xmlGetProp(node, BAD_CAST name) : NULL;

    return g_strdup((const char *) value);
}

char *xml_text(xmlNode *node)
{
    g_autoptr(XmlString) value = node ? xmlNodeGetContent(node) : NULL;

    return g_strdup((const char *) value);
}

gboolean xml_attr_is(xmlNode *node, const char *name, const char *value)
{
    g_autofree char *is = xml_attr(node, name);

    return is && g_str_equal(is, value);
}

static void append_node(GString *out, xmlNode *node)
{
    xmlBuffer *buffer = xmlBufferCreate();

    xmlNodeDump(buffer, node->doc, node, 0, 0);
    g_string_append(out, (const char *) xmlBufferContent(buffer));
    xmlBufferFree(buffer);
}

char *xml_node_to_text(xmlNode *node)
{
    GString *out = g_string_new(NULL);

    append_node(out, node);
    return g_string_free(out, FALSE);
}

char *xml_doc_to_text(xmlDoc *doc)
{
    GString *out = g_string_new(NULL);
    xmlNode *node;

    for (node = doc->children; node; node = node->next) {
        append_node(out, node);
        g_string_append_c(out, '\n');
    }
    return g_string_free(out, FALSE);
}

/* XML 1.0 has no way to write other control characters or anything but Unicode. */
gboolean xml_check_text(const char *text, GError **error)
{
    const char *p;

    for (p = text; *p; p++) {
        if ((unsigned char) *p < 0x20 && *p != '\n' && *p != '\t' && *p != '\r')
            break;
    }
    if (*p || !g_utf8_validate(text, -1, NULL)) {
        g_autofree char *shown = g_strescape(text, NULL);

        g_set_error(error, VEXT_XML_ERROR, VEXT_XML_ERROR_CONTENT,
                    _("'%s' cannot be written in libvirt's XML"), shown);
        return FALSE;
    }
    return TRUE;
}
