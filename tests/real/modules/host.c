/* SPDX-License-Identifier: MIT */
/* Loads and unloads three plugins in turn: the loader gives each the addresses of the one before.
 */
#include <dlfcn.h>
#include <stdio.h>

int main(void) {
    static const char *const path[] = {"./one.so", "./two.so", "./three.so"};
    void *before = NULL;
    int reused = 0;
    for (int i = 0; i < 300; i++) {
        void *handle = dlopen(path[i % 3], RTLD_NOW);
        void (*run)(int);
        *(void **)&run = dlsym(handle, "run");
        reused += (void *)run == before;
        before = (void *)run;
        run(1000 + i % 3);
        dlclose(handle);
    }
    printf("%d\n", reused);
    return 0;
}
