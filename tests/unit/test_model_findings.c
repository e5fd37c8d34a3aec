/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_model_findings.c: what is found wrong in the graph, also in a large one
 */
#include "config.h"

#include <sys/resource.h>

#include "tests/unit/world.h"

static void test_nothing_wrong(void)
{
    World w;

    world_make(&w);
    check_found(w.graph, w.d, "");
    world_clear(&w);
}

static void test_template_is_normal(void)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    ChainDomain *d = domain(graph, "vm1");
    ChainImage *top = CHAIN(graph, "/template", "/layer", "/base", "/top");

    disk(d, "vda", top);
    external(snapshot(d, "s1", NULL), "vda", top->backing, top);
    check_found(graph, d, "");
}

static void test_no_snapshots_is_normal(void)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    ChainDomain *d = domain(graph, "vm1");
    ChainDisk *cdrom;

    disk(d, "vda", CHAIN(graph, "/template", "/layer", "/top"));
    cdrom = disk(d, "sda", NULL);
    cdrom->readonly = TRUE;
    check_found(graph, d, "");
}

static void test_discarded_overlay_is_normal(void)
{
    World w;

    /* after a revert to s1: s2's overlay is gone, its frozen image is a branch */
    world_make(&w);
    w.o2->flags |= CHAIN_IMAGE_MISSING;
    w.o2->backing = NULL;
    w.o2->backing_known = FALSE;
    w.vda->active = w.vda->configured = CHAIN(w.graph, "/i/base", "/i/reverted");
    chain_snapshot_disk(w.s1, "vda")->revert_overlay = w.vda->active;
    check_found(w.graph, w.d, "");
    world_clear(&w);
}

static void test_missing(void)
{
    World w;

    world_make(&w);
    w.o2->flags |= CHAIN_IMAGE_MISSING;
    check_found(w.graph, w.d, "missing-image:error:vda:/i/s2:-");
    world_clear(&w);
}

static void test_missing_frozen(void)
{
    World w;

    world_make(&w);
    w.o1->flags |= CHAIN_IMAGE_MISSING;
    check_found(w.graph, w.d, "missing-image:error:vda:/i/s1:- "
                              "stale-snapshot:error:vda:/i/s1:s2");
    world_clear(&w);
}

static void test_missing_in_branch(void)
{
    World w;
    ChainImage *gone;

    world_make(&w);
    gone = image(w.graph, "/i/gone");
    gone->flags |= CHAIN_IMAGE_MISSING;
    external(snapshot(w.d, "s3", "s1"), "vda", gone, NULL);
    check_found(w.graph, w.d, "stale-snapshot:error:vda:/i/gone:s3");
    world_clear(&w);
}

static void test_unreadable_and_corrupt(void)
{
    World w;

    world_make(&w);
    w.base->flags |= CHAIN_IMAGE_UNREADABLE;
    w.o1->flags |= CHAIN_IMAGE_CORRUPT;
    check_found(w.graph, w.d, "unreadable-image:warning:vda:/i/base:- "
                              "corrupt-image:error:vda:/i/s1:-");
    world_clear(&w);
}

static void test_loop(void)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    ChainDomain *d = domain(graph, "vm1");
    ChainImage *top = CHAIN(graph, "/a", "/b");

    top->backing->backing = top;
    disk(d, "vda", top);
    check_found(graph, d, "backing-loop:error:vda:/a:- backing-loop:error:vda:/b:-");
}

static void test_format_not_recorded(void)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    ChainDomain *d = domain(graph, "vm1");
    ChainImage *top = CHAIN(graph, "/a", "/b");

    g_clear_pointer(&top->backing->format, g_free);
    top->backing->flags |= CHAIN_IMAGE_FORMAT_GUESSED;
    disk(d, "vda", top);
    check_found(graph, d, "format-not-recorded:warning:vda:/a:-");
}

