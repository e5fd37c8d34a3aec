/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * operation.c: what the commands that change things share
 */
#include "config.h"

#include <string.h>
#include <unistd.h>

#include "include/vext-i18n.h"
#include "plugin/backend/admin.h"
#include "plugin/backend/domain.h"
#include "plugin/backend/helper.h"
#include "plugin/backend/memory.h"
#include "plugin/backend/read.h"
#include "plugin/backend/revert.h"
#include "plugin/backend/snapshots.h"
#include "plugin/exec/revert.h"
#include "plugin/operation.h"
#include "plugin/text/plan-text.h"
#include "plugin/xml/read.h"

void operation_print_error(VextHost *host, const char *line)
{
    g_autofree char *safe = text_sentence(line, text_terminal_options(STDERR_FILENO).utf8);

    host->error(host, safe);
}

void operation_print_warning(VextHost *host, const char *line)
{
    g_autofree char *safe = text_sentence(line, text_terminal_options(STDERR_FILENO).utf8);

    host->warn(host, safe);
}

void operation_print_line(VextHost *host, const char *line)
{
    g_autofree char *safe = text_sentence(line, text_terminal_options(STDOUT_FILENO).utf8);
    g_autofree char *text = g_strconcat(safe, "\n", NULL);

    host->print_extra(host, text);
}

void operation_print_errors(VextHost *host, GPtrArray *lines)
{
    for (guint i = 0; i < lines->len; i++)
        operation_print_error(host, g_ptr_array_index(lines, i));
}

void operation_say_discarded(VextHost *host, const Plan *plan, gboolean done, gboolean warn)
{
    for (guint i = 0; plan->operation == PLAN_REVERT && i < plan->files->len; i++) {
        const PlanFile *file = g_ptr_array_index(plan->files, i);
        g_autofree char *size = text_size(file->bytes, FALSE), *line = NULL;

        /* What --save-current makes and throws away again never held anything. */
        if (!file->image || plan->save_current || (done && file->stays))
            continue;
        line = g_strdup_printf(done ? _("Discarded %s of disk '%s' in '%s'")
                                    : _("To be discarded: %s of disk '%s' in '%s'"),
                               size, file->disk, file->image->path);
        if (warn)
            operation_print_warning(host, line);
        else
            operation_print_line(host, line);
    }
}

void operation_print_refusals(VextHost *host, const Plan *plan)
{
    TextOptions options = text_terminal_options(STDERR_FILENO);
    g_autoptr(GPtrArray) lines = text_plan_refusals(plan, &options);

    for (guint i = 0; i < lines->len; i++)
        host->error(host, g_ptr_array_index(lines, i));
}

gboolean operation_daemon_log(VextHost *host, const VextCmd *cmd, char **file)
{
    const char *word = host->opt_string(cmd, "daemon-log");
    g_autoptr(GError) problem = NULL;

    *file = word ? backend_daemon_log_file(word, &problem) : NULL;
    if (problem)
        operation_print_error(host, problem->message);
    return !problem;
}

gboolean operation_open(Operation *op, VextHost *host, const VextCmd *cmd)
{
    const char *word = host->opt_string(cmd, "domain");
    g_autoptr(GError) problem = NULL;

    memset(op, 0, sizeof(*op));
    op->host = host;
    op->conn = host->connect(host);
    if (!op->conn)
        return FALSE;
    backend_errors_quiet(op->conn);
    op->dom = backend_domain_by_word(op->conn, word, &problem);
    if (!op->dom) {
        g_autofree char *first = g_strdup_printf(_("failed to get domain '%s'"), word);

        operation_print_error(host, first);
        operation_print_error(host, problem->message);
        return FALSE;
    }
    op->name = g_strdup(backend_domain_name(op->dom));
    op->readonly = host->is_readonly(host) || backend_domain_readonly(op->dom);
    return TRUE;
}

static void drop_request(Operation *op)
{
    if (op->planned)
        g_ptr_array_unref(op->request.names);
    op->planned = FALSE;
}

void operation_close(Operation *op)
{
    chain_graph_free(op->graph);
    g_clear_pointer(&op->measures, g_hash_table_unref);
    drop_request(op);
    g_free(op->name);
    backend_free_virDomain(op->dom);
    memset(op, 0, sizeof(*op));
}

gboolean operation_read(Operation *op, GError **error)
{
    BackendReadOptions options = {
        .domain = op->dom,
        .secure = !op->readonly,
        .complete = TRUE,
        .scan_orphans = TRUE,
        .pools = !op->readonly,
        .state = TRUE,
        .domain_of_helper = journal_domain_of_helper,
        .operation_from_xml = journal_operation_from_xml,
    };
    ChainGraph *graph = backend_read_graph(op->conn, &options, error);

    if (!graph)
        return FALSE;
    chain_graph_free(op->graph);
    op->graph = graph;
    op->domain = chain_graph_domain(graph, op->name);
    if (!op->domain) {
        g_set_error(error, EXEC_ERROR, EXEC_ERROR_CHANGED,
                    _("Domain '%s' does not exist any more"), op->name);
        return FALSE;
    }
    return TRUE;
}

