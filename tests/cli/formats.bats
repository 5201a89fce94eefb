#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# heaptape check for CI systems: each format as it is expected byte by byte, and read by a client
# that others wrote, whose totals have to be ours. Budgets, stale suppressions, heaptape-memcheck.

load ../helpers

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    mkdir tmp
    export TMPDIR=$PWD/tmp
    unset GITHUB_WORKSPACE LSAN_OPTIONS
    memcheck=$build/heaptape-memcheck
}

check() {
    capture "$heaptape" check --no-leak-kinds "$@"
}

# Compiles ./place: 3 blocks of 100 bytes in a template, one of 7 in a lambda. Needs no libstdc++,
# so that nothing but this is on the heap.
compile_place() {
    cat >place.cc <<'C'
#include <cstdlib>
static void *volatile keep;
template <class T> void fill(const T &) { keep = malloc(100); }
int main(int argc, char **) {
    auto zeros = [] { keep = calloc(7, 1); };
    zeros();
    for (int i = 0; i < 3; i++)
        fill(i);
    free(malloc(50));
    return argc > 3 ? 5 : 0;
}
C
    gcc -g -O0 -fno-builtin -o place place.cc
}

# What differs from run to run and from machine to machine.
plain() {
    sed -E "s|$PWD|DIR|g; s|==[0-9]+==|==PID==|; s|in process [0-9]+|in process PID|
        s|<(p?pid)>[0-9]+|<\\1>PID|; s|<ip>0x[0-9A-F]+|<ip>0xADDRESS|
        s|(#[0-9]+) 0x[0-9a-f]+|\\1 0xADDRESS|; s|(at\|by) 0x[0-9A-F]+:|\\1 0xADDRESS:|
        s|time=\"[0-9.]+\"|time=\"TIME\"|g; s|timestamp=\"[^\"]+\"|timestamp=\"TIME\"|
        s|<time>[0-9:.]+ |<time>TIME |; s|heaptape-check\\.[A-Za-z0-9]+|RECORDINGS|
        s|$("$heaptape" --version | tr -d 'a-z ')|VERSION|g" "$1"
}

golden() {
    plain "$1" >"$1.plain"
    expect_golden "$1.plain" "check/$1"
}

# All formats of one run in which every kind of finding occurs.
check_all_formats() {
    compile_place
    printf 'leak:used_nowhere\n' >stale.supp
    check --xml=yes --xml-file=place.xml --junit=place.junit.xml --sarif=place.sarif \
        --tap=place.tap --github --log-file=place.log "$@" --suppressions=stale.supp \
        --fail-on-stale --max-peak=200 --max-peak-at=nothing=0 '--max-allocs-at=*fill*=2' \
        --max-allocs=1000 --max-leaked=306 -- ./place $'<&>"\x01\xff'
    expect_status 1
}

skip_without() { # COMMAND or module, package
    echo "# skipped: there is no $1 (Debian: $2)" >&3
    skip "there is no $1"
}

@test "every format, byte by byte" {
    check_all_formats --format=memcheck
    mv err github
    [ ! -s out ]
    mv place.log place.memcheck.log
    for file in place.xml place.junit.xml place.sarif place.tap github place.memcheck.log; do
        golden $file
    done
    check --max-peak=200 --format=lsan --log-file=place.lsan.log ./place
    golden place.lsan.log
    check --max-peak=200 '--max-allocs-at=*fill*=2' --log-file=place.txt ./place
    golden place.txt
}

@test "a clean program passes in every format; --quiet leaves the log empty" {
    check --xml=yes --xml-file=x.xml --junit=x.junit --sarif=x.sarif --tap=x.tap --github -q \
        --format=memcheck --log-file=x.log --max-peak=1G --max-allocs=1M true || true
    expect_status 2 # allocations have no units
    check --xml=yes --xml-file=x.xml --junit=x.junit --sarif=x.sarif --tap=x.tap --github -q \
        --format=memcheck --log-file=x.log --max-peak=1G --max-allocs=100000 true
    expect_status 0
    [ ! -s err ]
    [ ! -s x.log ]
    [ "$(json x.sarif runs.0.results)" = '[]' ]
    [ "$(json x.sarif runs.0.invocations.0.executionSuccessful)" = True ]
    expect_match x.junit 'tests="5" failures="0" errors="0"'
    run ! grep -q '<error>' x.xml
    prove -e cat x.tap
    check -q --format=lsan --log-file=x.log true
    [ ! -s x.log ]
    [ -z "$(ls tmp)" ]
}

@test "xmllint takes both XML files, with bytes that XML cannot hold" {
    command -v xmllint >/dev/null || skip_without xmllint libxml2-utils
    check_all_formats
    xmllint --noout place.xml place.junit.xml
    [ "$(xmllint --xpath 'string(//argv/arg)' place.xml)" = '<&>"' ]
    [ "$(xmllint --xpath 'string(//protocolversion)' place.xml)" = 4 ]
    [ "$(xmllint --xpath 'count(//error[not(unique and tid and kind and stack/frame/ip)])' place.xml)" = 0 ]
    [ "$(xmllint --xpath 'count(//error)' place.xml)" = 6 ]
}

@test "Test::Valgrind reads the XML: the same leaks" {
    perl -MTest::Valgrind::Parser::XML::Twig -e1 2>/dev/null ||
        skip_without Test::Valgrind libtest-valgrind-perl
    check_all_formats
    check --xml=yes --xml-file=place.xml --max-peak=200 ./place
    cat >read.pl <<'P'
use strict; use warnings;
use Test::Valgrind::Tool::memcheck;
use Test::Valgrind::Parser::XML::Twig;
package Session;
sub report_class { 'Test::Valgrind::Tool::memcheck::Report' }
sub report {
    my $d = $_[1]->data;
    print join('|', $_[1]->kind, $d->{leakedbytes} // '', $d->{leakedblocks} // '',
               $d->{stack}[0][2]), "\n";
}
package main;
my $session = bless {}, 'Session';
my $parser = Test::Valgrind::Parser::XML::Twig->new;
$parser->start($session);
open my $in, '<', $ARGV[0] or die;
$parser->parse($session, $in);
P
    perl read.pl place.xml >read
    printf '%s\n' 'Leak_PossiblyLost|300|3|malloc' 'Leak_PossiblyLost|7|1|calloc' \
        'ClientCheck|||void fill<int>(int const&)' >expected
    expect_same expected read
}

@test "junitparser reads the JUnit file: the same totals and names" {
    python3 -c 'import junitparser' 2>/dev/null || skip_without junitparser python3-junitparser
    check_all_formats
    cat >read.py <<'P'
import junitparser
x = junitparser.JUnitXml.fromfile("place.junit.xml")
cases = [case for suite in x for case in suite]
failed = [case for case in cases if case.result]
print(x.tests, x.failures, x.errors, len(cases), len(failed))
x.update_statistics()
print(x.tests, x.failures, x.errors)
for case in failed:
    print(case.classname, case.name, [r.type for r in case.result][0], sep="|")
P
    python3 read.py >read
    [ "$(sed -n 1p read)" = '10 6 0 10 6' ] || { cat read; return 1; }
    [ "$(sed -n 2p read)" = '10 6 0' ]
    expect_match read '^heaptape\.budgets\|budget: peak\|budget-peak$'
    expect_match read '^heaptape\.check\|suppression: used_nowhere \(stale\.supp\)\|stale-suppression$'
    # a program that fails is an error
    check --junit=place.junit.xml ./place 1 2 3
    expect_status 5
    python3 read.py >read
    [ "$(sed -n 1p read)" = '4 2 1 4 3' ]
}

@test "names and fingerprints are the same after lines have moved and sizes have changed" {
    compile_place
    check --junit=a.xml --sarif=a.sarif --tap=a.tap ./place
    sed -i -e '1s/^/\n\n/' -e 's/malloc(100)/malloc(1000)/' place.cc
    gcc -g -O0 -fno-builtin -o place place.cc
    check --junit=b.xml --sarif=b.sarif --tap=b.tap ./place
    for file in a b; do
        grep -oE ' name="[^"]*"' $file.xml >$file.names
        grep -oE 'primaryLocationLineHash": "[^"]*"' $file.sarif >>$file.names
        grep -E '^(not )?ok' $file.tap >>$file.names
    done
    [ "$(wc -l <a.names)" -gt 10 ]
    expect_same a.names b.names
    [ "$(grep primary a.names | sort -u | wc -l)" -eq 2 ]
    # two places that differ in their lines only are told apart
    sed -i 's/fill(i);/{ fill(i); fill(i); }/' place.cc
    gcc -g -O0 -fno-builtin -o place place.cc
    check --tap=b.tap ./place
    run ! grep -q ':2\]' b.tap
    sed -i 's/fill(i); fill(i);/fill(i);\n fill(i);/' place.cc
    gcc -g -O0 -fno-builtin -o place place.cc
    check --tap=b.tap ./place
    [ "$(grep -c '^not ok .*fill' b.tap)" -eq 2 ]
    [ "$(grep -c ':2\]$' b.tap)" -eq 1 ]
}

@test "prove reads the TAP file: the same totals" {
    check_all_formats
    run prove -e cat place.tap
    [ "$status" -eq 1 ]
    [[ $output == *'Tests: 10 Failed: 6)'* ]]
    [[ $output == *'Failed tests:  1-3, 5, 7, 9'* ]]
    # descriptions with # are no directives
    check --tap=place.tap ./place
    expect_match place.tap '^not ok .*lambda\(\)\\#1'
    run prove -e cat place.tap
    [[ $output == *'Tests: 4 Failed: 2)'* ]]
    if python3 -c 'import yaml' 2>/dev/null; then
        sed -n '/^  ---$/,/^  \.\.\.$/p' place.tap | sed 's/^  //' >blocks
        python3 -c '
import yaml
blocks = list(yaml.safe_load_all(open("blocks").read().replace("\n...\n", "\n")))
print(sorted(b["bytes"] for b in blocks), blocks[0]["stack"][0])' >read
        [ "$(cat read)" = "[7, 300] malloc" ]
    fi
}

# The OASIS schema is in no Debian package: what it and GitHub want of the parts that are used.
check_sarif() {
    python3 - "$1" <<'P'
import json, re, sys
log = json.load(open(sys.argv[1]))
assert log["version"] == "2.1.0" and len(log["runs"]) == 1
run = log["runs"][0]
assert set(run) <= {"tool", "invocations", "results"}
driver = run["tool"]["driver"]
assert driver["name"] == "heaptape" and re.fullmatch(r"\d+\.\d+\.\d+", driver["semanticVersion"])
levels = {"none", "note", "warning", "error"}
ids = [rule["id"] for rule in driver["rules"]]
assert len(set(ids)) == len(ids)
for rule in driver["rules"]:
    assert rule["shortDescription"]["text"] and rule["fullDescription"]["text"]
    assert rule["defaultConfiguration"]["level"] in levels
def location(l):
    assert set(l) <= {"physicalLocation", "logicalLocations"}
    if "physicalLocation" in l:
        place = l["physicalLocation"]
        uri = place["artifactLocation"]["uri"]
        assert re.fullmatch(r"[A-Za-z0-9._~/%:-]+", uri), uri
        assert uri.startswith("file:///") != ("uriBaseId" in place["artifactLocation"])
        if "region" in place:
            assert place["region"]["startLine"] >= 1
    for logical in l.get("logicalLocations", []):
        assert logical["fullyQualifiedName"]
seen = set()
for result in run["results"]:
    assert set(result) <= {"ruleId", "ruleIndex", "level", "message", "locations", "stacks",
                           "partialFingerprints", "properties"}
    assert ids[result["ruleIndex"]] == result["ruleId"]
    assert result["level"] in levels and result["message"]["text"]
    for l in result["locations"]:
        location(l)
    for stack in result.get("stacks", []):
        assert stack["message"]["text"] and stack["frames"]
        for frame in stack["frames"]:
            location(frame["location"])
    hash = result["partialFingerprints"]["primaryLocationLineHash"]
    assert re.fullmatch(r"[0-9a-f]{16}:[0-9]+", hash) and hash not in seen
    seen.add(hash)
for invocation in run["invocations"]:
    assert isinstance(invocation["executionSuccessful"], bool)
    for note in invocation["toolExecutionNotifications"]:
        assert note["level"] in levels and note["message"]["text"]
print(len(run["results"]), sum(r["properties"].get("bytes", 0) for r in run["results"]),
      *(f'{r["ruleId"]}:{r["locations"][0]["physicalLocation"]["region"]["startLine"]}'
        if r["locations"] else r["ruleId"] for r in run["results"]))
P
}

@test "SARIF: structure, places relative to the source tree" {
    check_all_formats
    [ "$(check_sarif place.sarif)" = '6 307 leak-unknown:3 leak-unknown:5 budget-peak:3 budget-allocs:3 budget-leaked:3 stale-suppression:1' ]
    check --sarif=place.sarif ./place
    [ "$(check_sarif place.sarif)" = '2 307 leak-unknown:3 leak-unknown:5' ]
    [ "$(json place.sarif runs.0.results.0.locations.0.physicalLocation.artifactLocation.uri)" = place.cc ]
    mkdir 'source tree'
    cp place.cc 'source tree'
    gcc -g -O0 -fno-builtin -o place 'source tree/place.cc'
    check --sarif=place.sarif ./place
    check_sarif place.sarif
    [ "$(json place.sarif runs.0.results.0.locations.0.physicalLocation.artifactLocation.uri)" = source%20tree/place.cc ]
    GITHUB_WORKSPACE="$PWD/source tree" check --sarif=place.sarif ./place
    [ "$(json place.sarif runs.0.results.0.locations.0.physicalLocation.artifactLocation.uri)" = place.cc ]
    # what cannot be relied on is a notification
    check --sarif=place.sarif --only=nothing true
    check_sarif place.sarif
    [ "$(json place.sarif runs.0.invocations.0.executionSuccessful)" = False ]
    expect_match place.sarif 'nothing was recorded'
}

@test "GitHub's annotations: escaped, at most ten places" {
    {
        echo '#include <stdlib.h>'
        echo 'void *volatile keep;'
        for i in $(seq 12); do echo "void f$i(void) { keep = malloc($i); }"; done
        echo 'int main(void) {'
        for i in $(seq 12); do echo "f$i();"; done
        echo 'return 0; }'
    } >'a,b%.c'
    gcc -g -O0 -fno-builtin -o many 'a,b%.c'
    check --github --log-file=log ./many
    expect_status 1
    [ "$(grep -c '^::error ' err)" -eq 10 ]
    [ "$(grep -c '^::' err)" -eq "$(wc -l <err)" ]
    expect_match err '^::error file=a%2Cb%25\.c,line=14,title=Memory that was not freed::12 bytes in 1 block not freed: malloc at f12 \(a,b%25\.c:14\)%0Aat malloc%0Aby f12'
    expect_match err '^::notice title=heaptape::2 more places of 12'
    run ! grep -q '::' log
}

# A project of three tests: leaking, clean, failing.
ctest_project() {
    compile_place
    printf '#!/bin/sh\nexec "%s" --no-leak-kinds "$@"\n' "$memcheck" >unclassified
    chmod +x unclassified
    printf 'int main(void) { return 0; }\n' >harmless.c
    cat >CMakeLists.txt <<C
cmake_minimum_required(VERSION 3.16)
project(place C)
set(MEMORYCHECK_TYPE $1)
set(MEMORYCHECK_COMMAND $PWD/unclassified)
set(MEMORYCHECK_COMMAND_OPTIONS $2)
set(MEMORYCHECK_SUPPRESSIONS_FILE "${3-}" CACHE FILEPATH "")
include(CTest)
add_executable(harmless harmless.c)
add_test(NAME leaking COMMAND ${4-} $PWD/place)
add_test(NAME clean COMMAND ${4-} \$<TARGET_FILE:harmless>)
add_test(NAME failing COMMAND ${4-} $PWD/place 1 2 3)
C
    cmake -S . -B b >cmake.log 2>&1 || { cat cmake.log; return 1; }
    cmake --build b >>cmake.log 2>&1 || { cat cmake.log; return 1; }
}

# "NAME STATUS DEFECT=NUMBER…" a test, out of what CDash would get.
defects() {
    python3 - b/Testing/2*/DynamicAnalysis.xml <<'P'
import sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
for test in root.iter("Test"):
    if test.find("Name") is not None:
        print(test.find("Name").text, test.get("Status"),
              *(f'{d.get("type")}={d.text}' for d in test.iter("Defect")))
P
}

@test "CTest counts the defects: MEMORYCHECK_TYPE=Valgrind" {
    command -v ctest >/dev/null || skip_without ctest cmake
    ctest_project Valgrind ''
    run ctest --test-dir b -T memcheck
    [ "$status" -ne 0 ]
    [[ $output == *'Potential Memory Leak - 4'* ]]
    # passed tests without defects are not in the file
    printf '%s failed Potential Memory Leak=2\n' leaking failing >expected
    defects >read
    expect_same expected read
    [ ! -s b/Testing/Temporary/MemoryChecker.2.log ]
    # with valgrind's own exit status, and a file of suppressions
    rm -rf b
    printf '{\nfill\nMemcheck:Leak\nfun:malloc\nfun:*fill*\n}\n' >place.supp
    ctest_project Valgrind '"-q --tool=memcheck --error-exitcode=0 --track-origins=yes"' "$PWD/place.supp"
    ctest --test-dir b -T memcheck -R leaking
    defects >read
    expect_same <(echo 'leaking passed Potential Memory Leak=1') read
}

@test "CTest counts the defects: MEMORYCHECK_TYPE=LeakSanitizer and --lsan-options" {
    command -v ctest >/dev/null || skip_without ctest cmake
    printf 'leak:fill\n' >place.supp
    ctest_project LeakSanitizer '' "$PWD/place.supp" "$heaptape check --lsan-options"
    run ctest --test-dir b -T memcheck
    echo "$output"; cat b/Testing/Temporary/MemoryChecker.*
    defects >read
    printf '%s failed Direct leak=1\n' leaking failing >expected
    expect_same expected read
}

@test "--lsan-options: log_path, suppressions, exitcode" {
    compile_place
    LSAN_OPTIONS="verbosity=0:log_path='$PWD/the log':exitcode=44" check --lsan-options ./place
    expect_status 44
    [ ! -s err ]
    [ "$(cat 'the log'.* | grep -c '^Direct leak of ')" -eq 2 ]
    grep -qx 'SUMMARY: LeakSanitizer: 307 byte(s) leaked in 4 allocation(s).' 'the log'.*
    check --lsan-options ./place
    expect_status 23
    expect_match err '^Direct leak of 300 byte\(s\) in 3 object\(s\) allocated from:$'
    printf 'leak:place.cc\n' >all.supp
    LSAN_OPTIONS="suppressions=all.supp" check --lsan-options ./place
    expect_status 0
    LSAN_OPTIONS="suppressions=missing.supp" check --lsan-options ./place
    expect_status 2
}

@test "heaptape-memcheck: valgrind's options, what it does not know, names with %p" {
    compile_place
    capture env NAME=x "$memcheck" --no-leak-kinds --log-file='%q{NAME}%%.%p.log' -v --tool=memcheck --leak-check=full \
        --show-leak-kinds=all --track-origins=yes --trace-children=yes --child-silent-after-fork=yes \
        --leak-resolution=high --gen-suppressions=no --num-callers=12 --error-exitcode=9 \
        --xml=yes --xml-file=%p.xml --max-peak 1G ./place
    expect_status 9
    [ ! -s err ]
    ls x%.[0-9]*.log [0-9]*.xml
    expect_match x%.*.log '^==[0-9]+== 300 bytes in 3 blocks are possibly lost in loss record 1 of 2$'
    expect_match x%.*.log '^==[0-9]+==    by 0x[0-9A-F]+: void fill<int>\(int const&\) \(place\.cc:3\)$'
    expect_match x%.*.log '^==[0-9]+==      possibly lost: |possibly lost: 307 bytes in 4 blocks$'
    capture "$memcheck" --no-leak-kinds -q ./place
    expect_status 1
    expect_match err '^==[0-9]+== 7 bytes in 1 blocks are possibly lost'
    capture "$memcheck" -q -- true
    expect_status 0
    [ ! -s err ]
    for wrong in --tool=massif --no-such-option=3 -Z; do
        capture "$memcheck" $wrong true
        expect_status 2
        expect_line err '^heaptape: memcheck: '
    done
    capture "$memcheck" --version
    expect_status 0
    capture "$memcheck" --help
    expect_match out 'heaptape-memcheck'
}

@test "budgets: of the whole, at a pattern, kept and broken" {
    compile_place
    check --max-leaked=307 --max-peak=307 --max-allocs=5 ./place
    expect_status 1 # 357 bytes at its peak
    expect_match err '^Budget: peak 357 B is over 307 B, in process [0-9]+$'
    expect_match err '^  300 B$'
    expect_match err '^heaptape: check: ./place: every block was freed or is allowed by a budget; 1 budget broken; .*; within budgets: 307 bytes in 4 blocks$'
    check --max-leaked=307 --max-peak=357 --max-allocs=5 ./place
    expect_status 0
    check --max-leaked=307 --max-allocs=4 --json --log-file=x.json ./place
    expect_status 1
    [ "$(json x.json clean)" = False ]
    [ "$(json x.json budgets.1.value)" -eq 5 ]
    [ "$(json x.json budgets.1.broken)" = True ]
    [ "$(json x.json budgets.0.broken)" = False ]
    [ "$(json x.json allowed.bytes)" -eq 307 ]
    [ "$(json x.json findings)" = '[]' ]
    check --max-leaked=306 ./place
    expect_status 1
    expect_match err '^Budget: not freed 307 B is over 306 B$'
    expect_match err '307 bytes in 4 blocks not freed at exit, from 2 places; 1 budget broken'
    # what one budget allows, another may forbid
    check --max-leaked-at='fill*=300' ./place
    expect_status 1
    expect_match err ': 307 bytes in 4 blocks'
    check --max-leaked-at='*fill<*=300' ./place
    expect_match err ': 7 bytes in 1 block not freed.*within budgets: 300 bytes in 3 blocks'
    check --max-leaked-at=place.cc=307 --max-leaked-at='*fill*=299' ./place
    expect_match err 'Budget: not freed 300 B at \*fill\* is over 299 B'
    expect_match err ': 300 bytes in 3 blocks not freed.*within budgets: 7 bytes in 1 block'
    check --max-leaked=1K --max-peak-at='*fill*=299' --max-allocs-at='*fill*=3' ./place
    expect_match err '^Budget: peak 300 B at \*fill\* is over 299 B'
    run ! grep -q 'Budget: allocations' err
    for wrong in --max-peak=1X --max-peak= --max-peak=-1 --max-allocs=1K --max-peak-at=64M --max-peak-at==3 \
        --max-leaked=99999999999999999999 --max-leaked=99999999T; do
        check "$wrong" true
        expect_status 2
        expect_line err '^heaptape: check: --max-'
    done
}

@test "budgets over several processes: sums, and the largest peak" {
    cat >forks.c <<'C'
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static void *volatile keep;
int main(void) {
    for (int i = 1; i <= 3; i++)
        if (fork() == 0) {
            keep = malloc(1000 * (4 - i));
            exit(0);
        }
    while (wait(NULL) > 0)
        continue;
    return 0;
}
C
    gcc -g -O0 -fno-builtin -o forks forks.c
    check --max-peak=3000 --max-allocs=3 --max-leaked=6000 --max-peak-at=main=3000 --max-allocs-at=main=3 ./forks
    expect_status 0
    check --max-peak=2999 --max-allocs=2 --max-leaked=5999 --max-peak-at=main=2999 --max-allocs-at=main=2 ./forks
    expect_status 1
    for line in 'peak 2.93 KiB is over 2.93 KiB, in process [0-9]+' 'allocations 3 are over 2' \
        'not freed 5.86 KiB is over 5.86 KiB' 'peak 2.93 KiB at main is over 2.93 KiB, in process [0-9]+' \
        'allocations 3 at main are over 2'; do
        expect_match err "^Budget: $line\$"
    done
}

@test "--fail-on-stale: entries that match nothing, of the user's files alone" {
    compile_place
    printf 'leak:place.cc\n' >used.supp
    printf '{\nname of it\nMemcheck:Leak\nfun:nothing\n}\n' >stale.supp
    check --suppressions used.supp --fail-on-stale ./place
    expect_status 0
    check --suppressions used.supp --suppressions stale.supp ./place
    expect_status 0
    check --suppressions used.supp --suppressions stale.supp --fail-on-stale --error-exitcode=8 ./place
    expect_status 8
    expect_match err '^Suppressions that match nothing$'
    expect_match err '^  stale\.supp:1 name of it$'
    [ "$(grep -c '^  .*\.supp' err)" -eq 1 ]
    check --fail-on-stale true
    expect_status 0
}

@test "--gen-suppressions: as short as the source tree allows, or up to main" {
    compile_place
    mkdir lib
    cat >lib/deep.c <<'C'
#include <stdlib.h>
static void *volatile keep;
static void low(void) { keep = malloc(1); }
void deep(void) { low(); }
C
    printf 'void deep(void);\nstatic void caller(void) { deep(); }\nint main(void) { caller(); caller(); return 0; }\n' >user.c
    gcc -g -O0 -fno-builtin -c -o lib/deep.o -fdebug-prefix-map="$PWD/lib=/elsewhere" lib/deep.c \
        -fdebug-prefix-map="lib/=/elsewhere/" -fdebug-prefix-map="$PWD=/elsewhere"
    gcc -g -O0 -fno-builtin -o user user.c lib/deep.o
    check --gen-suppressions ./user
    sed -n '/^{$/,/^}$/p' err | grep fun: >entry
    printf '   fun:%s\n' malloc low deep caller >expected
    expect_same expected entry
    check --gen-suppressions=all ./user
    sed -n '/^{$/,/^}$/p' err | grep -c fun:main
    check --gen-suppressions=no ./user
    run ! grep -q '^{' err
    check --gen-suppressions=maybe ./user
    expect_status 2
}

@test "a file that cannot be written costs no run; wrong combinations" {
    for option in --junit --sarif --tap --log-file; do
        check $option=no/such/file touch ran
        expect_status 1
        expect_line err '^heaptape: no/such/file: cannot be written'
        [ ! -e ran ]
        check "$option=" true
        expect_status 2
    done
    for wrong in --xml=yes --xml=maybe --format=html '--json --format=lsan'; do
        # shellcheck disable=SC2086 # words
        check $wrong true
        expect_status 2
        expect_line err '^heaptape: check: '
    done
    if [ -e /dev/full ]; then
        check --tap=/dev/full true
        expect_status 1
        expect_match err '/dev/full: the result could not be written'
    fi
}
