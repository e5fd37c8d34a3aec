/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fault.h: named points at which tests make the operation die
 *
 * Compiled in only with VEXT_FAULTS (configure --enable-fault-injection, and the plugin that
 * `make check` builds for the crash matrix). Then
 *
 *      VEXT_FAULT=NAME:ACTION[:COUNT]   at the COUNT-th (1st) passage of NAME does ACTION:
 *            kill    SIGKILL to itself           exit   _exit(99)
 *            stop    SIGSTOP to itself           int    SIGINT to itself and goes on
 *                                    with the name "*" each point is one
 *      VEXT_FAULT_LIST=FILE             appends each point passed, a line each ("1": stderr)
 *
 * Names: "step-N-before", "step-N-after" for each step of the plan, "ACTION-before" and
 * "ACTION-after" with the step's action ("block-commit-before"), and the ones that the steps
 * themselves pass ("block-commit-running", "update-snapshots-forgotten", …).
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#ifdef VEXT_FAULTS
void exec_fault(const char *name);
#define EXEC_FAULT(name) exec_fault(name)
#else
#define EXEC_FAULT(name) ((void)(name))
#endif

G_END_DECLS
