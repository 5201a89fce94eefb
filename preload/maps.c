/* SPDX-License-Identifier: MIT */
#include "maps.h"

#include <string.h>

#include "sys_image.h"

static const char *read_hex(const char *p, uint64_t *v) {
    for (*v = 0;; p++) {
        unsigned digit = *p >= 'a' && *p <= 'f'   ? (unsigned)(*p - 'a') + 10u
                         : *p >= '0' && *p <= '9' ? (unsigned)(*p - '0')
                                                  : 16;
        if (digit > 15)
            return p;
        *v = *v << 4 | digit;
    }
}

static bool begins(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

static enum map_kind kind_of(const char *name, uint64_t inode) {
    static const char *const not_memory[] = {"/dev/", "anon_inode:", "/dmabuf", "[v", "[uprobes]"};
    if (begins(name, "[stack]"))
        return MAP_MAIN_STACK;
    if (begins(name, "/dev/zero") || begins(name, "/dev/shm/"))
        return MAP_OF_FILE;
    for (unsigned i = 0; i < sizeof not_memory / sizeof *not_memory; i++)
        if (begins(name, not_memory[i]))
            return MAP_NOT_MEMORY;
    return inode != 0 ? MAP_OF_FILE : MAP_ANONYMOUS_MEMORY;
}

/* "start-end rwxp offset major:minor inode      name" and a zero byte in place of the newline. */
struct map_entry maps_entry(const char *p, const char **name) {
    struct map_entry e = {0};
    uint64_t major, minor;
    p = read_hex(p, &e.start);
    p = read_hex(p + 1, &e.end);
    e.read = p[1] == 'r';
    e.write = p[2] == 'w';
    e.execute = p[3] == 'x';
    e.shared = p[4] == 's';
    p = read_hex(p + 6, &e.offset);
    p = read_hex(p + 1, &major);
    p = read_hex(p + 1, &minor);
    e.device = (uint32_t)(major << 20 | minor);
    for (p++; *p >= '0' && *p <= '9'; p++)
        e.inode = e.inode * 10 + (uint64_t)(*p - '0');
    while (*p == ' ')
        p++;
    e.kind = kind_of(p, e.inode);
    *name = p;
    return e;
}

/* A name may be longer than the text that is kept: its rest is passed over. */
size_t maps_read(struct map_entry *to, size_t room, char *text, size_t text_bytes, bool *all) {
    size_t count = 0, have = 0;
    const char *name;
    bool rest = false; /* what comes first belongs to a line that was too long */
    long fd = sys_open_proc("/proc/self/maps"), n = 0;
    *all = fd >= 0;
    while (fd >= 0 && (n = sys_read(fd, text + have, text_bytes - have - 1)) > 0) {
        have += (size_t)n;
        char *line = text, *newline;
        while ((newline = memchr(line, '\n', have - (size_t)(line - text))) != NULL) {
            *newline = 0;
            if (!rest && count < room)
                to[count++] = maps_entry(line, &name);
            else if (!rest)
                *all = false;
            rest = false;
            line = newline + 1;
        }
        have -= (size_t)(line - text);
        memmove(text, line, have);
        if (have == text_bytes - 1) {
            text[have] = 0;
            if (!rest && count < room)
                to[count++] = maps_entry(text, &name);
            rest = true;
            have = 0;
        }
    }
    if (n < 0 || count == 0)
        *all = false;
    if (fd >= 0)
        sys_close(fd);
    return count;
}

const struct map_entry *maps_find(const struct map_entry *map, size_t maps, uint64_t address) {
    size_t low = 0, high = maps;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (map[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < maps && map[low].start <= address ? &map[low] : NULL;
}
