#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The heap images of a tape, read from docs/FORMAT.md alone.

images.py show TAPE            one line an image, region, and stream
images.py where TAPE ADDRESS…  for every address (hexadecimal) the kinds of the regions that hold a
                               word with that value, in the last image; "-" when none does
images.py regions TAPE ADDRESS…  where the region begins that holds each address, or "-"
images.py words TAPE           every word of the last image: kind, region's thread, address, value
"""
import subprocess
import sys

KINDS = {1: "module", 2: "stack", 3: "registers", 4: "other", 5: "allocator"}
IMAGE, WORDS, IMAGE_END = 5, 6, 7


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def varints(data):
    at, values = 0, []
    while at < len(data):
        value, at = varint(data, at)
        values.append(value)
    return values


def fields(data):
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        length, at = varint(data, at)
        yield tag, data[at:at + length]
        at += length


def number(data, at, size):
    return int.from_bytes(data[at:at + size], "little")


def chunks(path):
    """Type and payload of every chunk of a kind that images are made of."""
    with open(path, "rb") as file:
        tape = file.read()
    assert tape[:8] == b"\x89HTAPE\r\n", path + ": no tape"
    segment = 64
    while segment + 32 <= len(tape):
        if tape[segment:segment + 4] != b"HSEG":
            segment = (segment // 65536 + 1) * 65536
            continue
        end = min(segment + number(tape, segment + 12, 8), len(tape))
        at = segment + 32
        while at + 64 <= end and tape[at:at + 4] == b"HCHK":
            kind, codec, stored, raw = tape[at + 4], tape[at + 5], number(tape, at + 8, 4), number(tape, at + 12, 4)
            payload = tape[at + 64:at + 64 + stored]
            if kind in (IMAGE, WORDS, IMAGE_END):
                if codec == 1:
                    payload = subprocess.run(["zstd", "-dc"], input=payload, check=True,
                                             stdout=subprocess.PIPE).stdout
                assert len(payload) == raw, "wrong length"
                yield kind, payload
            at += (64 + stored + 7) // 8 * 8
        segment = (end + 65535) // 65536 * 65536


class Image:
    def __init__(self, payload):
        self.streams, self.regions, self.words, self.end = {}, [], [], None
        self.number = self.reason = self.stamp = self.frozen = self.name = None
        for tag, value in fields(payload):
            if tag == 6:
                stream, events = varints(value)
                self.streams[stream] = events
            elif tag == 7:
                self.regions.append(varints(value))
            elif tag == 4:
                self.name = value.decode()
            else:
                setattr(self, {1: "number", 2: "reason", 3: "stamp", 5: "frozen"}[tag],
                        varint(value, 0)[0])

    def add_words(self, payload):
        assert payload[0] == 1
        values = varints(payload[1:])
        number, runs, count = values[:3]
        assert number == self.number
        at = 3 + 2 * runs
        assert len(values) == at + 2 * count
        assert sum(values[4:at:2]) == count
        addresses = []
        for run in range(runs):
            region, length = values[3 + 2 * run:5 + 2 * run]
            address = self.regions[region][0]
            for _ in range(length):
                address += values[at] * 8
                at += 1
                addresses.append((region, address))
        value = 0
        for region, address in addresses:
            delta = values[at]
            at += 1
            value = (value + ((delta >> 1) ^ -(delta & 1))) % 2 ** 64
            self.words.append((region, address, value))


def images(path):
    found = {}
    for kind, payload in chunks(path):
        if kind == IMAGE:
            image = Image(payload)
            found[image.number] = image
        elif kind == WORDS:
            found[varint(payload, 1)[0]].add_words(payload)
        else:
            end = dict(fields(payload))
            image = found[varint(end[1], 0)[0]]
            image.end = {tag: value if tag == 35 else varint(value, 0)[0]
                         for tag, value in end.items()}
            for tag, value in fields(payload):
                if tag == 36:
                    image.regions[varint(value, 0)[0]][4] |= 2
            assert 32 not in image.end or image.end[32] == len(image.words), \
                (image.end[32], len(image.words))
    return found


def check(image):
    """What holds for every image."""
    heap = [(start, start + length) for start, length, kind, _, _ in image.regions if kind in (4, 5)]
    last = 0
    for start, length, kind, _, _ in image.regions:
        assert kind in KINDS
        if kind != 3:
            assert start >= last, "regions overlap"
            last = start + length
    for region, address, value in image.words:
        start, length = image.regions[region][:2]
        assert start <= address < start + length and address % 8 == 0
    return heap


def main():
    what, path = sys.argv[1:3]
    found = images(path)
    for image in found.values():
        check(image)
    if what == "show":
        for image in found.values():
            end = image.end or {}
            print("image", image.number, "reason", image.reason, "name", image.name, "frozen", image.frozen,
                  "words", end.get(32), "bytes", end.get(33), "ns", end.get(34),
                  "why", end.get(35, b"-").decode() if image.end else "NO END")
            for start, length, kind, tid, flags in image.regions:
                print(f"region {start:x} {length:x} {KINDS[kind]} {tid} {flags}")
            for stream, events in image.streams.items():
                print("stream", stream, events)
        return
    image = found[max(found)]
    if what == "words":
        for region, address, value in image.words:
            print(f"{KINDS[image.regions[region][2]]} {image.regions[region][3]} {address:x} {value:x}")
        return
    if what == "regions":
        for text in sys.argv[3:]:
            starts = [f"{start:x}" for start, length, kind, _, _ in image.regions
                      if kind != 3 and start <= int(text, 16) < start + length]
            print(text, *(starts or "-"))
        return
    for text in sys.argv[3:]:
        kinds = {KINDS[image.regions[region][2]] for region, _, value in image.words
                 if value == int(text, 16)}
        print(text, *(sorted(kinds) or "-"))


if __name__ == "__main__":
    main()
