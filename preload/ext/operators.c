/* SPDX-License-Identifier: MIT */
/*
 * All forms of C++'s operator new and delete, for allocators that define them without malloc:
 * jemalloc, tcmalloc, mimalloc. Names by the Itanium C++ ABI, 5.1.5 (operator names).
 *
 * Each form has up to three arguments, all of which go by registers: all three are handed on,
 * whatever the form has. Exceptions of the real function pass through.
 */
#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <unistd.h>

#include "ext.h"
#include "tape/ops.h"
#include "tape/tail.h"

#define EXPORT __attribute__((visibility("default")))
#define FRAME  __builtin_frame_address(0)
#define CALLER __builtin_return_address(0)

/* FORM(mangled name, kind of event, argument that is the alignment, what stands in for it) */
#define NEW_FORMS(FORM)                                                                            \
    FORM(_Znwm, new, 0, plain_new)                                                                 \
    FORM(_Znam, new_array, 0, plain_new)                                                           \
    FORM(_ZnwmRKSt9nothrow_t, new, 0, plain_nothrow)                                               \
    FORM(_ZnamRKSt9nothrow_t, new_array, 0, plain_nothrow)                                         \
    FORM(_ZnwmSt11align_val_t, new_aligned, b, plain_aligned)                                      \
    FORM(_ZnamSt11align_val_t, new_array_aligned, b, plain_aligned)                                \
    FORM(_ZnwmSt11align_val_tRKSt9nothrow_t, new_aligned, b, plain_aligned_nothrow)                \
    FORM(_ZnamSt11align_val_tRKSt9nothrow_t, new_array_aligned, b, plain_aligned_nothrow)

#define DELETE_FORMS(FORM)                                                                         \
    FORM(_ZdlPv, delete)                                                                           \
    FORM(_ZdaPv, delete_array)                                                                     \
    FORM(_ZdlPvm, delete)                                                                          \
    FORM(_ZdaPvm, delete_array)                                                                    \
    FORM(_ZdlPvRKSt9nothrow_t, delete)                                                             \
    FORM(_ZdaPvRKSt9nothrow_t, delete_array)                                                       \
    FORM(_ZdlPvSt11align_val_t, delete)                                                            \
    FORM(_ZdaPvSt11align_val_t, delete_array)                                                      \
    FORM(_ZdlPvmSt11align_val_t, delete)                                                           \
    FORM(_ZdaPvmSt11align_val_t, delete_array)                                                     \
    FORM(_ZdlPvSt11align_val_tRKSt9nothrow_t, delete)                                              \
    FORM(_ZdaPvSt11align_val_tRKSt9nothrow_t, delete_array)

typedef void *allocates(uintptr_t, uintptr_t, uintptr_t);
typedef void releases(uintptr_t, uintptr_t, uintptr_t);

static struct {
#define FORM(symbol, kind, align, plain) allocates *symbol;
    NEW_FORMS(FORM)
#undef FORM
#define FORM(symbol, kind) releases *symbol;
    DELETE_FORMS(FORM)
#undef FORM
} real;

static const struct ext *recorder; /* NULL: no libheaptape.so, or not of this version */

/* The constructor comes behind those of all libraries: what these call is recorded as well. */
static void find_recorder(void) {
    if (recorder == NULL && heaptape_client_ext != NULL)
        recorder = heaptape_client_ext(EXT_VERSION, (const void *)&find_recorder);
}

static struct link_map *map_of(const void *code) {
    Dl_info info;
    struct link_map *map = NULL;
    return dladdr1(code, &info, (void **)&map, RTLD_DL_LINKMAP) != 0 ? map : NULL;
}

/* A plugin that was opened with RTLD_LOCAL found this object first, and its own operators, or its
 * library's, come behind: it is asked, each time, since another one may have others. A form of its
 * own that jumps to another one seems to be called from here: that is of the plugin asked last. */
static void *find_own(const char *symbol, const void *caller) {
    static struct link_map *last;
    struct link_map *own = map_of((const void *)&find_recorder), *map = map_of(caller);
    if (map == own)
        map = __atomic_load_n(&last, __ATOMIC_RELAXED);
    if (map == NULL || map->l_name[0] == '\0')
        return NULL;
    void *handle = dlopen(map->l_name, RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD);
    void *p = handle != NULL ? dlsym(handle, symbol) : NULL;
    if (handle != NULL)
        dlclose(handle); /* its code is running: it stays */
    if (p == NULL || map_of(p) == own)
        return NULL;
    __atomic_store_n(&last, map, __ATOMIC_RELAXED);
    return p;
}

/* Then libraries by name; the handle keeps the library as it is. */
static void *find_library(const char *symbol) {
    static const char *const library[] = {"libstdc++.so.6", "libc++.so.1", "libc++abi.so.1"};
    for (unsigned i = 0; i < sizeof library / sizeof *library; i++) {
        void *handle = dlopen(library[i], RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD);
        void *p = handle != NULL ? dlsym(handle, symbol) : NULL;
        if (p != NULL)
            return p;
    }
    return NULL;
}

