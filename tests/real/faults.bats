#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Whatever the recorder does not get, the program does not notice; what is lost is counted.

load ../helpers
load recorded

teardown() {
    if [ -e "$BATS_TEST_TMPDIR/mounted" ]; then
        umount "$BATS_TEST_TMPDIR/small"
    fi
}

# A file system of a given size at ./small.
mount_small() {
    needs_root
    mkdir small
    mount -t tmpfs -o "$1" none small || skip 'cannot mount'
    touch mounted
}

# Runs recorded, with the tapes on ./small.
run_recorded_small() {
    rm -rf small/* notes
    OWN=$PWD/notes HEAPTAPE_OUT=$PWD/small/x LD_PRELOAD=$library capture "$@"
    grep '^heaptape: ' err >said || true
    sed -i '/^heaptape: /d' err
}

@test "each call for resources fails in turn" {
    compile faults/failing
    python3 "$top/tests/real/faults/fail_each.py" "$library" ./failing
}

@test "a full disk: no SIGBUS, and the loss is counted" {
    compile faults/limits
    compile faults/failing
    compile processes/children
    mount_small size=400k
    for program in './limits many' ./failing; do
        # shellcheck disable=SC2086 # a command
        run_bare $program
        for size in 64k 400k; do
            rm -rf small/*
            mount -o "remount,size=$size" small
            # shellcheck disable=SC2086 # a command
            HEAPTAPE_BUFFER_EVENTS=64 run_recorded_small $program
            expect_status "$bare"
            expect_same bare.out out
            expect_same bare.err err
            [ -s said ] || python3 "$tapes_py" loss notes small | tee -a losses
        done
    done
    expect_match losses '^lost: [0-9]{6}'
    # Many processes: those that find no room say so, the others are complete or counted.
    rm -rf small/*
    mount -o remount,size=1m small
    run_bare ./children
    run_recorded_small ./children
    expect_status 0
    expect_same bare.out out
    expect_match said 'no space left'
    join <(python3 "$tapes_py" lineage small | cut -d ' ' -f 2 | sort) <(sort notes) >recorded
    [ "$(wc -l <recorded)" -ge 20 ]
    python3 "$tapes_py" loss recorded small
}

@test "the disk is full for a while" {
    compile faults/refill
    mount_small size=5m
    run_bare ./refill "$PWD/bare.filler"
    HEAPTAPE_BUFFER_EVENTS=64 run_recorded_small ./refill "$PWD/small/filler"
    expect_status "$bare"
    expect_same bare.out out
    python3 "$tapes_py" loss notes small >losses
    expect_match losses '^lost: [0-9]{6}'
    # What came when there was room again is on the tape.
    [ "$("$heaptape" dump --no-stacks small/x | grep -c ' size=777 ')" -ge 9000 ]
}

@test "a file size limit: SIGXFSZ only for the program's own write" {
    compile faults/limits
    for limit in 64 256 1024; do
        for how in fsize fsize-default; do
            (ulimit -c 0 -f $limit && run_bare ./limits $how && echo "$bare" >bare.status)
            (ulimit -c 0 -f $limit && run_recorded ./limits $how && echo "$status" >recorded.status)
            expect_same bare.status recorded.status
            expect_same bare.out out
            expect_match out '^signals after 300000 pairs: 0$'
            [ $how = fsize-default ] || expect_match out 'bytes, then File too large, 1 signals'
            expect_same bare.err err
            [ -s said ] || expect_counted
            [ $limit -eq 64 ] || [ ! -s said ]
        done
    done
    [ "$(cat recorded.status)" -eq $((128 + $(kill -l XFSZ))) ]
}

@test "no address space left" {
    compile faults/limits
    same_recorded ./limits as
    expect_same <(printf 'nothing left\nno large block\n') out
    [ ! -s said ]
    expect_counted
}

@test "a small limit of descriptors" {
    compile faults/limits
    for n in 3 4 5 7; do
        same_recorded ./limits nofile $n
        [ "$status" -eq 5 ]
        expect_own
    done
    # From the start on. With fewer than 4 the dynamic loader cannot open a library.
    for n in 4 6; do
        # (the test runner has some open)
        few="exec 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-; ulimit -n $n; exec ./limits nofile $n"
        run_bare bash -c "$few"
        run_recorded bash -c "$few"
        expect_status "$bare"
        [ "$status" -eq 5 ]
        expect_own
    done
}

@test "every descriptor in use, then a million allocations" {
    compile faults/limits
    same_recorded ./limits full
    expect_match out '^3[0-9] used, Too many open files, -1$'
    expect_own
}

@test "a directory that cannot be written" {
    needs_root
    needs setpriv
    compile faults/failing
    cp "$library" .
    chmod a+rx . .. ../.. ../../.. 2>/dev/null || true
    setpriv --reuid=65534 --clear-groups test -r libheaptape.so || skip 'nobody cannot read the test folder'
    nobody() { setpriv --reuid=65534 --clear-groups env LD_PRELOAD="${recorder-}" HEAPTAPE_OUT="$PWD/read-only/x" ./failing; }
    mkdir -m 755 read-only
    run_bare nobody
    recorder=$PWD/libheaptape.so
    capture nobody
    expect_status "$bare"
    expect_same bare.out out
    expect_match err '^heaptape: .*read-only/x: cannot record here: permission denied'
    [ -z "$(ls read-only)" ]
}

@test "the recording, and its directory, deleted while it is written" {
    compile faults/vanish
    run_bare ./vanish "$PWD/tapes/x"
    run_recorded ./vanish "$PWD/tapes/x"
    expect_status "$bare"
    expect_same bare.out out
    expect_same bare.err err
    # The child makes a tape of its own, under the name that has become free or another.
    [ ! -s said ]
    python3 "$tapes_py" own notes tapes
    run_recorded ./vanish "$PWD/tapes/x" "$PWD/tapes"
    expect_status "$bare"
    expect_same bare.out out
    expect_same bare.err err
    [ ! -e tapes ]
}

@test "seccomp: only what malloc itself uses" {
    compile faults/seccomp
    for how in prctl syscall trap strict threads; do
        run_bare ./seccomp $how 200000
        [ "$bare" -eq 7 ]
        run_recorded ./seccomp $how 200000
        echo $how
        expect_status 7
        expect_same bare.out out
        expect_same bare.err err
        expect_own
    done
}

@test "seccomp: threads that make their first allocation while the filter comes" {
    compile faults/seccomp
    for _ in {1..12}; do
        run_recorded ./seccomp threads 4000
        expect_status 7
        expect_match out 'trapped 0'
        expect_own
    done
}

@test "seccomp: allocations by the tens of millions are not killed either, and what is lost is counted" {
    compile faults/seccomp
    run_recorded ./seccomp strict 5000000
    expect_status 7
    expect_match out 'trapped 0'
    expect_counted
}

@test "a sandbox without fallocate" {
    compile faults/seccomp
    compile faults/failing
    same_recorded ./seccomp no-fallocate "$PWD/failing"
    [ "$status" -eq 6 ]
    expect_own
}
