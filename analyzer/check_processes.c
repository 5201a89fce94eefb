/* SPDX-License-Identifier: MIT */
/*
 * The processes of a check: what their recordings say of them, and what of that makes the answer
 * doubtful.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "diag.h"
#include "leak_survey.h"

/* Takes the sentence over. */
static void add(char ***list, size_t *count, char *sentence) {
    *list = xrealloc(*list, (*count + 1) * sizeof **list);
    (*list)[(*count)++] = sentence;
}

static void add_problem(struct check *c, char *sentence) {
    add(&c->problem, &c->problem_count, sentence);
}

static void add_note(struct check *c, char *sentence) {
    add(&c->note, &c->note_count, sentence);
}

/* ---- processes ---------------------------------------------------------------------------- */

static bool is_tail(const char *path) {
    size_t n = strlen(path);
    return n > 5 && strcmp(path + n - 5, ".tail") == 0;
}

static bool is_own(const char *exe) {
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    return exe != NULL && n > 0 && strcmp(exe, self) == 0;
}

/* Whether there is a process of this number that has not ended, whatever program it runs by now. */
static bool exists(uint64_t pid) {
    char path[64], line[512] = "";
    snprintf(path, sizeof path, "/proc/%llu/stat", (unsigned long long)pid);
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return false;
    bool got = fgets(line, sizeof line, in) != NULL;
    fclose(in);
    const char *state = strrchr(line, ')'); /* the name may hold brackets itself */
    return got && state != NULL && strncmp(state, ") Z", 3) != 0 && strncmp(state, ") X", 3) != 0;
}

/* No image is made then: the program is not in order. */
static bool is_aborted(const struct tape_process *t) {
    return t->closed && strcmp(t->end_reason, "abort") == 0;
}

/* Whether a tape has nothing yet, as one that was made an instant before its process was killed. */
static bool is_blank(const char *path) {
    uint8_t header[TAPE_FILE_HEADER_BYTES] = {0};
    static const uint8_t none[TAPE_FILE_HEADER_BYTES];
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return false;
    size_t n = fread(header, 1, sizeof header, in);
    fclose(in);
    return memcmp(header, none, n) == 0;
}

/* The process id in FILE.PID or FILE.PID.N; 0: there is none. */
static uint64_t named_pid(const char *path) {
    const char *at = strstr(names_base(path), ".tape.");
    return at != NULL ? strtoull(at + 6, NULL, 10) : 0;
}

/* Opens the recording for a first look. `c` takes up what is not seen in it; NULL: nobody does. */
static void look_at(struct check_process *p, struct check *c) {
    uint64_t pid = named_pid(p->tape);
    if (pid != 0 && is_blank(p->tape)) {
        p->empty = true;
        p->program = xstrdup("?");
        p->pid = pid;
        p->end = exists(pid) ? CHECK_RUNNING : CHECK_UNSEEN;
        return;
    }
    struct tape_file *tape = tape_file_open(p->tape);
    if (tape == NULL) {
        p->end = CHECK_UNREADABLE;
        return;
    }
    const struct tape_process *t = tape_file_process(tape);
    const char *program = t->exe != NULL ? names_base(t->exe) : "?";
    p->program = names_printable(program, strlen(program));
    p->pid = t->pid;
    p->ppid = t->ppid;
    p->started = t->start_mono;
    memcpy(p->id, tape_file_id(tape), sizeof p->id);
    p->forked = t->parent_id != NULL;
    if (p->forked)
        memcpy(p->parent_id, t->parent_id, sizeof p->parent_id);
    p->fork_stamp = t->fork_stamp;
    p->end = is_own(t->exe)               ? CHECK_OWN
             : is_aborted(t)              ? CHECK_KILLED
             : t->closed                  ? CHECK_CLOSED
             : t->alive || exists(t->pid) ? CHECK_RUNNING
                                          : CHECK_UNSEEN;
    p->signal = p->end == CHECK_KILLED ? SIGABRT : 0;
    if (c != NULL && p->end != CHECK_OWN)
        unseen_add(p->pid == c->pid ? &c->unseen_first : &c->unseen, t);
    tape_file_close(tape);
}

bool check_is_read(const struct check_process *p) {
    return !p->empty && p->end != CHECK_UNREADABLE && p->end != CHECK_OWN;
}

bool check_settled(char *const *tapes, size_t count) {
    bool settled = true;
    for (size_t i = 0; i < count && settled; i++) {
        struct check_process p = {.tape = tapes[i]};
        if (is_tail(p.tape) || access(p.tape, F_OK) != 0)
            continue;
        look_at(&p, NULL);
        settled = p.end != CHECK_RUNNING;
        free(p.program);
    }
    return settled;
}

static int by_start(const void *a, const void *b) {
    const struct check_process *p = a, *q = b;
    if (p->started != q->started)
        return p->started < q->started ? -1 : 1;
    return strcmp(p->tape, q->tape);
}

void check_list_processes(struct check *c, char *const *tapes, size_t count) {
    c->process = xcalloc(count, sizeof *c->process);
    for (size_t i = 0; i < count; i++)
        if (!is_tail(tapes[i]) && access(tapes[i], F_OK) == 0)
            c->process[c->process_count++].tape = xstrdup(tapes[i]);
    for (size_t i = 0; i < c->process_count; i++)
        look_at(&c->process[i], c);
    if (c->process_count != 0)
        qsort(c->process, c->process_count, sizeof *c->process, by_start);
    for (size_t i = 0; i < c->process_count; i++)
        for (size_t k = i + 1; k < c->process_count; k++)
            if (!c->process[i].empty &&
                (c->process[i].end == CHECK_UNSEEN || c->process[i].end == CHECK_RUNNING) &&
                c->process[i].pid == c->process[k].pid)
                c->process[i].end = CHECK_REPLACED;
    for (size_t i = 0; i < c->process_count; i++)
        if (c->process[i].pid == c->pid && c->process[i].end == CHECK_UNSEEN &&
            WIFSIGNALED(c->wait_status)) {
            c->process[i].end = CHECK_KILLED;
            c->process[i].signal = WTERMSIG(c->wait_status);
        }
}

