# SPDX-License-Identifier: MIT
"""compare.py RESOLVE FILE...: the symbolizer beside llvm-symbolizer, at every call of the files.

For each file prints how many addresses there are, how many agree in all functions, files and lines
of the chain of inlined functions, and the others by what differs, with an example each. Exit status 1
when the chains themselves (how many functions, which lines) agree at fewer than 99 % of the addresses
that both know lines for."""
import os
import subprocess
import sys
from collections import Counter


def calls(path):
    """The byte before the return address of every call, as the symbolizer is asked."""
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", path], check=True,
                          capture_output=True, text=True).stdout
    found, before = [], False
    for line in text.splitlines():
        head, tab, code = line.partition(":\t")
        if not tab:
            before = False
            continue
        if before:
            found.append(int(head, 16) - 1)
        before = code.startswith("call")
    return found


def chain(lines):
    return [(name, os.path.basename(source), number) for name, source, number in lines]


def ours(resolve, path, addresses):
    text = subprocess.run([resolve, path], input="\n".join(f"{a:x}" for a in addresses), check=True,
                          capture_output=True, text=True).stdout
    for block in text.split("\n\n")[:len(addresses)]:
        lines = [line.rsplit("|", 2) for line in block.split("\n") if line]
        yield chain((name, source, int(number)) for name, source, number in lines)


def theirs(path, addresses):
    text = subprocess.run(["llvm-symbolizer", "--inlining", "--no-demangle", "-e", path],
                          input="\n".join(f"0x{a:x}" for a in addresses), check=True,
                          capture_output=True, text=True).stdout
    for block in text.split("\n\n")[:len(addresses)]:
        lines = block.strip("\n").split("\n")
        yield chain((name, place.rsplit(":", 2)[0], int(place.rsplit(":", 2)[1]))
                    for name, place in zip(lines[::2], lines[1::2]))


def kind_of_difference(a, b):
    """None: the same. Names are compared where both have a linkage name."""
    if not a or b[0][1] == "??":
        return None if (not a or a[0][1] == "??") else "llvm-symbolizer knows no source"
    if a[0][1] == "??":
        return "no source here"
    if len(a) != len(b):
        return "depth of inlining"
    if [x[2] for x in a] != [x[2] for x in b]:
        return "lines"
    if [x[1] for x in a] != [x[1] for x in b]:
        return "files"
    for (x, _, _), (y, _, _) in zip(a[:-1], b[:-1]):
        if x != y:
            return "name of an inlined function"
    return None if a[-1][0] == b[-1][0] else "name of the function"


def compare(resolve, path):
    addresses = calls(path)
    same = known = structure = 0
    others, examples = Counter(), {}
    for address, a, b in zip(addresses, ours(resolve, path, addresses), theirs(path, addresses)):
        kind = kind_of_difference(a, b)
        both = bool(a) and a[0][1] != "??" and b[0][1] != "??"
        known += both
        structure += both and kind not in ("depth of inlining", "lines", "files")
        if kind is None:
            same += 1
        else:
            others[kind] += 1
            examples.setdefault(kind, (address, a, b))
    inlined = sum(1 for a in ours(resolve, path, addresses) if len(a) > 1)
    print(f"{os.path.basename(path)}: {len(addresses)} calls, {inlined} in inlined functions, "
          f"{known} with lines; the same at {same}")
    for kind, count in others.most_common():
        address, a, b = examples[kind]
        print(f"  {count} differ in {kind}, e.g. {address:#x}:\n    {a}\n    {b}")
    return known == 0 or structure >= 0.99 * known


results = [compare(sys.argv[1], path) for path in sys.argv[2:]]
sys.exit(not all(results))
