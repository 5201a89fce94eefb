#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Kinds of leaks: check and leaks with heap images, beside Valgrind.

load ../helpers
load checked

# Compiles stdin as C to ./NAME.
compile() {
    cat >"$1.c"
    gcc -g -O1 -fno-inline -fno-builtin -fno-optimize-sibling-calls -pthread -o "$1" "$1.c"
}

# Compiles ./kinds: 300 bytes in 3 blocks and a chain of 32, 32 and 32 lost, 50 possibly, a chain
# and 7 bytes reachable.
compile_kinds() {
    compile kinds <<'C'
#include <stdlib.h>
struct node { struct node *next; char room[24]; };
struct node *volatile list;
char *volatile inside;
void *volatile keep;
void *volatile lose;
void three(void) { for (int i = 0; i < 3; i++) lose = malloc(100); lose = NULL; }
struct node *node(struct node *next) {
    struct node *n = malloc(sizeof *n);
    n->next = next;
    return n;
}
void interior(void) { inside = (char *)malloc(50) + 10; }
void chain(void) { list = node(node(node(NULL))); }
int main(void) {
    free(malloc(9));
    keep = calloc(7, 1);
    interior();
    three();
    chain();
    list = NULL;
    chain();
    free(malloc(8));
    return 0;
}
C
}

@test "definite and indirect count, the others are told" {
    compile_kinds
    check ./kinds
    expect_status 1
    expect_match err '^300 bytes in 3 blocks definitely lost, by malloc$'
    expect_match err '^96 \(32 direct, 64 indirect\) bytes in 1 block definitely lost, by malloc$'
    expect_match err '^64 bytes in 2 blocks indirectly lost, by malloc$'
    run ! grep -q 'reachable, by\|possibly lost, by' err
    expect_match err '^heaptape: check: \./kinds: 332 bytes in 4 blocks definitely lost, 64 bytes in 2 blocks indirectly lost, from [0-9]+ places; not counted: 50 bytes in 1 block possibly lost, 103 bytes in 4 blocks still reachable; 1 process'
    run ! grep -q 'not reliable' err
}

@test "--show-leak-kinds says what is listed, whether it counts or not" {
    compile_kinds
    check --show-leak-kinds=possible,indirect ./kinds
    expect_status 1
    expect_match err '^64 bytes in 2 blocks indirectly lost, by malloc$'
    sed -n '/^Not freed at exit, not counted$/,$p' err >uncounted
    expect_match uncounted '^50 bytes in 1 block possibly lost, by malloc$'
    run ! grep -E '(definitely lost|reachable), by' err
    run ! grep 'indirectly lost, by' uncounted
    expect_match err ': 332 bytes in 4 blocks definitely lost, 64 bytes in 2 blocks indirectly lost, from [0-9]+ places; not counted: 50 bytes'
    check --leak-kinds=none --show-leak-kinds=reachable -n 1 ./kinds
    expect_status 0
    [ "$(grep -c 'reachable, by' err)" -eq 1 ]
    expect_match err '^[0-9]+ more places? \(-n 0 shows all\)$'
    expect_match err '^heaptape: check: \./kinds: no leaks; not counted: 332 bytes'
    check --leak-kinds=definite --show-leak-kinds=all --json --log-file x.json ./kinds
    python3 - <<'P' >found
import json
result = json.load(open("x.json"))
for of in "findings", "uncounted":
    sums = {}
    for f in result[of]:
        sums[f["kind"]] = sums.get(f["kind"], 0) + f["bytes"]
    print(of, sums)
P
    expect_match found "^findings \{'definite': 332\}$"
    expect_match found "^uncounted \{('(reachable|indirect|possible)': (103|64|50)(, )?){3}\}$"
    check --show-leak-kinds=odd ./kinds
    expect_status 2
    expect_line err '^heaptape: check: --show-leak-kinds: .odd. is no list'
}

