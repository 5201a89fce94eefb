#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# report of the recordings of several processes.

load ../helpers

# The tree in a family's JSON: a line "program, its parent's program, tie" for each recording.
tree() {
    python3 -c '
import json, os, sys
p = json.load(open(sys.argv[1]))["processes"]
for x in p:
    parent = os.path.basename(p[x["parent"]]["exe"]) if x["parent"] is not None else "-"
    print(os.path.basename(x["exe"]), parent, x["tie"])' "$1"
}

@test "forks that free, resize and keep their parent's blocks, by the byte" {
    "$heaptape" record -q -o x.tape "$workloads/inherit"
    capture "$heaptape" report --json .
    expect_status 0
    [ "$(json out recordings)" = 3 ]
    [ "$(json out completeness.unmatched_frees)" = 0 ]
    python3 - <<'CHECK'
import json
parent, child, grandchild = json.load(open("out"))["processes"]
def check(p, tie, allocations, frees, peak, live, inherited):
    got = (p["tie"], p["allocations"], p["frees"], p["peak"]["bytes"], p["not_freed"]["bytes"],
           tuple(p["inherited"][k] for k in ("blocks", "bytes", "freed_blocks", "freed_bytes",
                                             "left_blocks", "left_bytes")) if "inherited" in p else None)
    wanted = (tie, allocations, frees, peak, live, inherited)
    assert got == wanted, (got, wanted)
check(parent, "root", 10, 10, 10000, 0, None)
check(child, "fork", 6, 1, 10400, 10300, (10, 10000, 5, 5000, 5, 5000))
check(grandchild, "fork", 0, 0, 0, 0, (10, 15300, 3, 6100, 7, 9200))
assert child["parent"] == 0 and grandchild["parent"] == 1
CHECK
    # by itself, with its ancestors beside it
    "$heaptape" report --pid "$(json out processes.1.pid)" . >text
    expect_match text '^forked from the process recorded in x.tape'
    expect_match text '^  inherited +9\.77 KiB   in 10 blocks at the fork.*freed 5 of them, 4\.88 KiB$'
    expect_match text ' 0 unmatched frees'
    "$heaptape" report "$(json out processes.2.path)" >text
    expect_match text '^  inherited +14\.94 KiB   in 10 blocks'
}

@test "without the parent's tape: unmatched frees, and a line that says why" {
    "$heaptape" record -q -o x.tape "$workloads/inherit"
    "$heaptape" report --json . >all
    mv x.tape elsewhere.tape.away
    mkdir gone && mv elsewhere.tape.away gone/
    capture "$heaptape" report "$(json all processes.1.path)"
    expect_status 0
    expect_match out ' 5 unmatched frees'
    expect_match out "^The parent's tape, x.tape, is missing, "
    run ! grep -q '^  inherited' out
    capture "$heaptape" report .
    expect_status 0
    expect_match out "^1 forked child's parent's tape is missing"
    # beside it under another name, but given
    capture "$heaptape" report --json . gone/elsewhere.tape.away
    [ "$(json out completeness.unmatched_frees)" = 0 ]
}

@test "gcc: the driver and what it runs, every image" {
    echo 'int main(void) { return 0; }' >a.c
    "$heaptape" record -q -o x.tape -- gcc -O1 -o a a.c
    capture "$heaptape" report --json .
    expect_status 0
    tree out >tree
    for pair in 'cc1 x86_64-linux-gnu-gcc-12' 'collect2 x86_64-linux-gnu-gcc-12' \
        'x86_64-linux-gnu-as x86_64-linux-gnu-gcc-12' 'x86_64-linux-gnu-ld.bfd collect2'; do
        expect_match tree "^$pair (child|fork|exec)$"
    done
    # totals are sums; sites are joined: xmalloc of libiberty's kind is in most of them
    python3 - <<'CHECK'
import json
d = json.load(open("out"))
p = d["processes"]
for total, one in ((d["heap"]["allocations"], lambda x: x["allocations"]),
                   (d["heap"]["not_freed"]["bytes"], lambda x: x["not_freed"]["bytes"]),
                   (d["heap"]["sum_of_peaks_bytes"], lambda x: x["peak"]["bytes"])):
    assert total == sum(map(one, p)), total
assert d["heap"]["largest_peak"]["bytes"] == max(x["peak"]["bytes"] for x in p)
CHECK
    capture "$heaptape" report .
    expect_status 0
    expect_match out '^5 recordings of 5 processes, started '
    expect_match out '^  sum of peaks .*not in use at one time'
    expect_match out ' exit +(└|├) cc1 '
    expect_match out ' exit +.. . ld '
}

