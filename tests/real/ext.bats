#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Entries that libc does not have: operators of C++, jemalloc's own interface. One event an entry, and
# every program behaves as bare.

load ../helpers

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return 1
    cat >ops.cc <<'CC'
#include <cstdio>
#include <cstdlib>
#include <new>
struct alignas(64) Big { char c[128]; };
struct Poly { virtual ~Poly() {} int x[10]; };
static int handled;
static void handler() { std::free(std::malloc(777)); if (++handled % 2 == 0) std::set_new_handler(nullptr); }
int main() {
    for (int i = 0; i < 10; i++) {
        int *a = new int; delete a;
        int *b = new int[5]; delete[] b;
        Big *c = new Big; delete c;
        Big *d = new Big[3]; delete[] d;
        int *e = new (std::nothrow) int; operator delete(e, std::nothrow);
        int *f = new (std::nothrow) int[4]; operator delete[](f, std::nothrow);
        void *g = operator new(100); operator delete(g, (std::size_t)100);
        void *h = operator new[](100, std::align_val_t(128), std::nothrow);
        operator delete[](h, (std::size_t)100, std::align_val_t(128));
        Poly *p = new Poly; delete p;
        void *m = std::malloc(333); std::free(m);
    }
    std::set_new_handler(handler);
    try { std::printf("%p\n", operator new((std::size_t)1 << 60)); } catch (const std::bad_alloc &) { std::printf("bad_alloc %d\n", handled); }
    std::set_new_handler(handler);
    std::printf("%p %d\n", operator new((std::size_t)1 << 60, std::nothrow), handled);
    for (int i = 0; i < 5; i++) /* behind an exception, deeper and less deep */
        delete new long;
    return 0;
}
CC
    g++ -std=c++17 -O0 -o ops ops.cc
    ./ops >bare
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
}

kinds() {
    "$heaptape" dump --json --no-stacks "$1" | python3 -c '
import collections, json, sys
ops = [json.loads(line) for line in sys.stdin]
n = collections.Counter(e["op"] for e in ops if e["op"].startswith("operator"))
print(n["operator new"], n["operator new[]"], n["operator delete"], n["operator delete[]"],
      sum(e["op"] == "malloc" and e["size"] == 333 for e in ops),
      sum(e["op"] == "malloc" and e["size"] == 777 for e in ops),
      sum("size" in e and e["op"] in ("malloc", "aligned_alloc") and e["size"] in (4, 8, 20, 128, 384, 16) for e in ops))'
}

# Everything is seen once: 50 + 5 and a failed one, 40, as many deleted, the handler's four.
@test "all forms by libstdc++: an entry is one event, what it calls is none" {
    "$heaptape" record -q --mismatches -o x.tape -- "$BATS_FILE_TMPDIR/ops" >out
    cmp out "$BATS_FILE_TMPDIR/bare"
    [ "$(kinds x.tape)" = '56 40 55 40 10 4 0' ]
    "$heaptape" report --json x.tape | python3 -c '
import json, sys
r = json.load(sys.stdin)
c = r["completeness"]
assert r["mismatches"] == [] and c["unmatched_frees"] == 0 and c["overlaps"] == 0, (r["mismatches"], c)'
}

@test "allocators with operators of their own: recorded without being asked for" {
    local found=0
    for name in libjemalloc.so.2 libtcmalloc_minimal.so.4; do
        lib=$(find /usr/lib -name "$name" | head -n 1)
        [ -n "$lib" ] || continue
        found=$((found + 1))
        LD_PRELOAD=$lib "$heaptape" record -q -f -o x.tape -- "$BATS_FILE_TMPDIR/ops" >out
        LD_PRELOAD=$lib "$BATS_FILE_TMPDIR/ops" >bare
        cmp out bare
        # tcmalloc's own start asks for two blocks besides
        [[ $(kinds x.tape | cut -d ' ' -f 1-5,7) =~ ^5[6-8]\ 40\ 55\ 40\ 10\ 0$ ]]
        "$heaptape" report --json x.tape | python3 -c '
import json, sys
r = json.load(sys.stdin)
assert r["mismatches"] == [] and r["completeness"]["unmatched_frees"] == 0, r["completeness"]'
    done
    [ "$found" -ne 0 ] || skip 'neither jemalloc nor tcmalloc is installed'
}

