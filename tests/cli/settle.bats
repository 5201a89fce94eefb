#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Behind heaptape record, every dead process's recording is one file with the same content.

load ../helpers

grow='my @x = map { "n" x ($_ % 700) } 1 .. 60000;'

# Records the script. At its end it copies the recordings of its dead children, as these left
# them, to raw/; they are then compared with what the launcher has made of them.
record_children() {
    mkdir raw
    capture "$heaptape" record -o x.tape sh -c "$1; cp --preserve=all x.tape.* raw/"
}

# $1: how many recordings have a tail to settle.
expect_settled() {
    [ "$(find raw -name '*.tail' | wc -l)" -eq "$1" ]
    [ -z "$(find . -maxdepth 1 -name '*.tail')" ]
    for old in raw/*; do
        [ "${old%.tail}" = "$old" ] || continue
        new=${old#raw/}
        "$heaptape" dump "$old" >before 2>/dev/null || true # a loss is the same loss afterwards
        "$heaptape" dump "$new" >after 2>/dev/null || true
        [ -s before ]
        cmp before after
        "$heaptape" report --json "$old" >before.json || true
        "$heaptape" report --json "$new" >after.json || true
        [ "$(json before.json completeness)" = "$(json after.json completeness)" ]
        [ "$(stat -c %u:%g:%a "$old")" = "$(stat -c %u:%g:%a "$new")" ]
    done
}

@test "killed programs: dump is the same before and after" {
    record_children "perl -e '$grow kill 9, \$\$'; perl -e '$grow kill 11, \$\$'"
    expect_status 0
    expect_settled 2
    # Unused room is gone too: two windows of the tape are a mebibyte each.
    for old in raw/*.tail; do
        new=${old#raw/}
        [ "$(stat -c %b "${new%.tail}")" -lt "$(stat -c %b "${old%.tail}")" ]
    done
}

@test "a killed program started by the launcher itself" {
    capture "$heaptape" record -o x.tape perl -e "$grow kill 9, \$\$"
    expect_status 137
    expect_match err 'next: heaptape report x\.tape$'
    [ ! -e x.tape.tail ]
    capture "$heaptape" report x.tape
    expect_status 0
    expect_match out '^Complete: [1-9][0-9,]+ events, 0 lost, 0 damaged'
    expect_match out '^The recording was not closed'
}

@test "exec chains: every image's recording is settled" {
    record_children "sh -c 'exec perl -e \"@x = map { [\\\$_] } 1 .. 30000; exec qw(perl -e 1)\"'"
    expect_status 0
    [ "$(find raw -name 'x.tape.*' ! -name '*.tail' | wc -l)" -eq 3 ]
    expect_settled 1
}

@test "main returns while threads allocate: everything that was recorded is there" {
    cat >threads.c <<'C'
#include <pthread.h>
#include <stdlib.h>
static void *work(void *unused) {
    for (;;) {
        void *volatile p = malloc(24);
        free(p);
    }
    return unused;
}
int main(void) {
    pthread_t t;
    for (int i = 0; i < 4; i++)
        if (pthread_create(&t, NULL, work, NULL) != 0)
            return 2;
    for (int i = 0; i < 50000; i++) {
        void *volatile p = malloc(100);
        free(p);
    }
    return 0;
}
C
    gcc -O1 -pthread -o threads threads.c
    record_children './threads; ./threads; ./threads'
    expect_status 0
    expect_settled "$(find raw -name '*.tail' | wc -l)"
    [ -n "$(find raw -name '*.tail')" ]
}

@test "a process that outlives the launcher is left alone, and the closing line says so" {
    cat >daemon.pl <<PERL
$grow
open my \$f, ">", "ready";
close \$f;
for (1 .. 1000) { last if -e "stop"; select undef, undef, undef, 0.02 }
@x = ();
PERL
    capture "$heaptape" record -o x.tape sh -c 'perl daemon.pl >/dev/null 2>&1 3>&- & until [ -e ready ]; do sleep 0.02; done'
    expect_status 0
    expect_line err '; 1 process still running$'
    daemon=$(ls x.tape.*.tail)
    daemon=${daemon%.tail}
    touch stop
    until [ ! -e "$daemon.tail" ]; do sleep 0.02; done
    capture "$heaptape" report "$daemon"
    expect_status 0
    expect_match out '^Complete: [1-9][0-9,]+ events, 0 lost, 0 damaged'
    run ! grep -q 'not closed' out
}

@test "a directory that became read-only: both files stay, and one line says why" {
    user=()
    place=$(mktemp -d) # where another user can get to, too
    if [ "$(id -u)" -eq 0 ]; then # root may write anywhere
        chown 65534 "$place"
        user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
        "${user[@]}" test -x "$heaptape" || skip 'another user cannot get to the build directory'
    fi
    killed="perl -e '$grow kill 9, \$\$'"
    capture "${user[@]}" "$heaptape" record -o "$place/x.tape" sh -c "$killed; $killed; chmod 555 $place"
    chmod 755 "$place"
    mv "$place" place
    [ "$(grep -c 'its tail cannot be removed: Permission denied' err)" -eq 1 ]
    [ "$(ls place/*.tail | wc -l)" -ge 2 ]
    for tail in place/*.tail; do
        capture "$heaptape" report "${tail%.tail}"
        expect_status 0
    done
}