static char *first_remedy(ChainGraph *graph, ChainDomain *d)
{
    g_autoptr(GPtrArray) findings = NULL;

    chain_graph_link(graph);
    findings = chain_graph_check(graph, d);
    g_assert_cmpuint(findings->len, >, 0);
    return g_strdup(((const ChainFinding *) g_ptr_array_index(findings, 0))->remedy);
}

/* A command with *** in it would name another file when it is typed. */
static void test_no_command_with_a_hidden_secret(void)
{
    static const char shown[] = "https://u:" CHAIN_HIDDEN "@h/i";
    g_autoptr(ChainGraph) graph = chain_graph_new();
    ChainDomain *d = domain(graph, "vm1");
    ChainImage *top = CHAIN(graph, "/" CHAIN_HIDDEN, "/b");
    g_autofree char *plain = NULL, *hidden = NULL;

    top->flags |= CHAIN_IMAGE_HEADER_READ;
    g_clear_pointer(&top->backing_format, g_free);
    disk(d, "vda", top);
    g_free(top->backing_spec);
    top->backing_spec = g_strdup("/" CHAIN_HIDDEN);
    plain = first_remedy(graph, d);
    g_assert_cmpstr(plain, ==, "Record it while the domain is shut off: 'qemu-img rebase -u -f "
                               "qcow2 -F FORMAT -b \"/***\" /b'");
    g_free(top->backing_spec);
    top->backing_spec = g_strdup(shown);
    hidden = first_remedy(graph, d);
    g_assert_cmpstr(hidden, ==, "Record it while the domain is shut off: 'qemu-img rebase -u -f "
                                "qcow2 -F FORMAT -b FILE /b'; FILE is 'https://u:***@h/i' with "
                                "the secret that is not shown here");
}

static void test_shared(void)
{
    World w;
    ChainDomain *other;

    world_make(&w);
    other = domain(w.graph, "vm2");
    disk(other, "vda", CHAIN(w.graph, "/i/base", "/i/clone"));
    check_found(w.graph, w.d, "shared-image:notice:vda:/i/base:-");
    check_found(w.graph, other, "shared-image:notice:vda:/i/base:-");
    world_clear(&w);
}

static void test_shared_and_written(void)
{
    World w;
    ChainDomain *other;

    world_make(&w);
    other = domain(w.graph, "vm2");
    disk(other, "vda", CHAIN(w.graph, "/i/s2", "/i/clone"));
    check_found(w.graph, w.d, "shared-image:notice:vda:/i/base:- "
                              "shared-image:notice:vda:/i/s1:- "
                              "shared-image:warning:vda:/i/s2:-");
    world_clear(&w);
}

static void test_shared_cdrom_is_normal(void)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    ChainImage *iso = CHAIN(graph, "/iso");
    ChainDomain *one = domain(graph, "vm1");
    ChainDomain *two = domain(graph, "vm2");

    disk(one, "sda", iso)->readonly = TRUE;
    disk(two, "sda", iso)->readonly = TRUE;
    check_found(graph, one, "");
}

static void test_unmanaged(void)
{
    World w;
    ChainImage *top;

    world_make(&w);
    top = CHAIN(w.graph, "/i/s2", "/i/unnamed", "/i/top");
    w.vda->active = w.vda->configured = top;
    check_found(w.graph, w.d, "unmanaged-layer:warning:vda:/i/s2:- "
                              "unmanaged-layer:warning:vda:/i/unnamed:-");
    world_clear(&w);
}

/* s1's state is overwritten: the overlay was committed into it and the domain pivoted. */
static void test_committed_by_hand(void)
{
    World w;

    world_make(&w);
    w.vda->active = w.vda->configured = w.o1;
    check_found(w.graph, w.d, "stale-snapshot:error:vda:/i/s1:s2");
    world_clear(&w);
}

/* The running domain writes another image, but its configuration still names the frozen one. */
static void test_configuration_left_behind(void)
{
    World w;

    world_make(&w);
    w.vda->configured = w.o1;
    check_found(w.graph, w.d, "stale-snapshot:error:vda:/i/s1:s2");
    world_clear(&w);
}

