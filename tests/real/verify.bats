#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Every stack of real programs, unwound by the recorder's rows and by libunwind: no difference.

load ../helpers

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
