/* SPDX-License-Identifier: MIT */
/*
 * Tests in the life of a process: nested, many, in threads that go on meanwhile, in children. The
 * argument says which; what came out is printed, and the same must come out every time.
 */
#include <errno.h>
#include <heaptape/heaptape.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static uintptr_t hidden;
static void **volatile kept;

__attribute__((noinline)) static void *get(size_t size) {
    return memset(malloc(size), 0, size);
}

__attribute__((noinline)) static void lose(size_t size) {
    hidden = ~(uintptr_t)get(size);
}

/* ---- one in another ----------------------------------------------------------------------- */

static int nested(void) {
    heaptape_test_begin("outer");
    lose(10);
    heaptape_test_begin("inner");
    lose(100);
    heaptape_test_begin("innermost");
    printf("innermost %zu\n", heaptape_test_end());
    printf("inner %zu\n", heaptape_test_end());
    heaptape_test_begin("second");
    lose(1000);
    printf("second %zu\n", heaptape_test_end());
    free((void *)~hidden);
    printf("outer %zu\n", heaptape_test_end());
    printf("none %zu\n", heaptape_test_end());
    return 0;
}

static int deep(void) {
    for (int i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof name, "depth %d", i);
        heaptape_test_begin(name);
        lose(1);
    }
    for (int i = 0; i < 21; i++)
        printf("%zu\n", heaptape_test_end());
    return 0;
}

static int names(void) {
    static char name[3000];
    memset(name, 'n', sizeof name - 1);
    heaptape_test_begin(name);
    strcpy(name, "something else");
    heaptape_test_begin(NULL);
    heaptape_test_begin("");
    for (int i = 0; i < 3; i++)
        printf("%zu\n", heaptape_test_end());
    return 0;
}

/* ---- many --------------------------------------------------------------------------------- */

static size_t resident(void) {
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL || fscanf(f, "%*u %lu", &pages) != 1)
        abort();
    fclose(f);
    return pages * 4096;
}

static void some_work(unsigned n) {
    void *p[20];
    for (unsigned i = 0; i < 20; i++)
        p[i] = get(16 + (n * 31 + i * 57) % 2000);
    for (unsigned i = 0; i < 20; i++)
        free(p[i]);
}

static int many(void) {
    size_t lost = 0, before = 0;
    for (unsigned i = 0; i < 100000; i++) {
        heaptape_test_begin("one of many");
        some_work(i);
        lost += heaptape_test_end();
        if (i == 1000)
            before = resident();
    }
    size_t grown = resident() - before;
    printf("lost %zu\n", lost);
    if (grown > 4 << 20)
        printf("grown by %zu bytes\n", grown);
    return 0;
}

/* Stale addresses in freed memory, which the next test's blocks get. */
static int reused(void) {
    size_t wrong = 0;
    for (unsigned i = 0; i < 300; i++) {
        heaptape_test_begin("reused");
        void **p[10];
        for (unsigned k = 0; k < 10; k++) {
            p[k] = get(200);
            for (unsigned n = 0; n < 25; n++)
                p[k][n] = p[(k + 9) % 10 < k ? k - 1 : 0];
        }
        for (unsigned k = 0; k < 10; k++)
            free(p[k]);
        memset(p, 0, sizeof p);
        lose(200);
        size_t lost = heaptape_test_end();
        wrong += lost != 200;
        free((void *)~hidden);
    }
    printf("wrong %zu\n", wrong);
    return 0;
}

/* ---- while other threads go on ------------------------------------------------------------ */

enum { WORKERS = 4, NODES = 64 };

struct node {
    struct node *next;
    void *more[6];
};

static atomic_bool stop;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct node *shared;

static void exchange(struct node **own) {
    pthread_mutex_lock(&mutex);
    struct node *n = shared;
    shared = *own;
    *own = n;
    pthread_mutex_unlock(&mutex);
}

static void free_list(struct node *n) {
    while (n != NULL) {
        struct node *next = n->next;
        for (unsigned i = 0; i < 6; i++)
            free(n->more[i]);
        free(n);
        n = next;
    }
}

/* Lists grow, are handed to other threads, resized and freed by these: never is anything lost. */
static void *work(void *arg) {
    unsigned seed = (unsigned)(uintptr_t)arg;
    struct node *own = NULL;
    for (unsigned count = 0; !atomic_load(&stop); count++) {
        struct node *n = get(sizeof *n);
        for (unsigned i = 0; i < 6; i++)
            n->more[i] = get(8 + (unsigned)rand_r(&seed) % 500);
        n->next = own;
        own = n;
        if (own->next != NULL)
            own->next->more[count % 6] = realloc(own->next->more[count % 6], 700 + count % 1000);
        if (count % 7 == 0)
            exchange(&own);
        if (count % NODES == 0) {
            free_list(own);
            own = NULL;
        }
    }
    free_list(own);
    return NULL;
}

static int threads(void) {
    pthread_t thread[WORKERS];
    size_t wrong = 0;
    for (uintptr_t i = 0; i < WORKERS; i++)
        pthread_create(&thread[i], NULL, work, (void *)(i + 1));
    for (unsigned i = 0; i < 60; i++) {
        heaptape_test_begin("among others");
        some_work(i);
        if (i % 3 == 0)
            lose(123457);
        size_t lost = heaptape_test_end(), right = heaptape_active() && i % 3 == 0 ? 123457 : 0;
        if (lost != right) {
            fprintf(stderr, "test %u: %zu instead of %zu\n", i, lost, right);
            wrong++;
        }
    }
    atomic_store(&stop, 1);
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(thread[i], NULL);
    free_list(shared);
    printf("wrong %zu\n", wrong);
    return 0;
}

