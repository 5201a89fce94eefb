#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# heaptape check: what it says of processes whose memory or end it could not see as it should.

load ../helpers
load checked

@test "an image that was read in place: a note in every format, and no failure" {
    # Its filter refuses the copy of the process.
    gcc -std=c17 -D_GNU_SOURCE -I"$top/include" -g -O1 -fno-builtin -pthread -o unseen \
        "$top/tests/real/image/unseen.c"
    note='process [0-9]+ \(unseen\): no copy of the process could be made .* its memory was read in place'
    check --junit=junit.xml --sarif=sarif --tap=tap --xml=yes --xml-file=v.xml sh -c './unseen filter; :'
    expect_status 0
    expect_match err '^heaptape: check: note:$'
    expect_match err "^  $note"
    expect_match tap "^# $note"
    expect_match v.xml "^<!-- $note.* -->$"
    xmllint --noout junit.xml v.xml
    [[ "$(xmllint --xpath 'string(//system-out)' junit.xml)" =~ $note ]]
    [ "$(json sarif runs.0.invocations.0.toolExecutionNotifications.0.level)" = note ]
    [[ "$(json sarif runs.0.invocations.0.toolExecutionNotifications.0.message.text)" =~ $note ]]
    [ "$(json sarif runs.0.invocations.0.executionSuccessful)" = True ]
    check --format=memcheck --github sh -c './unseen filter; :'
    expect_match err "^==[0-9]+== heaptape: note: $note"
    expect_match err "^::notice title=heaptape::$note"
    check --json --log-file=x.json sh -c './unseen filter; :'
    python3 - <<'P'
import json
d = json.load(open("x.json"))
assert len(d["notes"]) == 1 and "read in place" in d["notes"][0], d["notes"]
assert {p["program"]: p["image_in_place"] for p in d["processes"]} == {"dash": False, "unseen": True}
P
    check --format=lsan sh -c './unseen filter; :'
    [ ! -s err ]
    check -q ./unseen threads
    run ! grep 'in place' err
}
