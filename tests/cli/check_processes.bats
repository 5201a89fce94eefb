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

# Compiles ./execs, and ./static, which prints its arguments and two variables.
compile_execs() {
    gcc -std=c17 -D_GNU_SOURCE -g -O1 -pthread -o execs "$top/tests/real/processes/execs.c"
    cat >static.c <<'C'
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        printf("[%s] ", argv[i]);
    printf("%s\n", getenv("VARIABLE") != NULL ? getenv("VARIABLE") : "none");
    return 3;
}
C
    gcc -static -o static static.c
}

@test "programs that leave no recording: noted, however they were started" {
    compile_execs
    PATH=/nonexistent:$PWD:$PATH ./execs all ./static >bare
    PATH=/nonexistent:$PWD:$PATH check --json --log-file=x.json ./execs all ./static
    expect_status 0
    expect_same bare out
    python3 - "$PWD/static" <<'P'
import json, sys
d = json.load(open("x.json"))
assert d["problems"] == [], d["problems"]
# Those with an environment of their own, too, lack what loads the recorder.
assert d["unrecorded"] == [
    {"program": sys.argv[1], "why": "is statically linked", "times": 11}], d["unrecorded"]
assert d["notes"] == ["11 programs were started that left no recording: " + sys.argv[1] +
                      ", which is statically linked (11 times)"], d["notes"]
P
    # The whole of what was asked for is in the environment or not.
    check ./execs execve /bin/true
    expect_status 0
    expect_match err '^  1 program was started that left no recording: /bin/true, which was started without LD_PRELOAD in its environment$'
    check env -u HEAPTAPE_OUT sh -c 'cd / && true'
    expect_match err 'left no recording: .*/(da)?sh, which was started without HEAPTAPE_OUT in its environment'
    rm -f heaptape.*.tape
}

@test "programs that are recorded, or could not be started, are none of them" {
    compile_execs
    ./execs all ./missing >bare
    check --fail-on-unrecorded ./execs all ./missing
    expect_status 0
    expect_same bare out
    expect_match out '^execvp: ENOENT$'
    printf 'no program' >text
    chmod +x text
    ./execs execve ./text >bare
    check --fail-on-unrecorded ./execs execve ./text
    expect_status 0
    expect_same bare out
    expect_line out '^execve: ENOEXEC$'
    # Scripts, programs that replace each other, and whole trees of processes.
    printf '#!/bin/sh\nexec sh -c "exec true; :"\n' >script
    chmod +x script
    check --fail-on-unrecorded bash -c './script; (./script | ./script) & wait; (true; :) | cat; env true; timeout 9 true'
    expect_status 0
    run ! grep -q note err
    # One recorded by another: a check inside of this one.
    check --fail-on-unrecorded sh -c "$heaptape check -q true; $heaptape record -q -o inner.tape true"
    expect_status 0
    [ -s inner.tape ]
}

@test "--fail-on-unrecorded; --only is for programs that nobody could record, too" {
    compile_execs
    check --fail-on-unrecorded --tap=x.tap sh -c './static; :'
    expect_status 1
    expect_match err 'this answer is not reliable'
    expect_match err '^  1 program was started that left no recording: .*/static, which is statically linked$'
    expect_match x.tap '^not ok [0-9]+ - recordings: complete'
    printf '#!%s\n' "$PWD/static" >script
    chmod +x script
    check --fail-on-unrecorded --only='nothing,stat?c' sh -c './script; ./static; env -i true'
    expect_status 1
    expect_match err 'left no recording: .*/script, which is run by .*/static, which is statically linked; .*/static, which'
    run ! grep -q 'env\|true' err
    check --fail-on-unrecorded --only='sh,dash' sh -c './static; :'
    expect_status 0
}

@test "notes of programs are written among threads, under limits, and no more than there is room for" {
    compile_execs
    check ./execs threads ./static
    expect_status 0
    expect_match out '^0 wrong$'
    expect_match err '^  50 programs were started that left no recording: .*\(50 times\)$'
    # A limit for files raises a signal in who writes more. The program sees none, neither of the
    # note, nor of the complaint about the recording, which would make the file of stderr longer.
    check bash -c 'echo >&2; (ulimit -f 0; ./static; echo $?) | cat'
    [ "$(cat out)" = "$(printf 'none\n3')" ]
    # The log, filled up by somebody: a note more has no room.
    check bash -c 'truncate -s 32M "$HEAPTAPE_PROCESSES"; ./static; stat -c %s "$HEAPTAPE_PROCESSES"'
    expect_match out '^33554432$'
    expect_match err '^  more programs were started than could be noted'
}

