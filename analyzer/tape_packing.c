/* SPDX-License-Identifier: MIT */
/* What packed tapes have beside events: PACKED and SYMBOLS chunks. */
#include <stdlib.h>

#include "diag.h"
#include "embedded.h"
#include "tape/packed.h"
#include "tape_chunks.h"

/* What was damaged already when the tape was packed. */
static void get_damage(struct tape_file *f, struct tape_in *v) {
    f->health.damaged_chunks += tape_get_varint(v, UINT64_MAX);
    f->health.damaged_bytes += tape_get_varint(v, UINT64_MAX);
}

static void get_field(struct tape_file *f, uint32_t tag, struct tape_in *v) {
    struct tape_packing *p = &f->packing;
    switch (tag) {
    case TAPE_PACKED_BY:
        p->by = tape_keep_text(f, v);
        break;
    case TAPE_PACKED_BYTES:
        p->bytes = tape_get_varint(v, UINT64_MAX);
        break;
    case TAPE_PACKED_CHUNKS:
        p->chunks = tape_get_varint(v, UINT64_MAX);
        break;
    case TAPE_PACKED_GRAIN:
        p->grain = tape_get_varint(v, 32);
        break;
    case TAPE_PACKED_CLOCK:
        p->stamp = tape_get_varint(v, UINT64_MAX);
        p->mono = tape_get_varint(v, UINT64_MAX);
        break;
    case TAPE_PACKED_DAMAGED:
        get_damage(f, v);
        break;
    case TAPE_PACKED_DAMAGE:
        if (f->health.first_damage == NULL)
            f->health.first_damage = xstrdup(tape_keep_text(f, v));
        break;
    default:
        break; /* a later heaptape's */
    }
}

enum tape_error tape_read_packed(struct tape_file *f, const uint8_t *payload, size_t bytes) {
    enum tape_error error = tape_read_fields(f, get_field, payload, bytes);
    f->packing.known = error == TAPE_OK;
    return error;
}

void tape_read_symbols(struct tape_file *f, const struct tape_piece *p) {
    struct tape_decoder decoder = {0};
    enum tape_error error = tape_load_payload(&decoder, f->fd, p);
    if (error == TAPE_OK)
        error = embedded_read(decoder.raw, p->raw, &f->process, &f->packing.symbols);
    if (error != TAPE_OK)
        tape_damage(f, false, p->at, p->stored, "SYMBOLS chunk: %s", tape_error_text(error));
    tape_decoder_free(&decoder);
}
