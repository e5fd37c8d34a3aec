/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * passthrough.c: the installed virsh, run for what is its own
 */
#include <config.h>

#include "virsh-ext/passthrough.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "virsh-ext/output.h"
#include "virsh-ext/signals.h"

/* how deep virsh-ext may be called from what it calls itself (an editor, say) */
#define MAX_DEPTH 8
#define DEPTH_VARIABLE "VIRSH_EXT_DEPTH"

extern char **environ;

const char *vext_virsh_path(void)
{
    const char *path = vext_env_trusted() ? vext_getenv("VIRSH_EXT_VIRSH") : NULL;

    return path ? path : VIRSH_PATH;
}

bool vext_virsh_exists(void)
{
    struct stat st;

    return stat(vext_virsh_path(), &st) == 0 && S_ISREG(st.st_mode) &&
           access(vext_virsh_path(), X_OK) == 0;
}

static int depth(void)
{
    const char *value = getenv(DEPTH_VARIABLE);

    return value ? (int)strtol(value, NULL, 10) : 0;
}

bool vext_virsh_usable(VextSession *s, const char *path)
{
    struct stat self;
    struct stat other;

    if (depth() >= MAX_DEPTH ||
        (stat(path, &other) == 0 && stat("/proc/self/exe", &self) == 0 &&
         other.st_dev == self.st_dev && other.st_ino == self.st_ino)) {
        vext_error(s, _("'%s' is not virsh but calls virsh-ext again, see VIRSH_EXT_VIRSH"), path);
        return false;
    }
    return true;
}

void vext_virsh_cannot_run(VextSession *s, const char *path, int why)
{
    vext_error(s, _("Cannot run virsh, which this command belongs to"));
    vext_error(s, "'%s': %s", path, strerror(why));
}

int vext_virsh_exec(VextSession *s)
{
    const char *path = vext_virsh_path();
    char level[16];

    if (!vext_virsh_usable(s, path))
        return 1;
    snprintf(level, sizeof(level), "%d", depth() + 1);
    setenv(DEPTH_VARIABLE, level, 1);
    fflush(stdout);
    execv(path, s->argv);
    vext_virsh_cannot_run(s, path, errno);
    return 1;
}

void vext_virsh_args(VextSession *s, VextStrv *args)
{
    const VextOptions *o = &s->opts;

    vext_strv_add(args, s->argc ? s->argv[0] : "virsh");
    if (o->uri && !s->uri_moved) {
        vext_strv_add(args, "-c");
        vext_strv_add(args, o->uri);
    }
    if (o->debug_given)
        vext_strv_take(args, vext_strdup_printf("-d%d", o->debug));
    if (o->escape) {
        vext_strv_add(args, "-e");
        vext_strv_add(args, o->escape);
    }
    if (o->keepalive_interval >= 0)
        vext_strv_take(args, vext_strdup_printf("-k%d", o->keepalive_interval));
    if (o->keepalive_count >= 0)
        vext_strv_take(args, vext_strdup_printf("-K%d", o->keepalive_count));
    if (o->log) {
        vext_strv_add(args, "-l");
        vext_strv_add(args, o->log);
    }
    if (o->quiet)
        vext_strv_add(args, "-q");
    if (s->readonly)
        vext_strv_add(args, "-r");
    if (o->timing)
        vext_strv_add(args, "-t");
}

void vext_virsh_env(VextSession *s, VextStrv *env)
{
    for (char **e = environ; *e; e++) {
        if (vext_starts_with(*e, DEPTH_VARIABLE "="))
            continue;
        /* it was complained about when the program began; virsh would do it in every segment */
        if (vext_starts_with(*e, "VIRSH_DEBUG="))
            continue;
        if (s->uri_moved && vext_starts_with(*e, "VIRSH_DEFAULT_CONNECT_URI="))
            continue;
        vext_strv_add(env, *e);
    }
    vext_strv_take(env, vext_strdup_printf(DEPTH_VARIABLE "=%d", depth() + 1));
    if (s->opts.debug_given || s->opts.debug != 4)
        vext_strv_take(env, vext_strdup_printf("VIRSH_DEBUG=%d", s->opts.debug));
    if (s->uri_moved && s->uri)
        vext_strv_take(env, vext_strdup_printf("VIRSH_DEFAULT_CONNECT_URI=%s", s->uri));
}

