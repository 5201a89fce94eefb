#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Names kept below XDG_CACHE_HOME: the same report, without reading the modules' files again.

load ../helpers

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    export XDG_CACHE_HOME=$PWD/cache
    cat >shop.c <<'C'
#include <stdlib.h>
static void *volatile kept;
static inline __attribute__((always_inline)) void *inner(unsigned n) {
    return malloc(n);
}
int main(int argc, char **argv) {
    (void)argv;
    kept = inner(500000 * argc);
}
C
    gcc -O2 -g -Wl,--build-id -o shop shop.c
    "$heaptape" record -q -o x.tape -- ./shop
}

report() {
    "$heaptape" report "$@" x.tape >report.txt
    "$heaptape" report --json "$@" x.tape >report.json
}

# Makes ./shop's debug information unreadable; the file looks the same from outside.
spoil() {
    touch -r shop times
    python3 - <<'PY'
import subprocess
data = bytearray(open("shop", "rb").read())

for line in subprocess.run(["readelf", "-SW", "shop"], capture_output=True, text=True).stdout.splitlines():
    words = line.replace("[ ", "[").split()
    if len(words) > 5 and words[1] in (".debug_info", ".debug_line", ".symtab"):
        offset, size = int(words[4], 16), int(words[5], 16)
        data[offset:offset + size] = bytes(size)
with open("shop", "r+b") as f:
    f.write(data)
PY
    touch -r times shop
}

@test "the second report is the same, and reads no module" {
    report
    cp report.txt first.txt
    cp report.json first.json
    [ -n "$(ls cache/heaptape)" ]
    spoil
    report
    expect_same first.txt report.txt
    expect_same first.json report.json
    expect_match report.txt ' inner \(shop\.c:4\) \[inlined\]$'
    "$heaptape" report --no-cache x.tape >none.txt
    run ! grep -q 'shop\.c' none.txt
    # an address that is not in it, beside those that are
    "$heaptape" record -q -f -o x.tape -- ./shop 2
    report
    expect_match report.txt ' inner \(shop\.c:4\) \[inlined\]$'
}

@test "--no-cache neither reads nor writes, and nor do modules without build-id" {
    report --no-cache
    [ ! -e cache ]
    gcc -O2 -g -Wl,--build-id=none -o shop shop.c
    "$heaptape" record -q -f -o x.tape -- ./shop
    report
    spoil
    report
    run ! grep -q 'shop\.c' report.txt
}

@test "a debug file that comes, goes or is another one makes it void" {
    objcopy --only-keep-debug shop shop.dbg
    strip shop
    objcopy --add-gnu-debuglink=shop.dbg shop
    report
    expect_match report.txt ' inner \(shop\.c:4\) \[inlined\]$'
    mv shop.dbg away
    report
    run ! grep -q 'shop\.c' report.txt
    sed 's/inner/other/' shop.c >other.c
    gcc -O2 -g -Wl,--build-id -o other other.c
    objcopy --only-keep-debug other shop.dbg
    report
    run ! grep -q 'shop\.c:' report.txt
    expect_match report.txt '^Not used, .*shop\.dbg$'
    cp report.txt first.txt
    report
    expect_same first.txt report.txt
    mv away shop.dbg
    report
    expect_match report.txt ' inner \(shop\.c:4\) \[inlined\]$'
    cp "$BATS_TEST_TMPDIR/other" shop
    report
    expect_match report.txt '1 rebuilt since: shop'
    rm shop
    report
    expect_match report.txt '1 gone: shop'
}

@test "damaged files, those of others, and no place to write: no difference" {
    report
    cp report.txt first.txt
    for file in cache/heaptape/*.names; do
        printf 'x' | dd of="$file" bs=1 seek=40 conv=notrunc status=none
    done
    report
    expect_same first.txt report.txt
    if [ "$(id -u)" = 0 ]; then
        chown nobody cache/heaptape/*.names
        spoil
        report
        run ! grep -q 'shop\.c' report.txt
        gcc -O2 -g -Wl,--build-id -o shop shop.c
    fi
    rm -rf cache
    echo 'no directory' >cache
    capture "$heaptape" report x.tape
    expect_same first.txt out
    [ ! -s err ]
    capture env -u HOME -u XDG_CACHE_HOME "$heaptape" report x.tape
    expect_same first.txt out
}

@test "split DWARF is read anew: its files are many" {
    gcc -O2 -g -gsplit-dwarf -Wl,--build-id -c shop.c
    gcc -O2 -g -gsplit-dwarf -Wl,--build-id -o shop shop.o
    "$heaptape" record -q -f -o x.tape -- ./shop
    report
    expect_match report.txt ' inner \(shop\.c:4\) \[inlined\]$'
    rm shop.dwo
    report
    expect_match report.txt '^Inlined functions are not known in shop'
}
