/* SPDX-License-Identifier: MIT */
/*
 * Classes of leaks as memcheck has them (its manual, "Memory leak detection"):
 *
 *   reachable   a root points to its start, or a reachable block does
 *   possible    otherwise, a root or a reachable block points into it, or a possible one to it
 *   indirect    otherwise, a block that is lost points to it
 *   definite    otherwise. Of blocks that are lost and point to each other in a circle one is
 *               definite, the others indirect.
 *
 * A definite block has the bytes and blocks of all indirect ones that hang on it. One that hangs on
 * several counts for one of them: the blocks are looked at in the order of their addresses, each
 * takes what it leads to, and what was a definite block's becomes that of one that leads to it.
 *
 * Ahead of all that: a block that is to be ignored, and what a pointer of any kind out of it leads
 * to, is LEAK_IGNORED and nothing else.
 */
#ifndef LEAK_CLASSES_H
#define LEAK_CLASSES_H

#include "leak_graph.h"

/* Fills in kind, indirect_bytes and indirect_blocks of every block. */
void leak_classify(struct leak_graph *);

#endif
