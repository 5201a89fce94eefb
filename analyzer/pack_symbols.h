/* SPDX-License-Identifier: MIT */
/*
 * The symbols that a packed tape brings with it: of every return address that its stacks name, and
 * of every variable that an image found a pointer in, from
 * the modules' files or from the packed tape that is packed anew, whichever knows more
 * (embedded.h). Memory grows with the addresses.
 */
#ifndef PACK_SYMBOLS_H
#define PACK_SYMBOLS_H

#include "pack_out.h"
#include "tape_chunks.h"

struct pack_symbols;

struct pack_symbols *pack_symbols_new(void);
void pack_symbols_free(struct pack_symbols *);

/* Takes note of the return addresses and modules of events that are about to be written. */
void pack_symbols_take(struct pack_symbols *, const struct tape_buffer *);

/* Behind the last of them: looks everything up, the variables that the tape's heap images name as
 * well, and writes a SYMBOLS chunk if there is anything. */
void pack_symbols_write(struct pack_symbols *, struct tape_file *, struct pack_out *);

#endif
