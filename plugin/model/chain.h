/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * chain.h: the model: images, domains and snapshots as one graph
 *
 * Everything that chain-show prints and that delete, revert and repair plan on.
 * Pure: no I/O, no libvirt. plugin/backend reads the world and fills it through
 * the functions below; afterwards it is only read.
 *
 *      snapshot s1          snapshot s2
 *          | frozen             | frozen
 *          v                    v
 *        [F1] <--backing-- [O1 = F2] <--backing-- [O2]  <-- active: disk vda of domain D
 *          ^
 *          +-----backing-- [B]                          <-- branch made by a revert to s1
 *
 * Lifecycle:
 *      graph = chain_graph_new()
 *      for every image read:   chain_graph_image(...) and fill its fields
 *      for every domain read:  chain_domain_new(), add disks and snapshots
 *      chain_graph_link(graph)       once; computes overlays, users, snapshots of images, tree
 *      chain_graph_check(graph, d)   findings of one domain
 *      chain_graph_free(graph)
 *
 * Identity: an image is one node however it is spelled. Its key is, in this order, what
 * the file is ("inode:DEV:INO") where that can be seen, else the normalised source
 * ("file:/a/b", "nbd://host:port/name", …). The spellings met are kept as aliases.
 *
 * Ownership: the graph owns all nodes; pointers between nodes are borrowed. Strings belong
 * to the node. NULL strings and CHAIN_UNKNOWN numbers mean "not known", never "none".
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** A number of bytes that is not known. */
#define CHAIN_UNKNOWN G_MAXUINT64
/** In nanoseconds. */
#define CHAIN_SECOND G_GINT64_CONSTANT(1000000000)

typedef struct ChainGraph ChainGraph;
typedef struct ChainImage ChainImage;
typedef struct ChainDomain ChainDomain;
typedef struct ChainDisk ChainDisk;
typedef struct ChainSnapshot ChainSnapshot;

/** Where an image is, as libvirt's <source> says it. */
typedef enum {
    CHAIN_SOURCE_NONE, /**< no medium */
    CHAIN_SOURCE_FILE,
    CHAIN_SOURCE_BLOCK,
    CHAIN_SOURCE_VOLUME, /**< pool and volume, where the pool could not say the path */
    CHAIN_SOURCE_NETWORK,
    CHAIN_SOURCE_OTHER, /**< dir, nvme, vhostuser, vhostvdpa, a json: string not understood */
} ChainSourceType;

typedef struct {
    ChainSourceType type;
    char *path;      /**< file, block: absolute. volume: its path when the pool told it */
    char *pool;      /**< volume, also kept when type became file or block by resolving it */
    char *volume;
    char *protocol;  /**< network: nbd, rbd, iscsi, …; volume, other: what tells that it is no
                          file or device of the host, else NULL */
    char *name;      /**< network: export, image */
    char *host;      /**< network: "host:port" or a socket's path, of the first host */
    char *other;     /**< other: the text */
    char *xml;       /**< the <source> element as in the domain's or snapshot's XML with
                          <backingStore> left out, and the disk's <encryption> in it; NULL where
                          seen in image headers only */
    char *encryption; /**< without xml: the <encryption> element that it gets, or NULL */
    char *disk_type; /**< the disk's type attribute that goes with xml: "file", "volume", … */
} ChainSource;

ChainSource *chain_source_new(ChainSourceType type);
ChainSource *chain_source_new_file(const char *path);
ChainSource *chain_source_copy(const ChainSource *source);
/** Whether it says with which secret the image is decrypted. */
gboolean chain_source_decrypts(const ChainSource *source);
/** Its <encryption> with the secret as text, new; NULL where it does not say with which. */
char *chain_source_encryption(const ChainSource *source);
void chain_source_free(ChainSource *source);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ChainSource, chain_source_free)

/** The normalised source as a key: lexically cleaned paths ("//", "/./"; ".." is kept: links). */
char *chain_source_key(const ChainSource *source);
/** What stands for a secret in what is printed. */
#define CHAIN_HIDDEN "***"

