/* SPDX-License-Identifier: MIT */
/* Which recordings belong to a session, and how they descend from each other. */
#include "family.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "family_find.h"
#include "names.h"
#include "report.h"

/* A child that says who its parent is may begin this much behind the parent's last word: the end
 * of the process comes behind the end of its recording. ns */
#define AFTER_CLOSE UINT64_C(1000000000)

struct family *family_new(void) {
    return xcalloc(1, sizeof(struct family));
}

void family_free(struct family *f) {
    if (f == NULL)
        return;
    for (uint32_t i = 0; i < f->count; i++) {
        struct family_member *m = &f->member[i];
        free(m->path);
        free(m->parent_name);
        free(m->host);
        free(m->exe);
        free(m->command);
        free(m->health.first_damage);
    }
    free(f->member);
    free(f);
}

/* ---- members ------------------------------------------------------------------------------ */

static uint32_t find_id(const struct family *f, const uint8_t *id) {
    for (uint32_t i = 0; i < f->count; i++)
        if (memcmp(f->member[i].id, id, TAPE_ID_BYTES) == 0)
            return i;
    return FAMILY_NONE;
}

/* When the recording ended, ns since 1970. */
static uint64_t end_of(const struct tape_process *p) {
    if (!p->closed || p->end_mono < p->start_mono || p->start_real == 0)
        return UINT64_MAX;
    return p->start_real + (p->end_mono - p->start_mono);
}

static struct family_member describe(struct tape_file *tape, const char *path) {
    const struct tape_process *p = tape_file_process(tape);
    struct family_member m = {.path = xstrdup(path),
                              .fork_stamp = p->fork_stamp,
                              .pid = p->pid,
                              .ppid = p->ppid,
                              .clock = p->clock,
                              .start = p->start_real,
                              .end = end_of(p),
                              .host = xstrdup(p->host != NULL ? p->host : ""),
                              .exe = xstrdup(p->exe != NULL ? p->exe : ""),
                              .command = report_command_line(p),
                              .closed = p->closed,
                              .alive = p->alive,
                              .ending = report_ending(p),
                              .parent = FAMILY_NONE,
                              .bytes = tape_file_bytes(tape)};
    memcpy(m.id, tape_file_id(tape), TAPE_ID_BYTES);
    if (p->parent_id != NULL && p->parent != NULL) {
        m.parent_name = xstrdup(p->parent);
        memcpy(m.parent_id, p->parent_id, TAPE_ID_BYTES);
    }
    return m;
}

/* False when the file cannot be read as a recording. */
static bool add_file(struct family *f, const char *path, bool helper) {
    struct tape_file *tape = tape_file_open(path);
    if (tape == NULL)
        return false;
    if (find_id(f, tape_file_id(tape)) == FAMILY_NONE) {
        if ((f->count & (f->count - 1)) == 0)
            f->member = xrealloc(f->member, (f->count != 0 ? 2 * f->count : 1) * sizeof *f->member);
        f->member[f->count] = describe(tape, path);
        f->member[f->count++].helper = helper;
    }
    tape_file_close(tape);
    return true;
}

bool family_add(struct family *f, const char *operand) {
    struct family_files files;
    bool any = false;
    if (!family_find(operand, &files)) {
        f->unreadable++;
        return false;
    }
    for (size_t i = 0; i < files.count; i++) {
        if (add_file(f, files.path[i], false))
            any = true;
        else
            f->unreadable++;
    }
    family_files_free(&files);
    return any;
}

/* ---- descent ------------------------------------------------------------------------------ */

static int compare_members(const void *pa, const void *pb) {
    const struct family_member *a = pa, *b = pb;
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    if (a->pid != b->pid)
        return a->pid < b->pid ? -1 : 1;
    return strcmp(a->path, b->path);
}

