# SPDX-License-Identifier: MIT
"""compare.py RESOLVE [--sample N] FILE...: the symbolizer beside llvm-symbolizer, at every call of
the files, or at N spread evenly over each.

For each file prints how many addresses there are, how many agree in all functions, files and lines
of the chain of inlined functions (without lines: in the function's name), and the others by what
differs, with an example each. Exit status 1 when the chains themselves (how many functions, which lines) agree at
fewer than 99 % of the addresses that both know lines for."""
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


def starts(path):
    """Where the functions of the symbol tables begin, by name."""
    found = {}
    for table in ([], ["-D"]):
        text = subprocess.run(["nm", *table, path], capture_output=True, text=True).stdout
        for line in text.splitlines():
            words = line.split()
            if len(words) == 3:
                found[words[2].split("@")[0]] = words[0]
    return found


def kind_of_name(a, b, start):
    """Of the function whose code it is."""
    if a == b:
        return None
    if start.get(a) is not None and start.get(a) == start.get(b):
        return "another name of the same code"
    if a == "??":
        return "no name here"
    return "llvm-symbolizer knows no name" if b == "??" else "name of the function"


def kind_of_difference(a, b, start):
    """None: the same. Names are compared where both have a linkage name."""
    if b[0][1] == "??" and a[0][1] == "??":
        return kind_of_name(a[-1][0].split("@")[0], b[-1][0].split("@")[0], start)
    if b[0][1] == "??":
        return "llvm-symbolizer knows no source"
    if a[0][1] == "??":
        return kind_of_name(a[-1][0].split("@")[0], b[-1][0].split("@")[0], start) or "no source here"
    if len(a) != len(b):
        return "depth of inlining"
    if [x[2] for x in a] != [x[2] for x in b]:
        return "lines"
    if [x[1] for x in a] != [x[1] for x in b]:
        return "files"
    for (x, _, _), (y, _, _) in zip(a[:-1], b[:-1]):
        if x != y:
            return "name of an inlined function"
    return kind_of_name(a[-1][0], b[-1][0], start)


def compare(resolve, path, sample):
    addresses = calls(path)
    if sample is not None and len(addresses) > sample:
        addresses = [addresses[i * len(addresses) // sample] for i in range(sample)]
    start = starts(path)
    same = known = structure = 0
    others, examples = Counter(), {}
    for address, a, b in zip(addresses, ours(resolve, path, addresses), theirs(path, addresses)):
        kind = kind_of_difference(a, b, start)
        both = a[0][1] != "??" and b[0][1] != "??"
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


files, only = sys.argv[2:], None
if files[0] == "--sample":
    only, files = int(files[1]), files[2:]
results = [compare(sys.argv[1], path, only) for path in files]
sys.exit(not all(results))
