/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * options.h: virsh's global options and environment
 */
#ifndef VEXT_OPTIONS_H
#define VEXT_OPTIONS_H

#include "virsh-ext/session.h"

typedef enum {
    VEXT_START_COMMANDS, /* go on with the words from optind on */
    VEXT_START_HELP,     /* -h */
    VEXT_START_VERSION,  /* -v, --version */
    VEXT_START_LONG_VERSION,
    VEXT_START_VIRSH,    /* an error: virsh reports it */
    VEXT_START_FAILED,   /* an error, and there is no virsh: reported */
} VextStart;

/*
 * Reads the options of s->argv into s->opts, without a word about what virsh would say too.
 * @first: set to the index of the first word that is no option
 */
VextStart vext_options_parse(VextSession *s, int *first);

/*
 * Says what virsh says about the options and the environment when it goes on all the same, and
 * takes the environment in. To be called once, when something runs here.
 * Returns: false when virsh would have given up, after reporting
 */
bool vext_options_apply(VextSession *s);

#endif
