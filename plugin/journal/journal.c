/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * journal.c: taking, writing, reading and ending the journal of an operation
 *
 * What is in the elements: payload.c.
 */
#include "config.h"

#include <limits.h>
#include <string.h>

#include "plugin/backend/domain.h"
#include "plugin/backend/helper.h"
#include "include/vext-i18n.h"
#include "plugin/journal/journal.h"
#include "plugin/journal/payload.h"

/* libvirt's RPC refuses strings of 4 MiB and more; the rest of the helper's XML is small. */
#define JOURNAL_MAX_XML (4 * 1024 * 1024 - 65536)

GQuark journal_error_quark(void)
{
    return g_quark_from_static_string("virsh-ext-journal-error");
}

Journal *journal_new(void)
{
    Journal *journal = g_new0(Journal, 1);

    journal->snapshot_names = g_ptr_array_new_with_free_func(g_free);
    journal->snapshot_xml = g_ptr_array_new_with_free_func(g_free);
    return journal;
}

void journal_free(Journal *journal)
{
    if (!journal)
        return;
    g_free(journal->id);
    g_free(journal->domain);
    g_free(journal->uuid);
    g_free(journal->helper_name);
    g_free(journal->helper_uuid);
    g_free(journal->started);
    g_free(journal->client);
    g_free(journal->client_token);
    g_free(journal->owner);
    plan_free(journal->plan);
    g_free(journal->domain_xml);
    g_free(journal->live_xml);
    g_free(journal->current);
    g_clear_pointer(&journal->snapshot_names, g_ptr_array_unref);
    g_clear_pointer(&journal->snapshot_xml, g_ptr_array_unref);
    g_free(journal);
}

char *journal_domain_of_helper(const char *name)
{
    gsize length = strlen(name), suffix = strlen(JOURNAL_SUFFIX);

    if (length <= suffix || !g_str_has_suffix(name, JOURNAL_SUFFIX))
        return NULL;
    return g_strndup(name, length - suffix);
}

gboolean journal_name_fits(const char *domain)
{
    /* libvirt writes NAME.xml by way of NAME.xml.new (seen with 9.0) */
    return strlen(domain) + strlen(JOURNAL_SUFFIX ".xml.new") <= NAME_MAX;
}

static gboolean busy(GError **error, const Journal *journal)
{
    g_autofree char *names = NULL;

    g_ptr_array_add(journal->plan->snapshots, NULL);
    names = g_strjoinv(", ", (char **)journal->plan->snapshots->pdata);
    g_ptr_array_remove_index(journal->plan->snapshots, journal->plan->snapshots->len - 1);
    if (*names)
        g_set_error(error, JOURNAL_ERROR, JOURNAL_ERROR_BUSY,
                    _("Domain '%s' is held by another operation: %s of '%s', begun %s by %s"),
                    journal->domain, journal->plan->command, names, journal->started,
                    journal->client);
    else
        g_set_error(error, JOURNAL_ERROR, JOURNAL_ERROR_BUSY,
                    _("Domain '%s' is held by another operation: %s, begun %s by %s"),
                    journal->domain, journal->plan->command, journal->started, journal->client);
    return FALSE;
}

static gboolean lost(GError **error, const Journal *journal)
{
    g_set_error(error, JOURNAL_ERROR, JOURNAL_ERROR_BUSY,
                _("The operation on domain '%s' was taken over or ended by another client"),
                journal->domain);
    return FALSE;
}

/* An error of ours instead of libvirt's, with its words. */
static gboolean wrap(GError **error, GError *cause)
{
    g_set_error_literal(error, JOURNAL_ERROR, JOURNAL_ERROR_LIBVIRT, cause->message);
    g_error_free(cause);
    return FALSE;
}

static gboolean too_big(GError **error, const Journal *journal)
{
    g_set_error(error, JOURNAL_ERROR, JOURNAL_ERROR_TOO_BIG,
                _("The snapshots of domain '%s' have too much metadata for the journal"),
                journal->domain);
    return FALSE;
}

