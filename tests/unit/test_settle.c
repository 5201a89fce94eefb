/* SPDX-License-Identifier: MIT */
/* Settled recordings: one file, the same content, also when the settler is killed or fails at any
 * of its steps. */
#include "settle.h"
#include "tape_chunks.h"
#include "tape_content.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- steps that fail ------------------------------------------------------------------------ */

/* Every call that changes a file is a step. While steps are armed, number `at` does half of what
 * it should, where there is a half, and then fails or kills the process. */
static struct {
    bool armed;
    unsigned at, count;
    int error; /* 0: SIGKILL */
} step;

static bool step_breaks(void) {
    return step.armed && ++step.count == step.at;
}

static int step_ends(void) {
    if (step.error == 0)
        raise(SIGKILL);
    errno = step.error;
    return -1;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    bool breaks = step_breaks();
    ssize_t n = syscall(SYS_pwrite64, fd, bytes, breaks ? (count > 32 ? count / 2 : 0) : count, at);
    return breaks && (step.error == 0 || count <= 32) ? step_ends() : n;
}

int ftruncate(int fd, off_t size) {
    return step_breaks() ? step_ends() : (int)syscall(SYS_ftruncate, fd, size);
}

int fallocate(int fd, int mode, off_t at, off_t count) {
    return step_breaks() ? step_ends() : (int)syscall(SYS_fallocate, fd, mode, at, count);
}

int unlink(const char *path) {
    return step_breaks() ? step_ends() : (int)syscall(SYS_unlink, path);
}

/* ---- files ---------------------------------------------------------------------------------- */

struct file {
    bool there;
    size_t size;
    char *bytes;
    struct stat st;
};

static struct file file_of(const char *path) {
    struct file f = {.there = stat(path, &f.st) == 0};
    if (!f.there)
        return f;
    f.size = (size_t)f.st.st_size;
    f.bytes = xmalloc(f.size);
    int fd = open(path, O_RDONLY);
    assert_true(tape_pread(fd, f.bytes, f.size, 0));
    close(fd);
    return f;
}

static bool same_file(struct file *a, const char *path) {
    struct file b = file_of(path);
    bool same = a->there == b.there && a->size == b.size &&
                (a->size == 0 || memcmp(a->bytes, b.bytes, a->size) == 0);
    free(a->bytes);
    free(b.bytes);
    return same;
}

static enum settle_result settle(void) {
    char *problem;
    enum settle_result result = settle_tape(tape_path, &problem);
    if (problem != NULL) {
        assert_int_equal(result, SETTLE_LEFT);
        assert_null(strchr(problem, '\n'));
        assert_non_null(strstr(problem, "x.tape: "));
    }
    free(problem);
    return result;
}

static void expect_same(const struct content *a, const struct content *b) {
    assert_int_equal(a->events, b->events);
    assert_true(a->hash == b->hash);
    assert_int_equal(a->health.lost, b->health.lost);
    assert_int_equal(a->health.chunks, b->health.chunks);
    assert_int_equal(a->health.damaged_chunks, b->health.damaged_chunks);
    assert_int_equal(a->process.closed, b->process.closed);
    assert_string_equal(a->damage, b->damage);
}

/* ---- recordings ----------------------------------------------------------------------------- */

/* Zeroes behind the last chunk: the segment's unused room. */
static void add_room(struct writer *w, size_t bytes) {
    struct writer_bytes *b = &w->tape;
    if (b->count + bytes > b->room) {
        b->room = b->count + bytes;
        b->p = xrealloc(b->p, b->room);
    }
    memset(b->p + b->count, 0, bytes);
    b->count += bytes;
    writer_end(w);
}

/* Of a process that was killed: chunks of several segments, a tail that has some of their events
 * once more, stamps between the ticks of the chunks, losses, a gap, unused room, an unused
 * segment. */
