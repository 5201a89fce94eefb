/* SPDX-License-Identifier: MIT */
/*
 * What a forked process began with, found in the recording of its parent beside its own.
 */
#ifndef INHERITANCE_H
#define INHERITANCE_H

#include "replay.h"

/* The blocks that lived in the parent at the fork; its recording is replayed up to there, and
 * before that its own parent's. NULL: not a forked process, or a recording is missing. The caller
 * frees. */
struct inherited *inheritance_of(const struct tape_file *);

#endif
