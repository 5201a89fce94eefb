/* SPDX-License-Identifier: MIT */
/*
 * What heaptape_test_end() returns, case by case: each is a test, whose result is printed beside
 * the one that is right. Arguments are the names of cases; none: all of them, in this process.
 */
#include <heaptape/heaptape.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Addresses that are to keep nothing alive are kept inverted. */
static uintptr_t hidden;

static void hide(const void *p) {
    hidden = ~(uintptr_t)p;
}

static void *reveal(void) {
    return (void *)~hidden;
}

/* What was in the memory before is no pointer of the program's, but looks like one. */
static void hide_clean(void *p, size_t size) {
    memset(p, 0, size);
    hide(p);
}

static void *get(size_t size) {
    void *p = malloc(size);
    memset(p, 0, size);
    return p;
}

/* ---- nothing is lost ---------------------------------------------------------------------- */

static void nothing(void) {}

static void freed(void) {
    free(get(100));
    void *p = get(50);
    p = realloc(p, 5000);
    free(p);
}

static void prints(void) {
    printf("# stdout gets its buffer here\n");
}

void *volatile global;
static void held_by_global(void) {
    global = get(100);
}

static void held_by_static(void) {
    static void *cache;
    cache = get(100);
    (void)*(void *volatile *)&cache;
}

static __thread void *of_thread;
static void held_by_tls(void) {
    of_thread = get(100);
    (void)*(void *volatile *)&of_thread;
}

char *volatile inside;
static void held_inside(void) {
    inside = (char *)get(100) + 60;
}

static void held_in_chain(void) {
    void **first = get(100), **second = get(200);
    global = first;
    first[3] = second;
    second[4] = get(300);
}

/* In the heap, by a block that was there before the test. */
static void **older;
static void held_by_older(void) {
    older[5] = get(100);
}

/* A page of the program's own, into which malloc never put a block. */
static void **page;
static void held_by_mapping(void) {
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    page[7] = get(100);
}

static void older_freed(void) {
    free(reveal());
}

static void grown(void) {
    global = realloc(get(16), 100000);
}

static void ignored(void) {
    void **p = get(100);
    p[2] = get(50);
    heaptape_ignore(p);
}

static void failed_resize(void) {
    void *p = get(64);
    global = p;
    if (realloc(p, (size_t)-1 / 2) != NULL)
        abort();
}

/* ---- something is ------------------------------------------------------------------------- */

static void lost(void) {
    hide(get(100));
}

static void empty(void) {
    hide(malloc(0)); /* no bytes: nothing to return, and no harm */
    hide(get(7));
}

static void cycle(void) {
    void **p = get(64), **q = get(32);
    p[0] = q;
    q[1] = p;
}

/* Direct and indirect ones together. */
static void chain(void) {
    void **first = get(100), **second = get(200);
    first[3] = second;
    second[4] = get(300);
}

static void resized(void) {
    hide_clean(realloc(get(10), 1000), 1000);
}

static void older_resized(void) {
    hide_clean(realloc(reveal(), 2000), 2000);
}

static void kinds(void) {
    void *p;
    hide(calloc(3, 7));
    hide_clean(aligned_alloc(64, 128), 128);
    if (posix_memalign(&p, 4096, 300) == 0)
        hide_clean(p, 300);
    p = NULL;
    hide_clean(reallocarray(NULL, 5, 100), 500);
    hide(strdup("twelve bytes"));
}

static void large(void) {
    hide(get(3000000));
}

static void overwritten(void) {
    global = get(100);
    global = NULL;
}

/* Only freed memory still has the address. */
static void held_by_freed(void) {
    void **holder = get(200);
    holder[10] = get(100);
    free(holder);
}

static void one_ignored(void) {
    heaptape_ignore(get(100));
    hide(get(30));
    void *p = get(100);
    heaptape_ignore(p);
    free(p);
}

/* A place that is used again: what was ignored there is no more. */
static void ignored_place(void) {
    void *p = get(100);
    heaptape_ignore(p);
    free(p);
    hide(get(100));
}

/* ---- pools -------------------------------------------------------------------------------- */

static char *chunk; /* memory of the pool */

static void pool_returned(void) {
    heaptape_pool_alloc(chunk, 64);
    heaptape_pool_alloc(chunk + 64, 64);
    heaptape_pool_free(chunk);
    heaptape_pool_free(chunk + 64);
}

static void pool_lost(void) {
    heaptape_pool_alloc(chunk + 128, 40);
    heaptape_pool_alloc(chunk + 192, 24);
    global = chunk + 192;
}

static void pool_of_test(void) { /* the memory itself is none of the blocks */
    char *memory = get(4096);
    heaptape_pool_alloc(memory, 48);
    heaptape_pool_alloc(memory + 48, 48);
    global = memory + 48;
}

static void pool_emptied(void) { /* by giving back its memory */
    char *memory = get(4096);
    heaptape_pool_alloc(memory + 256, 48);
    free(memory);
}

