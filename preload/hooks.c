/* SPDX-License-Identifier: MIT */
/*
 * The hooks: what the program calls instead of libc. Each calls the real function exactly once
 * with the arguments it was given and passes its result on. Order of stamps: a release is
 * recorded before the real call, an acquisition after it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "real.h"
#include "recorder.h"
#include "stream.h"

#define EXPORT __attribute__((visibility("default")))
#define FRAME  __builtin_frame_address(0)

/* log2 of an alignment argument as the tape stores it. */
static unsigned align_field(size_t alignment) {
    if (alignment == 0 || (alignment & (alignment - 1)) != 0)
        return TAPE_ALIGN_INVALID;
    return (unsigned)__builtin_ctzl(alignment);
}

EXPORT void *malloc(size_t size) {
    void *p = real.malloc(size);
    stream_event_alloc(TAPE_OP_malloc, p, size, 0, FRAME);
    return p;
}

/* The same by a name that nothing outside can take: see allocator.c. */
__asm__(".globl hooks_malloc\n.hidden hooks_malloc\n.set hooks_malloc, malloc");

EXPORT void *calloc(size_t n, size_t size) {
    void *p = real.calloc(n, size);
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes))
        bytes = SIZE_MAX;
    stream_event_alloc(TAPE_OP_calloc, p, bytes, 0, FRAME);
    return p;
}

EXPORT void *realloc(void *old, size_t size) {
    if (old != NULL)
        stream_event_free(TAPE_OP_REALLOC_FROM, old, FRAME);
    void *p = real.realloc(old, size);
    stream_event_alloc(TAPE_OP_realloc, p, size, 0, FRAME);
    return p;
}

/* glibc's reallocarray calls realloc through the hook: called here, it is one event, not two. */
EXPORT void *reallocarray(void *old, size_t n, size_t size) {
    size_t bytes;
    void *p;
    if (__builtin_mul_overflow(n, size, &bytes)) {
        p = real.reallocarray(old, n, size); /* fails, in the allocator's own way */
        if (old != NULL)
            stream_event_free(TAPE_OP_REALLOC_FROM, old, FRAME);
        stream_event_alloc(TAPE_OP_reallocarray, p, SIZE_MAX, 0, FRAME);
        return p;
    }
    if (old != NULL)
        stream_event_free(TAPE_OP_REALLOC_FROM, old, FRAME);
    p = real.realloc(old, bytes);
    stream_event_alloc(TAPE_OP_reallocarray, p, bytes, 0, FRAME);
    return p;
}

EXPORT void free(void *p) {
    if (p != NULL)
        stream_event_free(TAPE_OP_free, p, FRAME);
    real.free(p);
}

EXPORT int posix_memalign(void **to, size_t alignment, size_t size) {
    int error = real.posix_memalign(to, alignment, size);
    stream_event_alloc(TAPE_OP_posix_memalign, error == 0 ? *to : NULL, size,
                       align_field(alignment), FRAME);
    return error;
}

EXPORT void *aligned_alloc(size_t alignment, size_t size) {
    void *p = real.aligned_alloc(alignment, size);
    stream_event_alloc(TAPE_OP_aligned_alloc, p, size, align_field(alignment), FRAME);
    return p;
}

EXPORT void *memalign(size_t alignment, size_t size) {
    void *p = real.memalign(alignment, size);
    stream_event_alloc(TAPE_OP_memalign, p, size, align_field(alignment), FRAME);
    return p;
}

EXPORT void *valloc(size_t size) {
    void *p = real.valloc(size);
    stream_event_alloc(TAPE_OP_valloc, p, size, 0, FRAME);
    return p;
}

EXPORT void *pvalloc(size_t size) {
    void *p = real.pvalloc(size);
    stream_event_alloc(TAPE_OP_pvalloc, p, size, 0, FRAME);
    return p;
}

/* ---- modules and the ends of a process ---------------------------------------------------- */

EXPORT int dlclose(void *handle) {
    int result = real.dlclose(handle);
    recorder_module_closed();
    return result;
}

EXPORT int pthread_setname_np(pthread_t thread, const char *name) {
    if (real.pthread_setname_np == NULL)
        real_resolve();
    int error = real.pthread_setname_np(thread, name);
    if (error == 0 && pthread_equal(thread, pthread_self()))
        stream_renamed();
    return error;
}

EXPORT pid_t fork(void) {
    recorder_forks(true);
    pid_t pid = real.fork();
    if (pid != 0)
        recorder_forks(false);
    return pid;
}

EXPORT void _exit(int status) {
    recorder_end("_exit", FRAME, true);
    real.exit_now(status);
    __builtin_unreachable();
}

EXPORT void _Exit(int status) {
    recorder_end("_exit", FRAME, true);
    real.exit_now(status);
    __builtin_unreachable();
}

EXPORT void abort(void) {
    recorder_end("abort", FRAME, false); /* no image: the program is not in order */
    real.abort();
    __builtin_unreachable();
}
