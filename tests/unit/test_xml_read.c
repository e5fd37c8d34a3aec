/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_xml_read.c: libvirt's XML, qemu-img's JSON, image headers and backing names are understood
 */
#include "config.h"

#include <string.h>

#include "plugin/xml/disk-source.h"
#include "plugin/xml/parse.h"
#include "plugin/xml/qcow2.h"
#include "plugin/xml/read.h"

/* --- domains -------------------------------------------------------------------------------- */

static const char inactive[] =
    "<domain type='qemu'><devices>"
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/i/base'/>"
    "  <target dev='vda'/></disk>"
    "<disk type='network' device='disk'><driver type='raw'/>"
    "  <source protocol='nbd' name='e'><host name='h'/></source><target dev='vdb'/></disk>"
    "<disk type='volume' device='disk'><driver type='qcow2'/><source pool='p' volume='v'/>"
    "  <target dev='vdc'/><shareable/></disk>"
    "<disk type='file' device='cdrom'><target dev='sda'/><readonly/></disk>"
    "<disk type='file'><driver type='raw'/><source file='/i/luks'><encryption format='luks'/>"
    "</source><target dev='vdd'/></disk>"
    "<disk type='dir'><driver type='fat'/><source dir='/d'/><target dev='vde'/></disk>"
    "</devices></domain>";

static const char live[] =
    "<domain type='qemu' id='1'><devices>"
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
    "  <source file='/i/top' index='3'/>"
    "  <backingStore type='file' index='2'><format type='qcow2'/><source file='/i/mid'/>"
    "    <backingStore type='block' index='1'><format type='raw'/><source dev='/dev/x'/>"
    "      <backingStore/></backingStore></backingStore>"
    "  <mirror type='file' job='active-commit' ready='yes'><format type='qcow2'/>"
    "    <source file='/i/mid'/></mirror>"
    "  <target dev='vda'/></disk>"
    "</devices></domain>";

static ChainDomain *read_both(ChainGraph *graph, gboolean active)
{
    g_autoptr(GError) error = NULL;
    XmlReader reader = { .graph = graph };
    ChainDomain *d = chain_graph_add_domain(graph, "vm1", "u");

    d->active = active;
    g_assert_true(xml_read_domain(&reader, d, active ? live : NULL, inactive, &error));
    g_assert_no_error(error);
    chain_graph_link(graph);
    return d;
}

static void test_domain_off(void)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    ChainDomain *d = read_both(graph, FALSE);
    ChainDisk *disk = chain_domain_disk(d, "vda");

    g_assert_cmpuint(d->disks->len, ==, 6);
    g_assert_cmpstr(disk->active->path, ==, "/i/base");
    g_assert_true(disk->active == disk->configured);
    g_assert_cmpstr(disk->active->format, ==, "qcow2");
    g_assert_false(disk->active->backing_known);
    g_assert_cmpstr(disk->active->source->xml, ==, "<source file=\"/i/base\"/>");
    g_assert_null(disk->live_chain);

    disk = chain_domain_disk(d, "vdb");
    g_assert_cmpstr(disk->active->path, ==, "nbd://h:10809/e");
    disk = chain_domain_disk(d, "vdc");
    g_assert_cmpstr(disk->active->key, ==, "volume:p/v");
    g_assert_true(disk->shareable);
    disk = chain_domain_disk(d, "sda");
    g_assert_null(disk->active);
    g_assert_cmpstr(disk->device, ==, "cdrom");
    g_assert_true(disk->readonly);
    disk = chain_domain_disk(d, "vdd");
    g_assert_true(disk->active->flags & CHAIN_IMAGE_ENCRYPTED);
    disk = chain_domain_disk(d, "vde");
    g_assert_cmpint(disk->active->source->type, ==, CHAIN_SOURCE_OTHER);
}

