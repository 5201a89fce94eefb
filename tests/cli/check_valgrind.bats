#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# heaptape check beside valgrind itself: entries and options that both take.

load ../helpers
load checked

memcheck=$build/heaptape-memcheck

# Compiles ./made: leaks by main, in an inlined function, in a thread, of two kinds, and through new.
compile_made() {
    needs valgrind
    cat >made.cc <<'C'
#include <cstdlib>
#include <pthread.h>
template <class T> struct Box { T *data; Box() : data(new T[4]) {} };
static void *volatile keep;
static void *volatile root;
static inline __attribute__((always_inline)) void inside() { keep = malloc(10); }
__attribute__((noinline)) static void leaf() { inside(); keep = malloc(20); keep = nullptr; }
static void *thread(void *) { leaf(); return nullptr; }
int main() {
    leaf();
    pthread_t t;
    pthread_create(&t, nullptr, thread, nullptr);
    pthread_join(t, nullptr);
    keep = new Box<Box<int>>;
    root = calloc(1, 30);
    keep = nullptr;
}
C
    g++ -g -O1 -fno-builtin -pthread -o made made.cc
    kinds='--leak-check=full --show-leak-kinds=all --errors-for-leak-kinds=all'
}

# Valgrind finds nothing with these suppressions; heaptape neither.
expect_suppressed() {
    # shellcheck disable=SC2086 # options
    valgrind -q $kinds --error-exitcode=9 --suppressions="$1" ./made
    check --leak-kinds=all --fail-on-stale --suppressions="$1" ./made
    expect_status 0
}

entries() {
    sed -n '/^{$/,/^}$/p'
}

@test "--gen-suppressions in the log, XML and JSON: valgrind takes the entries, and its own are taken" {
    compile_made
    # shellcheck disable=SC2086 # options
    capture "$memcheck" $kinds --gen-suppressions=all --xml=yes --xml-file=x.xml ./made
    entries <err >log.supp
    [ "$(grep -c '^{' log.supp)" -ge 6 ]
    expect_suppressed log.supp
    run ! grep clone log.supp
    # The first frame is the function that allocates; an inlined function has its own, as there.
    grep -A 2 'fun:malloc' log.supp | grep -A 1 'fun:_*[A-Za-z0-9]*inside' | grep -q leaf
    xmllint --noout x.xml
    python3 - <<'P'
import xml.etree.ElementTree as tree
errors = list(tree.parse("x.xml").getroot().findall("error"))
entries = [e.find("suppression") for e in errors]
assert entries and None not in entries
with open("xml.supp", "w") as out:
    for s in entries:
        raw = s.find("rawtext").text
        out.write(raw)
        frames = [f"   {f[0].tag}:{f[0].text}" for f in s.findall("sframe")]
        assert frames == [l for l in raw.splitlines() if l.startswith(("   fun:", "   obj:"))]
        assert s.find("skind").text == "Memcheck:Leak" and s.find("sname").text in raw
        assert "   " + s.find("skaux").text in raw.splitlines()
P
    expect_same log.supp <(entries <xml.supp)
    check --leak-kinds=all --gen-suppressions=all --json --log-file=x.json ./made
    python3 -c '
import json
print("".join(f["suppression"] for f in json.load(open("x.json"))["findings"]), end="")' >json.supp
    expect_same log.supp json.supp
    # shellcheck disable=SC2086 # options
    valgrind $kinds --gen-suppressions=all ./made 2>&1 | entries >valgrind.supp
    grep -q 'fun:clone' valgrind.supp
    check --leak-kinds=all --suppressions=valgrind.supp ./made
    expect_status 0
    # Without the option there is none.
    "$memcheck" --xml=yes --xml-file=x.xml ./made 2>err || true
    run ! grep -q 'suppression>\|^{' x.xml err
}

