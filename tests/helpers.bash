# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What every test file loads. Tests run in an empty folder of their own; B is the build directory.

bats_require_minimum_version 1.5.0

top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
build=$(cd "$top" && cd "${B:-build}" && pwd)
heaptape=$build/heaptape
workloads=$build/tests/workloads
export top build heaptape workloads
# An outer recording and the user's settings are none of the tests' business.
unset LD_PRELOAD "${!HEAPTAPE_@}"
export LC_ALL=C.UTF-8 PATH="/usr/bin:/bin:$PATH"
# Names that one test has looked up are there for the next.
[ -z "${BATS_RUN_TMPDIR-}" ] || export XDG_CACHE_HOME=$BATS_RUN_TMPDIR/cache

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
}

# Runs a command; stdout goes to ./out, stderr to ./err, the status to $status.
capture() {
    status=0
    "$@" >out 2>err || status=$?
}

# The status of the last capture.
expect_status() {
    [ "$status" -eq "$1" ] && return
    printf 'exit status %d, expected %d; stderr:\n' "$status" "$1"
    cat err
    return 1
}

# The file holds exactly one line, which matches the extended regular expression.
expect_line() {
    local file=$1
    if [ "$(wc -l <"$file")" -ne 1 ] || ! grep -qE -- "$2" "$file"; then
        printf 'expected one line matching "%s" in %s, got:\n' "$2" "$file"
        cat "$file"
        return 1
    fi
}

# The file contains a line that matches.
expect_match() {
    grep -qE -- "$2" "$1" && return
    printf 'no line matches "%s" in %s:\n' "$2" "$1"
    cat "$1"
    return 1
}

expect_same() {
    diff -u "$1" "$2"
}

# Compares a file with tests/cli/golden/NAME; UPDATE_GOLDEN=1 rewrites that instead.
expect_golden() {
    local golden=$top/tests/cli/golden/$2
    if [ -n "${UPDATE_GOLDEN-}" ]; then
        mkdir -p "$(dirname "$golden")"
        cp "$1" "$golden"
    fi
    diff -u "$golden" "$1"
}

# A number or text out of a JSON file: json FILE heap.peak.bytes
json() {
    python3 -c '
import json, sys
value = json.load(open(sys.argv[1]))
for key in sys.argv[2].split("."):
    value = value[int(key)] if isinstance(value, list) else value[key]
print(value)' "$1" "$2"
}

# The test is skipped where one of these programs is missing.
needs() {
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || skip "$program is not installed"
    done
}

# A C++ file of the benchmarks, compiled to ./NAME.
compile_bench() {
    g++ -O2 -g -pthread -o "$1" "$top/bench/$1.cc"
}
