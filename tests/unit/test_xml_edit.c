/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_xml_edit.c: edits of domain and snapshot XML change what they name and nothing else
 */
#include "config.h"

#include <string.h>

#include "plugin/xml/edit.h"
#include "plugin/xml/parse.h"

static const char domain[] =
    "<domain type='kvm' id='3' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n"
    "  <name>vm &amp; co</name>\n"
    "  <uuid>11111111-2222-3333-4444-555555555555</uuid>\n"
    "  <metadata>\n"
    "    <a:x xmlns:a='urn:a'>kept</a:x>\n"
    "  </metadata>\n"
    "  <memory unit='KiB'>1048576</memory>\n"
    "  <os>\n"
    "    <type arch='x86_64' machine='pc-q35-7.2'>hvm</type>\n"
    "    <loader readonly='yes' type='pflash'>/x</loader>\n"
    "    <boot dev='hd'/>\n"
    "  </os>\n"
    "  <!-- a comment -->\n"
    "  <future thing='1'/>\n"
    "  <devices>\n"
    "    <emulator>/usr/bin/qemu-system-x86_64</emulator>\n"
    "    <disk type='file' device='disk' snapshot='no'>\n"
    "      <driver name='qemu' type='qcow2' cache='none' iothread='1'/>\n"
    "      <source file='/img/vm.s2' index='2'>\n"
    "        <seclabel model='dac' relabel='no'/>\n"
    "        <encryption format='luks'/>\n"
    "      </source>\n"
    "      <backingStore type='file' index='1'>\n"
    "        <format type='qcow2'/>\n"
    "        <source file='/img/vm.s1'/>\n"
    "        <backingStore/>\n"
    "      </backingStore>\n"
    "      <target dev='vda' bus='virtio'/>\n"
    "      <serial>abc</serial>\n"
    "      <alias name='virtio-disk0'/>\n"
    "      <address type='pci' domain='0x0000'/>\n"
    "    </disk>\n"
    "    <disk type='volume' device='disk'>\n"
    "      <driver name='qemu' type='raw'/>\n"
    "      <source pool='p' volume='v'/>\n"
    "      <target dev='sdb' bus='scsi'/>\n"
    "      <shareable/>\n"
    "      <wwn>5000c50015ea71ac</wwn>\n"
    "    </disk>\n"
    "    <disk type='file' device='cdrom'>\n"
    "      <target dev='sda' bus='sata'/>\n"
    "      <readonly/>\n"
    "    </disk>\n"
    "    <controller type='usb' model='qemu-xhci'/>\n"
    "  </devices>\n"
    "  <seclabel type='none' model='selinux'/>\n"
    "  <seclabel type='dynamic' model='dac' relabel='yes'/>\n"
    "</domain>\n";

static const char snapshot[] =
    "<domainsnapshot>\n"
    "  <name>s1</name>\n"
    "  <state>running</state>\n"
    "  <parent>\n"
    "    <name>s0</name>\n"
    "  </parent>\n"
    "  <disks>\n"
    "    <disk name='vda' snapshot='external' type='file'>\n"
    "      <driver type='qcow2'/>\n"
    "      <source file='/img/vm.s1'/>\n"
    "      <snapshotDeleteInProgress/>\n"
    "    </disk>\n"
    "    <disk name='vdb' snapshot='no'/>\n"
    "  </disks>\n"
    "  <domain type='qemu'>\n"
    "    <name>vm</name>\n"
    "    <devices>\n"
    "      <disk type='file' device='disk'>\n"
    "        <driver name='qemu' type='qcow2'/>\n"
    "        <source file='/img/vm.base' index='1'/>\n"
    "        <backingStore/>\n"
    "        <target dev='vda' bus='virtio'/>\n"
    "      </disk>\n"
    "    </devices>\n"
    "  </domain>\n"
    "  <inactiveDomain type='qemu'>\n"
    "    <name>vm-off</name>\n"
    "    <devices>\n"
    "      <disk type='file' device='disk'>\n"
    "        <driver name='qemu' type='qcow2'/>\n"
    "        <source file='/img//vm.base'/>\n"
    "        <target dev='vda' bus='virtio'/>\n"
    "      </disk>\n"
    "    </devices>\n"
    "  </inactiveDomain>\n"
    "  <cookie>\n"
    "    <cpu mode='custom'/>\n"
    "  </cookie>\n"
    "</domainsnapshot>\n";