static void test_domain_live(void)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    ChainDomain *d = read_both(graph, TRUE);
    ChainDisk *disk = chain_domain_disk(d, "vda");
    ChainImage *mid;

    g_assert_cmpstr(disk->active->path, ==, "/i/top");
    g_assert_cmpstr(disk->active->source->xml, ==, "<source file=\"/i/top\"/>");
    g_assert_cmpstr(disk->configured->path, ==, "/i/base");
    g_assert_cmpuint(disk->live_chain->len, ==, 3);
    mid = disk->active->backing;
    g_assert_cmpstr(mid->path, ==, "/i/mid");
    g_assert_cmpstr(mid->backing->path, ==, "/dev/x");
    g_assert_cmpstr(mid->backing->format, ==, "raw");
    g_assert_true(mid->backing->backing_known);
    g_assert_null(mid->backing->backing);
    g_assert_cmpstr(disk->job->type, ==, "active-commit");
    g_assert_true(disk->job->ready);
    g_assert_cmpstr(disk->job->mirror, ==, "/i/mid");
    /* only in the configuration: listed, nothing written */
    g_assert_null(chain_domain_disk(d, "vdb")->active);
    g_assert_nonnull(chain_domain_disk(d, "vdb")->configured);
}

/* A stale <backingStore> of the configuration is remembered and not believed. */
static void test_domain_configured_chain(void)
{
    static const char xml[] =
        "<domain><devices><disk type='file'><driver type='qcow2'/><source file='/a'/>"
        "<backingStore type='file'><format type='qcow2'/><source file='/b'/><backingStore/>"
        "</backingStore><target dev='vda'/></disk></devices></domain>";
    g_autoptr(ChainGraph) graph = chain_graph_new();
    XmlReader reader = { .graph = graph };
    ChainDomain *d = chain_graph_add_domain(graph, "vm1", "u");
    ChainDisk *disk;

    g_assert_true(xml_read_domain(&reader, d, NULL, xml, NULL));
    disk = chain_domain_disk(d, "vda");
    g_assert_cmpuint(disk->config_chain->len, ==, 2);
    g_assert_false(disk->active->backing_known);
    g_assert_null(disk->active->backing);
}

/* --- snapshots ------------------------------------------------------------------------------ */

static void test_snapshot(void)
{
    static const char xml[] =
        "<domainsnapshot><name>s1</name><state>running</state>"
        "<parent><name>s0</name></parent><creationTime>1700000000</creationTime>"
        "<memory snapshot='external' file='/m'/>"
        "<disks><disk name='vda' snapshot='external' type='file'><driver type='qcow2'/>"
        "<source file='/o'/><snapshotDeleteInProgress/></disk><disk name='vdb' snapshot='no'/>"
        "<disk name='vdc' snapshot='internal'/><disk name='vdd' snapshot='manual'/></disks>"
        "<revertDisks><disk name='vda' snapshot='external' type='file'><source file='/r'/></disk>"
        "</revertDisks>"
        "<domain><devices><disk type='file'><driver type='raw'/><source file='/f'/>"
        "<target dev='vda'/></disk></devices></domain>"
        "<inactiveDomain><devices><disk type='file'><source file='/g'/><target dev='vda'/></disk>"
        "</devices></inactiveDomain></domainsnapshot>";
    g_autoptr(ChainGraph) graph = chain_graph_new();
    g_autoptr(GError) error = NULL;
    XmlReader reader = { .graph = graph };
    ChainDomain *d = chain_graph_add_domain(graph, "vm1", "u");
    ChainSnapshot *s = xml_read_snapshot(&reader, d, xml, &error);
    ChainSnapshotDisk *sd;

    g_assert_no_error(error);
    g_assert_cmpstr(s->parent_name, ==, "s0");
    g_assert_cmpint(s->creation_time, ==, 1700000000);
    g_assert_cmpstr(s->memory_file, ==, "/m");
    g_assert_true(s->has_domain);
    g_assert_cmpstr(s->xml, ==, xml);
    sd = chain_snapshot_disk(s, "vda");
    g_assert_true(sd->delete_in_progress);
    g_assert_false(chain_snapshot_disk(s, "vdb")->delete_in_progress);
    g_assert_cmpint(sd->kind, ==, CHAIN_SNAP_EXTERNAL);
    g_assert_cmpstr(sd->frozen->path, ==, "/f");
    g_assert_cmpstr(sd->frozen->format, ==, "raw");
    g_assert_cmpstr(sd->frozen_inactive->path, ==, "/g");
    g_assert_cmpstr(sd->overlay->path, ==, "/o");
    g_assert_cmpstr(sd->revert_overlay->path, ==, "/r");
    g_assert_cmpint(chain_snapshot_disk(s, "vdb")->kind, ==, CHAIN_SNAP_NO);
    g_assert_cmpint(chain_snapshot_disk(s, "vdc")->kind, ==, CHAIN_SNAP_INTERNAL);
    g_assert_cmpint(chain_snapshot_disk(s, "vdd")->kind, ==, CHAIN_SNAP_MANUAL);
    g_assert_false(chain_snapshot_is_external(s));
    g_assert_false(chain_snapshot_is_internal(s));

    g_assert_null(xml_read_snapshot(&reader, d, "<domainsnapshot/>", &error));
    g_assert_error(error, VEXT_XML_ERROR, VEXT_XML_ERROR_CONTENT);
}

