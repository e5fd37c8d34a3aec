/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain.h: asking libvirt about one domain
 */
#pragma once

#include "plugin/backend/vir.h"

G_BEGIN_DECLS

/** New reference, or NULL with @error (VIR_ERR_NO_DOMAIN: there is none). */
virDomainPtr backend_domain_by_uuid(virConnectPtr conn, const char *uuid, GError **error);
virDomainPtr backend_domain_by_name(virConnectPtr conn, const char *name, GError **error);
/** As virsh finds it: an id, a UUID or a name, in this order. */
virDomainPtr backend_domain_by_word(virConnectPtr conn, const char *word, GError **error);

/** Borrowed from @dom. */
const char *backend_domain_name(virDomainPtr dom);
/** New string, NULL with @error. */
char *backend_domain_uuid(virDomainPtr dom, GError **error);
/** 1, 0, or -1 with @error. */
int backend_domain_active(virDomainPtr dom, GError **error);
int backend_domain_persistent(virDomainPtr dom, GError **error);
/** The number that it has while it runs; -1 when it does not. */
int backend_domain_id(virDomainPtr dom);
/** Whether its vCPUs are stopped though it runs, by whomever: 1, 0, or -1 with @error. */
int backend_domain_paused(virDomainPtr dom, GError **error);
gboolean backend_domain_suspend(virDomainPtr dom, GError **error);
gboolean backend_domain_resume(virDomainPtr dom, GError **error);
/** Whether its connection is read-only, which it also is where it was not asked for but the socket
 *  is (access control denies with another error). */
gboolean backend_domain_readonly(virDomainPtr dom);
/** Whether @disk has a block job: 1, 0, or -1 with @error, also when its QEMU has just died and
 *  libvirt takes it for running. */
int backend_domain_block_job(virDomainPtr dom, const char *disk, GError **error);
/** Its XML with secrets: the live one if @live and it runs, else the persistent one. New string,
 *  NULL with @error. */
char *backend_domain_xml(virDomainPtr dom, gboolean live, GError **error);
/** Its live XML without secrets, for a read-only connection too. New string, NULL with @error. */
char *backend_domain_live_xml(virDomainPtr dom, GError **error);

/** The element of one namespace in the persistent <metadata>; NULL with @error
 *  (VIR_ERR_NO_DOMAIN_METADATA: there is none). New string. */
char *backend_domain_metadata(virDomainPtr dom, const char *uri, GError **error);
/** Sets it in the persistent configuration, and in the live one if it runs. */
gboolean backend_domain_set_metadata(virDomainPtr dom, const char *prefix, const char *uri,
                                     const char *element, GError **error);
/** The same of the live <metadata> alone, which a daemon keeps through its restart and which is
 *  gone with the QEMU that runs the domain. The domain must run. */
char *backend_domain_live_metadata(virDomainPtr dom, const char *uri, GError **error);
/** @element NULL: removes it; there being none is no error. */
gboolean backend_domain_set_live_metadata(virDomainPtr dom, const char *prefix, const char *uri,
                                          const char *element, GError **error);

/** Names of all domains of the connection. New array of char *, frees its items; NULL with
 *  @error. */
GPtrArray *backend_domain_names(virConnectPtr conn, GError **error);

G_END_DECLS
