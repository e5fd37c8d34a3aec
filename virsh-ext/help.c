/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * help.c: help about own commands, and virsh's lists with ours among them
 */
#include <config.h>

#include "virsh-ext/help.h"

#include <stdio.h>

#include "virsh-ext/output.h"
#include "virsh-ext/passthrough.h"

static bool is_plain_word(const VextOptDef *o)
{
    return o->flags & VEXT_OPT_POSITIONAL;
}

static void print_synopsis_option(const VextOptDef *o, bool others)
{
    bool required = o->flags & VEXT_OPT_REQUIRED;

    switch (o->type) {
    case VEXT_OPT_BOOL:
        printf(" [--%s]", o->name);
        return;
    case VEXT_OPT_ARGV:
        if (others)
            printf(required ? " {[--%s] <string>}..." : " [[--%s] <string>]...", o->name);
        else
            printf(required ? " <%s>..." : " [<%s>]...", o->name);
        return;
    case VEXT_OPT_STRING:
    case VEXT_OPT_NUMBER:
        break;
    }
    if (is_plain_word(o))
        printf(required ? " <%s>" : " [<%s>]", o->name);
    else if (o->type == VEXT_OPT_NUMBER)
        printf(required ? " --%s <number>" : " [--%s <number>]", o->name);
    else
        printf(required ? " --%s <string>" : " [--%s <string>]", o->name);
}

static char *option_column(const VextOptDef *o, bool others)
{
    const char *type = o->type == VEXT_OPT_NUMBER ? V_("number") : V_("string");

    switch (o->type) {
    case VEXT_OPT_BOOL:
        return vext_strdup_printf("--%s", o->name);
    case VEXT_OPT_ARGV:
        return vext_strdup_printf(others ? "[--%s] <string>" : "<%s>", o->name);
    case VEXT_OPT_STRING:
    case VEXT_OPT_NUMBER:
        break;
    }
    return vext_strdup_printf(is_plain_word(o) ? "[--%s] <%s>" : "--%s <%s>", o->name, type);
}

int vext_help_command(VextSession *s, const VextCmdDef *def, const char *name)
{
    const VextOptDef *o;
    bool others = false; /* a plain word may be something else than the last option's */

    fputs(V_("  NAME\n"), stdout);
    printf("    %s - %s\n", name, T_(def->summary));
    fputs(V_("\n  SYNOPSIS\n"), stdout);
    printf("    %s", name);
    for (o = def->opts; o && o->name; o++) {
        print_synopsis_option(o, others);
        if (is_plain_word(o))
            others = true;
    }
    fputs("\n", stdout);
    fputs(V_("\n  DESCRIPTION\n"), stdout);
    printf("    %s\n", T_(def->description));
    if (def->opts && def->opts->name) {
        fputs(V_("\n  OPTIONS\n"), stdout);
        for (o = def->opts; o->name; o++) {
            vext_autofree char *column = option_column(o, others);

            printf("    %-15s  %s\n", column, T_(o->help));
        }
    }
    fputs("\n", stdout);
    return VEXT_OK;
}

typedef struct {
    VextBuf *buf;
    bool colon;       /* as in `help`; without as in -h */
    const char *only; /* the keyword of the one group that is wanted, or NULL */
    bool spaced;      /* an empty line behind each */
} GroupPrinter;

static void add_group(void *opaque, const VextGroup *group)
{
    GroupPrinter *p = opaque;

    if (p->only && !vext_streq(p->only, group->keyword))
        return;
    if (p->colon)
        vext_buf_addf(p->buf, V_(" %s (help keyword '%s'):\n"), T_(group->name), group->keyword);
    else
        vext_buf_addf(p->buf, V_(" %s (help keyword '%s')\n"), T_(group->name), group->keyword);
    for (size_t i = 0; group->commands[i]; i++)
        vext_buf_addf(p->buf, "    %-30s %s\n", group->commands[i], T_(group->summaries[i]));
    if (p->spaced)
        vext_buf_adds(p->buf, "\n");
}

