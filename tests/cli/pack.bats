#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# heaptape pack: reports of the packed form are those of the recording.

load ../helpers

# A JSON report without what tells of the recording's own file: its name, size and chunks.
without_file() {
    python3 -c '
import json, sys
report = json.load(open(sys.argv[1]))
def clean(value):
    if isinstance(value, list):
        return [clean(v) for v in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"path", "bytes"}:
        del value["path"], value["bytes"]
    if "damaged_chunks" in value:
        value.pop("chunks", None)
    return {k: clean(v) for k, v in value.items()}
print(json.dumps(clean(report), indent=1))' "$1"
}

# The commands that read a recording, each to $2.NAME.
read_all() {
    for command in dump report massif; do
        # samples of memory name the recording's own file, by its path
        "$heaptape" "$command" "$1" 2>&1 | grep -v '^Recording: ' | sed "s#\(^\| \)$1#\1RECORDING#g" >"$2.$command"
        [ -s "$2.$command" ]
    done
    for command in report peak leaks; do
        "$heaptape" "$command" --json "$1" >all.json || true
        without_file all.json >"$2.$command.json"
        [ -s "$2.$command.json" ]
    done
}

# The recording and what was made of it read the same.
expect_same_reports() {
    read_all "$1" before
    read_all "$2" after
    for report in before.*; do
        cmp "$report" "after.${report#before.}"
    done
}

@test "a program with threads: every report is the same, and the file is smaller" {
    "$heaptape" record -q -o x.tape "$workloads/threads" >lines
    cp x.tape kept
    capture "$heaptape" pack x.tape
    expect_status 0
    [ ! -s err ]
    expect_line out '^x\.packed\.tape: .* of x\.tape, 0\.[0-9]+ of the recording.s size$'
    [ "$(stat -c %s x.packed.tape)" -lt "$(stat -c %s x.tape)" ]
    [ "$(stat -c %a x.packed.tape)" = "$(stat -c %a x.tape)" ]
    cmp x.tape kept
    expect_same_reports x.tape x.packed.tape
}

@test "packed twice, the second time nothing changes; levels, --quiet and --json" {
    "$heaptape" record -q -o x.tape perl -e 'my @x = map { "n" x ($_ % 700) } 1 .. 12000; select(undef, undef, undef, 0.06)'
    capture "$heaptape" pack --quiet -o one.tape x.tape
    expect_status 0
    [ ! -s out ] && [ ! -s err ]
    capture "$heaptape" pack -o two.tape one.tape
    expect_status 0
    cmp one.tape two.tape
    capture "$heaptape" pack --level=1 --json -o fast.tape x.tape
    expect_status 0
    [ "$(json out packed.0.recorded_bytes)" -eq "$(stat -c %s x.tape)" ]
    [ "$(json out packed.0.packed_bytes)" -eq "$(stat -c %s fast.tape)" ]
    [ "$(stat -c %s fast.tape)" -gt "$(stat -c %s one.tape)" ]
    expect_same_reports x.tape fast.tape
}

@test "a killed program: the tail is taken in, and its end is told" {
    capture env LD_PRELOAD="$build/libheaptape.so" HEAPTAPE_OUT=x.tape \
        perl -e 'my @x = map { "n" x ($_ % 700) } 1 .. 12000; kill 9, $$'
    [ -e x.tape.tail ]
    capture "$heaptape" pack --force -o x.tape.tail x.tape
    expect_status 1
    expect_line err '^heaptape: x\.tape\.tail: is the recording itself'
    capture "$heaptape" pack x.tape
    expect_status 0
    [ ! -e x.packed.tape.tail ]
    expect_same_reports x.tape x.packed.tape
    expect_match after.report '^The recording was not closed'
}

@test "a recording with damage: packed, status 1, and it says the same" {
    "$heaptape" record -q -o x.tape perl -e 'my @x = map { "n" x ($_ % 700) } 1 .. 12000'
    printf '\001\002\003' | dd of=x.tape bs=1 seek=4000 conv=notrunc status=none
    capture "$heaptape" pack x.tape
    expect_status 1
    expect_line out 'the recording has losses'
    capture "$heaptape" report x.tape
    expect_status 1
    cp out before
    capture "$heaptape" report x.packed.tape
    expect_status 1
    expect_match out 'x\.tape: offset [0-9]+:'
    expect_same <(grep -E '[1-9][0-9,]* lost|offset' before) <(grep -E '[1-9][0-9,]* lost|offset' out)
}

@test "a session of several processes, by its directory" {
    mkdir session
    "$heaptape" record -q -o session/x.tape \
        perl -e 'my @x = (1) x 3000; for (1, 2) { my $p = fork; if (!$p) { undef @x; exit } waitpid $p, 0 }'
    [ "$(find session -type f | wc -l)" -eq 3 ]
    capture "$heaptape" pack -o packed session
    expect_status 0
    [ "$(wc -l <out)" -eq 3 ]
    [ "$(cd session && echo *)" = "$(cd packed && echo *)" ]
    "$heaptape" report session | sed 's|session/|D/|' | grep -v '^Recording' >before
    "$heaptape" report packed | sed 's|packed/|D/|' | grep -v '^Recording' >after
    expect_same before after
    # Beside the recordings, which then go: children still find what they were forked from.
    child=$(cd session && echo x.tape.* | cut -d' ' -f1)
    "$heaptape" leaks --json "session/$child" >all.json
    without_file all.json >before
    "$heaptape" pack -q session
    rm session/x.tape session/x.tape.*
    "$heaptape" leaks --json "session/x.packed.tape.${child#x.tape.}" >all.json
    without_file all.json >after
    expect_same before after
}

@test "files that are there stay" {
    "$heaptape" record -q -o x.tape true
    echo mine >x.packed.tape
    capture "$heaptape" pack x.tape
    expect_status 1
    expect_line err '^heaptape: x\.packed\.tape: exists; give another name, or --force'
    [ "$(cat x.packed.tape)" = mine ]
    capture "$heaptape" pack --force x.tape
    expect_status 0
    for own in x.tape ./x.tape; do
        capture "$heaptape" pack --force -o "$own" x.tape
        expect_status 1
        expect_line err 'is the recording itself'
    done
    capture "$heaptape" pack -o . x.tape
    expect_status 1
    expect_line err 'is the recording itself'
    capture "$heaptape" pack -o no/such/place x.tape
    expect_status 1
    expect_line err '^heaptape: no/such/place: cannot be written: No such file'
    capture "$heaptape" pack --level=23 x.tape
    expect_status 2
    "$heaptape" report x.tape >/dev/null
    [ "$(echo *)" = "err out x.packed.tape x.tape" ]
}

@test "no room: one line, and nothing is left" {
    "$heaptape" record -q -o x.tape perl -e 'my @x = map { "n" x ($_ % 700) } 1 .. 12000'
    capture bash -c 'trap "" XFSZ; ulimit -f 4; exec "$0" pack x.tape' "$heaptape"
    expect_status 1
    expect_line err '^heaptape: x\.packed\.tape: cannot be written: File too large'
    [ "$(echo *)" = "err out x.tape" ]
}

@test "a running process is not packed" {
    mkfifo hold
    "$heaptape" record -q -o x.tape cat hold >lines &
    exec 5>hold
    for _ in $(seq 100); do
        "$heaptape" info x.tape 2>/dev/null | grep -q 'still running' && break
        sleep 0.05
    done
    capture "$heaptape" pack x.tape
    exec 5>&-
    wait
    expect_status 1
    expect_line err '^heaptape: x\.tape: its process still runs'
    [ ! -e x.packed.tape ]
}
