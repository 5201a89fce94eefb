/* SPDX-License-Identifier: MIT */
/*
 * Programs that the processes of a recording start and that leave no recording, static ones for
 * example: the recorder notes what is started (tape/process_log.h).
 */
#ifndef RECORD_PROGRAMS_H
#define RECORD_PROGRAMS_H

#include "output.h"

/* Begins to note. Returns the file with the notes, which the caller hands over to the next; NULL:
 * there can be none, and nothing will be known. */
char *record_programs_begin(void);

/*
 * Behind the end of the program, when its recordings are settled: keeps in `tape` (absolute path)
 * the programs without a recording for which there is a reason, and returns a sentence about them,
 * NULL when there are none. before: files that belong to no process of this run. Takes over and
 * removes `notes` (NULL does nothing); the caller frees the sentence.
 */
char *record_programs_end(char *notes, const char *tape, const struct output_list *before);

#endif
