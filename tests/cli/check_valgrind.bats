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
