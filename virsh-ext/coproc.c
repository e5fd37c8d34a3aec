/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* coproc.c: one virsh that lives as long as the interactive shell: starting it, its output */

#include <config.h>

#include "virsh-ext/coproc-priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const prompts[] = { "virsh # ", "virsh > " };

/*
 * For virsh's readline: nothing on its output but what we ask for, every byte is data, and a key
 * that lists all candidates, one a line.
 */
#define LIST_KEYS "\x18\x19"
/* Takes back what is in the line. */
#define CLEAR_KEYS "\x01\x0b"
static const char inputrc[] =
    "set editing-mode emacs\n"
    "set enable-bracketed-paste off\n"
    "set bell-style none\n"
    "set convert-meta off\n"
    "set input-meta on\n"
    "set output-meta on\n"
    "set completion-display-width 0\n"
    "set completion-query-items 0\n"
    "set page-completions off\n"
    "\"\\C-x\\C-y\": possible-completions\n";

/* --- output ----------------------------------------------------------------------------------- */

static void write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            struct pollfd p = { fd, POLLOUT, 0 };

            poll(&p, 1, -1);
            continue;
        }
        if (n < 0)
            return; /* as virsh: nobody reads it */
        data += n;
        len -= n;
    }
}

static void emit(VextCoproc *co, int fd, const char *data, size_t len)
{
    if (len == 0)
        return;
    for (size_t i = 0; i < len && co->blank; i++)
        co->blank = strchr(" \t\r\n", data[i]) && data[i];
    co->printed = true;
    co->last = data[len - 1];
    if (co->capture)
        vext_buf_add(co->capture, data, len);
    else
        write_all(fd, data, len);
}

/* How much of the end of @data could be the beginning of a prompt. */
static size_t prompt_tail(const char *data, size_t len)
{
    size_t max = strlen(prompts[0]);

    for (size_t n = len < max ? len : max; n > 0; n--) {
        for (size_t i = 0; i < G_N(prompts); i++) {
            if (memcmp(data + len - n, prompts[i], n) == 0)
                return n;
        }
    }
    return 0;
}

/* Before the first prompt: whole lines, without the one about the history that is not virsh's. */
static void emit_lines(VextCoproc *co, VextBuf *held, int fd)
{
    char *nl;

    while (held->len > 0 && (nl = memchr(held->data, '\n', held->len))) {
        size_t len = nl - held->data + 1;

        if (!memmem(held->data, len, "VIRSH_HISTSIZE", strlen("VIRSH_HISTSIZE")))
            emit(co, fd, held->data, len);
        vext_buf_consume(held, len);
    }
}

/* Passes on what is held back, all but what could be a prompt; with @all that too. */
static void pass_on(VextCoproc *co, bool all)
{
    size_t keep;

    if (!co->started) {
        emit_lines(co, &co->held, STDOUT_FILENO);
        emit_lines(co, &co->held_err, STDERR_FILENO);
        if (!all)
            return;
    }
    keep = all ? 0 : prompt_tail(co->held.data, co->held.len);
    emit(co, STDOUT_FILENO, co->held.data, co->held.len - keep);
    vext_buf_consume(&co->held, co->held.len - keep);
    emit(co, STDERR_FILENO, co->held_err.data, co->held_err.len);
    vext_buf_consume(&co->held_err, co->held_err.len);
}

void vext_coproc_show_question(VextCoproc *co)
{
    VextBuf *capture = co->capture;

    /* what begins like the line about the history goes on */
    if (co->started || co->held.len == 0 || vext_starts_with(co->held.data, V_("error: ")) ||
        prompt_tail(co->held.data, co->held.len) > 0)
        return;
    co->capture = NULL;
    emit(co, STDOUT_FILENO, co->held.data, co->held.len);
    co->capture = capture;
    vext_buf_clear(&co->held);
}

/* Reads what is there. Returns whether there was anything. */
static bool read_fd(int fd, VextBuf *buf)
{
    char chunk[65536];
    ssize_t n;

    if (fd < 0)
        return false;
    do {
        n = read(fd, chunk, sizeof(chunk));
    } while (n < 0 && errno == EINTR);
    /* EAGAIN: no more; EIO: the other side is closed, waitpid() tells */
    if (n <= 0)
        return false;
    vext_buf_add(buf, chunk, n);
    return true;
}

