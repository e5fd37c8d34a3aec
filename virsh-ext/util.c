/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * util.c: memory, strings and gettext for the shell
 */
#include <config.h>

#include "virsh-ext/util.h"

#include <stdio.h>
#include <sys/auxv.h>

static void out_of_memory(void)
{
    fflush(stdout);
    fputs("error: Out of memory\n", stderr);
    _Exit(1);
}

void *vext_malloc(size_t size)
{
    void *p = malloc(size ? size : 1);

    if (!p)
        out_of_memory();
    return p;
}

void *vext_calloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);

    if (!p)
        out_of_memory();
    return p;
}

void *vext_grow(void *array, size_t *have, size_t need, size_t size)
{
    size_t cap = *have ? *have : 8;
    void *p;

    if (need <= *have)
        return array;
    while (cap < need)
        cap *= 2;
    p = reallocarray(array, cap, size);
    if (!p)
        out_of_memory();
    *have = cap;
    return p;
}

char *vext_strdup(const char *text)
{
    return text ? vext_strndup(text, strlen(text)) : NULL;
}

char *vext_strndup(const char *text, size_t len)
{
    char *p = vext_malloc(len + 1);

    memcpy(p, text, len);
    p[len] = '\0';
    return p;
}

static char *strdup_vprintf(const char *format, va_list ap) VEXT_PRINTF(1, 0);

static char *strdup_vprintf(const char *format, va_list ap)
{
    char *text = NULL;

    if (vasprintf(&text, format, ap) < 0)
        out_of_memory();
    return text;
}

char *vext_strdup_printf(const char *format, ...)
{
    va_list ap;
    char *text;

    va_start(ap, format);
    text = strdup_vprintf(format, ap);
    va_end(ap);
    return text;
}

void vext_buf_add(VextBuf *buf, const char *data, size_t len)
{
    buf->data = vext_grow(buf->data, &buf->cap, buf->len + len + 1, 1);
    if (len)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void vext_buf_adds(VextBuf *buf, const char *text)
{
    vext_buf_add(buf, text, strlen(text));
}

void vext_buf_addf(VextBuf *buf, const char *format, ...)
{
    vext_autofree char *text = NULL;
    va_list ap;

    va_start(ap, format);
    text = strdup_vprintf(format, ap);
    va_end(ap);
    vext_buf_adds(buf, text);
}

void vext_buf_consume(VextBuf *buf, size_t len)
{
    if (len == 0)
        return;
    memmove(buf->data, buf->data + len, buf->len - len + 1);
    buf->len -= len;
}

void vext_buf_clear(VextBuf *buf)
{
    free(buf->data);
    memset(buf, 0, sizeof(*buf));
}

char *vext_buf_steal(VextBuf *buf)
{
    char *text = buf->data ? buf->data : vext_strdup("");

    memset(buf, 0, sizeof(*buf));
    return text;
}

void vext_strv_take(VextStrv *v, char *text)
{
    v->items = vext_grow(v->items, &v->cap, v->n + 2, sizeof(*v->items));
    v->items[v->n++] = text;
    v->items[v->n] = NULL;
}

void vext_strv_add(VextStrv *v, const char *text)
{
    vext_strv_take(v, vext_strdup(text));
}

bool vext_strv_has(const VextStrv *v, const char *text)
{
    for (size_t i = 0; i < v->n; i++) {
        if (vext_streq(v->items[i], text))
            return true;
    }
    return false;
}

void vext_strv_remove(VextStrv *v, const char *text)
{
    size_t kept = 0;

    for (size_t i = 0; i < v->n; i++) {
        if (vext_streq(v->items[i], text))
            free(v->items[i]);
        else
            v->items[kept++] = v->items[i];
    }
    v->n = kept;
    if (v->items)
        v->items[kept] = NULL;
}

void vext_strv_clear(VextStrv *v)
{
    for (size_t i = 0; i < v->n; i++)
        free(v->items[i]);
    free(v->items);
    memset(v, 0, sizeof(*v));
}

bool vext_env_trusted(void)
{
    return getauxval(AT_SECURE) == 0;
}

const char *vext_getenv(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}
