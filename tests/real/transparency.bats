#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Real programs behave the same under the recorder: output, errors and exit status.

load ../helpers

# Runs the command bare and recorded, with stdin from $input, and compares.
same_recorded() {
    local bare
    capture "$@" <"${input-/dev/null}"
    bare=$status
    mv out bare.out
    mv err bare.err
    for options in '' --buffer-events=64; do
        # shellcheck disable=SC2086 # none or one word
        capture "$heaptape" record -q -f -o x.tape $options -- "$@" <"${input-/dev/null}"
        expect_status "$bare" || return 1
        expect_same bare.out out || return 1
        expect_same bare.err err || return 1
        [ -s x.tape ] || return 1
    done
}

@test "sqlite3" {
    input=$top/bench/sqlite.sql
    same_recorded sqlite3 :memory:
    [ "$(wc -l <out)" -ge 10 ]
    echo 'SELECT * FROM nowhere;' >wrong.sql
    input=wrong.sql
    same_recorded sqlite3 -bail :memory:
    [ "$status" -eq 1 ]
}

@test "python3, with its own allocator and with malloc" {
    export PYTHONHASHSEED=1
    same_recorded python3 "$top/bench/python.py"
    PYTHONMALLOC=malloc same_recorded python3 "$top/bench/python.py"
    same_recorded python3 -c 'import subprocess, sys, threading
t = [threading.Thread(target=lambda: [bytearray(i) for i in range(2000)]) for _ in range(8)]
[x.start() for x in t]; [x.join() for x in t]
print(subprocess.run(["sh", "-c", "echo child; exit 3"], capture_output=True))
sys.exit(9)'
    [ "$status" -eq 9 ]
}

@test "perl" {
    PERL_HASH_SEED=1 same_recorded perl "$top/bench/perl.pl"
    same_recorded perl -e 'for (1 .. 5) { my $p = fork; if (!$p) { my @x = (1) x 10000; exit $_ } wait; print $? >> 8, "\n" } die "done\n"'
    [ "$status" -ne 0 ]
}

@test "git" {
    git init -q -b main repo
    cd repo
    export GIT_AUTHOR_DATE='2024-01-01T00:00:00Z' GIT_COMMITTER_DATE='2024-01-01T00:00:00Z'
    for i in 1 2 3 4 5; do
        seq "$i" 1000 >"file$i"
        git add .
        git -c user.name=a -c user.email=a@example.org commit -q -m "commit $i"
    done
    same_recorded git log --stat -p
    same_recorded git fsck --full
    same_recorded git show nothing
    [ "$status" -eq 128 ]
}

@test "gcc -c makes the same object file" {
    printf '#include <stdio.h>\nint main(void) { return printf("hello\\n") < 0; }\n' >p.c
    gcc -O2 -c p.c -o bare.o
    same_recorded gcc -O2 -c p.c -o p.o
    cmp bare.o p.o
    # the compiler proper is a process of its own, and recorded
    [ "$(find . -name 'x.tape.*[0-9]' | wc -l)" -ge 2 ]
    echo 'int main(void) { return nothing; }' >wrong.c
    same_recorded gcc -c wrong.c
    [ "$status" -eq 1 ]
}

@test "C++ exceptions on several threads" {
    compile_bench exceptions
    same_recorded ./exceptions
}

@test "a program that ends in every other way" {
    same_recorded sh -c 'kill -9 $$'
    same_recorded perl -MPOSIX -e 'my @x = (1) x 1000; POSIX::_exit(4)'
    same_recorded python3 -c 'import os; os.abort()'
}

@test "a pipeline of small tools" {
    seq 1 20000 >numbers
    input=numbers
    same_recorded sort -R --random-source=/bin/sh
    same_recorded awk '{ n[$1 % 97] += $1 } END { for (i in n) s += n[i]; print s }'
    same_recorded tar --mtime=@0 --owner=0 -cf - numbers
    same_recorded diff numbers /dev/null
}

@test "calls with a stack that is not aligned" {
    [ "$(uname -m)" = x86_64 ] || skip 'a program of x86-64'
    gcc -std=c17 -D_GNU_SOURCE -O1 -fno-builtin -mno-red-zone -o misaligned "$top/tests/real/transparency/misaligned.c"
    same_recorded ./misaligned
    [ "$(cat out)" -gt 0 ]
    "$heaptape" report --json -n 0 x.tape >report.json
    [ "$(json report.json completeness.events)" -ge 180000 ]
    [ "$(json report.json completeness.lost)" -eq 0 ]
}
