#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# heaptape check: what a program and its children did not free, suppressions, exit statuses.

load ../helpers
load checked

# Whatever was not freed, whether something points to it or not.
check_all() {
    capture "$heaptape" check --no-leak-kinds "$@"
}

# Compiles stdin as C to ./NAME.
compile() {
    cat >"$1.c"
    gcc -g -O1 -fno-inline -fno-builtin -fno-optimize-sibling-calls -o "$1" "$1.c"
}

# Compiles ./leak: 3 blocks of 100 bytes in leaf() called by middle(), one of 7 in main().
compile_leak() {
    compile leak <<'C'
#include <stdio.h>
#include <stdlib.h>
static void *volatile keep;
void leaf(void) { keep = malloc(100); }
void middle(void) { for (int i = 0; i < 3; i++) leaf(); }
int main(int argc, char **argv) {
    (void)argv;
    middle();
    keep = calloc(7, 1);
    free(malloc(50));
    puts("ran");
    return argc > 1 ? 5 : 0;
}
C
}

no_recordings_left() {
    [ -z "$(ls -A tmp)" ]
}

@test "a leak: the places with sizes and stacks, a summary, status 1, the recordings are kept" {
    compile_leak
    check_all ./leak
    expect_status 1
    [ "$(cat out)" = ran ]
    expect_match err '^Not freed at exit$'
    expect_match err '^300 bytes in 3 blocks by malloc$'
    expect_match err '^7 bytes in 1 block by calloc$'
    grep -A 3 '^300 bytes' err >stack
    expect_match stack '^    at leaf \(leak\.c:4\)$'
    expect_match stack '^    ← middle \(leak\.c:5\)$'
    expect_match stack '^    ← main \(leak\.c:8\)$'
    expect_match err '^heaptape: check: \./leak: 307 bytes in 4 blocks not freed at exit, from 2 places; 1 process, [0-9]+ events; suppressed: '
    kept=$(sed -n 's/^heaptape: check: the recordings are in //p' err)
    [ -s "$kept/leak.tape" ]
    [[ $kept == "$TMPDIR"/heaptape-check.* ]]
    run ! grep -qi 'definitely\|lost' err
    "$heaptape" leaks "$kept/leak.tape" | grep -q leaf
}

@test "a clean program: one line and status 0, nothing is left; --quiet says nothing" {
    compile clean <<'C'
#include <stdio.h>
#include <stdlib.h>
int main(void) { free(malloc(10)); printf("printed"); return 0; }
C
    check ./clean
    expect_status 0
    expect_line err '^heaptape: check: \./clean: every block was freed or is suppressed; 1 process, [0-9]+ events; suppressed: [0-9,]+ bytes in 1 block$'
    no_recordings_left
    check -q ./clean
    expect_status 0
    [ ! -s err ]
    [ "$(cat out)" = printed ]
    check true
    expect_status 0
    expect_line err 'true: every block was freed; 1 process'
}

@test "what the C library and libstdc++ keep is suppressed, unless asked for" {
    cat >hello.cc <<'C'
#include <iostream>
#include <thread>
thread_local char buffer[5000];
int main() {
    std::cout << "hello\n";
    std::thread t([] { buffer[1] = 1; });
    t.join();
}
C
    g++ -g -pthread -o hello hello.cc
    check ./hello
    expect_status 0
    check_all --no-default-suppressions ./hello
    expect_status 1
    expect_match err '_IO_file_doallocate|libc\.so\.6\+'
    compile lib <<'C'
#include <iconv.h>
#include <libintl.h>
#include <locale.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <wchar.h>
static void bye(void) {}
int main(void) {
    time_t now = time(NULL);
    struct tm tm;
    setlocale(LC_ALL, "C.UTF-8");
    localtime_r(&now, &tm);
    mktime(&tm);
    getpwuid(0);
    setenv("VARIABLE", "value", 1);
    bindtextdomain("x", "/nowhere");
    textdomain("x");
    for (int i = 0; i < 40; i++)
        atexit(bye);
    iconv_close(iconv_open("UTF-16", "LATIN1"));
    fwprintf(stderr, L"%ls", gettext("text") != NULL ? L"" : L"none");
    return system("true");
}
C
    check ./lib
    expect_status 0
    check_all --print-default-suppressions
    expect_status 0
    mv out default.supp
    check --no-default-suppressions --suppressions default.supp true
    expect_status 0
}

