#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Modules that come and go: names stay right when addresses are used again.

load ../helpers

@test "three plugins at the same addresses in turn: each keeps its own name" {
    for name in one two three; do
        gcc -g -O1 -fno-optimize-sibling-calls -shared -fPIC -DNAME=alloc_$name \
            -o $name.so "$top/tests/real/modules/plugin.c"
    done
    gcc -O1 -o host "$top/tests/real/modules/host.c" -ldl
    capture "$heaptape" record -q -o x.tape -- ./host
    expect_status 0
    [ "$(cat out)" -ge 200 ] # most of the 300 loads got the same addresses: otherwise no test
    "$heaptape" leaks --flat --threshold 0 x.tape >flat
    for name in one two three; do
        expect_match flat " 100 .* alloc_$name \(plugin\.c:"
    done
    [ "$("$heaptape" dump --no-stacks x.tape | grep -c ' module_unload ')" -ge 299 ]
}

@test "a module that the program loaded by a relative path has its full path on the tape" {
    gcc -g -O1 -shared -fPIC -DNAME=alloc_one -o one.so "$top/tests/real/modules/plugin.c"
    cp one.so two.so
    cp one.so three.so
    gcc -O1 -o host "$top/tests/real/modules/host.c" -ldl
    "$heaptape" record -q -o x.tape -- ./host >out
    "$heaptape" dump --no-stacks x.tape >dump
    expect_match dump 'path="/.*/one\.so"'
}
