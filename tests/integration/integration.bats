#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What docs/INTEGRATIONS.md shows, done: in each test runner a test that leaks turns the run red and
# names the function that allocated, and one that does not leaves it green.

load ../helpers

setup() {
    cp -r "$BATS_TEST_DIRNAME"/. "$BATS_TEST_TMPDIR"
    cd "$BATS_TEST_TMPDIR" || return 1
    # rustup's place, where Debian's cargo is not installed.
    export PATH="$build:$PATH:$HOME/.cargo/bin" TMPDIR=$BATS_TEST_TMPDIR
    unset MAKEFLAGS MAKELEVEL "${!GTEST_@}" "${!CK_@}" "${!CTEST_@}"
}

# green COMMAND...: it succeeds, having checked something; its time goes to the results.
green() {
    local start=$EPOCHREALTIME
    run "$@"
    echo "# $BATS_TEST_DESCRIPTION: $(((${EPOCHREALTIME/./} - ${start/./}) / 1000)) ms, clean" >&3
    [ "$status" -eq 0 ] || { printf 'not green (%d):\n%s\n' "$status" "$output"; return 1; }
}

# red COMMAND...: it fails, and the output has the function that allocated.
red() {
    run "$@"
    if [ "$status" -eq 0 ] || [[ $output != *parcel_new* ]]; then
        printf 'not red (%d):\n%s\n' "$status" "$output"
        return 1
    fi
}

passes() {
    run "$@"
    [ "$status" -eq 0 ] || { printf '%s: status %d\n%s\n' "$*" "$status" "$output"; return 1; }
}

# marked TEXT TEXT COMMAND...: run by the recorder it fails with both on the output, alone it does not.
marked() {
    passes "${@:3}"
    run ! heaptape record -o marked.tape -- "${@:3}"
    rm -f marked.tape*
    [[ $output == *"$1"*"$2"* || $output == *"$2"*"$1"* ]] || {
        printf 'without "%s" or "%s":\n%s\n' "$1" "$2" "$output"
        return 1
    }
}

# Compiles the parcel and a test with it to ./test.
compile_test() {
    passes gcc -g -I. -c parcel.c
    case $1 in
    *.cc) passes g++ -g -I. -o test "$1" parcel.o "${@:2}" ;;
    *) passes gcc -g -I. -o test "$1" parcel.o "${@:2}" ;;
    esac
}

@test "make check" {
    cd make
    passes make check
    green make check CHECK='heaptape check --error-exitcode=99 --' TESTS=test_clean
    red make check CHECK='heaptape check --error-exitcode=99 --'
    [[ $output == *'FAIL: test_leaky'* ]]
    [[ $output != *'FAIL: test_clean'* ]]
    # The whole run at once, and only what is a test in it.
    green heaptape check --only='test_*' -- make check TESTS=test_clean
    red heaptape check --only='test_*' -- make check
}

@test "CTest: a wrapper in add_test" {
    needs cmake
    passes cmake -S ctest -B out
    passes cmake --build out
    green ctest --test-dir out --output-on-failure -R heap_of_clean
    red ctest --test-dir out --output-on-failure -R heap_of
    [[ $output == *'heap_of_leaky (Failed)'* ]]
}

@test "CTest: a wrapper around every test, and no change to the project" {
    needs cmake
    passes cmake -S ctest -B out '-DCMAKE_CROSSCOMPILING_EMULATOR=heaptape;check;--' \
        '-DCMAKE_TEST_LAUNCHER=heaptape;check;--'
    passes cmake --build out
    green ctest --test-dir out --output-on-failure -R '^clean'
    red ctest --test-dir out --output-on-failure -R '^leaky'
}

@test "CTest: -T memcheck" {
    needs cmake heaptape-memcheck
    passes cmake -S ctest -B out -DMEMORYCHECK_TYPE=Valgrind \
        "-DMEMORYCHECK_COMMAND=$(command -v heaptape-memcheck)"
    passes cmake --build out
    cd out
    run ctest -T memcheck --output-on-failure -R '^clean'
    [ "$status" -eq 0 ]
    [[ $output == *'Memory checking results'* ]]
    [[ $output != *'Memory Leak - '* ]]
    # Its status is that of the tests: CTest counts what is found and does not fail of itself.
    run ctest -T memcheck --output-on-failure -R '^leaky'
    printf '%s\n' "$output"
    [[ $output == *'Memory Leak - '* ]]
    grep -q parcel_new Testing/Temporary/MemoryChecker.*.log
}

# CTest's own count of defects, by its words: "Memory Leak - 2, Potential Memory Leak - 1".
defects() {
    capture ctest -T memcheck --overwrite "MemoryCheckCommandOptions=$1" -R '^kinds$'
    cat out err
    leaks=$(sed -n 's/^Memory Leak - //p' out)
    potential=$(sed -n 's/^Potential Memory Leak - //p' out)
    # shellcheck disable=SC2012 # the newest
    log=$(ls -t Testing/Temporary/MemoryChecker.*.log | head -n 1)
}

