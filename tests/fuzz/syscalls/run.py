#!/usr/bin/env python3
"""Runs the guest program of random system calls under kiln, in a place where it cannot hurt the machine.

  run.py --kiln=<executable> --guest=<program> [--calls=N] [--seed=N] [--wrong=N] [--jobs=N] [--batch=N]

The place is place.py's, with nothing but kiln and the program in it. Where the machine allows no user namespaces the run
is skipped (status 77).

What is right: kiln neither says that it is broken, nor does a sanitizer, nor does it abort. What the calls give is the
business of tests/linux/guests. --batch=N runs one batch again and prints its calls.
"""
import argparse
import re
import subprocess
import sys
import tempfile

import place

CALLS_IN_A_BATCH = 200
MADE_OF_A_BATCH = 190  # on average, for some end early
# As lines begin with: batches may write what else they find.
BROKEN = re.compile(r"kiln: internal error|=+\d+=+ ?ERROR|\S+: runtime error|terminate called|batch \d+ ended with SIGABRT")

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kiln", required=True)
    parser.add_argument("--guest", required=True)
    parser.add_argument("--calls", type=float, default=1e4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--wrong", type=int, default=6, help="one argument in so many is wrong")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--batch", type=int, help="run this one alone and print its calls")
    options = parser.parse_args()
    if not place.possible():
        print("skipped: no user namespaces for us here")
        return place.SKIPPED
    batches = int(options.calls) // MADE_OF_A_BATCH // options.jobs + 1
    environment = place.CLEAN | {"ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1", "UBSAN_OPTIONS": "print_stacktrace=1"}
    with tempfile.TemporaryDirectory() as directory:
        # The calls know /guest by name, and may run or damage it.
        place.prepare(directory, {"kiln": options.kiln, "program": options.guest, "guest": options.guest})
        jobs = []
        for job in range(options.jobs):
            first, number = (job * batches, batches) if options.batch is None else (options.batch, 1)
            words = ["/kiln", "run", "/program", options.seed, first, number, CALLS_IN_A_BATCH, options.wrong]
            jobs.append(subprocess.Popen(place.command(directory, words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT, env=environment))
            if options.batch is not None:
                break
        broken = False
        for job in jobs:
            text = job.communicate()[0].decode(errors="replace")
            shown = [line for line in text.splitlines()
                     if options.batch is not None or "uncaught target signal" not in line]
            print("\n".join(shown))
            if job.returncode != 0:
                print(f"ended with status {job.returncode}")
            broken = broken or job.returncode != 0 or any(BROKEN.match(line) for line in shown)
    print(f"seed {options.seed}: " + ("BROKEN" if broken else "all is well"))
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