static void set_fd(int from, int to)
{
    if (from == -2)
        from = open("/dev/null", (to == 0 ? O_RDONLY : O_WRONLY) | O_CLOEXEC);
    if (from >= 0 && from != to)
        dup2(from, to);
}

pid_t vext_virsh_spawn(VextSession *s, char *const *argv, const int fds[3], char *const *env)
{
    const char *path = vext_virsh_path();
    VextStrv own_env = {0};
    int report[2];
    int why = 0;
    pid_t parent = getpid();
    sigset_t all;
    sigset_t mask;
    ssize_t n;
    pid_t pid;

    if (!vext_virsh_usable(s, path))
        return -1;
    if (pipe2(report, O_CLOEXEC) < 0) {
        vext_virsh_cannot_run(s, path, errno);
        return -1;
    }
    if (!env) {
        vext_virsh_env(s, &own_env);
        env = own_env.items;
    }
    fflush(stdout);
    fflush(stderr);
    vext_signals_child_begin();
    /* so that none is lost between fork() and exec() */
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &mask);
    pid = fork();
    if (pid == 0) {
        /* only what is safe between fork and exec in a program with threads */
        vext_signals_child_restore();
        sigprocmask(SIG_SETMASK, &mask, NULL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(127);
        for (int i = 0; i < 3; i++)
            set_fd(fds[i], i);
        execve(path, argv, env);
        why = errno;
        if (write(report[1], &why, sizeof(why)) < 0)
            _exit(126);
        _exit(127);
    }
    close(report[1]);
    if (pid < 0) {
        why = errno;
        sigprocmask(SIG_SETMASK, &mask, NULL);
    } else {
        vext_signals_child_pid(pid);
        sigprocmask(SIG_SETMASK, &mask, NULL);
        do {
            n = read(report[0], &why, sizeof(why));
        } while (n < 0 && errno == EINTR);
        if (n != sizeof(why))
            why = 0;
    }
    close(report[0]);
    vext_strv_clear(&own_env);
    if (why) {
        if (pid > 0)
            waitpid(pid, NULL, 0);
        vext_signals_child_end();
        vext_virsh_cannot_run(s, path, why);
        return -1;
    }
    return pid;
}

int vext_virsh_wait(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            status = 1 << 8; /* not known is no success */
            break;
        }
    }
    vext_signals_child_end();
    return status;
}

int vext_virsh_status(VextSession *s, int wstatus)
{
    if (WIFSIGNALED(wstatus)) {
        vext_session_end(s);
        fflush(NULL);
        vext_signals_die(WTERMSIG(wstatus));
    }
    return WIFEXITED(wstatus) ? WEXITSTATUS(wstatus) : 1;
}

int vext_run_apart(VextSession *s, int (*function)(VextSession *s, void *opaque), void *opaque)
{
    pid_t parent = getpid();
    sigset_t all;
    sigset_t mask;
    pid_t pid;

    fflush(stdout);
    fflush(stderr);
    vext_signals_child_begin();
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &mask);
    pid = fork();
    if (pid == 0) {
        int status;

        vext_signals_child_restore();
        sigprocmask(SIG_SETMASK, &mask, NULL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(127);
        status = function(s, opaque);
        vext_session_end(s);
        fflush(NULL);
        _exit(status);
    }
    if (pid > 0)
        vext_signals_child_pid(pid);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    if (pid < 0) {
        vext_signals_child_end();
        vext_error(s, _("Cannot start a process: %s"), strerror(errno));
        return 1;
    }
    return vext_virsh_status(s, vext_virsh_wait(pid));
}

