# SPDX-License-Identifier: MIT
"""What a program says of its own stack beside what heaptape recorded of it.

here() allocates a block of a size that no other has, and notes the stack as Python tells it. The notes go to
the file $NOTES.PID as JSON lines: size, then (qualified name, file, line) from the inside out."""

import atexit
import ctypes
import itertools
import json
import os
import sys

held = ctypes.PyDLL(None)  # calls keep the GIL
released = ctypes.CDLL(None)  # calls let go of it
for library in held, released:
    library.malloc.argtypes, library.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
notes = []
numbers = itertools.count()


def chain(frame):
    while frame is not None:
        code = frame.f_code
        yield code.co_qualname, code.co_filename, frame.f_lineno or 0
        frame = frame.f_back


def here(library=held):
    size = 10_000_000 + 64 * next(numbers); notes.append((size, list(chain(sys._getframe())))); library.malloc(size)


def generator_made():
    """A generator is made by its own function, which tracebacks do not show yet."""
    names = "=".join(f"a{i}" for i in range(5000))
    made = {}
    exec(f"def large():\n    {names} = 1\n    yield", made)
    large = made["large"]
    g = large(); notes.append((sys.getsizeof(g), list(chain(sys._getframe()))))


def write():
    with open(f"{os.environ['NOTES']}.{os.getpid()}", "w", encoding="utf-8", errors="surrogateescape") as out:
        for note in notes:
            print(json.dumps(note), file=out)
    notes.clear()


atexit.register(write)
os.register_at_fork(after_in_child=notes.clear)