# Bytes and blocks of the loss records of each kind, and the summary. How many records these are is
# left to each tool: valgrind's are told apart by addresses, ours by names.
records() {
    tr -d , | sed -E 's/^==[0-9]+== +//' | awk '
        / in loss record / {
            kind = $0
            sub(/.* blocks are /, "", kind)
            sub(/ in loss record .*/, "", kind)
            bytes[kind] += $1
            sub(/.* bytes in /, "")
            blocks[kind] += $1
        }
        /^(definitely|indirectly|possibly) lost: |^still reachable: / { print }
        END { for (kind in bytes) print bytes[kind], blocks[kind], "are", kind }' | sort
}

@test "heaptape-memcheck: the records of --show-leak-kinds are valgrind's" {
    needs valgrind
    compile_kinds
    for kinds in all none definite definite,possible reachable,indirect; do
        valgrind --leak-check=full --num-callers=50 "--show-leak-kinds=$kinds" ./kinds 2>&1 | records >expected
        capture "$build/heaptape-memcheck" --leak-check=full --num-callers=50 "--show-leak-kinds=$kinds" ./kinds
        expect_status 1
        records <err >found
        expect_same expected found
        [ "$(grep -c ' are ' found)" -gt 0 ] || [ $kinds = none ]
    done
    # What makes it fail is another matter; so is the number of records that there are.
    capture "$build/heaptape-memcheck" --errors-for-leak-kinds=possible --show-leak-kinds=reachable ./kinds
    expect_status 1
    expect_match err 'are still reachable in loss record 1 of [2-9]$'
    run ! grep 'are possibly lost' err
    capture "$build/heaptape-memcheck" -q --errors-for-leak-kinds=none --show-leak-kinds=reachable --xml=yes --xml-file=x.xml ./kinds
    expect_status 0
    expect_match err 'are still reachable in loss record 1 of [2-9]$'
    [ "$(grep -c '<kind>Leak_StillReachable</kind>' x.xml)" -eq "$(grep -c 'are still reachable' err)" ]
    [ "$(grep -c '<error>' x.xml)" -eq "$(grep -c 'are still reachable' err)" ]
}

@test "--leak-kinds says what counts" {
    compile_kinds
    check --leak-kinds=none ./kinds
    expect_status 0
    expect_match err '^heaptape: check: \./kinds: no leaks; not counted: 332 bytes in 4 blocks definitely lost, '
    check --leak-kinds=possible ./kinds
    expect_status 1
    expect_match err '^50 bytes in 1 block possibly lost, by malloc$'
    expect_match err ': 50 bytes in 1 block possibly lost, from 1 place; not counted: '
    check --leak-kinds=all --json --log-file x.json ./kinds
    [ "$(json x.json kinds.definite.bytes)" -eq 332 ]
    [ "$(json x.json kinds.indirect.blocks)" -eq 2 ]
    [ "$(json x.json kinds.possible.bytes)" -eq 50 ]
    [ "$(json x.json kinds.reachable.bytes)" -eq 103 ]
    [ "$(json x.json not_freed.bytes)" -eq 549 ]
    [ "$(json x.json findings.0.kind)" = definite ]
    check --no-leak-kinds ./kinds
    expect_match err ': 549 bytes in 11 blocks not freed at exit, from'
    for wrong in --leak-kinds=odd --leak-kinds= --leak-resolution=x --leak-check-heuristics=odd; do
        check "$wrong" ./kinds
        expect_status 2
    done
}

@test "a program that keeps everything is clean" {
    compile kept <<'C'
#include <stdlib.h>
void *volatile keep;
int main(void) { keep = malloc(123); return 0; }
C
    check ./kept
    expect_status 0
    expect_line err '^heaptape: check: \./kept: no leaks; not counted: 123 bytes in 1 block still reachable; 1 process'
    check -q ./kept
    expect_status 0
    [ ! -s err ]
}

