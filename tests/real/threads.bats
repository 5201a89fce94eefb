#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Threads: the order of what they do to each other's blocks, their names, their number, their ends;
# handlers, cancellation and coroutines in the midst of a hook.

load ../helpers

programs=$top/tests/real/threads

# Every call that is spelled out is made, by a function that has a frame.
compile() {
    # shellcheck disable=SC2086 # none or one word
    gcc -std=c17 -D_GNU_SOURCE -O1 ${2-} -fno-builtin -fno-inline -fno-optimize-sibling-calls -fno-plt \
        -pthread -o "$1" "$programs/$1.c"
}

# Records to x.tape and makes report.json; the recording must be complete.
record() {
    capture "$heaptape" record -q -f -o x.tape "$@"
    expect_status 0 || return 1
    # Not on top of an allocator that the program alone is meant to have.
    env -u LD_PRELOAD "$heaptape" report --json -n 0 x.tape >report.json || return 1
    expect_count completeness.lost 0 && expect_count completeness.damaged_chunks 0 &&
        expect_count completeness.unmatched_frees 0 && expect_count completeness.inversions 0 &&
        expect_count completeness.overlaps 0
}

expect_count() {
    local found
    found=$(json report.json "$1")
    [ "$found" -eq "$2" ] && return
    echo "$1: $found, expected $2"
    return 1
}

tally() {
    "$heaptape" dump --no-stacks x.tape | awk "$@" -f "$top/tests/real/tally.awk"
}

chains() {
    "$heaptape" dump x.tape | python3 "$programs/chains.py" "$1"
}

# An allocator for handlers and cancellation at any instruction, behind the recorder.
compile_slots() {
    gcc -std=c17 -D_GNU_SOURCE -O1 -fno-builtin-malloc -shared -fPIC -o slots.so "$programs/slots.c"
}

# ---- order --------------------------------------------------------------------------------------

# One heap for both threads, nothing kept back for the thread that freed it.
one_heap() {
    GLIBC_TUNABLES=glibc.malloc.tcache_count=0 MALLOC_ARENA_MAX=1 "$@"
}

# Each address that changes hands takes some 80 pairs of malloc and free. HANDED=10000000 for more.
@test "200,000 addresses handed from thread to thread: no inversion" {
    compile pairs
    handed=${HANDED:-200000}
    one_heap record -- ./pairs "$handed" 24
    echo "$(cat out) addresses freed by one thread and received by the other"
    [ "$(cat out)" -ge "$handed" ]
    [ "$(json report.json completeness.events)" -ge $((handed * 20)) ]
    rm x.tape
    one_heap record -- ./pairs "$handed" 700 # bins under the allocator's lock
    [ "$(cat out)" -ge "$handed" ]
}

@test "a recorder that stamps a free behind the real one is caught by its inversions" {
    compile pairs
    # free() alone, with its two steps in the wrong order
    awk '/^EXPORT void free\(/ { inside = 1 }
         inside && /if \(p != NULL\)/ { held = $0; getline; held = held "\n" $0; next }
         inside && /real\.free\(p\)/ { print; print held; inside = 0; next }
         { print }' "$top/preload/hooks.c" >hooks.c
    [ "$(diff hooks.c "$top/preload/hooks.c" | grep -c '^[<>]')" -eq 2 ] # one line moved
    mkdir mutant
    cp -r "$top/preload" "$top/include" "$top/Makefile" mutant
    mv hooks.c mutant/preload
    (unset MAKEFLAGS MAKELEVEL && make -s -C mutant B=build build/libheaptape.so)
    one_heap env LD_PRELOAD="$PWD/mutant/build/libheaptape.so" HEAPTAPE_OUT=y.tape ./pairs 200000 24
    "$heaptape" report --json -n 0 y.tape >report.json || true
    inversions=$(json report.json completeness.inversions)
    echo "$inversions inversions"
    [ "$inversions" -gt 0 ]
}

# ---- names, numbers -----------------------------------------------------------------------------

