/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * signals.c: signals while an own command runs, and while a virsh is waited for
 */
#include <config.h>

#include "virsh-ext/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

static const int own_signals[] = {SIGINT, SIGTERM, SIGHUP};
static struct sigaction own_old[N_ELEMENTS(own_signals)];
static struct sigaction own_old_pipe;
static volatile sig_atomic_t own_caught;
static volatile sig_atomic_t own_noticed;
static int own_pipe[2] = {-1, -1};

static const int child_signals[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT,
                                    SIGUSR1, SIGUSR2, SIGALRM};
static struct sigaction child_old[N_ELEMENTS(child_signals)];
static volatile sig_atomic_t child_pid;
static volatile sig_atomic_t child_missed;

static void own_handler(int sig)
{
    int saved = errno;

    if (own_caught) {
        signal(sig, SIG_DFL);
        raise(sig);
    } else {
        own_caught = sig;
        /* the pipe is non-blocking and empty: one byte always fits */
        if (own_pipe[1] >= 0 && write(own_pipe[1], "", 1) < 0)
            own_caught = sig;
    }
    errno = saved;
}

void vext_signals_own_begin(void)
{
    struct sigaction sa = {.sa_handler = own_handler};
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    own_caught = 0;
    own_noticed = 0;
    /* libvirt writes to its socket without MSG_NOSIGNAL: a daemon that dies is an error, not the
     * end of this process; what stdout's reader does shows when it is flushed afterwards */
    sigaction(SIGPIPE, &ignore, &own_old_pipe);
    if (own_pipe[0] < 0 && pipe2(own_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
        own_pipe[0] = own_pipe[1] = -1;
    sigemptyset(&sa.sa_mask);
    for (size_t i = 0; i < N_ELEMENTS(own_signals); i++) {
        sigaction(own_signals[i], NULL, &own_old[i]);
        if (own_old[i].sa_handler != SIG_IGN)
            sigaction(own_signals[i], &sa, NULL);
    }
}

int vext_signals_own_end(bool *noticed)
{
    char byte;

    sigaction(SIGPIPE, &own_old_pipe, NULL);
    for (size_t i = 0; i < N_ELEMENTS(own_signals); i++)
        sigaction(own_signals[i], &own_old[i], NULL);
    while (own_pipe[0] >= 0 && read(own_pipe[0], &byte, 1) > 0)
        ;
    *noticed = own_noticed;
    return own_caught;
}

bool vext_signals_interrupted(void)
{
    if (!own_caught)
        return false;
    own_noticed = 1;
    return true;
}

int vext_signals_fd(void)
{
    return own_pipe[0];
}

static void child_handler(int sig, siginfo_t *info, void *context)
{
    int saved = errno;

    /* SI_KERNEL: the terminal sent it to the whole process group */
    if (info->si_code <= 0) {
        if (child_pid > 0)
            kill((pid_t)child_pid, sig);
        else
            child_missed = sig;
    }
    errno = saved;
}

void vext_signals_child_begin(void)
{
    struct sigaction sa = {.sa_sigaction = child_handler, .sa_flags = SA_SIGINFO | SA_RESTART};

    child_pid = 0;
    child_missed = 0;
    sigemptyset(&sa.sa_mask);
    for (size_t i = 0; i < N_ELEMENTS(child_signals); i++) {
        sigaction(child_signals[i], NULL, &child_old[i]);
        if (child_old[i].sa_handler != SIG_IGN)
            sigaction(child_signals[i], &sa, NULL);
    }
}

void vext_signals_child_pid(pid_t pid)
{
    child_pid = pid;
    if (child_missed)
        kill(pid, child_missed);
}

void vext_signals_child_restore(void)
{
    for (size_t i = 0; i < N_ELEMENTS(child_signals); i++)
        sigaction(child_signals[i], &child_old[i], NULL);
}

void vext_signals_child_end(void)
{
    vext_signals_child_restore();
    child_pid = 0;
}

void vext_signals_die(int sig)
{
    struct rlimit no_core = {0, 0};
    sigset_t set;

    /* the core, if any, is the child's */
    setrlimit(RLIMIT_CORE, &no_core);
    signal(sig, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, sig);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(sig);
    _exit(128 + sig);
}
