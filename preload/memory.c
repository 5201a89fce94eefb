/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include <string.h>

#include "sys_image.h"

#define PAGE 4096u

size_t memory_read(const struct memory *m, uint64_t from, void *to, size_t bytes) {
    if (m->none)
        return 0;
    if (!m->direct) {
        long n = sys_read_memory(m->pid, from, to, bytes);
        return n > 0 ? (size_t)n : 0;
    }
    size_t done = 0;
    while (done < bytes) {
        uint64_t at = from + done, part = PAGE - at % PAGE;
        if (part > bytes - done)
            part = bytes - done;
        if (!sys_readable(at & ~(uint64_t)(PAGE - 1), PAGE))
            break;
        memcpy((char *)to + done, (const void *)at, part);
        done += part;
    }
    return done;
}

bool memory_peek(void *context, uint64_t from, void *to, size_t bytes) {
    return memory_read(context, from, to, bytes) == bytes;
}
