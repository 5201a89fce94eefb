/* SPDX-License-Identifier: MIT */
/* A block that only the data of a library pointed to, which is closed. */
#include <dlfcn.h>

#include "ground.h"

ALLOCATES(for_library)

static APART void make(void) {
    void *library = dlopen("libground.so", RTLD_NOW);
    void (*keep)(void *) = (void (*)(void *))dlsym(library, "keep_in_data");
    keep(for_library(100));
    if (dlclose(library) != 0 || dlopen("libground.so", RTLD_NOW | RTLD_NOLOAD) != NULL)
        abort();
}

int main(void) {
    expect("definite", 100, 1, "for_library");
    make();
    wipe();
    return 0;
}
