#!/usr/bin/env python3
"""Runs a guest program under an emulator and its native twin on this machine; output and exit status must agree.

  compare.py "<emulator>" <guest program> <native program>
"""
import subprocess
import sys


def outcome(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=100)
    return done.returncode, done.stdout.decode(errors="replace")


def main():
    emulator, guest, native = sys.argv[1:4]
    expected = outcome([native])
    seen = outcome(emulator.split() + [guest])
    if expected[0] != 0:
        print("the program is wrong: it does not even hold natively")
    for name, (status, text) in (("native", expected), ("guest", seen)):
        print(f"--- {name}: status {status}\n{text}", end="")
    return expected[0] != 0 or seen != expected


if __name__ == "__main__":
    sys.exit(main())
