/* SPDX-License-Identifier: MIT */
#include "family_choice.h"

#include <string.h>

#include "diag.h"
#include "option_value.h"

bool family_choice_option(const struct command *c, struct family_choice *choice, const char *name,
                          const char *value, bool *good) {
    if (strcmp(name, "exe") == 0)
        choice->exe = value;
    else if (strcmp(name, "pid") == 0)
        *good = option_number(c, name, value, 1, INT32_MAX, &choice->pid);
    else
        return false;
    return true;
}

struct family *family_chosen(const struct command *c, int count, char **operand,
                             const struct family_choice *choice, uint32_t *selected) {
    struct family *f = family_new();
    bool any = false;
    *selected = 0;
    for (int i = 0; i < count; i++)
        any |= family_add(f, operand[i]);
    if (!any)
        return f;
    family_link(f);
    uint32_t all = family_select(f, 0, NULL);
    *selected = family_select(f, choice->pid, choice->exe);
    if (*selected == 0)
        diag("%s: none of %u recording%s is of such a process (--pid, --exe)", c->name, all,
             all == 1 ? "" : "s");
    return f;
}
