/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * read-names.h: which image of ours a file means that nobody knows
 *
 * What begins as an image that stands on another may be one, or the raw disk of a guest that is
 * not defined here: then the guest chose the name. To look up such a name can hang (a server that
 * is down), mount something or leave a trace, so it is only compared with names that are known:
 * those that libvirt gave and those that are in the directories that libvirt names.
 *
 *      host_names_new(graph)
 *      host_names_dir()      for each directory whose files are known
 *      host_names_file()     for each of them that is, by whatever link, an image of @graph
 *      host_names_find()     a name from a file's header
 */
#pragma once

#include "plugin/model/chain.h"

G_BEGIN_DECLS

typedef struct HostNames HostNames;

/** Knows the names of all images of @graph, which is borrowed; of a local one, also where links in
 *  these names lead. */
HostNames *host_names_new(ChainGraph *graph);
void host_names_free(HostNames *names);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HostNames, host_names_free)

/** All files of @dir will be told of: what has another name there is none of the images. */
void host_names_dir(HostNames *names, const char *dir);
/** libvirt names @dir: it is looked through when a file names something there. Local only. */
void host_names_readable_dir(HostNames *names, const char *dir);
/** @path is a name of @image. */
void host_names_file(HostNames *names, const char *path, ChainImage *image);

/**
 * The image that @source means, which a header of unknown origin names, or NULL. In a directory
 * that nobody knows, which may be one of ours by another name, it is the image whose path ends
 * most like it, if the files' names are the same: that blocks what it need not, and loses nothing.
 */
ChainImage *host_names_find(HostNames *names, const ChainSource *source);

G_END_DECLS
