/* SPDX-License-Identifier: MIT */
/* A recording's beginning: memory, names, the tape's first chunk. */
#include "recorder.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/utsname.h>
#include <time.h>

#include "allocator.h"
#include "config.h"
#include "memory_sample.h"
#include "modules.h"
#include "sys.h"
#include "testing.h"
#include "unhooked.h"

#define ARGV_BYTES 32768 /* of the command line that are kept */

struct recorder *_Atomic recorder;

/* What a forked child knows of its parent's tape; survives the fork, unlike struct recorder. */
static struct {
    bool known;
    uint8_t id[TAPE_ID_BYTES];
    char path[PATH_BYTES];
    _Atomic uint32_t *unfollowed; /* in a page shared with the children, who count in it */
} lineage;

uint32_t recorder_unfollowed(void) {
    return lineage.unfollowed != NULL ? atomic_load(lineage.unfollowed) : 0;
}

void recorder_refuse(struct recorder *r) {
    if (lineage.unfollowed != NULL)
        atomic_fetch_add(lineage.unfollowed, 1);
    atomic_store(&r->state, RECORDER_OFF);
}

/* The path that the first image of this process asked for, made absolute; see choose_path. */
static char base_path[PATH_BYTES];
static bool base_is_default;

/* Forks under way, by the thread that makes them: in the child it is the only one left. */
static struct {
    _Atomic uintptr_t thread; /* 0: free */
    _Atomic uint64_t stamp;
} forks[16];

static void note_fork(uintptr_t thread, uint64_t stamp) {
    for (unsigned i = 0; i < sizeof forks / sizeof *forks; i++) {
        uintptr_t none = 0;
        if (atomic_compare_exchange_strong(&forks[i].thread, &none, thread)) {
            atomic_store(&forks[i].stamp, stamp);
            return;
        }
    }
}

/* The instant of this thread's fork, 0 when unknown, which is forgotten. */
static uint64_t take_fork(uintptr_t thread) {
    for (unsigned i = 0; i < sizeof forks / sizeof *forks; i++)
        if (atomic_load(&forks[i].thread) == thread) {
            uint64_t stamp = atomic_load(&forks[i].stamp);
            atomic_store(&forks[i].thread, 0);
            return stamp;
        }
    return 0;
}

void recorder_forks(bool about_to) {
    struct recorder *r = atomic_load(&recorder);
    if (r == NULL || atomic_load(&r->state) != RECORDER_ON)
        return;
    if (about_to) {
        memory_sample_before_fork(r);
        testing_forks();
        note_fork((uintptr_t)pthread_self(), recorder_stamp(r));
    } else {
        take_fork((uintptr_t)pthread_self());
    }
    /* What the parent does behind the fork must not bear a stamp from before it, as the events of
     * the only stream otherwise would for as long as the coarse clock stands still. */
    struct stream *s = atomic_load(&r->streams);
    if (s != NULL && !atomic_load(&r->several_streams))
        s->coarse = 0;
}

struct recorder *recorder_get(void) {
    struct recorder *r = atomic_load(&recorder), *none = NULL;
    if (r != NULL)
        return r;
    config_read();
    r = sys_map(sizeof *r);
    if (r == NULL)
        return NULL;
    if (!sys_zero_in_child(r, tape_align(sizeof *r, 4096))) {
        /* A forked child could not know that it is one. */
        static const char text[] = "heaptape: not recording: MADV_WIPEONFORK failed (it needs "
                                   "Linux 4.14 and some memory)\n";
        if (sys_ppid() != config.launcher)
            sys_write_stderr(text, sizeof text - 1);
        atomic_store(&r->state, RECORDER_OFF);
    }
    if (!atomic_compare_exchange_strong(&recorder, &none, r)) {
        sys_unmap(r, sizeof *r);
        r = none;
    }
    return r;
}

void recorder_forbid_clock(struct recorder *r) {
    if (atomic_load(&r->clockless))
        return;
    atomic_store(&r->count, recorder_stamp(r));
    atomic_store(&r->clockless, true);
}

uint64_t recorder_stamp(struct recorder *r) {
    if (__builtin_expect(atomic_load_explicit(&r->clockless, memory_order_relaxed), 0))
        return atomic_fetch_add(&r->count, UINT64_C(1) << r->shift) + (UINT64_C(1) << r->shift);
    if (__builtin_expect(r->clock == TAPE_CLOCK_MONOTONIC, 0)) {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t); /* vDSO: no allocation, no lock, errno untouched */
        return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    }
    extern char __libc_single_threaded;
    return __libc_single_threaded ? arch_ticks() : arch_ticks_ordered();
}

