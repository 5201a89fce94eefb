/* SPDX-License-Identifier: MIT */
/*
 * heaptape client interface: what a program may say to the recorder it runs under.
 *
 * Header only: nothing to link. Every function is weakly bound and does nothing, at the cost of
 * one test, when the program does not run under heaptape. The program must be dynamically linked,
 * as the recorder itself requires.
 */
#ifndef HEAPTAPE_H
#define HEAPTAPE_H

#ifdef __cplusplus
extern "C" {
#endif

/* Entry point of the preloaded recorder; call heaptape_mark() instead. */
extern void heaptape_client_mark(const char *text) __attribute__((weak));

/* Entry point of heaptape_start() and heaptape_stop(). */
extern void heaptape_client_record(int active) __attribute__((weak));

/* Entry point of heaptape_leak_check(). */
extern void heaptape_client_leak_check(const char *name) __attribute__((weak));

/* Whether the program runs under the recorder: 1 or 0. */
static inline int heaptape_active(void) {
    return heaptape_client_mark != 0;
}

/*
 * Puts a named instant on the tape, e.g. heaptape_mark("after warm-up"). Reports name it, and
 * `--at` and `--between` accept the name for a time.
 *
 * text: zero-terminated, copied; at most 1023 bytes are kept. NULL counts as "".
 * Thread safety: any thread. Signal safety: async-signal-safe. errno is left alone.
 */
static inline void heaptape_mark(const char *text) {
    if (heaptape_client_mark)
        heaptape_client_mark(text);
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
    if (heaptape_client_record)
        heaptape_client_record(0);
}

static inline void heaptape_start(void) {
    if (heaptape_client_record)
        heaptape_client_record(1);
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
    if (heaptape_client_leak_check)
        heaptape_client_leak_check(name);
}

#ifdef __cplusplus
}
#endif

#endif
