# SPDX-License-Identifier: MIT
"""What a program says of its own stack beside what heaptape recorded of it.

here() allocates a block of a size that no other has, and notes the stack as Python tells it. The notes go to
the file $NOTES.PID as JSON lines: size, then (qualified name, file, line) from the inside out. Nothing of them is
kept, so that what comes next finds memory as it was."""

import ctypes
import itertools
import json
import os
import sys

held = ctypes.PyDLL(None)  # calls keep the GIL
released = ctypes.CDLL(None)  # calls let go of it
for library in held, released:
    library.malloc.argtypes, library.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
out = None
numbers = itertools.count()


def chain(frame):
    while frame is not None:
        code = frame.f_code
        yield code.co_qualname, code.co_filename, frame.f_lineno or 0
        frame = frame.f_back


def note(size, frame):
    os.write(out, (json.dumps((size, list(chain(frame)))) + "\n").encode())


def here(library=held):
    size = 10_000_000 + 64 * next(numbers); note(size, sys._getframe()); library.malloc(size)


def generator_made():
    """A generator is made by its own function, which tracebacks do not show yet."""
    names = "=".join(f"a{i}" for i in range(5000))
    made = {}
    exec(f"def large():\n    {names} = 1\n    yield", made)
    large = made["large"]
    g = large(); note(sys.getsizeof(g), sys._getframe())


def begin():
    global out
    out = os.open(f"{os.environ['NOTES']}.{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)


begin()
os.register_at_fork(after_in_child=begin)
