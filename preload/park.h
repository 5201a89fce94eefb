/* SPDX-License-Identifier: MIT */
/*
 * Halts the other threads of the process for a moment, so that their registers are seen: a pointer
 * may be in no other place. The one use of a signal handler that the recorder makes: at the end of
 * a process that is to leave a heap image, and of a test that seems to leak.
 */
#ifndef PARK_H
#define PARK_H

#include "regions.h"

/* False when another thread is at it: then neither of the others may be called. */
bool park_claim(void);

/* Halts every thread but the calling one, for which 200 ms are enough or it is left alone. The
 * threads seen go to `to`; the number. *all: there was room for all that there are. Signals must be
 * blocked. park_release or park_keep must follow. */
size_t park_threads(uint32_t pid, uint32_t self, struct seen_thread *to, size_t room, bool *all);

/* Lets them go on and puts the signal's disposition back; ends the claim. */
void park_release(void);

/* Instead of park_release, when the process is about to end: they stay, so that none of them comes
 * back from a call that the signal broke off and does what it would not have lived to do. Not for
 * ever: what is left of the end may want a lock that one of them holds. After a second they go
 * on. */
void park_keep(void);

/* In a forked child: the claim of a thread of its parent's is not in force. */
void park_forget(void);

#endif
