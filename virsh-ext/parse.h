/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * parse.h: the words of one own command, matched with its option table
 *
 * virsh's rules and virsh's messages. Pure: messages go to a function of the caller, a command
 * is parsed without running anything. Rules that virsh checks when a command runs (empty values,
 * options that exclude each other) are in vext_cmd_check_run().
 */
#ifndef VEXT_PARSE_H
#define VEXT_PARSE_H

#include "include/virsh-ext-plugin.h"
#include "virsh-ext/lexer.h"

/* The most options a command may have. */
#define VEXT_MAX_OPTS 64

/* One value that was given. */
typedef struct {
    const VextOptDef *def;
    char *value; /* NULL for a boolean */
} VextOptVal;

struct VextCmd {
    const VextCmdDef *def;
    char *name;     /* as it was typed */
    bool help;      /* --help was given: print the help instead */
    VextOptVal *opts;
    size_t nopts;
    size_t cap;
    const char **argv; /* values of the VEXT_OPT_ARGV option, NULL-terminated */
};

/* Gets virsh's messages, without "error: " and newline. */
typedef void (*VextReport)(void *opaque, const char *message);

/*
 * Parses what follows a command's name up to the end of the command.
 *
 * @def: the command's tables, as vext_cmddef_check() passed them
 * @name: how the command was called
 * @lx: after the name; moved behind the command
 * @end: set to VEXT_TK_CMD_END or VEXT_TK_END on success
 * Returns: new, or NULL after reporting at least one error.
 */
VextCmd *vext_cmd_parse(const VextCmdDef *def, const char *name, VextLexer *lx, VextToken *end,
                        VextReport report, void *opaque);

/*
 * Parses words as far as they make sense, for completion: never fails, reports nothing.
 * @pending: set to the option whose value would come next, or NULL
 * @data_only: set to whether "--" was seen
 */
VextCmd *vext_cmd_parse_partial(const VextCmdDef *def, char *const *words, size_t n,
                                const VextOptDef **pending, bool *data_only);

/* What virsh checks first when a command runs. Returns false after reporting. */
bool vext_cmd_check_run(const VextCmd *cmd, VextReport report, void *opaque);

void vext_cmd_free(VextCmd *cmd);

/* The first value given for @name, or NULL when there is none. */
const VextOptVal *vext_cmd_opt(const VextCmd *cmd, const char *name);

/* The next option that a word without a name would fill, or NULL. */
const VextOptDef *vext_cmd_next_positional(const VextCmd *cmd);

/*
 * Numbers, as virsh reads them: base 10, nothing behind, no sign.
 * Returns: false when @text is malformed or out of [@min, @max]; @value is untouched then.
 */
bool vext_number_parse(const char *text, unsigned long long min, unsigned long long max,
                       unsigned long long *value);
/*
 * A number with a suffix: "b", "byte", "bytes", k m g t p e alone or with "iB" (powers of 1024),
 * with "B" (powers of 1000), any case; without one @scale.
 */
bool vext_scaled_parse(const char *text, unsigned long long scale, unsigned long long max,
                       unsigned long long *value);

#endif
