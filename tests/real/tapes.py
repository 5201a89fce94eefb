#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the tapes of many processes hold, beside what the processes know themselves.

tapes.py own NOTES TAPE...   the pairs of processes/own.h: NOTES has a line "PID PAIRS" for every
                             image, in order; each must have a complete tape with exactly these
tapes.py loss NOTES TAPE...  the same, but events may be missing if they are counted as lost, and
                             the tape's report then says so
tapes.py complete TAPE...    every tape can be read, and nothing is lost or damaged
tapes.py lineage TAPE...     lines "FILE PID ID PARENT-FILE PARENT-ID FORK-STAMP", - where unknown

TAPE may be a directory: all tapes in it. The environment variable heaptape names the command.
"""
import collections
import functools
import json
import os
import subprocess
import sys

OWN_SIZE = b"size=4242"
RECORDERS_OWN = 64  # records of the recorder itself (threads, modules) that may be among the lost

Info = collections.namedtuple("Info", "path pid id parent parent_id fork start")


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def info_of(path):
    """The INFO chunk, which is the first of the file (docs/FORMAT.md)."""
    with open(path, "rb") as file:
        head = file.read(64)
        assert head[:8] == b"\x89HTAPE\r\n", path + ": no tape"
        file.seek(64 + 32)
        chunk = file.read(64)
        assert chunk[4] == 1, path + ": does not start with INFO"
        payload = file.read(int.from_bytes(chunk[8:12], "little"))
    fields, at = {}, 0
    while at < len(payload):
        tag, at = varint(payload, at)
        length, at = varint(payload, at)
        fields[tag] = payload[at:at + length]
        at += length
    number = lambda tag: varint(fields[tag], 0)[0] if tag in fields else None
    return Info(path, number(5), head[24:40].hex(),
                fields[18].decode() if 18 in fields else None,
                fields[19].hex() if 19 in fields else None, number(20), number(13))


def tapes_of(arguments):
    for path in arguments:
        names = [path]
        if os.path.isdir(path):
            names = [os.path.join(path, name) for name in os.listdir(path)]
        for name in sorted(names):
            if not name.endswith(".tail"):
                yield info_of(name)


@functools.lru_cache(maxsize=8)
def run(*arguments):
    """heaptape's answer; run.cache_clear() when the tapes are others."""
    result = subprocess.run([os.environ["heaptape"], *arguments], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, check=False)
    assert result.returncode in (0, 1), (arguments, result.returncode, result.stderr)
    return result


def own_events(path):
    """Allocations and frees of own blocks, and whether the tape is complete. A block that nobody
    allocated is an own one whose allocation was lost, or that a child inherited; `strays` of them."""
    dump = run("dump", "--no-stacks", path)
    live, allocations, frees, strays = {}, 0, 0, 0
    for line in dump.stdout.splitlines():
        words = line.split(b" ", 6)
        if words[3] in (b"free", b"realloc_from"):
            own = live.pop(words[4], None)
            frees += own is True
            strays += own is None
        elif words[4].startswith(b"address="):
            own = words[5] == OWN_SIZE
            live[words[4]] = own
            allocations += own
    return allocations, frees, strays, dump.returncode == 0


def calls(path):
    """Every call of the program that the tape has, whatever it was for."""
    names = (b"sample", b"thread", b"mark", b"module_load", b"module_unload")
    dump = run("dump", "--no-stacks", path)
    return sum(line.split(b" ", 4)[3] not in names for line in dump.stdout.splitlines())


def completeness(path):
    return json.loads(run("report", "--json", "-n", "1", path).stdout)["completeness"]


def compare(notes_path, paths, losses=None):
    """What is wrong, as lines. `losses`: a list, events may be missing and their numbers go there."""
    loss_allowed = losses is not None
    notes = collections.defaultdict(list)
    with open(notes_path) as file:
        for line in file:
            pid, pairs = line.split()
            notes[int(pid)].append(int(pairs))
    tapes = collections.defaultdict(list)
    for info in sorted(tapes_of(paths), key=lambda info: info.start):
        tapes[info.pid].append(info)
    wrong = []
    for pid in sorted(set(notes) | set(tapes)):
        found = [(info, *own_events(info.path)) for info in tapes[pid]]
        for info, _, _, _, complete in found:
            if not complete and not loss_allowed:
                wrong.append(f"{info.path}: not complete: {completeness(info.path)}")
        found = [f for f in found if f[1] != 0 or f[2] != 0 or not f[4]]
        wanted = [pairs for pairs in notes[pid] if pairs != 0]
        if len(found) != len(wanted):
            wrong.append(f"process {pid}: {len(wanted)} images with events, {len(found)} on tape")
            continue
        for (info, allocations, frees, strays, complete), pairs in zip(found, wanted):
            missing = 2 * pairs - allocations - frees - strays
            text = f"{info.path}: {allocations} + {frees} events of {pairs} pairs"
            if not loss_allowed:
                if allocations != pairs or frees != pairs:
                    wrong.append(text)
                continue
            lost = completeness(info.path)["lost"]
            losses.append(lost)
            if not missing <= lost <= missing + RECORDERS_OWN or complete != (lost == 0):
                wrong.append(f"{text}, {lost} lost")
            if lost != 0:
                report = run("report", info.path)
                if report.returncode != 1 or f"{lost:,} lost" not in report.stdout.decode():
                    wrong.append(f"{info.path}: the report does not show {lost} lost")
    if not notes:
        wrong.append(f"{notes_path} is empty")
    return wrong


def main():
    what, arguments = sys.argv[1], sys.argv[2:]
    wrong = []
    if what in ("own", "loss"):
        losses = [] if what == "loss" else None
        wrong = compare(arguments[0], arguments[1:], losses)
        if losses:
            print("lost:", *losses)
    elif what == "complete":
        tapes = list(tapes_of(arguments))
        wrong = [] if tapes else ["there is no tape"]
        wrong += [f"{t.path}: not complete: {completeness(t.path)}" for t in tapes
                  if run("dump", "--no-stacks", t.path).returncode != 0]
    elif what == "lineage":
        for t in tapes_of(arguments):
            print(*[f if f is not None else "-" for f in
                    (os.path.basename(t.path), t.pid, t.id, t.parent, t.parent_id, t.fork)])
    else:
        sys.exit(__doc__)
    for line in wrong[:20]:
        print(line)
    sys.exit(len(wrong) > 0)


if __name__ == "__main__":
    main()
