/* SPDX-License-Identifier: MIT */
/* The recorder's options, read once per process image from the environment: options.def. */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stdint.h>

enum image_when { IMAGE_NONE, IMAGE_AT_MARKS, IMAGE_AT_EXIT /* and at marks */ };
enum unwinder { UNWINDER_ROWS, UNWINDER_LIBUNWIND, UNWINDER_VERIFY };

struct config {
    bool ready;
    /* the options as given */
    const char *out, *unwinder, *clock, *only, *image_when, *processes;
    uint64_t buffer_events, max_size, paused, fail_call, launcher, image_seconds, python, memory;
    /* what follows from them */
    enum unwinder unwind_by;
    enum image_when image;
    bool clock_monotonic;
    bool capture_slow; /* stacks take more than a walk by rows: stream_capture_slow() */
};

/* Survives fork; the strings point into the environment block of the start of the process. */
extern struct config config;

/* Fills config from the environment when that has not been done. Async-signal-safe. */
void config_read(void);

/* The environment at the start: works before libc has set environ. May be NULL. */
char **config_environment(void);

#endif
