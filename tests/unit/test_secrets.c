/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_secrets.c: what a read-only client must not find in a journal is not in it
 */
#include "config.h"

#include <string.h>

#include "plugin/xml/secrets.h"
#include "tests/unit/payload.h"

#define VNC(password) "<graphics type='vnc' port='-1' passwd='" password "'/>"
#define COOKIE(host, value) \
    "<disk type='network' device='cdrom'><source protocol='https' name='iso'>" \
    "<host name='" host "' port='443'/><cookies><cookie name='session'>" value "</cookie>" \
    "</cookies></source><target dev='sda'/></disk>"
#define DOMAIN(devices) \
    "<domain type='qemu'><name>vm1</name><devices>" devices "</devices></domain>"

static const char domain[] =
    DOMAIN("<graphics type='spice' passwd='hush-spice'/><graphics type='vnc'/>"
           VNC("hush-vnc") COOKIE("h", "hush-cookie"));
static const char snapshot[] =
    "<domainsnapshot><name>s1</name><description>passwd</description>"
    DOMAIN(VNC("hush-live"))
    "<inactiveDomain type='qemu'><devices>" VNC("hush-config")
    "<disk type='network'><backingStore><source protocol='https'><cookies>"
    "<cookie name='a'>hush-backing</cookie></cookies></source></backingStore></disk>"
    "</devices></inactiveDomain></domainsnapshot>";

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

static void test_hidden(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *one = xml_hide_secrets(domain, &error);
    g_autofree char *other = xml_hide_secrets(snapshot, &error);

    g_assert_no_error(error);
    lacks(one, "hush");
    lacks(other, "hush");
    /* the empty password lets nobody in; none at all would let everybody in */
    has(one, "<graphics type=\"spice\" passwd=\"\"/><graphics type=\"vnc\"/>");
    has(other, "passwd=\"\"");
}

static void test_without_secrets_untouched(void)
{
    const char *text = "<domain><name>a</name><x y='1'  z=\"2\"/></domain>";
    g_autofree char *hidden = xml_hide_secrets(text, NULL);
    g_autofree char *restored = xml_restore_secrets(text, NULL, 0, NULL, NULL);

    g_assert_cmpstr(hidden, ==, text);
    g_assert_cmpstr(restored, ==, text);
}

static void test_restored(void)
{
    g_autoptr(GError) error = NULL;
    const char *froms[] = { NULL, "not XML", domain };
    const char *self = snapshot;
    gboolean missing = FALSE;
    g_autofree char *hidden = xml_hide_secrets(domain, &error);
    g_autofree char *back = xml_restore_secrets(hidden, froms, 3, &missing, &error);
    g_autofree char *hidden_snapshot = xml_hide_secrets(snapshot, &error);
    g_autofree char *back_snapshot = xml_restore_secrets(hidden_snapshot, &self, 1, &missing,
                                                         &error);

    g_assert_no_error(error);
    g_assert_false(missing);
    has(back, "passwd=\"hush-spice\"");
    has(back, "<graphics type=\"vnc\"/><graphics type=\"vnc\" port=\"-1\" passwd=\"hush-vnc\"/>");
    has(back, ">hush-cookie</cookie>");
    has(back_snapshot, "</name><devices><graphics type=\"vnc\" port=\"-1\" passwd=\"hush-live\"");
    has(strstr(back_snapshot, "<inactiveDomain"), "passwd=\"hush-config\"");
}

static void test_missing(void)
{
    g_autofree char *hidden = xml_hide_secrets(domain, NULL);
    const char *from = DOMAIN(VNC("a") COOKIE("other", "hush-cookie"));
    gboolean missing = FALSE;
    g_autofree char *back = xml_restore_secrets(hidden, &from, 1, &missing, NULL);

    g_assert_true(missing);
    has(back, "<graphics type=\"spice\" passwd=\"\"/>");
    /* not to another server */
    lacks(back, "hush-cookie");
}

