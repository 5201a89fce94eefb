# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154 # heaptape comes from helpers.bash
# For tests of `heaptape check`: recordings that it keeps go below the test's own folder.

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    mkdir tmp
    export TMPDIR=$PWD/tmp
}

check() {
    capture "$heaptape" check "$@"
}
