/* SPDX-License-Identifier: MIT */
/* A C++ program whose every run makes the same allocations: containers, strings, exceptions. Its
 * totals are compared with those of other tools. */
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

std::uint32_t state = 12345;

std::uint32_t next() {
    state = state * 1664525 + 1013904223;
    return state >> 8;
}

std::string name(std::uint32_t n) {
    std::string s = "a name too long for the short string ";
    return s + std::to_string(n);
}

struct node {
    std::unique_ptr<node> left, right;
    std::string label;
};

std::unique_ptr<node> grow(int depth) {
    auto n = std::make_unique<node>();
    n->label = name(next() % 1000);
    if (depth > 0) {
        n->left = grow(depth - 1);
        if (next() % 3 != 0)
            n->right = grow(depth - 1);
    }
    return n;
}

int parse(const std::string &s) {
    if (next() % 5 == 0)
        throw std::invalid_argument("not a number: " + s);
    return static_cast<int>(s.size());
}

} // namespace

int main() {
    std::map<std::string, std::vector<int>> table;
    std::unordered_map<int, std::string> index;
    long sum = 0, refused = 0;
    for (int i = 0; i < 4000; i++) {
        std::uint32_t n = next() % 2000;
        table[name(n)].push_back(i);
        if (i % 3 == 0)
            index[static_cast<int>(n)] = name(n + 1);
        if (i % 7 == 0)
            index.erase(static_cast<int>(next() % 2000));
        try {
            sum += parse(name(n));
        } catch (const std::invalid_argument &e) {
            refused += e.what()[0] == 'n';
        }
    }
    auto tree = grow(12);
    for (const auto &entry : table)
        sum += static_cast<long>(entry.second.size());
    std::printf("%ld %ld %zu %zu\n", sum, refused, table.size(), index.size());
    new std::string(name(7) + " which nobody frees");
    return tree->label.empty();
}
