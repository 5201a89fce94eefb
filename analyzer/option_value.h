/* SPDX-License-Identifier: MIT */
/*
 * Values of command line options. A value that is none is reported as a usage error of the command
 * (one line on stderr); the functions then return false and the command ends with EXIT_USAGE.
 */
#ifndef OPTION_VALUE_H
#define OPTION_VALUE_H

#include <stdint.h>

#include "command.h"

/* A decimal integer from min to max. */
bool option_number(const struct command *, const char *option, const char *text, uint64_t min,
                   uint64_t max, uint64_t *value);

/* A number of bytes; K, M, G or T may follow, in powers of 1024 and with iB or B behind. */
bool option_size(const struct command *, const char *option, const char *text, uint64_t *value);

/* A percentage from 0 to 100, with or without decimals and a percent sign. */
bool option_percent(const struct command *, const char *option, const char *text, double *value);

/* The share `percent` of `whole`, rounded up: what is below it is below the percentage. */
uint64_t option_share(double percent, uint64_t whole);

/* The only operand of the command, or NULL (reported) when there is none or more than one. */
const char *option_file(const struct command *, int argc, char **argv);

#endif
