/* SPDX-License-Identifier: MIT */
/* The fields of INFO and CLOSE chunks, and whether the process they name is still there. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "diag.h"
#include "tape_chunks.h"

/* Memory that lives as long as the tape. */
static void *keep(struct tape_file *f, void *p) {
    f->text = xrealloc(f->text, (f->text_count + 1) * sizeof *f->text);
    return f->text[f->text_count++] = p;
}

const char *tape_keep_text(struct tape_file *f, const struct tape_in *in) {
    size_t n = tape_in_left(in);
    char *text = xmalloc(n + 1);
    memcpy(text, in->p, n);
    text[n] = 0;
    return keep(f, text);
}

/* Texts that end with a zero byte each; the last one may lack it. */
static const char **get_list(struct tape_file *f, const struct tape_in *in) {
    const char *p = tape_keep_text(f, in), *end = p + tape_in_left(in);
    size_t n = 0;
    const char **list = xmalloc(sizeof *list);
    while (p < end) {
        list = xrealloc(list, (n + 2) * sizeof *list);
        list[n++] = p;
        p += strlen(p) + 1;
    }
    list[n] = NULL;
    return keep(f, list);
}

static void get_stream_end(struct tape_file *f, struct tape_in *in) {
    struct tape_stream_end e = {.stream = (uint32_t)tape_get_varint(in, UINT32_MAX)};
    e.events = tape_get_varint(in, UINT64_MAX);
    e.lost = tape_get_varint(in, UINT64_MAX);
    if (in->error != TAPE_OK)
        return;
    f->stream_end = xrealloc(f->stream_end, (f->stream_end_count + 1) * sizeof *f->stream_end);
    f->stream_end[f->stream_end_count++] = e;
}

static void get_field(struct tape_file *f, uint32_t tag, struct tape_in *v) {
    struct tape_process *p = &f->process;
    switch (tag) {
    case TAPE_INFO_RECORDER:
        p->recorder = tape_keep_text(f, v);
        break;
    case TAPE_INFO_EXE:
        p->exe = tape_keep_text(f, v);
        break;
    case TAPE_INFO_ARGV:
        p->argv = get_list(f, v);
        break;
    case TAPE_INFO_CWD:
        p->cwd = tape_keep_text(f, v);
        break;
    case TAPE_INFO_PID:
        p->pid = tape_get_varint(v, UINT64_MAX);
        break;
    case TAPE_INFO_PPID:
        p->ppid = tape_get_varint(v, UINT64_MAX);
        break;
    case TAPE_INFO_HOST:
        p->host = tape_keep_text(f, v);
        break;
    case TAPE_INFO_KERNEL:
        p->kernel = tape_keep_text(f, v);
        break;
    case TAPE_INFO_ARCH:
        p->arch = tape_keep_text(f, v);
        break;
    case TAPE_INFO_PAGE_SIZE:
        p->page_size = tape_get_varint(v, UINT64_MAX);
        break;
    case TAPE_INFO_CLOCK:
        p->clock = tape_get_varint(v, UINT64_MAX);
        break;
    case TAPE_INFO_TICK_HZ:
        p->tick_hz = tape_get_varint(v, UINT64_MAX);
        break;
    case TAPE_INFO_START_STAMP:
        p->start_stamp = tape_get_varint(v, UINT64_MAX);
        break;
    case TAPE_INFO_START_MONO:
        p->start_mono = tape_get_varint(v, UINT64_MAX);
        break;
    case TAPE_INFO_START_REAL:
        p->start_real = tape_get_varint(v, UINT64_MAX);
        break;
    case TAPE_INFO_ENV:
        p->env = get_list(f, v);
        break;
    case TAPE_INFO_UNWINDER:
        p->unwinder = tape_keep_text(f, v);
        break;
    case TAPE_INFO_PARENT:
        p->parent = tape_keep_text(f, v);
        break;
    case TAPE_INFO_PARENT_ID:
        if (tape_in_left(v) == TAPE_ID_BYTES)
            p->parent_id = (const uint8_t *)tape_keep_text(f, v);
        break;
    case TAPE_INFO_FORK_STAMP:
        p->fork_stamp = tape_get_varint(v, UINT64_MAX);
        break;
    case TAPE_INFO_ALLOCATOR:
        p->allocator = tape_keep_text(f, v);
        break;
    case TAPE_INFO_BYPASSED:
        p->bypassed = tape_keep_text(f, v);
        break;
    case TAPE_INFO_PAST:
        p->past = get_list(f, v);
        break;
    case TAPE_INFO_UNHOOKED:
        p->unhooked = get_list(f, v);
        break;
    case TAPE_INFO_PEAK_RSS:
        p->peak_rss = tape_get_varint(v, UINT64_MAX);
        break;
    case TAPE_INFO_END_STAMP:
        p->end_stamp = tape_get_varint(v, UINT64_MAX);
        break;
    case TAPE_INFO_END_MONO:
        p->end_mono = tape_get_varint(v, UINT64_MAX);
        break;
    case TAPE_INFO_END_REASON:
        p->end_reason = tape_keep_text(f, v);
        break;
    case TAPE_INFO_UNFOLLOWED:
        f->health.unfollowed = tape_get_varint(v, UINT64_MAX);
        break;
    case TAPE_INFO_STREAM_END:
        get_stream_end(f, v);
        break;
    case TAPE_INFO_UNWIND_STATS:
        p->captures = tape_get_varint(v, UINT64_MAX);
        p->frames = tape_get_varint(v, UINT64_MAX);
        p->truncated = tape_get_varint(v, UINT64_MAX);
        break;
    default:
        break; /* a later heaptape's */
    }
}