@test "--leak-resolution: how many frames tell findings apart" {
    compile deep <<'C'
#include <stdlib.h>
void *volatile lose;
void leaf(void) { lose = malloc(10); lose = NULL; }
void a(void) { leaf(); }
void b(void) { leaf(); }
void aa(void) { a(); }
int main(void) { a(); aa(); b(); return 0; }
C
    check ./deep
    expect_match err 'from 3 places'
    check --leak-resolution=med ./deep
    expect_match err 'from 3 places'
    check --leak-resolution=low ./deep
    expect_match err 'from 1 place;'
    expect_match err '^30 bytes in 3 blocks definitely lost'
    expect_match err '← main'
}

@test "suppressions for some kinds" {
    compile_kinds
    printf '{\na\nMemcheck:Leak\nmatch-leak-kinds: definite\nfun:malloc\nfun:three\n}\n{\nb\nMemcheck:Leak\nmatch-leak-kinds: possible\nfun:malloc\nfun:node\n}\n' >k.supp
    check --suppressions k.supp ./kinds
    expect_match err 'check: \./kinds: 32 bytes in 1 block definitely lost, 64 bytes in 2 blocks indirectly lost, '
}

@test "a process that was killed has no kinds" {
    compile_kinds
    compile killed <<'C'
#include <signal.h>
#include <stdlib.h>
void *volatile keep;
int main(void) { keep = malloc(99); raise(SIGKILL); return 0; }
C
    check bash -c './killed; ./kinds'
    expect_status 1
    expect_match err '^  process [0-9]+ \(killed\) was killed by SIGKILL before its end: not checked$'
    run ! grep -q '99 bytes\|nothing is known of what\|not reliable' err
    expect_match err 'definitely lost'
    check --no-leak-kinds bash -c './killed; true'
    expect_status 1
    expect_match err '^99 bytes in 1 block by malloc$'
    expect_match err '99 bytes in 1 block not freed at exit'
}

@test "a forked child knows what it has from its parent" {
    compile forks <<'C'
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
void **volatile table;
void *volatile lose;
void kept(void) { table[3] = malloc(11); }
void lost(void) { lose = malloc(22); lose = NULL; }
void clear(void) { volatile char room[4000]; memset((char *)room, 0, sizeof room); }
int main(void) {
    table = calloc(10, sizeof *table);
    for (int i = 0; i < 2; i++)
        if (fork() == 0) {
            kept();
            lost();
            clear();
            if (fork() == 0) {
                table[4] = malloc(33);
                exit(0);
            }
            wait(NULL);
            exit(0);
        }
    while (wait(NULL) > 0)
        continue;
    free((void *)table);
    return 0;
}
C
    check ./forks
    expect_status 1
    expect_match err '^44 bytes in 2 blocks definitely lost, by malloc, in 2 processes$'
    expect_match err ': 44 bytes in 2 blocks definitely lost, from 1 place; not counted: 88 bytes in 4 blocks still reachable; 5 processes'
}

