/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * edit-private.h: what the files of the XML edits share
 */
#pragma once

#include "plugin/xml/edit.h"
#include "plugin/xml/parse.h"

G_BEGIN_DECLS

/** Unlinks and frees @node and the whitespace before it. */
void xml_remove_node(xmlNode *node);
void xml_remove_children(xmlNode *node, const char *name);
/** Puts @node after @ref, indented as @ref is. */
void xml_insert_after(xmlNode *ref, xmlNode *node);
/** Puts @node after the last child element. */
void xml_append(xmlNode *parent, xmlNode *node);
/** Replaces or adds <name>text</name>; a new one comes after the child @after if there is one. */
void xml_set_child_text(xmlNode *parent, const char *name, const char *after, const char *text);

/**
 * Gives a <disk> (of a domain or of a snapshot's list) another image.
 *
 * @source, @format: NULL leaves the present one
 */
gboolean xml_set_disk(xmlNode *disk, const ChainSource *source, const char *format,
                      GError **error);
/** An explicit chain of @of->below: it overrides the image's header, in QEMU too. */
gboolean xml_add_chain(xmlNode *disk, const XmlDisk *of, GError **error);
/** The <disk> of @list with this target, or NULL. */
xmlNode *xml_find_disk(xmlNode *list, const char *target);

typedef gboolean (*XmlDiskFunc)(xmlNode *disk, gpointer opaque, GError **error);
gboolean xml_each_disk(xmlNode *list, XmlDiskFunc func, gpointer opaque, GError **error);

G_END_DECLS
