/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_plan_revert.c: what a revert plans, and what it refuses
 */
#include "config.h"

#include <string.h>

#include "plugin/plan/plan.h"

/*
 *   /img/base.qcow2 (s1) <- /img/vm.s1 (s2) <- /img/vm.s2 (active vda)
 */
typedef struct {
    ChainGraph *graph;
    ChainDomain *d;
    ChainImage *base, *one, *two;
    ChainSnapshot *s1, *s2;
    PlanRequest request;
    PlanFacts facts;
} World;

static ChainImage *image(ChainGraph *g, const char *path, ChainImage *backing, guint64 allocation)
{
    g_autoptr(ChainSource) source = chain_source_new_file(path);
    ChainImage *i = chain_graph_image(g, source, NULL);

    i->format = g_strdup("qcow2");
    i->backing = backing;
    i->backing_known = TRUE;
    i->flags = CHAIN_IMAGE_HEADER_READ;
    i->allocation = allocation;
    return i;
}

static ChainSnapshot *snapshot(ChainDomain *d, const char *name, const char *parent,
                               ChainImage *frozen, ChainImage *overlay)
{
    ChainSnapshot *s = chain_domain_add_snapshot(d, name);
    ChainSnapshotDisk *sd = chain_snapshot_add_disk(s, "vda");

    s->parent_name = g_strdup(parent);
    s->state = g_strdup("disk-snapshot");
    s->has_domain = TRUE;
    s->memory_size = CHAIN_UNKNOWN;
    sd->kind = CHAIN_SNAP_EXTERNAL;
    sd->frozen = frozen;
    sd->overlay = overlay;
    return s;
}

static void setup(World *w, const void *data)
{
    ChainDisk *vda;

    w->graph = chain_graph_new();
    w->graph->complete = w->graph->local = TRUE;
    w->base = image(w->graph, "/img/base.qcow2", NULL, 1000);
    w->one = image(w->graph, "/img/vm.s1", w->base, 200);
    w->two = image(w->graph, "/img/vm.s2", w->one, 30);
    w->d = chain_graph_add_domain(w->graph, "vm", "11111111-2222-3333-4444-555555555555");
    w->d->persistent = TRUE;
    w->d->state = g_strdup("shut off");
    vda = chain_domain_add_disk(w->d, "vda");
    vda->device = g_strdup("disk");
    vda->active = vda->configured = w->two;
    w->s1 = snapshot(w->d, "s1", NULL, w->base, w->one);
    w->s2 = snapshot(w->d, "s2", "s1", w->one, w->two);
    w->s2->current = TRUE;
    w->request.operation = PLAN_REVERT;
    w->request.names = g_ptr_array_new();
    w->facts.now = 1700000000;
    w->facts.random = (const guint8 *) "0123456789abcdef";
}

static void teardown(World *w, const void *data)
{
    g_ptr_array_unref(w->request.names);
    chain_graph_free(w->graph);
}

static Plan *plan_to(World *w, const char *name)
{
    chain_graph_link(w->graph);
    if (name)
        g_ptr_array_add(w->request.names, (void *) name);
    return plan_make(w->graph, w->d, &w->request, &w->facts);
}

static char *steps_of(const Plan *plan)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < plan->steps->len; i++)
        g_string_append_printf(text, "%s%s", i ? " " : "",
                               plan_action_name(plan, g_ptr_array_index(plan->steps, i)));
    return g_string_free(text, FALSE);
}

static void assert_refused(const Plan *plan, const char *code)
{
    for (guint i = 0; i < plan->refusals->len; i++)
        if (g_str_equal(((PlanRefusal *) g_ptr_array_index(plan->refusals, i))->code, code))
            return;
    g_test_message("not refused with %s", code);
    g_test_fail();
}

static void assert_possible(const Plan *plan)
{
    for (guint i = 0; i < plan->refusals->len; i++)
        g_test_message("refused: %s",
                       ((PlanRefusal *) g_ptr_array_index(plan->refusals, i))->message);
    g_assert_cmpuint(plan->refusals->len, ==, 0);
}

