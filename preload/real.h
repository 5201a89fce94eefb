/* SPDX-License-Identifier: MIT */
/*
 * The functions underneath the hooks: the next definition in the program's lookup order, which is
 * glibc's or that of another allocator.
 */
#ifndef REAL_H
#define REAL_H

#include <gnu/libc-version.h>
#include <pthread.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/wait.h>

struct real {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void *(*reallocarray)(void *, size_t, size_t);
    void (*free)(void *);
    int (*posix_memalign)(void **, size_t, size_t);
    void *(*aligned_alloc)(size_t, size_t);
    void *(*memalign)(size_t, size_t);
    void *(*valloc)(size_t);
    void *(*pvalloc)(size_t);
    int (*dlclose)(void *);
    void (*exit_now)(int); /* _exit */
    int (*fork)(void);
    void (*abort)(void);
    /* Behind these NULL stands for "not resolved yet". */
    int (*pthread_setname_np)(pthread_t, const char *);
    int (*prctl)(int, ...);
    int (*setuid)(uid_t);
    int (*seteuid)(uid_t);
    int (*setreuid)(uid_t, uid_t);
    int (*setresuid)(uid_t, uid_t, uid_t);
    int (*chroot)(const char *);
    void *(*mmap)(void *, size_t, int, int, int, off_t);
    int (*munmap)(void *, size_t);
    void *(*mremap)(void *, size_t, size_t, int, ...);
    size_t (*malloc_usable_size)(void *);
    void *(*sbrk)(intptr_t);
    int (*brk)(void *);
    void *(*shmat)(int, const void *, int);
    int (*shmdt)(const void *);
    int (*execve)(const char *, char *const *, char *const *);
    int (*execvpe)(const char *, char *const *, char *const *);
    int (*fexecve)(int, char *const *, char *const *);
    int (*execveat)(int, const char *, char *const *, char *const *, int);
    pid_t (*wait)(int *);
    pid_t (*waitpid)(pid_t, int *, int);
    pid_t (*wait3)(int *, int, struct rusage *);
    pid_t (*wait4)(pid_t, int *, int, struct rusage *);
    int (*waitid)(idtype_t, id_t, siginfo_t *, int);
    int (*posix_spawn)(pid_t *, const char *, const posix_spawn_file_actions_t *,
                       const posix_spawnattr_t *, char *const *, char *const *);
    int (*posix_spawnp)(pid_t *, const char *, const posix_spawn_file_actions_t *,
                        const posix_spawnattr_t *, char *const *, char *const *);
};

/* Callable at any time: until real_resolve has run, each member resolves all of them first. */
extern struct real real;
extern long (*real_syscall)(long, ...); /* NULL until real_resolve has run; read by arch_*.c */

/* One of those behind, looked up if need be. */
#define REAL(function) (real.function == NULL ? real_resolve() : (void)0, real.function)

/* Looks the functions up with dlsym(RTLD_NEXT). Runs once, early, never from a hook afterwards. */
void real_resolve(void);

/* An address inside libc: of a function that no allocator brings, unlike malloc and __libc_malloc.
 */
static inline uint64_t real_libc(void) {
    return (uint64_t)(void *)&gnu_get_libc_version;
}

/* confine.c: a call that may put files out of reach; a: number and six arguments. */
long confine_syscall(const long a[7]);

#endif
