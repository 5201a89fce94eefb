// SPDX-License-Identifier: MIT
/*
 * A program with a Python inside: from the library that it is linked with, or one that it opens.
 * Runs its argument as a script, in two threads, one after the other, ends the interpreter and goes
 * on; some threads know nothing of Python at all.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static int (*run)(const char *);
static int (*ensure)(void);
static void (*release)(int);
static const char *script;

static void *find(void *library, const char *name) {
    void *p = dlsym(library, name);
    if (p == NULL) {
        fprintf(stderr, "no %s\n", name);
        exit(1);
    }
    return p;
}

static void *no_python(void *unused) {
    for (int i = 0; i < 1000; i++)
        free(malloc(100 + (size_t)i));
    return unused;
}

static void *with_python(void *unused) {
    int state = ensure();
    if (run(script) != 0)
        exit(1);
    release(state);
    return unused;
}

static void in_thread(void *(*f)(void *)) {
    pthread_t t;
    pthread_create(&t, NULL, f, NULL);
    pthread_join(t, NULL);
}

int main(int argc, char **argv) {
    void *library = RTLD_DEFAULT;
    in_thread(no_python);
    if (argc > 2 && (library = dlopen(argv[2], RTLD_NOW | RTLD_GLOBAL)) == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    script = argv[1];
    run = (int (*)(const char *))find(library, "PyRun_SimpleString");
    ensure = (int (*)(void))find(library, "PyGILState_Ensure");
    release = (void (*)(int))find(library, "PyGILState_Release");
    void *(*save)(void) = (void *(*)(void))find(library, "PyEval_SaveThread");
    void (*restore)(void *) = (void (*)(void *))find(library, "PyEval_RestoreThread");
    ((void (*)(int))find(library, "Py_InitializeEx"))(0);
    if (run(script) != 0)
        return 1;
    void *state = save();
    in_thread(with_python);
    in_thread(no_python);
    restore(state);
    int status = ((int (*)(void))find(library, "Py_FinalizeEx"))();
    free(malloc(1234));
    in_thread(no_python);
    return status;
}
