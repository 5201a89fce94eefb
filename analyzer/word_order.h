/* SPDX-License-Identifier: MIT */
/* The order of an image's words. */
#ifndef WORD_ORDER_H
#define WORD_ORDER_H

#include <stddef.h>

#include "tape/image.h"

/*
 * Sorts words by address; those of one address stay as they were given. Words come in long pieces
 * that are in order, so these are found and merged: one piece costs one look at each word, k pieces
 * about log2(k) moves of each.
 */
void word_order(struct tape_word *word, size_t count);

#endif
