/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * progress.c: the line that tells how far a block job is
 */
#include "config.h"

#include <stdio.h>

#include "include/vext-i18n.h"
#include "plugin/exec/progress.h"

void exec_progress(const char *disk, const BackendJobInfo *info, gpointer data)
{
    ExecProgress *p = data;
    gint64 now = g_get_monotonic_time();
    g_autofree char *line = NULL, *name = NULL;
    gsize width;
    gboolean over = info->type == 0 || (info->end && info->cur >= info->end);
    int percent = info->end ? (int)(100.0 * (double)info->cur / (double)info->end) : 0;

    if (!p->ctx->verbose)
        return;
    if (!p->started)
        p->started = now;
    /* 100 is for what is over, as in virsh */
    if (percent > 99)
        percent = over ? 100 : 99;
    if (percent == p->percent && percent != 0 && now - p->printed < G_USEC_PER_SEC)
        return;
    if (p->printed && percent < 100 && now - p->printed < G_USEC_PER_SEC / 2)
        return;
    p->percent = percent;
    p->printed = now;

    name = g_strescape(disk, NULL); /* any text in the domain's XML */
    line = g_strdup_printf(_("%s of %s: [%3d %%]"), p->label, name, percent);
    if (percent < 100 && info->cur && now > p->started) {
        double seconds = (double)(now - p->started) / G_USEC_PER_SEC;
        double rate = (double)info->cur / seconds;
        guint64 left = (guint64)((double)(info->end - info->cur) / rate + 0.5);
        g_autofree char *speed = plan_size_text((guint64)rate, FALSE);
        g_autofree char *more =
            g_strdup_printf(_("%s, %s/s, %" G_GUINT64_FORMAT ":%02u left"), line, speed,
                            left / 60, (guint)(left % 60));

        g_free(line);
        line = g_steal_pointer(&more);
    }
    width = (gsize)g_utf8_strlen(line, -1);
    fflush(stdout);
    fprintf(stderr, "\r%s%*s", line, (int)(p->width > width ? p->width - width : 0), "");
    fflush(stderr);
    p->width = width;
}

void exec_progress_end(ExecProgress *progress)
{
    if (progress->printed) {
        fputc('\n', stderr);
        fflush(stderr);
    }
    progress->printed = 0;
}
