/* SPDX-License-Identifier: MIT */
/* The mappings of this process, as /proc/self/maps lists them. */
#ifndef MAPS_H
#define MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum map_kind {
    MAP_ANONYMOUS_MEMORY = 1, /* the program's heap included */
    MAP_OF_FILE,
    MAP_MAIN_STACK,
    MAP_NOT_MEMORY, /* devices, the kernel's own pages: reading has effects or no use */
};

struct map_entry {
    uint64_t start, end, offset, inode;
    uint32_t device;
    uint8_t kind; /* enum map_kind */
    bool read, write, execute, shared;
};

/* One line, without its line feed; *name points to what stands at its end, perhaps nothing. */
struct map_entry maps_entry(const char *line, const char **name);

/* Reads them, in order of the addresses, into `to`; the number. *all: there was room for all, and
 * they could be read. text: memory to read into, at least 8192 bytes. */
size_t maps_read(struct map_entry *to, size_t room, char *text, size_t text_bytes, bool *all);

/* The mapping that holds an address; NULL: none of them does. map: in order of the addresses. */
const struct map_entry *maps_find(const struct map_entry *map, size_t maps, uint64_t address);

#endif
