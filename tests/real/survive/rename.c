/* SPDX-License-Identifier: MIT */
/* Renames the recording that is being made of it, and puts files of its own in its place. */
#include <stdio.h>
#include <stdlib.h>

static void put(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    if (f == NULL)
        exit(2);
    fputs(text, f);
    fclose(f);
}

int main(int argc, char **argv) {
    char tail[4096];
    if (argc != 2)
        return 2;
    snprintf(tail, sizeof tail, "%s.tail", argv[1]);
    for (int i = 0; i < 3000; i++)
        free(malloc(32));
    rename(argv[1], "moved");
    rename(tail, "moved.tail");
    put(argv[1], "mine");
    put(tail, "mine too");
    for (int i = 0; i < 2000000; i++) {
        void *volatile p = malloc((size_t)(i % 5000));
        free(p);
    }
    return 0;
}
