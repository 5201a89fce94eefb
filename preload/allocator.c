/* SPDX-License-Identifier: MIT */
#include "allocator.h"

#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "cfi.h"
#include "config.h"
#include "real.h"
#include "testing.h"
#include "unhooked.h"

struct range_table allocator_mapped;

/* Where the allocator's module lies; nothing when it is libc. */
static struct range module;
static bool noting; /* what it maps */
static const char *path, *bypassed;

/* The recorder's malloc, whatever the name is bound to; NULL in tests, which have no hooks. */
extern void *hooks_malloc(size_t) __attribute__((visibility("hidden"), weak));

static const char *path_of(const struct cfi_module *m) {
    return ((const struct link_map *)m->link_map)->l_name;
}

/* Whether a module defines a function itself: a program that is not position-independent has an
 * entry of its own linkage table stand for a function whose address it takes. */
static bool defines(const void *function) {
    Dl_info info;
    const ElfW(Sym) *symbol = NULL;
    return dladdr1(function, &info, (void **)&symbol, RTLD_DL_SYMENT) != 0 && symbol != NULL &&
           symbol->st_shndx != SHN_UNDEF;
}

void allocator_resolved(void) {
    struct cfi_module own, libc, other;
    config_read();
    void *first = dlsym(RTLD_DEFAULT, "malloc");
    if (first != NULL && hooks_malloc != NULL && first != (void *)hooks_malloc && defines(first) &&
        cfi_find_module((uint64_t)first, &other))
        bypassed = path_of(&other);
    /* An allocator may have none of its own, and libc's must not look at its blocks. */
    if (!cfi_find_module((uint64_t)(void *)real.free, &own) ||
        (uint64_t)(void *)real.malloc_usable_size - own.start >= own.end - own.start)
        real.malloc_usable_size = NULL;
    if (!cfi_find_module((uint64_t)(void *)real.malloc, &own))
        return;
    path = path_of(&own);
    if (cfi_find_module(real_libc(), &libc) && own.start != libc.start) {
        module = (struct range){own.start, own.end};
        noting = config.image != IMAGE_NONE || testing_is_likely();
        unhooked_find_past();
    }
}

const char *allocator_path(void) {
    return path;
}

const char *allocator_bypassed(void) {
    return bypassed;
}

bool allocator_holds(uint64_t address) {
    return address - module.start < module.end - module.start;
}

void allocator_note_map(uint64_t caller, void *p, size_t bytes, int flags) {
    if (!noting)
        return;
    if ((flags & MAP_FIXED) != 0)
        ranges_remove(&allocator_mapped, p, bytes);
    if (allocator_holds(caller))
        ranges_add(&allocator_mapped, p, bytes);
}

void allocator_note_unmap(void *p, size_t bytes) {
    if (noting) /* before another thread can be given the place */
        ranges_remove(&allocator_mapped, p, bytes);
}
