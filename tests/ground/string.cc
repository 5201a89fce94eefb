/* SPDX-License-Identifier: MIT */
/* std::string: its text is held by a global one, is lost with a lost one. */
#include <new>
#include <string>

#include "ground.h"

namespace {

alignas(std::string) char storage[sizeof(std::string)];

APART void fill() {
    new (storage) std::string(100, 'x');
}
APART void *lose_object() {
    return operator new(sizeof(std::string));
}
APART void fill_lost(void *p) {
    new (p) std::string(200, 'x');
}

APART void make() {
    fill();
    fill_lost(lose_object());
}

} // namespace

int main() {
    expect("reachable", 101, 1, "fill");
    expect("definite", sizeof(std::string), 1, "lose_object");
    expect("indirect", 201, 1, "fill_lost");
    make();
    wipe();
    return 0;
}
