/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * read.c: domains, snapshots, jobs and operations of a connection
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/vext-i18n.h"
#include "plugin/backend/domain.h"
#include "plugin/backend/jobs.h"
#include "plugin/backend/read.h"
#include "plugin/backend/read-private.h"

#define LAYER_LIMIT 200
/* libvirt 11.0 to 11.x nests the chain in JSON that its own parser refuses (fixed in 12.0) */
#define LAYER_LIMIT_11 25

static void free_domains(virDomainPtr *domains)
{
    gsize i;

    for (i = 0; domains && domains[i]; i++)
        virDomainFree(domains[i]);
    free(domains);
}

typedef virDomainPtr DomainList;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DomainList, free_domains)

char **backend_list_disk_targets(virConnectPtr conn, const char *domain)
{
    g_autoptr(virDomain) dom = backend_domain_by_word(conn, domain, NULL);
    g_autofree char *xml = dom ? virDomainGetXMLDesc(dom, 0) : NULL;
    g_autoptr(ChainGraph) graph = chain_graph_new();
    XmlReader reader = { .graph = graph };
    ChainDomain *d;
    char **targets;
    guint i;

    if (!xml)
        return NULL;
    d = chain_graph_add_domain(graph, domain, NULL);
    if (!xml_read_domain(&reader, d, NULL, xml, NULL))
        return NULL;
    targets = calloc(d->disks->len + 1, sizeof(*targets));
    for (i = 0; targets && i < d->disks->len; i++) {
        const ChainDisk *disk = g_ptr_array_index(d->disks, i);

        targets[i] = strdup(disk->target);
    }
    return targets;
}

static gboolean same_host(virConnectPtr conn)
{
    g_autofree char *theirs = virConnectGetHostname(conn);
    char ours[256] = "";

    if (!theirs || gethostname(ours, sizeof(ours) - 1) < 0)
        return TRUE;
    /* one of them may be qualified */
    return strcspn(theirs, ".") == strcspn(ours, ".") &&
           strncmp(theirs, ours, strcspn(ours, ".")) == 0;
}

gboolean backend_is_local(virConnectPtr conn)
{
    g_autofree char *uri = virConnectGetURI(conn);
    const char *type = virConnectGetType(conn);
    const char *authority;

    if (!uri || !type || g_strcmp0(type, "QEMU") != 0)
        return FALSE;
    authority = strstr(uri, "://");
    /* "qemu+unix:///system": nothing between the slashes */
    if (!authority || authority[3] != '/')
        return FALSE;
    /* a socket can be forwarded from another machine */
    return same_host(conn);
}

/* A read-only connection sees no secrets, nor does one to which the daemon's access control
 * denies them. */
static gboolean secrets_denied(void)
{
    int code = virGetLastErrorCode();

    return code == VIR_ERR_OPERATION_DENIED || code == VIR_ERR_ACCESS_DENIED;
}

static char *domain_xml(Reading *r, virDomainPtr dom, unsigned int flags)
{
    char *xml = NULL;

    if (r->secure)
        xml = virDomainGetXMLDesc(dom, flags | VIR_DOMAIN_XML_SECURE);
    /* access control may tell one domain from another: the next is asked anew */
    if (!r->secure || (!xml && secrets_denied()))
        xml = virDomainGetXMLDesc(dom, flags);
    return xml;
}

void reading_unknown(Reading *r, const char *code, const char *path, char *message)
{
    ChainUnknown *unknown = g_new0(ChainUnknown, 1);

    unknown->code = code;
    unknown->path = g_strdup(path);
    unknown->message = message;
    g_ptr_array_add(r->graph->unknown, unknown);
}

static const char *state_name(int state)
{
    switch (state) {
    case VIR_DOMAIN_RUNNING:
        return "running";
    case VIR_DOMAIN_BLOCKED:
        return "idle";
    case VIR_DOMAIN_PAUSED:
        return "paused";
    case VIR_DOMAIN_SHUTDOWN:
        return "in shutdown";
    case VIR_DOMAIN_SHUTOFF:
        return "shut off";
    case VIR_DOMAIN_CRASHED:
        return "crashed";
    case VIR_DOMAIN_PMSUSPENDED:
        return "pmsuspended";
    default:
        return "no state";
    }
}

/* --- snapshots ------------------------------------------------------------------------------ */

