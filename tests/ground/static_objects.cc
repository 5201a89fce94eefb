/* SPDX-License-Identifier: MIT */
/* Objects with destructors that run at the end: global, local to a function, of a thread. */
#include <memory>
#include <string>
#include <vector>

#include "ground.h"

namespace {

std::vector<std::string> texts;
std::unique_ptr<long> number;
thread_local std::vector<int> of_thread;

APART std::vector<long> &local() {
    static std::vector<long> numbers;
    return numbers;
}

} // namespace

int main() {
    for (int i = 0; i < 100; i++) {
        texts.push_back(std::string(100, 'x'));
        local().push_back(i);
        of_thread.push_back(i);
    }
    number.reset(new long(7));
    return 0;
}
