/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * passthrough.h: the installed virsh, run for what is its own
 *
 * Its path is fixed when virsh-ext is built; VIRSH_EXT_VIRSH names another one (not in a program
 * with raised privileges). Should that be virsh-ext itself, or a script that calls it again, an
 * error says so instead of going round for ever.
 */
#ifndef VEXT_PASSTHROUGH_H
#define VEXT_PASSTHROUGH_H

#include <sys/types.h>

#include "virsh-ext/session.h"

/* Where virsh is; may not exist. */
const char *vext_virsh_path(void);
/* Whether it can be run. */
bool vext_virsh_exists(void);

/*
 * Whether @path may be run: it is not this program in disguise.
 * Returns: false after saying that.
 */
bool vext_virsh_usable(VextSession *s, const char *path);
/* Says that @path could not be run. @why: errno */
void vext_virsh_cannot_run(VextSession *s, const char *path, int why);

/*
 * Becomes virsh with the arguments that virsh-ext was called with.
 * Returns: only when that failed, the exit status, after printing the error.
 */
int vext_virsh_exec(VextSession *s);

/* Adds the program and the global options that make a virsh behave as this session. */
void vext_virsh_args(VextSession *s, VextStrv *args);
/* Returns new an environment for it, to be freed with vext_strv_clear(). */
void vext_virsh_env(VextSession *s, VextStrv *env);

/*
 * Starts a virsh. It dies with this program.
 * @fds: for its descriptors 0, 1, 2; -1: inherited; -2: /dev/null
 * @env: NULL-terminated, or NULL for that of vext_virsh_env()
 * Returns: its pid, or -1 after printing the error. Signals are passed on until
 *          vext_virsh_wait().
 */
pid_t vext_virsh_spawn(VextSession *s, char *const *argv, const int fds[3], char *const *env);
/* Waits for the end of it. Returns: as waitpid() sets it. */
int vext_virsh_wait(pid_t pid);

/*
 * Runs @function in a process of its own, for what must not stay in this one (a connection to an
 * embedded driver). Nothing may have been connected here. Signals as for a virsh.
 * Returns: what it returned, 0 to 255; dies of what it died of
 */
int vext_run_apart(VextSession *s, int (*function)(VextSession *s, void *opaque), void *opaque);

/* Runs one line of stock commands in a virsh of its own. Returns: its exit status. Dies of what
 * it died of. */
int vext_virsh_run(VextSession *s, const char *line);

/*
 * Runs virsh and keeps what it prints.
 * @args: with the program's name
 * @out, @err: may be NULL: not changed
 * Returns: as waitpid() sets it, -1 after printing that virsh cannot be run.
 */
int vext_virsh_capture_as(VextSession *s, const VextStrv *args, VextBuf *out, VextBuf *err);

/*
 * Runs virsh with @args behind the program's name, without the session's options; otherwise as
 * vext_virsh_capture_as(), but NULL is /dev/null.
 */
int vext_virsh_capture(VextSession *s, const VextStrv *args, VextBuf *out, VextBuf *err);

/* Exit status for a wait status; dies of the signal if it was one. */
int vext_virsh_status(VextSession *s, int wstatus);

/*
 * virsh's own check of the grammar: nothing is run.
 * Returns: false after printing virsh's error.
 */
bool vext_virsh_check(VextSession *s, const char *lines);

#endif
