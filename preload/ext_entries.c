/* SPDX-License-Identifier: MIT */
/* The recorder's side of ext/ext.h. */
#include "ext_entries.h"

#include <link.h>
#include <string.h>

#include "arch.h"
#include "cfi.h"
#include "ext/ext.h"
#include "ranges.h"
#include "recorder.h"
#include "stream_slow.h"

#define EXPORT  __attribute__((visibility("default")))
#define OBJECTS 3
#define ENTRY   512 /* bytes of a real entry that may hold its call of malloc */

/* The second objects. */
static struct range object[OBJECTS];

/* A C++ library's functions allocate for others than its operators, too. */
static bool is_cxx_library(const struct cfi_module *m) {
    const char *path = ((const struct link_map *)m->link_map)->l_name;
    return strstr(path, "/libstdc++.so") != NULL || strstr(path, "/libc++") != NULL;
}

bool ext_is_part(uintptr_t entry, uint64_t caller) {
    for (unsigned i = 0; i < OBJECTS; i++)
        if (caller - object[i].start < object[i].end - object[i].start)
            return true;
    struct cfi_module m;
    return caller - entry < ENTRY || (cfi_find_module(entry, &m) &&
                                      caller - m.start < m.end - m.start && !is_cxx_library(&m));
}

/* The stream whose entry this call is a part of; NULL: none. */
static struct stream *part_of(const void *frame) {
    for (struct stream *s = stream_self; s != NULL; s = s->nested)
        if (s->busy != 0 && s->entry != 0 && ext_is_part(s->entry, arch_frame_pc(frame)))
            return s;
    return NULL;
}

/* One form may call another: from then on it is that one which calls malloc. */
static struct stream *begin(const void *real, const void *frame) {
    struct stream *s = part_of(frame);
    if (s != NULL) {
        s->entry = (uintptr_t)real;
        return NULL;
    }
    s = stream_idle(frame);
    if (s == NULL)
        return NULL;
    s->entry = (uintptr_t)real;
    s->busy = (uintptr_t)frame;
    return s;
}

static void end(struct stream *s) {
    if (s == NULL)
        return;
    s->entry = 0;
    s->busy = 0;
}

static void allocated(struct stream *s, unsigned op, const void *p, size_t size,
                      unsigned align_log2, const void *frame) {
    if (s == NULL)
        return;
    end(s);
    stream_event_alloc(op, p, size, align_log2, frame);
}

/* Within another entry, that has said it already. */
static void releases(unsigned op, const void *p, const void *frame) {
    if (p != NULL && part_of(frame) == NULL)
        stream_event_free(op, p, frame);
}

EXPORT const struct ext *heaptape_client_ext(unsigned version, const void *inside) {
    static const struct ext functions = {begin, allocated, end, releases};
    struct cfi_module m;
    if (version != EXT_VERSION || !cfi_find_module((uint64_t)inside, &m))
        return NULL;
    for (unsigned i = 0; i < OBJECTS; i++)
        if (object[i].end == 0 || object[i].start == m.start) {
            object[i] = (struct range){m.start, m.end};
            return &functions;
        }
    return NULL;
}