static void test_volume(void)
{
    static const char xml[] =
        "<volume type='file'><name>v</name><capacity unit='bytes'>100</capacity>"
        "<allocation unit='bytes'>50</allocation><physical unit='bytes'>60</physical>"
        "<target><path>/p/v</path><format type='qcow2'/></target>"
        "<backingStore><path>/p/b</path><format type='raw'/></backingStore></volume>";
    g_autoptr(XmlVolume) volume = xml_read_volume(xml, NULL);
    g_autoptr(XmlVolume) empty = xml_read_volume("<volume/>", NULL);

    g_assert_cmpstr(volume->path, ==, "/p/v");
    g_assert_cmpstr(volume->format, ==, "qcow2");
    g_assert_cmpstr(volume->backing_path, ==, "/p/b");
    g_assert_cmpuint(volume->capacity, ==, 100);
    g_assert_cmpuint(volume->physical, ==, 60);
    g_assert_cmpuint(empty->capacity, ==, CHAIN_UNKNOWN);
    g_assert_null(empty->backing_path);
    g_assert_null(xml_read_volume("<pool/>", NULL));
}

/* --- image information ---------------------------------------------------------------------- */

static void test_image_info(void)
{
    static const char json[] =
        "[{\"filename\": \"/t\", \"format\": \"qcow2\", \"virtual-size\": 1048576,"
        "  \"actual-size\": 4096, \"backing-filename\": \"b\", \"full-backing-filename\": \"/b\","
        "  \"backing-filename-format\": \"raw\", \"encrypted\": true,"
        "  \"snapshots\": [{}, {}],"
        "  \"format-specific\": {\"type\": \"qcow2\", \"data\": {\"corrupt\": true,"
        "  \"data-file\": \"/d\", \"bitmaps\": [{}]}}},"
        " {\"filename\": \"/b\", \"format\": \"raw\"}]";
    g_autoptr(GPtrArray) infos = image_info_parse(json, strlen(json), NULL);
    const ImageInfo *info;

    g_assert_cmpuint(infos->len, ==, 2);
    info = g_ptr_array_index(infos, 0);
    g_assert_cmpstr(info->backing, ==, "b");
    g_assert_cmpstr(info->full_backing, ==, "/b");
    g_assert_cmpstr(info->backing_format, ==, "raw");
    g_assert_cmpstr(info->data_file, ==, "/d");
    g_assert_cmpuint(info->virtual_size, ==, 1048576);
    g_assert_cmpuint(info->allocation, ==, 4096);
    g_assert_true(info->encrypted && info->corrupt);
    g_assert_cmpuint(info->snapshots, ==, 2);
    g_assert_cmpuint(info->bitmaps, ==, 1);
    info = g_ptr_array_index(infos, 1);
    g_assert_null(info->backing);
    g_assert_cmpuint(info->virtual_size, ==, CHAIN_UNKNOWN);
}

static void test_hostile_json(void)
{
    static const char *const bad[] = { "", "{", "1", "\"x\"", "[1]", "[{}, 2]", "{\"a\": \xff}" };
    g_autoptr(GString) deep = g_string_new(NULL);
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_null(image_info_parse(bad[i], strlen(bad[i]), NULL));
    for (i = 0; i < 1000000; i++)
        g_string_append_c(deep, '[');
    g_assert_null(image_info_parse(deep->str, deep->len, NULL));
}

/* --- qcow2 ---------------------------------------------------------------------------------- */

static void put32(guint8 *p, guint32 value)
{
    value = GUINT32_TO_BE(value);
    memcpy(p, &value, sizeof(value));
}

static void put64(guint8 *p, guint64 value)
{
    value = GUINT64_TO_BE(value);
    memcpy(p, &value, sizeof(value));
}

#define HEADER 1024

