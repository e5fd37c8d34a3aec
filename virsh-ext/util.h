/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * util.h: memory, strings and gettext for the shell
 *
 * The shell does not use GLib: what is only handed on to virsh must not pay for loading it.
 * Allocation never fails from the caller's point of view: out of memory ends the program.
 */
#ifndef VEXT_UTIL_H
#define VEXT_UTIL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "include/vext-i18n.h"

/* a text of a plugin's tables, which marked it with N_() */
#define T_(text) dgettext(GETTEXT_PACKAGE, text)
/* a message of virsh's own: translated by libvirt's catalogue, so that it reads as there */
#define V_(text) dgettext("libvirt", text)

#define VEXT_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

void *vext_malloc(size_t size);
void *vext_calloc(size_t count, size_t size);
/* Grows an array to hold at least @need entries of @size bytes; @have is its capacity. */
void *vext_grow(void *array, size_t *have, size_t need, size_t size);
char *vext_strdup(const char *text); /* NULL stays NULL */
char *vext_strndup(const char *text, size_t len);
char *vext_strdup_printf(const char *format, ...) VEXT_PRINTF(1, 2);

static inline void vext_autofree_cleanup(void *p)
{
    free(*(void **)p);
}
/* frees the variable when it goes out of scope */
#define vext_autofree __attribute__((cleanup(vext_autofree_cleanup)))

static inline bool vext_streq(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static inline bool vext_starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* A string that grows; zero-initialised it is empty. data may be NULL while len is 0. */
typedef struct {
    char *data;
    size_t len;
    size_t cap;
} VextBuf;

void vext_buf_add(VextBuf *buf, const char *data, size_t len);
void vext_buf_adds(VextBuf *buf, const char *text);
void vext_buf_addf(VextBuf *buf, const char *format, ...) VEXT_PRINTF(2, 3);
/* Removes the first @len bytes. */
void vext_buf_consume(VextBuf *buf, size_t len);
void vext_buf_clear(VextBuf *buf);
/* Returns new the text (never NULL) and leaves @buf empty. */
char *vext_buf_steal(VextBuf *buf);

/* A NULL-terminated array of strings that grows; zero-initialised it is empty. */
typedef struct {
    char **items; /* NULL while n is 0, else NULL-terminated */
    size_t n;
    size_t cap;
} VextStrv;

/* Takes @text. */
void vext_strv_take(VextStrv *v, char *text);
void vext_strv_add(VextStrv *v, const char *text);
bool vext_strv_has(const VextStrv *v, const char *text);
/* Removes every item that is @text. */
void vext_strv_remove(VextStrv *v, const char *text);
void vext_strv_clear(VextStrv *v);

/* Whether the environment may be trusted (not set-uid and the like). */
bool vext_env_trusted(void);
/* An environment variable's value, or NULL when it is unset or empty. */
const char *vext_getenv(const char *name);

#endif
