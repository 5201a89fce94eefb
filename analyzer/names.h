/* SPDX-License-Identifier: MIT */
/*
 * Names of the frames of one tape.
 *
 * A name is what is known about the code that a frame returns to: function, source line, module,
 * or only an offset. Frames that would read the same share one name, so reports merge call stacks
 * by comparing name numbers; of several linkage names it has one. A frame is resolved when it is
 * first asked for, once.
 *
 * All texts are printable: control bytes and bytes that are not UTF-8 appear as \xHH. They belong
 * to the object and live as long as it. Not thread-safe.
 */
#ifndef NAMES_H
#define NAMES_H

#include "stacks.h"
#include "symbols.h"

struct names;

struct name {
    const char *label;    /* "function (file.c:12)", "function (in libx.so)", "libx.so+0x1234" */
    const char *function; /* NULL: unknown */
    const char *linkage;  /* as the symbol table has it, without version; NULL: unknown */
    const char *file;     /* full path as the debug information has it; NULL: unknown */
    const char *module;   /* full path as recorded; NULL: the address lies in no known module */
    unsigned line;        /* 0: unknown */
    uint64_t offset;      /* of the call in its module's file (the run-time address without one) */
    bool entry;           /* main: what lies further out says nothing about the program */
    bool start_up;        /* the C library's code that calls main, or the linker's start */
    bool allocator;       /* operator new, and heaptape_pool_alloc where it is not inlined: hand the
                             request on, are never the place that asks */
};

/* The symbolizer turns an address of a module's file into a symbol; tests bring their own. */
typedef bool names_lookup(void *context, const struct module *m, uint64_t vaddr,
                          struct symbol *out);

/* `stacks` must outlive the object. Names come from the modules' own files, demangled. */
struct names *names_new(struct stacks *stacks);
struct names *names_new_lookup(struct stacks *stacks, names_lookup *lookup, void *context);
void names_free(struct names *);

uint32_t names_of_frame(struct names *, uint32_t frame); /* number of the frame's name */
/* The struct stays valid until the next names_of_frame(), its texts as long as the object. */
const struct name *names_get(const struct names *, uint32_t name);
uint32_t names_count(const struct names *); /* numbers given so far are below this */
struct stacks *names_stacks(const struct names *);

/* Modules with frames in the tape, by what could be read of them; paths in *first are owned by
 * the tape. Opens every such module. Zeros when the lookup is the caller's own. */
struct names_modules {
    unsigned used, without_symbols, missing, rebuilt;
    const char *first; /* one of the last three kinds; NULL when none */
};
struct names_modules names_modules(struct names *);

/* Copies `text` with everything that is not printable UTF-8 written as \xHH; the caller frees. */
char *names_printable(const char *text, size_t length);

/* The part of a path behind its last slash. */
const char *names_base(const char *path);

#endif
