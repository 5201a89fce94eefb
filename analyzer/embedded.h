/* SPDX-License-Identifier: MIT */
/*
 * Symbols that packed tapes bring with them, beside those of the modules' own files.
 *
 * What a packed tape says of code holds for a build of a file, not for the recording: build-id (or
 * path, where there is none) and offset name it. So there is one collection for the whole process,
 * which every packed tape that is opened adds to; it lasts to the end. Not thread-safe.
 *
 * Which are taken: the file's, if it has the recorded build-id and tells no less of the module than
 * was known when the tape was packed; otherwise those of the tape. A module without a build-id has
 * those of the tape, since nothing says that the file is still the one that was recorded.
 */
#ifndef EMBEDDED_H
#define EMBEDDED_H

#include "stacks.h"
#include "symbols.h"
#include "tape/symbols.h"
#include "tape_file.h"

/* Adds the content of a SYMBOLS payload. Names of code that the program made go to *process, which
 * keeps them in memory of its own (`jit`, which the caller frees); the number of addresses with
 * names is added to *count. On an error what came before it is there. */
enum tape_error embedded_read(const uint8_t *payload, size_t bytes, struct tape_process *process,
                              uint64_t *count);

/* Whether any packed tape has brought symbols so far. */
bool embedded_is_any(void);

/* As symbols_frames(), from whichever is to be taken. The strings live as long as the symbolizer.
 */
size_t embedded_frames(struct symbols *, const struct module *, uint64_t vaddr, struct symbol *out,
                       size_t room);

/* As symbols_variables(); names of the collection last to the end. */
void embedded_variables(struct symbols *, const struct module *, size_t count,
                        const uint64_t *vaddr, struct symbols_variable *out);

/* As symbols_module_status(), of whichever is taken. */
enum symbols_module_status embedded_status(struct symbols *, const struct module *);

/* How much is known of a module of this status; 0: nothing. */
unsigned embedded_knowledge(enum symbols_module_status);

#endif