@test "--allocator: another one underneath; one that is not there is one line" {
    [ -n "$(find /usr/lib -name libjemalloc.so.2)" ] || skip 'libjemalloc.so.2 is not installed'
    "$heaptape" record -q --allocator=jemalloc -o x.tape -- "$BATS_FILE_TMPDIR/ops" >out
    cmp out "$BATS_FILE_TMPDIR/bare"
    "$heaptape" info x.tape >info
    expect_match info '^allocator +/.*/libjemalloc\.so\.2$'
    [ "$(kinds x.tape | cut -d ' ' -f 1-4)" = '56 40 55 40' ]
    capture "$heaptape" record --allocator=quick -o y.tape -- "$BATS_FILE_TMPDIR/ops"
    expect_status 2
    capture "$heaptape" record --allocator=./none.so -o y.tape -- "$BATS_FILE_TMPDIR/ops"
    expect_status 1
    [ "$(wc -l <err)" -eq 1 ]
    [ ! -e y.tape ]
    capture "$heaptape" check --allocator=jemalloc -o kept -- "$BATS_FILE_TMPDIR/ops"
    "$heaptape" info "$(find kept -name '*.tape' | head -n 1)" >info
    expect_match info '^allocator +/.*/libjemalloc\.so\.2$'
    capture "$heaptape" check --allocator=quick "$BATS_FILE_TMPDIR/ops"
    expect_status 2
}

@test "mismatches of each kind, by place; none without the option" {
    cat >mis.cc <<'CC'
#include <cstdlib>
int main() {
    int *a = new int[10]; operator delete(a);
    int *b = new int; std::free(b);
    void *c = std::malloc(10); operator delete(c);
    void *d = std::malloc(11); operator delete[](d);
    char *e = new char[30]; std::free(std::realloc(e, 60));
    int *f = new int; operator delete[](f);
    int *g = new int[10]; delete[] g; int *h = new int; delete h; std::free(std::malloc(4));
}
CC
    g++ -g -O0 -w -o mis mis.cc
    "$heaptape" record -q --mismatches -o x.tape -- ./mis
    "$heaptape" report --json x.tape | python3 -c '
import json, sys
r = json.load(sys.stdin)
found = sorted((m["stack"][0]["line"], m["allocated_by"], m["released_by"], m["blocks"], m["bytes"]) for m in r["mismatches"])
assert found == [(3, "operator new[]", "operator delete", 1, 40), (4, "operator new", "free", 1, 4),
                 (5, "malloc", "operator delete", 1, 10), (6, "malloc", "operator delete[]", 1, 11),
                 (7, "operator new[]", "realloc", 1, 30), (8, "operator new", "operator delete[]", 1, 4)], found'
    "$heaptape" report x.tape >report
    expect_match report '^  1 block of 40 B by operator new\[\], released by operator delete, '
    "$heaptape" record -q -f -o x.tape -- ./mis
    [ "$("$heaptape" report x.tape | grep -c Mismatched)" -eq 0 ]
}

@test "check --fail-on-mismatch: a finding in every format, by place, over all processes" {
    cat >mis.cc <<'CC'
#include <cstdlib>
#include <sys/wait.h>
#include <unistd.h>
static int *take(int n) { return new int[n]; }
int main() {
    operator delete(take(10));
    for (int i = 0; i < 2; i++)
        if (fork() == 0) {
            operator delete(take(3));
            return 0;
        }
    while (wait(NULL) > 0) {
    }
    std::free(new int);
    delete[] take(7);
    return 0;
}
CC
    g++ -g -O0 -w -o mis mis.cc
    capture "$heaptape" check ./mis
    expect_status 0
    capture "$heaptape" check --fail-on-mismatch --json --log-file=x.json --junit=x.xml --tap=x.tap --sarif=x.sarif --github ./mis
    expect_status 1
    python3 - <<'PY'
import json, xml.etree.ElementTree as tree
found = sorted((m["allocated_by"], m["released_by"], m["blocks"], m["bytes"], m["processes"], m["stack"][1]) for m in json.load(open("x.json"))["mismatches"])
want = [("operator new", "free", 1, 4, 1, "main (mis.cc:14)"), ("operator new[]", "operator delete", 1, 40, 1, "take(int) (mis.cc:4)"),
        ("operator new[]", "operator delete", 2, 24, 2, "take(int) (mis.cc:4)")]
assert found == want, found
results = json.load(open("x.sarif"))["runs"][0]["results"]
assert [r["ruleId"] for r in results] == ["mismatch"] * 3, results
assert len({r["partialFingerprints"][k] for r in results for k in r["partialFingerprints"]}) >= 2
assert len(tree.parse("x.xml").getroot().findall(".//testcase[@classname='heaptape.mismatches']/failure")) == 3
PY
    expect_match x.tap '^not ok [0-9]+ - operator new given back by free: main \(mis\.cc\) \[[0-9a-f]{8}\]$'
    [ "$(grep -c '^::error file=mis\.cc' err)" -eq 3 ]
    capture "$heaptape" check --fail-on-mismatch ./mis
    expect_status 1
    expect_match err '^2 blocks of 24 bytes by operator new\[\], given back by operator delete, in 2 processes$'
    expect_match err '; mismatched functions at 3 places; '
    capture "$heaptape" check --fail-on-mismatch --tap=x.tap true
    expect_status 0
    expect_match x.tap '^ok [0-9]+ - mismatches: none$'
    capture "$build/heaptape-memcheck" --show-mismatched-frees=yes ./mis
    [ "$(grep -c 'given back by' err)" -eq 3 ]
    capture "$build/heaptape-memcheck" --show-mismatched-frees=no ./mis
    [ "$(grep -c 'given back by' err)" -eq 0 ]
}