gboolean journal_begin(virConnectPtr conn, Journal *journal, const char *base_xml,
                       GError **error)
{
    g_autofree char *operation = NULL, *progress = NULL, *plain = NULL, *xml = NULL;
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autoptr(GError) problem = NULL;
    g_autoptr(Journal) other = NULL;
    g_autoptr(virDomain) there = NULL;

    g_free(journal->id);
    journal->id = g_uuid_string_random();
    g_free(journal->owner);
    journal->owner = g_uuid_string_random();
    g_free(journal->started);
    journal->started = g_date_time_format(now, "%Y-%m-%dT%H:%M:%SZ");
    g_free(journal->helper_name);
    journal->helper_name = g_strconcat(journal->domain, JOURNAL_SUFFIX, NULL);
    g_free(journal->client);
    journal->client = journal_client_describe();
    journal->step = journal->furthest = 0;
    journal->updating = FALSE;

    operation = journal_operation_element(journal, error);
    if (!operation)
        return FALSE;
    progress = journal_progress_element(journal);
    plain = xml_helper_domain(base_xml, journal->helper_name, NULL, 0, operation, error);
    if (!plain)
        return FALSE;
    xml = xml_domain_set_metadata(plain, JOURNAL_NS_PROGRESS, progress, error);
    if (!xml)
        return FALSE;
    if (strlen(xml) > JOURNAL_MAX_XML)
        return too_big(error, journal);
    if (backend_helper_define(conn, xml, &journal->helper_uuid, &problem))
        return TRUE;

    /* Whose is it? */
    other = journal_load(conn, journal->domain, NULL);
    if (other)
        return busy(error, other);
    there = backend_domain_by_name(conn, journal->helper_name, NULL);
    if (there) {
        g_set_error(error, JOURNAL_ERROR, JOURNAL_ERROR_FORMAT,
                    _("A domain '%s' exists which is no journal that this version can read"),
                    journal->helper_name);
        return FALSE;
    }
    return wrap(error, g_steal_pointer(&problem));
}

/* New reference, or NULL with BUSY when it is gone. */
static virDomainPtr lookup(virConnectPtr conn, Journal *journal, GError **error)
{
    g_autoptr(GError) problem = NULL;
    virDomainPtr helper = backend_helper_lookup(conn, journal->helper_uuid, &problem);

    if (!helper) {
        if (backend_error_is(problem, VIR_ERR_NO_DOMAIN))
            lost(error, journal);
        else
            wrap(error, g_steal_pointer(&problem));
    }
    return helper;
}

static char *inactive_xml(virDomainPtr helper, GError **error)
{
    GError *problem = NULL;
    char *text = backend_domain_xml(helper, FALSE, &problem);

    if (!text)
        wrap(error, problem);
    return text;
}

char *journal_helper_xml(virConnectPtr conn, Journal *journal, const char *base_xml,
                         const XmlDisk *disks, gsize n, GError **error)
{
    g_autoptr(virDomain) helper = lookup(conn, journal, error);
    g_autofree char *now = NULL, *operation = NULL, *progress = NULL, *plain = NULL;
    g_autofree char *with_progress = NULL;

    if (!helper)
        return NULL;
    now = inactive_xml(helper, error);
    if (!now)
        return NULL;
    operation = xml_domain_get_metadata(now, JOURNAL_NS_OPERATION, error);
    if (!operation) {
        if (error && !*error)
            lost(error, journal);
        return NULL;
    }
    progress = journal_progress_element(journal);
    plain = xml_helper_domain(base_xml, journal->helper_name, disks, n, operation, error);
    if (!plain)
        return NULL;
    with_progress = xml_domain_set_metadata(plain, JOURNAL_NS_PROGRESS, progress, error);
    if (!with_progress)
        return NULL;
    return xml_domain_set_uuid(with_progress, journal->helper_uuid, error);
}