static void make_header(guint8 *h)
{
    memset(h, 0, HEADER);
    memcpy(h, "QFI\xfb", 4);
    put32(h + 4, 3);
    put64(h + 8, 512);
    put32(h + 16, 7);
    put32(h + 20, 16);
    put64(h + 24, 1 << 20);
    put32(h + 36, 1);          /* L1 table: 512M */
    put64(h + 40, 3 << 16);
    put64(h + 48, 1 << 16);    /* refcount table */
    put32(h + 56, 1);
    put32(h + 96, 4);
    put32(h + 100, 104);
    put32(h + 104, 0xe2792aca);
    put32(h + 108, 3);
    memcpy(h + 112, "raw", 3);
    memcpy(h + 512, "/b\xff\nase", 7);
}

static void test_qcow2(void)
{
    guint8 h[HEADER];
    gsize need;
    ImageInfo *info;

    make_header(h);
    info = qcow2_read_header(h, sizeof(h), &need, NULL);
    g_assert_cmpstr(info->backing, ==, "/b\xff\nase");
    g_assert_cmpstr(info->backing_format, ==, "raw");
    g_assert_cmpuint(info->virtual_size, ==, 1 << 20);
    g_assert_false(info->corrupt || info->encrypted || info->snapshots || info->data_file);
    image_info_free(info);

    put64(h + 8, 0);
    put32(h + 32, 2);
    put32(h + 60, 4);
    put64(h + 72, 1 << 1 | 1 << 2);
    put32(h + 104, 0x44415441);
    info = qcow2_read_header(h, sizeof(h), &need, NULL);
    g_assert_null(info->backing);
    g_assert_cmpstr(info->data_file, ==, "raw");
    g_assert_true(info->corrupt && info->encrypted);
    g_assert_cmpuint(info->snapshots, ==, 4);
    image_info_free(info);
}

static void test_qcow2_without_format(void)
{
    guint8 h[HEADER];
    gsize need;
    ImageInfo *info;

    make_header(h);
    put32(h + 104, 0);
    info = qcow2_read_header(h, sizeof(h), &need, NULL);
    g_assert_nonnull(info->backing);
    g_assert_null(info->backing_format);
    image_info_free(info);
}

static void test_qcow2_needs_more(void)
{
    guint8 h[HEADER];
    gsize need;

    make_header(h);
    put64(h + 8, 4000);
    g_assert_null(qcow2_read_header(h, sizeof(h), &need, NULL));
    g_assert_cmpuint(need, ==, 65536);
}

static void test_qcow2_damaged(void)
{
    static const struct {
        int offset;
        guint32 value;
    } table[] = {
        { 0, 0 }, { 4, 1 }, { 4, 4 }, { 8, 0xffffffff }, { 12, 65535 }, { 16, 1024 },
        { 16, 0xffffffff }, { 20, 8 }, { 20, 22 }, { 20, 0xffffffff }, { 100, 103 },
        { 100, 0xffffffff },
        /* size beyond what the L1 table has entries for, as far as what overflows */
        { 24, 1 }, { 24, 0xffffffff }, { 36, 0 },
        /* tables that are too large, or nowhere */
        { 36, 0xffffffff }, { 36, 4 << 20 | 1 }, { 44, 1 }, { 52, 1 }, { 56, 0 }, { 60, 65537 },
        { 68, 1 },
        /* encryption, features and widths that nobody knows */
        { 32, 3 }, { 72, 1 }, { 76, 32 }, { 96, 7 },
        /* extensions: one without an end, a name of a format that is none */
        { 108, 0xffffffff }, { 108, 401 }, { 108, 16 },
    };
    gsize need, i;

    for (i = 0; i < G_N_ELEMENTS(table); i++) {
        guint8 h[HEADER];
        g_autoptr(GError) error = NULL;

        make_header(h);
        put32(h + table[i].offset, table[i].value);
        g_assert_null(qcow2_read_header(h, sizeof(h), &need, &error));
        g_assert_error(error, VEXT_XML_ERROR, VEXT_XML_ERROR_CONTENT);
        g_assert_cmpuint(need, ==, 0);
    }
}

/* --- backing names -------------------------------------------------------------------------- */

