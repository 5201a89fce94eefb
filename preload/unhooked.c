/* SPDX-License-Identifier: MIT */
#include "unhooked.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

#include "allocator.h"
#include "arch.h"
#include "cfi.h"
#include "real.h"
#include "references.h"
#include "sys_image.h"

static unsigned long long loaded; /* modules ever, at the start */
struct paths {
    char text[4096];
    size_t bytes;
};
static struct paths elsewhere, past;

/* A module's references come one behind the other: its path is there once. */
static void note(struct paths *to, const char *path) {
    size_t n = strlen(path) + 1;
    if (to->bytes + n > sizeof to->text ||
        (to->bytes >= n && memcmp(to->text + to->bytes - n, path, n) == 0))
        return;
    memcpy(to->text + to->bytes, path, n);
    to->bytes += n;
}

static int count_loads(struct dl_phdr_info *info, size_t size, void *loads) {
    if (size >= offsetof(struct dl_phdr_info, dlpi_adds) + sizeof info->dlpi_adds)
        *(unsigned long long *)loads = info->dlpi_adds;
    return 1;
}

void unhooked_begin(void) {
    dl_iterate_phdr(count_loads, &loaded);
}

/* A slot that is not bound yet leads into its own module. */
static bool leads_elsewhere(uint64_t own_start, const struct cfi_module *recorder,
                            uint64_t function) {
    struct cfi_module to;
    return function != 0 && cfi_find_module(function, &to) && to.start != own_start &&
           to.start != recorder->start;
}

struct search {
    struct cfi_module recorder, libc;
};

static void look(void *context, const char *path, uint64_t inside, const char *symbol,
                 const uint64_t *slot) {
    const struct search *s = context;
    struct cfi_module own;
    if (strcmp(symbol, "malloc") != 0 && strcmp(symbol, "free") != 0)
        return;
    /* The program's own stand-in for a function whose address it takes leads on to the recorder. */
    if (*slot == (uint64_t)dlsym(RTLD_DEFAULT, symbol) || !cfi_find_module(inside, &own) ||
        own.start == s->recorder.start || own.start == s->libc.start || allocator_holds(inside) ||
        !leads_elsewhere(own.start, &s->recorder, *slot))
        return;
    note(&elsewhere, path);
}

void unhooked_find(void) {
    unsigned long long loads = loaded;
    uint32_t thread;
    struct search s;
    dl_iterate_phdr(count_loads, &loads);
    if (loads == loaded || allocator_bypassed() != NULL || elsewhere.bytes != 0 ||
        sys_threads(sys_pid(), &thread, 1) != 1)
        return;
    if (cfi_find_module((uint64_t)(void *)&elsewhere, &s.recorder) &&
        cfi_find_module(real_libc(), &s.libc))
        references_slots(look, &s);
}

const char *unhooked_list(size_t *bytes) {
    *bytes = elsewhere.bytes;
    return elsewhere.text;
}

/* ---- entries that only the second objects hook -------------------------------------------- */

/* What the objects have. One of the first kind tells of all operators. */
static const struct entry {
    const char *symbol, *object;
} entries[] = {{"_Znwm", "/libheaptape-ext.so"},
               {"_Znam", "/libheaptape-ext.so"},
               {"_ZnwmSt11align_val_t", "/libheaptape-ext.so"},
               {"mallocx", "/libheaptape-jemalloc.so"},
               {"rallocx", "/libheaptape-jemalloc.so"},
               {"free_sized", "/libheaptape-sized.so"},
               {"free_aligned_sized", "/libheaptape-sized.so"}};
#define ENTRIES (sizeof entries / sizeof *entries)

struct past_search {
    bool open[ENTRIES]; /* the allocator has it, and no object stands in front of it */
};

static bool ends(const char *text, const char *with) {
    size_t n = strlen(text), m = strlen(with);
    return n >= m && strcmp(text + n - m, with) == 0;
}

static int close_entries(struct dl_phdr_info *info, size_t size, void *context) {
    struct past_search *s = context;
    (void)size;
    for (size_t i = 0; i < ENTRIES; i++)
        if (ends(info->dlpi_name, entries[i].object))
            s->open[i] = false;
    return 0;
}

/* C++ libraries refer to all of them, whether the program does or not. */
static void look_past(void *context, const char *path, uint64_t inside, const char *symbol,
                      const uint64_t *slot) {
    const struct past_search *s = context;
    (void)slot;
    for (size_t i = 0; i < ENTRIES; i++)
        if (s->open[i] && strcmp(symbol, entries[i].symbol) == 0 && !allocator_holds(inside) &&
            strstr(path, "/libstdc++.so") == NULL && strstr(path, "/libc++") == NULL)
            note(&past, path);
}

void unhooked_find_past(void) {
    struct past_search s = {{false}};
    for (size_t i = 0; i < ENTRIES; i++)
        s.open[i] = references_defines((uint64_t)(void *)real.malloc, entries[i].symbol);
    dl_iterate_phdr(close_entries, &s);
    references_slots(look_past, &s);
}

const char *unhooked_past_list(size_t *bytes) {
    *bytes = past.bytes;
    return past.text;
}
