/* SPDX-License-Identifier: MIT */
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#include "arch.h"
#include "owned.h"
#include "sys_gate.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif
#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

/* Set by the program's own hand, for the process and whatever it forks: see sys_confine. */
static atomic_uint confinement;

long sys_gate(long number, long a, long b, long c, long d, long e, long f) {
    unsigned level = atomic_load_explicit(&confinement, memory_order_relaxed);
    if (__builtin_expect(level != SYS_FREE, 0) &&
        (level == SYS_STRICT ||
         (number != SYS_mmap && number != SYS_munmap && number != SYS_mremap)))
        return -EPERM;
    return arch_syscall(number, a, b, c, d, e, f);
}

_Atomic uint64_t sys_fail_at;
struct range_table owned;

unsigned sys_confine(unsigned level) {
    return atomic_exchange(&confinement, level);
}

bool sys_confined(void) {
    return atomic_load_explicit(&confinement, memory_order_relaxed) != SYS_FREE;
}

long sys_gate_fallible(long number, long a, long b, long c, long d, long e, long f) {
    static _Atomic uint64_t calls;
    if (__builtin_expect(sys_fail_at != 0, 0) && ++calls == sys_fail_at)
        return number == SYS_fallocate || number == SYS_pwrite64 ? -ENOSPC : -ENOMEM;
    return sys_gate(number, a, b, c, d, e, f);
}