static void has(const char *text, const char *part)
{
    if (!strstr(text, part))
        g_error("'%s' is not in:\n%s", part, text);
}

static void lacks(const char *text, const char *part)
{
    if (strstr(text, part))
        g_error("'%s' is in:\n%s", part, text);
}

/* What is not touched is byte for byte the same, but for quotes and self-closing tags. */
static void test_untouched(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *once = xml_domain_set_name(domain, "other", &error);
    g_autofree char *twice = NULL;
    g_autofree char *back = NULL;

    g_assert_no_error(error);
    twice = xml_domain_set_name(once, "vm & co", &error);
    g_assert_no_error(error);
    back = xml_domain_set_name(domain, "vm & co", &error);
    g_assert_cmpstr(twice, ==, back);
    has(once, "<name>other</name>\n  <uuid>");
    has(once, "\n  <!-- a comment -->\n  <future thing=\"1\"/>\n  <devices>");
    has(back, "<name>vm &amp; co</name>");
}

static void test_strip(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = xml_strip_backing_store(domain, &error);
    g_autofree char *snap = xml_strip_backing_store(snapshot, &error);

    g_assert_no_error(error);
    lacks(text, "backingStore");
    lacks(text, "index=");
    has(text, "</source>\n      <target dev=\"vda\"");
    has(text, "<future thing=\"1\"/>");
    lacks(snap, "backingStore");
    has(snap, "<cookie>");
    g_assert_null(xml_strip_backing_store("<network/>", &error));
    g_assert_error(error, VEXT_XML_ERROR, VEXT_XML_ERROR_CONTENT);
}

