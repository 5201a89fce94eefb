/* SPDX-License-Identifier: MIT */
/* Entry points of include/heaptape/heaptape.h. */
#include "heaptape/heaptape.h"

#include <string.h>

#include "image.h"
#include "recorder.h"

#define MARK_BYTES 1023

__attribute__((visibility("default"))) void heaptape_client_mark(const char *text) {
    stream_event_mark(text, text != NULL ? strnlen(text, MARK_BYTES) : 0,
                      __builtin_frame_address(0));
}

__attribute__((visibility("default"))) void heaptape_client_record(int active) {
    if (active)
        recorder_set_active(true);
    heaptape_client_mark(active ? "heaptape_start" : "heaptape_stop");
    if (!active)
        recorder_set_active(false);
}

__attribute__((visibility("default"))) void heaptape_client_leak_check(const char *name) {
    struct stream *s = stream_attach();
    if (s != NULL)
        image_take(s, TAPE_IMAGE_MARK, name != NULL ? name : "", __builtin_frame_address(0));
}
