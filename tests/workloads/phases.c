/* SPDX-License-Identifier: MIT */
/*
 * Known amounts from known lines in three phases, for the tests of what people read:
 *
 *   build   100 nodes of 1,000 bytes, by two callers (60 and 40); a table of 50,000 bytes
 *   "built"
 *   grow    the table resized to 80,000 bytes and 20 words of 32 bytes: 180,640 bytes, the peak
 *   "grown"
 *   drop    the nodes of the second caller, the table and every second word are freed; 200
 *           temporary blocks of 10 bytes
 *
 * Not freed: 60 nodes and 10 words: 60,320 bytes in 70 blocks. The pauses let the clock move on
 * between a mark and its neighbours.
 */
#include <stdlib.h>
#include <unistd.h>

#include <heaptape/heaptape.h>

static void *node[100], *word[20];

static void *new_node(void) {
    return malloc(1000);
}

static void build_left(void) {
    for (int i = 0; i < 60; i++)
        node[i] = new_node();
}

static void build_right(void) {
    for (int i = 60; i < 100; i++)
        node[i] = new_node();
}

static void mark(const char *text) {
    usleep(20000);
    heaptape_mark(text);
    usleep(20000);
}

int main(void) {
    build_left();
    build_right();
    void *table = malloc(50000);
    mark("built");

    table = realloc(table, 80000);
    for (int i = 0; i < 20; i++)
        word[i] = calloc(4, 8);
    mark("grown");

    for (int i = 60; i < 100; i++)
        free(node[i]);
    free(table);
    for (int i = 0; i < 20; i += 2)
        free(word[i]);
    for (int i = 0; i < 200; i++)
        free(malloc(10));
    return 0;
}
