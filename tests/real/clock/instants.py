# SPDX-License-Identifier: MIT
"""Compares the lines of instants.c with a dump of its recording:

    instants.py OUTPUT DUMP coarse|exact [SLACK]

A call's time on the tape lies between BEFORE and AFTER; with coarse stamps it may be as early as
the kernel's coarse clock was at BEFORE. Without SLACK the times of the dump must be readings of
the program's clock. With it they are what they are; the clocks are brought together by the first
sample, and so many nanoseconds more are granted. Prints each block's two instants, as times of
the recording: BYTES LIVE GONE in ns."""
import sys

UNIT = 64  # ns: times on the tape are rounded down, to less than that


def read_dump(path):
    """CLOCK_MONOTONIC at time 0, {bytes: [time of malloc, of free]}, [(time, text of the mark)]."""
    offset, blocks, marks, live, last = None, {}, [], {}, 0
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            words = line.split()
            time, op = int(words[0]), words[3]
            assert time >= last, f"times run backwards: {line}"
            last = time
            if op == "sample" and offset is None:
                offset = int(words[5].removeprefix("monotonic=")) - time
            elif op == "mark":
                marks.append((time, words[4]))
            elif op == "malloc":
                size = int(words[5].removeprefix("size="))
                if size >= 10000000:
                    blocks[size] = [time]
                    live[words[4]] = size
            elif op == "free" and words[4] in live:
                blocks[live.pop(words[4])].append(time)
    return offset, blocks, marks


def main():
    output, dump, kind, slack = sys.argv[1], sys.argv[2], sys.argv[3], int((sys.argv[4:] or ["0"])[0])
    offset, blocks, marks = read_dump(dump)
    offset = offset if len(sys.argv) > 4 else 0
    with open(output, encoding="ascii") as lines:
        rows = [[int(word) for word in line.split()] for line in lines]
    assert len(rows) == len(blocks) == len(marks) // 2 > 0, (rows, blocks, marks)
    for n, (size, early, before, after, live, free_early, free_before, free_after, gone) in \
            enumerate(rows):
        for what, time, low, exact, high in (
                ("malloc", blocks[size][0], early, before, after),
                ("free", blocks[size][1], free_early, free_before, free_after)):
            low = exact if kind == "exact" else low
            assert low - UNIT - slack < time + offset <= high + slack, \
                (what, size, time + offset - low, high - time - offset)
        assert [text for _, text in marks[2 * n:2 * n + 2]] == ['text="before"', 'text="after"']
        first, second = (time for time, _ in marks[2 * n:2 * n + 2])
        assert first < blocks[size][0] < blocks[size][1] < second, (n, first, second, blocks[size])
        print(size, live - offset, gone - offset)


main()
