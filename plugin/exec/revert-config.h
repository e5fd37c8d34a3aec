/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * revert-config.h: the configurations that a revert defines, from the journal alone
 *
 * Pure: XML in, XML out. What a configuration names is decided here and nowhere else:
 *
 *   a disk of plan->overlays      the new overlay
 *   a disk of plan->kept_disks    the image that the domain had for it before the revert
 *   anything else                 as the snapshot says
 *
 * so that no configuration made here ever names a frozen image as something to be written.
 */
#pragma once

#include "plugin/journal/journal.h"

G_BEGIN_DECLS

/** The target snapshot's XML as the journal has it; borrowed, NULL if it is not in it. */
const char *revert_snapshot_xml(const Journal *journal);

/** The configuration to be defined (or created, of a transient domain). New text. */
char *revert_domain_xml(const Journal *journal, GError **error);

/** @memory_xml, the configuration in the memory file, with the disks of this revert. New text. */
char *revert_memory_xml(const Journal *journal, const char *memory_xml, GError **error);

/** The snapshot's XML @xml (fresh) as it must be afterwards.
 *  @revert_disks: libvirt keeps <revertDisks> (9.9), and the snapshot has children */
char *revert_target_xml(const Journal *journal, const char *xml, gboolean revert_disks,
                        GError **error);

/** The configuration of before, to be defined again. @disks: target -> ChainImage, linked: disks
 *  that have got another image meanwhile, which counts. New text. */
char *revert_undo_xml(const Journal *journal, GHashTable *disks, GError **error);

/** Whether @now_xml, persistent, still is what revert_domain_xml() says, but for what libvirt adds
 *  of its own: somebody who has attached something wants to keep it. */
gboolean revert_is_as_defined(const Journal *journal, const char *now_xml);

/** The disks that @xml, a domain's, names: a graph of its own, and the domain in it. NULL when it
 *  cannot be read. */
ChainGraph *revert_read_disks(const char *xml, ChainDomain **domain, GError **error);

/** The snapshot of --save-current, whose overlays the disks stand on already. New text. */
char *revert_saved_xml(const Journal *journal, GError **error);

/** Whether the snapshot @xml put those disks on those overlays. */
gboolean revert_is_saved_xml(const Plan *plan, const char *xml);

/** Whether @now_xml has the disks that the snapshot leaves out on the images that @xml has them on
 *  (NULL: those of before), with no block job that is about to change that. */
gboolean revert_kept_disks_same(const Journal *journal, const char *xml, const char *now_xml,
                                GError **error);
/** Whether disk @target is one of those. */
gboolean revert_keeps_disk(const Journal *journal, const char *target);

/** Whether all of @overlays, PlanOverlay *, are disks in @domain_xml. */
gboolean revert_names_overlays(const GPtrArray *overlays, const char *domain_xml);

G_END_DECLS