/* Parents of forked children lie beside them, if they are still there under their names. */
static void find_parents(struct family *f) {
    for (uint32_t i = 0; i < f->count; i++) { /* those that are added are looked at, too */
        struct family_member *m = &f->member[i];
        if (m->parent_name == NULL || find_id(f, m->parent_id) != FAMILY_NONE)
            continue;
        char *path = family_find_beside(m->path, m->parent_name, m->parent_id);
        if (path != NULL)
            add_file(f, path, true);
        free(path);
    }
}

/* The newest image of a process that was there at `time`: begun by then, and not ended. */
static uint32_t image_at(const struct family *f, uint64_t pid, const char *host, uint64_t time,
                         uint32_t not ) {
    uint32_t found = FAMILY_NONE;
    for (uint32_t i = 0; i < f->count && f->member[i].start <= time; i++)
        if (i != not &&f->member[i].pid == pid && strcmp(f->member[i].host, host) == 0)
            found = i;
    if (found == FAMILY_NONE || pid == 0)
        return FAMILY_NONE;
    uint64_t end = f->member[found].end;
    return end < UINT64_MAX - AFTER_CLOSE && end + AFTER_CLOSE < time ? FAMILY_NONE : found;
}

static void tie(struct family *f, uint32_t at) {
    struct family_member *m = &f->member[at];
    if (m->parent_name != NULL) {
        m->parent = find_id(f, m->parent_id);
        const struct family_member *p = m->parent != FAMILY_NONE ? &f->member[m->parent] : NULL;
        m->parent_missing =
            p == NULL || m->parent == at || p->clock != m->clock || strcmp(p->host, m->host) != 0;
        m->tie = FAMILY_FORK;
        if (p != NULL && m->parent != at)
            return;
    } else {
        m->parent = image_at(f, m->pid, m->host, m->start, at);
        if (m->parent != FAMILY_NONE && !f->member[m->parent].closed &&
            !f->member[m->parent].alive) {
            m->tie = FAMILY_EXEC;
            f->member[m->parent].replaced = true;
            return;
        }
    }
    m->parent = m->ppid != m->pid ? image_at(f, m->ppid, m->host, m->start, at) : FAMILY_NONE;
    m->tie = m->parent != FAMILY_NONE ? FAMILY_CHILD : FAMILY_ROOT;
}

/* What tapes say of each other may be anything: nobody is their own ancestor. */
static void break_circles(struct family *f) {
    for (uint32_t i = 0; i < f->count; i++) {
        uint32_t steps = 0;
        for (uint32_t at = i; at != FAMILY_NONE && steps <= f->count; at = f->member[at].parent)
            steps++;
        if (steps <= f->count)
            continue;
        f->member[i].parent_missing |= f->member[i].tie == FAMILY_FORK;
        f->member[i].parent = FAMILY_NONE;
        f->member[i].tie = FAMILY_ROOT;
    }
}

void family_link(struct family *f) {
    find_parents(f);
    if (f->count != 0)
        qsort(f->member, f->count, sizeof *f->member, compare_members);
    for (uint32_t i = 0; i < f->count; i++)
        tie(f, i);
    break_circles(f);
    for (uint32_t i = 0; i < f->count; i++)
        f->member[i].selected = !f->member[i].helper;
}

uint32_t family_select(struct family *f, uint64_t pid, const char *exe) {
    uint32_t left = 0;
    for (uint32_t i = 0; i < f->count; i++) {
        struct family_member *m = &f->member[i];
        if (pid != 0 && m->pid != pid)
            m->selected = false;
        if (exe != NULL && fnmatch(exe, m->exe, 0) != 0 && fnmatch(exe, names_base(m->exe), 0) != 0)
            m->selected = false;
        left += m->selected;
    }
    return left;
}

uint32_t family_selected_parent(const struct family *f, uint32_t member) {
    uint32_t at = f->member[member].parent;
    while (at != FAMILY_NONE && !f->member[at].selected)
        at = f->member[at].parent;
    return at;
}