static void look_for_memory(Reading *r, ChainSnapshot *s)
{
    LocalFile *file;

    if (!r->local || !s->memory_file || s->memory_file[0] != '/')
        return;
    file = reading_file(r, s->memory_file);
    s->memory_missing = file->state == LOCAL_MISSING;
    s->memory_size = file->size;
}

/*
 * The XML of many snapshots. Each call waits for the daemon, so that several threads ask at once;
 * libvirt's connections are made for that.
 */
typedef struct {
    virDomainSnapshotPtr *list;
    char **xml;        /* by number, or NULL */
    GError **errors;   /* by number: why there is none */
    int n;
    int next;          /* atomic */
    int secure;        /* atomic: falls to FALSE when the secrets of the domain are denied */
} SnapshotFetch;

#define FETCH_THREADS 4
#define FETCH_PER_THREAD 8

static char *fetch_one(SnapshotFetch *fetch, virDomainSnapshotPtr snapshot)
{
    char *xml;

    if (!g_atomic_int_get(&fetch->secure))
        return virDomainSnapshotGetXMLDesc(snapshot, 0);
    xml = virDomainSnapshotGetXMLDesc(snapshot, VIR_DOMAIN_SNAPSHOT_XML_SECURE);
    if (!xml && secrets_denied()) {
        g_atomic_int_set(&fetch->secure, FALSE);
        xml = virDomainSnapshotGetXMLDesc(snapshot, 0);
    }
    return xml;
}

static gpointer fetch_thread(gpointer data)
{
    SnapshotFetch *fetch = data;
    int i;

    while ((i = g_atomic_int_add(&fetch->next, 1)) < fetch->n) {
        fetch->xml[i] = fetch_one(fetch, fetch->list[i]);
        if (!fetch->xml[i])
            backend_error(&fetch->errors[i]);
    }
    return NULL;
}

static void fetch_all(SnapshotFetch *fetch)
{
    GThread *threads[FETCH_THREADS - 1] = { NULL };
    int n = MIN(fetch->n / FETCH_PER_THREAD, FETCH_THREADS - 1);
    int i;

    for (i = 0; i < n; i++)
        threads[i] = g_thread_new("snapshots", fetch_thread, fetch);
    fetch_thread(fetch);
    for (i = 0; i < n; i++)
        g_thread_join(threads[i]);
}

static gboolean read_snapshots(Reading *r, ChainDomain *d, virDomainPtr dom, GError **error)
{
    SnapshotFetch fetch = { .secure = r->secure };
    g_autofree char *current = NULL;
    gboolean ok = TRUE;
    int i;

    fetch.n = virDomainListAllSnapshots(dom, &fetch.list, 0);
    if (fetch.n < 0)
        return virGetLastErrorCode() == VIR_ERR_NO_SUPPORT ? TRUE : backend_error(error);
    if (fetch.n > 0) {
        g_autoptr(virDomainSnapshot) snapshot = virDomainSnapshotCurrent(dom, 0);

        if (snapshot)
            current = g_strdup(virDomainSnapshotGetName(snapshot));
    }
    fetch.xml = g_new0(char *, fetch.n + 1);
    fetch.errors = g_new0(GError *, fetch.n + 1);
    fetch_all(&fetch);
    for (i = 0; i < fetch.n; i++) {
        ChainSnapshot *s = NULL;

        if (fetch.xml[i])
            s = xml_read_snapshot(&r->reader, d, fetch.xml[i], &fetch.errors[i]);
        /* those that can be read are, beside one that was deleted since it was listed too */
        if (ok && !s && !backend_error_is(fetch.errors[i], VIR_ERR_NO_DOMAIN_SNAPSHOT)) {
            g_propagate_error(error, g_steal_pointer(&fetch.errors[i]));
            ok = FALSE;
        }
        if (s) {
            s->current = g_strcmp0(s->name, current) == 0;
            look_for_memory(r, s);
        }
        g_clear_error(&fetch.errors[i]);
        g_free(fetch.xml[i]);
        virDomainSnapshotFree(fetch.list[i]);
    }
    g_free(fetch.errors);
    g_free(fetch.xml);
    free(fetch.list);
    return ok;
}

/* --- jobs ----------------------------------------------------------------------------------- */

static void read_jobs(ChainDomain *d, virDomainPtr dom)
{
    guint i;

    for (i = 0; i < d->disks->len; i++) {
        ChainDisk *disk = g_ptr_array_index(d->disks, i);
        virDomainBlockJobInfo info = { 0 };

        if (!disk->active || virDomainGetBlockJobInfo(dom, disk->target, &info, 0) != 1)
            continue;
        if (!disk->job)
            disk->job = g_new0(ChainJob, 1);
        g_free(disk->job->type);
        disk->job->type = g_strdup(backend_job_type_name(info.type));
        disk->job->cur = info.cur;
        disk->job->end = info.end;
    }
}