static void test_specs(void)
{
    static const struct {
        const char *spec, *key, *format;
        gboolean relative;
    } table[] = {
        { "/a/b", "file:/a/b", NULL, FALSE },
        { "b", "file:/dir/b", NULL, TRUE },
        { "../b", "file:/dir/../b", NULL, TRUE },
        { "-x y", "file:/dir/-x y", NULL, TRUE },
        { "./a:b", "file:/dir/a:b", NULL, TRUE },
        { "/a:b", "file:/a:b", NULL, FALSE },
        { "/\xff", "file:/\xff", NULL, FALSE },
        { "file:/a", "file:/a", NULL, FALSE },
        { "nbd://h/e", "nbd://h:10809/e", NULL, FALSE },
        { "nbd://h:1/e", "nbd://h:1/e", NULL, FALSE },
        { "nbd://[::1]:2/e", "nbd://[::1]:2/e", NULL, FALSE },
        { "nbd+unix:///e?socket=/s", "nbd+unix:///e?socket=/s", NULL, FALSE },
        { "nbd:h:1:exportname=e", "nbd://h:1/e", NULL, FALSE },
        { "nbd:unix:/s:exportname=e", "nbd+unix:///e?socket=/s", NULL, FALSE },
        { "rbd:p/i", "rbd:p/i", NULL, FALSE },
        { "rbd:p/i:id=a:mon_host=h\\:6789\\;g", "rbd://h:6789/p/i", NULL, FALSE },
        { "json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"file\",\"filename\":\"/a\"}}",
          "file:/a", "qcow2", FALSE },
        { "json:{\"driver\":\"qcow2\",\"file.driver\":\"file\",\"file.filename\":\"a\"}",
          "file:/dir/a", "qcow2", TRUE },
        { "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"host_device\",\"filename\":\"/dev/x\"}}",
          "file:/dev/x", "raw", FALSE },
        { "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"nbd\",\"export\":\"e\","
          "\"server\":{\"type\":\"inet\",\"host\":\"h\",\"port\":\"1\"}}}",
          "nbd://h:1/e", "raw", FALSE },
        { "json:{\"driver\":\"nbd\",\"server.type\":\"unix\",\"server.path\":\"/s\"}",
          "nbd+unix:///?socket=/s", NULL, FALSE },
        { "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"rbd\",\"pool\":\"p\",\"image\":\"i\"}}",
          "rbd:p/i", "raw", FALSE },
        { "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"rbd\",\"pool\":\"p\",\"image\":\"i\","
          "\"server\":[{\"host\":\"h\",\"port\":\"6789\"},{\"host\":\"g\",\"port\":\"1\"}]}}",
          "rbd://h:6789/p/i", "raw", FALSE },
        { "json:{\"driver\":\"raw\",\"file.driver\":\"rbd\","
          "\"file.pool\":\"p\",\"file.image\":\"i\","
          "\"file.server.0.host\":\"::1\",\"file.server.0.port\":\"6789\"}",
          "rbd://[::1]:6789/p/i", "raw", FALSE },
        { "json:{\"driver\":\"rbd\",\"pool\":\"p\",\"image\":\"i\",\"server\":[7]}",
          "rbd:p/i", NULL, FALSE },
        { "json:{\"driver\":\"rbd\",\"pool\":\"p\",\"image\":\"i\",\"server\":[]}",
          "rbd:p/i", NULL, FALSE },
        { "json:{\"driver\":\"qcow2\"}", "other:json:{\"driver\":\"qcow2\"}", NULL, FALSE },
        { "json:{", "other:json:***", NULL, FALSE },
        /* what QEMU stands on then is not what the header of the file says */
        { "json:{\"driver\":\"qcow2\",\"file\":{\"filename\":\"/a\"},"
          "\"backing\":{\"filename\":\"/b\"}}",
          "other:json:{\"driver\":\"qcow2\",\"file\":{\"filename\":\"/a\"},"
          "\"backing\":{\"filename\":\"/b\"}}", NULL, FALSE },
        { "json:{\"driver\":\"raw\",\"offset\":512,\"file\":{\"filename\":\"/a\"}}",
          "other:json:{\"driver\":\"raw\",\"offset\":512,\"file\":{\"filename\":\"/a\"}}", NULL,
          FALSE },
        { "json:{\"filename\":\"json:{}\"}", "other:json:{}", NULL, FALSE },
        { "fat:rw:/d", "other:fat:rw:/d", NULL, FALSE },
        { "", "other:", NULL, TRUE },
    };
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autofree char *format = NULL;
        gboolean relative = FALSE;
        g_autoptr(ChainSource) source = xml_source_from_spec(table[i].spec, "/dir", &format,
                                                             &relative);
        g_autofree char *key = chain_source_key(source);

        g_assert_cmpstr(key, ==, table[i].key);
        g_assert_cmpstr(format, ==, table[i].format);
        g_assert_cmpint(relative, ==, table[i].relative);
    }
}

