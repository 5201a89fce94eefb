#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Tests that a program marks: heaptape_test_end() returns what the test has lost, to the byte, and
# nothing that anything points to.

load ../helpers

programs=$top/tests/real/testapi

compile() {
    local source=$1
    shift
    ulimit -c 0
    case $source in
    *.cc) g++ -std=c++17 -Wall -Wextra -Werror -I"$top/include" -g -pthread -o "${source%.cc}" "$programs/$source" "$@" ;;
    *) gcc -std=c17 -D_GNU_SOURCE -Wall -Wextra -Werror -I"$top/include" -g -fno-builtin -pthread -o "${source%.c}" "$programs/$source" -ldl "$@" ;;
    esac
}

# Runs a program recorded; its status must be $1.
record() {
    local expected=$1
    shift
    rm -f x.tape*
    capture env HEAPTAPE_OUT=x.tape LD_PRELOAD="$build/libheaptape.so${preload:+:$preload}" "$@"
    expect_status "$expected" || return 1
}

# The output is these lines.
expect_out() {
    printf '%s\n' "$@" >expected
    expect_same expected out || return 1
}

use_jemalloc() {
    preload=$(gcc -print-file-name=libjemalloc.so.2)
    [ -e "$preload" ] || preload=$(ldconfig -p | sed -n 's/.*libjemalloc\.so\.2 .*=> //p' | head -n 1)
    [ -e "$preload" ] || skip "there is no libjemalloc.so.2"
}

@test "every case in one process, and each in one of its own" {
    for level in 0 1 2; do
        compile cases.c -O$level
        record 0 ./cases || { cat out; return 1; }
    done
    ./cases list >list
    [ "$(wc -l <list)" -ge 36 ]
    while read -r name; do
        record 0 ./cases "$name" || { cat out; return 1; }
        expect_match out "^$name [0-9]* right$"
    done <list
}

@test "without the recorder nothing is lost, and nothing happens" {
    compile cases.c -O1
    capture ./cases
    expect_status 0
    run ! grep -E ' [1-9][0-9]* ' out
    compile life.c -O1
    capture ./life nested
    expect_out 'innermost 0' 'inner 0' 'second 0' 'outer 0' 'none 0'
}

@test "every case with buffers that are full all the time, and inside a leak check" {
    compile cases.c -O1
    HEAPTAPE_BUFFER_EVENTS=16 record 0 ./cases
    capture env HEAPTAPE_IMAGE=exit HEAPTAPE_OUT=x.tape LD_PRELOAD="$build/libheaptape.so" ./cases
    expect_status 0
    capture "$heaptape" check --error-exitcode=9 -- ./cases lost
    expect_status 9
    expect_match out '^lost 100 right$'
    capture "$heaptape" check -- ./cases freed
    expect_status 0
}

@test "jemalloc underneath" {
    use_jemalloc
    compile cases.c -O1
    ./cases list >list
    while read -r name; do
        record 0 ./cases "$name" || { cat out; return 1; }
    done <list
}

@test "containers, smart pointers, streams and threads of C++" {
    for level in 0 2; do
        compile cxx.cc -O$level
        record 0 ./cxx || { cat out; return 1; }
        expect_out 'done'
    done
    # Blocks of an operator new that is not recorded may point to any other: nothing wrong is said.
    use_jemalloc
    record 1 ./cxx
    run ! grep -v -e ': 0 instead of ' -e '^done$' out
}

@test "tests in one another; more of them than are told apart; ends without a beginning" {
    compile life.c -O1
    record 0 ./life nested
    expect_out 'innermost 0' 'inner 100' 'second 1000' 'outer 110' 'none 0'
    record 0 ./life deep
    expect_out 0 0 0 0 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 0
}

@test "the mark at the end of a test has its name" {
    compile life.c -O1
    record 0 ./life nested
    "$heaptape" dump x.tape | sed -n 's/.* mark .*text="\([^"]*\)".*/\1/p' >marks
    printf '%s\n' outer inner innermost innermost inner second second outer >expected
    expect_same expected marks
    record 0 ./life deep
    "$heaptape" dump x.tape | grep -c ' mark ' >count
    [ "$(cat count)" -eq 32 ]
    record 0 ./life names
    "$heaptape" dump x.tape | sed -n 's/.* mark .*text="\([^"]*\)".*/\1/p' >marks
    long=$(printf 'n%.0s' {1..1023})
    printf '%s\n' "$long" '' '' '' '' "$long" >expected
    expect_same expected marks
}

@test "a hundred thousand tests: nothing is lost, memory does not grow" {
    compile life.c -O1
    record 0 ./life many
    expect_out 'lost 0'
}

@test "addresses of blocks that are no more, in freed memory" {
    compile life.c -O1
    record 0 ./life reused
    expect_out 'wrong 0'
}

