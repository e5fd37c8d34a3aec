/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_plan_delete_refused.c: which deletes are refused, and plans as text
 */
#include "config.h"

#include <string.h>

#include "tests/unit/plan-delete.h"

/* --- refusals ----------------------------------------------------------------------------- */

static void assert_remedy(Fixture *f, const char *remedy)
{
    g_assert_cmpstr(((PlanRefusal *) f->plan->refusals->pdata[0])->remedy, ==, remedy);
}

static void test_bad_requests(Fixture *f, const void *data)
{
    assert_refused(f, "no-snapshot");
    name(f, "nobody");
    assert_refused(f, "unknown-snapshot");
    f->request.current = TRUE;
    assert_refused(f, "conflicting-options");
    g_ptr_array_set_size(f->request.names, 0);
    graph(f)->current = NULL;
    assert_refused(f, "no-current-snapshot");
    f->request.all = TRUE;
    assert_refused(f, "conflicting-options");
    f->request.current = FALSE;
    f->request.children = TRUE;
    assert_refused(f, "conflicting-options");
    f->request.children = FALSE;
    assert_possible(f);
}

static void test_bad_snapshots(Fixture *f, const void *data)
{
    ChainSnapshot *s;

    name(f, "s1");
    s = chain_domain_snapshot(graph(f), "s1");
    s->has_domain = FALSE;
    assert_refused(f, "no-domain");
    s->has_domain = TRUE;
    chain_snapshot_disk(s, "vda")->delete_in_progress = TRUE;
    assert_refused(f, "delete-in-progress");
    assert_remedy(f, "virsh-ext snapshot-delete-external d0 s2");
    name(f, "s2");
    assert_possible(f);
    g_ptr_array_set_size(f->request.names, 1);
    chain_snapshot_disk(s, "vda")->delete_in_progress = FALSE;
    s->memory = CHAIN_MEMORY_INTERNAL;
    assert_refused(f, "internal-snapshot");
}

static void test_what_a_domain_may_not_have(Fixture *f, const void *data)
{
    ChainDisk *disk;

    name(f, "s1");
    graph(f)->managed_save = TRUE;
    assert_refused(f, "managed-save");
    f->d->managed_save = FALSE;
    f->d->checkpoints = 1;
    assert_refused(f, "checkpoints");
    f->d->checkpoints = 0;
    f->d->backup_job = TRUE;
    assert_refused(f, "backup-job");
    f->d->backup_job = FALSE;
    disk = chain_domain_disk(f->d, "vda");
    disk->job = g_new0(ChainJob, 1);
    assert_refused(f, "active-job");
    g_clear_pointer(&disk->job, g_free);
    f->facts.readonly = TRUE;
    assert_refused(f, "read-only");
    f->facts.readonly = FALSE;
    f->facts.name_too_long = TRUE;
    assert_refused(f, "name-too-long");
    f->facts.name_too_long = FALSE;
    f->graph->complete = FALSE;
    assert_refused(f, "incomplete-view");
    f->graph->complete = TRUE;
    assert_possible(f);
}

static void test_an_unfinished_operation(Fixture *f, const void *data)
{
    ChainOperation operation = { .command = (char *) "snapshot-revert-external" };

    name(f, "s1");
    graph(f)->operation = &operation;
    assert_refused(f, "interrupted-operation");
    operation.alive = TRUE;
    assert_refused(f, "operation-running");
    f->facts.ignore_operation = TRUE;
    assert_possible(f);
    f->d->operation = NULL;
}

static void test_bad_images(Fixture *f, const void *data)
{
    static const struct {
        guint flag;
        const char *code;
    } bad[] = {
        { CHAIN_IMAGE_MISSING, "missing-image" },
        { CHAIN_IMAGE_UNREADABLE, "unreadable-image" },
        { CHAIN_IMAGE_CORRUPT, "unreadable-image" },
        { CHAIN_IMAGE_LOOP, "backing-loop" },
        { CHAIN_IMAGE_FORMAT_GUESSED, "format-not-recorded" },
        { CHAIN_IMAGE_BITMAPS, "bitmaps" },
    };
    guint i;

    name(f, "s1");
    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        image(f, 2)->flags |= bad[i].flag;
        assert_refused(f, bad[i].code);
        image(f, 2)->flags &= ~bad[i].flag;
    }
    assert_possible(f);
    /* below the range they only matter to a helper */
    image(f, 0)->flags |= CHAIN_IMAGE_UNREADABLE;
    assert_refused(f, "missing-image");
    f->d->active = TRUE;
    assert_possible(f);
}

