#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Names of code made at run time stay in the tape when the map in /tmp is gone.

load ../helpers

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return 1
    cat >jit.c <<'C'
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
/* push %rbp; mov %rsp,%rbp; movabs $malloc,%rax; call *%rax; pop %rbp; ret */
static const unsigned char code[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0xb8, 0, 0, 0, 0,
                                     0,    0,    0,    0,    0xff, 0xd0, 0x5d, 0xc3};
int main(int argc, char **argv) {
    unsigned char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *(*target)(size_t) = malloc;
    char name[64];
    snprintf(name, sizeof name, "/tmp/perf-%d.map", (int)getpid());
    FILE *map = fopen(name, "w");
    fprintf(map, "%lx %x unused\n", (long)page + 2048, 100);
    for (int i = 0; i < 2; i++) {
        memcpy(page + 1024 * i, code, sizeof code);
        memcpy(page + 1024 * i + 6, &target, sizeof target);
        fprintf(map, "%lx %x %s\n", (long)page + 1024 * i, (unsigned)sizeof code,
                i == 0 ? "makeBlocks::first" : "JS:*second /src/page.js:12:5");
    }
    fclose(map);
    for (int i = 0; i < 2; i++)
        ((void *(*)(size_t))(page + 1024 * i))(100000);
    puts(name);
    fflush(stdout);
    if (argc > 1 && strcmp(argv[1], "abort") == 0)
        abort();
    return 0;
}
C
    gcc -O1 -g -o jit jit.c
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    [ "$(uname -m)" = x86_64 ] || skip 'the test has code for x86-64 only'
}

teardown() {
    [ ! -e map ] || rm -f "$(cat map)"
}

chunks() {
    python3 - "$1" <<'PY'
import struct, sys
data = open(sys.argv[1], "rb").read()
found, at = [], 0
while (at := data.find(b"HCHK", at)) >= 0:
    if at % 8 == 0:
        found.append(data[at + 4])
    at += 4
print(found.count(20))
PY
}

@test "the tape has them, whatever ended the program" {
    for how in return abort; do
        capture "$heaptape" record -q -f -o x.tape -- "$BATS_FILE_TMPDIR/jit" $how
        cp out map
        [ "$(chunks x.tape)" = 1 ]
        "$heaptape" report x.tape >before.txt
        rm "$(cat map)"
        "$heaptape" report x.tape >report.txt
        expect_same before.txt report.txt
        expect_match report.txt ' makeBlocks::first$'
        expect_match report.txt ' second \(page\.js:12\)$'
        expect_match report.txt '^Complete'
        # only what names a frame
        run ! grep -qa unused x.tape
    done
}

@test "a tape's own map counts, not that of a later process of the same number" {
    "$heaptape" record -q -o x.tape -- "$BATS_FILE_TMPDIR/jit" >map
    sed -i 's/makeBlocks::first/somebody::elses/' "$(cat map)"
    "$heaptape" peak x.tape >peak.txt
    expect_match peak.txt 'makeBlocks::first'
    run ! grep -q somebody peak.txt
}

@test "without a map, or without frames that it names, nothing is added" {
    "$heaptape" record -q -o x.tape -- "$BATS_FILE_TMPDIR/jit" >map
    rm "$(cat map)"
    cat >plain.sh <<'SH'
echo "1000 10 nobody" >/tmp/perf-$$.map
echo /tmp/perf-$$.map
SH
    "$heaptape" record -q -o y.tape -- bash plain.sh >map
    [ "$(chunks y.tape)" = 0 ]
    "$heaptape" report y.tape >report.txt
    expect_match report.txt '^Complete'
}

@test "a damaged CODE_MAP chunk is told, and the rest is read" {
    "$heaptape" record -q -o x.tape -- "$BATS_FILE_TMPDIR/jit" >map
    rm "$(cat map)"
    python3 - <<'PY'
data = bytearray(open("x.tape", "rb").read())
at = 0
while True:
    at = data.index(b"HCHK", at + 1)
    if at % 8 == 0 and data[at + 4] == 20:
        break
data[at + 64 + 20] ^= 0x55
open("x.tape", "wb").write(data)
PY
    capture "$heaptape" report x.tape
    expect_match out '^First damage: .*CODE_MAP chunk: '
    run ! grep -q makeBlocks out
    expect_match out ' main \(jit\.c:25\)$'
}

@test "reports of several processes, and checks, have the names, too: the same function is one site" {
    for i in 1 2; do
        "$heaptape" record -q -f -o "$i.tape" -- "$BATS_FILE_TMPDIR/jit" >"map$i"
        rm -f "$(cat "map$i")"
    done
    "$heaptape" report 1.tape 2.tape >report.txt
    cat report.txt
    expect_match report.txt ' 195\.31 KiB .* 2 +makeBlocks::first$'
    expect_match report.txt ' 195\.31 KiB .* 2 +second \(page\.js:12\)$'
    capture "$heaptape" check -- "$BATS_FILE_TMPDIR/jit"
    cp out map
    expect_status 1
    expect_match err '^    at makeBlocks::first$'
    expect_match err '^    at second \(/?.*page\.js:12\)$'
}