void *sys_map(size_t bytes) {
    long p = TRY(SYS_mmap, 0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (failed(p))
        return NULL;
    /* Left out of core dumps, and so no part of a mapping with the program's own next to it, whose
     * pages could not be told apart. */
    if (!sys_confined())
        CALL(SYS_madvise, p, bytes, MADV_DONTDUMP, 0, 0, 0);
    return owned_add((void *)p, bytes);
}

void *sys_map_shared(size_t bytes) {
    long p = TRY(SYS_mmap, 0, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return failed(p) ? NULL : owned_add((void *)p, bytes);
}

void *sys_remap(void *p, size_t old_bytes, size_t new_bytes) {
    owned_remove(p, old_bytes); /* before somebody else can be given the place */
    long q = TRY(SYS_mremap, p, old_bytes, new_bytes, MREMAP_MAYMOVE, 0, 0);
    if (failed(q))
        owned_add(p, old_bytes);
    return failed(q) ? NULL : owned_add((void *)q, new_bytes);
}

void sys_unmap(void *p, size_t bytes) {
#if defined(__SANITIZE_THREAD__)
    /* The sanitizer does not see these calls: the next mapping at the same address would look like
     * a race with the last use of this one. */
    (void)p;
    (void)bytes;
#else
    owned_remove(p, bytes);
    CALL(SYS_munmap, p, bytes, 0, 0, 0, 0);
#endif
}

bool sys_absent_in_child(void *p, size_t bytes) {
    return TRY(SYS_madvise, p, bytes, MADV_DONTFORK, 0, 0, 0) == 0;
}

bool sys_readable(uint64_t from, size_t bytes) {
    return CALL(SYS_madvise, from, bytes, MADV_POPULATE_READ, 0, 0, 0) == 0;
}

bool sys_zero_in_child(void *p, size_t bytes) {
    return TRY(SYS_madvise, p, bytes, MADV_WIPEONFORK, 0, 0, 0) == 0;
}

long sys_open(const char *path, int flags, int mode) {
    return TRY(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC | O_NOCTTY, mode, 0, 0);
}

void sys_close(long fd) {
    CALL(SYS_close, fd, 0, 0, 0, 0, 0);
}

/* ---- work that needs a descriptor --------------------------------------------------------- */

/*
 * A process with several threads shares its table of descriptors among them: another thread may
 * close the number that we have just been given and get it for a file of its own. And a program
 * may have used up its descriptors. In both cases the work is done by a process that shares our
 * memory but has a table of its own, a copy, while this thread waits. It sends no signal at its
 * end, and only a wait with __WALL sees it.
 */
#define JOB_STACK_BYTES 16384

static void run_with_own_table(void *arg) {
    struct job *job = arg;
    job->run(job);
    if (job->result != -EMFILE)
        return;
    CALL(SYS_close, 0, 0, 0, 0, 0, 0);
    job->run(job);
}

/* False when there can be no such process. */
static bool do_apart(struct job *job) {
    uint8_t *stack = sys_map(JOB_STACK_BYTES);
    if (stack == NULL)
        return false;
    uint64_t signals;
    bool blocked = sys_block_signals(&signals);
    long pid = blocked ? arch_clone_call(job, run_with_own_table, stack + JOB_STACK_BYTES,
                                         CLONE_VM | CLONE_FS | CLONE_VFORK)
                       : -EPERM;
    if (!failed(pid))
        while (CALL(SYS_wait4, pid, 0, __WALL, 0, 0, 0) == -EINTR) {
        }
    if (blocked)
        sys_restore_signals(&signals);
    sys_unmap(stack, JOB_STACK_BYTES);
    return !failed(pid);
}

long sys_do_job(struct job *job) {
    extern char __libc_single_threaded;
    if (!__libc_single_threaded && do_apart(job))
        return job->result;
    job->run(job);
    if (job->result == -EMFILE && __libc_single_threaded)
        do_apart(job);
    return job->result;
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

/* Signals need not be blocked. */
static long write_quietly(long fd, const void *from, size_t bytes) {
    uint64_t signals;
    if (!sys_block_signals(&signals))
        return -EPERM;
    bool pending = sigxfsz_pending();
    long result = CALL(SYS_write, fd, from, bytes, 0, 0, 0);
    if (result == -EFBIG)
        swallow_sigxfsz(pending);
    sys_restore_signals(&signals);
    return result;
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
    sys_close(fd);
    *error = failed(p) ? (int)p : 0;
    return failed(p) ? NULL : owned_add((void *)p, bytes);
}

/* The file that is open is the one that was made. */
static bool same_file(long fd, const struct sys_file *file) {
    struct stat st;
    return CALL(SYS_fstat, fd, &st, 0, 0, 0, 0) == 0 && st.st_dev == file->device &&
           st.st_ino == file->inode;
}

/* Opens the file at `path` if it is still ours: -ESTALE when another lies there now. */
static long open_own(const char *path, const struct sys_file *file) {
    long fd = sys_open(path, O_RDWR | O_NOFOLLOW, 0);
    if (!failed(fd) && !same_file(fd, file)) {
        sys_close(fd);
        return -ESTALE;
    }
    return fd;
}

struct file_job {
    struct job job;
    long (*act)(struct file_job *, long fd);
    const char *path;
    const struct sys_file *own; /* the file that must lie there */
    struct sys_file *made;      /* set when the file is made */
    uint64_t offset;
    size_t bytes;
    uint32_t user;
    void *mapped;
};

static struct file_job *file_job(struct job *job) {
    return (struct file_job *)(void *)job;
}

static long do_file_job(struct file_job *f, void (*run)(struct job *)) {
    f->job.run = run;
    return sys_do_job(&f->job);
}

static void create_and_map(struct job *job) {
    struct file_job *f = file_job(job);
    long fd = sys_open(f->path, O_RDWR | O_CREAT | O_EXCL, 0666);
    struct stat st;
    job->result = fd;
    if (failed(fd))
        return;
    CALL(SYS_fstat, fd, &st, 0, 0, 0, 0);
    *f->made = (struct sys_file){.device = st.st_dev, .inode = st.st_ino};
    int error;
    f->mapped = map_open_file(fd, f->offset, f->bytes, &error);
    job->result = error;
    if (f->mapped == NULL)
        TRY(SYS_unlinkat, AT_FDCWD, f->path, 0, 0, 0, 0);
}

void *sys_create_and_map(const char *path, uint64_t offset, size_t bytes, struct sys_file *file,
                         int *error) {
    struct file_job f = {.path = path, .made = file, .offset = offset, .bytes = bytes};
    *error = (int)do_file_job(&f, create_and_map);
    return f.mapped;
}

/* What is done with a file that was made, on a descriptor that `act` closes. */
static void on_own_file(struct job *job) {
    struct file_job *f = file_job(job);
    long fd = open_own(f->path, f->own);
    job->result = failed(fd) ? fd : f->act(f, fd);
}

static long map_own(struct file_job *f, long fd) {
    int error;
    f->mapped = map_open_file(fd, f->offset, f->bytes, &error);
    return error;
}

static long truncate_own(struct file_job *f, long fd) {
    long result = TRY(SYS_ftruncate, fd, f->bytes, 0, 0, 0, 0);
    sys_close(fd);
    return result;
}

static long give_own(struct file_job *f, long fd) {
    long result = CALL(SYS_fchown, fd, f->user, -1, 0, 0, 0);
    sys_close(fd);
    return result;
}

void *sys_map_file(const char *path, const struct sys_file *file, uint64_t offset, size_t bytes,
                   int *error) {
    struct file_job f = {
        .act = map_own, .path = path, .own = file, .offset = offset, .bytes = bytes};
    *error = (int)do_file_job(&f, on_own_file);
    return f.mapped;
}

int sys_truncate(const char *path, const struct sys_file *file, uint64_t bytes) {
    struct file_job f = {.act = truncate_own, .path = path, .own = file, .bytes = bytes};
    return (int)do_file_job(&f, on_own_file);
}

int sys_unlink(const char *path, const struct sys_file *file) {
    struct stat st;
    int result = (int)CALL(SYS_newfstatat, AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW, 0, 0);
    if (result != 0)
        return result;
    if (st.st_dev != file->device || st.st_ino != file->inode)
        return -ESTALE;
    return (int)TRY(SYS_unlinkat, AT_FDCWD, path, 0, 0, 0, 0);
}

int sys_give(const char *path, const struct sys_file *file, uint32_t user) {
    struct file_job f = {.act = give_own, .path = path, .own = file, .user = user};
    return (int)do_file_job(&f, on_own_file);
}

bool sys_exists(const char *path) {
    return CALL(SYS_faccessat, AT_FDCWD, path, 0, 0, 0, 0) == 0;
}

bool sys_may_execute(const char *path) {
    return CALL(SYS_faccessat, AT_FDCWD, path, 1 /* X_OK */, 0, 0, 0) == 0;
}

struct append_job {
    struct job job;
    const char *path;
    const void *from;
    size_t bytes;
    uint64_t most;
};

static void append(struct job *job) {
    struct append_job *a = (struct append_job *)(void *)job;
    long fd = sys_open(a->path, O_WRONLY | O_APPEND | O_NOFOLLOW, 0);
    struct stat st;
    job->result = fd;
    if (failed(fd))
        return;
    job->result = CALL(SYS_fstat, fd, &st, 0, 0, 0, 0);
    if (job->result == 0 && (uint64_t)st.st_size >= a->most)
        job->result = -EFBIG;
    if (job->result == 0)
        job->result = write_quietly(fd, a->from, a->bytes);
    sys_close(fd);
}

int sys_append(const char *path, const void *from, size_t bytes, uint64_t most,
               bool own_descriptors) {
    struct append_job a = {{append, 0}, path, from, bytes, most};
    if (own_descriptors)
        append(&a.job);
    else
        sys_do_job(&a.job);
    return failed(a.job.result) ? (int)a.job.result : 0;
}

struct read_job {
    struct job job;
    const char *path;
    char *to;
    size_t bytes;
};

static void read_file(struct job *job) {
    struct read_job *r = (struct read_job *)(void *)job;
    long fd = sys_open(r->path, O_RDONLY, 0);
    job->result = fd;
    if (failed(fd))
        return;
    size_t have = 0;
    long n = 0;
    while (have < r->bytes && (n = CALL(SYS_read, fd, r->to + have, r->bytes - have, 0, 0, 0)) > 0)
        have += (size_t)n;
    sys_close(fd);
    job->result = n < 0 && have == 0 ? n : (long)have;
}

long sys_read_file(const char *path, void *to, size_t bytes) {
    struct read_job r = {{read_file, 0}, path, to, bytes};
    return sys_do_job(&r.job);
}

struct pieces_job {
    struct job job;
    const char *path;
    void (*piece)(void *context, const char *text, size_t bytes);
    void *context;
};

static void read_pieces(struct job *job) {
    struct pieces_job *r = (struct pieces_job *)(void *)job;
    char text[4096];
    long fd = sys_open(r->path, O_RDONLY, 0), n;
    job->result = fd;
    if (failed(fd))
        return;
    while ((n = CALL(SYS_read, fd, text, sizeof text, 0, 0, 0)) > 0)
        r->piece(r->context, text, (size_t)n);
    sys_close(fd);
    job->result = n;
}

long sys_read_pieces(const char *path, void (*piece)(void *context, const char *text, size_t bytes),
                     void *context) {
    struct pieces_job r = {{read_pieces, 0}, path, piece, context};
    return sys_do_job(&r.job);
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
    write_quietly(2, text, bytes);
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

struct mapping_job {
    struct job job;
    uint64_t address, start, end;
    char *scratch;
    size_t scratch_bytes;
    bool found;
};

static void find_mapping(struct job *job) {
    struct mapping_job *m = (struct mapping_job *)(void *)job;
    long fd = sys_open("/proc/self/maps", O_RDONLY, 0);
    job->result = fd;
    if (failed(fd))
        return;
    struct procmap_query query = {.size = sizeof query, .address = m->address};
    long result = TRY(SYS_ioctl, fd, PROCMAP_QUERY_CALL, &query, 0, 0, 0);
    m->found = result == 0;
    if (m->found) {
        m->start = query.vma_start;
        m->end = query.vma_end;
    } else if (result != -ENOENT) {
        m->found = find_in_text(fd, m->address, &m->start, &m->end, m->scratch, m->scratch_bytes);
    }
    sys_close(fd);
    job->result = 0;
}

bool sys_find_mapping(uint64_t address, uint64_t *start, uint64_t *end, char *scratch,
                      size_t scratch_bytes) {
    struct mapping_job m = {{find_mapping, 0}, address, 0, 0, scratch, scratch_bytes, false};
    sys_do_job(&m.job);
    *start = m.start;
    *end = m.end;
    return m.found;
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

bool sys_ticks_forbidden(void) {
    int how = 0;
    return CALL(SYS_prctl, PR_GET_TSC, &how, 0, 0, 0, 0) == 0 && how == PR_TSC_SIGSEGV;
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

bool sys_block_signals(uint64_t *old) {
    uint64_t all = ~UINT64_C(0);
    *old = 0;
    return CALL(SYS_rt_sigprocmask, SIG_SETMASK, &all, old, sizeof all, 0, 0) == 0;
}

void sys_restore_signals(const uint64_t *old) {
    /* Past the gate: what was blocked before a filter came must not stay so. */
    arch_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)old, 0, sizeof *old, 0, 0);
}

void sys_yield(void) {
    CALL(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
}

bool sys_thread_is_gone(uint32_t pid, uint32_t tid) {
    return CALL(SYS_tgkill, pid, tid, 0, 0, 0, 0) == -ESRCH;
}

void sys_uname(struct utsname *host) {
    CALL(SYS_uname, host, 0, 0, 0, 0, 0);
}
