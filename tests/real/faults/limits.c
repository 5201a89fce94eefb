/* SPDX-License-Identifier: MIT */
/*
 * limits WHAT [N]: goes on allocating where the recorder gets nothing any more.
 *   fsize     under a file size limit of the shell, with a handler for SIGXFSZ, whose own write
 *             beyond the limit raises it once; fsize-default: the same without a handler
 *   as        with no address space left but what malloc holds, then with some again
 *   nofile    with a limit of N descriptors from here on
 *   full      with every descriptor in use
 *   many      without any limit of its own
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "own.h"

enum { MANY = 300000, MILLION = 1000000 };

static volatile sig_atomic_t signals;

static void on_signal(int number) {
    (void)number;
    signals++;
}

static void limit(int what, rlim_t to) {
    struct rlimit both = {to, to};
    if (setrlimit(what, &both) != 0)
        abort();
}

static int file_size(bool handler) {
    static char block[65536];
    long written = 0, n;
    if (handler)
        signal(SIGXFSZ, on_signal);
    own_pairs(MANY);
    printf("signals after %d pairs: %d\n", MANY, (int)signals);
    own_note(MANY);
    fflush(stdout);
    int fd = open("own", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    while ((n = write(fd, block, sizeof block)) > 0)
        written += n;
    printf("%ld bytes, then %s, %d signals\n", written, strerror(errno), (int)signals);
    return 3;
}

static int address_space(void) {
    own_pairs(10);
    /* Nothing may be left: the limit goes below what is mapped already. */
    limit(RLIMIT_CORE, 0);
    struct rlimit before;
    getrlimit(RLIMIT_AS, &before);
    struct rlimit none = {4096, before.rlim_max};
    setrlimit(RLIMIT_AS, &none);
    void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("%s\n", p == MAP_FAILED ? "nothing left" : "something left");
    void *volatile big = malloc(64u << 20);
    printf("%s\n", big == NULL ? "no large block" : "a large block");
    own_pairs(MANY);
    setrlimit(RLIMIT_AS, &before);
    own_pairs(MANY / 2);
    own_note(MANY + MANY / 2 + 10);
    return 4;
}

static int descriptors(const char *count) {
    int notes = own_open(), used = 0, pairs = count == NULL ? MILLION : MANY;
    if (count != NULL)
        limit(RLIMIT_NOFILE, strtoul(count, NULL, 10));
    else
        limit(RLIMIT_NOFILE, 40);
    while (count == NULL && dup(1) >= 0)
        used++;
    own_pairs(pairs);
    if (count == NULL)
        dprintf(1, "%d used, %s, %d\n", used, strerror(errno), dup(1));
    own_note_to(notes, pairs);
    return 5;
}

int main(int argc, char **argv) {
    if (argc < 2)
        return 2;
    if (strcmp(argv[1], "as") == 0)
        return address_space();
    if (strcmp(argv[1], "nofile") == 0 || strcmp(argv[1], "full") == 0)
        return descriptors(argv[2]);
    if (strcmp(argv[1], "many") == 0) {
        own_pairs(MANY);
        own_note(MANY);
        return 6;
    }
    return file_size(strcmp(argv[1], "fsize") == 0);
}
