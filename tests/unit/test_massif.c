/* SPDX-License-Identifier: MIT */
/* Selection of snapshots, the massif output file, and its first reader: ms_print. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "diag.h"
#include "massif.h"
#include "tape_writer.h"

#define LEN(array) (sizeof(array) / sizeof(array)[0])

/* ---- selection ---------------------------------------------------------------------------- */

static void offer(struct massif_selection *s, uint64_t change, uint64_t clock) {
    struct massif_snapshot now = {.change = change, .clock = clock};
    massif_selection_offer(s, &now);
}

static void selection_keeps_all_that_fit(void **state) {
    (void)state;
    struct massif_selection s;
    massif_selection_init(&s, 10);
    for (uint64_t i = 0; i < 9; i++)
        offer(&s, i, i * 5);
    assert_int_equal(s.count, 9);
    massif_selection_free(&s);
}

/* The closest go first, one at a time; first and last stay. */
static void selection_culls_the_closest(void **state) {
    (void)state;
    static const uint64_t clock[] = {0, 1, 2, 3, 100, 101, 200, 300, 301, 400};
    struct massif_selection s;
    massif_selection_init(&s, LEN(clock));
    for (uint64_t i = 0; i < LEN(clock); i++)
        offer(&s, i, clock[i]);
    /* gone, in this order: 1 (0 to 2), 2 (0 to 3), 100 (3 to 101), 301 (300 to 400), 3 */
    static const uint64_t left[] = {0, 101, 200, 300, 400};
    assert_int_equal(s.count, LEN(left));
    for (size_t i = 0; i < LEN(left); i++)
        assert_int_equal(s.snapshot[i].clock, left[i]);
    assert_int_equal(s.interval, 99);
    offer(&s, 10, 498); /* too close */
    assert_int_equal(s.count, LEN(left));
    offer(&s, 11, 499);
    assert_int_equal(s.count, LEN(left) + 1);
    massif_selection_free(&s);
}

/* Of equal distances the earlier snapshot goes, as in massif. */
static void selection_breaks_ties(void **state) {
    (void)state;
    struct massif_selection s;
    massif_selection_init(&s, 6);
    for (uint64_t i = 0; i < 6; i++)
        offer(&s, i, i * 10);
    assert_int_equal(s.count, 3);
    assert_int_equal(s.snapshot[1].clock, 20);
    massif_selection_free(&s);
}

/* Over a long run the snapshots are spread evenly, whatever the number of changes. */
static void selection_is_even(void **state) {
    (void)state;
    struct massif_selection s;
    massif_selection_init(&s, 98);
    const uint64_t end = 1000000;
    for (uint64_t i = 0; i <= end; i++)
        offer(&s, i, i);
    assert_true(s.count >= 98 / 2 - 1 && s.count <= 98);
    assert_int_equal(s.snapshot[0].clock, 0);
    for (uint32_t i = 1; i < s.count; i++) {
        uint64_t gap = s.snapshot[i].clock - s.snapshot[i - 1].clock;
        assert_true(gap > 0 && gap <= 4 * end / 98);
    }
    massif_selection_free(&s);
}

/* Many changes at one instant neither fill the selection nor divide by zero. */
static void selection_without_time(void **state) {
    (void)state;
    struct massif_selection s;
    massif_selection_init(&s, 10);
    for (uint64_t i = 0; i < 1000; i++)
        offer(&s, i, 7);
    assert_true(s.count < 10);
    assert_int_equal(s.snapshot[0].change, 0);
    massif_selection_free(&s);
}

/* As valgrind 3.19 counts it for blocks of these sizes. */
static void extra_bytes(void **state) {
    (void)state;
    struct massif_options o = massif_defaults;
    assert_int_equal(massif_extra(&o, 0), 8);
    assert_int_equal(massif_extra(&o, 1), 23);
    assert_int_equal(massif_extra(&o, 16), 8);
    assert_int_equal(massif_extra(&o, 17), 23);
    assert_int_equal(massif_extra(&o, 24), 16);
    o.heap_admin = 0;
    o.alignment = 1;
    assert_int_equal(massif_extra(&o, 17), 0);
}

/* ---- the file ----------------------------------------------------------------------------- */

#define LONG_NAME (64 * 1024)

