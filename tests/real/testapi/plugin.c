/* SPDX-License-Identifier: MIT */
/*
 * With -DPLUGIN the library that marks tests; without it the program that loads it when blocks of
 * its own are there, of which nobody took notice. Prints what is wrong.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef PLUGIN
#include <heaptape/heaptape.h>

void begin(void) {
    heaptape_test_begin("plugin");
}

size_t end(void) {
    return heaptape_test_end();
}

#else
#include <dlfcn.h>

static void **older;
static uintptr_t hidden;

static void *get(size_t size) {
    return memset(malloc(size), 0, size);
}

__attribute__((noinline)) static void lose(size_t size) {
    hidden = ~(uintptr_t)get(size);
}

/* In a block that is not known to be one. */
__attribute__((noinline)) static void keep(void) {
    ((void **)older[1])[7] = get(100);
}

int main(int argc, char **argv) {
    older = get(400);
    older[1] = get(400);
    for (int i = 0; i < 5000; i++) /* these events are on the tape when the first test begins */
        free(get(20));
    void *library = dlopen(argc > 1 ? argv[1] : "./plugin.so", RTLD_NOW);
    if (library == NULL)
        return 2;
    void (*begin)(void) = (void (*)(void))dlsym(library, "begin");
    size_t (*end)(void) = (size_t(*)(void))dlsym(library, "end");
    begin();
    keep();
    lose(200);
    size_t lost = end();
    begin();
    free(get(300));
    size_t clean = end();
    printf("lost %zu, clean %zu\n", lost, clean);
    return 0;
}
#endif
