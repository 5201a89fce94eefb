# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Programs of several processes: once bare, once with the recorder preloaded and nothing else
# around them. The tapes of a recorded run are tapes/x and tapes/x.*.

tapes_py=$top/tests/real/tapes.py
# Also of programs that go on as nobody.
library=$build/libheaptape.so

# compile GROUP/NAME [OPTION...]: tests/real/GROUP/NAME.c to ./NAME.
compile() {
    gcc -std=c17 -D_GNU_SOURCE -Wall -Wextra -Werror -O1 -pthread -I"$top/include" \
        -I"$top/tests/real/processes" -o "$(basename "$1")" "$top/tests/real/$1.c" "${@:2}"
}

# Runs a command bare; output in bare.out, bare.err, its notes in bare.notes, $bare is its status.
run_bare() {
    OWN=$PWD/bare.notes capture "$@"
    bare=$status
    mv out bare.out
    mv err bare.err
}

# The same, recorded. What heaptape says of itself on stderr is told apart: said.
run_recorded() {
    rm -rf tapes notes
    mkdir tapes
    OWN=$PWD/notes HEAPTAPE_OUT=$PWD/tapes/x LD_PRELOAD=$library capture "$@"
    grep '^heaptape: ' err >said || true
    sed -i '/^heaptape: /d' err
}

# Both, and nothing that differs: output, errors, status.
same_recorded() {
    run_bare "$@"
    run_recorded "$@"
    expect_status "$bare" || return 1
    expect_same bare.out out || return 1
    expect_same bare.err err || return 1
}

# Every process recorded, with exactly the events that it knows of, and nothing lost.
expect_own() {
    [ ! -s said ] || { cat said; return 1; }
    python3 "$tapes_py" own notes tapes
}

# Events may be missing, if they are counted.
expect_counted() {
    python3 "$tapes_py" loss notes tapes
}

expect_complete() {
    [ ! -s said ] || { cat said; return 1; }
    python3 "$tapes_py" complete tapes
}

needs_root() {
    [ "$(id -u)" -eq 0 ] || skip 'needs root'
}
