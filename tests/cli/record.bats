#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# heaptape record as a process in between: streams, status, signals, names.

load ../helpers

@test "the tape is where -o says, and one line tells the next command" {
    capture "$heaptape" record -o x.tape sh -c 'echo out'
    expect_status 0
    echo out | diff - out
    expect_line err '^heaptape: [0-9,]+ events, peak [0-9.]+ (B|KiB|MiB), recorded in x\.tape; next: heaptape report x\.tape$'
    [ -s x.tape ]
    [ ! -e x.tape.tail ]
}

@test "the default name bears the program and its process id" {
    capture "$heaptape" record sh -c 'echo $$'
    expect_status 0
    [ -s "heaptape.sh.$(cat out).tape" ]
    [ "$(find . -name '*.tape*' | wc -l)" -eq 1 ]
}

@test "an existing file is kept, and replaced only with --force" {
    echo precious >x.tape
    capture "$heaptape" record -o x.tape sh -c 'echo ran'
    expect_status 1
    expect_line err '^heaptape: .*x\.tape: exists; give another name, or --force to replace it$'
    [ ! -s out ]
    [ "$(cat x.tape)" = precious ]
    capture "$heaptape" record --force -o x.tape true
    expect_status 0
    run ! grep -q precious x.tape
}

@test "--quiet says nothing" {
    capture "$heaptape" record --quiet -o x.tape true
    expect_status 0
    [ ! -s err ]
    [ -s x.tape ]
}

@test "standard streams pass through untouched" {
    printf 'one\0two\n' >in
    "$heaptape" record -o x.tape -- sh -c 'cat; echo error >&2' <in >out 2>err
    cmp in out
    [ "$(head -n 1 err)" = error ]
    [ "$(wc -l <err)" -eq 2 ]
}

@test "a closed stdin, stdout or stderr stays closed" {
    "$heaptape" record -q -o y.tape sh -c 'ls -1 /proc/self/fd >fds' <&- >&- 2>&-
    sh -c 'ls -1 /proc/self/fd >fds_bare' <&- >&- 2>&-
    expect_same fds_bare fds
}

@test "descriptors of the program are the same as bare" {
    sh -c 'readlink /proc/self/fd/* | sed "s/[0-9]\{3,\}/N/g" >bare' 7<"$heaptape"
    "$heaptape" record -q -o x.tape sh -c 'readlink /proc/self/fd/* | sed "s/[0-9]\{3,\}/N/g" >recorded' 7<"$heaptape"
    expect_same bare recorded
}

@test "exit statuses pass through" {
    for wanted in 0 1 2 42 126 127 255; do
        capture "$heaptape" record -q -f -o x.tape sh -c "exit $wanted"
        expect_status $wanted
    done
}

@test "the signal that killed the program kills the launcher" {
    for signal in TERM KILL SEGV ABRT PIPE USR1; do
        number=$(kill -l $signal)
        # A shell of its own reports 128+N; python shows that it really was a signal.
        run python3 -c 'import subprocess, sys
print(subprocess.run(sys.argv[1:]).returncode)' "$heaptape" record -f -o x.tape sh -c "kill -$signal \$\$"
        [[ "$output" == *"-$number" ]]
        [ -z "$(find . -name 'core*')" ]
    done
}

@test "signals sent to the launcher reach the program, which decides" {
    for signal in INT TERM HUP QUIT USR1 USR2 WINCH; do
        # shellcheck disable=SC2016
        env --default-signal=INT,QUIT "$heaptape" record -q -f -o x.tape sh -c '
            trap "echo got '$signal' >got; exit 7" '$signal'
            echo ready >ready
            while :; do sleep 0.05; done' &
        launcher=$!
        until [ -s ready ]; do sleep 0.02; done
        kill -"$signal" $launcher
        status=0
        wait $launcher || status=$?
        [ "$status" -eq 7 ]
        [ "$(cat got)" = "got $signal" ]
        rm -f ready got
    done
}

