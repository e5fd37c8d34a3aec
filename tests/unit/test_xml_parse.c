/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_xml_parse.c: XML that others wrote reads nothing but itself: no network, no other file
 *
 * A server that waits here would be asked, and a file that is there would be in what was read, if
 * libxml2 was let.
 */
#include "config.h"

#include <string.h>

#include <gio/gio.h>
#include <glib/gstdio.h>

#include "plugin/xml/edit.h"
#include "plugin/xml/parse.h"
#include "plugin/xml/read.h"

#define SECRET "what-only-the-file-says"

typedef struct {
    GSocket *server;
    guint port;
    char *dir, *file;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    g_autoptr(GInetAddress) loopback = g_inet_address_new_loopback(G_SOCKET_FAMILY_IPV4);
    g_autoptr(GSocketAddress) any = g_inet_socket_address_new(loopback, 0);
    g_autoptr(GSocketAddress) bound = NULL;
    g_autoptr(GError) error = NULL;

    f->server = g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP,
                             &error);
    g_assert_no_error(error);
    g_assert_true(g_socket_bind(f->server, any, TRUE, &error));
    g_assert_true(g_socket_listen(f->server, &error));
    bound = g_socket_get_local_address(f->server, &error);
    f->port = g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(bound));
    f->dir = g_dir_make_tmp("vext-XXXXXX", &error);
    f->file = g_build_filename(f->dir, "secret", NULL);
    g_assert_true(g_file_set_contents(f->file, SECRET, -1, &error));
    g_assert_no_error(error);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    g_object_unref(f->server);
    g_remove(f->file);
    g_rmdir(f->dir);
    g_free(f->file);
    g_free(f->dir);
}

/* A kernel answers for a server that listens: nobody has to accept it. */
static void assert_not_asked(const Fixture *f)
{
    g_assert_cmpint(g_socket_condition_check(f->server, G_IO_IN), ==, 0);
}

/* A snapshot and a domain with @prolog and @inside, in which URL is the server or the file, read as
 * what libvirt or a journal says. @refused: not accepted at all. */
static void read_nothing_else(const Fixture *f, const char *prolog, const char *inside,
                              gboolean refused)
{
    g_autofree char *web = g_strdup_printf("http://127.0.0.1:%u/x", f->port);
    g_autofree char *ftp = g_strdup_printf("ftp://127.0.0.1:%u/x", f->port);
    g_autofree char *local = g_strconcat("file://", f->file, NULL);
    const char *urls[] = { web, ftp, local, f->file };

    for (gsize i = 0; i < G_N_ELEMENTS(urls); i++) {
        g_auto(GStrv) before = g_strsplit(prolog, "URL", -1), in = g_strsplit(inside, "URL", -1);
        g_autofree char *head = g_strjoinv(urls[i], before);
        g_autofree char *body = g_strjoinv(urls[i], in);
        g_autofree char *snapshot =
            g_strdup_printf("%s<domainsnapshot xmlns:xi='http://www.w3.org/2001/XInclude'>"
                            "<name>s1</name>%s</domainsnapshot>", head, body);
        g_autofree char *domain = g_strdup_printf("%s<domain xmlns:xi='http://www.w3.org/2001/"
                                                  "XInclude'><name>d</name>%s</domain>", head,
                                                  body);
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) doc = xml_parse(snapshot, "domainsnapshot", &error);
        g_autoptr(ChainGraph) graph = chain_graph_new();
        XmlReader reader = { .graph = graph };
        ChainDomain *d = chain_graph_add_domain(graph, "d", "");
        g_autofree char *text = doc ? xml_doc_to_text(doc) : NULL;
        g_autofree char *stripped = xml_strip_backing_store(domain, NULL);
        ChainSnapshot *s = xml_read_snapshot(&reader, d, snapshot, NULL);

        g_assert_true((doc && s && stripped) == !refused && (!doc && !s && !stripped) == refused);
        if (refused)
            g_assert_error(error, VEXT_XML_ERROR, VEXT_XML_ERROR_PARSE);
        g_assert_true(!error || !strstr(error->message, SECRET));
        g_assert_true(!text || !strstr(text, SECRET));
        g_assert_true(!stripped || !strstr(stripped, SECRET));
        assert_not_asked(f);
    }
}

static void test_external_dtd(Fixture *f, gconstpointer data)
{
    read_nothing_else(f, "<!DOCTYPE domainsnapshot SYSTEM 'URL'>", "", TRUE);
    read_nothing_else(f, "<!DOCTYPE domainsnapshot PUBLIC '-//X//Y' 'URL'>", "", TRUE);
}

static void test_external_entity(Fixture *f, gconstpointer data)
{
    read_nothing_else(f, "<!DOCTYPE x [<!ENTITY e SYSTEM 'URL'>]>",
                      "<description>&e;</description>", TRUE);
    read_nothing_else(f, "<?xml version='1.0'?>\n<!DOCTYPE x [<!ENTITY % e SYSTEM 'URL'> %e;]>",
                      "", TRUE);
}

/* These are only names while nobody makes them more. */
static void test_includes(Fixture *f, gconstpointer data)
{
    read_nothing_else(f, "", "<xi:include href='URL' parse='text'/>", FALSE);
    read_nothing_else(f, "<?xml-stylesheet href='URL' type='text/xsl'?>", "", FALSE);
    read_nothing_else(f, "", "<x xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' "
                             "xsi:schemaLocation='URL URL' xml:base='URL'/>", FALSE);
}

/* The server would notice. */
static void test_the_server_notices(Fixture *f, gconstpointer data)
{
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocketConnection) connection =
        g_socket_client_connect_to_host(client, "127.0.0.1", (guint16) f->port, NULL, &error);

    g_assert_no_error(error);
    g_assert_nonnull(connection);
    g_assert_cmpint(g_socket_condition_check(f->server, G_IO_IN), ==, G_IO_IN);
}

#define ADD(name) g_test_add("/xml-parse/" #name, Fixture, NULL, set_up, test_##name, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(external_dtd);
    ADD(external_entity);
    ADD(includes);
    ADD(the_server_notices);
    return g_test_run();
}