static struct writer *killed_tape(void) {
    struct writer *w = writer_new();
    w->shift = 6;
    writer_thread(w, 1, 1, 11, "main");
    writer_module(w, 1, 2, 0x400000, 0x500000, 0, "/bin/program");
    allocate(w, 1, 200, 10);
    writer_chunk(w, 1, false);
    writer_thread(w, 2, 15, 12, "worker");
    allocate(w, 2, 100, 20);
    writer_chunk(w, 2, true);
    writer_segment(w);
    allocate(w, 3, 5, 500);
    writer_chunk(w, 3, false);
    w->stream[3].end += 40; /* a gap */
    writer_drop(w, 3);
    add_room(w, 100000);
    writer_segment(w);
    add_room(w, 65504);

    allocate(w, 2, 33, 300);
    writer_tail(w, 2, false);
    w->generation = 1;
    writer_sample(w, 1, 600, 4096, 601);
    writer_mark(w, 1, 601, "a mark of seventeen");
    writer_unload(w, 1, 602, 0x400000, 1);
    writer_release(w, 1, 603, TAPE_OP_free, 0x1001);
    writer_release(w, 1, 604, TAPE_OP_REALLOC_FROM, 0x2001);
    writer_alloc(w, 1, 605, TAPE_OP_realloc, 0x7fff12345678, UINT64_MAX, 0, NULL, 0);
    writer_alloc(w, 1, 606, TAPE_OP_posix_memalign, 0, 1, TAPE_ALIGN_INVALID, NULL, 0);
    allocate(w, 1, 300, 607);
    w->stream[1].lost = 7;
    writer_tail(w, 1, false);
    w->stream[3].lost = 3; /* only an empty buffer knows */
    writer_tail(w, 3, false);
    allocate(w, 4, 1, 333); /* too small to be compressed */
    writer_tail(w, 4, false);
    return w;
}

static struct content save_killed(void) {
    return saved_content(killed_tape());
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void tail_becomes_chunks(void **state) {
    (void)state;
    struct content before = save_killed(), after;
    assert_true(before.process.tail_read);
    assert_int_equal(before.health.lost, 40 + 7 + 3);
    struct file old = file_of(tape_path);
    assert_int_equal(settle(), SETTLE_DONE);
    assert_int_equal(access(tape_tail_path, F_OK), -1);
    assert_true(read_tape(&after));
    assert_false(after.process.tail_read);
    expect_same(&before, &after);

    /* Appended to, not rewritten: what was there stays, but for the length of a segment. */
    struct file new = file_of(tape_path);
    size_t segment = TAPE_SEGMENT_ALIGN, chunks = segment + TAPE_SEGMENT_HEADER_BYTES;
    assert_memory_equal(old.bytes, new.bytes, segment);
    assert_memory_equal(old.bytes + chunks, new.bytes + chunks, 4096);
    assert_true(new.size < old.size);
    assert_true(new.bytes[new.size - 1] != 0 || new.bytes[new.size - 56] != 0);
    free(old.bytes);

    assert_int_equal(settle(), SETTLE_DONE);
    assert_true(same_file(&new, tape_path));
}

static void grain_stays(void **state) {
    (void)state;
    struct writer *w = writer_new();
    allocate(w, 1, 20, 64); /* the first piece comes from the tail */
    writer_tail(w, 1, false);
    w->shift = 6;
    allocate(w, 2, 20, 60);
    writer_chunk(w, 2, false);
    writer_sample(w, 3, 900, 1, 900);
    writer_tail(w, 3, false);
    struct content before = saved_content(w), after;
    assert_int_equal(settle(), SETTLE_DONE);
    assert_true(read_tape(&after));
    expect_same(&before, &after);
    struct tape_file *tape = tape_file_open(tape_path);
    assert_int_equal(tape_file_clock(tape)->grain, 6);
    tape_file_close(tape);
}

/* Without an event anywhere there is still something to say: that no tail is missing. */
static void no_events(void **state) {
    (void)state;
    struct writer *w = writer_new();
    w->stream[5].lost = 2;
    writer_tail(w, 5, false);
    struct content before = saved_content(w), after;
    assert_int_equal(before.health.lost, 2);
    assert_int_equal(settle(), SETTLE_DONE);
    assert_true(read_tape(&after));
    expect_same(&before, &after);
    assert_int_equal(access(tape_tail_path, F_OK), -1);

    w = writer_new();
    writer_tail(w, 1, false);
    before = saved_content(w);
    assert_int_equal(settle(), SETTLE_DONE);
    assert_true(read_tape(&after));
    expect_same(&before, &after);
}

static void unused_room_is_cut(void **state) {
    (void)state;
    for (int closed = 0; closed < 2; closed++) {
        struct writer *w = writer_new();
        allocate(w, 1, 20, 1);
        writer_chunk(w, 1, false);
        if (closed)
            writer_close(w, 100, 100, "exit");
        else
            writer_late(w, 1, false);
        size_t content = w->tape.count;
        add_room(w, 300000);
        struct content before = saved_content(w), after;
        assert_int_equal(settle(), SETTLE_DONE);
        struct stat st;
        assert_int_equal(stat(tape_path, &st), 0);
        assert_int_equal(st.st_size, content);
        assert_true(read_tape(&after));
        expect_same(&before, &after);
        assert_null(after.health.first_damage);
    }
}

static void owner_mode_and_time_stay(void **state) {
    (void)state;
    save_killed();
    struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 2000, .tv_nsec = 5}};
    assert_int_equal(chmod(tape_path, 0640), 0);
    if (geteuid() == 0)
        assert_int_equal(chown(tape_path, 12345, 54321), 0);
    struct stat before, after;
    assert_int_equal(utimensat(AT_FDCWD, tape_path, times, 0), 0);
    times[1].tv_nsec++;
    assert_int_equal(utimensat(AT_FDCWD, tape_tail_path, times, 0), 0);
    assert_int_equal(stat(tape_path, &before), 0);
    assert_int_equal(settle(), SETTLE_DONE);
    assert_int_equal(stat(tape_path, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_int_equal(after.st_mode, before.st_mode);
    assert_int_equal(after.st_uid, before.st_uid);
    assert_int_equal(after.st_gid, before.st_gid);
    assert_int_equal(after.st_mtim.tv_sec, 2000);
    assert_int_equal(after.st_mtim.tv_nsec, 6);
}

/* Both files stay as they are, byte for byte. */
static void expect_untouched(enum settle_result wanted) {
    struct file tape = file_of(tape_path), tail = file_of(tape_tail_path);
    assert_int_equal(settle(), wanted);
    assert_true(same_file(&tape, tape_path));
    assert_true(same_file(&tail, tape_tail_path));
}

static void put_byte(const char *path, off_t at, uint8_t byte) {
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0 && pwrite(fd, &byte, 1, at) == 1);
    close(fd);
}

