#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Where a module's names and lines may lie, and what is shown of a module that has none.

load ../helpers

source() {
    cat >shop.c <<'C'
#include <stdlib.h>
__attribute__((noinline)) static void *outer(unsigned n);
static void *volatile kept;
static volatile unsigned size = 500000;
static inline __attribute__((always_inline)) void *inner(unsigned n) {
    return malloc(n); // INNER
}
static inline __attribute__((always_inline)) void *middle(unsigned n) {
    char *p = inner(n + 1); // MIDDLE
    *p = 1;
    return p;
}
static void *outer(unsigned n) {
    char *p = middle(n + 1); // OUTER
    p[1] = 2;
    return p;
}
int main(void) {
    kept = outer(size); // MAIN
    return 0;
}
C
}

line() {
    grep -n "// $1\$" shop.c | cut -d: -f1
}

# Builds with these flags, and records.
build() {
    source
    gcc -O2 -g -Wl,--build-id "$@" -o shop shop.c
    record
}

record() {
    "$heaptape" record -q -f -o x.tape -- ./shop
}

# The largest site: "function:line" each, "+" where inlined, up to main; without options the report
# of ./x.tape.
site() {
    "$heaptape" report --json -n 1 "$@" x.tape >report.json
    "$heaptape" report -n 1 "$@" x.tape >report.txt
    python3 - <<'PY'
import json, os
report = json.load(open("report.json"))
stack = report["sites"]["by_peak"][0]["stack"]
print(" ".join(("+" if f.get("inlined") else "") + f.get("function", os.path.basename(f["module"]) + "+?") +
               (":%d" % f["line"] if "line" in f else "") for f in stack if f["module"].endswith("/shop")))
PY
}

expect_site() {
    local expected=$1 found
    shift
    found=$(site "$@")
    [ "$found" = "$expected" ] && return
    echo "found '$found', expected '$expected'"
    return 1
}

whole() {
    echo "+inner:$(line INNER) +middle:$(line MIDDLE) outer:$(line OUTER) main:$(line MAIN)"
}

@test "in the file, plain and compressed, of every version of DWARF" {
    for flags in -gdwarf-4 -gz -g1; do
        build $flags
        expect_site "$(whole)"
    done
}

@test "functions alone: a symbol table; nothing: none" {
    build
    strip -g shop
    expect_site 'outer main'
    strip shop
    expect_site 'shop+? shop+?'
    expect_match report.txt ' shop\+0x[0-9a-f]+$'
    expect_match report.txt '1 of [0-9]+ modules without symbols \(1 stripped: shop\)'
    # exported names are left, and name nothing else
    build -g0 -rdynamic
    strip shop
    expect_site 'shop+? main'
}

@test "a debug link, beside the file and below .debug" {
    build
    objcopy --only-keep-debug shop shop.dbg
    strip shop
    objcopy --add-gnu-debuglink=shop.dbg shop
    expect_site "$(whole)"
    mkdir .debug
    mv shop.dbg .debug
    expect_site "$(whole)"
    rm .debug/shop.dbg
    expect_site 'shop+? shop+?'
    expect_no_match report.txt '^Not used'
}

@test "build-id directories" {
    build
    id=$(readelf -n shop | sed -n 's/.*Build ID: //p')
    mkdir -p "dir/.build-id/${id:0:2}"
    objcopy --only-keep-debug shop "dir/.build-id/${id:0:2}/${id:2}.debug"
    strip shop
    expect_site 'shop+? shop+?'
    expect_site "$(whole)" --debug-dir=dir
}

@test "a debug file of another build: not used, and said" {
    build
    id=$(readelf -n shop | sed -n 's/.*Build ID: //p')
    objcopy --only-keep-debug shop shop.dbg
    strip shop
    objcopy --add-gnu-debuglink=shop.dbg shop
    sed 's/500000/ 600000/' shop.c >other.c
    gcc -O1 -g -Wl,--build-id -o other other.c
    objcopy --only-keep-debug other shop.dbg
    expect_site 'shop+? shop+?'
    expect_match report.txt "^Not used, as it is of another build than the module: $PWD/shop\.dbg$"
    [ "$(json report.json completeness.debug_files_rebuilt)" = 1 ]
    rm shop.dbg
    mkdir -p "dir/.build-id/${id:0:2}"
    objcopy --only-keep-debug other "dir/.build-id/${id:0:2}/${id:2}.debug"
    expect_site 'shop+? shop+?' --debug-dir=dir
    expect_match report.txt "^Not used, as it is of another build than the module: $PWD/dir/\.build-id/.*\.debug$"
    expect_no_match <("$heaptape" report x.tape) '^Not used'
}

@test "a rebuilt program: no names at all, and said" {
    build
    sed 's/500000/ 600000/' shop.c >other.c
    gcc -O1 -g -Wl,--build-id -o shop other.c
    expect_site 'shop+? shop+?'
    expect_match report.txt '1 of [0-9]+ modules without symbols \(1 rebuilt since: shop\)'
    [ "$(json report.json completeness.modules_rebuilt)" = 1 ]
    rm shop
    expect_site 'shop+? shop+?'
    expect_match report.txt '1 of [0-9]+ modules without symbols \(1 gone: shop\)'
}

@test "mini debuginfo" {
    needs xz
    build
    objcopy -S --keep-symbol=outer --keep-symbol=main shop mini
    xz -f mini
    strip shop
    objcopy --add-section .gnu_debugdata=mini.xz shop
    expect_site 'outer main'
}

@test "split DWARF: through the skeleton; without .dwo files lines alone, and said" {
    for compiler in gcc clang; do
        command -v $compiler >/dev/null || continue
        for version in 5 4; do
            source
            $compiler -O2 -g -gdwarf-$version -gsplit-dwarf -Wl,--build-id -c -o shop.o shop.c
            $compiler -O2 -g -gsplit-dwarf -Wl,--build-id -o shop shop.o
            record
            expect_site "$(whole)"
            expect_no_match report.txt '^Inlined functions'
            mkdir away
            mv ./*.dwo away
            expect_site "outer:$(line INNER) main:$(line MAIN)"
            expect_match report.txt '^Inlined functions are not known in shop: \.dwo files are missing'
            [ "$(json report.json completeness.modules_without_dwo)" = 1 ]
            # of another build
            sed 's/500000/ 600000/' shop.c >other.c
            $compiler -O1 -g -gdwarf-$version -gsplit-dwarf -c -o other.o other.c
            mv other.dwo shop.dwo
            expect_site "outer:$(line INNER) main:$(line MAIN)"
            rm -r away
        done
    done
}

expect_no_match() {
    ! grep -E "$2" "$1"
}
