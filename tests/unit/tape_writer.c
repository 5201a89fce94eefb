/* SPDX-License-Identifier: MIT */
#include "tape_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#include "diag.h"
#include "tape/blobs.h"

/* Room for n more elements of an array that has `count` of `*room`. */
static void *more(void *p, size_t count, size_t *room, size_t n, size_t size) {
    if (count + n <= *room)
        return p;
    *room = (count + n) * 2;
    return xrealloc(p, *room * size);
}

static uint8_t *grow(struct writer_bytes *b, size_t n) {
    b->p = more(b->p, b->count, &b->room, n, 1);
    memset(b->p + b->count, 0, n);
    b->count += n;
    return b->p + b->count - n;
}

static void pad(struct writer_bytes *b, size_t to) {
    grow(b, tape_align(b->count, to) - b->count);
}

struct writer *writer_new(void) {
    struct writer *w = xcalloc(1, sizeof *w);
    w->header = (struct tape_file_header){.major = TAPE_VERSION_MAJOR,
                                          .minor = TAPE_VERSION_MINOR,
                                          .id = "0123456789abcde"};
    w->info_clock = TAPE_CLOCK_MONOTONIC;
    w->codec = TAPE_CODEC_ZSTD;
    w->info_host = "nowhere";
    w->info_exe = "/bin/program";
    w->stream = xcalloc(WRITER_STREAMS, sizeof *w->stream);
    return w;
}

void writer_free(struct writer *w) {
    for (uint32_t i = 0; i < WRITER_STREAMS; i++) {
        free(w->stream[i].record);
        free(w->stream[i].frame);
        free(w->stream[i].address);
    }
    free(w->stream);
    free(w->image.region);
    free(w->image.word);
    free(w->tape.p);
    free(w->tail.p);
    free(w);
}

/* ---- events ------------------------------------------------------------------------------- */

static struct tape_record *add_record(struct writer_stream *s, uint64_t stamp, unsigned op,
                                      uint64_t address, uint64_t size) {
    s->record = more(s->record, s->end - s->first, &s->record_room, 1, sizeof *s->record);
    struct tape_record *r = &s->record[s->end++ - s->first];
    *r = (struct tape_record){.stamp = stamp, .addr_op = tape_addr_op(address, op), .size = size};
    return r;
}

static uint32_t address_index(struct writer_stream *s, uint64_t address) {
    for (size_t i = 0; i < s->address_count; i++)
        if (s->address[i] == address)
            return (uint32_t)i;
    s->address = more(s->address, s->address_count, &s->address_room, 1, sizeof *s->address);
    s->address[s->address_count] = address;
    return (uint32_t)s->address_count++;
}

void writer_alloc(struct writer *w, uint32_t stream, uint64_t stamp, unsigned op, uint64_t address,
                  uint64_t size, unsigned align_log2, const uint64_t *stack, uint32_t depth) {
    struct writer_stream *s = &w->stream[stream];
    uint32_t same = 0;
    while (same < depth && same < s->depth && s->said[same] == stack[same])
        same++;
    struct tape_record *r = add_record(s, stamp, op, address, size);
    r->pop_align = (s->depth - same) | align_log2 << TAPE_POP_BITS;
    r->push = depth - same;
    s->frame = more(s->frame, s->frame_count, &s->frame_room, depth, sizeof *s->frame);
    for (s->depth = same; s->depth < depth; s->depth++) {
        s->said[s->depth] = stack[s->depth];
        s->frame[s->frame_count++] = address_index(s, stack[s->depth]);
    }
}

void writer_release(struct writer *w, uint32_t stream, uint64_t stamp, unsigned op,
                    uint64_t address) {
    add_record(&w->stream[stream], stamp, op, address, 0);
}

void writer_sample(struct writer *w, uint32_t stream, uint64_t stamp, uint64_t rss, uint64_t mono) {
    add_record(&w->stream[stream], stamp, TAPE_OP_SAMPLE, rss, mono);
}

void writer_blob(struct writer *w, uint32_t stream, uint64_t stamp, unsigned op, uint64_t address,
                 const void *bytes, size_t size) {
    struct writer_stream *s = &w->stream[stream];
    uint32_t words = (uint32_t)((size + 3) / 4);
    add_record(s, stamp, op, address, size)->push = words;
    s->frame = more(s->frame, s->frame_count, &s->frame_room, words, sizeof *s->frame);
    if (words > 0) {
        s->frame[s->frame_count + words - 1] = 0;
        memcpy(s->frame + s->frame_count, bytes, size);
    }
    s->frame_count += words;
    if (op == TAPE_OP_THREAD)
        s->depth = 0;
}

