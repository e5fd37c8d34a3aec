/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vext-i18n.h: how user-visible text is marked for translation
 *
 *      g_printerr(_("Domain '%s' is not running"), name);      translated where it stands
 *      { "summary", N_("delete external snapshots") }          only marked; whoever prints the
 *                                                               constant passes it through _()
 *
 * Sentences are marked whole, never glued from parts, so that a translation can order the
 * arguments ("%2$s"). The shell and the plugin share one text domain; the shell binds it to
 * LOCALEDIR with vext_i18n_init(). Private to this tree, not installed.
 */
#ifndef VEXT_I18N_H
#define VEXT_I18N_H

#include "config.h"

#include <libintl.h>
#include <locale.h>

/** Translates @s now; borrowed. */
#define _(s) dgettext(GETTEXT_PACKAGE, s)

/** Marks the constant @s for translators; it is translated where it is printed. */
#define N_(s) s

/** Chooses between two whole sentences by the number @n; borrowed. */
#define P_(one, many, n) dngettext(GETTEXT_PACKAGE, one, many, n)

/** Takes the user's language; called once, by main() before anything is printed. */
static inline void vext_i18n_init(void)
{
    setlocale(LC_ALL, "");
    bindtextdomain(GETTEXT_PACKAGE, LOCALEDIR);
}

#endif /* VEXT_I18N_H */
