/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * host-directories.c: the directories that the images lie in
 *
 * Of all images that a merge can write, not only of the active ones: a commit goes into an image
 * at the bottom of the chain, which often is on another file system. What several domains stand
 * on is written by none.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "include/vext-i18n.h"
#include "plugin/backend/host-private.h"
#include "plugin/backend/read.h"
#include "plugin/xml/parse.h"

/** One directory. */
typedef struct {
    guint64 need;   /**< bytes that the largest merge of two of the images here may add */
} Directory;

/* Sorted: what is printed is the same each time. */
static GList *sorted_keys(GHashTable *table)
{
    return g_list_sort(g_hash_table_get_keys(table), (GCompareFunc) strcmp);
}

/* Whether the image is at or above one that a snapshot froze. */
static gboolean keeps_snapshot(const ChainImage *image)
{
    for (; image; image = image->flags & CHAIN_IMAGE_LOOP ? NULL : image->backing)
        if (image->frozen_by->len)
            return TRUE;
    return FALSE;
}

static gboolean is_written(const ChainDisk *disk, const ChainImage *image)
{
    if (image->flags & CHAIN_IMAGE_ORPHAN || !image->source->path ||
        (image->source->type != CHAIN_SOURCE_FILE && image->source->type != CHAIN_SOURCE_VOLUME))
        return FALSE;
    return image == disk->active || image->domains->len < 2 || keeps_snapshot(image);
}

static guint64 more(guint64 bytes, const ChainImage *image)
{
    return image && image->allocation != CHAIN_UNKNOWN ? MAX(bytes, image->allocation) : bytes;
}

static void add_image(GHashTable *dirs, const ChainImage *image)
{
    g_autofree char *name = g_path_get_dirname(image->source->path);
    Directory *dir = g_hash_table_lookup(dirs, name);

    if (!dir) {
        dir = g_new0(Directory, 1);
        g_hash_table_insert(dirs, g_steal_pointer(&name), dir);
    }
    /* what stands on it would be committed into it, what it stands on pulled */
    for (guint i = 0; i < image->overlays->len; i++)
        dir->need = more(dir->need, g_ptr_array_index(image->overlays, i));
    dir->need = more(dir->need, image->backing);
}

/* path -> Directory; @error: why there may be more. */
static GHashTable *find_directories(virConnectPtr conn, GError **error)
{
    BackendReadOptions options = { .partial = TRUE, .complete = TRUE };
    g_autoptr(ChainGraph) graph = backend_read_graph(conn, &options, error);
    GHashTable *dirs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

    for (guint i = 0; graph && i < graph->domains->len; i++) {
        g_autoptr(GPtrArray) disks = chain_domain_all_disks(g_ptr_array_index(graph->domains, i));

        for (guint j = 0; j < disks->len; j++) {
            ChainDisk *disk = g_ptr_array_index(disks, j);
            g_autoptr(GPtrArray) images = chain_disk_images(disk);

            for (guint k = 0; !disk->readonly && k < images->len; k++) {
                const ChainImage *image = g_ptr_array_index(images, k);

                if (is_written(disk, image))
                    add_image(dirs, image);
            }
        }
    }
    return dirs;
}

/* Without GLib's no-break space, which not every terminal can show. */
static char *size_text(guint64 bytes)
{
    g_autofree char *text = g_format_size_full(bytes, G_FORMAT_SIZE_IEC_UNITS);
    g_auto(GStrv) parts = g_strsplit(text, "\u00a0", -1);

    return g_strjoinv(" ", parts);
}

/* What is wrong with the directory (*@bad), or how much space there is. New string.
 *
 * Who writes is the daemon and its QEMU: what this process may is asked only where it is root, or
 * the daemon is the user's own. */