/* Functions named to break a line-oriented reader; the address selects. */
static const char *const functions[] = {
    "plain",     "control\x01\x1b[31m",         "a;b%s%n",         "x<&>\"'\\",
    "new\nline", "{lambda(int)#1}::operator()", "bad\xff\xfeutf8", "n3: 5 0x1: fake",
    NULL, /* the long one */
    "",   /* not known */
};
#define NAMES LEN(functions)

static char long_name[LONG_NAME + 1];

static size_t look_up(void *context, const struct module *m, uint64_t vaddr, struct symbol *out,
                      size_t room) {
    (void)context, (void)m, (void)room;
    const char *f = functions[vaddr / 16];
    *out = (struct symbol){.function = f != NULL ? f : long_name};
    if (vaddr % 32 < 16) {
        out->file = "/src/dir with space/file#1.c";
        out->line = 7;
    }
    return *out->function != '\0';
}

struct fixture {
    struct stacks *stacks;
    struct massif massif;
    struct massif_snapshot snapshot[4];
    char path[64];
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    memset(long_name, 'L', LONG_NAME);
    f->stacks = stacks_new();
    struct module m = {.start = 0x10000,
                       .end = 0x11000,
                       .bias = 0x10000,
                       .gone = UINT64_MAX,
                       .path = (char *)"/usr/lib/lib #1.so"};
    stacks_add_module(f->stacks, &m);
    f->massif = (struct massif){.options = massif_defaults,
                                .snapshot = f->snapshot,
                                .names = names_new_lookup(f->stacks, look_up, NULL)};
    strcpy(f->path, "/tmp/test_massif.XXXXXX");
    int fd = mkstemp(f->path);
    assert_true(fd >= 0);
    close(fd);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    for (uint32_t i = 0; i < f->massif.count; i++)
        tree_free(f->snapshot[i].tree);
    names_free(f->massif.names);
    stacks_free(f->stacks);
    unlink(f->path);
    free(f);
    return 0;
}

static uint32_t frame(struct fixture *f, unsigned name) {
    return stacks_intern_frame(f->stacks, 0x10000 + name * 16 + 1, 0);
}

/* A snapshot with one site for each name, of `unit` bytes times its number, called from the first
 * name. */
static void add_snapshot(struct fixture *f, uint64_t clock, uint64_t unit, bool peak) {
    struct massif_snapshot *s = &f->snapshot[f->massif.count++];
    *s = (struct massif_snapshot){.clock = clock, .peak = peak, .detailed = peak || unit != 0};
    struct tree_site sites[NAMES];
    for (unsigned i = 0; i < NAMES; i++) {
        uint32_t caller = stacks_push(f->stacks, 0, frame(f, 0));
        sites[i] = (struct tree_site){stacks_push(f->stacks, caller, frame(f, i)), unit * i, 1};
        s->heap += sites[i].bytes;
        s->extra += 8;
    }
    struct tree_options options = {.lone_in_full = true,
                                   .depth = f->massif.options.depth,
                                   .threshold = f->massif.options.threshold == 0 ? 0 : unit * 2};
    if (s->detailed)
        s->tree = tree_build(f->massif.names, sites, NAMES, &options);
}

static char *read_all(FILE *in) {
    char *text = NULL;
    size_t length = 0, room = 0;
    do {
        room += 65536;
        text = xrealloc(text, room + 1);
        length += fread(text + length, 1, room - length, in);
    } while (length == room);
    text[length] = '\0';
    return text;
}

static char *write_to_file(struct fixture *f) {
    static const char *argv[] = {"./demo", "a b", "#1\n", NULL};
    struct tape_process process = {.argv = argv};
    FILE *out = fopen(f->path, "w+");
    assert_non_null(out);
    massif_write(out, &f->massif, &process);
    rewind(out);
    char *text = read_all(out);
    fclose(out);
    return text;
}

