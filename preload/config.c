/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "sys.h"

struct config config;

/* The initial stack pointer: argc, argv…, NULL, environment…, NULL. Exported by the loader. */
extern void *__libc_stack_end __attribute__((weak));

char **config_environment(void) {
    if (environ != NULL)
        return environ;
    if (&__libc_stack_end == NULL || __libc_stack_end == NULL)
        return NULL;
    long *block = __libc_stack_end;
    return (char **)(block + 1 + block[0] + 1);
}

static uint64_t parse_number(const char *text) {
    uint64_t v = 0;
    for (; text != NULL && *text >= '0' && *text <= '9'; text++)
        v = v * 10 + (uint64_t)(*text - '0');
    return v;
}

static const char *parse_text(const char *text) {
    return *text != 0 ? text : NULL;
}

static const char *find(char **environment, const char *name) {
    size_t n = strlen(name);
    for (; environment != NULL && *environment != NULL; environment++)
        if (strncmp(*environment, name, n) == 0 && (*environment)[n] == '=')
            return *environment + n + 1;
    return NULL;
}

#define SET_TEXT(field, text)   config.field = parse_text(text)
#define SET_NUMBER(field, text) config.field = parse_number(text)

void config_read(void) {
    if (config.ready)
        return;
    char **environment = config_environment();
#define OPTION(NAME, field, kind, default, help)                                                   \
    {                                                                                              \
        const char *text = find(environment, "HEAPTAPE_" #NAME);                                   \
        config.field = default;                                                                    \
        if (text != NULL)                                                                          \
            SET_##kind(field, text);                                                               \
    }
#include "options.def"
#undef OPTION
    if (config.unwinder != NULL && strcmp(config.unwinder, "libunwind") == 0)
        config.unwind_by = UNWINDER_LIBUNWIND;
    else if (config.unwinder != NULL && strcmp(config.unwinder, "verify") == 0)
        config.unwind_by = UNWINDER_VERIFY;
    if (config.unwind_by == UNWINDER_LIBUNWIND) /* does not tell where its frames lie */
        config.python = 0;
    config.capture_slow = config.unwind_by != UNWINDER_ROWS || config.python != 0;
    config.clock_monotonic = config.clock != NULL && strcmp(config.clock, "monotonic") == 0;
    if (config.image_when != NULL && strcmp(config.image_when, "exit") == 0)
        config.image = IMAGE_AT_EXIT;
    else if (config.image_when != NULL && strcmp(config.image_when, "marks") == 0)
        config.image = IMAGE_AT_MARKS;
    if (config.buffer_events != 0 && config.buffer_events < 16)
        config.buffer_events = 16;
    if (config.buffer_events > 65536)
        config.buffer_events = 65536;
    sys_fail_at = config.fail_call;
    config.ready = true;
}