/* ---- what makes the answer doubtful ------------------------------------------------------- */

char *check_signal_name(int signal) {
    const char *known = sigabbrev_np(signal);
    return known != NULL ? xasprintf("SIG%s", known) : xasprintf("signal %d", signal);
}

/* Nobody could look at its memory. Of the program that was to be checked that is a problem, of a
 * child of it something to know, as programs kill children on purpose. */
static void judge_without_image(struct check *c, const struct check_process *p) {
    const char *what = p->empty          ? "it had recorded nothing yet"
                       : c->unclassified ? "what was on its heap then counts as not freed"
                                         : "not checked";
    char *signal = check_signal_name(p->signal);
    char *sentence =
        p->end == CHECK_KILLED
            ? xasprintf("process %llu (%s) was killed by %s before its end: %s",
                        (unsigned long long)p->pid, p->program, signal, what)
            : xasprintf("process %llu (%s) ended without a heap image, killed or without the C "
                        "library: %s",
                        (unsigned long long)p->pid, p->program, what);
    free(signal);
    bool fails = p->pid == c->pid || c->fail_on_killed || c->unclassified;
    (fails ? add_problem : add_note)(c, sentence);
}

static void judge(struct check *c, const struct check_process *p) {
    unsigned long long pid = p->pid;
    if (p->end == CHECK_OWN)
        return;
    if (p->end == CHECK_UNREADABLE)
        add_problem(c, xasprintf("the recording %s cannot be read", p->tape));
    else if (p->end == CHECK_RUNNING)
        add_problem(c, xasprintf("process %llu (%s) is still running; what it will not free is "
                                 "not known yet",
                                 pid, p->program));
    else if (p->end == CHECK_UNSEEN || p->end == CHECK_KILLED)
        judge_without_image(c, p);
    if (p->lost != 0 && p->end != CHECK_REPLACED)
        add_problem(c, xasprintf("process %llu (%s): %llu events were lost", pid, p->program,
                                 (unsigned long long)p->lost));
    if ((p->damaged_chunks != 0 || p->damaged_bytes != 0) && p->end != CHECK_REPLACED)
        add_problem(c, xasprintf("process %llu (%s): its recording is damaged (%llu chunks, %llu "
                                 "bytes)",
                                 pid, p->program, (unsigned long long)p->damaged_chunks,
                                 (unsigned long long)p->damaged_bytes));
}

static void judge_unrecorded(struct check *c) {
    if (c->unrecorded_count != 0)
        (c->fail_on_unrecorded ? add_problem : add_note)(c, check_unrecorded_sentence(c));
    if (c->process_log_full)
        add_note(c, xstrdup("more programs were started than could be noted: whether all of them "
                            "were recorded is not known"));
}

/* What the checked program itself allocates past the recorder has not been checked, which must not
 * pass for freed; of its children it is good to know. */
static void judge_unseen(struct check *c) {
    const struct unseen *all[] = {&c->unseen_first, &c->unseen};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        for (size_t i = 0; i < all[k]->count; i++) {
            const struct unseen_module *m = &all[k]->module[i];
            char *what = unseen_what(m);
            bool fails = c->fail_on_unrecorded || (k == 0 && m->why != UNSEEN_DEEPBIND);
            (fails ? add_problem : add_note)(c, xasprintf("not seen, so not checked: %s", what));
            free(what);
        }
}

void check_judge_processes(struct check *c) {
    bool any = false, first = false;
    for (size_t i = 0; i < c->process_count; i++) {
        judge(c, &c->process[i]);
        any = true;
        first |= c->process[i].pid == c->pid;
    }
    if (!any && c->only != NULL)
        add_problem(c, xasprintf("nothing was recorded: no process ran a program that matches %s",
                                 c->only));
    else if (!any)
        add_problem(c, xasprintf("nothing was recorded: the recorder could not be loaded, or could "
                                 "not write its file"));
    else if (!first && c->only == NULL)
        add_problem(c, xasprintf("%s itself was not recorded, only processes that it started",
                                 c->program));
    judge_unrecorded(c);
    judge_unseen(c);
}

static void note_in_place(struct check *c) {
    for (size_t i = 0; i < c->process_count; i++)
        if (c->process[i].in_place)
            add_note(c, xasprintf("process %llu (%s): " LEAK_IN_PLACE,
                                  (unsigned long long)c->process[i].pid, c->process[i].program));
}

/* An answer without classes counts what may be none of a leak. */
void check_judge_classes(struct check *c) {
    note_in_place(c);
    if (c->total[LEAK_UNKNOWN].places == 0)
        return;
    for (size_t i = 0; i < c->process_count; i++) {
        const struct check_process *p = &c->process[i];
        if (p->unclassified != NULL && p->end == CHECK_CLOSED)
            add_problem(c, xasprintf("process %llu (%s): nothing is known of what still points to "
                                     "its blocks: %s",
                                     (unsigned long long)p->pid, p->program, p->unclassified));
    }
}
