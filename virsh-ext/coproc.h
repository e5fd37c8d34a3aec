/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * coproc.h: one virsh that lives as long as the interactive shell
 *
 * What a virsh keeps (its connection and login, `connect`, `cd`, guests started with
 * --autodestroy) must outlive a line, so the shell hands all stock commands to the same virsh,
 * whose standard input and output are a private pty:
 *
 *      user's terminal <---- virsh-ext ----> pty <----> virsh
 *            ^              (readline)    lines, output   |
 *            '--------------- /dev/tty (passwords) -------'
 *
 *      vext_coproc_start()        starts it and waits for its first prompt
 *      vext_coproc_run()          gives it a line, passes its output on, waits for the prompt
 *      vext_coproc_complete()     asks it for readline's candidates
 *      vext_coproc_idle()         passes on what it says between lines
 *      vext_coproc_quit()         ends it as Ctrl-D does
 *      vext_coproc_free()         ends it in any case
 *
 * It is at its prompt when its output ends in the prompt, the pty has left canonical mode (virsh's
 * readline does that before it prints the prompt) and nothing is left to be read.
 *
 * Terminal: the pty is not its controlling terminal; that is still the user's. It has a process
 * group of its own, which is the terminal's foreground while a line runs: Ctrl-C, Ctrl-Z and
 * whoever asks for a password find virsh there, and what is typed ahead stays in the terminal. A
 * command that reads its standard input (a job that waits for Ctrl-C as a character, or a
 * question) is noticed by the pty's mode or by its read(2); then this program takes the
 * foreground, puts the terminal in the pty's mode and passes on what is typed.
 *
 * Death: it gets SIGTERM when this program goes, however that happens.
 */
#ifndef VEXT_COPROC_H
#define VEXT_COPROC_H

#include <stdbool.h>

#include "virsh-ext/util.h"

typedef struct VextCoproc VextCoproc;

typedef enum {
    VEXT_COPROC_READY, /* it is at its prompt */
    VEXT_COPROC_ENDED, /* it has ended: vext_coproc_status() */
} VextCoprocState;

/*
 * Starts @program and waits until it is at its prompt. What it prints before (errors, the
 * banner) is passed on.
 *
 * @program: absolute path
 * @argv: NULL-terminated, with the name it is to call itself in the banner
 * @env: NULL-terminated
 * @tty: the user's terminal, -1 for none
 * @capture: gets what it prints; NULL: standard output
 * @state: set when it was started
 * Returns: new, also when it has ended already; NULL with errno set when it cannot be run.
 */
VextCoproc *vext_coproc_start(const char *program, char *const *argv, char *const *env, int tty,
                              VextBuf *capture, VextCoprocState *state);

/*
 * Runs one line and returns when it is done.
 * @line: any bytes, without the newline at its end
 * @silent: set to whether nothing but blanks was printed; may be NULL
 * @capture: gets what is printed; NULL: standard output (and error)
 */
VextCoprocState vext_coproc_run(VextCoproc *co, const char *line, bool *silent, VextBuf *capture);

/*
 * What virsh's readline offers at the end of @text.
 * @out: gets the candidates, each for the last word as a whole
 */
VextCoprocState vext_coproc_complete(VextCoproc *co, const char *text, VextStrv *out);

/* Ends its input as Ctrl-D does and waits for its end. */
VextCoprocState vext_coproc_quit(VextCoproc *co);

/* Descriptors to poll for input while it is at its prompt; [1] may be -1. */
void vext_coproc_fds(const VextCoproc *co, int fds[2]);
/*
 * Passes on what it printed of its own accord.
 * @printed: set to whether that was anything
 */
VextCoprocState vext_coproc_idle(VextCoproc *co, bool *printed);

/* Whether its last prompt was that of a read-only connection. */
bool vext_coproc_readonly(const VextCoproc *co);
/* Returns new its current folder, or NULL when that cannot be read. */
char *vext_coproc_cwd(const VextCoproc *co);
/* How it ended, as waitpid() sets it. */
int vext_coproc_status(const VextCoproc *co);

/* Ends it if it still runs; NULL is fine. */
void vext_coproc_free(VextCoproc *co);

#endif
