/* SPDX-License-Identifier: MIT */
/*
 * The payload of a SYMBOLS chunk: what was known of the code that a recording's stacks name.
 *
 *   payload := version:u8 texts modules
 *   texts   := bytes { text zero-byte }      numbered from 1; 0 stands for none
 *   modules := count { path:text build-id-length:u8 build-id knowledge:u8 count { code } }
 *   code    := address frames { function:text linkage:text plain:text file:text line }
 *
 * Every number without a width is a varint. An address is told by its distance from the one before
 * in the module; frames are innermost first, as struct symbol of the analyzer has them.
 */
#ifndef TAPE_SYMBOLS_H
#define TAPE_SYMBOLS_H

#include "blobs.h"
#include "format.h"

#define TAPE_SYMBOLS_VERSION    1
#define TAPE_SYMBOLS_FRAMES_MAX 128 /* of one address */

/* What was known of a module; more is better. */
enum tape_knowledge {
    TAPE_KNOWLEDGE_RUN_TIME = 1, /* no module: run-time addresses of code made by the program */
    TAPE_KNOWLEDGE_LINES = 2,    /* no function names; perhaps lines */
    TAPE_KNOWLEDGE_NAMES = 3,    /* function names */
    TAPE_KNOWLEDGE_ALL = 4,      /* and lines */
    TAPE_KNOWLEDGE_DATA = 5,     /* not code: function is the variable that holds the address, and
                                    line how many bytes into it that lies */
};

struct tape_symbols_module {
    uint64_t path; /* number of a text */
    uint8_t build_id_len;
    const uint8_t *build_id; /* when read: in the input */
    uint8_t knowledge;
    uint64_t codes;
};

/* Room needed: 3 × TAPE_VARINT_MAX + 2 + build_id_len bytes. */
static inline uint8_t *tape_put_symbols_module(uint8_t *p, const struct tape_symbols_module *m) {
    p = tape_put_varint(p, m->path);
    p = tape_put_u8(p, m->build_id_len);
    p = tape_put_bytes(p, m->build_id, m->build_id_len);
    p = tape_put_u8(p, m->knowledge);
    return tape_put_varint(p, m->codes);
}

static inline enum tape_error tape_get_symbols_module(struct tape_in *in, uint64_t texts,
                                                      struct tape_symbols_module *m) {
    m->path = tape_get_varint(in, texts);
    m->build_id_len = tape_get_u8(in);
    if (m->build_id_len > TAPE_BUILD_ID_MAX)
        tape_in_fail(in, TAPE_E_LIMIT);
    m->build_id = tape_get_bytes(in, m->build_id_len);
    m->knowledge = tape_get_u8(in);
    m->codes = tape_get_varint(in, TAPE_CHUNK_MAX);
    return in->error;
}

/* One frame of an address: numbers of texts, and the line. */
struct tape_symbols_frame {
    uint64_t function, linkage, plain, file, line;
};

#define TAPE_SYMBOLS_FRAME_MAX (5 * TAPE_VARINT_MAX)

static inline uint8_t *tape_put_symbols_frame(uint8_t *p, const struct tape_symbols_frame *f) {
    p = tape_put_varint(p, f->function);
    p = tape_put_varint(p, f->linkage);
    p = tape_put_varint(p, f->plain);
    p = tape_put_varint(p, f->file);
    return tape_put_varint(p, f->line);
}

static inline enum tape_error tape_get_symbols_frame(struct tape_in *in, uint64_t texts,
                                                     struct tape_symbols_frame *f) {
    f->function = tape_get_varint(in, texts);
    f->linkage = tape_get_varint(in, texts);
    f->plain = tape_get_varint(in, texts);
    f->file = tape_get_varint(in, texts);
    f->line = tape_get_varint(in, UINT32_MAX);
    return in->error;
}

#endif
