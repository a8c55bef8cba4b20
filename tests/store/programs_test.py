#!/usr/bin/env python3
"""The store under real programs: what they print is the same without it, cold, warm, with damaged images, with writers that are
killed, and many at a time. Prints how much was damaged and killed."""
import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FETCH = ROOT / "tools/fetch_guests.py"
COMPILER = "riscv64-linux-gnu-gcc"
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("KILN_", "QEMU_"))}
PROGRAMS = [
    ["bin/busybox", "seq", "3"],
    ["bin/bash", "-c", "for i in 1 2 3; do echo $((i * i)); done; exit 3"],
    ["usr/bin/lua5.4", "-e", "local t = {} for i = 1, 200 do t[i] = i * i end print(#t, t[200])"],
    ["usr/bin/perl", "-e", "print join(',', map { $_ ** 2 } 1 .. 20), qq(\\n)"],
]


class Store(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="kiln-store-"))
        self.images = self.folder / "units"
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.addCleanup(self.end_writers)

    def run_guest(self, words, **more):
        env = CLEAN | {"KILN_CACHE_DIR": str(self.images)} | more.pop("env", {})
        done = subprocess.run([KILN, "run", "-L", SYSROOT, *more.pop("options", []), f"{SYSROOT}/{words[0]}", *words[1:]],
                              capture_output=True, timeout=300, env=env, **more)
        return done.returncode, done.stdout, done.stderr

    def stats(self, words, **more):
        report = self.folder / "stats"
        self.run_guest(words, options=["--stats=json", f"--stats-file={report}"], **more)
        return json.loads(report.read_text())

    def writers(self):
        """The processes that save: what is alive and was told of our directory."""
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if str(self.images).encode() in (entry / "environ").read_bytes():
                    yield int(entry.name)
            except OSError:
                pass

    def wait_for_writers(self):
        until = time.monotonic() + 50
        while list(self.writers()):
            self.assertLess(time.monotonic(), until, "a writer does not end")
            time.sleep(0.01)

    def end_writers(self):
        for writer in self.writers():
            os.kill(writer, signal.SIGKILL)

    def fill(self, words):
        self.run_guest(words)
        self.wait_for_writers()

    def expected(self):
        return [self.run_guest(words, env={"KILN_CACHE": "off"}) for words in PROGRAMS]

    def agree(self, expected):
        for words, wanted in zip(PROGRAMS, expected):
            self.assertEqual(self.run_guest(words), wanted, words)

    def files(self):
        return sorted(self.images.glob("*.units"))

    def test_cold_and_warm_are_as_without(self):
        expected = self.expected()
        for _ in range(3):
            self.agree(expected)
            self.wait_for_writers()
        self.assertGreater(len(self.files()), 3)

    def test_the_second_run_makes_nothing(self):
        cold = self.stats(PROGRAMS[1])
        self.wait_for_writers()
        warm = self.stats(PROGRAMS[1])
        self.assertEqual(cold["units_loaded"], 0)
        self.assertGreater(warm["units_loaded"], 1000)
        self.assertLess(warm["units_made"], cold["units_made"] / 20)
        self.assertEqual(warm["store_damaged"] + warm["store_stale"], 0)

    def test_modes(self):
        words = PROGRAMS[0]
        for env in ({"KILN_CACHE": "off"}, {"KILN_CACHE": "ro"}):
            self.run_guest(words, env=env)
            self.wait_for_writers()
            self.assertFalse(self.images.exists())
        self.fill(words)
        before = [(file, file.stat().st_mtime_ns) for file in self.files()]
        self.stats(words, env={"KILN_CACHE": "ro"})
        self.wait_for_writers()
        self.assertEqual(before, [(file, file.stat().st_mtime_ns) for file in self.files()])

    def test_a_home_that_cannot_be_written(self):
        wanted = self.run_guest(PROGRAMS[0], env={"KILN_CACHE": "off"})
        for place in ("/proc/kiln", "/dev/null/kiln", ""):
            env = {"KILN_CACHE_DIR": place, "HOME": str(self.folder / "none")}
            self.assertEqual(self.run_guest(PROGRAMS[0], env=env), wanted)
        time.sleep(0.5)
        self.assertFalse((self.folder / "none").exists())

    def test_damaged_images_are_misses(self):
        expected = self.expected()
        self.agree(expected)
        self.wait_for_writers()
        whole = {file: file.read_bytes() for file in self.files()}
        chance = random.Random(1)
        flipped = cut = 0
        for round_number in range(120 if FULL else 12):
            for file, content in whole.items():
                damaged = bytearray(content)
                for _ in range(chance.choice((1, 20, 2000))):
                    damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
                    flipped += 1
                if round_number % 4 == 3:
                    damaged = damaged[:chance.randrange(len(damaged))]
                    cut += 1
                file.write_bytes(damaged)
            self.agree(expected)
            self.wait_for_writers()
        print(f"{flipped} bits flipped in images of {sum(map(len, whole.values()))} bytes, {cut} files cut off")

    def test_images_of_other_programs(self):
        expected = self.expected()
        self.agree(expected)
        self.wait_for_writers()
        files = self.files()
        contents = [file.read_bytes() for file in files]
        for file, content in zip(files, contents[1:] + contents[:1]):
            file.write_bytes(content)
        self.agree(expected)
        for file in files:
            file.write_bytes(bytes(10000))
        self.agree(expected)

    def test_a_program_that_changed(self):
        if shutil.which(COMPILER) is None:
            self.skipTest(f"there is no {COMPILER}")
        program = self.folder / "program"
        for number in (11, 12, 11, 12):
            source = self.folder / "program.c"
            source.write_text("int puts(const char *); int main(int n, char **v) { int s = 0;"
                              f"for (int i = 0; i < 500; i++) s += n * {number}; puts(s == 500 * {number} ? \"{number}\" : \"?\");"
                              f"return s == 500 * n * {number} ? {number} : 1; }}")
            subprocess.run([COMPILER, "-static", "-O1", "-Wl,--build-id=none", "-o", program, source], check=True)
            for _ in range(2):
                done = subprocess.run([KILN, "run", program], capture_output=True, timeout=60,
                                      env=CLEAN | {"KILN_CACHE_DIR": str(self.images)})
                self.assertEqual((done.returncode, done.stdout), (number, f"{number}\n".encode()))
                self.wait_for_writers()

    def test_writers_that_are_killed(self):
        wanted = self.run_guest(PROGRAMS[3], env={"KILN_CACHE": "off"})
        chance = random.Random(2)
        killed = 0
        for _ in range(25):
            self.assertEqual(self.run_guest(PROGRAMS[3]), wanted)
            time.sleep(chance.random() * 0.2)
            for writer in self.writers():
                os.kill(writer, signal.SIGKILL)
                killed += 1
            self.wait_for_writers()
            if chance.random() < 0.3:
                shutil.rmtree(self.images, ignore_errors=True)
        print(f"{killed} writers killed")

    def test_many_with_somebody_who_damages_and_removes(self):
        expected = self.expected()
        done = threading.Event()
        acts = [0, 0]

        def disturb():
            chance = random.Random(3)
            while not done.wait(0.01):
                if chance.random() < 0.02:
                    self.cache("-c")
                for file in self.files():
                    try:
                        if chance.random() < 0.1:
                            file.unlink()
                            acts[0] += 1
                        elif chance.random() < 0.5:
                            with open(file, "r+b") as image:
                                image.seek(chance.randrange(file.stat().st_size))
                                image.write(bytes([chance.randrange(256)]))
                            acts[1] += 1
                    except (OSError, ValueError):
                        pass

        failures = []

        def work(number):
            for turn in range(6):
                index = (number + turn) % len(PROGRAMS)
                seen = self.run_guest(PROGRAMS[index])
                if seen != expected[index]:
                    failures.append((PROGRAMS[index], seen))

        disturber = threading.Thread(target=disturb)
        disturber.start()
        workers = [threading.Thread(target=work, args=(number,)) for number in range(64 if FULL else 8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        done.set()
        disturber.join()
        self.wait_for_writers()
        self.assertEqual(failures, [])
        print(f"{acts[0]} images removed and {acts[1]} damaged under {6 * len(workers)} programs, {len(workers)} at a time")

    def cache(self, *words):
        done = subprocess.run([KILN, "cache", *words], capture_output=True, text=True, timeout=120,
                              env=CLEAN | {"KILN_CACHE_DIR": str(self.images)})
        return done.returncode, done.stdout + done.stderr

    def test_the_cache_command(self):
        for _ in range(2):
            self.agree(self.expected())
            self.wait_for_writers()
        figures = json.loads(self.cache("-s", "--json")[1])
        self.assertEqual(figures["images"], len(self.files()))
        self.assertGreaterEqual(figures["processes"], 7)  # the first finds no directory
        self.assertGreater(figures["hit_rate_percent"], 10)
        self.assertIn("hit rate", self.cache("-s", "-v")[1])
        self.assertEqual(self.cache("-z")[0], 0)
        self.agree(self.expected())
        self.assertGreater(json.loads(self.cache("-s", "--json")[1])["hit_rate_percent"], 95)
        self.assertIn("bin/bash", self.cache("list")[1])
        self.assertEqual(len(json.loads(self.cache("list", "--json")[1])), len(self.files()))
        self.assertIn(str(self.images), self.cache("-p")[1])
        # Compiled again, all is the same to the byte; and what is not goes.
        code, text = self.cache("verify")
        self.assertEqual(code, 0, text)
        self.assertIn(f"{len(self.files())} the same, 0 stale, 0 not checked, 0 damaged, 0 different", text)
        print(text.strip())
        archive = self.folder / "images.tar.zst"
        self.assertEqual(self.cache("export", str(archive))[0], 0)
        whole = {file: file.read_bytes() for file in self.files()}
        victim = self.files()[0]
        middle = len(whole[victim]) // 2
        victim.write_bytes(whole[victim][:middle] + bytes(range(64)) + whole[victim][middle + 64:])
        code, text = self.cache("verify")
        self.assertEqual(code, 1)
        self.assertIn("1 damaged", text)
        self.assertFalse(victim.exists())
        self.assertEqual(self.cache("-C")[1], f"removed {len(whole) - 1} images\n")
        self.assertEqual(self.cache("import", str(archive))[0], 0)
        self.assertEqual({file: file.read_bytes() for file in self.files()}, whole)
        os.utime(victim, (1000, 1000))
        self.assertEqual(self.cache("evict", "--older-than=30d")[1], "removed 1 image\n")
        self.assertEqual(self.cache("-M", "1k")[0], 0)
        self.cache("-c")
        self.assertEqual(self.files(), [])
        for wrong in ([], ["--nothing"], ["-M"], ["-M", "much"], ["evict"], ["evict", "--older-than=x"], ["-s", "-z"]):
            self.assertEqual(self.cache(*wrong)[0], 2, wrong)
        self.assertEqual(self.cache("import", "/nonexistent")[0], 1)

    def test_verified_on_the_fly(self):
        expected = self.expected()
        self.agree(expected)
        self.wait_for_writers()
        for words, wanted in zip(PROGRAMS, expected):
            self.assertEqual(self.run_guest(words, options=["--cache-verify"]), wanted)
        # With --stats units count their jumps: they are others.
        for words in PROGRAMS:
            self.stats(words)
            self.wait_for_writers()
            seen = self.stats(words, env={"KILN_CACHE_VERIFY": "1"})
            self.assertGreater(seen["chapters_installed"], 5)
            self.assertEqual(seen["store_mismatched"], 0)

    def test_a_program_that_goes_on_saves_too(self):
        # What the kernel kills saves nothing at its end.
        script = "for (1..60) { select(undef, undef, undef, 0.05); $x .= chr($_) } print length $x; kill 9, $$"
        for every, has_images in (("0", False), ("1", True)):
            code, _, _ = self.run_guest(["usr/bin/perl", "-e", script], options=[f"--cache-every={every}"])
            self.assertEqual(code, -signal.SIGKILL)
            self.wait_for_writers()
            self.assertEqual(len(self.files()) > 2, has_images)
        self.assertEqual(self.cache("verify")[0], 0)

    def test_who_adopts_orphans_meets_no_writer(self):
        script = ("syscall(167, 36, 1, 0, 0, 0);"  # prctl(PR_SET_CHILD_SUBREAPER, 1)
                  "if (!fork) { if (!fork) { $s += $_ * $_ for 1..2000; exit } exit } $n++ while wait > 0; print $n")
        self.assertEqual(self.run_guest(["usr/bin/perl", "-e", script]), (0, b"2", b""))

    def test_who_shares_descriptors_keeps_them(self):
        script = ("$child = syscall(220, 0x411, 0, 0, 0, 0);"  # clone(CLONE_FILES | SIGCHLD)
                  "if (!$child) { $s += $_ * $_ for 1..2000; exit } waitpid $child, 0; print 'still open'")
        self.assertEqual(self.run_guest(["usr/bin/perl", "-e", script]), (0, b"still open", b""))

    def test_process_1_of_a_container_saves(self):
        inside = ["unshare", "--user", "--map-root-user", "--pid", "--fork"]
        if subprocess.run([*inside, "true"], capture_output=True).returncode != 0:
            self.skipTest("no namespaces here")
        words = [*inside, "env", "--", KILN, "run", f"{SYSROOT}/bin/busybox", "seq", "3"]
        done = subprocess.run(words, capture_output=True, timeout=60, env=CLEAN | {"KILN_CACHE_DIR": str(self.images)})
        self.assertEqual(done.stdout, b"1\n2\n3\n")
        self.assertEqual(done.returncode, 0)
        self.assertGreater(len(self.files()), 0)

    def test_guests_do_not_meet_their_writers(self):
        # The shell becomes another program when it has learnt enough to be saved: that one has no child.
        script = "for i in $(seq 200); do : $((i * i)); done; exec " + f"{SYSROOT}/bin/busybox sh -c 'wait; echo left: $?; ps -o pid,ppid'"
        code, out, _ = self.run_guest(["bin/bash", "-c", script])
        self.assertEqual(code, 0)
        self.assertIn(b"left: 0", out)
        self.wait_for_writers()
        self.assertGreater(len(self.files()), 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--kiln", required=True)
    parser.add_argument("--full", action="store_true", help="all faults, and 64 processes at a time")
    options, rest = parser.parse_known_args()
    KILN, FULL = options.kiln, options.full
    SYSROOT = subprocess.run([FETCH, "--print-sysroot"], capture_output=True, text=True, check=True).stdout.strip()
    if not all((Path(SYSROOT) / words[0]).exists() for words in PROGRAMS):
        print("the guest programs are not here; tools/fetch_guests.py fetches them")
        sys.exit(75)
    unittest.main(argv=[sys.argv[0], *rest])
