/* SPDX-License-Identifier: MIT */
/*
 * Frames of Python functions in captured stacks (HEAPTAPE_PYTHON=1), for CPython 3.11.
 *
 * The interpreter's loop keeps a record on the C stack of the frame that it runs (_PyCFrame); the
 * thread's state leads to the innermost one. So the native frame that holds a record is the loop's,
 * and the Python frames that the record leads to belong right inside it. They are put there as rows
 * whose addresses no code has (tape/python.h). docs/decisions/0014-python-frames.md says why
 * everything that is read here is live memory.
 *
 * A struct python_stack belongs to one stream, as its struct unwind does. No lock, no allocation,
 * no libc but pthread_getspecific(), which only reads.
 */
#ifndef PYTHON_H
#define PYTHON_H

#include "tape/python.h"
#include "unwind.h"

/* ---- python_find.c: the interpreter of the process ---------------------------------------- */

/* Looks whether a module is a CPython; when it is one that is known, python_add() reads it from now
 * on. False: it is none. */
bool python_find(const struct unwind_module *m, struct tape_python *found);

/* The module is no longer loaded. */
void python_forget(const struct unwind_module *m);

struct python_interpreter {
    const uint8_t *runtime; /* _PyRuntime; NULL: none is known */
    uint64_t start, end;    /* its module */
    bool always;            /* the program itself: cannot be unloaded */
};
struct python_interpreter python_interpreter(void);

/* ---- python_code.c: code objects ---------------------------------------------------------- */

/* Reads the program's memory: in place, or through the kernel where another thread might take it
 * away meanwhile. */
struct python_reader {
    bool direct;
    uint8_t *scratch; /* !direct: where copies of texts and tables go; PYTHON_SCRATCH bytes */
};
#define PYTHON_SCRATCH (256 * 1024)
bool python_read_copy(const struct python_reader *, uint64_t from, void *to, size_t bytes);

/* Copies `bytes` to `to`; false when they cannot be read. */
static inline bool python_read(const struct python_reader *in, uint64_t from, void *to,
                               size_t bytes) {
    if (__builtin_expect(!in->direct, 0))
        return python_read_copy(in, from, to, bytes);
    __builtin_memcpy(to, (const void *)from, bytes);
    return true;
}

struct python_codes; /* of one stream */
#define PYTHON_NO_CODE UINT32_MAX

/* NULL: out of memory. */
struct python_codes *python_codes_new(void);

/* A walk over a stack begins: what code objects said in the last one is not believed any more. */
void python_codes_begin(struct python_codes *);

/* The entry of the code object at `code`, which must be live: equal ones (names, file, lines) have
 * one entry. Compares all of that with what the entry says, once in a walk. entry PYTHON_NO_CODE:
 * it cannot be read, or memory is out. */
struct python_code {
    uint32_t entry;
    int32_t begins; /* the first instruction at which traceback says that the function has begun */
};
struct python_code python_code(struct python_codes *, const struct python_reader *, uint64_t code);

/* The address that stands for an instruction: a number of code units from the code's start, -1:
 * before the first. `code` is a code object of that entry. */
uint64_t python_code_address(struct python_codes *, const struct python_reader *, uint32_t entry,
                             uint64_t code, int64_t instruction);

/* How many entries there are, and what the tape says of one: its number; the bytes go to `to`, at
 * most TAPE_BLOB_MAX of them. */
uint32_t python_codes_count(const struct python_codes *);
uint32_t python_code_describe(const struct python_codes *, uint32_t entry, uint8_t *to,
                              size_t *bytes);

/* ---- python.c: stacks --------------------------------------------------------------------- */

struct python_stack;

/*
 * The stack just captured by `u` with the Python frames in it. `same` is what unwind_capture()
 * returned, `*at` this stream's own, NULL at first; generation: a number that differs when rows
 * have been forgotten.
 */
struct unwind_captured python_add(struct python_stack **at, struct unwind *u, uint32_t same,
                                  uint64_t generation);

/* The code objects met so far; NULL: none. */
struct python_codes *python_codes_of(const struct python_stack *);

#endif