static void test_middle_merged_by_hand(void)
{
    World w;

    /* s1 <- s2 became base <- s2; the file of s1 was kept */
    world_make(&w);
    w.o2->backing = w.base;
    check_found(w.graph, w.d, "stale-snapshot:warning:vda:/i/s1:s2");
    world_clear(&w);
}

static void test_middle_merged_and_removed(void)
{
    World w;

    world_make(&w);
    w.o2->backing = w.base;
    w.o1->flags |= CHAIN_IMAGE_MISSING;
    check_found(w.graph, w.d, "stale-snapshot:warning:vda:/i/s1:s1 "
                              "stale-snapshot:error:vda:/i/s1:s2");
    world_clear(&w);
}

static void test_wrong_state_named(void)
{
    World w;

    /* what libvirt 9.0 leaves behind: s2 says base, but its overlay stands on s1 */
    world_make(&w);
    chain_snapshot_disk(w.s2, "vda")->frozen = w.base;
    check_found(w.graph, w.d, "unmanaged-layer:warning:vda:/i/s1:- "
                              "stale-snapshot:warning:vda:/i/base:s2");
    world_clear(&w);
}

static void test_memory_file_gone(void)
{
    World w;

    world_make(&w);
    w.s1->memory = CHAIN_MEMORY_EXTERNAL;
    w.s1->memory_file = g_strdup("/i/mem");
    w.s1->memory_missing = TRUE;
    w.s2->has_domain = FALSE;
    check_found(w.graph, w.d, "stale-snapshot:warning:-:-:s1 stale-snapshot:warning:-:-:s2");
    world_clear(&w);
}

/* A commit writes the frozen image: what it deletes cannot be reverted to any more. */
static void check_says_what_is_gone(World *w)
{
    ChainOperation *op = w->d->operation;
    static const char *const said[] = { "interrupted", "gone: 's1', 's2'" };

    op->step = g_strdup("block-commit");
    op->snapshot_names = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(op->snapshot_names, g_strdup("s1"));
    g_ptr_array_add(op->snapshot_names, g_strdup("s2"));
    for (gsize i = 0; i < G_N_ELEMENTS(said); i++) {
        g_autoptr(GPtrArray) findings = NULL;
        const char *message;

        op->committing = i > 0;
        findings = chain_graph_check(w->graph, w->d);
        message = ((ChainFinding *) g_ptr_array_index(findings, 0))->message;
        g_assert_nonnull(strstr(message, said[i]));
        g_assert_true(op->committing == (strstr(message, "'s2'") != NULL));
    }
    /* of layers without a name no state is lost */
    g_ptr_array_set_size(op->snapshot_names, 0);
    {
        g_autoptr(GPtrArray) findings = chain_graph_check(w->graph, w->d);

        g_assert_null(strstr(((ChainFinding *) g_ptr_array_index(findings, 0))->message, "gone"));
    }
}

static void test_interrupted(void)
{
    g_autofree char *ours = NULL, *others = NULL;
    World w;

    world_make(&w);
    w.d->operation = g_new0(ChainOperation, 1);
    w.d->operation->command = g_strdup("snapshot-delete-external");
    w.d->operation->alive = TRUE;
    check_found(w.graph, w.d, "");
    w.d->operation->alive = FALSE;
    check_found(w.graph, w.d, "interrupted-operation:error:-:-:-");
    check_says_what_is_gone(&w);
    /* by a newer version: what it is can be said, but not gone on with */
    w.d->unreadable = g_strdup("it was written by another version");
    w.d->helper = g_strdup("vm1.virsh-ext");
    check_found(w.graph, w.d, "unreadable-operation:error:-:-:-");
    w.d->operation->alive = TRUE;
    check_found(w.graph, w.d, "");
    w.d->operation->alive = FALSE;
    ours = first_remedy(w.graph, w.d);
    g_assert_nonnull(strstr(ours, "'virsh undefine vm1.virsh-ext'"));
    /* somebody's guest, that is: nothing of ours is in it */
    g_clear_pointer(&w.d->operation, chain_operation_free);
    check_found(w.graph, w.d, "unreadable-operation:error:-:-:-");
    others = first_remedy(w.graph, w.d);
    g_assert_nonnull(strstr(others, "'virsh domrename vm1.virsh-ext NEWNAME'"));
    g_assert_null(strstr(others, "undefine"));
    world_clear(&w);
}

