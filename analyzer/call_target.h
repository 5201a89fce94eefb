/* SPDX-License-Identifier: MIT */
/*
 * Which function of another module a call asks for, by the caller's own tables.
 *
 * Libraries end many exported functions with a jump into one that has no exported name: localtime()
 * is gone from the stack when memory is allocated for it, and without debug information nothing on
 * the stack says its name. The calling module's procedure linkage table and relocations still do.
 *
 * A module's file is opened once and mapped until call_targets_free(). Not thread-safe.
 */
#ifndef CALL_TARGET_H
#define CALL_TARGET_H

#include <stddef.h>
#include <stdint.h>

struct call_targets;

struct call_targets *call_targets_new(void);
void call_targets_free(struct call_targets *);

/*
 * The name of the function that is called by the instruction in front of `return_address`, which
 * counts as the module's file does; `path` and the build-id (0 bytes: any) are the module's. NULL
 * when it is not a call of an imported function, or the file is not to be had. Owned by the object.
 */
const char *call_targets_name(struct call_targets *, const char *path, const uint8_t *build_id,
                              size_t build_id_len, uint64_t return_address);

#endif
