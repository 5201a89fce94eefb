# SPDX-License-Identifier: MIT
"""Threads that are in C code, without the GIL, and allocate while the interpreter is ended around them."""

import ctypes
import sys
import threading

work = ctypes.CDLL(sys.argv[1]).work


def deep(n):
    return deep(n - 1) if n else work()


for i in range(4):
    threading.Thread(target=deep, args=(20,), daemon=True).start()
keep = [bytearray(1000) for _ in range(20000)]