static void test_map(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(XmlSourceMap) map = xml_source_map_new();
    g_autoptr(ChainSource) to = chain_source_new_file("/img/new & <one>");
    g_autofree char *text = NULL;
    guint changed = 0;

    xml_source_map_add(map, "file:/img/vm.s2", to, "raw");
    text = xml_map_sources(domain, map, &changed, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(changed, ==, 1);
    has(text, "<source file=\"/img/new &amp; &lt;one&gt;\"><seclabel model=\"dac\" relabel=\"no\"/>"
              "</source>");
    has(text, "<driver name=\"qemu\" type=\"raw\" cache=\"none\" iothread=\"1\"/>");
    has(text, "<serial>abc</serial>");
    has(text, "<source pool=\"p\" volume=\"v\"/>");
    lacks(text, "luks");
    lacks(text, "/img/vm.s1");
}

static void test_map_takes_xml_whole(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(XmlSourceMap) map = xml_source_map_new();
    g_autoptr(ChainSource) to = chain_source_new(CHAIN_SOURCE_NETWORK);
    g_autofree char *text = NULL;

    to->xml = g_strdup("<source protocol='nbd' name='e'><host name='h' port='1'/></source>");
    to->disk_type = g_strdup("network");
    xml_source_map_add(map, "volume:p/v", to, NULL);
    text = xml_map_sources(domain, map, NULL, &error);
    g_assert_no_error(error);
    has(text, "<disk type=\"network\" device=\"disk\">\n"
              "      <driver name=\"qemu\" type=\"raw\"/>\n"
              "      <source protocol=\"nbd\" name=\"e\"><host name=\"h\" port=\"1\"/></source>\n"
              "      <target dev=\"sdb\"");
}

static void test_map_of_aliases(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ChainGraph) graph = chain_graph_new();
    g_autoptr(XmlSourceMap) map = xml_source_map_new();
    g_autoptr(ChainSource) a = chain_source_new_file("/link/vm.s2");
    g_autoptr(ChainSource) b = chain_source_new_file("/img/vm.s2");
    g_autoptr(ChainSource) c = chain_source_new_file("/img/c");
    ChainImage *from = chain_graph_image(graph, a, "inode:1:2");
    ChainImage *to;
    g_autofree char *text = NULL;
    guint changed = 0;

    g_assert_true(chain_graph_image(graph, b, "inode:1:2") == from);
    to = chain_graph_image(graph, c, "inode:1:3");
    to->format = g_strdup("qcow2");
    xml_source_map_add_image(map, from, to);
    text = xml_map_sources(domain, map, &changed, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(changed, ==, 1);
    has(text, "<source file=\"/img/c\">");
}

static void test_map_snapshot(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(XmlSourceMap) domains = xml_source_map_new();
    g_autoptr(XmlSourceMap) disks = xml_source_map_new();
    g_autoptr(ChainSource) f = chain_source_new_file("/img/F");
    g_autoptr(ChainSource) o = chain_source_new_file("/img/O");
    g_autofree char *text = NULL;
    g_autofree char *only = NULL;
    guint changed = 0;

    xml_source_map_add(domains, "file:/img/vm.base", f, "qcow2");
    xml_source_map_add(disks, "file:/img/vm.s1", o, "qcow2");
    text = xml_map_snapshot_sources(snapshot, domains, disks, &changed, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(changed, ==, 3);
    lacks(text, "vm.base");
    lacks(text, "vm.s1");
    has(text, "<source file=\"/img/O\"/>");
    only = xml_map_snapshot_sources(snapshot, NULL, disks, &changed, &error);
    g_assert_cmpuint(changed, ==, 1);
    has(only, "/img//vm.base");
}

static void test_set_disk(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ChainSource) to = chain_source_new_file("/img/O");
    g_autoptr(ChainSource) bad = chain_source_new_file("/img/\x01");
    g_autofree char *text = xml_domain_set_disk_source(domain, "sda", to, "qcow2", &error);

    g_assert_no_error(error);
    has(text, "<source file=\"/img/O\"/>");
    g_assert_null(xml_domain_set_disk_source(domain, "vdz", to, NULL, &error));
    g_assert_error(error, VEXT_XML_ERROR, VEXT_XML_ERROR_CONTENT);
    g_clear_error(&error);
    g_assert_null(xml_domain_set_disk_source(domain, "vda", bad, NULL, &error));
    g_assert_error(error, VEXT_XML_ERROR, VEXT_XML_ERROR_CONTENT);
    g_clear_error(&error);
    g_free(bad->path);
    bad->path = g_strdup("/img/\xff");
    g_assert_null(xml_domain_set_disk_source(domain, "vda", bad, NULL, &error));
    g_assert_error(error, VEXT_XML_ERROR, VEXT_XML_ERROR_CONTENT);
}

static void test_newline_in_path(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ChainSource) to = chain_source_new_file("/img/a\nb\"'é");
    g_autofree char *text = xml_domain_set_disk_source(domain, "vda", to, NULL, &error);
    g_autoptr(XmlSourceMap) map = xml_source_map_new();
    g_autofree char *again = NULL;
    guint changed = 0;

    g_assert_no_error(error);
    xml_source_map_add(map, "file:/img/a\nb\"'é", to, NULL);
    again = xml_map_sources(text, map, &changed, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(changed, ==, 1);
    g_assert_cmpstr(again, ==, text);
}

/* As libvirt writes it: a newline that is no reference. */
static void test_bare_newline_in_path(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = xml_strip_backing_store(
        "<domain a='x'>\n<!-- ' \n -->\n<name>it's</name><![CDATA[<a b='\n'>]]>"
        "<devices\n><disk><source\tfile='/a\nb\"\t'/></disk></devices></domain>", &error);

    g_assert_no_error(error);
    has(text, "<source file=\"/a&#10;b&quot;&#9;\"/>");
    has(text, "<!-- ' \n -->\n<name>it's</name>");
    has(text, "<![CDATA[<a b='\n'>]]>");
}

static void test_parent(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *other = xml_snapshot_set_parent(snapshot, "p & q", &error);
    g_autofree char *none = xml_snapshot_set_parent(snapshot, NULL, &error);
    g_autofree char *again = xml_snapshot_set_parent(none, "new", &error);

    g_assert_no_error(error);
    has(other, "<parent>\n    <name>p &amp; q</name>\n  </parent>");
    lacks(none, "<parent>");
    has(none, "<state>running</state>\n  <disks>");
    has(again, "<state>running</state>\n  <parent><name>new</name></parent>\n  <disks>");
}

static void test_snapshot_disk(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ChainSource) to = chain_source_new_file("/img/N");
    g_autofree char *text = xml_snapshot_set_disk_source(snapshot, "vda", to, "qcow2", &error);
    g_autofree char *second = xml_snapshot_set_disk_source(text, "vdb", to, "qcow2", &error);

    g_assert_no_error(error);
    has(text, "<source file=\"/img/N\"/>");
    has(second, "<disk name=\"vdb\" snapshot=\"external\" type=\"file\"><driver type=\"qcow2\"/>"
                "<source file=\"/img/N\"/></disk>");
    has(text, "/img/vm.base");
}