@test "memory that a library hands over for the program to free is not suppressed" {
    compile given <<'C'
#include <dirent.h>
#include <iconv.h>
#include <stdio.h>
#include <string.h>
int main(void) {
    static volatile void *keep[4];
    keep[0] = strdup("text");
    keep[1] = fopen("/dev/null", "r");
    keep[2] = opendir("/");
    keep[3] = iconv_open("UTF-16", "LATIN1");
    return 0;
}
C
    check_all ./given
    expect_status 1
    for line in 7 8 9 10; do
        expect_match err "← main \(given\.c:$line\)$"
    done
}

@test "children: the same stack in several processes is one finding" {
    compile forks <<'C'
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static void *volatile keep;
void in_child(void) { keep = malloc(30); }
int main(void) {
    free(malloc(1));
    for (int i = 0; i < 3; i++)
        if (fork() == 0) {
            in_child();
            exit(0);
        }
    while (wait(NULL) > 0)
        continue;
    return 0;
}
C
    check_all ./forks
    expect_status 1
    expect_match err '^90 bytes in 3 blocks by malloc, in 3 processes$'
    expect_match err 'at in_child \(forks\.c:5\)'
    expect_match err 'not freed at exit, from 1 place; 4 processes'
}

@test "a program that is started by the one that is checked is checked, too" {
    compile_leak
    check_all sh -c './leak; true'
    expect_status 1
    expect_match err '^300 bytes in 3 blocks by malloc$'
    expect_match err 'from 2 places; 2 processes'
    check_all sh -c 'exec ./leak'
    expect_status 1
    expect_match err '^300 bytes in 3 blocks by malloc$'
    expect_match err '307 bytes in 4 blocks'
    run ! grep -q 'not reliable' err
    check_all bash -c './leak; true'
    expect_match err '307 bytes in 4 blocks'
    run ! grep -q 'not reliable' err
}

@test "--only checks the programs that match; none is no clean pass" {
    compile_leak
    cp leak other
    check_all --only leak sh -c './leak; ./other'
    expect_status 1
    expect_match err '307 bytes in 4 blocks not freed at exit, from 2 places; 1 process'
    check_all --only nothing sh -c ./leak
    expect_status 1
    expect_match err 'nothing was recorded: no process ran a program that matches nothing'
}

# An entry of Valgrind's kind with these frames, which spaces separate.
entry() {
    printf '{\nx\nMemcheck:Leak\n%s\n}\n' "${1// /$'\n'}"
}

@test "Valgrind's suppressions: fun, obj, src, wildcards, kinds, other tools" {
    compile_leak
    printf '%s\n' '# comment' '{' '  main' ' Memcheck:Leak' ' match-leak-kinds: definite,reachable' \
        ' fun:calloc' ' fun:ma?n' '}' '' '{' ' other' ' Helgrind:Race' ' fun:*' '}' \
        '{' ' param' ' Memcheck:Param' ' write(buf)' ' ...' ' fun:malloc' '}' \
        '{' ' leaf' ' Memcheck:Leak' ' fun:malloc' ' ...' ' fun:middle' '}' >a.supp
    check_all --suppressions a.supp --show-suppressed ./leak
    expect_status 0
    expect_match err '^Suppressed: 300 bytes in 3 blocks: leaf \(a\.supp:22\)$'
    expect_match err '^Suppressed: 7 bytes in 1 block: main \(a\.supp:2\)$'
    for frames in 'fun:malloc src:leak.c:4' 'fun:malloc obj:*/leak' 'fun:malloc src:*/leak.c' \
        'fun:m* fun:leaf fun:middle fun:main'; do
        entry "$frames" >b.supp
        check_all --suppressions b.supp ./leak
        expect_match err 'check: \./leak: 7 bytes in 1 block not freed'
    done
    for frames in 'fun:calloc fun:leaf' 'fun:malloc fun:middle' 'fun:leaf' 'fun:malloc src:leak.c:5' \
        'fun:malloc obj:leak' 'match-leak-kinds:none fun:malloc fun:leaf'; do
        entry "$frames" >b.supp
        check_all --suppressions b.supp ./leak
        expect_match err 'check: \./leak: 307 bytes in 4 blocks not freed'
    done
}

