/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * read-names.c: which image of ours a file means that nobody knows
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "plugin/backend/local.h"
#include "plugin/backend/read-names.h"

struct HostNames {
    ChainGraph *graph;
    GHashTable *by_key;   /* key of a path -> ChainImage * */
    GHashTable *by_base;  /* last part of a path -> GPtrArray of ChainImage * */
    GHashTable *dirs;     /* keys of directories that are known, in all spellings */
    GHashTable *others;   /* those that may be looked through for names -> spelling */
    GHashTable *real;     /* directory -> where it leads */
};

static char *key_of(const char *path)
{
    g_autoptr(ChainSource) source = chain_source_new_file(path);

    return chain_source_key(source);
}

/* Where @dir leads, borrowed; itself where that cannot be said from here. */
static const char *real_dir(HostNames *names, const char *dir)
{
    char *real = g_hash_table_lookup(names->real, dir);
    char *found;

    if (!real) {
        found = names->graph->local ? realpath(dir, NULL) : NULL;
        real = g_strdup(found ? found : dir);
        free(found);
        g_hash_table_insert(names->real, g_strdup(dir), real);
    }
    return real;
}

static void add_key(HostNames *names, const char *path, ChainImage *image)
{
    g_hash_table_replace(names->by_key, key_of(path), image);
}

void host_names_file(HostNames *names, const char *path, ChainImage *image)
{
    g_autofree char *dir = g_path_get_dirname(path), *base = g_path_get_basename(path);
    g_autofree char *real = g_build_filename(real_dir(names, dir), base, NULL);
    GPtrArray *same = g_hash_table_lookup(names->by_base, base);

    add_key(names, path, image);
    add_key(names, real, image);
    if (!same) {
        same = g_ptr_array_new();
        g_hash_table_insert(names->by_base, g_steal_pointer(&base), same);
    }
    if (!g_ptr_array_find(same, image, NULL))
        g_ptr_array_add(same, image);
}

void host_names_dir(HostNames *names, const char *dir)
{
    g_hash_table_add(names->dirs, key_of(dir));
    g_hash_table_add(names->dirs, key_of(real_dir(names, dir)));
}

/* Not all directories of images are looked through for files; links in the others are names too. */
static void read_dir(HostNames *names, const char *dir)
{
    g_autoptr(GDir) entries = g_dir_open(dir, 0, NULL);
    const char *name;

    while (entries && (name = g_dir_read_name(entries))) {
        g_autofree char *path = g_build_filename(dir, name, NULL);
        g_autoptr(LocalFile) file = local_file_new(path);
        ChainImage *image = file->identity ? g_hash_table_lookup(names->graph->by_key,
                                                                 file->identity) : NULL;

        if (image)
            host_names_file(names, path, image);
    }
    if (entries)
        host_names_dir(names, dir);
}

void host_names_readable_dir(HostNames *names, const char *dir)
{
    if (g_str_has_prefix(dir, "/dev"))
        return;
    g_hash_table_replace(names->others, key_of(dir), g_strdup(dir));
    g_hash_table_replace(names->others, key_of(real_dir(names, dir)), g_strdup(dir));
}

HostNames *host_names_new(ChainGraph *graph)
{
    HostNames *names = g_new0(HostNames, 1);
    guint i;

    names->graph = graph;
    names->by_key = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    names->by_base = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                           (GDestroyNotify) g_ptr_array_unref);
    names->dirs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    names->others = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    names->real = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    for (i = 0; i < graph->images->len; i++) {
        ChainImage *image = g_ptr_array_index(graph->images, i);
        const char *path = image->source->path;
        g_autofree char *dir = path ? g_path_get_dirname(path) : NULL;
        char *real;

        if (!path || path[0] != '/')
            continue;
        host_names_file(names, path, image);
        if (!graph->local)
            continue;
        real = realpath(path, NULL);
        if (real)
            host_names_file(names, real, image);
        free(real);
        host_names_readable_dir(names, dir);
    }
    return names;
}

void host_names_free(HostNames *names)
{
    if (!names)
        return;
    g_hash_table_unref(names->by_key);
    g_hash_table_unref(names->by_base);
    g_hash_table_unref(names->dirs);
    g_hash_table_unref(names->others);
    g_hash_table_unref(names->real);
    g_free(names);
}

/* How many bytes at their ends are the same. */
static gsize common_end(const char *a, const char *b)
{
    gsize i = strlen(a), k = strlen(b), n = 0;

    while (i > 0 && k > 0 && a[--i] == b[--k])
        n++;
    return n;
}

static ChainImage *most_like(HostNames *names, const char *path)
{
    g_autofree char *base = g_path_get_basename(path);
    const GPtrArray *same = g_hash_table_lookup(names->by_base, base);
    ChainImage *best = NULL;
    gsize most = 0;
    guint i;

    for (i = 0; same && i < same->len; i++) {
        ChainImage *image = g_ptr_array_index(same, i);
        gsize n = common_end(image->source->path ? image->source->path : "", path);

        if (!best || n > most) {
            best = image;
            most = n;
        }
    }
    return best;
}

ChainImage *host_names_find(HostNames *names, const ChainSource *source)
{
    ChainImage *image = chain_graph_find(names->graph, source);
    g_autofree char *key = NULL, *dir = NULL, *dir_key = NULL;
    const char *spelled;

    if (image || !source->path)
        return image;
    key = key_of(source->path);
    dir = g_path_get_dirname(source->path);
    dir_key = key_of(dir);
    spelled = g_hash_table_lookup(names->others, dir_key);
    if (spelled && !g_hash_table_contains(names->dirs, dir_key))
        read_dir(names, spelled);
    image = g_hash_table_lookup(names->by_key, key);
    if (image || g_hash_table_contains(names->dirs, dir_key))
        return image;
    return most_like(names, source->path);
}