/* On the network nobody looks, and it may stand on something. */
static void test_an_image_of_which_nothing_is_known(Fixture *f, const void *data)
{
    name(f, "s0");
    image(f, 0)->source->type = CHAIN_SOURCE_NETWORK;
    assert_possible(f);
    image(f, 0)->backing_known = FALSE;
    assert_refused(f, "unreadable-image");
}

static void test_images_that_one_direction_cannot_take(Fixture *f, const void *data)
{
    name(f, "s1");
    image(f, 2)->flags |= CHAIN_IMAGE_INTERNAL;
    assert_possible(f);
    g_assert_cmpuint(f->plan->merges->len, ==, 0);
    g_assert_cmpuint(f->plan->notes->len, ==, 1);
    image(f, 2)->flags &= ~CHAIN_IMAGE_INTERNAL;
    image(f, 1)->flags |= CHAIN_IMAGE_INTERNAL;
    assert_possible(f);
    assert_merge(f, 0, "commit 1..2 gone 2 below 0 above 3");
    image(f, 1)->flags &= ~CHAIN_IMAGE_INTERNAL;
    image(f, 1)->flags |= CHAIN_IMAGE_NOT_WRITABLE;
    assert_possible(f);
    assert_merge(f, 0, "pull 1..2 gone 1 below 0");
    g_assert_false(removes(f, 1));
    f->request.direction = PLAN_COMMIT;
    assert_refused(f, "read-only-image");
}

static void test_images_that_no_direction_can_take(Fixture *f, const void *data)
{
    ChainDisk *disk = g_ptr_array_index(graph(f)->disks, 0);

    name(f, "s1");
    image(f, 1)->flags |= CHAIN_IMAGE_DATA_FILE;
    assert_possible(f);
    g_assert_cmpuint(f->plan->merges->len, ==, 0);
    g_assert_cmpuint(f->plan->notes->len, ==, 1);
    image(f, 1)->flags &= ~CHAIN_IMAGE_DATA_FILE;
    disk->readonly = TRUE;
    assert_possible(f);
    g_assert_cmpuint(f->plan->merges->len, ==, 0);
    g_assert_cmpuint(f->plan->notes->len, ==, 1);
    disk->readonly = FALSE;
    assert_possible(f);
    g_assert_cmpuint(f->plan->merges->len, ==, 1);
}

static void test_encrypted_images(Fixture *f, const void *data)
{
    int i;

    name(f, "s1");
    for (i = 0; i < 4; i++)
        image(f, i)->flags |= CHAIN_IMAGE_ENCRYPTED;
    assert_refused(f, "encrypted");
    f->d->active = TRUE;
    assert_possible(f);
    g_assert_cmpuint(f->plan->merges->len, ==, 1);
    f->d->active = FALSE;
    for (i = 0; i < 4; i++)
        image(f, i)->source->xml =
            g_strdup("<source><encryption format='luks'><secret/></encryption></source>");
    assert_possible(f);
    assert_merge(f, 0, "pull 1..2 gone 1 below 0");
    /* nothing goes into an image in the clear, but the other way round it may */
    image(f, 2)->flags &= ~CHAIN_IMAGE_ENCRYPTED;
    assert_possible(f);
    assert_merge(f, 0, "commit 1..2 gone 2 below 0 above 3");
    f->request.direction = PLAN_PULL;
    assert_refused(f, "encryption-differs");
    image(f, 1)->flags &= ~CHAIN_IMAGE_ENCRYPTED;
    image(f, 2)->flags |= CHAIN_IMAGE_ENCRYPTED;
    assert_possible(f);
    f->request.direction = PLAN_COMMIT;
    assert_refused(f, "encryption-differs");
}

