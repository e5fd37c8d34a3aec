/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * overlays.c: new images on others, as volumes of the directory that they go into
 *
 * What libvirt before 11.10 makes with a snapshot of a domain that is shut off everybody may read
 * (CVE-2025-13193); a volume has the mode and owner that it is to have from its first byte on.
 */
#include "config.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "plugin/backend/local.h"
#include "plugin/backend/pools.h"
#include "plugin/backend/revert.h"
#include "plugin/xml/disk-source.h"
#include "plugin/xml/parse.h"

/* What a new overlay takes from the image that it stands on. */
typedef struct {
    unsigned int mode;
    char *owner, *group;  /* or NULL */
    guint64 cluster_size; /* bytes; 0: no qcow2 image, or libvirt before 7.4, which does not tell */
} Likeness;

static void likeness_clear(Likeness *like)
{
    g_free(like->owner);
    g_free(like->group);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Likeness, likeness_clear)

static xmlDoc *volume_doc(virStorageVolPtr vol)
{
    char *text = virStorageVolGetXMLDesc(vol, 0);
    xmlDoc *doc = text ? xml_parse(text, "volume", NULL) : NULL;

    free(text);
    return doc;
}

/* The volume at @path as its directory is now; or NULL. The pool is held by @pool. */
static virStorageVolPtr volume_of(virConnectPtr conn, const char *path, BackendPool **pool)
{
    g_autofree char *dir = g_path_get_dirname(path);
    g_autofree char *base = g_path_get_basename(path);

    *pool = backend_pool_open(conn, dir, NULL);
    return (*pool)->pool ? virStorageVolLookupByName((*pool)->pool, base) : NULL;
}

static void read_likeness(virConnectPtr conn, const char *path, Likeness *like)
{
    g_autoptr(BackendPool) pool = NULL;
    g_autoptr(virStorageVol) vol = volume_of(conn, path, &pool);
    g_autoptr(xmlDoc) doc = vol ? volume_doc(vol) : NULL;
    xmlNode *target = doc ? xml_child(xmlDocGetRootElement(doc), "target") : NULL;
    xmlNode *permissions = xml_child(target, "permissions");
    xmlNode *cluster = xml_child(target, "clusterSize");
    g_autofree char *mode = xml_text(xml_child(permissions, "mode")), *size = NULL;

    like->mode = 0600;
    if (mode)
        like->mode |= (unsigned int)g_ascii_strtoull(mode, NULL, 8) & 0666;
    like->owner = xml_text(xml_child(permissions, "owner"));
    like->group = xml_text(xml_child(permissions, "group"));
    size = xml_attr_is(cluster, "unit", "B") ? xml_text(cluster) : NULL;
    if (size)
        like->cluster_size = g_ascii_strtoull(size, NULL, 10);
}

static void append(GString *xml, const char *element, const char *text)
{
    g_autofree char *escaped = text ? g_markup_escape_text(text, -1) : NULL;

    if (escaped)
        g_string_append_printf(xml, "<%s>%s</%s>", element, escaped, element);
}

static void append_format(GString *xml, const char *format)
{
    g_autofree char *escaped = g_markup_escape_text(format, -1);

    g_string_append_printf(xml, "<format type='%s'/>", escaped);
}

/* No capacity: the overlay is exactly as large as what it stands on. */
static char *volume_xml(const BackendOverlay *o, const Likeness *like, gboolean owner)
{
    g_autofree char *name = g_path_get_basename(o->path);
    GString *xml = g_string_new("<volume>");

    append(xml, "name", name);
    g_string_append(xml, "<target>");
    append_format(xml, o->format);
    append(xml, "compat", "1.1");
    if (like->cluster_size)
        g_string_append_printf(xml, "<clusterSize unit='B'>%" G_GUINT64_FORMAT "</clusterSize>",
                               like->cluster_size);
    g_string_append_printf(xml, "<permissions><mode>0%o</mode>", like->mode);
    append(xml, "owner", owner ? like->owner : NULL);
    append(xml, "group", owner ? like->group : NULL);
    g_string_append_printf(xml, "</permissions>%s</target><backingStore>",
                           o->encryption ? o->encryption : "");
    append(xml, "path", o->backing);
    append_format(xml, o->backing_format);
    g_string_append(xml, "</backingStore></volume>");
    return g_string_free(xml, FALSE);
}