# Compiles ./dies HOW [WAIT…]: a child for each WAIT, which a signal ends, and that is waited for so.
compile_dies() {
    cat >dies.c <<'C'
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
void *volatile kept;
static void die(const char *how) {
    kept = malloc(99);
    kept = NULL;
    if (strcmp(how, "abort") == 0)
        abort();
    if (strcmp(how, "raw") == 0)
        __asm__ volatile("syscall" : : "a"(SYS_exit_group), "D"(0) : "rcx", "r11", "memory");
    raise(strcmp(how, "term") == 0 ? SIGTERM : strcmp(how, "segv") == 0 ? SIGSEGV : SIGKILL);
}
int main(int argc, char **argv) {
    signal(SIGSEGV, SIG_DFL);
    for (int i = 2; i < argc; i++) {
        int status = -1;
        siginfo_t info = {.si_status = -1};
        pid_t pid = fork();
        if (pid == 0)
            die(argv[1]);
        pid_t got = pid;
        if (strcmp(argv[i], "wait") == 0) got = wait(&status);
        else if (strcmp(argv[i], "waitpid") == 0) got = waitpid(pid, &status, 0);
        else if (strcmp(argv[i], "null") == 0) got = waitpid(pid, NULL, 0), status = 0;
        else if (strcmp(argv[i], "wait3") == 0) got = wait3(&status, 0, &(struct rusage){0});
        else if (strcmp(argv[i], "wait4") == 0) got = wait4(pid, &status, 0, NULL);
        else if (strcmp(argv[i], "waitid") == 0) waitid(P_PID, pid, &info, WEXITED), status = info.si_status;
        else if (strcmp(argv[i], "waitidnull") == 0) waitid(P_PID, pid, NULL, WEXITED), status = 0;
        else if (strcmp(argv[i], "direct") == 0) got = (pid_t)syscall(SYS_wait4, pid, &status, 0, NULL);
        printf("%s %d %d\n", argv[i], got == pid, status);
    }
    return 0;
}
C
    gcc -D_GNU_SOURCE -g -O1 -o dies dies.c
}

@test "children that were killed are told with their signal, not checked, and make nothing fail" {
    compile_dies
    ulimit -c 0
    ways='wait waitpid null wait3 wait4 waitid waitidnull'
    # shellcheck disable=SC2086 # words
    for how in kill term segv abort; do
        ./dies $how $ways >bare
        check ./dies $how $ways
        expect_status 0
        expect_same bare out
        name=SIG${how^^}
        [ "$(grep -cE "^  process [0-9]+ \(dies\) was killed by ${name/ABORT/ABRT} before its end: not checked$" err)" -eq 7 ]
        run ! grep -q '99 bytes\|not reliable' err
    done
    check --fail-on-killed --junit=x.xml --json --log-file=x.json ./dies term wait
    expect_status 1
    python3 - <<'P'
import json
d = json.load(open("x.json"))
assert [p.get("signal") for p in d["processes"]] == [None, "SIGTERM"], d["processes"]
assert d["processes"][1]["end"] == "killed by a signal"
assert len(d["problems"]) == 1 and "killed by SIGTERM" in d["problems"][0] and d["notes"] == []
P
    [[ "$(xmllint --xpath 'string(//failure/@message)' x.xml)" == *SIGTERM* ]]
}

@test "children of which nobody knows how they ended" {
    compile_dies
    for how in 'kill direct' 'raw wait'; do
        # shellcheck disable=SC2086 # words
        check ./dies $how
        expect_status 0
        expect_match err '^  process [0-9]+ \(dies\) ended without a heap image, killed or without the C library: not checked$'
        # shellcheck disable=SC2086 # words
        check --fail-on-killed ./dies $how
        expect_status 1
    done
}

@test "a process that was killed before it had recorded anything is noted, and no damage" {
    # shellcheck disable=SC2016 # for that shell
    for content in '' '\0\0\0\0\0\0\0\0\0\0\0\0'; do
        capture "$heaptape" check -- bash -c 'printf "$0" >"$HEAPTAPE_OUT.4194303"' "$content"
        expect_status 0
        expect_match err 'process 4194303 \(\?\) ended .*: it had recorded nothing yet'
        run ! grep 'cannot be read' err
    done
    capture "$heaptape" check -- bash -c 'printf damage >"$HEAPTAPE_OUT.4194303"'
    expect_status 1
    expect_match err 'cannot be read'
}

@test "an entry for posix_memalign hides that and nothing else" {
    gcc -g -O0 -fno-builtin -x c -o aligned - <<'C'
#include <stdlib.h>
int main(void) {
    void *volatile p;
    void *q;
    posix_memalign(&q, 64, 100);
    p = q;
    p = aligned_alloc(64, 128);
    p = malloc(50);
    p = calloc(1, 60);
    p = NULL;
    q = NULL;
    return p != NULL;
}
C
    capture "$heaptape" check --gen-suppressions=yes --leak-kinds=all ./aligned
    expect_status 1
    sed -n '/^{/,/^}/p' err >all.supp
    grep -B5 -A2 'fun:posix_memalign' all.supp | sed -n '/^{/,/^}/p' >one.supp
    [ -s one.supp ]
    before=$("$heaptape" check --json --leak-kinds=all ./aligned 2>&1 | python3 -c 'import json, sys; print(len(json.load(sys.stdin)["findings"]))')
    after=$("$heaptape" check --json --leak-kinds=all --suppressions=one.supp ./aligned 2>&1 | python3 -c 'import json, sys; print(len(json.load(sys.stdin)["findings"]))')
    echo "$before before, $after after"
    [ "$after" -eq $((before - 1)) ]
    capture "$heaptape" check --leak-kinds=all --suppressions=all.supp ./aligned
    expect_status 0
}