static void test_descriptions_that_disagree(Fixture *f, const void *data)
{
    ChainDisk *disk;

    name(f, "s1");
    disk = chain_domain_disk(graph(f), "vda");
    disk->config_chain = g_ptr_array_new();
    g_ptr_array_add(disk->config_chain, image(f, 3));
    g_ptr_array_add(disk->config_chain, image(f, 1));
    assert_refused(f, "chain-mismatch");
    f->d->active = TRUE;
    assert_possible(f);
    disk->live_chain = g_ptr_array_new();
    g_ptr_array_add(disk->live_chain, image(f, 3));
    assert_refused(f, "chain-mismatch");
    g_clear_pointer(&disk->live_chain, g_ptr_array_unref);
    g_clear_pointer(&disk->config_chain, g_ptr_array_unref);
    disk->configured = image(f, 2);
    assert_refused(f, "config-mismatch");
}

static void test_space(Fixture *f, const void *data)
{
    GHashTableIter iter;
    gpointer value;
    int i;

    name(f, "s1");
    for (i = 0; i < 4; i++) {
        image(f, i)->fs_id = i == 2 ? 2 : 1;
        image(f, i)->fs_free = i == 2 ? 100 : 100 * SIM_CLUSTER_SIZE;
    }
    /* no room for the pull into 2, but for the commit into 1 */
    assert_possible(f);
    assert_merge(f, 0, "commit 1..2 gone 2 below 0 above 3");
    f->request.direction = PLAN_PULL;
    assert_refused(f, "no-space");
    g_assert_nonnull(strstr(((PlanRefusal *) f->plan->refusals->pdata[0])->message, "65536"));
    /* no character that a terminal may not have */
    g_assert_true(g_str_is_ascii(((PlanRefusal *) f->plan->refusals->pdata[0])->message));
    assert_remedy(f, "Make room, or try --direction auto");
    f->request.direction = PLAN_AUTO;
    image(f, 1)->fs_free = 100;
    assert_refused(f, "no-space");
    assert_remedy(f, "Make room");

    /* what is written over takes no room; what is refused is measured too */
    g_assert_cmpuint(f->plan->wanted->len, ==, 1);
    f->facts.measures = sim_measure(&f->w, f->plan);
    assert_possible(f);
    assert_merge(f, 0, "pull 1..2 gone 1 below 0");
    f->request.direction = PLAN_COMMIT;
    assert_refused(f, "no-space");
    g_hash_table_iter_init(&iter, f->facts.measures);
    g_assert_true(g_hash_table_iter_next(&iter, NULL, &value));
    ((PlanMeasure *) value)->commit_growth = 50;
    assert_possible(f);
    assert_merge(f, 0, "commit 1..2 gone 2 below 0 above 3");

    /* the root is pulled only when that is asked for */
    f->request.direction = PLAN_AUTO;
    g_ptr_array_set_size(f->request.names, 0);
    name(f, "s0");
    image(f, 0)->fs_free = 10;
    assert_refused(f, "no-space");
    assert_remedy(f, "Make room, or try --direction pull");
}

/* What libvirt does not start: a helper on a header that lacks a format, but for the lowest. */
static void test_a_format_that_no_header_has(Fixture *f, const void *data)
{
    name(f, "s2");
    g_clear_pointer(&image(f, 2)->backing_format, g_free);
    assert_refused(f, "format-not-recorded");
    assert_remedy(f, "virsh-ext chain-show d0 --check");
    graph(f)->active = TRUE;
    assert_possible(f);
    graph(f)->active = FALSE;
    image(f, 2)->backing_format = g_strdup("qcow2");
    g_clear_pointer(&image(f, 1)->backing_format, g_free);
    assert_possible(f);
}

static void test_long_chains(Fixture *f, const void *data)
{
    int i;

    for (i = 0; i < 5; i++)
        sim_snapshot(&f->w, 0, 1);
    f->w.layer_limit = 4;
    name(f, "s7");
    assert_refused(f, "deep-chain");
    /* a run is shortened from its lower end, with helpers that can be started */
    g_ptr_array_set_size(f->request.names, 0);
    f->request.all = TRUE;
    f->request.direction = PLAN_COMMIT;
    assert_possible(f);
    assert_merge(f, 0, "commit 0..2 gone 1 2 above 3");
    g_assert_cmpuint(f->plan->merges->len, >, 1);
    g_assert_null(merge(f, f->plan->merges->len - 1)->above);
}

