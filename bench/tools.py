# SPDX-License-Identifier: MIT
"""The tools that a program is run under, and the measurement of one run."""
import json
import os
import shutil
import subprocess


class Failed(Exception):
    """The program did not end with status 0 under a tool."""


class Run:
    """Medians are taken over these: nanoseconds, peak resident KiB of the program itself."""

    def __init__(self, wall, cpu, rss):
        self.wall, self.cpu, self.rss = wall, cpu, rss

    def without_start(self, tenth):
        """What the calls took, from the difference to a run with a tenth of them. (A run without
        any would not do: heaptrack's preload waits for its interpreter once the pipe is full.)"""
        return Run((self.wall - tenth.wall) / 0.9, (self.cpu - tenth.cpu) / 0.9, self.rss)


class Tool:
    """name; command in front of the program; preloaded library; environment; a shell command that
    reads the pipe `fifo` meanwhile; the file it writes (removed before each run); the programs it
    is used on (None: all); in how many rounds at most."""

    def __init__(self, name, prefix=(), preload=None, env=None, reader="", output=None,
                 only=None, rounds=None):
        self.name, self.prefix, self.preload, self.env = name, list(prefix), preload, env or {}
        self.reader, self.output, self.only, self.rounds = reader, output, only, rounds

    def wanted(self, program):
        return self.only is None or program.name in self.only

    def clean(self):
        folder, base = os.path.split(self.output or "")
        for name in os.listdir(folder) if base else []:
            if name.startswith(base):
                os.unlink(os.path.join(folder, name))


def find_heaptrack(build):
    """heaptrack's parts put together as its script does, without the script: its preload in the
    program, its interpreter and zstd behind a pipe."""
    script = shutil.which("heaptrack")
    if not script:
        return None
    base = os.path.dirname(os.path.dirname(os.path.realpath(script)))
    parts = [os.path.join(base, "lib/heaptrack/libheaptrack_preload.so"),
             os.path.join(base, "lib/heaptrack/libexec/heaptrack_interpret")]
    if not all(os.path.exists(p) for p in parts):
        return None
    fifo, out = os.path.join(build, "heaptrack.fifo"), os.path.join(build, "heaptrack.zst")
    compressor = "zstd -c" if shutil.which("zstd") else "gzip -c"
    return Tool("heaptrack", preload=parts[0], env={"DUMP_HEAPTRACK_OUTPUT": fifo},
                reader=f"{parts[1]} | {compressor} >{out}", output=out)


def all_tools(build, library, null, massif_on):
    """The bare program first. massif_on: names of programs, for a tool that is 20 times slower."""
    tape = os.path.join(build, "bench.tape")
    tools = [Tool("bare"), Tool("null", preload=null),
             Tool("heaptape", preload=library,
                  env={"HEAPTAPE_OUT": tape, "HEAPTAPE_LAUNCHER": "1"}, output=tape)]
    heaptrack = find_heaptrack(build)
    if heaptrack:
        tools.append(heaptrack)
    if massif_on and shutil.which("valgrind"):
        out = os.path.join(build, "massif.out")
        tools.append(Tool("massif", prefix=["valgrind", "-q", "--tool=massif",
                                            f"--massif-out-file={out}"], output=out,
                          only=massif_on, rounds=3))
    return tools


def measure(build, tool, program):
    """One measurement of a program under a tool; raises when the program fails."""
    tool.clean()
    report, fifo = os.path.join(build, "report"), os.path.join(build, "heaptrack.fifo")
    if os.path.exists(fifo):
        os.unlink(fifo)
    env = {**os.environ, **program.env, **tool.env}
    env.pop("LD_PRELOAD", None)
    if tool.preload:
        env["BENCH_PRELOAD"] = tool.preload
    if program.client:
        env["BENCH_CLIENT"] = program.client
    with open(program.stdin, "rb") as stdin:
        subprocess.run([os.path.join(build, "measure"), report, str(program.repeat), fifo,
                        tool.reader, *tool.prefix, *program.argv], env=env, stdin=stdin,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    with open(report, encoding="ascii") as lines:
        rows = [[int(word) for word in line.split()] for line in lines]
    if len(rows) != program.repeat or any(row[3] != 0 for row in rows):
        raise Failed(f"{program.name} failed under {tool.name}")
    n = len(rows)
    return Run(sum(r[0] for r in rows) / n, sum(r[1] for r in rows) / n, max(r[2] for r in rows))


def measured(build, argv, env=None):
    """Seconds and peak resident KiB of a command, and its output. Through the measuring wrapper,
    which is small: the peak of a forked process is at least that of the one that forked it."""
    report = os.path.join(build, "report")
    done = subprocess.run([os.path.join(build, "measure"), report, "1", "", "", *argv], check=True,
                          stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          env={**os.environ, **(env or {})})
    with open(report, encoding="ascii") as line:
        wall, _, rss, status = (int(word) for word in line.read().split())
    if status != 0:
        raise Failed(f"{' '.join(argv)}: wait status {status}")
    return wall / 1e9, rss, done.stdout


def read_tape(build, heaptape, tape):
    """What heaptape says about its own recording, bytes on disk, and how long a replay of all
    events takes and how much memory: `info` decodes, merges and follows every block, and looks up
    no symbol."""
    runs = [measured(build, [heaptape, "info", "--json", tape]) for _ in range(5)]
    reports = [measured(build, [heaptape, "report", tape]) for _ in range(3)]
    info = json.loads(runs[0][2])
    if not info["completeness"]["complete"]:
        raise Failed(f"{tape} is damaged or incomplete")
    return {"allocations": sum(thread["allocations"] for thread in info["threads"]),
            "events": info["completeness"]["events"], "tape_bytes": info["bytes"],
            "replay_seconds": sorted(run[0] for run in runs),
            "replay_rss": max(run[1] for run in runs),
            "report_seconds": sorted(run[0] for run in reports),
            "report_rss": max(run[1] for run in reports)}


def read_peer(build, recording):
    """How long heaptrack's own report of its recording of the same program takes. That has each
    release paired with its allocation already, and names in place of addresses."""
    if not shutil.which("heaptrack_print") or not os.path.exists(recording):
        return {}
    runs = [measured(build, ["heaptrack_print", recording]) for _ in range(3)]
    return {"peer_seconds": sorted(run[0] for run in runs), "peer_rss": max(run[1] for run in runs)}
