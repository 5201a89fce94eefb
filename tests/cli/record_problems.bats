#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# heaptape record: programs that cannot be recorded, places that cannot be written. One line each.

load ../helpers

# A program problem: record ends with the status and one line, and makes no file.
refuses() {
    local wanted=$1 pattern=$2
    shift 2
    capture "$heaptape" record -o x.tape "$@"
    expect_status "$wanted"
    expect_line err "$pattern"
    [ ! -e x.tape ]
    [ ! -s out ]
}

@test "a program that does not exist: 127" {
    refuses 127 '^heaptape: no-such-program: no such program in PATH$' no-such-program
    refuses 127 '^heaptape: \./nothing: does not exist$' ./nothing
    refuses 127 'no such program in PATH$' '' # and with an empty PATH:
    capture env PATH= "$heaptape" record ls
    expect_status 127
}

@test "a program that cannot be executed: 126" {
    echo 'echo hello' >script
    refuses 126 '^heaptape: \./script: is not executable \(see chmod \+x\)$' ./script
    refuses 126 '^heaptape: /tmp: is a directory, not a program$' /tmp
    refuses 126 'is no regular file' /dev/null
    mkdir bin && cp script bin/only-here
    PATH=$PWD/bin:$PATH refuses 126 'bin/only-here: is not executable' only-here
}

@test "an executable later in PATH wins over one that is not" {
    mkdir a b
    printf 'echo wrong\n' >a/tool
    printf '#!/bin/sh\necho right\n' >b/tool
    chmod +x b/tool
    PATH=$PWD/a:$PWD/b:$PATH capture "$heaptape" record -q -o x.tape tool
    expect_status 0
    [ "$(cat out)" = right ]
}

@test "statically linked programs: 126" {
    echo 'int main(void) { return 0; }' >p.c
    gcc -static -o static p.c
    gcc -static-pie -o static-pie p.c
    refuses 126 '^heaptape: \./static: is statically linked' ./static
    refuses 126 '^heaptape: \./static-pie: is statically linked' ./static-pie
}

@test "the loader itself can be recorded" {
    capture "$heaptape" record -q -o x.tape /lib64/ld-linux-x86-64.so.2 /bin/echo loaded
    expect_status 0
    [ "$(cat out)" = loaded ]
    [ -s x.tape ]
}

@test "set-user-id and set-group-id programs: 126" {
    [ "$(id -u)" -eq 0 ] || skip 'only root can give a file to another user'
    [[ $(findmnt -no OPTIONS -T .) != *nosuid* ]] || skip 'this file system ignores set-user-id'
    cp /bin/true suid
    chown 12345 suid
    chmod 4755 suid
    refuses 126 '^heaptape: \./suid: is set-user-id' ./suid
    cp /bin/true sgid
    chgrp 12345 sgid
    chmod 2755 sgid
    refuses 126 '^heaptape: \./sgid: is set-user-id, set-group-id' ./sgid
    # Without a change of identity the loader does preload.
    cp /bin/true own
    chmod 4755 own
    capture "$heaptape" record -q -o x.tape ./own
    expect_status 0
}

@test "other architectures: 126" {
    # The file header of /bin/true with class 32-bit, and with the machine number of AArch64.
    cp /bin/true p32
    printf '\001' | dd of=p32 bs=1 seek=4 conv=notrunc status=none
    refuses 126 '^heaptape: \./p32: is a 32-bit program' ./p32
    cp /bin/true arm
    printf '\267' | dd of=arm bs=1 seek=18 conv=notrunc status=none
    refuses 126 'is a program for another processor architecture$' ./arm
}

@test "programs of another C library: 126" {
    cp /bin/true other
    at=$(grep -abo 'ld-linux-x86-64' other | head -n 1 | cut -d: -f1)
    printf 'ld-muslx-x86-64' | dd of=other bs=1 seek="$at" conv=notrunc status=none
    refuses 126 'needs the loader /lib64/ld-muslx-x86-64.so.2, which does not exist$' ./other
}

@test "damaged program files: 126" {
    for n in 4 10 40 63 64 100 500; do
        head -c $n /bin/true >cut
        chmod +x cut
        refuses 126 'is a damaged ELF file, or no program$' ./cut
    done
    printf '\000\001\002\003' >binary
    chmod +x binary
    refuses 126 'is neither a program for this machine nor a script$' ./binary
}

@test "scripts: the interpreter is looked at" {
    printf '#!/nowhere/interpreter\n' >a
    printf '#!\n' >b
    echo 'int main(void) { return 0; }' | gcc -static -x c -o static -
    printf '#! %s/static -x\n' "$PWD" >c
    printf '#!./c\n' >d
    printf '#!./e\n' >e
    chmod +x a b c d e
    refuses 126 '^heaptape: \./a: its interpreter /nowhere/interpreter does not exist$' ./a
    refuses 126 '^heaptape: \./b: names no interpreter behind its #!$' ./b
    refuses 126 '^heaptape: \./c: its interpreter .*/static is statically linked' ./c
    refuses 126 '^heaptape: \./d: its interpreter .*/static is statically linked' ./d
    refuses 126 'too many interpreters' ./e
}

