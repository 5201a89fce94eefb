#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Every stack of real programs, and of programs that make stacks of every kind, unwound by the
# recorder's rows and by libunwind: no difference, except where libunwind is shown to be wrong.

load ../helpers

programs=$top/tests/real/verify

# The number of rows of a kind that the last verification met.
rows_of_kind() {
    sed -n "s/^heaptape: verify: .*[ ]$1 \\([0-9]*\\).*/\\1/p" err
}

# compile NAME [OPTION...]: tests/real/verify/NAME.c to ./NAME. Calls that are spelled out are made.
compile() {
    gcc -std=c17 -D_GNU_SOURCE -O2 -fno-optimize-sibling-calls -pthread -o "$1" "$programs/$1.c" "${@:2}"
}

# The chains of x.tape's events, counted.
chains() {
    "$heaptape" dump x.tape | python3 "$top/tests/real/threads/chains.py" "$1"
}

# Records under both unwinders; the program must make at least this many captures.
verify() {
    local least=$1 line captures
    shift
    capture "$heaptape" record -q -f -o x.tape --unwinder=verify -- "$@" <"${input-/dev/null}"
    expect_status 0 || return 1
    line=$(grep '^heaptape: verify: ' err) || {
        cat err
        return 1
    }
    echo "$line"
    captures=$(sed -n 's/^heaptape: verify: \([0-9]*\) captures.*/\1/p' <<<"$line")
    [[ $line == *": 0 differences"* ]] && [ "$captures" -ge "$least" ]
}

@test "sqlite3" {
    input=$top/bench/sqlite.sql
    verify 100000 sqlite3 :memory:
}

@test "python3" {
    PYTHONMALLOC=malloc verify 100000 python3 "$top/bench/python.py"
}

@test "perl" {
    verify 100000 perl "$top/bench/perl.pl"
}

@test "cc1plus" {
    g++ -E "$top/bench/regex_map.cc" -o x.ii
    verify 100000 "$(g++ -print-prog-name=cc1plus)" -quiet -O1 x.ii -o /dev/null
}

@test "git log" {
    git init -q -b main repo
    awk 'BEGIN {
        for (i = 1; i <= 400; i++) {
            printf "commit refs/heads/main\ncommitter a <a@example.org> %d +0000\ndata 2\nm\n", 1600000000 + i
            for (f = 1; f <= 8; f++) {
                text = ""
                for (n = i; n <= i + f * 20; n++)
                    text = text n % (7 + f) " " n "\n"
                printf "M 644 inline dir%d/file%d\ndata %d\n%s\n", i % 13, f, length(text), text
            }
        }
    }' | git -C repo fast-import --quiet
    verify 100000 git -C repo log -p --stat
    verify 100000 git -C repo log -p --word-diff -M -C --find-copies-harder
}

@test "C++ exceptions on several threads" {
    compile_bench exceptions
    verify 100000 ./exceptions
}

@test "rust" {
    command -v rustc >/dev/null || skip 'rustc is not installed'
    rustc -O -o words "$top/bench/words.rs"
    verify 100000 ./words
}

@test "node: code of V8 that has no call frame information, in two threads" {
    command -v node >/dev/null || skip 'node is not installed'
    verify 100000 node "$programs/node.js"
    [ "$(rows_of_kind guess)" -ge 100 ]
}

# In ./chains: frames of every kind with the signal's on top, and what runs inside the resolver.
expect_kinds() {
    local frames
    # stubs of the PLT have no symbols: they go by that of the function in front, _init
    for frames in 'on_trap<libc\.so\.6<_init<every' 'on_trap<libc\.so\.6<ld-linux-x86-64\.so\.2<every' \
        'on_trap<libc\.so\.6<realigned<deep<deep' 'on_trap<libc\.so\.6<compare<libc\.so\.6<library' \
        'libstepped\.so<ld-linux-x86-64\.so\.2<every'; do
        grep -qE " $frames<(deep<)*main<libc\.so\.6<_start\$" chains || {
            echo "no $frames"
            return 1
        }
    done
}

@test "every instruction: prologues, realigned stacks, stubs of the PLT, the loader's resolver" {
    gcc -std=c17 -D_GNU_SOURCE -O2 -DLIBRARY -shared -fPIC -o libstepped.so "$programs/stepped.c"
    compile stepped -Wl,-z,lazy -L. -lstepped -Wl,-rpath,'$ORIGIN'
    for stack in '' altstack; do
        # shellcheck disable=SC2086 # none or one word
        verify 100000 ./stepped 64 $stack
        [ "$(rows_of_kind signal)" -ge 1 ]
        [ "$(rows_of_kind fp-deref)" -ge 10 ] # realigned stacks
        [ "$(rows_of_kind complex)" -ge 20 ]  # the same, on the way in and out; the resolver
    done
    chains ./stepped >chains
    expect_kinds
    # every stack reaches the root, also where the rule for a register that nobody needs leads nowhere
    compile stepped -DNUMBER -Wl,-z,lazy -L. -lstepped -Wl,-rpath,'$ORIGIN'
    "$heaptape" record -q -f -o x.tape ./stepped 3
    chains ./stepped >chains
    expect_kinds
    grep ' on_trap<' chains | grep -vE '<main<libc\.so\.6<_start$' >cut || true
    expect_same /dev/null cut
}

@test "coroutines: stacks unmapped and mapped anew, resumed by another thread, signals, longjmp" {
    compile coroutines
    verify 100000 ./coroutines 100000
    [ "$(cat out)" -ge 3000 ] # stacks that were replaced
    [ "$(rows_of_kind signal)" -ge 1 ]
}

