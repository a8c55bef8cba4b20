#!/usr/bin/env python3
"""Files that are no program for kiln, through the command line: each is refused with one clear line on stderr and the
exit status that a shell would give, 127 (not found), 126 (not executable) or 1 (no memory).

tests/linux/loader_refusal_test.cpp has the whole list of damages; here are some of each kind, and what only a whole
kiln shows: nothing else is printed, and nothing crashes."""
import argparse
import os
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("KILN_", "QEMU_"))} | {"KILN_CACHE": "off"}
X86, ARM, RISCV, AARCH64 = 62, 40, 243, 183
PT_LOAD, PT_INTERP = 1, 3
BASE = 0x10000
# li a7, 93; li a0, 42; ecall: exit(42).
CODE = struct.pack("<3I", 0x05D00893, 0x02A00513, 0x00000073)
HEADER = dict(bits=2, order=1, version=1, type=2, machine=RISCV, entry=BASE + 0x1000, phoff=64, phentsize=56, phnum=None)
MAX = (1 << 64) - 1


def segment(**more):
    row = dict(type=PT_LOAD, flags=5, offset=0x1000, vaddr=BASE + 0x1000, filesz=len(CODE), memsz=len(CODE),
               align=0x1000) | more
    address = row["vaddr"]
    return struct.pack("<IIQQQQQQ", row["type"], row["flags"], row["offset"], address, address, row["filesz"],
                       row["memsz"], row["align"])


def program(rows=None, data=b"", **header):
    """A program that exits with 42, unless `header` or `rows` differ; `data` follows its code, at file offset 0x100c."""
    rows = [segment()] if rows is None else rows
    h = HEADER | header
    endian = "<" if h["order"] == 1 else ">"
    count = len(rows) if h["phnum"] is None else h["phnum"]
    ident = b"\x7fELF" + bytes([h["bits"], h["order"], h["version"]]) + bytes(9)
    fields = struct.pack(endian + "HHIQQQIHHHHHH", h["type"], h["machine"], 1, h["entry"], h["phoff"], 0, 0, 64,
                         h["phentsize"], count, 0, 0, 0)
    return (ident + fields + b"".join(rows)).ljust(0x1000, b"\0") + CODE + data


def with_interpreter(path, **more):
    row = segment(type=PT_INTERP, **(dict(offset=0x1000 + len(CODE), filesz=len(path), memsz=len(path)) | more))
    return program([row, segment()], path)


