/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * output.h: what the shell itself prints, in virsh's form, and virsh's log file
 */
#ifndef VEXT_OUTPUT_H
#define VEXT_OUTPUT_H

#include "virsh-ext/session.h"

/* "error: ...\n" on standard error, after flushing standard output; also to the log. */
void vext_error(VextSession *s, const char *format, ...) VEXT_PRINTF(2, 3);
/* "warning: ...\n", likewise. */
void vext_warn(VextSession *s, const char *format, ...) VEXT_PRINTF(2, 3);
/* Messages carry names and what a server says: nothing of it is to command the terminal. New
 * string; lines and tabs stay, other controls are escaped. */
char *vext_printable(const char *text);
/* On standard output, not under --quiet. */
void vext_print_extra(VextSession *s, const char *text);
/* A VextReport that prints errors; @opaque is the session. */
void vext_report_error(void *opaque, const char *message);

/* Opens virsh's log file (-l) for appending; false after reporting. */
bool vext_log_open(VextSession *s);
void vext_log_close(VextSession *s);

/* What follows every command: an empty line, or the time it took. */
void vext_print_trailer(VextSession *s, double ms);
/* Milliseconds of a clock that only runs forward. */
double vext_now_ms(void);

#endif
