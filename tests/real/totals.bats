#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# heaptape's totals are those of valgrind's DHAT and massif and of heaptrack on the same run. What
# each tool counts is written beside the comparison; nothing is left unexplained.

load ../helpers

record() {
    "$heaptape" record -q -f -o x.tape -- "$@" <"${input-/dev/null}" >out
    "$heaptape" report --json x.tape >report.json
    allocations=$(json report.json heap.allocations)
    bytes=$(json report.json heap.allocated_bytes)
    reallocs=$(json report.json heap.reallocs)
    peak=$(json report.json heap.peak.bytes)
    left=$(json report.json heap.not_freed.bytes)
    echo "heaptape: $allocations allocations ($reallocs reallocs), $bytes bytes, peak $peak, left $left"
}

# DHAT's "Total: X bytes in N blocks", "At t-gmax: X bytes in N blocks".
dhat() {
    valgrind --tool=dhat --dhat-out-file=/dev/null "$@" <"${input-/dev/null}" 2>dhat.txt >/dev/null
    grep -E 'Total|At t' dhat.txt
    read -r dhat_bytes dhat_blocks < <(tr -d , <dhat.txt | sed -n 's/.*Total: *\([0-9]*\) bytes in \([0-9]*\) blocks/\1 \2/p')
    dhat_peak=$(tr -d , <dhat.txt | sed -n 's/.*At t-gmax: *\([0-9]*\) bytes.*/\1/p')
}

# massif's greatest snapshot, of bytes asked for, every deallocation looked at.
massif() {
    valgrind --tool=massif --peak-inaccuracy=0 --massif-out-file=massif.out "$@" \
        <"${input-/dev/null}" >/dev/null 2>&1
    massif_peak=$(sed -n 's/^mem_heap_B=//p' massif.out | sort -n | tail -n 1)
    echo "massif: peak $massif_peak"
}

heaptrack_totals() {
    heaptrack -o "$PWD/ht" "$@" <"${input-/dev/null}" >heaptrack.out 2>&1
    heaptrack_print -f "$(find . -name 'ht.*')" >heaptrack.txt
    tail -n 6 heaptrack.txt
    heaptrack_calls=$(sed -n 's/^calls to allocation functions: \([0-9]*\).*/\1/p' heaptrack.txt)
    heaptrack_peak=$(sed -n 's/^peak heap memory consumption: //p' heaptrack.txt)
}

# Bytes as heaptrack prints them: thousands, two decimals.
heaptrack_bytes() {
    awk -v n="$1" 'BEGIN {
        if (n >= 1e6) printf "%.2fM\n", n / 1e6
        else if (n >= 1e3) printf "%.2fK\n", n / 1e3
        else printf "%dB\n", n }'
}

equal() {
    [ "$2" = "$3" ] && return
    echo "$1: $2 is not $3"
    return 1
}

@test "a deterministic C++ program: equal to DHAT, massif and heaptrack" {
    record "$workloads/deterministic"
    [ "$allocations" -gt 30000 ]
    dhat "$workloads/deterministic"
    equal 'DHAT blocks' "$dhat_blocks" "$allocations"
    equal 'DHAT bytes' "$dhat_bytes" "$bytes"
    equal 'DHAT peak' "$dhat_peak" "$peak"
    massif "$workloads/deterministic"
    equal 'massif peak' "$massif_peak" "$peak"
    heaptrack_totals "$workloads/deterministic"
    equal 'heaptrack calls' "$heaptrack_calls" "$allocations"
    equal 'heaptrack peak' "$heaptrack_peak" "$(heaptrack_bytes "$peak")"
    # Not compared: what is left at the end. valgrind has the C library free its own buffers
    # first, heaptrack libstdc++ its pool for exceptions; heaptape changes nothing.
}

@test "sqlite3: equal to DHAT and massif; heaptrack brings one block of its own" {
    input=$top/bench/sqlite.sql
    record sqlite3 :memory:
    [ "$allocations" -gt 1000000 ]
    [ "$reallocs" -gt 100000 ]
    dhat sqlite3 :memory:
    equal 'DHAT blocks' "$dhat_blocks" "$allocations"
    equal 'DHAT bytes' "$dhat_bytes" "$bytes"
    equal 'DHAT peak' "$dhat_peak" "$peak"
    massif sqlite3 :memory:
    equal 'massif peak' "$massif_peak" "$peak"
    heaptrack_totals sqlite3 :memory:
    # heaptrack's preload is C++ and brings libstdc++, which allocates its pool for exceptions
    # when it is loaded: one call more, and that many bytes at the peak.
    wanted_calls=$((allocations + 1)) wanted_peak=$peak
    echo 'int main() {}' | g++ -x c++ -Wl,--no-as-needed -o pool -
    input=/dev/null
    record ./pool
    equal 'blocks of a C++ program that does nothing' "$allocations" 1
    equal 'heaptrack calls' "$heaptrack_calls" "$wanted_calls"
    equal 'heaptrack peak' "$heaptrack_peak" "$(heaptrack_bytes $((wanted_peak + bytes)))"
}
