/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pump.c: the shell on piped standard input
 */
#include <config.h>

#include "virsh-ext/pump.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "virsh-ext/batch.h"
#include "virsh-ext/options.h"
#include "virsh-ext/output.h"
#include "virsh-ext/passthrough.h"

#define PROMPT_LEN 8 /* of "virsh # " and "virsh > " */
/* lines are not read when so much is waiting for virsh to take it */
#define MAX_QUEUE 65536
/* a file that is larger is not looked through beforehand */
#define MAX_SCRIPT (16 << 20)

typedef struct {
    VextSession *s;
    pid_t pid;
    int in;         /* to virsh's standard input; -1: closed */
    int out;        /* from virsh's output */
    bool gone;      /* virsh closed its output */
    VextBuf queue;  /* for virsh, not written yet */
    VextBuf hold;   /* from virsh, not printed yet */
    unsigned int nonces;
} Pump;

/* Ends by SIGPIPE as virsh would when nobody reads the output. */
static void write_out(const char *data, size_t len)
{
    while (len) {
        ssize_t n = write(STDOUT_FILENO, data, len);

        if (n < 0) {
            struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};

            if (errno == EAGAIN)
                poll(&p, 1, -1);
            else if (errno != EINTR)
                return;
            continue;
        }
        data += n;
        len -= (size_t)n;
    }
}

static void emit(Pump *p, size_t len)
{
    if (!len)
        return;
    write_out(p->hold.data, len);
    vext_buf_consume(&p->hold, len);
}

/* Writes to virsh; that it is gone already is seen by its output ending, not by SIGPIPE. */
static void feed(Pump *p)
{
    struct timespec now = {0, 0};
    sigset_t pipe_set;
    sigset_t old;
    ssize_t n;
    int why;

    sigemptyset(&pipe_set);
    sigaddset(&pipe_set, SIGPIPE);
    sigprocmask(SIG_BLOCK, &pipe_set, &old);
    n = write(p->in, p->queue.data, p->queue.len);
    why = errno;
    if (n < 0 && why == EPIPE)
        sigtimedwait(&pipe_set, NULL, &now);
    sigprocmask(SIG_SETMASK, &old, NULL);
    if (n > 0)
        vext_buf_consume(&p->queue, (size_t)n);
    else if (n < 0 && why == EPIPE)
        vext_buf_clear(&p->queue);
}

/*
 * Waits until something moves, and moves it.
 * @byte: where a byte of standard input goes, or NULL not to read any
 * Returns: 1 when @byte was set, 0 at the end of standard input, -1 for none of both
 */
static int step(Pump *p, char *byte)
{
    struct pollfd fds[3] = {
        {.fd = p->out, .events = POLLIN},
        {.fd = p->queue.len ? p->in : -1, .events = POLLOUT},
        {.fd = byte ? STDIN_FILENO : -1, .events = POLLIN},
    };
    char chunk[4096];
    ssize_t n;

    if (poll(fds, 3, -1) < 0)
        return -1;
    if (fds[0].revents) {
        n = read(p->out, chunk, sizeof(chunk));
        if (n > 0)
            vext_buf_add(&p->hold, chunk, (size_t)n);
        else if (n == 0 || (errno != EINTR && errno != EAGAIN))
            p->gone = true;
    }
    if (fds[1].revents)
        feed(p);
    if (!fds[2].revents)
        return -1;
    /* a byte at a time, as readline does: what follows `quit` is another program's */
    n = read(STDIN_FILENO, byte, 1);
    if (n == 1)
        return 1;
    return n < 0 && (errno == EINTR || errno == EAGAIN) ? -1 : 0;
}

static ssize_t find(const VextBuf *buf, const char *needle, size_t from)
{
    const char *at;

    if (buf->len < from)
        return -1;
    at = buf->data ? memmem(buf->data + from, buf->len - from, needle, strlen(needle)) : NULL;
    return at ? at - buf->data : -1;
}

/*
 * Waits for @needle in virsh's output.
 * @stream: print meanwhile what cannot be part of what will be cut out
 * Returns: where it is in p->hold, -1 when virsh is gone
 */
static ssize_t await(Pump *p, const char *needle, bool stream)
{
    size_t keep = PROMPT_LEN + strlen("echo ") + strlen(needle);
    ssize_t at;

    while ((at = find(&p->hold, needle, 0)) < 0 && !p->gone) {
        if (stream && p->hold.len > keep)
            emit(p, p->hold.len - keep);
        step(p, NULL);
    }
    return at;
}

static bool skip_past(Pump *p, const char *needle)
{
    ssize_t at = await(p, needle, false);

    if (at < 0)
        return false;
    vext_buf_consume(&p->hold, (size_t)at + strlen(needle));
    return true;
}

