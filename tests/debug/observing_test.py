#!/usr/bin/env python3
"""What Kiln tells of its units: --trace=tier, --stats, --report, --dump, --perf-map, --jitdump, --gdb-jit. The guest is guests/observed.c, built with Debian's riscv64 cross
compiler, so that its functions' names are known."""
import argparse
import collections
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
REASONS = dict(re.findall(r"^TIER_REASON\((\w+), +(\w+),", (HERE.parents[1] / "src/run/tier_reasons.def").read_text(),
                          re.M))
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("KILN_", "QEMU_"))} | {"KILN_CACHE": "off"}


def run(*words, rounds=1000, env=None):
    """Runs the guest; its standard error."""
    done = subprocess.run([KILN, "run", *map(str, words), WORK / "observed", str(rounds)], capture_output=True, text=True,
                          timeout=60, cwd=WORK, env=CLEAN | (env or {}))
    if done.returncode != 0 or not done.stdout.endswith("\n1\n"):
        raise AssertionError(f"{words}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stderr


def stats(*words, **more):
    return json.loads(run("--stats=json", *words, **more))


def functions():
    """Address to name, of the guest's own functions."""
    lines = subprocess.run(["riscv64-linux-gnu-nm", WORK / "observed"], capture_output=True, text=True).stdout.splitlines()
    return {int(line.split()[0], 16): line.split()[2] for line in lines if line.split()[1] in "Tt"}


class TierTrace(unittest.TestCase):
    LINE = re.compile(r"tier: 0x([0-9a-f]+): (\w+), (\w+)(: .*)?")

    def decisions(self, *words):
        """(pc, reason) in order; every line is one of the table's."""
        found = []
        for line in run("--trace=tier", *words).splitlines():
            match = self.LINE.fullmatch(line)
            self.assertTrue(match, line)
            self.assertEqual(REASONS[match[3]], match[2], line)
            found.append((int(match[1], 16), match[3]))
        return found

    def test_hot_code_is_compiled_and_cold_code_is_not(self):
        found = self.decisions()
        reasons = collections.defaultdict(list)
        for pc, reason in found:
            reasons[pc].append(reason)
        named = {name: pc for pc, name in functions().items()}
        self.assertEqual(reasons[named["recursive"]], ["first_entry", "entered_often"])
        self.assertEqual(reasons[named["main"]], ["first_entry"])
        # The second loop rounds ties away from zero: its compiled unit gives way to the interpreter.
        self.assertIn(["first_entry", "entered_often", "tier_down", "first_entry", "does_not_apply"], list(reasons.values()))

    def test_each_engine_has_its_reasons(self):
        self.assertEqual({reason for _, reason in self.decisions("--engine=interp")}, {"first_entry", "warmed"})
        self.assertLessEqual({reason for _, reason in self.decisions("--engine=jit1")},
                             {"forced", "no_code", "tier_down", "does_not_apply"})

    def test_a_full_cache_says_so(self):
        found = collections.Counter(reason for _, reason in self.decisions("--engine=jit1", "--cache-size=64k"))
        self.assertGreater(found["evicted"], 100)
        found = collections.Counter(reason for _, reason in self.decisions("--cache-units=100"))
        self.assertGreater(found["evicted"], 100)

    def test_other_policies(self):
        for words in ["--adaptive"], ["--adaptive", "--ewma-alpha=0.1"], ["--decay=0.5"], ["--hot-after=1"]:
            self.assertIn("entered_often", {reason for _, reason in self.decisions(*words)})

    def test_the_counts_are_those_of_the_trace(self):
        counts = stats("--trace=tier", "--trace-file=trace")["decisions_by_reason"]
        lines = (WORK / "trace").read_text().splitlines()
        self.assertEqual({reason: count for reason, count in counts.items() if count},
                         collections.Counter(self.LINE.fullmatch(line)[3] for line in lines))


class Stats(unittest.TestCase):
    def test_cache_levels(self):
        seen = stats("--engine=jit1", rounds=100000)  # regions have the loops' jumps inside
        # A call of each kind, there and back.
        self.assertGreater(seen["indirect_jumps"], 200000)
        self.assertGreater(seen["direct_jumps"], 10000000)
        for level in ("link", "jump_cache"):
            self.assertGreater(seen[level + "_hit_rate"], 0.99)
        self.assertEqual(seen["unit_lookups"], seen["unit_hits"] + seen["unit_misses"])
        # A search follows a jump that missed, a cold unit, a system call, or a unit that gave way.
        self.assertLess(seen["link_misses"] + seen["jump_cache_misses"], seen["unit_lookups"])

    def test_time_to_make_units(self):
        seen = stats()
        for tier in ("unit_interpreted", "unit_compiled"):
            self.assertGreater(seen[tier]["count"], 10)
            self.assertLessEqual(seen[tier]["median_ns"], seen[tier]["p99_ns"])
            self.assertLessEqual(seen[tier]["p99_ns"], seen[tier]["longest_ns"])
        self.assertEqual(seen["unit_compiled"]["count"], seen["units_compiled"])
        self.assertEqual(seen["unit_compiled"]["count"] + seen["unit_interpreted"]["count"], seen["units_made"])
        self.assertGreater(seen["compiled_instructions"], seen["units_compiled"])


class Report(unittest.TestCase):
    def test_names_times_and_shares(self):
        text = run("--report", rounds=200000)
        self.assertRegex(text, r"^kiln: \S+/observed, process \d+\n")
        self.assertRegex(text, r"\n +\d+     to make a unit by tier 1, lifting included: [\d.]+ us on average, ")
        hottest = re.findall(r"^ +([\d.]+) %   (\S+)$", text.split("hottest functions")[1], re.M)
        self.assertEqual(hottest[0][1], "hot_loop")
        self.assertGreater(float(hottest[0][0]), 80)
        self.assertRegex(text.split("hottest units")[1], r"^\n +[\d.]+ %   hot_loop\+0x[0-9a-f]+ 0x[0-9a-f]+, compiled, \d+ ins")
        slowest = re.findall(r"^ +([\d.]+) us  \S+ 0x", text.split("slowest units")[1], re.M)
        self.assertEqual(len(slowest), 20)
        self.assertEqual(sorted(map(float, slowest), reverse=True), list(map(float, slowest)))
        shares = re.findall(r"^ +([\d.]+) %   (.+)$", text.split("time of guest threads")[1].split("slowest")[0], re.M)
        self.assertEqual(shares[0][1], "running compiled units")
        self.assertAlmostEqual(sum(float(share) for share, _ in shares), 100, delta=1)

    def test_to_a_file(self):
        self.assertEqual(run("--report=report.txt"), "")
        self.assertIn("hottest units", (WORK / "report.txt").read_text())
        self.assertEqual(run("--report=/nosuch/file"),
                         "kiln: cannot write the report to /nosuch/file: No such file or directory\n")


class Dump(unittest.TestCase):
    def test_one_function(self):
        text = run("--dump=guest,ir,ir-after:dead_code,host,exits@hot_loop", "--opt=full")
        units = re.findall(r"^unit 0x[0-9a-f]+ (\S+): (\w+), \d+ instructions$", text, re.M)
        self.assertEqual({name.split("+")[0] for name, _ in units}, {"hot_loop"})
        self.assertIn("entered_often", [reason for _, reason in units])
        compiled = text.split(": entered_often")[1]
        parts = ["\n  guest\n    0x", "\n  ir\n    function ", "\n  ir after dead_code\n    function ",
                 "\n  exits\n    @0x", "\n  host 0x"]
        self.assertEqual(sorted(parts, key=compiled.index), parts)
        self.assertRegex(compiled, r"\n    0x[0-9a-f]+  mul ")
        self.assertRegex(compiled, r"%\d+ = mul.i64 ")
        self.assertRegex(compiled, r"\n    @0x[0-9a-f]+( #\d+)?: goto_pc.plain 0x")
        self.assertRegex(compiled, r"\n    imul r")

    def test_regions_use_no_feature_left_out(self):
        """Vector instructions begin with v where the host's AVX may be used."""
        vector = re.compile(r"\n    v\w+ ")
        self.assertRegex(run("--engine=jit2", "--dump=host"), vector)
        self.assertNotRegex(run("--engine=jit2", "--dump=host", "--without-host=avx"), vector)

    def test_links(self):
        # Not those of hot_loop: a unit that goes on at its own start needs none.
        self.assertRegex(run("--dump=links@recursive"), r"(^|\n)link 0x[0-9a-f]+ recursive\S* to 0x[0-9a-f]+ recursive")

    def test_an_address_and_a_range(self):
        named = {name: pc for pc, name in functions().items()}
        pc = named["recursive"]
        self.assertEqual({line.split()[1] for line in run(f"--dump=guest@{pc:#x}").splitlines() if line.startswith("unit")},
                         {f"{pc:#x}"})
        for line in run(f"--dump=host@{pc:#x}-{pc + 8:#x}").splitlines():
            if line.startswith("unit"):
                self.assertIn(int(line.split()[1], 16), range(pc, pc + 8))

    def test_what_makes_no_sense(self):
        for words, message in (("host,what", "there is no what to show"), ("host@0x20-0x10", "0x20-0x10 is no range"),
                               ("host@", " is no range"), ("host@0x", "0x is no range")):
            done = subprocess.run([KILN, "run", "--dump=" + words, "x"], capture_output=True, text=True, env=CLEAN)
            self.assertEqual(done.returncode, 1)
            self.assertIn("kiln: --dump: " + message, done.stderr)


class Profilers(unittest.TestCase):
    def names_in_map(self, pid):
        lines = Path(f"/tmp/perf-{pid}.map").read_text().splitlines()
        entries = [re.fullmatch(r"([0-9a-f]+) ([0-9a-f]+) (.+)", line) for line in lines]
        self.assertTrue(all(entries), lines)
        return [entry[3] for entry in entries]

    def names_in_dump(self, file):
        data = file.read_bytes()
        magic, version, size, machine, _, pid, _, _ = struct.unpack_from("<IIIIIIQQ", data)
        self.assertEqual((magic, version, size, machine), (0x4a695444, 1, 40, 62))
        self.assertEqual(pid, int(file.name.split("-")[1].split(".")[0]))
        names, at = [], size
        while at < len(data):
            kind, total, _, _, _, vma, address, code, index = struct.unpack_from("<IIQIIQQQQ", data, at)
            name, bytes_ = data[at + 56:at + total - code].decode(), data[at + total - code:at + total]
            self.assertEqual((kind, vma, index, name[-1], len(bytes_)), (0, address, len(names), "\0", code))
            names.append(name[:-1])
            at += total
        self.assertEqual(at, len(data))
        return names

    def test_perf_map_and_jitdump(self):
        (WORK / "dumps").mkdir()
        guest = subprocess.Popen([KILN, "run", "--perf-map", "--jitdump=dumps", WORK / "observed", "fork"], cwd=WORK,
                                 stdout=subprocess.PIPE, text=True, env=CLEAN)
        output, _ = guest.communicate(timeout=60)
        child = int(output.splitlines()[1].split()[0])
        try:
            parents, childs = self.names_in_map(guest.pid), self.names_in_map(child)
            self.assertEqual(parents[0], "[kiln: entering and leaving units]")
            self.assertTrue(any(name.startswith("hot_loop+") for name in parents), parents)
            self.assertFalse(any(name.startswith("indirect") for name in parents), parents)
            # The child has its parent's units and its own.
            self.assertTrue(any(name.startswith("hot_loop+") for name in childs), childs)
            self.assertTrue(any(name.startswith("indirect+") for name in childs), childs)
            for pid, names in (guest.pid, parents), (child, childs):
                self.assertEqual(self.names_in_dump(WORK / f"dumps/jit-{pid}.dump"), names)
        finally:
            for pid in guest.pid, child:
                Path(f"/tmp/perf-{pid}.map").unlink(missing_ok=True)

    def test_a_folder_that_is_not_there(self):
        done = subprocess.run([KILN, "run", "--jitdump=/nosuch", "x"], capture_output=True, text=True, env=CLEAN)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^kiln: cannot make /nosuch/jit-\d+.dump: No such file or directory\n$")

    @unittest.skipUnless(shutil.which("gdb-multiarch"), "no GDB here")
    def test_gdb_knows_the_guests_functions(self):
        script = ["set debuginfod enabled off", "run", "info symbol $pc"]
        command = ["gdb-multiarch", "-nx", "-batch", *(word for line in script for word in ("-ex", line)), "--args", KILN,
                   "run", "--gdb-jit", WORK / "observed", "crash"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=CLEAN, stdin=subprocess.DEVNULL)
        self.assertRegex(done.stdout, r"\n(main|crashing)\S*( \+ \d+)? in section .text of <in-memory")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kiln", required=True)
    options, rest = parser.parse_known_args()
    KILN = str(Path(options.kiln).resolve())
    with tempfile.TemporaryDirectory(prefix="kiln-observing-") as folder:
        WORK = Path(folder)
        subprocess.run(["riscv64-linux-gnu-gcc", "-O2", "-static", "-o", WORK / "observed", HERE / "guests/observed.c", "-lm"],
                       check=True)
        unittest.main(argv=[sys.argv[0], *rest])
