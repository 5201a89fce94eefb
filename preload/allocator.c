/* SPDX-License-Identifier: MIT */
#include "allocator.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "arch.h"
#include "cfi.h"
#include "config.h"
#include "real.h"
#include "testing.h"

#define EXPORT __attribute__((visibility("default")))
#define CALLER ((uint64_t)__builtin_return_address(0))

struct range_table allocator_mapped;

/* Where the allocator's module lies; nothing when it is libc. */
static struct range module;

extern void *__libc_malloc(size_t);

void allocator_resolved(void) {
    struct cfi_module own, libc;
    config_read();
    if (cfi_find_module((uint64_t)(void *)real.malloc, &own) &&
        cfi_find_module((uint64_t)(void *)&__libc_malloc, &libc) && own.start != libc.start &&
        (config.image != IMAGE_NONE || testing_is_likely()))
        module = (struct range){own.start, own.end};
}

/* The thread sanitizer maps memory before instrumented code can run: tests with it go without. */
#if !defined(__SANITIZE_THREAD__)

static bool is_allocator(uint64_t caller) {
    return caller - module.start < module.end - module.start;
}

/* The same as the functions of libc, for calls that come before these are known. */
static long direct(long number, long a, long b, long c, long d, long e, long f) {
    long result = arch_syscall(number, a, b, c, d, e, f);
    if (result < 0 && result > -4096) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

/* An allocator may be at work on its first block, before anything was resolved. */
static bool resolved(void) {
    if (real.mmap == NULL)
        real_resolve();
    return real.mmap != NULL;
}

static void *map(uint64_t caller, void *at, size_t bytes, int prot, int flags, int fd,
                 off_t offset) {
    void *p = resolved() ? real.mmap(at, bytes, prot, flags, fd, offset)
                         : (void *)direct(SYS_mmap, (long)at, (long)bytes, prot, flags, fd, offset);
    if (p != MAP_FAILED && module.end != 0) {
        if ((flags & MAP_FIXED) != 0)
            ranges_remove(&allocator_mapped, p, bytes);
        if (is_allocator(caller))
            ranges_add(&allocator_mapped, p, bytes);
    }
    return p;
}

EXPORT void *mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t offset) {
    return map(CALLER, at, bytes, prot, flags, fd, offset);
}

EXPORT void *mmap64(void *at, size_t bytes, int prot, int flags, int fd, off_t offset) {
    return map(CALLER, at, bytes, prot, flags, fd, offset);
}

EXPORT int munmap(void *p, size_t bytes) {
    if (module.end != 0) /* before another thread can be given the place */
        ranges_remove(&allocator_mapped, p, bytes);
    return resolved() ? real.munmap(p, bytes)
                      : (int)direct(SYS_munmap, (long)p, (long)bytes, 0, 0, 0, 0);
}

EXPORT void *mremap(void *p, size_t old_bytes, size_t new_bytes, int flags, ...) {
    va_list list;
    va_start(list, flags);
    void *to = (flags & MREMAP_FIXED) != 0 ? va_arg(list, void *) : NULL;
    va_end(list);
    void *q = resolved() ? real.mremap(p, old_bytes, new_bytes, flags, to)
                         : (void *)direct(SYS_mremap, (long)p, (long)old_bytes, (long)new_bytes,
                                          flags, (long)to, 0);
    if (q != MAP_FAILED && module.end != 0) {
        ranges_remove(&allocator_mapped, p, old_bytes);
        ranges_remove(&allocator_mapped, q, new_bytes);
        if (is_allocator(CALLER))
            ranges_add(&allocator_mapped, q, new_bytes);
    }
    return q;
}

#endif
