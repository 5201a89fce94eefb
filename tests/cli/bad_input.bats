#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Recordings that are missing, foreign, cut, damaged or empty: one clear line, a documented exit
# status, and everything that can be read is reported.

load ../helpers

readers='report peak leaks massif dump info'

make_tape() {
    "$heaptape" record -q -f -o good.tape --buffer-events=64 -- \
        perl -e 'my %h; $h{$_} = "x" x ($_ % 300) for 1 .. 3000; delete $h{$_} for 1 .. 1500'
}

# Every reader says one line and ends with the status.
all_refuse() {
    local wanted=$1 pattern=$2 command
    shift 2
    for command in $readers; do
        capture "$heaptape" "$command" "$@"
        expect_status "$wanted" || return 1
        expect_line err "$pattern" || return 1
        [ ! -s out ] || return 1
    done
}

# Every reader ends by itself with status 0, 1 or 2.
all_survive() {
    local command
    for command in $readers; do
        capture "$heaptape" "$command" "$@"
        if [ "$status" -gt 2 ]; then
            echo "$command $*: status $status"
            cat err
            return 1
        fi
    done
}

@test "a file that is missing, unreadable or no file" {
    all_refuse 1 '^heaptape: nothing\.tape: .*No such file' nothing.tape
    mkdir folder
    all_refuse 1 '^heaptape: folder: ' folder
}

@test "a file that is no tape" {
    all_refuse 1 '^heaptape: /bin/true: .*not a (heaptape )?(tape|recording)' /bin/true
    echo short >short
    all_refuse 1 '^heaptape: short: ' short
    : >empty
    all_refuse 1 '^heaptape: empty: .*empty' empty
}

@test "a tape of a newer version" {
    make_tape
    # major version, and the checksum of the header that goes with it
    python3 - <<'PY'
data = bytearray(open("good.tape", "rb").read())
data[8:10] = (99).to_bytes(2, "little")
crc = 0xffffffff
for byte in data[:60]:
    crc ^= byte
    for _ in range(8):
        crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
data[60:64] = (crc ^ 0xffffffff).to_bytes(4, "little")
open("newer.tape", "wb").write(data)
PY
    all_refuse 1 '^heaptape: newer\.tape: .*99.*newer|^heaptape: newer\.tape: .*newer' newer.tape
}

@test "a tape cut at many lengths: what is left is reported, and that something is missing" {
    make_tape
    size=$(stat -c %s good.tape)
    whole=$("$heaptape" dump good.tape | wc -l)
    [ "$whole" -gt 4000 ]
    for length in 0 1 7 8 63 64 65 95 96 97 128 200 1000 4095 4096 4097 \
        $((size / 10)) $((size / 3)) $((size / 2)) $((size - 100)) $((size - 1)); do
        [ "$length" -lt "$size" ] || continue
        head -c "$length" good.tape >cut.tape
        all_survive cut.tape || return 1
        capture "$heaptape" report cut.tape
        [ -s err ] || [ -s out ] || return 1
    done
    head -c $((size / 2)) good.tape >cut.tape
    capture "$heaptape" report cut.tape
    expect_status 1
    left=$("$heaptape" dump cut.tape 2>/dev/null | wc -l)
    echo "$left of $whole lines left"
    [ "$left" -gt 100 ]
    [ "$left" -lt "$whole" ]
}

@test "flipped bytes: damage is named and skipped, the rest is read" {
    make_tape
    size=$(stat -c %s good.tape)
    "$heaptape" dump good.tape >good.dump
    for at in $(seq 0 5 130) $(seq 150 $((size / 61 + 1)) "$size"); do
        [ "$at" -lt "$size" ] || continue
        python3 - "$at" <<'PY'
import sys
data = bytearray(open("good.tape", "rb").read())
data[int(sys.argv[1])] ^= 0x41
open("flipped.tape", "wb").write(data)
PY
        capture "$heaptape" report flipped.tape
        if [ "$status" -gt 1 ] || { [ "$status" -eq 1 ] && [ ! -s err ] && [ ! -s out ]; }; then
            echo "byte $at: status $status"
            cat err
            return 1
        fi
        # what goes unnoticed must be without meaning
        if [ "$status" -eq 0 ] && ! "$heaptape" dump flipped.tape | cmp -s - good.dump; then
            echo "byte $at changes the events without a word"
            return 1
        fi
    done
    all_survive flipped.tape
}

@test "a damaged chunk in the middle costs its own events only" {
    make_tape
    whole=$("$heaptape" dump good.tape | wc -l)
    python3 - <<'PY'
data = bytearray(open("good.tape", "rb").read())
at = [i for i in range(0, len(data) - 4, 8) if data[i:i + 4] == b"HCHK"]
middle = at[len(at) // 2]
data[middle + 70] ^= 0xff
open("hurt.tape", "wb").write(data)
PY
    capture "$heaptape" report hurt.tape
    expect_status 1
    left=$("$heaptape" dump hurt.tape 2>/dev/null | wc -l)
    echo "$left of $whole lines left"
    [ "$left" -ge $((whole - 200)) ]
    [ "$left" -lt "$whole" ]
}

@test "a recording without an allocation says why" {
    # An assembler program makes its exit call before anything else.
    printf '#include <unistd.h>\nint main(void) { _exit(0); }\n' | gcc -x c -o nothing -
    capture "$heaptape" record -o x.tape ./nothing
    expect_status 0
    cat err
    if [ -e x.tape ]; then
        capture "$heaptape" report x.tape
        [ "$status" -le 1 ]
        cat out err >both
        expect_match both '[Nn]o allocation|allocated nothing|[Ee]mpty'
    fi
}

@test "output that cannot be written is an error" {
    make_tape
    [ -c /dev/full ] || skip 'no /dev/full'
    for command in $readers; do
        status=0
        "$heaptape" "$command" good.tape >/dev/full 2>err || status=$?
        [ "$status" -eq 1 ]
        expect_line err '^heaptape: .*No space left'
    done
    # what was there before is not ours to remove
    ln -s /dev/full full
    capture "$heaptape" massif -o full good.tape
    expect_status 1
    [ -L full ]
    # a reader that has seen enough is no error
    "$heaptape" dump good.tape | head -n 1 >first
    [ -s first ]
}
