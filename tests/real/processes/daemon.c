/* SPDX-License-Identifier: MIT */
/* daemon FILE: goes into the background as daemons do: forks twice, closes every descriptor, goes
 * to / and works. FILE gets what it has to say, and its pid in the end: FILE.done. */
#include <string.h>
#include <sys/stat.h>

#include "own.h"

int main(int argc, char **argv) {
    (void)argc;
    own_pairs(500);
    own_note(500);
    if (fork() != 0)
        return 3;
    setsid();
    if (fork() != 0)
        _exit(0);
    for (long fd = sysconf(_SC_OPEN_MAX); fd >= 0; fd--)
        close((int)fd);
    int log = open("/dev/null", O_RDWR) + dup(0) + dup(0);
    if (log != 3 || chdir("/") != 0)
        abort();
    umask(077);
    log = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0600);
    for (int i = 0; i < 200; i++) {
        own_pairs(1000);
        dprintf(log, "%d: round %d\n", log, i);
    }
    own_note(200000);
    char name[4096];
    snprintf(name, sizeof name, "%s.done", argv[1]);
    int done = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dprintf(done, "%d\n", (int)getpid());
    return 0;
}