@test "leaks: --kinds, --why, and which image" {
    compile_kinds
    check -o kept ./kinds
    tape=kept/kinds.tape
    capture "$heaptape" leaks "$tape"
    expect_status 0
    expect_match out '^definitely lost: 332 B in 4 blocks$'
    capture "$heaptape" leaks --kinds=definite "$tape"
    expect_match out '^Not freed at exit \(definite\): 332 B in 4 blocks'
    capture "$heaptape" leaks --why=chain "$tape"
    expect_status 0
    expect_match out '^    static data of kinds: list$'
    expect_match out '^      its byte 0 points to 32 bytes by malloc at node \(kinds\.c:9\)$'
    expect_match out '^    nothing points to it$'
    expect_match out '^    only lost blocks point to it$'
    # The same for programs: every stack, what it hangs on, and each block of the way.
    capture "$heaptape" leaks --why=chain --json "$tape"
    expect_status 0
    [ "$(json out matching)" -eq "$(grep -c '"root"' out)" ]
    [ "$(json out reliable)" = True ]
    python3 - <<'P' >found
import json
for s in json.load(open("out"))["stacks"]:
    root = s["root"] and (s["root"]["kind"], s["root"].get("variable"), s["root"].get("offset"))
    print(s["kind"], s["bytes"], s["blocks"], s["place"]["function"], root,
          [(w.get("from_byte"), w["to_byte"], w["bytes"], w["place"]["line"]) for w in s["way"]])
P
    expect_match found "^reachable [0-9]+ [0-9]+ node \('static', 'list', 0\) \[\(None, 0, 32, 9\)(, \(0, 0, 32, 9\))*\]$"
    expect_match found '^definite [0-9]+ 1 [a-z]+ None \[\]$'
    expect_match found '^indirect [0-9]+ [0-9]+ node None \[\]$'
    capture "$heaptape" leaks --why=main --json -n 1 "$tape"
    [ "$(json out matching)" -gt 1 ] && [ "$(grep -c '"root"' out)" -eq 1 ]
    capture "$heaptape" leaks --why=no_such_function --json "$tape"
    expect_status 1
    [ "$(json out matching)" -eq 0 ]
    capture "$heaptape" leaks --why=main "$tape"
    expect_match out 'points to byte 10 of 50 bytes by malloc at interior'
    capture "$heaptape" leaks --why=no_such_function "$tape"
    expect_status 1
    expect_line err 'no block that lives at the heap image has a stack with'
    capture "$heaptape" leaks --image=9 "$tape"
    expect_status 1
    expect_line err 'no kinds of leaks: the recording has no heap image number 9'
    capture "$heaptape" leaks --kinds=all --between 0 end "$tape"
    expect_status 2
    "$heaptape" record -q -o plain.tape ./kinds
    capture "$heaptape" leaks --kinds=definite plain.tape
    expect_status 1
    expect_line err 'no kinds of leaks: the recording has no heap image$'
    capture "$heaptape" leaks plain.tape
    expect_status 0
}

# The sums as Valgrind has them: "definite bytes blocks", a line for each kind.
valgrind_sums() {
    valgrind --leak-check=full --show-leak-kinds=all --run-libc-freeres=no --log-file=v.log "$@" >v.out
    sed -nE 's/^==[0-9]+== +(definitely|indirectly|possibly|still) (lost|reachable): ([0-9,]+) bytes in ([0-9,]+) blocks$/\1 \3 \4/p' v.log | tr -d ,
}

heaptape_sums() {
    "$heaptape" check --no-default-suppressions --leak-kinds=all --json --log-file h.json -- "$@" >h.out 2>h.err || :
    for kind in definitely:definite indirectly:indirect possibly:possible still:reachable; do
        echo "${kind%:*} $(json h.json "kinds.${kind#*:}.bytes") $(json h.json "kinds.${kind#*:}.blocks")"
    done
}

@test "the sums are Valgrind's" {
    compile_kinds
    compile many <<'C'
#include <stdlib.h>
#include <string.h>
struct node { struct node *a, *b; long room; };
struct node *volatile root;
void *volatile lose;
static unsigned seed = 12345;
unsigned below(unsigned n) { seed = seed * 1103515245 + 12345; return (seed >> 8) % n; }
void fill(struct node **all, int n) {
    for (int i = 0; i < n; i++)
        all[i] = malloc(sizeof **all + below(3) * 8);
    for (int i = 0; i < n; i++) {
        all[i]->a = below(3) == 0 ? all[below(n)] : NULL;
        all[i]->b = below(4) == 0 ? (struct node *)&all[below(n)]->room : NULL;
        all[i]->room = 0;
    }
    for (int i = 0; i < n / 20; i++) {
        struct node *r = malloc(sizeof *r);
        r->a = root;
        r->b = all[below(n)];
        root = r;
    }
}
void clear(void) { volatile char room[2000]; memset((char *)room, 0, sizeof room); }
int main(void) {
    static struct node *all[500];
    fill(all, 500);
    memset(all, 0, sizeof all);
    clear();
    exit(0);
}
C
    for program in ./kinds ./many; do
        valgrind_sums "$program" >v
        [ "$(wc -l <v)" -eq 4 ]
        heaptape_sums "$program" >h
        expect_same v h
    done
}
