/* SPDX-License-Identifier: MIT */
/*
 * A recording on disk: the tape and, if there is one, its tail, read as one.
 *
 * Opening scans segment and chunk headers only; chunks are decompressed when asked for. Damage
 * never stops the reader: a chunk that cannot be trusted is skipped, counted and described.
 * Not thread-safe per object; several objects may be open in one process.
 */
#ifndef TAPE_FILE_H
#define TAPE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tape/events.h"
#include "tape/format.h"
#include "tape/info.h"

struct tape_file;

/* Code that the program made at run time, as a packed tape names it. */
struct tape_jit {
    uint64_t address; /* of a call in it, not the return address */
    const char *function, *file;
    unsigned line;
};

/* What is known about the recorded process. Strings are owned by the tape_file. */
struct tape_process {
    const char *recorder, *exe, *cwd, *host, *kernel, *arch, *unwinder, *parent;
    const char **argv; /* ends with NULL */
    const char **env;  /* ends with NULL */
    uint64_t pid, ppid, page_size;
    uint64_t clock;   /* enum tape_clock */
    uint64_t tick_hz; /* recorder's estimate, 0 unknown */
    uint64_t start_stamp, start_mono, start_real;
    const uint8_t *parent_id; /* TAPE_ID_BYTES of the tape `parent`; NULL: not a forked child */
    uint64_t fork_stamp;      /* ticks, by the parent's clock too */
    bool closed;              /* the recording was ended in order */
    bool tail_read;           /* events were taken from a tail file */
    bool alive;               /* the process still runs (same pid, same start) */
    const char *allocator;    /* module of the real malloc; NULL unknown */
    const char *bypassed;     /* module whose malloc is called instead of ours; NULL: none */
    const char **unhooked;    /* ends with NULL: modules whose malloc or free leads elsewhere */
    const char *
        *past; /* the same: that call entries which only second objects hook; "": the program */
    uint64_t peak_rss;            /* greatest resident size, bytes; 0 unknown */
    const char *end_reason;       /* exit, _exit, …; NULL when not closed */
    uint64_t end_stamp, end_mono; /* 0 when not closed */
    const char **unrecorded; /* ends with NULL: path and reason of programs that it, or others of
                                its session, started and that left no recording */
    const char *code_map;    /* text of the CODE_MAP chunk, ended by a zero byte; NULL: none */
    /* unwinder statistics of the CLOSE chunk, all 0 when not there */
    uint64_t captures, frames, truncated;
    struct tape_jit *jit; /* of a packed tape; NULL: none */
    size_t jit_count;
};

/* What a packed tape says of the recording that it was made from. */
struct tape_packing {
    bool packed;          /* it is one */
    bool known;           /* the rest could be read */
    const char *by;       /* version of the packer */
    uint64_t bytes;       /* size of the recording as it was recorded */
    uint64_t chunks;      /* chunks and buffers with events that it had */
    uint64_t symbols;     /* addresses of code that it has names for */
    uint64_t grain;       /* of the clock: see clock.h */
    uint64_t stamp, mono; /* the last known pair; mono 0: the tape was closed, or there is none */
};

/* How complete the recording is: the completeness line is printed from this. */
struct tape_health {
    uint64_t events;         /* events that can be read */
    uint64_t lost;           /* known to be lost: counted by the recorder, or gaps of ordinals */
    uint64_t chunks;         /* event chunks and tail buffers that can be read */
    uint64_t damaged_chunks; /* skipped */
    uint64_t unfollowed;     /* forked children that could not be recorded */
    uint64_t damaged_bytes;  /* skipped over while looking for the next chunk */
    char *first_damage;      /* one line: file offset and what is wrong; NULL when none */
};

/*
 * Opens `path` (and path.tail). On failure returns NULL and prints one line that says what is
 * wrong: missing, not a tape, newer version, header damaged, empty. An existing tape without a
 * single event opens fine (health.events == 0).
 */
struct tape_file *tape_file_open(const char *path);
void tape_file_close(struct tape_file *);

const char *tape_file_path(const struct tape_file *);
const uint8_t *tape_file_id(const struct tape_file *); /* TAPE_ID_BYTES, random */
uint64_t tape_file_bytes(const struct tape_file *);    /* size of tape plus tail, bytes */
const struct tape_process *tape_file_process(const struct tape_file *);
const struct tape_packing *tape_file_packing(const struct tape_file *);
/* Grows while chunks are decoded: read it after the replay for the final word. */
const struct tape_health *tape_file_health(const struct tape_file *);

#endif
