/* SPDX-License-Identifier: MIT */
/*
 * heaptape client interface: what a program may say to the recorder it runs under.
 *
 * Header only: nothing to link. Every function is weakly bound and does nothing, at the cost of
 * one test, when the program does not run under heaptape. The program must be dynamically linked,
 * as the recorder itself requires; in a static one the functions do nothing. How the code that
 * includes this is compiled does not matter (-fPIE, -fPIC, -fno-pie).
 */
#ifndef HEAPTAPE_H
#define HEAPTAPE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The address of an entry point, or 0. It is read from the global offset table, for which the
 * linker leaves a weak function open: an address in code for a fixed place (-fno-pie) would be 0
 * for good.
 */
#if defined(__x86_64__) && defined(__ELF__)
#define HEAPTAPE_ENTRY(name)                                                                       \
    (__extension__({                                                                               \
        __typeof__(&name) heaptape_entry_;                                                         \
        __asm__(".weak " #name "\n\t"                                                              \
                "{movq " #name "@GOTPCREL(%%rip), %0|mov %0, QWORD PTR " #name "@GOTPCREL[rip]}"   \
                : "=r"(heaptape_entry_));                                                          \
        heaptape_entry_;                                                                           \
    }))
#else
#define HEAPTAPE_ENTRY(name) (&name)
#endif

/* Entry point of the preloaded recorder; call heaptape_mark() instead. */
extern void heaptape_client_mark(const char *text) __attribute__((weak));

/* Entry point of heaptape_start() and heaptape_stop(). */
extern void heaptape_client_record(int active) __attribute__((weak));

/* Entry point of heaptape_leak_check(). */
extern void heaptape_client_leak_check(const char *name) __attribute__((weak));

/* Entry points of the functions of the same name below. */
extern void heaptape_client_test_begin(const char *name) __attribute__((weak));
extern size_t heaptape_client_test_end(void) __attribute__((weak));
extern void heaptape_client_iteration(const char *name) __attribute__((weak));
extern void heaptape_client_ignore(const void *p) __attribute__((weak));
extern void heaptape_client_pool_alloc(const void *p, size_t size) __attribute__((weak));
extern void heaptape_client_pool_free(const void *p) __attribute__((weak));

/* Whether the program runs under the recorder: 1 or 0. */
static inline int heaptape_active(void) {
    return HEAPTAPE_ENTRY(heaptape_client_mark) != 0;
}

/*
 * Puts a named instant on the tape, e.g. heaptape_mark("after warm-up"). Reports name it, and
 * `--at` and `--between` accept the name for a time.
 *
 * text: zero-terminated, copied; at most 1023 bytes are kept. NULL counts as "".
 * Thread safety: any thread. Signal safety: async-signal-safe. errno is left alone.
 */
static inline void heaptape_mark(const char *text) {
    void (*entry)(const char *) = HEAPTAPE_ENTRY(heaptape_client_mark);
    if (entry)
        entry(text);
}

/*
 * Stops, and resumes, the recording of allocations in the whole process. What is allocated while
 * recording is stopped does not appear in any report; releases are recorded all the time, so
 * nothing recorded earlier looks as if it were still there. `heaptape record --paused` begins
 * with recording stopped. Each call leaves a mark, "heaptape_stop" or "heaptape_start".
 *
 * Thread safety: any thread; takes effect in other threads at once. Signal safety:
 * async-signal-safe. errno is left alone.
 */
static inline void heaptape_stop(void) {
    void (*entry)(int) = HEAPTAPE_ENTRY(heaptape_client_record);
    if (entry)
        entry(0);
}

static inline void heaptape_start(void) {
    void (*entry)(int) = HEAPTAPE_ENTRY(heaptape_client_record);
    if (entry)
        entry(1);
}

/*
 * Puts a heap image on the tape: what the program's memory points to at this instant, so that
 * blocks that nothing points to any more can be told from those still in use while the program runs
 * on. Does nothing unless HEAPTAPE_IMAGE is "marks" or "exit". Takes about a second for each
 * gigabyte in use, and for that long only the calling thread waits.
 *
 * name: as for heaptape_mark(). Thread safety: any thread. Signal safety: async-signal-safe. errno
 * is left alone.
 */
static inline void heaptape_leak_check(const char *name) {
    void (*entry)(const char *) = HEAPTAPE_ENTRY(heaptape_client_leak_check);
    if (entry)
        entry(name);
}