/* Sleeping in the kernel: is it disturbed? It is, but only by a test that loses something. */
static void *sleeps(void *unused) {
    (void)unused;
    char byte;
    ssize_t n = read(*(int *)unused, &byte, 1);
    return (void *)(intptr_t)(n == 0 ? 0 : errno);
}

static int reading(void) {
    int fd[2];
    pthread_t thread;
    void *result;
    if (pipe(fd) != 0)
        return 1;
    pthread_create(&thread, NULL, sleeps, &fd[0]);
    usleep(20000);
    heaptape_test_begin("beside a reader");
    lose(50);
    printf("lost %zu\n", heaptape_test_end());
    close(fd[1]);
    pthread_join(thread, &result);
    printf("read %ld\n", (long)(intptr_t)result);
    return 0;
}

/* ---- a child for each test ---------------------------------------------------------------- */

static void child_test(unsigned i) {
    heaptape_test_begin("in a child");
    some_work(i);
    kept[i % 8] = get(30);
    if (i % 2 == 0)
        lose(i + 1);
    size_t lost = heaptape_test_end();
    _exit(heaptape_active() && lost != (i % 2 == 0 ? i + 1 : 0) ? 1 : 0);
}

static int forks(void) {
    unsigned failed = 0;
    kept = get(8 * sizeof *kept);
    /* What the parent leaves behind in freed memory points to nothing of the child's. */
    void **p = get(1000), **q = get(1000);
    for (unsigned i = 0; i < 125; i++)
        p[i] = (char *)q + i * 8;
    free(q);
    free(p);
    for (unsigned i = 0; i < 20; i++) {
        pid_t pid = fork();
        int status;
        if (pid == 0)
            child_test(i);
        waitpid(pid, &status, 0);
        failed += status != 0;
    }
    /* The test goes on in the child, but is none of its. */
    heaptape_test_begin("parent's");
    lose(5);
    pid_t pid = fork();
    if (pid == 0) {
        lose(6);
        _exit(heaptape_test_end() != 0);
    }
    int status;
    waitpid(pid, &status, 0);
    printf("failed %u %d, parent %zu\n", failed, status, heaptape_test_end());
    return 0;
}

static int forks_with_threads(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, work, (void *)1);
    int result = forks();
    atomic_store(&stop, 1);
    pthread_join(thread, NULL);
    free_list(shared);
    return result;
}

/* ---- less is known ------------------------------------------------------------------------ */

/* Started with HEAPTAPE_PAUSED=1. */
static int paused(void) {
    kept = get(800);
    heaptape_test_begin("paused");
    lose(10);
    printf("paused %zu\n", heaptape_test_end());
    heaptape_start();
    heaptape_test_begin("recorded");
    kept[3] = get(20);
    lose(30);
    printf("recorded %zu\n", heaptape_test_end());
    heaptape_test_begin("in between");
    void **p = get(100);
    free(p);
    heaptape_stop();
    p = get(100); /* where there was a block that is known to be freed */
    kept[4] = p;
    heaptape_start();
    p[4] = get(40);
    p = NULL;
    printf("in between %zu\n", heaptape_test_end());
    return 0;
}

/* No process can be made: the memory is read as it is. */
static int limited(void) {
    struct rlimit none = {0, 0};
    kept = get(400);
    if (setrlimit(RLIMIT_NPROC, &none) != 0 || setuid(65534) != 0 || fork() != -1)
        return 1;
    heaptape_test_begin("clean");
    kept[2] = get(20);
    printf("clean %zu\n", heaptape_test_end());
    heaptape_test_begin("lost");
    kept[3] = get(20);
    lose(30);
    printf("lost %zu\n", heaptape_test_end());
    return 0;
}

/* As many mappings and calls as malloc makes, and nothing else. */
static int filtered(void) {
    static struct sock_filter all[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    static struct sock_fprog program = {1, all};
    heaptape_test_begin("before");
    kept = get(20);
    lose(30);
    printf("before %zu\n", heaptape_test_end());
    fflush(stdout);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        return 1;
    heaptape_test_begin("clean");
    some_work(1);
    printf("clean %zu\n", heaptape_test_end());
    heaptape_test_begin("behind");
    kept = get(20);
    lose(30);
    printf("behind %zu\n", heaptape_test_end()); /* nobody can look: all that is not freed */
    return 0;
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        int (*run)(void);
    } lives[] = {
        {"nested", nested},   {"deep", deep},       {"names", names},
        {"many", many},       {"reused", reused},   {"threads", threads},
        {"reading", reading}, {"forks", forks},     {"forks_with_threads", forks_with_threads},
        {"paused", paused},   {"limited", limited}, {"filtered", filtered}};
    static char buffer[4096];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    for (size_t i = 0; i < sizeof lives / sizeof *lives && argc == 2; i++)
        if (strcmp(argv[1], lives[i].name) == 0)
            return lives[i].run();
    return 2;
}
