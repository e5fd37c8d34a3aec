/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * complete.h: virsh's `complete` command, for own and stock commands
 */
#ifndef VEXT_COMPLETE_H
#define VEXT_COMPLETE_H

#include "virsh-ext/session.h"

/*
 * `complete [--] WORD...`: the words are joined by blanks and lexed again, the last one is the
 * prefix; one candidate a line.
 * @words: the command's words with its name
 * Prints virsh's trailer too.
 * Returns: the exit status: 1 without candidates
 */
int vext_complete(VextSession *s, const VextStrv *words);

/* Whether virsh's answer is the whole answer (@words as above). */
bool vext_complete_is_stock(VextSession *s, const VextStrv *words);

/*
 * The candidates for the last word of @line, when that belongs to an own command, or for a
 * command's name those of ours alone. For `complete` and for the shell's Tab key.
 *
 * @line: one command line up to the cursor
 * @own: set to whether the word belongs to an own command (virsh need not be asked)
 */
void vext_complete_line(VextSession *s, const char *line, VextStrv *candidates, bool *own);

#endif
