#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# --help, man pages and completion say the same.

load ../helpers

commands() {
    "$heaptape" --help | awk '/^Commands:/ { on = 1; next } /^$/ { on = 0 } on { print $1 }'
}

# The options in a command's --help, one a line, as typed: -o, --output.
options() {
    "$heaptape" "$1" --help | awk '/^Options:/ { on = 1; next } /^$/ { on = 0 } on { print $1, $2 }' |
        grep -oE -- '(^| )--?[a-z][a-z-]*' | tr -d ' ' | sort -u
}

@test "every command has --help on stdout, and there are some" {
    [ "$(commands | wc -l)" -ge 7 ]
    for command in $(commands); do
        capture "$heaptape" "$command" --help
        expect_status 0
        [ ! -s err ]
        expect_match out "^Usage: heaptape $command "
        options "$command" | grep -qx -- --help
    done
}

@test "--version" {
    capture "$heaptape" --version
    expect_status 0
    expect_line out '^heaptape [0-9]+\.[0-9]+\.[0-9]+$'
}

@test "no command, or an unknown one: one line and status 2" {
    capture "$heaptape"
    expect_status 2
    expect_line err '^heaptape: '
    capture "$heaptape" nonsense
    expect_status 2
    expect_line err "^heaptape: no command 'nonsense'"
}

@test "an unknown option, a missing argument, a missing file: one line and status 2" {
    for command in $(commands); do
        for arguments in --no-such-option ''; do
            # shellcheck disable=SC2086 # none or one word
            capture "$heaptape" "$command" $arguments
            expect_status 2
            expect_line err "^heaptape: $command: .*--help"
            [ ! -s out ]
        done
    done
}

@test "man pages list the options of --help, no more and no fewer" {
    for command in $(commands); do
        page=$top/man/heaptape-$command.1
        [ -e "$page" ] || { echo "no $page"; return 1; }
        sed -n 's/^\.It \(Fl .*\)/\1/p' "$page" |
            awk '{ gsub(/ Ns|=| , /, " "); for (i = 1; i < NF; i++) if ($i == "Fl") print "-" $(i + 1) }' |
            sort -u >page
        options "$command" >help
        diff help page
        grep -q "heaptape-$command 1" "$top/man/heaptape.1"
    done
}

@test "man pages are well formed" {
    mandoc -Tlint -Wwarning "$top"/man/*.1
}

@test "bash completes the options of --help, no more and no fewer" {
    for command in $(commands); do
        options "$command" >help
        bash -c '
            . "$1/completions/heaptape.bash"
            COMP_WORDS=(heaptape "$2" -) COMP_CWORD=2
            _heaptape
            printf "%s\n" "${COMPREPLY[@]}"' - "$top" "$command" | sort -u >completed
        diff help completed
    done
    commands | sort >help
    bash -c '
        . "$1/completions/heaptape.bash"
        COMP_WORDS=(heaptape "") COMP_CWORD=1
        _heaptape
        printf "%s\n" "${COMPREPLY[@]}"' - "$top" | grep -v '^-' | sort >completed
    diff help completed
}

@test "bash completes values, programs and recordings" {
    touch a.tape b.txt
    complete_last() {
        bash -c '
            . "$1/completions/heaptape.bash"
            shift
            COMP_WORDS=(heaptape "$@") COMP_CWORD=$#
            _heaptape
            printf "%s\n" "${COMPREPLY[@]}"' - "$top" "$@"
    }
    [ "$(complete_last record --unwinder ve)" = verify ]
    [ "$(complete_last report '')" = a.tape ]
    complete_last record -o x -- sqli | grep -qx sqlite3
    [ "$(complete_last record -o x -- cat b)" = b.txt ]
}

@test "zsh completes the options of --help, no more and no fewer" {
    zsh -n "$top/completions/_heaptape"
    for command in $(commands); do
        options "$command" >help
        # _arguments, called with its specifications: they are what zsh would offer
        zsh -f -c '
            _arguments() { print -rl -- "$@" }
            _describe() { : }
            words=(heaptape)
            . "$1/completions/_heaptape" >/dev/null
            words=("$2")
            _heaptape_command' - "$top" "$command" |
            sed -E 's/^\([^)]*\)//; s/^\*//' | grep -oE '^--?[a-z][a-z-]*\[?' | tr -d '[' | grep -v '^-S$' |
            sort -u >completed
        diff help completed
    done
}

@test "the manual of record documents every option of the recorder" {
    sed -n 's/^OPTION(\([A-Z_]*\),.*/HEAPTAPE_\1/p' "$top/preload/options.def" | sort >options
    sed -n 's/^\.It Ev \(HEAPTAPE_[A-Z_]*\)$/\1/p' "$top/man/heaptape-record.1" | sort >documented
    [ -s options ]
    expect_same options documented
}
