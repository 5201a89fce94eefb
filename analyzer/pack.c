/* SPDX-License-Identifier: MIT */
#include "pack.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "diag.h"
#include "pack_gather.h"
#include "pack_out.h"
#include "pack_symbols.h"
#include "settle_segment.h"
#include "tape/packed.h"
#include "tape_walk.h"

/* Events in a chunk: more of them are smaller on disk. A reader holds one chunk of every stream. */
#define EVENTS_IN_CHUNK (UINT32_C(1) << 18)
#define EVENTS_AT_ONCE  (UINT32_C(1) << 20) /* of all streams' chunks together */
#define EVENTS_LEAST    (UINT32_C(1) << 13)

struct pack {
    struct tape_file *tape;
    struct pack_out out;
    struct pack_gather gather;
    struct pack_symbols *symbols;
    struct tape_archive memory; /* for encoding */
    size_t memory_room;         /* events */
    uint8_t *scratch;
    size_t scratch_room;
    uint64_t chunks;    /* that the recording had, before damage is met */
    uint64_t end, lost; /* of the stream: what its chunks say so far */
};

static uint32_t events_in_chunk(size_t streams) {
    uint64_t most = EVENTS_AT_ONCE / (streams != 0 ? streams : 1);
    return most > EVENTS_IN_CHUNK ? EVENTS_IN_CHUNK
           : most < EVENTS_LEAST  ? EVENTS_LEAST
                                  : (uint32_t)most;
}

/* ---- events ------------------------------------------------------------------------------- */

static void make_room(struct pack *p, const struct tape_buffer *b) {
    size_t scratch = tape_archive_scratch(b->records, b->frames, b->addresses);
    if (scratch > p->scratch_room) {
        free(p->scratch);
        p->scratch = xmalloc(p->scratch_room = scratch);
    }
    if (p->memory.bin == NULL)
        p->memory.bin = xmalloc(TAPE_BINS * sizeof *p->memory.bin);
    if (b->records > p->memory_room) {
        p->memory_room = b->records;
        for (p->memory.slots = 1024; p->memory.slots < 2 * p->memory_room;)
            p->memory.slots *= 2;
        free(p->memory.allocation);
        free(p->memory.slot);
        p->memory.allocation = xmalloc(p->memory_room * sizeof *p->memory.allocation);
        p->memory.slot = xmalloc(p->memory.slots * sizeof *p->memory.slot);
    }
}

/* What has been gathered becomes a chunk. */
static void flush(struct pack *p) {
    struct pack_gather *g = &p->gather;
    const struct tape_buffer *b = &g->buffer;
    if (b->records != 0) {
        make_room(p, b);
        pack_symbols_take(p->symbols, b);
        struct tape_encoded e =
            tape_encode_archive(b->record, b->records, b->frame, b->frames, b->address,
                                b->addresses, b->generation, b->shift, &p->memory, p->scratch);
        struct tape_chunk_header h = {.type = TAPE_CHUNK_EVENTS,
                                      .raw_bytes = (uint32_t)e.bytes,
                                      .stream = g->stream,
                                      .events = b->records,
                                      .first_event = g->first,
                                      .first_stamp = e.first_stamp,
                                      .last_stamp = e.last_stamp,
                                      .lost = g->lost};
        if (e.bytes <= TAPE_CHUNK_MAX)
            pack_out_compressed(&p->out, &h, e.payload);
        else
            p->out.error = p->out.error != 0 ? p->out.error : EFBIG;
        p->end = g->end;
        p->lost = g->lost;
    }
    pack_gather_flushed(g);
}

static void pack_stream(struct pack *p, struct tape_stream *s, struct tape_decoder *decoder,
                        struct tape_buffer *room) {
    struct tape_file *f = p->tape;
    const uint32_t limit = events_in_chunk(f->stream_count);
    uint64_t pieces = 0, events = 0;
    struct tape_walk walk;
    struct tape_piece piece;
    p->end = p->lost = 0;
    pack_gather_stream(&p->gather, s->id);
    tape_walk_begin(&walk, f, s);
    while (tape_walk_next(&walk, &piece)) {
        const struct tape_buffer *b = piece.buffer;
        enum tape_error error;
        pieces++;
        events += piece.end - piece.first - piece.skip;
        if (b == NULL) {
            tape_decode_piece(decoder, f->fd, &piece, room);
            b = room;
        }
        if (!pack_gather_fits(&p->gather, &piece, b, limit))
            flush(p);
        uint32_t good = pack_gather_add(&p->gather, &piece, b, &error);
        if (error != TAPE_OK)
            tape_note_damage(f, &piece, good, error);
    }
    flush(p);
    tape_walk_end(&walk);
    tape_note_change(f, s, pieces, events);
    if (s->end > p->end || s->lost > p->lost) { /* events that are lost behind the last chunk */
        struct tape_region g = settle_end_region(f->header.id, s->id, s->end, s->lost);
        struct tape_chunk_header h = {.type = TAPE_CHUNK_LATE,
                                      .raw_bytes = sizeof g,
                                      .stream = s->id};
        pack_out_chunk(&p->out, &h, &g);
    }
}

static void pack_streams(struct pack *p) {
    struct tape_decoder decoder = {0};
    struct tape_buffer *room = xcalloc(1, sizeof *room);
    for (size_t i = 0; i < p->tape->stream_count && p->out.error == 0; i++)
        pack_stream(p, &p->tape->stream[i], &decoder, room);
    tape_buffer_free(room);
    tape_decoder_free(&decoder);
}

