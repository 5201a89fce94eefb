/* SPDX-License-Identifier: MIT */
/* A library that the program opens and never closes: its destructor frees. */
#include "tally.h"

static void *block;

__attribute__((constructor)) static void open_it(void) {
    block = make(5);
}

__attribute__((destructor)) static void close_it(void) {
    give_back(5, block);
    block = make(5);
}
