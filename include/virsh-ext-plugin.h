/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virsh-ext-plugin.h: how a plugin adds commands to virsh-ext
 *
 * This is the only header that the shell (virsh-ext) and a plugin share. The
 * shell knows how virsh's command line works (options, quoting, batches, help,
 * completion, the connection) and nothing about what commands do; a plugin
 * knows what its commands do and nothing about command lines.
 *
 *      virsh-ext                               plugin.so
 *      ---------                               ---------
 *      dlopen()            ----------------->  (linked against libvirt)
 *      virsh_ext_plugin_init(host)  -------->  returns its VextPlugin
 *      checks size, api, tables                tables are constant data
 *      parse "cmd --opt ..." into a VextCmd
 *      cmd->handler(host, cmd)      -------->  runs
 *                                   <--------  host->opt_string(cmd, "domain")
 *                                   <--------  host->connect(host)
 *      exit status                  <--------  VEXT_OK, VEXT_FAILED, VEXT_INCOMPLETE
 *
 * Lifetime: a plugin is loaded at most once and never unloaded. Everything
 * that the tables point to must live as long as the process. A VextCmd and all
 * strings got from it are borrowed and valid until the handler returns.
 *
 * Versions: every structure that crosses the border begins with its size as
 * the side that fills it sees it; members are only ever added at the end. A
 * change that is not an addition raises VEXT_PLUGIN_API, and the shell skips,
 * with a warning, a plugin of another number.
 *
 * Threads: a handler runs in the main thread. libvirt's default event loop
 * runs in a thread of its own once connect() has been called, so that callbacks
 * of events arrive there.
 */
#ifndef VIRSH_EXT_PLUGIN_H
#define VIRSH_EXT_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>

#include <libvirt/libvirt.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The number of this interface. */
#define VEXT_PLUGIN_API 1

/** What a handler returns: the exit status of the command. */
typedef enum {
    VEXT_OK = 0,         /**< done */
    VEXT_FAILED = 1,     /**< failed or refused, nothing was changed */
    VEXT_INCOMPLETE = 3, /**< stopped part-way, can be continued */
} VextStatus;

/** What kind of value an option takes. The words in the help are virsh's. */
typedef enum {
    VEXT_OPT_BOOL,   /**< --flag */
    VEXT_OPT_STRING, /**< --name <string> */
    VEXT_OPT_NUMBER, /**< --name <number>: see opt_number and opt_scaled */
    VEXT_OPT_ARGV,   /**< any number of further words; the last in a table */
} VextOptType;

enum {
    VEXT_OPT_REQUIRED = 1 << 0,   /**< the command fails without it */
    VEXT_OPT_POSITIONAL = 1 << 1, /**< may be given without its name; shown as <name>, or
                                       [<name>] where it is not required. The words without a
                                       name fill these in the table's order. */
    VEXT_OPT_EMPTY_OK = 1 << 2,   /**< an empty value is a value */
};

typedef struct VextHost VextHost;
typedef struct VextCmd VextCmd;

/**
 * Candidates for an option's value.
 *
 * @host: the shell; connect_quietly() for a connection
 * @cmd: the part of the line that is there already (may lack required options)
 * @prefix: what the user typed of the value; candidates need not be filtered
 * Returns: a NULL-terminated array allocated with malloc(), each string too;
 *          the shell frees it. NULL for none. Never prints.
 */
typedef char **(*VextCompleter)(VextHost *host, const VextCmd *cmd, const char *prefix);

/** One option of a command. A table ends with an entry whose name is NULL. */
typedef struct {
    const char *name;        /**< without the dashes: [a-z0-9-]+ */
    VextOptType type;
    unsigned int flags;      /**< VEXT_OPT_... */
    const char *help;        /**< one line for OPTIONS; marked with N_(), the shell translates */
    VextCompleter completer; /**< or NULL */
} VextOptDef;

/** Two options of one command that exclude, or of which the first needs the second. */
typedef struct {
    const char *first;
    const char *second;
} VextOptPair;

/**
 * Whether a use of a stock command belongs to this plugin (take-over).
 *
 * Called only with VIRSH_EXT_TAKEOVER=1, with the stock command's words parsed
 * by this command's own table. Must be quiet and change nothing.
 * Returns: true to run this command's handler, false to leave the use to virsh.
 */
typedef bool (*VextClaims)(VextHost *host, const VextCmd *cmd);

