/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * batch.h: one command line of own and stock commands, in any order
 *
 *      vext_batch_parse()      cut into segments; own commands are parsed with their tables
 *      vext_batch_is_stock()   nothing own in it: hand the line to virsh as it is
 *      vext_batch_check()      reports the first error of the whole line, also virsh's
 *      vext_batch_run()        runs the segments in order; own ones here, the others by a runner
 *      vext_batch_free()
 *
 * As in virsh, an error anywhere means that nothing runs, every command runs whatever the ones
 * before it did, and the status is that of the last one.
 */
#ifndef VEXT_BATCH_H
#define VEXT_BATCH_H

#include "virsh-ext/parse.h"
#include "virsh-ext/session.h"

typedef enum {
    VEXT_SEG_STOCK,    /* one or more of virsh's commands */
    VEXT_SEG_OWN,      /* one own command */
    VEXT_SEG_TAKEOVER, /* one of virsh's that an own command may want */
    VEXT_SEG_HELP,     /* help about something of ours, or the whole list */
    VEXT_SEG_COMPLETE, /* complete */
    VEXT_SEG_SELFTEST, /* self-test */
} VextSegmentKind;

typedef struct {
    VextSegmentKind kind;
    char *text;       /* as it stands in the line; rebuilt with quotes for an argument vector */
    VextBuf buf;      /* STOCK: what text is in */
    VextCmd *cmd;     /* OWN, TAKEOVER */
    VextStrv words;   /* HELP, COMPLETE, SELFTEST: what follows the name */
    bool quits;       /* STOCK: ends in quit or exit */
    bool connects;    /* STOCK: has a connect with a name: */
    char *uri;
    bool readonly;
    bool interactive; /* STOCK: has a command that needs the real terminal, see
                         vext_needs_terminal() */
} VextSegment;

typedef struct {
    VextSegment *segs;
    size_t n;
    size_t cap;
    bool failed;     /* an own command has an error: */
    VextStrv errors; /* its messages */
    bool apart;      /* own commands run in processes of their own, see vext_batch_connect() */
    bool lex_error;  /* the last segment is cut off by an error of the lexer */
} VextBatch;

/*
 * Runs @text, stock commands only, and says with which status the last one ended. It may set
 * s->quit when the shell is over, and clear @seg->connects when it has moved the session itself.
 */
typedef int (*VextStockRunner)(VextSession *s, VextSegment *seg, void *opaque);

/* A string: string mode, a line of the shell. */
VextBatch *vext_batch_parse(VextSession *s, const char *line);
/* An argument vector: one command. */
VextBatch *vext_batch_parse_words(VextSession *s, char *const *words, size_t n);

/* Whether virsh can have it all. */
bool vext_batch_is_stock(const VextBatch *b);

/* Reports the first error of the line. Returns: whether it can run. */
bool vext_batch_check(VextSession *s, const VextBatch *b);

/*
 * Opens the connection where -c asks for that at once, as virsh does. On an embedded driver that
 * virsh is to use too, own commands are made to connect in processes of their own.
 * Returns: false when it failed, after printing the error
 */
bool vext_batch_connect(VextSession *s, VextBatch *b);

/*
 * Runs it; vext_batch_check() passed.
 * @run_stock: NULL: each segment in a virsh of its own
 * Returns: the last command's status
 */
int vext_batch_run(VextSession *s, VextBatch *b, VextStockRunner run_stock, void *opaque);

void vext_batch_free(VextBatch *b);

/*
 * Runs one own command's handler: checks, signals, and virsh's trailer after it.
 * Returns: its status
 */
int vext_own_run(VextSession *s, const VextCmd *cmd);

/*
 * Whether a stock command, given as words, needs the real terminal (console, editors, asking for a
 * password), so that a virsh behind a pipe or a pty cannot run it.
 */
bool vext_needs_terminal(const VextStrv *words);

#endif