@test "names, ids and numbers of threads are in the report" {
    compile names
    record -- ./names
    [ "$(wc -l <out)" -eq 5 ]
    tally -v from=77 -v to=77 -v tids=1 >found
    sed -E 's/^([0-9]+) .* ([0-9]+ [0-9]+)$/\1 \2/' out | sort -n | diff - found
    "$heaptape" report x.tape >report.txt
    while read -r tid first second calls frees; do
        python3 - "$tid" "$first $second" "$calls" "$frees" <<'PY'
import json, sys
tid, name, mallocs, frees = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
found = [t for t in json.load(open("report.json"))["threads"] if t["tid"] == tid]
assert len(found) == 1 and found[0]["name"] == name, found
assert found[0]["allocations"] >= mallocs and found[0]["frees"] >= frees, found
PY
        expect_match report.txt "^ +$tid .*$first $second$"
    done <out
}

@test "100,000 short threads: flat memory, every event" {
    compile brief
    record -- ./brief 100000
    cat out
    { read -r early early_maps; read -r late late_maps; } <out
    # 90,000 threads more: windows of the tape may have come in, not as little as 50 bytes a thread
    [ $((late - early)) -lt 4096 ]
    [ $((late_maps - early_maps)) -lt 10 ]
    [ "$(tally -v from=333 -v to=444 -v sizes=1)" = $'333 100000 100000\n444 100000 100000' ]
    # main and all of them; a kernel that uses ids again may have given two the same
    [ "$("$heaptape" dump --no-stacks x.tape | awk '$4 == "thread"' | wc -l)" -eq 100001 ]
}

@test "memory does not grow with events: 10^5 and 10^7 of them" {
    compile steady
    ./steady 10000000 4 >bare
    record -- ./steady 10000000 4
    paste bare out
    [ "$(json report.json completeness.events)" -ge 9900000 ]
    { read -r early _; read -r late _; } <bare
    own=$((late - early))
    { read -r early early_maps; read -r late late_maps; } <out
    # a window of the tape may have come in, and each core's worker, not a byte an event
    [ $((late - early - own)) -lt 4096 ]
    [ $((late_maps - early_maps)) -lt 10 ]
}

@test "memory of a thread that lives: half a MiB, 8 MiB of the process" {
    compile steady
    ./steady turns 1 >bare.one
    ./steady turns 101 >bare
    record -- ./steady turns 1
    mv out one
    record -- ./steady turns 101
    paste bare.one one bare out
    read -r bare_one _ <bare.one
    read -r one _ <one
    read -r bare_all _ <bare
    read -r all _ <out
    [ $((one - bare_one)) -lt 8192 ]
    [ $((all - one - (bare_all - bare_one))) -lt $((100 * 512)) ]
}

@test "500 threads at once, and with the smallest stacks" {
    compile crowd
    for stack in 65536 0; do
        for options in '' --buffer-events=16; do
            # shellcheck disable=SC2086 # none or one word
            record $options -- ./crowd 500 $stack
            [ "$(cat out)" = 'done' ]
            [ "$(tally -v from=100 -v to=199)" = '25000 25000' ]
            [ "$(tally -v from=1000 -v to=1000)" = '25000 25000' ]
            [ "$("$heaptape" dump --no-stacks x.tape | awk '$4 == "thread" { print $3 }' | sort -u | wc -l)" -eq 501 ]
        done
    done
}

# ---- handlers, cancellation, destructors, coroutines --------------------------------------------

