/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * spec.c: backing file names as image headers have them
 *
 * What QEMU makes of a name: docs/system/qemu-block-drivers, block.c (path_has_protocol) and the
 * parsers of block/nbd.c and block/rbd.c.
 */
#include "config.h"

#include <string.h>

#include "plugin/model/json.h"
#include "plugin/xml/disk-source.h"

/* Nothing is ever done with it but to print it. */
static ChainSource *other(const char *spec)
{
    ChainSource *source = chain_source_new(CHAIN_SOURCE_OTHER);

    source->other = xml_spec_hide_secrets(spec);
    return source;
}

static ChainSource *network(const char *protocol)
{
    ChainSource *source = chain_source_new(CHAIN_SOURCE_NETWORK);

    source->protocol = g_strdup(protocol);
    return source;
}

/* "a:b" before the first slash is a protocol to QEMU. */
static gboolean has_protocol(const char *spec)
{
    return spec[strcspn(spec, ":/")] == ':';
}

/* --- names with a protocol ------------------------------------------------------------------ */

/* nbd:HOST:PORT[:exportname=NAME], nbd:unix:PATH[:exportname=NAME] */
static ChainSource *nbd_old(const char *rest)
{
    ChainSource *source = network("nbd");
    const char *export = strstr(rest, ":exportname=");
    g_autofree char *where = export ? g_strndup(rest, export - rest) : g_strdup(rest);

    source->name = g_strdup(export ? export + strlen(":exportname=") : "");
    source->host = g_strdup(g_str_has_prefix(where, "unix:") ? where + strlen("unix:") : where);
    return source;
}

/* rbd:POOL/IMAGE[@SNAP][:KEY=VALUE…], with "\" before characters that mean something */
static ChainSource *rbd_old(const char *rest)
{
    ChainSource *source = network("rbd");
    g_autoptr(GPtrArray) parts = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GString) part = g_string_new(NULL);
    const char *p;
    guint i;

    for (p = rest;; p++) {
        if (*p == '\\' && p[1]) {
            g_string_append_c(part, *++p);
        } else if (*p == ':' || !*p) {
            g_ptr_array_add(parts, g_strdup(part->str));
            g_string_truncate(part, 0);
            if (!*p)
                break;
        } else {
            g_string_append_c(part, *p);
        }
    }
    source->name = g_strdup(g_ptr_array_index(parts, 0));
    for (i = 1; i < parts->len; i++) {
        const char *option = g_ptr_array_index(parts, i);

        if (!source->host && g_str_has_prefix(option, "mon_host=")) {
            option += strlen("mon_host=");
            source->host = g_strndup(option, strcspn(option, ";,"));
        }
    }
    return source;
}

/* The user of a URL is not where its image is, and ends at the last "@" of the authority: to GLib
 * at the first. */
static char *without_user(const char *spec)
{
    const char *authority = strstr(spec, "://");
    const char *at;

    if (!authority)
        return g_strdup(spec);
    authority += strlen("://");
    at = g_strrstr_len(authority, (gssize) strcspn(authority, "/?#"), "@");
    return at ? g_strdup_printf("%.*s%s", (int) (authority - spec), spec, at + 1) : g_strdup(spec);
}