static void damage_is_left_alone(void **state) {
    (void)state;
    const off_t op = TAPE_REGION_HEADER_BYTES + 8 + 7;
    const struct {
        const char *path;
        off_t at;
        uint8_t byte;
    } damages[] = {
        {tape_tail_path, op + 5 * 32, 63},                               /* an event's kind */
        {tape_tail_path, offsetof(struct tape_region, first) + 7, 0x80}, /* ends before it begins */
        {tape_tail_path, offsetof(struct tape_region, records_at) + 3, 1}, /* array out of bounds */
        {tape_tail_path, offsetof(struct tape_region, id), 0x80},          /* of another tape */
        {tape_path, TAPE_FILE_HEADER_BYTES + TAPE_SEGMENT_HEADER_BYTES, 1}, /* no chunk */
        {tape_path, TAPE_SEGMENT_ALIGN, 1},                                 /* no segment */
        {tape_path, 60, 0x11},                                              /* no header */
    };
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        save_killed();
        put_byte(damages[i].path, damages[i].at, damages[i].byte);
        expect_untouched(SETTLE_LEFT);
    }
    save_killed();
    assert_int_equal(truncate(tape_tail_path, 4000), 0);
    expect_untouched(SETTLE_LEFT);
    save_killed();
    assert_int_equal(unlink(tape_tail_path), 0); /* what it had is missing: no room is cut */
    expect_untouched(SETTLE_LEFT);
}

