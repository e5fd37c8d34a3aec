/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* coproc-wait.c: while the shell's virsh works: the terminal, signals, what is typed for it */

#include <config.h>

#include "virsh-ext/coproc-priv.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How often it is looked whether virsh reads its input, in milliseconds. */
#define LOOK_EVERY 50

static const int caught[] = {
    SIGCHLD, SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP, SIGCONT, SIGWINCH,
};

static volatile sig_atomic_t arrived[NSIG];

typedef enum {
    READS_NOTHING,
    READS_INTERRUPT, /* a job runs: Ctrl-C is to reach it as a character */
    READS_KEYS,      /* raw mode */
    READS_LINE,      /* read(2) in canonical mode */
} Reads;

typedef struct {
    VextCoproc *co;
    bool foreground;         /* it is to have the terminal */
    bool given;              /* it has it */
    struct sigaction old[G_N(caught)];
    sigset_t before;
    sigset_t polling;
    Reads seen;              /* at the last look */
    Reads forwarding;
    struct termios terminal; /* the terminal as it was */
    bool have_terminal;
} Wait;

void vext_coproc_set_size(VextCoproc *co)
{
    struct winsize ws;

    if (co->tty >= 0 && ioctl(co->tty, TIOCGWINSZ, &ws) == 0)
        ioctl(co->master, TIOCSWINSZ, &ws);
}

/* --- signals ---------------------------------------------------------------------------------- */

static void on_signal(int sig)
{
    arrived[sig] = 1;
}

static void signals_begin(Wait *w)
{
    struct sigaction sa = { .sa_handler = on_signal };
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < G_N(caught); i++) {
        sigaddset(&set, caught[i]);
        arrived[caught[i]] = 0;
    }
    sigprocmask(SIG_BLOCK, &set, &w->before);
    w->polling = w->before;
    sigfillset(&sa.sa_mask);
    for (size_t i = 0; i < G_N(caught); i++) {
        sigdelset(&w->polling, caught[i]);
        sigaction(caught[i], NULL, &w->old[i]);
        /* what is ignored stays so (nohup) */
        if (w->old[i].sa_handler != SIG_IGN || caught[i] == SIGCHLD)
            sigaction(caught[i], &sa, NULL);
    }
}

static void signals_end(Wait *w)
{
    for (size_t i = 0; i < G_N(caught); i++)
        sigaction(caught[i], &w->old[i], NULL);
    sigprocmask(SIG_SETMASK, &w->before, NULL);
}

static bool take_arrived(int sig)
{
    bool was = arrived[sig];

    arrived[sig] = 0;
    return was;
}

/* --- the terminal ----------------------------------------------------------------------------- */