@test "exe and pid choose; one recording left is shown by itself, none is an error" {
    "$heaptape" record -q -o x.tape -- bash -c 'sort </dev/null; uniq </dev/null; true'
    capture "$heaptape" report --exe sort .
    expect_status 0
    expect_match out '^sort$'
    expect_match out '^Recording: ./x\.tape\.'
    capture "$heaptape" report --exe '*/bin/*' .
    expect_match out '^[4-9] recordings of 3 processes'
    run ! "$heaptape" report --exe '/sbin/*' .
    capture "$heaptape" report --exe nosuch .
    expect_status 1
    expect_line err '^heaptape: report: none of [0-9]+ recordings is of such a process'
    capture "$heaptape" report --pid 1 .
    expect_status 1
    expect_line err 'none of '
    capture "$heaptape" report --pid 0 .
    expect_status 2
    # bash forks, and the fork is replaced: one process, two recordings
    "$heaptape" report --json --exe 'sort' --exe '*' . >all
    tree all | grep -qx 'sort bash exec'
}

@test "sites of several processes are one where their stacks are" {
    for i in 1 2 3; do
        "$heaptape" record -q -o $i.tape "$workloads/phases"
    done
    capture "$heaptape" report --json -n 0 .
    expect_status 0
    python3 - <<'CHECK'
import json
sites = json.load(open("out"))["sites"]
top = sites["by_peak"][0]
assert (top["bytes"], top["blocks"], top["processes"]) == (240000, 3, 3), top
assert top["stack"][0]["function"] == "main", top
number = [(s["allocations"], s["temporary"], s["processes"]) for s in sites["by_allocations"]]
assert number[:3] == [(600, 600, 3), (180, 0, 3), (120, 0, 3)], number
assert sum(s["bytes"] for s in sites["not_freed"]) == 3 * 60320
CHECK
    "$heaptape" report . >text
    expect_match text '^ +234\.38 KiB   44\.3% +3 +3  main \(phases\.c:48\)$'
    capture "$heaptape" report 1.tape 2.tape
    expect_match out '^2 recordings of 2 processes'
}

@test "threads: what each allocated and kept, and who freed it" {
    "$heaptape" record -q -o x.tape "$workloads/threads" >expected
    "$heaptape" report x.tape >text
    expect_match text '^Threads \(5\)$'
    expect_match text '^ +[0-9]+ +300   48\.49 KiB +200   16\.16 KiB  work0$'
    expect_match text '^  allocated by  .*  not freed$'
    [ "$(grep -cE '^  [0-9]+ work[0-3] +[.0 1]+ 100$' text)" -eq 4 ]
    "$heaptape" report --json x.tape >json
    python3 - <<'CHECK'
import json
sizes, name = {}, None # of each thread, by what became of the block: its third free is by a neighbour
for line in open("expected"):
    word = line.split()
    if word[0] == "thread":
        name = word[1]
    elif word[0] == "malloc":
        sizes.setdefault(name, []).append(int(word[2]))
d = json.load(open("json"))
row = [t.get("name") for t in d["freed_by"]["threads"]]
cell = {(row[c["allocated_by"]], row[c["freed_by"]]): c for c in d["freed_by"]["cells"]}
for i in range(4):
    me, next_one = "work%d" % i, "work%d" % ((i + 3) % 4)
    own, other = cell[me, me], cell[me, next_one]
    assert (own["blocks"], other["blocks"]) == (100, 100), (me, own, other)
    t = [t for t in d["threads"] if t["name"] == me][0]
    assert t["allocated_bytes"] == sum(sizes[me]), t
    assert own["bytes"] == sum(sizes[me][2::3]), own
    assert own["bytes"] + other["bytes"] + t["not_freed_bytes"] == t["allocated_bytes"]
assert sum(t["not_freed_bytes"] for t in d["threads"]) == d["heap"]["not_freed"]["bytes"]
CHECK
}

@test "many processes: the page stays short, and says how many it leaves out" {
    "$heaptape" record -q -o x.tape -- bash -c 'for i in {1..60}; do (echo $i); done' >/dev/null
    "$heaptape" report . >text
    expect_match text '^[0-9]+ recordings of 61 processes'
    [ "$(grep -c ' bash -c' text)" -le 32 ]
    expect_match text '^ +. 31 more$'
    "$heaptape" report -n 0 . >text
    [ "$(awk '/^Processes/ { on = 1 } /^$/ { on = on == 1 ? 1 : 0; if (on && seen++) on = 0 } on' text |
        grep -c ' exit ')" -eq 61 ]
    expect_match text ' 0 unmatched frees'
}

@test "python: a child of os.fork that goes on" {
    "$heaptape" record -q -o x.tape -- env PYTHONMALLOC=malloc /usr/bin/python3 -c '
import os
kept = [bytes(1000 + i) for i in range(100)]
pid = os.fork()
if pid == 0:
    del kept
    os._exit(0)
os.waitpid(pid, 0)'
    capture "$heaptape" report --json --exe 'python*' .
    expect_status 0
    python3 - <<'CHECK'
import json
parent, child = json.load(open("out"))["processes"]
assert child["tie"] == "fork" and child["unmatched_frees"] == 0, child
assert child["inherited"]["freed_bytes"] >= 100 * 1000 and child["inherited"]["freed_blocks"] >= 100
assert child["not_freed"]["bytes"] < 100 * 1000
CHECK
}

