# SPDX-License-Identifier: MIT
"""A handler of a timer interrupts the interpreter anywhere, and allocates there."""

import ctypes
import sys
import time

timer = ctypes.CDLL(sys.argv[1]).timer


def calls(n):
    return [i for i in pairs(n)] if n == 0 else calls(n - 1)


def pairs(n):
    yield n
    yield from range(n, 3)


def many():
    end = time.process_time() + 1
    while time.process_time() < end:
        for n in range(100):
            calls(n)  # chunks of the stack of frames come and go


timer(1000)
many()
assert timer(0) > 100
