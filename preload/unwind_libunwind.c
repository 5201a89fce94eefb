/* SPDX-License-Identifier: MIT */
/*
 * libunwind, opened privately: as an unwinder of its own, and as the reference that verify holds
 * the row unwinder to. Both modes may allocate and take the loader's lock inside hooks: they are
 * for tests, never the default.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "recorder.h"
#include "sys.h"

#define DEPTH_MAX  (1 << 16)
#define OWN_FRAMES 16 /* of the recorder on top of what libunwind returns, at most */

static int (*backtrace_function)(void **, int);
static atomic_bool differs;

bool libunwind_open(void) {
    void *library = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);
    void *f = library != NULL ? dlsym(library, "unw_backtrace") : NULL;
    if (f == NULL) {
        static const char text[] = "heaptape: libunwind.so.8 not found (package libunwind8): "
                                   "recording with the row unwinder\n";
        sys_write_stderr(text, sizeof text - 1);
        return false;
    }
    memcpy(&backtrace_function, &f, sizeof f);
    return true;
}

bool libunwind_is_open(void) {
    return backtrace_function != NULL;
}

/* The caller's chain by libunwind, innermost first, starting with the return address `pc`. One
 * buffer a stream, kept with the unwinder's scratch: these modes are not about cost. */
static uint64_t *reference(struct unwind *u, uint64_t pc, uint32_t *count) {
    if (u->reference == NULL)
        u->reference = sys_map((DEPTH_MAX + 1) * sizeof *u->reference);
    uint64_t *buffer = u->reference;
    *count = 0;
    if (buffer == NULL)
        return NULL;
    int saved = errno;
    int n = backtrace_function((void **)buffer, DEPTH_MAX);
    errno = saved;
    int skip = 0;
    while (skip < n && skip < OWN_FRAMES && buffer[skip] != pc)
        skip++;
    if (skip == n || buffer[skip] != pc)
        return NULL;
    *count = (uint32_t)(n - skip);
    return buffer + skip;
}

uint32_t libunwind_capture(struct unwind *u, uint64_t pc) {
    uint32_t count;
    const uint64_t *chain = reference(u, pc, &count);
    if (chain == NULL) {
        u->stats.truncated++;
        chain = &pc;
        count = 1;
    }
    return unwind_adopt(u, chain, count);
}

static void print_stack(const char *name, const struct unwind *u, const uint64_t *chain,
                        uint32_t count) {
    char line[160];
    sys_write_stderr(line, (size_t)snprintf(line, sizeof line, "  %s:\n", name));
    for (uint32_t i = 0; i < count; i++) {
        uint64_t pc = chain != NULL ? chain[i] : u->rows[u->seen[count - 1 - i].row].address;
        struct cfi_module m;
        Dl_info info;
        const char *module = "?";
        uint64_t offset = pc;
        if (cfi_find_module(pc - 1, &m) && dladdr((void *)(pc - 1), &info) != 0) {
            module = info.dli_fname;
            offset = pc - (uint64_t)info.dli_fbase;
        }
        unsigned kind = ROW_KINDS;
        if (chain == NULL)
            kind = u->rows[u->seen[count - 1 - i].row].cfa;
        sys_write_stderr(line,
                         (size_t)snprintf(line, sizeof line, "    %2u %#lx %.90s+%#lx %u\n", i,
                                          (unsigned long)pc, module, (unsigned long)offset, kind));
    }
}

/* Every word of the two chains; the first difference is printed and ends the comparison. */
uint32_t verify_capture(struct unwind *u, uint64_t pc, uint64_t sp, uint64_t fp) {
    uint32_t same = unwind_capture(u, pc, sp, fp);
    if (atomic_load_explicit(&differs, memory_order_relaxed))
        return same;
    uint32_t count;
    const uint64_t *chain = reference(u, pc, &count);
    bool equal = chain != NULL && count == u->depth;
    bool exact = false; /* an interrupted frame: libunwind gives its pc, rows keep pc + 1 */
    for (uint32_t i = 0; equal && i < count; i++) {
        const struct row *row = &u->rows[u->seen[count - 1 - i].row];
        equal = chain[i] + exact == row->address;
        exact = row->cfa == ROW_SIGNAL;
    }
    if (equal) {
        u->stats.compared++;
        return same;
    }
    if (!atomic_exchange(&differs, true)) {
        char line[128];
        sys_write_stderr(line, (size_t)snprintf(line, sizeof line,
                                                "heaptape: verify: capture %lu differs\n",
                                                (unsigned long)u->stats.captures));
        print_stack("rows", u, NULL, u->depth);
        print_stack("libunwind", u, chain, count);
    }
    return same;
}

void verify_report(const struct unwind_stats *stats) {
    static const char *const kind[ROW_KINDS] = {"sp",    "fp",     "fp-deref", "sp-deref",
                                                "guess", "signal", "end",      "complex"};
    char text[512];
    int n = snprintf(text, sizeof text,
                     "heaptape: verify: %lu captures, %lu compared, %lu frames, %lu truncated, "
                     "%lu full walks, rows",
                     (unsigned long)stats->captures, (unsigned long)stats->compared,
                     (unsigned long)stats->frames, (unsigned long)stats->truncated,
                     (unsigned long)stats->full_walks);
    for (int i = 0; i < ROW_KINDS; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, " %s %lu", kind[i],
                      (unsigned long)stats->rows[i]);
    n += snprintf(text + n, sizeof text - (size_t)n, ": %s\n",
                  atomic_load(&differs) ? "1 difference (comparison stopped there)"
                                        : "0 differences");
    sys_write_stderr(text, (size_t)n);
}