@test "stacks of threads end at the function of libc that calls the thread's own" {
    compile_made
    check ./made
    expect_match err '^    ← thread\(void\*\) \(made\.cc:8\)$'
    expect_match err '^    ← start_thread'
    run ! grep -q clone err
    # A function of the program's of that name is no end.
    printf '#include <stdlib.h>\nvoid *volatile k;\nvoid clone3(void) { k = malloc(1); k = 0; }\nint main(void) { clone3(); return 0; }\n' >own.c
    gcc -g -O0 -o own own.c
    check ./own
    expect_match err '^    at clone3 \(own\.c:3\)$'
    expect_match err '^    ← main'
}

@test "heaptape-memcheck --leak-check: records, summary and status are valgrind's" {
    compile_made
    # LOG: how many loss records it has, and whether a summary.
    shape() {
        grep -c 'in loss record' "$1"
        grep -c 'LEAK SUMMARY' "$1"
    }
    for how in full yes summary no; do
        options="--leak-check=$how --show-leak-kinds=definite --errors-for-leak-kinds=definite --error-exitcode=9"
        for quiet in '' -q; do
            [ "$how$quiet" != summary-q ] || continue # as full and no
            # shellcheck disable=SC2086 # options
            capture valgrind $quiet $options ./made
            shape err >theirs || true
            wanted=$status
            # shellcheck disable=SC2086 # options
            capture "$memcheck" $quiet $options ./made
            expect_status "$wanted"
            shape err >ours || true
            expect_same theirs ours
        done
    done
    capture "$memcheck" --leak-check=maybe ./made
    expect_status 2
    expect_line err '^heaptape: memcheck: --leak-check=maybe: it is no, summary, yes or full$'
}

@test "--log-fd and --xml-fd: files that are open already, which the program does not get" {
    compile_made
    echo before >log
    capture "$memcheck" --log-fd=5 --xml=yes --xml-fd=6 bash -c '{ : >&5; } 2>/dev/null || echo no 5; ./made' 5>>log 6>x.xml
    expect_status 1
    expect_line out '^no 5$'
    [ ! -s err ]
    [ "$(head -n 1 log)" = before ]
    expect_match log 'are definitely lost in loss record'
    xmllint --noout x.xml
    grep -q Leak_DefinitelyLost x.xml
    capture "$memcheck" --log-fd=1 sh -c 'echo of the program'
    expect_status 0
    [ ! -s err ]
    expect_match out '^of the program$'
    expect_match out 'LEAK SUMMARY'
    for wrong in --log-fd=77 '--xml=yes --xml-fd=77' --log-fd=x --log-fd=0; do
        # shellcheck disable=SC2086 # words
        check $wrong true
        expect_status 2
        expect_line err '^heaptape: check: --(log|xml)-fd'
    done
}

@test "--leak-resolution=high: calls in one line, and an unrolled loop, as valgrind tells them apart" {
    needs valgrind
    cat >calls.c <<'C'
#include <stdlib.h>
static void *volatile keep;
__attribute__((noinline)) static void leaf(void) { keep = malloc(20); keep = malloc(20); keep = NULL; }
int main(void) {
    leaf(); leaf();
    keep = malloc(5), keep = malloc(5);
    for (int i = 0; i < 3; i++) keep = malloc(7);
    keep = NULL;
    return 0;
}
C
    gcc -g -O2 -fno-builtin -funroll-all-loops -fpeel-loops -o calls calls.c
    # Bytes and blocks of each record.
    records() {
        sed -nE 's/^==[0-9]+== ([0-9,]+) bytes in ([0-9,]+) blocks are definitely lost.*/\1 \2/p' "$1" | sort
    }
    valgrind --leak-check=full ./calls 2>theirs
    capture "$memcheck" ./calls
    records theirs >theirs.records
    [ "$(wc -l <theirs.records)" -ge 6 ]
    records err | diff theirs.records -
    check --leak-resolution=high ./calls
    [ "$(grep -c 'definitely lost, by malloc$' err)" -eq "$(wc -l <theirs.records)" ]
    # Otherwise what reads the same is one.
    check ./calls
    expect_match err '^10 bytes in 2 blocks definitely lost, by malloc$'
    expect_match err '^21 bytes in 3 blocks definitely lost, by malloc$'
}