static char *look_at(const char *path, const Directory *dir, gboolean same_user, gboolean *bad)
{
    struct statvfs st;
    g_autofree char *room = NULL, *need = NULL;
    guint64 bytes;

    *bad = TRUE;
    if (statvfs(path, &st) < 0)
        return g_strdup_printf("%s: %s", path, g_strerror(errno));
    if (st.f_flag & ST_RDONLY)
        return g_strdup_printf("%s: %s", path, g_strerror(EROFS));
    if (same_user && access(path, W_OK | X_OK) < 0)
        return g_strdup_printf("%s: %s", path, g_strerror(errno));
    bytes = (guint64) st.f_bavail * st.f_frsize;
    room = size_text(bytes);
    need = size_text(dir->need);
    if (bytes < dir->need)
        return g_strdup_printf(_("%s: %s free, a merge may take up to %s"), path, room, need);
    *bad = FALSE;
    return g_strdup_printf(_("%s: %s free"), path, room);
}

static void check_space(GPtrArray *checks, virConnectPtr conn, GHashTable *dirs,
                        const GError *problem)
{
    static const char *const title = N_("Checking the image directories");
    g_autoptr(GList) paths = sorted_keys(dirs);
    g_autoptr(GString) good = g_string_new(NULL);
    g_autoptr(GString) bad = g_string_new(problem ? problem->message : NULL);
    g_autofree char *uri = NULL;
    gboolean same_user;

    if (!backend_is_local(conn)) {
        host_add_check(checks, "directories", title, BACKEND_CHECK_WARN,
                       g_strdup(_("cannot be seen on another host")));
        return;
    }
    uri = virConnectGetURI(conn);
    same_user = geteuid() == 0 || (uri && strstr(uri, ":///session"));
    for (const GList *p = paths; p; p = p->next) {
        const char *path = p->data;
        gboolean wrong;
        g_autofree char *line = look_at(path, g_hash_table_lookup(dirs, path), same_user, &wrong);
        GString *list = wrong ? bad : good;

        g_string_append_printf(list, "%s%s", list->len ? "; " : "", line);
    }
    host_add_check(checks, "directories", title, bad->len ? BACKEND_CHECK_WARN
                                                          : BACKEND_CHECK_PASS,
                   bad->len || good->len ? g_strdup(bad->len ? bad->str : good->str) : NULL);
}

/** Where an active pool's volumes lie; new string or NULL. */
static char *pool_path(virStoragePoolPtr pool)
{
    char *xml = virStoragePoolGetXMLDesc(pool, 0);
    g_autoptr(xmlDoc) doc = xml ? xml_parse(xml, "pool", NULL) : NULL;
    xmlNode *target = doc ? xml_child(xmlDocGetRootElement(doc), "target") : NULL;

    free(xml);
    return xml_text(xml_child(target, "path"));
}

static void check_pools(GPtrArray *checks, virConnectPtr conn, GHashTable *dirs)
{
    static const char *const title = N_("Checking storage pools over the image directories");
    g_autoptr(GHashTable) covered = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GList) paths = sorted_keys(dirs);
    g_autoptr(GString) missing = g_string_new(NULL);
    virStoragePoolPtr *pools = NULL;
    int n = virConnectListAllStoragePools(conn, &pools, VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE);

    if (n < 0) {
        host_add_check(checks, "pools", title, BACKEND_CHECK_WARN,
                       g_strdup(_("no storage driver: files are removed locally")));
        return;
    }
    for (int i = 0; i < n; i++) {
        g_autoptr(virStoragePool) pool = pools[i];
        char *path = pool_path(pool);

        if (path)
            g_hash_table_add(covered, path);
    }
    free(pools);
    for (const GList *p = paths; p; p = p->next) {
        const char *path = p->data;

        if (!g_hash_table_contains(covered, path))
            g_string_append_printf(missing, "%s%s", missing->len ? ", " : "", path);
    }
    if (missing->len)
        host_add_check(checks, "pools", title, BACKEND_CHECK_WARN,
                       g_strdup_printf(_("none over %s: a temporary one is made for new overlays"),
                                       missing->str));
    else
        host_add_check(checks, "pools", title, BACKEND_CHECK_PASS, NULL);
}

void host_check_directories(GPtrArray *checks, virConnectPtr conn)
{
    g_autoptr(GError) problem = NULL;
    g_autoptr(GHashTable) dirs = find_directories(conn, &problem);

    check_pools(checks, conn, dirs);
    check_space(checks, conn, dirs, problem);
}
