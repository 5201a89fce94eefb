# SPDX-License-Identifier: MIT
"""compare.py HEAPTAPE NOTES TAPE...: the stacks that a program noted (probe.py) beside those of its tapes.

Every noted stack must stand in the tape of its process: the same functions, files and lines in the same
order, and each run of Python frames directly inside a frame of the interpreter's loop."""

import glob
import json
import re
import subprocess
import sys


def loops(path):
    """Address ranges of the interpreter's loop in a file."""
    text = subprocess.run(["readelf", "-W", "--dyn-syms", path], capture_output=True, text=True, check=True).stdout
    return [(int(m[1], 16), int(m[2])) for m in re.finditer(
        r": ([0-9a-f]+) +(\d+) FUNC .* _PyEval_EvalFrameDefault\b", text)]


class Tape:
    def __init__(self, heaptape, path):
        self.frame, self.caller, self.code, self.block, self.python = {}, {}, {}, {}, 0
        dump = subprocess.run([heaptape, "dump", "--json", path], capture_output=True, text=True, check=True).stdout
        self.pid = None
        for line in dump.splitlines():
            e = json.loads(line)
            if e["op"] == "stack":
                self.frame[e["stack"]], self.caller[e["stack"]] = e, e["caller"]
            elif e["op"] == "python" and "code" in e:
                self.code[e["code"]] = e["name"], e["file"]
            elif e["op"] == "malloc":
                self.block[e["size"]] = e["stack"]
                self.pid = self.pid or e["tid"]

    def stack(self, number):
        """Frames from the inside out: (name, file, line), or (module, offset) of native ones."""
        while number != 0:
            e = self.frame[number]
            yield (*self.code[e["code"]], e["line"]) if "code" in e else (e.get("module"), e.get("offset"))
            number = self.caller[number]


ranges = {}


def in_loop(frame):
    module, offset = frame
    if module is None:
        return False
    if module not in ranges:
        ranges[module] = loops(module)
    return any(start < offset <= start + size for start, size in ranges[module])


def check(tape, size, expected):
    frames = list(tape.stack(tape.block[size]))
    found = [list(f) for f in frames if len(f) == 3]
    assert found == expected, f"size {size}:\nexpected {expected}\nfound    {found}"
    for inner, outer in zip(frames, frames[1:] + [(None, None)]):
        assert len(inner) == 2 or len(outer) == 3 or in_loop(outer), f"{inner} stands in {outer}"


def main(heaptape, notes, *paths):
    tapes = [Tape(heaptape, p) for p in paths]
    files = glob.glob(glob.escape(notes) + ".*")
    assert files, "no notes"
    count = 0
    for name in files:
        with open(name, encoding="utf-8") as lines:
            own = [json.loads(line) for line in lines]
        holders = [t for t in tapes if all(size in t.block for size, _ in own)]
        pid = int(name.rsplit(".", 1)[1])
        tape = [t for t in holders if t.pid == pid] or holders
        assert tape, f"{name}: no tape has its blocks"
        for size, expected in own:
            check(tape[0], size, expected)
            count += 1
    print(f"{count} stacks, {len(files)} processes")


main(*sys.argv[1:])
