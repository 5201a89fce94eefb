/* SPDX-License-Identifier: MIT */
/*
 * heaptape-memcheck: `heaptape check` with the command line of valgrind, for what calls valgrind by
 * name, as CTest does with MEMORYCHECK_TYPE=Valgrind.
 *
 * Valgrind's options are translated where they mean something here and passed over otherwise; those
 * of `heaptape check` are taken as well. The log has memcheck's form.
 */
#ifndef MEMCHECK_H
#define MEMCHECK_H

/* argv as main has it. Returns the exit status. */
int memcheck_run(int argc, char **argv);

#endif
