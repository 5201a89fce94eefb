/* SPDX-License-Identifier: MIT */
/*
 * Every function of the malloc family at its corners: a line for each on stdout, without addresses,
 * so that the output of two runs can be compared. Calls that failed are listed on descriptor 3 as
 * tests/workloads/events.awk prints them: "OP 0x0 SIZE [ALIGNMENT]". corners [no-pvalloc].
 */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <heaptape/heaptape.h>

#define UNTOUCHED 77     /* what errno is before each call */
#define EXACT     100000 /* what is usable of greater blocks depends on where they lie */

/* Hidden from the compiler, which knows what such calls come to. */
static volatile size_t none = 0, most = SIZE_MAX, half = (size_t)PTRDIFF_MAX + 1, one = 1;
static FILE *failed;

static const char *name_of(int error) {
    return error == 0           ? "0"
           : error == UNTOUCHED ? "untouched"
           : error == EINVAL    ? "EINVAL"
           : error == ENOMEM    ? "ENOMEM"
                                : "another";
}

/* Says what a call has returned and how it left errno. */
static void *say(const char *call, void *p, size_t alignment) {
    int error = errno;
    printf("%-46s %s, errno %s", call, p != NULL ? "block" : "NULL", name_of(error));
    if (p != NULL) {
        size_t usable = malloc_usable_size(p);
        if (usable < EXACT && alignment < EXACT)
            printf(", %zu usable", usable);
        printf((uintptr_t)p % alignment == 0 ? ", aligned" : ", not aligned");
    }
    putchar('\n');
    return p;
}

static void note_failure(const char *op, void *p, size_t size, const char *alignment) {
    if (p == NULL)
        fprintf(failed, "%s 0x0 %zu%s\n", op, size, alignment);
}

static void give_back(void *p) {
    errno = UNTOUCHED;
    free(p);
    if (errno != UNTOUCHED)
        printf("free: errno %s\n", name_of(errno));
}

