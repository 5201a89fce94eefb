/* SPDX-License-Identifier: MIT */
/* As programs are: nothing is wiped, main returns, and exit() runs over what its calls left. */
#include "ground.h"

struct text {
    char *text;
    long more[10];
};

ALLOCATES(new_text)
ALLOCATES(new_content)

static APART struct text *make(size_t bytes) {
    struct text *t = (struct text *)new_text(sizeof *t);
    t->text = (char *)new_content(bytes);
    return t;
}

static APART size_t use(const struct text *t) {
    return (size_t)t->text[3];
}

int main(void) {
    expect("definite", sizeof(struct text), 1, "new_text");
    expect("indirect", 200, 1, "new_content");
    return use(make(200)) != 42;
}
