/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * conn.c: the session's connection to libvirt, for own commands
 */
#include <config.h>

#include "virsh-ext/conn.h"

#include <dlfcn.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "virsh-ext/output.h"
#include "virsh-ext/polkit.h"
#include "virsh-ext/session.h"

/* virsh's defaults, in seconds and messages */
#define KEEPALIVE_INTERVAL 5
#define KEEPALIVE_COUNT 6
/* how often virsh tries when polkit says no */
#define AUTH_ATTEMPTS 5

/* What is used of libvirt. The order does not matter. */
#define LIBVIRT_FUNCTIONS(F)                                                                       \
    F(virInitialize)                                                                               \
    F(virSetErrorFunc)                                                                             \
    F(virGetLastError)                                                                             \
    F(virResetLastError)                                                                           \
    F(virEventRegisterDefaultImpl)                                                                 \
    F(virEventRunDefaultImpl)                                                                      \
    F(virEventAddTimeout)                                                                          \
    F(virEventUpdateTimeout)                                                                       \
    F(virConnectOpenAuth)                                                                          \
    F(virConnectClose)                                                                             \
    F(virConnectIsAlive)                                                                           \
    F(virConnectGetURI)                                                                            \
    F(virConnectSetKeepAlive)                                                                      \
    F(virConnectRegisterCloseCallback)                                                             \
    F(virConnectUnregisterCloseCallback)

struct VextConn {
/* NOLINTNEXTLINE(bugprone-macro-parentheses): a declaration */
#define MEMBER(name) __typeof__(&name) name;
    LIBVIRT_FUNCTIONS(MEMBER)
#undef MEMBER
    virConnectAuthPtr *auth; /* libvirt's virConnectAuthPtrDefault */
    virConnectPtr conn;      /* NULL: closed */
    atomic_bool lost;        /* set by the loop's thread */
    bool missed;             /* it was lost, and there is no other yet */
    pthread_t loop;
    bool loop_runs;
    atomic_bool loop_stop;
    int loop_timer;
};

static void swallow_error(void *opaque, virErrorPtr error)
{
    /* libvirt would print every error as it arises; commands print those that count */
}

static void loop_wake(int timer, void *opaque)
{
    /* only there to end one turn of the loop */
}

static void *loop_main(void *opaque)
{
    VextConn *c = opaque;

    while (!c->loop_stop) {
        if (c->virEventRunDefaultImpl() < 0)
            c->virResetLastError();
    }
    return NULL;
}

static bool start_loop(VextConn *c)
{
    sigset_t all;
    sigset_t old;

    if (c->virEventRegisterDefaultImpl() < 0)
        return false;
    c->loop_timer = c->virEventAddTimeout(-1, loop_wake, NULL, NULL);
    if (c->loop_timer < 0)
        return false;
    /* signals are the main thread's */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    c->loop_runs = pthread_create(&c->loop, NULL, loop_main, c) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return c->loop_runs;
}

/* Returns new @text, a URI or with one in it, without the name of the file that has the passwords:
 * the value of its parameter "authfile", up to one of @ends. */
static char *without_authfile(const char *text, const char *ends)
{
    static const char name[] = "authfile=";
    VextBuf out = {0};

    vext_buf_adds(&out, "");
    while (*text) {
        bool parameter = strchr("?&;", *text);

        vext_buf_add(&out, text++, 1);
        if (!parameter || strncasecmp(text, name, strlen(name)) != 0)
            continue;
        vext_buf_add(&out, text, strlen(name));
        vext_buf_adds(&out, "***");
        text += strlen(name);
        text += strcspn(text, ends);
    }
    return out.data;
}

/* Returns new libvirt's message, or NULL. */
static char *last_error(VextConn *c)
{
    virErrorPtr err = c->virGetLastError();

    return err && err->code != VIR_ERR_OK && err->message
               ? without_authfile(err->message, "&;#'\" \t\n")
               : NULL;
}

