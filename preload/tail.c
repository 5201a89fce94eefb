/* SPDX-License-Identifier: MIT */
/* Event buffers: regions of the tail file, or LATE chunks of the tape before the tail exists and
 * once it is gone. */
#include <errno.h>
#include <string.h>

#include "recorder.h"
#include "sys.h"

/* The home region: what the first 64 KiB segment behind the first one holds. */
#define HOME_RECORDS   512
#define HOME_FRAMES    4096
#define HOME_ADDRESSES 2048

#define TAIL_YIELDS 1000000 /* far more than creating a file takes */

/* Bytes in front of a region that lies in the tape. */
#define LATE_HEAD (TAPE_SEGMENT_HEADER_BYTES + TAPE_CHUNK_HEADER_BYTES)

static void lay_out(struct tape_region *g, const struct recorder *r, uint32_t stream,
                    uint64_t first, uint64_t bytes, uint32_t records, uint32_t frames,
                    uint32_t addresses) {
    g->stream = stream;
    g->first = g->end = first;
    g->length = bytes;
    g->records_at = sizeof *g;
    g->records_cap = records;
    g->frames_at = g->records_at + records * (uint32_t)sizeof(struct tape_record);
    g->frames_cap = frames;
    g->addresses_at = (uint32_t)tape_align(g->frames_at + frames * sizeof(uint32_t), 8);
    g->addresses_cap = addresses;
    g->generation = atomic_load(&r->generation);
    memcpy(g->id, r->id, sizeof g->id);
    __atomic_store_n(&g->magic, TAPE_REGION_MAGIC, __ATOMIC_RELEASE);
}

static uint64_t region_bytes(uint32_t records, uint32_t frames, uint32_t addresses) {
    return sizeof(struct tape_region) + (uint64_t)records * sizeof(struct tape_record) +
           tape_align((uint64_t)frames * sizeof(uint32_t), 8) + (uint64_t)addresses * 8;
}

/* A segment that holds one region, as the payload of a LATE chunk. */
static struct tape_region *segment_region(const struct recorder *r, uint8_t *p, uint64_t at,
                                          uint32_t stream, uint64_t first, uint64_t bytes,
                                          uint32_t records, uint32_t frames, uint32_t addresses) {
    struct tape_segment_header segment = {.offset = at, .length = bytes};
    tape_put_segment_header(p, &segment);
    p += TAPE_SEGMENT_HEADER_BYTES;
    bytes -= LATE_HEAD;
    struct tape_region *g = (struct tape_region *)(void *)(p + TAPE_CHUNK_HEADER_BYTES);
    lay_out(g, r, stream, first, bytes, records, frames, addresses);
    struct tape_chunk_header chunk = {.type = TAPE_CHUNK_LATE,
                                      .codec = TAPE_CODEC_STORED,
                                      .stored_bytes = (uint32_t)bytes,
                                      .raw_bytes = (uint32_t)bytes,
                                      .stream = stream};
    tape_put_chunk_header(p, &chunk);
    tape_commit_chunk(p);
    return g;
}

/* Behind the end the tail no longer exists; it may be out of reach before. */
static struct tape_region *late_region(struct recorder *r, uint32_t stream, uint64_t first,
                                       uint64_t bytes, uint32_t records, uint32_t frames,
                                       uint32_t addresses) {
    bytes = tape_align(bytes + LATE_HEAD, TAPE_SEGMENT_ALIGN);
    uint64_t at;
    uint8_t *p = tape_extend(r, bytes, &at);
    if (p == NULL)
        return NULL;
    return segment_region(r, p, at, stream, first, bytes, records, frames, addresses);
}

void region_make_home(struct recorder *r, uint8_t *p, uint64_t at) {
    r->home_segment = p;
    r->home_at = at;
    atomic_store(&r->home, segment_region(r, p, at, 1, 0, TAPE_SEGMENT_ALIGN, HOME_RECORDS,
                                          HOME_FRAMES, HOME_ADDRESSES));
}

/* The first region makes the file; who comes meanwhile yields to it, for as long as that takes. */
static void *map_tail(struct recorder *r, uint64_t at, uint64_t bytes, int *error) {
    unsigned state = 0;
    if (atomic_compare_exchange_strong(&r->tail_state, &state, 1)) {
        void *p = sys_create_and_map(r->tail_path, at, bytes, &r->tail_file, error);
        atomic_store(&r->tail_state, p != NULL ? 2 : 0);
        return p;
    }
    for (int i = 0; state == 1 && i < TAIL_YIELDS; i++) {
        sys_yield();
        state = atomic_load(&r->tail_state);
    }
    if (state != 2) {
        *error = -EAGAIN;
        return NULL;
    }
    return sys_map_file(r->tail_path, &r->tail_file, at, bytes, error);
}

struct tape_region *region_new(struct recorder *r, uint32_t stream, uint64_t first,
                               uint32_t records, uint32_t frames, uint32_t addresses) {
    if (stream == 1 && first == 0 && records <= HOME_RECORDS && frames <= HOME_FRAMES &&
        addresses <= HOME_ADDRESSES) {
        struct tape_region *home = atomic_exchange(&r->home, NULL);
        if (home != NULL) {
            home->records_cap = records; /* tests ask for fewer than fit */
            return home;
        }
    }
    uint64_t bytes = tape_align(region_bytes(records, frames, addresses), TAPE_REGION_ALIGN);
    if (atomic_load(&r->state) == RECORDER_LATE || sys_confined())
        return late_region(r, stream, first, bytes, records, frames, addresses);
    if (!recorder_may_grow(r, bytes))
        return NULL;
    uint64_t at = atomic_fetch_add(&r->tail_end, bytes);
    int error;
    struct tape_region *g = map_tail(r, at, bytes, &error);
    if (g == NULL) /* where no file can be made, the tape may still be there, or the reserve */
        return late_region(r, stream, first, bytes, records, frames, addresses);
    sys_absent_in_child(g, bytes);
    lay_out(g, r, stream, first, bytes, records, frames, addresses);
    return g;
}

void region_drop(struct recorder *r, struct tape_region *g) {
    g->magic = 0;
    uint8_t *late = (uint8_t *)g - LATE_HEAD;
    if (late == r->home_segment) {
        /* The chunk's magic goes first: the segment then reads as empty, and is zeroed behind. */
        uint8_t *chunk = late + TAPE_SEGMENT_HEADER_BYTES;
        __atomic_store_n((uint32_t *)(void *)chunk, 0, __ATOMIC_RELEASE);
        memset(chunk, 0, TAPE_SEGMENT_ALIGN - TAPE_SEGMENT_HEADER_BYTES);
        atomic_store(&r->free_segment, late);
    } else if (((uintptr_t)g & (TAPE_REGION_ALIGN - 1)) == 0) {
        sys_unmap(g, g->length);
    } else {
        sys_unmap(late, g->length + LATE_HEAD); /* a late region */
    }
}
