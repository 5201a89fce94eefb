/* SPDX-License-Identifier: MIT */
/*
 * close_all HOW DIRECTORY: four threads write files of their own there, allocating all the while;
 * a fifth closes every descriptor but the standard ones, over and over: HOW is range
 * (close_range), loop (close from 3 to 63) or none. alone: one thread does all of it in turn, by
 * close_range. A thread that writes is left alone: what it has
 * open is its own. Allocations go on at any moment.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>

#include "own.h"

enum { WRITERS = 4, FILES = 150, PAIRS = 40 };

static struct {
    pthread_rwlock_t writing;
    atomic_bool stop;
    const char *how, *directory;
} test;

static void close_them(void) {
    if (strcmp(test.how, "range") == 0 || strcmp(test.how, "alone") == 0)
        syscall(SYS_close_range, 3, ~0u, 0);
    else if (strcmp(test.how, "loop") == 0)
        for (int fd = 3; fd < 64; fd++)
            close(fd);
}

static void *write_files(void *arg) {
    char name[4096], line[128];
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "%s/%d.%d", test.directory, *(int *)arg, i);
        pthread_rwlock_rdlock(&test.writing);
        if (strcmp(test.how, "alone") == 0)
            close_them();
        int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0666);
        for (int k = 0; k < 20; k++) {
            int n = snprintf(line, sizeof line, "%d of %d in %d\n", k, i, *(int *)arg);
            own_pairs(PAIRS);
            if (fd < 3 || write(fd, line, (size_t)n) != n)
                abort();
        }
        if (close(fd) != 0)
            abort();
        pthread_rwlock_unlock(&test.writing);
        own_pairs(PAIRS);
    }
    return (void *)(unsigned long)(FILES * 21 * PAIRS);
}

static void *close_descriptors(void *unused) {
    unsigned long pairs = 0;
    (void)unused;
    for (int i = 0; i < 100 || !atomic_load(&test.stop); i++, pairs += PAIRS) {
        pthread_rwlock_wrlock(&test.writing);
        close_them();
        pthread_rwlock_unlock(&test.writing);
        own_pairs(PAIRS);
    }
    return (void *)pairs;
}

int main(int argc, char **argv) {
    pthread_t writer[WRITERS], closer;
    int number[WRITERS];
    unsigned long pairs = 0;
    void *result;
    if (argc != 3)
        return 2;
    pthread_rwlockattr_t kind;
    pthread_rwlockattr_init(&kind);
    pthread_rwlockattr_setkind_np(&kind, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&test.writing, &kind);
    test.how = argv[1];
    bool alone = strcmp(test.how, "alone") == 0;
    test.directory = argv[2];
    close_them();
    for (int i = 0; i < WRITERS; i++) {
        number[i] = i;
        if (alone)
            pairs += (unsigned long)write_files(&number[i]);
        else
            pthread_create(&writer[i], NULL, write_files, &number[i]);
    }
    if (alone) {
        own_note(pairs);
        puts("done");
        return 0;
    }
    pthread_create(&closer, NULL, close_descriptors, NULL);
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(writer[i], &result);
        pairs += (unsigned long)result;
    }
    atomic_store(&test.stop, true);
    pthread_join(closer, &result);
    own_note(pairs + (unsigned long)result);
    puts("done");
    return 0;
}
