# SPDX-License-Identifier: MIT
# bash completion for heaptape; tests/cli/help.bats compares it with --help.

_heaptape_options() {
    local names='--no-fold --alloc-fn --no-demangle --debug-dir --debuginfod --no-cache'
    local view="--bottom-up --top-down --flat --threshold --depth -n --limit --filter $names --full-names --wide --json"
    case $1 in
    record)
        echo '-o --output -f --force -q --quiet --only --paused --max-size --python --allocator --mismatches --unwinder --clock' \
            '--buffer-events -h --help'
        ;;
    check)
        echo '--suppressions --no-default-suppressions --print-default-suppressions --show-suppressed' \
            '--gen-suppressions --fail-on-stale --fail-on-growth --fail-on-mismatch --fail-on-killed --fail-on-unrecorded --max-peak --max-peak-at' \
            '--max-allocs --max-allocs-at --max-leaked --max-leaked-at --error-exitcode --leak-kinds --show-leak-kinds --leak-check-heuristics' \
            '--leak-resolution --no-leak-kinds -o --output --log-file --log-fd --format --json' \
            '--junit --sarif --tap --xml --xml-file --xml-fd --github --lsan-options -q --quiet --python --only --allocator' \
            "-n --limit --depth $names --full-names --wide -h --help"
        ;;
    report) echo "-n --limit --depth --pid --exe $names --full-names --wide --json -h --help" ;;
    peak) echo "--at $view -h --help" ;;
    leaks) echo "--between --kinds --why --image $view -h --help" ;;
    massif)
        echo '-o --output --time-unit --threshold --detailed-freq --max-snapshots --depth' \
            "$names --pages-as-heap --heap-admin --alignment -h --help"
        ;;
    memory) echo "--rows -n --limit --pid --exe $names --full-names --wide --json -h --help" ;;
    dump) echo '--no-stacks --ticks --json -h --help' ;;
    pack) echo '-o --output -f --force --level --debug-dir --debuginfod --no-cache -q --quiet --json -h --help' ;;
    info) echo '--json -h --help' ;;
    esac
}

# What an option's argument may be: words, or the name of an action.
_heaptape_argument() {
    case $1:$2 in
    *:-o | *:--output | *:--suppressions | *:--log-file | *:--junit | *:--sarif | *:--tap | \
        *:--xml-file) echo file ;;
    *:--debug-dir) echo directory ;;
    *:--format) echo text memcheck lsan ;;
    *:--xml) echo yes no ;;
    pack:--level) echo 3 9 19 22 ;;
    *:--allocator) echo jemalloc tcmalloc mimalloc ;;
    *:--unwinder) echo rows libunwind verify ;;
    *:--clock) echo tsc monotonic ;;
    *:--time-unit) echo ms B ;;
    *:--leak-resolution) echo low med high ;;
    check:--leak-kinds | check:--show-leak-kinds | leaks:--kinds) echo definite indirect possible reachable all none ;;
    check:--leak-check-heuristics) echo stdstring length64 newarray multipleinheritance all none ;;
    peak:--at) echo peak end ;;
    *:-n | *:--limit | *:--rows | *:--depth | *:--threshold | *:--filter | *:--alloc-fn | *:--between | *:--buffer-events | \
        *:--only | *:--max-size | *:--error-exitcode | *:--max-peak | *:--max-peak-at | \
        *:--max-allocs | *:--max-allocs-at | *:--max-leaked | *:--max-leaked-at | *:--pid | *:--exe | \
        *:--why | *:--image | \
        *:--detailed-freq | *:--max-snapshots | *:--heap-admin | *:--alignment) echo none ;;
    esac
}

_heaptape() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command argument i
    local commands='record check report peak leaks memory massif dump pack info'
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$commands --help --version" -- "$cur")
        return
    fi
    command=${COMP_WORDS[1]}
    argument=$(_heaptape_argument "$command" "$prev")
    case $argument in
    directory) mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    file) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    none) ;;
    ?*) mapfile -t COMPREPLY < <(compgen -W "$argument" -- "$cur") ;;
    *)
        if [ "$command" = record ] || [ "$command" = check ]; then
            # Behind the program its own files are meant.
            for ((i = 2; i < COMP_CWORD; i++)); do
                case ${COMP_WORDS[i]} in
                --) [ $((i + 1)) -lt "$COMP_CWORD" ] && mapfile -t COMPREPLY < <(compgen -f -- "$cur") && return ;;
                -*) [ "$(_heaptape_argument "$command" "${COMP_WORDS[i]}")" ] && ((i++)) ;;
                *) mapfile -t COMPREPLY < <(compgen -f -- "$cur") && return ;;
                esac
            done
        fi
        case $command:$cur in
        *:-*) mapfile -t COMPREPLY < <(compgen -W "$(_heaptape_options "$command")" -- "$cur") ;;
        record:* | check:*) mapfile -t COMPREPLY < <(compgen -c -- "$cur") ;;
        *) mapfile -t COMPREPLY < <(compgen -f -X '!*.tape*' -- "$cur" && compgen -d -- "$cur") ;;
        esac
        ;;
    esac
}

complete -o filenames -F _heaptape heaptape