/* --- the journal's text ------------------------------------------------------------------- */

static void test_text_that_is_not_utf8(Fixture *f, const void *data)
{
    g_autofree char *text = NULL;
    g_autoptr(Plan) again = NULL;
    GError *error = NULL;

    name(f, "s1");
    assert_possible(f);
    g_free(merge(f, 0)->base->path);
    merge(f, 0)->base->path = g_strdup("/img/\xff\x01\"");
    text = plan_serialize(f->plan);
    again = plan_deserialize(text, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(((PlanMerge *) again->merges->pdata[0])->base->path, ==, "/img/\xff\x01\"");
    g_assert_cmpuint(((PlanMerge *) again->merges->pdata[0])->other_bytes, ==,
                     3 * SIM_CLUSTER_SIZE);
}

/* Of a virsh-ext that did not note when files were made. */
static void test_older_text(Fixture *f, const void *data)
{
    g_autofree char *text = NULL;
    g_autoptr(GString) older = NULL;
    g_autoptr(Plan) again = NULL;
    GError *error = NULL;

    name(f, "s1");
    assert_possible(f);
    text = plan_serialize(f->plan);
    older = g_string_new(text);
    g_assert_cmpuint(g_string_replace(older, ",\"born\":0", "", 0), >, 0);
    again = plan_deserialize(older->str, &error);
    g_assert_no_error(error);
    g_assert_cmpint(((PlanMerge *) again->merges->pdata[0])->base->born, ==, 0);
}

static void test_bad_text(Fixture *f, const void *data)
{
    static const struct {
        const char *from, *to;
    } changes[] = {
        { "\"format\":1", "\"format\":2" },
        { "\"operation\":0", "\"operation\":17" },
        { "\"operation\":0", "\"operation\":-1" },
        { "\"merge\":0", "\"merge\":9" },
        { "\"merges\":[0]", "\"merges\":[9]" },
        { "\"merges\":[0]", "\"merges\":[-1]" },
        { "\"merges\":[0]", "\"merges\":[[]]" },
        { "\"snapshots\":[\"s1\"]", "\"snapshots\":[null]" },
        { "\"snapshots\":[\"s1\"]", "\"snapshots\":{}" },
        { "\"bytes_exact\":true", "\"bytes_exact\":1" },
        { "\"domain\":\"d0\"", "\"domain\":null" },
        { "\"domain\":\"d0\"", "\"domain\":{\"base64\":\"AAA=\"}" },
        { "\"direction\":2", "\"direction\":0" },
        { "\"top\":", "\"pot\":" },
        { "}", "" },
    };
    g_autofree char *text = NULL;
    g_autofree char *deep = g_strnfill(1000000, '[');
    guint i;

    name(f, "s1");
    assert_possible(f);
    text = plan_serialize(f->plan);
    for (i = 0; i < G_N_ELEMENTS(changes); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GString) changed = g_string_new(NULL);
        const char *at = strstr(text, changes[i].from);
        g_autoptr(Plan) plan = NULL;

        g_assert_nonnull(at);
        g_string_append_len(changed, text, at - text);
        g_string_append(changed, changes[i].to);
        g_string_append(changed, at + strlen(changes[i].from));
        plan = plan_deserialize(changed->str, &error);
        if (plan)
            g_error("'%s' was taken", changes[i].to);
        g_assert_nonnull(error);
    }
    g_assert_null(plan_deserialize(deep, NULL));
    g_assert_null(plan_deserialize("", NULL));
    g_assert_null(plan_deserialize("[]", NULL));
}

static void test_every_step_has_words(Fixture *f, const void *data)
{
    guint i;

    name(f, "s1");
    name(f, "s2");
    f->w.snapshots[1].memory = TRUE;
    f->request.direction = PLAN_COMMIT;
    assert_possible(f);
    for (i = 0; i < f->plan->steps->len; i++) {
        g_autofree char *words = plan_step_describe(f->plan, f->plan->steps->pdata[i]);

        g_assert_true(g_ascii_isupper(words[0]));
        g_assert_false(g_str_has_suffix(words, "."));
    }
}