/* Redefines the helper without disks and starts it; libvirt lets one client succeed. */
static gboolean start_plain(virConnectPtr conn, Journal *journal, const char *base_xml,
                            GError **error)
{
    g_autofree char *xml = NULL;
    g_autoptr(virDomain) helper = NULL;
    g_autoptr(GError) problem = NULL;

    xml = journal_helper_xml(conn, journal, base_xml, NULL, 0, error);
    if (!xml)
        return FALSE;
    if (!backend_helper_redefine(conn, xml, &problem))
        return wrap(error, g_steal_pointer(&problem));
    helper = lookup(conn, journal, error);
    if (!helper)
        return FALSE;
    if (!backend_helper_start(helper, &problem)) {
        if (backend_domain_active(helper, NULL) == 1)
            return lost(error, journal);
        return wrap(error, g_steal_pointer(&problem));
    }
    return TRUE;
}

gboolean journal_claim(virConnectPtr conn, Journal *journal, const char *base_xml,
                       GError **error)
{
    g_autoptr(virDomain) helper = NULL;
    g_autoptr(GError) problem = NULL;

    if (backend_is_embedded(conn))
        return TRUE;
    helper = lookup(conn, journal, error);
    if (!helper)
        return FALSE;
    if (!backend_helper_start(helper, &problem)) {
        if (backend_domain_active(helper, NULL) == 1)
            return lost(error, journal);
        return wrap(error, g_steal_pointer(&problem));
    }
    return TRUE;
}

/* Whether the progress is still ours; BUSY otherwise. */
static gboolean check_owner(virDomainPtr helper, Journal *journal, GError **error)
{
    GError *problem = NULL;
    g_autofree char *text = backend_domain_metadata(helper, JOURNAL_NS_PROGRESS, &problem);
    g_autofree char *owner = NULL;

    if (!text) {
        if (backend_error_is(problem, VIR_ERR_NO_DOMAIN) ||
            backend_error_is(problem, VIR_ERR_NO_DOMAIN_METADATA)) {
            g_error_free(problem);
            return lost(error, journal);
        }
        return wrap(error, problem);
    }
    owner = journal_progress_owner(text);
    return g_strcmp0(owner, journal->owner) == 0 ? TRUE : lost(error, journal);
}

static gboolean write_progress(virDomainPtr helper, Journal *journal, GError **error)
{
    g_autofree char *progress = journal_progress_element(journal);
    GError *problem = NULL;

    if (!backend_domain_set_metadata(helper, JOURNAL_PROGRESS_PREFIX, JOURNAL_NS_PROGRESS,
                                     progress, &problem))
        return wrap(error, problem);
    return TRUE;
}

gboolean journal_step(virConnectPtr conn, Journal *journal, guint n, GError **error)
{
    g_autoptr(virDomain) helper = lookup(conn, journal, error);

    if (!helper || !check_owner(helper, journal, error))
        return FALSE;
    journal->step = n;
    journal->furthest = MAX(journal->furthest, n);
    return write_progress(helper, journal, error);
}

gboolean journal_has_reached(const Journal *journal, PlanAction action)
{
    for (guint i = 0; i <= journal->furthest && i < journal->plan->steps->len; i++)
        if (((const PlanStep *)g_ptr_array_index(journal->plan->steps, i))->action == action)
            return TRUE;
    return FALSE;
}

gboolean journal_rewrite(virConnectPtr conn, Journal *journal, GError **error)
{
    g_autoptr(virDomain) helper = lookup(conn, journal, error);
    g_autofree char *operation = NULL;
    GError *problem = NULL;

    if (!helper || !check_owner(helper, journal, error))
        return FALSE;
    operation = journal_operation_element(journal, error);
    if (!operation)
        return FALSE;
    if (strlen(operation) > JOURNAL_MAX_XML)
        return too_big(error, journal);
    if (!backend_domain_set_metadata(helper, JOURNAL_OPERATION_PREFIX, JOURNAL_NS_OPERATION,
                                     operation, &problem))
        return wrap(error, problem);
    return TRUE;
}