@test "vfork children on their parent's stack" {
    compile vforked
    verify 100000 ./vforked 3000
    # the child's frames, then the parent's again
    chains ./vforked >chains
    expect_match chains '^[0-9]+ malloc [0-9]+ allocate<(down<)+spawn<between<main<libc\.so\.6<_start$'
    [ "$(awk '$3 == 501 { n += $1 } END { print n }' chains)" -eq 3000 ]
    [ "$(grep ' malloc 501 ' chains | grep -cvE ' malloc 501 allocate<spawn<(between<)+main<libc\.so\.6<_start$')" -eq 0 ]
}

@test "threads with the smallest stacks" {
    compile tiny -fno-optimize-strlen
    verify 100000 ./tiny 2000
    # the same from the rows alone: libunwind has touched nothing
    "$heaptape" record -q -f -o x.tape ./tiny 2000
    for n in 1 2 3 4 5; do
        chain=allocate
        for ((i = 0; i < n; i++)); do chain+='<down'; done
        echo "12000 malloc 200$n $chain<work<libc.so.6"
        echo "12000 malloc 300$n $chain<work<libc.so.6"
    done | sort >expected
    chains ./tiny | grep -E ' malloc [23]00[1-5] ' | sort | diff expected -
}

@test "code made at run time, without call frame information" {
    compile jit
    verify 200000 ./jit 200000
    [ "$(rows_of_kind guess)" -ge 60 ]
}

@test "a frame pointer that holds anything: nothing outside the stack is read" {
    compile jit
    ./jit 100000 wild >bare
    for options in '' --buffer-events=16; do
        # shellcheck disable=SC2086 # none or one word
        capture "$heaptape" record -q -f -o x.tape $options -- ./jit 100000 wild
        expect_status 0
        expect_same bare out
        "$heaptape" report --json -n 0 x.tape >report.json
        [ "$(json report.json completeness.lost)" -eq 0 ]
        [ "$(json report.json completeness.events)" -ge 200000 ]
    done
}

# libunwind keeps what it knows of an address when the module there is replaced. So the truth is the
# program's: every block's chain is known. The rows give all of them; where verify sees a
# difference, libunwind by itself gives others.
@test "modules with other frames at the same addresses: the rows are right, libunwind is not" {
    bytes=200
    for name in one two three; do
        gcc -O1 -fno-optimize-sibling-calls -shared -fPIC -DFRAME=$bytes -o $name.so \
            "$top/tests/real/modules/frames.c"
        bytes=$((bytes * 3))
    done
    gcc -std=c17 -D_GNU_SOURCE -O1 -fno-inline -fno-optimize-sibling-calls -o frames \
        "$top/tests/real/modules/frames.c" -ldl
    printf '40000 malloc %s<use<main<libc.so.6<_start\n' '1000 allocate<one.so' \
        '1001 allocate<two.so' '1002 allocate<three.so' >expected
    "$heaptape" record -q -f -o x.tape ./frames 300 >out
    [ "$(cat out)" -ge 250 ] # most loads got the addresses of the one before: otherwise no test
    chains ./frames | grep ' malloc 100[0-2] ' | diff expected -
    # verify compares, and records what the rows say
    "$heaptape" record -q -f -o x.tape --unwinder=verify ./frames 300 >out 2>err
    chains ./frames | grep ' malloc 100[0-2] ' | diff expected -
    grep '^heaptape: verify: ' err
    "$heaptape" record -q -f -o x.tape --unwinder=libunwind ./frames 300 >out
    if chains ./frames | grep ' malloc 100[0-2] ' | diff expected - >others; then
        expect_match err ': 0 differences$' # a libunwind that is right
    else
        sed -n '/^>/p' others
        expect_match err ': 1 difference '
        # the first difference is in a plugin's frames, which the rows leave for main and the root
        awk '/^  libunwind:/ { exit } /^  rows:/ { on = 1; next } on' err >rows
        expect_match rows '/(two|three)\.so\+'
        [ "$(grep -c '/libc\.so\.6+' rows)" -eq 2 ]
    fi
}

# Two halves of one program, compiled with different options, at every level; each of its runs makes
# more than 100,000 captures.
verify_generated() {
    local language=$1 file=$2 seed=$3 compiler level
    shift 3
    python3 "$top/tests/real/verify/generate.py" "$language" "$seed" 400 >"$file"
    for compiler in "$@"; do
        command -v "$compiler" >/dev/null || continue
        for level in '-O0' '-O1 -fstack-protector-all' '-O2 -fstack-clash-protection' -O3 '-Os -mno-red-zone'; do
            echo "$compiler $level"
            # shellcheck disable=SC2086 # options
            {
                "$compiler" $level -w -DPART=0 -fomit-frame-pointer -c -o part0.o "$file" &
                "$compiler" $level -w -DPART=1 -fno-omit-frame-pointer -c -o part1.o "$file"
                wait $!
            } || return 1
            "$compiler" -o generated part0.o part1.o || return 1
            ./generated 120000 >bare || return 1
            verify 100000 ./generated 120000 || return 1
            expect_same bare out || return 1
        done
    done
}

@test "random call graphs in C: every optimization level, each kind of frame, longjmp, signals" {
    verify_generated c generated.c 1 gcc clang
}

@test "random call graphs in C++: the same with exceptions" {
    verify_generated c++ generated.cc 2 g++ clang++
}