@test "mismatches of what a shell starts; a plugin with all of the C++ library inside goes on" {
    echo 'int main() { operator delete(new int[10]); return 0; }' >mis.cc
    g++ -g -O0 -w -o mis mis.cc
    capture "$heaptape" check --fail-on-mismatch sh -c './mis; true'
    expect_status 1
    expect_match err '^1 block of 40 bytes by operator new\[\], given back by operator delete$'
    cat >plugin.cc <<'CC'
#include <new>
#include <string>
#include <vector>
struct alignas(64) wide { char c[64]; };
extern "C" int work(int n) {
    std::vector<std::string> v(100, std::string(100, 'x'));
    wide *w = new wide, *many = new wide[3], *none = new (std::nothrow) wide;
    n += (unsigned long)w % 64 + (unsigned long)many % 64 + (unsigned long)none % 64;
    delete w;
    delete[] many;
    operator delete(none, std::align_val_t(64), std::nothrow);
    char *huge = new (std::nothrow) char[(std::size_t)1 << 60];
    return n + (int)v.size() + (huge == nullptr);
}
CC
    cat >host.c <<'C'
#include <dlfcn.h>
#include <stdio.h>
int main(void) {
    void *h = dlopen("./plugin.so", RTLD_NOW | RTLD_LOCAL);
    int (*work)(int) = h != NULL ? (int (*)(int))dlsym(h, "work") : NULL;
    printf("%d\n", work != NULL ? work(1) : -1);
    return 0;
}
C
    g++ -O1 -w -shared -fPIC -static-libstdc++ -static-libgcc -o plugin.so plugin.cc
    gcc -o host host.c
    [ "$(./host)" = 102 ]
    [ "$("$heaptape" record -q --mismatches -o x.tape -- ./host)" = 102 ]
    "$heaptape" report --json x.tape >report.json
    [ "$(json report.json mismatches)" = '[]' ]
    "$heaptape" dump --no-stacks x.tape >dump
    expect_match dump ' operator new address=0x[1-9a-f][0-9a-f]* size=64 align=64 '
}