static ChainImage *image_by_key(const ChainGraph *graph, const char *key)
{
    return key ? g_hash_table_lookup(graph->by_key, key) : NULL;
}

static GHashTable *measure(const ChainGraph *graph, const Plan *plan)
{
    GHashTable *measures = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

    for (guint i = 0; i < plan->wanted->len; i++) {
        const PlanRange *range = g_ptr_array_index(plan->wanted, i);
        ChainImage *lo = image_by_key(graph, range->lo), *hi = image_by_key(graph, range->hi);
        ChainImage *top = image_by_key(graph, range->top);
        PlanMeasure m;

        if (graph->local && lo && hi && top &&
            backend_measure_range(lo, hi, top, &m.commit_bytes, &m.commit_growth,
                                  &m.pull_bytes)) {
            PlanMeasure *copy = g_new(PlanMeasure, 1);

            *copy = m;
            g_hash_table_replace(measures, plan_measure_key(range->lo, range->top), copy);
        }
    }
    return measures;
}

/** The facts about the snapshot that is reverted to. @strings: keeps what they borrow. */
static void revert_facts(Operation *op, PlanFacts *facts, GPtrArray *strings)
{
    const PlanRequest *request = &op->request;
    const ChainSnapshot *s = request->names->len
        ? chain_domain_snapshot(op->domain, g_ptr_array_index(request->names, 0))
        : op->domain->current;
    g_autoptr(GError) problem = NULL;

    if (!s)
        return;
    facts->no_pools = backend_is_embedded(op->conn);
    facts->uefi_variables = s->xml && strstr(s->xml, "<nvram");
    facts->nvram_cannot_be_reset = request->reset_nvram && !backend_resets_nvram(op->conn);
    if (s->memory != CHAIN_MEMORY_EXTERNAL || !s->memory_file)
        return;
    if (!backend_memory_check(op->conn, s->memory_file, op->domain->uuid, &problem)) {
        facts->memory_problem = g_strdup(problem->message);
        g_ptr_array_add(strings, (char *)facts->memory_problem);
    } else if (!request->force) {
        facts->memory_unfit = backend_memory_unfit(op->conn, s->memory_file);
        g_ptr_array_add(strings, (char *)facts->memory_unfit);
    }
}

static Plan *plan_now(Operation *op, gboolean ignore_operation)
{
    g_autoptr(GPtrArray) strings = g_ptr_array_new_with_free_func(g_free);
    PlanFacts facts = {
        .readonly = op->readonly,
        .name_too_long = !journal_name_fits(op->name),
        .ignore_operation = ignore_operation,
        .measures = op->measures,
        .now = op->now,
        .random = op->has_random ? op->random : NULL,
    };

    if (op->request.operation == PLAN_REVERT)
        revert_facts(op, &facts, strings);
    return plan_make(op->graph, op->domain, &op->request, &facts);
}

Plan *operation_plan(Operation *op, const PlanRequest *request, gboolean ignore_operation)
{
    Plan *plan;

    drop_request(op);
    op->request = *request;
    g_ptr_array_ref(op->request.names);
    op->planned = TRUE;
    op->now = g_get_real_time() / G_USEC_PER_SEC;
    /* Not GLib's random numbers: they follow from those that were seen before. */
    op->has_random = getentropy(op->random, sizeof(op->random)) == 0;
    g_clear_pointer(&op->measures, g_hash_table_unref);
    plan = plan_now(op, ignore_operation);
    /* Also of what is refused: for lack of space it is on the best figures that there are. */
    if (!plan->wanted->len)
        return plan;
    op->measures = measure(op->graph, plan);
    if (!g_hash_table_size(op->measures))
        return plan;
    plan_free(plan);
    return plan_now(op, ignore_operation);
}

/** What was planned and what would be planned now. */
typedef struct {
    Operation *op;
    const Journal *journal;
} Recheck;

/** ExecContext.recheck: the world is read again under the lock and planned on again. */
static gboolean recheck(gpointer data, GError **error)
{
    const Recheck *r = data;
    g_autoptr(Plan) again = NULL;

    if (!operation_read(r->op, error))
        return FALSE;
    again = plan_now(r->op, TRUE);
    if (again->refusals->len) {
        const PlanRefusal *refusal = g_ptr_array_index(again->refusals, 0);

        g_set_error_literal(error, EXEC_ERROR, EXEC_ERROR_CHANGED, refusal->message);
        return FALSE;
    }
    if (!plan_same_work(r->journal->plan, again) ||
        r->journal->snapshot_names->len != r->op->domain->snapshots->len) {
        g_set_error(error, EXEC_ERROR, EXEC_ERROR_CHANGED,
                    _("Somebody changed domain '%s', its snapshots or images meanwhile: try "
                      "again"), r->op->name);
        return FALSE;
    }
    return TRUE;
}