void writer_thread(struct writer *w, uint32_t stream, uint64_t stamp, uint64_t tid,
                   const char *name) {
    writer_blob(w, stream, stamp, TAPE_OP_THREAD, tid, name, strlen(name));
}

void writer_mark(struct writer *w, uint32_t stream, uint64_t stamp, const char *text) {
    writer_blob(w, stream, stamp, TAPE_OP_MARK, 0, text, strlen(text));
}

void writer_module(struct writer *w, uint32_t stream, uint64_t stamp, uint64_t start, uint64_t end,
                   uint64_t generation, const char *path) {
    uint8_t bytes[512];
    struct tape_module m = {.end = end,
                            .bias = start,
                            .generation = generation,
                            .build_id_len = 4,
                            .build_id = (const uint8_t *)"\1\2\3\4",
                            .path_len = strlen(path),
                            .path = path};
    size_t n = (size_t)(tape_put_module(bytes, &m) - bytes);
    writer_blob(w, stream, stamp, TAPE_OP_MODULE_LOAD, start, bytes, n);
}

void writer_unload(struct writer *w, uint32_t stream, uint64_t stamp, uint64_t start,
                   uint64_t generation) {
    uint8_t bytes[TAPE_VARINT_MAX];
    size_t n = (size_t)(tape_put_varint(bytes, generation) - bytes);
    writer_blob(w, stream, stamp, TAPE_OP_MODULE_UNLOAD, start, bytes, n);
}

void writer_drop(struct writer *w, uint32_t stream) {
    struct writer_stream *s = &w->stream[stream];
    s->first = s->end;
    s->frame_count = s->address_count = 0;
    s->depth = 0; /* each chunk and buffer starts with an empty stack */
}

/* ---- the container ------------------------------------------------------------------------ */

void writer_end(struct writer *w) {
    if (w->segment == 0)
        return;
    struct tape_segment_header h = {.offset = w->segment, .length = w->tape.count - w->segment};
    tape_put_segment_header(w->tape.p + w->segment, &h);
}

static void put_info(struct writer *w) {
    uint8_t bytes[512], *p = bytes;
    p = tape_put_info_bytes(p, TAPE_INFO_RECORDER, "1.2.3", 5);
    p = tape_put_info_bytes(p, TAPE_INFO_EXE, w->info_exe, strlen(w->info_exe));
    p = tape_put_info_bytes(p, TAPE_INFO_ARGV, "program\0-x\0", 11);
    p = tape_put_info_bytes(p, TAPE_INFO_CWD, "/home", 5);
    p = tape_put_info_number(p, TAPE_INFO_PID, w->info_pid);
    p = tape_put_info_number(p, TAPE_INFO_PPID, w->info_ppid);
    if (w->info_parent != NULL) {
        p = tape_put_info_bytes(p, TAPE_INFO_PARENT, w->info_parent, strlen(w->info_parent));
        p = tape_put_info_bytes(p, TAPE_INFO_PARENT_ID, w->info_parent_id, TAPE_ID_BYTES);
        p = tape_put_info_number(p, TAPE_INFO_FORK_STAMP, w->info_fork_stamp);
    }
    p = tape_put_info_bytes(p, TAPE_INFO_HOST, w->info_host, strlen(w->info_host));
    p = tape_put_info_number(p, TAPE_INFO_CLOCK, w->info_clock);
    p = tape_put_info_number(p, TAPE_INFO_TICK_HZ, w->info_tick_hz);
    p = tape_put_info_number(p, TAPE_INFO_START_STAMP, w->info_start_stamp);
    p = tape_put_info_number(p, TAPE_INFO_START_MONO, w->info_start_mono);
    p = tape_put_info_number(p, TAPE_INFO_START_REAL, w->info_start_real);
    struct tape_chunk_header h = {.type = TAPE_CHUNK_INFO, .stored_bytes = (uint32_t)(p - bytes)};
    h.raw_bytes = h.stored_bytes;
    h.payload_crc = tape_crc32c(bytes, h.stored_bytes);
    writer_put_chunk(w, &h, bytes);
}

