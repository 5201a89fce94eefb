#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What people read: report, peak, leaks and massif of a program whose amounts are known
# (tests/workloads/phases.c).

load ../helpers


record() { # without samples of its memory: they come by time (tests/real/memory.bats has them)
    HEAPTAPE_MEMORY=0 "$heaptape" record -q -f -o x.tape "$workloads/phases"
}

# Times, identities and the sizes of files differ from run to run.
stable() {
    sed -E -e "s|$workloads|WORKLOADS|g" \
        -e 's/[0-9.]+ (ns|us|ms|s)( after|,|$)/TIME\2/g' -e 's/\([0-9.]+% of the run\)/(SHARE)/' \
        -e 's/after [0-9.]+ (ms|us) and not freed by [0-9.]+ (ms|us)/after TIME and not freed by TIME/' \
        -e 's/^ +[0-9.]+ ms  (built|grown)$/  TIME  \1/' \
        -e 's/^pid .*/PROCESS/' -e 's/^Complete: .*/COMPLETE/' "$@"
}

@test "peak: bottom-up, top-down and flat" {
    record
    {
        "$heaptape" peak x.tape --filter phases.c
        echo ==== top-down
        "$heaptape" peak x.tape --filter phases.c --top-down
        echo ==== flat
        "$heaptape" peak x.tape --filter phases.c --flat
        echo ==== threshold, depth
        "$heaptape" peak x.tape --filter phases.c --threshold=25 --depth=2
        echo ==== limit
        "$heaptape" peak x.tape --filter phases.c -n 1
    } >text
    stable text | grep -v -e '^  0 truncated' >out
    expect_golden out peak.txt
}

@test "plain ASCII where the locale has nothing else, no colour where there is no terminal" {
    record
    LC_ALL=C "$heaptape" peak x.tape --filter build_left >text
    grep -q -- '<- main (phases.c:' text
    run ! env LC_ALL=C grep -q '[^ -~]' text
    TERM=xterm "$heaptape" report x.tape >text
    run ! grep -q $'\033' text
}

@test "the heap at any instant, and what lives past one" {
    record
    bytes() {
        "$heaptape" "$@" --json --filter phases.c x.tape >json
        echo "$(json json matching.bytes) $(json json matching.blocks)"
    }
    [ "$(bytes peak)" = '180640 121' ]
    [ "$(bytes peak --at peak)" = '180640 121' ]
    [ "$(bytes peak --at built)" = '150000 101' ]
    [ "$(bytes peak --at grown)" = '180640 121' ]
    [ "$(bytes peak --at 0)" = '0 0' ]
    [ "$(bytes peak --at end)" = '60320 70' ]
    [ "$(bytes peak --at 1min)" = '60320 70' ]
    [ "$(bytes leaks)" = '60320 70' ]
    [ "$(bytes leaks --between 0 built)" = '150000 101' ]
    [ "$(bytes leaks --between built grown)" = '80640 21' ]
    [ "$(bytes leaks --between built end)" = '320 10' ]
    [ "$(bytes leaks --between grown end)" = '0 0' ]
}

@test "the filter takes functions, files and modules anywhere in the stack" {
    record
    bytes() {
        "$heaptape" leaks --json --filter "$1" x.tape >json
        json json matching.bytes
    }
    [ "$(bytes build_left)" -eq 60000 ]
    [ "$(bytes build_right)" -eq 0 ]
    [ "$(bytes 'build_*')" -eq 60000 ]
    [ "$(bytes main)" -eq 60320 ]
    [ "$(bytes '*/phases.c')" -eq 60320 ]
    [ "$(bytes phases)" -eq 60320 ]
    [ "$(bytes nowhere)" -eq 0 ]
}

@test "leaks: what was not freed, nothing called leaked" {
    record
    {
        "$heaptape" leaks x.tape --filter phases.c
        echo ==== between
        "$heaptape" leaks x.tape --between built grown
    } >text
    run ! grep -qi leak text
    stable text | sed '/^  0 truncated/d' >out
    expect_golden out leaks.txt
}

@test "report: the page" {
    record
    "$heaptape" report x.tape --depth 3 >text
    stable text | sed -E -e '/^  resident|^Recording:|^  0 truncated/d' >out
    expect_golden out report.txt
    "$heaptape" report --json x.tape >report.json
    [ "$(json report.json heap.peak.bytes)" -ge 180640 ]
    [ "$(json report.json heap.reallocs)" -eq 1 ]
    [ "$(json report.json marks.1.text)" = grown ]
    [ "$(json report.json sites.by_allocations.0.temporary)" -eq 200 ]
    [ "$(json report.json sites.by_peak.1.stack.0.function)" = new_node ]
}

@test "massif: options, the file and the graph" {
    record
    "$heaptape" massif x.tape --detailed-freq=1 --depth=2 -o out.massif
    [ "$(grep -c '^heap_tree=peak$' out.massif)" -eq 1 ]
    run ! grep -q '^heap_tree=empty$' out.massif
    run ! grep -q '^   n' out.massif
    "$heaptape" massif x.tape --time-unit=B -o - | grep -q '^time_unit: B$'
    [ "$("$heaptape" massif x.tape --max-snapshots=10 -o - | grep -c ^snapshot=)" -le 10 ]
    # without the allocator's share, resizes counted by their difference: 100 × 1000 + 80000 +
    # 20 × 32 allocated, then 40000 + 80000 + 320 freed, and the temporary blocks
    "$heaptape" massif x.tape --heap-admin=0 --alignment=1 --time-unit=B -o - >out
    [ "$(grep ^time= out | tail -1)" = "time=$((180640 + 120320 + 4000))" ]
    [ "$(grep -c '^mem_heap_extra_B=0$' out)" -eq "$(grep -c '^snapshot=' out)" ]
    "$heaptape" massif x.tape >out
    expect_match out '^Number of snapshots: [0-9]+$'
    expect_match out '\(peak\)'
    for wrong in --peak-inaccuracy=1 --time-unit=i --threshold=101 --depth=0 --max-snapshots=9; do
        capture "$heaptape" massif "$wrong" x.tape
        expect_status 2
        expect_line err '^heaptape: massif: '
    done
    capture "$heaptape" massif -o missing/out x.tape
    expect_status 1
    expect_line err '^heaptape: missing/out: '
    capture "$heaptape" massif -o /dev/full x.tape
    expect_status 1
    [ -c /dev/full ]
}

@test "a program that allocates nothing: every report says so" {
    "$heaptape" record -q -f -o x.tape /bin/true
    for command in report peak leaks massif; do
        capture "$heaptape" "$command" x.tape
        expect_status 0
        expect_match out '^No allocations: '
        expect_match out '^Complete: '
    done
    "$heaptape" massif -o out x.tape 2>err
    expect_line err 'No allocations'
}
