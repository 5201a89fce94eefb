#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fail_each.py LIBRARY PROGRAM: runs PROGRAM (faults/failing.c) once for each call for resources
that its recorder makes, with that one failing. Output and status are always the same; what is not on
a tape is counted as lost, or the program's stderr says that there is no recording."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tapes  # noqa: E402

QUIET = 20  # so many runs without an effect in a row: behind the last call

library, program = sys.argv[1:]


def run(n=None):
    """One run, bare or recorded with the nth call failing (0: none)."""
    tapes.run.cache_clear()
    shutil.rmtree("tapes", ignore_errors=True)
    os.mkdir("tapes")
    if os.path.exists("notes"):
        os.remove("notes")
    env = dict(os.environ, OWN="notes")
    if n is not None:
        env.update(HEAPTAPE_OUT="tapes/x", HEAPTAPE_BUFFER_EVENTS="64", LD_PRELOAD=library,
                   HEAPTAPE_FAIL_CALL=str(n))
    result = subprocess.run([program], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            check=False)
    said = [line for line in result.stderr.decode().splitlines() if line.startswith("heaptape: ")]
    rest = [line for line in result.stderr.decode().splitlines() if line not in said]
    return (result.returncode, result.stdout, rest), said


def kept_and_lost():
    """For parent and child: calls on the tape, and losses that its report shows."""
    with open("notes") as file:
        child = int(file.readline().split()[0])
    found = {}
    for tape in tapes.tapes_of(["tapes"]):
        found[tape.pid == child] = (tapes.calls(tape.path), tapes.completeness(tape.path)["lost"])
    return found


bare, _ = run()
assert bare[0] == 6, bare
run(0)
wanted = kept_and_lost()
assert len(wanted) == 2 and all(lost == 0 for _, lost in wanted.values()), wanted
n = quiet = failed = 0
wrong = []
while quiet < QUIET:
    n += 1
    recorded, said = run(n)
    found = [f"differs from bare: {recorded}"] if recorded != bare else []
    counts = kept_and_lost()
    effect = bool(said)
    for child in wanted:
        if child not in counts:
            if not said:
                found.append("no tape, and not a word about it")
            continue
        kept, lost = counts[child]
        missing = wanted[child][0] - kept
        if not missing <= lost <= missing + tapes.RECORDERS_OWN:
            found.append(f"{missing} calls missing, {lost} counted as lost")
        effect = effect or lost != 0
    recorded_pids = {t.pid for t in tapes.tapes_of(["tapes"])}
    with open("notes") as file, open("notes.recorded", "w") as copy:
        copy.writelines(line for line in file if int(line.split()[0]) in recorded_pids)
    if recorded_pids:
        found += tapes.compare("notes.recorded", ["tapes"], [])
    quiet = 0 if effect else quiet + 1
    failed += effect
    wrong += [f"call {n}: {line}" for line in found]
print(f"{n - QUIET} calls, {failed} of them missed when they fail")
for line in wrong[:20]:
    print(line)
if failed < 15:
    print("too few: does the option still work?")
sys.exit(bool(wrong) or failed < 15)
