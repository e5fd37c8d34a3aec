/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_plan_text.c: what --dry-run and --json of the commands that change things print
 *
 * Each is compared with a file in tests/golden/text; VEXT_REGENERATE=1 writes the files.
 */
#include "config.h"

#include "plugin/text/plan-text.h"
#include "tests/unit/golden.h"
#include "tests/unit/graphs.h"

static const TextOptions people = { .utf8 = TRUE };
static const TextOptions ascii = { 0 };
static const TextOptions bytes = { .utf8 = TRUE, .bytes = TRUE };

static PlanImage *plan_image(const char *path)
{
    PlanImage *image = g_new0(PlanImage, 1);

    image->key = g_strconcat("file:", path, NULL);
    image->path = g_strdup(path);
    image->format = g_strdup("qcow2");
    image->allocation = CHAIN_UNKNOWN;
    return image;
}

static Plan *new_plan(PlanOperation operation, const char *snapshot)
{
    Plan *plan = plan_new(operation);

    plan->domain = g_strdup("vm1");
    if (snapshot)
        g_ptr_array_add(plan->snapshots, g_strdup(snapshot));
    return plan;
}

static void add_merge_steps(Plan *plan, PlanMerge *merge)
{
    guint index = plan->merges->len;
    PlanStep *step;

    g_ptr_array_add(plan->merges, merge);
    step = plan_add_step(plan, PLAN_STEP_MERGE);
    step->merge = index;
    step->bytes = merge->bytes;
    if (merge->top_is_active && merge->direction == PLAN_COMMIT)
        plan_add_step(plan, PLAN_STEP_PIVOT)->merge = index;
}

static void add_file_step(Plan *plan, const char *path, const char *disk, guint64 size)
{
    PlanFile *file = plan_add_file(plan, NULL, disk ? NULL : path, disk, size);
    PlanStep *step = plan_add_step(plan, PLAN_STEP_REMOVE_FILE);

    if (disk)
        file->image = plan_image(path);
    step->file = plan->files->len - 1;
    step->bytes = size;
}

/* A running domain: one disk is committed into, the other is pulled. */
static Plan *delete_plan(void)
{
    Plan *plan = new_plan(PLAN_DELETE, "s1");
    PlanMerge *commit = plan_merge_new("vda", PLAN_COMMIT);
    PlanMerge *pull = plan_merge_new("vdb", PLAN_PULL);
    PlanAlternative *other = g_new0(PlanAlternative, 1);

    commit->base = plan_image("/img/vm1.qcow2");
    commit->top = plan_image("/img/vm1.s1");
    commit->bytes = 1 * MIB;
    commit->top_is_active = TRUE;
    pull->base = plan_image("/img/data.qcow2");
    pull->top = plan_image("/img/data.s1");
    pull->bytes = 512 * KIB;
    plan_add_step(plan, PLAN_STEP_LOCK);
    add_merge_steps(plan, commit);
    add_merge_steps(plan, pull);
    plan_add_step(plan, PLAN_STEP_UPDATE_SNAPSHOTS);
    add_file_step(plan, "/img/vm1.s1", "vda", 2 * MIB);
    add_file_step(plan, "/img/vm1.memory", NULL, 300 * MIB);
    plan_add_step(plan, PLAN_STEP_UNLOCK);
    plan->bytes_moved = 1536 * KIB;
    plan->bytes_freed = 302 * MIB;
    other->direction = PLAN_PULL;
    other->bytes_moved = 7 * MIB;
    g_ptr_array_add(plan->alternatives, other);
    return plan;
}

static Plan *shut_off_plan(void)
{
    Plan *plan = new_plan(PLAN_DELETE, "s1");
    PlanMerge *merge = plan_merge_new("vda", PLAN_COMMIT);
    PlanStep *start;
    guint index = 0;

    g_ptr_array_add(plan->snapshots, g_strdup("a, b\033[2J"));
    merge->base = plan_image("/img/caf\351\n.qcow2");
    merge->top = plan_image("/img/\346\227\245.s1");
    plan_add_step(plan, PLAN_STEP_LOCK);
    start = plan_add_step(plan, PLAN_STEP_START_HELPER);
    if (!start->merges)
        start->merges = g_array_new(FALSE, FALSE, sizeof(guint));
    g_array_append_val(start->merges, index);
    add_merge_steps(plan, merge);
    plan_add_step(plan, PLAN_STEP_STOP_HELPER);
    plan_add_step(plan, PLAN_STEP_DEFINE_DOMAIN);
    plan_add_step(plan, PLAN_STEP_UPDATE_SNAPSHOTS);
    add_file_step(plan, "/img/\346\227\245.s1", "vda", CHAIN_UNKNOWN);
    plan_add_step(plan, PLAN_STEP_UNLOCK);
    plan->bytes_exact = FALSE;
    g_ptr_array_add(plan->notes, g_strdup("Image '/img/x\ty' stays as a layer of no snapshot"));
    return plan;
}