/* What nobody can guess is between @start and ".qcow2". */
static void assert_named(const PlanOverlay *o, const char *start)
{
    const char *random = o->overlay->path + strlen(start);

    g_assert_true(g_str_has_prefix(o->overlay->path, start));
    g_assert_cmpuint(strspn(random, "abcdefghijkmnpqrstuvwxyz23456789"), ==, 8);
    g_assert_cmpstr(random + 8, ==, ".qcow2");
}

static void test_older(World *w, const void *data)
{
    g_autoptr(Plan) plan = plan_to(w, "s1");
    g_autofree char *steps = NULL;
    const PlanOverlay *o;

    assert_possible(plan);
    steps = steps_of(plan);
    g_assert_cmpstr(steps, ==, "lock create-overlays define-domain update-snapshots remove-file "
                               "unlock");
    o = g_ptr_array_index(plan->overlays, 0);
    g_assert_cmpstr(o->frozen->path, ==, "/img/base.qcow2");
    assert_named(o, "/img/base.s1-20231114T221320Z-");
    /* only what was written since the newest snapshot goes: vm.s1 holds s2 */
    g_assert_cmpuint(plan->files->len, ==, 1);
    g_assert_cmpstr(((PlanFile *) g_ptr_array_index(plan->files, 0))->image->path, ==,
                    "/img/vm.s2");
    g_assert_cmpuint(plan->discarded_bytes, ==, 30);
    g_assert_cmpstr(plan->want_state, ==, "shutoff");
}

static void test_running_is_defined_before_it_is_stopped(World *w, const void *data)
{
    g_autoptr(Plan) plan = NULL;
    g_autofree char *steps = NULL;

    w->d->active = TRUE;
    w->request.running = TRUE;
    plan = plan_to(w, "s1");
    assert_possible(plan);
    steps = steps_of(plan);
    g_assert_cmpstr(steps, ==, "lock create-overlays define-domain stop-guest update-snapshots "
                               "start-guest remove-file unlock");
}

static void test_current(World *w, const void *data)
{
    g_autoptr(Plan) plan = NULL;

    w->request.current = TRUE;
    plan = plan_to(w, NULL);
    assert_possible(plan);
    g_assert_cmpstr(g_ptr_array_index(plan->snapshots, 0), ==, "s2");
    g_assert_cmpuint(plan->files->len, ==, 1);
}

static void test_memory(World *w, const void *data)
{
    g_autoptr(Plan) plan = NULL;
    g_autofree char *steps = NULL;

    w->s1->memory = CHAIN_MEMORY_EXTERNAL;
    w->s1->memory_file = g_strdup("/img/s1.mem");
    g_free(w->s1->state);
    w->s1->state = g_strdup("paused");
    plan = plan_to(w, "s1");
    assert_possible(plan);
    steps = steps_of(plan);
    g_assert_nonnull(strstr(steps, "update-snapshots restore-memory remove-file"));
    g_assert_cmpstr(plan->want_state, ==, "paused");
}

static void test_memory_that_cannot_be_restored(World *w, const void *data)
{
    g_autoptr(Plan) plan = NULL;

    w->s1->memory = CHAIN_MEMORY_EXTERNAL;
    w->s1->memory_file = g_strdup("/img/s1.mem");
    w->facts.memory_problem = "No such file";
    plan = plan_to(w, "s1");
    assert_refused(plan, "memory-file");
}

static void test_save_current(World *w, const void *data)
{
    g_autoptr(Plan) plan = NULL;
    g_autofree char *steps = NULL;
    const PlanOverlay *o;

    w->request.save_current = "now";
    plan = plan_to(w, "s1");
    assert_possible(plan);
    steps = steps_of(plan);
    g_assert_true(g_str_has_prefix(steps, "lock create-snapshot create-overlays "));
    o = g_ptr_array_index(plan->save_overlays, 0);
    g_assert_cmpstr(o->frozen->path, ==, "/img/vm.s2");
    for (guint i = 0; i < plan->files->len; i++)
        g_assert_cmpstr(((PlanFile *) g_ptr_array_index(plan->files, i))->image->path, !=,
                        "/img/vm.s2");
}

