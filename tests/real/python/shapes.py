# SPDX-License-Identifier: MIT
"""Stacks of many shapes."""

import asyncio
import contextlib
import ctypes
import functools
import json
import sys
import threading

from probe import generator_made, here, held, released


class Thing:
    here()  # a class body

    def method(self, n):
        return [here() for _ in range(n)]

    @property
    def attribute(self):
        here()
        return 1

    @staticmethod
    def static():
        def closure():
            here()
            return lambda: here()
        closure()()

    def __del__(self):
        here()

    def __lt__(self, other):
        here()
        return False


def recurse(n):
    if n == 0:
        here()
    else:
        recurse(n - 1)
    if n % 100 == 0:
        here()


def through_c(n):
    return here() if n == 0 else list(map(through_c, [n - 1]))


def generator(n):
    try:
        for i in range(n):
            here()
            yield i
    except ValueError:
        here()
        yield -1
    finally:
        here()


def delegating():
    here()
    yield from generator(3)
    here()


def long_lines(a,
               b):
    return (a,
            here(),
            b and
            here())


async def ticks():
    for i in range(3):
        await asyncio.sleep(0)
        here()
        yield i


async def task(n):
    here()
    async for i in ticks():
        here()
    async with manager():
        await asyncio.gather(*(nested(i) for i in range(n)))
    return [i async for i in ticks()]


async def nested(n):
    here()
    await asyncio.sleep(0.001 * n)
    await asyncio.to_thread(here)
    here()


@contextlib.asynccontextmanager
async def manager():
    here()
    yield
    here()


def raising():
    try:
        raise KeyError(1)
    except KeyError:
        here()
        try:
            raise ValueError from None
        finally:
            here()


@functools.lru_cache
def cached(n):
    here()
    return cached(n - 1) if n else 0


def dynamic():
    """Code objects that come and go, mostly at the same address."""
    made = []
    for i in range(120):  # they differ in what the name of the file says, then in the table of lines
        name = f"<made {i:02d} {'-' * 200}>" if i < 40 else "<made>"
        text = "\n" * (3 if i < 40 else i % 5) + "here()"
        code = compile(text, name, "exec")
        place = id(code), id(name), id(code.co_linetable)
        del name, text
        exec(code, {"here": here})
        del code
        made.append(place)
    assert len(set(made[:40])) < 10 and len(set(made[40:])) < 40, made
    for i in range(20):
        exec("\n" * (i % 3) + "here(); x = 1", {"here": here})
        eval(f"[here() for _ in [{i}]]", {"here": here})


def thread(library, depth):
    if depth:
        return thread(library, depth - 1)
    for _ in range(10):
        here(library)


def main():
    things = [Thing(), Thing()]
    things[0].method(3)
    things[0].attribute
    Thing.static()
    sorted(things)
    recurse(600)
    through_c(20)
    g = generator(3)
    next(g)
    g.throw(ValueError)
    g.close()
    d = delegating()
    next(d)
    next(d)
    d.throw(ValueError)
    list(delegating())
    long_lines(1, 2)
    generator_made()
    asyncio.run(task(4))
    with contextlib.suppress(ValueError):
        raising()
    cached(10)
    dynamic()
    json.loads('{"a": {"b": 1}}', object_hook=lambda o: here())
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(lambda a, b: here() or 0)
    held.qsort(ctypes.create_string_buffer(16), 4, 4, compare)
    released.qsort(ctypes.create_string_buffer(16), 4, 4, compare)
    here(released)
    sys.settrace(lambda frame, event, argument: None)
    here()
    sys.settrace(None)
    threads = [threading.Thread(target=thread, args=(library, n)) for library in (held, released) for n in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    del things


main()
here()
