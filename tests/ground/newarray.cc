/* SPDX-License-Identifier: MIT */
/* new[] of a class with a destructor: the pointer lies behind the count. */
#include "ground.h"

namespace {

struct Shape {
    long side[3];
    ~Shape() { side[0] = 0; }
};

Shape *volatile first;
Shape *volatile fourth;

APART Shape *array_by_first() {
    return new Shape[10]();
}
APART Shape *array_by_fourth() {
    return new Shape[10]();
}

APART void make() {
    first = array_by_first();
    fourth = array_by_fourth() + 3;
}

} // namespace

int main() {
    expect("reachable", 8 + 10 * sizeof(Shape), 1, "array_by_first");
    expect("possible", 8 + 10 * sizeof(Shape), 1, "array_by_fourth");
    make();
    wipe();
    return 0;
}
