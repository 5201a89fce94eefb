/* SPDX-License-Identifier: MIT */
/*
 * The recordings of one session: the images of its processes and how they descend from each other.
 *
 * What is known of each comes from its tape's INFO and CLOSE; no tape stays open. A forked child's
 * tape names its parent's by id. An image without a parent's id is the next one of its process when
 * an earlier tape of the same pid was not closed (exec ends a recording that way); otherwise it is
 * the child of the image that its parent process id stood for when it began. Hosts are told apart.
 *
 * family_run replays the recordings and gives each forked child the blocks that its parent had at
 * the fork (see replay_inherit): a parent's replay halts there while the child's runs, so memory
 * grows with the depth of forks, not with the number of recordings. Not thread-safe.
 */
#ifndef FAMILY_H
#define FAMILY_H

#include "profile.h"

#define FAMILY_NONE UINT32_MAX

enum family_tie {
    FAMILY_ROOT,
    FAMILY_FORK,  /* the parent's tape is known by its id */
    FAMILY_EXEC,  /* the next image of the parent's process */
    FAMILY_CHILD, /* known by the parent process id (vfork, posix_spawn, or fork and exec) */
};

struct family_member {
    char *path;
    uint8_t id[TAPE_ID_BYTES], parent_id[TAPE_ID_BYTES];
    char *parent_name; /* file name of the parent's tape; NULL: not a forked child */
    uint64_t fork_stamp;
    uint64_t pid, ppid, clock;
    uint64_t start, end;          /* ns since 1970; end UINT64_MAX: not known */
    char *host, *exe;             /* exe: as recorded, "" when unknown */
    char *command;                /* the command line, printable */
    bool closed, alive, replaced; /* replaced: its process went on as another image */
    const char *ending;           /* report_ending; static text */
    uint32_t parent;              /* index or FAMILY_NONE */
    enum family_tie tie;
    bool helper;         /* nobody named it: it was found beside a child, whose parent it is */
    bool selected;       /* to be reported */
    bool parent_missing; /* a forked child without its parent's tape: frees of inherited blocks
                            stay unmatched */

    /* What family_run found out. */
    bool done, failed; /* failed: the tape could not be opened again */
    struct replay_counts counts;
    struct tape_health health; /* first_damage is owned */
    uint64_t bytes, truncated;
};

/* Whether nothing of the recording is known to be missing. Behind family_run, as the next. */
bool family_member_whole(const struct family_member *);

struct family {
    struct family_member *member; /* by start */
    uint32_t count;
    uint32_t unreadable; /* files that should be recordings and could not be read */
};

struct family *family_new(void);
void family_free(struct family *);

/*
 * Adds what an operand names: a recording; a directory, with every file in it that is named *.tape
 * or begins like a recording; or, if no file has that name, a running process by its decimal id.
 * A recording that is there already is not added again. On failure one line is printed; false when
 * nothing could be added. Members move: keep no pointers.
 */
bool family_add(struct family *, const char *operand);

/* Finds the parents of forked children beside their tapes, sorts the members and ties them
 * together. Behind the last family_add, once. All that were named are selected. */
void family_link(struct family *);

/* Keeps selected what has this pid (0: any) and whose program's path or base name matches the glob
 * (NULL: any). Returns how many are left. */
uint32_t family_select(struct family *, uint64_t pid, const char *exe);

/* EXIT_FINDING when a selected recording is incomplete or one could not be read, otherwise
 * EXIT_FINE. */
int family_status(const struct family *);

/* The nearest selected ancestor, or FAMILY_NONE. */
uint32_t family_selected_parent(const struct family *, uint32_t member);

/* Replays what is selected, and of the rest what children inherit from. `visit` is called for each
 * selected member, a child perhaps before its parent, while its tape is open; `profile` is freed
 * behind it. */
void family_run(struct family *,
                void (*visit)(void *context, struct family_member *, struct tape_file *,
                              const struct profile *profile),
                void *context);

#endif