static void test_save_current_like_the_target(World *w, const void *data)
{
    g_autoptr(Plan) plan = NULL;

    g_free(w->s2->name);
    w->s2->name = g_strdup("s 2");
    chain_domain_disk(w->d, "vda")->active = image(w->graph, "/img/vm.s3", w->two, 5);
    chain_domain_disk(w->d, "vda")->configured = chain_domain_disk(w->d, "vda")->active;
    w->request.save_current = "s_2";
    plan = plan_to(w, "s 2");
    assert_possible(plan);
    /* as names of files the two are one */
    assert_named(g_ptr_array_index(plan->overlays, 0), "/img/vm.s_2-20231114T221320Z-");
    assert_named(g_ptr_array_index(plan->save_overlays, 0), "/img/vm.s_2-20231114T221320Z-");
    g_assert_cmpstr(((PlanOverlay *) g_ptr_array_index(plan->overlays, 0))->overlay->path, !=,
                    ((PlanOverlay *) g_ptr_array_index(plan->save_overlays, 0))->overlay->path);
}

static void test_save_current_name_taken(World *w, const void *data)
{
    g_autoptr(Plan) plan = NULL;

    w->request.save_current = "s2";
    plan = plan_to(w, "s1");
    assert_refused(plan, "snapshot-exists");
}

static void test_shared_active_is_not_discarded(World *w, const void *data)
{
    g_autoptr(Plan) plan = NULL;
    ChainDomain *other = chain_graph_add_domain(w->graph, "clone", NULL);
    ChainDisk *disk = chain_domain_add_disk(other, "vda");

    disk->device = g_strdup("disk");
    disk->active = disk->configured = image(w->graph, "/img/clone.qcow2", w->two, 5);
    plan = plan_to(w, "s1");
    assert_possible(plan);
    g_assert_cmpuint(plan->files->len, ==, 0);
}

static void test_chain_without_snapshot_is_kept(World *w, const void *data)
{
    ChainDisk *vda = chain_domain_disk(w->d, "vda");
    g_autoptr(Plan) plan = NULL;

    vda->active = vda->configured = image(w->graph, "/img/other.qcow2", NULL, 5);
    plan = plan_to(w, "s1");
    assert_possible(plan);
    g_assert_cmpuint(plan->files->len, ==, 0);
    g_assert_cmpuint(plan->notes->len, >=, 1);
}

static void test_image_on_a_shared_template_is_kept(World *w, const void *data)
{
    ChainDisk *vda = chain_domain_disk(w->d, "vda");
    ChainImage *shared = image(w->graph, "/img/template.qcow2", NULL, 5);
    ChainDomain *other = chain_graph_add_domain(w->graph, "clone", NULL);
    ChainDisk *disk = chain_domain_add_disk(other, "vda");
    g_autoptr(Plan) plan = NULL;

    disk->device = g_strdup("disk");
    disk->active = disk->configured = image(w->graph, "/img/clone.qcow2", shared, 5);
    vda->active = vda->configured = image(w->graph, "/img/fresh.qcow2", shared, 5);
    plan = plan_to(w, "s1");
    assert_possible(plan);
    g_assert_cmpuint(plan->files->len, ==, 0);
}

static void test_what_a_snapshot_left_out_is_kept(World *w, const void *data)
{
    ChainSnapshot *s3 = snapshot(w->d, "s3", "s2", NULL, NULL);
    ChainSnapshotDisk *sd = chain_snapshot_disk(s3, "vda");
    g_autoptr(Plan) plan = NULL;

    sd->kind = CHAIN_SNAP_NO;
    sd->frozen = w->two;
    plan = plan_to(w, "s1");
    assert_possible(plan);
    g_assert_cmpuint(plan->files->len, ==, 0);
}

static void test_unknown_internal_snapshots_are_kept(World *w, const void *data)
{
    g_autoptr(Plan) plan = NULL;

    w->two->flags |= CHAIN_IMAGE_INTERNAL;
    plan = plan_to(w, "s1");
    assert_possible(plan);
    g_assert_cmpuint(plan->files->len, ==, 0);
    g_assert_cmpuint(plan->notes->len, ==, 1);
    g_assert_nonnull(strstr(g_ptr_array_index(plan->notes, 0), "internal snapshots"));
}

