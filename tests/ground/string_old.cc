/* SPDX-License-Identifier: MIT */
/* std::string as it was before C++11: the pointer lies behind length, capacity and users. */
#define _GLIBCXX_USE_CXX11_ABI 0
#include <new>
#include <string>

#include "ground.h"

namespace {

alignas(std::string) char storage[sizeof(std::string)];

APART void fill() {
    new (storage) std::string(100, 'x');
}

} // namespace

int main() {
    expect("reachable", 3 * sizeof(size_t) + 101, 1, "fill");
    fill();
    wipe();
    return 0;
}