static void pool_list(void) { /* of its own, in memory that is none of its blocks' */
    heaptape_pool_alloc(chunk + 1024, 32);
    *(void **)(void *)(chunk + 2048) = chunk + 1024;
}

static void pool_points(void) { /* a block of a pool keeps what it points to */
    heaptape_pool_alloc(chunk + 512, 32);
    *(void **)(void *)(chunk + 512) = get(100);
    global = chunk + 512;
}

/* ---- threads ------------------------------------------------------------------------------ */

static void *give_back(void *p) {
    free(p);
    return NULL;
}

static void *lose(void *unused) {
    (void)unused;
    hide(get(70));
    return NULL;
}

static void run(void *(*fn)(void *), void *arg) {
    pthread_t thread;
    pthread_create(&thread, NULL, fn, arg);
    pthread_join(thread, NULL);
}

static void freed_elsewhere(void) {
    run(give_back, get(100));
}

static void lost_elsewhere(void) {
    run(lose, NULL);
}

static pthread_barrier_t barrier;
static pthread_t holder;

/* On its stack, and nowhere else; and in a register that survives calls. */
static void *hold(void *unused) {
    (void)unused;
    void *volatile on_stack = get(80);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    free(on_stack);
    return NULL;
}

static volatile int spinning;
static void *spin(void *unused) {
    (void)unused;
    register void *held __asm__("rbx") = get(90);
    __asm__ volatile("" : "+r"(held));
    /* What get() left on the stack. */
    __asm__ volatile("lea -16384(%%rsp), %%rdi; mov $2048, %%ecx; xor %%eax, %%eax; rep stosq"
                     : "+r"(held)
                     :
                     : "rdi", "rcx", "rax", "memory");
    spinning = 1;
    while (spinning)
        __asm__ volatile("pause" : "+r"(held));
    free(held);
    return NULL;
}

static void held_by_stack(void) {
    pthread_create(&holder, NULL, hold, NULL);
    pthread_barrier_wait(&barrier);
}

static void let_go(void) {
    pthread_barrier_wait(&barrier);
    pthread_join(holder, NULL);
}

static void held_by_register(void) {
    pthread_create(&holder, NULL, spin, NULL);
    while (!spinning)
        ;
}

static void stop_spinning(void) {
    spinning = 0;
    pthread_join(holder, NULL);
}

/* ---- all ---------------------------------------------------------------------------------- */

static void make_older(void) {
    hide(get(500));
}

static void free_revealed(void) {
    free(reveal());
}

static const struct {
    const char *name;
    void (*before)(void), (*test)(void), (*after)(void);
    size_t lost;
} cases[] = {
#define CASE(name, lost) {#name, NULL, name, NULL, lost},
    CASE(prints, 0) CASE(nothing, 0) CASE(freed, 0) CASE(held_by_global, 0) CASE(held_by_static, 0)
        CASE(held_by_tls, 0) CASE(held_inside, 0) CASE(held_in_chain, 0) CASE(held_by_older, 0)
            CASE(held_by_mapping, 0) CASE(grown, 0) CASE(ignored, 0) CASE(failed_resize, 0)
                CASE(lost, 100) CASE(empty, 7) CASE(cycle, 96) CASE(chain, 600) CASE(resized, 1000)
                    CASE(kinds, 21 + 128 + 300 + 500 + 13) CASE(large, 3000000)
                        CASE(overwritten, 100) CASE(held_by_freed, 100) CASE(one_ignored, 30)
                            CASE(ignored_place, 100) CASE(pool_returned, 0) CASE(pool_lost, 40)
                                CASE(pool_of_test, 48) CASE(pool_emptied, 0) CASE(pool_list, 32)
                                    CASE(pool_points, 0) CASE(freed_elsewhere, 0)
                                        CASE(lost_elsewhere, 70){"older_freed", make_older,
                                                                 older_freed, NULL, 0},
    {"older_resized", make_older, older_resized, free_revealed, 2000},
    {"held_by_stack", NULL, held_by_stack, let_go, 0},
    {"held_by_register", NULL, held_by_register, stop_spinning, 0},
#undef CASE
};

static int run_case(size_t i) {
    if (cases[i].before)
        cases[i].before();
    heaptape_test_begin(cases[i].name);
    cases[i].test();
    size_t got = heaptape_test_end();
    if (cases[i].after)
        cases[i].after();
    size_t expected = heaptape_active() ? cases[i].lost : 0;
    printf("%s %zu %s\n", cases[i].name, got, got == expected ? "right" : "WRONG");
    return got != expected;
}

int main(int argc, char **argv) {
    int wrong = 0;
    older = get(100);
    chunk = get(8192);
    pthread_barrier_init(&barrier, NULL, 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int wanted = argc == 1;
        for (int k = 1; k < argc; k++)
            wanted |= strcmp(argv[k], cases[i].name) == 0;
        if (wanted)
            wrong |= run_case(i);
    }
    if (argc == 2 && strcmp(argv[1], "list") == 0)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            puts(cases[i].name);
    return wrong;
}
