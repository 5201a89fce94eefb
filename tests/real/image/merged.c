/* SPDX-License-Identifier: MIT */
/*
 * Memory that the kernel makes one mapping of: blocks that malloc has mapped, what the program has
 * mapped, and a thread's stack. Each must be a region of its own. Prints "NAME ADDRESS" as
 * planted.c does, and "block ADDRESS" for the blocks.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BIG (300 * 1024)

void *blocks[3];
static sem_t ready;

static void *sleeper(void *unused) {
    (void)unused;
    void *volatile on_stack = malloc(64);
    printf("stack %lx\n", (unsigned long)on_stack);
    sem_post(&ready);
    for (;;)
        pause();
    free(on_stack);
    return NULL;
}

static void map_pointer(void) {
    void **p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    p[700] = malloc(64);
    printf("mapped %lx\n", (unsigned long)p[700]);
    printf("place %lx\n", (unsigned long)(p + 700));
}

int main(void) {
    setvbuf(stdout, NULL, _IOFBF, BUFSIZ);
    for (int i = 0; i < 3; i++) {
        blocks[i] = malloc(BIG);
        memset(blocks[i], 1, BIG);
        printf("block %lx\n", (unsigned long)blocks[i]);
        map_pointer();
    }
    pthread_t t;
    sem_init(&ready, 0, 0);
    pthread_create(&t, NULL, sleeper, NULL);
    sem_wait(&ready);
    return 0;
}