static void file_format(void **state) {
    struct fixture *f = *state;
    add_snapshot(f, 0, 0, false);
    add_snapshot(f, 2500000, 100, true);
    char *text = write_to_file(f);
    const char *start = "desc: --time-unit=ms --threshold=1 --detailed-freq=10 --max-snapshots=100 "
                        "--depth=30 --heap-admin=8 --alignment=16 (recorded by heaptape)\n"
                        "cmd: ./demo 'a b' '#1\\x0a'\n"
                        "time_unit: ms\n"
                        "#-----------\nsnapshot=0\n#-----------\ntime=0\nmem_heap_B=0\n"
                        "mem_heap_extra_B=80\nmem_stacks_B=0\nheap_tree=empty\n"
                        "#-----------\nsnapshot=1\n#-----------\ntime=2\nmem_heap_B=4500\n"
                        "mem_heap_extra_B=80\nmem_stacks_B=0\nheap_tree=peak\n"
                        "n9: 4500 (heap allocation functions) malloc/new/new[], --alloc-fns, etc.\n"
                        " n1: 900 0x10090: ??? (in /usr/lib/lib '1.so)\n"
                        "  n0: 900 0x10000: plain (file'1.c:7)\n";
    assert_int_equal(strncmp(text, start, strlen(start)), 0);
    assert_non_null(strstr(text, "\n n1: 500 0x10050: {lambda(int)'1}::operator() (in "));
    assert_non_null(strstr(text, "\n n1: 600 0x10060: bad\\xff\\xfeutf8 (file'1.c:7)\n"));
    assert_non_null(strstr(text, "\n n1: 400 0x10040: new\\x0aline (file'1.c:7)\n"));
    assert_non_null(strstr(text, "\n n0: 100 in 2 places, all below massif's threshold (1.00%)\n"));
    free(text);
}

static const char *const ms_print = "/usr/bin/ms_print";

/* What ms_print makes of the file with this threshold; its messages are in the text as well. */
static char *run_ms_print(const struct fixture *f, const char *threshold) {
    char command[256];
    snprintf(command, sizeof command, "%s --threshold=%s %s 2>&1", ms_print, threshold, f->path);
    FILE *in = popen(command, "r");
    assert_non_null(in);
    char *text = read_all(in);
    assert_int_equal(pclose(in), 0);
    return text;
}

static void ms_print_reads_it(void **state) {
    struct fixture *f = *state;
    if (access(ms_print, X_OK) != 0)
        skip();
    for (int all = 0; all < 2; all++) {
        f->massif.options.threshold = all ? 0 : 1.0;
        while (f->massif.count > 0)
            tree_free(f->snapshot[--f->massif.count].tree);
        add_snapshot(f, 0, 0, false);
        add_snapshot(f, 1000000, 7, false);
        add_snapshot(f, 3000000, UINT64_C(1) << 52, true); /* beyond 2^53 in all */
        add_snapshot(f, 9000000, 3, false);
        free(write_to_file(f));
        for (int i = 0; i < 2; i++) {
            char *text = run_ms_print(f, i == 0 ? "0" : "1");
            assert_null(strstr(text, "Use of uninitialized"));
            assert_null(strstr(text, " line "));
            assert_non_null(strstr(text, "Number of snapshots: 4"));
            assert_non_null(strstr(text, "Detailed snapshots: [1, 2 (peak), 3]"));
            assert_non_null(strstr(text, "(315B) (heap allocation functions)")); /* 45 × 7 */
            /* 45 × 2^52 */
            assert_non_null(strstr(text, "202,661,983,231,672,320"));
            free(text);
        }
    }
}

static void empty_recording(void **state) {
    struct fixture *f = *state;
    if (access(ms_print, X_OK) != 0)
        skip();
    f->massif.count = 2;
    free(write_to_file(f));
    char *text = run_ms_print(f, "0");
    assert_non_null(strstr(text, "Number of snapshots: 2"));
    free(text);
}

/* ---- from a tape -------------------------------------------------------------------------- */