static void test_specs_without_secrets(void)
{
    static const char *const specs[][2] = {
        { "https://u:secret@h/i", "https://u:***@h/i" },
        { "https://u:secret@h@h", "https://u:***@h" },
        { "iscsi://u%secret@h/i/0", "iscsi://u%***@h/i/0" },
        { "https://h:1/i", "https://h:1/i" },
        { "https://u:se/secret@h/x", "https://u:***@h/x" },
        { "https://h/i?id=secret&sig=secret&", "https://h/i?id=***&sig=***&" },
        { "https://h/i?secret", "https://h/i?***" },
        { "https://h/i?socket=/a;tok=secret&b=c=secret#secret",
          "https://h/i?socket=/a;tok=***&b=***" },
        { "https://h/i#secret", "https://h/i#***" },
        { "https://u:secret@secret@h/x", "https://u:***@h/x" },
        { "nbd+unix:///e?socket=/a", "nbd+unix:///e?socket=/a" },
        { "ssh://u@h/i?host_key_check=no", "ssh://u@h/i?host_key_check=no" },
        { "nfs://h/i?uid=1&readahead=4096", "nfs://h/i?uid=1&readahead=4096" },
        { "https://h/i?X-Amz-Credential=secret&X-Amz-Signature=secret",
          "https://h/i?X-Amz-Credential=***&X-Amz-Signature=***" },
        { "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"ftp\",\"url\":\"ftp://u:secret@h/i\"}}",
          "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"ftp\",\"url\":\"ftp://u:***@h/i\"}}" },
        { "json:{\"x\":[{\"url\":\"https://h/i?token=secret\"}]}",
          "json:{\"x\":[{\"url\":\"https://h/i?token=***\"}]}" },
        { "json:{\"x\":[\"https://h/i?key=secret\",[\"ftp://u:secret@h\"],\"y\",1]}",
          "json:{\"x\":[\"https://h/i?key=***\",[\"ftp://u:***@h\"],\"y\",1]}" },
        { "json:[\"rbd:p/i:key=secret\",{\"file.filename\":\"rbd:p/i:key=secret:key=secret\"}]",
          "json:[\"rbd:p/i:key=***\",{\"file.filename\":\"rbd:p/i:key=***:key=***\"}]" },
        { "json:{\"proxy-cookies\":[\"secret\",{\"x\":\"secret\"}],\"Access_Token\":\"secret\"}",
          "json:{\"proxy-cookies\":\"***\",\"Access_Token\":\"***\"}" },
        { "json:{\"a.password.0\":\"secret\",\"pass-discard-other\":true,\"key\":null}",
          "json:{\"a.password.0\":\"***\",\"pass-discard-other\":true,\"key\":null}" },
        { "json:{\"file\":\"json:{\\\"key\\\":\\\"secret\\\"}\"}",
          "json:{\"file\":\"json:{\\\"key\\\":\\\"***\\\"}\"}" },
        { "json:{\"x\":[\"a\" , 1]}", "json:{\"x\":[\"a\" , 1]}" },
        { "json:{bad \"password\":\"secret\"}", "json:***" },
        { "rbd:p/i:id=a:key=sec\\:ret:conf=c", "rbd:p/i:id=a:key=***:conf=c" },
        { "rbd:p/i:key=secret", "rbd:p/i:key=***" },
        { "rbd:p/i:key=secret\\", "rbd:p/i:key=***" },
        { "rbd:p/i:id=a\\:key=b:key=secret:key=secret", "rbd:p/i:id=a\\:key=b:key=***:key=***" },
        { "json:{\"driver\":\"ftp\",\"cookie\":\"secret\"}",
          "json:{\"driver\":\"ftp\",\"cookie\":\"***\"}" },
        { "json:{\"file\":{\"x\":{\"password\":{\"y\":\"secret\"}}}}",
          "json:{\"file\":{\"x\":{\"password\":\"***\"}}}" },
        { "json:{\"file.cookie\":\"secret\"}", "json:{\"file.cookie\":\"***\"}" },
        { "json:{\"file\" : \"/a\"}", "json:{\"file\" : \"/a\"}" },
        { "/a:b@c", "/a:b@c" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(specs); i++) {
        g_autofree char *shown = xml_spec_hide_secrets(specs[i][0]);
        g_autofree char *twice = xml_spec_hide_secrets(shown);
        g_autofree char *format = NULL;
        g_autoptr(ChainSource) source = xml_source_from_spec(specs[i][0], "/", &format, NULL);
        g_autofree char *described = chain_source_describe(source);

        g_assert_cmpstr(shown, ==, specs[i][1]);
        g_assert_cmpstr(twice, ==, shown);
        g_assert_null(strstr(described, "secret"));
    }
}

/* What libvirt and QEMU say when something fails names images as they do. */
static void test_texts_without_secrets(void)
{
    static const char *const texts[][2] = {
        { "Could not open '/a': No such file", "Could not open '/a': No such file" },
        { "-blockdev {\"driver\":\"https\",\"url\":\"https://h:9/i?sig=secret&tok=secret\","
          "\"node-name\":\"n\"}: CURL: Error opening file",
          "-blockdev {\"driver\":\"https\",\"url\":\"https://h:9/i?sig=***&tok=***\","
          "\"node-name\":\"n\"}: CURL: Error opening file" },
        { "Could not open 'https://u:sec'ret@h/i?a=secret': gone",
          "Could not open 'https://u:***@h/i?a=***': gone" },
        { "https://u:secret@h/i?a=secret: gone; ftp://h/i?secret, and",
          "https://u:***@h/i?a=***: gone; ftp://h/i?***, and" },
        { "'json:{\"driver\":\"https\", \"cookie\" : \"sec\\\"ret\", \"x\": \"y\"}'",
          "'json:{\"driver\":\"https\", \"cookie\" : \"***\", \"x\": \"y\"}'" },
        { "{\"filename\":\"json:{\\\"password\\\":\\\"secret\\\",\\\"a\\\":\\\"b\\\"}\"}",
          "{\"filename\":\"json:{\\\"password\\\":\\\"***\\\",\\\"a\\\":\\\"b\\\"}\"}" },
        { "cut \"key\":\"secret", "cut \"key\":\"***" },
        { "cut 'https://u:secret@h/i?b=secret", "cut 'https://u:***@h/i?b=***" },
        { "'rbd:p/i:key=secret:id=a': gone", "'rbd:p/i:key=***:id=a': gone" },
        { "rbd:p/i:key=secret", "rbd:p/i:key=***" },
        { "qemu:///system?socket=/a&authfile=/secret due to",
          "qemu:///system?socket=/a&authfile=*** due to" },
        { "\xff 'https://h/i?a=secret\xff'", "\xff 'https://h/i?a=***'" },
        { "", "" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *shown = xml_text_hide_secrets(texts[i][0]);
        g_autofree char *twice = xml_text_hide_secrets(shown);

        g_assert_cmpstr(shown, ==, texts[i][1]);
        g_assert_cmpstr(twice, ==, shown);
    }
}

/* Names that are not understood: what is on the network is at least no file of the host. */
static void test_specs_of_other_places(void)
{
    static const char *const specs[][2] = {
        { "json:{\"driver\":\"raw\",\"offset\":0,\"file\":{\"filename\":\"/a\"}}", NULL },
        { "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"iscsi\",\"portal\":\"h\"}}", "iscsi" },
        { "json:{\"file.driver\":\"ssh\",\"file.path\":\"/a\"}", "ssh" },
        { "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"blkdebug\",\"image\":\"/a\"}}", NULL },
        { "json:{", NULL },
        { "blkdebug::/a", NULL },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(specs); i++) {
        g_autofree char *format = NULL;
        g_autoptr(ChainSource) source = xml_source_from_spec(specs[i][0], "/", &format, NULL);

        g_assert_cmpint(source->type, ==, CHAIN_SOURCE_OTHER);
        g_assert_cmpstr(source->protocol, ==, specs[i][1]);
    }
}

/* A chain that libvirt names in XML and one that a header names are one. */
static void test_xml_and_header_agree(void)
{
    static const char *const xml[] = {
        "<disk type='network'><source protocol='nbd' name='e'><host name='h'/></source></disk>",
        "<disk type='network'><source protocol='nbd' name='e'>"
        "<host transport='unix' socket='/s'/></source></disk>",
        "<disk type='network'><source protocol='rbd' name='p/i'/></disk>",
        "<disk type='network'><source protocol='nbd' name='e'><host name='::1' port='2'/></source>"
        "</disk>",
        "<disk type='network'><source protocol='https' name='i.qcow2' query='a=1&amp;b=2'>"
        "<host name='h'/></source></disk>",
        "<disk type='network'><source protocol='http' name='i'><host name='h' port='81'/></source>"
        "</disk>",
        "<disk type='network'><source protocol='rbd' name='p/i'><snapshot name='s'/></source>"
        "</disk>",
        "<disk type='network'><source protocol='rbd' name='p/n/i'><host name='h' port='6789'/>"
        "<snapshot name='s'/></source></disk>",
    };
    static const char *const specs[] = {
        "nbd://h/e", "nbd+unix:///e?socket=/s", "rbd:p/i", "nbd://[::1]:2/e",
        "https://h/i.qcow2?a=1&b=2", "http://h:81/i", "rbd:p/i@s",
        "json:{\"driver\":\"rbd\",\"pool\":\"p\",\"namespace\":\"n\",\"image\":\"i\","
        "\"snapshot\":\"s\",\"server\":[{\"host\":\"h\",\"port\":\"6789\"}]}",
    };
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(xml); i++) {
        g_autoptr(xmlDoc) doc = xml_parse(xml[i], "disk", NULL);
        g_autoptr(ChainSource) one = xml_read_source(xmlDocGetRootElement(doc));
        g_autofree char *format = NULL;
        g_autoptr(ChainSource) two = xml_source_from_spec(specs[i], NULL, &format, NULL);
        g_autofree char *key_one = chain_source_key(one);
        g_autofree char *key_two = chain_source_key(two);
        g_autoptr(ChainSource) again = NULL;
        g_autofree char *key_again = NULL;

        g_assert_cmpstr(key_one, ==, key_two);
        /* and written for libvirt it is the same one */
        xmlFreeNode(xmlDocSetRootElement(doc, xmlNewDocNode(doc, NULL, BAD_CAST "disk", NULL)));
        xmlSetProp(xmlDocGetRootElement(doc), BAD_CAST "type", BAD_CAST "network");
        xmlAddChild(xmlDocGetRootElement(doc), xml_write_source(doc, two, NULL, NULL));
        again = xml_read_source(xmlDocGetRootElement(doc));
        key_again = chain_source_key(again);
        g_assert_cmpstr(key_again, ==, key_two);
    }
}

static void test_written_files(void)
{
    g_autoptr(GPtrArray) none = xml_read_written_files("<volume/>");
    g_autoptr(GPtrArray) paths = xml_read_written_files(
        "<domain><os><nvram template='/t'>/v/vm.fd</nvram></os><devices>"
        "<disk type='file'><source file='/d' path='/d'/></disk>"
        "<serial type='file'><source path='/v/out'/></serial>"
        "<console type='pty'><source path='/dev/pts/1'/><log file='/v/log'/></console>"
        "<parallel type='file'><source path='relative'/></parallel><channel type='file'/>"
        "</devices></domain>");
    const char *const expected[] = { "/v/vm.fd", "/v/out", "/v/log" };

    g_assert_cmpuint(none->len, ==, 0);
    g_assert_cmpuint(paths->len, ==, G_N_ELEMENTS(expected));
    for (guint i = 0; i < paths->len; i++)
        g_assert_cmpstr(g_ptr_array_index(paths, i), ==, expected[i]);
}

#define ADD(name) g_test_add_func("/xml-read/" #name, test_##name)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(domain_off);
    ADD(domain_live);
    ADD(domain_configured_chain);
    ADD(snapshot);
    ADD(volume);
    ADD(image_info);
    ADD(hostile_json);
    ADD(qcow2);
    ADD(qcow2_without_format);
    ADD(qcow2_needs_more);
    ADD(qcow2_damaged);
    ADD(specs);
    ADD(specs_without_secrets);
    ADD(texts_without_secrets);
    ADD(specs_of_other_places);
    ADD(xml_and_header_agree);
    ADD(written_files);
    return g_test_run();
}