@test "a running process by its id" {
    mkfifo gate
    "$heaptape" record -q -o x.tape "$workloads/inherit" wait <gate &
    recorded=$!
    exec 7>gate
    for ((i = 0; i < 200; i++)); do
        [ "$(find . -name 'x.tape*' ! -name '*.tail' | wc -l)" -eq 3 ] && break
        sleep 0.05
    done
    pid=$(json <("$heaptape" info --json x.tape) pid)
    for ((i = 0; i < 200; i++)); do # the parent has freed its blocks by now, or soon
        capture "$heaptape" report --json "$pid"
        expect_status 0
        [ "$(json out heap.frees)" -eq 10 ] && break
        sleep 0.05
    done
    [ "$(json out heap.frees)" -eq 10 ]
    [ "$(json out process.ended)" = 'still running' ]
    [ "$(json out completeness.alive)" = True ]
    capture "$heaptape" report .
    expect_match out ' running +'
    expect_match out '^3 processes are still running'
    # a file of that name wins
    "$heaptape" record -q -o other.tape "$workloads/phases"
    cp other.tape "$pid"
    capture "$heaptape" report --json "$pid"
    [ "$(json out heap.peak.bytes)" -eq 180640 ]
    rm "$pid"
    exec 7>&-
    wait $recorded
    capture "$heaptape" report "$pid"
    expect_status 1
    expect_line err "^heaptape: $pid: neither a file nor a running process"
    sleep 5 7>&- &
    capture "$heaptape" report $!
    kill $!
    expect_status 1
    expect_line err 'is not being recorded'
}

@test "directories: what is no recording is skipped, what is damaged is told" {
    "$heaptape" record -q -o x.tape "$workloads/phases"
    mkdir some empty
    cp x.tape some/first
    echo text >some/notes
    cp x.tape some/second.tape
    capture "$heaptape" report --json some # the same recording twice counts once
    expect_status 0
    [ "$(json out heap.allocations)" -eq 322 ]
    "$heaptape" record -q -o some/third.tape "$workloads/phases"
    printf 'XXXXXXXX' | dd of=some/third.tape bs=1 seek=900 conv=notrunc 2>/dev/null
    capture "$heaptape" report some
    expect_status 1
    expect_match out '^INCOMPLETE: '
    expect_match out '^  some/third.tape: .* damaged chunk'
    expect_match out 'phases \(INCOMPLETE\)$'
    expect_match out '^  largest peak .*not reliable: events of 1 recording lost'
    rm some/third.tape
    echo nothing >some/fourth.tape
    capture "$heaptape" report --json some
    expect_status 1
    [ "$(json out heap.allocations)" -eq 322 ]
    expect_line err '^heaptape: some/fourth.tape: not a heaptape recording'
    capture "$heaptape" report empty
    expect_status 1
    expect_line err '^heaptape: empty: no recording is in this directory$'
}

@test "lost events: peak and what is not freed say that they are not reliable" {
    PYTHONMALLOC=malloc "$heaptape" record -q --max-size 65536 -o x.tape -- /usr/bin/python3 -c 'import json, email'
    capture "$heaptape" report x.tape
    expect_status 1
    expect_match out '^  peak .* \(not reliable: [0-9,]+ events lost\)$'
    expect_match out '^  not freed .* \(not reliable: [0-9,]+ events lost\)$'
    capture "$heaptape" report --json x.tape
    [ "$(json out heap.reliable)" = False ]
    for command in peak leaks; do
        capture "$heaptape" $command x.tape
        expect_match out ' in [0-9,]+ blocks \(not reliable: [0-9,]+ events lost\)$'
        capture "$heaptape" $command --json x.tape
        [ "$(json out reliable)" = False ]
    done
    capture "$heaptape" massif -o - x.tape
    expect_status 1
    expect_match out '^desc: .*recorded by heaptape; not reliable: [0-9,]+ events lost\)$'
    "$heaptape" record -q -f -o x.tape "$workloads/phases"
    "$heaptape" report --json x.tape >out
    [ "$(json out heap.reliable)" = True ]
    "$heaptape" report x.tape >text
    run ! grep -q 'not reliable' text
}

@test "commands that read one recording take a directory, or a process, that has one" {
    mkdir one several empty
    "$heaptape" record -q -o one/a.tape true
    touch one/notes
    "$heaptape" record -q -o several/b.tape sh -c '/bin/true; /bin/true; :'
    for command in peak leaks massif dump info; do
        "$heaptape" $command one/a.tape >of_file
        "$heaptape" $command one >of_directory
        expect_same of_file of_directory
        capture "$heaptape" $command several
        expect_status 1
        expect_line err "^heaptape: several: 3 recordings are there; name one of them \(several/b\.tape, several/b\.tape\.[0-9]+, "
        capture "$heaptape" $command empty
        expect_status 1
        expect_line err 'no recording is in this directory$'
    done
    "$heaptape" record -q -o running.tape sleep 60 &
    launcher=$!
    until sleeper=$(pgrep -P $launcher sleep) && [ -e running.tape ]; do sleep 0.05; done
    capture "$heaptape" info "$sleeper"
    kill "$sleeper"
    wait $launcher || true
    expect_status 0
    expect_match out '^recording  .*/running\.tape'
}