static void strangers_are_left_alone(void **state) {
    (void)state;
    struct writer *w = closed_tape();
    writer_save(w, tape_path);
    writer_free(w);
    expect_untouched(SETTLE_DONE);
    char zeroes[8192] = {0};
    writer_save_bytes(tape_tail_path, zeroes, sizeof zeroes);
    expect_untouched(SETTLE_LEFT);
    writer_save_bytes(tape_tail_path, "my diary\n", 9);
    expect_untouched(SETTLE_LEFT);
    assert_int_equal(unlink(tape_tail_path), 0);
    writer_save_bytes(tape_path, "my other diary\n", 15);
    expect_untouched(SETTLE_LEFT);
    writer_save_bytes(tape_path, "", 0);
    expect_untouched(SETTLE_LEFT);
    assert_int_equal(unlink(tape_path), 0);
    assert_int_equal(symlink("/etc/passwd", tape_path), 0);
    assert_int_equal(settle(), SETTLE_LEFT);
    assert_int_equal(unlink(tape_path), 0);
    assert_int_equal(settle(), SETTLE_LEFT);
}

/* Whatever process maps the tape, and whatever process the tape names. */
static void running_process(void **state) {
    (void)state;
    save_killed();
    int ready[2], end[2]; /* the child stays until the other end of `end` is closed */
    char byte;
    assert_int_equal(pipe(ready) | pipe(end), 0);
    pid_t child = fork();
    if (child == 0) {
        close(end[1]);
        int fd = open(tape_path, O_RDWR);
        void *mapped = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
        if (mapped != MAP_FAILED && write(ready[1], "r", 1) == 1)
            _exit((int)read(end[0], &byte, 1));
        _exit(1);
    }
    close(end[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    expect_untouched(SETTLE_RUNNING);
    close(end[1]);
    waitpid(child, NULL, 0);
    close(ready[0]);
    close(ready[1]);
    assert_int_equal(settle(), SETTLE_DONE);
}

/* Settles in a child that is killed at a step; false when there are fewer steps. */
static bool killed_at(unsigned at) {
    pid_t child = fork();
    if (child == 0) {
        char *problem;
        step.armed = true;
        step.at = at;
        _exit(settle_tape(tape_path, &problem) == SETTLE_DONE ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status) || status == 0);
    return WIFSIGNALED(status);
}

static void killed_at_every_step(void **state) {
    (void)state;
    for (unsigned first = 1, more = 1; more != 0; first++) {
        struct content before = save_killed(), after;
        more = killed_at(first);
        assert_true(first > 6 || more); /* header, cut, room, segment, commit, tail */
        assert_true(read_tape(&after));
        expect_same(&before, &after);
        for (unsigned second = 1; more != 0 && killed_at(second); second++) {
            assert_true(read_tape(&after));
            expect_same(&before, &after);
        }
        assert_int_equal(settle(), SETTLE_DONE);
        assert_int_equal(access(tape_tail_path, F_OK), -1);
        assert_true(read_tape(&after));
        expect_same(&before, &after);
    }
}

static void failing_at_every_step(void **state) {
    (void)state;
    static const int errors[] = {ENOSPC, EACCES, EOPNOTSUPP};
    for (size_t e = 0; e < sizeof errors / sizeof *errors; e++) {
        unsigned left = 0;
        for (unsigned at = 1; step.count + 1 >= at; at++) {
            struct content before = save_killed(), after;
            step.at = at;
            step.count = 0;
            step.error = errors[e];
            step.armed = true;
            enum settle_result result = settle();
            step.armed = false;
            left += result == SETTLE_LEFT;
            assert_int_equal(access(tape_tail_path, F_OK), result == SETTLE_DONE ? -1 : 0);
            assert_true(read_tape(&after));
            expect_same(&before, &after);
            assert_int_equal(settle(), SETTLE_DONE);
            assert_true(read_tape(&after));
            expect_same(&before, &after);
        }
        assert_true(left >= 4);
        step.count = 0;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tail_becomes_chunks),
        cmocka_unit_test(grain_stays),
        cmocka_unit_test(no_events),
        cmocka_unit_test(unused_room_is_cut),
        cmocka_unit_test(owner_mode_and_time_stay),
        cmocka_unit_test(damage_is_left_alone),
        cmocka_unit_test(strangers_are_left_alone),
        cmocka_unit_test(running_process),
        cmocka_unit_test(killed_at_every_step),
        cmocka_unit_test(failing_at_every_step),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
