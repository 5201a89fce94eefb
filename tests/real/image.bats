#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Heap images: every pointer of the program is in one, what the recorder and the allocator keep for
# themselves is not, and the program notices nothing.

load ../helpers

programs=$top/tests/real/image

compile() {
    ulimit -c 0
    gcc -std=c17 -D_GNU_SOURCE -I"$top/include" -g -O1 -fno-builtin -pthread -o "$1" "$programs/$1.c" -ldl
}

images() {
    python3 "$programs/images.py" "$@"
}

# Records ./PROGRAM ARGUMENTS… to ./x.tape, with an image at the end; its status must be $1.
record() {
    local expected=$1
    shift
    rm -f x.tape*
    capture env HEAPTAPE_IMAGE=exit HEAPTAPE_OUT=x.tape LD_PRELOAD="$build/libheaptape.so${preload:+:$preload}" "$@"
    expect_status "$expected"
    [ ! -s err ] || {
        cat err
        return 1
    }
}

# The block that ./out names is pointed to from there (kinds of regions, or -) in the last image.
expect_kinds() {
    local block kinds
    block=$(sed -n "s/^$1 //p" out | head -n 1)
    kinds=$(images where "${3-x.tape}" "$block" | cut -d ' ' -f 2-)
    [ "$kinds" = "$2" ] && return
    echo "$1 $block: expected $2, got $kinds"
    images show "${3-x.tape}"
    cat out
    return 1
}

# The last image is whole and frozen, or not frozen ($1: 1 or 0).
expect_whole() {
    images show x.tape | grep '^image' | tail -n 1 >shown
    expect_match shown "frozen ${1-1} .* why -$"
}

@test "a pointer in every place, and in none of those that do not count" {
    compile planted
    for way in exit _exit; do
        record 7 ./planted $way
        expect_whole
        expect_kinds global module
        expect_kinds data module
        expect_kinds tls other
        expect_kinds block other
        expect_kinds leaked -
        expect_kinds other_stack stack
        expect_kinds other_tls stack
        expect_kinds ended_stack -
        # Of its stack there is the one word by which libc keeps the thread's table.
        images show x.tape >shown
        [ "$(grep -cE '^region [0-9a-f]+ 8 stack 0 0$' shown)" -eq 1 ]
        images words x.tape >words
        expect_match words "^registers [1-9][0-9]* [0-9a-f]+ $(sed -n 's/^register //p' out)$"
    done
}

@test "the state of glibc's allocator is in no region" {
    compile bins
    record 0 ./bins
    expect_whole
    images words x.tape >words
    # Of the bins' words none is left; the module's others are few.
    [ "$(grep -c '^module' words)" -lt 60 ]
    sed 's/leaked \(.*\)/^(module|registers) .* \1$/' out >patterns
    [ "$(wc -l <patterns)" -eq 100 ]
    run ! grep -E -f patterns words
}

@test "a program sees no child, no SIGCHLD, no descriptor, no handler, no errno" {
    compile unseen
    record 5 ./unseen marks
    expect_whole
    expect_kinds global module
    images show x.tape | grep '^image' >shown
    [ "$(wc -l <shown)" -eq 4 ]
    expect_match shown '^image 2 reason 1 name second frozen 1 '
    cp out recorded
    capture ./unseen marks
    expect_status 5
}

@test "where no process can be made the memory itself is read" {
    compile unseen
    chmod 777 .
    if [ "$(id -u)" -eq 0 ]; then
        record 5 ./unseen nproc
        expect_whole 0
        expect_kinds global module
    fi
    record 5 ./unseen filter
    expect_whole 0
    expect_kinds global module
    "$heaptape" leaks x.tape >leaks
    expect_match leaks '^no copy of the process could be made .* its memory was read in place'
    "$heaptape" leaks --json x.tape >leaks.json
    [ "$(json leaks.json image_in_place)" = True ]
    record 5 ./unseen marks
    "$heaptape" leaks x.tape >leaks
    run ! grep 'in place' leaks
}

@test "behind a filter there is no image, and the tape says so" {
    compile unseen
    record 5 ./unseen confined
    images show x.tape | grep '^image' >shown
    expect_match shown 'why the program has installed a seccomp filter'
}

@test "memory that was reserved and never used costs nothing" {
    compile unseen
    for way in sparse shared; do
        record 5 ./unseen $way
        expect_whole
        bytes=$(images show x.tape | sed -n 's/^image .* bytes \([0-9]*\) .*/\1/p')
        [ "$bytes" -gt 0 ] && [ "$bytes" -lt 67108864 ]
        expect_kinds sparse other
    done
}

