/* SPDX-License-Identifier: MIT */
/*
 * What frames of Python functions mean, and which modules are Python interpreters, as the events of
 * a recording tell (tape/python.h). Events may come in any order and repeatedly. Not thread-safe.
 */
#ifndef ANALYZER_PYTHON_H
#define ANALYZER_PYTHON_H

#include "symbols.h"
#include "tape/python.h"

struct python;

struct python *python_new(void);
void python_free(struct python *);

/* Takes the bytes of a PYTHON event with this address. */
enum tape_error python_take(struct python *, uint64_t address, struct tape_in *in);

/* The function, file and line that a frame's address stands for, the texts as recorded; they belong
 * to the object. False: its event is lost, the function is "<unknown>". */
bool python_lookup(const struct python *, uint64_t address, struct symbol *out);

/* Whether it is code of Python's own that imports modules: of "<frozen importlib._bootstrap>". */
bool python_is_import(const struct symbol *);

/* The address in `to` that stands for the same line of the same function as `address` in `from`. */
uint64_t python_join(struct python *to, const struct python *from, uint64_t address);

/* Adds an interpreter, unless it is known. */
void python_add_interpreter(struct python *, const struct tape_python *);

/* Whether the module that begins at `start` is an interpreter whose frames were recorded. */
bool python_is_interpreter(const struct python *, uint64_t start);

/* Interpreters seen, each once: the i-th, NULL when there are no more. */
const struct tape_python *python_interpreter(const struct python *, size_t i);

/* "3.11.2", from Py_Version; "older than 3.11" for 0. The caller frees. */
char *python_version(uint64_t version);

#endif
