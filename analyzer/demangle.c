/* SPDX-License-Identifier: MIT */
#include "demangle.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STUB_MARK "@plt"

/* The demanglers hand over the result in pieces and cannot be told to stop, hence the jump. They
   keep their state on the stack while they print; only a Rust identifier in punycode may leak its
   decoded copy when it is the piece that goes beyond the limit. */
struct sink {
    char *text;
    size_t length, room;
    jmp_buf stop;
};

typedef int demangler(const char *, int, demangle_callbackref, void *);

static void sink_add(const char *piece, size_t n, void *opaque) {
    struct sink *sink = opaque;
    if (n > DEMANGLE_OUTPUT_MAX - sink->length)
        longjmp(sink->stop, 1);
    if (sink->length + n >= sink->room) {
        size_t room = 2 * (sink->length + n) + 64;
        char *text = realloc(sink->text, room);
        if (text == NULL)
            longjmp(sink->stop, 1);
        sink->text = text;
        sink->room = room;
    }
    memcpy(sink->text + sink->length, piece, n);
    sink->length += n;
}

static bool accepts(demangler *run, int options, const char *name, struct sink *sink) {
    sink->length = 0;
    if (setjmp(sink->stop) != 0)
        return false;
    return run(name, options, sink_add, sink) != 0 && sink->length != 0;
}

size_t demangle_unversioned(const char *linkage) {
    size_t n = *linkage == '\0' ? 0 : 1 + strcspn(linkage + 1, "@");
    return strcmp(linkage + n, STUB_MARK) == 0 ? n + strlen(STUB_MARK) : n;
}

/* A stub's name is that of its function, with the mark behind it. */
static char *demangle_stub(const char *linkage, size_t n) {
    char *function = strndup(linkage, n - strlen(STUB_MARK)), *readable, *marked;
    if (function == NULL)
        return NULL;
    readable = demangle(function);
    free(function);
    if (readable == NULL || asprintf(&marked, "%s%s", readable, STUB_MARK) < 0)
        marked = NULL;
    free(readable);
    return marked;
}

char *demangle(const char *linkage) {
    size_t n = demangle_unversioned(linkage);
    if (linkage[0] != '_' || n > DEMANGLE_INPUT_MAX) /* most names of C programs end here */
        return NULL;
    if (n > strlen(STUB_MARK) && strcmp(linkage + n - strlen(STUB_MARK), STUB_MARK) == 0)
        return demangle_stub(linkage, n);
    char *name = strndup(linkage, n);
    if (name == NULL)
        return NULL;

    /* Rust first: its legacy names are also valid C++ names, which would show the hash. The C++
       demangler's own depth limit refuses every name above 1 KiB; the length limit replaces it. */
    struct sink sink = {0};
    int options = DMGL_PARAMS | DMGL_ANSI;
    bool known = accepts(rust_demangle_callback, options, name, &sink) ||
                 accepts(cplus_demangle_v3_callback, options | DMGL_NO_RECURSE_LIMIT, name, &sink);
    free(name);
    if (!known) {
        free(sink.text);
        return NULL;
    }
    sink.text[sink.length] = '\0';
    return sink.text;
}
