#!/usr/bin/env python3
"""Runs a guest program under an emulator and its native twin on this machine; output and exit status must agree.

  compare.py "<emulator>" <guest program> <native program>

A run that does not end is killed, and what each of its threads was doing is printed. The native twin, which only says
what to expect, gets a second try then.
"""
import glob
import subprocess
import sys


def show_threads(pid):
    """Prints the system call (number, arguments, sp, pc; or "running") that each thread of a process is in."""
    for task in sorted(glob.glob(f"/proc/{pid}/task/*")):
        try:
            with open(f"{task}/syscall") as call, open(f"{task}/wchan") as where:
                print(f"  thread {task.rsplit('/', 1)[1]}: {call.read().strip()} {where.read()}")
        except OSError as error:
            print(f"  {error}")


def outcome(command, seconds):
    """The exit status and output of a command, or None if it has not ended within the time."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        try:
            text, _ = process.communicate(timeout=seconds)
            return process.returncode, text.decode(errors="replace")
        except subprocess.TimeoutExpired:
            print(f"{' '.join(command)} has not ended after {seconds} s:")
            show_threads(process.pid)
            process.kill()
            return None


def main():
    emulator, guest, native = sys.argv[1:4]
    expected = outcome([native], 20) or outcome([native], 20)
    seen = outcome(emulator.split() + [guest], 75)
    if expected is None or expected[0] != 0:
        print("the program is wrong: it does not even hold natively")
    for name, run in (("native", expected), ("guest", seen)):
        if run:
            print(f"--- {name}: status {run[0]}\n{run[1]}", end="")
    return expected is None or expected[0] != 0 or seen != expected


if __name__ == "__main__":
    sys.exit(main())
