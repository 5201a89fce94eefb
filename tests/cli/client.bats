#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What a program tells of itself: tests, loops, pools, what is ignored (tests/workloads/client.c).

load ../helpers
load checked

record() {
    HEAPTAPE_MEMORY=0 "$heaptape" record -q -f -o x.tape "$@"
}

# Compiles stdin as C to ./NAME.
compile() {
    cat >"$1.c"
    gcc -g -O1 -fno-inline -fno-builtin -fno-optimize-sibling-calls -I"$top/include" -pthread -o "$1" "$1.c"
}

# Times, identities and paths differ from run to run.
stable() {
    sed -E -e "s|$workloads|WORKLOADS|g" -e 's|/[^ ]*heaptape-check[^ ]*|KEPT|' \
        -e 's/[0-9.]+ (ns|us|ms|s)( after|,|$)/TIME\2/g' -e 's/\([0-9.]+% of the run\)/(SHARE)/' \
        -e 's/^ +[0-9.]+ (us|ms)  tested$/  TIME  tested/' -e 's/, [0-9,]+ events/, EVENTS/' \
        -e '/^ +resident /d' "$@"
}

# Keys of the list's objects, a line each: list FILE KEY NAME...
list() {
    python3 -c '
import json, sys
def get(value, path):
    for key in path.split("."):
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value
for entry in get(json.load(open(sys.argv[1])), sys.argv[2]):
    print(*(get(entry, name) for name in sys.argv[3:]))' "$@"
}

@test "report: pools, tests and the call sites that grow" {
    record "$workloads/client"
    "$heaptape" report x.tape | sed -n '/^Heap$/,/^Live at the peak$/p' >text
    stable text >out
    expect_golden out client/report.txt
}

