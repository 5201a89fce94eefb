/* SPDX-License-Identifier: MIT */
/*
 * Everything that a program can tell heaptape of itself, with amounts that are known:
 *
 *   tests    parser/numbers leaks 24 bytes, parser/strings nothing, parser/escapes 24 bytes at the
 *            same place and 100 at another, which lead to 50 more; "lexer" resizes what it keeps
 *   outside  24 bytes at the same place again
 *   pool     in a block of 4,096 bytes: 40 bytes kept, 50 lost, which lead to 60, 70 freed, 80
 * ignored ignored  200 bytes that lead to 300, nothing points to them loops    "frame", 200 rounds:
 * a list gets a node of 48 bytes in each, a table 32 bytes every tenth time; a cache fills in 30,
 * chunks double, a queue is emptied every seventh time. "request", 3 rounds.
 */
#include <stdlib.h>
#include <string.h>

#include <heaptape/heaptape.h>

#define APART __attribute__((noinline, noclone))

struct node {
    struct node *next;
    char room[40];
};

static void *volatile lost;
static void *volatile kept[400];
static struct node *volatile list, *volatile queue;
static unsigned chunk_room = 1, chunk_used;
static int kept_count;

/* ---- tests ---------------------------------------------------------------------------------- */

static APART void lose_number(void) {
    lost = malloc(24);
    lost = NULL;
}

static APART void lose_escape(void) {
    void **outer = malloc(100);
    *outer = malloc(50);
    lost = outer;
    lost = NULL;
}

static APART void run_tests(void) {
    heaptape_test_begin("parser");
    heaptape_test_begin("numbers");
    free(malloc(1000));
    lose_number();
    heaptape_test_end();
    heaptape_test_begin("strings");
    free(malloc(500));
    heaptape_test_end();
    heaptape_test_begin("escapes");
    lose_number();
    lose_escape();
    heaptape_test_end();
    heaptape_test_end();
    heaptape_test_begin("lexer");
    kept[kept_count++] = realloc(malloc(10), 20);
    heaptape_test_end();
    lose_number();
}

/* ---- a pool --------------------------------------------------------------------------------- */

static char *pool_next;

static APART void *pool_get(size_t size) {
    char *p = pool_next;
    pool_next += (size + 15) & ~(size_t)15;
    heaptape_pool_alloc(p, size);
    return p;
}

static APART void use_pool(void) {
    char *memory = malloc(4096);
    pool_next = memory;
    void *a = pool_get(40), *b = pool_get(50), *c = pool_get(60), *d = pool_get(70),
         *e = pool_get(80);
    kept[kept_count++] = a;
    memcpy(b, &c, sizeof c);
    heaptape_pool_free(d);
    heaptape_pool_free(memory + 4000); /* never was one */
    heaptape_ignore(e);
}

static APART void ignore_some(void) {
    void **outer = malloc(200);
    *outer = malloc(300);
    heaptape_ignore(outer);
    lost = outer;
    lost = NULL;
}

/* ---- loops ---------------------------------------------------------------------------------- */

static APART struct node *add_node(struct node *next) {
    struct node *n = malloc(sizeof *n);
    n->next = next;
    return n;
}

static APART void grow_list(void) {
    list = add_node(list);
}

static APART void grow_table(int round) {
    if (round % 10 == 0)
        kept[kept_count++] = malloc(32);
}

static APART void fill_cache(int round) {
    if (round < 30)
        kept[kept_count++] = malloc(64);
}

static APART void add_chunk(void) {
    if (++chunk_used > chunk_room) {
        chunk_room *= 2;
        kept[kept_count++] = malloc(8 * (size_t)chunk_room);
    }
}

static APART void fill_queue(int round) {
    queue = add_node(queue);
    for (struct node *n; round % 7 == 6 && (n = queue) != NULL;) {
        queue = n->next;
        free(n);
    }
}

static APART void run_loops(void) {
    for (int round = 0; round < 200; round++) {
        grow_list();
        grow_table(round);
        fill_cache(round);
        add_chunk();
        fill_queue(round);
        heaptape_iteration("frame");
    }
    for (int round = 0; round < 3; round++)
        heaptape_iteration("request");
}

int main(void) {
    run_tests();
    heaptape_mark("tested");
    use_pool();
    ignore_some();
    run_loops();
    pool_next = NULL;
    return 0;
}
