#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The options that say how names are found and shown.

load ../helpers

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return 1
    cat >shelf.cc <<'CC'
#include <map>
#include <string>
#include <vector>
template <class Key, class Value, class Third> struct Shelf {
    static __attribute__((noinline)) char *fill(unsigned n) { return new char[n]; }
};
namespace warehouse {
__attribute__((noinline)) char *stock(unsigned n) {
    return Shelf<std::string, std::map<std::string, std::vector<std::string>>, std::vector<int>>::fill(n);
}
}
int main() {
    delete[] warehouse::stock(400000);
}
CC
    g++ -O1 -g -Wl,--build-id -o shelf shelf.cc
    "$heaptape" record -q -o x.tape -- ./shelf
    id=$(readelf -n shelf | sed -n 's/.*Build ID: //p')
    echo "$id" >id
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    cp "$BATS_FILE_TMPDIR"/{shelf,x.tape,id} .
    id=$(cat id)
}

# Takes the debug information out of the program that the tape names, which the next test gets anew.
strip_it() {
    objcopy --only-keep-debug shelf shelf.debug
    objcopy --strip-all "$BATS_FILE_TMPDIR/shelf"
}

teardown() {
    cp shelf "$BATS_FILE_TMPDIR/shelf"
}

@test "names as the linker has them, and both in JSON" {
    "$heaptape" report --json x.tape >report.json
    python3 - <<'PY'
import json
stack = json.load(open("report.json"))["sites"]["by_peak"][0]["stack"]
functions = [(f.get("function"), f.get("linkage")) for f in stack]
assert functions[1] == ("warehouse::stock(unsigned int)", "_ZN9warehouse5stockEj"), functions
assert functions[2] == ("main", None), functions
PY
    "$heaptape" report --no-demangle --json x.tape >report.json
    [ "$(json report.json sites.by_peak.0.stack.1.function)" = _ZN9warehouse5stockEj ]
    "$heaptape" report --no-demangle x.tape >report.txt
    expect_match report.txt '^ .* _ZN9warehouse5stockEj \(shelf\.cc:9\)$'
    expect_no_match report.txt 'warehouse::|operator new|_Zna[mj]'
    "$heaptape" massif --no-demangle x.tape >massif.txt
    expect_match massif.txt ': _ZN9warehouse5stockEj \(shelf\.cc:9\)'
    # patterns match what a person would write, and what is shown
    for glob in 'warehouse::stock' _ZN9warehouse5stockEj; do
        "$heaptape" peak --no-demangle --filter "$glob" x.tape >peak.txt
        expect_match peak.txt _ZN9warehouse5stockEj
    done
}

@test "long names are shortened in text unless --full-names, in JSON never" {
    "$heaptape" peak x.tape >short
    "$heaptape" peak --full-names x.tape >full
    "$heaptape" peak --wide x.tape >wide
    expect_same full wide
    awk 'length > 105 { exit 1 }' short
    expect_match short 'Shelf<.*>::fill\(.*\) \(shelf\.cc:5\)'
    expect_match full 'Shelf<std::.*std::vector<int, std::allocator<int> > >::fill\(unsigned int\) \(shelf\.cc:5\)'
    "$heaptape" peak --json x.tape | grep -q 'std::vector<int, std::allocator<int> > >::fill(unsigned int)'
}

@test "the same exit status, findings and fingerprints in check" {
    sed 's/delete\[\] //' "$BATS_FILE_TMPDIR/shelf.cc" >leak.cc
    g++ -O1 -g -o leak leak.cc
    for option in '' --no-demangle; do
        # shellcheck disable=SC2086 # none or one word
        capture "$heaptape" check $option --sarif "sarif$option" -- ./leak
        expect_status 1
        grep -A1 -i fingerprint "sarif$option" >"prints$option"
    done
    expect_match err '_ZN9warehouse5stockEj \(leak\.cc:9\)$'
    [ -s prints ]
    expect_same prints prints--no-demangle
    capture "$build/heaptape-memcheck" --demangle=no --extra-debuginfo-path=/nowhere --log-file=log ./leak
    expect_match log ': _ZN9warehouse5stockEj \(leak\.cc:9\)$'
    echo 'leak:warehouse::stock' >supp
    capture "$heaptape" check --no-demangle --suppressions=supp -- ./leak
    expect_status 0
}

