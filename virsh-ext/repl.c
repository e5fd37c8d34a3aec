/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* repl.c: the interactive shell: the loop, and who runs which command of a line */

#include <config.h>

#include "virsh-ext/repl.h"
#include "virsh-ext/repl-priv.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "virsh-ext/batch.h"
#include "virsh-ext/lexer.h"
#include "virsh-ext/output.h"
#include "virsh-ext/passthrough.h"
#include "virsh-ext/signals.h"

bool vext_repl_shares_virsh(const VextRepl *r)
{
    /* only one process can have an embedded driver, and own commands need it too */
    return !vext_conn_is_exclusive(r->s);
}

/* --- the virsh behind the shell --------------------------------------------------------------- */

int vext_repl_virsh_ended(VextRepl *r)
{
    int wstatus = vext_coproc_status(r->co);
    int sig = WIFSIGNALED(wstatus) ? WTERMSIG(wstatus) : 0;

    vext_coproc_free(r->co);
    r->co = NULL;
    if (!sig)
        return WEXITSTATUS(wstatus);
    if (sig == SIGINT || sig == SIGQUIT || sig == SIGTERM || sig == SIGHUP || sig == SIGPIPE) {
        vext_session_end(r->s);
        fflush(NULL);
        vext_signals_die(sig);
    }
    r->interrupted = true;
    vext_error(r->s, _("virsh was ended by signal %d (%s), and with it its connection"), sig,
               strsignal(sig));
    return 1;
}

/*
 * Starts the virsh behind the shell where none runs.
 * @first: at the beginning: it shows its banner, and the shell ends when it cannot connect
 * Returns: the exit status when it has ended at once or cannot be run, -1 when it is ready.
 */
static int need_virsh(VextRepl *r, bool first)
{
    VextSession *s = r->s;
    VextStrv args = { 0 }, env = { 0 };
    VextBuf banner = { 0 };
    VextCoprocState state;
    int status = -1;

    if (r->co)
        return -1;
    if (!vext_virsh_usable(s, vext_virsh_path()))
        return 1;
    vext_virsh_args(s, &args);
    vext_virsh_env(s, &env);
    r->co = vext_coproc_start(vext_virsh_path(), args.items, env.items, STDIN_FILENO,
                              first ? NULL : &banner, &state);
    if (!r->co) {
        vext_virsh_cannot_run(s, vext_virsh_path(), errno);
        status = 1;
    } else if (state == VEXT_COPROC_ENDED) {
        if (banner.len > 0)
            fwrite(banner.data, 1, banner.len, stderr);
        status = vext_repl_virsh_ended(r);
    }
    vext_buf_clear(&banner);
    vext_strv_clear(&args);
    vext_strv_clear(&env);
    return status;
}

/* `cd` moves both processes. */
static void follow_folder(VextRepl *r)
{
    vext_autofree char *theirs = vext_coproc_cwd(r->co);
    char *ours = getcwd(NULL, 0);

    if (theirs && (!ours || !vext_streq(theirs, ours)) && chdir(theirs) < 0)
        vext_warn(r->s, _("Cannot follow virsh to the folder '%s': %s"), theirs,
                  strerror(errno));
    free(ours);
}

/* Gives lines to the virsh behind the shell. @silent: set to whether it said nothing. */
static void run_shared(VextRepl *r, const char *text, bool *silent)
{
    *silent = false;
    if (need_virsh(r, false) >= 0)
        return;
    /* own commands may have left it open; virsh must be able to have the domain's locks */
    fflush(stdout);
    if (vext_coproc_run(r->co, text, silent, NULL) == VEXT_COPROC_ENDED) {
        vext_repl_virsh_ended(r);
        if (!r->interrupted)
            r->s->quit = true;
        return;
    }
    follow_folder(r);
}

/* --- lines ------------------------------------------------------------------------------------ */

/* Asks virsh which URI it is connected to. Returns new, or NULL. */
static char *ask_uri(VextRepl *r)
{
    VextBuf out = { 0 };
    char *uri = NULL;
    const char *nl;

    if (vext_coproc_run(r->co, "uri", NULL, &out) == VEXT_COPROC_ENDED) {
        vext_repl_virsh_ended(r);
    } else if (out.len > 0 && (nl = memchr(out.data, '\n', out.len))) {
        size_t len = (size_t)(nl - out.data);

        if (memchr(out.data, ':', len) && !memchr(out.data, ' ', len))
            uri = vext_strndup(out.data, len);
    }
    vext_buf_clear(&out);
    return uri;
}

/*
 * `connect`: one that says nothing has succeeded. One that says something may have failed, and
 * then virsh keeps the URI it had.
 */
static void run_connect(VextRepl *r, const char *text, const VextSegment *seg)
{
    vext_autofree char *asked = NULL;
    const char *uri = seg->connects ? seg->uri : NULL;
    bool silent;

    run_shared(r, text, &silent);
    if (r->co && !silent)
        uri = asked = ask_uri(r);
    if (!r->co || (!silent && !asked))
        return;
    vext_conn_move(r->s, uri, vext_coproc_readonly(r->co));
    r->s->readonly = vext_coproc_readonly(r->co);
    if (!vext_repl_shares_virsh(r)) {
        /* it would keep the driver from all others */
        vext_coproc_free(r->co);
        r->co = NULL;
    }
}

/* One command that cannot share a line with others. */
static void run_special(VextRepl *r, const char *text)
{
    VextBatch *b = vext_batch_parse(r->s, text);
    const VextSegment *seg = b->n ? &b->segs[0] : NULL;

    if (seg && seg->interactive)
        vext_virsh_run(r->s, text);
    else if (seg)
        run_connect(r, text, seg);
    vext_batch_free(b);
}