static void test_interrupted_by_libvirt(void)
{
    World w;

    world_make(&w);
    /* what is merged into the image that s1 made is the state of s2 */
    chain_snapshot_disk(w.s1, "vda")->delete_in_progress = TRUE;
    w.vda->job = g_new0(ChainJob, 1);
    w.vda->job->type = g_strdup("active-commit");
    w.vda->job->cur = w.vda->job->end = 5;
    check_found(w.graph, w.d, "stale-snapshot:error:vda:/i/s1:s2");
    g_assert_null(chain_snapshot_half_merged(w.s1));
    g_assert_true(chain_snapshot_half_merged(w.s2) == w.o1);
    chain_snapshot_disk(w.s2, "vda")->frozen = NULL;
    check_found(w.graph, w.d, "unmanaged-layer:warning:vda:/i/s1:- "
                              "interrupted-operation:warning:vda:/i/s1:s1");
    chain_snapshot_disk(w.s2, "vda")->frozen = w.o1;
    w.vda->job->ready = TRUE;
    chain_snapshot_disk(w.s1, "vda")->delete_in_progress = FALSE;
    check_found(w.graph, w.d, "interrupted-operation:warning:vda:/i/s2:-");
    world_clear(&w);
}

static void test_orphan(void)
{
    World w;
    ChainImage *top;

    world_make(&w);
    top = CHAIN(w.graph, "/i/base", "/i/orphan", "/i/orphan2");
    top->flags |= CHAIN_IMAGE_ORPHAN;
    top->backing->flags |= CHAIN_IMAGE_ORPHAN;
    check_found(w.graph, w.d, "orphan-file:warning:vda:/i/orphan:- "
                              "orphan-file:warning:vda:/i/orphan2:-");
    world_clear(&w);
}

static void test_deep(void)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    ChainDomain *d = domain(graph, "vm1");
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    ChainDisk *vda;
    guint i;

    for (i = 0; i < 201; i++)
        g_ptr_array_add(paths, g_strdup_printf("/%u", i));
    g_ptr_array_add(paths, NULL);
    chain(graph, (const char *const *) paths->pdata);
    vda = disk(d, "vda", image(graph, "/178"));
    check_found(graph, d, "");
    vda->active = vda->configured = image(graph, "/179");
    check_found(graph, d, "deep-chain:warning:vda:/179:-");
    vda->active = vda->configured = image(graph, "/200");
    check_found(graph, d, "deep-chain:error:vda:/200:-");
    graph->layer_limit = 25;
    vda->active = vda->configured = image(graph, "/21");
    check_found(graph, d, "");
    vda->active = vda->configured = image(graph, "/24");
    check_found(graph, d, "deep-chain:warning:vda:/24:-");
    vda->active = vda->configured = image(graph, "/25");
    check_found(graph, d, "deep-chain:error:vda:/25:-");
}

static void test_internal_and_external(void)
{
    World w;
    ChainSnapshotDisk *sd;

    world_make(&w);
    sd = external(snapshot(w.d, "i1", "s2"), "vda", w.o2, NULL);
    sd->kind = CHAIN_SNAP_INTERNAL;
    check_found(w.graph, w.d, "internal-and-external:warning:-:-:i1");
    g_assert_true(chain_snapshot_is_internal(chain_domain_snapshot(w.d, "i1")));
    world_clear(&w);
}

static void test_relative(void)
{
    World w;

    world_make(&w);
    w.o1->flags |= CHAIN_IMAGE_RELATIVE;
    w.o2->flags |= CHAIN_IMAGE_RELATIVE;
    check_found(w.graph, w.d, "relative-backing:notice:vda:/i/s2:-");
    world_clear(&w);
}

