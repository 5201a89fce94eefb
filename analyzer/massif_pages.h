/* SPDX-License-Identifier: MIT */
/*
 * The pages of a process as a sequence of changes, for massif --pages-as-heap. docs/MEMORY.md says
 * which are exact and which are derived.
 */
#ifndef MASSIF_PAGES_H
#define MASSIF_PAGES_H

#include "replay.h"
#include "tape_file.h"

struct massif_pages;

/* So many bytes of whole pages have come (`comes`) or gone, mapped from this call stack; stack 0:
 * no call is known. Called during the run, in its order; the same for every replay of one tape. */
typedef void massif_pages_changed(void *context, uint32_t stack, uint64_t bytes, bool comes,
                                  uint64_t now);

/* Observes a replay that has not run yet. The caller frees behind the run. */
struct massif_pages *massif_pages_new(struct tape_file *, struct replay *, massif_pages_changed *,
                                      void *context);
void massif_pages_free(struct massif_pages *);

#endif
