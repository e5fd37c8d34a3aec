/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * session.h: what the shell knows while it runs
 *
 *      main        options.c   argv -> VextSession.opts
 *       |          batch.c     a line or argv -> segments: stock, own, help ...
 *       |                      checks the whole line, then runs the segments in order
 *       |-- nothing own in it: passthrough.c   execv(virsh), never comes back
 *       |-- own in it:         batch.c         own segments here, the others by a "stock runner":
 *       |                                      a virsh each (passthrough.c), the one virsh of a
 *       |                                      piped shell (pump.c) or of the terminal (repl.c)
 *       |-- no words:          pump.c or repl.c
 *
 * One VextSession exists. Its first member is what plugins get, so that a VextHost * from a
 * plugin is the session.
 */
#ifndef VEXT_SESSION_H
#define VEXT_SESSION_H

#include <pthread.h>

#include "include/virsh-ext-plugin.h"
#include "virsh-ext/cmd.h"
#include "virsh-ext/conn.h"
#include "virsh-ext/util.h"

/* virsh's global options. */
typedef struct {
    const char *uri;       /* -c as given, or NULL */
    const char *log;       /* -l, or VIRSH_LOG_FILE */
    const char *escape;    /* -e as given, or NULL */
    int debug;             /* 0 to 4 */
    bool debug_given;
    int bad_debug;         /* -d out of range: said, and of no effect */
    bool bad_debug_given;
    int keepalive_interval; /* -1: not given */
    int keepalive_count;    /* -1: not given */
    bool quiet;
    bool readonly;
    bool timing;
} VextOptions;

typedef struct VextSession VextSession;
struct VextSession {
    VextHost host; /* first: see above */
    int argc;
    char **argv;
    const char *progname; /* the last part of argv[0] */
    VextOptions opts;
    bool interactive; /* a shell: piped or on a terminal */
    bool quit;        /* quit or exit was run */
    bool offline;     /* this process must not connect: virsh has the driver, see
                         vext_conn_is_exclusive() */

    /* what `connect` changes; begins as -c or the environment's URI and -r */
    char *uri;      /* or NULL: libvirt's default */
    bool readonly;
    bool uri_moved; /* `connect` was used: virsh is told by the environment */

    VextRegistry registry;
    VextConn *conn; /* conn.c; NULL until it is used */
    /* An own command says why it fails: its last line is the one that tells how to go on, so
     * that the loop's thread has to keep out of it. */
    pthread_mutex_t report_lock;
    bool reporting;
    int log_fd;     /* -1: no log */
};

/* Fills a zeroed session; the options keep pointers into @argv. */
void vext_session_init(VextSession *s, int argc, char **argv);
/* Whether an own command has begun to say why it fails. */
void vext_session_set_reporting(VextSession *s, bool reporting);
/* Closes the connection and what else is open. */
void vext_session_end(VextSession *s);

/* host.c: fills s->host. */
void vext_host_init(VextSession *s);

#endif
