/* SPDX-License-Identifier: MIT */
/* Where libc's allocator keeps its state: pointers in there keep no block alive. */
#ifndef ALLOCATOR_STATE_H
#define ALLOCATOR_STATE_H

#include "regions.h"

/* Looks for it in [from, to), a part of libc's data, and sets r->hole. */
void allocator_state_find(struct regions *r, uint64_t from, uint64_t to);

#endif