bool vext_coproc_drain(VextCoproc *co)
{
    bool any = read_fd(co->master, &co->held);

    any = read_fd(co->err, &co->held_err) || any;
    if (any)
        pass_on(co, false);
    return any;
}

bool vext_coproc_canonical(const VextCoproc *co)
{
    struct termios t;

    return tcgetattr(co->master, &t) < 0 || (t.c_lflag & ICANON);
}

bool vext_coproc_at_prompt(VextCoproc *co)
{
    size_t len = strlen(prompts[0]);

    if (co->held.len < len || vext_coproc_canonical(co))
        return false;
    for (size_t i = 0; i < G_N(prompts); i++) {
        if (memcmp(co->held.data + co->held.len - len, prompts[i], len) == 0) {
            /* There was more: look again, for nothing that could be waited for may follow. */
            if (vext_coproc_drain(co))
                return vext_coproc_at_prompt(co);
            co->readonly = i == 1;
            co->held.len -= len;
            pass_on(co, true);
            co->started = true;
            return true;
        }
    }
    return false;
}

bool vext_coproc_reap(VextCoproc *co, int *stopsig)
{
    int wstatus;
    pid_t pid;

    if (co->pid == 0)
        return true;
    do {
        pid = waitpid(co->pid, &wstatus, WNOHANG | WUNTRACED);
    } while (pid < 0 && errno == EINTR);
    if (pid == 0)
        return false;
    if (pid > 0 && WIFSTOPPED(wstatus)) {
        if (stopsig)
            *stopsig = WSTOPSIG(wstatus);
        return false;
    }
    co->wstatus = pid > 0 ? wstatus : 0;
    co->pid = 0;
    while (vext_coproc_drain(co))
        ;
    pass_on(co, true);
    return true;
}

/* --- starting --------------------------------------------------------------------------------- */

/* Returns a descriptor of a file with our inputrc, above the standard ones; -1 with errno. */
static int open_inputrc(void)
{
    int fd = memfd_create("inputrc", MFD_CLOEXEC);

    if (fd < 0)
        return -1;
    if (write(fd, inputrc, sizeof(inputrc) - 1) != (ssize_t)sizeof(inputrc) - 1) {
        close(fd);
        errno = EIO;
        return -1;
    }
    return fd;
}

static int open_pty(VextCoproc *co)
{
    struct termios t;
    int slave;

    if (openpty(&co->master, &slave, NULL, NULL, NULL) < 0)
        return -1;
    fcntl(co->master, F_SETFD, FD_CLOEXEC);
    fcntl(co->master, F_SETFL, O_NONBLOCK);
    fcntl(slave, F_SETFD, FD_CLOEXEC);
    if (tcgetattr(slave, &t) == 0) {
        /* No echo, so that readline prints the prompt and nothing else; the user's terminal
         * makes the line ends; no signals, they come from the user's terminal. */
        t.c_lflag &= ~(ECHO | ECHOE | ECHOK | ECHONL | ECHOCTL | ISIG);
        t.c_lflag |= ICANON | IEXTEN;
        t.c_iflag &= ~(IXON | IXOFF);
        t.c_oflag &= ~OPOST;
        tcsetattr(slave, TCSANOW, &t);
    }
    co->slave_name = vext_strdup(ptsname(co->master));
    return slave;
}

static bool same_file(int a, int b)
{
    struct stat sa, sb;

    return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
           sa.st_ino == sb.st_ino;
}

static void child_exec(const char *program, char *const *argv, char *const *env, int slave,
                       int err, int rc, int report, pid_t parent)
{
    sigset_t none;
    int saved;

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(127);
    signal(SIGTTOU, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(slave, STDIN_FILENO) >= 0 && dup2(slave, STDOUT_FILENO) >= 0 &&
        dup2(err >= 0 ? err : slave, STDERR_FILENO) >= 0) {
        fcntl(rc, F_SETFD, 0);
        execve(program, argv, env);
    }
    saved = errno;
    write_all(report, (const char *)&saved, sizeof(saved));
    _exit(127);
}