/* A library that was opened later, with RTLD_GLOBAL, must not go while its functions are used. */
static void hold(const void *function) {
    const struct link_map *map = map_of(function);
    static __attribute__((unused)) void *volatile held; /* that it was opened once more counts */
    if (map != NULL && map->l_name[0] != '\0')
        held = dlopen(map->l_name, RTLD_LAZY | RTLD_NOLOAD);
}

/* ---- where there is no C++ library -------------------------------------------------------- */

/* A plugin may have all of it inside, and come here because this object was loaded first. Its own
 * forms would ask malloc, so that is what these do; but nobody can throw here. */
static void *plain_nothrow(uintptr_t size, uintptr_t unused, uintptr_t too) {
    (void)unused, (void)too;
    return malloc(size != 0 ? size : 1);
}

static void *plain_aligned_nothrow(uintptr_t size, uintptr_t alignment, uintptr_t unused) {
    void *p = NULL;
    (void)unused;
    if (alignment < sizeof p)
        alignment = sizeof p;
    return posix_memalign(&p, alignment, size != 0 ? size : 1) == 0 ? p : NULL;
}

static void *not_null(void *p) {
    static const char text[] = "heaptape: operator new: no memory, and no C++ library to say so\n";
    if (p != NULL)
        return p;
    if (write(2, text, sizeof text - 1) < 0)
        abort();
    abort();
}

static void *plain_new(uintptr_t size, uintptr_t unused, uintptr_t too) {
    return not_null(plain_nothrow(size, unused, too));
}

static void *plain_aligned(uintptr_t size, uintptr_t alignment, uintptr_t unused) {
    return not_null(plain_aligned_nothrow(size, alignment, unused));
}

static void plain_delete(uintptr_t p, uintptr_t unused, uintptr_t too) {
    (void)unused, (void)too;
    free((void *)p);
}

/* Of a form that the constructor has not found, or comes before it: the one time that the loader is
 * asked from within an allocation. *known: what is the same for every caller. */
static void *find(const char *symbol, const void *caller, void *plain, void **known) {
    find_recorder();
    void *p = dlsym(RTLD_NEXT, symbol);
    if (p != NULL)
        hold(p);
    else if ((p = find_own(symbol, caller)) != NULL)
        return p;
    else if ((p = find_library(symbol)) == NULL)
        p = plain;
    return *known = p;
}

/* ---- the forms ---------------------------------------------------------------------------- */

__attribute__((constructor)) static void operators_constructor(void) {
#define FORM(symbol, kind, align, plain) *(void **)(void *)&real.symbol = dlsym(RTLD_NEXT, #symbol);
    NEW_FORMS(FORM)
#undef FORM
#define FORM(symbol, kind) *(void **)(void *)&real.symbol = dlsym(RTLD_NEXT, #symbol);
    DELETE_FORMS(FORM)
#undef FORM
    find_recorder();
}

static unsigned align_log2(uintptr_t alignment) {
    if (alignment == 0)
        return 0;
    return (alignment & (alignment - 1)) != 0 ? TAPE_ALIGN_INVALID
                                              : (unsigned)__builtin_ctzl(alignment);
}

static inline __attribute__((always_inline)) void *allocate(allocates *f, unsigned op,
                                                            uintptr_t alignment, uintptr_t a,
                                                            uintptr_t b, uintptr_t c,
                                                            const void *frame) {
    if (recorder == NULL)
        return f(a, b, c);
    struct stream *s = recorder->begin((const void *)f, frame);
    void *p = f(a, b, c);
    recorder->allocated(s, op, p, a, align_log2(alignment), frame);
    return p;
}

static inline __attribute__((always_inline)) void
release(releases *f, unsigned op, uintptr_t a, uintptr_t b, uintptr_t c, const void *frame) {
    if (recorder == NULL) {
        f(a, b, c);
        return;
    }
    recorder->releases(op, (const void *)a, frame);
    struct stream *s = recorder->begin((const void *)f, frame);
    f(a, b, c);
    recorder->end(s);
}

#define FORM(symbol, kind, alignment, plain)                                                       \
    EXPORT void *symbol(uintptr_t a, uintptr_t b, uintptr_t c);                                    \
    EXPORT void *symbol(uintptr_t a, uintptr_t b, uintptr_t c) {                                   \
        allocates *f = real.symbol;                                                                \
        if (f == NULL)                                                                             \
            *(void **)(void *)&f =                                                                 \
                find(#symbol, CALLER, *(void **)&(allocates *){plain}, (void **)&real.symbol);     \
        return allocate(f, TAPE_OP_##kind, alignment, a, b, c, FRAME);                             \
    }
NEW_FORMS(FORM)
#undef FORM

#define FORM(symbol, kind)                                                                         \
    EXPORT void symbol(uintptr_t a, uintptr_t b, uintptr_t c);                                     \
    EXPORT void symbol(uintptr_t a, uintptr_t b, uintptr_t c) {                                    \
        releases *f = real.symbol;                                                                 \
        if (f == NULL)                                                                             \
            *(void **)(void *)&f = find(#symbol, CALLER, *(void **)&(releases *){plain_delete},    \
                                        (void **)&real.symbol);                                    \
        release(f, TAPE_OP_##kind, a, b, c, FRAME);                                                \
    }
DELETE_FORMS(FORM)
#undef FORM