/** Whether the name of an option or parameter, @len bytes (-1: all), speaks of a secret. */
gboolean chain_names_secret(const char *name, gssize len);
/** Whether a name as it is shown has a secret taken out of it, and so is no name to be typed. */
gboolean chain_spec_is_hidden(const char *spec);

/**
 * The URI @spec without its secrets: of USER:PASSWORD@ (with a % in iSCSI) the password, and the
 * value of each parameter of the query that is none of the few that are known to be no secrets.
 * Returns: new string, or NULL: there is nothing to hide, or it is no URI
 */
char *chain_uri_hide_secrets(const char *spec);

/** How people and scripts know it: the path, "pool/volume", "nbd://host:port/name". New string. */
char *chain_source_describe(const ChainSource *source);

typedef enum {
    CHAIN_IMAGE_MISSING = 1 << 0,       /**< is not there */
    CHAIN_IMAGE_UNREADABLE = 1 << 1,    /**< is there (or may be), its header could not be read */
    CHAIN_IMAGE_HEADER_READ = 1 << 2,   /**< backing_* below are what the header says */
    CHAIN_IMAGE_LOOP = 1 << 3,          /**< stands, through backing, on itself */
    CHAIN_IMAGE_RELATIVE = 1 << 4,      /**< its backing is recorded as a relative name */
    CHAIN_IMAGE_FORMAT_GUESSED = 1 << 5,/**< nobody recorded its format: shown, never opened */
    CHAIN_IMAGE_ENCRYPTED = 1 << 6,
    CHAIN_IMAGE_DATA_FILE = 1 << 7,     /**< qcow2 with an external data file */
    CHAIN_IMAGE_BITMAPS = 1 << 8,       /**< has persistent dirty bitmaps */
    CHAIN_IMAGE_INTERNAL = 1 << 9,      /**< has internal snapshots */
    CHAIN_IMAGE_CORRUPT = 1 << 10,      /**< its header says dirty or corrupt */
    CHAIN_IMAGE_NOT_WRITABLE = 1 << 11, /**< read-only permissions or immutable (where seen) */
    CHAIN_IMAGE_ORPHAN = 1 << 12,       /**< found only by looking through directories and pools */
    CHAIN_IMAGE_FORMATS_DIFFER = 1 << 13,/**< other_format is recorded for it too */
    CHAIN_IMAGE_NO_HEADER = 1 << 14,    /**< of no recorded format, and it begins as no image does
                                             that can have a backing file: to libvirt it is raw */
} ChainImageFlags;

/** One image. */
struct ChainImage {
    guint id;              /**< index in the graph's images, stable after linking */
    char *key;             /**< identity, unique in the graph */
    ChainSource *source;   /**< the best description met: one that decrypts, else with xml */
    char *path;            /**< chain_source_describe(source): what is printed */
    GPtrArray *aliases;    /**< char *: all other source keys met for it */
    char *format;          /**< as domain or overlay record it: "qcow2", "raw", … or NULL */
    char *other_format;    /**< what somebody else records, where that is not the same; or NULL */
    unsigned int flags;    /**< ChainImageFlags */

    char *backing_spec;    /**< as written in the header or XML; NULL: none (if known) */
    char *backing_format;  /**< as recorded with it, or NULL */
    ChainImage *backing;   /**< next image down; NULL at the root or where unknown (see flags) */
    ChainImage *data_file; /**< where a qcow2 image keeps its data; written with it; or NULL */
    gboolean backing_known;/**< FALSE: whether there is a backing image is not known */

    char *problem;         /**< why it could not be read, with CHAIN_IMAGE_UNREADABLE; or NULL */

