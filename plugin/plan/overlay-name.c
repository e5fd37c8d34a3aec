/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * overlay-name.c: where a new overlay goes and what it is called
 */
#include "plugin/plan/overlay-name.h"

#include <string.h>

/* Names of files are read by people in a directory: long snapshot names are cut. */
#define NAME_PART_MAX 64

/* 40 bits: who may make files in the directory cannot make all that a name could be. */
#define RANDOM_CHARS 8

/** The snapshot's name as a part of a file's name: letters, digits, dot, dash, underscore. */
static char *name_part(const char *name)
{
    GString *out = g_string_new(NULL);

    for (const char *p = name; *p && out->len < NAME_PART_MAX; p++) {
        if (g_ascii_isalnum(*p) || *p == '_' || *p == '-' || (*p == '.' && out->len > 0))
            g_string_append_c(out, *p);
        else
            g_string_append_c(out, '_');
    }
    return g_string_free(out, FALSE);
}

/**
 * What nobody can tell beforehand, RANDOM_CHARS of it, of the @n-th name that begins with @path.
 * Of each name another: those of the next disks do not follow from the file that is there first.
 */
static char *random_part(const PlanFacts *facts, const char *path, guint n)
{
    static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
    g_autofree char *text = g_strdup_printf("%u %s", n, path);
    guint8 digest[32];
    gsize len = sizeof(digest);
    char *part = g_new0(char, RANDOM_CHARS + 1);
    GHmac *hmac = g_hmac_new(G_CHECKSUM_SHA256, facts->random, PLAN_RANDOM_BYTES);

    g_hmac_update(hmac, (const guchar *) text, -1);
    g_hmac_get_digest(hmac, digest, &len);
    g_hmac_unref(hmac);
    for (guint i = 0; i < RANDOM_CHARS; i++)
        part[i] = letters[digest[i] % 32];
    return part;
}

/** "/img/vm1.s3-20261120T101112Z-h4wq9zkb.qcow2" -> "vm1": the name without what follows its first
 *  dot. */
static char *stem_of(const char *path)
{
    g_autofree char *base = g_path_get_basename(path);
    char *dot = strchr(base + 1, '.');

    if (dot)
        *dot = '\0';
    if (strlen(base) > NAME_PART_MAX) {
        gsize n = NAME_PART_MAX;

        /* Not in the middle of a character: XML could not carry the rest of it. */
        while (n > 0 && ((guchar)base[n] & 0xc0) == 0x80)
            n--;
        base[n] = '\0';
    }
    return g_steal_pointer(&base);
}

const char *plan_file_path(const ChainImage *image)
{
    if (image && image->source && image->source->type == CHAIN_SOURCE_FILE)
        return image->source->path;
    return NULL;
}

static gboolean overlay_path_taken(const Plan *plan, const ChainGraph *graph, const char *path)
{
    if (chain_graph_find_path(graph, path))
        return TRUE;
    for (guint i = 0; i < plan->overlays->len; i++) {
        const PlanOverlay *o = g_ptr_array_index(plan->overlays, i);
        if (g_str_equal(o->overlay->path, path))
            return TRUE;
    }
    for (guint i = 0; i < plan->save_overlays->len; i++) {
        const PlanOverlay *o = g_ptr_array_index(plan->save_overlays, i);
        if (g_str_equal(o->overlay->path, path))
            return TRUE;
    }
    return FALSE;
}

char *plan_overlay_path(const Plan *plan, const ChainGraph *graph, const ChainImage *active,
                        const ChainImage *frozen, const char *snapshot,
                        const PlanFacts *facts)
{
    gboolean there = plan_file_path(active) && !(active->flags & CHAIN_IMAGE_MISSING);
    const char *near = plan_file_path(there || !plan_file_path(frozen) ? active : frozen);
    const char *like = plan_file_path(frozen) ? plan_file_path(frozen) : near;
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(facts->now);
    g_autofree char *dir = NULL, *stem = NULL, *part = NULL, *stamp = NULL;
    g_autofree char *start = NULL;

    if (!near || !time || !facts->random)
        return NULL;
    dir = g_path_get_dirname(near);
    stem = stem_of(like);
    part = name_part(snapshot);
    stamp = g_date_time_format(time, "%Y%m%dT%H%M%SZ");
    start = g_strdup_printf("%s/%s.%s-%s", g_str_equal(dir, "/") ? "" : dir, stem, part, stamp);

    for (guint n = 1; n < 1000; n++) {
        g_autofree char *random = random_part(facts, start, n);
        g_autofree char *path = g_strdup_printf("%s-%s.qcow2", start, random);

        if (!overlay_path_taken(plan, graph, path))
            return g_steal_pointer(&path);
    }
    return NULL;
}