@test "a handler that allocates and frees at any point of a hook: every event, every stack" {
    compile_slots
    for options in '' --buffer-events=64; do
        [ -z "$options" ] && frames=-fno-omit-frame-pointer || frames=-fomit-frame-pointer
        compile timer "$frames"
        # shellcheck disable=SC2086 # none or one word
        LD_PRELOAD=./slots.so record $options -- ./timer 5000
        read -r main_blocks handler_blocks <out
        [ "$handler_blocks" -ge 5000 ]
        [ "$(tally -v from=17 -v to=19)" = "$main_blocks $main_blocks" ]
        [ "$(tally -v from=40 -v to=40)" = "$handler_blocks $handler_blocks" ]
        chains ./timer >chains
        sed 's/^/    /' chains
        outer='main<libc\.so\.6<_start$'
        one=$((main_blocks / 3))
        sed -n "/ malloc 1[789] /p" chains >own
        printf '%s\n' "$one malloc 17 one<main<libc.so.6<_start" \
            "$one malloc 18 two<one<main<libc.so.6<_start" \
            "$one malloc 19 three<two<one<main<libc.so.6<_start" | diff - own
        # between the handler and the program's functions: the frame of the signal, hooks, allocator
        grep ' malloc 40 ' chains >handler
        between='(((libheaptape|slots|libc|linux-vdso)\.so(\.[16])?|\[vdso\])<)*'
        right="^[0-9]+ malloc 40 inner<on_timer<libc\.so\.6<$between(((three<)?two<)?one<)?$outer"
        [ "$(grep -cE "$right" handler)" -eq "$(wc -l <handler)" ]
        # and hooks it was that were interrupted, most of the time
        hooks=$(awk '/libheaptape/ { n += $1 } END { print n + 0 }' handler)
        echo "$hooks of $handler_blocks inside a hook"
        [ "$hooks" -ge $((handler_blocks / 4)) ]
    done
}

@test "threads cancelled at any instruction: what they completed is there" {
    compile cancel
    compile_slots
    threads=2000
    for options in '' --buffer-events=16; do
        # shellcheck disable=SC2086 # none or one word
        LD_PRELOAD=./slots.so record $options -- ./cancel async $threads
        read -r mallocs frees <out
        read -r found_mallocs found_frees < <(tally -v from=41 -v to=41)
        echo "$mallocs mallocs completed, $found_mallocs recorded; $frees frees, $found_frees"
        [ "$mallocs" -gt $threads ]
        # the call that a thread was cancelled in may be recorded, or not
        [ "$found_mallocs" -ge "$mallocs" ]
        [ "$found_mallocs" -le $((mallocs + threads)) ]
        [ "$found_frees" -ge "$frees" ]
        [ "$found_frees" -le $((frees + threads)) ]
        # what a cancelled thread leaves behind does not spoil the stacks of the next one
        chains ./cancel | grep ' malloc 41 ' >chains
        expect_line chains '^[0-9]+ malloc 41 work<libc\.so\.6$'
    done
}

@test "threads cancelled at a cancellation point, with handlers that free" {
    compile cancel
    record -- ./cancel deferred 300
    read -r mallocs frees <out
    [ "$mallocs" -gt 300 ]
    [ "$mallocs" -eq "$frees" ]
    [ "$(tally -v from=41 -v to=41)" = "$(cat out)" ]
}

@test "destructors of thread data, to the last round: every event, of the right thread" {
    g++ -O1 -fno-builtin -pthread -o destructors "$programs/destructors.cc"
    for options in '' --buffer-events=16; do
        # shellcheck disable=SC2086 # none or one word
        record $options -- ./destructors
        # an object, and a block in each of the four rounds
        [ "$(grep -cE '^[0-9]+ 5 5$' out)" -eq 8 ]
        tally -v from=501 -v to=502 -v tids=1 >found
        sort -n out | diff - found
    done
}

@test "coroutines on stacks from malloc and mmap: every event and its stack" {
    compile coroutines
    for options in '' --buffer-events=16; do
        # shellcheck disable=SC2086 # none or one word
        record $options -- ./coroutines
        [ "$(wc -l <out)" -eq 24 ]
        tally -v from=1001 -v to=2012 -v sizes=1 | cut -d ' ' -f 1,2 | diff out -
        tally -v from=1001 -v to=2012 -v sizes=1 | cut -d ' ' -f 1,3 | diff out -
        while read -r size count; do
            chain=
            for ((i = 0; i < size % 1000; i++)); do chain+='descend<'; done
            [ "$size" -lt 2000 ] && chain+=even || chain+=odd
            echo "$count malloc $size $chain<libc.so.6"
        done <out >expected
        chains ./coroutines | grep -E ' malloc [12]0[01][0-9] ' | diff expected -
    done
}
