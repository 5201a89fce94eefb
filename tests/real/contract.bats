#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The malloc family at its corners: results, errno, alignment, usable sizes and content as without
# the recorder; and what failed is recorded as failed.

load ../helpers

compile() {
    gcc -std=c17 -D_GNU_SOURCE -O0 -fno-builtin -I"$top/include" -o corners \
        "$top/tests/real/contract/corners.c"
}

# The corners bare and recorded, with another allocator underneath when one is named.
same_corners() {
    local allocator=${1-} options
    local corners=(./corners ${2+"$2"})
    LD_PRELOAD=$allocator "${corners[@]}" >bare 3>failed
    [ "$(wc -l <bare)" -ge 400 ] || return 1
    [ "$(wc -l <failed)" -ge 100 ] || return 1
    for options in '' --buffer-events=16; do
        # shellcheck disable=SC2086 # none or one word
        LD_PRELOAD=$allocator "$heaptape" record -q -f -o x.tape $options -- "${corners[@]}" \
            >recorded 3>failed.recorded || return 1
        diff bare recorded || return 1
        diff failed failed.recorded || return 1
        "$heaptape" dump x.tape | awk -f "$top/tests/workloads/events.awk" >events || return 1
        grep ' 0x0 ' events | diff failed - || return 1
        # all that was obtained was freed, blocks that could not be resized too
        "$heaptape" report --json -n 0 x.tape >report.json || return 1
        for count in lost unmatched_frees overlaps; do
            [ "$(json report.json completeness.$count)" -eq 0 ] || return 1
        done
        "$heaptape" leaks --json --between begin end x.tape >leaks.json || return 1
        [ "$(json leaks.json total.blocks)" -eq 0 ] || return 1
    done
}

@test "the C library's allocator" {
    compile
    same_corners
    # the corners are corners: of each kind there is one
    expect_match bare '^malloc\(most\) +NULL, errno ENOMEM$'
    expect_match bare '^calloc\(half, 2\) +NULL, errno ENOMEM$'
    expect_match bare '^posix_memalign\(24, 1\) +returns EINVAL, pointer untouched$'
    expect_match bare 'content kept$'
    [ "$(grep -cE 'lost$|dirty$|^free|not aligned$' bare)" -eq 0 ]
}

@test "jemalloc" {
    compile
    jemalloc=$(realpath "$(gcc -print-file-name=libjemalloc.so.2)")
    [ -e "$jemalloc" ] || skip 'libjemalloc.so.2 is not installed'
    same_corners "$jemalloc" no-pvalloc
    # it was jemalloc that answered: usable sizes are its own
    ./corners no-pvalloc >glibc 3>/dev/null
    if cmp -s glibc bare; then return 1; fi
}