static void read_state(ChainDomain *d, virDomainPtr dom)
{
    g_autofree char *backup = NULL;
    int n;

    d->managed_save = virDomainHasManagedSaveImage(dom, 0) == 1;
    n = virDomainListAllCheckpoints(dom, NULL, 0);
    d->checkpoints = n > 0 ? n : 0;
    if (d->active)
        backup = virDomainBackupGetXMLDesc(dom, 0);
    d->backup_job = backup != NULL;
}

/* --- domains -------------------------------------------------------------------------------- */

static void list_saved(Reading *r)
{
    g_autoptr(DomainList) domains = NULL;
    guint i;

    if (virConnectListAllDomains(r->conn, &domains, VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE) < 0 &&
        virGetLastErrorCode() != VIR_ERR_NO_SUPPORT) {
        g_autofree char *reason = backend_error_text();

        reading_unknown(r, "managed-save", NULL,
                        g_strdup_printf(_("Which domains have a managed save image is not known: "
                                          "%s"), reason));
    }
    for (i = 0; domains && domains[i]; i++)
        g_hash_table_add(r->saved, g_strdup(virDomainGetName(domains[i])));
}

/* A managed save image keeps the disks that the domain had, whatever it was given since. */
static void read_saved(Reading *r, ChainDomain *d, virDomainPtr dom)
{
    g_autoptr(GError) problem = NULL;
    g_autofree char *xml = NULL;

    if (!g_hash_table_contains(r->saved, d->name))
        return;
    xml = virDomainManagedSaveGetXMLDesc(dom, 0);
    if (!xml)
        backend_error(&problem);
    else if (xml_read_saved(&r->reader, d, xml, &problem))
        return;
    /* unless it was restored or removed since it was listed */
    if (virDomainHasManagedSaveImage(dom, 0) != 0)
        reading_unknown(r, "managed-save", NULL,
                        g_strdup_printf(_("What the managed save image of domain '%s' needs is "
                                          "not known: %s"), d->name, problem->message));
}

static void note_written(Reading *r, const char *xml)
{
    g_autoptr(GPtrArray) paths = xml ? xml_read_written_files(xml) : NULL;
    guint i;

    for (i = 0; paths && i < paths->len; i++) {
        g_autoptr(ChainSource) source = chain_source_new_file(g_ptr_array_index(paths, i));
        const LocalFile *file = r->local ? reading_file(r, source->path) : NULL;

        if (file && file->identity)
            g_hash_table_add(r->written, g_strdup(file->identity));
        g_hash_table_add(r->written, chain_source_key(source));
    }
}

gboolean reading_is_written(Reading *r, const char *path, const char *identity)
{
    g_autoptr(ChainSource) source = chain_source_new_file(path);
    g_autofree char *key = chain_source_key(source);

    return g_hash_table_contains(r->written, key) ||
           (identity && g_hash_table_contains(r->written, identity));
}

static gboolean read_domain(Reading *r, virDomainPtr dom, gboolean full, GError **error)
{
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    g_autofree char *live = NULL;
    g_autofree char *inactive = NULL;
    ChainDomain *d;
    int state = VIR_DOMAIN_NOSTATE;
    int persistent = virDomainIsPersistent(dom);

    if (persistent < 0 || virDomainGetState(dom, &state, NULL, 0) < 0)
        return backend_error(error);
    virDomainGetUUIDString(dom, uuid);
    if (state != VIR_DOMAIN_SHUTOFF && state != VIR_DOMAIN_CRASHED &&
        !(live = domain_xml(r, dom, 0)))
        return backend_error(error);
    if ((persistent || !live) && !(inactive = domain_xml(r, dom, VIR_DOMAIN_XML_INACTIVE)))
        return backend_error(error);

    d = chain_graph_add_domain(r->graph, virDomainGetName(dom), uuid);
    d->state = g_strdup(state_name(state));
    d->active = live != NULL;
    d->persistent = persistent == 1;
    if (!xml_read_domain(&r->reader, d, live, inactive, error))
        return FALSE;
    read_saved(r, d, dom);
    if (r->opt->scan_orphans) {
        note_written(r, live);
        note_written(r, inactive);
    }
    d->xml = g_strdup(live ? live : inactive);
    if (d->persistent)
        d->inactive_xml = g_steal_pointer(&inactive);
    if ((full || r->opt->complete || r->opt->scan_orphans) &&
        !read_snapshots(r, d, dom, error))
        return FALSE;
    if (full && d->active)
        read_jobs(d, dom);
    if (full && r->opt->state)
        read_state(d, dom);
    return TRUE;
}

