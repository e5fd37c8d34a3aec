/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * options.c: virsh's global options and environment
 */
#include <config.h>

#include "virsh-ext/options.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "virsh-ext/output.h"
#include "virsh-ext/passthrough.h"

static const struct option long_options[] = {
    {"connect", required_argument, NULL, 'c'},
    {"debug", required_argument, NULL, 'd'},
    {"escape", required_argument, NULL, 'e'},
    {"help", no_argument, NULL, 'h'},
    {"keepalive-interval", required_argument, NULL, 'k'},
    {"keepalive-count", required_argument, NULL, 'K'},
    {"log", required_argument, NULL, 'l'},
    {"quiet", no_argument, NULL, 'q'},
    {"readonly", no_argument, NULL, 'r'},
    {"timing", no_argument, NULL, 't'},
    {"version", optional_argument, NULL, 'v'},
    {NULL, 0, NULL, 0},
};

/* A whole int as strtol() reads it; with a base of 0 also hexadecimal and octal. */
static bool parse_int(const char *text, int base, int *value)
{
    char *end;
    long n;

    errno = 0;
    n = strtol(text, &end, base);
    if (errno || end == text || *end || n < INT_MIN || n > INT_MAX)
        return false;
    *value = (int)n;
    return true;
}

/* One character, or ^ and one that has a control character. */
static bool is_escape(const char *text)
{
    size_t len = strlen(text);

    if (len == 1 && *text != '^')
        return true;
    return len == 2 && *text == '^' &&
           (islower((unsigned char)text[1]) || (text[1] >= '@' && text[1] <= '_'));
}

/* An error: virsh has the words for it. */
static VextStart refuse(VextSession *s, const char *word)
{
    if (vext_virsh_exists())
        return VEXT_START_VIRSH;
    vext_error(s, V_("unsupported option '%s'. See --help."), word ? word : "");
    return VEXT_START_FAILED;
}

VextStart vext_options_parse(VextSession *s, int *first)
{
    VextOptions *o = &s->opts;
    int longindex = -1;
    int value;
    int c;

    optind = 1;
    opterr = 0;
    while ((c = getopt_long(s->argc, s->argv, "+:c:d:e:hk:K:l:qrtvV", long_options, &longindex)) !=
           -1) {
        switch (c) {
        case 'c':
            o->uri = optarg;
            break;
        case 'd':
            if (!parse_int(optarg, 10, &value))
                return refuse(s, "-d");
            /* an impossible one is said in vext_options_apply(), and has no effect */
            if (value >= 0 && value <= 4) {
                o->debug = value;
                o->debug_given = true;
            } else {
                o->bad_debug = value;
                o->bad_debug_given = true;
            }
            break;
        case 'e':
            if (!is_escape(optarg))
                return refuse(s, "-e");
            o->escape = optarg;
            break;
        case 'k':
        case 'K':
            if (!parse_int(optarg, 0, &value) || value < 0)
                return refuse(s, c == 'k' ? "-k" : "-K");
            *(c == 'k' ? &o->keepalive_interval : &o->keepalive_count) = value;
            break;
        case 'l':
            o->log = optarg;
            break;
        case 'q':
            o->quiet = true;
            break;
        case 'r':
            o->readonly = true;
            break;
        case 't':
            o->timing = true;
            break;
        case 'h':
            return VEXT_START_HELP;
        case 'v':
            return optarg && vext_streq(optarg, "long") ? VEXT_START_LONG_VERSION
                                                        : VEXT_START_VERSION;
        case 'V':
            return VEXT_START_LONG_VERSION;
        default:
            return refuse(s, s->argv[optind - 1]);
        }
        longindex = -1;
    }
    *first = optind;
    return VEXT_START_COMMANDS;
}

/* With one of them closed, the next pipe would take its place. */
static void open_standard_streams(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

bool vext_options_apply(VextSession *s)
{
    VextOptions *o = &s->opts;
    const char *uri = getenv("VIRSH_DEFAULT_CONNECT_URI");
    const char *debug = vext_getenv("VIRSH_DEBUG");
    int level;

    open_standard_streams();
    if (o->bad_debug_given)
        vext_error(s, V_("ignoring debug level %d out of range [%d-%d]"), o->bad_debug, 0, 4);
    if (!o->log)
        o->log = vext_getenv("VIRSH_LOG_FILE");
    /* virsh reads the variable only where -d left its default, and complains twice */
    if (o->debug == 4 && debug) {
        if (parse_int(debug, 10, &level) && level >= 0 && level <= 4) {
            o->debug = level;
        } else {
            vext_error(s, "%s", V_("VIRSH_DEBUG not set with a valid numeric value"));
            vext_error(s, "%s", V_("VIRSH_DEBUG not set with a valid numeric value"));
        }
    }
    s->uri = vext_strdup(o->uri ? o->uri : uri);
    s->readonly = o->readonly;
    return vext_log_open(s);
}