enum tape_error tape_read_fields(struct tape_file *f, tape_get_field *get, const uint8_t *payload,
                                 size_t bytes) {
    struct tape_in in = tape_in_of(payload, bytes), value;
    uint32_t tag;
    enum tape_error error = TAPE_OK;
    while (tape_get_info(&in, &tag, &value)) {
        get(f, tag, &value);
        if (error == TAPE_OK)
            error = value.error;
    }
    return in.error != TAPE_OK ? in.error : error;
}

enum tape_error tape_read_info(struct tape_file *f, const uint8_t *payload, size_t bytes) {
    return tape_read_fields(f, get_field, payload, bytes);
}

/* ---- is it still there? ------------------------------------------------------------------- */

/* Whether a process maps a file of this inode and base name: 1, 0, or -1 when nobody may know. */
static int maps_file(uint64_t pid, const char *path) {
    char name[64], *line = NULL;
    size_t room = 0;
    struct stat st;
    snprintf(name, sizeof name, "/proc/%" PRIu64 "/maps", pid);
    FILE *maps = fopen(name, "re");
    if (maps == NULL)
        return -1;
    const char *slash = strrchr(path, '/');
    const char *base = slash != NULL ? slash + 1 : path;
    int found = stat(path, &st) == 0 ? 0 : -1, lines = 0;
    while (found == 0 && getline(&line, &room, maps) > 0) {
        uint64_t inode = 0;
        lines++;
        line[strcspn(line, "\n")] = 0;
        const char *file = strrchr(line, '/');
        if (sscanf(line, "%*s %*s %*s %*s %" SCNu64, &inode) == 1 && inode == st.st_ino &&
            file != NULL && strcmp(file + 1, base) == 0)
            found = 1;
    }
    free(line);
    fclose(maps);
    return found == 0 && lines == 0 ? -1 : found;
}

bool tape_process_alive(const struct tape_file *f) {
    const struct tape_process *p = &f->process;
    struct utsname host;
    if (p->pid == 0 ||
        (p->host != NULL && uname(&host) == 0 && strcmp(host.nodename, p->host) != 0))
        return false;
    return maps_file(p->pid, f->path) == 1 || maps_file(p->pid, f->tail_path) == 1;
}

enum tape_error tape_read_code_map(struct tape_file *f, const struct tape_piece *p) {
    struct tape_decoder decoder = {0};
    if (f->process.code_map != NULL)
        return TAPE_OK;
    enum tape_error error = tape_load_payload(&decoder, f->fd, p);
    if (error == TAPE_OK)
        f->process.code_map = keep(f, xasprintf("%.*s", (int)p->raw, (const char *)decoder.raw));
    tape_decoder_free(&decoder);
    return error;
}

/* A text that does not end, or has no reason behind it, is passed over. */
enum tape_error tape_read_unrecorded(struct tape_file *f, const struct tape_piece *p) {
    struct tape_decoder decoder = {0};
    enum tape_error error = tape_load_payload(&decoder, f->fd, p);
    if (error == TAPE_OK && f->process.unrecorded[0] == NULL) {
        const struct tape_in in = tape_in_of(decoder.raw, p->raw);
        f->process.unrecorded = get_list(f, &in);
    }
    tape_decoder_free(&decoder);
    return error;
}
