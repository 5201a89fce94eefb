/* SPDX-License-Identifier: MIT */
/* How memory is read that might not be there: a fault must not be one of the program's. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory {
    uint32_t pid;
    bool direct; /* process_vm_readv does not work, and nobody else can take pages away */
    bool none;   /* it does not work, and somebody could */
};

/* How many of the bytes were read. */
size_t memory_read(const struct memory *m, uint64_t from, void *to, size_t bytes);
/* The same for all or nothing; context: struct memory. */
bool memory_peek(void *context, uint64_t from, void *to, size_t bytes);

#endif