/* An empty password of the user's own is no hidden one. */
static void test_empty_stays(void)
{
    const char *froms[] = { DOMAIN(VNC("")), DOMAIN(VNC("other")) };
    gboolean missing = FALSE;
    g_autofree char *back = xml_restore_secrets(froms[0], froms, 2, &missing, NULL);

    g_assert_false(missing);
    has(back, "passwd=\"\"");
}

static void add_to_range(PlanMerge *merge, const char *key, const char *source)
{
    PlanImage *image = g_new0(PlanImage, 1);

    image->key = g_strdup(key);
    image->path = g_strdup(key);
    image->source = chain_source_new(CHAIN_SOURCE_NETWORK);
    image->source->xml = g_strdup(source);
    g_ptr_array_add(merge->range, image);
}

static Journal *journal_with_secrets(void)
{
    Journal *journal = journal_new();
    PlanMerge *merge = plan_merge_new("sda", PLAN_PULL);

    journal->id = g_strdup("id");
    journal->domain = g_strdup("vm1");
    journal->uuid = g_strdup("uuid");
    journal->started = g_strdup("now");
    journal->owner = g_strdup("owner");
    journal->client = g_strdup("client");
    journal->domain_xml = g_strdup(domain);
    journal->live_xml = g_strdup(domain);
    g_ptr_array_add(journal->snapshot_names, g_strdup("s1"));
    g_ptr_array_add(journal->snapshot_xml, g_strdup(snapshot));
    journal->plan = plan_new(PLAN_DELETE);
    journal->plan->domain = g_strdup("vm1");
    journal->plan->uuid = g_strdup("uuid");
    plan_add_step(journal->plan, PLAN_STEP_LOCK);
    journal->plan->command = g_strdup("snapshot-delete");
    add_to_range(merge, "base", "<source/>");
    add_to_range(merge, "top", "<source protocol='https' name='iso'><cookies>"
                               "<cookie name='a'>hush-plan</cookie></cookies></source>");
    merge->base = plan_image_copy(g_ptr_array_index(merge->range, 0));
    merge->top = plan_image_copy(g_ptr_array_index(merge->range, 1));
    g_ptr_array_add(journal->plan->merges, merge);
    return journal;
}

static void test_journal(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Journal) journal = journal_with_secrets();
    g_autofree char *operation = journal_operation_element(journal, &error);
    g_autoptr(Journal) read = NULL;
    g_autofree char *plan = NULL;

    g_assert_no_error(error);
    read = journal_parse(operation, NULL, &error);
    g_assert_no_error(error);
    lacks(read->domain_xml, "hush");
    lacks(read->live_xml, "hush");
    lacks(g_ptr_array_index(read->snapshot_xml, 0), "hush");
    plan = plan_serialize(read->plan);
    lacks(plan, "hush");
    has(plan, "cookie name");
    /* the one who wrote it still has them */
    has(journal->domain_xml, "hush-vnc");
}

/* Brackets for ever would take the parser's stack. */
static void test_deep_journal(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *brackets = g_strnfill(1000000, '[');
    g_autofree char *deep = g_strconcat("/*\"*/", brackets, NULL);
    g_autofree char *operation = operation_of(deep, strlen(deep));
    g_autoptr(Journal) read = journal_parse(operation, NULL, &error);

    g_assert_null(read);
    g_assert_error(error, JOURNAL_ERROR, JOURNAL_ERROR_FORMAT);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/secrets/hidden", test_hidden);
    g_test_add_func("/secrets/without-secrets-untouched", test_without_secrets_untouched);
    g_test_add_func("/secrets/restored", test_restored);
    g_test_add_func("/secrets/missing", test_missing);
    g_test_add_func("/secrets/empty-stays", test_empty_stays);
    g_test_add_func("/secrets/journal", test_journal);
    g_test_add_func("/secrets/deep-journal", test_deep_journal);
    return g_test_run();
}