    guint64 virtual_size;  /**< bytes the guest sees, or CHAIN_UNKNOWN */
    guint64 allocation;    /**< bytes on the disk, or CHAIN_UNKNOWN */
    guint64 fs_free;       /**< bytes free where the file lies, or CHAIN_UNKNOWN */
    guint64 fs_id;         /**< which file system that is (st_dev), 0 unknown */
    gint64 modified;       /**< when a file was written last: nanoseconds since the epoch, 0
                                unknown */
    gint64 born;           /**< when the file was made, the same */

    /* set by chain_graph_link() */
    GPtrArray *overlays;   /**< ChainImage *: images whose backing this is */
    GPtrArray *users;      /**< ChainDisk *: disks in whose active chain it is, or in the chain of
                                what the persistent XML names where that differs, or of what a
                                job copies to (all domains) */
    GPtrArray *frozen_by;  /**< ChainSnapshot *: snapshots (all domains) whose state it is or, for
                                internal snapshots, in which their state is */
    GPtrArray *overlay_of; /**< ChainSnapshot *: snapshots that name it in <disks> or
                                <revertDisks> */
    GPtrArray *domains;    /**< ChainDomain *: domains with it in a chain, whether of a disk, of a
                                snapshot, of a job or of a managed save image */
    ChainDisk *writer;     /**< a disk that writes it, of a running domain if there is one; NULL:
                                none does, nor would after its domain's next start */

    ChainImage *merged_into; /**< internal: the node that this one turned out to be */
};

/** A block job of a disk. */
typedef struct {
    char *type;      /**< "commit", "active-commit", "pull", "copy", "backup" */
    guint64 cur, end;
    gboolean ready;  /**< READY was seen or <mirror ready='yes'>; never computed from cur and end */
    char *mirror;    /**< what <mirror> names, or NULL */
    ChainImage *target; /**< its image: in use, though in no chain yet; or NULL */
} ChainJob;

/** A disk of a domain. */
struct ChainDisk {
    ChainDomain *domain;
    char *target;          /**< "vda" */
    char *device;          /**< "disk", "cdrom", "floppy", "lun" */
    gboolean readonly;
    gboolean shareable;
    ChainImage *active;    /**< what is written now (live XML if running); NULL: empty drive */
    ChainImage *configured;/**< what the persistent XML names; NULL for a transient domain */
    GPtrArray *live_chain; /**< ChainImage *: from active to root as the live XML says; or NULL */
    GPtrArray *config_chain; /**< as persistent XML's explicit <backingStore> says; or NULL */
    gboolean config_chain_ends; /**< it ends with an empty element; else libvirt reads on in the
                                     headers of the last image */
    ChainJob *job;         /**< or NULL */
};

typedef enum {
    CHAIN_SNAP_NO,       /**< the disk is left out */
    CHAIN_SNAP_INTERNAL,
    CHAIN_SNAP_EXTERNAL,
    CHAIN_SNAP_MANUAL,
} ChainSnapshotKind;

/** What a snapshot says of one disk. */
typedef struct {
    char *target;
    ChainSnapshotKind kind;
    gboolean not_written;       /**< as <domain> has it: CD-ROM, floppy, or read-only */
    gboolean optional;          /**< the guest starts also where its image is missing */
    ChainImage *frozen;         /**< F(S): source in <domain>; NULL: disk not there or empty */
    ChainImage *frozen_inactive;/**< source in <inactiveDomain>, NULL without one */
    ChainImage *overlay;        /**< O(S): source in <disks>, external only */
    ChainImage *revert_overlay; /**< source in <revertDisks> (libvirt >= 9.9), or NULL */
    gboolean delete_in_progress;/**< libvirt's <snapshotDeleteInProgress/>, see
                                     chain_image_half_merged() */
} ChainSnapshotDisk;

typedef enum {
    CHAIN_MEMORY_NONE,
    CHAIN_MEMORY_INTERNAL,
    CHAIN_MEMORY_EXTERNAL,
} ChainMemoryKind;

