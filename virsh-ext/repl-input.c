/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* repl-input.c: a line from the terminal: readline, its history and completion */

#include <config.h>

#include "virsh-ext/repl-priv.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <readline/history.h>
#include <readline/readline.h>

#include "virsh-ext/complete.h"
#include "virsh-ext/lexer.h"
#include "virsh-ext/output.h"
#include "virsh-ext/passthrough.h"

#if RL_READLINE_VERSION < 0x0800
# define rl_check_signals() ((void)0)
#endif

#define HISTORY_VARIABLE "VIRSH_HISTSIZE"
#define HISTORY_DEFAULT 500
#define HISTORY_MAX 500000

/* readline's hooks have no argument */
static VextRepl *repl;
static VextStrv candidates;
static size_t next_candidate;

/* --- history ---------------------------------------------------------------------------------- */

/* As virsh reads VIRSH_HISTSIZE. Returns: false after saying what is wrong with it. */
static bool history_size(VextSession *s, int *size)
{
    const char *text = getenv(HISTORY_VARIABLE);
    char *end;
    long n;

    *size = HISTORY_DEFAULT;
    if (!text)
        return true;
    errno = 0;
    n = strtol(text, &end, 10);
    if (errno || end == text || *end || n != (int)n) {
        vext_error(s, V_("Bad $%s value."), HISTORY_VARIABLE);
        return false;
    }
    if (n < 0 || n > HISTORY_MAX) {
        vext_error(s, V_("$%s value should be between 0 and %d"), HISTORY_VARIABLE, HISTORY_MAX);
        return false;
    }
    *size = (int)n;
    return true;
}

static char *history_file(void)
{
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    const struct passwd *pw;

    if (cache && *cache == '/')
        return vext_strdup_printf("%s/libvirt/virsh-ext/history", cache);
    if (!home || !*home)
        home = (pw = getpwuid(getuid())) ? pw->pw_dir : "";
    return *home ? vext_strdup_printf("%s/.cache/libvirt/virsh-ext/history", home) : NULL;
}

/* Makes the folders of a file. Returns: false with errno set, @path cut to what failed. */
static bool make_parents(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0755) < 0 && errno != EEXIST && access(path, F_OK) < 0)
            return false;
        *slash = '/';
    }
    return true;
}

static void save_history(VextRepl *r)
{
    vext_autofree char *path = vext_strdup(r->history);

    if (!path)
        return;
    if (!make_parents(path))
        vext_error(r->s, V_("Failed to create '%s': %s"), path, strerror(errno));
    else
        write_history(path);
}

/* --- completion ------------------------------------------------------------------------------- */

/*
 * Finds the last command of @line and the beginning of its last word.
 * @command: set to where the command begins
 * Returns: the word as the lexer sees it, new; "" when it has not begun
 */
static char *last_word(const char *line, const char **command)
{
    VextLexer lx;
    VextToken tk;
    char *word = NULL;

    vext_lexer_init(&lx, line);
    *command = line;
    for (;;) {
        char *next = NULL;

        tk = vext_lexer_next(&lx, &next);
        if (tk == VEXT_TK_ARG) {
            free(word);
            word = next;
            if (*lx.pos == '\0')
                return word;
        } else {
            free(word);
            word = NULL;
            if (tk != VEXT_TK_CMD_END)
                return vext_strdup("");
            *command = lx.pos;
        }
    }
}

static bool needs_quotes(const char *word)
{
    return !*word || strpbrk(word, " \t\n;'\"\\#");
}

/*
 * Own candidates are whole words of the lexer; readline replaces what is behind its last break
 * character, which may be less ("--opt=va").
 */
static void adapt_own(VextStrv *own, const char *word, const char *text)
{
    size_t word_len = strlen(word), text_len = strlen(text);
    size_t cut = word_len >= text_len && vext_streq(word + word_len - text_len, text)
                     ? word_len - text_len
                     : 0;

    for (size_t i = 0; i < own->n; i++) {
        char *item = own->items[i];
        char *rest = vext_strdup(strlen(item) >= cut ? item + cut : item);

        if (!rl_completion_quote_character && needs_quotes(rest)) {
            own->items[i] = vext_lexer_quote(rest);
            free(rest);
        } else {
            own->items[i] = rest;
        }
        free(item);
    }
}

/* What a virsh of its own offers. */
static void ask_fresh_virsh(VextSession *s, const char *line, VextStrv *out)
{
    VextStrv args = { 0 };
    VextBuf buf = { 0 };
    VextLexer lx;
    bool ended = true; /* the last word is */
    char *pos, *item;

    if (!vext_virsh_exists())
        return;
    vext_strv_add(&args, "-q");
    if (s->uri || s->opts.uri) {
        vext_strv_add(&args, "-c");
        vext_strv_add(&args, s->uri ? s->uri : s->opts.uri);
    }
    vext_strv_add(&args, "complete");
    vext_strv_add(&args, "--");
    /* as words: a line in one is taken for one */
    vext_lexer_init(&lx, line);
    while (vext_lexer_next(&lx, &item) == VEXT_TK_ARG) {
        vext_strv_take(&args, item);
        ended = *lx.pos != '\0';
    }
    if (ended)
        vext_strv_add(&args, "");
    vext_virsh_capture(s, &args, &buf, NULL);
    vext_buf_add(&buf, "", 1);
    for (item = strtok_r(buf.data, "\n", &pos); item; item = strtok_r(NULL, "\n", &pos))
        vext_strv_add(out, item);
    vext_buf_clear(&buf);
    vext_strv_clear(&args);
}