@test "a signal of the terminal is delivered once" {
    script -qec true /dev/null >/dev/null 2>&1 </dev/null || skip 'no pseudo-terminal'
    cat >count.sh <<'SH'
n=0
trap 'n=$((n + 1))' INT
echo ready >ready
for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.05; done
echo "$n" >count
SH
    # script(1) gives the launcher a terminal, which turns the byte 3 into SIGINT for the group.
    # Without a terminal to be had, script ends and nothing is ever ready: wait 10 s at most.
    { for i in $(seq 500); do [ -s ready ] && break; sleep 0.02; done; printf '\003'; sleep 1; } |
        script -qec "exec $heaptape record -q -o x.tape sh count.sh" /dev/null >/dev/null
    [ "$(cat count)" -eq 1 ]
    [ -s x.tape ]
}

@test "a stopped program stops the launcher, and both go on" {
    "$heaptape" record -q -o x.tape sh -c 'echo $$ >pid; kill -STOP $$; echo resumed >resumed' &
    launcher=$!
    state() { sed 's/.*) //; s/ .*//' "/proc/$1/stat"; }
    until [ -s pid ] && [ "$(state "$(cat pid)")" = T ] && [ "$(state $launcher)" = T ]; do sleep 0.02; done
    kill -CONT $launcher
    wait $launcher
    [ -s resumed ]
}

@test "the program's signal mask and ignored signals are the user's" {
    show='grep -E "^Sig(Blk|Ign)" /proc/self/status'
    (trap '' HUP USR2; sh -c "$show" >bare)
    (trap '' HUP USR2; "$heaptape" record -q -o x.tape sh -c "$show" >recorded)
    expect_same bare recorded
    # A parent that ignores SIGCHLD must not cost the exit status.
    capture python3 -c 'import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])' "$heaptape" record -q -o y.tape sh -c 'exit 5'
    expect_status 5
}

@test "the environment gains the preload and HEAPTAPE_ variables, nothing else" {
    env | sort >bare
    "$heaptape" record -q -o x.tape env | sort >recorded
    diff <(grep -vE '^(LD_PRELOAD|HEAPTAPE_|_=)' recorded) <(grep -vE '^_=' bare)
    grep -q '^LD_PRELOAD=.*/libheaptape\.so$' recorded
}

@test "an existing LD_PRELOAD stays, behind ours" {
    printf 'int other_preload;\n' | gcc -shared -fPIC -x c -o libother.so -
    LD_PRELOAD=$PWD/libother.so "$heaptape" record -q -o x.tape sh -c 'echo "$LD_PRELOAD"' >out
    grep -qE "/libheaptape\.so:$PWD/libother\.so$" out
}

@test "options behind the program are the program's" {
    capture "$heaptape" record -q -o x.tape echo -o --force --help
    [ "$(cat out)" = '-o --force --help' ]
    capture "$heaptape" record -q -o y.tape -- echo -- -q
    [ "$(cat out)" = '-- -q' ]
}

@test "usage errors: one line and status 2" {
    capture "$heaptape" record
    expect_status 2
    capture "$heaptape" record --unwinder=magic true
    expect_status 2
    grep -q 'rows, libunwind or verify' err
    capture "$heaptape" record --buffer-events=0 true
    expect_status 2
    capture "$heaptape" record --no-such-option true
    expect_status 2
    capture "$heaptape" record -o '' true
    expect_status 2
    [ -z "$(find . -name '*.tape')" ]
}

@test "children and exec: other processes are counted in the closing line" {
    capture "$heaptape" record -o x.tape sh -c 'ls / >/dev/null; ls / >/dev/null; exec sh -c "echo last"'
    expect_status 0
    expect_line err 'next: heaptape report x\.tape\* \(3 more recordings: x\.tape\.\*(, most events, [0-9,]+, in x\.tape\.[0-9.]+)?\)$'
    [ "$(find . -name 'x.tape.*[0-9]' | wc -l)" -eq 3 ]
}

