/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>

#include "diag.h"
#include "family_command.h"
#include "json_put.h"
#include "ledger_family.h"
#include "ledger_print.h"
#include "units.h"

void ledger_family_print(FILE *out, const struct ledger_family *f, const struct screen *screen) {
    char bytes[UNITS_ROOM], time[UNITS_ROOM], count[UNITS_ROOM];
    if (f->samples == 0) {
        fprintf(out, "\n%sMemory%s: no samples of any process.\n", screen_bold(screen),
                screen_plain(screen));
        return;
    }
    fprintf(out,
            "\n%sMemory, all processes%s at %s: %s resident in %s of them, the most at one time\n",
            screen_bold(screen), screen_plain(screen), units_duration(time, f->peak.time),
            units_bytes(bytes, f->peak.resident), units_count(count, f->alive));
    ledger_print_classes(out, &f->peak, "", "");
    fputs(
        "Pages that processes share (code, files, what forked children have not written) count in "
        "each.\n",
        out);
}

/* ---- its processes ------------------------------------------------------------------------ */

static int by_then(const void *a, const void *b) {
    const struct ledger_member *x = *(const struct ledger_member *const *)a;
    const struct ledger_member *y = *(const struct ledger_member *const *)b;
    if (x->then != y->then)
        return x->then < y->then ? 1 : -1;
    if (x->peak.resident != y->peak.resident)
        return x->peak.resident < y->peak.resident ? 1 : -1;
    return x->member < y->member ? -1 : x->member > y->member;
}

static void print_member(FILE *out, const struct ledger_member *m,
                         const struct family_member *process, const struct screen *screen) {
    const struct ledger_row *r = &m->peak;
    char text[7][UNITS_ROOM];
    int used = fprintf(out, "  %8" PRIu64 " %11s %11s %11s %11s %11s %11s %11s  ", process->pid,
                       units_bytes(text[0], m->then), units_bytes(text[1], r->resident),
                       units_bytes(text[2], ledger_live(r)), units_bytes(text[3], ledger_slack(r)),
                       units_bytes(text[4], r->bytes[LEDGER_DIRECT]),
                       units_bytes(text[5], r->bytes[LEDGER_DATA] + r->bytes[LEDGER_FILES]),
                       units_bytes(text[6], r->bytes[LEDGER_RESIDUAL]));
    size_t room = screen->columns == 0                  ? 0
                  : screen->columns > (size_t)used + 12 ? screen->columns - (size_t)used
                                                        : 12;
    char *command = family_command(process, room, screen);
    fprintf(out, "%s\n", command);
    free(command);
}

void ledger_family_print_processes(FILE *out, const struct ledger_family *f,
                                   const struct family *family, const struct screen *screen,
                                   size_t limit) {
    const struct ledger_member **list = xcalloc(f->count + 1, sizeof(*list));
    size_t count = 0, without = 0;
    for (size_t i = 0; i < f->count; i++) {
        if (f->member[i].samples != 0)
            list[count++] = &f->member[i];
        else
            without++;
    }
    if (count != 0) {
        qsort(list, count, sizeof(*list), by_then);
        fprintf(out,
                "\n%sProcesses%s, resident then, and each at its own greatest sample\n"
                "  %8s %11s %11s %11s %11s %11s %11s %11s  %s\n",
                screen_bold(screen), screen_plain(screen), "pid", "then", "greatest", "heap, live",
                "beside", "direct", "modules", "unexplained", "command");
    }
    size_t shown = limit != 0 && limit < count ? limit : count;
    for (size_t i = 0; i < shown; i++)
        print_member(out, list[i], &family->member[list[i]->member], screen);
    char number[UNITS_ROOM];
    if (shown < count)
        fprintf(out, "  %s%s more (-n)%s\n", screen_dim(screen), units_count(number, count - shown),
                screen_plain(screen));
    if (without != 0)
        fprintf(out, "  %s%s without a sample: small and short, or killed early%s\n",
                screen_dim(screen), units_count(number, without), screen_plain(screen));
    free(list);
}

/* ---- JSON --------------------------------------------------------------------------------- */

struct json_object *ledger_family_json(const struct ledger_family *f, const uint32_t *index,
                                       bool rows) {
    struct json_object *o = json_object_new_object(), *list = json_object_new_array();
    json_put(o, "samples", f->samples);
    if (f->samples == 0) {
        json_object_put(list);
        return o;
    }
    json_object_object_add(o, "peak", ledger_row_json(&f->peak));
    for (size_t i = 0; i < f->count; i++) {
        const struct ledger_member *m = &f->member[i];
        struct json_object *process = json_object_new_object();
        json_put(process, "process", index[m->member]);
        json_put(process, "samples", m->samples);
        json_put(process, "then", m->then);
        if (m->peak_rss != 0)
            json_put(process, "peak_rss", m->peak_rss);
        if (m->samples != 0)
            json_object_object_add(process, "peak", ledger_row_json(&m->peak));
        json_object_array_add(list, process);
    }
    json_object_object_add(o, "processes", list);
    if (!rows)
        return o;
    list = json_object_new_array();
    for (size_t i = 0; i < f->row_count; i++)
        json_object_array_add(list, ledger_row_json(&f->rows[i]));
    json_object_object_add(o, "rows", list);
    return o;
}