static ChainSource *uri(const char *spec)
{
    g_autofree char *plain = without_user(spec);
    g_autoptr(GUri) parsed = g_uri_parse(plain, G_URI_FLAGS_NON_DNS, NULL);
    g_auto(GStrv) scheme = NULL;
    g_autoptr(GHashTable) query = NULL;
    const char *socket = NULL;
    const char *path;
    ChainSource *source;
    int port;

    if (!parsed)
        return other(spec);
    scheme = g_strsplit(g_uri_get_scheme(parsed), "+", 2);
    source = network(scheme[0]);
    if (g_uri_get_query(parsed))
        query = g_uri_parse_params(g_uri_get_query(parsed), -1, "&;", G_URI_PARAMS_NONE, NULL);
    if (query)
        socket = g_hash_table_lookup(query, "socket");
    path = g_uri_get_path(parsed);
    source->name = g_strdup(path && *path == '/' ? path + 1 : path ? path : "");
    if (g_uri_get_query(parsed) && g_str_has_prefix(source->protocol, "http")) {
        char *whole = g_strconcat(source->name, "?", g_uri_get_query(parsed), NULL);

        g_free(source->name);
        source->name = whole;
    }
    port = g_uri_get_port(parsed);
    if (socket && *socket == '/') {
        source->host = g_strdup(socket);
    } else if (g_uri_get_host(parsed) && *g_uri_get_host(parsed)) {
        const char *host = g_uri_get_host(parsed);
        gboolean bare6 = strchr(host, ':') != NULL;
        g_autofree char *told = port >= 0 ? g_strdup_printf("%d", port)
                                          : g_strdup(xml_default_port(source->protocol));

        source->host = g_strconcat(bare6 ? "[" : "", host, bare6 ? "]" : "", told ? ":" : "",
                                   told, NULL);
    }
    return source;
}

/* --- json: ---------------------------------------------------------------------------------- */

/* "file": {"filename": …} and "file.filename": … mean the same; @prefix is "" or "file." */
static char *option(JsonObject *object, const char *prefix, const char *name)
{
    g_autofree char *dotted = g_strconcat(prefix, name, NULL);

    return json_member_string(object, dotted);
}

static char *nbd_host(JsonObject *object, const char *prefix)
{
    JsonObject *server = *prefix ? NULL : json_member_object(object, "server");
    g_autofree char *nested = g_strconcat(prefix, "server.", NULL);
    g_autofree char *path = NULL;
    g_autofree char *host = NULL;
    g_autofree char *port = NULL;

    if (server) {
        path = option(server, "", "path");
        host = option(server, "", "host");
        port = option(server, "", "port");
    } else {
        path = option(object, nested, "path");
        host = option(object, nested, "host");
        port = option(object, nested, "port");
    }
    if (!path && !host) {
        path = option(object, prefix, "path");
        host = option(object, prefix, "host");
        g_free(port);
        port = option(object, prefix, "port");
    }
    if (path)
        return g_steal_pointer(&path);
    return host ? g_strdup_printf("%s:%s", host, port ? port : "10809") : NULL;
}

/* The first monitor, as read_host() and rbd_old() take it: "server": [{"host": …}, …] or
 * "server.0.host". NULL when ceph's configuration has to know. */
static char *rbd_host(JsonObject *object, const char *prefix)
{
    JsonArray *servers = *prefix ? NULL : json_member_array(object, "server");
    JsonNode *first = servers && json_array_get_length(servers)
                      ? json_array_get_element(servers, 0) : NULL;
    g_autofree char *dotted = g_strconcat(prefix, "server.0.", NULL);
    g_autofree char *host = NULL;
    g_autofree char *port = NULL;
    gboolean bare6;

    if (first) {
        if (!JSON_NODE_HOLDS_OBJECT(first))
            return NULL;
        object = json_node_get_object(first);
        dotted[0] = '\0';
    }
    host = option(object, dotted, "host");
    port = option(object, dotted, "port");
    if (!host)
        return NULL;
    bare6 = strchr(host, ':') && host[0] != '[';
    return g_strconcat(bare6 ? "[" : "", host, bare6 ? "]" : "", port ? ":" : "", port, NULL);
}

