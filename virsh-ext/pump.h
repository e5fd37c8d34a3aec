/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pump.h: the shell on piped standard input
 *
 *      stdin --lines--> virsh-ext --pipe--> virsh --pipe--> virsh-ext --> stdout
 *
 * One virsh reads the lines, prompts and echoes them itself, so that its connection, directory
 * and whatever else it keeps live as long as the shell. Only in front of a line with an own
 * command the two are brought in step: virsh is told to `echo` a word that occurs nowhere else,
 * and that exchange is cut out of its output.
 *
 * A file without own commands needs none of that: virsh gets it as it is.
 */
#ifndef VEXT_PUMP_H
#define VEXT_PUMP_H

#include "virsh-ext/session.h"

/* Runs the shell to its end. Returns: the exit status. */
int vext_pump_run(VextSession *s);

#endif
