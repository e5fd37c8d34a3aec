/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cmd.c: the registry of own commands, and the checks of their tables
 */
#include <config.h>

#include "virsh-ext/cmd.h"

#include <stdio.h>

#include "virsh-ext/loader.h"
#include "virsh-ext/output.h"
#include "virsh-ext/parse.h"
#include "virsh-ext/passthrough.h"

static bool is_keyword(const char *name)
{
    if (!name || !*name || *name == '-')
        return false;
    return name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
}

static bool is_line(const char *text)
{
    return text && *text && !strchr(text, '\n');
}

static const VextOptDef *find_opt(const VextCmdDef *def, const char *name)
{
    for (const VextOptDef *o = def->opts; o && o->name; o++) {
        if (vext_streq(o->name, name))
            return o;
    }
    return NULL;
}

/* The same things virsh's self-test finds: order, duplicates, missing texts, flags. */
static char *check_opts(const VextCmdDef *def)
{
    bool optional = false;
    size_t n = 0;

    for (const VextOptDef *o = def->opts; o && o->name; o++, n++) {
        if (!is_keyword(o->name) || vext_streq(o->name, "help"))
            return vext_strdup_printf(_("command '%s' has an option with the bad name '%s'"),
                                      def->name, o->name);
        if (n >= VEXT_MAX_OPTS)
            return vext_strdup_printf(_("command '%s' has too many options"), def->name);
        if (!is_line(o->help))
            return vext_strdup_printf(_("option '%s' of command '%s' has no help text"), o->name,
                                      def->name);
        if (find_opt(def, o->name) != o)
            return vext_strdup_printf(_("command '%s' has the option '%s' twice"), def->name,
                                      o->name);
        if (o->type > VEXT_OPT_ARGV ||
            (o->flags & ~(VEXT_OPT_REQUIRED | VEXT_OPT_POSITIONAL | VEXT_OPT_EMPTY_OK)) != 0)
            return vext_strdup_printf(_("option '%s' of command '%s' has an unknown type or flag"),
                                      o->name, def->name);
        if (o->type == VEXT_OPT_BOOL && (o->flags || o->completer))
            return vext_strdup_printf(
                _("option '%s' of command '%s' is boolean and can have no flags and values"),
                o->name, def->name);
        if (o->type == VEXT_OPT_ARGV && o[1].name)
            return vext_strdup_printf(_("option '%s' of command '%s' must be the last one"),
                                      o->name, def->name);
        if (o->type != VEXT_OPT_ARGV && (o->flags & VEXT_OPT_REQUIRED)) {
            if (optional)
                return vext_strdup_printf(
                    _("required option '%s' of command '%s' must stand before the optional ones"),
                    o->name, def->name);
        } else {
            optional = true;
        }
    }
    return NULL;
}

static char *check_pairs(const VextCmdDef *def, const VextOptPair *pairs)
{
    for (const VextOptPair *p = pairs; p && p->first; p++) {
        if (!p->second || !find_opt(def, p->first) || !find_opt(def, p->second) ||
            vext_streq(p->first, p->second))
            return vext_strdup_printf(
                _("command '%s' relates the options '%s' and '%s', which it does not have"),
                def->name, p->first, p->second ? p->second : "");
    }
    return NULL;
}

char *vext_cmddef_check(const VextCmdDef *def)
{
    char *problem;

    if (!is_keyword(def->name))
        return vext_strdup_printf(_("a command has the bad name '%s'"),
                                  def->name ? def->name : "");
    if (vext_is_stock_name(def->name))
        return vext_strdup_printf(_("command '%s' is virsh's and cannot be replaced"), def->name);
    if (!def->handler)
        return vext_strdup_printf(_("command '%s' has no handler"), def->name);
    if (!is_line(def->summary))
        return vext_strdup_printf(_("command '%s' has no summary"), def->name);
    if (!def->description || !*def->description)
        return vext_strdup_printf(_("command '%s' has no description"), def->name);
    if (def->takes_over && !is_keyword(def->takes_over))
        return vext_strdup_printf(_("command '%s' takes over a command with the bad name '%s'"),
                                  def->name, def->takes_over);
    if (!def->takes_over != !def->claims)
        return vext_strdup_printf(_("command '%s' takes over without saying what or when"),
                                  def->name);
    problem = check_opts(def);
    if (!problem)
        problem = check_pairs(def, def->exclusive);
    if (!problem)
        problem = check_pairs(def, def->requires_);
    return problem;
}