/* --- helper domains ------------------------------------------------------------------------- */

/** What a helper domain says. */
typedef struct {
    char *name;
    ChainOperation *operation; /* or NULL: there is nothing of ours in it */
    char *unreadable;          /* why it cannot be read, or NULL */
} Helper;

static void helper_free(gpointer data)
{
    Helper *helper = data;

    g_free(helper->name);
    chain_operation_free(helper->operation);
    g_free(helper->unreadable);
    g_free(helper);
}

/*
 * Whether @dom is a helper. One that is none and only happens to have such a name is a domain like
 * others, which is in the way of operations.
 *
 * @helpers: name of the domain that is helped -> Helper *
 */
static gboolean read_helper(Reading *r, GHashTable *helpers, virDomainPtr dom)
{
    const char *name = virDomainGetName(dom);
    g_autofree char *helped = NULL;
    g_autofree char *xml = NULL;
    Helper *helper;

    if (!r->opt->domain_of_helper || !r->opt->operation_from_xml)
        return FALSE;
    helped = r->opt->domain_of_helper(name);
    xml = helped ? virDomainGetXMLDesc(dom, VIR_DOMAIN_XML_INACTIVE) : NULL;
    if (!xml)
        return FALSE;
    helper = g_new0(Helper, 1);
    helper->name = g_strdup(name);
    helper->operation = r->opt->operation_from_xml(xml, helped, virDomainIsActive(dom) == 1,
                                                   &helper->unreadable);
    g_hash_table_replace(helpers, g_steal_pointer(&helped), helper);
    return helper->operation != NULL;
}

static void assign_helper(ChainDomain *d, Helper *helper)
{
    d->helper = g_steal_pointer(&helper->name);
    d->operation = g_steal_pointer(&helper->operation);
    d->unreadable = g_steal_pointer(&helper->unreadable);
}

/* What is left belongs to nobody. */
static void add_undefined(Reading *r, GHashTable *helpers)
{
    GHashTableIter iter;
    gpointer key, value;

    g_hash_table_iter_init(&iter, helpers);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        Helper *helper = value;
        ChainDomain *d;

        if (!helper->operation)
            continue;
        d = chain_graph_add_domain(r->graph, key, helper->operation->uuid);
        d->undefined = TRUE;
        d->state = g_strdup("undefined");
        assign_helper(d, helper);
    }
}

/* By the name that the domain has, or had when the operation was begun. */
static void assign_helpers(Reading *r, GHashTable *helpers)
{
    GHashTableIter iter;
    gpointer value;

    for (guint i = 0; i < r->graph->domains->len; i++) {
        ChainDomain *d = g_ptr_array_index(r->graph->domains, i);
        Helper *helper = g_hash_table_lookup(helpers, d->name);

        if (helper)
            assign_helper(d, helper);
        g_hash_table_iter_init(&iter, helpers);
        while (!d->operation && !d->unreadable && g_hash_table_iter_next(&iter, NULL, &value)) {
            helper = value;
            if (helper->operation && g_strcmp0(helper->operation->uuid, d->uuid) == 0)
                assign_helper(d, helper);
        }
    }
}

static gboolean same_domain(virDomainPtr a, virDomainPtr b)
{
    unsigned char x[VIR_UUID_BUFLEN], y[VIR_UUID_BUFLEN];

    return virDomainGetUUID(a, x) == 0 && virDomainGetUUID(b, y) == 0 &&
           memcmp(x, y, sizeof(x)) == 0;
}

/*
 * What is left of a domain that could not be read. That it is not there any more is no problem.
 *
 * Returns: FALSE when the reading as a whole has failed
 */