/** A snapshot. */
struct ChainSnapshot {
    ChainDomain *domain;
    char *name;
    char *parent_name;      /**< NULL for a root */
    ChainSnapshot *parent;  /**< set by link */
    GPtrArray *children;    /**< ChainSnapshot *, set by link */
    gint64 creation_time;   /**< seconds since the epoch */
    char *state;            /**< "running", "paused", "shutoff", "disk-snapshot", … */
    gboolean current;
    gboolean has_domain;    /**< it carries a <domain>: without one nothing can be restored */
    gboolean has_inactive;  /**< and an <inactiveDomain>: the persistent one is another */
    ChainMemoryKind memory;
    char *memory_file;
    guint64 memory_size;    /**< bytes, or CHAIN_UNKNOWN */
    gboolean memory_missing;/**< the memory file was looked for and is not there */
    GPtrArray *disks;       /**< ChainSnapshotDisk * */
    char *xml;              /**< as read (secure, unless the connection is read-only) */
};

/**
 * The snapshot with libvirt's mark <snapshotDeleteInProgress/> for @image, or NULL. libvirt >= 9.0
 * sets it on the snapshot that made @image (whose overlay it is) before it commits into it, and
 * takes it off afterwards: while it is there, the state that @image froze may be half merged.
 */
ChainSnapshot *chain_image_half_merged(const ChainImage *image);
/** The first of @s's frozen images for which that is so, or NULL. */
ChainImage *chain_snapshot_half_merged(const ChainSnapshot *s);

/** Any external disk or memory and nothing internal. */
gboolean chain_snapshot_is_external(const ChainSnapshot *s);
/** Any internal disk or memory and nothing external. */
gboolean chain_snapshot_is_internal(const ChainSnapshot *s);
/** What it says of @target, or NULL. */
ChainSnapshotDisk *chain_snapshot_disk(const ChainSnapshot *s, const char *target);
/** Whether @s is @ancestor or below it. */
gboolean chain_snapshot_descends(const ChainSnapshot *s, const ChainSnapshot *ancestor);

/** The unfinished operation of a domain, read from its journal. */
typedef struct {
    char *id;
    char *domain;     /**< the name that the domain had, or NULL when it could not be read */
    char *uuid;       /**< of the domain, or NULL */
    char *command;    /**< "snapshot-delete-external", … */
    char *snapshots;  /**< names joined with ", " for people */
    GPtrArray *snapshot_names; /**< char * */
    char *step;       /**< the step that was recorded last, for people */
    char *started;    /**< ISO 8601 UTC */
    char *client;     /**< who has it, for people, or NULL */
    gboolean alive;   /**< somebody is at it now */
    gboolean committing; /**< a delete has begun a commit: the states of its snapshots are gone */
} ChainOperation;

void chain_operation_free(ChainOperation *operation);

/** A domain. */
struct ChainDomain {
    ChainGraph *graph;
    char *name;
    char *uuid;
    char *state;            /**< as `virsh domstate`: "running", "paused", "shut off", … */
    gboolean active;        /**< QEMU runs */
    gboolean persistent;
    gboolean managed_save;
    GPtrArray *saved;       /**< ChainImage *: what the managed save image has open when it is
                                 restored, whatever the persistent XML names by now */
    guint checkpoints;      /**< number of libvirt checkpoints */
    gboolean backup_job;    /**< a backup job runs */
    GPtrArray *disks;       /**< ChainDisk * in XML order */
    GPtrArray *detached;    /**< ChainDisk * without any image of their own, set by link: targets
                                 that only snapshots have, and images of them that are behind no
                                 other disk */
    GPtrArray *snapshots;   /**< ChainSnapshot *, parents before children after linking */
    ChainSnapshot *current; /**< set by link; may be NULL */
    char *xml;              /**< live XML if active, else inactive (secure unless read-only) */
    char *inactive_xml;     /**< persistent XML, NULL for a transient domain */
    ChainOperation *operation; /**< or NULL */
    char *helper;           /**< the domain that by its name keeps the record of an operation on
                                 this one, or NULL */
    char *unreadable;       /**< why that record cannot be read, or NULL; without an operation
                                 the domain of the helper's name is none of ours */
    gboolean undefined;     /**< it is there no more: what is left is the record of an operation */
    char *problem;          /**< why it could not be read, or, with xml, its snapshots; or NULL */
    GPtrArray *unknown;     /**< ChainUnknown *: set by chain_graph_unknowns(), or NULL */
};

