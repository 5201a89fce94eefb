/* SPDX-License-Identifier: MIT */
/* The nodes of containers that are held: their pointers lead through nodes, not to what they hold.
 */
#include <map>
#include <memory>
#include <new>
#include <unordered_map>
#include <vector>

#include "ground.h"

namespace {

template <class T> struct Kept {
    alignas(T) char storage[sizeof(T)];
    T *get() { return new (storage) T; }
};

Kept<std::map<int, long *>> map;
Kept<std::unordered_map<int, long *>> table;
Kept<std::vector<std::unique_ptr<long>>> vector;

APART long *in_map() {
    return new long(1);
}
APART long *in_table() {
    return new long(2);
}
APART long *in_vector() {
    return new long(3);
}

APART void make() {
    auto *m = map.get();
    auto *t = table.get();
    auto *v = vector.get();
    for (int i = 0; i < 500; i++) {
        (*m)[i] = in_map();
        (*t)[i] = in_table();
        v->emplace_back(in_vector());
    }
}

} // namespace

int main() {
    expect("reachable", 4000, 500, "in_map");
    expect("reachable", 4000, 500, "in_table");
    expect("reachable", 4000, 500, "in_vector");
    expect_whatever("make");
    make();
    wipe();
    return 0;
}
