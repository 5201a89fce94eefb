# SPDX-License-Identifier: MIT
"""The programs that are measured. Each is deterministic and prints to standard output."""
import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))


class Program:
    """name; argv; environment on top of the caller's; file for standard input; how many times it
    is run per measurement (for programs too short to be timed alone); micro: not a real program."""

    def __init__(self, name, argv, env=None, stdin=os.devnull, repeat=1, micro=False):
        self.name, self.argv, self.env = name, argv, env or {}
        self.stdin, self.repeat, self.micro = stdin, repeat, micro


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


def all_programs(build, quick):
    """The micro patterns, then the real programs that this machine can run."""
    micro = compile_source(build, "micro.c", "-fno-builtin", "-fno-optimize-sibling-calls")
    count = 300_000 if quick else 2_000_000
    programs = [Program(f"pairs, depth {depth}", [micro, "pairs", str(depth), str(count)],
                        micro=True)
                for depth in (5, 20, 60)]

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
    programs.append(Program("c++ exceptions", [compile_source(build, "exceptions.cc", "-pthread")]))
    programs.append(Program("true", ["/bin/true"], repeat=20 if quick else 100))
    return programs
