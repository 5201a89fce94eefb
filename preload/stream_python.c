/* SPDX-License-Identifier: MIT */
/* What a stream says of Python: interpreters and code objects. */
#include "python.h"
#include "stream_slow.h"
#include "tape/blobs.h"

void stream_say_python(struct stream *s, const struct unwind_module *m) {
    struct tape_python found;
    if (!python_find(m, &found))
        return;
    uint8_t bytes[TAPE_PYTHON_BYTES];
    struct stream_blob blob = {.stream = s,
                               .op = TAPE_OP_PYTHON,
                               .bytes = bytes,
                               .size = (size_t)(tape_put_python(bytes, &found) - bytes)};
    stream_put_blob(&blob);
}

static void announce_codes(void *arg) {
    struct stream *s = arg;
    const struct python_codes *codes = python_codes_of(s->python);
    while (s->said_codes < python_codes_count(codes)) {
        uint8_t bytes[TAPE_BLOB_MAX];
        struct stream_blob blob = {.stream = s, .op = TAPE_OP_PYTHON, .bytes = bytes};
        blob.address = python_code_describe(codes, s->said_codes++, bytes, &blob.size);
        stream_put_blob(&blob);
    }
}

void stream_say_codes(struct stream *s) {
    if (python_codes_count(python_codes_of(s->python)) > s->said_codes)
        stream_call(s, announce_codes, s);
}
