/* SPDX-License-Identifier: MIT */
#include "real.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "allocator.h"

/* glibc's allocator under the names it keeps for itself: what calls made by dlsym itself get. */
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void *__libc_valloc(size_t);
extern void *__libc_pvalloc(size_t);
extern void __libc_free(void *);

static bool resolving;

/* Start values of `real`: resolve, then go on; recursion from dlsym goes to glibc. */
static bool boot(void) {
    if (resolving)
        return false;
    real_resolve();
    return true;
}

static void *boot_malloc(size_t n) {
    return boot() ? real.malloc(n) : __libc_malloc(n);
}

static void *boot_calloc(size_t n, size_t size) {
    return boot() ? real.calloc(n, size) : __libc_calloc(n, size);
}

static void *boot_realloc(void *p, size_t n) {
    return boot() ? real.realloc(p, n) : __libc_realloc(p, n);
}

static void *boot_reallocarray(void *p, size_t n, size_t size) {
    size_t bytes;
    if (boot())
        return real.reallocarray(p, n, size);
    if (!__builtin_mul_overflow(n, size, &bytes))
        return __libc_realloc(p, bytes);
    errno = ENOMEM;
    return NULL;
}

static void boot_free(void *p) {
    if (boot())
        real.free(p);
    else
        __libc_free(p);
}

static int boot_posix_memalign(void **p, size_t alignment, size_t n) {
    if (boot())
        return real.posix_memalign(p, alignment, n);
    void *q = __libc_memalign(alignment, n);
    if (q == NULL)
        return ENOMEM;
    *p = q;
    return 0;
}

static void *boot_memalign(size_t alignment, size_t n) {
    return boot() ? real.memalign(alignment, n) : __libc_memalign(alignment, n);
}

static void *boot_aligned_alloc(size_t alignment, size_t n) {
    return boot() ? real.aligned_alloc(alignment, n) : __libc_memalign(alignment, n);
}

static void *boot_valloc(size_t n) {
    return boot() ? real.valloc(n) : __libc_valloc(n);
}

static void *boot_pvalloc(size_t n) {
    return boot() ? real.pvalloc(n) : __libc_pvalloc(n);
}

static int boot_dlclose(void *handle) {
    real_resolve();
    return real.dlclose(handle);
}

static void boot_exit_now(int status) {
    real_resolve();
    real.exit_now(status);
}

static int boot_fork(void) {
    real_resolve();
    return real.fork();
}

static void boot_abort(void) {
    real_resolve();
    real.abort();
}

long (*real_syscall)(long, ...);

struct real real = {
    .malloc = boot_malloc,
    .calloc = boot_calloc,
    .realloc = boot_realloc,
    .reallocarray = boot_reallocarray,
    .free = boot_free,
    .posix_memalign = boot_posix_memalign,
    .aligned_alloc = boot_aligned_alloc,
    .memalign = boot_memalign,
    .valloc = boot_valloc,
    .pvalloc = boot_pvalloc,
    .dlclose = boot_dlclose,
    .exit_now = boot_exit_now,
    .fork = boot_fork,
    .abort = boot_abort,
};

void real_resolve(void) {
    if (resolving)
        return; /* a mapping made by dlsym itself */
    resolving = true;
    struct real found = real;
#define RESOLVE(member, symbol)                                                                    \
    do {                                                                                           \
        void *p = dlsym(RTLD_NEXT, symbol);                                                        \
        if (p != NULL)                                                                             \
            __builtin_memcpy(&found.member, &p, sizeof p);                                         \
    } while (0)
    RESOLVE(malloc, "malloc");
    RESOLVE(calloc, "calloc");
    RESOLVE(realloc, "realloc");
    RESOLVE(reallocarray, "reallocarray");
    RESOLVE(free, "free");
    RESOLVE(posix_memalign, "posix_memalign");
    RESOLVE(aligned_alloc, "aligned_alloc");
    RESOLVE(memalign, "memalign");
    RESOLVE(valloc, "valloc");
    RESOLVE(pvalloc, "pvalloc");
    RESOLVE(dlclose, "dlclose");
    RESOLVE(exit_now, "_exit");
    RESOLVE(fork, "fork");
    RESOLVE(abort, "abort");
    RESOLVE(pthread_setname_np, "pthread_setname_np");
    RESOLVE(prctl, "prctl");
    void *p = dlsym(RTLD_NEXT, "syscall");
    __builtin_memcpy(&real_syscall, &p, sizeof p);
    RESOLVE(setuid, "setuid");
    RESOLVE(seteuid, "seteuid");
    RESOLVE(setreuid, "setreuid");
    RESOLVE(setresuid, "setresuid");
    RESOLVE(chroot, "chroot");
    RESOLVE(mmap, "mmap");
    RESOLVE(munmap, "munmap");
    RESOLVE(mremap, "mremap");
    RESOLVE(malloc_usable_size, "malloc_usable_size");
    RESOLVE(sbrk, "sbrk");
    RESOLVE(brk, "brk");
    RESOLVE(shmat, "shmat");
    RESOLVE(shmdt, "shmdt");
    RESOLVE(execve, "execve");
    RESOLVE(execvpe, "execvpe");
    RESOLVE(fexecve, "fexecve");
    RESOLVE(execveat, "execveat");
    RESOLVE(wait, "wait");
    RESOLVE(waitpid, "waitpid");
    RESOLVE(wait3, "wait3");
    RESOLVE(wait4, "wait4");
    RESOLVE(waitid, "waitid");
    RESOLVE(posix_spawn, "posix_spawn");
    RESOLVE(posix_spawnp, "posix_spawnp");
#undef RESOLVE
    real = found;
    resolving = false;
    allocator_resolved();
}