static void add_all_groups(VextSession *s, VextBuf *buf, bool colon)
{
    GroupPrinter printer = {.buf = buf, .colon = colon, .spaced = true};

    vext_registry_groups(s, add_group, &printer);
}

/*
 * What virsh prints when it is called with @args.
 * Returns: its exit status; 0 with nothing when there is no virsh
 */
static int ask_virsh(VextSession *s, const VextStrv *args, VextBuf *out)
{
    VextBuf err = {0};
    int status;

    if (!vext_virsh_exists())
        return 0;
    status = vext_virsh_capture(s, args, out, &err);
    if (err.len) {
        fflush(stdout);
        fwrite(err.data, 1, err.len, stderr);
    }
    vext_buf_clear(&err);
    return status < 0 ? 1 : vext_virsh_status(s, status);
}

static void print_buf(const VextBuf *buf)
{
    if (buf->len)
        fwrite(buf->data, 1, buf->len, stdout);
}

static int list_all(VextSession *s)
{
    VextStrv args = {0};
    VextBuf stock = {0};
    VextBuf ours = {0};
    int status;

    vext_strv_add(&args, "-q");
    vext_strv_add(&args, "help");
    status = ask_virsh(s, &args, &stock);
    vext_strv_clear(&args);
    if (!stock.len)
        vext_buf_adds(&stock, V_("Grouped commands:\n\n"));
    add_all_groups(s, &ours, true);
    print_buf(&stock);
    print_buf(&ours);
    vext_buf_clear(&stock);
    vext_buf_clear(&ours);
    return status;
}

int vext_help_topic(VextSession *s, const char *topic)
{
    const VextCmdDef *def;
    const VextPlugin *group;
    VextBuf buf = {0};
    GroupPrinter printer = {.buf = &buf, .colon = true};

    if (!topic || !*topic)
        return list_all(s);
    def = vext_registry_find(s, topic);
    if (def)
        return vext_help_command(s, def, def->name);
    group = vext_registry_find_group(s, topic);
    if (!group) {
        vext_error(s, V_("command or command group '%s' doesn't exist"), topic);
        return VEXT_FAILED;
    }
    printer.only = group->group_keyword;
    vext_registry_groups(s, add_group, &printer);
    print_buf(&buf);
    vext_buf_clear(&buf);
    return VEXT_OK;
}

int vext_help_usage(VextSession *s)
{
    static const char marker[] = "\n  (";
    VextStrv args = {0};
    VextBuf stock = {0};
    VextBuf ours = {0};
    char *at = NULL;
    int status;

    vext_strv_add(&args, "-h");
    status = ask_virsh(s, &args, &stock);
    vext_strv_clear(&args);
    if (!stock.len) {
        vext_buf_addf(&stock,
                      V_("\n%s [options]... [<command_string>]"
                         "\n%s [options]... <command> [args...]\n\n"),
                      s->progname, s->progname);
    }
    add_all_groups(s, &ours, false);
    /* before the first of "(specify help <group> ...)" and "(specify help <command> ...)" */
    at = strstr(stock.data, marker);
    if (at) {
        fwrite(stock.data, 1, (size_t)(at - stock.data), stdout);
        print_buf(&ours);
        fputs(at, stdout);
    } else {
        print_buf(&stock);
        print_buf(&ours);
    }
    vext_buf_clear(&stock);
    vext_buf_clear(&ours);
    return status;
}

int vext_help_version(VextSession *s, bool longer)
{
    VextStrv args = {0};
    VextBuf stock = {0};
    int status;

    vext_strv_add(&args, longer ? "-V" : "-v");
    status = ask_virsh(s, &args, &stock);
    vext_strv_clear(&args);
    print_buf(&stock);
    vext_buf_clear(&stock);
    printf("virsh-ext %s\n", PACKAGE_VERSION);
    return status;
}
