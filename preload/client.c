/* SPDX-License-Identifier: MIT */
/* Entry points of include/heaptape/heaptape.h. */
#include "heaptape/heaptape.h"

#include <string.h>

#include "image.h"
#include "recorder.h"
#include "testing.h"

#define MARK_BYTES 1023

#define EXPORT __attribute__((visibility("default")))

static void put_mark(enum tape_mark kind, const char *text, const void *frame) {
    stream_event_blob(TAPE_OP_MARK, kind, text, text != NULL ? strnlen(text, MARK_BYTES) : 0,
                      frame);
}

EXPORT void heaptape_client_mark(const char *text) {
    put_mark(TAPE_MARK_TEXT, text, __builtin_frame_address(0));
}

EXPORT void heaptape_client_record(int active) {
    if (active)
        recorder_set_active(true);
    heaptape_client_mark(active ? "heaptape_start" : "heaptape_stop");
    if (!active)
        recorder_set_active(false);
}

EXPORT void heaptape_client_leak_check(const char *name) {
    struct stream *s = stream_attach();
    if (s != NULL)
        image_take(s, TAPE_IMAGE_MARK, name != NULL ? name : "", __builtin_frame_address(0));
}

EXPORT void heaptape_client_test_begin(const char *name) {
    struct stream *s = stream_attach();
    if (s != NULL)
        testing_begin(s, name, name != NULL ? strnlen(name, MARK_BYTES) : 0);
}

EXPORT size_t heaptape_client_test_end(void) {
    struct stream *s = stream_attach();
    return s != NULL ? testing_end(s, __builtin_frame_address(0)) : 0;
}

EXPORT void heaptape_client_iteration(const char *name) {
    put_mark(TAPE_MARK_ITERATION, name, __builtin_frame_address(0));
}

EXPORT void heaptape_client_ignore(const void *p) {
    if (p != NULL)
        stream_event_blob(TAPE_OP_IGNORE, (uint64_t)p, "", 0, __builtin_frame_address(0));
}

/* Whether a pool's block is of the memory's present life or of one before can only be told when its
 * stamp is neither that of the event before nor that of the one behind it. */
static void separate(void) {
    if (stream_self->magic == STREAM_MAGIC)
        stream_self->coarse = 0;
}

EXPORT void heaptape_client_pool_alloc(const void *p, size_t size) {
    separate();
    stream_event_alloc(TAPE_OP_POOL_ALLOC, p, size, 0, __builtin_frame_address(0));
    separate();
}

EXPORT void heaptape_client_pool_free(const void *p) {
    if (p != NULL)
        stream_event_free(TAPE_OP_POOL_FREE, p, __builtin_frame_address(0));
}