@test "LeakSanitizer's suppressions: functions, files, modules, anchors" {
    compile_leak
    for pattern in leaf '^middle$' 'l*af' 'leak.c' '^lea'; do
        printf '# comment\n\n leak:%s \n' "$pattern" >l.supp
        check_all --suppressions l.supp ./leak
        if [ "$pattern" = leak.c ]; then
            expect_status 0
        else
            expect_match err 'check: \./leak: 7 bytes in 1 block not freed'
        fi
    done
    for pattern in '^eaf' 'midd$' 'l?af' 'LEAF' '^leak$'; do
        printf 'leak:%s\n' "$pattern" >l.supp
        check_all --suppressions l.supp ./leak
        expect_match err 'check: \./leak: 307 bytes in 4 blocks not freed'
    done
    printf 'leak:/leak$\n' >l.supp
    check_all --suppressions l.supp ./leak
    expect_status 0
}

@test "several suppression files of both kinds; C++ names mangled and demangled" {
    cat >shape.cc <<'C'
#include <string>
struct Shape { int *values; explicit Shape(int n) : values(new int[n]) {} };
int *volatile one;
Shape *volatile shape;
void make_one() { one = new int; }
int main() { make_one(); shape = new Shape(5); }
C
    g++ -g -O0 -o shape shape.cc
    check_all ./shape
    expect_status 1
    expect_match err 'from 3 places'
    expect_match err 'at make_one\(\) \(shape\.cc:5\)$'
    printf '{\nx\nMemcheck:Leak\nfun:_Znwm\nfun:_Z8make_onev\n}\n{\ny\nMemcheck:Leak\nfun:_Znam\nfun:Shape::Shape\n}\n' >v.supp
    check_all --suppressions v.supp ./shape
    expect_match err 'check: \./shape: 8 bytes in 1 block not freed'
    echo 'leak:^main$' >l.supp
    check_all --suppressions v.supp --suppressions l.supp ./shape
    expect_status 0
    printf '{\nx\nMemcheck:Leak\nfun:malloc\nfun:operator new(unsigned long)\nfun:make_one()\n}\n' >v.supp
    check_all --suppressions v.supp ./shape
    expect_match err 'from 2 places'
}

@test "a bad suppression file: one line with its place, status 2, and nothing runs" {
    bad() { # LINE MESSAGE CONTENT
        printf '%b' "$3" >bad.supp
        check --suppressions bad.supp sh -c 'echo ran'
        expect_status 2
        expect_line err "^heaptape: bad\.supp:$1: .*$2"
        [ ! -s out ]
    }
    bad 1 'begins no suppression' 'nonsense\n'
    bad 2 'expected leak:PATTERN' 'leak:a\nrace:b\n'
    bad 1 'has no pattern' 'leak:\n'
    bad 5 'is no frame' '{\nname\nMemcheck:Leak\nfun:malloc\nnonsense\n}\n'
    bad 4 'names an unknown kind' '{\nname\nMemcheck:Leak\nmatch-leak-kinds: definite,odd\nfun:malloc\n}\n'
    bad 1 'names no place' '{\nname\nMemcheck:Leak\n...\n}\n'
    bad 4 'the file ends inside' '{\nname\nMemcheck:Leak\nfun:malloc\n'
    bad 3 'expected TOOL:KIND' '{\nname\nnothing\n}\n'
    bad 7 'stands outside an entry' '\n{\nname\nMemcheck:Leak\nfun:f\n}\n}\n'
    check --suppressions missing.supp true
    expect_status 2
    expect_line err '^heaptape: missing\.supp: '
    : >empty.supp
    check --suppressions empty.supp true
    expect_status 0
}

