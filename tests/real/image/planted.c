/* SPDX-License-Identifier: MIT */
/*
 * Plants pointers to blocks of its own in all places where a program keeps them, and says on
 * standard output which block is where: "NAME ADDRESS", one line each. The program itself keeps the
 * addresses inverted.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMES 16
static const char *name[NAMES];
static uintptr_t inverted[NAMES];
static unsigned names;

static void *block(const char *called) {
    void *p = malloc(64);
    memset(p, 0, 64);
    name[names] = called;
    inverted[names++] = ~(uintptr_t)p;
    return p;
}

void *global, *initialized = &global;
__thread void *of_thread;
void **in_block;
static sem_t ready;

static void *sleeper(void *unused) {
    (void)unused;
    void *volatile on_stack = block("other_stack");
    of_thread = block("other_tls");
    sem_post(&ready);
    for (;;)
        pause();
    free(on_stack);
    return NULL;
}

/* A callee-saved register is the only place: the loop makes no call. */
static void *spinner(void *unused) {
    (void)unused;
    register uintptr_t held __asm__("r14") = (uintptr_t)block("register");
    __asm__ volatile("" : "+r"(held));
    sem_post(&ready);
    for (;;)
        __asm__ volatile("pause" : "+r"(held));
    return NULL;
}

__attribute__((noinline)) static void leave_on_stack(volatile void **room, void *p) {
    for (int i = 0; i < 64; i++)
        room[i] = p;
}

static void *ends(void *unused) {
    (void)unused;
    volatile void *room[64];
    leave_on_stack(room, block("ended_stack"));
    return NULL;
}

__attribute__((noinline)) static void wipe(void) {
    volatile char room[16384];
    for (unsigned i = 0; i < sizeof room; i++)
        room[i] = 0;
}

static void show(void) {
    wipe();
    for (unsigned i = 0; i < names; i++)
        printf("%s %lx\n", name[i], (unsigned long)~inverted[i]);
    fflush(stdout);
}

__attribute__((noinline)) static void plant(void) {
    global = block("global");
    initialized = block("data");
    of_thread = block("tls");
    in_block = malloc(64);
    in_block[3] = block("block");
    block("leaked");
    sem_init(&ready, 0, 0);
    pthread_t t;
    pthread_create(&t, NULL, sleeper, NULL);
    sem_wait(&ready);
    pthread_create(&t, NULL, spinner, NULL);
    sem_wait(&ready);
    pthread_create(&t, NULL, ends, NULL);
    pthread_join(t, NULL);
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOFBF, BUFSIZ);
    plant();
    wipe();
    show();
    if (argc > 1 && strcmp(argv[1], "_exit") == 0)
        _exit(7);
    exit(7);
}
