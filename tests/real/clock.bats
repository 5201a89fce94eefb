#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Times: those of the kernel's clock, as where the time-stamp counter will not do, and the coarse
# ones of a process with one thread.

load ../helpers

# Records to x.tape and makes report.json; the recording must be complete.
record() {
    capture "$heaptape" record -q -f -o x.tape "$@"
    expect_status 0 || return 1
    "$heaptape" report --json -n 0 x.tape >report.json
    # complete says: no loss, no damage, no inversion
    [ "$(json report.json completeness.complete)" = True ] &&
        [ "$(json report.json completeness.inversions)" -eq 0 ] &&
        [ "$(json report.json completeness.unmatched_frees)" -eq 0 ] &&
        [ "$(json report.json completeness.overlaps)" -eq 0 ]
}

compile_instants() {
    gcc -std=c17 -D_GNU_SOURCE -Wall -Wextra -Werror -O1 -fno-builtin -pthread -I"$top/include" \
        -o instants "$top/tests/real/clock/instants.c"
}

# The live heap at the program's instants: the block at the one, nothing of its size at the other.
expect_live_at() {
    local bytes live gone
    while read -r bytes live gone; do
        "$heaptape" peak --json --at "$((live / 1000))us" x.tape >live.json || return 1
        "$heaptape" peak --json --at "$((gone / 1000))us" x.tape >gone.json || return 1
        echo "$bytes: $(json live.json total.bytes), $(json gone.json total.bytes)"
        [ "$(json live.json total.bytes)" -ge "$bytes" ] || return 1
        [ "$(json gone.json total.bytes)" -lt 1000000 ] || return 1
        [ "$(json live.json total.bytes)" -lt $((bytes + 1000000)) ] || return 1
    done
}

@test "the kernel's clock: addresses handed from thread to thread, no inversion" {
    gcc -std=c17 -D_GNU_SOURCE -O1 -fno-builtin -pthread -o pairs "$top/tests/real/threads/pairs.c"
    # one heap for both threads, nothing kept back for the thread that freed
    export GLIBC_TUNABLES=glibc.malloc.tcache_count=0 MALLOC_ARENA_MAX=1
    for bytes in 24 700; do
        record --clock=monotonic -- ./pairs 50000 $bytes
        [ "$(cat out)" -ge 50000 ]
        [ "$(json report.json completeness.events)" -ge 100000 ]
        "$heaptape" info --json x.tape >info.json
        [ "$(json info.json clock)" = CLOCK_MONOTONIC ]
    done
}

@test "the kernel's clock, one thread: no time behind the call or before the coarse clock" {
    compile_instants
    record --clock=monotonic -- ./instants 3
    "$heaptape" dump --no-stacks --ticks x.tape >dump # ticks are nanoseconds of that clock
    python3 "$top/tests/real/clock/instants.py" out dump coarse
    "$heaptape" dump --no-stacks x.tape >dump
    python3 "$top/tests/real/clock/instants.py" out dump coarse 20000000 >found
    expect_live_at <found
}

@test "the kernel's clock, several threads: every time lies inside its call" {
    compile_instants
    record --clock=monotonic -- ./instants 3 threads
    "$heaptape" dump --no-stacks --ticks x.tape >dump
    python3 "$top/tests/real/clock/instants.py" out dump exact
}

@test "the default clock: what was live at an instant, with one thread and with several" {
    compile_instants
    for threads in '' threads; do
        # shellcheck disable=SC2086 # none or one word
        record -- ./instants 3 $threads
        "$heaptape" dump --no-stacks x.tape >dump
        python3 "$top/tests/real/clock/instants.py" out dump coarse 20000000 >found
        [ "$(wc -l <found)" -eq 3 ]
        expect_live_at <found
    done
}
