# SPDX-License-Identifier: MIT
"""Kills a recorded program at random moments and looks for every event it had reported.

kill.py HEAPTAPE LIBRARY REPORTER ROUNDS: the reporter writes each completed call to a pipe. With
buffers of 64 events about every second kill falls into writing a buffer out or moving the window
of the tape. Exit status 1 when a reported call is missing from a recording.
"""
import os
import random
import signal
import subprocess
import sys
import time


def run_and_kill(library, reporter, tape, moment):
    """Reports of one run: a list of "OP ADDRESS [SIZE]", cut where the kill cut it."""
    read_end, write_end = os.pipe()
    env = {**os.environ, "LD_PRELOAD": library, "HEAPTAPE_OUT": tape, "HEAPTAPE_LAUNCHER": "1",
           "HEAPTAPE_BUFFER_EVENTS": "64"}

    def hand_over():
        os.dup2(write_end, 3)

    target = subprocess.Popen([reporter], env=env, preexec_fn=hand_over, close_fds=False,
                              stdout=subprocess.DEVNULL)
    os.close(write_end)
    data, started, killed = [], time.monotonic(), False
    while True:
        piece = os.read(read_end, 65536)
        if not piece:
            break
        data.append(piece)
        if not killed and time.monotonic() - started >= moment:
            target.send_signal(signal.SIGKILL)
            killed = True
    os.close(read_end)
    if target.wait() != -signal.SIGKILL:
        sys.exit(f"the reporter ended by itself: {target.returncode}")
    lines = b"".join(data).decode("ascii").split("\n")
    return [line[:-2] if line.startswith("free ") else line for line in lines[:-1]]


def events_of(heaptape, events_awk, tape):
    """The recording's events in the reports' form."""
    dump = subprocess.run([heaptape, "dump", tape], stdout=subprocess.PIPE, check=False)
    if dump.returncode not in (0, 1):
        sys.exit(f"dump ended with {dump.returncode}")
    plain = subprocess.run(["awk", "-v", "all=1", "-f", events_awk], input=dump.stdout,
                           stdout=subprocess.PIPE, check=True)
    return plain.stdout.decode("ascii").split("\n")[:-1]


def missing(reported, events):
    """None when the reports are a contiguous part of the events, from the first report on."""
    try:
        at = events.index(reported[0])
    except ValueError:
        return f"first report {reported[0]} is not in the recording"
    for i, line in enumerate(reported):
        if at + i >= len(events):
            return f"{len(reported) - i} of {len(reported)} reported events are missing at the end"
        if events[at + i] != line:
            return f"report {i} says {line}, the recording {events[at + i]}"
    return None


def main():
    heaptape, library, reporter, rounds = sys.argv[1:5]
    events_awk = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../workloads/events.awk")
    seed = int(os.environ.get("SEED", random.SystemRandom().randrange(1 << 32)))
    rng = random.Random(seed)
    print(f"SEED={seed}")
    total = failures = 0
    for i in range(int(rounds)):
        tape = os.path.abspath(f"kill{i}.tape")
        reported = run_and_kill(library, reporter, tape, rng.uniform(0.001, 0.06))
        total += len(reported)
        if reported:
            why = missing(reported, events_of(heaptape, events_awk, tape))
            if why:
                failures += 1
                print(f"round {i}: {why} (kept: {tape})")
                continue
        for name in (tape, tape + ".tail"):
            if os.path.exists(name):
                os.unlink(name)
    print(f"{rounds} kills, {total} reported events, {failures} recordings with missing ones")
    sys.exit(1 if failures or total < 1000 else 0)


main()
