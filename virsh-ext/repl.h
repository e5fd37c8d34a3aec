/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * repl.h: the interactive shell on a terminal
 *
 *      repl.c        the loop; who runs which command of a line
 *      repl-input.c  readline: history, completion, waiting for keys
 *      coproc.c      the virsh that runs the stock commands of all lines
 */
#ifndef VEXT_REPL_H
#define VEXT_REPL_H

#include "virsh-ext/session.h"

/*
 * Runs the shell until quit, exit or the end of input. Standard input and output are a terminal;
 * the options have been applied.
 * Returns: the exit status
 */
int vext_repl_run(VextSession *s);

#endif