char *vext_plugin_check(const VextPlugin *plugin)
{
    if (plugin->size < sizeof(VextPlugin) || plugin->api != VEXT_PLUGIN_API)
        return vext_strdup_printf(_("it was made for interface %u, this is interface %d"),
                                  plugin->size < offsetof(VextPlugin, name) ? 0U : plugin->api,
                                  VEXT_PLUGIN_API);
    if (!is_keyword(plugin->name) || !is_keyword(plugin->group_keyword) ||
        !is_line(plugin->group_name) || !plugin->version || !plugin->commands)
        return vext_strdup(_("its description is incomplete"));
    for (const VextCmdDef *c = plugin->commands; c->name; c++) {
        char *problem = vext_cmddef_check(c);

        if (problem)
            return problem;
        for (const VextCmdDef *d = plugin->commands; d != c; d++) {
            if (vext_streq(c->name, d->name))
                return vext_strdup_printf(_("it has the command '%s' twice"), c->name);
        }
    }
    return NULL;
}

void vext_registry_add(VextRegistry *reg, const VextPlugin *plugin)
{
    VextModule *m;

    reg->modules = vext_grow(reg->modules, &reg->cap, reg->nmodules + 1, sizeof(*reg->modules));
    m = &reg->modules[reg->nmodules++];
    memset(m, 0, sizeof(*m));
    m->path = vext_strdup(plugin->name);
    m->tried = true;
    m->plugin = plugin;
    reg->scanned = true;
}

/* Loads the module when it may have a command of the name (or one that takes that over). */
static const VextPlugin *module_with(VextSession *s, VextModule *m, const char *name, bool over)
{
    if (m->tried || !m->has_manifest)
        return vext_loader_load(s, m);
    for (size_t i = 0; i < m->nentries; i++) {
        const char *have = over ? m->entries[i].takes_over : m->entries[i].name;

        if (have && vext_streq(have, name))
            return vext_loader_load(s, m);
    }
    return NULL;
}

static const VextCmdDef *find(VextSession *s, const char *name, bool over)
{
    if (!s->registry.scanned)
        vext_loader_scan(s);
    for (size_t i = 0; i < s->registry.nmodules; i++) {
        const VextPlugin *p = module_with(s, &s->registry.modules[i], name, over);

        for (const VextCmdDef *c = p ? p->commands : NULL; c && c->name; c++) {
            const char *have = over ? c->takes_over : c->name;

            if (have && vext_streq(have, name))
                return c;
        }
    }
    return NULL;
}

const VextCmdDef *vext_registry_find(VextSession *s, const char *name)
{
    return find(s, name, false);
}

const VextCmdDef *vext_registry_find_takeover(VextSession *s, const char *stock)
{
    return find(s, stock, true);
}

bool vext_registry_any(VextSession *s)
{
    if (!s->registry.scanned)
        vext_loader_scan(s);
    for (size_t i = 0; i < s->registry.nmodules; i++) {
        VextModule *m = &s->registry.modules[i];

        if (!m->tried && m->has_manifest) {
            if (m->nentries)
                return true;
        } else if (vext_loader_load(s, m)) {
            return true;
        }
    }
    return false;
}

const VextPlugin *vext_registry_plugin(VextSession *s, size_t *i)
{
    if (!s->registry.scanned)
        vext_loader_scan(s);
    while (*i < s->registry.nmodules) {
        const VextPlugin *p = vext_loader_load(s, &s->registry.modules[(*i)++]);

        if (p)
            return p;
    }
    return NULL;
}

void vext_registry_groups(VextSession *s, void (*function)(void *opaque, const VextGroup *group),
                          void *opaque)
{
    if (!s->registry.scanned)
        vext_loader_scan(s);
    for (size_t i = 0; i < s->registry.nmodules; i++) {
        VextModule *m = &s->registry.modules[i];
        bool listed = !m->tried && m->has_manifest;
        const VextPlugin *p = listed ? NULL : vext_loader_load(s, m);
        vext_autofree const char **names = NULL;
        vext_autofree const char **summaries = NULL;
        VextGroup group = {.name = m->group_name, .keyword = m->group_keyword};
        size_t n = listed ? m->nentries : 0;

        if (!listed && !p)
            continue;
        while (p && p->commands[n].name)
            n++;
        names = vext_calloc(n + 1, sizeof(*names));
        summaries = vext_calloc(n + 1, sizeof(*summaries));
        for (size_t c = 0; c < n; c++) {
            names[c] = listed ? m->entries[c].name : p->commands[c].name;
            summaries[c] = listed ? m->entries[c].summary : p->commands[c].summary;
        }
        if (p) {
            group.name = p->group_name;
            group.keyword = p->group_keyword;
        }
        group.commands = names;
        group.summaries = summaries;
        function(opaque, &group);
    }
}