/* Adds NAME=VALUE in place of what @env has under that name. */
static void set_env(VextStrv *env, const char *name, char *entry)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < env->n; i++) {
        if (strncmp(env->items[i], name, len) == 0 && env->items[i][len] == '=') {
            free(env->items[i]);
            env->items[i] = entry;
            return;
        }
    }
    vext_strv_take(env, entry);
}

static void private_env(VextStrv *out, char *const *env, int rc)
{
    for (; *env; env++)
        vext_strv_add(out, *env);
    set_env(out, "INPUTRC", vext_strdup_printf("INPUTRC=/proc/self/fd/%d", rc));
    set_env(out, "TERM", vext_strdup("TERM=dumb"));
    /* not a number: virsh then neither reads nor writes its history */
    set_env(out, "VIRSH_HISTSIZE", vext_strdup("VIRSH_HISTSIZE=none"));
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static bool spawn(VextCoproc *co, const char *program, char *const *argv, char *const *env)
{
    int slave = open_pty(co), rc = open_inputrc();
    int report[2] = { -1, -1 }, err[2] = { -1, -1 };
    VextStrv childenv = { 0 };
    sigset_t all, before;
    pid_t parent = getpid();
    int failed = 0;
    ssize_t n;

    if (slave < 0 || rc < 0 || pipe2(report, O_CLOEXEC) < 0)
        goto error;
    if (!same_file(STDOUT_FILENO, STDERR_FILENO)) {
        if (pipe2(err, O_CLOEXEC) < 0)
            goto error;
        fcntl(err[0], F_SETFL, O_NONBLOCK);
    }
    private_env(&childenv, env, rc);
    vext_coproc_set_size(co);

    /* no handler of ours may run in the child */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    co->pid = fork();
    if (co->pid == 0)
        child_exec(program, argv, childenv.items, slave, err[1], rc, report[1], parent);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (co->pid < 0) {
        co->pid = 0;
        goto error;
    }
    setpgid(co->pid, co->pid);
    close_fd(&report[1]);
    do {
        n = read(report[0], &failed, sizeof(failed));
    } while (n < 0 && errno == EINTR);
    if (n == sizeof(failed)) {
        waitpid(co->pid, NULL, 0);
        co->pid = 0;
        errno = failed;
        goto error;
    }
    co->err = err[0];
    err[0] = -1;
    failed = 0;
    goto done;

error:
    failed = errno ? errno : EIO;
done:
    vext_strv_clear(&childenv);
    close_fd(&slave);
    close_fd(&rc);
    close_fd(&report[0]);
    close_fd(&report[1]);
    close_fd(&err[0]);
    close_fd(&err[1]);
    errno = failed;
    return failed == 0;
}

VextCoproc *vext_coproc_start(const char *program, char *const *argv, char *const *env, int tty,
                              VextBuf *capture, VextCoprocState *state)
{
    VextCoproc *co = vext_calloc(1, sizeof(*co));

    co->master = co->err = -1;
    co->tty = tty;
    co->blank = true;
    if (!spawn(co, program, argv, env)) {
        int saved = errno;

        vext_coproc_free(co);
        errno = saved;
        return NULL;
    }
    co->capture = capture;
    *state = vext_coproc_wait(co, NULL, 0, true);
    co->capture = NULL;
    return co;
}

/* --- lines ------------------------------------------------------------------------------------ */

/* Control characters are keys to readline: quoted they are data. */
static void add_keys(VextBuf *buf, const char *text)
{
    for (; *text; text++) {
        unsigned char c = *text;

        if (c < 0x20 || c == 0x7f)
            vext_buf_add(buf, "\x16", 1);
        vext_buf_add(buf, text, 1);
    }
}

/*
 * Its readline has switched the pty's signal characters on: in this line they are data. What
 * readline puts back after the line has them again.
 */
static void allow_signal_characters(VextCoproc *co)
{
    struct termios t;

    /* all three, see what_it_reads() */
    if (tcgetattr(co->master, &t) == 0 && !(t.c_lflag & ICANON)) {
        t.c_cc[VINTR] = t.c_cc[VQUIT] = t.c_cc[VSUSP] = _POSIX_VDISABLE;
        tcsetattr(co->master, TCSANOW, &t);
    }
}

VextCoprocState vext_coproc_run(VextCoproc *co, const char *line, bool *silent, VextBuf *capture)
{
    VextBuf keys = { 0 };
    VextCoprocState state;

    vext_buf_adds(&keys, CLEAR_KEYS);
    add_keys(&keys, line);
    vext_buf_add(&keys, "\n", 1);
    allow_signal_characters(co);
    co->capture = capture;
    co->blank = true;
    state = vext_coproc_wait(co, keys.data, keys.len, true);
    co->capture = NULL;
    vext_buf_clear(&keys);
    if (silent)
        *silent = co->blank;
    return state;
}

VextCoprocState vext_coproc_complete(VextCoproc *co, const char *text, VextStrv *out)
{
    VextBuf keys = { 0 }, list = { 0 };
    VextCoprocState state;
    char *pos, *line;

    vext_buf_adds(&keys, CLEAR_KEYS);
    add_keys(&keys, text);
    allow_signal_characters(co);
    /* list the candidates, then take the text back and give it an empty line */
    vext_buf_adds(&keys, LIST_KEYS CLEAR_KEYS "\n");
    co->capture = &list;
    state = vext_coproc_wait(co, keys.data, keys.len, false);
    co->capture = NULL;
    vext_buf_add(&list, "", 1);
    for (line = strtok_r(list.data, "\r\n", &pos); line; line = strtok_r(NULL, "\r\n", &pos))
        vext_strv_add(out, line);
    vext_buf_clear(&keys);
    vext_buf_clear(&list);
    return state;
}

VextCoprocState vext_coproc_quit(VextCoproc *co)
{
    co->quitting = true;
    return vext_coproc_wait(co, "\x04", 1, true);
}

/* --- between lines ---------------------------------------------------------------------------- */

void vext_coproc_fds(const VextCoproc *co, int fds[2])
{
    fds[0] = co->pid ? co->master : -1;
    fds[1] = co->pid ? co->err : -1;
}

VextCoprocState vext_coproc_idle(VextCoproc *co, bool *printed)
{
    bool ended;

    co->printed = false;
    /* a message comes in pieces: to its line's end, if that is near */
    while (co->pid && vext_coproc_drain(co) && co->last != '\n') {
        struct pollfd p[2] = { { co->master, POLLIN, 0 }, { co->err, POLLIN, 0 } };

        poll(p, 2, 50);
    }
    ended = vext_coproc_reap(co, NULL);
    *printed = co->printed;
    return ended ? VEXT_COPROC_ENDED : VEXT_COPROC_READY;
}

bool vext_coproc_readonly(const VextCoproc *co)
{
    return co->readonly;
}

char *vext_coproc_cwd(const VextCoproc *co)
{
    vext_autofree char *link = vext_strdup_printf("/proc/%d/cwd", (int)co->pid);
    char path[PATH_MAX];
    ssize_t n;

    if (!co->pid || (n = readlink(link, path, sizeof(path))) < 0 || n == sizeof(path))
        return NULL;
    return vext_strndup(path, n);
}

int vext_coproc_status(const VextCoproc *co)
{
    return co->wstatus;
}

void vext_coproc_free(VextCoproc *co)
{
    if (!co)
        return;
    close_fd(&co->master);
    close_fd(&co->err);
    if (co->pid) {
        kill(-co->pid, SIGTERM);
        kill(-co->pid, SIGCONT);
        for (int i = 0; i < 100 && !vext_coproc_reap(co, NULL); i++)
            poll(NULL, 0, 10);
        if (co->pid) {
            kill(-co->pid, SIGKILL);
            waitpid(co->pid, NULL, 0);
        }
    }
    vext_buf_clear(&co->held);
    vext_buf_clear(&co->held_err);
    free(co->slave_name);
    free(co);
}
