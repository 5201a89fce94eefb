#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats example.bats; the programs are in $PROGRAMS.

@test "clean" {
    heaptape check -- "$PROGRAMS/test_clean"
}

@test "leaky" {
    heaptape check -- "$PROGRAMS/test_leaky"
}