static void test_revert_disks(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ChainSource) to = chain_source_new_file("/img/R");
    XmlDisk disks[] = { { "vda", to, "qcow2" }, { "vdb", NULL, NULL } };
    g_autofree char *text = xml_snapshot_set_revert_disks(snapshot, disks, 2, &error);
    g_autofree char *again = xml_snapshot_set_revert_disks(text, disks, 1, &error);
    g_autofree char *none = xml_snapshot_set_revert_disks(text, NULL, 0, &error);

    g_assert_no_error(error);
    has(text, "</disks>\n  <revertDisks>\n"
              "    <disk name=\"vda\" snapshot=\"external\" type=\"file\">"
              "<driver type=\"qcow2\"/><source file=\"/img/R\"/></disk>\n"
              "    <disk name=\"vdb\" snapshot=\"no\"/>\n  </revertDisks>");
    lacks(again, "<disk name=\"vdb\" snapshot=\"no\"/>\n  </revertDisks>");
    lacks(none, "revertDisks");
}

static void test_extract(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *live = xml_snapshot_extract_domain(snapshot, FALSE, &error);
    g_autofree char *off = xml_snapshot_extract_domain(snapshot, TRUE, &error);
    g_autoptr(GHashTable) targets = g_hash_table_new(g_str_hash, g_str_equal);
    g_autofree char *others = xml_snapshot_clear_delete_in_progress(snapshot, targets, &error);
    g_autofree char *progress = NULL;

    g_assert_no_error(error);
    has(live, "<name>vm</name>");
    g_assert_true(g_str_has_prefix(live, "<domain type=\"qemu\">"));
    has(off, "<name>vm-off</name>");
    g_assert_true(g_str_has_prefix(off, "<domain type=\"qemu\">"));
    has(others, "snapshotDeleteInProgress");
    g_hash_table_add(targets, "vda");
    progress = xml_snapshot_clear_delete_in_progress(snapshot, targets, &error);
    g_assert_no_error(error);
    lacks(progress, "snapshotDeleteInProgress");
}

static void test_metadata(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = xml_domain_set_metadata(domain, "urn:j",
                                                    "<j:o xmlns:j='urn:j'>1 &lt; 2</j:o>", &error);
    g_autofree char *got = NULL;
    g_autofree char *gone = NULL;
    g_autofree char *fresh = NULL;

    g_assert_no_error(error);
    has(text, "<a:x xmlns:a=\"urn:a\">kept</a:x>");
    got = xml_domain_get_metadata(text, "urn:j", &error);
    g_assert_cmpstr(got, ==, "<j:o xmlns:j=\"urn:j\">1 &lt; 2</j:o>");
    gone = xml_domain_set_metadata(text, "urn:j", NULL, &error);
    g_assert_null(xml_domain_get_metadata(gone, "urn:j", &error));
    g_assert_no_error(error);
    fresh = xml_domain_set_metadata("<domain><name>x</name></domain>", "urn:j",
                                    "<o xmlns='urn:j'/>", &error);
    has(fresh, "<name>x</name><metadata><o xmlns=\"urn:j\"/></metadata>");
    g_assert_null(xml_domain_set_metadata(domain, "urn:j", "<o xmlns='urn:k'/>", &error));
    g_assert_error(error, VEXT_XML_ERROR, VEXT_XML_ERROR_CONTENT);
}

