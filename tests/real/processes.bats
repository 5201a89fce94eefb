#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Every process that a recorded program makes leaves a complete tape, and none behaves differently.

load ../helpers
load recorded

@test "fork with threads running, children that end at once and that work on" {
    compile processes/fork_threads
    same_recorded ./fork_threads
    expect_own
    [ "$(wc -l <notes)" -eq 91 ]
    [ "$(find tapes -name 'x*' ! -name '*.tail' | wc -l)" -eq 91 ]
}

@test "a child's tape names its parent and the instant of the fork" {
    compile processes/family
    rm -rf tapes
    run_bare ./family
    run_recorded ./family
    expect_same bare.err err
    [ "$(cat err)" = '4 5' ]
    expect_own
    python3 "$top/tests/real/processes/family.py" "$tapes_py" out tapes
}

@test "1,000 short children" {
    compile processes/children
    same_recorded ./children
    expect_own
    [ "$(find tapes -name 'x*' ! -name '*.tail' | wc -l)" -eq 1001 ]
    [ "$(find tapes -name '*.tail' | wc -l)" -eq 0 ]
}

@test "vfork, posix_spawn, system, popen, clone" {
    compile processes/spawn
    same_recorded ./spawn
    expect_own
    [ "$(wc -l <notes)" -eq 45 ]
}

@test "a chain of exec: FILE, FILE.PID, FILE.PID.2, ..." {
    compile processes/exec_chain
    cp exec_chain other
    same_recorded ./exec_chain 5 ./other
    [ "$status" -eq 17 ]
    expect_own
    pid=$(head -n 1 notes | cut -d ' ' -f 1)
    find tapes -name 'x*' ! -name '*.tail' -printf '%f\n' | sort >names
    printf '%s\n' x "x.$pid" "x.$pid".{2,3,4,5,6} | diff - names
    # Each image under its own name, oldest first: the first made 1005 pairs, the last 1000.
    i=5
    while read -r name; do
        printf '%d %d\n' "$pid" $((1000 + (i < 0 ? 0 : i))) >one
        python3 "$tapes_py" own one "tapes/$name"
        i=$((i - 1))
    done <names
    [ "$i" -eq -2 ]
    "$heaptape" info "tapes/x.$pid.6" >info
    expect_match info 'other$'
}

@test "a daemon: forks twice, closes every descriptor, changes its directory" {
    compile processes/daemon
    for run in run_bare run_recorded; do
        $run ./daemon "$PWD/$run.log"
        [ "$status" -eq 3 ]
        until [ -s "$run.log.done" ]; do sleep 0.02; done
        pid=$(cat "$run.log.done")
        while [ -e "/proc/$pid/exe" ] && readlink "/proc/$pid/exe" >/dev/null; do sleep 0.02; done
    done
    expect_same run_bare.log run_recorded.log
    [ "$(wc -l <run_recorded.log)" -eq 200 ]
    expect_own
}

@test "descriptors closed over and over while threads write files: nothing of ours in them" {
    compile processes/close_all
    for how in alone none range loop; do
        mkdir "$how.bare" "$how.recorded"
        run_bare ./close_all $how "$how.bare"
        # Small buffers make many chances to hit a file.
        HEAPTAPE_BUFFER_EVENTS=16 run_recorded ./close_all $how "$how.recorded"
        expect_status 0
        expect_same bare.err err
        expect_same bare.out out
        diff -r "$how.bare" "$how.recorded"
        [ "$(find "$how.recorded" -type f | wc -l)" -eq 600 ]
        expect_own
    done
}

@test "chroot and dropped privileges" {
    needs_root
    compile processes/confined
    for what in chroot setuid both; do
        for who in self child late-child before; do
            rm -rf root bare.notes
            run_bare ./confined $what $who
            rm -rf root
            run_recorded ./confined $what $who
            expect_status "$bare"
            expect_same bare.out out
            expect_same bare.err err
            echo "$what $who"
            if [ $who = before ]; then
                # A process that is born where no file can be made says so; its parent is complete.
                [ "$(wc -l <said)" -eq 1 ]
                grep ' 1100$' notes >parent
                python3 "$tapes_py" own parent tapes
            else
                expect_own
            fi
        done
    done
}

@test "a million allocations behind chroot and setuid" {
    needs_root
    compile processes/confined
    run_recorded ./confined both self 1000000
    expect_status 4
    expect_own
}

@test "python: multiprocessing by fork, spawn and forkserver; subprocess" {
    for how in fork spawn forkserver subprocess; do
        same_recorded python3 "$top/tests/real/processes/workers.py" $how
        [ "$status" -eq 6 ]
        [ "$(wc -l <out)" -ge 2 ]
        expect_complete
        [ "$(find tapes -name 'x*' ! -name '*.tail' | wc -l)" -ge 4 ]
    done
}

@test "several threads fork at once: every child frees what it inherited" {
    compile processes/storm
    mkdir tapes
    capture "$heaptape" record -q -o tapes/x.tape ./storm
    expect_status 0
    [ ! -s out ]
    capture "$heaptape" report --json -n 0 tapes
    expect_status 0
    [ "$(json out completeness.unmatched_frees)" -eq 0 ]
    [ "$(json out completeness.events)" -ge $((600 * 50 * 3)) ]
}
