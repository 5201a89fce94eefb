/* SPDX-License-Identifier: MIT */
/*
 * Event kinds of the tape. The number of a kind is part of the format (docs/FORMAT.md, "Events").
 */
#ifndef TAPE_OPS_H
#define TAPE_OPS_H

#include <stdbool.h>
#include <stdint.h>

/* What an event carries depends on its class alone. */
enum tape_class {
    TAPE_CLASS_NONE = 0, /* no such event */
    TAPE_CLASS_ALLOC,    /* address (0: the call failed), size, alignment, stack */
    TAPE_CLASS_REALLOC,  /* the same; ends the REALLOC_FROM before it in the stream, if any */
    TAPE_CLASS_FREE,     /* address */
    TAPE_CLASS_FROM,     /* address; the block is in flight until the REALLOC that follows */
    TAPE_CLASS_SAMPLE,   /* address field: resident bytes; size field: CLOCK_MONOTONIC ns */
    TAPE_CLASS_BLOB,     /* address and bytes, see blobs.h */
};

enum tape_op {
    TAPE_OP_NONE = 0,
#define TAPE_ENTRY(number, symbol, class, name) TAPE_OP_##symbol = number,
#include "entries.def"
#undef TAPE_ENTRY
    TAPE_OP_REALLOC_FROM = 48,
    TAPE_OP_SAMPLE = 49,
    TAPE_OP_THREAD = 50,        /* the events that follow in this stream belong to this thread */
    TAPE_OP_MARK = 51,          /* heaptape_mark() */
    TAPE_OP_MODULE_LOAD = 52,   /* a module was seen for the first time in its generation */
    TAPE_OP_MODULE_UNLOAD = 53, /* it is gone */
    TAPE_OP_IGNORE = 54,        /* heaptape_ignore(): the block at this address is no leak */
    TAPE_OP_POOL_ALLOC = 55,    /* heaptape_pool_alloc(): a block inside memory of the program's */
    TAPE_OP_POOL_FREE = 56,     /* heaptape_pool_free() */
    TAPE_OP_PYTHON = 57,        /* what frames of Python functions mean: python.h */
    TAPE_OP_MMAP = 58,          /* memory was mapped; the alignment field: enum tape_mapping */
    TAPE_OP_MREMAP = 59,        /* the same; ends the MUNMAP of the old place before it */
    TAPE_OP_MUNMAP = 60,        /* address, size: is no longer mapped */
    TAPE_OP_BRK = 61,           /* address: the new end of the data segment; size: the old one */
    TAPE_OP_MEMORY = 62,        /* all mappings of the process at one instant: memory.h */
    TAPE_OP_COUNT = 64          /* all kinds are below this */
};

/* What a MARK is, in its address field; a kind that is not known is shown as text. */
enum tape_mark {
    TAPE_MARK_TEXT,       /* heaptape_mark() */
    TAPE_MARK_TEST_BEGIN, /* heaptape_test_begin(); the text is the test's name */
    TAPE_MARK_TEST_END,   /* heaptape_test_end(); the name of the test that ends */
    TAPE_MARK_ITERATION,  /* heaptape_iteration(); the name of the loop */
};

/* Bits of the alignment field of MMAP, MREMAP, MUNMAP and BRK events. */
enum tape_mapping {
    TAPE_MAPPING_FILE = 1,       /* of a file, a device or a segment of System V */
    TAPE_MAPPING_SHARED = 2,     /* MAP_SHARED */
    TAPE_MAPPING_NO_ACCESS = 4,  /* PROT_NONE: an address range reserved */
    TAPE_MAPPING_EXECUTE = 8,    /* PROT_EXEC */
    TAPE_MAPPING_ALLOCATOR = 16, /* called by the module that malloc is in */
    TAPE_MAPPING_FAILED =
        32, /* the MUNMAP before it in the stream did not take place: this is it */
};

