/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * session.c: begin and end of what the shell knows
 */
#include <config.h>

#include "virsh-ext/session.h"

#include "virsh-ext/output.h"

void vext_session_init(VextSession *s, int argc, char **argv)
{
    const char *slash = argc ? strrchr(argv[0], '/') : NULL;

    vext_host_init(s);
    s->argc = argc;
    s->argv = argv;
    s->progname = slash ? slash + 1 : argc ? argv[0] : "virsh-ext";
    s->opts.debug = 4;
    s->opts.keepalive_interval = -1;
    s->opts.keepalive_count = -1;
    s->log_fd = -1;
    pthread_mutex_init(&s->report_lock, NULL);
}

void vext_session_set_reporting(VextSession *s, bool reporting)
{
    pthread_mutex_lock(&s->report_lock);
    s->reporting = reporting;
    pthread_mutex_unlock(&s->report_lock);
}

void vext_session_end(VextSession *s)
{
    vext_conn_end(s);
    vext_log_close(s);
    free(s->uri);
    s->uri = NULL;
}