@test "operators that are not malloc's, or ask it through helpers; what constructors of libraries call" {
    cat >pages.cc <<'CC'
#include <cstddef>
#include <sys/mman.h>
void *operator new(size_t n) {
    size_t length = (n + 4095) & ~4095ul;
    char *p = (char *)mmap(0, length + 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(p + 4096, length, PROT_READ | PROT_WRITE);
    return p + 4096;
}
void operator delete(void *) noexcept {}
void operator delete(void *, size_t) noexcept {}
CC
    cat >helper.cc <<'CC'
#include <cstdlib>
#include <new>
__attribute__((noinline)) void *take(size_t n) {
    char *p = (char *)malloc(n + 16);
    if (p == nullptr)
        throw std::bad_alloc();
    return p + 16;
}
__attribute__((noinline)) void give(void *p) {
    if (p != nullptr)
        free((char *)p - 16);
}
void *operator new(size_t n) { return take(n); }
void operator delete(void *p) noexcept { give(p); }
void operator delete(void *p, size_t) noexcept { give(p); }
CC
    cat >uses.cc <<'CC'
#include <cstdio>
struct block { long a[100]; };
static block *kept[50];
int main() {
    for (auto &k : kept)
        k = new block;
    delete kept[0];
    kept[0] = nullptr;
    return printf("fine\n") < 0;
}
CC
    for kind in pages helper; do
        g++ -w -O1 -shared -fPIC -o lib$kind.so $kind.cc
        g++ -O0 -o uses_$kind uses.cc -Wl,--no-as-needed "$PWD/lib$kind.so"
        [ "$("$heaptape" record -q -f -o x.tape -- ./uses_$kind)" = fine ]
        "$heaptape" report --json x.tape >report.json
        [ "$("$heaptape" dump --no-stacks x.tape | grep -c ' operator new address=0x[1-9a-f][0-9a-f]* size=800 ')" -eq 50 ]
        [ "$("$heaptape" dump --no-stacks x.tape | grep -c 'malloc address=.* size=816 ')" -eq 0 ]
        [ "$(json report.json completeness.unmatched_frees)" -eq 0 ]
    done
    capture "$heaptape" check ./uses_helper
    expect_status 0
    echo '#include <jemalloc/jemalloc.h>' >has.c
    if gcc -E has.c >has.out 2>&1; then
        cat >early.c <<'C'
#include <jemalloc/jemalloc.h>
#include <stdlib.h>
char *early;
__attribute__((constructor)) static void init(void) {
    early = mallocx(100, 0);
    if (early == NULL)
        abort();
}
C
        printf 'int main(void) { return 0; }\n' >main.c
        gcc -shared -fPIC -o libearly.so early.c -ljemalloc
        gcc -o main main.c -Wl,--no-as-needed "$PWD/libearly.so" -ljemalloc
        "$heaptape" record -q -f -o x.tape -- ./main
        [ "$("$heaptape" dump --no-stacks x.tape | grep -c ' mallocx address=0x[1-9a-f][0-9a-f]* size=100 ')" -eq 1 ]
    fi
    # a module's reference to malloc that a program at a fixed address stands in for is no other malloc
    printf '#include <stdlib.h>\nvoid *(*volatile f)(size_t) = malloc;\nvoid *get(void) { return f(77); }\n' >ref.c
    printf '#include <dlfcn.h>\n#include <stdlib.h>\nvoid *(*volatile g)(size_t) = malloc;\nvoid *get(void);\nint main(void) { free(get()); free(g(5)); return dlopen("libm.so.6", RTLD_NOW) == NULL; }\n' >fixed.c
    gcc -O1 -fno-builtin -shared -fPIC -o libref.so ref.c
    gcc -O1 -fno-builtin -fno-pie -no-pie -o fixed fixed.c "$PWD/libref.so"
    "$heaptape" record -q -f -o x.tape -- ./fixed
    [ "$("$heaptape" report x.tape | grep -c '^Not seen')" -eq 0 ]
    [ "$("$heaptape" dump --no-stacks x.tape | grep -c 'malloc address=.* size=77 ')" -eq 1 ]
}

@test "free_sized and free_aligned_sized of a library: recorded; nobody else gets them" {
    cat >sized.c <<'C'
#include <stdlib.h>
void free_sized(void *p, size_t n) { (void)n; free(p); }
void free_aligned_sized(void *p, size_t a, size_t n) { (void)a; (void)n; free(p); }
C
    cat >uses.c <<'C'
#include <stdio.h>
#include <stdlib.h>
extern void free_sized(void *, size_t) __attribute__((weak));
extern void free_aligned_sized(void *, size_t, size_t) __attribute__((weak));
int main(void) {
    if (free_sized == NULL)
        return puts("none") < 0;
    for (int i = 0; i < 10; i++)
        free_sized(malloc(77), 77);
    for (int i = 0; i < 5; i++)
        free_aligned_sized(aligned_alloc(64, 128), 64, 128);
    free_sized(NULL, 0);
    return puts("some") < 0;
}
C
    gcc -shared -fPIC -fno-builtin -o libsized.so sized.c
    gcc -fno-builtin -o without uses.c
    gcc -fno-builtin -o with uses.c -Wl,--no-as-needed ./libsized.so
    [ "$("$heaptape" record -q -o x.tape -- ./without)" = none ]
    [ "$("$heaptape" record -q -f -o x.tape -- ./with)" = some ]
    "$heaptape" dump --no-stacks x.tape >dump
    [ "$(grep -c ' free_sized address=' dump)" -eq 10 ]
    [ "$(grep -c ' free_aligned_sized address=' dump)" -eq 5 ]
    capture "$heaptape" check --leak-kinds=all --fail-on-mismatch ./with
    expect_status 0
    "$heaptape" report --json x.tape >report.json
    [ "$(json report.json heap.unmatched_frees 2>/dev/null || echo 0)" = 0 ]
}

@test "operators of another allocator in what a shell starts: not seen, and that is said" {
    lib=$(find /usr/lib -name libtcmalloc_minimal.so.4 | head -n 1)
    [ -n "$lib" ] || skip 'libtcmalloc_minimal.so.4 is not installed'
    cat >pairs.cc <<'CC'
#include <vector>
int main() {
    std::vector<int *> v;
    for (int i = 0; i < 100; i++)
        v.push_back(new int(i));
    for (int *p : v)
        delete p;
    return 0;
}
CC
    g++ -O1 -o pairs pairs.cc
    g++ -O1 -o pairs_tc pairs.cc "$lib"
    mkdir tapes
    "$heaptape" record -q -o tapes/x.tape -- sh -c './pairs_tc; ./pairs; true'
    "$heaptape" report tapes >report
    expect_match report '^Not seen: what .*/pairs_tc gets from operators of C\+\+ or mallocx of another allocator'
    [ "$(grep -c '^Not seen' report)" -eq 1 ]
    capture "$heaptape" check sh -c './pairs_tc; true'
    expect_status 0
    expect_match err '^  not seen, so not checked: what .*/pairs_tc gets from operators'
    capture "$heaptape" check --fail-on-unrecorded sh -c './pairs_tc; true'
    expect_status 1
    # recorded itself it has the second object
    "$heaptape" record -q -o x.tape -- ./pairs_tc
    "$heaptape" report x.tape >report
    [ "$(grep -c '^Not seen' report)" -eq 0 ]
    [ "$("$heaptape" dump --no-stacks x.tape | grep -c ' operator new address=0x[1-9a-f][0-9a-f]* size=4 ')" -eq 100 ]
}

@test "large programs in C++ have no mismatches" {
    echo 'int main() { return 0; }' >empty.cc
    "$heaptape" record -q --mismatches --only='cc1plus' -o x.tape -- g++ -c -o empty.o empty.cc
    tape=$(find . -name 'x.tape*' ! -name '*.tail' -size +1k | head -n 1)
    "$heaptape" report --json "$tape" | python3 -c '
import json, sys
r = json.load(sys.stdin)
assert r["mismatches"] == [] and r["heap"]["allocations"] > 1000, r["mismatches"]'
}

@test "a plugin in C++ that a program in C opens: bare, with the second object too" {
    cat >plugin.cc <<'CC'
#include <new>
#include <string>
extern "C" int work(int n) {
    try { operator new((std::size_t)1 << 60); } catch (const std::bad_alloc &) { n++; }
    std::string s(1000, 'x');
    return n + (int)s.size();
}
CC
    cat >host.c <<'C'
#include <dlfcn.h>
#include <stdio.h>
int main(void) {
    void *h = dlopen("./plugin.so", RTLD_NOW | RTLD_LOCAL);
    int (*work)(int) = h != NULL ? (int (*)(int))dlsym(h, "work") : NULL;
    printf("%d\n", work != NULL ? work(1) : -1);
    return 0;
}
C
    g++ -shared -fPIC -o plugin.so plugin.cc
    gcc -o host host.c
    ./host >bare
    [ "$(cat bare)" = 1002 ]
    "$heaptape" record -q -o x.tape -- ./host | cmp - bare
    LD_PRELOAD=$build/libheaptape.so:$build/libheaptape-ext.so HEAPTAPE_OUT=$PWD/y.tape ./host | cmp - bare
    "$heaptape" dump --no-stacks y.tape | grep -c 'operator new address=0x[1-9a-f][0-9a-f]* size=1001' >count
    [ "$(cat count)" -eq 1 ]
    LD_PRELOAD=$build/libheaptape-ext.so ./host | cmp - bare # without the recorder
}

@test "a weak mallocx stays what it is; jemalloc's own interface is recorded" {
    cat >weak.c <<'C'
#include <stdio.h>
#include <stdlib.h>
extern void *mallocx(size_t, int) __attribute__((weak));
extern void *rallocx(void *, size_t, int) __attribute__((weak));
extern size_t xallocx(void *, size_t, size_t, int) __attribute__((weak));
extern void dallocx(void *, int) __attribute__((weak));
extern void sdallocx(void *, size_t, int) __attribute__((weak));
int main(void) {
    if (!mallocx) {
        puts("no jemalloc");
        return 0;
    }
    void *p = mallocx(100, 7), *q = mallocx(200, 0); /* aligned to 2^7 */
    p = rallocx(p, 5000, 0);
    printf("%d\n", xallocx(q, 1 << 30, 0, 0) < 1 << 30);
    dallocx(p, 0);
    sdallocx(q, 200, 0);
    return 0;
}
C
    gcc -o weak weak.c
    "$heaptape" record -q -o x.tape -- ./weak >out
    [ "$(cat out)" = 'no jemalloc' ]
    "$heaptape" record -q -f --mismatches -o x.tape -- "$BATS_FILE_TMPDIR/ops" >/dev/null
    lib=$(find /usr/lib -name libjemalloc.so.2 | head -n 1)
    [ -n "$lib" ] || skip 'libjemalloc.so.2 is not installed'
    LD_PRELOAD=$lib "$heaptape" record -q -f -o x.tape -- ./weak >out
    [ "$(cat out)" = 1 ]
    "$heaptape" dump --no-stacks x.tape | awk '$4 ~ /allocx|realloc_from/ { print $4, $6, $7 }' >events
    cat events
    printf '%s\n' 'mallocx size=100 align=128' 'mallocx size=200 align=1' 'realloc_from  ' 'rallocx size=5000 stack=' \
        'realloc_from  ' 'xallocx size=1073741824 stack=' 'dallocx  ' 'sdallocx  ' >expected
    sed -i 's/stack=.*/stack=/' events
    diff expected events
    "$heaptape" report --json x.tape | python3 -c '
import json, sys
r = json.load(sys.stdin)
assert r["completeness"]["unmatched_frees"] == 0 and r["heap"]["not_freed"]["bytes"] < 100000, r["heap"]'
}

@test "python3 with an extension in C++" {
    python3 -c 'import sysconfig; import os; raise SystemExit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' ||
        skip 'the headers of Python are not installed'
    cat >made.cc <<'CC'
#include <Python.h>
#include <vector>
static PyObject *sum(PyObject *, PyObject *args) {
    int n;
    if (!PyArg_ParseTuple(args, "i", &n))
        return nullptr;
    std::vector<long> v;
    for (int i = 0; i < n; i++)
        v.push_back(i);
    long total = 0;
    for (long x : v)
        total += x;
    return PyLong_FromLong(total);
}
static PyMethodDef methods[] = {{"sum", sum, METH_VARARGS, ""}, {nullptr, nullptr, 0, nullptr}};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "made", "", -1, methods, nullptr, nullptr, nullptr, nullptr};
PyMODINIT_FUNC PyInit_made(void) { return PyModule_Create(&module); }
CC
    # shellcheck disable=SC2046 # words
    g++ -shared -fPIC -O1 $(python3-config --includes) -o made.so made.cc
    python3 -c 'import made; print(made.sum(1000))' >bare
    "$heaptape" record -q -o x.tape -- python3 -c 'import made; print(made.sum(1000))' | cmp - bare
    "$heaptape" dump --no-stacks x.tape | grep -c ' malloc .*size=8192' >count
    [ "$(cat count)" -ge 1 ]
    LD_PRELOAD=$build/libheaptape.so:$build/libheaptape-ext.so HEAPTAPE_OUT=$PWD/y.tape \
        python3 -c 'import made; print(made.sum(1000))' | cmp - bare
    "$heaptape" dump --no-stacks y.tape | grep -c 'operator new .*size=8192' >count
    [ "$(cat count)" -eq 1 ]
}

@test "suppressions name operators as they always did" {
    lib=$(find /usr/lib -name libjemalloc.so.2 | head -n 1)
    [ -n "$lib" ] || skip 'libjemalloc.so.2 is not installed'
    cat >leak.cc <<'CC'
struct S { int x[100]; };
__attribute__((noinline)) static void lose() { S *volatile s = new S; s = nullptr; (void)s; }
int main() { lose(); }
CC
    g++ -g -O0 -w -o leak leak.cc
    capture env LD_PRELOAD="$lib" "$heaptape" check --gen-suppressions=yes -- ./leak
    expect_status 1
    cat err
    expect_match err ' by operator new'
    expect_match err '^   fun:_Znwm$'
    printf '{\n   own\n   Memcheck:Leak\n   fun:_Znwm\n   fun:_ZL4losev\n}\n' >supp
    capture env LD_PRELOAD="$lib" "$heaptape" check --suppressions=supp -- ./leak
    expect_status 0
}
