/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * payload.h: journals with any bytes in them
 */
#pragma once

#include <gio/gio.h>

#include "plugin/journal/payload.h"

/** The operation element around a payload that is packed. New string. */
static inline char *operation_of_packed(const char *packed)
{
    return g_strdup_printf("<operation xmlns='%s' format='%d' id='i' domain='vm' command='c' "
                           "started='s'><payload>%s</payload></operation>",
                           JOURNAL_NS_OPERATION, JOURNAL_FORMAT, packed);
}

/** The same around bytes that are to be packed. */
static inline char *operation_of(const void *data, gsize size)
{
    g_autoptr(GZlibCompressor) zlib = g_zlib_compressor_new(G_ZLIB_COMPRESSOR_FORMAT_ZLIB, 1);
    g_autoptr(GOutputStream) memory = g_memory_output_stream_new_resizable();
    g_autoptr(GOutputStream) out = g_converter_output_stream_new(memory, G_CONVERTER(zlib));
    GMemoryOutputStream *m = G_MEMORY_OUTPUT_STREAM(memory);
    g_autofree char *packed = NULL;

    if (!g_output_stream_write_all(out, data, size, NULL, NULL, NULL) ||
        !g_output_stream_close(out, NULL, NULL))
        g_error("cannot compress");
    packed = g_base64_encode(g_memory_output_stream_get_data(m),
                             g_memory_output_stream_get_data_size(m));
    return operation_of_packed(packed);
}
