/* SPDX-License-Identifier: MIT */
/* Chunks decompressed and decoded to the form that buffers have. */
#include <inttypes.h>
#include <search.h>
#include <stdlib.h>
#include <zstd.h>

#include "diag.h"
#include "tape_chunks.h"

/* Memory of at least n bytes whose content need not be kept. */
static void *room_for(void *p, size_t *room, size_t n) {
    if (n <= *room)
        return p;
    free(p);
    *room = n + n / 4;
    return xmalloc(*room);
}

/* A frame that says its size and has a checksum, as the format asks for. */
static enum tape_error decompress(struct tape_decoder *d, const struct tape_piece *p) {
    const uint8_t frame_checksum = 4; /* in the frame header descriptor, RFC 8878 3.1.1.1.1 */
    if (p->stored < 5 || ZSTD_getFrameContentSize(d->stored, p->stored) != p->raw ||
        ZSTD_findFrameCompressedSize(d->stored, p->stored) != p->stored ||
        (d->stored[4] & frame_checksum) == 0)
        return TAPE_E_CODEC;
    if (d->zstd == NULL)
        d->zstd = ZSTD_createDCtx();
    if (d->zstd == NULL)
        return TAPE_E_CODEC;
    size_t n = ZSTD_decompressDCtx(d->zstd, d->raw, p->raw, d->stored, p->stored);
    return ZSTD_isError(n) || n != p->raw ? TAPE_E_CODEC : TAPE_OK;
}

enum tape_error tape_load_payload(struct tape_decoder *d, int fd, const struct tape_piece *p) {
    d->raw = room_for(d->raw, &d->raw_room, p->raw);
    if (p->codec == TAPE_CODEC_STORED) {
        if (p->raw != p->stored)
            return TAPE_E_LIMIT;
        if (!tape_pread(fd, d->raw, p->stored, p->at))
            return TAPE_E_SHORT;
        return tape_crc32c(d->raw, p->stored) == p->crc ? TAPE_OK : TAPE_E_CHECKSUM;
    }
    if (p->codec != TAPE_CODEC_ZSTD)
        return TAPE_E_CODEC;
    d->stored = room_for(d->stored, &d->stored_room, p->stored);
    if (!tape_pread(fd, d->stored, p->stored, p->at))
        return TAPE_E_SHORT;
    return decompress(d, p);
}

void tape_decode_piece(struct tape_decoder *d, int fd, const struct tape_piece *p,
                       struct tape_buffer *b) {
    struct tape_events_in in;
    b->records = b->addresses = b->frames = 0;
    b->error = tape_load_payload(d, fd, p);
    if (b->error == TAPE_OK)
        b->error =
            tape_decode_head(&in, d->raw, p->raw, (uint32_t)(p->end - p->first), p->first_stamp);
    if (b->error != TAPE_OK)
        return;
    b->record = room_for(b->record, &b->record_room, in.events * sizeof *b->record);
    b->frame = room_for(b->frame, &b->frame_room, in.words * sizeof *b->frame);
    b->address = room_for(b->address, &b->address_room, in.addresses * sizeof *b->address);
    b->generation = in.generation;
    b->shift = in.shift;
    b->addresses = in.addresses;
    b->frames = in.words;
    if (in.version != TAPE_EVENTS_PACKED) {
        b->error = tape_decode_body(&in, b->record, b->frame, b->address, &b->records);
        return;
    }
    if (d->archive.bin == NULL)
        d->archive.bin = xmalloc(TAPE_BINS * sizeof *d->archive.bin);
    d->archive.allocation = room_for(d->archive.allocation, &d->allocation_room,
                                     in.events * sizeof *d->archive.allocation);
    b->error = tape_decode_archive(&in, &d->archive, b->record, b->frame, b->address, &b->records);
}

void tape_decoder_free(struct tape_decoder *d) {
    ZSTD_freeDCtx(d->zstd);
    free(d->stored);
    free(d->raw);
    free(d->archive.bin);
    free(d->archive.allocation);
    *d = (struct tape_decoder){0};
}

/* Which piece it is: where its payload or its buffer lies. */
struct place {
    uint64_t at;
    bool in_tail;
};

static int by_place(const void *a, const void *b) {
    const struct place *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->in_tail - y->in_tail;
}

/* True when it is the first time. */
static bool note(struct tape_file *f, const struct tape_piece *p) {
    struct place *place = xmalloc(sizeof *place), **known;
    *place = (struct place){p->at, p->in_tail};
    known = tsearch(place, &f->damaged, by_place);
    if (known != NULL && *known == place)
        return true;
    free(place);
    return false;
}

void tape_note_damage(struct tape_file *f, const struct tape_piece *p, uint64_t good,
                      enum tape_error error) {
    if (!note(f, p))
        return;
    uint64_t events = p->end - p->first;
    uint64_t unread = events - (good > p->skip ? good : p->skip);
    if (good <= p->skip)
        f->health.chunks--;
    f->health.events -= unread;
    f->health.lost += unread;
    if (good == 0)
        tape_damage(f, p->in_tail, p->at, p->stored, "events of stream %u: %s; %" PRIu64 " lost",
                    p->stream, tape_error_text(error), unread);
    else
        tape_damage(f, p->in_tail, p->at, 0,
                    "events of stream %u: event %" PRIu64 " of %" PRIu64 ": %s; %" PRIu64 " lost",
                    p->stream, good + 1, events, tape_error_text(error), unread);
}
