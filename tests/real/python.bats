#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Python frames in native stacks beside what the program's own traceback says, for CPython 3.11.

load ../helpers

own=$BATS_TEST_DIRNAME/python

setup_file() {
    gcc -O1 -g -shared -fPIC -o "$BATS_FILE_TMPDIR/work.so" "$BATS_TEST_DIRNAME/python/work.c"
}

needs_python() {
    local version
    version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' || true)
    [ "$version" = 3.11 ] || skip "python3 is not 3.11 but ${version:-missing}"
    export PYTHONPATH=$own PYTHONDONTWRITEBYTECODE=1 NOTES=$PWD/notes
}

needs_header() {
    [ -e /usr/include/python3.11/internal/pycore_frame.h ] || skip 'python3.11-dev is not installed'
}

# The stacks noted are those of the tapes; at least so many of so many processes.
expect_stacks() {
    python3 "$own/compare.py" "$heaptape" notes x.tape* >found
    cat found
    grep -qE "^$1 stacks, $2 processes" found
}

record() {
    capture "$heaptape" record --python -o x.tape -- "$@"
    cat err
    expect_status 0
}

@test "where CPython keeps things: as its headers say" {
    needs_header
    gcc -std=gnu17 -I/usr/include/python3.11 -I"$top/preload" -o layout "$own/layout.c"
    ./layout
}

@test "the line of every instruction in a part of the standard library" {
    needs_python
    local objects=()
    for object in "$build"/preload/*.o; do
        [ "${object##*/}" = hooks.o ] || objects+=("$object")
    done
    gcc -std=c17 -D_GNU_SOURCE -O1 -I"$top/preload" -I"$top/include" -o lines "$own/lines.c" "${objects[@]}" \
        "$(gcc -print-file-name=libzstd.a)" -lpthread
    python3 "$own/lines.py" >codes
    ./lines <codes | tee found
    awk '$1 < 500 || $3 < 20000 { exit 1 }' found
}

@test "every shape of stack: generators, coroutines, exceptions, recursion, callbacks, made code, threads" {
    needs_python
    record python3 "$own/shapes.py"
    expect_stacks '[34][0-9][0-9]' 1
    rm notes.*
    HEAPTAPE_BUFFER_EVENTS=16 "$heaptape" record --python -q -f -o x.tape -- python3 "$own/shapes.py"
    expect_stacks '[34][0-9][0-9]' 1
}

@test "native frames are exact with Python frames between them" {
    needs_python
    capture "$heaptape" record --python --unwinder=verify -q -f -o x.tape -- python3 "$own/shapes.py"
    expect_match err ' 0 differences$'
    expect_stacks '[34][0-9][0-9]' 1
}

@test "forked children, another interpreter, the end of the interpreter" {
    needs_python
    record python3 "$own/ends.py"
    expect_stacks '[0-9]+' 3
    # The other interpreter's blocks: the main one's frames stand outside, its own are not known.
    "$heaptape" dump --json x.tape | python3 -c '
import json, sys
frame, caller, code, sizes = {}, {}, {}, []
for line in sys.stdin:
    e = json.loads(line)
    if e["op"] == "stack":
        frame[e["stack"]], caller[e["stack"]] = e, e["caller"]
    elif e["op"] == "python" and "code" in e:
        code[e["code"]] = e["name"]
    elif e["op"] == "calloc" and 3_000_000 <= e["size"] < 3_000_100:
        names, s = [], e["stack"]
        while s:
            names += [code[frame[s]["code"]]] if "code" in frame[s] else []
            s = caller[s]
        sizes.append(names)
assert len(sizes) >= 5, sizes
assert all(names == ["inside", "main", "<module>"] for names in sizes), sizes
'
}

@test "a program with Python inside: linked, and opened at run time" {
    needs_python
    needs_header
    local library=/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0
    [ -e "$library" ] || skip 'libpython3.11 is not installed'
    script='import probe
def f(n):
    probe.here() if n == 0 else f(n - 1)
f(3)
list(map(f, [1, 2]))'
    gcc -O1 -g -o linked "$own/embed.c" -pthread -Wl,--no-as-needed "$library"
    record ./linked "$script"
    expect_stacks 6 1
    rm notes.* x.tape
    gcc -O1 -g -o opened "$own/embed.c" -pthread -ldl
    record ./opened "$script" "$library"
    expect_stacks 6 1
}

@test "threads in C code while the interpreter is ended around them" {
    needs_python
    for _ in 1 2; do
        capture "$heaptape" record --python -q -f -o x.tape -- python3 "$own/daemons.py" "$BATS_FILE_TMPDIR/work.so"
        expect_status 0
        [ ! -s err ] || { cat err; false; }
    done
    "$heaptape" peak x.tape >peak
}

