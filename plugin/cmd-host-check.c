/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cmd-host-check.c: what a connection can do for external snapshots
 *
 * Each check adds a line; nothing is changed. PASS: as it should be. WARN: something works
 * differently or could not be seen. FAIL: the commands of this plugin will not work.
 */
#include "config.h"

#include <json-glib/json-glib.h>
#include <unistd.h>

#include "plugin/backend/host.h"
#include "plugin/cmd.h"
#include "include/vext-i18n.h"
#include "plugin/text/json.h"
#include "plugin/text/safe.h"

const VextOptDef opts_host_check[] = {
    { .name = "json", .type = VEXT_OPT_BOOL, .help = N_("print JSON") },
    { .name = NULL },
};

static const char *const level_names[] = { "PASS", "WARN", "FAIL" };
/* virt-host-validate's colours */
static const char *const level_colours[] = { "\033[32m", "\033[33m", "\033[31m" };

static char *to_json(GPtrArray *checks, BackendCheckLevel worst)
{
    g_autoptr(JsonBuilder) b = json_builder_new();

    json_builder_begin_object(b);
    text_json_string(b, "result", level_names[worst]);
    json_builder_set_member_name(b, "checks");
    json_builder_begin_array(b);
    for (guint i = 0; i < checks->len; i++) {
        const BackendCheck *check = g_ptr_array_index(checks, i);

        json_builder_begin_object(b);
        text_json_string(b, "code", check->code);
        text_json_string(b, "result", level_names[check->level]);
        text_json_string(b, "check", _(check->title));
        text_json_string(b, "detail", check->detail);
        json_builder_end_object(b);
    }
    json_builder_end_array(b);
    json_builder_end_object(b);
    return text_json_finish(b);
}

static char *to_text(GPtrArray *checks)
{
    TextOptions options = text_terminal_options(STDOUT_FILENO);
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < checks->len; i++) {
        const BackendCheck *check = g_ptr_array_index(checks, i);
        g_autofree char *detail = check->detail ? text_sentence(check->detail, options.utf8) : NULL;
        const char *title = _(check->title);

        g_string_append_printf(text, "  QEMU: %s%*s: %s%s%s", title,
                               (int) MAX(0, 60 - (int) g_utf8_strlen(title, -1)), "",
                               options.colour ? level_colours[check->level] : "",
                               level_names[check->level], options.colour ? "\033[0m" : "");
        if (detail)
            g_string_append_printf(text, " (%s)", detail);
        g_string_append_c(text, '\n');
    }
    return g_string_free(text, FALSE);
}

int cmd_host_check(VextHost *host, const VextCmd *cmd)
{
    g_autoptr(GPtrArray) checks = NULL;
    g_autofree char *text = NULL;
    BackendCheckLevel worst = BACKEND_CHECK_PASS;
    virConnectPtr conn = host->connect(host);

    if (!conn)
        return VEXT_FAILED;
    checks = backend_host_check(conn, host->is_readonly(host));
    for (guint i = 0; i < checks->len; i++)
        worst = MAX(worst, ((const BackendCheck *) g_ptr_array_index(checks, i))->level);
    text = host->opt_bool(cmd, "json") ? to_json(checks, worst) : to_text(checks);
    host->print(host, text);
    return worst == BACKEND_CHECK_FAIL ? VEXT_FAILED : VEXT_OK;
}
