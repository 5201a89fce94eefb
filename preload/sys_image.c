/* SPDX-License-Identifier: MIT */
#include "sys_image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "arch.h"
#include "sys_gate.h"

#ifndef SYS_close_range
#define SYS_close_range 436 /* Linux 5.9 */
#endif

/* ---- the copy ----------------------------------------------------------------------------- */

long sys_copy(void (*fn)(void *), void *arg, void *top) {
    return sys_confined() ? -EPERM : arch_clone_call(arg, fn, top, 0);
}

void sys_copy_begins(void) {
    CALL(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0);
    /* A pipe of the program's must not stay open because of us. */
    CALL(SYS_close_range, 0, ~0u, 0, 0, 0, 0);
    struct rlimit none = {0, 0};
    CALL(SYS_prlimit64, 0, RLIMIT_CORE, &none, 0, 0, 0);
    long fd = sys_open("/proc/self/oom_score_adj", O_WRONLY, 0);
    if (!failed(fd)) {
        CALL(SYS_write, fd, "1000", 4, 0, 0, 0); /* rather than the program */
        sys_close(fd);
    }
}

bool sys_copy_ended(long pid) {
    long result = CALL(SYS_wait4, pid, 0, __WALL | WNOHANG, 0, 0, 0);
    return result == pid || result == -ECHILD;
}

void sys_copy_end(long pid) {
    CALL(SYS_kill, pid, SIGKILL, 0, 0, 0, 0);
    while (CALL(SYS_wait4, pid, 0, __WALL, 0, 0, 0) == -EINTR) {
    }
}

void sys_wait_word(atomic_uint *word, unsigned value, uint64_t ns) {
    struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    CALL(SYS_futex, word, FUTEX_WAIT, value, &t, 0, 0);
}

void sys_wake_word(atomic_uint *word) {
    CALL(SYS_futex, word, FUTEX_WAKE, INT32_MAX, 0, 0, 0);
}

long sys_read_memory(uint32_t pid, uint64_t from, void *to, size_t bytes) {
    struct iovec local = {to, bytes}, remote = {(void *)from, bytes};
    long n = CALL(SYS_process_vm_readv, pid, &local, 1, &remote, 1, 0);
    return n == -EFAULT ? 0 : n;
}

static char *put_number(char *p, uint64_t v) {
    char digits[20];
    unsigned n = 0;
    do
        digits[n++] = (char)('0' + v % 10);
    while ((v /= 10) != 0);
    while (n > 0)
        *p++ = digits[--n];
    *p = 0;
    return p;
}

static char *put_text(char *p, const char *text) {
    while (*text != 0)
        *p++ = *text++;
    *p = 0;
    return p;
}

long sys_open_pagemap(uint32_t pid) {
    char path[64];
    put_text(put_number(put_text(path, "/proc/"), pid), "/pagemap");
    return sys_open(path, O_RDONLY, 0);
}

long sys_open_proc(const char *path) {
    return sys_open(path, O_RDONLY, 0);
}

long sys_read(long fd, void *to, size_t bytes) {
    return CALL(SYS_read, fd, to, bytes, 0, 0, 0);
}

/* ---- pages -------------------------------------------------------------------------------- */