void writer_segment(struct writer *w) {
    bool first = w->tape.count == 0;
    writer_end(w);
    if (first)
        tape_put_file_header(grow(&w->tape, TAPE_FILE_HEADER_BYTES), &w->header);
    else
        pad(&w->tape, TAPE_SEGMENT_ALIGN);
    w->segment = w->tape.count;
    grow(&w->tape, TAPE_SEGMENT_HEADER_BYTES);
    if (first && !w->no_info)
        put_info(w);
}

void writer_put_chunk(struct writer *w, struct tape_chunk_header *h, const void *payload) {
    if (w->segment == 0)
        writer_segment(w);
    size_t at = w->tape.count;
    grow(&w->tape, tape_chunk_span(h->stored_bytes));
    tape_put_bytes(w->tape.p + at + TAPE_CHUNK_HEADER_BYTES, payload, h->stored_bytes);
    tape_put_chunk_header(w->tape.p + at, h);
    tape_put_u32(w->tape.p + at, TAPE_CHUNK_MAGIC);
    writer_end(w);
}

void writer_chunk(struct writer *w, uint32_t stream, bool keep) {
    struct writer_stream *s = &w->stream[stream];
    size_t count = s->end - s->first;
    if (count == 0)
        return;
    /* The exact size: the sanitizers then show an encoder that needs more. */
    uint8_t *scratch = xmalloc(tape_events_scratch(count, s->frame_count, s->address_count));
    struct tape_encoded e =
        tape_encode_events(s->record, count, s->frame, s->frame_count, s->address, s->address_count,
                           w->generation, w->shift, scratch);
    struct tape_chunk_header h = {.type = TAPE_CHUNK_EVENTS,
                                  .codec = (uint8_t)w->codec,
                                  .raw_bytes = (uint32_t)e.bytes,
                                  .stored_bytes = (uint32_t)e.bytes,
                                  .stream = stream,
                                  .events = (uint32_t)count,
                                  .first_event = s->first,
                                  .first_stamp = e.first_stamp,
                                  .last_stamp = e.last_stamp,
                                  .lost = s->lost};
    const void *payload = e.payload;
    size_t bound = ZSTD_compressBound(e.bytes);
    uint8_t *packed = xmalloc(bound);
    if (w->codec == TAPE_CODEC_ZSTD) {
        ZSTD_CCtx *zstd = ZSTD_createCCtx();
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
        h.stored_bytes = (uint32_t)ZSTD_compress2(zstd, packed, bound, e.payload, e.bytes);
        ZSTD_freeCCtx(zstd);
        payload = packed;
    } else {
        h.payload_crc = tape_crc32c(payload, h.stored_bytes);
    }
    writer_put_chunk(w, &h, payload);
    free(packed);
    free(scratch);
    if (!keep)
        writer_drop(w, stream);
}

/* The gathered events as a region, in memory that the caller frees. */
static uint8_t *make_region(const struct writer *w, uint32_t stream, size_t align, size_t *bytes) {
    const struct writer_stream *s = &w->stream[stream];
    uint32_t count = (uint32_t)(s->end - s->first);
    struct tape_region g = {.magic = TAPE_REGION_MAGIC,
                            .stream = stream,
                            .first = s->first,
                            .end = s->end,
                            .lost = s->lost,
                            .generation = w->generation,
                            .records_at = TAPE_REGION_HEADER_BYTES,
                            .records_cap = count + 3,
                            .frames_cap = (uint32_t)s->frame_count + 5,
                            .addresses_cap = (uint32_t)s->address_count + 7};
    g.frames_at = g.records_at + g.records_cap * (uint32_t)sizeof *s->record;
    g.addresses_at = (uint32_t)tape_align(g.frames_at + g.frames_cap * sizeof *s->frame, 8);
    g.length = tape_align(g.addresses_at + g.addresses_cap * sizeof *s->address, align);
    memcpy(g.id, w->header.id, sizeof g.id);
    uint8_t *p = xcalloc(1, g.length);
    memcpy(p, &g, sizeof g);
    tape_put_bytes(p + g.records_at, s->record, count * sizeof *s->record);
    tape_put_bytes(p + g.frames_at, s->frame, s->frame_count * sizeof *s->frame);
    tape_put_bytes(p + g.addresses_at, s->address, s->address_count * sizeof *s->address);
    *bytes = g.length;
    return p;
}

void writer_tail(struct writer *w, uint32_t stream, bool keep) {
    size_t bytes;
    uint8_t *region = make_region(w, stream, TAPE_REGION_ALIGN, &bytes);
    memcpy(grow(&w->tail, bytes), region, bytes);
    free(region);
    if (!keep)
        writer_drop(w, stream);
}

