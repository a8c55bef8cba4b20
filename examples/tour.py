"""The program `make run` shows: Debian's riscv64 python3 computes things whose answers are well known."""
import hashlib
import json
import platform
import re


def pi_digits(count):
    """The first digits of pi by Gibbons' spigot, which lives on arbitrary-precision integers."""
    q, r, t, k, n, l = 1, 0, 1, 1, 3, 3
    digits = []
    while len(digits) < count:
        if 4 * q + r - t < n * t:
            digits.append(n)
            q, r, n = 10 * q, 10 * (r - n * t), (10 * (3 * q + r)) // t - 10 * n
        else:
            q, r, t, k, n, l = q * k, (2 * q + r) * l, t * l, k + 1, (q * (7 * k + 2) + r * l) // (t * l), l + 2
    return "".join(map(str, digits))


def queens(size, row=0, columns=0, left=0, right=0):
    """The number of ways to place `size` queens on a board, row by row, occupied lines as bit sets."""
    if row == size:
        return 1
    count = 0
    free = ((1 << size) - 1) & ~(columns | left | right)
    while free:
        bit = free & -free
        free ^= bit
        count += queens(size, row + 1, columns | bit, (left | bit) << 1, (right | bit) >> 1)
    return count


print(f"python {platform.python_version()} on {platform.machine()}")
print("pi        ", pi_digits(60))
print("queens    ", json.dumps({size: queens(size) for size in range(4, 8)}))
print("sha256    ", hashlib.sha256(b"kiln").hexdigest()[:32])
print("words     ", re.findall(r"\b\w*r\w*\b", "fire clay in a kiln and pour glaze over the warm ware"))
print("1/3 + 2/3 ", 1 / 3 + 2 / 3, "  0.1 * 3 =", 0.1 * 3)
