/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * polkit.h: polkit's text agent, so that a password can be asked for on the terminal
 *
 * As virsh does when the daemon says that no agent is there: `pkttyagent --process PID
 * --notify-fd FD --fallback`, killed after the connection stands.
 */
#ifndef VEXT_POLKIT_H
#define VEXT_POLKIT_H

typedef struct VextPolkitAgent VextPolkitAgent;

/* Starts the agent and waits until it is ready. NULL when there is no terminal or no agent. */
VextPolkitAgent *vext_polkit_agent_start(void);
/* Ends it; NULL is fine. */
void vext_polkit_agent_stop(VextPolkitAgent *agent);

#endif
