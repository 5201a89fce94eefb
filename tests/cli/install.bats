#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# make install puts everything in place, the installed command works, uninstall leaves nothing.

load ../helpers

@test "install, use, uninstall" {
    make -s -o all -C "$top" B="$build" PREFIX=/opt/ht DESTDIR="$PWD/stage" install
    (cd stage && find . -type f | sort) >files
    cat files
    for file in bin/heaptape lib/heaptape/libheaptape.so include/heaptape/heaptape.h \
        share/man/man1/heaptape.1 share/man/man1/heaptape-record.1 \
        share/bash-completion/completions/heaptape share/zsh/site-functions/_heaptape; do
        grep -qx "./opt/ht/$file" files
    done
    [ "$(stat -c %a stage/opt/ht/bin/heaptape)" = 755 ]

    # the installed command finds its own library, from anywhere and through a symbolic link
    ln -s "$PWD/stage/opt/ht/bin/heaptape" link
    cd /
    "$OLDPWD/link" record -q -o "$OLDPWD/x.tape" env >"$OLDPWD/out"
    cd "$OLDPWD"
    grep -qx "LD_PRELOAD=$PWD/stage/opt/ht/lib/heaptape/libheaptape.so" out
    [ -s x.tape ]

    # and so does its other name
    [ "$(readlink stage/opt/ht/bin/heaptape-memcheck)" = heaptape ]
    "$PWD/stage/opt/ht/bin/heaptape-memcheck" -q --log-file=log --tool=memcheck true
    [ -e log ] && [ ! -s log ]

    # the header alone is enough for a program
    printf '#include <heaptape/heaptape.h>\nint main(void) { heaptape_mark("here"); return heaptape_active(); }\n' >p.c
    for compiler in gcc g++; do
        $compiler -Wall -Wextra -Werror -Istage/opt/ht/include -o p p.c
        ./p
        status=0
        stage/opt/ht/bin/heaptape record -q -f -o p.tape ./p || status=$?
        [ "$status" -eq 1 ]
    done

    make -s -C "$top" B="$build" PREFIX=/opt/ht DESTDIR="$PWD/stage" uninstall
    [ -z "$(find stage ! -type d)" ]
}

@test "the recorder needs nothing but libc and exports nothing but libc's names and its own" {
    readelf -d "$build/libheaptape.so" | grep NEEDED >needed
    [ "$(grep -vcE '\[(libc\.so\.6|ld-linux-x86-64\.so\.2)\]' needed)" -eq 0 ]
    nm -D --defined-only "$build/libheaptape.so" | awk '{ sub(/@.*/, "", $3); print $3 }' | sort -u >exported
    cat exported
    nm -D --defined-only "$(gcc -print-file-name=libc.so.6)" | awk '{ sub(/@.*/, "", $3); print $3 }' | sort -u >libc
    comm -23 exported libc | grep -v '^heaptape_' >foreign || true
    # cfree left glibc in 2.26, and programs built before that still call it
    [ "$(grep -vcx cfree foreign)" -eq 0 ]
}
