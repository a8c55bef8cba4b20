#!/usr/bin/env python3
"""Runs the guest program of random system calls under kiln, in a place where it cannot hurt the machine.

  run.py --kiln=<executable> --guest=<program> [--calls=N] [--seed=N] [--wrong=N] [--jobs=N] [--batch=N]

The place: namespaces of all kinds (user, mount, process, network, IPC, names), a root directory in memory with nothing but
kiln and the program in it, and a user id that owns nothing. Where the machine allows no user namespaces the run is skipped
(status 77).

What is right: kiln neither says that it is broken, nor does a sanitizer, nor does it abort. What the calls give is the
business of tests/linux/guests. --batch=N runs one batch again and prints its calls.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77
CALLS_IN_A_BATCH = 200
# As lines begin with: batches may write what else they find.
BROKEN = re.compile(r"kiln: internal error|=+\d+=+ ?ERROR|\S+: runtime error|terminate called|batch \d+ ended with SIGABRT")
NOBODY = 65534

# In the new namespaces, as their root: a file system in memory becomes the root directory. The program becomes process 1,
# which no signal from inside ends.
INSIDE = """
mount -t tmpfs -o size=64m,nodev tmpfs "$0/root" && cp -r "$0/files/." "$0/root" && cd "$0/root" || exit 77
ulimit -c 0
exec chroot . /kiln run /program "$@"
"""


def prepare(directory, kiln, guest):
    """Copies the executables and the libraries that kiln needs, if any, to where everybody may read them."""
    os.chmod(directory, 0o755)
    files = os.path.join(directory, "files")
    os.makedirs(os.path.join(directory, "root"))
    os.makedirs(files)
    shutil.copy(kiln, os.path.join(files, "kiln"))
    # The calls know /guest by name, and may run or damage it.
    for name in ("program", "guest"):
        shutil.copy(guest, os.path.join(files, name))
    listed = subprocess.run(["ldd", kiln], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()
    for library in re.findall(r"(/\S+) \(0x", listed):
        target = files + library
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(library, target)


def command(directory, arguments):
    own = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child",
           "sh", "-c", INSIDE, directory, *map(str, arguments)]
    if os.getuid() == 0:
        own = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *own]
    return own


def possible():
    probe = command("/", [])[:-4] + ["true"]
    return subprocess.run(probe, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


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
    if not possible():
        print("skipped: no user namespaces for us here")
        return SKIPPED
    batches = max(1, int(options.calls) // CALLS_IN_A_BATCH // options.jobs)
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                   "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1",
                   "UBSAN_OPTIONS": "print_stacktrace=1"}
    with tempfile.TemporaryDirectory() as directory:
        prepare(directory, options.kiln, options.guest)
        jobs = []
        for job in range(options.jobs):
            first, number = (job * batches, batches) if options.batch is None else (options.batch, 1)
            arguments = [options.seed, first, number, CALLS_IN_A_BATCH, options.wrong]
            jobs.append(subprocess.Popen(command(directory, arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
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
