// SPDX-License-Identifier: MIT
// Exceptions thrown through several frames, on several threads at once.
#include <cstdio>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

__attribute__((noinline)) int convert(const std::string &text, int depth) {
    std::string copy = text + " with more than fits into the object itself";
    if (depth > 0)
        return convert(copy.substr(0, text.size()), depth - 1) + 1;
    if (copy[0] == '7')
        throw std::runtime_error("refused: " + copy);
    return static_cast<int>(copy.size());
}

void work(int first, int count, long *sum) {
    std::map<int, std::string> last;
    for (int i = first; i < first + count; i++) {
        try {
            *sum += convert(std::to_string(i % 10 * 1000 + i % 997), i % 12);
        } catch (const std::exception &e) {
            last[i % 257] = e.what();
            *sum += 1;
        }
    }
}

} // namespace

int main() {
    constexpr int threads = 4, each = 60000;
    long sum[threads] = {};
    std::vector<std::thread> pool;
    for (int t = 0; t < threads; t++)
        pool.emplace_back(work, t * each, each, &sum[t]);
    for (auto &t : pool)
        t.join();
    std::printf("%ld\n", sum[0] + sum[1] + sum[2] + sum[3]);
}