static void new_nonce(Pump *p, char *nonce, size_t size)
{
    snprintf(nonce, size, "vext-%d-%u-sync", (int)getpid(), ++p->nonces);
}

static bool ends_in_prompt(const VextBuf *buf, size_t len)
{
    const char *end;

    if (len < PROMPT_LEN)
        return false;
    end = buf->data + len - PROMPT_LEN;
    return memcmp(end, "virsh # ", PROMPT_LEN) == 0 || memcmp(end, "virsh > ", PROMPT_LEN) == 0;
}

/* What is to become of the output before the exchange. */
typedef enum {
    BEFORE_PRINT,        /* print it */
    BEFORE_PRINT_OUTPUT, /* print it, but not the prompt at its end */
    BEFORE_DROP,         /* there is only a prompt */
} Before;

/*
 * Cuts the answer to `echo @nonce` out of virsh's output, which was queued already. Afterwards
 * the next thing that virsh prints is what follows in the line, or a prompt.
 * Returns: false when virsh is gone
 */
static bool cut(Pump *p, const char *nonce, Before before, bool *echoed)
{
    ssize_t at = await(p, nonce, before != BEFORE_DROP);
    size_t start;

    if (at < 0) {
        emit(p, p->hold.len);
        return false;
    }
    start = (size_t)at;
    /* virsh with readline echoes the line, without it does not */
    *echoed = at >= 5 && memcmp(p->hold.data + at - 5, "echo ", 5) == 0;
    if (*echoed)
        start -= 5;
    if (before == BEFORE_PRINT) {
        emit(p, start);
    } else if (before == BEFORE_PRINT_OUTPUT && ends_in_prompt(&p->hold, start)) {
        emit(p, start - PROMPT_LEN);
    } else if (before == BEFORE_PRINT_OUTPUT) {
        emit(p, start);
    }
    if (*echoed && !skip_past(p, nonce))
        return false;
    if (!skip_past(p, nonce))
        return false;
    /* the trailer of `echo` */
    if (p->s->opts.timing)
        return skip_past(p, "\n") && skip_past(p, "\n") && skip_past(p, "\n");
    return p->s->opts.quiet || skip_past(p, "\n");
}

/* Stock commands in a line that has own ones too. */
static int run_stock(VextSession *s, VextSegment *seg, void *opaque)
{
    Pump *p = opaque;
    char first[64];
    char last[64];
    bool echoed;

    /* what was to be taken over was not in the batch's check; virsh would refuse the whole line,
     * and what is waited for with it */
    if (seg->kind == VEXT_SEG_TAKEOVER && !vext_virsh_check(s, seg->text))
        return 1;
    fflush(stdout);
    new_nonce(p, first, sizeof(first));
    new_nonce(p, last, sizeof(last));
    vext_buf_addf(&p->queue, "echo %s; %s\necho %s\n", first, seg->text, last);
    if (!cut(p, first, BEFORE_DROP, &echoed) || !cut(p, last, BEFORE_PRINT_OUTPUT, &echoed))
        s->quit = true;
    return 0;
}

/* A line with an own command: virsh has come to its place in the input, and waits. */
static void run_own_line(Pump *p, VextBatch *b, const char *line)
{
    vext_autofree char *cwd = vext_strdup_printf("/proc/%d/cwd", (int)p->pid);
    char nonce[64];
    bool echoed;

    new_nonce(p, nonce, sizeof(nonce));
    vext_buf_addf(&p->queue, "echo %s\n", nonce);
    if (!cut(p, nonce, BEFORE_PRINT, &echoed))
        return;
    if (echoed) {
        write_out(line, strlen(line));
        write_out("\n", 1);
    }
    if (chdir(cwd) < 0 && errno != ENOENT)
        vext_warn(p->s, _("Cannot change to the working directory of virsh: %s"),
                  strerror(errno));
    if (vext_batch_check(p->s, b))
        vext_batch_run(p->s, b, run_stock, p);
    fflush(stdout);
}

/* Brings both in step, to see whether virsh goes on. */
static void wait_for_quit(Pump *p)
{
    char nonce[64];
    bool echoed;

    new_nonce(p, nonce, sizeof(nonce));
    vext_buf_addf(&p->queue, "echo %s\n", nonce);
    cut(p, nonce, BEFORE_PRINT_OUTPUT, &echoed);
}

/* @newline: whether the line ended in one (the last one may not) */
static void handle_line(Pump *p, const char *line, bool newline)
{
    VextBatch *b = vext_batch_parse(p->s, line);

    if (vext_batch_is_stock(b)) {
        vext_buf_addf(&p->queue, "%s%s", line, newline ? "\n" : "");
        for (size_t i = 0; i < b->n; i++) {
            if (b->segs[i].connects)
                vext_conn_move(p->s, b->segs[i].uri, b->segs[i].readonly);
            if (b->segs[i].quits && newline)
                wait_for_quit(p);
        }
    } else {
        run_own_line(p, b, line);
    }
    vext_batch_free(b);
}

