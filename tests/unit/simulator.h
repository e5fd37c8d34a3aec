/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * simulator.h: images, domains and snapshots small enough to check everything
 *
 * An image is an array of clusters, each with a value or not allocated. Plans run on it as they
 * would on QEMU, whole or up to a crash in the middle of a copy, and after every step each
 * content can be read and compared. Worlds are plain data: copy them by assignment.
 *
 *      SimWorld w;  sim_random(&w, rand);
 *      graph = sim_graph(&w);  plan = plan_make(graph, …);
 *      for every step:  sim_step(&w, 0, plan, step, mask, &why)
 */
#pragma once

#include "plugin/plan/plan.h"

#define SIM_CLUSTERS 8
#define SIM_CLUSTER_SIZE 65536
#define SIM_IMAGES 96
#define SIM_DOMAINS 3
#define SIM_DISKS 2
#define SIM_SNAPSHOTS 20
#define SIM_NONE (-1)
#define SIM_ZERO (-2)         /* allocated, and reads as zeros */
#define SIM_PAST_THE_END (-3) /* only in what is read */
#define SIM_ALL_CLUSTERS ((1u << SIM_CLUSTERS) - 1)

typedef struct {
    gboolean exists;
    int backing;              /* index or SIM_NONE */
    int size;                 /* clusters; what is past it is neither seen nor written */
    int data[SIM_CLUSTERS];   /* 0: not allocated */
    gboolean orphan;          /* known to no domain and no snapshot */
    gboolean hidden;          /* exists, but is not to be seen: not mounted, say */
    gboolean read_only;
    gboolean internal;        /* has an internal snapshot */
    int internal_data[SIM_CLUSTERS];
} SimImage;

typedef struct {
    gboolean exists;
    int domain;
    int parent;               /* index or SIM_NONE */
    int kind[SIM_DISKS];      /* ChainSnapshotKind */
    int frozen[SIM_DISKS];    /* what its <domain> names */
    int overlay[SIM_DISKS];   /* what its <disks> names, or SIM_NONE */
    int revert_overlay[SIM_DISKS];
    gboolean memory;
    gboolean memory_exists;
} SimSnapshot;

typedef struct {
    gboolean running;
    gboolean transient;       /* shut off there is none of it: then its disks are SIM_NONE */
    int n_disks;
    int active[SIM_DISKS];    /* of a shut-off domain what its configuration names */
    gboolean redefined;       /* it runs, and its configuration names others: */
    int configured[SIM_DISKS];
    int current;              /* snapshot or SIM_NONE */
} SimDomain;

/* A file that the plan at hand made: plans know it by its path. */
typedef struct {
    char path[64];
    int image;
} SimMade;

typedef struct {
    SimImage images[SIM_IMAGES];
    int n_images;
    SimDomain domains[SIM_DOMAINS];
    int n_domains;
    SimSnapshot snapshots[SIM_SNAPSHOTS];
    int n_snapshots;
    int next_value;
    guint layer_limit;        /* images of a chain that can be started, 0: any number */
    gboolean revert_disks;    /* this libvirt keeps <revertDisks> */
    SimMade made[2 * SIM_DISKS];
    int n_made;
    int journal[SIM_DISKS];   /* what the domain's disks were when the plan began */
} SimWorld;

/** Whether a domain or a snapshot that stays has @image in a chain. @deleted: by index or NULL. */
gboolean sim_is_needed(const SimWorld *w, int image, const gboolean *deleted);
/** Whether one of these images is not there, or not to be seen: it may stand on any other. */
gboolean sim_anything_unknown(const SimWorld *w, const gboolean *deleted);

const char *sim_target(int disk);
int sim_disk(const char *target);

/* --- making worlds ------------------------------------------------------------------------ */

void sim_init(SimWorld *w);
/** A new image, SIM_NONE when there is no room. */
int sim_add_image(SimWorld *w, int backing);
int sim_add_domain(SimWorld *w);
/** Returns the index of the disk; its active image stands on @backing. */
int sim_add_disk(SimWorld *w, int domain, int backing);
void sim_write(SimWorld *w, int domain, int disk, int cluster);
/** @disks: bit mask. Returns the snapshot or SIM_NONE. */
int sim_snapshot(SimWorld *w, int domain, guint disks);
/** @keep: the images written since stay; @record: 0 nowhere, 1 <disks>, 2 <revertDisks>. */
void sim_revert(SimWorld *w, int snapshot, gboolean keep, int record);
/** An overlay that no snapshot names. */
void sim_layer(SimWorld *w, int domain, int disk);
/** An internal snapshot of all disks. */
int sim_snapshot_internal(SimWorld *w, int domain);
/** What people do by hand: the active image goes into its backing image. */
void sim_commit_by_hand(SimWorld *w, int domain, int disk);
/** The domain gets a fresh disk on the image below all that its disk stands on, as from a template;
 *  @keep: the image that it wrote stays. */
void sim_clone_anew(SimWorld *w, int domain, int disk, gboolean keep);
/** Makes an image longer, as QEMU does: of one below that is longer already nothing is shown. */
void sim_grow(SimWorld *w, int image, int clusters);
/** Makes the disk smaller or larger. */
void sim_resize(SimWorld *w, int domain, int disk, int clusters);
/** Deletes a snapshot's name and nothing else. */
void sim_drop_name(SimWorld *w, int snapshot);
/** Domain 0 gets snapshots and branches; others and orphans share its images. */
void sim_random(SimWorld *w, GRand *rand);

/* --- reading ------------------------------------------------------------------------------ */

/** The content seen through @image; FALSE if it or something below it does not exist. */
gboolean sim_read(const SimWorld *w, int image, int content[SIM_CLUSTERS]);
/** The content that the internal snapshot in @image preserves. */
gboolean sim_read_internal(const SimWorld *w, int image, int content[SIM_CLUSTERS]);
/** Whether @image is @below or stands on it. */
gboolean sim_stands_on(const SimWorld *w, int image, int below);
/** The linked graph; names are "d0", "s3", keys "inode:1:7", paths "/img/vm.7". */
ChainGraph *sim_graph(const SimWorld *w);
int sim_image_of_key(const char *key);
/** What the configuration of a domain names. */
int sim_configured(const SimDomain *d, int disk);
void sim_dump(const SimWorld *w, GString *out);
/** Clusters that are allocated somewhere from @from down to above @until, as a bit mask. */
guint sim_allocated(const SimWorld *w, int from, int until);
/** Bytes that the merges of @plan's first pass would copy, exactly: for facts->measures. */
GHashTable *sim_measure(const SimWorld *w, const Plan *plan);

/* --- running plans ------------------------------------------------------------------------ */

/**
 * One step of a plan for @domain.
 *
 * @clusters: of a merge only these are copied (bit mask); SIM_ALL_CLUSTERS also ends it
 * @copied: clusters copied are added to it
 * Returns: NULL, or what real life would not have allowed; free it
 */
char *sim_step(SimWorld *w, int domain, const Plan *plan, const PlanStep *step, guint clusters,
               guint *copied);

/* Between simulator.c and simulator-revert.c. */
char *sim_revert_step(SimWorld *w, int domain, const Plan *plan, const PlanStep *step);
char *sim_remove_file(SimWorld *w, const PlanFile *file);
/** The image that a plan speaks of, also one that it made; SIM_NONE: not made yet. */
int sim_planned_image(const SimWorld *w, const PlanImage *image);
