/* SPDX-License-Identifier: MIT */
/* Binary trees whose root is lost: one leader each, all others through it, whichever came first. */
#include "ground.h"

struct node {
    struct node *left, *right;
    char text[84];
};

ALLOCATES(root)
ALLOCATES(inner)
ALLOCATES(leaf)

static APART struct node *join(void *node, struct node *left, struct node *right) {
    struct node *n = (struct node *)node;
    n->left = left;
    n->right = right;
    return n;
}

static APART struct node *new_leaf(void) {
    return join(leaf(sizeof(struct node)), NULL, NULL);
}

static APART struct node *new_inner(int top_down) {
    if (top_down) {
        void *p = inner(sizeof(struct node));
        struct node *left = new_leaf();
        return join(p, left, new_leaf());
    }
    struct node *left = new_leaf(), *right = new_leaf();
    return join(inner(sizeof(struct node)), left, right);
}

static APART void make(int top_down) {
    void *p = top_down ? root(sizeof(struct node)) : NULL;
    struct node *left = new_inner(top_down), *right = new_inner(top_down);
    join(p != NULL ? p : root(sizeof(struct node)), left, right);
}

int main(void) {
    expect("definite", 2 * sizeof(struct node), 2, "root");
    expect("indirect", 4 * sizeof(struct node), 4, "inner");
    expect("indirect", 8 * sizeof(struct node), 8, "leaf");
    make(1);
    make(0);
    wipe();
    return 0;
}
