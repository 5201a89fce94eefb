/* SPDX-License-Identifier: MIT */
/*
 * The hooks of what maps memory: events of their own kinds, beside the heap's. A mapping that goes
 * is recorded before the real call, one that comes after it. The recorder's own mappings are made
 * by system calls and never come here; nor do those that libc and the loader make for themselves.
 *
 * An allocator may call from within malloc, with locks of its own held: nothing here allocates.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include "allocator.h"
#include "arch.h"
#include "real.h"
#include "recorder.h"
#include "stream.h"
#include "sys.h"

/* The thread sanitizer maps memory before instrumented code can run: tests with it go without. */
#if !defined(__SANITIZE_THREAD__)

#define EXPORT __attribute__((visibility("default")))
#define CALLER ((uint64_t)__builtin_return_address(0))
#define FRAME  __builtin_frame_address(0)

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

static unsigned flags_of(uint64_t caller, int prot, int flags) {
    return ((flags & MAP_ANONYMOUS) == 0 ? TAPE_MAPPING_FILE : 0) |
           ((flags & MAP_TYPE) != MAP_PRIVATE ? TAPE_MAPPING_SHARED : 0) |
           (prot == PROT_NONE ? TAPE_MAPPING_NO_ACCESS : 0) |
           ((prot & PROT_EXEC) != 0 ? TAPE_MAPPING_EXECUTE : 0) |
           (allocator_holds(caller) ? TAPE_MAPPING_ALLOCATOR : 0);
}

/* What only a look at the address space can tell: its kind is that of the mapping it was. */
static unsigned flags_of_caller(uint64_t caller) {
    return allocator_holds(caller) ? TAPE_MAPPING_ALLOCATOR : 0;
}

/* Inline: a hook that passes arguments on the stack may begin with a frame of another form (its
 * stack pointer realigned by a register), in which the caller's cannot be found. */
static inline __attribute__((always_inline)) void *map(uint64_t caller, const void *frame, void *at,
                                                       size_t bytes, int prot, int flags, int fd,
                                                       off_t offset) {
    if (!resolved())
        return (void *)direct(SYS_mmap, (long)at, (long)bytes, prot, flags, fd, offset);
    void *p = real.mmap(at, bytes, prot, flags, fd, offset);
    if (p != MAP_FAILED) {
        allocator_note_map(caller, p, bytes, flags);
        stream_event_mapping(TAPE_OP_MMAP, (uint64_t)p, bytes, flags_of(caller, prot, flags),
                             frame);
    }
    return p;
}

EXPORT void *mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t offset) {
    return map(CALLER, FRAME, at, bytes, prot, flags, fd, offset);
}

/* The same where off_t has 64 bits. One function: the compiler would have one call the other. */
__asm__(".globl mmap64\n.set mmap64, mmap");

EXPORT int munmap(void *p, size_t bytes) {
    if (!resolved())
        return (int)direct(SYS_munmap, (long)p, (long)bytes, 0, 0, 0, 0);
    unsigned flags = flags_of_caller(CALLER);
    allocator_note_unmap(p, bytes);
    stream_event_mapping(TAPE_OP_MUNMAP, (uint64_t)p, bytes, flags, FRAME);
    int result = real.munmap(p, bytes);
    if (result != 0)
        stream_event_mapping(TAPE_OP_MUNMAP, (uint64_t)p, bytes, flags | TAPE_MAPPING_FAILED,
                             FRAME);
    return result;
}

EXPORT void *mremap(void *p, size_t old_bytes, size_t new_bytes, int flags, ...) {
    va_list list;
    va_start(list, flags);
    /* A place in the first case, a wish in the second. */
    void *to = (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) != 0 ? va_arg(list, void *) : NULL;
    va_end(list);
    if (!resolved())
        return (void *)direct(SYS_mremap, (long)p, (long)old_bytes, (long)new_bytes, flags,
                              (long)to, 0);
    uint64_t caller = CALLER;
    unsigned by = flags_of_caller(caller);
    /* Otherwise the old place stays. */
    bool goes = old_bytes != 0 && (flags & MREMAP_DONTUNMAP) == 0;
    if (goes)
        stream_event_mapping(TAPE_OP_MUNMAP, (uint64_t)p, old_bytes, by, FRAME);
    void *q = real.mremap(p, old_bytes, new_bytes, flags, to);
    if (q != MAP_FAILED) {
        if (goes)
            allocator_note_unmap(p, old_bytes);
        allocator_note_unmap(q, new_bytes);
        allocator_note_map(caller, q, new_bytes, 0);
        stream_event_mapping(TAPE_OP_MREMAP, (uint64_t)q, new_bytes, by, FRAME);
    } else if (goes) {
        stream_event_mapping(TAPE_OP_MUNMAP, (uint64_t)p, old_bytes, by | TAPE_MAPPING_FAILED,
                             FRAME);
    }
    return q;
}

/* ---- the data segment --------------------------------------------------------------------- */

extern void *__sbrk(intptr_t);

EXPORT void *sbrk(intptr_t bytes) {
    void *old = resolved() && real.sbrk != NULL ? real.sbrk(bytes) : __sbrk(bytes);
    if (bytes != 0 && old != (void *)-1 && real.sbrk != NULL)
        stream_event_mapping(TAPE_OP_BRK, (uint64_t)old + (uint64_t)bytes, (uint64_t)old,
                             flags_of_caller(CALLER), FRAME);
    return old;
}

EXPORT int brk(void *end) {
    if (!resolved() || real.brk == NULL) {
        errno = ENOMEM;
        return -1;
    }
    uint64_t old = (uint64_t)__sbrk(0);
    int result = real.brk(end);
    if (result == 0 && (uint64_t)end != old)
        stream_event_mapping(TAPE_OP_BRK, (uint64_t)end, old, flags_of_caller(CALLER), FRAME);
    return result;
}

/* ---- segments of System V ----------------------------------------------------------------- */

EXPORT void *shmat(int id, const void *at, int flags) {
    if (!resolved() || real.shmat == NULL)
        return (void *)direct(SYS_shmat, id, (long)at, flags, 0, 0, 0);
    void *p = real.shmat(id, at, flags);
    struct shmid_ds segment;
    if (p != (void *)-1)
        stream_event_mapping(TAPE_OP_MMAP, (uint64_t)p,
                             !sys_confined() && arch_syscall(SYS_shmctl, id, IPC_STAT,
                                                             (long)&segment, 0, 0, 0) == 0
                                 ? segment.shm_segsz
                                 : 0,
                             TAPE_MAPPING_FILE | TAPE_MAPPING_SHARED | flags_of_caller(CALLER),
                             FRAME);
    return p;
}

EXPORT int shmdt(const void *p) {
    if (!resolved() || real.shmdt == NULL)
        return (int)direct(SYS_shmdt, (long)p, 0, 0, 0, 0, 0);
    unsigned flags = TAPE_MAPPING_FILE | TAPE_MAPPING_SHARED | flags_of_caller(CALLER);
    stream_event_mapping(TAPE_OP_MUNMAP, (uint64_t)p, 0, flags, FRAME);
    int result = real.shmdt(p);
    if (result != 0)
        stream_event_mapping(TAPE_OP_MUNMAP, (uint64_t)p, 0, flags | TAPE_MAPPING_FAILED, FRAME);
    return result;
}

#endif