void writer_late(struct writer *w, uint32_t stream, bool keep) {
    size_t bytes;
    uint8_t *region = make_region(w, stream, 8, &bytes);
    struct tape_chunk_header h = {.type = TAPE_CHUNK_LATE,
                                  .stored_bytes = (uint32_t)bytes,
                                  .raw_bytes = (uint32_t)bytes,
                                  .stream = stream};
    writer_put_chunk(w, &h, region);
    free(region);
    if (!keep)
        writer_drop(w, stream);
}

void writer_close(struct writer *w, uint64_t stamp, uint64_t mono, const char *reason) {
    uint8_t bytes[256 + 40 * WRITER_STREAMS], text[3 * TAPE_VARINT_MAX], *p = bytes;
    p = tape_put_info_number(p, TAPE_INFO_END_STAMP, stamp);
    p = tape_put_info_number(p, TAPE_INFO_END_MONO, mono);
    p = tape_put_info_bytes(p, TAPE_INFO_END_REASON, reason, strlen(reason));
    for (uint32_t i = 1; i < WRITER_STREAMS; i++) {
        const struct writer_stream *s = &w->stream[i];
        if (s->end == 0)
            continue;
        uint8_t *q = tape_put_varint(text, i);
        q = tape_put_varint(q, s->end);
        q = tape_put_varint(q, s->lost);
        p = tape_put_info_bytes(p, TAPE_INFO_STREAM_END, text, (size_t)(q - text));
    }
    struct tape_chunk_header h = {.type = TAPE_CHUNK_CLOSE,
                                  .stored_bytes = (uint32_t)(p - bytes),
                                  .first_stamp = stamp,
                                  .last_stamp = stamp};
    h.raw_bytes = h.stored_bytes;
    h.payload_crc = tape_crc32c(bytes, h.stored_bytes);
    writer_put_chunk(w, &h, bytes);
}

/* ---- heap images -------------------------------------------------------------------------- */

void writer_image(struct writer *w, uint64_t number, uint64_t stamp, const char *name) {
    struct writer_image *m = &w->image;
    m->number = number;
    m->stamp = stamp;
    m->name = name;
    m->reason = name != NULL ? TAPE_IMAGE_MARK : TAPE_IMAGE_EXIT;
    m->region_count = m->word_count = m->partly = 0;
    for (uint32_t i = 0; i < WRITER_STREAMS; i++)
        m->events[i] = w->stream[i].end;
}

uint32_t writer_image_region(struct writer *w, uint64_t start, uint64_t length, uint32_t kind,
                             uint64_t tid) {
    struct writer_image *m = &w->image;
    m->region = more(m->region, m->region_count, &m->region_room, 1, sizeof *m->region);
    m->region[m->region_count] =
        (struct tape_image_region){.start = start, .length = length, .kind = kind, .tid = tid};
    return (uint32_t)m->region_count++;
}

void writer_image_word(struct writer *w, uint32_t region, uint64_t address, uint64_t value) {
    struct writer_image *m = &w->image;
    m->word = more(m->word, m->word_count, &m->word_room, 1, sizeof *m->word);
    m->word[m->word_count].region = region;
    m->word[m->word_count++].word = (struct tape_word){address, value};
}

static void put_image_chunk(struct writer *w, unsigned type, const uint8_t *payload, size_t bytes) {
    struct tape_chunk_header h = {.type = (uint8_t)type,
                                  .stored_bytes = (uint32_t)bytes,
                                  .raw_bytes = (uint32_t)bytes,
                                  .first_stamp = w->image.stamp,
                                  .last_stamp = w->image.stamp,
                                  .payload_crc = tape_crc32c(payload, bytes)};
    uint8_t *packed = NULL;
    if (w->codec == TAPE_CODEC_ZSTD && type == TAPE_CHUNK_WORDS) {
        size_t bound = ZSTD_compressBound(bytes);
        packed = xmalloc(bound);
        ZSTD_CCtx *zstd = ZSTD_createCCtx();
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
        h.stored_bytes = (uint32_t)ZSTD_compress2(zstd, packed, bound, payload, bytes);
        ZSTD_freeCCtx(zstd);
        h.codec = TAPE_CODEC_ZSTD;
        h.payload_crc = tape_crc32c(packed, h.stored_bytes);
        payload = packed;
    }
    writer_put_chunk(w, &h, payload);
    free(packed);
}

