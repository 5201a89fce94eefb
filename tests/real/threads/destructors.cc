/* SPDX-License-Identifier: MIT */
/*
 * Threads whose data is destroyed after their function has returned: a thread_local object with a
 * block of 501 bytes, and a key whose destructor frees a block of 502 bytes, makes another and asks
 * to be called again, in every round that there is. Prints "TID MALLOCS FREES" of each thread, of
 * blocks of these sizes.
 */
#include <cstdio>
#include <cstdlib>
#include <limits.h>
#include <pthread.h>
#include <unistd.h>

static constexpr int threads = 8;
static pthread_key_t key;

static struct tally { int tid, mallocs, frees, rounds; } tally[threads];

static thread_local struct tally *mine;

static void *make(size_t size) {
    mine->mallocs++;
    return malloc(size);
}

static void give_back(void *p) {
    mine->frees++;
    free(p);
}

struct owner {
    void *block = make(501);
    ~owner() { give_back(block); }
};

static void destroy(void *p) {
    give_back(p);
    if (++mine->rounds < PTHREAD_DESTRUCTOR_ITERATIONS)
        pthread_setspecific(key, make(502));
}

static void *work(void *argument) {
    mine = static_cast<struct tally *>(argument);
    mine->tid = gettid();
    static thread_local owner one;
    (void)one.block;
    pthread_setspecific(key, make(502));
    return nullptr;
}

int main() {
    pthread_t thread[threads];
    pthread_key_create(&key, destroy);
    for (int i = 0; i < threads; i++)
        if (pthread_create(&thread[i], nullptr, work, &tally[i]) != 0)
            return 2;
    for (pthread_t t : thread)
        pthread_join(t, nullptr);
    for (const struct tally &t : tally)
        printf("%d %d %d\n", t.tid, t.mallocs, t.frees);
    return 0;
}
