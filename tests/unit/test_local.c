/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_local.c: which files are opened, and as what
 */
#include "config.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "plugin/backend/local.h"

typedef struct {
    char *dir, *path;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    f->dir = g_dir_make_tmp("vext-XXXXXX", NULL);
    f->path = g_build_filename(f->dir, "image", NULL);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    g_remove(f->path);
    g_rmdir(f->dir);
    g_free(f->path);
    g_free(f->dir);
}

/* TRUE when qemu-img was asked, whatever it said. */
static gboolean opened(const Fixture *f, const char *format)
{
    gboolean immutable;
    g_autoptr(GError) problem = NULL;
    ImageInfo *info = local_read_header(f->path, format, &immutable, &problem);

    if (info) {
        image_info_free(info);
        return TRUE;
    }
    return strstr(problem->message, "is not opened here") == NULL;
}

/* A format is what the header above says; in QEMU's list of drivers are also others. */
static void test_drivers_that_are_no_formats(Fixture *f, gconstpointer data)
{
    static const char *const drivers[] = {
        "nbd", "ssh", "https", "vvfat", "blkdebug", "quorum", "host_device", "file", "", "-f",
        "--image-opts",
    };

    g_assert_true(g_file_set_contents(f->path, "x", 1, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(drivers); i++)
        g_assert_false(opened(f, drivers[i]));
    g_assert_true(opened(f, "vdi"));
}

/* Whoever wrote the image chooses what the extents are. */
static void test_a_vmdk_that_names_other_files(Fixture *f, gconstpointer data)
{
    static const char text[] = "# Disk DescriptorFile\nversion=1\nCID=1\n"
                               "parentCID=ffffffff\ncreateType=\"monolithicFlat\"\n"
                               "RW 1 FLAT \"/etc/shadow\" 0\n";
    char sparse[512] = "KDMV";

    g_assert_true(g_file_set_contents(f->path, text, -1, NULL));
    g_assert_false(opened(f, "vmdk"));
    /* no capacity: its text is within */
    g_assert_true(g_file_set_contents(f->path, sparse, sizeof(sparse), NULL));
    g_assert_false(opened(f, "vmdk"));
    sparse[12] = 1;
    g_assert_true(g_file_set_contents(f->path, sparse, sizeof(sparse), NULL));
    g_assert_true(opened(f, "vmdk"));
}

static void test_no_fifo_is_opened(Fixture *f, gconstpointer data)
{
    gboolean immutable;

    g_assert_cmpint(mkfifo(f->path, 0600), ==, 0);
    g_assert_null(local_read_header(f->path, "qcow2", &immutable, NULL));
    g_assert_false(local_has_qcow2_magic(f->path, NULL));
}

/* What a guest writes into a raw disk makes no other image of it. */
static void test_raw_is_raw(Fixture *f, gconstpointer data)
{
    static const char header[512] = "QFI\xfb\0\0\0\3";
    gboolean immutable;
    ImageInfo *info;

    g_assert_true(g_file_set_contents(f->path, header, sizeof(header), NULL));
    info = local_read_header(f->path, "raw", &immutable, NULL);
    g_assert_nonnull(info);
    g_assert_cmpstr(info->format, ==, "raw");
    g_assert_null(info->backing);
    g_assert_cmpuint(info->virtual_size, ==, sizeof(header));
    image_info_free(info);
}

#define ADD(name) g_test_add("/local/" #name, Fixture, NULL, set_up, test_##name, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(drivers_that_are_no_formats);
    ADD(a_vmdk_that_names_other_files);
    ADD(no_fifo_is_opened);
    ADD(raw_is_raw);
    return g_test_run();
}