static void put_image_head(struct writer *w) {
    const struct writer_image *m = &w->image;
    uint8_t *bytes = xmalloc(4096 + m->region_count * 64), *p = bytes, text[TAPE_REGION_FIELD_MAX];
    p = tape_put_info_number(p, TAPE_IMAGE_NUMBER, m->number);
    p = tape_put_info_number(p, TAPE_IMAGE_REASON, m->reason);
    p = tape_put_info_number(p, TAPE_IMAGE_STAMP, m->stamp);
    if (m->name != NULL)
        p = tape_put_info_bytes(p, TAPE_IMAGE_NAME, m->name, strlen(m->name));
    p = tape_put_info_number(p, TAPE_IMAGE_FROZEN, !m->memory_itself);
    for (uint32_t i = 0; i < WRITER_STREAMS; i++) {
        if (m->events[i] == 0)
            continue;
        uint8_t *q = tape_put_varint(tape_put_varint(text, i), m->events[i]);
        p = tape_put_info_bytes(p, TAPE_IMAGE_STREAM, text, (size_t)(q - text));
    }
    for (size_t i = 0; i < m->region_count; i++) {
        uint8_t *q = tape_put_image_region(text, &m->region[i]);
        p = tape_put_info_bytes(p, TAPE_IMAGE_REGION, text, (size_t)(q - text));
    }
    put_image_chunk(w, TAPE_CHUNK_IMAGE, bytes, (size_t)(p - bytes));
    free(bytes);
}

/* Words from `first` on, a run as long as the region stays the same. */
static void put_image_words(struct writer *w, size_t first, size_t count) {
    const struct writer_image *m = &w->image;
    struct tape_word_run *run = xcalloc(count + 1, sizeof *run);
    struct tape_word *word = xcalloc(count + 1, sizeof *word);
    uint64_t *start = xcalloc(m->region_count + 1, sizeof *start);
    size_t runs = 0;
    for (size_t i = 0; i < m->region_count; i++)
        start[i] = m->region[i].start;
    for (size_t i = 0; i < count; i++) {
        word[i] = m->word[first + i].word;
        if (runs == 0 || run[runs - 1].region != m->word[first + i].region)
            run[runs++].region = m->word[first + i].region;
        run[runs - 1].count++;
    }
    uint8_t *bytes = xmalloc(tape_words_room(runs, count));
    uint8_t *end = tape_put_words(bytes, m->number, run, runs, word, count, start);
    put_image_chunk(w, TAPE_CHUNK_WORDS, bytes, (size_t)(end - bytes));
    free(bytes);
    free(start);
    free(word);
    free(run);
}

void writer_image_end(struct writer *w, size_t words_per_chunk, const char *why) {
    const struct writer_image *m = &w->image;
    put_image_head(w);
    for (size_t i = 0; i < m->word_count; i += words_per_chunk)
        put_image_words(w, i,
                        m->word_count - i < words_per_chunk ? m->word_count - i : words_per_chunk);
    uint8_t bytes[512], *p = bytes;
    p = tape_put_info_number(p, TAPE_IMAGE_NUMBER, m->number);
    p = tape_put_info_number(p, TAPE_IMAGE_END_WORDS, m->word_count);
    p = tape_put_info_number(p, TAPE_IMAGE_END_SCANNED, 8 * m->word_count);
    p = tape_put_info_number(p, TAPE_IMAGE_END_NS, 1234);
    if (m->partly != 0)
        p = tape_put_info_number(p, TAPE_IMAGE_END_PARTLY, m->partly - 1);
    if (why != NULL)
        p = tape_put_info_bytes(p, TAPE_IMAGE_END_WHY, why, strlen(why));
    put_image_chunk(w, TAPE_CHUNK_IMAGE_END, bytes, (size_t)(p - bytes));
}

/* ---- files -------------------------------------------------------------------------------- */

void writer_save_bytes(const char *path, const void *bytes, size_t count) {
    FILE *f = fopen(path, "w");
    if (f == NULL || fwrite(bytes, 1, count, f) != count || fclose(f) != 0) {
        perror(path);
        exit(EXIT_FAILURE);
    }
}

void writer_save(struct writer *w, const char *path) {
    if (w->segment == 0)
        writer_segment(w);
    writer_end(w);
    writer_save_bytes(path, w->tape.p, w->tape.count);
    char *tail = xasprintf("%s.tail", path);
    if (w->tail.count > 0)
        writer_save_bytes(tail, w->tail.p, w->tail.count);
    else
        unlink(tail);
    free(tail);
}
