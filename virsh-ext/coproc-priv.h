/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * coproc-priv.h: what the two halves of the co-process share
 *
 * coproc.c starts it and sorts its output; coproc-wait.c is the loop that runs while it works:
 * the terminal, the signals, what is typed for it.
 */
#ifndef VEXT_COPROC_PRIV_H
#define VEXT_COPROC_PRIV_H

#include <limits.h>
#include <sys/types.h>
#include <termios.h>

#include "virsh-ext/coproc.h"

#define G_N(array) (sizeof(array) / sizeof((array)[0]))

struct VextCoproc {
    pid_t pid;        /* and process group; 0 once it has ended */
    int wstatus;      /* then */
    int master;       /* our side of the pty, not blocking */
    int err;          /* its standard error where that goes elsewhere than its output, or -1 */
    char *slave_name; /* its side of the pty */
    int tty;          /* the user's terminal or -1 */

    VextBuf held;     /* output not passed on yet: could be (the beginning of) a prompt */
    VextBuf held_err;
    VextBuf *capture; /* gets the output */
    bool started;     /* the first prompt was there */
    bool quitting;    /* no further prompt is expected */
    bool readonly;
    bool blank;       /* only blanks came since the line was sent */
    bool printed;
    char last;        /* of what was printed */
};

/* Reads and passes on what is there. Returns whether there was anything. */
bool vext_coproc_drain(VextCoproc *co);
/*
 * Shows the beginning of a line that does not go on, to the user even where the output is kept:
 * before its first prompt it may ask for a name and a password.
 */
void vext_coproc_show_question(VextCoproc *co);
/* Whether the pty is in canonical mode, which virsh's readline leaves. */
bool vext_coproc_canonical(const VextCoproc *co);
/* Whether it waits for a line; then all output was passed on and the prompt taken out of it. */
bool vext_coproc_at_prompt(VextCoproc *co);
/*
 * Looks whether it has ended; then all its output was passed on.
 * @stopsig: set to the signal when it was found to be stopped
 */
bool vext_coproc_reap(VextCoproc *co, int *stopsig);
/* Gives the pty the size of the terminal. */
void vext_coproc_set_size(VextCoproc *co);

/*
 * Sends @keys, and waits until it is at its prompt or has ended.
 * @foreground: hand it the terminal meanwhile
 */
VextCoprocState vext_coproc_wait(VextCoproc *co, const char *keys, size_t len, bool foreground);

#endif
