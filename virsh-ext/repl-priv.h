/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* repl-priv.h: what the two halves of the interactive shell share */
#ifndef VEXT_REPL_PRIV_H
#define VEXT_REPL_PRIV_H

#include "virsh-ext/coproc.h"
#include "virsh-ext/session.h"

typedef struct {
    VextSession *s;
    VextCoproc *co;   /* NULL: none runs */
    bool interrupted; /* the virsh of this line was killed; the rest of the line is dropped */
    char *history;    /* the file; NULL when it is neither read nor written */
} VextRepl;

/* Prepares readline and reads the history. */
void vext_repl_input_begin(VextRepl *r);
/* Gets a line from the terminal. Returns new, or NULL at the end of input. */
char *vext_repl_input_line(VextRepl *r);
/* Writes the history. */
void vext_repl_input_end(VextRepl *r);

/*
 * Deals with the end of the virsh behind the shell: dies of what the terminal or the user killed
 * it with, as virsh-ext would have; says what happened if it was something else. Frees it.
 * Returns: its exit status
 */
int vext_repl_virsh_ended(VextRepl *r);

/* Whether stock commands can share one virsh: not on an embedded driver. */
bool vext_repl_shares_virsh(const VextRepl *r);

#endif