@test "a stale tape of another run is not counted" {
    touch x.tape.1234
    capture "$heaptape" record -o x.tape true
    expect_line err 'next: heaptape report x\.tape$'
}

@test "the bare preload records as well, without a word on stderr" {
    HEAPTAPE_OUT=$PWD/x.tape LD_PRELOAD=$build/libheaptape.so /bin/ls / >/dev/null 2>err
    [ ! -s err ] || grep -q '^heaptape: ' err
    [ -s x.tape ]
    LD_PRELOAD=$build/libheaptape.so /bin/ls / >/dev/null 2>err
    [ "$(find . -name 'heaptape.ls.*.tape' | wc -l)" -eq 1 ]
}

@test "--only records the programs that match, and says when none did" {
    echo 'int main(void) { return 0; }' >a.c
    capture "$heaptape" record --only 'cc1,no*such' -o x.tape gcc -c a.c
    expect_status 0
    [ -s a.o ]
    expect_match <("$heaptape" info x.tape) '^program .*/cc1$'
    [ -z "$(find . -name 'x.tape.*')" ]
    capture "$heaptape" record --only nothing -o y.tape true
    expect_status 0
    expect_line err '^heaptape: no recording: no process ran a program that matches --only nothing$'
}

@test "--max-size ends a recording that grows too large, and the loss is told" {
    capture "$heaptape" record --max-size 300K -o x.tape --buffer-events=64 perl -e 'my @x = map { "n" x ($_ % 700) } 1 .. 60000; print scalar @x'
    expect_status 0
    [ "$(cat out)" = 60000 ]
    expect_line err '[1-9][0-9,]* events lost'
    [ "$(stat -c %s x.tape)" -le $((300 * 1024)) ]
    capture "$heaptape" report x.tape
    expect_status 1
    for wrong in 0 -1 12X '' K 99999999999999999999; do
        capture "$heaptape" record --max-size="$wrong" -o z.tape true
        expect_status 2
    done
}

@test "--paused waits for heaptape_start()" {
    printf '#include <heaptape/heaptape.h>\n#include <stdlib.h>\nvoid *volatile p;
int main(void) { p = malloc(111); heaptape_start(); p = malloc(222); heaptape_stop(); p = malloc(333); return 0; }\n' >p.c
    gcc -Wall -Werror -I"$top/include" -o p p.c
    "$heaptape" record -q --paused -o x.tape ./p
    "$heaptape" dump --no-stacks x.tape | grep -oE ' malloc .*size=[0-9]+' | sed 's/.*size=//' >sizes
    [ "$(cat sizes)" = 222 ]
}

@test "what becomes of recorded blocks is known also while paused" {
    cat >p.c <<'EOF'
#include <heaptape/heaptape.h>
#include <stdlib.h>
int main(void) {
    char *lives = malloc(111), *moves = malloc(222), *grown, *meanwhile;
    heaptape_stop();
    if (realloc(lives, (size_t)-4096) != NULL) /* fails: the block stays */
        return 1;
    grown = realloc(moves, 5000);
    meanwhile = malloc(3);
    meanwhile = realloc(meanwhile, 9);
    heaptape_start();
    meanwhile = realloc(NULL, 44);
    return grown == NULL || meanwhile == NULL;
}
EOF
    gcc -w -fno-builtin -I"$top/include" -o p p.c
    "$heaptape" record -q -o x.tape ./p
    "$heaptape" report --json x.tape >r.json
    [ "$(json r.json heap.not_freed.bytes)" -eq $((111 + 44)) ]
    [ "$(json r.json heap.not_freed.blocks)" -eq 2 ]
}

@test "--clock=monotonic records times of the kernel's clock" {
    "$heaptape" record -q --clock=monotonic -o x.tape perl -e 'my @x = (1) x 1000'
    "$heaptape" info x.tape >info
    expect_match info '^clock .*[Mm]onotonic|^clock .*MONOTONIC'
    capture "$heaptape" report x.tape
    expect_status 0
}
