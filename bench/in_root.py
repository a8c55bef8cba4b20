#!/usr/bin/env python3
"""Runs a command beside a root directory made of a sysroot, in namespaces of its own (tools/namespace.py):

  bench/in_root.py [--kiln FILE] [--qemu FILE] SYSROOT FOLDER command [arguments]

FOLDER/root is the sysroot, below a file system in memory that takes the changes and is gone afterwards. In it are /proc,
/dev/null, this folder as /bench, FOLDER/data as /data, FOLDER/home as /root, and kiln as /kiln, which starts what its guests
start. qemu-user, a program with libraries, is what binfmt_misc starts for riscv64, with its libraries where it looks for them.
The command itself stays outside: launch enters the root.

Exit code: the command's; 75 where there are no such namespaces.
"""
import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

BENCH = Path(__file__).resolve().parent
sys.path.insert(0, str(BENCH.parent / "tools"))
import namespace  # noqa: E402

UNAVAILABLE = 75
LEFTOVERS = 60  # seconds for what the command leaves running: kiln keeps units in the background

# name, offset and magic, mask, interpreter; P: argv[0] is passed on, F: opened now, so that it works in other roots.
BINFMT = (r":qemu-riscv64:M:0:\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xf3\x00:"
          r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:%s:PF")


def share(source, target):
    """Shows a folder or file of the machine inside the root."""
    if Path(source).is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    namespace.mount(source, target, None, namespace.MS_BIND)


def make_root(options):
    """The root directory of the head of this file."""
    changes, root = options.folder / "changes", options.folder / "root"
    for place in (changes, root, options.folder / "home"):
        place.mkdir(exist_ok=True)
    namespace.mount("tmpfs", changes, "tmpfs", 0, "mode=755")
    for name in ("upper", "work"):
        (changes / name).mkdir()
    namespace.mount("overlay", root, "overlay", 0,
                    f"lowerdir={options.sysroot},upperdir={changes}/upper,workdir={changes}/work")
    (root / "proc").mkdir(exist_ok=True)
    namespace.mount("proc", root / "proc", "proc")
    shared = [("/dev/null", "dev/null"), (BENCH, "bench"), (options.folder / "data", "data"), (options.folder / "home", "root")]
    if options.kiln:
        shared.append((options.kiln, "kiln"))
    if options.qemu:
        Path(namespace.BINFMT, "register").write_text(BINFMT % options.qemu)
        needed = subprocess.run(["ldd", options.qemu], capture_output=True, text=True).stdout
        shared += [(path, path.lstrip("/")) for path in re.findall(r"(/\S+) \(0x", needed)]
    for source, inside in shared:
        share(source, root / inside)


def wait_for_leftovers():
    """Process 1 of a namespace takes all others with it when it ends."""
    end = time.monotonic() + LEFTOVERS
    while time.monotonic() < end:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.01)
        except ChildProcessError:
            return


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kiln", metavar="FILE")
    parser.add_argument("--qemu", metavar="FILE")
    parser.add_argument("sysroot", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    try:
        status = namespace.enter(with_binfmt=options.qemu is not None)
    except namespace.Unavailable as reason:
        print(f"in_root: no namespaces: {reason}", file=sys.stderr)
        return UNAVAILABLE
    if status is not None:
        return os.waitstatus_to_exitcode(status)
    make_root(options)
    code = subprocess.run(options.command, stdin=subprocess.DEVNULL).returncode
    sys.stdout.flush()
    wait_for_leftovers()
    return code


if __name__ == "__main__":
    sys.exit(main())
