/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * source.c: where an image is, and when two spellings of it are the same
 */
#include "config.h"

#include <string.h>

#include "plugin/model/chain.h"

ChainSource *chain_source_new(ChainSourceType type)
{
    ChainSource *source = g_new0(ChainSource, 1);

    source->type = type;
    return source;
}

ChainSource *chain_source_new_file(const char *path)
{
    ChainSource *source = chain_source_new(CHAIN_SOURCE_FILE);

    source->path = g_strdup(path);
    return source;
}

ChainSource *chain_source_copy(const ChainSource *source)
{
    ChainSource *copy = chain_source_new(source->type);

    copy->path = g_strdup(source->path);
    copy->pool = g_strdup(source->pool);
    copy->volume = g_strdup(source->volume);
    copy->protocol = g_strdup(source->protocol);
    copy->name = g_strdup(source->name);
    copy->host = g_strdup(source->host);
    copy->other = g_strdup(source->other);
    copy->xml = g_strdup(source->xml);
    copy->encryption = g_strdup(source->encryption);
    copy->disk_type = g_strdup(source->disk_type);
    return copy;
}

char *chain_source_encryption(const ChainSource *source)
{
    static const char close[] = "</encryption>";
    /* text and attributes of libvirt's XML have no "<" */
    const char *start = source->xml ? strstr(source->xml, "<encryption") : NULL;
    const char *end = start ? strstr(start, close) : NULL;
    g_autofree char *element = end ? g_strndup(start, end + strlen(close) - start)
                                   : g_strdup(source->encryption);

    return element && strstr(element, "<secret") ? g_steal_pointer(&element) : NULL;
}

gboolean chain_source_decrypts(const ChainSource *source)
{
    g_autofree char *element = chain_source_encryption(source);

    return element != NULL;
}

void chain_source_free(ChainSource *source)
{
    if (!source)
        return;
    g_free(source->path);
    g_free(source->pool);
    g_free(source->volume);
    g_free(source->protocol);
    g_free(source->name);
    g_free(source->host);
    g_free(source->other);
    g_free(source->xml);
    g_free(source->encryption);
    g_free(source->disk_type);
    g_free(source);
}

/* "//" and "/./" mean "/" whatever the file system says; ".." does not where links are. */
static void append_clean_path(GString *out, const char *path)
{
    const char *p = path;

    while (*p) {
        const char *end;

        if (*p != '/') {
            end = strchr(p, '/');
            if (!end)
                end = p + strlen(p);
            g_string_append_len(out, p, end - p);
            p = end;
            continue;
        }
        while (p[0] == '/') {
            if (p[1] == '/')
                p++;
            else if (p[1] == '.' && (p[2] == '/' || p[2] == '\0'))
                p += 2;
            else
                break;
        }
        if (*p == '/') {
            g_string_append_c(out, '/');
            p++;
        }
    }
}

static void append_network(GString *out, const ChainSource *source)
{
    const char *protocol = source->protocol ? source->protocol : "network";
    const char *name = source->name ? source->name : "";

    if (source->host && source->host[0] == '/')
        g_string_append_printf(out, "%s+unix:///%s?socket=%s", protocol, name, source->host);
    else if (source->host)
        g_string_append_printf(out, "%s://%s/%s", protocol, source->host, name);
    else
        g_string_append_printf(out, "%s:%s", protocol, name);
}

char *chain_source_key(const ChainSource *source)
{
    GString *out = g_string_new(NULL);

    switch (source->type) {
    case CHAIN_SOURCE_NONE:
        g_string_append(out, "none:");
        break;
    case CHAIN_SOURCE_FILE:
    case CHAIN_SOURCE_BLOCK:
    case CHAIN_SOURCE_VOLUME:
        if (source->path) {
            g_string_append(out, "file:");
            append_clean_path(out, source->path);
        } else {
            /* a pool's name has no slash */
            g_string_append_printf(out, "volume:%s/%s", source->pool ? source->pool : "",
                                   source->volume ? source->volume : "");
        }
        break;
    case CHAIN_SOURCE_NETWORK:
        append_network(out, source);
        break;
    case CHAIN_SOURCE_OTHER:
        g_string_append_printf(out, "other:%s", source->other ? source->other : "");
        break;
    }
    return g_string_free(out, FALSE);
}

