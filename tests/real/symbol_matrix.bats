#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# One program, as compilers build it: the stack that its source has, whatever was made of it.

load ../helpers

# The program prints the lines of its calls, innermost first.
sources() {
    cat >shop.cc <<'CC'
#include <cstdio>
#include <cstdlib>
static unsigned volatile size = 500000;
namespace shop {
enum { INNER = __LINE__ + 2 };
template <class T> static inline T *inner(unsigned n) {
    return static_cast<T *>(malloc(n));
}
enum { MIDDLE = __LINE__ + 2 };
static inline char *middle(unsigned n) {
    char *p = inner<char>(n + 1);
    *p = 1;
    return p;
}
enum { OUTER = __LINE__ + 2 };
__attribute__((noinline)) static char *outer(unsigned n) {
    char *p = middle(n + 1);
    p[1] = 2;
    return p;
}
}
enum { MAIN = __LINE__ + 2 };
int main() {
    char *volatile p = shop::outer(size);
    printf("shop::inner<char>:%d shop::middle:%d shop::outer:%d main:%d\n", shop::INNER, shop::MIDDLE, shop::OUTER, MAIN);
    return p == nullptr;
}
CC
    cat >shop.rs <<'RS'
const INNER: u32 = line!() + 3;
#[inline(always)]
fn inner(n: usize) -> Vec<u8> {
    Vec::with_capacity(n)
}
const MIDDLE: u32 = line!() + 3;
#[inline(always)]
fn middle(n: usize) -> Vec<u8> {
    let mut v = inner(n + 1);
    v.push(1);
    v
}
const OUTER: u32 = line!() + 3;
#[inline(never)]
fn outer(n: usize) -> Vec<u8> {
    let mut v = middle(n + 1);
    v.push(2);
    v
}
const MAIN: u32 = line!() + 2;
fn main() {
    let v = outer(std::hint::black_box(500_000));
    println!("shop::inner:{INNER} shop::middle:{MIDDLE} shop::outer:{OUTER} shop::main:{MAIN}");
    std::hint::black_box(v);
}
RS
}

# Records ./shop and keeps its report and what it printed under a name for the build.
keep() {
    "$heaptape" record -q -f -o x.tape -- ./shop >"$1.expected"
    "$heaptape" report --json -n 1 --depth 0 x.tape >"$1.json"
}

# Every report has the stack that the program has printed: with lines, or without debug information
# functions alone (those that are not put inline), or nothing at all.
check_all() {
    python3 - "$@" <<'PY'
import json, os, sys
failed = 0
for report in sys.argv[1:]:
    name = report[:-5]
    words = open(name + ".expected").read().split()
    stack = json.load(open(report))["sites"]["by_peak"][0]["stack"]
    found = []
    for f in stack:
        if not f["module"].endswith("/shop"):
            break
        text = f["function"].split("(")[0].split(" ")[-1] if "function" in f else "shop+"
        found.append(text + (":%d" % f["line"] if "line" in f else ""))
        if text in ("main", "shop::main"):
            break
    if name.endswith("stripped"):
        good = len(found) >= 2 and set(found) == {"shop+"}
    elif name.endswith("symbols"):
        plain = [w.split(":")[-2] for w in words]
        own = [f.split("::")[-1] for f in found]
        good = own[-2:] == plain[-2:] and ("O2" in name or own == plain) and ":" not in own[-1]
    else:
        if name.endswith("O2-g1"):  # it has no namespaces, and these functions no linkage names
            words = [w.replace("shop::", "") for w in words[:2]] + words[2:]
        good = found == words
        inlined = [f.get("inlined", False) for f in stack[:len(found)]]
        forced = "debuginfo" in name  # rustc's inline(always)
        good = good and (inlined == [True, True, False, False]) == ("O2" in name or forced)
    if not good:
        print(f"{name}: found {found}, expected {words}")
        failed = 1
sys.exit(failed)
PY
}

# Both forms without debug information, of the program as it is.
strip_down() {
    strip -g shop
    keep "$1-symbols"
    strip shop
    keep "$1-stripped"
}

c_matrix() {
    sources
    local optimization debug
    for optimization in -O0 -O2; do
        for debug in -g1 '-g -gz' '-g -gsplit-dwarf' -g; do
            # shellcheck disable=SC2086 # words
            "$1" $optimization $debug -c -o shop.o shop.cc
            # shellcheck disable=SC2086 # words
            "$1" $optimization $debug -Wl,--build-id -o shop shop.o
            keep "build$optimization${debug// /}"
        done
        strip_down "build$optimization"
    done
    [ "$(ls build*.json | wc -l)" -eq 12 ]
    check_all build*.json
}

@test "g++" {
    c_matrix g++
}

@test "clang++" {
    needs clang++
    c_matrix clang++
}

@test "rustc" {
    needs rustc
    sources
    local optimization debug
    for optimization in 0 2; do
        for debug in -Cdebuginfo=1 '-Cdebuginfo=2 -Csplit-debuginfo=unpacked' \
            '-Cdebuginfo=2 -Clink-arg=-Wl,--compress-debug-sections=zlib'; do
            # shellcheck disable=SC2086 # words
            rustc -Copt-level=$optimization $debug -Clink-arg=-Wl,--build-id -o shop shop.rs
            keep "build-O$optimization${debug//[^a-z0-9]/}"
        done
        objcopy --decompress-debug-sections shop
        strip shop
        keep "build-O$optimization-stripped"
    done
    [ "$(ls build*.json | wc -l)" -eq 8 ]
    check_all build*.json
}

@test "what cannot be recorded says so: static-pie, and the C library musl" {
    sources
    g++ -static-pie -o shop shop.cc
    capture "$heaptape" record -o x.tape -- ./shop
    expect_status 126
    expect_line err '^heaptape: \./shop: is statically linked'
    if command -v musl-gcc >/dev/null; then
        printf 'int main(void) { return 0; }\n' >m.c
        musl-gcc -o shop m.c
    else # its loader's name is what tells
        : >ld-musl-x86_64.so.1
        g++ -Wl,--dynamic-linker="$PWD/ld-musl-x86_64.so.1" -o shop shop.cc
    fi
    capture "$heaptape" record -o x.tape -- ./shop
    expect_status 126
    expect_line err '^heaptape: \./shop: is loaded by .*/ld-musl-x86_64\.so\.1; only programs of the GNU C library can be recorded$'
    [ ! -e x.tape ]
}
