/* SPDX-License-Identifier: MIT */
/*
 * Every contact of the recorder with the kernel. Nothing here goes through libc: errno stays the
 * program's, nothing allocates, nothing is a cancellation point, and every function is
 * async-signal-safe. Failures are returned as -errno.
 */
#ifndef SYS_H
#define SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* For tests: the Nth call of the process that takes memory, disk space or a descriptor fails. */
extern _Atomic uint64_t sys_fail_at;

/*
 * What the program has forbidden itself. Once it has installed a seccomp filter, only the kinds of
 * calls that malloc itself makes are made: mmap, munmap and mremap of anonymous memory; in strict
 * mode none at all. Everything else fails with -EPERM without being tried, so files can no longer
 * be reached. Of the whole process, kept by its forked children. sys_confine returns the level
 * that held before.
 */
enum { SYS_FREE, SYS_FILTERED, SYS_STRICT };
unsigned sys_confine(unsigned level);
bool sys_confined(void);

/* Anonymous private memory, zeroed; NULL when there is none. Whole pages. */
void *sys_map(size_t bytes);
/* The same, shared with the children forked later. */
void *sys_map_shared(size_t bytes);
/* Grows (may move) memory from sys_map, keeping its contents; NULL when there is none. */
void *sys_remap(void *p, size_t old_bytes, size_t new_bytes);
void sys_unmap(void *p, size_t bytes);
/* What a forked child finds there: nothing at all, or zeroes. */
bool sys_absent_in_child(void *p, size_t bytes);
bool sys_zero_in_child(void *p, size_t bytes);

/* Whether every page of the range (whole pages) can be read: they are there afterwards. False also
 * where the kernel cannot tell. */
bool sys_readable(uint64_t from, size_t bytes);

/* Which file a path led to when it was made: the program may have renamed it since, and put one of
 * its own there, which is none of our business. */
struct sys_file {
    uint64_t device, inode;
};

/*
 * The following work also when the program has used up its descriptors. Where there are several
 * threads they leave the program's table of descriptors alone.
 *
 * Creates a file that must not exist (mode 0666 less the umask), makes [offset, offset + bytes) of
 * it exist on disk, blocks allocated, and maps that shared. The file is open only while this runs.
 * NULL and *error = -errno on failure, in which case the file is gone again unless it existed
 * (-EEXIST). SIGXFSZ that it raises is swallowed; call it with signals blocked.
 */
void *sys_create_and_map(const char *path, uint64_t offset, size_t bytes, struct sys_file *file,
                         int *error);
/* The same with a file that was made: all of these fail with -ESTALE when another lies there. */
void *sys_map_file(const char *path, const struct sys_file *file, uint64_t offset, size_t bytes,
                   int *error);
int sys_truncate(const char *path, const struct sys_file *file, uint64_t bytes);
int sys_unlink(const char *path, const struct sys_file *file);
/* Makes `user` its owner. */
int sys_give(const char *path, const struct sys_file *file, uint32_t user);
bool sys_exists(const char *path);
bool sys_may_execute(const char *path);

/* Appends `bytes` to a file that exists, with one write, unless it has `most` bytes already.
 * SIGXFSZ that this raises is swallowed. `own_descriptors`: no other thread shares the process's.
 * Returns 0 or -errno. */
int sys_append(const char *path, const void *from, size_t bytes, uint64_t most,
               bool own_descriptors);

/* Reads up to `bytes` from the start of a file: how many, or -errno. */
long sys_read_file(const char *path, void *to, size_t bytes);
/* Reads a whole file in pieces, each of which is handed over, perhaps in another process that
 * shares this one's memory, on a stack of some 10 KiB: 0 or -errno. */
long sys_read_pieces(const char *path, void (*piece)(void *context, const char *text, size_t bytes),
                     void *context);
long sys_readlink(const char *path, char *to, size_t bytes); /* zero-terminated on success */
long sys_getcwd(char *to, size_t bytes);                     /* zero-terminated on success */
void sys_write_stderr(const char *text, size_t bytes);

/* The mapping that contains `address`: false when there is none or /proc cannot be read.
 * `scratch` (at least 4096 bytes) is used where the kernel has no PROCMAP_QUERY. */
bool sys_find_mapping(uint64_t address, uint64_t *start, uint64_t *end, char *scratch,
                      size_t scratch_bytes);

/* Resident bytes of this process, 0 when unknown. */
uint64_t sys_resident_bytes(uint64_t page_size);

uint32_t sys_pid(void);
uint32_t sys_ppid(void);
uint32_t sys_tid(void);
void sys_thread_name(char name[16]);
uint64_t sys_clock(int clock);  /* ns of CLOCK_MONOTONIC, CLOCK_REALTIME; by system call */
bool sys_ticks_forbidden(void); /* PR_SET_TSC: reading the time-stamp counter is SIGSEGV */
void sys_random(void *to, size_t bytes);
unsigned sys_cpus(void); /* cores this process may run on, at least 1 */

/* Blocks every signal of the thread; when true, *old is what sys_restore_signals takes back. */
bool sys_block_signals(uint64_t *old);
void sys_restore_signals(const uint64_t *old);

void sys_yield(void);
bool sys_thread_is_gone(uint32_t pid, uint32_t tid); /* false when unknown */
struct utsname;
void sys_uname(struct utsname *);

#endif