/*
 * A test begins. `heaptape check` names the test in which a leaked block was allocated, and
 * heaptape_test_end() says what the test has lost.
 *
 * Tests may lie in one another, 16 deep; those further in are counted only, so that ends still
 * belong to the right begins. They are of the whole process: blocks of all threads count, so tests
 * that run at the same time cannot be told apart. A forked child has none until it begins one.
 *
 * name: as for heaptape_mark(). Thread safety: any thread. Not async-signal-safe. errno is left
 * alone.
 */
static inline void heaptape_test_begin(const char *name) {
    void (*entry)(const char *) = HEAPTAPE_ENTRY(heaptape_client_test_begin);
    if (entry)
        entry(name);
}

/*
 * The innermost test ends. Returns the bytes, as the program asked for them, of the blocks that
 *   - were allocated since its begin, by any thread (what realloc() returns is a new block),
 *   - are not freed, and were not given to heaptape_ignore(),
 *   - and that nothing in the program's memory points to any more, neither to their first byte nor
 *     into their middle, but for other blocks of which the same is true.
 * So what a test leaves in a global variable, a cache, thread-local data or on the stack of a
 * function that has not returned is no loss: call it where the test's own variables are gone, as
 * in a teardown. 0 for a test that loses nothing, without a test, and where the program does not
 * run under heaptape.
 *
 *     heaptape_test_begin("parses nothing");
 *     test_parses_nothing();
 *     assert(heaptape_test_end() == 0);
 *
 * Blocks of heaptape_pool_alloc() count as others do; memory in which some of them live is none
 * of the blocks. A word that looks like a pointer counts as one: now and then a loss goes unseen
 * because of what was left in a variable, a register or a buffer.
 *
 * Less is seen where less is known: of blocks that were allocated while recording was stopped; when
 * events were lost, which reports tell (then it returns 0); in a library loaded with dlopen() by a
 * program that knows nothing of tests, and in the child that a process with several threads has
 * forked, of what memory held before; with an allocator beneath whose `operator new` heaptape does
 * not see. None of that makes a loss of a block that is none. Behind a seccomp filter of the
 * program's own nobody can look: there all blocks of the test that are not freed are returned.
 *
 * Cost: a few microseconds when everything is freed, and about 0.07 for each of the test's calls of
 * malloc and its like. Otherwise the program is copied (fork without its costs to the program) and
 * the copy's memory searched, 1 ms and more, about 0.2 s for a heap of a million blocks. Should a
 * loss show while there are other threads, it looks once more with those halted for an instant: a
 * system call of theirs may return EINTR. Memory: 40 to 85 bytes for each block alive, once a
 * module that calls this function is loaded, and some for addresses of late.
 *
 * Thread safety: any thread. Not async-signal-safe. errno is left alone.
 */
static inline size_t heaptape_test_end(void) {
    size_t (*end)(void) = HEAPTAPE_ENTRY(heaptape_client_test_end);
    return end ? end() : 0;
}

/*
 * One round is done of a loop that should not grow: a server's requests, a game's frames. Reports
 * say which call sites have more blocks after each round, and how many.
 *
 * name: of the loop, as for heaptape_mark(). Thread safety: any thread. Signal safety:
 * async-signal-safe.
 */
static inline void heaptape_iteration(const char *name) {
    void (*entry)(const char *) = HEAPTAPE_ENTRY(heaptape_client_iteration);
    if (entry)
        entry(name);
}

/*
 * The block that begins at p is kept on purpose until it is freed or resized: neither it nor what
 * it points to is a leak.
 *
 * p: of a block that is allocated at present; otherwise, and for NULL, nothing happens. Thread
 * safety: any thread. Signal safety: async-signal-safe.
 */
static inline void heaptape_ignore(const void *p) {
    void (*entry)(const void *) = HEAPTAPE_ENTRY(heaptape_client_ignore);
    if (entry)
        entry(p);
}

/*
 * A custom allocator (a pool, an arena, a slab) hands out a block of its own, and takes it back.
 * Leak checks then speak of the pool's blocks and where they were allocated, instead of the memory
 * that they lie in. They are counted apart from the heap.
 *
 * p, size: the block as the pool's user sees it. Thread safety: any thread, as long as one block's
 * calls come in order. Signal safety: async-signal-safe. errno is left alone.
 */
static inline void heaptape_pool_alloc(const void *p, size_t size) {
    void (*entry)(const void *, size_t) = HEAPTAPE_ENTRY(heaptape_client_pool_alloc);
    if (entry)
        entry(p, size);
}

static inline void heaptape_pool_free(const void *p) {
    void (*entry)(const void *) = HEAPTAPE_ENTRY(heaptape_client_pool_free);
    if (entry)
        entry(p);
}

#ifdef __cplusplus
}
#endif

#endif