ChainDisk *chain_domain_disk(const ChainDomain *d, const char *target);
/** Its disks, then those that only snapshots have. New array of borrowed pointers. */
GPtrArray *chain_domain_all_disks(const ChainDomain *d);
ChainSnapshot *chain_domain_snapshot(const ChainDomain *d, const char *name);

/**
 * A command as a shell and virsh's own both take it, from its words up to a NULL: names can have
 * blanks and quotes. Quoted with ", as it will mostly stand between '. New string.
 *
 * Options of virsh's and our commands come last, behind a "--": a snapshot can be called "--all",
 * and then they are written before a "--" that keeps the names from being taken for options.
 */
char *chain_command(const char *word, ...) G_GNUC_NULL_TERMINATED;
/** What names the domain in a command. virsh takes a number for an id and 32 hexadecimal digits for
 *  a UUID before it looks for a name: a domain that is called so is given by its UUID. Borrowed. */
const char *chain_word_for(const char *name, const char *uuid);
const char *chain_domain_word(const ChainDomain *d);
/** Whether @d has an operation that was begun when it had another name, under which it is to be
 *  finished. */
gboolean chain_domain_is_renamed(const ChainDomain *d);
/** For a sentence: "'a', 'b'". @names: char *. New string. */
char *chain_quote_names(const GPtrArray *names);

/** What can be done about a record of an operation, kept by @helper, that cannot be read; or, where
 *  @helper has no record of @ours, about a guest of that name. New string. */
char *chain_unreadable_remedy(const char *helper, gboolean ours);

/** What is wrong or worth to know. */
typedef enum { CHAIN_NOTICE, CHAIN_WARNING, CHAIN_ERROR } ChainSeverity;

typedef struct {
    const char *code;       /**< one of the contract's: "missing-image", … static */
    ChainSeverity severity;
    char *disk;             /**< target or NULL */
    ChainImage *image;      /**< or NULL */
    char *snapshot;         /**< name or NULL */
    char *message;          /**< whole sentence without a full stop, translated */
    char *remedy;           /**< names the command to use */
    gboolean by_merge;      /**< a snapshot's state was merged away by hand; what tells of it goes
                                 with the next merge */
} ChainFinding;

/** Something that could not be found out: the view is incomplete there. */
typedef struct {
    const char *code;       /**< "backing", "directory", "domain", "file", "managed-save",
                                 "orphans", "pool"; static */
    char *disk;             /**< target or NULL */
    ChainImage *image;      /**< or NULL */
    char *path;             /**< of a directory or file, or NULL */
    char *message;          /**< whole sentence without a full stop, translated */
} ChainUnknown;

void chain_unknown_free(ChainUnknown *unknown);

/** Everything read of one connection. */
struct ChainGraph {
    GPtrArray *images;      /**< ChainImage * */
    GHashTable *by_key;     /**< key or alias -> ChainImage * */
    GPtrArray *domains;     /**< ChainDomain * */
    gboolean complete;      /**< all domains of the connection and their snapshots were read */
    GPtrArray *unknown;     /**< ChainUnknown *: of the connection as a whole */
    gboolean local;         /**< the files of the connection are files here */
    gboolean linked;
    guint layer_limit;      /**< images in a chain that libvirt and QEMU can start, 0 unknown */
    unsigned long libvirt_version; /**< as virConnectGetLibVersion, 0 unknown */
    GPtrArray *merged;      /**< internal: nodes that turned out to be others, kept until free */
};

ChainGraph *chain_graph_new(void);
void chain_graph_free(ChainGraph *graph);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ChainGraph, chain_graph_free)

