/* SPDX-License-Identifier: MIT */
#include "screen.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "diag.h"

struct screen screen_of(FILE *out, bool wide) {
    struct screen s = {.columns = wide ? 0 : SCREEN_COLUMNS};
    locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
    if (locale != (locale_t)0) {
        s.utf8 = strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0;
        freelocale(locale);
    }
    const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
    s.colour = isatty(fileno(out)) && term != NULL && strcmp(term, "dumb") != 0 &&
               (no_colour == NULL || *no_colour == '\0');
    return s;
}

const char *screen_bold(const struct screen *s) {
    return s->colour ? "\033[1m" : "";
}

const char *screen_dim(const struct screen *s) {
    return s->colour ? "\033[2m" : "";
}

const char *screen_plain(const struct screen *s) {
    return s->colour ? "\033[0m" : "";
}

size_t screen_width(const char *text) {
    size_t n = 0;
    for (; *text != '\0'; text++)
        n += (*text & 0xc0) != 0x80;
    return n;
}

/* The byte behind the first `columns` characters. */
static const char *skip_columns(const char *text, size_t columns) {
    while (*text != '\0' && columns-- != 0)
        do
            text++;
        while ((*text & 0xc0) == 0x80);
    return text;
}

static const char *dots(const struct screen *s) {
    return s->utf8 ? "\u2026" : "...";
}

/* Keeps a third of the room for the beginning, the rest for the end. */
static char *cut_middle(const struct screen *s, const char *text, size_t columns) {
    size_t width = screen_width(text), mark = screen_width(dots(s));
    if (width <= columns)
        return xstrdup(text);
    size_t room = columns > mark ? columns - mark : 0, head = room / 3;
    const char *head_end = skip_columns(text, head);
    const char *tail = skip_columns(text, width - (room - head));
    return xasprintf("%.*s%s%s", (int)(head_end - text), text, dots(s), tail);
}

/* "f(int, char) const" → "f(...) const": the parameter list is the last bracket at the end. */
static char *cut_parameters(const struct screen *s, const char *function) {
    const char *close = strrchr(function, ')');
    if (close == NULL || strpbrk(close, ":<>") != NULL) /* "(anonymous namespace)::f" */
        return xstrdup(function);
    const char *open = close;
    for (int depth = 1; depth != 0 && open != function;) {
        open--;
        depth += (*open == ')') - (*open == '(');
    }
    if (*open != '(' || open + 1 == close)
        return xstrdup(function);
    return xasprintf("%.*s%s%s", (int)(open + 1 - function), function, dots(s), close);
}

/* Length of the operator's own signs behind "operator", so that they are not taken for brackets. */
static size_t operator_signs(const char *function, const char *at) {
    static const char *const sign[] = {"<<=", ">>=", "<=>", "<<", ">>", "<=", ">=",
                                       "->*", "->",  "<",   ">",  "()", NULL};
    if (at - function < 8 || strncmp(at - 8, "operator", 8) != 0)
        return 0;
    for (int i = 0; sign[i] != NULL; i++)
        if (strncmp(at, sign[i], strlen(sign[i])) == 0)
            return strlen(sign[i]);
    return 0;
}

/* "a<b, c<d> >::e" → "a<...>::e" */
static char *cut_template_arguments(const struct screen *s, const char *function) {
    char *out = xmalloc(strlen(function) * 2 + 8), *p = out;
    int depth = 0;
    for (const char *c = function; *c != '\0';) {
        size_t n = operator_signs(function, c);
        if (n == 0)
            n = strncmp(c, "->", 2) == 0 ? 2 : 1;
        if (n == 1 && *c == '<' && depth++ == 0)
            p += sprintf(p, "<%s", dots(s));
        if (n == 1 && *c == '>' && depth > 0)
            depth--;
        if (depth == 0) {
            memcpy(p, c, n);
            p += n;
        }
        c += n;
    }
    *p = '\0';
    if (depth == 0)
        return out;
    free(out); /* not what we took it for */
    return xstrdup(function);
}

