/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * forest.h: the order and the lines in which the images of a disk are drawn
 *
 * Private to plugin/text. A run of images that stand on each other stays in one column,
 * whatever its length; only where several stand on one image, all but one are drawn to the
 * right, before the run goes on:
 *
 *      A            B, C and F stand on A; C is a branch that ends with E,
 *      |-C          F another; the run of A goes on with B
 *      | |-D
 *      | E
 *      |-F
 *      B
 *
 * The run goes on with the image of the active chain; elsewhere with the one on which most
 * stand, so that no picture is wider than the logarithm of the number of images. Nothing goes
 * on above the active image: what stands on it has no business there and is drawn as a branch.
 */
#pragma once

#include "plugin/text/rows.h"

G_BEGIN_DECLS

/** One line of the picture. */
typedef struct {
    guint row;        /**< index in the rows it was made from */
    char *lines;      /**< what is drawn left of the image's own mark; two columns a level */
    char *below;      /**< the same on further lines about the image */
    gboolean root;    /**< stands on no image of the picture */
} TextLeaf;

/** Every row exactly once. @rows: of TextRow. New array of TextLeaf, frees its items. */
GArray *text_forest(const GArray *rows, gboolean utf8);

G_END_DECLS
