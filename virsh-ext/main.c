/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * main.c: where virsh-ext begins: options, then what the words ask for
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "virsh-ext/batch.h"
#include "virsh-ext/complete.h"
#include "virsh-ext/help.h"
#include "virsh-ext/loader.h"
#include "virsh-ext/options.h"
#include "virsh-ext/output.h"
#include "virsh-ext/passthrough.h"
#include "virsh-ext/session.h"
#include "virsh-ext/pump.h"
#include "virsh-ext/repl.h"

/* virsh's `virsh` without words. */
static int run_shell(VextSession *s)
{
    if (!vext_registry_any(s))
        return vext_virsh_exec(s);
    s->interactive = true;
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return vext_pump_run(s);
    return vext_options_apply(s) ? vext_repl_run(s) : 1;
}

static int run_words(VextSession *s, char **words, int n)
{
    VextBatch *b = n == 1 ? vext_batch_parse(s, words[0])
                          : vext_batch_parse_words(s, words, (size_t)n);
    /* somebody waits for it behind a key: libvirt is loaded, and connected to, only by the one who
     * has to ask it something: virsh, or the completer of an own option */
    bool completes = b->n == 1 && !b->failed && b->segs[0].kind == VEXT_SEG_COMPLETE &&
                     vext_virsh_exists();
    int status = 1;

    if (vext_batch_is_stock(b) ||
        (completes && vext_complete_is_stock(s, &b->segs[0].words))) {
        vext_batch_free(b);
        return vext_virsh_exec(s);
    }
    if (vext_options_apply(s) && vext_batch_check(s, b) &&
        (completes || vext_batch_connect(s, b)))
        status = vext_batch_run(s, b, NULL, NULL);
    vext_batch_free(b);
    return status;
}

/*
 * Not for people: the build makes NAME.commands with it.
 *      virsh-ext --vext-print-manifest PLUGIN.so
 */
static int print_manifest(VextSession *s, const char *path)
{
    VextModule module = {.path = (char *)(void *)path};
    const VextPlugin *plugin = vext_loader_load(s, &module);
    vext_autofree char *text = plugin ? vext_manifest_text(plugin) : NULL;

    if (!text)
        return 1;
    fputs(text, stdout);
    return fflush(stdout) == 0 ? 0 : 1;
}

static int run(VextSession *s)
{
    int first = 0;

    /* it loads any file: not for whom the program has rights that are not theirs */
    if (s->argc == 3 && vext_streq(s->argv[1], "--vext-print-manifest") && vext_env_trusted())
        return print_manifest(s, s->argv[2]);

    switch (vext_options_parse(s, &first)) {
    case VEXT_START_HELP:
        return vext_help_usage(s);
    case VEXT_START_VERSION:
        return vext_help_version(s, false);
    case VEXT_START_LONG_VERSION:
        return vext_help_version(s, true);
    case VEXT_START_VIRSH:
        return vext_virsh_exec(s);
    case VEXT_START_FAILED:
        return 1;
    case VEXT_START_COMMANDS:
        break;
    }
    if (first >= s->argc)
        return run_shell(s);
    return run_words(s, s->argv + first, s->argc - first);
}

/*
 * Standard streams that the parent closed stay closed to whoever uses them, and to virsh, but their
 * numbers are taken: the connection's socket must not get one of them, and then our output.
 * Returns: whether standard output is closed
 */
static bool reserve_streams(void)
{
    bool closed = false;

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            continue;
        open("/dev/null", (fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
        closed = closed || fd == STDOUT_FILENO;
    }
    return closed;
}

int main(int argc, char **argv)
{
    static VextSession session;
    bool silent = reserve_streams();
    int status;

    /* A parent that ignores it hands that down, and then no status of a child can be had. */
    signal(SIGCHLD, SIG_DFL);
    vext_i18n_init();
    vext_session_init(&session, argc, argv);
    status = run(&session);
    if (!silent && (fflush(stdout) != 0 || ferror(stdout))) {
        vext_error(&session, _("Cannot write the output: %s"), strerror(errno));
        status = status ? status : 1;
    }
    vext_session_end(&session);
    return status;
}
