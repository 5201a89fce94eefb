/* SPDX-License-Identifier: MIT */
#include "lsan_options.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "diag.h"

#define SEPARATORS " ,:\n\t\r"

/* Takes the value at *text, which it moves behind it. The caller frees. */
static char *take_value(const char **text) {
    char quote = **text == '\'' || **text == '"' ? **text : '\0';
    const char *begin = *text + (quote != '\0');
    const char *end = quote != '\0' ? strchrnul(begin, quote) : begin + strcspn(begin, SEPARATORS);
    *text = quote != '\0' && *end != '\0' ? end + 1 : end;
    return xasprintf("%.*s", (int)(end - begin), begin);
}

static void set(struct lsan_options *o, const char *name, size_t length, char *value) {
    char **text = NULL;
    if (length == 8 && strncmp(name, "log_path", length) == 0)
        text = &o->log_path;
    else if (length == 12 && strncmp(name, "suppressions", length) == 0)
        text = &o->suppressions;
    else if (length == 8 && strncmp(name, "exitcode", length) == 0)
        o->exit_status = strtoull(value, NULL, 10) & 255;
    if (text == NULL || *value == '\0') {
        free(value);
        return;
    }
    free(*text);
    *text = value;
}

struct lsan_options lsan_options_read(const char *text) {
    struct lsan_options o = {.exit_status = 23};
    while (text != NULL && *text != '\0') {
        text += strspn(text, SEPARATORS);
        const char *name = text;
        size_t length = strcspn(text, "=" SEPARATORS);
        text += length;
        if (*text != '=')
            continue;
        text++;
        set(&o, name, length, take_value(&text));
    }
    if (o.log_path != NULL && strcmp(o.log_path, "stderr") != 0) {
        char *path = xasprintf("%s.%d", o.log_path, (int)getpid());
        free(o.log_path);
        o.log_path = path;
    } else {
        free(o.log_path);
        o.log_path = NULL;
    }
    return o;
}

void lsan_options_free(struct lsan_options *o) {
    free(o->log_path);
    free(o->suppressions);
    *o = (struct lsan_options){0};
}
