/* SPDX-License-Identifier: MIT */
/* Symbols that packed tapes bring with them. */
#include "embedded.h"
#include "names.h"
#include "pack.h"
#include "tape_content.h"

static const uint8_t build_id[] = {1, 2, 3, 4};

static const struct module gone = {.path = "/no/such/program",
                                   .build_id = {1, 2, 3, 4},
                                   .build_id_len = sizeof build_id};

/* A payload with one module, /no/such/program, and one address with three frames. */
static size_t make_payload(uint8_t *p, uint64_t vaddr, uint8_t knowledge, const char *inner) {
    uint8_t *start = p, texts[200], *t = texts;
    const char *const text[] = {"/no/such/program", inner, "middle", "outer", "/src/file.c"};
    for (size_t i = 0; i < sizeof text / sizeof *text; i++)
        t = tape_put_bytes(t, text[i], strlen(text[i]) + 1);
    p = tape_put_u8(p, TAPE_SYMBOLS_VERSION);
    p = tape_put_varint(p, (uint64_t)(t - texts));
    p = tape_put_bytes(p, texts, (size_t)(t - texts));
    p = tape_put_varint(p, 1);
    p = tape_put_symbols_module(p, &(struct tape_symbols_module){.path = 1,
                                                                 .build_id_len = sizeof build_id,
                                                                 .build_id = build_id,
                                                                 .knowledge = knowledge,
                                                                 .codes = 1});
    p = tape_put_varint(p, vaddr);
    p = tape_put_varint(p, 3);
    for (uint64_t i = 0; i < 3; i++)
        p = tape_put_symbols_frame(p, &(struct tape_symbols_frame){.function = 2 + i,
                                                                   .linkage = 2 + i,
                                                                   .file = 5,
                                                                   .line = 10 + i});
    return (size_t)(p - start);
}

static uint64_t read_payload(const uint8_t *p, size_t n, enum tape_error wanted) {
    struct tape_process process = {0};
    uint64_t count = 0;
    assert_int_equal(embedded_read(p, n, &process, &count), wanted);
    assert_int_equal(process.jit_count, 0);
    return count;
}

static void frames(void **state) {
    (void)state;
    uint8_t payload[500];
    struct symbols *s = symbols_new(true);
    struct symbol out[8];
    assert_int_equal(embedded_frames(s, &gone, 0x100, out, 8), 0);
    assert_int_equal(embedded_status(s, &gone), MODULE_MISSING);
    size_t n = make_payload(payload, 0x100, TAPE_KNOWLEDGE_ALL, "inner");
    assert_int_equal(read_payload(payload, n, TAPE_OK), 1);
    assert_int_equal(embedded_frames(s, &gone, 0x100, out, 8), 3);
    assert_string_equal(out[0].function, "inner");
    assert_string_equal(out[2].linkage, "outer");
    assert_string_equal(out[1].file, "/src/file.c");
    assert_null(out[0].plain);
    assert_int_equal(out[1].line, 11);
    assert_int_equal(embedded_frames(s, &gone, 0x100, out, 1), 1); /* the code's own function */
    assert_string_equal(out[0].function, "outer");
    assert_int_equal(embedded_frames(s, &gone, 0x101, out, 8), 0);
    assert_int_equal(embedded_status(s, &gone), MODULE_OK);
    struct module other = gone;
    other.build_id[3] = 5;
    assert_int_equal(embedded_frames(s, &other, 0x100, out, 8), 0);
    assert_int_equal(embedded_status(s, &other), MODULE_MISSING);
    symbols_free(s);
}

/* Of two tapes the one that knows more of the module counts; both where they know other places. */
static void two_tapes(void **state) {
    (void)state;
    uint8_t payload[500];
    struct symbols *s = symbols_new(true);
    struct symbol out[8];
    size_t n = make_payload(payload, 0x200, TAPE_KNOWLEDGE_NAMES, "less");
    read_payload(payload, n, TAPE_OK);
    n = make_payload(payload, 0x100, TAPE_KNOWLEDGE_NAMES, "less");
    read_payload(payload, n, TAPE_OK);
    assert_int_equal(embedded_frames(s, &gone, 0x100, out, 8), 3);
    assert_string_equal(out[0].function, "inner");
    assert_int_equal(embedded_frames(s, &gone, 0x200, out, 8), 3);
    assert_string_equal(out[0].function, "less");
    symbols_free(s);
}

/* Addresses of data are not those of code, and say nothing of how much is known of the module. */
static void variables(void **state) {
    (void)state;
    uint8_t payload[500];
    struct symbols *s = symbols_new(true);
    struct symbol out[8];
    const uint64_t address[] = {0x100, 0x500, 0x508};
    struct symbols_variable found[3];
    size_t n = make_payload(payload, 0x500, TAPE_KNOWLEDGE_DATA, "list_head");
    read_payload(payload, n, TAPE_OK);
    embedded_variables(s, &gone, 3, address, found);
    assert_null(found[0].name); /* code */
    assert_string_equal(found[1].name, "list_head");
    assert_int_equal(found[1].offset, 10);
    assert_null(found[2].name);
    assert_int_equal(embedded_frames(s, &gone, 0x500, out, 8), 0);
    assert_int_equal(embedded_status(s, &gone), MODULE_OK);
    symbols_free(s);
}