/* The node of the protocol layer: where the bytes are. NULL when it is not understood. */
static ChainSource *json_protocol(JsonObject *object, const char *prefix, const char *base_dir,
                                  gboolean *relative)
{
    g_autofree char *driver = option(object, prefix, "driver");
    g_autofree char *filename = option(object, prefix, "filename");
    ChainSource *source;

    if (filename)
        return !driver || g_str_equal(driver, "file") || g_str_equal(driver, "host_device")
               ? xml_source_from_spec(filename, base_dir, NULL, relative)
               : NULL;
    if (!driver)
        return NULL;
    if (g_str_equal(driver, "nbd")) {
        source = network("nbd");
        source->host = nbd_host(object, prefix);
        source->name = option(object, prefix, "export");
        if (!source->name)
            source->name = g_strdup("");
        return source;
    }
    if (g_str_equal(driver, "rbd")) {
        g_autofree char *pool = option(object, prefix, "pool");
        g_autofree char *space = option(object, prefix, "namespace");
        g_autofree char *image = option(object, prefix, "image");
        g_autofree char *snapshot = option(object, prefix, "snapshot");

        if (!pool || !image)
            return NULL;
        source = network("rbd");
        source->name = g_strconcat(pool, "/", space ? space : "", space ? "/" : "", image,
                                   snapshot ? "@" : "", snapshot, NULL);
        source->host = rbd_host(object, prefix);
        return source;
    }
    if (g_str_equal(driver, "http") || g_str_equal(driver, "https")) {
        g_autofree char *url = option(object, prefix, "url");

        return url ? uri(url) : NULL;
    }
    return NULL;
}

/* Of names that are not understood those with such a driver are at least no file of the host. */
static ChainSource *other_place(const char *spec, const char *driver)
{
    static const char *const network[] = { "ftp", "ftps", "gluster", "http", "https", "iscsi",
                                           "nbd", "nfs", "rbd", "sheepdog", "ssh", "vxhs", NULL };
    ChainSource *source = other(spec);

    if (driver && g_strv_contains(network, driver))
        source->protocol = g_strdup(driver);
    return source;
}

static ChainSource *json_spec(const char *spec, const char *base_dir, char **format,
                              gboolean *relative)
{
    const char *text = spec + strlen("json:");
    g_autoptr(JsonNode) root = json_read(text, strlen(text), NULL);
    JsonObject *object = root && JSON_NODE_HOLDS_OBJECT(root) ? json_node_get_object(root) : NULL;
    JsonObject *file = json_member_object(object, "file");
    g_autofree char *dotted_driver = json_member_string(object, "file.driver");
    g_autofree char *dotted_name = json_member_string(object, "file.filename");
    g_autofree char *driver = json_member_string(object, "driver");
    ChainSource *source = NULL;

    /* a part of a file is not the file; and QEMU takes what "backing" says for the header's word */
    if (json_member(object, "offset") || json_member(object, "size") ||
        json_member(object, "backing"))
        return other(spec);
    if (object && file)
        source = json_protocol(file, "", base_dir, relative);
    else if (object && (dotted_driver || dotted_name))
        source = json_protocol(object, "file.", base_dir, relative);
    else if (object)
        source = json_protocol(object, "", base_dir, relative);
    if (!source) {
        g_autofree char *nested = json_member_string(file, "driver");

        return other_place(spec, nested ? nested : dotted_driver ? dotted_driver : driver);
    }
    if (format && driver && (file || dotted_driver || dotted_name)) {
        g_free(*format);
        *format = g_steal_pointer(&driver);
    }
    return source;
}

ChainSource *xml_source_from_spec(const char *spec, const char *base_dir, char **format,
                                  gboolean *relative)
{
    /* a name within a json: name could be one again, without end */
    if (g_str_has_prefix(spec, "json:"))
        return format ? json_spec(spec, base_dir, format, relative) : other(spec);
    if (has_protocol(spec)) {
        if (g_str_has_prefix(spec, "file:"))
            spec += strlen("file:");
        else if (strstr(spec, "://"))
            return uri(spec);
        else if (g_str_has_prefix(spec, "nbd:"))
            return nbd_old(spec + strlen("nbd:"));
        else if (g_str_has_prefix(spec, "rbd:"))
            return rbd_old(spec + strlen("rbd:"));
        else
            return other(spec);
    }
    if (spec[0] == '/')
        return chain_source_new_file(spec);
    if (relative)
        *relative = TRUE;
    if (base_dir && *spec) {
        g_autofree char *path = g_build_filename(base_dir, spec, NULL);

        return chain_source_new_file(path);
    }
    return other(spec);
}
