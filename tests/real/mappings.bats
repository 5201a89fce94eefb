#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Mappings are recorded beside the heap: each call that made or ended one, and samples of all.

load ../helpers

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
}

# What dump says of mappings between the program's own addresses, as the workload prints it.
mappings() {
    "$heaptape" dump --json --no-stacks "$1" | python3 -c '
import json, sys
for line in sys.stdin:
    e = json.loads(line)
    if e["op"] in ("mmap", "mremap", "munmap", "brk"):
        print(e["op"], hex(e["address"]), e["size"], e.get("flags", ""))'
}

@test "every call, in order, with its flags; failed ones say so" {
    "$heaptape" record -q -o x.tape -- "$build/tests/workloads/mappings" >expected
    mappings x.tape | sed 's/ *$//' >found
    sed -i 's/ *$//' expected
    diff expected found
    [ "$(wc -l <found)" -eq 24 ]
    "$heaptape" record -q --unwinder=verify -o verify.tape -- "$build/tests/workloads/mappings" 2>verify >/dev/null
    expect_match verify ' 0 differences'
    # the innermost frame is the caller's
    "$heaptape" dump --json x.tape | python3 -c '
import json, sys
frame = {}
for line in sys.stdin:
    e = json.loads(line)
    if "frame" in e:
        frame[e["stack"]] = e.get("module", "")
    elif e["op"] in ("mmap", "mremap", "munmap", "brk"):
        assert frame[e["stack"]].endswith("/mappings"), (e, frame[e["stack"]])'
    # they are nothing of the heap's
    "$heaptape" report --json x.tape | python3 -c 'import json, sys; h = json.load(sys.stdin)["heap"]; assert h["allocations"] == 0, h'
    "$heaptape" pack -o x.packed x.tape
    "$heaptape" dump --json x.tape >plain
    "$heaptape" dump --json x.packed >packed
    cmp plain packed
}

@test "samples: what is resident adds up to what the kernel says, the recorder's own and stacks are marked" {
    cat >grow.c <<'C'
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
static void *thread(void *unused) {
    char room[65536];
    (void)unused;
    memset(room, 1, sizeof room);
    return malloc(room[5]);
}
int main(void) {
    pthread_t t;
    for (int i = 0; i < 5; i++) {
        void *p = mmap(NULL, 40 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        memset(p, 1, 40 << 20);
    }
    pthread_create(&t, NULL, thread, NULL);
    pthread_join(t, NULL);
    for (int i = 0; i < 20000; i++)
        memset(malloc(1000), 1, 1000);
    return 0;
}
C
    gcc -O1 -fno-builtin -pthread -o grow grow.c
    "$heaptape" record -q -o x.tape -- ./grow
    "$heaptape" dump --json --no-stacks x.tape >dump
    python3 - <<'PY'
import json
rss, samples, last = 0, 0, None
for line in open("dump"):
    e = json.loads(line)
    if e["op"] == "sample":
        rss = e["rss"]
    if e["op"] == "memory":
        samples += 1
        total = sum(m["resident"] for m in e["mappings"])
        last = e
        assert e["part"] == 0 and e["last"] == 1, e
assert samples >= 1, samples
print(samples, total, rss, last["peak"])
assert abs(total - rss) < 0.05 * rss, (total, rss)
assert last["peak"] > 200 << 20 and total > 215 << 20
own = sum(m["resident"] for m in last["mappings"] if "o" in m["bits"])
assert 100_000 < own < 16 << 20, own
kinds = {m["kind"] for m in last["mappings"]}
assert {"anonymous", "file", "brk", "stack", "other"} <= kinds, kinds
assert any("t" in m["bits"] for m in last["mappings"])
assert any(m.get("name", "").endswith("/libheaptape.so") for m in last["mappings"])
assert all(a["end"] <= b["start"] for a, b in zip(last["mappings"], last["mappings"][1:]))
PY
    HEAPTAPE_MEMORY=0 "$heaptape" record -q -o y.tape -- ./grow
    [ "$("$heaptape" dump --no-stacks y.tape | grep -c ' memory ')" -eq 0 ]
}

@test "another allocator's own mappings are marked, and it is named" {
    lib=$(find /usr/lib -name libjemalloc.so.2 | head -n 1)
    [ -n "$lib" ] || skip 'libjemalloc.so.2 is not installed'
    LD_PRELOAD=$lib "$heaptape" record -q -o x.tape -- "$build/tests/workloads/mappings" >expected
    "$heaptape" info x.tape >info
    expect_match info '^allocator +/.*/libjemalloc\.so\.2$'
    mappings x.tape | grep allocator >own
    [ "$(wc -l <own)" -ge 2 ]
    mappings x.tape | grep -v allocator | sed 's/ *$//' >found
    sed -i 's/ *$//' expected
    diff expected found
}

@test "a malloc of the program's own comes before the recorder's: the tape says that it sees nothing" {
    cat >own.c <<'C'
#include <stddef.h>
#include <unistd.h>
static char pool[1 << 20];
static size_t at;
void *malloc(size_t n) { void *p = pool + at; at += (n + 31) & ~(size_t)15; return p; }
void free(void *p) { (void)p; }
void *calloc(size_t n, size_t m) { return malloc(n * m); }
void *realloc(void *p, size_t n) { (void)p; return malloc(n); }
int main(void) { return write(1, "own\n", malloc(100) != NULL ? 4 : 0) != 4; }
C
    gcc -rdynamic -fno-builtin -o own own.c
    "$heaptape" record -q -o x.tape -- ./own >out
    [ "$(cat out)" = own ]
    "$heaptape" info --json x.tape >info.json
    python3 -c 'import json; i = json.load(open("info.json")); assert i["bypassed"].endswith("/own"), i; assert i["peak_rss"] > 100000, i'
    "$heaptape" info x.tape >info
    expect_match info '^not seen +blocks of the allocator inside /.*/own$'
}

@test "modules opened with RTLD_DEEPBIND do not come to the recorder: they are named" {
    cat >plugin.c <<'C'
#include <stdlib.h>
void *get(unsigned n) { return malloc(n); }
void put(void *p) { free(p); }
C
    cat >deep.c <<'C'
#include <dlfcn.h>
#include <stdlib.h>
int main(int argc, char **argv) {
    void *h = dlopen("./plugin.so", RTLD_LAZY | (argc > 1 ? RTLD_DEEPBIND : 0));
    void *(*get)(unsigned) = (void *(*)(unsigned))dlsym(h, "get");
    void (*put)(void *) = (void (*)(void *))dlsym(h, "put");
    (void)argv;
    put(get(12345));
    return 0;
}
C
    gcc -shared -fPIC -o plugin.so plugin.c
    gcc -D_GNU_SOURCE -o deep deep.c
    "$heaptape" record -q -o x.tape -- ./deep
    capture "$heaptape" record -o y.tape -- ./deep x
    expect_status 0
    expect_match err 'what 1 module allocates not seen \(RTLD_DEEPBIND\), recorded in y\.tape'
    "$heaptape" dump --no-stacks x.tape | grep -q 'size=12345'
    [ "$("$heaptape" dump --no-stacks y.tape | grep -c 'size=12345')" -eq 0 ]
    python3 - <<PY
import json, subprocess
def unhooked(tape):
    return json.loads(subprocess.run(["$heaptape", "info", "--json", tape], capture_output=True).stdout)["unhooked"]
assert unhooked("x.tape") == [], unhooked("x.tape")
assert unhooked("y.tape") == ["./plugin.so"], unhooked("y.tape")
PY
}