@test "a hundred threads, some deaf to every signal" {
    compile unseen
    record 5 ./unseen threads
    expect_whole
    expect_kinds stack stack
    images show x.tape >shown
    [ "$(grep -c '^region .* registers ' shown)" -eq 101 ]
    [ "$(grep -c '^region .* stack [1-9][0-9]* 0$' shown)" -eq 101 ]
    # With another signal those that block it are not seen; still none of them gets it.
    record 5 ./unseen cancelled
    expect_whole
    expect_kinds stack stack
    images show x.tape >shown
    [ "$(grep -c '^region .* stack [1-9][0-9]* [01]$' shown)" -eq 101 ]
    [ "$(grep -c '^region .* stack [1-9][0-9]* 1$' shown)" -eq 50 ]
}

@test "more threads than are halted: the image says so" {
    compile unseen
    record 5 ./unseen many 1100
    images show x.tape | grep '^image' >shown
    expect_match shown 'why there were more than 1,024 threads$'
    record 5 ./unseen many 900
    expect_whole
    if [ "$(ulimit -u)" = unlimited ] || [ "$(ulimit -u)" -gt 10000 ]; then
        record 5 ./unseen many 4200
        images show x.tape | grep '^image' >shown
        expect_match shown 'why there were more than 4,095 streams of events$'
    fi
}

@test "pages that cannot be read: their region says so, what lies around them is seen" {
    compile unseen
    capture ./unseen unreadable
    [ "$status" -eq 5 ] || skip "the kernel has no guard pages"
    record 5 ./unseen unreadable
    expect_whole
    expect_kinds first other
    expect_kinds last other
    images show x.tape | grep '^region.* [23]$' >shown
    expect_line shown "^region $(sed -n 's/^place //p' out) "
}

@test "blocks and other memory that the kernel makes one mapping of are told apart" {
    compile merged
    record 0 ./merged
    expect_whole
    expect_kinds stack stack
    expect_kinds mapped other
    # shellcheck disable=SC2046 # words
    images regions x.tape $(sed -n 's/^block //p' out) | cut -d ' ' -f 2 | sort >blocks
    # shellcheck disable=SC2046
    images regions x.tape $(sed -n 's/^place //p' out) | cut -d ' ' -f 2 | sort >places
    [ "$(wc -l <blocks)" -eq 3 ] && [ "$(wc -l <places)" -eq 3 ]
    run ! grep -e - blocks places
    [ -z "$(comm -12 blocks places)" ]
}

@test "forked children leave images of their own" {
    compile unseen
    record 5 ./unseen fork
    expect_whole
    child=$(ls x.tape.[0-9]*)
    expect_kinds child module "$child"
    expect_kinds child - x.tape
}

@test "with little memory, and with an image that takes too long" {
    compile planted
    compile unseen
    (
        ulimit -v 24000
        record 5 ./unseen marks
    )
    images show x.tape | grep '^image' >shown
    [ "$(grep -c 'why -$' shown)" -ge 1 ] || expect_match shown 'why there was no memory for it'
    HEAPTAPE_IMAGE_SECONDS=0 record 7 ./planted
    images show x.tape | grep '^image' >shown
    expect_match shown 'why it took longer than HEAPTAPE_IMAGE_SECONDS'
    # Of no region all was looked at, and each says so.
    images show x.tape | grep '^region' >shown
    [ "$(wc -l <shown)" -gt 5 ]
    [ "$(grep -c ' [23]$' shown)" -eq "$(wc -l <shown)" ]
}

@test "python, with threads of its own" {
    record 0 /usr/bin/python3 -c '
import threading
event = threading.Event()
for _ in range(10):
    threading.Thread(target=event.wait, daemon=True).start()
kept = [str(i) * 10 for i in range(100000)]'
    expect_whole
    "$heaptape" report --json -n 0 x.tape >report.json
    [ "$(json report.json completeness.damaged_chunks)" -eq 0 ]
}

@test "each call for resources fails in turn" {
    compile planted
    for ((n = 1; n <= 60; n++)); do
        rm -f x.tape*
        capture env HEAPTAPE_FAIL_CALL=$n HEAPTAPE_IMAGE=exit HEAPTAPE_OUT=x.tape LD_PRELOAD="$build/libheaptape.so" ./planted
        expect_status 7
        [ "$(wc -l <out)" -eq 9 ]
        [ ! -e x.tape ] || images show x.tape >shown
    done
}

@test "jemalloc underneath: what it keeps for itself is the allocator's" {
    compile planted
    preload=$(gcc -print-file-name=libjemalloc.so.2)
    [ -e "$preload" ] || preload=$(ldconfig -p | sed -n 's/.*libjemalloc\.so\.2 .*=> //p' | head -n 1)
    [ -e "$preload" ] || skip "there is no libjemalloc.so.2"
    record 7 ./planted
    expect_whole
    for where in global:module data:module tls:other other_tls:stack; do
        block=$(sed -n "s/^${where%:*} //p" out)
        images where x.tape "$block" | tee kinds
        expect_match kinds " ${where#*:}( |$)"
    done
    expect_kinds block allocator
    for where in leaked ended_stack; do
        images where x.tape "$(sed -n "s/^$where //p" out)" | tee kinds
        expect_match kinds ' (-|allocator)$'
    done
}
