// SPDX-License-Identifier: MIT
// What the compiler is measured on: much template code.
#include <algorithm>
#include <map>
#include <regex>
#include <string>
#include <vector>

std::map<std::string, std::vector<std::string>> group(const std::vector<std::string> &lines) {
    static const std::regex pattern("([a-z]+)=([0-9]+)", std::regex::icase);
    std::map<std::string, std::vector<std::string>> result;
    for (const auto &line : lines)
        for (std::sregex_iterator i(line.begin(), line.end(), pattern), end; i != end; ++i)
            result[(*i)[1]].push_back((*i)[2]);
    for (auto &entry : result)
        std::sort(entry.second.begin(), entry.second.end());
    return result;
}
