/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * measure.c: what a merge would copy, from qemu-img's map of the layers
 */
#include "config.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/backend/local.h"
#include "plugin/backend/qemu-img.h"
#include "plugin/backend/read.h"
#include "plugin/model/json.h"

/* qemu-img opens the whole chain: only where nothing has to be guessed, and no data file, which is
 * any name in an image's header. */
static gboolean can_be_mapped(const ChainImage *top)
{
    const ChainImage *image;

    for (image = top; image; image = image->backing) {
        if (!(image->flags & CHAIN_IMAGE_HEADER_READ) || !image->format || !image->source->path ||
            image->flags & (CHAIN_IMAGE_ENCRYPTED | CHAIN_IMAGE_LOOP | CHAIN_IMAGE_MISSING |
                            CHAIN_IMAGE_DATA_FILE) ||
            (image->backing && !image->backing_format))
            return FALSE;
    }
    return TRUE;
}

/** What one extent of qemu-img's map says. */
typedef struct {
    guint64 start, length, depth;
    gboolean data, zero;
    gboolean packed;          /* compressed (QEMU 8.2 and newer say so) */
} Extent;

/* One image of a chain as json: has it. */
static JsonObject *image_node(int fd, const char *format, const char *name)
{
    JsonObject *image = json_object_new();
    JsonObject *file = json_object_new();
    struct stat st;

    json_object_set_string_member(file, "driver", fstat(fd, &st) == 0 && S_ISBLK(st.st_mode)
                                                  ? "host_device" : "file");
    json_object_set_string_member(file, "filename", name);
    json_object_set_string_member(image, "driver", format);
    json_object_set_object_member(image, "file", file);
    /* of each image; the 32 MiB that QEMU takes are too much in a deep chain of large disks, and
     * tables are read one after the other */
    if (g_str_equal(format, "qcow2"))
        json_object_set_int_member(image, "l2-cache-size", 1 << 20);
    return image;
}

/*
 * qemu-img's map of a chain, or NULL: it cannot be had.
 *
 * @paths, @formats: @n images, the uppermost first
 *
 * The whole chain is said, so that no header tells what is below, and by descriptors: neither can
 * be exchanged before qemu-img opens them. What is left is an external data file that a header
 * names since it was read; of that a map tells no content.
 */
static JsonNode *map_chain(const char *const *paths, const char *const *formats, gsize n)
{
    g_autofree int *fds = g_new(int, n);
    g_autoptr(JsonNode) chain = NULL;
    g_autofree char *json = NULL, *name = NULL, *out = NULL;
    const char *argv[] = { "map", "--output=json", "-U", NULL, NULL };
    gboolean good = TRUE;
    gsize opened = 0;

    while (good && opened < n) {
        struct stat st;
        int fd = local_open_image(paths[opened], &st, NULL);

        good = fd >= 0 && local_may_be_opened(fd, formats[opened]);
        if (fd >= 0)
            fds[opened++] = fd;
    }
    for (gsize i = n; good && i-- > 0;) {
        g_autofree char *file = qemu_img_file(i);
        JsonObject *image = image_node(fds[i], formats[i], file);

        if (chain)
            json_object_set_member(image, "backing", g_steal_pointer(&chain));
        else if (!g_str_equal(formats[i], "raw"))
            json_object_set_null_member(image, "backing");
        chain = json_node_init_object(json_node_alloc(), image);
        json_object_unref(image);
    }
    if (chain) {
        json = json_to_string(chain, FALSE);
        argv[3] = name = g_strconcat("json:", json, NULL);
        out = qemu_img_run(argv, fds, paths, n, NULL);
    }
    while (opened > 0)
        close(fds[--opened]);
    return out ? json_read(out, strlen(out), NULL) : NULL;
}

/* The map of @top with all that it stands on: Extent, by their starts. NULL: it cannot be had. */
static GArray *map_image(const ChainImage *top)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new(), formats = g_ptr_array_new();
    g_autoptr(JsonNode) root = NULL;
    GArray *extents;
    JsonArray *array;

    for (const ChainImage *image = top; image; image = image->backing) {
        g_ptr_array_add(paths, image->source->path);
        g_ptr_array_add(formats, image->format);
    }
    root = map_chain((const char *const *) paths->pdata, (const char *const *) formats->pdata,
                     paths->len);
    if (!root || !JSON_NODE_HOLDS_ARRAY(root))
        return NULL;
    extents = g_array_new(FALSE, FALSE, sizeof(Extent));
    array = json_node_get_array(root);
    for (guint i = 0; i < json_array_get_length(array); i++) {
        JsonNode *node = json_array_get_element(array, i);
        JsonObject *object = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
        Extent extent = {
            json_member_bytes(object, "start"), json_member_bytes(object, "length"),
            json_member_bytes(object, "depth"), json_member_true(object, "data"),
            json_member_true(object, "zero"),
            json_member_true(object, "compressed"),
        };

        if (extent.start < G_MAXINT64 && extent.length < G_MAXINT64 &&
            extent.depth != CHAIN_UNKNOWN)
            g_array_append_val(extents, extent);
    }
    return extents;
}

