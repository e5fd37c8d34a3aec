/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * i18n.h: _(), N_() and ngettext() in the project's own text domain
 */
#pragma once

#ifndef GETTEXT_PACKAGE
#define GETTEXT_PACKAGE "virsh-ext"
#endif
#include <glib/gi18n-lib.h>
