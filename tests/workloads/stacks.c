/* SPDX-License-Identifier: MIT */
/* Blocks whose call stacks are known. Prints each expected stack, innermost function first, with
 * the bytes that are never freed below it: "BYTES f<g<main". */
#include <stdio.h>
#include <stdlib.h>

static void *volatile keep;
static volatile int depth_wanted = 40;

static void leaf(size_t n) {
    keep = malloc(n);
}

static void left(size_t n) {
    leaf(n);
    keep = (char *)keep + 0; /* no tail call */
}

static void right(size_t n) {
    left(n);
    leaf(n + 1);
    keep = (char *)keep + 0;
}

static void frame_of_variable_size(size_t n) {
    char room[n % 97 + 1];
    keep = room;
    leaf(n);
    keep = room;
}

static void recursive(int depth, size_t n) {
    if (depth > 0)
        recursive(depth - 1, n);
    else
        leaf(n);
    keep = (char *)keep + 0;
}

static int compare(const void *a, const void *b) {
    leaf(10007); /* called back through the C library */
    return *(const int *)a - *(const int *)b;
}

int main(void) {
    static char buffer[BUFSIZ];
    int pair[2] = {2, 1};
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    leaf(1009);
    puts("1009 leaf<main");
    left(2003);
    puts("2003 leaf<left<main");
    right(3001);
    puts("3001 leaf<left<right<main");
    puts("3002 leaf<right<main");
    frame_of_variable_size(4001);
    puts("4001 leaf<frame_of_variable_size<main");
    recursive(depth_wanted, 5003);
    fputs("5003 leaf", stdout);
    for (int i = 0; i <= depth_wanted; i++)
        fputs("<recursive", stdout);
    puts("<main");
    qsort(pair, 2, sizeof pair[0], compare);
    puts("10007 leaf<compare<*<main");
    return 0;
}
