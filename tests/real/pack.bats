#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A packed recording has the names of its code with it: the program and its library may be gone,
# stripped or built anew.

load ../helpers

all=('peak --json' 'leaks --json' 'leaks --no-fold --bottom-up' massif)

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return 1
    cat >library.cc <<'CC'
#include <string>
#include <vector>
std::vector<std::string> *words;
static inline std::string make(int i) { return std::string(40 + i % 7, 'x'); }
void fill(int n) {
    words = new std::vector<std::string>;
    for (int i = 0; i < n; i++)
        words->push_back(make(i));
}
CC
    cat >program.cc <<'CC'
#include <map>
#include <memory>
void fill(int n);
template <class K> struct Table {
    std::map<K, std::unique_ptr<int>> map;
    __attribute__((noinline)) void put(K k) { map[k] = std::make_unique<int>(k); }
};
int main() {
    static Table<long> table;
    for (long i = 0; i < 200; i++)
        table.put(i);
    fill(100);
}
CC
    build_program -O2
}

build_program() {
    g++ "$@" -g -shared -fPIC -Wl,--build-id -o libfill.so library.cc
    # shellcheck disable=SC2016 # for the loader
    g++ "$@" -g -Wl,--build-id -o program program.cc -L. -lfill '-Wl,-rpath,$ORIGIN'
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    cp "$BATS_FILE_TMPDIR"/{program,libfill.so,program.cc,library.cc} .
}

# What shows names, to $2; further commands may follow.
read_names() {
    local recording=$1 out=$2
    shift 2
    for command in report 'report --json' "$@"; do
        # shellcheck disable=SC2086 # words
        "$heaptape" $command "$recording" | grep -vE '^Recording: |^ *"(path|bytes|chunks)": ' |
            sed -E 's/(x|again|lines)\.(tape|packed)/RECORDING/g'
    done >"$out"
    [ "$(wc -l <"$out")" -gt 200 ]
}

@test "program and library gone: every report is the same, inlined functions and lines too" {
    "$heaptape" record -q -o x.tape ./program
    read_names x.tape before "${all[@]}"
    expect_match before 'make_unique|_M_create|basic_string'
    expect_match before '\[inlined\]'
    expect_match before '\(library\.cc:8\)'
    "$heaptape" pack -q -o x.packed x.tape
    rm program libfill.so
    read_names x.packed after "${all[@]}"
    expect_same before after
    # The recording itself knows nothing any more.
    "$heaptape" report x.tape >gone
    expect_match gone '2 gone'
    expect_match gone 'libfill\.so\+0x'
    # Packed again, there, nothing is lost.
    "$heaptape" pack -q -o again.packed x.packed
    cmp x.packed again.packed
}

@test "built anew: the names of the build that was recorded" {
    "$heaptape" record -q -o x.tape ./program
    read_names x.tape before
    "$heaptape" pack -q -o x.packed x.tape
    sed -i '1i // one line\n// and another' program.cc library.cc
    build_program -O0
    "$heaptape" report x.tape >rebuilt
    expect_match rebuilt '2 rebuilt since'
    read_names x.packed after
    expect_same before after
}

@test "debug information that comes later is used, and packed" {
    cp program whole
    cp libfill.so libwhole.so
    strip -g program libfill.so
    "$heaptape" record -q -o x.tape ./program
    "$heaptape" pack -q -o x.packed x.tape
    rm program libfill.so
    "$heaptape" report x.packed >names
    expect_match names 'Table<long>::put'
    run ! grep -q 'library\.cc:' names
    mv whole program
    mv libwhole.so libfill.so
    read_names x.tape with_lines
    expect_match with_lines '\(library\.cc:8\)'
    read_names x.packed after
    expect_same with_lines after
    "$heaptape" pack -q -o lines.packed x.packed
    rm program libfill.so
    read_names lines.packed after
    expect_same with_lines after
}

@test "without build-ids the file is not trusted, and the names of the recording are shown" {
    g++ -O2 -g -shared -fPIC -Wl,--build-id=none -o libfill.so library.cc
    # shellcheck disable=SC2016 # for the loader
    g++ -O2 -g -Wl,--build-id=none -o program program.cc -L. -lfill '-Wl,-rpath,$ORIGIN'
    "$heaptape" record -q -o x.tape ./program
    read_names x.tape before
    "$heaptape" pack -q -o x.packed x.tape
    sed -i '1i // one line\n// and another' program.cc library.cc
    g++ -O2 -g -shared -fPIC -Wl,--build-id=none -o libfill.so library.cc
    read_names x.packed after
    expect_same before after
}

@test "a session: joined reports, with the programs gone" {
    mkdir session
    "$heaptape" record -q -o session/x.tape sh -c './program; ./program'
    "$heaptape" report session | grep -v '^Recording' | sed 's|session/|D/|' >before
    expect_match before 'library\.cc:8'
    "$heaptape" pack -q -o packed session
    rm program libfill.so
    "$heaptape" report packed | grep -v '^Recording' | sed 's|packed/|D/|' >after
    expect_same before after
}

@test "leaks --why names variables of programs that are gone" {
    cat >kept.c <<'C'
#include <stdlib.h>
struct node { struct node *next; char pad[50]; };
struct node *list_head;
void *table[10];
__attribute__((noinline)) static void *make_node(void) { return calloc(1, sizeof(struct node)); }
int main(void) {
    list_head = make_node();
    list_head->next = make_node();
    table[4] = make_node();
    return table[4] == list_head;
}
C
    gcc -g -O1 -fno-inline -Wl,--build-id -o kept kept.c
    HEAPTAPE_IMAGE="exit" "$heaptape" record -q -o x.tape ./kept
    "$heaptape" leaks --why='*make_node*' x.tape | grep -v '^Recording' >before
    expect_match before 'static data of kept: list_head$'
    expect_match before 'static data of kept: table\+'
    "$heaptape" pack -q -o x.packed x.tape
    rm kept
    "$heaptape" leaks --why='*make_node*' x.packed | grep -v '^Recording' >after
    expect_same before after
    "$heaptape" pack -q -o again.packed x.packed
    cmp x.packed again.packed
}

@test "info tells that it is packed" {
    "$heaptape" record -q -o x.tape ./program
    "$heaptape" pack -q -o x.packed x.tape
    "$heaptape" info x.packed >info
    expect_match info '^packed +by heaptape [0-9.]+, [0-9]+\.[0-9]+ of the [0-9.]+ (B|KiB) that were recorded$'
    expect_match info '^symbols +[1-9][0-9]* addresses of code$'
    "$heaptape" info --json x.packed >info.json
    [ "$(json info.json packed.recorded_bytes)" -eq "$(stat -c %s x.tape)" ]
    [ "$(json info.json packed.symbols)" -gt 10 ]
    "$heaptape" info x.tape >info
    run ! grep -qE '^(packed|symbols)' info
}