static void damaged_payload(void **state) {
    (void)state;
    uint8_t payload[500], copy[500];
    size_t n = make_payload(payload, 0x300, TAPE_KNOWLEDGE_ALL, "damaged");
    for (size_t cut = 1; cut < n; cut++) {
        struct tape_process process = {0};
        uint64_t count = 0;
        memcpy(copy, payload, n);
        assert_int_not_equal(embedded_read(copy, cut, &process, &count), TAPE_OK);
        free(process.jit);
    }
    for (size_t at = 0; at < n; at++)
        for (unsigned v = 0; v < 256; v += 5) {
            struct tape_process process = {0};
            uint64_t count = 0;
            memcpy(copy, payload, n);
            copy[at] = (uint8_t)v;
            embedded_read(copy, n, &process, &count); /* may be another valid one */
            free(process.jit);
        }
    copy[0] = TAPE_SYMBOLS_VERSION + 1;
    read_payload(copy, n, TAPE_E_VERSION);
}

/* ---- code made at run time ------------------------------------------------------------------ */

static char *name_at(const char *path, uint64_t address) {
    struct tape_file *tape = tape_file_open(path);
    assert_non_null(tape);
    struct stacks *stacks = stacks_new();
    struct names *names = names_of_recording(stacks, NULL, tape_file_process(tape));
    uint32_t stack = stacks_push(stacks, 0, stacks_intern_frame(stacks, address, 0));
    char *label = xstrdup(names_get(names, names_of(names, names_place(names, stack)))->label);
    names_free(names);
    stacks_free(stacks);
    tape_file_close(tape);
    return label;
}

static void run_time_code(void **state) {
    (void)state;
    struct writer *w = writer_new();
    w->info_pid = UINT64_C(3000000000) + (uint64_t)getpid(); /* nobody's */
    uint64_t stack[] = {0x7000000, 0x7000105, 0x8000000};
    writer_alloc(w, 1, 10, TAPE_OP_malloc, 0x1000, 16, 0, stack, 3);
    writer_chunk(w, 1, false);
    writer_close(w, 20, 20, "exit");
    writer_save(w, tape_path);
    char *map = xasprintf("/tmp/perf-%llu.map", (unsigned long long)w->info_pid);
    writer_free(w);
    FILE *f = fopen(map, "w");
    assert_non_null(f);
    fputs("7000100 20 older\n7000100 10 JS:*loop /app/main.js:12:5\n7000200 10 unused\n", f);
    fclose(f);
    struct pack_result result;
    assert_int_equal(pack_tape(tape_path, "x.packed.tape", true, 3, &result), EXIT_FINE);
    char *before = name_at(tape_path, 0x7000105);
    unlink(map);
    free(map);
    char *after = name_at("x.packed.tape", 0x7000105), *unknown = name_at(tape_path, 0x7000105);
    assert_string_equal(before, "loop (?) (main.js:12)"); /* "older" was there, too */
    assert_string_equal(after, before);
    assert_string_equal(unknown, "0x7000104");
    free(before);
    free(after);
    free(unknown);
    after = name_at("x.packed.tape", 0x8000000);
    assert_string_equal(after, "0x7ffffff");
    free(after);
    /* And once more, from what the packed tape says. */
    assert_int_equal(pack_tape("x.packed.tape", "again.tape", true, 3, &result), EXIT_FINE);
    after = name_at("again.tape", 0x7000105);
    assert_string_equal(after, "loop (?) (main.js:12)");
    free(after);
}

/* A chunk of symbols that cannot be read is damage, and only names are missing. */
static void damaged_chunk(void **state) {
    (void)state;
    struct writer *w = closed_tape();
    uint8_t payload[500];
    struct tape_chunk_header h = {.type = TAPE_CHUNK_SYMBOLS};
    h.stored_bytes = h.raw_bytes =
        (uint32_t)make_payload(payload, 0x400, TAPE_KNOWLEDGE_ALL, "chunk");
    h.payload_crc = tape_crc32c(payload, h.stored_bytes) ^ 1;
    writer_put_chunk(w, &h, payload);
    struct content c = saved_content(w);
    expect_damage(&c, "SYMBOLS chunk: checksum mismatch");
    assert_int_equal(c.health.lost, 0);
    assert_int_equal(c.health.damaged_chunks, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames),        cmocka_unit_test(two_tapes),
        cmocka_unit_test(variables),     cmocka_unit_test(damaged_payload),
        cmocka_unit_test(run_time_code), cmocka_unit_test(damaged_chunk),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
