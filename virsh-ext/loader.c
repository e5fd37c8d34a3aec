/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * loader.c: finds plugins and loads them
 */
#include <config.h>

#include "virsh-ext/loader.h"

#include <dirent.h>
#include <dlfcn.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "virsh-ext/output.h"

/* Whether a group is the user's alone, as where the umask is 002. Root's never is. */
static bool is_private_group(gid_t gid)
{
    struct passwd *pw = geteuid() != 0 ? getpwuid(geteuid()) : NULL;
    struct group *gr;
    vext_autofree char *user = NULL;

    if (!pw || pw->pw_gid != gid)
        return false;
    user = vext_strdup(pw->pw_name);
    gr = getgrgid(gid);
    if (!gr || !vext_streq(gr->gr_name, user))
        return false;
    for (char **m = gr->gr_mem; m && *m; m++) {
        if (!vext_streq(*m, user))
            return false;
    }
    return true;
}

/* Whether only this user and root can have written it; @what is a folder's or file's status. */
static bool is_safe(const struct stat *what)
{
    if (what->st_uid != 0 && what->st_uid != geteuid())
        return false;
    if (what->st_mode & S_IWOTH)
        return false;
    return !(what->st_mode & S_IWGRP) || is_private_group(what->st_gid);
}

static char *replace_suffix(const char *path, const char *from, const char *to)
{
    return vext_strdup_printf("%.*s%s", (int)(strlen(path) - strlen(from)), path, to);
}

static char *next_word(char **line)
{
    char *word = *line + strspn(*line, " \t");
    size_t len = strcspn(word, " \t");

    *line = word + len;
    if (word[len])
        *(*line)++ = '\0';
    return len ? word : NULL;
}

static void manifest_line(VextModule *m, char *line)
{
    char *summary = strchr(line, '\t');
    char *rest = line;
    char *name;
    char *verb;
    VextManifestEntry *e;

    if (summary)
        *summary++ = '\0';
    name = next_word(&rest);
    if (!name || *name == '#')
        return;
    verb = next_word(&rest);
    if (vext_streq(name, "group") && verb) {
        free(m->group_keyword);
        free(m->group_name);
        m->group_keyword = vext_strdup(verb);
        m->group_name = vext_strdup(rest + strspn(rest, " \t"));
        return;
    }
    m->entries = vext_grow(m->entries, &m->cap, m->nentries + 1, sizeof(*m->entries));
    e = &m->entries[m->nentries++];
    e->name = vext_strdup(name);
    e->summary = vext_strdup(summary ? summary : "");
    e->takes_over = NULL;
    if (verb && vext_streq(verb, "takes-over"))
        e->takes_over = vext_strdup(next_word(&rest));
}

