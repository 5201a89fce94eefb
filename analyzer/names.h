/* SPDX-License-Identifier: MIT */
/*
 * Names of the frames of one tape.
 *
 * A name is what is known about the code that a frame returns to: function, source line, module,
 * or only an offset. Names that would read the same are one, so reports merge call stacks by
 * comparing name numbers; of several linkage names it has one. A frame is resolved when it is first
 * asked for, once.
 *
 * A frame has a name for each function that was put inline there, and one for the function whose
 * code it is: each is a *place*. What a person calls the call stack is a stack of places, and all
 * who show stacks walk those. Places have numbers, from 1, as stacks do: that of a place stands for
 * it and all those further out, which have smaller numbers.
 *
 * All texts are printable: control bytes and bytes that are not UTF-8 appear as \xHH. They belong
 * to the object and live as long as it. Not thread-safe.
 */
#ifndef NAMES_H
#define NAMES_H

#include "folding.h"
#include "jit_map.h"
#include "runtime_code.h"
#include "stacks.h"
#include "symbols.h"

struct names;

struct name {
    const char *label;    /* "function (file.c:12)", "function (in libx.so)", "libx.so+0x1234" */
    const char *function; /* as it is shown; NULL: unknown */
    const char *readable; /* the same demangled, for comparison with patterns; NULL: unknown */
    const char *linkage;  /* as the symbol table has it, without version; NULL: unknown */
    const char *plain;  /* of an inlined function: without scope, as Valgrind calls it; else NULL */
    const char *file;   /* full path as the debug information has it; NULL: unknown */
    const char *module; /* full path as recorded; NULL: the address lies in no known module */
    unsigned line;      /* 0: unknown */
    uint64_t offset;    /* of the call in its module's file (the run-time address without one) */
    bool inlined;       /* put inline into the next place outwards */
    bool entry;         /* main: what lies further out says nothing about the program */
    bool start_up;      /* code of the C library, the linker or Rust's runtime that calls main */
    bool allocator;     /* operator new, heaptape_pool_alloc: shown as the request itself */
    bool plumbing;      /* see folding.h: at the inner end it is not the place that asks */
    bool python;        /* a function of Python's, whatever its name */
    bool interpreter;   /* code that runs Python: plumbing if a place further out is none */
    bool wrapper;       /* plumbing without regard to that */
    bool loader;        /* code of the dynamic linker */
};

/* The symbolizer turns an address of a module's file into symbols as symbols_frames() does; tests
 * bring their own. */
typedef size_t names_lookup(void *context, const struct module *m, uint64_t vaddr,
                            struct symbol *out, size_t room);

/* What names_new() takes: the modules' own files, or what packed tapes know of them (embedded.h);
 * context: a struct symbols. */
size_t names_lookup_in_files(void *context, const struct module *m, uint64_t vaddr,
                             struct symbol *out, size_t room);

/* `stacks` must outlive the object. Names come from the modules' own files, demangled. */
struct names *names_new(struct stacks *stacks);
struct names *names_new_lookup(struct stacks *stacks, names_lookup *lookup, void *context);
/* What is plumbing; must outlive the object. Before anything is asked for; else the built-in list.
 */
void names_fold(struct names *, const struct folding *);
/* Frames that stand for code that other processes made at run time; must outlive the object. */
void names_runtime_code(struct names *, const struct runtime_code *);
/* Names that read the same are several where the addresses of the calls differ. Before anything is
 * asked for. */
void names_tell_calls_apart(struct names *);
/* The names of one recording: names_new() with these options, and for code in no module those of
 * the map that its process wrote, if that is there (jit_map.h). */
struct names *names_of_recording(struct stacks *, const struct folding *,
                                 const struct tape_process *);
void names_free(struct names *);

/* These stacks are going to be asked for: resolves their frames, several modules at a time. Changes
 * nothing but the time that takes; does nothing where the lookup is a caller's own. */
void names_prepare(struct names *, const uint32_t *stack, size_t count);

/* The innermost place of a stack, 0 for stack 0. Resolves all frames of the stack. */
uint32_t names_place(struct names *, uint32_t stack);
uint32_t names_caller(const struct names *, uint32_t place); /* the next place outwards, or 0 */
uint32_t names_of(const struct names *, uint32_t place);     /* number of the place's name */
uint32_t names_depth(const struct names *, uint32_t place);  /* it and those further out */
uint32_t names_frame(const struct names *, uint32_t place);  /* the frame that it is of */
uint32_t names_place_count(const struct names *); /* numbers given so far are below this */

/* The struct stays valid until the next names_place(), its texts as long as the object. */
const struct name *names_get(const struct names *, uint32_t name);
uint32_t names_count(const struct names *); /* numbers given so far are below this */
struct stacks *names_stacks(const struct names *);

/* Modules with frames in the tape, by what could be read of them; paths in *first are owned by
 * the tape. Opens every such module. Zeros when the lookup is the caller's own. */
struct names_modules {
    unsigned used, without_symbols, missing, rebuilt;
    const char *first; /* one of the last three kinds; NULL when none */
    /* Of the rest: debug files that are not used because they are of another build, and modules of
     * which .dwo files are missing. With one of each, or NULL. */
    unsigned other_build, without_split;
    const char *other_build_file, *split_module;
};
struct names_modules names_modules(struct names *);

/* Copies `text` with everything that is not printable UTF-8 written as \xHH; the caller frees. */
char *names_printable(const char *text, size_t length);

/* The part of a path behind its last slash. */
const char *names_base(const char *path);

#endif