@test "other threads allocate, resize, hand over and free all the time" {
    compile life.c -O1
    for events in 0 64; do
        HEAPTAPE_BUFFER_EVENTS=$events record 0 ./life threads
        cat err
        expect_out 'wrong 0'
    done
    # With another allocator a loss may be missed (a thread is in realloc for long), none made up.
    use_jemalloc
    record 0 ./life threads
    run ! grep -v ': 0 instead of 123457$' err
}

@test "a thread that sleeps in the kernel goes on sleeping" {
    compile life.c -O1
    record 0 ./life reading
    expect_out 'lost 50' 'read 0'
}

@test "a child for each test" {
    compile life.c -O1
    record 0 ./life forks
    expect_out 'failed 0 0, parent 5'
    tapes=(x.tape*)
    [ ${#tapes[@]} -eq 22 ]
    record 0 ./life forks_with_threads
    expect_out 'failed 0 0, parent 5'
    use_jemalloc
    record 0 ./life forks
    expect_out 'failed 0 0, parent 5'
}

@test "blocks that are not recorded keep what they point to" {
    compile life.c -O1
    HEAPTAPE_PAUSED=1 record 0 ./life paused
    expect_out 'paused 0' 'recorded 30' 'in between 0'
}

@test "a library that is loaded late, by a program that knows nothing of tests" {
    compile plugin.c -O1
    mv plugin plugin.o1
    gcc -I"$top/include" -g -O1 -fPIC -shared -DPLUGIN -o plugin.so "$programs/plugin.c"
    record 0 ./plugin.o1
    expect_out 'lost 200, clean 0'
}

@test "behind a filter everything that is not freed counts" {
    compile life.c -O1
    record 0 ./life filtered
    expect_out 'before 30' 'clean 0' 'behind 50'
}

@test "where no process can be made the memory itself is read" {
    [ "$(id -u)" -eq 0 ] || skip 'needs root'
    compile life.c -O1
    chmod 777 .
    record 0 ./life limited
    expect_out 'clean 0' 'lost 30'
}

@test "each call for resources fails in turn" {
    compile cases.c -O1
    for ((n = 1; n <= 60; n++)); do
        rm -f x.tape*
        capture env HEAPTAPE_FAIL_CALL=$n HEAPTAPE_OUT=x.tape LD_PRELOAD="$build/libheaptape.so" ./cases prints held_by_global chain
        [ "$(grep -c -e right -e WRONG out)" -eq 3 ]
        # A loss may be missed; what is kept may count only when nobody could look.
        run ! grep -E '^(prints|held_by_global) .* WRONG' out
    done
}

# Compiles linked.c with the command and options; it says that there is a recorder where there is
# one, and that there is none otherwise.
expect_linked() {
    "$@" -I"$top/include" -Wall -Wextra -Werror -o linked
    [ "$(./linked)" = '0 0' ]
    [ "$(HEAPTAPE_OUT=linked.tape LD_PRELOAD=$build/libheaptape.so ./linked)" = "${linked:-1 24}" ] || {
        echo "not bound: $*"
        return 1
    }
    rm -f linked.tape*
}

@test "the functions are bound however the program is compiled and linked" {
    needs gcc g++ clang clang++
    source=$top/tests/real/testapi/linked.c
    for how in '-O0 -fno-pie -no-pie' '-O2 -fno-pie -no-pie' '-O2 -fPIE -pie'; do
        for language in 'gcc -xc' 'clang -xc' 'g++ -xc++' 'clang++ -xc++'; do
            # shellcheck disable=SC2086 # words
            expect_linked $language $how -fno-builtin "$source"
        done
    done
    # From a static archive for a fixed address, without the linkage table, with the other syntax of
    # assembly, and with code generated while linking.
    gcc -O2 -fno-pie -fno-builtin -I"$top/include" -c -o linked.o "$source"
    ar rc liblinked.a linked.o
    expect_linked gcc -no-pie -Wl,--undefined=main liblinked.a
    expect_linked gcc -O2 -fno-plt -fno-pie -no-pie -fno-builtin "$source"
    expect_linked gcc -O2 -masm=intel -fno-pie -no-pie -fno-builtin "$source"
    expect_linked gcc -O2 -flto -fno-pie -no-pie -fno-builtin "$source"
    for linker in gold lld; do
        command -v "ld.$linker" >/dev/null || continue
        expect_linked gcc -O2 "-fuse-ld=$linker" -fno-pie -no-pie -fno-builtin "$source"
        expect_linked gcc -O2 "-fuse-ld=$linker" -fPIE -pie -fno-builtin "$source"
    done
    # A static program cannot be recorded: the functions do nothing.
    linked='0 0' expect_linked gcc -O2 -static -fno-builtin "$source"
}