static gboolean without_domain(Reading *r, virDomainPtr dom, const GError *problem)
{
    const char *name = virDomainGetName(dom);
    ChainDomain *d = chain_graph_domain(r->graph, name);
    gboolean asked_for = !r->opt->domain || same_domain(dom, r->opt->domain);
    char uuid[VIR_UUID_STRING_BUFLEN] = "";

    if (backend_error_is(problem, VIR_ERR_NO_DOMAIN)) {
        if (d)
            chain_graph_remove_domain(r->graph, d);
        return !r->opt->domain || !asked_for;
    }
    if (asked_for && !(r->opt->partial && (d || !r->opt->domain)))
        return FALSE;
    if (asked_for) {
        virDomainGetUUIDString(dom, uuid);
        if (!d)
            d = chain_graph_add_domain(r->graph, name, uuid);
        d->problem = g_strdup(problem->message);
    }
    reading_unknown(r, "domain", NULL,
                    g_strdup_printf(_("What domain '%s' uses is not known: %s"), name,
                                    problem->message));
    return TRUE;
}

static gboolean read_domains(Reading *r, GError **error)
{
    g_autoptr(DomainList) domains = NULL;
    g_autoptr(GHashTable) helpers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                                          helper_free);
    guint i;

    list_saved(r);
    if (virConnectListAllDomains(r->conn, &domains, 0) < 0)
        return backend_error(error);
    if (r->opt->domain) {
        GError *problem = NULL;

        if (!read_domain(r, r->opt->domain, TRUE, &problem) &&
            !without_domain(r, r->opt->domain, problem)) {
            g_propagate_error(error, problem);
            return FALSE;
        }
        g_clear_error(&problem);
    }
    for (i = 0; domains[i]; i++) {
        g_autoptr(GError) problem = NULL;

        if (r->opt->domain && same_domain(domains[i], r->opt->domain))
            continue;
        if (read_helper(r, helpers, domains[i]) ||
            read_domain(r, domains[i], !r->opt->domain, &problem) ||
            without_domain(r, domains[i], problem))
            continue;
        g_propagate_error(error, g_steal_pointer(&problem));
        return FALSE;
    }
    assign_helpers(r, helpers);
    if (r->opt->undefined)
        add_undefined(r, helpers);
    r->graph->complete = !r->graph->unknown->len &&
                         (!r->opt->domain || r->opt->complete || r->opt->scan_orphans);
    return TRUE;
}

/* Whether the connection has pools, or can have some made: asking those that have none costs a
 * call for each image. */
static gboolean has_storage(Reading *r)
{
    int active = virConnectNumOfStoragePools(r->conn);

    return active > 0 ||
           (active == 0 && (r->opt->pools || virConnectNumOfDefinedStoragePools(r->conn) > 0));
}

static void read_connection(Reading *r)
{
    unsigned long version = 0;

    if (virConnectGetLibVersion(r->conn, &version) == 0)
        r->graph->libvirt_version = version;
    r->graph->layer_limit = version >= 11000000 && version < 12000000 ? LAYER_LIMIT_11
                                                                       : LAYER_LIMIT;
    r->local = r->graph->local = backend_is_local(r->conn);
    r->storage = has_storage(r);
}

/* After all that name it themselves: what they say of it counts. */
static void read_named(Reading *r)
{
    for (gsize i = 0; i < r->opt->n_named; i++) {
        g_autoptr(ChainSource) source = chain_source_copy(r->opt->named[i].source);
        ChainImage *image = reading_image(&r->reader, source);

        if (!image->format)
            image->format = g_strdup(r->opt->named[i].format);
    }
}

ChainGraph *backend_read_graph(virConnectPtr conn, const BackendReadOptions *opt,
                               GError **error)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    g_autoptr(GHashTable) files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                                        (GDestroyNotify) local_file_free);
    g_autoptr(GHashTable) free_bytes = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free,
                                                             g_free);
    g_autoptr(GHashTable) volumes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                                          g_free);
    g_autoptr(GHashTable) pools = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                                        (GDestroyNotify) backend_pool_close);
    g_autoptr(GHashTable) done = g_hash_table_new(NULL, NULL);
    g_autoptr(GHashTable) saved = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) written = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Reading r = {
        .reader = { graph, reading_image, NULL },
        .conn = conn, .opt = opt, .graph = graph, .secure = opt->secure,
        .files = files, .free_bytes = free_bytes, .volumes = volumes, .pools = pools,
        .done = done, .saved = saved, .written = written,
    };

    read_connection(&r);
    if (!read_domains(&r, error))
        return NULL;
    read_named(&r);
    if (!r.local)
        reading_stats(&r);
    reading_images(&r);
    if (r.local)
        reading_stats(&r);
    chain_graph_link(graph);
    if (opt->scan_orphans) {
        reading_orphans(&r);
        chain_graph_link(graph);
    }
    return g_steal_pointer(&graph);
}