/* Whether what looks like an image at @path stands on something that is no file: to open a pipe
 * waits for ever. */
static gboolean stands_on_no_file(const char *path, const char *dir)
{
    g_autoptr(ChainSource) source = NULL;
    gboolean immutable = FALSE, strange;
    ImageInfo *info = NULL;
    struct stat st;

    if (local_has_qcow2_magic(path, NULL))
        info = local_read_header(path, "qcow2", &immutable, NULL);
    if (info && info->backing)
        source = xml_source_from_spec(info->backing, dir, NULL, NULL);
    image_info_free(info);
    strange = source && source->path && stat(source->path, &st) == 0 && !S_ISREG(st.st_mode) &&
              !S_ISBLK(st.st_mode) && !S_ISDIR(st.st_mode);
    return strange;
}

/* Whether a pool may be read anew over @dir: the daemon opens what each file in it names, and the
 * first bytes of a raw image are its guest's. */
static gboolean pool_is_harmless(const char *dir)
{
    g_autoptr(GDir) entries = g_dir_open(dir, 0, NULL);
    const char *name;

    while (entries && (name = g_dir_read_name(entries))) {
        g_autofree char *path = g_build_filename(dir, name, NULL);

        if (stands_on_no_file(path, dir))
            return FALSE;
    }
    return TRUE;
}

BackendOverlayResult backend_create_overlay(virConnectPtr conn, const BackendOverlay *o,
                                            gboolean local, GError **error)
{
    g_autofree char *dir = g_path_get_dirname(o->path);
    g_autofree char *frozen_dir = o->backing ? g_path_get_dirname(o->backing) : NULL;
    g_auto(Likeness) like = { 0 };
    g_autoptr(BackendPool) pool = NULL;
    g_autoptr(GError) problem = NULL;

    if (!o->backing)
        return BACKEND_OVERLAY_UNABLE;
    if (local && !(pool_is_harmless(dir) &&
                   (g_str_equal(dir, frozen_dir) || pool_is_harmless(frozen_dir))))
        return BACKEND_OVERLAY_UNABLE;
    read_likeness(conn, o->backing, &like);
    pool = backend_pool_open(conn, dir, &problem);
    if (!pool->pool)
        return BACKEND_OVERLAY_UNABLE;
    /* Not everybody may give files away: then it is the daemon's, until the guest starts. */
    for (int owner = like.owner || like.group; owner >= 0; owner--) {
        g_autofree char *xml = volume_xml(o, &like, owner);
        g_autoptr(virStorageVol) vol = virStorageVolCreateXML(pool->pool, xml, 0);

        if (vol)
            return BACKEND_OVERLAY_MADE;
        /* Of two the first says why: libvirt 7.0 can leave a file behind, which is in the way. */
        if (!problem)
            backend_error(&problem);
    }
    g_propagate_error(error, g_steal_pointer(&problem));
    return BACKEND_OVERLAY_FAILED;
}

gboolean backend_stands_on(virConnectPtr conn, const char *path, const char *backing)
{
    g_autoptr(BackendPool) pool = NULL;
    g_autoptr(virStorageVol) vol = volume_of(conn, path, &pool);
    g_autoptr(xmlDoc) doc = vol ? volume_doc(vol) : NULL;
    xmlNode *store = doc ? xml_child(xmlDocGetRootElement(doc), "backingStore") : NULL;
    g_autofree char *found = xml_text(xml_child(store, "path"));

    return found && g_strcmp0(found, backing) == 0;
}