@test "Valgrind takes --gen-suppressions, and its own are taken here" {
    cat >many.cc <<'C'
#include <cstdlib>
#include <malloc.h>
struct Shape { int *values; explicit Shape(int n) : values(new int[n]) {} };
Shape *volatile shape;
void *volatile p;
template <class T> T *make() { return new T; }
int main() {
    shape = new Shape(5);
    p = make<long>();
    p = calloc(3, 1);
    p = realloc(malloc(3), 3000);
    p = memalign(64, 3);
    void *q;
    if (posix_memalign(&q, 64, 5) != 0)
        return 2;
    shape = nullptr;
    p = q = nullptr;
}
C
    g++ -g -O0 -o many many.cc
    for how in =all =yes ''; do
        check_all "--gen-suppressions$how" ./many
        sed -n '/^{$/,/^}$/p' err >own.supp
        [ "$(grep -c '^{' own.supp)" -eq 7 ]
        check_all --suppressions own.supp ./many
        expect_status 0
        valgrind -q --leak-check=full --show-leak-kinds=all --errors-for-leak-kinds=all \
            --error-exitcode=9 --suppressions=own.supp ./many
    done
    run ! valgrind -q --leak-check=full --show-leak-kinds=all --errors-for-leak-kinds=all \
        --error-exitcode=9 ./many
    valgrind -q --leak-check=full --show-leak-kinds=all --gen-suppressions=all ./many 2>&1 |
        sed -n '/^{$/,/^}$/p' >valgrind.supp
    [ "$(grep -c '^{' valgrind.supp)" -eq 7 ]
    check_all --suppressions valgrind.supp ./many
    expect_status 0
}

@test "exit statuses: --error-exitcode, and the program's own when it fails" {
    compile_leak
    check_all --error-exitcode 42 ./leak
    expect_status 42
    check_all --error-exitcode=0 ./leak
    expect_status 0
    expect_match err '307 bytes'
    check_all --error-exitcode=42 ./leak failing
    expect_status 5
    expect_match err '307 bytes'
    check_all --error-exitcode=42 sh -c 'exit 3'
    expect_status 3
    no_recordings=$(ls tmp | wc -l)
    [ "$no_recordings" -eq 3 ]
    for wrong in 256 -1 x ''; do
        check_all "--error-exitcode=$wrong" true
        expect_status 2
    done
}

@test "a killed program: the same signal, and no clean pass" {
    compile killed <<'C'
#include <signal.h>
#include <stdlib.h>
int main(int argc, char **argv) {
    free(malloc(10));
    (void)argv;
    raise(argc > 1 ? SIGSEGV : SIGKILL);
    return 0;
}
C
    for argument in '' now; do
        run python3 -c 'import subprocess, sys
print(subprocess.run(sys.argv[1:]).returncode)' "$heaptape" check ./killed $argument
        [[ "$output" == *'this answer is not reliable'*'was killed by SIG'*' before its end: not checked'* ]]
        [[ "$output" == *"-$([ -n "$argument" ] && echo 11 || echo 9)" ]]
    done
    # Without kinds of leaks, what a child had is known all the same.
    check_all bash -c './killed; exit 0'
    expect_status 1
    expect_match err 'process [0-9]+ \(killed\) was killed by SIGKILL before its end: what was on its heap then counts'
    [ -n "$(ls tmp)" ]
}

@test "a recording with loss is no clean pass" {
    HEAPTAPE_MAX_SIZE=307200 HEAPTAPE_BUFFER_EVENTS=64 check_all --suppressions <(echo 'leak:*') \
        perl -e 'my @x = map { "n" x ($_ % 700) } 1 .. 60000; exit 0'
    expect_status 1
    expect_match err '[0-9]+ events were lost'
}

@test "a program that does not end is told" {
    check sh -c 'sleep 30 & echo $! >pid'
    expect_status 1
    expect_match err 'process [0-9]+ \(sleep\) is still running'
    kill "$(cat pid)"
}

@test "programs that cannot be checked: the statuses of record" {
    check no-such-program
    expect_status 127
    expect_line err 'no such program in PATH$'
    echo 'int main(void) { return 0; }' >s.c
    gcc -static -o static s.c
    check ./static
    expect_status 126
    expect_line err 'statically linked'
    check bash -c './static; exit 0'
    expect_status 0
    expect_match err '1 program was started that left no recording: .*/static, which is statically linked'
    TMPDIR=/nonexistent check true
    expect_status 1
    expect_line err 'no directory for the recordings can be made'
    check --log-file /nonexistent/file true
    expect_status 1
    expect_line err '/nonexistent/file: cannot be written'
    check
    expect_status 2
    check -o '' true
    expect_status 2
    check ./dir/
    expect_status 127
}