static void test_disagreement(void)
{
    World w;

    world_make(&w);
    w.vda->live_chain = g_ptr_array_new();
    g_ptr_array_add(w.vda->live_chain, w.o2);
    g_ptr_array_add(w.vda->live_chain, w.o1);
    check_found(w.graph, w.d, ""); /* what is not told is no contradiction */
    g_ptr_array_remove_index(w.vda->live_chain, 1);
    g_ptr_array_add(w.vda->live_chain, w.base);
    check_found(w.graph, w.d, "chain-mismatch:error:vda:/i/base:-");
    w.vda->config_chain = g_steal_pointer(&w.vda->live_chain);
    check_found(w.graph, w.d, "chain-mismatch:warning:vda:/i/base:-");
    world_clear(&w);
}

/* --- size ----------------------------------------------------------------------------------- */

#define MANY_IMAGES 10000
#define MANY_SNAPSHOTS 2000

static void test_scale(void)
{
    g_autoptr(ChainGraph) graph = chain_graph_new();
    ChainDomain *d = domain(graph, "vm1");
    ChainImage *below = NULL;
    struct rusage before, after;
    gint64 start = g_get_monotonic_time();
    g_autofree char *text = NULL;
    double seconds;
    int i;

    getrusage(RUSAGE_SELF, &before);
    for (i = 0; i < MANY_IMAGES; i++) {
        g_autofree char *path = g_strdup_printf("/images/of/a/guest/disk-%05d.qcow2", i);
        ChainImage *node = image(graph, path);

        /* every fifth begins a branch somewhere below */
        node->backing = i % 5 == 4 ? graph->images->pdata[i / 2] : below;
        node->backing_known = TRUE;
        node->flags |= CHAIN_IMAGE_HEADER_READ;
        below = node;
    }
    disk(d, "vda", below);
    for (i = 0; i < MANY_SNAPSHOTS; i++) {
        g_autofree char *name = g_strdup_printf("s%d", i);
        g_autofree char *parent = i ? g_strdup_printf("s%d", i - 1) : NULL;
        ChainImage *frozen = graph->images->pdata[i * 4];

        external(snapshot(d, name, parent), "vda", frozen, frozen->overlays->len
                 ? frozen->overlays->pdata[0] : NULL);
    }
    text = found(graph, d);
    seconds = (g_get_monotonic_time() - start) / 1e6;
    getrusage(RUSAGE_SELF, &after);
    g_test_message("%.3f s, %ld KiB", seconds, after.ru_maxrss - before.ru_maxrss);
    g_assert_cmpfloat(seconds, <, 5.0); /* also under valgrind and sanitizers */
    g_assert_cmpint(after.ru_maxrss - before.ru_maxrss, <, 100 * 1024);
}

#define ADD(name) g_test_add_func("/model/" #name, test_##name)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(nothing_wrong);
    ADD(template_is_normal);
    ADD(no_snapshots_is_normal);
    ADD(discarded_overlay_is_normal);
    ADD(missing);
    ADD(missing_frozen);
    ADD(missing_in_branch);
    ADD(unreadable_and_corrupt);
    ADD(loop);
    ADD(format_not_recorded);
    ADD(no_command_with_a_hidden_secret);
    ADD(shared);
    ADD(shared_and_written);
    ADD(shared_cdrom_is_normal);
    ADD(unmanaged);
    ADD(committed_by_hand);
    ADD(configuration_left_behind);
    ADD(middle_merged_by_hand);
    ADD(middle_merged_and_removed);
    ADD(wrong_state_named);
    ADD(memory_file_gone);
    ADD(interrupted);
    ADD(interrupted_by_libvirt);
    ADD(orphan);
    ADD(deep);
    ADD(internal_and_external);
    ADD(relative);
    ADD(disagreement);
    ADD(scale);
    return g_test_run();
}