static Plan *revert_plan(void)
{
    Plan *plan = new_plan(PLAN_REVERT, "clean");
    PlanOverlay *overlay = plan_overlay_new();

    overlay->disk = g_strdup("vda");
    overlay->frozen = plan_image("/img/vm1.qcow2");
    overlay->overlay = plan_image("/img/vm1.clean-2");
    g_ptr_array_add(plan->overlays, overlay);
    plan->memory_file = g_strdup("/img/vm1.memory");
    plan->discarded_bytes = 4 * MIB;
    plan->bytes_freed = 4 * MIB;
    plan_add_step(plan, PLAN_STEP_CREATE_OVERLAYS);
    plan_add_step(plan, PLAN_STEP_LOCK);
    plan_add_step(plan, PLAN_STEP_STOP_GUEST);
    plan_add_step(plan, PLAN_STEP_DEFINE_DOMAIN);
    plan_add_step(plan, PLAN_STEP_UPDATE_SNAPSHOTS);
    plan_add_step(plan, PLAN_STEP_RESTORE_MEMORY);
    add_file_step(plan, "/img/vm1.now", "vda", 4 * MIB);
    plan_add_step(plan, PLAN_STEP_UNLOCK);
    return plan;
}

static Plan *refused_plan(void)
{
    Plan *plan = new_plan(PLAN_DELETE, "s1");

    /* whatever is there beside a refusal is not to be shown */
    plan_add_step(plan, PLAN_STEP_LOCK);
    plan->bytes_moved = 5;
    plan_refuse(plan, "active-job", g_strdup("Disk 'vda' has an active\nblock job"),
                g_strdup("Run 'blockjob vm1 vda\033[1m \342\200\246'"));
    plan_refuse(plan, "read-only", g_strdup("The connection is read-only"), NULL);
    return plan;
}

static Plan *empty_plan(void)
{
    return new_plan(PLAN_REPAIR, NULL);
}

static const struct {
    const char *name;
    Plan *(*make)(void);
    const TextOptions *options; /* NULL: JSON */
} plans[] = {
    { "plan-delete.txt", delete_plan, &people },
    { "plan-delete-bytes.txt", delete_plan, &bytes },
    { "plan-delete.json", delete_plan, NULL },
    { "plan-shut-off.txt", shut_off_plan, &people },
    { "plan-shut-off-ascii.txt", shut_off_plan, &ascii },
    { "plan-shut-off.json", shut_off_plan, NULL },
    { "plan-revert.txt", revert_plan, &people },
    { "plan-revert.json", revert_plan, NULL },
    { "plan-refused.json", refused_plan, NULL },
    { "plan-empty.txt", empty_plan, &people },
    { "plan-empty.json", empty_plan, NULL },
};

static void test_plan(gconstpointer data)
{
    gsize i = GPOINTER_TO_SIZE(data);
    g_autoptr(Plan) plan = plans[i].make();
    g_autofree char *text = plans[i].options ? text_plan(plan, plans[i].options)
                                             : text_plan_json(plan);

    compare_golden(plans[i].name, text);
}

static void test_refusals(void)
{
    g_autoptr(Plan) plan = refused_plan();
    g_autoptr(GPtrArray) lines = text_plan_refusals(plan, &ascii);

    g_assert_cmpuint(lines->len, ==, 3);
    g_assert_cmpstr(lines->pdata[0], ==, "Disk 'vda' has an active\\nblock job");
    g_assert_cmpstr(lines->pdata[1], ==, "Run 'blockjob vm1 vda\\x1b[1m ...'");
    g_assert_cmpstr(lines->pdata[2], ==, "The connection is read-only");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(plans); i++) {
        g_autofree char *path = g_strdup_printf("/text/plan/%s", plans[i].name);

        g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_plan);
    }
    g_test_add_func("/text/plan/refusals", test_refusals);
    return g_test_run();
}