/* Allocations and frees a millisecond apart, with a resize and the peak in the middle. */
static void recorded(void **state) {
    struct fixture *f = *state;
    static const uint64_t leaf[] = {0x1000, 0x2000}, other[] = {0x1000, 0x3000};
    const uint64_t ms = 1000000, huge = UINT64_C(1) << 54;
    struct writer *w = writer_new();
    writer_thread(w, 1, 1, 77, "main");
    for (uint64_t i = 0; i < 40; i++)
        writer_alloc(w, 1, i * ms + 1, TAPE_OP_malloc, 0x10000 + i * 64, 10, 0, leaf, 2);
    writer_alloc(w, 1, 40 * ms, TAPE_OP_malloc, 0x90000, 100, 0, other, 2);
    writer_release(w, 1, 41 * ms, TAPE_OP_REALLOC_FROM, 0x90000);
    writer_alloc(w, 1, 42 * ms, TAPE_OP_realloc, 0xa0000, huge, 0, other, 2);
    writer_release(w, 1, 43 * ms, TAPE_OP_free, 0xa0000);
    for (uint64_t i = 0; i < 30; i++)
        writer_release(w, 1, (44 + i) * ms, TAPE_OP_free, 0x10000 + i * 64);
    writer_chunk(w, 1, false);
    writer_close(w, 90 * ms, 90 * ms, "exit");
    writer_end(w);
    writer_save(w, f->path);
    writer_free(w);
    struct tape_file *tape = tape_file_open(f->path);
    assert_non_null(tape);
    for (unsigned unit = 0; unit < 2; unit++) {
        struct massif_options options = massif_defaults;
        options.unit = unit == 0 ? MASSIF_MS : MASSIF_B;
        options.max_snapshots = 30;
        options.detailed_freq = 7;
        struct massif *m = massif_new(tape, &options);
        assert_true(m->count <= options.max_snapshots && m->count > 10);
        unsigned peaks = 0;
        for (uint32_t i = 0; i < m->count; i++) {
            const struct massif_snapshot *s = &m->snapshot[i];
            assert_true(i == 0 || s->clock >= s[-1].clock);
            assert_int_equal(s->detailed, s->peak || i % 7 == 6);
            assert_int_equal(s->detailed, s->tree != NULL);
            if (s->detailed)
                assert_int_equal(s->tree->node[0].bytes, s->heap);
            if (!s->peak)
                continue;
            peaks++;
            assert_int_equal(s->heap, 400 + huge);
            assert_int_equal(s->heap, replay_counts(m->replay)->peak_bytes);
            assert_int_equal(s->extra, 40 * 14 + 8);
            /* allocated: 40 × 24, 100 + 20, and what the resize added to the latter */
            assert_int_equal(massif_time(m, s), unit == 0 ? 42 : 40 * 24 + huge + 8);
            assert_int_equal(s->tree->node[0].count, 2); /* a lone small one is not folded */
            assert_int_equal(s->tree->node[1].bytes, huge);
        }
        assert_int_equal(peaks, 1);
        const struct massif_snapshot *first = &m->snapshot[0], *last = &m->snapshot[m->count - 1];
        assert_int_equal(first->heap + first->extra + first->clock, 0);
        assert_int_equal(last->heap, 100);
        assert_int_equal(last->extra, 10 * 14);
        assert_int_equal(massif_time(m, last), unit == 0 ? 90 : 70 * 24 + 2 * (huge + 8));
        massif_free(m);
    }
    tape_file_close(tape);
}

/* The graph in the terminal shows the peak at full height and the last snapshot at the right. */
static void graph(void **state) {
    struct fixture *f = *state;
    add_snapshot(f, 0, 0, false);
    add_snapshot(f, 5000000000, 100, true);
    add_snapshot(f, 10000000000, 50, false);
    struct tape_process process = {.exe = "/bin/demo"};
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    massif_print(out, &f->massif, &process);
    fclose(out);
    assert_non_null(strstr(text, "Command:            /bin/demo\n"));
    char row[128];
    snprintf(row, sizeof row, "    KiB\n   4.47^%35s###", "");
    assert_non_null(strstr(text, row));
    unsigned last = 0; /* rows of the last snapshot's bar: 2330 of 4580 bytes, rounded up */
    for (const char *c = text; (c = strstr(c, "@\n")) != NULL; c++)
        last++;
    assert_int_equal(last, 11);
    assert_non_null(strstr(text, ">s\n       0"));
    assert_non_null(strstr(text, "10.00\n"));
    assert_non_null(strstr(text, " Detailed snapshots: [1 (peak), 2]\n"));
    assert_non_null(strstr(text, "->19.65% (900B) 0x10090: ??? (in /usr/lib/lib #1.so)\n"));
    free(text);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(selection_keeps_all_that_fit),
        cmocka_unit_test(selection_culls_the_closest),
        cmocka_unit_test(selection_breaks_ties),
        cmocka_unit_test(selection_is_even),
        cmocka_unit_test(selection_without_time),
        cmocka_unit_test(extra_bytes),
        TEST(file_format),
        TEST(ms_print_reads_it),
        TEST(empty_recording),
        TEST(graph),
        TEST(recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