/* How a character changes the depth of brackets, behind what was before it: "->" closes none. */
static int nesting(const char *function, const char *c) {
    if (*c == '>' && c > function && c[-1] == '-')
        return 0;
    return (*c == '<' || *c == '(' || *c == '{') - (*c == '>' || *c == ')' || *c == '}');
}

/* Behind the return type that demangled templates begin with: "void f<int>(int)" → "f<int>(int)".
 */
static const char *skip_return_type(const char *function) {
    const char *name = function;
    int depth = 0;
    if (strstr(function, " thunk to ") != NULL)
        return function;
    for (const char *c = function; *c != '\0'; c++) {
        if (strncmp(c, "operator", 8) == 0 || strncmp(c, " [clone", 7) == 0)
            break;
        if (*c == '(' && depth == 0 && strncmp(c, "(anonymous namespace)", 21) != 0)
            break; /* parameters */
        depth += nesting(function, c);
        if (*c == ' ' && depth == 0)
            name = c + 1;
    }
    return *name != '\0' ? name : function;
}

/* Leaves out outer scopes, one after the other: "a::b<...>::c" → "...b<...>::c". */
static char *cut_scopes(const struct screen *s, const char *function, size_t columns) {
    const char *rest = function;
    int depth = 0;
    for (const char *c = function; *c != '\0'; c++) {
        if (strncmp(c, "operator", 8) == 0)
            break;
        depth += nesting(function, c);
        if (depth != 0 || strncmp(c, "::", 2) != 0)
            continue;
        rest = c + 2;
        if (screen_width(rest) + screen_width(dots(s)) <= columns)
            return xasprintf("%s%s", dots(s), rest);
    }
    return cut_middle(s, rest, columns);
}

/* Rust's "<a::Tree<u8> as core::clone::Clone>::clone": the last names of type and trait are what
 * tells functions of this form apart: "<Tree<...> as Clone>::clone". */
static char *cut_self_type(const struct screen *s, const char *function) {
    char *out = xmalloc(strlen(function) * 2 + 8), *p = out, *word;
    const char *c = function + 1;
    int depth = 0; /* of brackets inside */
    *p++ = '<';
    for (word = p; *c != '\0' && (depth != 0 || *c != '>' || c[-1] == '-'); c++) {
        int change = *c == '{' || *c == '}' ? 0 : nesting(function, c);
        if (depth == 0 && change > 0)
            p += sprintf(p, "%c%s", *c, dots(s));
        depth += change;
        if (depth != 0)
            continue;
        if (strncmp(c, "::", 2) == 0) {
            p = word;
            c++;
            continue;
        }
        *p++ = *c;
        if (change == 0 && strchr(" &*[", *c) != NULL)
            word = p;
    }
    *p = '\0';
    char *rest = cut_template_arguments(s, *c != '\0' ? c + 1 : c);
    char *name = *c != '\0' ? xasprintf("%s>%s", out, rest) : xstrdup(function);
    free(rest);
    free(out);
    return name;
}

char *screen_fit(const struct screen *s, const char *label, const char *function, size_t columns) {
    if (columns == 0 || screen_width(label) <= columns)
        return xstrdup(label);
    if (columns < 8)
        columns = 8;
    if (function == NULL)
        return cut_middle(s, label, columns);
    const char *location = label + strlen(function);
    size_t taken = screen_width(location);
    if (taken + 12 > columns) /* no room for a name beside the location */
        return cut_middle(s, label, columns);
    char *name = cut_parameters(s, skip_return_type(function));
    if (screen_width(name) + taken > columns) {
        char *shorter = *name == '<' ? cut_self_type(s, name) : cut_template_arguments(s, name);
        free(name);
        name = shorter;
    }
    if (screen_width(name) + taken > columns) {
        char *shorter = cut_scopes(s, name, columns - taken);
        free(name);
        name = shorter;
    }
    char *out = xasprintf("%s%s", name, location);
    free(name);
    return out;
}
