#!/usr/bin/env python3
"""kiln aot: what is translated ahead of time is found by the first run, is the same each time, and compiles again to the same;
what is no program gets a clear line."""
import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FETCH = ROOT / "tools/fetch_guests.py"
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("KILN_", "QEMU_"))}
SHELL = ["bin/bash", "-c", "for i in 1 2 3; do echo $((i * i)); done; exit 3"]
LIBRARY = "usr/lib/riscv64-linux-gnu/libtinfo.so.6"


class Aot(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="kiln-aot-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def aot(self, *words, store="units", env=None):
        done = subprocess.run([KILN, "aot", *map(str, words)], capture_output=True, timeout=300, text=True,
                              env=(CLEAN if env is None else env) | {"KILN_CACHE_DIR": str(self.folder / store)})
        return done.returncode, done.stdout, done.stderr

    def build(self, *operands, **more):
        code, out, err = self.aot("build", "-L", SYSROOT, *operands, **more)
        self.assertEqual(code, 0, err)
        return out

    def images(self, store="units"):
        return {file.name: file.read_bytes() for file in (self.folder / store).glob("*.units")}

    def run_guest(self, words, *options, mode="ro"):
        done = subprocess.run([KILN, "run", "-L", SYSROOT, *options, f"{SYSROOT}/{words[0]}", *words[1:]], capture_output=True,
                              timeout=120, env=CLEAN | {"KILN_CACHE_DIR": str(self.folder / "units"), "KILN_CACHE": mode})
        return done.returncode, done.stdout, done.stderr

    def test_the_first_run_finds_its_units(self):
        # Units count their jumps with --stats, so they are others.
        out = self.build("--stats", "-j2", f"{SYSROOT}/{SHELL[0]}")
        self.assertIn("translated 4 files", out)
        report = self.folder / "stats"
        expected = self.run_guest(SHELL, mode="off")
        self.assertEqual(self.run_guest(SHELL, "--stats=json", f"--stats-file={report}"), expected)
        counts = json.loads(report.read_text())
        self.assertGreater(counts["units_entered"], 1000)
        # Of what it came to it had to make less than a tenth, what became hot among it.
        self.assertLess(counts["units_made"] * 10, counts["units_entered"])
        self.assertEqual(counts["store_damaged"] + counts["store_stale"], 0)
        self.assertEqual(self.run_guest(SHELL, "--cache-verify", "--stats=json", f"--stats-file={report}"), expected)
        self.assertEqual(json.loads(report.read_text())["store_mismatched"], 0)

    def test_what_has_run_is_then_in_ordinary_chapters(self):
        self.build("--stats", f"{SYSROOT}/{SHELL[0]}")
        report = self.folder / "stats"
        expected = self.run_guest(SHELL, "--stats=json", f"--stats-file={report}", mode="rw")
        chapters = json.loads(report.read_text())["chapters_installed"]
        until = time.monotonic() + 50
        while json.loads(report.read_text())["chapters_installed"] * 5 > chapters:
            self.assertLess(time.monotonic(), until, "nothing was kept")
            time.sleep(0.1)
            self.assertEqual(self.run_guest(SHELL, "--stats=json", f"--stats-file={report}"), expected)

    def test_is_the_same_each_time_and_compiles_again_to_the_same(self):
        self.build("-j1", LIBRARY_PATH)
        self.build("-j4", LIBRARY_PATH, store="again")
        self.assertGreater(len(self.images()), 0)
        self.assertEqual(self.images(), self.images("again"))
        code, out, _ = self.aot("verify")
        self.assertEqual(code, 0, out)
        self.assertIn(f"images: {len(self.images())} the same, 0 stale, 0 not checked, 0 damaged, 0 different", out)
        # All of it is there now.
        self.assertIn("0.0 MiB of code", self.build(LIBRARY_PATH))

    def test_what_is_there_can_be_seen_and_removed(self):
        self.build(LIBRARY_PATH)
        code, out, _ = self.aot("info", "-L", SYSROOT, LIBRARY_PATH)
        self.assertEqual(code, 0)
        self.assertTrue(all(int(line.split()[0]) > 100 for line in out.splitlines()), out)
        self.assertIn("libtinfo", self.aot("list")[1])
        self.assertEqual(self.aot("clear", "-L", SYSROOT, LIBRARY_PATH)[0], 0)
        self.assertEqual(self.images(), {})

    def test_directories(self):
        tree = self.folder / "tree/lib"
        tree.mkdir(parents=True)
        shutil.copy(LIBRARY_PATH, tree / "libmine.so")
        (tree / "notes.txt").write_text("no program")
        (tree / "loop").symlink_to(tree)
        out = self.build(self.folder / "tree")
        self.assertIn("of 1 programs and libraries", out)

    def test_without_a_home(self):
        bare = {"PATH": os.environ["PATH"]}
        self.assertEqual(self.aot("build", "-L", SYSROOT, LIBRARY_PATH, env=bare)[0], 0)
        done = subprocess.run([KILN, "aot", "build", LIBRARY_PATH], capture_output=True, text=True, env=bare, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("KILN_CACHE_DIR", done.stderr)

    def test_what_is_no_program(self):
        text, empty, folder, secret = (self.folder / name for name in ("text", "empty", "folder", "secret"))
        text.write_text("hello")
        empty.write_bytes(b"")
        folder.mkdir()
        secret.write_bytes(b"")
        for path, message in ((text, "is not an ELF program"), (empty, "is an empty file"), (KILN, "is a program for x86-64"),
                              (folder, "there is no program or library in this directory"),
                              (self.folder / "absent", "cannot be opened: No such file")):
            code, out, err = self.aot("build", path)
            self.assertEqual(code, 1, path)
            self.assertIn(f"{path}: {message}", err)
            self.assertEqual(len(err.splitlines()), 1, err)
        # What is a program is translated all the same.
        code, out, err = self.aot("build", "-L", SYSROOT, text, LIBRARY_PATH)
        self.assertEqual(code, 1)
        self.assertGreater(len(self.images()), 0)

    def test_wrong_words(self):
        for words, message in ((["build"], "needs a program"), ([], "say what to do"), (["make"], "unknown action make"),
                               (["build", "-j0", "x"], "-j needs a number"), (["build", "--jobs"], "needs a number"),
                               (["build", "--no-such-option", "x"], "no-such-option")):
            code, _, err = self.aot(*words)
            self.assertEqual(code, 2, words)
            self.assertIn(message, err)

    def test_damaged_programs(self):
        whole = Path(LIBRARY_PATH).read_bytes()
        chance = random.Random(7)
        for number in range(12):
            damaged = bytearray(whole)
            end = 4096 if number % 2 else len(whole)  # headers and tables, or anything
            for _ in range(40):
                damaged[chance.randrange(64, end)] = chance.randrange(256)
            path = self.folder / "damaged.so"
            path.write_bytes(damaged)
            code, _, err = self.aot("build", path)
            self.assertIn(code, (0, 1), err)
            self.assertNotIn("crash", err)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--kiln", required=True)
    options, rest = parser.parse_known_args()
    KILN = options.kiln
    SYSROOT = subprocess.run([FETCH, "--print-sysroot"], capture_output=True, text=True, check=True).stdout.strip()
    LIBRARY_PATH = f"{SYSROOT}/{LIBRARY}"
    if not all(Path(path).exists() for path in (f"{SYSROOT}/{SHELL[0]}", LIBRARY_PATH)):
        print("the guest programs are not here; tools/fetch_guests.py fetches them")
        sys.exit(75)
    unittest.main(argv=[sys.argv[0], *rest])
