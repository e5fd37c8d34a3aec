/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * disk-source.h: <source> elements and image names into ChainSource, and back
 */
#pragma once

#include "plugin/model/chain.h"
#include "plugin/xml/parse.h"

G_BEGIN_DECLS

/**
 * Where @disk says its image is: @disk is a <disk> of a domain or a snapshot, a <backingStore>
 * or a <mirror>, that is, an element with a type attribute and a <source>.
 *
 * Returns: new; CHAIN_SOURCE_NONE without a source
 */
ChainSource *xml_read_source(xmlNode *disk);

/**
 * The <source> element for @source in @doc, not yet linked into it.
 *
 * @old: the element that it replaces, whose <seclabel>, <reservations> and startupPolicy are
 *       kept where @source has no xml; or NULL
 * Returns: new node, or NULL with @error when XML cannot name it
 */
xmlNode *xml_write_source(xmlDoc *doc, const ChainSource *source, xmlNode *old, GError **error);

/** The port that a network protocol has where none is named, static, or NULL. */
const char *xml_default_port(const char *protocol);

/** The type attribute of a disk with this source; static or borrowed from @source. */
const char *xml_source_disk_type(const ChainSource *source);

/**
 * A file name as QEMU knows it ("/a/b", "b", "json:{…}", "nbd://…", "rbd:…").
 *
 * @spec: as written in an image header
 * @base_dir: the directory of the image, for relative names; NULL: unknown
 * @format: set to the format that a json: name tells, else untouched; NULL: a json: name is
 *          not looked into
 * @relative: set to TRUE when @spec is relative; or NULL
 * Returns: new; CHAIN_SOURCE_OTHER for what is not understood
 */
ChainSource *xml_source_from_spec(const char *spec, const char *base_dir, char **format,
                                  gboolean *relative);

/** The name as it may be shown: without passwords, cookies and keys. New string. */
char *xml_spec_hide_secrets(const char *spec);

/**
 * What libvirt or QEMU says, as it may be shown: names of images and URLs in it as
 * xml_spec_hide_secrets() shows them, and without the values of members of JSON whose names speak
 * of a secret. New string.
 */
char *xml_text_hide_secrets(const char *text);

G_END_DECLS
