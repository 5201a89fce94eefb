# SPDX-License-Identifier: MIT
"""Code objects of the standard library for lines.c, one a line: first line, table of locations in hex, then the
line of each code unit (0: none)."""

import glob
import os


def codes(code):
    yield code
    for c in code.co_consts:
        if hasattr(c, "co_code"):
            yield from codes(c)


library = os.path.dirname(os.__file__)
for path in sorted(glob.glob(library + "/*.py") + glob.glob(library + "/asyncio/*.py"))[::12]:
    with open(path, "rb") as f:
        top = compile(f.read(), path, "exec", dont_inherit=True)
    for code in codes(top):
        lines = [0] * (len(code.co_code) // 2)
        for start, end, line in code.co_lines():
            lines[start // 2:end // 2] = [line or 0] * ((end - start) // 2)
        print(code.co_firstlineno, code.co_linetable.hex(), *lines)
