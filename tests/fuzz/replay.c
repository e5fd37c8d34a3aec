/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * replay.c: runs a fuzz target on the files of its corpus and prints TAP
 *
 * Linked with a target where libFuzzer's main() is not: `make check` runs every input that was
 * ever found interesting. The corpus of fuzz_NAME is tests/fuzz/corpus/NAME, or the arguments.
 */
#include "config.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifndef VEXT_FUZZING

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static GPtrArray *corpus_files(const char *program)
{
    const char *srcdir = g_getenv("top_srcdir");
    g_autofree char *base = g_path_get_basename(program);
    const char *name = strstr(base, "fuzz_");
    g_autofree char *folder = g_build_filename(srcdir ? srcdir : ".", "tests", "fuzz", "corpus",
                                               name ? name + strlen("fuzz_") : base, NULL);
    GPtrArray *files = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *entry;

    while (dir && (entry = g_dir_read_name(dir)))
        g_ptr_array_add(files, g_build_filename(folder, entry, NULL));
    return files;
}

int main(int argc, char **argv)
{
    g_autoptr(GPtrArray) files = corpus_files(argv[0]);
    bool ok = true;

    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-')
            g_ptr_array_add(files, g_strdup(argv[i]));
    }
    g_print("1..%u\n", files->len ? files->len : 1);
    if (!files->len)
        g_print("not ok 1 - the corpus has files\n");
    for (guint i = 0; i < files->len; i++) {
        const char *path = g_ptr_array_index(files, i);
        g_autofree char *base = g_path_get_basename(path);
        g_autofree char *data = NULL;
        gsize size = 0;

        if (g_file_get_contents(path, &data, &size, NULL)) {
            LLVMFuzzerTestOneInput((const uint8_t *)data, size);
            g_print("ok %u - %s\n", i + 1, base);
        } else {
            g_print("not ok %u - %s cannot be read\n", i + 1, base);
            ok = false;
        }
    }
    return ok && files->len ? 0 : 1;
}

#endif
