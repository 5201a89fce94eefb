/* SPDX-License-Identifier: MIT */
/*
 * What the bytes of BLOB events say, one put/get pair each.
 *
 *   THREAD         address = thread id;       bytes = thread name
 *   MARK           address = enum tape_mark;  bytes = the text given to heaptape_mark(), a name
 *   MODULE_LOAD    address = lowest address;  bytes = struct tape_module below
 *   MODULE_UNLOAD  address = lowest address;  bytes = generation from which it is gone (varint)
 *   IGNORE         address = of the block;    no bytes
 *   MEMORY         see memory.h
 */
#ifndef TAPE_BLOBS_H
#define TAPE_BLOBS_H

#include "bytes.h"

#define TAPE_BUILD_ID_MAX 64
#define TAPE_BLOB_MAX     8192 /* bytes of a blob that the recorder writes */

struct tape_module {
    uint64_t end;         /* one past the highest address */
    uint64_t bias;        /* run-time address minus address in the ELF file */
    uint64_t generation;  /* of the address space, in which it was seen */
    uint8_t build_id_len; /* 0: the module has none */
    const uint8_t *build_id;
    size_t path_len;
    const char *path; /* not terminated */
};

/* Room needed at p: 31 + build_id_len + path_len bytes. */
static inline uint8_t *tape_put_module(uint8_t *p, const struct tape_module *m) {
    p = tape_put_varint(p, m->end);
    p = tape_put_varint(p, m->bias);
    p = tape_put_varint(p, m->generation);
    p = tape_put_u8(p, m->build_id_len);
    p = tape_put_bytes(p, m->build_id, m->build_id_len);
    return tape_put_bytes(p, m->path, m->path_len);
}

/* The pointers of *m point into the input. */
static inline enum tape_error tape_get_module(struct tape_in *in, struct tape_module *m) {
    m->end = tape_get_varint(in, UINT64_MAX);
    m->bias = tape_get_varint(in, UINT64_MAX);
    m->generation = tape_get_varint(in, UINT64_MAX);
    m->build_id_len = tape_get_u8(in);
    if (m->build_id_len > TAPE_BUILD_ID_MAX)
        tape_in_fail(in, TAPE_E_LIMIT);
    m->build_id = tape_get_bytes(in, m->build_id_len);
    m->path_len = tape_in_left(in);
    m->path = (const char *)tape_get_bytes(in, m->path_len);
    return in->error;
}

#endif