static inline enum tape_class tape_op_class(unsigned op) {
    static const uint8_t table[TAPE_OP_COUNT] = {
#define TAPE_ENTRY(number, symbol, class, name) [number] = TAPE_CLASS_##class,
#include "entries.def"
#undef TAPE_ENTRY
        [TAPE_OP_REALLOC_FROM] = TAPE_CLASS_FROM, [TAPE_OP_SAMPLE] = TAPE_CLASS_SAMPLE,
        [TAPE_OP_THREAD] = TAPE_CLASS_BLOB,       [TAPE_OP_MARK] = TAPE_CLASS_BLOB,
        [TAPE_OP_MODULE_LOAD] = TAPE_CLASS_BLOB,  [TAPE_OP_MODULE_UNLOAD] = TAPE_CLASS_BLOB,
        [TAPE_OP_IGNORE] = TAPE_CLASS_BLOB,       [TAPE_OP_POOL_ALLOC] = TAPE_CLASS_ALLOC,
        [TAPE_OP_POOL_FREE] = TAPE_CLASS_FREE,    [TAPE_OP_PYTHON] = TAPE_CLASS_BLOB,
        [TAPE_OP_MMAP] = TAPE_CLASS_ALLOC,        [TAPE_OP_MREMAP] = TAPE_CLASS_ALLOC,
        [TAPE_OP_MUNMAP] = TAPE_CLASS_ALLOC,      [TAPE_OP_BRK] = TAPE_CLASS_ALLOC,
        [TAPE_OP_MEMORY] = TAPE_CLASS_BLOB,
    };
    return op < TAPE_OP_COUNT ? (enum tape_class)table[op] : TAPE_CLASS_NONE;
}

/* Which functions belong together: what one has made another one of the same family may give back.
 */
enum tape_family { TAPE_FAMILY_C, TAPE_FAMILY_NEW, TAPE_FAMILY_NEW_ARRAY };

static inline enum tape_family tape_op_family(unsigned op) {
    switch (op) {
    case TAPE_OP_new:
    case TAPE_OP_new_aligned:
    case TAPE_OP_delete:
        return TAPE_FAMILY_NEW;
    case TAPE_OP_new_array:
    case TAPE_OP_new_array_aligned:
    case TAPE_OP_delete_array:
        return TAPE_FAMILY_NEW_ARRAY;
    default:
        return TAPE_FAMILY_C;
    }
}

/* Of the address space, not of the heap: laid out as ALLOC, but they make no block. */
static inline bool tape_op_is_mapping(unsigned op) {
    return op >= TAPE_OP_MMAP && op <= TAPE_OP_BRK;
}

/* Events with a call stack, and of these the ones that make a block. */
static inline bool tape_op_has_stack(unsigned op) {
    enum tape_class c = tape_op_class(op);
    return c == TAPE_CLASS_ALLOC || c == TAPE_CLASS_REALLOC;
}

/* The name as the C library or FORMAT.md spells it; "?" for an unknown kind. */
static inline const char *tape_op_name(unsigned op) {
    switch (op) {
#define TAPE_ENTRY(number, symbol, class, name)                                                    \
    case number:                                                                                   \
        return name;
#include "entries.def"
#undef TAPE_ENTRY
    case TAPE_OP_REALLOC_FROM:
        return "realloc_from";
    case TAPE_OP_SAMPLE:
        return "sample";
    case TAPE_OP_THREAD:
        return "thread";
    case TAPE_OP_MARK:
        return "mark";
    case TAPE_OP_MODULE_LOAD:
        return "module_load";
    case TAPE_OP_MODULE_UNLOAD:
        return "module_unload";
    case TAPE_OP_IGNORE:
        return "ignore";
    case TAPE_OP_POOL_ALLOC:
        return "pool_alloc";
    case TAPE_OP_POOL_FREE:
        return "pool_free";
    case TAPE_OP_PYTHON:
        return "python";
    case TAPE_OP_MMAP:
        return "mmap";
    case TAPE_OP_MREMAP:
        return "mremap";
    case TAPE_OP_MUNMAP:
        return "munmap";
    case TAPE_OP_BRK:
        return "brk";
    case TAPE_OP_MEMORY:
        return "memory";
    }
    return "?";
}

#endif
