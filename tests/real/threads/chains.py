# SPDX-License-Identifier: MIT
"""Turns `heaptape dump` on stdin into "COUNT OP SIZE CHAIN", a line for each that occurs.

chains.py PROGRAM: the chain is innermost first, joined by "<": functions of the program by name
(its symbol table), frames of other modules by the module's name, several in a row as one.
"""
import bisect
import collections
import os
import subprocess
import sys

# Millions of events: awk counts them, each distinct stack comes here once.
COUNT = """$1 == "stack" { print; next }
$NF ~ /^stack=/ { n[$4 " " substr($6, 6) " " substr($NF, 7)]++ }
END { for (k in n) print n[k], k }"""


def functions(program):
    """Addresses and names of the program's functions, ascending."""
    text = subprocess.run(["nm", "--defined-only", program], stdout=subprocess.PIPE, check=True)
    found = sorted((int(a, 16), name) for a, kind, name in
                   (line.split() for line in text.stdout.decode().splitlines()) if kind in "tT")
    return [a for a, _ in found], [name for _, name in found]


def main():
    program = os.path.realpath(sys.argv[1])
    addresses, names = functions(program)
    chain, total = {"0": ""}, collections.Counter()
    counted = subprocess.run(["awk", COUNT], stdin=sys.stdin, stdout=subprocess.PIPE, check=True)
    for line in counted.stdout.decode().splitlines():
        word = line.split()
        if word[0] != "stack":
            total[word[1], word[2], chain[word[3]]] += int(word[0])
            continue
        caller = chain[word[2][len("caller="):]]
        module, _, offset = word[-1].rpartition("+")
        if module == program: # a return address: the call is in front of it
            frame = names[bisect.bisect_right(addresses, int(offset, 16) - 1) - 1]
        else:
            frame = os.path.basename(module) or "?"
            if caller == frame or caller.startswith(frame + "<"):
                chain[word[1]] = caller
                continue
        chain[word[1]] = frame + "<" + caller if caller else frame
    for (op, size, stack), count in sorted(total.items()):
        print(count, op, size, stack)


main()