Journal *operation_journal(Operation *op, Plan *plan_take, GError **error)
{
    g_autoptr(Journal) journal = journal_new();
    g_autoptr(GPtrArray) names = NULL;
    g_autoptr(GError) problem = NULL;

    journal->plan = plan_take;
    journal->domain = g_strdup(plan_take->domain);
    journal->uuid = g_strdup(plan_take->uuid);
    if (backend_domain_persistent(op->dom, NULL) == 1) {
        journal->domain_xml = backend_domain_xml(op->dom, FALSE, error);
        if (!journal->domain_xml)
            return NULL;
    }
    if (backend_domain_active(op->dom, NULL) == 1) {
        journal->live_xml = backend_domain_xml(op->dom, TRUE, error);
        if (!journal->live_xml)
            return NULL;
    }
    names = backend_snapshot_names(op->dom, error);
    if (!names)
        return NULL;
    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        char *xml = backend_snapshot_xml(op->dom, name, error);

        if (!xml)
            return NULL;
        g_ptr_array_add(journal->snapshot_names, g_strdup(name));
        g_ptr_array_add(journal->snapshot_xml, xml);
    }
    journal->current = backend_snapshot_current(op->dom, &problem);
    if (problem) {
        g_propagate_error(error, g_steal_pointer(&problem));
        return NULL;
    }
    return g_steal_pointer(&journal);
}

void operation_refresh(const Operation *op, Journal *journal)
{
    ExecContext ctx;

    exec_context_init(&ctx, op->host, op->conn);
    exec_revert_refresh(&ctx, journal);
    exec_context_clear(&ctx);
}

char *operation_describe_interrupted(const Operation *op, const Journal *journal)
{
    const Plan *plan = journal->plan;
    guint n = MIN(journal->step, plan->steps->len - 1);
    g_autofree char *step = plan_step_describe(plan, g_ptr_array_index(plan->steps, n));
    g_autofree char *line =
        g_strdup_printf(_("%s of domain '%s', begun %s by %s, was interrupted at step %u: %s"),
                        plan->command, op->name, journal->started, journal->client, n + 1, step);

    return text_sentence(line, text_terminal_options(STDOUT_FILENO).utf8);
}

void operation_preview(const Operation *op, const Journal *journal, gboolean json)
{
    TextOptions options = text_terminal_options(STDOUT_FILENO);
    g_autofree char *what = NULL, *plan = NULL, *whole = NULL;

    if (json) {
        plan = text_plan_json(journal->plan);
        op->host->print(op->host, plan);
        return;
    }
    what = operation_describe_interrupted(op, journal);
    plan = text_plan(journal->plan, &options);
    whole = g_strdup_printf("%s\n%s\n%s", what, _("Would finish it; the whole plan:"), plan);
    op->host->print(op->host, whole);
}

VextStatus operation_run(Operation *op, const OperationRun *how, Journal *journal,
                         GPtrArray *reasons)
{
    BackendDaemonLog *log = NULL;
    g_autoptr(GError) problem = NULL;
    Recheck again = { op, journal };
    ExecContext ctx;
    VextStatus status;

    if (how->daemon_log) {
        log = backend_daemon_log_begin(op->conn, how->daemon_log, &problem);
        if (!log) {
            g_ptr_array_add(reasons, g_strdup(problem->message));
            return VEXT_FAILED;
        }
    }
    exec_context_init(&ctx, op->host, op->conn);
    ctx.verbose = how->verbose;
    ctx.say = operation_print_line;
    ctx.bandwidth = how->bandwidth;
    if (how->timeout)
        ctx.deadline = g_get_monotonic_time() + (gint64)how->timeout * G_USEC_PER_SEC;
    ctx.resuming = how->resuming;
    if (op->planned) {
        ctx.recheck = recheck;
        ctx.recheck_data = &again;
    }
    status = exec_run(&ctx, journal, reasons);
    for (guint i = 0; i < ctx.notes->len; i++)
        operation_print_warning(op->host, g_ptr_array_index(ctx.notes, i));
    exec_context_clear(&ctx);
    if (!backend_daemon_log_end(log, &problem))
        operation_print_warning(op->host, problem->message);
    return status;
}

bool operation_claims(VextHost *host, const VextCmd *cmd, const char *name)
{
    const char *word = host->opt_string(cmd, "domain");
    virConnectPtr conn = word ? host->connect_quietly(host) : NULL;
    g_autoptr(virDomain) dom = NULL;
    g_autofree char *current = NULL, *xml = NULL;
    g_autoptr(ChainGraph) graph = chain_graph_new();
    XmlReader reader = { .graph = graph };
    ChainSnapshot *snapshot;

    if (!conn)
        return false;
    backend_errors_quiet(conn);
    dom = backend_domain_by_word(conn, word, NULL);
    if (!dom)
        return false;
    if (!name)
        name = current = backend_snapshot_current(dom, NULL);
    xml = name ? backend_snapshot_xml(dom, name, NULL) : NULL;
    if (!xml)
        return false;
    snapshot = xml_read_snapshot(&reader, chain_graph_add_domain(graph, "", ""), xml, NULL);
    return snapshot && chain_snapshot_is_external(snapshot);
}
