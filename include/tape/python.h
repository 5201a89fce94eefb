/* SPDX-License-Identifier: MIT */
/*
 * Frames of Python functions in call stacks, and PYTHON events, which say what they mean.
 *
 *   PYTHON   address = 0:             bytes = struct tape_python, an interpreter that was seen
 *            address = number of code: bytes = struct tape_python_code
 *
 * A Python frame stands in a stack inside the native frame of the interpreter's loop that runs it,
 * as an address that no code has: TAPE_PYTHON_FIRST, plus the number of its code, plus its line.
 */
#ifndef TAPE_PYTHON_H
#define TAPE_PYTHON_H

#include <stdbool.h>

#include "bytes.h"

#define TAPE_PYTHON_FIRST      UINT64_C(0xe0000000000000) /* and 2^52 more */
#define TAPE_PYTHON_LINE_BITS  24
#define TAPE_PYTHON_LINE_MAX   ((UINT32_C(1) << TAPE_PYTHON_LINE_BITS) - 1)
#define TAPE_PYTHON_NUMBER_MAX ((UINT32_C(1) << 28) - 1)

/* number: from 1; line: 0 unknown. */
static inline uint64_t tape_python_address(uint32_t number, uint32_t line) {
    return TAPE_PYTHON_FIRST | (uint64_t)number << TAPE_PYTHON_LINE_BITS | line;
}

static inline bool tape_python_is(uint64_t address) {
    return address >> 52 == TAPE_PYTHON_FIRST >> 52;
}

static inline uint32_t tape_python_number(uint64_t address) {
    return (uint32_t)(address >> TAPE_PYTHON_LINE_BITS) & TAPE_PYTHON_NUMBER_MAX;
}

static inline uint32_t tape_python_line(uint64_t address) {
    return (uint32_t)address & TAPE_PYTHON_LINE_MAX;
}

enum tape_python_state {
    TAPE_PYTHON_RECORDED, /* its frames are in the stacks */
    TAPE_PYTHON_VERSION,  /* they are not: a version that the recorder does not know */
    TAPE_PYTHON_BUILD,    /* nor of a debug build */
};

/* An interpreter: a module of the process. */
struct tape_python {
    uint64_t version; /* Py_Version: 0x030b02f0 is 3.11.2; 0: it has none, being older than 3.11 */
    uint8_t state;    /* enum tape_python_state */
    uint64_t module;  /* lowest address of the module */
};
#define TAPE_PYTHON_BYTES 21 /* at most */

static inline uint8_t *tape_put_python(uint8_t *p, const struct tape_python *y) {
    p = tape_put_varint(p, y->version);
    p = tape_put_u8(p, y->state);
    return tape_put_varint(p, y->module);
}

static inline enum tape_error tape_get_python(struct tape_in *in, struct tape_python *y) {
    y->version = tape_get_varint(in, UINT64_MAX);
    y->state = tape_get_u8(in);
    y->module = tape_get_varint(in, UINT64_MAX);
    return in->error;
}

/* A code object: a function, or the statements of a module or a class. */
struct tape_python_code {
    uint32_t line; /* where it begins; 0 unknown */
    size_t name_len, file_len;
    const char *name, *file; /* qualified name, file name: UTF-8, not terminated */
};

/* Room needed at p: 20 + name_len + file_len bytes. */
static inline uint8_t *tape_put_python_code(uint8_t *p, const struct tape_python_code *c) {
    p = tape_put_varint(p, c->line);
    p = tape_put_varint(p, c->name_len);
    p = tape_put_bytes(p, c->name, c->name_len);
    return tape_put_bytes(p, c->file, c->file_len);
}

/* The pointers in *c point into the input. */
static inline enum tape_error tape_get_python_code(struct tape_in *in, struct tape_python_code *c) {
    c->line = (uint32_t)tape_get_varint(in, UINT32_MAX);
    c->name_len = (size_t)tape_get_varint(in, tape_in_left(in));
    c->name = (const char *)tape_get_bytes(in, c->name_len);
    c->file_len = tape_in_left(in);
    c->file = (const char *)tape_get_bytes(in, c->file_len);
    return in->error;
}

#endif
