/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * log-settings.h: a daemon's log settings with ours in them, and out of them again (pure)
 *
 *      4:virsh-ext-log/OWNER/FILE 1:qemu.qemu_block ...  3:util      filters
 *      \________ the mark ______/ \___ our filters ___/  \ others'
 *
 *      3:file:/var/log/libvirt/libvirtd.log  1:file:FILE             outputs
 *
 * The first filter counts that matches (libvirt's virlog.c), so ours stand in front. The mark is
 * a filter that matches nothing. It says whose the filters behind it are, and that the output to
 * FILE is ours: what a client that was killed left is recognised by it, and whoever finds it can
 * put back what was, whatever others have set meanwhile. It is with the daemon and nowhere else,
 * because a daemon that restarts has lost it together with our settings.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct {
    GPtrArray *filters, *outputs; /**< char *: words in the daemon's order */
} LogSettings;

void log_settings_clear(LogSettings *s);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LogSettings, log_settings_clear)

/** Fills @s from what the daemon says; NULL is nothing. */
void log_settings_parse(LogSettings *s, const char *filters, const char *outputs);
/** Return new what the daemon is to be given. */
char *log_settings_filters(const LogSettings *s);
char *log_settings_outputs(const LogSettings *s);
/** Returns new the commands that set @s on the daemon of the admin socket @uri. */
char *log_settings_commands(const LogSettings *s, const char *uri);

/** The output to @file (canonical), borrowed; NULL where there is none. */
const char *log_settings_output_to(const LogSettings *s, const char *file);

/** Returns new the mark for @file (canonical, no blanks, no colons) and @owner. */
char *log_mark_new(const char *owner, const char *file);
/** Return new what is in @mark, or NULL: it may have been typed by anybody. */
char *log_mark_owner(const char *mark);
char *log_mark_file(const char *mark);

/** All marks in @s, new. */
GPtrArray *log_settings_marks(const LogSettings *s);
/** Adds @mark, our filters and the output. */
void log_settings_add(LogSettings *s, const char *mark);
/** Removes what was added with @mark. FALSE: it was not there, and nothing is changed. */
gboolean log_settings_take(LogSettings *s, const char *mark);
/** Removes the output of @mark whether or not the mark is there; FALSE: it was not. */
gboolean log_settings_take_output(LogSettings *s, const char *mark);

G_END_DECLS
