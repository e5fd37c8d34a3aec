/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * edit.h: changes to libvirt's XML, text in, text out
 *
 * For everything that defines, redefines or restores: each function takes the XML of a domain
 * or a snapshot as libvirt printed it and returns new text in which only what the function
 * names has changed. Whitespace, comments, unknown elements and the order of things survive,
 * because a newer libvirt may have written what we do not know.
 *
 *      snapshot XML --xml_snapshot_extract_domain--> domain XML --xml_domain_set_disk_source-->
 *          --xml_strip_backing_store--> virDomainDefineXML()
 *
 * Input is hostile: no network, no entities, no DTD, limits on depth and size (see parse.h).
 * Every function returns new text (g_free) or NULL with @error in the domain VEXT_XML_ERROR.
 * Pure: libxml2 and the model, no libvirt, no I/O.
 */
#pragma once

#include "plugin/model/chain.h"

G_BEGIN_DECLS

/**
 * Removes every <backingStore> of every disk: of a domain, or of all domains and disks of a
 * snapshot. Afterwards libvirt reads the chain from the image headers. The index attributes
 * that belong to a live chain go too; <mirror> stays.
 */
char *xml_strip_backing_store(const char *xml, GError **error);

/**
 * What an explicit chain has to say that stands below the image @source, downwards; below the last
 * one its header counts. @written: there was an explicit chain until now. New arrays of borrowed
 * pointers. Returns their length; 0: the headers say it all.
 */
typedef gsize (*XmlBelowFunc)(const ChainSource *source, gboolean written,
                              const ChainSource ***sources, const char ***formats,
                              gpointer opaque);

/** The same, but the disks of domains get the <backingStore> that @below says. */
char *xml_write_backing_store(const char *xml, XmlBelowFunc below, gpointer opaque,
                              GError **error);

/** What is said of one disk. In <revertDisks> (libvirt >= 9.9), without @source: snapshot='no'. */
typedef struct {
    const char *target;
    const ChainSource *source;
    const char *format;
    /** Domains only: images below it that count instead of what its header says, downwards; below
     *  the last one its header counts. */
    const ChainSource *const *below;
    const char *const *below_formats;
    gsize n_below;
} XmlDisk;

/* --- replacing sources ------------------------------------------------------------------ */

/** Which source becomes which; keyed by chain_source_key(). */
typedef struct XmlSourceMap XmlSourceMap;

XmlSourceMap *xml_source_map_new(void);
void xml_source_map_free(XmlSourceMap *map);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(XmlSourceMap, xml_source_map_free)

/**
 * @from_key: as chain_source_key() gives it
 * @to: copied. With ->xml its <source> is taken as it is (with ->disk_type); without, one is
 *      made from the fields, and <seclabel>, <reservations> and startupPolicy of the old one
 *      stay (never <encryption>: that belongs to the image)
 * @to_format: the driver's type afterwards, NULL leaves it
 */
void xml_source_map_add(XmlSourceMap *map, const char *from_key, const ChainSource *to,
                        const char *to_format);
/** The same for @from's source, key and all aliases; @to's source and format. */
void xml_source_map_add_image(XmlSourceMap *map, const ChainImage *from, const ChainImage *to);
guint xml_source_map_size(const XmlSourceMap *map);

/**
 * In a domain's XML, each <disk> whose source is in @map gets the new one: the disk's type, its
 * <source> and its driver's type as a whole, <backingStore> of that disk removed; target,
 * serial, address and everything else stay.
 *
 * @changed: number of disks replaced, or NULL
 */
char *xml_map_sources(const char *xml, const XmlSourceMap *map, guint *changed, GError **error);

/**
 * In a snapshot's XML.
 *
 * @domains: applied to the disks of <domain> and <inactiveDomain> (frozen images), or NULL
 * @disks: applied to <disks> and <revertDisks> (overlays), or NULL
 * @changed: number of sources replaced, or NULL
 */
char *xml_map_snapshot_sources(const char *xml, const XmlSourceMap *domains,
                               const XmlSourceMap *disks, guint *changed, GError **error);

/** One disk of a domain by its target; fails when there is none. @format NULL leaves it. */
char *xml_domain_set_disk_source(const char *xml, const char *target, const ChainSource *source,
                                 const char *format, GError **error);

/** The same, and what is below it as @disk says. */
char *xml_domain_set_disk(const char *xml, const XmlDisk *disk, GError **error);

/* --- snapshots -------------------------------------------------------------------------- */

/** <parent><name>; @parent NULL removes the element. */
char *xml_snapshot_set_parent(const char *xml, const char *parent, GError **error);

/** The overlay of @target in <disks> (snapshot='external'); fails when it is not listed. */
char *xml_snapshot_set_disk_source(const char *xml, const char *target,
                                   const ChainSource *source, const char *format,
                                   GError **error);

/** Replaces <revertDisks>; @n 0 removes it. */
char *xml_snapshot_set_revert_disks(const char *xml, const XmlDisk *disks, gsize n,
                                    GError **error);

/** Removes libvirt's own <snapshotDeleteInProgress/> from disks; @targets: a set of char *. */
char *xml_snapshot_clear_delete_in_progress(const char *xml, GHashTable *targets, GError **error);

/**
 * The domain inside a snapshot's XML as a document of its own.
 *
 * @inactive: take <inactiveDomain> where there is one (as a <domain>); FALSE: <domain>
 */
char *xml_snapshot_extract_domain(const char *xml, gboolean inactive, GError **error);

/* --- domains ---------------------------------------------------------------------------- */

char *xml_domain_set_name(const char *xml, const char *name, GError **error);
/** @uuid NULL removes the element. */
char *xml_domain_set_uuid(const char *xml, const char *uuid, GError **error);

/**
 * The element of one namespace in <metadata>.
 *
 * @element: well-formed text of one element in the namespace @uri, NULL removes the present one
 */
char *xml_domain_set_metadata(const char *xml, const char *uri, const char *element,
                              GError **error);
/** The text of that element, or NULL without @error when there is none. */
char *xml_domain_get_metadata(const char *xml, const char *uri, GError **error);

/**
 * The helper domain: lock, journal and worker of an operation (the design's section 4).
 *
 * Takes from @domain_xml the domain's type and <os>' architecture, machine and type (no
 * loader, kernel or boot), and each of @disks: the <disk> with that target copied without
 * address, alias, backingStore, mirror, index, boot and iotune, its source and format
 * replaced where given. 16 MiB, one vCPU, no network, no USB, no balloon, no UUID (so that
 * the name excludes).
 *
 * @disks: which disks; a NULL source keeps the disk's own
 * @metadata: text of one element for <metadata>, or NULL
 */
char *xml_helper_domain(const char *domain_xml, const char *name, const XmlDisk *disks, gsize n,
                        const char *metadata, GError **error);

G_END_DECLS