bool recorder_may_grow(const struct recorder *r, uint64_t bytes) {
    return config.max_size == 0 ||
           atomic_load(&r->tape_end) + atomic_load(&r->tail_end) + bytes <= config.max_size;
}

/* ---- names -------------------------------------------------------------------------------- */

static char *append(char *p, const char *end, const char *text) {
    while (*text != 0 && p < end)
        *p++ = *text++;
    *p = 0;
    return p;
}

static char *append_number(char *p, const char *end, uint64_t v) {
    char digits[21];
    unsigned n = sizeof digits;
    digits[--n] = 0;
    do
        digits[--n] = (char)('0' + v % 10);
    while ((v /= 10) != 0);
    return append(p, end, digits + n);
}

static void choose_base(void) {
    const char *end = base_path + 4096;
    char *p = base_path;
    base_is_default = config.out == NULL;
    if (config.out == NULL || config.out[0] != '/') {
        if (sys_getcwd(base_path, 4096) <= 0)
            append(base_path, end, ".");
        p = base_path + strlen(base_path);
        p = append(p, end, "/");
    }
    if (config.out != NULL) {
        append(p, end, config.out);
        return;
    }
    const char *exe = strrchr(module_program_path, '/');
    p = append(p, end, "heaptape.");
    p = append(p, end, exe != NULL ? exe + 1 : "program");
    append(p, end, ".");
}

/* The Nth candidate: BASE, BASE.PID, BASE.PID.2, …; without a name given BASE is
 * heaptape.EXE.PID.tape and the others heaptape.EXE.PID.2.tape, …. False when n has no name. */
static bool candidate(struct recorder *r, unsigned n) {
    const char *end = r->tape_path + sizeof r->tape_path - 16;
    char *p = append(r->tape_path, end, base_path);
    if (base_is_default) {
        p = append_number(p, end, r->pid);
        if (n > 0)
            p = append_number(append(p, end, "."), end, n + 1);
        append(p, end, ".tape");
    } else if (n > 0) {
        p = append_number(append(p, end, "."), end, r->pid);
        if (n > 1)
            append_number(append(p, end, "."), end, n);
    }
    p = append(r->tail_path, r->tail_path + sizeof r->tail_path - 8, r->tape_path);
    append(p, r->tail_path + sizeof r->tail_path - 1, ".tail");
    return n < 10000;
}

static int create_files(struct recorder *r) {
    int error = -ENAMETOOLONG;
    for (unsigned n = 0; candidate(r, n); n++) {
        /* The tail is made when it is needed; a stranger's in its place takes the name away. */
        error = sys_exists(r->tail_path) ? -EEXIST : tape_create(r);
        if (error != -EEXIST)
            break;
    }
    return error;
}

/* ---- the first chunk ---------------------------------------------------------------------- */

static uint8_t *put_text(uint8_t *p, enum tape_info_tag tag, const char *text) {
    return tape_put_info_bytes(p, tag, text, strlen(text));
}

/* A path as the loader has it: "" is the program. */
static uint8_t *put_module(uint8_t *p, enum tape_info_tag tag, const char *path) {
    if (path == NULL)
        return p;
    return put_text(p, tag, path[0] != 0 ? path : module_program_path);
}

