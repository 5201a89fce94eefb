/* SPDX-License-Identifier: MIT */
/* One piece after the other: decompressing chunks, walking buffers. */
#include <inttypes.h>
#include <stdlib.h>
#include <zstd.h>

#include "diag.h"
#include "tape_chunks.h"

static void note(struct tape_file *f, struct tape_piece *p, uint64_t delivered,
                 enum tape_error error) {
    if (p->damaged)
        return;
    p->damaged = true;
    uint64_t events = p->end - p->first;
    uint64_t unread = events - (delivered > p->skip ? delivered : p->skip);
    if (delivered <= p->skip)
        f->health.chunks--;
    f->health.events -= unread;
    f->health.lost += unread;
    if (delivered == 0)
        tape_damage(f, p->in_tail, p->at, p->stored, "events of stream %u: %s; %" PRIu64 " lost",
                    p->stream, tape_error_text(error), unread);
    else
        tape_damage(f, p->in_tail, p->at, 0,
                    "events of stream %u: event %" PRIu64 " of %" PRIu64 ": %s; %" PRIu64 " lost",
                    p->stream, delivered + 1, events, tape_error_text(error), unread);
}

static void *room_for(void *p, size_t *room, size_t n) {
    if (n <= *room)
        return p;
    free(p);
    *room = n + n / 4;
    return xmalloc(*room);
}

/* A frame that says its size and has a checksum, as the format asks for. */
static enum tape_error decompress(struct tape_file *f, struct tape_reader *r,
                                  const struct tape_piece *p) {
    const uint8_t frame_checksum = 4; /* in the frame header descriptor, RFC 8878 3.1.1.1.1 */
    if (p->stored < 5 || ZSTD_getFrameContentSize(f->stored, p->stored) != p->raw ||
        ZSTD_findFrameCompressedSize(f->stored, p->stored) != p->stored ||
        (f->stored[4] & frame_checksum) == 0)
        return TAPE_E_CODEC;
    if (f->zstd == NULL)
        f->zstd = ZSTD_createDCtx();
    if (f->zstd == NULL)
        return TAPE_E_CODEC;
    size_t n = ZSTD_decompressDCtx(f->zstd, r->raw, p->raw, f->stored, p->stored);
    return ZSTD_isError(n) || n != p->raw ? TAPE_E_CODEC : TAPE_OK;
}

static enum tape_error load(struct tape_file *f, struct tape_reader *r,
                            const struct tape_piece *p) {
    r->raw = room_for(r->raw, &r->raw_room, p->raw);
    if (p->codec == TAPE_CODEC_STORED) {
        if (p->raw != p->stored)
            return TAPE_E_LIMIT;
        if (!tape_pread(f->fd, r->raw, p->stored, p->at))
            return TAPE_E_SHORT;
        return tape_crc32c(r->raw, p->stored) == p->crc ? TAPE_OK : TAPE_E_CHECKSUM;
    }
    if (p->codec != TAPE_CODEC_ZSTD)
        return TAPE_E_CODEC;
    f->stored = room_for(f->stored, &f->stored_room, p->stored);
    if (!tape_pread(f->fd, f->stored, p->stored, p->at))
        return TAPE_E_SHORT;
    return decompress(f, r, p);
}

static enum tape_error open_chunk(struct tape_file *f, struct tape_reader *r,
                                  const struct tape_piece *p) {
    enum tape_error error = load(f, r, p);
    if (error == TAPE_OK)
        error = tape_decode_events(&r->in, r->raw, p->raw, (uint32_t)(p->end - p->first),
                                   p->first_stamp, p->last_stamp);
    if (error != TAPE_OK)
        return error;
    r->generation = r->in.generation;
    r->address_count = r->in.addresses;
    if (r->address_count > r->address_room) {
        free(r->address_memory);
        r->address_room = r->address_count + r->address_count / 4;
        r->address_memory = xmalloc(r->address_room * sizeof *r->address_memory);
    }
    r->address = r->address_memory;
    for (uint32_t i = 0; i < r->address_count; i++)
        r->address[i] = tape_next_address(&r->in);
    return r->in.error;
}

bool tape_reader_open(struct tape_reader *r, struct tape_file *f, struct tape_piece *p) {
    r->piece = NULL;
    r->error = r->in.error = TAPE_OK;
    r->delivered = 0;
    if (p->buffer != NULL) {
        r->generation = p->buffer->generation;
        r->address = p->buffer->address;
        r->address_count = p->buffer->addresses;
        r->record = r->frame = 0;
        r->stamp = 0;
    } else {
        enum tape_error error = open_chunk(f, r, p);
        if (error != TAPE_OK) {
            note(f, p, 0, error);
            return false;
        }
    }
    r->piece = p;
    return true;
}

bool tape_reader_next_record(struct tape_reader *r, struct tape_event *e) {
    const struct tape_buffer *b = r->piece->buffer;
    if (r->record == b->records) {
        r->error = b->error;
        return false;
    }
    const struct tape_record *record = &b->record[r->record++];
    if (record->stamp > r->stamp)
        r->stamp = record->stamp;
    *e = (struct tape_event){.stamp = r->stamp,
                             .address = tape_record_address(record),
                             .op = (uint8_t)tape_record_op(record)};
    switch (tape_op_class(e->op)) {
    case TAPE_CLASS_ALLOC:
    case TAPE_CLASS_REALLOC:
        e->size = record->size;
        e->pop = record->pop_align & TAPE_POP_MAX;
        e->push = record->push;
        e->align_log2 =
            tape_op_has_align(e->op) ? (uint8_t)(record->pop_align >> TAPE_POP_BITS) : 0;
        break;
    case TAPE_CLASS_BLOB:
        e->blob = (const uint8_t *)(b->frame + r->frame);
        e->size = record->size;
        r->frame += record->push;
        break;
    case TAPE_CLASS_SAMPLE:
        e->size = record->size;
        break;
    default:
        break;
    }
    return true;
}

void tape_reader_close(struct tape_reader *r, struct tape_file *f, enum tape_error error) {
    if (r->piece != NULL && error != TAPE_OK)
        note(f, &f->piece[r->piece - f->piece], r->delivered, error);
    r->piece = NULL;
}

void tape_reader_free(struct tape_reader *r) {
    free(r->address_memory);
    free(r->raw);
    *r = (struct tape_reader){0};
}
