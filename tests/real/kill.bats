#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Nothing is lost when the program is killed.

load ../helpers

# THREADS ROUNDS: half of the kills, at least, must hit the recorder while it writes a buffer out.
kill_rounds() {
    gcc -std=c17 -D_GNU_SOURCE -O1 -pthread -o reporters "$top/tests/real/kill/reporters.c"
    python3 "$top/tests/real/kill.py" "$heaptape" "$build/libheaptape.so" ./reporters "$1" "$2" >figures ||
        status=$?
    cat figures
    sed 's/^/# /' figures >&3 # into the results also when all is well
    [ "${status:-0}" -eq 0 ]
}

@test "SIGKILL 100 times, half of them inside a flush: every reported event is in the recording" {
    kill_rounds 1 100
}

@test "the same with four threads" {
    kill_rounds 4 60
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
