/* SPDX-License-Identifier: MIT */
/* Entry points of include/heaptape/heaptape.h. */
#include "heaptape/heaptape.h"

#include <string.h>

#include "stream.h"

#define MARK_BYTES 1023

__attribute__((visibility("default"))) void heaptape_client_mark(const char *text) {
    stream_event_mark(text, text != NULL ? strnlen(text, MARK_BYTES) : 0,
                      __builtin_frame_address(0));
}
