#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Memory of the analyzer: that of the live blocks and the distinct stacks, whatever the number of
# events. bench/large shows the same for recordings of billions.

load ../helpers

# Peak resident KiB of a command. By a small program: a process that is forked starts with the peak
# of the one that forked it.
peak() {
    ./measure figures 1 '' '' "$@" >out
    read -r _ _ kib status <figures
    [ "$status" -eq 0 ] && echo "$kib"
}

@test "info and report of 2*10^7 events need the memory of 2*10^5" {
    gcc -O2 -fno-builtin -fno-optimize-sibling-calls -pthread -o micro "$top/bench/micro.c"
    gcc -O2 -D_GNU_SOURCE -o measure "$top/bench/measure.c"
    "$heaptape" record -q -o short.tape -- ./micro pairs 20 100000 2
    "$heaptape" record -q -o long.tape -- ./micro pairs 20 10000000 2
    for command in info report; do
        "$heaptape" $command --json long.tape >long.json
        [ "$(json long.json completeness.events)" -ge 20000000 ]
        short=$(peak "$heaptape" $command short.tape)
        long=$(peak "$heaptape" $command long.tape)
        echo "$command: $short KiB, $long KiB"
        # what is known of the chunks of the tape grows with it, some bytes for ten thousand events
        [ $((long - short)) -lt 2048 ]
    done
}
