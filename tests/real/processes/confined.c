/* SPDX-License-Identifier: MIT */
/*
 * confined WHAT WHO [PAIRS]: gives up the right to open its recording, and goes on allocating.
 * WHAT: chroot (to a new empty directory), setuid (to nobody), both, chroot-back (the directory is
 * removed behind it). WHO: self, child (a forked child is confined before its first allocation,
 * the parent is not), late-child (the same, behind its first allocation), before (a child is
 * forked behind the parent's confinement).
 */
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "own.h"

static void confine(const char *what) {
    if (strcmp(what, "setuid") != 0 &&
        (mkdir("root", 0755) != 0 || chroot("root") != 0 || chdir("/") != 0))
        abort();
    if (strcmp(what, "chroot") != 0 &&
        (setgroups(0, NULL) != 0 || setgid(65534) != 0 || setuid(65534) != 0))
        abort();
}

int main(int argc, char **argv) {
    if (argc < 3)
        return 2;
    const char *what = argv[1], *who = argv[2];
    unsigned long pairs = argc > 3 ? strtoul(argv[3], NULL, 10) : 500000, early = 100;
    int notes = own_open(), status = 0;
    own_pairs(100);
    if (strcmp(who, "self") == 0 || strcmp(who, "before") == 0)
        confine(what);
    if (strcmp(who, "self") != 0) {
        pid_t pid = fork();
        if (pid != 0) {
            waitpid(pid, &status, 0);
            own_pairs(1000);
            own_note_to(notes, 1100);
            printf("child %d, %d %d\n", status, (int)getuid(), access("/etc/passwd", F_OK));
            return 0;
        }
        early = 0;
        if (strcmp(who, "late-child") == 0)
            own_pairs(early = 50);
        if (strcmp(who, "before") != 0)
            confine(what);
    }
    own_pairs(pairs);
    own_note_to(notes, early + pairs);
    dprintf(1, "%s: %d %d\n", who, (int)getuid(), access("/etc/passwd", F_OK));
    return 4;
}
