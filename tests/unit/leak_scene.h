/* SPDX-License-Identifier: MIT */
/* Tapes with a heap image for tests of the kinds of leaks: blocks, words, and what was found. */
#ifndef LEAK_SCENE_H
#define LEAK_SCENE_H

#include "diag.h"
#include "leak_heuristics.h"
#include "leak_survey.h"
#include "scratch_directory.h"
#include "tape_writer.h"

static const char tape_path[] = "leaks.tape";

/* Where things lie. Blocks lie in the heap; the regions are numbered as they are made. */
enum {
    GLOBALS = 0x600000,
    STACK = 0x7ff000,
    HEAP = 0x100000,
    ARENA = 0x900000,
    PRIVATE = 0xa00000
};
enum { IN_GLOBALS, IN_STACK, IN_REGISTERS, IN_HEAP, IN_ARENA, IN_PRIVATE };

struct scene {
    struct writer *w;
    uint64_t now, globals, stack, registers; /* where the next word of each goes */
    struct tape_file *tape;
    struct leak_survey *survey;
};

static inline struct scene scene(void) {
    struct scene s = {.w = writer_new(), .now = 10, .globals = GLOBALS, .stack = STACK};
    writer_thread(s.w, 1, 1, 11, "main");
    return s;
}

static inline void alloc_in(struct scene *s, uint32_t stream, uint64_t address, uint64_t size) {
    uint64_t stack[2] = {0x400010, 0x400100 + address % 4096};
    writer_alloc(s->w, stream, s->now++, TAPE_OP_malloc, address, size, 0, stack, 2);
}

/* The k-th of blocks that lie 256 bytes apart. */
static inline uint64_t at(unsigned k) {
    return HEAP + k * 0x100;
}

static inline void block(struct scene *s, unsigned k, uint64_t size) {
    alloc_in(s, 1, at(k), size);
}

static inline void release(struct scene *s, unsigned k) {
    writer_release(s->w, 1, s->now++, TAPE_OP_free, at(k));
}

static inline void image(struct scene *s, uint64_t number, const char *name) {
    writer_image(s->w, number, s->now++, name);
    writer_image_region(s->w, GLOBALS, 4096, TAPE_REGION_MODULE, 0);
    writer_image_region(s->w, STACK, 4096, TAPE_REGION_STACK, 11);
    writer_image_region(s->w, 0, 128, TAPE_REGION_REGISTERS, 11);
    writer_image_region(s->w, HEAP, 0x100000, TAPE_REGION_OTHER, 0);
    writer_image_region(s->w, ARENA, 4096, TAPE_REGION_ALLOCATOR, 0);
    writer_image_region(s->w, PRIVATE, 4096, TAPE_REGION_OTHER, 0);
}

static inline void global(struct scene *s, uint64_t value) {
    writer_image_word(s->w, IN_GLOBALS, s->globals, value);
    s->globals += 8;
}

/* The word at `offset` of block k. */
static inline void word(struct scene *s, unsigned k, uint64_t offset, uint64_t value) {
    writer_image_word(s->w, IN_HEAP, at(k) + offset, value);
}

/* Writes the tape and finds out. */
static inline void judge_with(struct scene *s, const struct image_choice *choice,
                              unsigned heuristics, const struct inherited *inherited) {
    writer_chunk(s->w, 1, false);
    writer_chunk(s->w, 2, false);
    writer_close(s->w, s->now, s->now, "exit");
    writer_save(s->w, tape_path);
    writer_free(s->w);
    s->tape = tape_file_open(tape_path);
    assert_non_null(s->tape);
    s->survey = leak_survey_new(s->tape, &(struct survey_plan){.image = choice,
                                                               .heuristics = heuristics,
                                                               .inherited = inherited});
}

static const struct image_choice at_exit = {.by = IMAGE_EXIT};

static inline void judge(struct scene *s) {
    writer_image_end(s->w, 3, NULL);
    judge_with(s, &at_exit, LEAK_HEURISTICS_ALL, NULL);
    assert_null(s->survey->reason);
}

static const struct survey_block *find(const struct scene *s, uint64_t address) {
    for (uint32_t i = 0; i < s->survey->count; i++)
        if (s->survey->block[i].block.address == address)
            return &s->survey->block[i];
    return NULL;
}

static inline enum leak_kind kind_at(const struct scene *s, uint64_t address) {
    const struct survey_block *b = find(s, address);
    return b != NULL ? b->kind : LEAK_KINDS;
}

/* "dir-": by block, the first letter of its kind, from block 0 on; -: not live. */
static inline void expect_kinds(const struct scene *s, const char *kinds) {
    for (unsigned k = 0; kinds[k] != '\0'; k++) {
        enum leak_kind kind = kind_at(s, at(k));
        char found = kind == LEAK_KINDS ? '-' : leak_kind_info[kind].name[0];
        if (found != kinds[k])
            fail_msg("block %u: '%c' instead of '%c'", k, found, kinds[k]);
    }
}

static inline void expect_indirect(const struct scene *s, unsigned k, uint64_t bytes,
                                   uint64_t blocks) {
    const struct survey_block *b = find(s, at(k));
    assert_non_null(b);
    assert_int_equal(b->indirect_bytes, bytes);
    assert_int_equal(b->indirect_blocks, blocks);
}

static inline void finish(struct scene *s) {
    leak_survey_free(s->survey);
    tape_file_close(s->tape);
}

#endif
