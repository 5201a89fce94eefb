/* SPDX-License-Identifier: MIT */
#include "suppressions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"

#define FRAMES_MAX 256 /* of a Valgrind entry: 24 there, and what is inlined in each */

/* A file's lines, without the space around them; empty ones and comments are passed over. */
struct lines {
    const char *path, *next;
    unsigned number; /* of the line that was read last, from 1 */
    char *text;      /* of that line */
};

static bool next_line(struct lines *l) {
    while (*l->next != '\0') {
        const char *begin = l->next, *end = begin + strcspn(begin, "\n");
        l->next = *end == '\n' ? end + 1 : end;
        l->number++;
        while (begin < end && strchr(" \t\r", *begin) != NULL)
            begin++;
        while (end > begin && strchr(" \t\r", end[-1]) != NULL)
            end--;
        if (begin == end || *begin == '#')
            continue;
        free(l->text);
        l->text = xasprintf("%.*s", (int)(end - begin), begin);
        return true;
    }
    return false;
}

static bool starts_with(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static int bad_line(const struct lines *l, const char *why) {
    diag("%s:%u: '%.60s' %s", l->path, l->number, l->text, why);
    return EXIT_USAGE;
}

static struct suppression *add_entry(struct suppressions *s, const struct lines *l,
                                     const char *name, bool valgrind) {
    if (s->count == s->room) {
        s->room = s->room != 0 ? 2 * s->room : 32;
        s->entry = xrealloc(s->entry, s->room * sizeof *s->entry);
    }
    struct suppression *e = &s->entry[s->count++];
    *e = (struct suppression){.name = xstrdup(name),
                              .file = xstrdup(l->path),
                              .line = l->number,
                              .kinds = ~0U,
                              .valgrind = valgrind};
    return e;
}

static void add_pattern(struct suppression *e, const char *pattern) {
    e->pattern = xrealloc(e->pattern, (e->count + 1) * sizeof *e->pattern);
    e->pattern[e->count++] = xstrdup(pattern);
}

/* ---- LeakSanitizer ------------------------------------------------------------------------ */

static int parse_lsan_line(struct suppressions *s, const struct lines *l) {
    if (!starts_with(l->text, "leak:"))
        return bad_line(l, "is no LeakSanitizer suppression; expected leak:PATTERN");
    const char *pattern = l->text + strlen("leak:");
    if (*pattern == '\0')
        return bad_line(l, "has no pattern; leak:* would suppress everything");
    add_pattern(add_entry(s, l, pattern, false), pattern);
    return EXIT_FINE;
}

/* ---- Valgrind ----------------------------------------------------------------------------- */

static int cut_off(const struct lines *l, const char *name) {
    diag("%s:%u: the file ends inside the entry '%.60s'; expected }", l->path, l->number, name);
    return EXIT_USAGE;
}

/* The value of "match-leak-kinds:": kinds joined by commas. */
static int parse_kinds(const struct lines *l, const char *kinds, unsigned *set) {
    *set = 0;
    kinds += strspn(kinds, " \t");
    for (bool more = true; more;) {
        size_t length = strcspn(kinds, ",");
        char *word = xasprintf("%.*s", (int)length, kinds);
        unsigned found = 0;
        bool known = length != 0 && leak_kinds_parse(word, &found);
        free(word);
        if (!known)
            return bad_line(l, "names an unknown kind; expected definite, indirect, possible, "
                               "reachable, all or none, joined by commas");
        *set |= found;
        more = kinds[length] == ',';
        kinds += length + more;
    }
    return EXIT_FINE;
}

static int check_frames(const struct lines *l, const struct suppression *e) {
    size_t places = 0;
    for (size_t i = 0; i < e->count; i++)
        places += strcmp(e->pattern[i], "...") != 0;
    if (places != 0 && e->count <= FRAMES_MAX)
        return EXIT_FINE;
    diag(places == 0 ? "%s:%u: the entry '%.60s' names no place; it needs a fun:, obj: or src: line"
                     : "%s:%u: the entry '%.60s' has more than 256 frames",
         l->path, e->line, e->name);
    return EXIT_USAGE;
}

/* The lines of a Memcheck:Leak entry behind that one, and the }. */
static int parse_frames(struct lines *l, struct suppression *e) {
    static const char kinds[] = "match-leak-kinds:";
    while (next_line(l)) {
        if (strcmp(l->text, "}") == 0)
            return check_frames(l, e);
        if (starts_with(l->text, kinds)) {
            if (e->count != 0)
                return bad_line(l, "stands behind a frame; expected in front of the first");
            if (parse_kinds(l, l->text + strlen(kinds), &e->kinds) != EXIT_FINE)
                return EXIT_USAGE;
        } else if (strcmp(l->text, "...") == 0 || starts_with(l->text, "fun:") ||
                   starts_with(l->text, "obj:") || starts_with(l->text, "src:")) {
            add_pattern(e, l->text);
        } else {
            return bad_line(l, "is no frame; expected fun:, obj:, src:, ... or }");
        }
    }
    return cut_off(l, e->name);
}

/* "Memcheck:Leak", perhaps with other tools in a list in front. */
static bool is_leak(const char *text) {
    const char *colon = strchr(text, ':');
    if (strcmp(colon + 1, "Leak") != 0)
        return false;
    for (const char *tool = text; tool < colon; tool += strcspn(tool, ",:") + 1)
        if (starts_with(tool, "Memcheck") && strchr(",:", tool[strlen("Memcheck")]) != NULL)
            return true;
    return false;
}

static int parse_valgrind_entry(struct suppressions *s, struct lines *l) {
    if (strcmp(l->text, "{") != 0)
        return bad_line(l, "stands outside an entry; expected {");
    unsigned first = l->number;
    if (!next_line(l))
        return cut_off(l, "");
    char *name = xstrdup(l->text);
    int status;
    if (strcmp(name, "}") == 0 || strcmp(name, "{") == 0) {
        status = bad_line(l, "stands where the name of an entry is expected");
    } else if (!next_line(l)) {
        status = cut_off(l, name);
    } else if (strchr(l->text, ':') == NULL) {
        status = bad_line(l, "is no kind of error; expected TOOL:KIND, as in Memcheck:Leak");
    } else if (is_leak(l->text)) {
        struct suppression *e = add_entry(s, l, name, true);
        e->line = first;
        status = parse_frames(l, e);
    } else { /* of another tool, or no leak: its lines may be anything */
        bool more;
        while ((more = next_line(l)) && strcmp(l->text, "}") != 0)
            continue;
        status = more ? EXIT_FINE : cut_off(l, name);
    }
    free(name);
    return status;
}

/* ---- both --------------------------------------------------------------------------------- */

int suppressions_parse(struct suppressions *s, const char *path, const char *text, bool built_in) {
    struct lines l = {.path = path, .next = text};
    size_t before = s->count;
    int status = EXIT_FINE;
    bool valgrind = false, first = true;
    while (status == EXIT_FINE && next_line(&l)) {
        if (first) {
            valgrind = strcmp(l.text, "{") == 0;
            if (!valgrind && !starts_with(l.text, "leak:")) {
                status = bad_line(&l, "begins no suppression; expected { as Valgrind's files have, "
                                      "or leak:PATTERN as LeakSanitizer's");
                break;
            }
        }
        first = false;
        status = valgrind ? parse_valgrind_entry(s, &l) : parse_lsan_line(s, &l);
    }
    free(l.text);
    for (size_t i = before; i < s->count; i++)
        s->entry[i].built_in = built_in;
    return status;
}

int suppressions_load(struct suppressions *s, const char *path) {
    FILE *in = fopen(path, "re");
    char *text = NULL;
    size_t room = 0;
    ssize_t n = in != NULL ? getdelim(&text, &room, '\0', in) : -1;
    int status = EXIT_USAGE;
    if (in == NULL || ferror(in))
        diag("%s: the suppressions cannot be read: %s", path, strerror(errno));
    else if (n > 0 && text[n - 1] == '\0')
        diag("%s: is no text, so it holds no suppressions", path);
    else
        status = suppressions_parse(s, path, n > 0 ? text : "", false);
    if (in != NULL)
        fclose(in);
    free(text);
    return status;
}