@test "--debug-dir: by build-id, as gdb has it" {
    strip_it
    "$heaptape" report x.tape >report.txt
    expect_no_match report.txt 'warehouse|shelf\.cc'
    expect_match report.txt 'shelf\+0x'
    mkdir -p dir/.build-id/"${id:0:2}" empty
    cp shelf.debug dir/.build-id/"${id:0:2}/${id:2}.debug"
    for where in dir "$PWD/empty:dir" "empty --debug-dir=dir"; do
        # shellcheck disable=SC2086 # words
        "$heaptape" report --debug-dir=$where x.tape >report.txt
        expect_match report.txt 'warehouse::stock\(unsigned int\) \(shelf\.cc:9\)$'
    done
    # the debug file of another build is none
    g++ -O2 -g -Wl,--build-id -DOTHER -o other "$BATS_FILE_TMPDIR/shelf.cc"
    objcopy --only-keep-debug other dir/.build-id/"${id:0:2}/${id:2}.debug"
    "$heaptape" report --debug-dir=dir x.tape >report.txt
    expect_no_match report.txt 'warehouse|shelf\.cc'
}

@test "--debug-dir: by the debug link, below the module's own directory" {
    strip_it
    objcopy --add-gnu-debuglink=shelf.debug "$BATS_FILE_TMPDIR/shelf"
    mkdir -p "dir$BATS_FILE_TMPDIR"
    cp shelf.debug "dir$BATS_FILE_TMPDIR"
    "$heaptape" report x.tape >report.txt
    expect_no_match report.txt 'shelf\.cc'
    "$heaptape" report --debug-dir=dir x.tape >report.txt
    expect_match report.txt 'warehouse::stock\(unsigned int\) \(shelf\.cc:9\)$'
}

@test "--debug-dir in place of a program that is gone or was rebuilt" {
    mkdir -p dir/.build-id/"${id:0:2}"
    objcopy --only-keep-debug shelf dir/.build-id/"${id:0:2}/${id:2}.debug"
    for how in gone rebuilt; do
        rm -f "$BATS_FILE_TMPDIR/shelf"
        if [ $how = rebuilt ]; then
            g++ -O2 -Wl,--build-id -o "$BATS_FILE_TMPDIR/shelf" "$BATS_FILE_TMPDIR/shelf.cc"
        fi
        "$heaptape" report x.tape >report.txt
        expect_no_match report.txt 'warehouse|shelf\.cc'
        expect_match report.txt 'shelf\+0x'
        "$heaptape" report --debug-dir=dir x.tape >report.txt
        expect_match report.txt 'warehouse::stock\(unsigned int\) \(shelf\.cc:9\)$'
    done
}

@test "--debug-dir that is no directory: one line and status 2" {
    for directory in nowhere x.tape dir: ''; do
        capture "$heaptape" report --debug-dir="$directory" x.tape
        expect_status 2
        expect_line err "^heaptape: report: --debug-dir: '.*' is no directory"
    done
}

# A server that counts what it is asked, in ./asked, and has the debug file at the right place.
serve() {
    mkdir -p "www/buildid/$id"
    cp shelf.debug "www/buildid/$id/debuginfo"
    python3 - <<'PY' 3>&- &
import functools, http.server, os
class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        with open("asked", "a") as out:
            print(self.path, file=out)
server = http.server.HTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory="www"))
open("port.new", "w").write(str(server.server_port))
os.rename("port.new", "port")
server.serve_forever()
PY
    server=$!
    until [ -e port ]; do sleep 0.05; done
    DEBUGINFOD_URLS=http://127.0.0.1:$(cat port)
    DEBUGINFOD_CACHE_PATH=$PWD/downloaded
    export DEBUGINFOD_URLS DEBUGINFOD_CACHE_PATH
}

@test "servers are asked with --debuginfod only" {
    [ -e /usr/lib/x86_64-linux-gnu/libdebuginfod.so.1 ] || skip 'libdebuginfod1 is not installed'
    strip_it
    serve
    "$heaptape" report x.tape >report.txt
    "$heaptape" leaks x.tape >leaks.txt
    [ ! -e asked ]
    [ ! -e downloaded ]
    expect_no_match report.txt 'shelf\.cc'
    "$heaptape" report --debuginfod x.tape >report.txt
    kill "$server"
    expect_match asked "^/buildid/$id/debuginfo$"
    expect_match report.txt 'warehouse::stock\(unsigned int\) \(shelf\.cc:9\)$'
    unset DEBUGINFOD_URLS
    capture "$heaptape" report --debuginfod x.tape
    expect_line err '^heaptape: --debuginfod: DEBUGINFOD_URLS names no server'
}

expect_no_match() {
    ! grep -E "$2" "$1"
}
