/* SPDX-License-Identifier: MIT */
/* Event buffers: regions of the tail file, or of LATE chunks once the tail is gone. */
#include <string.h>

#include "recorder.h"
#include "sys.h"

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

/* Behind the end the tail no longer exists: the region is the payload of a chunk of its own. */
static struct tape_region *late_region(struct recorder *r, uint32_t stream, uint64_t first,
                                       uint64_t bytes, uint32_t records, uint32_t frames,
                                       uint32_t addresses) {
    uint64_t head = TAPE_SEGMENT_HEADER_BYTES + TAPE_CHUNK_HEADER_BYTES;
    bytes = tape_align(bytes + head, TAPE_SEGMENT_ALIGN) - head;
    uint64_t at = atomic_fetch_add(&r->tape_end, bytes + head);
    int error;
    uint8_t *p = sys_map_file(r->tape_path, at, bytes + head, &error);
    if (p == NULL)
        return NULL;
    sys_absent_in_child(p, bytes + head);
    struct tape_segment_header segment = {.offset = at, .length = bytes + head};
    tape_put_segment_header(p, &segment);
    struct tape_region *g = (struct tape_region *)(void *)(p + head);
    lay_out(g, r, stream, first, bytes, records, frames, addresses);
    struct tape_chunk_header chunk = {.type = TAPE_CHUNK_LATE,
                                      .codec = TAPE_CODEC_STORED,
                                      .stored_bytes = (uint32_t)bytes,
                                      .raw_bytes = (uint32_t)bytes,
                                      .stream = stream};
    tape_put_chunk_header(p + TAPE_SEGMENT_HEADER_BYTES, &chunk);
    tape_commit_chunk(p + TAPE_SEGMENT_HEADER_BYTES);
    return g;
}

struct tape_region *region_new(struct recorder *r, uint32_t stream, uint64_t first,
                               uint32_t records, uint32_t frames, uint32_t addresses) {
    uint64_t bytes = tape_align(region_bytes(records, frames, addresses), TAPE_REGION_ALIGN);
    if (atomic_load(&r->state) == RECORDER_LATE)
        return late_region(r, stream, first, bytes, records, frames, addresses);
    uint64_t at = atomic_fetch_add(&r->tail_end, bytes);
    int error;
    struct tape_region *g = sys_map_file(r->tail_path, at, bytes, &error);
    if (g == NULL)
        return NULL;
    sys_absent_in_child(g, bytes);
    lay_out(g, r, stream, first, bytes, records, frames, addresses);
    return g;
}

void region_drop(struct tape_region *g) {
    g->magic = 0;
    sys_unmap(g, g->length);
}
