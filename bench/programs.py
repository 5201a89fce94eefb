# SPDX-License-Identifier: MIT
"""The programs that are measured. Each is deterministic and prints to standard output."""
import os
import shutil
import socket
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


class Program:
    """name; argv; environment on top of the caller's; file for standard input; how many times it
    is run per measurement (for programs too short to be timed alone); client: the shell command
    that uses a program that serves, which is then ended by a signal; tenth: of a pattern, the same
    with a tenth of its calls, so that start-up and exit can be subtracted (None: a real program,
    whose user pays for them)."""

    def __init__(self, name, argv, env=None, stdin=os.devnull, repeat=1, client=None, tenth=None):
        self.name, self.argv, self.env = name, argv, env or {}
        self.stdin, self.repeat, self.client, self.tenth = stdin, repeat, client, tenth


def compile_source(build, source, *options):
    """Compiles one file of this folder unless it is up to date; returns the program's path."""
    path = os.path.join(HERE, source)
    out = os.path.join(build, os.path.splitext(source)[0])
    if not os.path.exists(out) or os.path.getmtime(out) < os.path.getmtime(path):
        compiler = "g++" if source.endswith(".cc") else "gcc"
        subprocess.run([compiler, "-O2", "-g", *options, "-o", out, path], check=True)
    return out


def git_repository(build):
    """A repository with 4,000 commits over 200 files, the same every time."""
    repo = os.path.join(build, "repo")
    if os.path.exists(os.path.join(repo, "done")):
        return repo
    shutil.rmtree(repo, ignore_errors=True)
    subprocess.run(["git", "init", "-q", "-b", "main", repo], check=True)
    stream, seed = [], 1
    for i in range(4000):
        text = f"commit {i}\nChange things, number {i}\n"
        stream.append("commit refs/heads/main\n"
                      f"committer Bench <bench@example.org> {1600000000 + i * 60} +0000\n"
                      f"data {len(text)}\n{text}")
        for _ in range(3):
            seed = (seed * 1103515245 + 12345) % 2147483648
            content = "".join(f"line {j} {seed % (j + 7)}\n" for j in range(seed % 90 + 10))
            stream.append(f"M 644 inline src/dir{seed % 10}/file{seed % 200}.txt\n"
                          f"data {len(content)}\n{content}")
    subprocess.run(["git", "-C", repo, "fast-import", "--quiet"], input="\n".join(stream).encode(),
                   check=True)
    with open(os.path.join(repo, "done"), "w", encoding="ascii"):
        return repo


def free_port():
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return str(s.getsockname()[1])


def redis(build, quick):
    """redis-server under redis-benchmark, on a port of its own; it keeps nothing on disk."""
    port = free_port()
    server = ["redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly",
              "no", "--dir", build]
    commands = "set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,zadd"
    client = (f"n=0; until redis-cli -p {port} ping >{build}/redis.out 2>&1; do n=$((n + 1)); "
              f"[ $n -lt 1000 ] || exit 1; sleep 0.01; done; redis-benchmark -p {port} -q -c 16 -P 8 "
              f"-d 100 -r 10000 -n {10_000 if quick else 40_000} -t {commands} >{build}/redis.out")
    return Program("redis-server", server, client=client)


def compile_micro(build):
    return compile_source(build, "micro.c", "-fno-builtin", "-fno-optimize-sibling-calls",
                          "-pthread")


def micro_programs(build, quick):
    """Patterns with known depth: the tools' cost a call and nothing else."""
    micro = compile_micro(build)
    new = compile_source(build, "micro_new.cc", "-fno-optimize-sibling-calls")
    count = 200_000 if quick else 1_000_000

    def pattern(name, program, *words):
        """None among the words stands for the number of calls."""
        return Program(name, [program, *(word or str(count) for word in words)],
                       tenth=Program(name, [program, *(word or str(count // 10) for word in words)]))

    programs = [pattern(f"pairs {depth} deep, {threads} thr",
                        micro, "pairs", str(depth), None, str(threads))
                for threads in (1, 2, 8) for depth in (5, 20, 60, 200)]
    programs += [pattern(f"cross-thread, {threads} thr", micro, "cross", "20", None, str(threads))
                 for threads in (2, 8)]
    programs.append(pattern("realloc loop", micro, "realloc", "20", None))
    programs.append(pattern("operator new", new, "20", None))
    return programs


def all_programs(build, quick):
    """The micro patterns, then the real programs that this machine can run."""
    programs = micro_programs(build, quick)
    programs.append(Program("sqlite3", ["sqlite3", ":memory:"],
                            stdin=os.path.join(HERE, "sqlite.sql")))
    python = "/usr/bin/python3"
    if os.path.exists(python):
        programs.append(Program("python3", [python, os.path.join(HERE, "python.py")],
                                env={"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "1"}))
    programs.append(Program("perl", ["perl", os.path.join(HERE, "perl.pl")],
                            env={"PERL_HASH_SEED": "1"}))

    source = os.path.join(build, "regex_map.ii")
    if not os.path.exists(source):
        subprocess.run(["g++", "-E", "-o", source, os.path.join(HERE, "regex_map.cc")], check=True)
    cc1plus = subprocess.run(["g++", "-print-prog-name=cc1plus"], check=True, text=True,
                             stdout=subprocess.PIPE).stdout.strip()
    # Without optimization: at -O1 heaptrack's interpreter (1.4.0) runs out of memory.
    programs.append(Program("cc1plus", [cc1plus, "-quiet", "-O0", source, "-o", os.devnull]))
    programs.append(Program("git log", ["git", "-C", git_repository(build), "log", "--stat"]))

    if shutil.which("rustc"):
        words = os.path.join(build, "words")
        if not os.path.exists(words):
            subprocess.run(["rustc", "-O", "-g", "-o", words, os.path.join(HERE, "words.rs")],
                           check=True)
        programs.append(Program("rust", [words]))
    else:
        print("no Rust program: rustc is not installed", file=sys.stderr)
    if shutil.which("redis-server") and shutil.which("redis-benchmark"):
        programs.append(redis(build, quick))
    else:
        print("no redis: redis-server or redis-benchmark is not installed", file=sys.stderr)
    # Exceptions on four threads.
    programs.append(Program("c++ threads", [compile_source(build, "exceptions.cc", "-pthread")]))
    programs.append(Program("true", ["/bin/true"], repeat=20 if quick else 100))
    return programs
