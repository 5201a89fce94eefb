/* SPDX-License-Identifier: MIT */
#include "budget.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "option_value.h"
#include "suppressions.h"
#include "units.h"

const struct budget_info budget_info[BUDGET_KINDS] = {
    [BUDGET_PEAK] = {"max-peak", "max-peak-at", "peak", true},
    [BUDGET_ALLOCS] = {"max-allocs", "max-allocs-at", "allocations", false},
    [BUDGET_LEAKED] = {"max-leaked", "max-leaked-at", "not freed", true},
};

bool budgets_add(struct budgets *b, const struct command *command, enum budget_kind kind, bool at,
                 const char *value) {
    const struct budget_info *info = &budget_info[kind];
    const char *option = at ? info->option_at : info->option;
    const char *number = value;
    if (at) {
        const char *equals = strrchr(value, '=');
        if (equals == NULL || equals == value) {
            command_usage_error(command, "--%s wants PATTERN=%s, not '%s'", option,
                                info->bytes ? "SIZE" : "NUMBER", value);
            return false;
        }
        number = equals + 1;
    }
    uint64_t limit;
    if (info->bytes ? !option_size(command, option, number, &limit)
                    : !option_number(command, option, number, 0, UINT64_MAX, &limit))
        return false;
    b->budget = xrealloc(b->budget, (b->count + 1) * sizeof *b->budget);
    b->budget[b->count++] =
        (struct budget){.kind = kind,
                        .pattern = at ? xasprintf("%.*s", (int)(number - 1 - value), value) : NULL,
                        .limit = limit};
    return true;
}

void budgets_free(struct budgets *b) {
    for (size_t i = 0; i < b->count; i++) {
        for (size_t k = 0; k < b->budget[i].site_count; k++)
            check_stack_free(&b->budget[i].site[k].stack);
        free(b->budget[i].pattern);
    }
    free(b->budget);
    *b = (struct budgets){0};
}

static bool is(const char *glob, const char *text) {
    return text != NULL && suppressions_glob(glob, text, true);
}

static bool is_path(const char *glob, const char *path) {
    return path != NULL && (is(glob, path) || is(glob, names_base(path)));
}

/* "f" is "f(int)", too. */
static bool is_function(const char *glob, const char *function) {
    if (function == NULL || is(glob, function))
        return function != NULL;
    size_t n = strcspn(function, "(");
    if (n == 0 || function[n] == '\0')
        return false;
    char *bare = xasprintf("%.*s", (int)n, function);
    bool found = is(glob, bare);
    free(bare);
    return found;
}

bool budget_covers(const struct budget *b, const struct names *names, const uint32_t *path,
                   uint32_t length) {
    bool found = b->pattern == NULL;
    for (uint32_t i = 0; i < length && !found; i++) {
        const struct name *n = names_get(names, path[i]);
        found = is_function(b->pattern, n->readable) || is(b->pattern, n->linkage) ||
                is_path(b->pattern, n->file) || is_path(b->pattern, n->module);
    }
    return found;
}

char *budget_name(const struct budget *b) {
    const char *label = budget_info[b->kind].label;
    return b->pattern != NULL ? xasprintf("%s at %s", label, b->pattern) : xstrdup(label);
}

char *budget_amount(const struct budget *b, uint64_t value) {
    char text[UNITS_ROOM];
    if (budget_info[b->kind].bytes)
        return xstrdup(units_bytes(text, value));
    return xasprintf("%s allocation%s", units_count(text, value), value == 1 ? "" : "s");
}

char *budget_sentence(const struct budget *b) {
    char value[UNITS_ROOM], limit[UNITS_ROOM], process[40] = "";
    const struct budget_info *info = &budget_info[b->kind];
    if (b->pid != 0 && b->broken)
        snprintf(process, sizeof process, ", in process %" PRIu64, b->pid);
    return xasprintf("%s %s%s%s %s %s %s%s", info->label,
                     info->bytes ? units_bytes(value, b->value) : units_count(value, b->value),
                     b->pattern != NULL ? " at " : "", b->pattern != NULL ? b->pattern : "",
                     info->bytes ? "is" : "are", b->broken ? "over" : "within",
                     info->bytes ? units_bytes(limit, b->limit) : units_count(limit, b->limit),
                     process);
}