static void pump(Pump *p)
{
    VextBuf line = {0};
    bool input = true;

    while (!p->gone) {
        char byte;
        int got = step(p, input && p->queue.len < MAX_QUEUE ? &byte : NULL);

        emit(p, p->hold.len);
        if (got == 0)
            input = false;
        else if (got == 1 && byte != '\n' && byte != '\0') /* to readline that is no character */
            vext_buf_add(&line, &byte, 1);
        if ((got == 1 && byte == '\n') || (got == 0 && line.len)) {
            vext_autofree char *text = vext_buf_steal(&line);

            handle_line(p, text, got == 1);
        }
        if (!input && !p->queue.len && p->in >= 0) {
            close(p->in);
            p->in = -1;
        }
    }
    vext_buf_clear(&line);
}

/* Whether standard input is a file in which no line has an own command. */
static bool is_stock_script(VextSession *s)
{
    vext_autofree char *text = NULL;
    char *save = NULL;
    bool stock = true;
    struct stat st;
    off_t pos;
    ssize_t n;

    if (fstat(STDIN_FILENO, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > MAX_SCRIPT)
        return false;
    pos = lseek(STDIN_FILENO, 0, SEEK_CUR);
    if (pos < 0)
        return false;
    text = vext_calloc((size_t)st.st_size + 1, 1);
    n = pread(STDIN_FILENO, text, (size_t)st.st_size, pos);
    if (n < 0)
        return false;
    text[n] = '\0';
    if (strlen(text) != (size_t)n)
        return false;
    for (char *l = strtok_r(text, "\n", &save); l && stock; l = strtok_r(NULL, "\n", &save)) {
        VextBatch *b = vext_batch_parse(s, l);

        stock = vext_batch_is_stock(b);
        vext_batch_free(b);
    }
    return stock;
}

/* Whether both are one and the same, so that the order between them must be kept. */
static bool same_output(void)
{
    struct stat out;
    struct stat err;

    return fstat(STDOUT_FILENO, &out) == 0 && fstat(STDERR_FILENO, &err) == 0 &&
           out.st_dev == err.st_dev && out.st_ino == err.st_ino;
}

/* There is no virsh: own commands run, the others say so. */
static int run_alone(VextSession *s)
{
    vext_autofree char *line = NULL;
    size_t cap = 0;
    ssize_t len;

    vext_print_extra(s, _("Only the commands of virsh-ext work: virsh is missing\n"));
    while (!s->quit && (len = getline(&line, &cap, stdin)) >= 0) {
        VextBatch *b;

        if (len && line[len - 1] == '\n')
            line[len - 1] = '\0';
        b = vext_batch_parse(s, line);
        for (size_t i = 0; i < b->n; i++) {
            if (b->segs[i].quits && vext_batch_is_stock(b))
                s->quit = true;
        }
        if (!s->quit && b->n + b->failed > 0 && vext_batch_check(s, b))
            vext_batch_run(s, b, NULL, NULL);
        vext_batch_free(b);
    }
    return VEXT_OK;
}

int vext_pump_run(VextSession *s)
{
    Pump p = {.s = s};
    VextStrv args = {0};
    int in[2];
    int out[2];
    int fds[3];
    int status;

    if (vext_virsh_exists() && is_stock_script(s))
        return vext_virsh_exec(s);
    if (!vext_options_apply(s))
        return 1;
    if (!vext_virsh_exists())
        return run_alone(s);
    /* the virsh behind the shell has it, and has it until it ends */
    s->offline = vext_conn_is_exclusive(s);
    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0) {
        vext_error(s, _("Cannot make a pipe: %s"), strerror(errno));
        return 1;
    }
    fds[0] = in[0];
    fds[1] = out[1];
    fds[2] = same_output() ? out[1] : -1;
    vext_virsh_args(s, &args);
    p.pid = vext_virsh_spawn(s, args.items, fds, NULL);
    vext_strv_clear(&args);
    close(in[0]);
    close(out[1]);
    if (p.pid < 0) {
        close(in[1]);
        close(out[0]);
        return 1;
    }
    p.in = in[1];
    p.out = out[0];
    fcntl(p.in, F_SETFL, fcntl(p.in, F_GETFL) | O_NONBLOCK);
    pump(&p);
    if (p.in >= 0)
        close(p.in);
    close(p.out);
    status = vext_virsh_wait(p.pid);
    vext_buf_clear(&p.queue);
    vext_buf_clear(&p.hold);
    return vext_virsh_status(s, status);
}