GOOD = program()
# name: (status, words of the message, the file's bytes)
FILES = {
    "empty": (126, "is an empty file", b""),
    "text": (126, "is not an ELF program", b"hello\n"),
    "zeros": (126, "is not an ELF program", bytes(1 << 20)),
    "script": (126, "is a script", b"#!/bin/sh\nexit 0\n"),
    "magic": (126, "ends within the ELF header", GOOD[:4]),
    "half-header": (126, "ends within the ELF header", GOOD[:40]),
    "no-rows": (126, "program headers lie beyond", GOOD[:64]),
    "half-row": (126, "program headers lie beyond", GOOD[:100]),
    "cut": (126, "truncated", GOOD[:-1]),
    "x86-64": (126, "for x86-64, not for riscv64", program(machine=X86)),
    "aarch64": (126, "for aarch64, not for riscv64", program(machine=AARCH64)),
    "unknown-machine": (126, "not for riscv64", program(machine=0xBEEF)),
    "riscv32": (126, "is a 32-bit program", program(bits=1)),
    "arm": (126, "is a 32-bit program for 32-bit Arm", program(bits=1, machine=ARM)),
    "class": (126, "damaged", program(bits=7)),
    "big-endian": (126, "big-endian", program(order=2)),
    "version": (126, "damaged", program(version=0)),
    "object": (126, "is an object file", program(type=1)),
    "core": (126, "is a core dump", program(type=4)),
    "type": (126, "damaged", program(type=0x4D)),
    "row-size": (126, "impossible size", program(phentsize=1)),
    "rows-none": (126, "no program headers", program([])),
    "rows-many": (126, "too many program headers", program(phnum=0xFFFF)),
    "rows-beyond": (126, "program headers lie beyond", program(phoff=1 << 40)),
    "rows-wrap": (126, "program headers lie beyond", program(phoff=MAX - 8)),
    "nothing": (126, "nothing to load", program([segment(type=4)])),
    "unaligned": (126, "not aligned", program([segment(vaddr=BASE + 0x1234)])),
    "overlap": (126, "overlap", program([segment(memsz=0x9000), segment()])),
    "file-larger": (126, "larger in the file", program([segment(memsz=1)])),
    "offset-wraps": (126, "truncated", program([segment(offset=MAX - 0xFFF)])),
    "size-absurd": (126, "truncated", program([segment(filesz=MAX, memsz=MAX)])),
    "alignment": (126, "impossible alignment", program([segment(align=1 << 63)])),
    "memory-absurd": (1, "beyond the address space", program([segment(memsz=MAX)])),
    "memory-wraps": (1, "beyond the address space", program([segment(vaddr=MAX - 0xFFF, offset=0, memsz=0x10000)])),
    "too-high": (1, "beyond the address space", program([segment(vaddr=1 << 46)])),
    "too-low": (126, "below 64 KiB", program([segment(vaddr=0)])),
    "interpreter-missing": (127, "/nosuch/ld.so", with_interpreter(b"/nosuch/ld.so\0")),
    "interpreter-endless": (126, "has no end", with_interpreter(b"/lib/ld.so")),
    "interpreter-empty": (126, "is empty", with_interpreter(b"\0\0")),
    "interpreter-absurd": (126, "impossible length", with_interpreter(b"x\0", filesz=MAX)),
    "interpreter-outside": (126, "outside the file", with_interpreter(b"x\0", offset=MAX - 1)),
    "interpreter-directory": (126, "its dynamic linker", with_interpreter(b"/\0")),
    "interpreter-no-elf": (126, "its dynamic linker /etc/passwd: no permission", with_interpreter(b"/etc/passwd\0")),
}


class BadInput(unittest.TestCase):
    def run_kiln(self, path):
        return subprocess.run([KILN, "run", path], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                              env=CLEAN)

    def write(self, name, data, mode=0o755):
        path = WORK / name
        path.write_bytes(data)
        path.chmod(mode)
        return path

    def check_refused(self, path, status, words):
        with self.subTest(path.name):
            done = self.run_kiln(path)
            self.assertEqual((done.returncode, done.stdout), (status, ""), done.stderr)
            self.assertTrue(done.stderr.startswith(f"kiln: {path}: "), done.stderr)
            self.assertIn(words, done.stderr)
            self.assertEqual((done.stderr.count("\n"), done.stderr[-1]), (1, "\n"), done.stderr)

    def test_the_undamaged_file_runs(self):
        done = self.run_kiln(self.write("good", GOOD))
        self.assertEqual((done.returncode, done.stdout, done.stderr), (42, "", ""))

    def test_files(self):
        for name, (status, words, data) in FILES.items():
            self.check_refused(self.write(name, data), status, words)

    def test_places(self):
        self.check_refused(WORK / "nosuch", 127, "no such file")
        self.check_refused(WORK / "nosuch" / "file", 127, "no such file")
        self.check_refused(self.write("file", GOOD) / "below", 126, "Not a directory")
        self.check_refused(WORK, 126, "is a directory")
        self.check_refused(self.write("no-permission", GOOD, 0o644), 126, "no permission")
        (WORK / "loop").symlink_to("loop")
        self.check_refused(WORK / "loop", 126, "cannot be opened")
        os.mkfifo(WORK / "pipe", 0o755)
        self.check_refused(WORK / "pipe", 126, "not a regular file")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kiln", required=True)
    options, rest = parser.parse_known_args()
    KILN = str(Path(options.kiln).resolve())
    with tempfile.TemporaryDirectory(prefix="kiln-bad-input-") as folder:
        WORK = Path(folder)
        unittest.main(argv=[sys.argv[0], *rest])
