#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Workloads print the events they expect; the recording must hold exactly these.

load ../helpers

events() {
    "$heaptape" dump x.tape | awk "$@" -f "$top/tests/workloads/events.awk"
}

@test "every entry: sizes, alignments, failing calls, edges" {
    for options in '' --buffer-events=16 --unwinder=libunwind; do
        # shellcheck disable=SC2086 # none or one word
        "$heaptape" record -q -f -o x.tape $options "$workloads/entries" >expected
        [ "$(wc -l <expected)" -ge 30 ]
        events | diff expected -
    done
}

@test "what a call does is counted in the report" {
    "$heaptape" record -q -o x.tape "$workloads/entries" >expected
    "$heaptape" report --json x.tape >report.json
    [ "$(json report.json heap.failed)" -eq "$(grep -cE '^[a-z_]+ 0x0 [1-9]' expected)" ]
    # the marks belong to it, in order
    [ "$(json report.json marks.0.text)" = begin ]
    [ "$(json report.json marks.1.text)" = end ]
    # the workload frees all it allocates
    capture "$heaptape" leaks --json --between begin end x.tape
    expect_status 0
    [ "$(json out total.blocks)" -eq 0 ]
}

@test "threads: each one's events in its own order, other threads' frees included" {
    for options in '' --buffer-events=16; do
        # shellcheck disable=SC2086 # none or one word
        "$heaptape" record -q -f -o x.tape $options "$workloads/threads" >expected
        [ "$(grep -c '^thread' expected)" -eq 4 ]
        events -v threads=1 | diff expected -
        "$heaptape" report --json x.tape >report.json
        [ "$(json report.json completeness.unmatched_frees)" -eq 0 ]
        [ "$(json report.json completeness.overlaps)" -eq 0 ]
        [ "$(json report.json completeness.lost)" -eq 0 ]
    done
}

@test "known call stacks come out as the report's stacks" {
    for options in '' --unwinder=libunwind; do
        # shellcheck disable=SC2086 # none or one word
        "$heaptape" record -q -f -o x.tape $options "$workloads/stacks" >expected
        "$heaptape" report --json -n 0 --depth 0 x.tape >report.json
        python3 - report.json <<'PY' | sort -n >found
import json, sys
ours = "leaf"
for site in json.load(open(sys.argv[1]))["sites"]["not_freed"]:
    names = []
    for frame in site["stack"]:
        name = frame["function"] if frame["module"].endswith("/stacks") else "*"
        if name != "*" or names[-1:] != ["*"]:
            names.append(name)
    if names[0] == ours:
        print(site["bytes"], "<".join(names))
PY
        sort -n expected | diff - found
    done
}

@test "a hook uses at most 1 KiB of its caller's stack" {
    "$workloads/small_stack" >bare
    for options in '' --buffer-events=16; do
        # shellcheck disable=SC2086 # none or one word
        "$heaptape" record -q -f -o x.tape $options "$workloads/small_stack" >recorded
        paste bare recorded
        while read -r kind without _ with; do
            [ "$with" -le $((without + 1024)) ] || { echo "$kind: $((with - without)) bytes more"; return 1; }
        done < <(paste -d ' ' bare recorded)
        [ "$("$heaptape" dump x.tape | grep -c ' realloc ')" -ge 10000 ]
    done
}

@test "a program without the recorder: marks are harmless" {
    "$workloads/entries" >out
    [ -s out ]
}
