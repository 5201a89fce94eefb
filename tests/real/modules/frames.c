/* SPDX-License-Identifier: MIT */
/*
 * Plugins that differ in their frames and in nothing else, loaded at the same addresses in turn:
 * the same return address is left in another way each time. What was known of it for the plugin
 * before gives a wrong stack.
 *
 *   frames LOADS          with plugins ./one.so, ./two.so, ./three.so
 *
 * Compiled with -DFRAME=BYTES it is such a plugin. Blocks of the Nth plugin are of 1000 + N bytes.
 * Prints how often a plugin came to the addresses of the one before.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

void run(void (*call)(size_t), size_t size, int depth);

#ifdef FRAME

__attribute__((noinline)) static void inner(void (*call)(size_t), size_t size, int depth) {
    volatile char room[FRAME];
    room[0] = (char)depth;
    call(size);
    room[1] = room[0];
}

void run(void (*call)(size_t), size_t size, int depth) {
    volatile char room[2 * FRAME];
    room[0] = (char)depth;
    if (depth > 0)
        run(call, size, depth - 1);
    else
        inner(call, size, depth);
    room[1] = room[0];
}

#else

static void allocate(size_t size) {
    void *volatile p = malloc(size);
    free(p);
}

static void use(void (*plugin)(void (*)(size_t), size_t, int), size_t size) {
    for (int i = 0; i < 400; i++)
        plugin(allocate, size, i % 7);
    __asm__ volatile("");
}

int main(int argc, char **argv) {
    static const char *const path[] = {"./one.so", "./two.so", "./three.so"};
    int loads = argc > 1 ? atoi(argv[1]) : 3, reused = 0;
    void *before = NULL;
    for (int i = 0; i < loads; i++) {
        void *handle = dlopen(path[i % 3], RTLD_NOW);
        if (handle == NULL)
            return 2;
        void (*plugin)(void (*)(size_t), size_t, int);
        *(void **)&plugin = dlsym(handle, "run");
        reused += (void *)plugin == before;
        before = (void *)plugin;
        use(plugin, 1000 + (size_t)(i % 3));
        dlclose(handle);
    }
    printf("%d\n", reused);
    return 0;
}

#endif