@test "report --json: the same, exactly" {
    record "$workloads/client"
    "$heaptape" report --json x.tape >json
    [ "$(list json tests name runs allocations allocated_bytes peak_bytes not_freed.bytes not_freed.blocks)" = \
        'parser 1 6 1698 1000 198 4
parser/numbers 1 2 1024 1000 24 1
parser/strings 1 1 500 500 0 0
parser/escapes 1 3 174 174 174 3
lexer 1 2 30 20 20 1' ]
    [ "$(list json iterations name rounds judged growing_sites unsteady_stacks)" = \
        'frame 200 True 2 1
request 3 False 0 0' ]
    [ "$(list json iterations.0.sites stack.1.function blocks_per_iteration bytes_per_iteration rounds_with_growth)" = \
        'grow_list 1.0 48.0 199
run_loops 0.10416666666666667 3.3333333333333335 19' ]
    [ "$(json json pools.allocations)/$(json json pools.frees)/$(json json pools.unmatched_frees)" = 5/1/1 ]
    [ "$(json json pools.peak.bytes)/$(json json pools.not_freed.bytes)" = 300/230 ]
    # nothing of it is in the heap's figures
    [ "$(json json heap.not_freed.bytes)" -eq $((198 + 20 + 24 + 4096 + 500 + 200 * 48 + 20 * 32 + 30 * 64 + 8 * (2 + 4 + 8 + 16 + 32 + 64 + 128 + 256) + 4 * 48)) ]
    [ "$(json json completeness.unmatched_frees)" -eq 0 ]
    [ "$(list json marks text)" = tested ] # only what heaptape_mark() said
}

@test "report of several recordings: pools summed up" {
    record "$workloads/client"
    "$heaptape" record -q -f -o y.tape "$workloads/client"
    "$heaptape" report --json x.tape y.tape >json
    [ "$(json json pools.allocations)/$(json json pools.not_freed.bytes)" = 10/460 ]
    "$heaptape" report x.tape y.tape >text
    expect_match text '^  pools +460 B   in 8 blocks not freed; 10 allocations, 2 unmatched frees$'
}

@test "check: in which tests, pools' blocks, what is ignored" {
    check "$workloads/client"
    expect_status 1
    stable err >out
    expect_golden out client/check.txt
}

@test "check --json: the shares of tests" {
    check --json --log-file=x.json "$workloads/client"
    expect_status 1
    [ "$(list x.json tests name runs bytes blocks places)" = \
        'parser 1 0 0 0
parser/numbers 1 24 1 1
parser/strings 1 0 0 0
parser/escapes 1 174 3 3
lexer 1 0 0 0' ]
    [ "$(json x.json ignored.bytes)/$(json x.json ignored.blocks)" = 580/3 ]
    [ "$(json x.json findings.0.tests.0.name)" = parser/escapes ]
    [ "$(json x.json findings.0.outside_of_tests.blocks)" -eq 0 ]
    [ "$(json x.json findings.1.function)" = pool_alloc ]
    [ "$(json x.json findings.1.tests)" = '[]' ]
    [ "$(json x.json findings.1.outside_of_tests.bytes)" -eq 50 ]
}

@test "check --junit: a test case for each test, red where it leaks" {
    check --junit=x.xml "$workloads/client"
    expect_status 1
    python3 - x.xml <<'PY' >out
import sys
import xml.etree.ElementTree as tree
suite = tree.parse(sys.argv[1]).getroot().find("testsuite")
cases = suite.findall("testcase")
assert int(suite.get("tests")) == len(cases)
assert int(suite.get("failures")) == len(suite.findall("testcase/failure"))
for case in cases:
    if case.get("classname") == "heaptape.tests":
        failure = case.find("failure")
        print(case.get("name"), failure.get("message") if failure is not None else "passed")
        if failure is not None:
            print(*sorted(set(line.split()[1] for line in failure.text.splitlines() if line.startswith("#1"))))
PY
    cat >expected <<'TEXT'
parser passed
parser/numbers 24 bytes in 1 block that the test allocated leaked, from 1 place
lose_number
parser/strings passed
parser/escapes 174 bytes in 3 blocks that the test allocated leaked, from 3 places
lose_escape lose_number
lexer passed
TEXT
    expect_same expected out
}

@test "check: suppressions of pools' blocks name the allocator of the program's own" {
    check --gen-suppressions=all "$workloads/client"
    python3 - err <<'PY' >client.supp
import re, sys
print("".join(re.findall(r"^\{\n.*?^\}\n", open(sys.argv[1]).read(), re.S | re.M)))
PY
    [ "$(grep -c '^{' client.supp)" -eq 7 ]
    [ "$(grep -cE '^   fun:(heaptape_)?pool_alloc$' client.supp)" -eq 0 ]
    [ "$(grep -A 2 '^   Memcheck:Leak' client.supp | grep -c '^   fun:pool_get$')" -eq 2 ]
    check --suppressions=client.supp "$workloads/client"
    expect_status 0
    printf '{\n pool\n Memcheck:Leak\n fun:pool_get\n fun:use_pool\n}\n' >pool.supp
    check --suppressions=pool.supp "$workloads/client"
    run ! grep -q pool_alloc err
    expect_match err '; suppressed: 150 bytes in 3 blocks; ' # the reachable one, too
}

@test "check: the messages of the other formats name the tests" {
    check --tap=x.tap --sarif=x.sarif --github "$workloads/client"
    expect_match x.tap 'message: "24 bytes in 1 block definitely lost: malloc at lose_number \(client.c:[0-9]+\), in test parser/numbers"'
    expect_match x.tap ', outside of tests"'
    expect_match x.sarif '"text": "24 bytes .*, in test parser/numbers"'
    expect_match err '^::error .*::24 bytes .*, in test parser/numbers%0A'
}

@test "check: one place in many tests, and besides" {
    compile many <<'C'
#include <heaptape/heaptape.h>
#include <stdio.h>
#include <stdlib.h>
void *volatile lost;
void leak(void) { lost = malloc(10); lost = NULL; }
int main(void) {
    char name[16];
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof name, "test %d", i);
        if (i < 5) heaptape_test_begin(name);
        leak();
        if (i < 5) heaptape_test_end();
    }
    return 0;
}
C
    check ./many
    expect_match err '^60 bytes in 6 blocks definitely lost, by malloc$'
    expect_match err '^    in tests test 0, test 1, test 2 and 2 more, and outside of tests$'
    check --no-leak-kinds ./many
    expect_match err '^60 bytes in 6 blocks by malloc$'
    expect_match err '^    in tests test 0, test 1, test 2 and 2 more, and outside of tests$'
}

@test "check: a child of a test is in it" {
    compile forks <<'C'
#include <heaptape/heaptape.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
void *volatile lost;
void leak(int n) { lost = malloc(n); lost = NULL; }
int main(void) {
    heaptape_test_begin("forks");
    if (fork() == 0) {
        leak(10);
        heaptape_test_begin("inner");
        leak(20);
        heaptape_test_end();
        exit(0);
    }
    wait(NULL);
    heaptape_test_end();
    if (fork() == 0) {
        leak(30);
        exit(0);
    }
    wait(NULL);
    return 0;
}
C
    check --json --log-file=x.json ./forks
    python3 -c '
import json
for f in sorted(json.load(open("x.json"))["findings"], key=lambda f: f["bytes"]):
    print(f["bytes"], [t["name"] for t in f["tests"]])' >out
    printf "%s\n" "10 ['forks']" "20 ['forks/inner']" '30 []' >expected
    expect_same expected out
}

@test "check: what is ignored is no leak, whatever counts" {
    compile ignored <<'C'
#include <heaptape/heaptape.h>
#include <stdlib.h>
void *volatile lost;
int main(void) {
    void **p = malloc(100);
    *p = malloc(10);
    heaptape_ignore(p);
    lost = p;
    lost = NULL;
    p = NULL;
    return 0;
}
C
    for kinds in definite all; do
        check --leak-kinds=$kinds ./ignored
        expect_status 0
        expect_line err '^heaptape: check: \./ignored: every block was freed or is ignored; 1 process, [0-9]+ events; ignored: 110 bytes in 2 blocks$'
    done
    check --no-leak-kinds ./ignored # nothing is known of what it leads to
    expect_status 1
    expect_match err '^10 bytes in 1 block by malloc$'
    expect_match err '; ignored: 100 bytes in 1 block$'
}

@test "check --fail-on-growth: call sites that grow, in every format" {
    check "$workloads/client"
    run ! grep -q 'grow' err
    compile grows <<'C'
#include <heaptape/heaptape.h>
#include <stdlib.h>
struct node { struct node *next; };
struct node *first, *also;
void grow(struct node **list) {
    struct node *n = malloc(24);
    n->next = *list;
    *list = n;
}
int main(int argc, char **argv) {
    for (int i = 0; i < 40; i++) {
        grow(&first);
        if (argc > 1 && i % 2 == 0)
            grow(&also);
        if (argc > 2 && atoi(argv[2]) == 0) {
            free(first);
            first = NULL;
        }
        heaptape_iteration("frame");
    }
    while ((also = first) != NULL) { /* all is freed in the end */
        first = also->next;
        free(also);
    }
    return 0;
}
C
    check ./grows
    expect_status 0
    check --fail-on-growth --junit=x.xml --tap=x.tap --sarif=x.sarif --github ./grows
    expect_status 1
    expect_match err '^frame: grows by 1 block, 24 bytes per iteration \(in 39 of 39 rounds\)$'
    expect_match err '^    at grow \(grows.c:6\)$'
    expect_match err '^heaptape: check: \./grows: every block was freed; 1 call site grows with each round; 1 process'
    expect_match err '^::error file=grows.c,line=6,title=Memory that grows with each round of a loop::frame: grows by 1 block, 24 bytes per iteration \(in 39 of 39 rounds\), at grow \(grows.c:6\)%0Aat grow'
    expect_match x.xml 'classname="heaptape.growth" name="grows with frame: grow \(grows.c\) \[[0-9a-f]{8}\]"'
    expect_match x.tap '^not ok [0-9]+ - grows with frame: grow \(grows.c\)'
    expect_match x.sarif '"ruleId": "growth"'
    check --fail-on-growth ./grows too
    expect_match err '^frame: grows by 0.5 blocks, 12 bytes per iteration'
    expect_match err '; 2 call sites grow with each round; '
    check --fail-on-growth --json --log-file=x.json ./grows too
    expect_status 1
    [ "$(list x.json growth loop rounds rounds_with_growth processes)" = 'frame 40 39 1
frame 40 19 1' ]
    check --fail-on-growth ./grows not 0
    run ! grep -q 'frame: grows by 1 block' err
    check --fail-on-growth --tap=x.tap true
    expect_status 0
    expect_line err '; no loop was marked; 1 process'
    expect_match x.tap '^ok [0-9]+ - growth: nothing$'
}

@test "check --fail-on-growth: one site in several processes is one" {
    compile workers <<'C'
#include <heaptape/heaptape.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
void *volatile kept[300];
int main(void) {
    for (int child = 0; child < 3; child++)
        if (fork() == 0) {
            for (int i = 0; i < 10 * (child + 1); i++) {
                for (int k = 0; k <= child; k++)
                    kept[3 * i + k] = malloc(8);
                heaptape_iteration("work");
            }
            exit(0);
        }
    while (wait(NULL) > 0)
        ;
    return 0;
}
C
    check --fail-on-growth --json --log-file=x.json ./workers
    expect_status 1
    [ "$(list x.json growth loop rounds rounds_with_growth processes)" = 'work 30 29 3' ]
    [ "$(($(json x.json growth.0.blocks) / $(json x.json growth.0.measured_rounds)))" -eq 3 ]
    check --fail-on-growth ./workers
    expect_match err '^work: grows by 3 blocks, 24 bytes per iteration \(in 29 of 29 rounds\), in 3 processes$'
}

@test "leaks: blocks of pools apart, marked as such; ignored ones left out" {
    record "$workloads/client"
    capture "$heaptape" leaks x.tape
    expect_match out '^of pools, besides: 150 B in 3 blocks$'
    expect_match out '^ignored: 280 B in 2 blocks$'
    expect_match out '^Blocks of pools \(heaptape_pool_alloc\)$'
    sed -n '/^Blocks of pools/,$p' out | grep -q 'pool_get (client.c:'
    run ! grep -q 'use_pool (client.c:' <(sed '/^Blocks of pools/,$d' out) # the memory around them
    HEAPTAPE_IMAGE='exit' record "$workloads/client"
    "$heaptape" leaks --json x.tape >json
    [ "$(json json pools.total.bytes)/$(json json pools.total.blocks)" = 150/3 ]
    [ "$(json json ignored.bytes)/$(json json ignored.blocks)" = 580/3 ]
    [ "$(json json total.bytes)" -eq $((16824 - 150)) ]
    "$heaptape" leaks --json --kinds=definite,indirect x.tape >json
    [ "$(json json pools.total.bytes)/$(json json total.bytes)" = 110/222 ]
    "$heaptape" leaks --why=use_pool x.tape >out
    expect_match out '^80 bytes in 1 block ignored, at '
    expect_match out '^    kept on purpose: '
}

@test "peak and leaks take the names of tests and of loops" {
    record "$workloads/client"
    bytes() {
        "$heaptape" "$@" --json x.tape >json
        json json total.bytes
    }
    [ "$(bytes leaks --between parser/escapes parser/escapes)" -eq 174 ]
    [ "$(bytes leaks --between parser parser)" -eq 198 ]
    [ "$(bytes leaks --between parser strings)" -eq 24 ]
    at_end=$(bytes peak --at parser)
    [ "$at_end" -eq $(($(bytes peak --at lexer) - 20)) ]
    # from the end of the first round to that of the last
    [ "$(bytes leaks --between frame frame --filter grow_list)" -ge 0 ]
    [ "$(json json matching.bytes)" -eq $((199 * 48)) ]
    capture "$heaptape" peak --at nowhere x.tape
    expect_status 2
    expect_line err 'or the name of a mark, a test or a loop'
}

@test "dump: kinds of marks, ignored blocks, blocks of pools" {
    record "$workloads/client"
    "$heaptape" dump --no-stacks x.tape >text
    # the text of a test's end is the recorder's to choose
    grep -oE ' (mark|ignore|pool_alloc|pool_free) .*' text | head -n 24 |
        sed -E -e 's/0x[0-9a-f]+/ADDRESS/' -e 's/stack=[0-9]+/stack=N/' -e 's/(kind=test_end) .*/\1/' >out
    cat >expected <<'TEXT'
 mark kind=test_begin text="parser"
 mark kind=test_begin text="numbers"
 mark kind=test_end
 mark kind=test_begin text="strings"
 mark kind=test_end
 mark kind=test_begin text="escapes"
 mark kind=test_end
 mark kind=test_end
 mark kind=test_begin text="lexer"
 mark kind=test_end
 mark text="tested"
 pool_alloc address=ADDRESS size=40 stack=N
 pool_alloc address=ADDRESS size=50 stack=N
 pool_alloc address=ADDRESS size=60 stack=N
 pool_alloc address=ADDRESS size=70 stack=N
 pool_alloc address=ADDRESS size=80 stack=N
 pool_free address=ADDRESS
 pool_free address=ADDRESS
 ignore address=ADDRESS
 ignore address=ADDRESS
 mark kind=iteration text="frame"
 mark kind=iteration text="frame"
 mark kind=iteration text="frame"
 mark kind=iteration text="frame"
TEXT
    expect_same expected out
    "$heaptape" dump --json x.tape | grep -q '"op":"mark","kind":"iteration","text":"frame"'
    "$heaptape" dump --json x.tape | grep -qE '"op":"ignore","address":[0-9]+}'
}

@test "threads: their rounds are one sequence, their blocks in the test that runs" {
    compile threads <<'C'
#include <heaptape/heaptape.h>
#include <pthread.h>
#include <stdlib.h>
struct node { struct node *next; };
void *volatile lost;
void leak(void) { lost = malloc(30); lost = NULL; }
void *leak_apart(void *arg) { leak(); return arg; }
void grow(struct node **list) {
    struct node *n = malloc(sizeof *n);
    n->next = *list;
    *list = n;
}
void *work(void *list) {
    for (int i = 0; i < 500; i++) {
        grow(list);
        free(malloc(100));
        heaptape_iteration("work");
    }
    return NULL;
}
int main(void) {
    static struct node *list[4];
    pthread_t thread[4];
    heaptape_test_begin("spawns");
    pthread_create(&thread[0], NULL, leak_apart, NULL);
    pthread_join(thread[0], NULL);
    heaptape_test_end();
    for (int i = 0; i < 4; i++)
        pthread_create(&thread[i], NULL, work, &list[i]);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    return 0;
}
C
    check -o kept ./threads
    expect_status 1
    expect_match err '^30 bytes in 1 block definitely lost, by malloc$'
    expect_match err '^    in test spawns$'
    "$heaptape" report --json kept/*.tape >json
    [ "$(list json iterations name rounds growing_sites)" = 'work 2000 1' ]
    python3 -c '
import json
site = json.load(open("json"))["iterations"][0]["sites"][0]
assert site["stack"][0]["function"] == "grow", site
assert 0.99 <= site["blocks_per_iteration"] <= 1.01, site'
}

@test "100,000 tests, of which one leaks" {
    compile many <<'C'
#include <heaptape/heaptape.h>
#include <stdio.h>
#include <stdlib.h>
void *volatile lost;
int main(void) {
    char name[24];
    for (int i = 0; i < 100000; i++) {
        snprintf(name, sizeof name, "test %d", i);
        heaptape_test_begin(name);
        free(malloc(10));
        if (i == 777) {
            lost = malloc(20);
            lost = NULL;
        }
        heaptape_test_end();
    }
    return 0;
}
C
    check --junit=x.xml -o kept ./many
    expect_status 1
    expect_match err '^    in test test 777$'
    [ "$(grep -c 'classname="heaptape.tests"' x.xml)" -eq 100000 ]
    [ "$(grep -c '<failure type="leak"' x.xml)" -eq 1 ]
    "$heaptape" report kept/*.tape >text
    expect_match text '^Tests \(100,000; '
    expect_match text '^ +2 +30 B +20 B +20 B +1  test 777$'
    expect_match text '^  99,980 more$'
}
