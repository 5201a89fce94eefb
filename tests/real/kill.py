# SPDX-License-Identifier: MIT
"""Kills a recorded program and looks for every event it had reported.

kill.py HEAPTAPE LIBRARY REPORTERS THREADS ROUNDS: the reporters write each completed call to a
pipe; buffers have 64 events. The target is stopped by ptrace and never goes on: its registers say
where SIGKILL hit it. A quarter of the kills come at any moment, the others where they hurt: half of
all while a thread writes its buffer out (the recorder does that on a stack of its own), a quarter
at a system call there that makes a buffer or moves the window of the tape.

Exit status 1 when a reported call is missing from a recording, a recording says that events are
lost, or fewer than half of the kills landed in the writing.
"""
import collections
import ctypes
import os
import random
import signal
import subprocess
import sys
import threading
import time

SEIZE, INTERRUPT, GETREGS, CONT, SYSCALL = 0x4206, 0x4207, 12, 7, 24
WALL = 0x40000000
ORIG_RAX, RIP, RSP = 15, 16, 19  # in struct user_regs_struct
WINDOW_CALLS = {9: "mmap", 11: "munmap", 285: "fallocate"}
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


class Target:
    """One run of the reporters, traced, with all they have reported."""

    def __init__(self, library, reporters, threads, tape):
        self.read_end, write_end = os.pipe()
        env = {**os.environ, "LD_PRELOAD": library, "HEAPTAPE_OUT": tape,
               "HEAPTAPE_LAUNCHER": "1", "HEAPTAPE_BUFFER_EVENTS": "64"}
        self.process = subprocess.Popen(
            [reporters, str(threads)], env=env, close_fds=False, stdout=subprocess.DEVNULL,
            preexec_fn=lambda: os.dup2(write_end, 3))
        self.pid = self.process.pid
        os.close(write_end)
        self.data = bytearray()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        self.traced, self.stopped = set(), set()
        self.regs = {}

    def read(self):
        while piece := os.read(self.read_end, 65536):
            self.data += piece
        os.close(self.read_end)

    def threads(self):
        return {int(t) for t in os.listdir(f"/proc/{self.pid}/task")}

    def wait_stop(self, thread=-1):
        """Waits until a thread stops and reads its registers: its id."""
        tid, status = os.waitpid(thread, WALL)
        if not os.WIFSTOPPED(status):
            sys.exit(f"the reporters ended by themselves: {status:#x}")
        regs = (ctypes.c_ulong * 27)()
        libc.ptrace(GETREGS, tid, None, regs)
        self.stopped.add(tid)
        self.regs[tid] = regs
        return tid

    def stop(self):
        """Stops every thread wherever it is, and those that are made meanwhile."""
        while running := self.threads() - self.stopped:
            for tid in running - self.traced:
                if libc.ptrace(SEIZE, tid, None, None) != 0:
                    sys.exit(f"ptrace: {os.strerror(ctypes.get_errno())}")
            self.traced |= running
            for tid in running:
                libc.ptrace(INTERRUPT, tid, None, None)
            for tid in running:
                self.wait_stop(tid)

    def go_on(self, how, tid):
        self.stopped.discard(tid)
        libc.ptrace(how, tid, None, None)

    def stacks(self):
        """Where each thread's own stack is: what the reports begin with."""
        found = {}
        for line in bytes(self.data[:1 << 20]).split(b"\n")[:-1]:
            word = line.split()
            if word[1] == b"stack":
                found[int(word[0])] = (int(word[2], 16), int(word[3]))
        return found

    def writing(self, stacks):
        """Threads that are on the recorder's stack now: not on their own."""
        return [tid for tid in self.stopped if tid in stacks and
                not 0 <= self.regs[tid][RSP] - stacks[tid][0] < stacks[tid][1]]

    def kill(self):
        """Kills it: the reports, without the stacks, by thread."""
        os.kill(self.pid, signal.SIGKILL)
        self.reader.join()
        while True: # threads first, which only the tracer can reap; the leader last
            tid, status = os.waitpid(-1, WALL)
            if tid == self.pid and not os.WIFSTOPPED(status):
                break
        self.process.returncode = -signal.SIGKILL
        if status != signal.SIGKILL:
            sys.exit(f"the reporters ended by themselves: {status:#x}")
        reports = collections.defaultdict(list)
        for line in self.data.decode("ascii").split("\n")[:-1]:
            tid, op, address, size = line.split()
            if op != "stack":
                reports[tid].append((op, address, size))
        return reports


