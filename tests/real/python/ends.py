# SPDX-License-Identifier: MIT
"""Forked children, another interpreter, and the interpreter's end."""

import atexit
import multiprocessing
import os
import sys

from probe import here


class Last:
    """Deleted when the interpreter ends."""

    def __del__(self, here=here):
        here()


def child(n):
    here()
    if n:
        sys.exit(0)


def at_exit():
    here()


def inside():
    import _xxsubinterpreters

    other = _xxsubinterpreters.create()
    _xxsubinterpreters.run_string(other, "import array\nx = [array.array('b', bytes(3_000_000 + i)) for i in range(5)]")
    here()
    _xxsubinterpreters.destroy(other)
    here()


def main():
    here()
    pid = os.fork()
    if pid == 0:
        child(1)
    os.waitpid(pid, 0)
    process = multiprocessing.get_context("fork").Process(target=child, args=(0,))
    process.start()
    process.join()
    inside()


atexit.register(at_exit)
last = Last()
main()