/* ---- everything else ---------------------------------------------------------------------- */

/* INFO, CLOSE, images and what is not known, as they are. */
static void copy_others(struct pack *p) {
    const struct tape_file *f = p->tape;
    for (size_t i = 0; i < f->other_count && p->out.error == 0; i++) {
        struct tape_chunk_header h;
        bool written;
        if (f->other[i].broken || f->other[i].type == TAPE_CHUNK_PACKED ||
            f->other[i].type == TAPE_CHUNK_SYMBOLS ||
            tape_read_chunk_header(f, f->other[i].at, UINT64_MAX, &h, &written) != TAPE_OK)
            continue;
        uint64_t span = tape_chunk_span(h.stored_bytes);
        uint8_t *chunk = xcalloc(1, span);
        if (tape_pread(f->fd, chunk, TAPE_CHUNK_HEADER_BYTES + h.stored_bytes, f->other[i].at))
            pack_out_copy(&p->out, chunk, span);
        else
            tape_damage(p->tape, false, f->other[i].at, span, "a chunk cannot be read");
        free(chunk);
    }
}

/* What the recording was; behind all that could find damage. */
static void put_packed(struct pack *p) {
    const struct tape_file *f = p->tape;
    const struct tape_packing *was = &f->packing;
    const struct tape_health *health = &f->health;
    size_t text = health->first_damage != NULL ? strlen(health->first_damage) : 0;
    uint8_t *bytes = xmalloc(256 + text), *at = bytes;
    at = tape_put_info_bytes(at, TAPE_PACKED_BY, HEAPTAPE_VERSION, strlen(HEAPTAPE_VERSION));
    at = tape_put_info_number(at, TAPE_PACKED_BYTES, was->known ? was->bytes : tape_file_bytes(f));
    at = tape_put_info_number(at, TAPE_PACKED_CHUNKS, p->chunks);
    at = tape_put_info_number(at, TAPE_PACKED_GRAIN, f->clock.grain);
    at = tape_put_packed_pair(at, TAPE_PACKED_CLOCK, f->last_pair.stamp, f->last_pair.mono);
    if (health->damaged_chunks != 0 || health->damaged_bytes != 0)
        at = tape_put_packed_pair(at, TAPE_PACKED_DAMAGED, health->damaged_chunks,
                                  health->damaged_bytes);
    if (text != 0)
        at = tape_put_info_bytes(at, TAPE_PACKED_DAMAGE, health->first_damage, text);
    struct tape_chunk_header h = {.type = TAPE_CHUNK_PACKED, .raw_bytes = (uint32_t)(at - bytes)};
    pack_out_chunk(&p->out, &h, bytes);
    free(bytes);
}

/* ---- the command's part ------------------------------------------------------------------- */

static bool write_tape(struct pack *p, const char *out, bool replace, int level,
                       struct pack_result *result) {
    struct tape_file_header header = p->tape->header;
    struct stat st;
    header.features |= TAPE_FEATURE_PACKED;
    mode_t mode = fstat(p->tape->fd, &st) == 0 ? st.st_mode : 0600;
    tape_file_clock(p->tape);
    if (!pack_out_begin(&p->out, out, &header, mode, level))
        return false;
    p->chunks = p->tape->packing.known ? p->tape->packing.chunks : p->tape->health.chunks;
    p->symbols = pack_symbols_new();
    copy_others(p);
    pack_streams(p);
    pack_symbols_write(p->symbols, p->tape, &p->out);
    put_packed(p);
    result->before = tape_file_bytes(p->tape);
    result->recorded = p->tape->packing.known ? p->tape->packing.bytes : result->before;
    result->after = p->out.at;
    result->whole = p->tape->health.lost == 0 && p->tape->health.damaged_chunks == 0 &&
                    p->tape->health.damaged_bytes == 0;
    return pack_out_finish(&p->out, replace);
}

int pack_tape(const char *path, const char *out, bool replace, int level,
              struct pack_result *result) {
    struct pack p = {.tape = tape_file_open(path)};
    if (p.tape == NULL)
        return EXIT_FINDING;
    bool done = false;
    if (p.tape->process.alive)
        diag("%s: its process still runs: pack it when the recording has ended", path);
    else
        done = write_tape(&p, out, replace, level, result);
    pack_gather_free(&p.gather);
    pack_symbols_free(p.symbols);
    free(p.memory.bin);
    free(p.memory.allocation);
    free(p.memory.slot);
    free(p.scratch);
    tape_file_close(p.tape);
    return done ? EXIT_FINE : EXIT_FINDING;
}

char *pack_default_name(const char *path) {
    static const char end[] = ".tape";
    const char *slash = strrchr(path, '/');
    const char *base = slash != NULL ? slash + 1 : path, *at = NULL;
    for (const char *p = base; (p = strstr(p, end)) != NULL; p++)
        if (p[sizeof end - 1] == '\0' || p[sizeof end - 1] == '.')
            at = p;
    if (at == NULL || strspn(at + sizeof end - 1, ".0123456789") != strlen(at + sizeof end - 1))
        return xasprintf("%s.packed", path);
    return xasprintf("%.*s.packed%s", (int)(at - path), path, at);
}