static void ask_virsh(VextRepl *r, const char *command, VextStrv *out)
{
    if (!vext_repl_shares_virsh(r)) {
        ask_fresh_virsh(r->s, command, out);
        return;
    }
    /* in 9.0 a question without an answer makes the next one go unanswered too */
    for (int i = 0; i < 2 && r->co && out->n == 0; i++) {
        if (vext_coproc_complete(r->co, command, out) == VEXT_COPROC_ENDED)
            vext_repl_virsh_ended(r);
    }
}

/*
 * virsh's readline shows the last parts of file names: puts back what @text has in front, and
 * marks folders.
 */
static void adapt_paths(VextStrv *list, const char *text)
{
    const char *slash = strrchr(text, '/');
    size_t folder_len = slash ? (size_t)(slash - text) + 1 : 0;

    for (size_t i = 0; slash && i < list->n; i++) {
        char *item = list->items[i];
        struct stat st;
        char *path;

        if (vext_starts_with(item, text) || !vext_starts_with(item, slash + 1))
            continue;
        path = vext_strdup_printf("%.*s%s", (int)folder_len, text, item);
        if (path[strlen(path) - 1] != '/' && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
            char *marked = vext_strdup_printf("%s/", path);

            free(path);
            path = marked;
        }
        free(item);
        list->items[i] = path;
    }
}

static char *generate(const char *text, int state)
{
    if (!state)
        next_candidate = 0;
    return next_candidate < candidates.n ? strdup(candidates.items[next_candidate++]) : NULL;
}

static char **complete(const char *text, int start, int end)
{
    vext_autofree char *line = vext_strndup(rl_line_buffer, (size_t)end);
    vext_autofree char *word = NULL;
    const char *command;
    VextStrv own = { 0 };
    bool only_own;

    rl_attempted_completion_over = 1;
    vext_strv_clear(&candidates);
    word = last_word(line, &command);
    repl->s->offline = !vext_repl_shares_virsh(repl);
    vext_complete_line(repl->s, command, &own, &only_own);
    repl->s->offline = false;
    adapt_own(&own, word, text);
    if (!only_own)
        ask_virsh(repl, command, &candidates);
    adapt_paths(&candidates, text);
    for (size_t i = 0; i < own.n; i++) {
        if (!vext_strv_has(&candidates, own.items[i]))
            vext_strv_add(&candidates, own.items[i]);
    }
    vext_strv_clear(&own);
    if (candidates.n == 1) {
        size_t len = strlen(candidates.items[0]);

        /* a folder goes on */
        rl_completion_suppress_append = len > 0 && candidates.items[0][len - 1] == '/';
    }
    return rl_completion_matches(text, generate);
}

/* As in virsh: a backslash in front of it, which is not quoted itself. */
static int is_quoted(char *line, int i)
{
    return i > 0 && line[i - 1] == '\\' && !is_quoted(line, i - 1);
}

/* --- keys ------------------------------------------------------------------------------------- */

/* Shows what virsh says of its own accord (a lost connection) above the line being edited. */
static void show_idle_output(VextRepl *r)
{
    VextCoprocState state;
    bool printed;

    rl_clear_visible_line();
    fflush(rl_outstream);
    state = vext_coproc_idle(r->co, &printed);
    if (state == VEXT_COPROC_ENDED)
        vext_repl_virsh_ended(r);
    else if (!printed)
        poll(NULL, 0, 10); /* it closed its side and is about to end */
    rl_on_new_line();
    rl_redisplay();
}

/* Waits for a key, and meanwhile for what virsh says. */
static int get_key(FILE *in)
{
    sigset_t all, before;
    int fds[2] = { -1, -1 };

    sigfillset(&all);
    for (;;) {
        struct pollfd p[3];
        int n;

        if (repl->co)
            vext_coproc_fds(repl->co, fds);
        else
            fds[0] = fds[1] = -1;
        p[0] = (struct pollfd){ fileno(in), POLLIN, 0 };
        p[1] = (struct pollfd){ fds[0], POLLIN, 0 };
        p[2] = (struct pollfd){ fds[1], POLLIN, 0 };

        /* a signal is either seen here or ends the waiting */
        sigprocmask(SIG_BLOCK, &all, &before);
        rl_check_signals();
        n = ppoll(p, 3, NULL, &before);
        sigprocmask(SIG_SETMASK, &before, NULL);
        if (n < 0 && errno == EINTR) {
            rl_check_signals();
            continue;
        }
        if (n > 0 && repl->co && (p[1].revents || p[2].revents))
            show_idle_output(repl);
        if (n < 0 || p[0].revents)
            return rl_getc(in);
    }
}

/* --- the interface ---------------------------------------------------------------------------- */

void vext_repl_input_begin(VextRepl *r)
{
    int size;

    repl = r;
    rl_readline_name = "virsh"; /* people's inputrc asks for it */
    rl_attempted_completion_function = complete;
    rl_basic_word_break_characters = " \t\n`@$><=;|&{(";
    rl_completer_quote_characters = "\"'";
    rl_char_is_quoted_p = is_quoted;
    rl_getc_function = get_key;
    using_history();
    if (history_size(r->s, &size)) {
        stifle_history(size);
        r->history = history_file();
        if (r->history)
            read_history(r->history);
    }
}

char *vext_repl_input_line(VextRepl *r)
{
    char *line;

    if (r->co) {
        /* what it said while an own command ran */
        bool printed;

        if (vext_coproc_idle(r->co, &printed) == VEXT_COPROC_ENDED)
            vext_repl_virsh_ended(r);
    }
    line = readline(r->s->readonly ? "virsh-ext > " : "virsh-ext # ");
    if (line && *line)
        add_history(line);
    return line;
}

void vext_repl_input_end(VextRepl *r)
{
    save_history(r);
    free(r->history);
    r->history = NULL;
    vext_strv_clear(&candidates);
}
