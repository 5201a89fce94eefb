#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# However a program ends: the same status as bare, and every call that it had completed, and its
# handlers and destructors afterwards, is in the recording.

load ../helpers

programs=$top/tests/real/ends

compile() {
    ulimit -c 0
    gcc -std=c17 -D_GNU_SOURCE -O1 -fno-builtin -pthread -rdynamic -o ends "$programs/ends.c" -ldl
}

# The recording named holds what the tally counts and at most MORE calls beyond, of each size; and
# nothing is lost.
expect_tally() {
    local tape=$1 tally=$2 more=$3
    ./ends show "$tally" | grep -v late >counted
    [ -s counted ] || return 1
    "$heaptape" dump --no-stacks "$tape" |
        awk -v from=700 -v to=707 -v sizes=1 -f "$top/tests/real/tally.awk" >recorded || return 1
    paste -d ' ' counted recorded | awk -v more="$more" '
        $1 != $4 || $5 < $2 || $5 > $2 + more || $6 < $3 || $6 > $3 + more {
            print "counted and recorded:", $0
            bad = 1
        }
        END { exit bad }' || return 1
    "$heaptape" report --json -n 0 "$tape" >report.json || return 1
    for count in lost damaged_chunks unmatched_frees overlaps; do
        [ "$(json report.json completeness.$count)" -eq 0 ] || {
            cat report.json
            return 1
        }
    done
}

# Ends in this way bare and recorded; MORE calls may be recorded without having been counted.
# $preload is a library behind the recorder.
same_end() {
    local way=$1 more=${2-0} bare
    capture env ${preload:+LD_PRELOAD="$preload"} ./ends "$way" tally ./plugin.so
    bare=$status
    # 94 and more: something else went wrong
    [ "$bare" -lt 94 ] || [ "$bare" -gt 128 ] || return 1
    for options in '' --buffer-events=16; do
        rm -f x.tape*
        # shellcheck disable=SC2086 # none or one word
        capture env ${preload:+LD_PRELOAD="$preload"} "$heaptape" record -q -o x.tape $options -- ./ends "$way" tally ./plugin.so
        if ! expect_status "$bare" || ! expect_tally x.tape tally "$more"; then
            echo "way: $way $options"
            return 1
        fi
    done
}

@test "by a call: return, exit, _exit, _Exit, exit_group, quick_exit" {
    compile
    for way in return exit _exit _Exit exit_group quick_exit; do
        same_end $way
    done
    [ "$status" -eq 27 ]
    expect_match counted '^701 1001 ' # the handler of quick_exit came and allocated
}

@test "by a signal: abort, SIGSEGV, SIGTERM, SIGKILL" {
    compile
    for way in abort segv term kill; do
        same_end $way
        [ "$status" -gt 128 ]
    done
}

@test "by exec, and not by one that fails" {
    compile
    same_end exec
    [ "$status" -eq 20 ] # the program's second image
    second=$(ls x.tape.[0-9]*[0-9])
    expect_tally "$second" tally2 0
    same_end exec_fails
}

@test "main ends by pthread_exit, and a thread goes on" {
    compile
    same_end pthread_exit
    expect_match counted '^701 20000 '
}

@test "threads that are still running" {
    compile
    same_end detached 1
    [ "$(wc -l <counted)" -eq 3 ]
    same_end abort_threads 1
    same_end exit_thread
}

@test "within a handler, at any instruction too" {
    compile
    same_end exit_handler
    # the timer's moment differs from run to run
    for ((i = 0; i < 5; i++)); do
        same_end timer 1
        "$heaptape" info x.tape >info # an end in order, though a hook was at work
        expect_match info '^state  *_exit$'
    done
}

@test "handlers and destructors that free when everything is over" {
    compile
    gcc -shared -fPIC -o plugin.so "$programs/plugin.c"
    same_end handlers
    [ "$status" -eq 26 ]
    # atexit, on_exit, stdio, destructors of program and plugin: each made one more block
    for size in 701 702 703 704; do
        expect_match counted "^$size 1001 "
    done
    expect_match counted '^705 2 1$'
    ./ends show tally >shown
    expect_match shown '^late 1$' # the recording had been put away when stdio came
}

@test "handlers behind the recorder's own" {
    compile
    gcc -shared -fPIC -o early.so "$programs/early.c"
    preload=$PWD/early.so
    same_end exit
    expect_match counted '^707 1000 1000$'
    ./ends show tally >shown
    expect_match shown '^late 1$'
}

@test "threads that begin at the very end: what they completed is there" {
    gcc -std=c17 -D_GNU_SOURCE -O1 -fno-builtin -pthread -o relay "$programs/relay.c"
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        rm -f x.tape*
        HEAPTAPE_OUT=$PWD/x.tape LD_PRELOAD=$build/libheaptape.so ./relay >out
        read -r child completed status <out
        [ "$status" -eq 0 ]
        recorded=$("$heaptape" dump --no-stacks "x.tape.$child" | grep -c ' malloc .*size=4242')
        echo "completed $completed, recorded $recorded"
        # The last call may have been recorded and not counted.
        [ "$recorded" -ge "$completed" ] && [ "$recorded" -le $((completed + 1)) ]
    done
}

# ---- two threads at the end ---------------------------------------------------------------------

@test "a thread that sleeps does not come back when another one ends the process" {
    gcc -g -pthread -o enders "$programs/enders.c"
    for _ in 1 2 3 4 5; do
        capture "$heaptape" check -q ./enders watchdog
        expect_status 0
        [ "$(cat out)" = ok ]
    done
}

@test "several threads end the process at once: one does, and its end is whole" {
    gcc -g -pthread -o enders "$programs/enders.c"
    for _ in 1 2 3 4 5 6 7 8; do
        capture "$heaptape" check ./enders race
        expect_status 0
        run ! grep -E 'ended|killed|lost' err
    done
}