def wait_for_stacks(target, count):
    while len(stacks := target.stacks()) < count:
        time.sleep(0.0005)
    return stacks


def anywhere(target, count, rng):
    time.sleep(rng.uniform(0, 0.06))
    target.stop()


def in_writing(target, count, rng):
    stacks = wait_for_stacks(target, count)
    time.sleep(rng.uniform(0, 0.03))
    for _ in range(2000):
        target.stop()
        if target.writing(stacks):
            return
        for tid in list(target.stopped):
            target.go_on(CONT, tid)
        time.sleep(rng.uniform(0, 0.0003))
    target.stop()


def in_window(target, count, rng):
    stacks = wait_for_stacks(target, count)
    target.stop()
    for tid in list(target.stopped):
        target.go_on(SYSCALL, tid)
    left = rng.randrange(1, 6)
    for _ in range(200000):
        tid = target.wait_stop()
        if target.regs[tid][ORIG_RAX] in WINDOW_CALLS and tid in target.writing(stacks):
            left -= 1
            if left == 0:
                break
        target.go_on(SYSCALL, tid)
    target.stop()


def events_of(heaptape, tape):
    """The recording's events in the reports' form, by thread."""
    dump = subprocess.run([heaptape, "dump", "--no-stacks", tape], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    if dump.returncode != 0:
        sys.exit(f"{tape}: dump ended with {dump.returncode}: {dump.stderr.decode()}")
    events = collections.defaultdict(list)
    for line in dump.stdout.decode("ascii").split("\n")[:-1]:
        word = line.split()
        if word[3] == "free":
            events[word[2]].append(("free", word[4][8:], "0"))
        elif word[3] == "malloc":
            events[word[2]].append(("malloc", word[4][8:], word[5][5:]))
    return events


def missing(reported, events):
    """None when the reports are a contiguous part of the events, from the first report on."""
    if not reported:
        return None
    if reported[0] not in events:
        return f"first report {reported[0]} is not in the recording"
    at = events.index(reported[0])
    for i, report in enumerate(reported):
        if at + i >= len(events):
            return f"{len(reported) - i} of {len(reported)} reported events are missing at the end"
        if events[at + i] != report:
            return f"report {i} says {report}, the recording {events[at + i]}"
    return None


def main():
    heaptape, library, reporters = sys.argv[1:4]
    threads, rounds = int(sys.argv[4]), int(sys.argv[5])
    seed = int(os.environ.get("SEED", random.SystemRandom().randrange(1 << 32)))
    rng = random.Random(seed)
    print(f"SEED={seed}")
    landed = calls = total = failures = 0
    kinds = collections.Counter()
    for i in range(rounds):
        tape = os.path.abspath(f"kill{i}.tape")
        target = Target(library, reporters, threads, tape)
        (anywhere, in_writing, in_window, in_writing)[i % 4](target, threads, rng)
        writing = target.writing(target.stacks())
        for tid in writing:
            call = WINDOW_CALLS.get(target.regs[tid][ORIG_RAX])
            kinds[call if call is not None else "other code"] += 1
        landed += bool(writing)
        calls += any(target.regs[tid][ORIG_RAX] in WINDOW_CALLS for tid in writing)
        reports = target.kill()
        total += sum(map(len, reports.values()))
        events = events_of(heaptape, tape) if reports else {}
        why = [w for tid in reports if (w := missing(reports[tid], events.get(tid, [])))]
        if why:
            failures += 1
            print(f"round {i}: {'; '.join(why)} (kept: {tape})")
            continue
        for name in (tape, tape + ".tail"):
            if os.path.exists(name):
                os.unlink(name)
    print(f"{rounds} kills of {threads} threads: {landed} while a buffer was written, {calls} of "
          f"them in a system call that makes a buffer or moves the window ({dict(kinds)})")
    print(f"{total} reported events, {failures} recordings with missing ones")
    sys.exit(1 if failures or total < 1000 or landed < rounds / 2 else 0)


main()
