/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * secrets.h: what libvirt shows only to those who may ask for secure XML
 *
 * The journal is metadata of a domain, which every read-only connection can read. So what goes
 * into it has no secrets; who goes on with the operation gets them from libvirt again:
 *
 *      hidden = xml_hide_secrets(xml)                  into the journal
 *      ...
 *      xml = xml_restore_secrets(hidden, froms)        from secure XML that libvirt gave now
 *
 * Secrets are the passwords of displays (<graphics passwd=…>) and the cookies of disks. A hidden
 * password is the empty one, with which libvirt lets nobody in: where it cannot be restored the
 * display is closed, not open.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** @xml: a domain's, a snapshot's or a <source>. New text; NULL with @error. */
char *xml_hide_secrets(const char *xml, GError **error);
/**
 * Puts hidden secrets back.
 *
 * @froms: secure XML of domains and snapshots, best first; NULLs and what cannot be read are
 *         skipped
 * @missing: set to TRUE when one is in none of them, else untouched; may be NULL
 * Returns: new text; NULL with @error
 */
char *xml_restore_secrets(const char *hidden, const char *const *froms, gsize n,
                          gboolean *missing, GError **error);

G_END_DECLS
