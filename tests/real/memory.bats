#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The ledger of a process's memory, beside what the program has done, and on programs with memory of
# their own.

load ../helpers

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
}

# check CODE: an expression of m, what `heaptape memory --json x.tape` says, with MiB and near().
check() {
    python3 - "$heaptape" "$1" <<'PY'
import json, subprocess, sys
m = json.loads(subprocess.run([sys.argv[1], "memory", "--json", "x.tape"], capture_output=True, text=True).stdout)
MiB = 1 << 20
def near(found, expected, tolerance):
    return abs(found - expected) <= tolerance
p = m.get("peak")
if not eval(sys.argv[2]):
    print(json.dumps({**m, "rows": None, "mappings": None, "direct": m.get("direct", [])[:2]}, indent=1))
    sys.exit(f"not so: {sys.argv[2]}")
PY
}

@test "known amounts of each class are found" {
    cat >amounts.c <<'C'
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define MIB (1 << 20)
static char zeroes[6 * MIB];
static void *thread(void *unused) {
    volatile char room[3 * MIB];
    memset((char *)room, 1, sizeof room);
    free(malloc(10));
    sleep(1);
    return unused;
}
static void *map(size_t bytes, size_t touched) {
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(p, 1, touched);
    return p;
}
int main(void) {
    pthread_t t;
    for (int i = 0; i < 20 * 1024; i++)                /* 20 MiB of blocks, */
        memset(malloc(1024 - 16), 1, 1024 - 16);
    char *block[8 * 1024];
    for (int i = 0; i < 8 * 1024; i++)
        memset(block[i] = malloc(1024 - 16), 1, 1024 - 16);
    for (int i = 0; i < 8 * 1024; i += 2)              /* 4 MiB freed between them, */
        free(block[i]);
    memset(calloc(1, 30 * MIB), 1, 10 * MIB);          /* 30 MiB of which 10 are touched */
    map(12 * MIB, 7 * MIB);
    memset(zeroes, 1, sizeof zeroes);
    pthread_create(&t, NULL, thread, NULL);
    usleep(200000);
    map(8 * MIB, 0);
    pthread_join(t, NULL);
    return 0;
}
C
    gcc -O1 -g -fno-builtin -pthread -o amounts amounts.c
    "$heaptape" record -q -o x.tape -- ./amounts
    "$heaptape" memory x.tape >memory.txt
    cat memory.txt
    check 'm["allocator"] == "glibc" and m["samples"] >= 2 and p["explained"] > 0.99'
    check 'near(p["direct"], 7 * MiB, MiB // 4)'
    check 'near(p["heap"], (20 + 8 + 10) * MiB, MiB)'
    check 'near(p["heap_untouched"] + p["heap_live"], (20 + 4 + 30) * MiB, 1.5 * MiB)'
    check 'near(p["stacks"], 3 * MiB, MiB // 4)'
    check 'near(p["module_data"], 6 * MiB, MiB)'
    check 'near(sum(p[c] for c in ("heap", "direct", "stacks", "module_data", "file_pages", "shared", "recorder", "kernel", "unexplained")), p["resident"], 0)'
    check 'm["direct"][0]["size"] == 12 * MiB and m["direct"][0]["stack"][0]["function"] == "map"'
    check 'm["mapped"]["calls"] >= 2 and m["mapped"]["peak"] >= 20 * MiB'
    expect_match memory.txt '^ *heap, live blocks '
    expect_match memory.txt ' map \(amounts\.c:16\)$'
}

