/* SPDX-License-Identifier: MIT */
#include "leak_kind.h"

#include <string.h>

const struct leak_kind_info leak_kind_info[LEAK_KINDS] = {
    [LEAK_DEFINITE] = {"definite", "definitely lost", "Leak_DefinitelyLost"},
    [LEAK_INDIRECT] = {"indirect", "indirectly lost", "Leak_IndirectlyLost"},
    [LEAK_POSSIBLE] = {"possible", "possibly lost", "Leak_PossiblyLost"},
    [LEAK_REACHABLE] = {"reachable", "still reachable", "Leak_StillReachable"},
    [LEAK_UNKNOWN] = {"unknown", "not freed", "Leak_PossiblyLost"},
};

static unsigned parse_one(const char *word, size_t length) {
    if (length == 3 && memcmp(word, "all", 3) == 0)
        return (1U << LEAK_UNKNOWN) - 1;
    for (int kind = 0; kind < LEAK_UNKNOWN; kind++)
        if (strlen(leak_kind_info[kind].name) == length &&
            memcmp(word, leak_kind_info[kind].name, length) == 0)
            return 1U << kind;
    return 0;
}

bool leak_kinds_parse(const char *text, unsigned *kinds) {
    unsigned found = 0;
    if (strcmp(text, "none") != 0)
        for (const char *end; *text != '\0'; text = *end != '\0' ? end + 1 : end) {
            end = strchrnul(text, ',');
            unsigned kind = parse_one(text, (size_t)(end - text));
            if (kind == 0)
                return false;
            found |= kind;
        }
    *kinds = found;
    return true;
}
