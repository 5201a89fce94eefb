/* SPDX-License-Identifier: MIT */
/* Maps, moves and unmaps in every way; prints what the recorder should have seen, as `dump` says
 * it: one line an event, "op address size flags". Standard output is not buffered by malloc. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

static void expect(const char *op, const void *p, size_t size, const char *flags) {
    char line[128];
    int n = snprintf(line, sizeof line, "%s 0x%zx %zu %s\n", op, (size_t)p, size, flags);
    if (write(1, line, (size_t)n) != n)
        abort();
}

static void *map(size_t bytes, int prot, int flags, int fd, const char *named) {
    void *p = mmap(NULL, bytes, prot, flags, fd, 0);
    if (p == MAP_FAILED)
        abort();
    expect("mmap", p, bytes, named);
    return p;
}

static void unmap(void *p, size_t bytes) {
    expect("munmap", p, bytes, "");
    if (munmap(p, bytes) != 0)
        abort();
}

static void fails(void) {
    char *odd = (char *)1;
    errno = 0;
    if (munmap(odd, 4096) == 0 || errno != EINVAL)
        abort();
    expect("munmap", odd, 4096, "");
    expect("munmap", odd, 4096, "failed");
    if (mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED ||
        errno != EINVAL)
        abort();
    char *p = map(MIB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, "");
    errno = 0;
    if (mremap(p, MIB, (size_t)1 << 50, MREMAP_MAYMOVE) != MAP_FAILED || errno == 0)
        abort();
    expect("munmap", p, MIB, "");
    expect("munmap", p, MIB, "failed");
    unmap(p, MIB);
}

static void moves(void) {
    char *p = map(4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, "");
    unmap(p + MIB, MIB); /* a hole */
    char *q = mremap(p + 2 * MIB, 2 * MIB, 16 * MIB, MREMAP_MAYMOVE);
    if (q == MAP_FAILED)
        abort();
    expect("munmap", p + 2 * MIB, 2 * MIB, "");
    expect("mremap", q, 16 * MIB, "");
    unmap(p, MIB);
    unmap(q, 16 * MIB);
}

static void kinds(const char *self) {
    int fd = open(self, O_RDONLY);
    void *p = map(4096, PROT_READ, MAP_PRIVATE, fd, "file");
    void *q = map(4096, PROT_READ, MAP_SHARED, fd, "file,shared");
    void *r = map(MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, "no_access");
    void *s = map(4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, "execute");
    close(fd);
    unmap(p, 4096);
    unmap(q, 4096);
    unmap(r, MIB);
    unmap(s, 4096);
}

static void segments(void) {
    int id = shmget(IPC_PRIVATE, MIB, IPC_CREAT | 0600);
    if (id < 0)
        abort();
    void *p = shmat(id, NULL, 0);
    if (p == (void *)-1)
        abort();
    expect("mmap", p, MIB, "file,shared");
    expect("munmap", p, 0, "file,shared");
    if (shmdt(p) != 0 || shmctl(id, IPC_RMID, NULL) != 0)
        abort();
}

static void data_segment(void) {
    char *old = sbrk(0);
    if (sbrk(MIB) != old)
        abort();
    expect("brk", old + MIB, (size_t)old, "");
    if (brk(old) != 0)
        abort();
    expect("brk", old, (size_t)(old + MIB), "");
    if (sbrk(0) != old)
        abort();
}

int main(int argc, char **argv) {
    (void)argc;
    fails();
    moves();
    kinds(argv[0]);
    segments();
    data_segment();
    return 0;
}
