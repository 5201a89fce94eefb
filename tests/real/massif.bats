#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# ms_print reads every massif file that heaptape writes, and finds in it what the report says.

load ../helpers

# Writes massif.out from x.tape with the options, has ms_print read it with threshold 0, and
# compares: peak, totals of the trees.
check_massif() {
    "$heaptape" massif "$@" -o massif.out x.tape || return 1
    # ms_print leaves a file behind where it fails
    TMPDIR=$PWD ms_print --threshold=0 massif.out >printed 2>ms_err || return 1
    [ ! -s ms_err ] || return 1
    [ "$(grep -c '^mem_heap_B=' massif.out)" -eq "$(grep -c '^snapshot=' massif.out)" ] || return 1
    expect_match massif.out '^heap_tree=peak$' || return 1
    python3 - massif.out "$(json report.json heap.peak.bytes)" <<'PY'
import re, sys
snapshots, peak = [], None
for line in open(sys.argv[1]):
    line = line.rstrip("\n")
    key, _, value = line.partition("=")
    if key == "snapshot":
        snapshots.append({"tree": []})
    elif key in ("time", "mem_heap_B", "mem_heap_extra_B"):
        snapshots[-1][key] = int(value)
    elif key == "heap_tree":
        snapshots[-1]["kind"] = value
    elif re.match(r" *n\d+: ", line):
        depth = len(line) - len(line.lstrip())
        children, size = re.match(r" *n(\d+): (\d+)", line).groups()
        snapshots[-1]["tree"].append((depth, int(children), int(size)))
times = [s["time"] for s in snapshots]
assert times == sorted(times), "times go back"
peaks = [s for s in snapshots if s["kind"] == "peak"]
assert len(peaks) == 1, f"{len(peaks)} peaks"
assert peaks[0]["mem_heap_B"] == int(sys.argv[2]), "peak is not the report's"
assert max(s["mem_heap_B"] for s in snapshots) == int(sys.argv[2])
for s in snapshots:
    tree = s["tree"]
    assert (s["kind"] == "empty") == (not tree)
    if not tree:
        continue
    assert tree[0][2] == s["mem_heap_B"], "root is not the snapshot's total"
    def walk(at):
        depth, children, size = tree[at]
        at += 1
        total = 0
        for _ in range(children):
            assert tree[at][0] == depth + 1
            total += tree[at][2]
            at = walk(at)
        assert total <= size, "children weigh more than their parent"
        return at
    assert walk(0) == len(tree), "nodes do not add up"
print(len(snapshots), "snapshots")
PY
}

record() {
    "$heaptape" record -q -f -o x.tape -- "$@" <"${input-/dev/null}" >/dev/null
    "$heaptape" report --json x.tape >report.json
}

all_options() {
    check_massif || return 1
    check_massif --threshold=0 || return 1
    check_massif --time-unit=B --threshold=0 --depth=3 || return 1
    check_massif --detailed-freq=1 --max-snapshots=10 --depth=200 || return 1
    check_massif --max-snapshots=500 --heap-admin=0 --alignment=8
}

@test "sqlite3" {
    input=$top/bench/sqlite.sql
    record sqlite3 :memory:
    all_options
}

@test "C++ with templates, lambdas and exceptions" {
    record "$workloads/deterministic"
    all_options
    compile_bench exceptions
    record ./exceptions
    all_options
}

@test "perl, and a program that allocates once" {
    record perl -e 'my @x = map { "value $_" } 1 .. 20000'
    all_options
    printf '#include <stdlib.h>\nvoid *volatile p; int main(void) { p = malloc(100); return 0; }\n' | gcc -x c -o once -
    record ./once
    check_massif --threshold=0
}

@test "the terminal output ends with the completeness line" {
    record "$workloads/deterministic"
    capture "$heaptape" massif x.tape
    expect_status 0
    tail -n 3 out | grep -q '^Complete: '
}
