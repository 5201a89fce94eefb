#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Programs that once died of the recorder, or lost their files to it.

load ../helpers

compile() {
    gcc -std=c17 -D_GNU_SOURCE -O1 -o "$1" "$top/tests/real/survive/$1.c"
}

@test "a program that survives abort goes on, and so does its recording" {
    compile abort
    capture "$heaptape" record -q -o x.tape -- ./abort
    expect_status 0
    [ "$(cat out)" = 'went on' ]
    "$heaptape" report --json -n 0 x.tape >report.json
    [ "$(json report.json completeness.complete)" = True ]
    [ "$(json report.json completeness.events)" -ge 1990000 ]
}

@test "a renamed recording: the program's files in its place are left alone" {
    compile rename
    capture "$heaptape" record -q -o x.tape -- ./rename "$PWD/x.tape"
    [ "$(cat x.tape)" = mine ]
    [ "$(cat x.tape.tail)" = 'mine too' ]
    "$heaptape" info moved >info || true # what was recorded before is still there
    expect_match info '^events +[1-9]'
}

@test "a handler that allocates at any point of a hook" {
    compile handler
    for events in 16 64; do
        capture "$heaptape" record -q -f -o x.tape --buffer-events $events -- ./handler
        expect_status 0
        "$heaptape" report --json -n 0 x.tape >report.json
        [ "$(json report.json completeness.complete)" = True ]
        # handler's own count is at least 100,000 timer ticks of at least one failed call each
        [ "$(json report.json heap.failed)" -ge 100000 ]
    done
}

@test "a program without a readable clock: itself, its child, its thread" {
    gcc -std=c17 -D_GNU_SOURCE -O1 -pthread -o no_clock "$top/tests/real/survive/no_clock.c"
    for how in call number fork thread; do
        rm -f x.tape*
        capture "$heaptape" record -q -o x.tape -- ./no_clock $how
        expect_status 0
        capture "$heaptape" report --json -n 0 x.tape*
        expect_status 0
        [ "$("$heaptape" dump --no-stacks "$(find . -name 'x.tape*' -printf '%s %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2)" | grep -c ' malloc .*size=77')" -eq 20000 ]
    done
}

@test "attempts at filters that fail do not undo one that succeeds" {
    gcc -std=c17 -D_GNU_SOURCE -O1 -pthread -o probe "$top/tests/real/survive/probe.c"
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        capture "$heaptape" record -q -f -o x.tape -- ./probe
        expect_status 0
        [ "$("$heaptape" dump --no-stacks x.tape | grep -c ' malloc .*size=77')" -eq 100000 ]
    done
}

@test "a handler that allocates while the recorder notes a name" {
    gcc -std=c17 -D_GNU_SOURCE -O1 -pthread -o renamed "$top/tests/real/survive/renamed.c"
    capture "$heaptape" record -q -o x.tape -- ./renamed
    expect_status 0
    [ "$("$heaptape" dump --no-stacks x.tape | grep -c ' malloc .*size=4242')" -eq "$(cat out)" ]
}
