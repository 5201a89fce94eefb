#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Stubs of the procedure linkage table have the names that objdump gives them.

load ../helpers

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return 1
    gcc -O1 -g -std=c17 -D_GNU_SOURCE -I"$top/analyzer" -o resolve "$top/tests/symbols/resolve.c" \
        "$build"/analyzer/{symbols,symbol_module,symbol_cache,symbol_memo,symbol_texts,inlined_name,functions,debug_file,plt_x86_64,scopes,spans,demangle,diag}.o -ldw -lelf -liberty
    cat >calls.cc <<'CC'
#include <cstdio>
#include <cstdlib>
#include <string>
void *(*take)(size_t) = malloc; // a slot of its own, beside the stub
int main(int argc, char **argv) {
    std::string s(argv[0]);
    s += argv[argc - 1];
    free(realloc(malloc(s.size()), 7));
    free(operator new(1));
    return puts(s.c_str()) < 0;
}
CC
}

# Every stub that objdump names, in the middle of its code: "ADDRESS NAME".
stubs_of() {
    objdump -d "$1" | sed -n 's/^0*\([0-9a-f]*\) <\(.*@plt\)>:$/\1 \2/p'
}

compare() {
    stubs_of "$1" >theirs
    [ "$(wc -l <theirs)" -ge "$2" ]
    cut -d' ' -f1 theirs | python3 -c '
import sys
for line in sys.stdin:
    print(f"{int(line, 16) + 5:x}")' | "$BATS_FILE_TMPDIR/resolve" "$1" | sed -n 's/|.*//p' >ours
    cut -d' ' -f2 theirs | diff - ours
}

@test "every form of the table" {
    for flags in '-Wl,-z,lazy' '-fcf-protection -Wl,-z,lazy,-z,ibtplt' '-Wl,-z,now' '-fcf-protection -Wl,-z,now,-z,ibtplt' \
        '-no-pie' '-s'; do
        # shellcheck disable=SC2086 # words
        g++ -O0 $flags -o calls "$BATS_FILE_TMPDIR/calls.cc"
        compare ./calls 8 || { echo "with $flags"; return 1; }
    done
    if command -v ld.lld >/dev/null; then
        g++ -O0 -fuse-ld=lld -o calls "$BATS_FILE_TMPDIR/calls.cc"
        compare ./calls 8
    fi
}

@test "libraries without a symbol table" {
    compare "$(ldconfig -p | sed -n 's/.*libstdc++\.so\.6 .*=> //p' | head -1)" 1000
}

@test "the mark is no version, and a readable name keeps it" {
    cat >signal.c <<'C'
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ucontext.h>
extern char __executable_start[], etext[];
static void *volatile got;
static void handler(int sig, siginfo_t *info, void *context) {
    char *at = (char *)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    (void)sig, (void)info;
    if (at >= __executable_start && at < etext) /* malloc must not be interrupted by malloc */
        got = malloc(123456);
}
int main(void) {
    struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGTRAP, &a, NULL);
    __asm__ volatile("pushf; orq $0x100, (%%rsp); popf" ::: "cc", "memory"); /* single steps */
    got = strdup("x");
    __asm__ volatile("pushf; andq $~0x100, (%%rsp); popf" ::: "cc", "memory");
}
C
    gcc -D_GNU_SOURCE -O1 -g -Wl,-z,lazy -fno-builtin -o signal signal.c
    "$heaptape" record -q -o x.tape -- ./signal
    "$heaptape" report --json --depth 0 -n 0 x.tape >report.json
    # a signal that came within the stub: the frame that it interrupted
    grep -q '"function": *"strdup@plt"' report.json
    "$heaptape" report --depth 0 -n 0 x.tape >report.txt
    grep -q 'strdup@plt (in signal)' report.txt
}