@test "scripts run as the shell runs them" {
    printf '#!/bin/sh -e\necho "$0 $1"\n' >a
    printf 'echo "$0 $1"\n' >b
    : >empty
    chmod +x a b empty
    for script in a b empty; do
        ./$script x >bare
        capture "$heaptape" record -q -o $script.tape ./$script x
        expect_status 0
        expect_same bare out
        [ -s $script.tape ]
    done
}

# A place problem: status 1, one line, and the program has not run.
place() {
    capture "$heaptape" record -o "$2" sh -c 'echo ran'
    expect_status 1
    expect_line err "$1"
    [ ! -s out ]
}

@test "a folder that does not exist, or is none: 1" {
    place '/nowhere: no such directory, so .*/nowhere/x\.tape cannot be written$' nowhere/x.tape
    : >file
    place '/file: no such directory, so' file/x.tape
    mkdir folder
    place '/folder: is a directory; give the name of a file$' folder
    place '^heaptape: /dev/null: exists and is no regular file' /dev/null
    capture "$heaptape" record --force -o /dev/null true
    expect_status 1
    [ -c /dev/null ]
    capture "$heaptape" record -o "$(printf '%0300d' 0)" true
    expect_status 1
    expect_line err 'File name too long$'
}

@test "a folder that cannot be written: 1" {
    other=$(mktemp -d)
    cp "$heaptape" "$build/libheaptape.so" "$other/"
    mkdir "$other/locked"
    chmod 555 "$other" "$other/locked"
    as_user=()
    [ "$(id -u)" -ne 0 ] || as_user=(setpriv --reuid 12345 --clear-groups)
    capture "${as_user[@]}" "$other/heaptape" record -o "$other/locked/x.tape" true
    chmod 755 "$other" "$other/locked"
    rm -r "$other"
    expect_status 1
    expect_line err '/locked/x\.tape: cannot be written: Permission denied$'
}

@test "a full disk: 1" {
    mkdir full
    mount -t tmpfs -o size=16k tmpfs full 2>/dev/null || skip 'no permission to mount a small tmpfs'
    status=0
    capture "$heaptape" record -o full/x.tape sh -c 'echo ran' || true
    umount full
    expect_status 1
    expect_line err 'no room for a recording: No space left on device$'
    [ ! -s out ]
}

@test "a disk that fills up while recording: the program does not notice" {
    mkdir small
    mount -t tmpfs -o size=512k tmpfs small 2>/dev/null || skip 'no permission to mount a small tmpfs'
    LC_ALL=C "$heaptape" record -o small/x.tape perl -e 'my %h; $h{"key $_"} = "value $_" for 1 .. 100000; print scalar(keys %h), "\n"; exit 3' >out 2>err || status=$?
    [ "${status-0}" -eq 3 ] && [ "$(cat out)" = 100000 ]
    result=$?
    "$heaptape" report small/x.tape >report 2>&1 || reported=$?
    umount small
    [ $result -eq 0 ]
    [ "${reported-0}" -eq 1 ]
    grep -qE '[1-9][0-9,]* (events )?lost' report
}

@test "programs that leave no recording are named, behind the run and in reports" {
    echo 'int main(void) { return 0; }' >empty.c
    gcc -static -o static empty.c
    capture "$heaptape" record -o x.tape -- sh -c './static; ls >ls.out; ./static; env -i true; exit 3'
    expect_status 3
    expect_match err '^heaptape: 3 programs were started that left no recording: .*/static, which is statically linked \(2 times\); .*/true, which was started without LD_PRELOAD in its environment$'
    "$heaptape" report x.tape >report
    expect_match report '^Not seen: .*/static, which is statically linked and left no recording\.$'
    [ "$(grep -c '^Not seen' report)" -eq 2 ]
    "$heaptape" pack -q -o packed.tape x.tape
    "$heaptape" report packed.tape | grep -c '^Not seen' >count
    [ "$(cat count)" -eq 2 ]
    [ "$(find . -name 'heaptape-programs*' | wc -l)" -eq 0 ]
    capture "$heaptape" record -o y.tape -- sh -c 'ls >ls.out; true'
    expect_status 0
    [ "$(wc -l <err)" -eq 1 ]
    capture "$heaptape" record -q -o z.tape -- ./static
    expect_status 126
}

@test "no recorder beside the command: 1" {
    mkdir bin
    cp "$heaptape" bin/
    capture bin/heaptape record -o x.tape true
    expect_status 1
    expect_line err 'libheaptape\.so is neither in .*/bin nor in .*/bin/\.\./lib/heaptape'
    mkdir -p "with space/bin" "with space/lib/heaptape"
    cp "$heaptape" "with space/bin/"
    cp "$build/libheaptape.so" "with space/lib/heaptape/"
    capture "with space/bin/heaptape" record -o x.tape true
    expect_status 1
    expect_line err 'LD_PRELOAD cannot hold a path with a space or a colon'
}
