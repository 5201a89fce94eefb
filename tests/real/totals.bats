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
