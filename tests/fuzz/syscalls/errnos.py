#!/usr/bin/env python3
"""Compares what system calls say to bad arguments under kiln with what the host's kernel says to the same: errnos.c.

  errnos.py --kiln=<executable> --guest=<errnos for riscv64> --native=<errnos for this machine> [--call=NAME] [--all]

Differences that are meant are listed, with the reason for each, in errnos.differences: a line has five words (call,
variant, argument, bad value, both errnos as native/guest), with * for any, and then the reason. --call looks at one call;
--all shows the stated differences too.

Exit codes: 0 they agree, 1 they do not, 77 the machine has no place where the calls may be made (place.py).
"""
import argparse
import errno
import fnmatch
import subprocess
import sys
import tempfile
from pathlib import Path

import place

STATED = Path(__file__).with_suffix(".differences")
SHOWN = 60


def stated_differences():
    lines = [line for line in STATED.read_text().splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(None, 5)) for line in lines]


def outcome(command):
    """What the program printed, as a dictionary from call, variant, argument and value to the errno's name."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=place.CLEAN, timeout=1000)
    seen = {}
    for line in done.stdout.decode(errors="replace").splitlines():
        words = line.split()
        if len(words) != 5 or not (words[4].isdigit() or words[4] == "none"):
            print(line)
            continue
        number = words[4]
        seen[tuple(words[:4])] = errno.errorcode.get(int(number), "ok" if number == "0" else number) if number.isdigit() else number
    if done.returncode != 0:
        print(f"{command}: ended with status {done.returncode}")
    return seen


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("kiln", "guest", "native"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--call")
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args()
    if not place.possible():
        print("skipped: no user namespaces for us here")
        return place.SKIPPED
    results = []
    for words in (["/program"], ["/kiln", "run", "/program"]):
        program = options.guest if len(results) else options.native
        with tempfile.TemporaryDirectory() as directory:
            place.prepare(directory, {"kiln": options.kiln, "program": program, "guest": program})
            results.append(outcome(place.command(directory, words + [options.call] * (options.call is not None))))
    native, guest = results
    stated = stated_differences()
    different = 0
    for case in list(native) + [case for case in guest if case not in native]:
        pair = (native.get(case, "nothing"), guest.get(case, "nothing"))
        if pair[0] == pair[1]:
            continue
        words = (*case, "/".join(pair))
        known = any(all(fnmatch.fnmatchcase(word, pattern) for word, pattern in zip(words, row)) for row in stated)
        if known and not options.all:
            continue
        different += not known
        if different <= SHOWN or options.all:
            print(" ".join(words) + (" (stated)" if known else ""))
    print(f"{len(native)} calls compared, {different} say something else")
    return 1 if different or len(native) == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
