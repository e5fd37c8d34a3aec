/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * signals.h: signals while an own command runs, and while a virsh is waited for
 *
 * Own command: the first SIGINT, SIGTERM or SIGHUP sets a flag and makes a descriptor readable, so
 * that the command can stop where it is safe; a second one ends the program at once. What was
 * ignored when the program began stays ignored (nohup).
 *
 * Child: a signal from the terminal reaches it anyway; one that was sent to virsh-ext alone is
 * passed on. The program outlives the child and then does what it did.
 */
#ifndef VEXT_SIGNALS_H
#define VEXT_SIGNALS_H

#include <stdbool.h>
#include <sys/types.h>

void vext_signals_own_begin(void);
/*
 * Returns: the signal that arrived, 0 for none
 * @noticed: whether the command asked for it after that
 */
int vext_signals_own_end(bool *noticed);

bool vext_signals_interrupted(void);
/* A descriptor that polls readable once interrupted; -1 when there can be none. */
int vext_signals_fd(void);

/*
 * Passes signals on to @pid until vext_signals_child_end(). Begin before the child can be seen
 * (with pid 0), and set the pid by vext_signals_child_pid().
 */
void vext_signals_child_begin(void);
void vext_signals_child_pid(pid_t pid);
void vext_signals_child_end(void);
/* In the child: the dispositions of before vext_signals_child_begin(). */
void vext_signals_child_restore(void);

/* Dies of @sig, as a child or command was told to; never returns. */
void vext_signals_die(int sig) __attribute__((noreturn));

#endif