static void test_write_protected_image_is_kept(World *w, const void *data)
{
    g_autoptr(Plan) plan = NULL;

    w->two->flags |= CHAIN_IMAGE_NOT_WRITABLE;
    plan = plan_to(w, "s1");
    assert_possible(plan);
    g_assert_cmpuint(plan->files->len, ==, 0);
    g_assert_cmpuint(plan->notes->len, ==, 1);
}

static void test_remedies_quote_names(World *w, const void *data)
{
    g_autoptr(Plan) plan = NULL;
    const PlanRefusal *refusal;

    g_free(w->s2->name);
    w->s2->name = g_strdup("a; reboot");
    chain_snapshot_disk(w->s1, "vda")->delete_in_progress = TRUE;
    plan = plan_to(w, "s1");
    assert_possible(plan);
    g_clear_pointer(&plan, plan_free);
    g_ptr_array_set_size(w->request.names, 0);
    plan = plan_to(w, "a; reboot");
    assert_refused(plan, "stale-snapshot");
    refusal = g_ptr_array_index(plan->refusals, 0);
    g_assert_cmpstr(refusal->remedy, ==,
                    "Finish with 'snapshot-delete-external vm \"a; reboot\"'");
}

static void test_left_out_disk_keeps_its_image(World *w, const void *data)
{
    ChainDisk *vdb = chain_domain_add_disk(w->d, "vdb");
    ChainSnapshotDisk *sd = chain_snapshot_add_disk(w->s1, "vdb");
    g_autoptr(Plan) plan = NULL;

    vdb->device = g_strdup("disk");
    vdb->active = vdb->configured = image(w->graph, "/img/data.qcow2", NULL, 5);
    sd->kind = CHAIN_SNAP_NO;
    sd->frozen = vdb->active;
    plan = plan_to(w, "s1");
    assert_possible(plan);
    g_assert_cmpuint(plan->overlays->len, ==, 1);
    g_assert_cmpuint(plan->kept_disks->len, ==, 1);
    g_assert_cmpstr(g_ptr_array_index(plan->kept_disks, 0), ==, "vdb");
}

static void test_active_on_frozen_is_refused(World *w, const void *data)
{
    ChainDisk *vda = chain_domain_disk(w->d, "vda");
    g_autoptr(Plan) plan = NULL;

    vda->active = vda->configured = w->one;
    plan = plan_to(w, "s2");
    assert_refused(plan, "stale-snapshot");
}

static void test_missing_image(World *w, const void *data)
{
    g_autoptr(Plan) plan = NULL;

    w->base->flags |= CHAIN_IMAGE_MISSING;
    plan = plan_to(w, "s2");
    assert_refused(plan, "missing-image");
}

static void test_unknown_and_internal(World *w, const void *data)
{
    g_autoptr(Plan) plan = NULL, second = NULL;

    plan = plan_to(w, "nothing");
    assert_refused(plan, "unknown-snapshot");
    g_ptr_array_set_size(w->request.names, 0);
    ((ChainSnapshotDisk *) g_ptr_array_index(w->s1->disks, 0))->kind = CHAIN_SNAP_INTERNAL;
    second = plan_to(w, "s1");
    assert_refused(second, "internal-snapshot");
}

static void test_transient(World *w, const void *data)
{
    g_autoptr(Plan) plan = NULL, second = NULL;
    g_autofree char *steps = NULL;

    w->d->persistent = FALSE;
    w->d->active = TRUE;
    chain_domain_disk(w->d, "vda")->configured = NULL;
    plan = plan_to(w, "s1");
    assert_refused(plan, "transient-domain");
    w->request.running = TRUE;
    second = plan_to(w, NULL);
    assert_possible(second);
    steps = steps_of(second);
    g_assert_cmpstr(steps, ==, "lock create-overlays stop-guest start-guest update-snapshots "
                               "remove-file unlock");
}

