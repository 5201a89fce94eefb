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

#ifdef __cplusplus
}
#endif

#endif