/* How much of @from would be written over what the image of @map has itself. Both in order: @at
 * goes along. */
static guint64 allocated_in(const Extent *from, const GArray *map, guint *at)
{
    guint64 end = from->start + from->length, sum = 0;

    for (; *at < map->len; (*at)++) {
        const Extent *extent = &g_array_index(map, Extent, *at);
        guint64 first = MAX(from->start, extent->start);
        guint64 last = MIN(end, extent->start + extent->length);

        if (extent->depth == 0 && extent->data && !extent->packed && first < last)
            sum += last - first;
        if (extent->start + extent->length > end)
            break;
    }
    return sum;
}

gboolean backend_measure_range(const ChainImage *lo, const ChainImage *hi, const ChainImage *top,
                               guint64 *commit_bytes, guint64 *commit_growth,
                               guint64 *pull_bytes)
{
    guint64 commit = 0, growth = 0, pull = 0, lo_depth = 0;
    g_autoptr(GArray) map = NULL, base = NULL;
    const ChainImage *image;
    guint at = 0;

    for (image = top; image && image != lo; image = image->backing)
        lo_depth++;
    if (!image || lo_depth == 0 || !can_be_mapped(top))
        return FALSE;
    map = map_image(top);
    base = map ? map_image(lo) : NULL;
    if (!base)
        return FALSE;
    for (guint i = 0; i < map->len; i++) {
        const Extent *extent = &g_array_index(map, Extent, i);

        if (extent->depth > lo_depth)
            continue;
        /* a commit writes zeros of a layer out; what no layer has is at the lowest depth */
        if (extent->depth < lo_depth && (extent->data || extent->zero)) {
            commit += extent->length;
            growth += extent->length - allocated_in(extent, base, &at);
        }
        if (extent->depth > 0 && extent->data)
            pull += extent->length;
    }
    *commit_bytes = commit;
    /* what an internal snapshot keeps is not written over */
    *commit_growth = lo->flags & CHAIN_IMAGE_INTERNAL ? commit : growth;
    *pull_bytes = pull;
    return TRUE;
}

/* The virtual size of an image, as its header says; 0: it cannot be had. */
static guint64 size_of(const char *path, const char *format)
{
    gboolean immutable = FALSE;
    ImageInfo *info = local_read_header(path, format, &immutable, NULL);
    guint64 size = info && info->virtual_size != CHAIN_UNKNOWN ? info->virtual_size : 0;

    image_info_free(info);
    return size;
}

gboolean backend_data_left(const ChainSource *const *sources, const char *const *formats, gsize n,
                           gsize merged, guint64 *bytes)
{
    g_autofree const char **paths = g_new(const char *, n);
    g_autoptr(JsonNode) root = NULL;
    guint64 left = 0, below = 0;
    JsonArray *array;
    gsize i;

    for (i = 0; i < n; i++) {
        if ((sources[i]->type != CHAIN_SOURCE_FILE && sources[i]->type != CHAIN_SOURCE_BLOCK &&
             sources[i]->type != CHAIN_SOURCE_VOLUME) || !sources[i]->path || !formats[i])
            return FALSE;
        paths[i] = sources[i]->path;
    }
    root = map_chain(paths, formats, n);
    if (!root || !JSON_NODE_HOLDS_ARRAY(root))
        return FALSE;
    if (n > merged && !(below = size_of(paths[merged], formats[merged])))
        return FALSE;
    array = json_node_get_array(root);
    for (i = 0; i < json_array_get_length(array); i++) {
        JsonNode *node = json_array_get_element(array, i);
        JsonObject *extent = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
        guint64 start = json_member_bytes(extent, "start");
        guint64 length = json_member_bytes(extent, "length");
        guint64 depth = json_member_bytes(extent, "depth");

        if (length == CHAIN_UNKNOWN || depth == 0 || depth >= merged)
            continue;
        if (json_member_true(extent, "data"))
            left += length;
        /* behind the end of what is below nothing shows through */
        else if (json_member_true(extent, "zero") && start < below)
            left += MIN(length, below - start);
    }
    *bytes = left;
    return TRUE;
}
