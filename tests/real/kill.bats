#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Nothing is lost when the program is killed.

load ../helpers

@test "SIGKILL at 100 random moments: every reported event is in the recording" {
    python3 "$top/tests/real/kill.py" "$heaptape" "$build/libheaptape.so" "$workloads/reporter" 100
}

@test "a killed program's recording is read with its tail, and says so" {
    capture "$heaptape" record -o x.tape sh -c 'exec 3>/dev/null; ulimit -c 0; '"$workloads"'/reporter 20000 & wait; kill -9 $$'
    [ "$status" -eq 137 ]
    capture "$heaptape" report x.tape
    expect_status 0
}

@test "a recording that is still being written is reported up to its last event" {
    "$heaptape" record -q -o x.tape "$workloads/reporter" 3>/dev/null &
    launcher=$!
    until [ -s x.tape ]; do sleep 0.02; done
    sleep 0.3
    capture "$heaptape" report x.tape
    cp out first
    capture "$heaptape" info x.tape
    kill -KILL "$(cut -d ' ' -f 1 "/proc/$launcher/task/$launcher/children")"
    wait $launcher || true
    expect_match first 'still'
}