static bool is_special(const VextStrv *words)
{
    return words->n > 0 && (vext_needs_terminal(words) || vext_streq(words->items[0], "connect"));
}

/* Runs what was gathered, from @begin to @end. */
static void flush_plain(VextRepl *r, const char *begin, const char *end)
{
    vext_autofree char *text = begin ? vext_strndup(begin, (size_t)(end - begin)) : NULL;
    bool silent;

    if (text)
        run_shared(r, text, &silent);
}

/* A VextStockRunner: one or more stock commands, which passed the check. */
static int run_stock(VextSession *s, VextSegment *seg, void *opaque)
{
    VextRepl *r = opaque;
    const char *plain = NULL, *plain_end = NULL; /* commands not run yet */
    VextToken tk = VEXT_TK_CMD_END;
    VextLexer lx;

    if (!vext_repl_shares_virsh(r)) {
        int status = vext_virsh_run(s, seg->text);

        s->quit = s->quit || seg->quits;
        seg->connects = seg->connects && status == 0;
        return status;
    }
    vext_lexer_init(&lx, seg->text);
    while (tk == VEXT_TK_CMD_END && !s->quit && !r->interrupted) {
        const char *begin = vext_lexer_peek(&lx), *end = begin;
        VextStrv words = { 0 };
        char *word;

        while ((tk = vext_lexer_next(&lx, &word)) == VEXT_TK_ARG) {
            vext_strv_take(&words, word);
            end = lx.pos;
        }
        if (is_special(&words)) {
            vext_autofree char *text = vext_strndup(begin, (size_t)(end - begin));

            flush_plain(r, plain, plain_end);
            plain = NULL;
            if (!s->quit && !r->interrupted)
                run_special(r, text);
        } else if (words.n > 0) {
            plain = plain ? plain : begin;
            plain_end = end;
        }
        vext_strv_clear(&words);
    }
    if (!s->quit && !r->interrupted)
        flush_plain(r, plain, plain_end);
    seg->connects = false; /* done here, where it succeeded */
    return 0;
}

/* Whether the virsh behind the shell can have the line as it is. */
static bool is_plain(const VextRepl *r, const VextBatch *b, const char *line)
{
    VextLexer lx;
    VextToken tk = VEXT_TK_CMD_END;
    bool plain = vext_batch_is_stock(b) && vext_repl_shares_virsh(r);

    vext_lexer_init(&lx, line);
    while (plain && tk == VEXT_TK_CMD_END) {
        VextStrv words = { 0 };
        char *word;

        while ((tk = vext_lexer_next(&lx, &word)) == VEXT_TK_ARG)
            vext_strv_take(&words, word);
        plain = !is_special(&words);
        vext_strv_clear(&words);
    }
    return plain;
}

static void run_line(VextRepl *r, const char *line)
{
    VextBatch *b = vext_batch_parse(r->s, line);
    bool silent;

    r->interrupted = false;
    if (is_plain(r, b, line)) {
        if (vext_virsh_exists())
            run_shared(r, line, &silent);
        else
            vext_virsh_run(r->s, line); /* says so */
    } else if (vext_batch_check(r->s, b)) {
        b->apart = !vext_repl_shares_virsh(r);
        vext_batch_run(r->s, b, run_stock, r);
    }
    vext_batch_free(b);
}

/* --- the shell -------------------------------------------------------------------------------- */

/* virsh's banner, where virsh does not print it. */
static void print_banner(VextSession *s)
{
    if (s->opts.quiet)
        return;
    printf(V_("Welcome to %s, the virtualization interactive terminal.\n\n"), s->progname);
    printf("%s", V_("Type:  'help' for help with commands\n"
                    "       'quit' to quit\n\n"));
}

/* Whether a virsh can connect to the URI; says why not. */
static bool virsh_connects(VextSession *s)
{
    VextStrv args = { 0 };
    VextBuf err = { 0 };
    int status;

    vext_strv_add(&args, "-c");
    vext_strv_add(&args, s->opts.uri);
    vext_strv_add(&args, "quit");
    status = vext_virsh_capture(s, &args, NULL, &err);
    if (status != 0 && err.len > 0)
        fwrite(err.data, 1, err.len, stderr);
    vext_strv_clear(&args);
    vext_buf_clear(&err);
    return status == 0;
}

/* Returns: the exit status when the shell must not begin, else -1. */
static int begin(VextRepl *r)
{
    VextSession *s = r->s;

    bool shares = vext_repl_shares_virsh(r), ok = true;

    if (vext_virsh_exists() && shares)
        return need_virsh(r, true);
    /* as virsh: a given URI must work at once */
    if (s->opts.uri && shares)
        ok = vext_conn_get(s, false) != NULL;
    else if (s->opts.uri && vext_virsh_exists())
        ok = virsh_connects(s);
    if (!ok)
        return 1;
    print_banner(s);
    return -1;
}

int vext_repl_run(VextSession *s)
{
    VextRepl r = { .s = s };
    int status;

    vext_repl_input_begin(&r);
    status = begin(&r);
    if (status >= 0) {
        free(r.history);
        return status;
    }

    while (!s->quit) {
        char *line = vext_repl_input_line(&r);

        if (!line) {
            if (r.co && vext_coproc_quit(r.co) == VEXT_COPROC_ENDED)
                vext_repl_virsh_ended(&r); /* it printed the line's end */
            else
                putchar('\n');
            break;
        }
        if (*line)
            run_line(&r, line);
        free(line);
    }
    /* `quit` of a line that virsh did not see */
    if (r.co)
        vext_coproc_free(r.co);
    vext_repl_input_end(&r);
    return 0;
}
