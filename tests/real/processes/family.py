#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""family.py TAPES.PY OUTPUT TAPES: what processes/family.c printed beside its tapes: each child
names its parent, the fork lies between the right events of the parent, and the child's tape has the
release of the block that it inherited."""
import os
import subprocess
import sys

tapes_py, output, directory = sys.argv[1:]
lineage, by_pid = subprocess.run([sys.executable, tapes_py, "lineage", directory], check=True,
                                 stdout=subprocess.PIPE, text=True).stdout, {}
for line in lineage.splitlines():
    name, pid, id, parent, parent_id, fork = line.split()
    by_pid[int(pid)] = (name, id, parent, parent_id, fork)
assert len(by_pid) == 4, lineage


def events(name):
    """Lines of dump as (ticks, operation, {key: value})."""
    text = subprocess.run([os.environ["heaptape"], "dump", "--ticks", "--no-stacks",
                           os.path.join(directory, name)], check=True, stdout=subprocess.PIPE,
                          text=True).stdout
    for line in text.splitlines():
        words = line.split()
        yield int(words[0]), words[3], dict(w.split("=", 1) for w in words[4:] if "=" in w)


def ticks_of(name, size):
    found = [t for t, _, values in events(name) if values.get("size") == str(size)]
    assert len(found) == 1, (name, size, found)
    return found[0]


forks = 0
for line in open(output):
    what, *words = line.split()
    if what == "fork":
        parent, child, before, behind = map(int, words)
        name, id, _, _, _ = by_pid[parent]
        _, _, parent_name, parent_id, fork = by_pid[child]
        assert (parent_name, parent_id) == (name, id), (by_pid[parent], by_pid[child])
        first, last = ticks_of(name, before), ticks_of(name, behind)
        # A child of a raw clone gives its own first event: that may be behind the parent's next.
        assert first <= int(fork), (first, fork)
        assert forks == 2 or int(fork) <= last, (fork, last)
        forks += 1
    elif what == "inherited":
        name = by_pid[int(words[0])][0]
        found = [op for _, op, values in events(name) if values.get("address") == words[1]]
        assert found[:1] == ["free"], (name, words, found)
assert forks == 3, forks