static void test_hostile_name_makes_a_plain_file_name(World *w, const void *data)
{
    g_autoptr(Plan) plan = NULL;
    const PlanOverlay *o;

    g_free(w->s1->name);
    w->s1->name = g_strdup("../-x\n y");
    plan = plan_to(w, "../-x\n y");
    assert_possible(plan);
    o = g_ptr_array_index(plan->overlays, 0);
    assert_named(o, "/img/base._._-x__y-20231114T221320Z-");
}

static void test_managed_save(World *w, const void *data)
{
    g_autoptr(Plan) plan = NULL, forced = NULL;

    w->d->managed_save = TRUE;
    plan = plan_to(w, "s1");
    assert_refused(plan, "managed-save");
    w->request.force = TRUE;
    forced = plan_to(w, NULL);
    assert_possible(forced);
}

static void encrypt(ChainImage *image)
{
    image->flags |= CHAIN_IMAGE_ENCRYPTED;
    image->source->xml = g_strdup("<source file='/x'><encryption format='luks'><secret uuid='1'/>"
                                  "</encryption></source>");
}

static void test_encrypted(World *w, const void *data)
{
    g_autoptr(Plan) plan = NULL, again = NULL;
    g_autofree char *text = NULL;
    const PlanOverlay *o;

    encrypt(w->base);
    encrypt(w->one);
    plan = plan_to(w, "s2");
    assert_possible(plan);
    text = plan_serialize(plan);
    again = plan_deserialize(text, NULL);
    o = g_ptr_array_index(again->overlays, 0);
    g_assert_cmpstr(o->overlay->source->encryption, ==,
                    "<encryption format='luks'><secret uuid='1'/></encryption>");
    g_assert_cmpuint(o->below->len, ==, 2);
    g_assert_cmpstr(((PlanImage *) g_ptr_array_index(o->below, 1))->path, ==, "/img/base.qcow2");
    g_assert_true(chain_source_decrypts(((PlanImage *) g_ptr_array_index(o->below, 1))->source));
}

/* The overlay is as the image below it; what is further down still has to be named. */
static void test_clear_on_encrypted(World *w, const void *data)
{
    g_autoptr(Plan) plan = NULL;
    const PlanOverlay *o;

    encrypt(w->base);
    w->request.save_current = "now";
    plan = plan_to(w, "s2");
    assert_possible(plan);
    o = g_ptr_array_index(plan->overlays, 0);
    g_assert_null(o->overlay->source->encryption);
    g_assert_cmpuint(o->below->len, ==, 2);
}

static void test_encrypted_refusals(World *w, const void *data)
{
    g_autoptr(Plan) unknown = NULL, pools = NULL, present = NULL;

    encrypt(w->base);
    w->facts.no_pools = TRUE;
    pools = plan_to(w, "s1");
    assert_refused(pools, "encrypted-image");
    w->facts.no_pools = FALSE;
    encrypt(w->two);
    w->request.save_current = "now";
    present = plan_make(w->graph, w->d, &w->request, &w->facts);
    assert_refused(present, "encrypted-image");
    g_clear_pointer(&w->base->source->xml, g_free);
    unknown = plan_make(w->graph, w->d, &w->request, &w->facts);
    assert_refused(unknown, "encrypted");
}

static void test_names_cannot_be_guessed(World *w, const void *data)
{
    g_autoptr(Plan) plan = plan_to(w, "s1"), again = plan_to(w, "s1"), other = NULL, none = NULL;
    g_autofree char *long_name = g_strnfill(400, 'x'), *base = NULL;
    const char *path = ((PlanOverlay *) g_ptr_array_index(plan->overlays, 0))->overlay->path;

    /* planned again under the lock it is the same work */
    g_assert_true(plan_same_work(plan, again));
    w->facts.random = (const guint8 *) "0123456789abcdeg";
    other = plan_to(w, "s1");
    g_assert_cmpstr(((PlanOverlay *) g_ptr_array_index(other->overlays, 0))->overlay->path, !=,
                    path);
    g_assert_false(plan_same_work(plan, other));

    w->facts.random = NULL;
    none = plan_to(w, "s1");
    assert_refused(none, "no-random-numbers");

    w->facts.random = (const guint8 *) "0123456789abcdef";
    g_free(w->s1->name);
    w->s1->name = g_strdup(long_name);
    g_ptr_array_set_size(w->request.names, 0);
    plan_free(other);
    other = plan_to(w, long_name);
    assert_possible(other);
    base = g_path_get_basename(((PlanOverlay *) g_ptr_array_index(other->overlays, 0))
                                   ->overlay->path);
    g_assert_cmpuint(strlen(base), <=, 255);
}