/**
 * The node for a source, made if it is new.
 *
 * @source: copied
 * @identity: "inode:DEV:INO" when the file was seen, else NULL
 * Returns: borrowed. The same node for every spelling that has one identity; a node first met
 *          without identity is merged when a later call tells it.
 */
ChainImage *chain_graph_image(ChainGraph *graph, const ChainSource *source,
                              const char *identity);
/** Finds without making. */
ChainImage *chain_graph_find(const ChainGraph *graph, const ChainSource *source);
/** Finds by path as printed. */
ChainImage *chain_graph_find_path(const ChainGraph *graph, const char *path);

ChainDomain *chain_graph_add_domain(ChainGraph *graph, const char *name, const char *uuid);
ChainDomain *chain_graph_domain(const ChainGraph *graph, const char *name);
/** Takes a domain out that turned out not to be there any more. Before the graph is linked. */
void chain_graph_remove_domain(ChainGraph *graph, ChainDomain *d);
ChainDisk *chain_domain_add_disk(ChainDomain *d, const char *target);
ChainSnapshot *chain_domain_add_snapshot(ChainDomain *d, const char *name);
ChainSnapshotDisk *chain_snapshot_add_disk(ChainSnapshot *s, const char *target);

/** Computes everything marked "set by link", breaks loops (flag LOOP), sorts. Idempotent. */
void chain_graph_link(ChainGraph *graph);

/** Records what somebody says of the format of @image; NULL is nothing. Where two do not agree the
 *  one that has a backing file goes, unless the image was read already, and the other is kept. */
void chain_image_record_format(ChainImage *image, const char *format);
/** Images from @top down to the root or to where it is unknown; loops end it. New array. */
GPtrArray *chain_image_chain(ChainImage *top);
/** Whether @image is @below or stands on it. */
gboolean chain_image_stands_on(const ChainImage *image, const ChainImage *below);
/**
 * The image that has the state: the one that the overlay was put on, which is further up than the
 * one that the snapshot names when its parent was deleted with libvirt 9.0's --metadata. That is
 * frozen unless the images say so. Borrowed, may be NULL.
 */
ChainImage *chain_snapshot_state(const ChainSnapshotDisk *sd);
/**
 * Whether @image, which was below what @s froze, has been written since @s was taken: 1, 0, or -1
 * when it cannot be told.
 *
 * libvirt keeps the second in which a snapshot was taken; the moment is that at which its overlay
 * was made.
 */
int chain_image_written_since(const ChainImage *image, const ChainSnapshot *s,
                              const ChainImage *overlay);
/**
 * An image that somebody needs and that may stand on any other for all that could be found out, or
 * be any other; NULL: there is none. What is not there counts: it may be on storage that is not
 * mounted, or not to be seen from here.
 *
 * Needed is what a domain has or will have, and what snapshots preserve, but for those of @gone (a
 * set, or NULL); not what they merely name in <disks>, which goes when somebody reverts. Where the
 * XML of a disk tells the whole chain, that is what counts. Formats without backing files stand on
 * nothing, there or not.
 */
const ChainImage *chain_graph_unknown(const ChainGraph *graph, GHashTable *gone);
/** What is not known about such an image, and whose it is: a sentence. New string. */
char *chain_unknown_message(const ChainGraph *graph, const ChainImage *image);
/** What can be done about it. New string. */
char *chain_unknown_remedy(const ChainImage *image);
/** All images that belong to @disk: the active chain, root first, then other branches (all
 *  images that snapshots of the domain name for this target, what stands on them). New array. */
GPtrArray *chain_disk_images(ChainDisk *disk);

/** Findings about @d, in the order of its disks. New array of ChainFinding *, frees its items. */
GPtrArray *chain_graph_check(ChainGraph *graph, ChainDomain *d);
void chain_finding_free(ChainFinding *finding);

/** What is not known about @d: of its images, then of the connection. New array of
 *  const ChainUnknown *, which @d and @graph own. */
GPtrArray *chain_graph_unknowns(ChainGraph *graph, ChainDomain *d);

G_END_DECLS
