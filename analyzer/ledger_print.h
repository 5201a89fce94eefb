/* SPDX-License-Identifier: MIT */
/*
 * A ledger as text and as JSON.
 *
 * JSON: {allocator, bypassed, unhooked [paths], samples, why_none, peak_rss (of the process, as the
 * kernel has it; absent: unknown), mapped {calls, failed, bytes, live, peak, peak_time_ns,
 * allocator}; and where there is a sample: peak {time_ns, resident, swapped, heap_live, heap_slack,
 * heap_untouched, one member for each class of ledger_class_info, explained (share of resident)},
 * mappers [{name, resident, size, ranges}], direct [{resident, size, ranges, mapper, stack [{label,
 * …}]}], rows [like peak], mappings [{start, end, resident, class, name}] with resident bytes}.
 */
#ifndef LEDGER_PRINT_H
#define LEDGER_PRINT_H

#include <json-c/json.h>
#include <stdio.h>

#include "ledger.h"
#include "names.h"
#include "screen.h"

/* Of the heap's resident bytes those of blocks, at most; the rest; live bytes that no page holds.
 */
uint64_t ledger_live(const struct ledger_row *);
uint64_t ledger_slack(const struct ledger_row *);
uint64_t ledger_untouched(const struct ledger_row *);

/* The table of the greatest sample, with `sites` places that mapped directly (0: none). */
void ledger_print(FILE *out, const struct tape_process *, const struct ledger *, struct names *,
                  const struct screen *, size_t sites);

/* One line for the top of a report when most memory is elsewhere than on the heap; else nothing. */
void ledger_print_hint(FILE *out, const struct ledger *, struct names *);

/* The table over time, in at most `rows` rows, the greatest sample one of them. */
void ledger_print_rows(FILE *out, const struct ledger_row *row, size_t count, const struct screen *,
                       size_t rows);

/* A line for each class; beside the heap and direct mappings stand these notes ("": none). */
void ledger_print_classes(FILE *out, const struct ledger_row *, const char *heap,
                          const char *direct);

/* What nothing explains, and the modules that hold most, at the greatest sample. */
void ledger_print_details(FILE *out, const struct ledger *, const struct screen *, size_t limit);

/* As rows and `peak` have it; the caller owns the reference. */
struct json_object *ledger_row_json(const struct ledger_row *);

/* The caller owns the reference. rows: whether those over time are wanted. */
struct json_object *ledger_json(const struct tape_process *, const struct ledger *, struct names *,
                                bool rows);

#endif
