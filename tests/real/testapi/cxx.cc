// SPDX-License-Identifier: MIT
/*
 * Tests of C++: what containers, smart pointers and streams keep is not lost; what a test leaves
 * behind is. Prints what is wrong.
 */
#include <heaptape/heaptape.h>

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

struct part {
    std::string name;
    std::vector<int> numbers;
    part *other = nullptr;
};

static std::vector<std::unique_ptr<part>> cache;
static std::map<std::string, std::shared_ptr<part>> index_of;
static volatile std::uintptr_t hidden;
static int wrong;

static part *make(const char *name) {
    auto *p = new part;
    p->name = name;
    p->numbers.assign(10, 1);
    return p;
}

[[gnu::noinline]] static void clean() {
    std::vector<std::string> words;
    for (int i = 0; i < 1000; i++)
        words.push_back(std::to_string(i) + " and some more text behind it");
    std::map<std::string, part> parts;
    for (auto &word : words)
        parts[word].numbers.push_back(1);
    std::ostringstream out;
    out << words.size() << std::endl;
    std::cout << "";
}

[[gnu::noinline]] static void kept() {
    for (int i = 0; i < 50; i++) {
        cache.emplace_back(make("a name that does not fit the string itself"));
        index_of[std::to_string(i)] = std::make_shared<part>();
    }
}

[[gnu::noinline]] static void in_thread() {
    std::thread([] { clean(); }).join();
}

[[gnu::noinline]] static void lost() {
    hidden = ~reinterpret_cast<std::uintptr_t>(make("a name that does not fit the string itself"));
}

[[gnu::noinline]] static void lost_array() {
    hidden = ~reinterpret_cast<std::uintptr_t>(new double[100]());
}

/* Derived from another class as well: the pointer is one to the middle of the block. */
struct first {
    virtual ~first() = default;
    long a = 1;
};
struct second {
    virtual ~second() = default;
    long b = 2;
};
struct both : first, second {};
static second *volatile middle;

[[gnu::noinline]] static void kept_by_base() {
    middle = new both;
}

static std::vector<void *> pointers;
[[gnu::noinline]] static void kept_malloc() {
    pointers.push_back(std::calloc(1, 64));
}

static void run(const char *name, void (*test)(), std::size_t right) {
    heaptape_test_begin(name);
    test();
    std::size_t got = heaptape_test_end();
    if (got != (heaptape_active() ? right : 0)) {
        std::cout << name << ": " << got << " instead of " << right << "\n";
        wrong = 1;
    }
}

int main() {
    for (int i = 0; i < 3; i++) {
        run("clean", clean, 0);
        run("kept", kept, 0);
        run("in_thread", in_thread, 0);
        run("lost", lost, sizeof(part) + 10 * sizeof(int) + 43);
        run("lost_array", lost_array, 800);
        run("kept_by_base", kept_by_base, 0);
        run("kept_malloc", kept_malloc, 0);
    }
    std::cout << "done\n";
    return wrong;
}
