/* SPDX-License-Identifier: MIT */
/*
 * Modules, frames and call stacks of one tape, each known by a small number.
 *
 * A stack is a node of a trie: its innermost frame and the stack of the caller. Stack 0 is the
 * empty stack. Frames are return addresses of one generation of the address space; the address to
 * look up in symbol tables is the return address minus one.
 */
#ifndef STACKS_H
#define STACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct module {
    uint64_t start, end; /* run-time addresses */
    uint64_t bias;       /* run-time address minus address in the ELF file */
    uint64_t generation; /* in which it was first seen */
    uint64_t gone;       /* generation from which it is unloaded; UINT64_MAX when never */
    char *path;
    uint8_t build_id[64];
    size_t build_id_len;
};

struct frame {
    uint64_t address; /* run-time return address */
    uint32_t module;  /* index for stacks_module, UINT32_MAX when none is known */
};

struct stacks;
struct python;

struct stacks *stacks_new(void);
void stacks_free(struct stacks *);

/* Modules may be announced in any order and repeatedly; equal ones are one. */
void stacks_add_module(struct stacks *, const struct module *m); /* m->path is copied */
void stacks_unload_module(struct stacks *, uint64_t start, uint64_t generation);
uint32_t stacks_module_count(const struct stacks *);
const struct module *stacks_module(const struct stacks *, uint32_t index);
/* The module that holds an address at the end of the recording; NULL: none. */
const struct module *stacks_loaded_at(const struct stacks *, uint64_t address);

/* What the recording tells of Python; belongs to the object. */
struct python *stacks_python(const struct stacks *);

/* The frame for a return address in a generation, made when new. Its module is looked up when
 * stacks_frame first asks for it, so announce modules before reading frames. */
uint32_t stacks_intern_frame(struct stacks *, uint64_t address, uint64_t generation);
const struct frame *stacks_frame(struct stacks *, uint32_t frame);
/* The same as far as modules are known by now: may be asked while they are still announced. */
struct frame stacks_frame_so_far(const struct stacks *, uint32_t frame);
uint32_t stacks_frame_count(const struct stacks *);

/* The stack that calls `frame` from `caller`, made when new. */
uint32_t stacks_push(struct stacks *, uint32_t caller, uint32_t frame);
uint32_t stacks_caller(const struct stacks *, uint32_t stack);    /* 0 for stack 0 */
uint32_t stacks_innermost(const struct stacks *, uint32_t stack); /* frame; not for stack 0 */
uint32_t stacks_depth(const struct stacks *, uint32_t stack);     /* frames */
uint32_t stacks_count(const struct stacks *); /* ids are below this; 0 is the empty stack */

/* The stacks between `stack` and the first one outwards with an entry in done[] that is not 0
 * (*known), outermost first; *count of them. done[0] must not be 0. The caller frees. */
uint32_t *stacks_open(const struct stacks *, uint32_t stack, const uint32_t *done, uint32_t *known,
                      uint32_t *count);

#endif
