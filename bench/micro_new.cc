// SPDX-License-Identifier: MIT
// Pairs of operator new and delete at a known call depth: micro_new DEPTH COUNT.
#include <cstdlib>
#include <new>

namespace {

void *volatile keep;

template <int site> __attribute__((noinline)) void *make(std::size_t size) {
    keep = ::operator new(size);
    return keep;
}

void *(*const sites[])(std::size_t) = {make<0>, make<1>, make<2>, make<3>};

__attribute__((noinline)) void pairs(long count) {
    for (long i = 0; i < count; i++)
        ::operator delete(sites[i & 3](static_cast<std::size_t>(16 + (i & 15) * 16)));
    keep = nullptr;
}

__attribute__((noinline)) void descend(int frames, long count) {
    if (frames > 0)
        descend(frames - 1, count);
    else
        pairs(count);
    keep = nullptr; // no tail call
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 3 || std::atoi(argv[1]) < 4)
        return 2;
    descend(std::atoi(argv[1]) - 4, std::atol(argv[2])); // main, descend, pairs, make
}
