# A script of the kind people run: dictionaries, sorting, classes, string building, regular expressions, JSON,
# hashes and float formatting. The argument is how often.
import hashlib
import json
import re
import sys


class Account:
    def __init__(self, name):
        self.name = name
        self.entries = []

    def add(self, amount):
        self.entries.append(amount)

    def balance(self):
        return sum(self.entries)


def accounts(count):
    state, made = 12345, {}
    for _ in range(count):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        name = f"user{state % 97:02d}"
        made.setdefault(name, Account(name)).add((state >> 8) % 1000 / 8)
    return sorted(made.values(), key=lambda a: (-a.balance(), a.name))


def queens(size, row=0, columns=0, left=0, right=0):
    if row == size:
        return 1
    found, free = 0, ((1 << size) - 1) & ~(columns | left | right)
    while free:
        bit = free & -free
        free ^= bit
        found += queens(size, row + 1, columns | bit, (left | bit) << 1, (right | bit) >> 1)
    return found


def one_round():
    ranked = accounts(20000)
    text = json.dumps([{"name": a.name, "balance": a.balance(), "entries": a.entries[:20]} for a in ranked], indent=1)
    again = json.loads(text)
    numbers = re.findall(r"\d+\.\d+", text)
    print(len(again), len(numbers), f"{sum(map(float, numbers)):.6f}", queens(7))
    print(hashlib.sha256(text.encode()).hexdigest(), " ".join(f"{a.balance() / 3:.3e}" for a in ranked[:5]))


for _ in range(int(sys.argv[1])):
    one_round()
