/* SPDX-License-Identifier: MIT */
/*
 * Names and source lines for code addresses, read offline from the modules' own files.
 *
 * A symbolizer opens each module (a file in one build) once, at the first question about it, and
 * keeps it open until symbols_free(): about one or two file descriptors a module. Separate debug
 * files are found as debuggers find them (build-id directories, .gnu_debuglink, .gnu_debugdata,
 * .dwz); the network is not asked unless symbols_allow_debuginfod() was called. A symbolizer must
 * not be used by two threads at once; different symbolizers are independent.
 *
 * Cost: opening reads the symbol table, and the first lookup that meets debug information reads
 * its list of units; every lookup after that is a binary search. Repeated addresses are not cached.
 */
#ifndef ANALYZER_SYMBOLS_H
#define ANALYZER_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct symbols;

/* What is known about one address. The strings belong to the symbolizer and live as long as it. */
struct symbol {
    const char *function; /* for people: demangled if asked for, without version; NULL unknown */
    const char *linkage;  /* as the symbol table has it, maybe with @VERSION; of an inlined function
                             that has none there, its plain name; NULL unknown */
    const char *plain; /* of an inlined function: without scope, as Valgrind calls it; else NULL */
    const char *file;  /* source, made absolute where the debug information allows; NULL unknown */
    unsigned line;     /* from 1; 0 unknown, or code that no source line stands for */
};

enum symbols_module_status {
    MODULE_OK,         /* function names and source lines */
    MODULE_NO_DEBUG,   /* function names, only exported ones if the file is stripped; no lines */
    MODULE_NO_SYMBOLS, /* no function names; lines if there is debug information all the same */
    MODULE_MISSING,    /* gone, not readable, or not an ELF file */
    MODULE_REBUILT,    /* the file's build-id is not the recorded one: nothing is resolved */
    MODULE_VIRTUAL, /* never was a file ("[vdso]", "linux-vdso.so.1", ""): nothing to complain of */
};

/* A symbolizer without modules; with `demangle`, functions get readable names. NULL when memory is
   out. Removes DEBUGINFOD_URLS from the environment, so it must run before other threads use that;
   it is what keeps libdw from asking servers. The caller frees it with symbols_free(). */
struct symbols *symbols_new(bool demangle);

/* From now on no symbolizer of this process removes that variable, and debug files that are not on
   this machine are asked for from the servers in it, by build-id. */
void symbols_allow_debuginfod(void);

/* Debug files are looked for below these directories (absolute paths, separated by colons; copied)
   before /usr/lib/debug: DIR/.build-id/xx/yyy.debug, and by .gnu_debuglink DIR/path/of/module. What
   has the build-id of a module whose own file is gone or rebuilt takes its place. False when memory
   is out. Before the first lookup. */
bool symbols_search(struct symbols *, const char *directories);

/* Keeps what symbols_frames() finds about modules with a build-id, with room for
   SYMBOLS_INLINED_MAX, in this directory, and reads it there first (symbol_cache.h). False when
   memory is out. For symbolizers that demangle; before the first lookup. */
bool symbols_use_cache(struct symbols *, const char *directory);

/* Closes all modules and invalidates every string handed out. NULL is allowed. */
void symbols_free(struct symbols *);

/*
 * Looks up one address.
 *
 * path      the module's file as recorded.
 * build_id  the recorded build-id, build_id_len bytes; with a length of 0 the file is trusted.
 * vaddr     the address as the ELF file counts: run-time address minus the module's load bias. For
 * a return address the caller has already subtracted 1, so that it lies inside the call. out always
 * filled in; all unknown when the result is false.
 *
 * True when at least a function or a file is known. False is no error: print module and offset.
 * Memory running out leaves addresses or modules unknown.
 *
 * The function is the one whose code lies at the address (not one inlined into it): the symbol that
 * begins last among those whose [value, value + size) holds the address; of several names for one
 * function an exported one, then the one with fewer leading underscores. A symbol without size, as
 * assembly has them, counts only in code that no other symbol claims: it must be the nearest symbol
 * before the address, in the same section, and no boundary in .eh_frame may separate the two.
 */
bool symbols_lookup(struct symbols *, const char *path, const uint8_t *build_id,
                    size_t build_id_len, uint64_t vaddr, struct symbol *out);

/*
 * The same with the functions that the compiler has put inline at the address: out[0] is the
 * innermost, with the line of the source that the address stands for; out[i] is the function that
 * out[i - 1] was put into, with the line of that call; the last is the function whose code it is.
 *
 * out has room for `room` symbols, 1 to SYMBOLS_INLINED_MAX; where there are more, the innermost
 * are left out. Returns how many there are: 1 when nothing is inlined there, 0 when nothing is
 * known. Which functions were put inline is read from debug information (-g1 has it, too): of split
 * DWARF the .dwo file must be there.
 */
#define SYMBOLS_INLINED_MAX 128
size_t symbols_frames(struct symbols *, const char *path, const uint8_t *build_id,
                      size_t build_id_len, uint64_t vaddr, struct symbol *out, size_t room);

/* Addresses of a module that symbols_frames() is going to be asked for, ascending and different,
   with SYMBOLS_INLINED_MAX. */
struct symbols_wanted {
    const char *path;
    const uint8_t *build_id;
    size_t build_id_len;
    const uint64_t *vaddr;
    size_t count;
};

/* Finds these out ahead, module by module in as many threads as there are processors; of a module
   that is twice in the list the first. Changes no answer. Does nothing where one module at most
   must be read, the cache having the others, or where servers may be asked. */
void symbols_prepare(struct symbols *, const struct symbols_wanted *, size_t count);

/* A variable that holds an address. */
struct symbols_variable {
    const char *name; /* belongs to the symbolizer; NULL: none is known */
    uint64_t offset;  /* how many bytes into it the address lies */
    unsigned rank;    /* of the symbolizer's own use */
};

/*
 * The variables that hold `count` addresses, which ascend, one each. Parameters as for
 * symbols_lookup(), but the addresses are taken as they are. Reads the whole symbol table, once.
 */
void symbols_variables(struct symbols *, const char *path, const uint8_t *build_id,
                       size_t build_id_len, size_t count, const uint64_t *vaddr,
                       struct symbols_variable *out);

/* What a person should know of a module's debug information. The text belongs to the symbolizer. */
struct symbols_debug {
    const char *other_build; /* a debug file that is there, but of another build: not used */
    bool lacks_split;        /* a .dwo file that was asked for is missing, or of another build */
};
/* Parameters as for symbols_lookup(); behind the lookups, which find out about .dwo files. */
struct symbols_debug symbols_module_debug(struct symbols *, const char *path,
                                          const uint8_t *build_id, size_t build_id_len);

/* What can be expected of a module; opens it if no lookup has. Parameters as for symbols_lookup().
   MODULE_MISSING also when memory is out. */
enum symbols_module_status symbols_module_status(struct symbols *, const char *path,
                                                 const uint8_t *build_id, size_t build_id_len);

#endif