/* Linux 6.7, include/uapi/linux/fs.h: the walk skips what has no page tables. */
struct pagemap_scan {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
struct pagemap_region {
    uint64_t start, end, categories;
};
#define PAGEMAP_SCAN_CALL 0xc0606610ul /* _IOWR('f', 16, struct pagemap_scan) */
#define PAGE_PRESENT      (UINT64_C(1) << 3)
#define PAGE_SWAPPED      (UINT64_C(1) << 4)
#define PAGE_ZERO         (UINT64_C(1) << 5)
_Static_assert(sizeof(struct pagemap_scan) == 0x60, "size is part of the request number");

#define PAGE      UINT64_C(4096)
#define AT_A_TIME 512 /* pages */
#define IN_MEMORY (UINT64_C(1) << 63)
#define IN_SWAP   (UINT64_C(1) << 62)

static size_t add_page(struct sys_pages *range, size_t n, uint64_t at) {
    if (n > 0 && range[n - 1].end == at) {
        range[n - 1].end += PAGE;
        return n;
    }
    range[n] = (struct sys_pages){at, at + PAGE};
    return n + 1;
}

static long scan_pages(long pagemap, uint64_t from, uint64_t to, struct sys_pages *range,
                       size_t room, uint64_t *next) {
    struct pagemap_region found[64];
    struct pagemap_scan scan = {
        .size = sizeof scan,
        .start = from,
        .end = to,
        .vec = (uint64_t)found,
        .vec_len = room < 64 ? room : 64,
        .category_inverted = PAGE_ZERO,
        .category_mask = PAGE_ZERO,
        .category_anyof_mask = PAGE_PRESENT | PAGE_SWAPPED,
        .return_mask = PAGE_PRESENT,
    };
    long n = CALL(SYS_ioctl, pagemap, PAGEMAP_SCAN_CALL, &scan, 0, 0, 0);
    for (long i = 0; i < n; i++)
        range[i] = (struct sys_pages){found[i].start, found[i].end};
    *next = scan.walk_end;
    return n;
}

static size_t list_pages(long pagemap, uint64_t from, uint64_t to, struct sys_pages *range,
                         size_t room, uint64_t *next) {
    uint64_t entry[AT_A_TIME], pages = (to - from) / PAGE;
    size_t most = room < AT_A_TIME ? room : AT_A_TIME, n = 0;
    long got =
        CALL(SYS_pread64, pagemap, entry, (pages < most ? pages : most) * 8, from / PAGE * 8, 0, 0);
    for (long i = 0; i < got / 8; i++)
        if ((entry[i] & (IN_MEMORY | IN_SWAP)) != 0)
            n = add_page(range, n, from + (uint64_t)i * PAGE);
    *next = got > 0 ? from + (uint64_t)got / 8 * PAGE : from;
    return n;
}

size_t sys_pages(long pagemap, uint64_t from, uint64_t to, struct sys_pages *range, size_t room,
                 uint64_t *next) {
    *next = from;
    if (pagemap >= 0) {
        long n = scan_pages(pagemap, from, to, range, room, next);
        if (n < 0 || *next <= from)
            n = (long)list_pages(pagemap, from, to, range, room, next);
        if (*next > from)
            return (size_t)n;
    }
    uint8_t resident[8 * AT_A_TIME];
    uint64_t pages = (to - from) / PAGE;
    if (pages > sizeof resident)
        pages = sizeof resident;
    bool known = CALL(SYS_mincore, from, pages * PAGE, resident, 0, 0, 0) == 0;
    size_t n = 0;
    for (; known && *next < from + pages * PAGE && n < room; *next += PAGE)
        if ((resident[(*next - from) / PAGE] & 1) != 0)
            n = add_page(range, n, *next);
    if (!known)
        *next = from + pages * PAGE;
    return n;
}

/* ---- threads ------------------------------------------------------------------------------ */

struct threads_job {
    struct job job;
    uint32_t pid, *tid;
    size_t room, count;
};

static void list_threads(struct job *job) {
    struct threads_job *t = (struct threads_job *)(void *)job;
    /* By number: whoever does this for us is another process, if with the same memory. */
    char path[64], buf[1024];
    put_text(put_number(put_text(path, "/proc/"), t->pid), "/task");
    long fd = sys_open(path, O_RDONLY | O_DIRECTORY, 0), n;
    job->result = fd;
    if (failed(fd))
        return;
    while ((n = CALL(SYS_getdents64, fd, buf, sizeof buf, 0, 0, 0)) > 0) {
        for (long at = 0; at < n;) {
            uint16_t length;
            memcpy(&length, buf + at + 16, sizeof length); /* struct linux_dirent64 */
            uint32_t tid = 0;
            for (const char *c = buf + at + 19; *c >= '0' && *c <= '9'; c++)
                tid = tid * 10 + (uint32_t)(*c - '0');
            if (tid != 0 && t->count++ < t->room)
                t->tid[t->count - 1] = tid;
            at += length;
        }
    }
    sys_close(fd);
    job->result = 0;
}

size_t sys_threads(uint32_t pid, uint32_t *tid, size_t room) {
    struct threads_job t = {{list_threads, 0}, pid, tid, room, 0};
    sys_do_job(&t.job);
    return t.count;
}

static long read_of_thread(uint32_t pid, uint32_t tid, const char *what, char *text, size_t bytes) {
    char path[64];
    put_text(put_number(put_text(put_number(put_text(path, "/proc/"), pid), "/task/"), tid), what);
    long n = sys_read_file(path, text, bytes - 1);
    text[n > 0 ? n : 0] = 0;
    return n;
}

bool sys_thread_blocks(uint32_t pid, uint32_t tid, int signal) {
    char text[4096];
    /* sigwait and its like unblock the signals that they wait for. */
    if (read_of_thread(pid, tid, "/wchan", text, sizeof text) > 0 && strstr(text, "sigtimedwait"))
        return true;
    if (read_of_thread(pid, tid, "/status", text, sizeof text) <= 0)
        return true;
    const char *p = strstr(text, "SigBlk:\t");
    uint64_t mask = 0;
    for (p = p != NULL ? p + 8 : ""; (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'f'); p++)
        mask = mask << 4 | (uint64_t)(*p >= 'a' ? *p - 'a' + 10 : *p - '0');
    return (mask & UINT64_C(1) << (signal - 1)) != 0;
}

bool sys_thread_runs(uint32_t pid, uint32_t tid) {
    char text[4096];
    const char *p = read_of_thread(pid, tid, "/status", text, sizeof text) > 0
                        ? strstr(text, "State:\t")
                        : NULL;
    return p != NULL && (p[7] == 'R' || p[7] == 'D');
}

bool sys_set_action(int signal, const struct sys_action *action, struct sys_action *old) {
    return CALL(SYS_rt_sigaction, signal, action, old, 8, 0, 0) == 0;
}

bool sys_queue_signal(uint32_t pid, uint32_t tid, int signal, void *value) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_signo = signal;
    info.si_code = SI_QUEUE;
    info.si_pid = (pid_t)pid;
    info.si_value.sival_ptr = value;
    return CALL(SYS_rt_tgsigqueueinfo, pid, tid, signal, &info, 0, 0) == 0;
}

uint64_t sys_robust_list(void) {
    uint64_t head = 0, bytes = 0;
    return CALL(SYS_get_robust_list, 0, &head, &bytes, 0, 0, 0) == 0 ? head : 0;
}