@test "CTest: -T memcheck, and blocks of every kind" {
    needs cmake heaptape-memcheck
    passes cmake -S ctest -B out -DMEMORYCHECK_TYPE=Valgrind \
        "-DMEMORYCHECK_COMMAND=$(command -v heaptape-memcheck)"
    passes cmake --build out
    cd out
    # A lost parcel, and its label through it: of the others the log has no records.
    defects -q
    [ "$leaks" = 1 ] && [ "$potential" = '' ]
    grep -q ' are definitely lost in loss record ' "$log"
    grep -q ' are indirectly lost in loss record ' "$log"
    run ! grep -e 'possibly lost in' -e 'reachable in' "$log"
    defects '-q --show-leak-kinds=definite'
    [ "$leaks" = 1 ] && [ "$potential" = '' ]
    run ! grep 'indirectly' "$log"
    # A parcel that is pointed into, and its label, that it points to.
    defects '-q --show-leak-kinds=definite,possible'
    [ "$leaks" = 1 ] && [ "$potential" = 2 ]
    # And the one that is held.
    defects '-q --show-leak-kinds=all'
    [ "$leaks" = 1 ] && [ "$potential" = 4 ]
    grep -q ' are still reachable in loss record ' "$log"
    defects '-q --show-leak-kinds=none --errors-for-leak-kinds=none'
    [ "$leaks" = '' ] && [ "$potential" = '' ]
    expect_match out '100% tests passed'
}

@test "Meson: --wrapper, and a setup of the project's own" {
    needs meson
    cp ./*.[ch] meson
    passes meson setup out meson
    green meson test -C out --print-errorlogs --wrapper 'heaptape check --' clean
    red meson test -C out --print-errorlogs --wrapper 'heaptape check --'
    green meson test -C out --print-errorlogs --setup heap clean
    red meson test -C out --print-errorlogs --setup heap
}

@test "cargo test" {
    needs cargo
    cargo --version >/dev/null 2>&1 || skip 'cargo has no toolchain'
    cd cargo
    export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER='heaptape check --'
    green cargo test --offline clean
    red cargo test --offline
}

@test "cmocka" {
    compile_test cmocka/test_parcel.c -lcmocka
    green heaptape check -- ./test clean
    red heaptape check -- ./test
}

@test "Check: forked tests, and CK_FORK=no" {
    pkg-config --exists check || skip 'Check is not installed'
    # shellcheck disable=SC2046 # words
    compile_test libcheck/test_parcel.c $(pkg-config --libs check)
    CK_RUN_CASE=clean green heaptape check -- ./test
    red heaptape check -- ./test
    export CK_FORK=no
    CK_RUN_CASE=clean green heaptape check -- ./test
    red heaptape check -- ./test
}

@test "GoogleTest" {
    [ -e /usr/include/gtest/gtest.h ] || skip 'GoogleTest is not installed'
    compile_test googletest/test_parcel.cc -lgtest_main -lgtest -pthread
    green heaptape check -- ./test --gtest_filter='*Clean'
    red heaptape check -- ./test
}

@test "cmocka: tests that say what they have lost" {
    compile_test cmocka/test_marked.c "-I$top/include" -lcmocka
    marked '94 bytes lost' 'ERROR   ] leaky' ./test
    [[ $output == *'OK ] clean_again'* ]]
    # Inside a leak check as well; there the failed test is the program's own status.
    red heaptape check -- ./test
    green heaptape check -- ./test 'clean*'
}

@test "Check: tests that say what they have lost, forked and not" {
    pkg-config --exists check || skip 'Check is not installed'
    # shellcheck disable=SC2046 # words
    compile_test libcheck/test_marked.c "-I$top/include" $(pkg-config --libs check)
    for way in yes no; do
        marked 'heaptape_test_end() == 94' 'Checks: 2, Failures: 1' env CK_FORK=$way ./test
        green env CK_FORK=$way CK_RUN_CASE=clean heaptape check -- ./test
        red env CK_FORK=$way heaptape check -- ./test
    done
}

@test "GoogleTest: tests that say what they have lost" {
    [ -e /usr/include/gtest/gtest.h ] || skip 'GoogleTest is not installed'
    compile_test googletest/test_marked.cc "-I$top/include" -lgtest -pthread
    marked '  heaptape_test_end()' '1 FAILED TEST' ./test
    [[ $output == *'OK ] Parcel.CleanAgain'* ]]
    [[ $output == *'Which is: 94'* || $output == *'  94'* ]]
    green heaptape check -- ./test --gtest_filter='*Clean*'
    red heaptape check -- ./test
}

@test "bats" {
    passes make -C make test_clean test_leaky
    outer() { env -i PATH="$PATH" HOME="$PWD" TMPDIR="$PWD" PROGRAMS="$PWD/make" bats "$@"; }
    green outer -f clean bats/example.bats
    red outer bats/example.bats
    [[ $output == *'not ok 2 leaky'* ]]
}

@test "pytest: an extension in C" {
    needs python3-config
    python3 -c 'import pytest' 2>/dev/null || skip 'pytest is not installed'
    cd pytest
    # shellcheck disable=SC2046 # words
    passes gcc -g -shared -fPIC -I.. $(python3-config --includes) -o parcel.so parcel_module.c ../parcel.c
    export PYTHONMALLOC=malloc # as docs/INTEGRATIONS.md says
    green heaptape check -- python3 -m pytest -q -k clean
    red heaptape check -- python3 -m pytest -q
}