/* The manifest is only a hint about which module to load, and is held to the same rules. */
static void read_manifest(VextModule *m)
{
    vext_autofree char *path = replace_suffix(m->path, ".so", ".commands");
    vext_autofree char *line = NULL;
    size_t cap = 0;
    struct stat mf;
    ssize_t len;
    FILE *f = fopen(path, "re");

    if (!f)
        return;
    if (fstat(fileno(f), &mf) < 0 || !S_ISREG(mf.st_mode) || !is_safe(&mf)) {
        fclose(f);
        return;
    }
    while ((len = getline(&line, &cap, f)) >= 0) {
        if (len && line[len - 1] == '\n')
            line[len - 1] = '\0';
        manifest_line(m, line);
    }
    m->has_manifest = m->group_keyword && m->nentries;
    fclose(f);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Whether the folder that a plugin really lies in, where @path is a link, is as safe as the one
 * that was looked through: who can write there can put another file in its place. */
static bool lies_safe(const char *path)
{
    vext_autofree char *real = realpath(path, NULL);
    char *slash = real ? strrchr(real, '/') : NULL;
    struct stat st;

    if (!slash)
        return false;
    slash[slash == real] = '\0';
    return stat(real, &st) == 0 && is_safe(&st);
}

static void scan_folder(VextSession *s, const char *folder)
{
    VextStrv names = {0};
    struct dirent *entry;
    struct stat st;
    DIR *dir = opendir(folder);

    if (!dir)
        return;
    if (fstat(dirfd(dir), &st) < 0 || !is_safe(&st)) {
        vext_warn(s, _("Plugins in '%s' are not loaded: others can write the folder"), folder);
        closedir(dir);
        return;
    }
    while ((entry = readdir(dir))) {
        size_t len = strlen(entry->d_name);

        if (len > 3 && entry->d_name[0] != '.' && vext_streq(entry->d_name + len - 3, ".so"))
            vext_strv_add(&names, entry->d_name);
    }
    closedir(dir);
    if (names.n)
        qsort(names.items, names.n, sizeof(*names.items), compare_names);

    for (size_t i = 0; i < names.n; i++) {
        VextRegistry *reg = &s->registry;
        vext_autofree char *path = vext_strdup_printf("%s/%s", folder, names.items[i]);
        VextModule *m;

        if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
            continue;
        if (!is_safe(&st)) {
            vext_warn(s, _("Plugin '%s' is not loaded: others can write the file"), path);
            continue;
        }
        if (!lies_safe(path)) {
            vext_warn(s, _("Plugin '%s' is not loaded: others can write the folder it lies in"),
                      path);
            continue;
        }
        reg->modules = vext_grow(reg->modules, &reg->cap, reg->nmodules + 1,
                                 sizeof(*reg->modules));
        m = &reg->modules[reg->nmodules++];
        memset(m, 0, sizeof(*m));
        m->path = path;
        path = NULL;
        read_manifest(m);
    }
    vext_strv_clear(&names);
}

void vext_loader_scan(VextSession *s)
{
    const char *list = vext_env_trusted() ? getenv("VIRSH_EXT_PLUGIN_PATH") : NULL;
    vext_autofree char *copy = NULL;
    char *save = NULL;

    s->registry.scanned = true;
    if (!list) {
        scan_folder(s, PLUGINDIR);
        return;
    }
    copy = vext_strdup(list);
    for (char *folder = strtok_r(copy, ":", &save); folder; folder = strtok_r(NULL, ":", &save))
        scan_folder(s, folder);
}

/* Whether another plugin that is loaded has this name, or a command of that name. */
static char *find_clash(VextSession *s, const VextPlugin *plugin)
{
    for (size_t i = 0; i < s->registry.nmodules; i++) {
        const VextPlugin *other = s->registry.modules[i].plugin;

        if (!other)
            continue;
        if (vext_streq(other->name, plugin->name))
            return vext_strdup_printf(_("a plugin of the name '%s' is loaded already"),
                                      other->name);
        for (const VextCmdDef *a = other->commands; a->name; a++) {
            for (const VextCmdDef *b = plugin->commands; b->name; b++) {
                if (vext_streq(a->name, b->name))
                    return vext_strdup_printf(_("plugin '%s' has the command '%s' already"),
                                              other->name, a->name);
            }
        }
    }
    return NULL;
}

static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
static const char *crash_note;

static void on_crash(int sig)
{
    ssize_t written = write(STDERR_FILENO, crash_note, strlen(crash_note));

    (void)written;
    raise(sig); /* of the default action, which SA_RESETHAND put back */
}

/* @note: what to say should the program crash, NULL to stop that. A plugin without a list of its
 * commands is loaded by every command line: its user has to know which file to remove. What has a
 * handler of its own, as under a sanitizer, reports itself. */
static void note_crash(const char *note)
{
    struct sigaction ours = {.sa_handler = on_crash, .sa_flags = (int)(SA_RESETHAND | SA_NODEFER)};
    struct sigaction none = {.sa_handler = SIG_DFL};

    crash_note = note;
    for (size_t i = 0; i < sizeof(crashes) / sizeof(*crashes); i++) {
        struct sigaction now;

        if (sigaction(crashes[i], NULL, &now) == 0 &&
            now.sa_handler == (note ? SIG_DFL : on_crash))
            sigaction(crashes[i], note ? &ours : &none, NULL);
    }
}

/* Opens a plugin and has it begin. Returns NULL after saying why it cannot be used. */
static const VextPlugin *begin(VextSession *s, const VextModule *module)
{
    const VextPlugin *(*init)(const VextHost *host);
    const VextPlugin *plugin;
    void *so = dlopen(module->path, RTLD_NOW | RTLD_LOCAL);

    if (!so) {
        vext_warn(s, _("Plugin '%s' is not loaded: %s"), module->path, dlerror());
        return NULL;
    }
    *(void **)&init = dlsym(so, VEXT_PLUGIN_INIT_SYMBOL);
    if (!init) {
        vext_warn(s, _("Plugin '%s' is not loaded: %s"), module->path,
                  _("it is not a plugin of virsh-ext"));
        dlclose(so);
        return NULL;
    }
    plugin = init(&s->host);
    if (!plugin)
        vext_warn(s, _("Plugin '%s' is not loaded: %s"), module->path, _("it cannot work here"));
    return plugin;
}

const VextPlugin *vext_loader_load(VextSession *s, VextModule *module)
{
    vext_autofree char *problem = NULL;
    vext_autofree char *note = NULL;
    const VextPlugin *plugin;

    if (module->tried)
        return module->plugin;
    module->tried = true;

    note = vext_strdup_printf(_("error: Plugin '%s' crashed while it was loaded\n"), module->path);
    note_crash(note);
    plugin = begin(s, module);
    note_crash(NULL);
    if (!plugin)
        return NULL;
    problem = vext_plugin_check(plugin);
    if (!problem)
        problem = find_clash(s, plugin);
    if (problem) {
        vext_warn(s, _("Plugin '%s' is not loaded: %s"), module->path, problem);
        return NULL;
    }
    module->plugin = plugin;
    return plugin;
}
