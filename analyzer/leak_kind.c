/* SPDX-License-Identifier: MIT */
#include "leak_kind.h"

#include <string.h>

const struct leak_kind_info leak_kind_info[LEAK_KINDS + 1] = {
    [LEAK_DEFINITE] = {"definite", "definitely lost", "Leak_DefinitelyLost"},
    [LEAK_INDIRECT] = {"indirect", "indirectly lost", "Leak_IndirectlyLost"},
    [LEAK_POSSIBLE] = {"possible", "possibly lost", "Leak_PossiblyLost"},
    [LEAK_REACHABLE] = {"reachable", "still reachable", "Leak_StillReachable"},
    [LEAK_UNKNOWN] = {"unknown", "not freed", "Leak_PossiblyLost"},
    [LEAK_IGNORED] = {"ignored", "ignored", NULL},
};

/* Adds what one word of a list says. */
static bool parse_one(const char *word, size_t length, unsigned *kinds) {
    static const char *const every[] = {"none", "all"};
    for (int all = 0; all < 2; all++)
        if (length == strlen(every[all]) && memcmp(word, every[all], length) == 0) {
            *kinds |= all ? (1U << LEAK_UNKNOWN) - 1 : 0;
            return true;
        }
    for (int kind = 0; kind < LEAK_UNKNOWN; kind++)
        if (strlen(leak_kind_info[kind].name) == length &&
            memcmp(word, leak_kind_info[kind].name, length) == 0) {
            *kinds |= 1U << kind;
            return true;
        }
    return false;
}

bool leak_kinds_parse(const char *text, unsigned *kinds) {
    unsigned found = 0;
    for (const char *end = ","; *end == ','; text = end + 1) {
        end = strchrnul(text, ',');
        if (!parse_one(text, (size_t)(end - text), &found))
            return false;
    }
    *kinds = found;
    return true;
}