/** One command. A table ends with an entry whose name is NULL. */
typedef struct {
    const char *name;             /**< [a-z0-9-]+ */
    int (*handler)(VextHost *host, const VextCmd *cmd); /**< returns a VextStatus */
    const VextOptDef *opts;
    const VextOptPair *exclusive; /**< ends with {NULL, NULL}; may be NULL */
    const VextOptPair *requires_; /**< ends with {NULL, NULL}; may be NULL */
    const char *summary;          /**< for `help`'s list and NAME; N_() */
    const char *description;      /**< for DESCRIPTION, may have several lines; N_() */
    const char *takes_over;       /**< the stock command that `claims` speaks about, or NULL */
    VextClaims claims;
} VextCmdDef;

/** What a plugin is. Constant. */
typedef struct {
    size_t size;                 /**< sizeof(VextPlugin) */
    unsigned int api;            /**< VEXT_PLUGIN_API */
    const char *name;            /**< [a-z0-9-]+, unique */
    const char *version;
    const char *group_name;      /**< as in `help`: "External snapshots"; N_() */
    const char *group_keyword;   /**< as in `help <keyword>`: [a-z0-9-]+ */
    const VextCmdDef *commands;
} VextPlugin;

/** The shell's side. Every function takes the host it was handed. */
struct VextHost {
    size_t size;      /**< sizeof(VextHost) */
    unsigned int api; /**< VEXT_PLUGIN_API */

    /* --- the command line ------------------------------------------------- */

    /** Whether a boolean option was given. */
    bool (*opt_bool)(const VextCmd *cmd, const char *name);

    /** A string option's value, borrowed, or NULL when it was not given. */
    const char *(*opt_string)(const VextCmd *cmd, const char *name);

    /**
     * A number option's value.
     * Returns: 1 and sets @value; 0 when it was not given; -1 after printing virsh's own
     *          "Numeric value '…' for <…> option is malformed or out of range".
     */
    int (*opt_number)(VextHost *host, const VextCmd *cmd, const char *name,
                      unsigned long long min, unsigned long long max,
                      unsigned long long *value);

    /**
     * A scaled number ("10G", "512MiB", "3MB") in bytes, as virsh reads them.
     * @scale: what a number without a suffix is multiplied by
     * Returns: as opt_number.
     */
    int (*opt_scaled)(VextHost *host, const VextCmd *cmd, const char *name,
                      unsigned long long scale, unsigned long long max,
                      unsigned long long *value);

    /** The words of a VEXT_OPT_ARGV option in order, NULL-terminated, borrowed; never NULL. */
    const char *const *(*opt_argv)(const VextCmd *cmd, const char *name);

    /** The command's name as it was typed (an own command's or, taken over, the stock one's). */
    const char *(*cmd_name)(const VextCmd *cmd);

    /* --- the connection --------------------------------------------------- */

    /**
     * The connection of the session, opened on first use and again after it was lost.
     * Returns: borrowed; NULL after the error was printed.
     */
    virConnectPtr (*connect)(VextHost *host);

    /** As connect(), for completers: prints nothing and asks for no password. */
    virConnectPtr (*connect_quietly)(VextHost *host);

    /** Whether the session is read-only (-r). */
    bool (*is_readonly)(const VextHost *host);

    /* --- output ----------------------------------------------------------- */

    /** Writes to standard output, as it is; @text is UTF-8 or bytes made safe by the caller. */
    void (*print)(VextHost *host, const char *text);

    /** As print(), but not under --quiet: for messages of success. */
    void (*print_extra)(VextHost *host, const char *text);

    /** Writes "error: @message\n" to standard error, after flushing standard output. */
    void (*error)(VextHost *host, const char *message);

    /** Writes "warning: @message\n" to standard error, after flushing standard output. */
    void (*warn)(VextHost *host, const char *message);

    /** Whether --quiet is in force. */
    bool (*is_quiet)(const VextHost *host);

    /* --- signals ---------------------------------------------------------- */

    /**
     * Whether SIGINT, SIGTERM or SIGHUP has arrived since the command began. While a handler
     * runs, the first one only sets this (and wakes interrupt_fd); the handler stops at a safe
     * place, and after it the shell goes on (SIGINT) or dies of the signal as virsh would.
     */
    bool (*interrupted)(const VextHost *host);

    /** A descriptor that becomes readable when interrupted() becomes true. Not to be read. */
    int (*interrupt_fd)(const VextHost *host);
};

/**
 * The one symbol of a plugin.
 *
 * @host: outlives the plugin
 * Returns: the plugin's tables, or NULL when it cannot work here (the shell says so and goes on).
 */
const VextPlugin *virsh_ext_plugin_init(const VextHost *host);

/** Its name for dlsym(). */
#define VEXT_PLUGIN_INIT_SYMBOL "virsh_ext_plugin_init"

#ifdef __cplusplus
}
#endif

#endif /* VIRSH_EXT_PLUGIN_H */
