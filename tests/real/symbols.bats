#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Names, lines and inlined functions beside those of llvm-symbolizer, at every call of real programs.

load ../helpers

setup_file() {
    gcc -O1 -g -std=c17 -D_GNU_SOURCE -I"$top/analyzer" -o "$BATS_FILE_TMPDIR/resolve" "$top/tests/symbols/resolve.c" \
        "$build"/analyzer/{symbols,symbol_module,symbol_cache,symbol_memo,symbol_texts,inlined_name,functions,debug_file,plt_x86_64,scopes,spans,demangle,diag}.o -ldw -lelf -liberty
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
    for flags in -O2 '-O3 -flto' '-O2 -gz' '-O2 -gsplit-dwarf'; do
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

# ---- what reports show --------------------------------------------------------------------------

# The functions of the largest site in ./report.json, innermost first, with "+" where inlined.
site() {
    python3 - "$1" <<'PY'
import json, sys
site = json.load(open(sys.argv[1]))["sites"]["by_allocated_bytes"][0]
print(" ".join(("+" if f.get("inlined") else "") + f["function"].split("(")[0] for f in site["stack"]))
PY
}

@test "a release build: its own inlined functions, plumbing folded" {
    cat >shop.cc <<'CC'
#include <vector>
static __attribute__((noinline, noclone)) void *grow(unsigned n) { char *p = new char[n]; p[0] = 1; return p; }
struct Shelf {
    std::vector<void *> things;
    __attribute__((always_inline)) void put(unsigned n) { things.push_back(grow(n)); }
};
static __attribute__((always_inline)) inline void fill(Shelf &s) {
    for (unsigned i = 0; i < 1000; i++)
        s.put(4000);
}
int main() {
    Shelf s;
    fill(s);
    for (void *p : s.things)
        delete[] static_cast<char *>(p);
}
CC
    g++ -O2 -g -o shop shop.cc
    "$heaptape" record -q -f -o x.tape -- ./shop
    "$heaptape" report --json x.tape >report.json
    [ "$(site report.json)" = 'grow +Shelf::put +fill main' ]
    "$heaptape" report --json --no-fold x.tape >report.json
    [ "$(site report.json)" = 'operator new[] grow +Shelf::put +fill main' ] ||
        [ "$(site report.json)" = 'operator new grow +Shelf::put +fill main' ]
    "$heaptape" report --json --alloc-fn=grow --alloc-fn='Shelf::*' x.tape >report.json
    [ "$(site report.json)" = '+fill main' ]
    # the vector's own memory is asked for by put(), for a person
    "$heaptape" report x.tape >report.txt
    expect_match report.txt '  Shelf::put\(unsigned int\) \(shop\.cc:5\) \[inlined\]$'
    "$heaptape" peak --filter 'Shelf::put' x.tape >peak.txt
    expect_match peak.txt 'grow\(unsigned int\) \(shop\.cc:2\)$'
    capture "$heaptape" check -- ./shop
    expect_status 0
    sed 's/delete\[\] .*;/;/' shop.cc >leak.cc
    g++ -O2 -g -o leak leak.cc
    capture "$heaptape" check -- ./leak
    expect_status 1
    expect_match err '^    at grow\(unsigned int\) \(leak\.cc:2\)$'
    capture "$heaptape" check --alloc-fn=grow -- ./leak
    expect_match err '^    at Shelf::put\(unsigned int\) \(leak\.cc:5\) \[inlined\]$'
}

@test "lambdas and local types by gcc, which gives them no linkage names, read as others do" {
    cat >local.cc <<'CC'
#include <cstdlib>
static volatile int n = 3;
void *keep[6];
namespace app {
template <class F> static void each(int k, F f) { for (int i = 0; i < k; i++) f(i); }
void work() {
    struct Local { static inline void *get(int i) { return malloc(i + 10); } };
    each(n, [](int i) { keep[i] = Local::get(i); });
}
}
int main() { app::work(); }
CC
    g++ -O2 -g -o local local.cc
    "$heaptape" record -q -f -o x.tape -- ./local
    "$heaptape" report x.tape >report.txt
    cat report.txt
    expect_match report.txt '  app::work\(\)::Local::get \(local\.cc:7\) \[inlined\]$'
    expect_match report.txt '← app::work\(\)::\{lambda\}::operator\(\) \(local\.cc:8\) \[inlined\]$'
}

@test "suppressions with inlined functions: valgrind's work here, ours work there" {
    cat >lose.cc <<'CC'
#include <string>
#include <vector>
struct Node { Node *next; std::string name; };
static __attribute__((always_inline)) inline Node *node(Node *next, const char *name) { return new Node{next, name}; }
static __attribute__((noinline)) Node *chain(int n) {
    return n == 0 ? nullptr : node(chain(n - 1), "a name that is long enough for the heap");
}
int main() {
    std::vector<Node *> *v = new std::vector<Node *>;
    v->push_back(chain(3));
    v->push_back(chain(1));
}
CC
    g++ -O2 -g -o lose lose.cc
    capture "$heaptape" check --gen-suppressions=yes -- ./lose
    expect_status 1
    sed -n '/^{/,/^}/p' err >ours.supp
    expect_match ours.supp '^   fun:node$'
    capture "$heaptape" check --suppressions=ours.supp -- ./lose
    expect_status 0
    valgrind -q --leak-check=full --error-exitcode=9 --suppressions=ours.supp ./lose
    valgrind -q --leak-check=full --show-leak-kinds=definite,indirect --gen-suppressions=all \
        --log-file=valgrind.log ./lose
    grep -v '^==' valgrind.log >theirs.supp
    expect_match theirs.supp '^   fun:node$'
    capture "$heaptape" check --suppressions=theirs.supp -- ./lose
    expect_status 0
}

@test "Rust: sites are lines of the program" {
    command -v rustc >/dev/null || skip 'rustc is not installed'
    rustc -O -g -o words "$top/bench/words.rs"
    "$heaptape" record -q -f -o x.tape -- ./words >/dev/null
    "$heaptape" report --json -n 4 x.tape >report.json
    python3 - <<'PY'
import json
report = json.load(open("report.json"))
for metric in ("by_peak", "by_allocated_bytes"):
    for site in report["sites"][metric]:
        first = site["stack"][0]
        assert first["function"].startswith("words::"), first
        assert first["file"].endswith("words.rs"), first
PY
}

@test "node: functions of the script, from the map that V8 writes" {
    command -v node >/dev/null || skip 'node is not installed'
    cat >things.js <<'JS'
function makeThings(n) {
    const all = [];
    for (let i = 0; i < n; i++)
        all.push(Buffer.allocUnsafeSlow(2000 + i % 7));
    return all;
}
let sum = 0;
for (let round = 0; round < 200; round++)
    sum += makeThings(50).length;
console.log(sum);
JS
    "$heaptape" record -q -f -o x.tape -- node --perf-basic-prof --interpreted-frames-native-stack things.js >out
    pid=$("$heaptape" info x.tape | sed -n 's/^process *pid \([0-9]*\),.*/\1/p')
    "$heaptape" report --depth 0 x.tape >report.txt
    "$heaptape" peak --filter makeThings --depth 0 x.tape >peak.txt
    rm "/tmp/perf-$pid.map"
    expect_match report.txt '← makeThings \(things\.js:1\)$'
    # a branch of the tree where it has several callers at the peak
    expect_match peak.txt '(←|├─|└─) makeThings \(things\.js:1\)$'
    "$heaptape" report --depth 0 x.tape >report.txt
    expect_match report.txt '← makeThings \(things\.js:1\)$'
}
