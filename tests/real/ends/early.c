/* SPDX-License-Identifier: MIT */
/* Preloaded behind the recorder, so initialized before it: its handler runs behind the recorder's.
 */
#include "tally.h"

#pragma weak make
#pragma weak give_back
#pragma weak note_late

extern int __cxa_atexit(void (*fn)(void *), void *argument, void *dso_handle);

static void at_the_very_end(void *unused) {
    (void)unused;
    if (make == 0)
        return; /* in a process that is not the program */
    for (int i = 0; i < 1000; i++)
        give_back(7, make(7));
    note_late();
}

__attribute__((constructor)) static void start(void) {
    __cxa_atexit(at_the_very_end, (void *)0, (void *)0);
}
