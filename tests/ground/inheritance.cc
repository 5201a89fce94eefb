/* SPDX-License-Identifier: MIT */
/* A pointer to the second base of an object: behind the first one's table of virtual functions. */
#include "ground.h"

namespace {

struct First {
    long a = 1;
    virtual ~First() {}
    virtual long one() { return a; }
};

struct Second {
    long b = 2;
    virtual ~Second() {}
    virtual long two() { return b; }
};

struct Both : First, Second {
    long c = 3;
    long one() override { return c; }
    long two() override { return c; }
};

Second *volatile second;
long *volatile member;

APART Both *by_second() {
    return new Both;
}
APART Both *by_member() {
    return new Both;
}

APART void make() {
    second = by_second();
    member = &by_member()->c;
}

} // namespace

int main() {
    expect("reachable", sizeof(Both), 1, "by_second");
    expect("possible", sizeof(Both), 1, "by_member");
    make();
    wipe();
    return 0;
}
