/* SPDX-License-Identifier: MIT */
#include "unhooked.h"

#include <link.h>
#include <string.h>

#include "allocator.h"
#include "arch.h"
#include "cfi.h"
#include "real.h"
#include "references.h"
#include "sys_image.h"

static unsigned long long loaded; /* modules ever, at the start */
static char list[4096];
static size_t listed;

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
    if (!cfi_find_module(inside, &own) || own.start == s->recorder.start ||
        own.start == s->libc.start || allocator_holds(inside) ||
        !leads_elsewhere(own.start, &s->recorder, *slot))
        return;
    size_t n = strlen(path) + 1;
    if (listed + n > sizeof list || (listed >= n && memcmp(list + listed - n, path, n) ==
                                                        0)) /* malloc and free of one module */
        return;
    memcpy(list + listed, path, n);
    listed += n;
}

void unhooked_find(void) {
    unsigned long long loads = loaded;
    uint32_t thread;
    struct search s;
    dl_iterate_phdr(count_loads, &loads);
    if (loads == loaded || allocator_bypassed() != NULL || listed != 0 ||
        sys_threads(sys_pid(), &thread, 1) != 1)
        return;
    if (cfi_find_module((uint64_t)(void *)&list, &s.recorder) &&
        cfi_find_module(real_libc(), &s.libc))
        references_slots(look, &s);
}

const char *unhooked_list(size_t *bytes) {
    *bytes = listed;
    return list;
}