static void test_helper(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ChainSource) to = chain_source_new_file("/img/F");
    XmlDisk disks[] = { { "vda", to, "qcow2" }, { "sdb", NULL, NULL } };
    XmlDisk absent[] = { { "vdq", NULL, NULL } };
    static const char *const gone[] = {
        "address", "alias", "backingStore", "index", "loader", "boot", "uuid", "shareable", "wwn",
        "scsi", "iothread", "snapshot", "cdrom", "dynamic", "serial",
    };
    g_autofree char *text = xml_helper_domain(domain, "vm.virsh-ext", disks, 2,
                                              "<j xmlns='urn:j'/>", &error);
    gsize i;

    g_assert_no_error(error);
    for (i = 0; i < G_N_ELEMENTS(gone); i++)
        lacks(text, gone[i]);
    has(text, "<domain type=\"kvm\">");
    has(text, "<name>vm.virsh-ext</name>");
    has(text, "<memory unit=\"MiB\">16</memory>");
    has(text, "<type arch=\"x86_64\" machine=\"pc-q35-7.2\">hvm</type>");
    has(text, "<source file=\"/img/F\">");
    has(text, "<source pool=\"p\" volume=\"v\"/>");
    has(text, "<controller type=\"usb\" model=\"none\"/><memballoon model=\"none\"/>");
    has(text, "<metadata><j xmlns=\"urn:j\"/></metadata>");
    has(text, "<seclabel type=\"none\" model=\"selinux\"/>");
    g_assert_null(xml_helper_domain(domain, "x", absent, 1, NULL, &error));
    g_assert_error(error, VEXT_XML_ERROR, VEXT_XML_ERROR_CONTENT);
}

static void test_hostile(void)
{
    static const char *const bad[] = {
        "", "<", "<domain>", "not xml", "<domain></domain><domain/>",
        "<!DOCTYPE d [<!ENTITY a 'x'>]><domain><name>&a;</name></domain>",
        "<!DOCTYPE d SYSTEM 'file:///etc/passwd'><domain/>",
        "<domain><name>&undeclared;</name></domain>",
        "<domain><name>\xff\xfe</name></domain>",
        "<domain><name>\x01</name></domain>",
    };
    g_autoptr(GString) deep = g_string_new(NULL);
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(xml_strip_backing_store(bad[i], &error));
        g_assert_error(error, VEXT_XML_ERROR, VEXT_XML_ERROR_PARSE);
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
    }
    for (i = 0; i < 100000; i++)
        g_string_append(deep, "<domain>");
    for (i = 0; i < 100000; i++)
        g_string_append(deep, "</domain>");
    g_assert_null(xml_strip_backing_store(deep->str, NULL));
}

/* libvirt allows 200 layers, and its live XML nests them. */
static void test_deep_chain(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) text = g_string_new("<domainsnapshot><domain><devices><disk>");
    g_autofree char *out = NULL;
    int i;

    for (i = 0; i < 220; i++)
        g_string_append_printf(text, "<backingStore type='file'><format type='qcow2'/>"
                               "<source file='/%d'><x/></source>", i);
    for (i = 0; i < 220; i++)
        g_string_append(text, "</backingStore>");
    g_string_append(text, "</disk></devices></domain></domainsnapshot>");
    out = xml_strip_backing_store(text->str, &error);
    g_assert_no_error(error);
    lacks(out, "source");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml-edit/untouched", test_untouched);
    g_test_add_func("/xml-edit/strip", test_strip);
    g_test_add_func("/xml-edit/map", test_map);
    g_test_add_func("/xml-edit/map-takes-xml-whole", test_map_takes_xml_whole);
    g_test_add_func("/xml-edit/map-of-aliases", test_map_of_aliases);
    g_test_add_func("/xml-edit/map-snapshot", test_map_snapshot);
    g_test_add_func("/xml-edit/set-disk", test_set_disk);
    g_test_add_func("/xml-edit/newline-in-path", test_newline_in_path);
    g_test_add_func("/xml-edit/bare-newline-in-path", test_bare_newline_in_path);
    g_test_add_func("/xml-edit/parent", test_parent);
    g_test_add_func("/xml-edit/snapshot-disk", test_snapshot_disk);
    g_test_add_func("/xml-edit/revert-disks", test_revert_disks);
    g_test_add_func("/xml-edit/extract", test_extract);
    g_test_add_func("/xml-edit/metadata", test_metadata);
    g_test_add_func("/xml-edit/helper", test_helper);
    g_test_add_func("/xml-edit/hostile", test_hostile);
    g_test_add_func("/xml-edit/deep-chain", test_deep_chain);
    return g_test_run();
}