/* Changes the terminal's foreground also from the background. */
static void set_foreground(int tty, pid_t pgrp)
{
    sigset_t ttou, before;

    sigemptyset(&ttou);
    sigaddset(&ttou, SIGTTOU);
    sigprocmask(SIG_BLOCK, &ttou, &before);
    tcsetpgrp(tty, pgrp);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

static void set_mode(int tty, const struct termios *t)
{
    sigset_t ttou, before;

    sigemptyset(&ttou);
    sigaddset(&ttou, SIGTTOU);
    sigprocmask(SIG_BLOCK, &ttou, &before);
    tcsetattr(tty, TCSADRAIN, t);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

static void give_terminal(Wait *w)
{
    VextCoproc *co = w->co;

    if (w->foreground && !w->given && co->tty >= 0 && co->pid &&
        tcgetpgrp(co->tty) == getpgrp()) {
        set_foreground(co->tty, co->pid);
        w->given = true;
    }
}

static void take_terminal(Wait *w)
{
    if (w->given)
        set_foreground(w->co->tty, getpgrp());
    w->given = false;
}

static void stop_forwarding(Wait *w)
{
    if (w->forwarding == READS_INTERRUPT || w->forwarding == READS_KEYS) {
        if (w->have_terminal)
            set_mode(w->co->tty, &w->terminal);
    }
    w->forwarding = READS_NOTHING;
}

/* Whether it stands in a read() of its side of the pty. */
static bool reads_pty(const VextCoproc *co)
{
    vext_autofree char *path = vext_strdup_printf("/proc/%d/syscall", (int)co->pid);
    char link[64], name[128];
    unsigned long fd;
    long nr;
    FILE *f = fopen(path, "re");
    int fields;
    ssize_t n;

    if (!f)
        return false;
    /* NOLINTNEXTLINE(cert-err34-c): the kernel's numbers fit; "running" gives no fields */
    fields = fscanf(f, "%ld %lx", &nr, &fd);
    fclose(f);
    if (fields != 2 || nr != SYS_read || !co->slave_name)
        return false;
    snprintf(link, sizeof(link), "/proc/%d/fd/%lu", (int)co->pid, fd);
    n = readlink(link, name, sizeof(name) - 1);
    if (n < 0)
        return false;
    name[n] = '\0';
    return vext_streq(name, co->slave_name);
}

static Reads what_it_reads(const VextCoproc *co)
{
    struct termios t;

    if (!co->pid || tcgetattr(co->master, &t) < 0)
        return READS_NOTHING;
    if (t.c_lflag & ICANON)
        return reads_pty(co) ? READS_LINE : READS_NOTHING;
    if (!(t.c_lflag & IEXTEN))
        return READS_KEYS;
    /* A job has taken Ctrl-C alone away. Its readline has not, and when it is to read a line it
     * has none of the three: what is typed now is not for it. */
    if (t.c_cc[VINTR] == _POSIX_VDISABLE && t.c_cc[VQUIT] != _POSIX_VDISABLE)
        return READS_INTERRUPT;
    return READS_NOTHING;
}

/* Begins and ends passing on what is typed. It must want the same twice, not just in passing. */
static void look(Wait *w)
{
    VextCoproc *co = w->co;
    Reads now = w->foreground && co->tty >= 0 ? what_it_reads(co) : READS_NOTHING;
    struct termios t;

    if (w->forwarding != READS_NOTHING && now != w->forwarding) {
        stop_forwarding(w);
        give_terminal(w);
    } else if (now != READS_NOTHING && now == w->seen && w->forwarding == READS_NOTHING &&
               w->have_terminal && w->given) {
        take_terminal(w);
        t = w->terminal;
        if (now == READS_KEYS) {
            cfmakeraw(&t);
        } else if (now == READS_INTERRUPT) {
            t.c_lflag &= ~ICANON;
            t.c_cc[VINTR] = _POSIX_VDISABLE;
            t.c_cc[VMIN] = 1;
            t.c_cc[VTIME] = 0;
        }
        if (now != READS_LINE)
            set_mode(co->tty, &t);
        w->forwarding = now;
    }
    w->seen = now;
}

static void forward(Wait *w)
{
    char buf[4096];
    ssize_t n = read(w->co->tty, buf, sizeof(buf));
    ssize_t done = 0;

    if (n < 0)
        return;
    if (w->forwarding == READS_INTERRUPT) {
        /* virsh throws the rest away too; in our case it could reach virsh's next line */
        if (!memchr(buf, w->terminal.c_cc[VINTR], n))
            return;
        buf[0] = 3;
        n = 1;
    } else if (n == 0) {
        buf[0] = 4; /* the end of input */
        n = 1;
    }
    while (done < n) {
        ssize_t part = write(w->co->master, buf + done, n - done);

        if (part < 0 && errno != EINTR)
            return;
        done += part > 0 ? part : 0;
    }
    w->seen = READS_NOTHING;
    if (w->forwarding == READS_LINE) {
        stop_forwarding(w);
        give_terminal(w);
    }
}

/* --- stopping and dying ----------------------------------------------------------------------- */

/* Stops with it (Ctrl-Z) and goes on with it. */
static void suspend(Wait *w, int sig)
{
    VextCoproc *co = w->co;

    stop_forwarding(w);
    /* one that lacked the terminal gets it, if it can */
    if ((sig == SIGTTIN || sig == SIGTTOU) && !w->given) {
        give_terminal(w);
        if (w->given) {
            kill(-co->pid, SIGCONT);
            return;
        }
    }
    take_terminal(w);
    signals_end(w);
    kill(0, sig == SIGSTOP ? SIGTSTP : sig); /* back when somebody continues us */
    signals_begin(w);
    vext_coproc_set_size(co);
    give_terminal(w);
    if (co->pid)
        kill(-co->pid, SIGCONT);
}

static void die(Wait *w, int sig)
{
    VextCoproc *co = w->co;

    stop_forwarding(w);
    take_terminal(w);
    if (co->pid) {
        kill(-co->pid, sig);
        kill(-co->pid, SIGCONT);
    }
    signals_end(w);
    raise(sig);
    /* somebody handles it: go on */
    signals_begin(w);
}

static void handle_signals(Wait *w)
{
    VextCoproc *co = w->co;

    if (take_arrived(SIGCONT)) {
        give_terminal(w);
        if (co->pid)
            kill(-co->pid, SIGCONT);
    }
    if (take_arrived(SIGWINCH))
        vext_coproc_set_size(co);
    /* sent to us alone, or from the terminal while we have it */
    if (take_arrived(SIGINT) && co->pid)
        kill(-co->pid, SIGINT);
    if (take_arrived(SIGQUIT) && co->pid)
        kill(-co->pid, SIGQUIT);
    if (take_arrived(SIGTERM))
        die(w, SIGTERM);
    if (take_arrived(SIGHUP))
        die(w, SIGHUP);
    if (take_arrived(SIGTSTP)) {
        if (co->pid)
            kill(-co->pid, SIGTSTP);
        suspend(w, SIGTSTP);
    }
}

/* --- the loop --------------------------------------------------------------------------------- */

static void loop(Wait *w, const char *keys, size_t len)
{
    VextCoproc *co = w->co;
    bool gone = false; /* the other side of the pty is closed */

    for (;;) {
        struct pollfd p[3] = {
            { gone ? -1 : co->master, POLLIN, 0 },
            { co->err, POLLIN, 0 },
            { w->forwarding != READS_NOTHING ? co->tty : -1, POLLIN, 0 },
        };
        struct timespec wait = { 0, LOOK_EVERY * 1000000L };
        int stopsig = 0, n;

        vext_coproc_drain(co);
        if (len == 0 && !co->quitting && vext_coproc_at_prompt(co))
            return;
        if (vext_coproc_reap(co, &stopsig))
            return;
        if (stopsig) {
            suspend(w, stopsig);
            continue;
        }
        if (len > 0)
            p[0].events |= POLLOUT;
        n = ppoll(p, G_N(p), (w->foreground && co->tty >= 0) || gone ? &wait : NULL, &w->polling);
        handle_signals(w);
        if (n < 0)
            continue;
        if (n == 0) {
            vext_coproc_show_question(co);
            look(w);
        }
        if (p[2].revents)
            forward(w);
        if (p[0].revents & POLLOUT) {
            ssize_t done = write(co->master, keys, len);

            if (done > 0) {
                keys += done;
                len -= done;
            }
        }
        gone = gone || ((p[0].revents & (POLLHUP | POLLERR)) && !(p[0].revents & POLLIN));
        if ((p[1].revents & (POLLHUP | POLLERR)) && !(p[1].revents & POLLIN)) {
            close(co->err);
            co->err = -1;
        }
    }
}

VextCoprocState vext_coproc_wait(VextCoproc *co, const char *keys, size_t len, bool foreground)
{
    Wait w = { .co = co, .foreground = foreground };

    if (!co->pid)
        return VEXT_COPROC_ENDED;
    fflush(stdout);
    vext_coproc_set_size(co);
    w.have_terminal = co->tty >= 0 && tcgetattr(co->tty, &w.terminal) == 0;
    signals_begin(&w);
    give_terminal(&w);
    loop(&w, keys, len);
    stop_forwarding(&w);
    take_terminal(&w);
    /* killed while it asked for a password, say */
    if (!co->pid && foreground && w.have_terminal && tcgetpgrp(co->tty) == getpgrp())
        set_mode(co->tty, &w.terminal);
    signals_end(&w);
    return co->pid ? VEXT_COPROC_READY : VEXT_COPROC_ENDED;
}