@test "-o keeps the recordings in a directory of the user's" {
    check -o kept true
    expect_status 0
    [ -s kept/true.tape ]
    expect_match err '^heaptape: check: the recordings are in .*/kept$'
    check -o kept true
    expect_status 1
    expect_line err 'kept: is not empty'
    mkdir empty
    check -o empty true
    expect_status 0
    [ -s empty/true.tape ]
    check -o s.c/x true
    expect_status 1
    check -o new no-such-program
    [ ! -e new ]
}

@test "--json and --log-file" {
    compile_leak
    printf 'leak:middle\nleak:unused\n' >l.supp
    check_all --json --log-file x.json --suppressions l.supp ./leak
    expect_status 1
    [ ! -s err ]
    [ "$(json x.json clean)" = False ]
    [ "$(json x.json status)" -eq 1 ]
    [ "$(json x.json program_status)" -eq 0 ]
    [ "$(json x.json not_freed.bytes)" -eq 7 ]
    [ "$(json x.json findings.0.function)" = calloc ]
    [ "$(json x.json findings.0.processes)" -eq 1 ]
    [ "$(json x.json findings.0.stack.0.function)" = main ]
    [ "$(json x.json findings.0.stack.0.line)" -eq 9 ]
    [ "$(json x.json used_suppressions.0.bytes)" -eq 300 ]
    [ "$(json x.json used_suppressions.0.line)" -eq 1 ]
    [ "$(json x.json unused_suppressions.0.name)" = unused ]
    [ "$(json x.json processes.0.end)" = ended ]
    check_all --log-file x.txt ./leak
    [ ! -s err ]
    expect_match x.txt '307 bytes in 4 blocks'
    run ! grep -q $'\033' x.txt
}

@test "HEAPTAPE_PAUSED does not make a run look clean" {
    compile_leak
    HEAPTAPE_PAUSED=1 check_all ./leak
    expect_status 1
    expect_match err '307 bytes in 4 blocks'
}

@test "standard streams pass through; --limit, --depth" {
    printf 'one\0two\n' >in
    "$heaptape" check -q --only nothing cat <in >out 2>err || true
    cmp in out
    compile_leak
    check_all -n 1 --depth 2 ./leak
    expect_match err '^1 more place \(-n 0 shows all\)$'
    expect_match err '^    ← …$'
    run ! grep -q '^7 bytes' err
}

@test "a check inside of a recorded process, and inside of a check" {
    compile_leak
    "$heaptape" record -q -o x.tape "$heaptape" check --no-leak-kinds ./leak >out 2>err && return 1
    expect_match err '307 bytes in 4 blocks'
    check_all "$heaptape" check --no-leak-kinds ./leak
    expect_status 1
    [ "$(grep -c '307 bytes in 4 blocks' err)" -eq 1 ]
    # The inner command itself is not judged.
    check_all --json --log-file x.json --no-default-suppressions "$heaptape" --version
    expect_status 0
    [ "$(json x.json processes.0.end)" = 'heaptape itself, not checked' ]
    [ "$(json x.json not_freed.bytes)" -eq 0 ]
}

@test "interrupted while it reports: it says where the recordings are" {
    mkfifo log
    # More than a pipe holds, so that it is still at it when the first byte has come.
    env --default-signal=TERM "$heaptape" check --no-leak-kinds -n 0 --depth 0 --gen-suppressions --log-file log \
        perl -e 1 2>err &
    check=$!
    exec 7<log
    head -c 1 <&7 >first
    [ "$(cat first)" = N ]
    kill -TERM $check
    status=0
    wait $check || status=$?
    exec 7<&-
    [ "$status" -eq 143 ]
    expect_line err "^heaptape: check was interrupted; its recordings are in $TMPDIR/heaptape-check\..*$"
    [ "$(find tmp -name perl.tape -size +0 | wc -l)" -eq 1 ]
}