void vext_registry_names(VextSession *s, VextStrv *names)
{
    if (!s->registry.scanned)
        vext_loader_scan(s);
    for (size_t i = 0; i < s->registry.nmodules; i++) {
        VextModule *m = &s->registry.modules[i];
        const VextPlugin *p;

        if (!m->tried && m->has_manifest) {
            for (size_t n = 0; n < m->nentries; n++)
                vext_strv_add(names, m->entries[n].name);
            continue;
        }
        p = vext_loader_load(s, m);
        for (const VextCmdDef *c = p ? p->commands : NULL; c && c->name; c++)
            vext_strv_add(names, c->name);
    }
}

static bool manifest_excludes_group(const VextModule *m, const char *name)
{
    return !m->tried && m->has_manifest && !vext_streq(m->group_keyword, name) &&
           !vext_streq(m->group_name, name) && !vext_streq(T_(m->group_name), name);
}

const VextPlugin *vext_registry_find_group(VextSession *s, const char *name)
{
    if (!s->registry.scanned)
        vext_loader_scan(s);
    for (size_t i = 0; i < s->registry.nmodules; i++) {
        VextModule *m = &s->registry.modules[i];
        const VextPlugin *p = manifest_excludes_group(m, name) ? NULL : vext_loader_load(s, m);

        if (p && (vext_streq(p->group_keyword, name) || vext_streq(T_(p->group_name), name) ||
            vext_streq(p->group_name, name)))
            return p;
    }
    return NULL;
}

char *vext_manifest_text(const VextPlugin *plugin)
{
    VextBuf buf = {0};

    vext_buf_addf(&buf, "group %s %s\n", plugin->group_keyword, plugin->group_name);
    for (const VextCmdDef *c = plugin->commands; c->name; c++) {
        vext_buf_adds(&buf, c->name);
        if (c->takes_over)
            vext_buf_addf(&buf, " takes-over %s", c->takes_over);
        vext_buf_addf(&buf, "\t%s\n", c->summary);
    }
    return vext_buf_steal(&buf);
}

/* Whether what the manifest said agrees with the tables. */
static bool manifest_agrees(const VextModule *m)
{
    size_t n = 0;

    for (const VextCmdDef *c = m->plugin->commands; c->name; c++, n++) {
        const VextManifestEntry *e = &m->entries[n];

        if (n >= m->nentries || !vext_streq(e->name, c->name) ||
            !vext_streq(e->summary, c->summary) ||
            !e->takes_over != !c->takes_over ||
            (c->takes_over && !vext_streq(e->takes_over, c->takes_over)))
            return false;
    }
    return n == m->nentries && m->group_keyword &&
           vext_streq(m->group_keyword, m->plugin->group_keyword) &&
           vext_streq(m->group_name, m->plugin->group_name);
}

/* Whether the installed virsh has a command of this name, which stock.c may not know yet. */
static bool virsh_has(VextSession *s, const char *name)
{
    vext_autofree char *line = vext_strdup_printf("quit; %s --help", name);
    VextStrv args = {0};
    int status;

    vext_strv_add(&args, line);
    status = vext_virsh_capture(s, &args, NULL, NULL);
    vext_strv_clear(&args);
    return status == 0;
}

static bool check_names(VextSession *s, const VextPlugin *plugin)
{
    bool ok = true;

    for (const VextCmdDef *c = plugin->commands; c->name; c++) {
        if (virsh_has(s, c->name)) {
            vext_error(s, _("Command '%s' of plugin '%s' exists in the installed virsh too"),
                       c->name, plugin->name);
            ok = false;
        }
        if (c->takes_over && !virsh_has(s, c->takes_over)) {
            vext_error(s, _("Command '%s' of plugin '%s' takes over '%s', which virsh has not"),
                       c->name, plugin->name, c->takes_over);
            ok = false;
        }
    }
    return ok;
}

int vext_self_test(VextSession *s)
{
    bool ok = true;

    if (!s->registry.scanned)
        vext_loader_scan(s);
    for (size_t i = 0; i < s->registry.nmodules; i++) {
        VextModule *m = &s->registry.modules[i];

        if (!vext_loader_load(s, m)) {
            ok = false; /* the warning says why */
        } else if (m->has_manifest && !manifest_agrees(m)) {
            vext_error(s, _("The list of commands beside plugin '%s' does not agree with it"),
                       m->path);
            ok = false;
        } else if (vext_virsh_exists() && !check_names(s, m->plugin)) {
            ok = false;
        }
    }
    return ok ? 0 : 1;
}
