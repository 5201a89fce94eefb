/* SPDX-License-Identifier: MIT */
/* A pointer in the data of a library that was loaded later. */
#include <dlfcn.h>

#include "ground.h"

ALLOCATES(for_library)

static APART void hold(void) {
    void *library = dlopen("libground.so", RTLD_NOW);
    void (*keep)(void *) = (void (*)(void *))dlsym(library, "keep_in_data");
    keep(for_library(100));
}

int main(void) {
    expect("reachable", 100, 1, "for_library");
    hold();
    wipe();
    return 0;
}
