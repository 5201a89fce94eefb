/* SPDX-License-Identifier: MIT */
/*
 * Names of code that a program made at run time, by its own account: the file /tmp/perf-PID.map
 * that runtimes write for perf (node --perf-basic-prof, java with a perf agent, python3 -X perf).
 * A line is "START SIZE NAME", numbers in hexadecimal (Linux,
 * tools/perf/Documentation/jit-interface.txt).
 *
 * Runtimes move and drop code, and the file does not say when: where ranges overlap, the line that
 * was written last counts, and when others name other code there, " (?)" follows the name.
 */
#ifndef JIT_MAP_H
#define JIT_MAP_H

#include "symbols.h"
#include "tape_file.h"

struct jit_map;

/* NULL when the file cannot be read or has no such line. */
struct jit_map *jit_map_read(const char *path);
/* The same of its text. */
struct jit_map *jit_map_parse(const char *text);
/* That of the recorded process: from its tape (code_map.h), what a packed tape says itself, or the
 * file, if that is there and not
 * older than the process: process ids are used again. NULL otherwise. */
struct jit_map *jit_map_of(const struct tape_process *);
void jit_map_free(struct jit_map *);

/* What is known about the code at a run-time address: the name as it is, or where it has the form
 * of V8's or CPython's, function, file and line. False: nothing. The strings belong to the map. */
bool jit_map_lookup(const struct jit_map *, uint64_t address, struct symbol *out);

/* Notes the line that names an address; false: none does. Then, of all lines noted, the text in the
 * order of the file, and its length: what names these addresses in the same way. The caller frees.
 */
bool jit_map_use(struct jit_map *, uint64_t address);
char *jit_map_text_of_used(const struct jit_map *, size_t *length);

#endif