static bool env_matters(const char *entry) {
    static const char *const names[] = {"MALLOC_",     "GLIBC_TUNABLES=",  "PYTHONMALLOC=",
                                        "LD_PRELOAD=", "LD_LIBRARY_PATH=", "_RJEM_MALLOC_CONF=",
                                        "MIMALLOC_",   "TCMALLOC_",        "G_SLICE=",
                                        "HEAPTAPE_",   "JE_MALLOC_CONF="};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(entry, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static uint8_t *put_env(uint8_t *p, uint8_t *scratch, size_t room) {
    size_t n = 0;
    for (char **e = config_environment(); e != NULL && *e != NULL; e++) {
        size_t length = strlen(*e) + 1;
        if (env_matters(*e) && n + length <= room) {
            memcpy(scratch + n, *e, length);
            n += length;
        }
    }
    return tape_put_info_bytes(p, TAPE_INFO_ENV, scratch, n);
}

static bool put_first_chunk(struct recorder *r, uint64_t fork_stamp) {
    struct worker *w = worker_claim(r);
    if (w == NULL)
        return false;
    bool done = false;
    if (worker_scratch(w, 5 * ARGV_BYTES)) { /* two lists and three paths, then room to read into */
        uint8_t *text = w->scratch + 4 * ARGV_BYTES, *p = w->scratch;
        struct utsname host = {.nodename = ""};
        sys_uname(&host);
        p = put_text(p, TAPE_INFO_RECORDER, HEAPTAPE_VERSION);
        p = put_text(p, TAPE_INFO_EXE, module_program_path);
        long n = sys_read_file("/proc/self/cmdline", text, ARGV_BYTES);
        p = tape_put_info_bytes(p, TAPE_INFO_ARGV, text, n > 0 ? (size_t)n : 0);
        sys_getcwd((char *)text, ARGV_BYTES);
        p = put_text(p, TAPE_INFO_CWD, (char *)text);
        p = tape_put_info_number(p, TAPE_INFO_PID, r->pid);
        p = tape_put_info_number(p, TAPE_INFO_PPID, sys_ppid());
        p = put_text(p, TAPE_INFO_HOST, host.nodename);
        p = put_text(p, TAPE_INFO_KERNEL, host.release);
        p = put_text(p, TAPE_INFO_ARCH, host.machine);
        p = tape_put_info_number(p, TAPE_INFO_PAGE_SIZE, r->page_size);
        p = tape_put_info_number(p, TAPE_INFO_CLOCK, r->clock);
        p = tape_put_info_number(p, TAPE_INFO_TICK_HZ,
                                 r->clock == TAPE_CLOCK_TSC ? arch_ticks_hz() : 1000000000u);
        p = tape_put_info_number(p, TAPE_INFO_START_STAMP, r->start_stamp);
        p = tape_put_info_number(p, TAPE_INFO_START_MONO, r->start_mono);
        p = tape_put_info_number(p, TAPE_INFO_START_REAL, r->start_real);
        p = put_env(p, text, ARGV_BYTES);
        p = put_text(p, TAPE_INFO_UNWINDER,
                     config.unwind_by == UNWINDER_ROWS        ? "rows"
                     : config.unwind_by == UNWINDER_LIBUNWIND ? "libunwind"
                                                              : "verify");
        p = put_module(p, TAPE_INFO_ALLOCATOR, allocator_path());
        p = put_module(p, TAPE_INFO_BYPASSED, allocator_bypassed());
        size_t past_bytes;
        const char *past = unhooked_past_list(&past_bytes);
        if (past_bytes != 0)
            p = tape_put_info_bytes(p, TAPE_INFO_PAST, past, past_bytes);
        if (lineage.known) {
            const char *name = strrchr(lineage.path, '/');
            p = put_text(p, TAPE_INFO_PARENT, name != NULL ? name + 1 : lineage.path);
            p = tape_put_info_bytes(p, TAPE_INFO_PARENT_ID, lineage.id, sizeof lineage.id);
            p = tape_put_info_number(p, TAPE_INFO_FORK_STAMP, fork_stamp);
        }
        struct tape_chunk_header h = {.type = TAPE_CHUNK_INFO,
                                      .first_stamp = r->start_stamp,
                                      .last_stamp = r->start_stamp};
        done = tape_append(r, w, &h, w->scratch, (size_t)(p - w->scratch));
    }
    worker_release(w);
    return done;
}

/* ---- which programs ----------------------------------------------------------------------- */

/* Shell patterns of * and ? alone: the recursion is as deep as the pattern has stars. */
static bool matches(const char *text, const char *pattern, const char *end) {
    for (; pattern < end; pattern++, text++) {
        if (*pattern == '*') {
            for (;; text++) {
                if (matches(text, pattern + 1, end))
                    return true;
                if (*text == 0)
                    return false;
            }
        }
        if (*text == 0 || (*pattern != '?' && *pattern != *text))
            return false;
    }
    return *text == 0;
}

/* Whether a path, or its last part, matches one of the comma-separated patterns. */
static bool matches_list(const char *path, const char *patterns) {
    const char *name = strrchr(path, '/');
    name = name != NULL ? name + 1 : path;
    for (const char *p = patterns;; p++) {
        const char *end = p;
        while (*end != 0 && *end != ',')
            end++;
        if (matches(name, p, end) || matches(path, p, end))
            return true;
        if (*end == 0)
            return false;
        p = end;
    }
}

/* HEAPTAPE_ONLY, decided once for the image and its forked children: by the time of a fork the
 * program may have overwritten its environment. */
static bool is_recorded(void) {
    static enum { UNDECIDED, RECORDED, LEFT_OUT } verdict;
    if (verdict == UNDECIDED)
        verdict = config.only == NULL || matches_list(module_program_path, config.only) ? RECORDED
                                                                                        : LEFT_OUT;
    return verdict == RECORDED;
}

/* ---- start -------------------------------------------------------------------------------- */

static void complain(const struct recorder *r, int error) {
    /* The launcher misses the first tape of its child itself; the others only we can. */
    if (sys_ppid() == config.launcher && strcmp(r->tape_path, base_path) == 0)
        return;
    char text[PATH_BYTES + 128];
    const char *end = text + sizeof text - 2;
    const char *why = error == -EACCES || error == -EROFS    ? "permission denied"
                      : error == -ENOENT                     ? "no such directory"
                      : error == -ENOSPC || error == -EDQUOT ? "no space left"
                      : error == -EEXIST                     ? "name taken"
                                                             : NULL;
    char *p = append(text, end, "heaptape: ");
    p = append(p, end, r->tape_path);
    p = append(p, end, ": cannot record here: ");
    p = why != NULL ? append(p, end, why) : append_number(append(p, end, "errno "), end, -error);
    p = append(p, end, "; set HEAPTAPE_OUT to a file in a writable directory\n");
    sys_write_stderr(text, (size_t)(p - text));
}

enum recorder_state recorder_start(struct recorder *r) {
    bool forbidden = sys_ticks_forbidden(); /* by the process that forked or executed this one */
    uint64_t stamp = forbidden ? 0 : arch_ticks();
    r->start_mono = sys_clock(CLOCK_MONOTONIC);
    r->start_real = sys_clock(CLOCK_REALTIME);
    if (module_program_path[0] == 0)
        sys_readlink("/proc/self/exe", module_program_path, sizeof module_program_path);
    r->pid = sys_pid();
    r->page_size = getauxval(AT_PAGESZ);
    r->clock = config.clock_monotonic || forbidden || !arch_ticks_invariant() ? TAPE_CLOCK_MONOTONIC
                                                                              : TAPE_CLOCK_TSC;
    r->shift = r->clock == TAPE_CLOCK_TSC ? TAPE_SHIFT : TAPE_SHIFT - 1;
    r->start_stamp = r->clock == TAPE_CLOCK_TSC ? stamp : r->start_mono;
    if (forbidden) { /* nor may the kernel's clock page be used, which reads the same counter */
        atomic_store(&r->count, r->start_stamp);
        atomic_store(&r->clockless, true);
        atomic_store(&r->several_streams, true);
    }
    r->worker_count = sys_cpus() + MORE_WORKERS;
    if (r->worker_count > WORKERS_MAX)
        r->worker_count = WORKERS_MAX;
    sys_random(r->id, sizeof r->id);
    atomic_store(&r->paused, config.paused != 0);
    if (!is_recorded()) {
        atomic_store(&r->state, RECORDER_OFF);
        return RECORDER_OFF;
    }
    if (base_path[0] == 0)
        choose_base();
    int error = create_files(r);
    if (error != 0) {
        complain(r, error);
        recorder_refuse(r);
        return RECORDER_OFF;
    }
    uint64_t fork_stamp = take_fork((uintptr_t)pthread_self());
    memset((void *)forks, 0, sizeof forks); /* of the parent's other threads */
    if (!put_first_chunk(r, fork_stamp != 0 ? fork_stamp : r->start_stamp)) {
        sys_unlink(r->tape_path, &r->tape_file);
        complain(r, -ENOSPC);
        recorder_refuse(r);
        return RECORDER_OFF;
    }
    memcpy(lineage.id, r->id, sizeof lineage.id);
    memcpy(lineage.path, r->tape_path, sizeof lineage.path);
    if (lineage.unfollowed != NULL)
        sys_unmap((void *)lineage.unfollowed, r->page_size); /* the parent's */
    lineage.unfollowed = sys_map_shared(r->page_size);
    lineage.known = true;
    atomic_store(&r->state, RECORDER_ON);
    return RECORDER_ON;
}