/* One call: errno set, made, said, noted when it fails, its block freed. */
#define TRY(op, size, alignment, field, call)                                                      \
    do {                                                                                           \
        errno = UNTOUCHED;                                                                         \
        void *made_ = (call);                                                                      \
        say(#call, made_, alignment);                                                              \
        note_failure(op, made_, size, field);                                                      \
        give_back(made_);                                                                          \
    } while (0)

static void plain(void) {
    TRY("malloc", 0, 16, "", malloc(none));
    TRY("malloc", 1, 16, "", malloc(one));
    TRY("malloc", 24, 16, "", malloc(24 * one));
    TRY("malloc", 200000, 16, "", malloc(200000 * one)); /* a mapping of its own */
    TRY("malloc", most, 16, "", malloc(most));
    TRY("malloc", half, 16, "", malloc(half));
    TRY("malloc", half - 1, 16, "", malloc(half - 1));
    TRY("calloc", 0, 16, "", calloc(none, 8));
    TRY("calloc", 0, 16, "", calloc(8, none));
    TRY("calloc", 40, 16, "", calloc(5, 8 * one));
    TRY("calloc", SIZE_MAX, 16, "", calloc(half, 2));
    TRY("calloc", SIZE_MAX, 16, "", calloc(most, most));
    TRY("calloc", SIZE_MAX, 16, "", calloc(most / 4 + 1, 5));
    TRY("calloc", most, 16, "", calloc(most, one));
    TRY("valloc", 0, 4096, "", valloc(none));
    TRY("valloc", 100, 4096, "", valloc(100 * one));
    TRY("valloc", most, 4096, "", valloc(most));
    TRY("valloc", half, 4096, "", valloc(half));
}

/* Not every allocator brings it: glibc's own would then get what another's free has to take. */
static void page_sized(void) {
    TRY("pvalloc", 0, 4096, "", pvalloc(none));
    TRY("pvalloc", 100, 4096, "", pvalloc(100 * one));
    TRY("pvalloc", most, 4096, "", pvalloc(most));
    TRY("pvalloc", half, 4096, "", pvalloc(half));
}

/* ---- alignments ---------------------------------------------------------------------------- */

static void aligned(size_t alignment, size_t size) {
    char call[80], field[32];
    /* 2^63 is told as invalid: the tape has no other word for it */
    int power = alignment != 0 && (alignment & (alignment - 1)) == 0 && alignment < half;
    size_t real = power ? alignment : 1;
    snprintf(field, sizeof field, power ? " %zu" : " invalid", alignment);

    void *p = &failed; /* left as it is by a call that fails */
    snprintf(call, sizeof call, "posix_memalign(%zu, %zu)", alignment, size);
    errno = UNTOUCHED;
    int error = posix_memalign(&p, alignment, size);
    printf("%-46s returns %s, pointer %s\n", call, name_of(error),
           p == &failed ? "untouched" : "set");
    if (error != 0)
        p = p == &failed ? NULL : p;
    say("", p, real);
    note_failure("posix_memalign", p, size, field);
    give_back(p);

    snprintf(call, sizeof call, "aligned_alloc(%zu, %zu)", alignment, size);
    errno = UNTOUCHED;
    p = say(call, aligned_alloc(alignment, size), real);
    note_failure("aligned_alloc", p, size, field);
    give_back(p);

    snprintf(call, sizeof call, "memalign(%zu, %zu)", alignment, size);
    errno = UNTOUCHED;
    p = say(call, memalign(alignment, size), real);
    note_failure("memalign", p, size, field);
    give_back(p);
}

static void alignments(void) {
    static const size_t alignment[] = {0, 1, 2, 3, 4, 8, 16, 24, 48, 64, 4096, 65536, 1 << 20};
    static const size_t size[] = {0, 1, 100, 8192, SIZE_MAX, SIZE_MAX - 4096, PTRDIFF_MAX};
    for (size_t a = 0; a < sizeof alignment / sizeof *alignment; a++)
        for (size_t s = 0; s < sizeof size / sizeof *size; s++)
            aligned(alignment[a], size[s]);
    aligned(half, 1);
    aligned(most, 1);
}

/* ---- resizing ------------------------------------------------------------------------------ */

static int holds(const unsigned char *p, size_t bytes, int value) {
    for (size_t i = 0; i < bytes; i++)
        if (p[i] != value)
            return 0;
    return 1;
}

static void *filled(size_t size) {
    void *p = malloc(size);
    if (p == NULL)
        exit(2);
    return memset(p, 0x5a, size);
}

/* A resize that fails leaves the block where and as it was. */
#define KEEPS(op, recorded, call)                                                                  \
    do {                                                                                           \
        unsigned char *volatile block = filled(1000);                                              \
        errno = UNTOUCHED;                                                                         \
        void *volatile to = say(#call, call, 16);                                                  \
        note_failure(op, to, recorded, "");                                                        \
        printf("%-46s content %s\n", "",                                                           \
               to == NULL && holds(block, 1000, 0x5a) ? "kept" : "lost");                          \
        give_back(block);                                                                          \
    } while (0)

static void grow(size_t from, size_t to) {
    char call[80];
    void *p = filled(from);
    snprintf(call, sizeof call, "realloc(%zu -> %zu)", from, to);
    errno = UNTOUCHED;
    p = say(call, realloc(p, to), 16);
    printf("%-46s content %s\n", "", holds(p, from < to ? from : to, 0x5a) ? "kept" : "lost");
    give_back(p);
}

static void resizing(void) {
    TRY("realloc", 0, 16, "", realloc(NULL, none));
    TRY("realloc", 50, 16, "", realloc(NULL, 50 * one));
    TRY("realloc", most, 16, "", realloc(NULL, most));
    TRY("reallocarray", 0, 16, "", reallocarray(NULL, none, 8));
    TRY("reallocarray", 56, 16, "", reallocarray(NULL, 7, 8 * one));
    TRY("reallocarray", SIZE_MAX, 16, "", reallocarray(NULL, half, 2));
    TRY("realloc", 0, 16, "", realloc(malloc(100), none));
    TRY("reallocarray", 0, 16, "", reallocarray(malloc(100), none, 8));
    TRY("reallocarray", 0, 16, "", reallocarray(malloc(100), 8, none));
    KEEPS("realloc", most, realloc(block, most));
    KEEPS("realloc", half, realloc(block, half));
    KEEPS("reallocarray", SIZE_MAX, reallocarray(block, half, 2));
    KEEPS("reallocarray", SIZE_MAX, reallocarray(block, most, most));
    KEEPS("reallocarray", most, reallocarray(block, most, one));
    grow(10, 20);
    grow(20, 1000);
    grow(1000, 10);
    grow(1000, 300000);
    grow(300000, 900000);
    grow(900000, 100);
}

/* calloc's memory is zero where others have written before. */
static void zeroes(void) {
    static const size_t size[] = {1, 24, 100, 1000, 5000, 100000, 300000};
    for (size_t s = 0; s < sizeof size / sizeof *size; s++) {
        void *dirty[8];
        int clean = 1;
        for (int i = 0; i < 8; i++)
            dirty[i] = filled(size[s]);
        for (int i = 0; i < 8; i++)
            give_back(dirty[i]);
        for (int i = 0; i < 8; i++) {
            dirty[i] = calloc(1, size[s]);
            clean &= dirty[i] != NULL && holds(dirty[i], size[s], 0);
        }
        for (int i = 0; i < 8; i++)
            give_back(dirty[i]);
        printf("calloc(1, %zu) %s\n", size[s], clean ? "zeroed" : "dirty");
    }
}

int main(int argc, char **argv) {
    static char buffer[2][BUFSIZ]; /* not of the heap */
    failed = fdopen(3, "w");
    if (failed == NULL)
        return 3;
    setvbuf(failed, buffer[0], _IOFBF, BUFSIZ);
    setvbuf(stdout, buffer[1], _IOFBF, BUFSIZ);
    heaptape_mark("begin");
    plain();
    if (argc == 1 || strcmp(argv[1], "no-pvalloc") != 0)
        page_sized();
    alignments();
    resizing();
    zeroes();
    give_back(NULL);
    heaptape_mark("end");
    return fclose(failed) != 0;
}