@test "a handler that interrupts the interpreter anywhere" {
    needs_python
    record python3 "$own/timer.py" "$BATS_FILE_TMPDIR/work.so"
    # Where it stands, no Python frame is believed.
    "$heaptape" dump --json x.tape | python3 -c '
import json, sys
frame, caller, interrupted = {}, {}, 0
for line in sys.stdin:
    e = json.loads(line)
    if e["op"] == "stack":
        frame[e["stack"]], caller[e["stack"]] = e, e["caller"]
    elif e["op"] == "malloc" and e["size"] == 5000001:
        interrupted += 1
        s = e["stack"]
        while s:
            assert "code" not in frame[s]
            s = caller[s]
assert interrupted > 100, interrupted
'
}

@test "reports: the Python line is the place, and what runs Python is left out" {
    needs_python
    cat >leak.py <<'PY'
import ctypes

libc = ctypes.PyDLL(None)
libc.malloc.restype = ctypes.c_void_p


class Cache:
    def fill(self):
        for i in range(30):
            libc.malloc(1000 + i)


def main():
    Cache().fill()


main()
PY
    capture "$heaptape" check --python -q -o recording -- python3 leak.py
    expect_status 1
    grep -A4 'definitely lost' err | head -5 >place
    cat err
    expect_match place '^    at Cache\.fill \(leak\.py:10\)$'
    expect_match place '^    ← main \(leak\.py:14\)$'
    expect_match place '^    ← <module> \(leak\.py:17\)$'
    printf '{\n  cache\n  Memcheck:Leak\n  ...\n  fun:Cache.fill\n  fun:main\n  ...\n}\n' >own.supp
    capture "$heaptape" check --python -q --suppressions=own.supp -- python3 leak.py
    expect_status 0
    # src: of LeakSanitizer
    printf 'leak:leak.py\n' >own.supp
    capture "$heaptape" check --python -q --suppressions=own.supp -- python3 leak.py
    expect_status 0

    local tape
    tape=$(echo recording/*.tape*)
    for command in leaks 'leaks --top-down' 'leaks --flat' report; do
        # shellcheck disable=SC2086 # words
        "$heaptape" $command "$tape" >shown
        expect_match shown 'Cache\.fill \(leak\.py:10\)'
    done
    "$heaptape" leaks --filter '*Cache.fill*' "$tape" >shown
    expect_match shown '← main \(leak\.py:14\)'
    if grep 'EvalFrame\|python3\.11' shown; then false; fi
    "$heaptape" leaks --filter '*Cache.fill*' --no-fold "$tape" >shown
    expect_match shown '← _PyEval_EvalFrameDefault \(in python3\.11\)'
    "$heaptape" massif "$tape" -o massif.out --time-unit=B
    expect_match massif.out 'Cache\.fill \(.*leak\.py:10\)'
    "$heaptape" info "$tape" >shown
    expect_match shown '^python  *CPython 3\.11\.[0-9]+, its frames are in the stacks$'
    "$heaptape" leaks --json "$tape" >shown
    python3 - <<'PY'
import json


def nodes(node):
    yield node
    for child in node.get("children", []):
        yield from nodes(child)


report = json.load(open("shown"))
trees = [v for v in report.values() if isinstance(v, dict) and "children" in v]
found = [n for t in trees for n in nodes(t) if n.get("function") == "Cache.fill"]
assert found, report.keys()
for n in found:
    assert n["language"] == "python" and n["line"] == 10 and n["file"].endswith("leak.py"), n
    assert "offset" not in n and "module" not in n, n
assert any("language" not in n and n.get("function") for t in trees for n in nodes(t))
PY
    # The allocations of the start, where no Python is on the stack, keep their places.
    "$heaptape" report --json -n0 "$tape" >shown
    grep -q Py_InitializeFromConfig shown
}

@test "libunwind does not tell where its frames lie" {
    capture "$heaptape" record --python --unwinder=libunwind -o x.tape -- true
    expect_status 2
    expect_match err 'python needs --unwinder=rows \(the default\) or verify'
    [ ! -e x.tape ]
}

@test "other versions: a note, and native frames as ever" {
    printf 'void *run(void);\nint main(void) { void *volatile p = run(); return p == 0; }\n' >main.c
    for version in 0x030c01f0 0x030b00f0 '0x030b02f0; long _Py_RefTotal' ''; do
        printf 'char _PyRuntime[1000]; %s void *run(void);\n#include <stdlib.h>\nvoid *run(void) { return malloc(77); }\n' \
            "${version:+const unsigned long Py_Version = $version;}" >fake.c
        gcc -shared -fPIC -O1 -g -o libfake.so fake.c
        [ -e main ] || gcc -O1 -g -o main main.c ./libfake.so -Wl,-rpath,"$PWD"
        capture "$heaptape" record --python -q -f -o x.tape -- ./main
        expect_status 0
        "$heaptape" report x.tape >report
        case $version in
            0x030c*) expect_match report '^No Python frames: CPython 3\.12\.1 is not known, only 3\.11 from 3\.11\.1 on\.' ;;
            0x030b00f0) expect_match report '^No Python frames: CPython 3\.11\.0 is not known' ;;
            *RefTotal) expect_match report '^No Python frames: this is a debug build of CPython 3\.11\.2\.' ;;
            *) expect_match report '^No Python frames: CPython older than 3\.11 is not known' ;;
        esac
        expect_match report ' run \(fake\.c:'
    done
}
