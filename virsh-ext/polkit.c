/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * polkit.c: polkit's text agent, so that a password can be asked for on the terminal
 */
#include <config.h>

#include "virsh-ext/polkit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "virsh-ext/util.h"

#define PKTTYAGENT "/usr/bin/pkttyagent"
/* the agent closes its end once it is registered; it is not waited for longer than this */
#define READY_TIMEOUT_MS 10000

struct VextPolkitAgent {
    pid_t pid;
};

VextPolkitAgent *vext_polkit_agent_start(void)
{
    VextPolkitAgent *agent;
    struct pollfd pfd = {.events = POLLIN | POLLHUP};
    char process[32];
    char notify[32];
    int fds[2];
    pid_t pid;

    if (!isatty(STDIN_FILENO) || access(PKTTYAGENT, X_OK) < 0 || pipe2(fds, O_CLOEXEC) < 0)
        return NULL;
    snprintf(process, sizeof(process), "%d", (int)getpid());
    snprintf(notify, sizeof(notify), "%d", fds[1]);
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        fcntl(fds[1], F_SETFD, 0);
        execl(PKTTYAGENT, PKTTYAGENT, "--process", process, "--notify-fd", notify, "--fallback",
              (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    if (pid < 0) {
        close(fds[0]);
        return NULL;
    }
    pfd.fd = fds[0];
    while (poll(&pfd, 1, READY_TIMEOUT_MS) < 0 && errno == EINTR)
        ;
    close(fds[0]);
    agent = vext_calloc(1, sizeof(*agent));
    agent->pid = pid;
    return agent;
}

void vext_polkit_agent_stop(VextPolkitAgent *agent)
{
    if (!agent)
        return;
    kill(agent->pid, SIGTERM);
    while (waitpid(agent->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    free(agent);
}