static void test_commands_can_be_copied(Fixture *f, const void *data)
{
    g_autofree char *plain = chain_command("virsh", "edit", "vm-1.a", NULL);
    static const char *const hostile[] = { "a; rm -rf /", "", "$(reboot) `reboot` $HOME", "it's",
                                           "a \\ \"b\"", "wow!x 'y' $z", "two\nlines",
                                           "\033[31mred%s\\n\xff '\"$x", "h\u00e9llo" };

    g_assert_cmpstr(plain, ==, "virsh edit vm-1.a");
    for (gsize i = 0; i < G_N_ELEMENTS(hostile); i++) {
        g_autofree char *command = chain_command("virsh", "edit", hostile[i], NULL);
        g_autofree char *script = g_strdup_printf("set -- %s; printf %%s%%s $# \"$3\"", command);
        const char *argv[] = { "sh", "-c", script, NULL };
        g_autofree char *out = NULL;
        g_autofree char *expected = g_strconcat("3", hostile[i], NULL);

        g_assert_true(g_spawn_sync(NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL,
                                   &out, NULL, NULL, NULL));
        g_assert_cmpstr(out, ==, expected);
    }
}

/* A name is no option, whatever it looks like. */
static void test_names_are_no_options(Fixture *f, const void *data)
{
    g_autofree char *plain = chain_command("undefine", "vm1", "--", "--nvram", NULL);
    g_autofree char *odd = chain_command("undefine", "--all", "--", "--nvram", NULL);
    g_autofree char *alone = chain_command("virsh", "edit", "--help", NULL);
    g_autofree char *other = chain_command("qemu-img", "rebase", "-u", "-b", "--", "/x", NULL);

    g_assert_cmpstr(plain, ==, "undefine vm1 --nvram");
    g_assert_cmpstr(odd, ==, "undefine --nvram -- --all");
    g_assert_cmpstr(alone, ==, "virsh edit -- --help");
    g_assert_cmpstr(other, ==, "qemu-img rebase -u -b -- /x");
}

/* virsh looks for an id and a UUID before it looks for a name. */
static void test_names_that_look_like_ids(Fixture *f, const void *data)
{
    static const char uuid[] = "5a3d5e9c-8f5e-4a0e-9d0a-000000000001";
    static const char *const taken[] = { "1", "007", "5a3d5e9c-8f5e-4a0e-9d0a-000000000002",
                                         "5a3d5e9c8f5e4a0e9d0a000000000002" };
    static const char *const plain[] = { "", "vm1", "1a", "-1", "dead-beef" };

    for (gsize i = 0; i < G_N_ELEMENTS(taken); i++)
        g_assert_cmpstr(chain_word_for(taken[i], uuid), ==, uuid);
    for (gsize i = 0; i < G_N_ELEMENTS(plain); i++)
        g_assert_cmpstr(chain_word_for(plain[i], uuid), ==, plain[i]);
    g_assert_cmpstr(chain_word_for("1", NULL), ==, "1");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, function) \
    g_test_add("/plan/delete/" path, Fixture, NULL, fixture_setup, function, fixture_teardown)
    ADD("words/names-that-look-like-ids", test_names_that_look_like_ids);
    ADD("words/names-are-no-options", test_names_are_no_options);
    ADD("refusals/requests", test_bad_requests);
    ADD("refusals/snapshots", test_bad_snapshots);
    ADD("refusals/domains", test_what_a_domain_may_not_have);
    ADD("refusals/unfinished-operation", test_an_unfinished_operation);
    ADD("refusals/images", test_bad_images);
    ADD("refusals/nothing-known", test_an_image_of_which_nothing_is_known);
    ADD("refusals/no-direction", test_images_that_no_direction_can_take);
    ADD("refusals/one-direction", test_images_that_one_direction_cannot_take);
    ADD("refusals/encrypted", test_encrypted_images);
    ADD("refusals/descriptions-disagree", test_descriptions_that_disagree);
    ADD("refusals/space", test_space);
    ADD("refusals/formats", test_a_format_that_no_header_has);
    ADD("refusals/long-chains", test_long_chains);
    ADD("text/not-utf8", test_text_that_is_not_utf8);
    ADD("text/older", test_older_text);
    ADD("text/bad", test_bad_text);
    ADD("text/every-step-has-words", test_every_step_has_words);
    ADD("text/commands-can-be-copied", test_commands_can_be_copied);
    return g_test_run();
}