/* What another version wrote has to mean the same: the numbers of the actions are a format. */
static void test_journal(World *w, const void *data)
{
    g_autoptr(Plan) plan = NULL, again = NULL, broken = NULL;
    g_autofree char *text = NULL, *text_again = NULL, *without = NULL;
    g_auto(GStrv) parts = NULL;
    g_autoptr(GError) error = NULL;
    PlanStep *step;

    w->request.save_current = "now";
    plan = plan_to(w, "s1");
    assert_possible(plan);
    step = plan_add_step(plan, PLAN_STEP_FINISH_JOB);
    step->disk = g_strdup("vda");
    step->job = g_strdup("active-commit");
    text = plan_serialize(plan);
    again = plan_deserialize(text, &error);
    g_assert_no_error(error);
    text_again = plan_serialize(again);
    g_assert_cmpstr(text, ==, text_again);
    step = g_ptr_array_index(again->steps, again->steps->len - 1);
    g_assert_cmpstr(step->disk, ==, "vda");
    g_assert_cmpstr(step->job, ==, "active-commit");

    parts = g_strsplit(text, "\"job\"", 2);
    without = g_strjoinv("\"jab\"", parts);
    broken = plan_deserialize(without, NULL);
    g_assert_null(broken);

    g_assert_cmpint(PLAN_STEP_REMOVE_FILE, ==, 12);
    g_assert_cmpint(PLAN_STEP_UNLOCK, ==, 13);
    g_assert_cmpint(PLAN_STEP_FINISH_JOB, ==, 14);
    g_assert_cmpint(PLAN_STEP_ABORT_JOB, ==, 15);
}

int main(int argc, char **argv)
{
#define ADD(name, fn) g_test_add("/plan/revert/" name, World, NULL, setup, fn, teardown)
    g_test_init(&argc, &argv, NULL);
    ADD("older", test_older);
    ADD("running", test_running_is_defined_before_it_is_stopped);
    ADD("current", test_current);
    ADD("memory", test_memory);
    ADD("memory-problem", test_memory_that_cannot_be_restored);
    ADD("save-current", test_save_current);
    ADD("save-current-like-target", test_save_current_like_the_target);
    ADD("save-current-taken", test_save_current_name_taken);
    ADD("shared-active", test_shared_active_is_not_discarded);
    ADD("no-snapshot-below", test_chain_without_snapshot_is_kept);
    ADD("shared-template", test_image_on_a_shared_template_is_kept);
    ADD("left-out-keeps", test_what_a_snapshot_left_out_is_kept);
    ADD("unknown-internal-kept", test_unknown_internal_snapshots_are_kept);
    ADD("write-protected-kept", test_write_protected_image_is_kept);
    ADD("remedy-quoting", test_remedies_quote_names);
    ADD("left-out-disk", test_left_out_disk_keeps_its_image);
    ADD("active-on-frozen", test_active_on_frozen_is_refused);
    ADD("missing", test_missing_image);
    ADD("unknown-internal", test_unknown_and_internal);
    ADD("transient", test_transient);
    ADD("hostile-name", test_hostile_name_makes_a_plain_file_name);
    ADD("managed-save", test_managed_save);
    ADD("journal", test_journal);
    ADD("encrypted", test_encrypted);
    ADD("clear-on-encrypted", test_clear_on_encrypted);
    ADD("encrypted-refusals", test_encrypted_refusals);
    ADD("names-cannot-be-guessed", test_names_cannot_be_guessed);
    return g_test_run();
}