gboolean chain_names_secret(const char *name, gssize len)
{
    static const char *const words[] = { "auth", "cookie", "cred", "key", "pass", "secret", "sig",
                                         "token", NULL };
    g_autofree char *lower = g_ascii_strdown(name, len);

    for (guint i = 0; words[i]; i++)
        if (strstr(lower, words[i]))
            return TRUE;
    return FALSE;
}

gboolean chain_spec_is_hidden(const char *spec)
{
    /* a file can have that in its name */
    return spec[strcspn(spec, ":/")] == ':' && strstr(spec, CHAIN_HIDDEN);
}

/* The parameters that QEMU, its libraries and libvirt define for the URLs of images and
 * connections and that are no secrets: block/nbd.c, block/ssh.c, block/nfs.c and block/gluster.c of
 * QEMU, libiscsi's iscsi_parse_url(), libvirt's docs/uri.rst and the attributes of its <source>. */
static gboolean is_known_parameter(const char *name, gsize len)
{
    static const char *const names[] = {
        "data_digest", "debug", "header_digest", "host_key_check", "iser", "mode", "no_tty",
        "no_verify", "pagecache", "readahead", "snapshot", "socket", "sslverify", "tcp-syncnt",
        "timeout", "transport", "uid", "gid", NULL
    };

    for (guint i = 0; names[i]; i++)
        if (strlen(names[i]) == len && strncmp(name, names[i], len) == 0)
            return TRUE;
    return FALSE;
}

/* @query: "" or from its "?" or "#" on. Any server has names of its own for what it signs URLs
 * with, and some have a word without a name. Returns: whether there was any */
static gboolean hide_in_query(GString *out, const char *query)
{
    gboolean any = FALSE;

    while (*query) {
        gsize name, len;

        g_string_append_c(out, *query++);
        name = strcspn(query, "=&;");
        len = name + strcspn(query + name, "&;");
        if (len == 0 || is_known_parameter(query, name)) {
            g_string_append_len(out, query, (gssize) len);
        } else {
            if (query[name] == '=')
                g_string_append_len(out, query, (gssize) name + 1);
            g_string_append(out, CHAIN_HIDDEN);
            any = TRUE;
        }
        query += len;
    }
    return any;
}

char *chain_uri_hide_secrets(const char *spec)
{
    const char *scheme = strstr(spec, "://");
    g_autoptr(GString) out = NULL;
    const char *start, *rest, *at;
    gboolean any;

    if (!scheme)
        return NULL;
    start = scheme + strlen("://");
    rest = start + strcspn(start, "?#");
    /* a password may have a slash in it that should have been written as %2F */
    at = g_strrstr_len(start, rest - start, "@");
    start += strcspn(start, ":%/");
    if (at && (*start == '/' || start > at))
        at = NULL;
    any = at != NULL;
    out = g_string_new(NULL);
    if (at) {
        g_string_append_len(out, spec, start + 1 - spec);
        g_string_append(out, CHAIN_HIDDEN);
        g_string_append_len(out, at, rest - at);
    } else {
        g_string_append_len(out, spec, rest - spec);
    }
    any |= hide_in_query(out, rest);
    return any ? g_string_free(g_steal_pointer(&out), FALSE) : NULL;
}

char *chain_source_describe(const ChainSource *source)
{
    g_autofree char *text = NULL;
    char *hidden;
    GString *out;

    switch (source->type) {
    case CHAIN_SOURCE_NONE:
        return g_strdup("");
    case CHAIN_SOURCE_FILE:
    case CHAIN_SOURCE_BLOCK:
    case CHAIN_SOURCE_VOLUME:
        if (source->path)
            return g_strdup(source->path);
        return g_strdup_printf("%s/%s", source->pool ? source->pool : "",
                               source->volume ? source->volume : "");
    case CHAIN_SOURCE_NETWORK:
        out = g_string_new(NULL);
        append_network(out, source);
        text = g_string_free(out, FALSE);
        hidden = chain_uri_hide_secrets(text);
        return hidden ? hidden : g_steal_pointer(&text);
    case CHAIN_SOURCE_OTHER:
        return g_strdup(source->other ? source->other : "");
    }
    return g_strdup("");
}
