/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * output.c: what the shell itself prints, in virsh's form, and virsh's log file
 */
#include <config.h>

#include "virsh-ext/output.h"

#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* virsh's format: [YYYY.MM.DD HH:MM:SS PROGRAM PID] LEVEL message */
static void log_line(VextSession *s, const char *level, const char *message)
{
    vext_autofree char *line = NULL;
    const char *p;
    struct tm tm = {0};
    time_t now = time(NULL);
    size_t len;

    if (s->log_fd < 0)
        return;
    localtime_r(&now, &tm);
    line = vext_strdup_printf("[%d.%02d.%02d %02d:%02d:%02d %s %d] %s %s\n", 1900 + tm.tm_year,
                              1 + tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                              s->progname, (int)getpid(), level, message);
    for (p = line, len = strlen(line); len;) {
        ssize_t n = write(s->log_fd, p, len);

        if (n <= 0)
            break;
        p += n;
        len -= (size_t)n;
    }
}

/* The character of UTF-8 that begins at @p, and its bytes; 0: none begins there. */
static unsigned utf8_char(const unsigned char *p, unsigned *len)
{
    unsigned c = *p;

    *len = c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
    if (!*len)
        return 0;
    c &= 0xffu >> (*len + 1);
    for (unsigned i = 1; i < *len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    return c;
}

/* Of Unicode: the second kind of control characters, and what turns the direction of a text. */
static bool is_control(unsigned c)
{
    return (c >= 0x80 && c < 0xa0) || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

char *vext_printable(const char *text)
{
    VextBuf out = {0};

    vext_buf_adds(&out, "");
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        unsigned len, c = utf8_char(p, &len);

        if (c) {
            if (is_control(c))
                vext_buf_addf(&out, "\\u%04x", c);
            else
                vext_buf_add(&out, (const char *)p, len);
            p += len - 1;
        } else if ((*p < 0x20 && *p != '\n' && *p != '\t') || (*p >= 0x7f && *p < 0xa0)) {
            /* alone, the upper ones command a terminal of 8 bits */
            vext_buf_addf(&out, "\\x%02x", *p);
        } else {
            vext_buf_add(&out, (const char *)p, 1);
        }
    }
    return out.data;
}

static void print_message(VextSession *s, bool warning, const char *format, va_list ap)
    VEXT_PRINTF(3, 0);

static void print_message(VextSession *s, bool warning, const char *format, va_list ap)
{
    vext_autofree char *raw = NULL;
    vext_autofree char *text = NULL;

    if (vasprintf(&raw, format, ap) < 0)
        abort();
    text = vext_printable(raw);
    log_line(s, warning ? "WARNING" : "ERROR", text);
    fflush(stdout);
    if (warning)
        fprintf(stderr, _("warning: %s\n"), text);
    else
        fprintf(stderr, "%s%s\n", V_("error: "), text);
    fflush(stderr);
}

void vext_error(VextSession *s, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    print_message(s, false, format, ap);
    va_end(ap);
}

void vext_warn(VextSession *s, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    print_message(s, true, format, ap);
    va_end(ap);
}

void vext_report_error(void *opaque, const char *message)
{
    vext_error(opaque, "%s", message);
}

void vext_print_extra(VextSession *s, const char *text)
{
    if (!s->opts.quiet)
        fputs(text, stdout);
}

bool vext_log_open(VextSession *s)
{
    if (!s->opts.log || !*s->opts.log)
        return true;
    s->log_fd = open(s->opts.log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (s->log_fd < 0) {
        vext_error(s, "%s", V_("failed to open the log file. check the log file path"));
        return false;
    }
    return true;
}

void vext_log_close(VextSession *s)
{
    if (s->log_fd >= 0)
        close(s->log_fd);
    s->log_fd = -1;
}

void vext_print_trailer(VextSession *s, double ms)
{
    if (s->opts.timing)
        printf(V_("\n(Time: %.3f ms)\n\n"), ms);
    else
        vext_print_extra(s, "\n");
}

double vext_now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1000.0 + (double)ts.tv_nsec / 1e6;
}
