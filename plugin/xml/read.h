/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * read.h: libvirt's XML and qemu-img's JSON into the model
 *
 *      xml_read_domain()     disks, live chains, jobs       \  each source that is met goes
 *      xml_read_snapshot()   what a snapshot says            > through reader->image, which gives
 *                                                            /  it a node (and an identity)
 *      xml_read_volume()     one storage volume
 *      image_info_parse()    one qemu-img info, or a chain of them
 *
 * Pure: no I/O, no libvirt. Input is hostile (see parse.h).
 */
#pragma once

#include "plugin/model/chain.h"

G_BEGIN_DECLS

/** Where the readers put what they find. */
typedef struct XmlReader XmlReader;
struct XmlReader {
    ChainGraph *graph;
    /** The node for @source (borrowed, may be edited, e.g. path of a volume). NULL: the graph's
     *  own, without identity. */
    ChainImage *(*image)(XmlReader *reader, ChainSource *source);
    gpointer opaque;
};

/**
 * The disks of a domain.
 *
 * @live: its XML when it runs, else NULL
 * @inactive: its persistent XML, NULL for a transient domain
 * Returns: FALSE with @error when an XML is not one of a domain
 *
 * Images in a live <backingStore> get their backing from it unless a header was read.
 */
gboolean xml_read_domain(XmlReader *reader, ChainDomain *d, const char *live,
                         const char *inactive, GError **error);

/**
 * The images that the XML of a managed save image names, into d->saved.
 *
 * Returns: FALSE with @error when it is no domain's XML
 */
gboolean xml_read_saved(XmlReader *reader, ChainDomain *d, const char *xml, GError **error);

/** Adds a snapshot to @d. Returns: borrowed, NULL with @error. Takes a copy of @xml. */
ChainSnapshot *xml_read_snapshot(XmlReader *reader, ChainDomain *d, const char *xml,
                                 GError **error);

/** The directory of a pool whose volumes are the files and devices in it, or NULL: its type is
 *  another or it is no pool's XML. New string. */
char *xml_read_pool_target(const char *xml);
/** Whether the volumes of a pool are on the network and no files or devices of the host. */
gboolean xml_pool_is_remote(const char *xml);

/**
 * Files that a domain writes and that are no disks of it: what devices print, and variables of its
 * firmware. In both the guest has its way.
 *
 * Returns: new strings, absolute paths; empty where @xml is no domain's
 */
GPtrArray *xml_read_written_files(const char *xml);

/** A storage volume. Strings NULL and numbers CHAIN_UNKNOWN where the XML says nothing. */
typedef struct {
    char *name, *type, *path, *format;
    char *backing_path, *backing_format;
    guint64 capacity, allocation, physical;
    gboolean encrypted;
} XmlVolume;

XmlVolume *xml_read_volume(const char *xml, GError **error);
void xml_volume_free(XmlVolume *volume);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(XmlVolume, xml_volume_free)

/** What qemu-img info says of one image. */
typedef struct {
    char *filename;
    char *format;
    char *backing;         /**< as in the header, NULL: none */
    char *full_backing;    /**< as QEMU resolves it, or NULL */
    char *backing_format;  /**< as in the header, or NULL */
    char *data_file;       /**< qcow2's external data file, or NULL */
    guint64 virtual_size, allocation; /**< bytes or CHAIN_UNKNOWN */
    gboolean encrypted, corrupt;
    guint bitmaps, snapshots;
} ImageInfo;

/**
 * @json: output of qemu-img info --output=json, with or without --backing-chain
 * Returns: new array of ImageInfo * (top first) that frees its items; NULL with @error
 */
GPtrArray *image_info_parse(const char *json, gsize len, GError **error);
void image_info_free(ImageInfo *info);

G_END_DECLS
