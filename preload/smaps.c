/* SPDX-License-Identifier: MIT */
#include "smaps.h"

#include <string.h>

static void finish(struct smaps *s) {
    if (s->line_length != 0) {
        s->line[s->line_length] = 0;
        s->found(s);
    }
    s->line_length = 0;
    s->resident = s->anonymous = s->swapped = 0;
}

/* "Rss:                1234 kB" */
static void take_field(struct smaps *s) {
    uint64_t *to = NULL, number = 0;
    s->part[s->part_length] = 0;
    if (strncmp(s->part, "Rss:", 4) == 0)
        to = &s->resident;
    else if (strncmp(s->part, "Anonymous:", 10) == 0)
        to = &s->anonymous;
    else if (strncmp(s->part, "Swap:", 5) == 0)
        to = &s->swapped;
    if (to == NULL)
        return;
    const char *p = s->part + strcspn(s->part, "0123456789");
    for (; *p >= '0' && *p <= '9'; p++)
        number = number * 10 + (uint64_t)(*p - '0');
    *to = number * 1024;
}

static void take(struct smaps *s, char c) {
    if (c == '\n') {
        if (s->state == SMAPS_FIELD)
            take_field(s);
        s->state = SMAPS_START;
        return;
    }
    if (s->state ==
        SMAPS_START) { /* addresses are hexadecimal, names of fields begin with capitals */
        bool field = c >= 'A' && c <= 'Z';
        if (!field)
            finish(s);
        s->part_length = 0;
        s->state = field ? SMAPS_FIELD : SMAPS_LINE;
    }
    if (s->state == SMAPS_LINE && s->line_length < sizeof s->line - 1)
        s->line[s->line_length++] = c;
    else if (s->state == SMAPS_FIELD && s->part_length < sizeof s->part - 1)
        s->part[s->part_length++] = c;
}

void smaps_feed(struct smaps *s, const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        take(s, text[i]);
}

void smaps_end(struct smaps *s) {
    if (s->state != SMAPS_START)
        take(s, '\n');
    finish(s);
}
