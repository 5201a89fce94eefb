#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Names, lines and inlined functions beside those of llvm-symbolizer, at every call of real programs.

load ../helpers

setup_file() {
    gcc -O1 -g -std=c17 -D_GNU_SOURCE -I"$top/analyzer" -o "$BATS_FILE_TMPDIR/resolve" "$top/tests/symbols/resolve.c" \
        "$build"/analyzer/{symbols,scopes,spans,demangle,diag}.o -ldw -lelf -liberty
}

# At least so many calls must lie in inlined functions; and nowhere may the chains differ.
compare() {
    local least=$1 inlined
    shift
    command -v llvm-symbolizer >/dev/null || skip 'llvm-symbolizer is not installed'
    python3 "$top/tests/symbols/compare.py" "$BATS_FILE_TMPDIR/resolve" "$@" >found
    cat found
    inlined=$(sed -n 's/.* calls, \([0-9]*\) in inlined functions.*/\1/p' found | awk '{ n += $1 } END { print n }')
    [ "$inlined" -ge "$least" ]
    expect_no_match found '(depth of inlining|lines|files|name of an inlined function|no source), e\.g\.'
}

expect_no_match() {
    ! grep -E "$2" "$1" | grep -v 'no source here'
}

@test "C: heaptape itself" {
    compare 1000 "$heaptape"
}

@test "C++ by gcc: templates, exceptions, link-time optimization" {
    for flags in -O2 -O3 '-O2 -flto' '-O2 -gdwarf-4' '-O2 -gz' '-O2 -gsplit-dwarf'; do
        # shellcheck disable=SC2086 # words
        g++ -g $flags -pthread -o exceptions "$top/bench/exceptions.cc"
        compare 50 ./exceptions
    done
    g++ -g -O2 -o regex -x c++ - <<'CC'
#include <iostream>
#include <map>
#include <regex>
int main(int argc, char **argv) {
    std::map<std::string, std::regex> m;
    for (int i = 1; i < argc; i++)
        m.emplace(argv[i], std::regex(argv[i]));
    for (auto &e : m)
        std::cout << std::regex_replace(e.first, e.second, "x") << "\n";
}
CC
    compare 1000 ./regex
}

@test "C++ by clang" {
    command -v clang++ >/dev/null || skip 'clang++ is not installed'
    for flags in -O2 '-O2 -gdwarf-4' '-O2 -gsplit-dwarf'; do
        # shellcheck disable=SC2086 # words
        clang++ -g $flags -pthread -o exceptions "$top/bench/exceptions.cc"
        compare 50 ./exceptions
    done
}

@test "Rust, with its library" {
    command -v rustc >/dev/null || skip 'rustc is not installed'
    rustc -O -g -o words "$top/bench/words.rs"
    compare 1000 ./words
}
