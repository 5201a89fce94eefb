/* SPDX-License-Identifier: MIT */
/*
 * The memory of several processes together: their ledgers laid beside each other in time.
 *
 * Between two samples of a process, and from its last one to its end, it has what the earlier one
 * says; before its first and behind its end nothing. So a sum is as exact as samples are dense. A
 * page that several processes share (code, files, what a forked child has not written yet) is
 * resident in each, and counted in each.
 *
 * JSON: {samples, and where there is a sample: peak (a row, as in ledger_print.h; time_ns since the
 * first process's start), rows [the same], processes [{process (index, see below), then (bytes
 * resident at `peak`), samples, peak_rss, peak (a row of its own time)}]}.
 */
#ifndef LEDGER_FAMILY_H
#define LEDGER_FAMILY_H

#include <json-c/json.h>
#include <stdio.h>

#include "family.h"
#include "ledger.h"
#include "screen.h"

struct ledger_family {
    struct ledger_member {
        uint32_t member; /* of the family */
        struct ledger_row *rows;
        size_t row_count;
        uint64_t samples, peak_rss;
        struct ledger_row peak; /* its own greatest; all 0: no sample */
        uint64_t then;          /* resident at the greatest sum */
    } * member;
    size_t count;
    uint64_t samples; /* of all */

    /* Behind ledger_family_finish; times are ns since the start of the first process. */
    struct ledger_row *rows; /* sums; `live` of those that are resident */
    size_t row_count;
    struct ledger_row peak; /* with most resident bytes */
    uint32_t alive;         /* processes that have memory then */
};

struct ledger_family *ledger_family_new(void);
void ledger_family_free(struct ledger_family *);

/* Keeps a copy of the ledger of a recording, behind its run. */
void ledger_family_add(struct ledger_family *, uint32_t member, const struct ledger *);

/* Sums up, when all are added: families' start and end times are needed. */
void ledger_family_finish(struct ledger_family *, const struct family *);

/* The table of the greatest sum; nothing without samples. */
void ledger_family_print(FILE *out, const struct ledger_family *, const struct screen *);

/* Its processes, those that have most then first, in at most `limit` lines (0: all). */
void ledger_family_print_processes(FILE *out, const struct ledger_family *, const struct family *,
                                   const struct screen *, size_t limit);

/* index: by member, its place in the reader's array of processes; rows: whether those over time are
 * wanted. The caller owns the reference. */
struct json_object *ledger_family_json(const struct ledger_family *, const uint32_t *index,
                                       bool rows);

#endif
