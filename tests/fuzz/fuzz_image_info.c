/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_image_info.c: any bytes as qemu-img's output, a qcow2 header and a backing file's name
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>

#include "plugin/xml/disk-source.h"
#include "plugin/xml/qcow2.h"
#include "plugin/xml/read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *) data, size);
    g_autofree char *format = NULL;
    g_autofree char *key = NULL;
    g_autoptr(ChainSource) source = NULL;
    gboolean relative = FALSE;
    GPtrArray *infos = image_info_parse((const char *) data, size, NULL);
    gsize need = 0;

    if (infos)
        g_ptr_array_unref(infos);
    image_info_free(qcow2_read_header(data, size, &need, NULL));
    if (need > (2 << 20))
        abort();
    source = xml_source_from_spec(text, "/dir", &format, &relative);
    key = chain_source_key(source);
    if (!key)
        abort();
    return 0;
}
