/* SPDX-License-Identifier: MIT */
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "arch.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

#define CALL(n, a, b, c, d, e, f)                                                                  \
    arch_syscall((n), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

_Atomic uint64_t sys_fail_at;

/* A call that takes memory, disk or descriptors: the ones that a test can make fail. */
static long fallible(long number, long a, long b, long c, long d, long e, long f) {
    static _Atomic uint64_t calls;
    if (__builtin_expect(sys_fail_at != 0, 0) && ++calls == sys_fail_at)
        return number == SYS_fallocate || number == SYS_pwrite64 ? -ENOSPC : -ENOMEM;
    return arch_syscall(number, a, b, c, d, e, f);
}

#define TRY(n, a, b, c, d, e, f)                                                                   \
    fallible((n), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static bool failed(long result) {
    return result < 0 && result > -4096;
}

void *sys_map(size_t bytes) {
    long p = TRY(SYS_mmap, 0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return failed(p) ? NULL : (void *)p;
}

void *sys_remap(void *p, size_t old_bytes, size_t new_bytes) {
    long q = TRY(SYS_mremap, p, old_bytes, new_bytes, MREMAP_MAYMOVE, 0, 0);
    return failed(q) ? NULL : (void *)q;
}

void sys_unmap(void *p, size_t bytes) {
#if defined(__SANITIZE_THREAD__)
    /* The sanitizer does not see these calls: the next mapping at the same address would look like
     * a race with the last use of this one. */
    (void)p;
    (void)bytes;
#else
    CALL(SYS_munmap, p, bytes, 0, 0, 0, 0);
#endif
}

bool sys_absent_in_child(void *p, size_t bytes) {
    return TRY(SYS_madvise, p, bytes, MADV_DONTFORK, 0, 0, 0) == 0;
}

bool sys_zero_in_child(void *p, size_t bytes) {
    return TRY(SYS_madvise, p, bytes, MADV_WIPEONFORK, 0, 0, 0) == 0;
}

static long open_file(const char *path, int flags, int mode) {
    return TRY(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC | O_NOCTTY, mode, 0, 0);
}

static void close_file(long fd) {
    CALL(SYS_close, fd, 0, 0, 0, 0, 0);
}

/* Growing past RLIMIT_FSIZE raises SIGXFSZ; it is ours, so the program must not see it. */
static void swallow_sigxfsz(bool pending_before) {
    if (pending_before)
        return;
    uint64_t set = UINT64_C(1) << (SIGXFSZ - 1);
    struct timespec none = {0, 0};
    CALL(SYS_rt_sigtimedwait, &set, 0, &none, sizeof set, 0, 0);
}

static bool sigxfsz_pending(void) {
    uint64_t set = 0;
    CALL(SYS_rt_sigpending, &set, sizeof set, 0, 0, 0, 0);
    return (set & UINT64_C(1) << (SIGXFSZ - 1)) != 0;
}

/* Reserves and maps a part of an open file, and closes it. */
static void *map_open_file(long fd, uint64_t offset, size_t bytes, int *error) {
    bool pending = sigxfsz_pending();
    long result = TRY(SYS_fallocate, fd, 0, offset, bytes, 0, 0);
    if (result == -EFBIG)
        swallow_sigxfsz(pending);
    if (result == -EOPNOTSUPP || result == -ENOSYS) {
        /* The file system cannot reserve blocks: writing zeroes does, if slowly. */
        static const char zero[1024];
        result = 0;
        for (size_t done = 0; done < bytes && result >= 0; done += sizeof zero)
            result = TRY(SYS_pwrite64, fd, zero, sizeof zero, offset + done, 0, 0);
        if (result == -EFBIG)
            swallow_sigxfsz(pending);
    }
    long p = result < 0 ? result
                        : TRY(SYS_mmap, 0, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
    close_file(fd);
    *error = failed(p) ? (int)p : 0;
    return failed(p) ? NULL : (void *)p;
}

/* The file that is open is the one that was made. */
static bool same_file(long fd, const struct sys_file *file) {
    struct stat st;
    return CALL(SYS_fstat, fd, &st, 0, 0, 0, 0) == 0 && st.st_dev == file->device &&
           st.st_ino == file->inode;
}

/* Opens the file at `path` if it is still ours: -ESTALE when another lies there now. */
static long open_own(const char *path, const struct sys_file *file) {
    long fd = open_file(path, O_RDWR | O_NOFOLLOW, 0);
    if (!failed(fd) && !same_file(fd, file)) {
        close_file(fd);
        return -ESTALE;
    }
    return fd;
}

void *sys_create_and_map(const char *path, uint64_t offset, size_t bytes, struct sys_file *file,
                         int *error) {
    long fd = open_file(path, O_RDWR | O_CREAT | O_EXCL, 0666);
    struct stat st;
    if (failed(fd)) {
        *error = (int)fd;
        return NULL;
    }
    CALL(SYS_fstat, fd, &st, 0, 0, 0, 0);
    *file = (struct sys_file){.device = st.st_dev, .inode = st.st_ino};
    void *p = map_open_file(fd, offset, bytes, error);
    if (p == NULL)
        TRY(SYS_unlinkat, AT_FDCWD, path, 0, 0, 0, 0);
    return p;
}

void *sys_map_file(const char *path, const struct sys_file *file, uint64_t offset, size_t bytes,
                   int *error) {
    long fd = open_own(path, file);
    if (failed(fd)) {
        *error = (int)fd;
        return NULL;
    }
    return map_open_file(fd, offset, bytes, error);
}

int sys_truncate(const char *path, const struct sys_file *file, uint64_t bytes) {
    long fd = open_own(path, file);
    if (failed(fd))
        return (int)fd;
    int result = (int)TRY(SYS_ftruncate, fd, bytes, 0, 0, 0, 0);
    close_file(fd);
    return result;
}

int sys_unlink(const char *path, const struct sys_file *file) {
    long fd = open_own(path, file);
    if (failed(fd))
        return (int)fd;
    close_file(fd);
    return (int)TRY(SYS_unlinkat, AT_FDCWD, path, 0, 0, 0, 0);
}

bool sys_exists(const char *path) {
    return CALL(SYS_faccessat, AT_FDCWD, path, 0, 0, 0, 0) == 0;
}

long sys_read_file(const char *path, void *to, size_t bytes) {
    long fd = open_file(path, O_RDONLY, 0);
    if (failed(fd))
        return fd;
    size_t have = 0;
    long n = 0;
    while (have < bytes && (n = CALL(SYS_read, fd, (char *)to + have, bytes - have, 0, 0, 0)) > 0)
        have += (size_t)n;
    close_file(fd);
    return n < 0 && have == 0 ? n : (long)have;
}

long sys_readlink(const char *path, char *to, size_t bytes) {
    long n = CALL(SYS_readlinkat, AT_FDCWD, path, to, bytes - 1, 0, 0);
    to[failed(n) ? 0 : n] = 0;
    return n;
}

long sys_getcwd(char *to, size_t bytes) {
    long n = CALL(SYS_getcwd, to, bytes, 0, 0, 0, 0);
    if (failed(n))
        to[0] = 0;
    return n;
}

void sys_write_stderr(const char *text, size_t bytes) {
    CALL(SYS_write, 2, text, bytes, 0, 0, 0);
}

/* Linux 6.11: one mapping by address, include/uapi/linux/fs.h. */
struct procmap_query {
    uint64_t size, flags, address;
    uint64_t vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
    uint32_t dev_major, dev_minor, name_size, build_id_size;
    uint64_t name, build_id;
};
#define PROCMAP_QUERY_CALL 0xc0686611ul /* _IOWR('f', 17, struct procmap_query) */
_Static_assert(sizeof(struct procmap_query) == 0x68, "size is part of the request number");

static const char *read_hex(const char *p, const char *end, uint64_t *v) {
    *v = 0;
    for (; p < end; p++) {
        unsigned digit = *p >= 'a' ? (unsigned)(*p - 'a') + 10u : (unsigned)(*p - '0');
        if (digit > 15)
            break;
        *v = *v << 4 | digit;
    }
    return p;
}

static bool find_in_text(long fd, uint64_t address, uint64_t *start, uint64_t *end, char *buf,
                         size_t cap) {
    size_t have = 0;
    for (;;) {
        long n = CALL(SYS_read, fd, buf + have, cap - have, 0, 0, 0);
        if (n <= 0)
            return false;
        have += (size_t)n;
        char *line = buf, *stop = buf + have, *newline;
        while ((newline = memchr(line, '\n', (size_t)(stop - line))) != NULL) {
            const char *p = read_hex(line, newline, start);
            read_hex(p + 1, newline, end);
            if (address >= *start && address < *end)
                return true;
            line = newline + 1;
        }
        have = (size_t)(stop - line);
        if (have == cap)
            return false;
        memmove(buf, line, have);
    }
}

bool sys_find_mapping(uint64_t address, uint64_t *start, uint64_t *end, char *scratch,
                      size_t scratch_bytes) {
    long fd = open_file("/proc/self/maps", O_RDONLY, 0);
    if (failed(fd))
        return false;
    struct procmap_query query = {.size = sizeof query, .address = address};
    long result = TRY(SYS_ioctl, fd, PROCMAP_QUERY_CALL, &query, 0, 0, 0);
    bool found = result == 0;
    if (found) {
        *start = query.vma_start;
        *end = query.vma_end;
    } else if (result != -ENOENT) {
        found = find_in_text(fd, address, start, end, scratch, scratch_bytes);
    }
    close_file(fd);
    return found;
}

uint64_t sys_resident_bytes(uint64_t page_size) {
    char text[64];
    long n = sys_read_file("/proc/self/statm", text, sizeof text - 1);
    if (n <= 0)
        return 0;
    text[n] = 0;
    const char *p = strchr(text, ' ');
    uint64_t pages = 0;
    for (p = p == NULL ? "" : p + 1; *p >= '0' && *p <= '9'; p++)
        pages = pages * 10 + (uint64_t)(*p - '0');
    return pages * page_size;
}

uint32_t sys_pid(void) {
    return (uint32_t)CALL(SYS_getpid, 0, 0, 0, 0, 0, 0);
}
uint32_t sys_ppid(void) {
    return (uint32_t)CALL(SYS_getppid, 0, 0, 0, 0, 0, 0);
}
uint32_t sys_tid(void) {
    return (uint32_t)CALL(SYS_gettid, 0, 0, 0, 0, 0, 0);
}

void sys_thread_name(char name[16]) {
    memset(name, 0, 16);
    CALL(SYS_prctl, PR_GET_NAME, name, 0, 0, 0, 0);
}

uint64_t sys_clock(int clock) {
    struct timespec t = {0, 0};
    CALL(SYS_clock_gettime, clock, &t, 0, 0, 0, 0);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void sys_random(void *to, size_t bytes) {
    long n = CALL(SYS_getrandom, to, bytes, 1 /* GRND_NONBLOCK */, 0, 0, 0);
    if (n == (long)bytes)
        return;
    uint64_t seed = arch_ticks() ^ (uint64_t)sys_pid() << 32;
    for (size_t i = 0; i < bytes; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        ((uint8_t *)to)[i] = (uint8_t)(seed >> 56);
    }
}

unsigned sys_cpus(void) {
    uint64_t mask[16] = {0};
    long n = CALL(SYS_sched_getaffinity, 0, sizeof mask, mask, 0, 0, 0);
    unsigned count = 0;
    for (long i = 0; i < n / 8; i++)
        count += (unsigned)__builtin_popcountll(mask[i]);
    return count != 0 ? count : 1;
}

void sys_block_signals(uint64_t *old) {
    uint64_t all = ~UINT64_C(0);
    *old = 0;
    CALL(SYS_rt_sigprocmask, SIG_SETMASK, &all, old, sizeof all, 0, 0);
}

void sys_restore_signals(const uint64_t *old) {
    CALL(SYS_rt_sigprocmask, SIG_SETMASK, old, 0, sizeof *old, 0, 0);
}