/* Loads libvirt. Returns NULL with @problem new. */
static VextConn *conn_new(char **problem)
{
    VextConn *c = vext_calloc(1, sizeof(*c));
    void *lib = dlopen("libvirt.so.0", RTLD_NOW | RTLD_GLOBAL);

    if (!lib) {
        *problem = vext_strdup(dlerror());
        free(c);
        return NULL;
    }
#define RESOLVE(name)                                                                              \
    *(void **)&c->name = dlsym(lib, #name);                                                        \
    if (!c->name)                                                                                  \
        goto incomplete;
    LIBVIRT_FUNCTIONS(RESOLVE)
#undef RESOLVE
    c->auth = dlsym(lib, "virConnectAuthPtrDefault");
    if (!c->auth)
        goto incomplete;

    c->virSetErrorFunc(NULL, swallow_error);
    if (c->virInitialize() < 0 || !start_loop(c)) {
        *problem = last_error(c);
        free(c);
        return NULL;
    }
    return c;

incomplete:
    *problem = vext_strdup(dlerror());
    free(c);
    return NULL;
}

/* In the loop's thread. */
static void connection_lost(virConnectPtr conn, int reason, void *opaque)
{
    VextSession *s = opaque;
    vext_autofree char *shown = NULL;
    char *uri;

    if (reason == VIR_CONNECT_CLOSE_REASON_CLIENT)
        return;
    s->conn->lost = true;
    if (s->interactive)
        return; /* the virsh behind the shell says so: once is enough */
    uri = s->conn->virConnectGetURI(conn);
    shown = without_authfile(uri ? uri : "", "&;#");
    free(uri);
    pthread_mutex_lock(&s->report_lock);
    switch (s->reporting ? VIR_CONNECT_CLOSE_REASON_CLIENT : reason) {
    case VIR_CONNECT_CLOSE_REASON_ERROR:
        vext_error(s, V_("Disconnected from %s due to I/O error"), shown);
        break;
    case VIR_CONNECT_CLOSE_REASON_EOF:
        vext_error(s, V_("Disconnected from %s due to end of file"), shown);
        break;
    case VIR_CONNECT_CLOSE_REASON_KEEPALIVE:
        vext_error(s, V_("Disconnected from %s due to keepalive timeout"), shown);
        break;
    }
    pthread_mutex_unlock(&s->report_lock);
}

/* One attempt after the other, as virsh: polkit may want an agent, or ask again. */
static virConnectPtr open_auth(VextSession *s, VextConn *c, bool quiet)
{
    unsigned int flags = s->readonly ? VIR_CONNECT_RO : 0;
    VextPolkitAgent *agent = NULL;
    virConnectPtr conn = NULL;
    int failed = 0;

    if (quiet)
        return c->virConnectOpenAuth(s->uri, NULL, flags);

    while (failed < AUTH_ATTEMPTS) {
        virErrorPtr err;

        conn = c->virConnectOpenAuth(s->uri, *c->auth, flags);
        if (conn || s->readonly)
            break;
        err = c->virGetLastError();
        if (!err || err->domain != VIR_FROM_POLKIT)
            break;
        if (err->code == VIR_ERR_AUTH_UNAVAILABLE && !agent) {
            agent = vext_polkit_agent_start();
            if (!agent)
                break;
        } else if (err->code == VIR_ERR_AUTH_FAILED) {
            failed++;
        } else {
            break;
        }
    }
    vext_polkit_agent_stop(agent);
    return conn;
}

/* Returns false when it was asked for and cannot be had. */
static bool set_keepalive(VextSession *s, VextConn *c, virConnectPtr conn)
{
    bool forced = s->opts.keepalive_interval >= 0 || s->opts.keepalive_count >= 0;
    int interval = s->opts.keepalive_interval >= 0 ? s->opts.keepalive_interval
                                                   : KEEPALIVE_INTERVAL;
    int count = s->opts.keepalive_count >= 0 ? s->opts.keepalive_count : KEEPALIVE_COUNT;

    if (interval <= 0 || c->virConnectSetKeepAlive(conn, interval, (unsigned int)count) == 0)
        return true;
    if (!forced) {
        c->virResetLastError(); /* drivers without a network have none */
        return true;
    }
    vext_error(s, "%s",
               V_("Cannot setup keepalive on connection as requested, disconnecting"));
    return false;
}

/* @problem: set, new, to libvirt's message on failure; may become NULL */
static virConnectPtr conn_open(VextSession *s, bool quiet, char **problem)
{
    VextConn *c = s->conn;
    virConnectPtr conn = open_auth(s, c, quiet);

    if (!conn || !set_keepalive(s, c, conn)) {
        *problem = last_error(c);
        if (conn)
            c->virConnectClose(conn);
        return NULL;
    }
    c->conn = conn;
    c->lost = false;
    c->missed = false;
    if (c->virConnectRegisterCloseCallback(conn, connection_lost, s, NULL) < 0) {
        if (!quiet)
            vext_error(s, "%s", V_("Unable to register disconnect callback"));
        c->virResetLastError();
    }
    return conn;
}

virConnectPtr vext_conn_get(VextSession *s, bool quiet)
{
    vext_autofree char *problem = NULL;
    bool again = false;
    VextConn *c;

    if (s->offline) {
        if (!quiet) {
            vext_error(s, "%s", V_("failed to connect to the hypervisor"));
            vext_error(s, "%s", _("The shell's own connection keeps the embedded driver busy: "
                                  "give the command on virsh-ext's command line instead"));
        }
        return NULL;
    }
    if (!s->conn) {
        s->conn = conn_new(&problem);
        if (!s->conn) {
            if (!quiet) {
                vext_error(s, "%s", V_("failed to connect to the hypervisor"));
                if (problem)
                    vext_error(s, "%s", problem);
            }
            return NULL;
        }
    }
    c = s->conn;
    if (c->conn && !c->lost && c->virConnectIsAlive(c->conn) != 0)
        return c->conn;
    if (c->conn) {
        again = true;
        vext_conn_close(s);
        c->missed = true;
    }
    c->virResetLastError();
    if (!conn_open(s, quiet, &problem)) {
        if (!quiet) {
            vext_error(s, "%s", c->missed ? V_("Failed to reconnect to the hypervisor")
                                          : V_("failed to connect to the hypervisor"));
            if (problem)
                vext_error(s, "%s", problem);
        }
        return NULL;
    }
    if (again && !quiet)
        vext_error(s, "%s", V_("Reconnected to the hypervisor"));
    return c->conn;
}

void vext_conn_close(VextSession *s)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, old;
    VextConn *c = s->conn;

    if (!c || !c->conn)
        return;
    /* As for a command: the daemon may have died since, and libvirt writes to it once more. */
    sigaction(SIGPIPE, &ignore, &old);
    c->virConnectUnregisterCloseCallback(c->conn, connection_lost);
    c->virConnectClose(c->conn);
    sigaction(SIGPIPE, &old, NULL);
    c->conn = NULL;
    c->lost = false;
}

void vext_conn_move(VextSession *s, const char *uri, bool readonly)
{
    vext_conn_close(s);
    if (s->conn)
        s->conn->missed = false;
    if (uri) {
        char *copy = vext_strdup(uri);

        free(s->uri);
        s->uri = copy;
        s->readonly = readonly;
        s->uri_moved = true;
    }
}

bool vext_conn_is_exclusive(const VextSession *s)
{
    const char *uri = s->uri && *s->uri ? s->uri : getenv("LIBVIRT_DEFAULT_URI");
    /* "qemu+ssh:///embed" is no such thing, but it does no harm to take it for one */
    const char *path = uri ? strstr(uri, ":///embed") : NULL;

    return path && (path[9] == '\0' || path[9] == '?');
}

void vext_conn_end(VextSession *s)
{
    VextConn *c = s->conn;

    if (!c)
        return;
    vext_conn_close(s);
    if (c->loop_runs) {
        c->loop_stop = true;
        c->virEventUpdateTimeout(c->loop_timer, 0);
        pthread_join(c->loop, NULL);
    }
    free(c);
    s->conn = NULL;
}