int vext_virsh_run(VextSession *s, const char *line)
{
    static const int inherited[3] = {-1, -1, -1};
    VextStrv args = {0};
    pid_t pid;

    vext_virsh_args(s, &args);
    vext_strv_add(&args, "--");
    vext_strv_add(&args, line);
    pid = vext_virsh_spawn(s, args.items, inherited, NULL);
    vext_strv_clear(&args);
    return pid < 0 ? 1 : vext_virsh_status(s, vext_virsh_wait(pid));
}

/* Reads both pipes to their ends. */
static void drain(int fds[2], VextBuf *bufs[2])
{
    char chunk[4096];

    while (fds[0] >= 0 || fds[1] >= 0) {
        struct pollfd p[2] = {{.fd = fds[0], .events = POLLIN}, {.fd = fds[1], .events = POLLIN}};

        if (poll(p, 2, -1) < 0) {
            if (errno == EINTR)
                continue;
            break;
        }
        for (int i = 0; i < 2; i++) {
            ssize_t n;

            if (fds[i] < 0 || !p[i].revents)
                continue;
            n = read(fds[i], chunk, sizeof(chunk));
            if (n > 0) {
                vext_buf_add(bufs[i], chunk, (size_t)n);
            } else if (n == 0 || errno != EINTR) {
                close(fds[i]);
                fds[i] = -1;
            }
        }
    }
}

static void close_both(const int fds[2])
{
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

/* @closed: what becomes of a stream that is not kept, see vext_virsh_spawn() */
static int capture(VextSession *s, char *const *argv, VextBuf *out, VextBuf *err, int closed)
{
    int fds[3] = {-2, closed, closed};
    int read_ends[2] = {-1, -1};
    VextBuf *bufs[2] = {out, err};
    pid_t pid;

    for (int i = 0; i < 2; i++) {
        int ends[2];

        if (!bufs[i])
            continue;
        if (pipe2(ends, O_CLOEXEC) < 0) {
            vext_error(s, _("Cannot make a pipe: %s"), strerror(errno));
            close_both(read_ends);
            close_both(fds + 1);
            return -1;
        }
        read_ends[i] = ends[0];
        fds[i + 1] = ends[1];
    }
    pid = vext_virsh_spawn(s, argv, fds, NULL);
    close_both(fds + 1);
    if (pid < 0) {
        close_both(read_ends);
        return -1;
    }
    drain(read_ends, bufs);
    return vext_virsh_wait(pid);
}

int vext_virsh_capture_as(VextSession *s, const VextStrv *args, VextBuf *out, VextBuf *err)
{
    return capture(s, args->items, out, err, -1);
}

int vext_virsh_capture(VextSession *s, const VextStrv *args, VextBuf *out, VextBuf *err)
{
    VextStrv argv = {0};
    int status;

    vext_strv_add(&argv, s->argc ? s->argv[0] : "virsh");
    for (size_t i = 0; i < args->n; i++)
        vext_strv_add(&argv, args->items[i]);
    status = capture(s, argv.items, out, err, -2);
    vext_strv_clear(&argv);
    return status;
}

bool vext_virsh_check(VextSession *s, const char *lines)
{
    vext_autofree char *text = vext_strdup_printf("quit; %s", lines);
    VextStrv args = {0};
    VextBuf err = {0};
    int status;

    vext_strv_add(&args, "--");
    vext_strv_add(&args, text);
    status = vext_virsh_capture(s, &args, NULL, &err);
    vext_strv_clear(&args);
    if (status > 0) {
        fflush(stdout);
        if (err.len)
            fwrite(err.data, 1, err.len, stderr);
        fflush(stderr);
        vext_buf_clear(&err);
        vext_virsh_status(s, status);
        return false;
    }
    vext_buf_clear(&err);
    return status == 0;
}
