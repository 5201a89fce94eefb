# SPDX-License-Identifier: MIT
"""Objects, strings, dictionaries, JSON and regular expressions; run with PYTHONMALLOC=malloc."""
import json
import re


class Node:
    def __init__(self, key, parent=None):
        self.key, self.parent, self.children = key, parent, {}

    def add(self, path):
        node = self
        for part in path:
            node = node.children.setdefault(part, None) or node.make(part)
        return node

    def make(self, part):
        self.children[part] = child = Node(part, self)
        return child


def main():
    root, seen = Node("root"), {}
    for i in range(30000):
        path = f"{i % 7}/{i * 31 % 101}/{i * 17 % 5003}".split("/")
        root.add(path)
        seen[tuple(path)] = [str(i), i * 0.5, {"path": path}]
    text = json.dumps([value for value in seen.values()])
    back = json.loads(text)
    words = re.findall(r'"(\d+)"', text)
    print(len(seen), len(back), len(words), sum(int(w) for w in words) % 1000003)
    print(len(",".join(sorted(f"{w:>9}" for w in words))))


main()
