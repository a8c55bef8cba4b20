#!/usr/bin/env python3
"""Runs bench/run.py at a tiny scale and checks its JSON, its tables and its exit code, with kiln where it is built and
with stand-ins for an engine that answers wrongly, fails or hangs; and the root directories that bench/in_root.py makes."""
import argparse
import json
import subprocess
import sys
import unittest
from pathlib import Path

RUNNER = Path(__file__).resolve().parents[2] / "bench/run.py"
IN_ROOT = RUNNER.with_name("in_root.py")
KERNELS = {"fib", "crc32"}


def bench(engines, *arguments, group="kernels", only="^(fib|crc32)$"):
    """(exit code, JSON, Markdown, stderr) of a run of the two kernels, or of other cases."""
    WORK.mkdir(parents=True, exist_ok=True)
    files = [WORK / "result.json", WORK / "result.md"]
    for file in files:
        file.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-B", RUNNER, "--quick", "--group", group, "--only", only, "--engines", engines,
         "--build-dir", WORK, "--json", files[0], "--markdown", files[1], *arguments],
        capture_output=True, text=True)
    texts = [file.read_text() if file.exists() else "" for file in files]
    return done.returncode, json.loads(texts[0] or "null"), texts[1], done.stderr


def stand_in(name, script):
    path = WORK / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n[ \"$1\" = --version ] && echo {name} 1 && exit\n{script}\n")
    path.chmod(0o755)
    return path


class Runner(unittest.TestCase):
    def test_every_engine_is_measured_and_agrees(self):
        engines = ["native", "qemu"] + (["kiln"] if KILN else [])
        code, result, markdown, errors = bench(",".join(engines), "--scale", "0.5", *(["--kiln", KILN] if KILN else []))
        self.assertEqual(code, 0, errors + markdown)
        group = result["groups"]["kernels"]
        self.assertEqual(set(group["cases"]), KERNELS)
        for name, rows in group["cases"].items():
            self.assertEqual(list(rows), engines)
            for engine, row in rows.items():
                self.assertEqual(row["status"], "ok", (name, engine))
                self.assertGreater(row["cpu_s"], 0)
                self.assertGreater(row["rss_bytes"], 1 << 18)
                self.assertAlmostEqual(row["ratio"], row["cpu_s"] / rows["native"]["cpu_s"])
            if KILN:
                # Both kernels execute millions of instructions even at this scale.
                self.assertGreater(rows["kiln"]["guest_instructions"], 1000000)
            self.assertIn(f"| {name} |", markdown)
        ratios = [rows["qemu"]["ratio"] for rows in group["cases"].values()]
        self.assertAlmostEqual(group["geometric_means"]["qemu"]["ratio"], (ratios[0] * ratios[1]) ** 0.5)
        self.assertIn(result["machine"]["cpu"], markdown)
        self.assertIn(result["versions"]["qemu"], markdown)

    def test_bad_engines_are_rows_not_crashes(self):
        wrong = stand_in("wrong", "echo checksum 0")
        failing = stand_in("failing", "echo no such thing >&2; exit 3")
        killed = stand_in("killed", "kill -SEGV $$")
        hanging = stand_in("hanging", "exec sleep 60")
        code, result, _, errors = bench("native,kiln", "--timeout", "1", "--scale", "0.1", "--kiln", f"wrong={wrong}",
                                        "--kiln", f"failing={failing}", "--kiln", f"killed={killed}",
                                        "--kiln", f"hanging={hanging}")
        self.assertEqual(code, 1, errors)
        for rows in result["groups"]["kernels"]["cases"].values():
            self.assertEqual({name: row["status"] for name, row in rows.items()},
                             {"native": "ok", "wrong": "output differs", "failing": "exit 3: no such thing",
                              "killed": "exit 139", "hanging": "timeout"})
        self.assertEqual(result["groups"]["kernels"]["geometric_means"], {})

    def test_threads_have_wall_time(self):
        code, result, markdown, errors = bench("native,qemu", group="threads", only="mutex")
        self.assertEqual(code, 0, errors)
        self.assertEqual(set(result["groups"]["threads"]["cases"]), {"mutex x1", "mutex x2"})
        for rows in result["groups"]["threads"]["cases"].values():
            self.assertAlmostEqual(rows["qemu"]["wall_ratio"], rows["qemu"]["wall_s"] / rows["native"]["wall_s"])
        self.assertIn("| native wall ms | qemu wall |", markdown)

    def test_groups_leave_engines_out(self):
        code, result, markdown, errors = bench("native,qemu", "--scale", "0.01", group="steady", only="fib")
        self.assertEqual(code, 0, errors)
        self.assertEqual(set(result["groups"]["steady"]["cases"]["fib"]), {"native"})
        self.assertIn("|  | native ms | native MB |", markdown)

    def test_a_missing_kiln_is_said(self):
        code, result, _, errors = bench("native,kiln", "--kiln", str(WORK / "nowhere/kiln"))
        self.assertEqual((code, result), (2, None))
        self.assertIn("no kiln at", errors)


class InRoot(unittest.TestCase):
    """bench/in_root.py with a sysroot that holds one file."""

    def enter(self, script):
        sysroot, folder = WORK / "sysroot", WORK / "in_root"
        for place in (sysroot / "etc", folder / "data"):
            place.mkdir(parents=True, exist_ok=True)
        (sysroot / "etc/name").write_text("guest\n")
        (folder / "data/text").write_text("data\n")
        done = subprocess.run([sys.executable, "-B", IN_ROOT, sysroot, folder, "/bin/sh", "-c", script], cwd=folder,
                              capture_output=True, text=True)
        if done.returncode == 75:
            self.skipTest(done.stderr)
        return done, sysroot, folder

    def test_what_is_in_the_root(self):
        done, sysroot, _ = self.enter(
            "cat root/etc/name root/data/text && test -e root/proc/self && cmp root/bench/run.py " + str(RUNNER) +
            " && echo changed > root/etc/name && cat root/etc/name && exit 3")
        self.assertEqual((done.stdout, done.stderr, done.returncode), ("guest\ndata\nchanged\n", "", 3))
        self.assertEqual((sysroot / "etc/name").read_text(), "guest\n")
        self.assertEqual([path.name for path in sysroot.iterdir()], ["etc"])

    def test_what_is_left_running_may_finish(self):
        _, _, folder = self.enter("(sleep 0.3; echo late > root/root/late) >/dev/null 2>&1 & exit 0")
        self.assertEqual((folder / "home/late").read_text(), "late\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build-dir", type=Path, required=True)
    parser.add_argument("--kiln")
    options = parser.parse_args()
    WORK, KILN = options.build_dir.absolute(), options.kiln
    unittest.main(argv=sys.argv[:1])
