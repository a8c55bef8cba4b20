#!/usr/bin/env python3
"""What Kiln tells of its units: --trace=tier, --stats. The guest is guests/observed.c, built with Debian's riscv64 cross
compiler, so that its functions' names are known."""
import argparse
import collections
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
REASONS = dict(re.findall(r"^TIER_REASON\((\w+), +(\w+),", (HERE.parents[1] / "src/run/tier_reasons.def").read_text(),
                          re.M))
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("KILN_", "QEMU_"))}


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
        # The second loop rounds upward: its compiled unit gives way to the interpreter.
        self.assertIn(["first_entry", "entered_often", "tier_down", "first_entry", "does_not_apply"], list(reasons.values()))

    def test_each_engine_has_its_reasons(self):
        self.assertEqual({reason for _, reason in self.decisions("--engine=interp")}, {"first_entry", "warmed"})
        self.assertLessEqual({reason for _, reason in self.decisions("--engine=jit1")},
                             {"forced", "no_code", "tier_down", "does_not_apply"})

    def test_a_full_cache_says_so(self):
        found = collections.Counter(reason for _, reason in self.decisions("--engine=jit1", "--cache-size=64k"))
        self.assertGreater(found["flushed"], 100)
        found = collections.Counter(reason for _, reason in self.decisions("--cache-units=100"))
        self.assertGreater(found["flushed"], 100)
        self.assertEqual(found["flushed"] % 101, 0)

    def test_the_counts_are_those_of_the_trace(self):
        counts = stats("--trace=tier", "--trace-file=trace")["decisions_by_reason"]
        lines = (WORK / "trace").read_text().splitlines()
        self.assertEqual({reason: count for reason, count in counts.items() if count},
                         collections.Counter(self.LINE.fullmatch(line)[3] for line in lines))


class Stats(unittest.TestCase):
    def test_cache_levels(self):
        seen = stats(rounds=100000)
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