gboolean journal_end(virConnectPtr conn, Journal *journal, GError **error)
{
    g_autoptr(GError) problem = NULL;
    g_autoptr(virDomain) helper = backend_helper_lookup(conn, journal->helper_uuid, &problem);

    if (!helper) {
        if (backend_error_is(problem, VIR_ERR_NO_DOMAIN))
            return TRUE;
        return wrap(error, g_steal_pointer(&problem));
    }
    if (!backend_helper_stop(helper, &problem) || !backend_helper_undefine(helper, &problem)) {
        if (backend_error_is(problem, VIR_ERR_NO_DOMAIN))
            return TRUE;
        return wrap(error, g_steal_pointer(&problem));
    }
    return TRUE;
}

Journal *journal_load(virConnectPtr conn, const char *domain, GError **error)
{
    g_autofree char *name = g_strconcat(domain, JOURNAL_SUFFIX, NULL);
    g_autofree char *xml = NULL, *uuid = NULL;
    g_autoptr(GError) problem = NULL;
    g_autoptr(virDomain) helper = backend_domain_by_name(conn, name, &problem);
    g_autoptr(Journal) journal = NULL;

    if (!helper) {
        if (!backend_error_is(problem, VIR_ERR_NO_DOMAIN))
            wrap(error, g_steal_pointer(&problem));
        return NULL;
    }
    xml = inactive_xml(helper, error);
    if (!xml)
        return NULL;
    journal = journal_parse_helper(xml, domain, error);
    if (!journal)
        return NULL;
    uuid = backend_domain_uuid(helper, &problem);
    if (!uuid) {
        wrap(error, g_steal_pointer(&problem));
        return NULL;
    }
    journal->helper_name = g_steal_pointer(&name);
    journal->helper_uuid = g_steal_pointer(&uuid);
    return g_steal_pointer(&journal);
}

gboolean journal_alive(virConnectPtr conn, Journal *journal)
{
    g_autoptr(virDomain) helper = NULL;
    int lives;

    /* One process has an embedded driver's root at a time, and that is us. */
    if (backend_is_embedded(conn))
        return FALSE;
    lives = journal_client_lives(journal->client_token);
    if (lives >= 0)
        return lives;
    helper = backend_helper_lookup(conn, journal->helper_uuid, NULL);
    return helper && backend_domain_active(helper, NULL) == 1;
}

/*
 * Whether @journal is what is recorded now. Between its loading and this moment its client may have
 * come further and died, or another one may have taken it over, whose progress ours would undo.
 */
static gboolean is_current(virConnectPtr conn, const Journal *journal, GError **error)
{
    GError *problem = NULL;
    g_autoptr(Journal) now = journal_load(conn, journal->domain, &problem);

    if (problem) {
        g_propagate_error(error, problem);
        return FALSE;
    }
    if (now && g_strcmp0(now->helper_uuid, journal->helper_uuid) == 0 &&
        g_strcmp0(now->owner, journal->owner) == 0 && now->step == journal->step &&
        now->furthest == journal->furthest && now->committing == journal->committing &&
        now->updating == journal->updating && now->suspended == journal->suspended)
        return TRUE;
    return lost(error, journal);
}

gboolean journal_take_over(virConnectPtr conn, Journal *journal, const char *base_xml,
                           GError **error)
{
    g_autoptr(virDomain) helper = lookup(conn, journal, error);
    g_autoptr(GError) problem = NULL;

    if (!helper)
        return FALSE;
    if (journal_alive(conn, journal))
        return busy(error, journal);
    if (!is_current(conn, journal, error))
        return FALSE;
    /* Its client is dead and the daemon did not destroy it: killed, or embedded. */
    if (!backend_helper_stop(helper, &problem))
        return wrap(error, g_steal_pointer(&problem));

    g_free(journal->owner);
    journal->owner = g_uuid_string_random();
    g_free(journal->client);
    journal->client = journal_client_describe();
    g_clear_pointer(&journal->client_token, g_free);
    if (backend_is_embedded(conn))
        return write_progress(helper, journal, error);
    return start_plain(conn, journal, base_xml, error);
}
