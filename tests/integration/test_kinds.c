/* SPDX-License-Identifier: MIT */
/* A block of each kind: parcels that are lost, that are pointed into, that are held. */
#include "parcel.h"

#include <stdio.h>

static struct parcel *volatile held;
static char *volatile inside;

static __attribute__((noinline)) void make(void) {
    held = parcel_new("held");
    inside = (char *)parcel_new("pointed into") + 16;
    held = parcel_new("lost, and its label with it") != NULL ? held : NULL;
}

/* Nothing stale is left below the caller's frame. */
static __attribute__((noinline)) void wipe(void) {
    char volatile room[4096];
    for (unsigned i = 0; i < sizeof room; i++)
        room[i] = 0;
}

int main(void) {
    make();
    wipe();
    printf("%s\n", parcel_label(held));
    return 0;
}