@test "massif --pages-as-heap: direct mappings to the byte, the heap by its blocks, all as ms_print reads it" {
    cat >pages.c <<'C'
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
static void *map(size_t bytes) { return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static void *big(void) { return malloc(5 << 20); }
static void small(int n) { for (int i = 0; i < n; i++) free(i % 2 == 0 ? malloc(100) : NULL), malloc(1000); }
int main(void) {
    void *p = map(12 << 20), *q = map(4 << 20), *b = big();
    small(2000);
    usleep(100000);
    munmap((char *)p + (1 << 20), 3 << 20);
    mmap(NULL, 1 << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    free(b);
    munmap(q, 4 << 20);
    small(10);
    return p == MAP_FAILED;
}
C
    gcc -O0 -g -fno-builtin -o pages pages.c
    "$heaptape" record -q -o x.tape -- ./pages
    "$heaptape" massif --pages-as-heap --detailed-freq=1 --threshold=0 -o massif.out x.tape
    ms_print --threshold=0 massif.out >shown
    grep -n -A40 '(peak)' shown | head -n 60
    expect_match shown '\(16,777,216B\) 0x[0-9A-F]+: map \(pages\.c:5\)'
    expect_match shown '\(12,582,912B\) 0x[0-9A-F]+: main \(pages\.c:9\)'
    expect_match shown '\(5,246,976B\) 0x[0-9A-F]+: big \(pages\.c:6\)'
    expect_match shown '\([12],[0-9]{3},[0-9]{3}B\) 0x[0-9A-F]+: small \(pages\.c:7\)'
    expect_match shown '0x0: modules, stacks, and what else samples show without a call$'
    # what samples alone know, modules for one, counts from the start: snapshot 1 has it
    grep '^mem_heap_B=' massif.out | sed -n 2p >second
    [ "$(cut -d= -f2 second)" -gt 2000000 ]
    # at the end 9 MiB of the first are left, of the second and of the large block nothing
    python3 - <<'PY'
import re
last = open("massif.out").read().split("snapshot=")[-1]
sizes = [(int(n), rest) for n, rest in re.findall(r"^ *n\d+: (\d+) (0x.*)$", last, re.M)]
assert any(n == 9 << 20 and "map (pages.c:5)" in l for n, l in sizes), sizes
assert not any("big (pages.c:6)" in l for n, l in sizes), sizes
assert sum(n for n, l in sizes) < 60 << 20, sizes
PY
}

@test "python3 is explained: pymalloc's arenas, and how to see its objects" {
    "$heaptape" record -q -o x.tape -- /usr/bin/python3 -c 'x = [str(i) * 3 for i in range(400000)]'
    check 'p["explained"] > 0.98 and m["mappers"][0]["name"] == "pymalloc arenas"'
    check 'm["mappers"][0]["resident"] > 20 * MiB and m["mappers"][0]["resident"] > 0.95 * p["direct"]'
    "$heaptape" report x.tape | head -n 12 >first
    expect_match first '^Most of this process.s memory is not on the heap: .*\(pymalloc arenas\)\.$'
    expect_match first '^With PYTHONMALLOC=malloc '
    PYTHONMALLOC=malloc "$heaptape" record -q -f -o x.tape -- /usr/bin/python3 -c 'x = [str(i) * 3 for i in range(400000)]'
    check 'p["explained"] > 0.98 and p["heap"] > 20 * MiB and p["direct"] < MiB'
    "$heaptape" report x.tape >report
    [ "$(grep -c 'Most of this process' report)" -eq 0 ]
}

@test "node is explained: V8's heap" {
    command -v node >/dev/null || skip 'node is not installed'
    "$heaptape" record -q -o x.tape -- node -e 'const a = []; for (let i = 0; i < 300000; i++) a.push({x: i, s: "abc" + i})'
    check 'p["explained"] > 0.95 and m["mappers"][0]["name"] == "V8" and m["mappers"][0]["resident"] > 10 * MiB'
}

@test "jemalloc and tcmalloc underneath: their mappings are the heap" {
    local found=0
    for name in jemalloc:libjemalloc.so.2 tcmalloc:libtcmalloc_minimal.so.4; do
        lib=$(find /usr/lib -name "${name#*:}" | head -n 1)
        [ -n "$lib" ] || continue
        found=$((found + 1))
        PYTHONMALLOC=malloc LD_PRELOAD=$lib "$heaptape" record -q -f -o x.tape -- \
            /usr/bin/python3 -c 'x = [str(i) * 3 for i in range(400000)]'
        check "m['allocator'] == '${name%:*}' and p['explained'] > 0.98"
        check 'p["heap"] > 25 * MiB and p["direct"] < MiB'
    done
    [ "$found" -ne 0 ] || skip 'neither jemalloc nor tcmalloc is installed'
}

@test "an allocator inside the program: what is not seen is said, and how much memory that is" {
    lib=$(find /usr/lib -name libjemalloc.a | head -n 1)
    [ -n "$lib" ] || skip 'libjemalloc.a is not installed'
    cat >inside.c <<'C'
#include <stdlib.h>
#include <string.h>
int main(void) {
    for (int i = 0; i < 50000; i++)
        memset(malloc(1000), 1, 1000);
    return 0;
}
C
    gcc -O1 -fno-builtin -rdynamic -o inside inside.c "$lib" -lpthread -ldl -lm -lstdc++
    "$heaptape" record -q -o x.tape -- ./inside
    check 'm["bypassed"].endswith("/inside") and p["explained"] > 0.95'
    check 'p["direct"] > 48 * MiB and m["mappers"][0]["name"] == "jemalloc, inside the program"'
    "$heaptape" report x.tape >report
    expect_match report '^Not seen: blocks of the allocator inside .*/inside '
    expect_match report '^What it has lies in the [45][0-9]\.[0-9]+ MiB of direct mappings'
    # of several recordings the last lines say it, too
    mkdir several
    "$heaptape" record -q -o several/x.tape -- sh -c './inside; ./inside; true'
    "$heaptape" report several >report
    expect_match report '^Not seen: blocks of the allocator inside .*/inside, in 2 recordings '
    "$heaptape" report --json several >report.json
    python3 -c 'import json; c = json.load(open("report.json"))["completeness"]; assert [b.split("/")[-1] for b in c["bypassed"]] == ["inside"], c'
    # and no check passes for what it has not seen
    capture "$heaptape" check ./inside
    expect_status 1
    expect_match err '^  not seen, so not checked: blocks of the allocator inside .*/inside$'
    expect_match err ': no clean pass, although nothing was found'
    capture "$heaptape" check sh -c './inside; true'
    expect_status 0
    expect_match err '^heaptape: check: note:$'
    expect_match err '^  not seen, so not checked: blocks of the allocator inside .*/inside$'
    capture "$heaptape" check --fail-on-unrecorded sh -c './inside; true'
    expect_status 1
}

@test "forked: what the child has from its parent is told by the parent's recording" {
    cat >forked.c <<'C'
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#define MIB (1 << 20)
static char *map(size_t bytes) {
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memset(p, 1, bytes);
}
__attribute__((noinline)) static char *early(void) { return map(20 * MIB) + 0 * getpid(); }
int main(void) {
    char *p = early(), *block = memset(malloc(10 * MIB), 1, 10 * MIB);
    munmap(p + 4 * MIB, 2 * MIB);
    usleep(100000);
    if (fork() == 0) {
        map(9 * MIB);
        usleep(100000);
        munmap(p, 20 * MIB);
        free(block);
        return 0;
    }
    wait(NULL);
    return 0;
}
C
    gcc -O1 -g -fno-builtin -o forked forked.c
    "$heaptape" record -q -o x.tape -- ./forked
    mkdir both alone
    mv x.tape both/x.tape
    mv x.tape.* both/
    child=$(find both -name 'x.tape.*')
    cp "$child" alone/x.tape
    # the same recording beside its parent's, and without it
    "$heaptape" memory --json "$child" >with.json
    "$heaptape" memory --json alone/x.tape >without.json
    "$heaptape" memory alone/x.tape >without.txt
    expect_match without.txt '^What is not explained may be of its parent, '
    "$heaptape" memory "$child" >with.txt
    expect_match with.txt "early \\(forked\\.c:[0-9]+\\)"
    [ "$(grep -c 'may be of its parent' with.txt)" -eq 0 ]
    "$heaptape" memory --json both >both.json
    "$heaptape" memory both >both.txt
    cat both.txt
    expect_match both.txt '^Memory, all processes at .* in 2 of them, the most at one time$'
    expect_match both.txt '^Pages that processes share '
    python3 - <<'PY'
import json
MiB = 1 << 20
near = lambda a, b, d: abs(a - b) <= d
w, o, b = (json.load(open(n)) for n in ("with.json", "without.json", "both.json"))
p = w["peak"]
assert near(p["direct"], 27 * MiB, MiB // 8) and p["heap_live"] == 10 * MiB, p
assert p["explained"] > 0.98, p
assert o["peak"]["direct"] < 20 * MiB and o["peak"]["heap_live"] == 0, o["peak"]
assert o["peak"]["explained"] < 0.6, o["peak"]
assert [s["size"] for s in w["direct"]][:2] == [18 * MiB, 9 * MiB], w["direct"]
m = b["memory"]
assert m["peak"]["resident"] == sum(q["then"] for q in m["processes"]), m["peak"]
assert m["peak"]["resident"] >= 60 * MiB and m["peak"]["heap_live"] >= 20 * MiB, m["peak"]
assert m["peak"]["resident"] == max(r["resident"] for r in m["rows"])
assert len(b["processes"]) == 2
PY
    "$heaptape" report both >report.txt
    expect_match report.txt '^Memory, all processes at .* in 2 of them, the most at one time$'
}

@test "no samples: the reason is one line" {
    HEAPTAPE_MEMORY=0 "$heaptape" record -q -o x.tape -- sqlite3 :memory: 'select 1' >/dev/null
    "$heaptape" memory x.tape >memory.txt
    expect_match memory.txt '^Memory: no samples\. None were asked for \(HEAPTAPE_MEMORY=0\)\.$'
    "$heaptape" record -q -f -o x.tape -- /bin/true
    "$heaptape" memory x.tape >memory.txt
    expect_match memory.txt '^Memory: no samples\. The process was small and short'
    check 'm["samples"] == 0 and "peak" not in m'
}
