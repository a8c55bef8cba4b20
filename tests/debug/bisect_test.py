#!/usr/bin/env python3
"""tools/bisect.py finds faults that were put into kiln on purpose (faulty_kiln.cpp), in guests/observed.c; and of templates,
in a stand-in for kiln. --lockstep finds the first of them as well."""
import argparse
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
BISECT = HERE.parents[1] / "tools/bisect.py"
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("KILN_", "QEMU_"))} | {"KILN_CACHE": "off"}

# Wrong from the 37th unit on that is put together from templates; with units of one instruction from the 101st.
STAND_IN = """#!/usr/bin/env python3
import os
fuel = int(os.environ.get("KILN_FUEL_TEMPLATES", 10**6))
bad = 101 if os.environ.get("KILN_MAX_UNIT") == "1" else 37
print("wrong" if fuel >= bad else "right")
if os.environ.get("KILN_TRACE") == "tier":
    with open(os.environ["KILN_TRACE_FILE"].replace("%d", str(os.getpid())), "w") as trace:
        for i in range(200):
            trace.write(f"tier: {0x10000 + 2 * i:#x}: interpreted, first_entry: 1 instructions\\n")
"""


def bisect(*words, fault=None, **env):
    done = subprocess.run([sys.executable, BISECT, *map(str, words)], capture_output=True, text=True, timeout=100, cwd=WORK,
                          env=CLEAN | env | ({"KILN_TEST_FAULT": fault} if fault else {}))
    return done.returncode, done.stdout + done.stderr


def guest(*options):
    return ["--", KILN, "run", *options, WORK / "observed", "20"]


class Bisect(unittest.TestCase):
    def test_a_wrong_unit(self):
        status, text = bisect(*guest("--engine=jit1"), fault="compile mul add")
        self.assertEqual(status, 0, text)
        found = re.search(r"^unit: number \d+, at (0x[0-9a-f]+), is the first that makes it wrong when compiled; it does so alone$",
                          text, re.M)
        self.assertTrue(found, text)
        self.assertNotIn("pass:", text)
        # What it says shows the unit, and only that one is compiled.
        settings = dict(word.split("=", 1) for word in re.search(r"^  (KILN_.*)$", text, re.M)[1].split())
        done = subprocess.run(guest("--engine=jit1")[1:], capture_output=True, text=True, timeout=60, env=CLEAN | settings)
        compiled = re.search(rf"^unit {found[1]} [^\n]*: forced, .*?(?=^unit |\Z)", done.stderr, re.M | re.S)
        self.assertRegex(compiled[0], r"\n    0x[0-9a-f]+  mul ")
        self.assertIn("  host 0x", compiled[0])

    def test_a_wrong_pass(self):
        status, text = bisect(*guest("--engine=interp", "--opt=full"), fault="pass 4 mul add")
        self.assertEqual(status, 0, text)
        self.assertIn("pass: number 4 of --opt=full, deferred_state_stores, is the first that makes it wrong\n", text)
        self.assertNotIn("unit:", text)

    def test_a_wrong_template(self):
        (WORK / "stand_in").write_text(STAND_IN)
        (WORK / "stand_in").chmod(0o755)
        status, text = bisect("--", "./stand_in")
        self.assertEqual(status, 0, text)
        self.assertIn("template: of the instruction number 101 put together from templates, at 0x100c8\n", text)

    def test_what_is_right_may_be_said(self):
        (WORK / "wanted").write_bytes(b"something else\n")
        self.assertEqual(bisect("--output=wanted", *guest())[0], 1)
        self.assertIn("not to be found here", bisect("--status=3", *guest())[1])

    def test_nothing_to_find(self):
        self.assertEqual(bisect(*guest()), (1, "right as it is: nothing to find\n"))

    def test_lockstep_finds_it_as_well(self):
        done = subprocess.run([KILN, "run", "--lockstep", "--engine=jit1", WORK / "observed", "20"], capture_output=True,
                              text=True, timeout=60, env=CLEAN | {"KILN_TEST_FAULT": "compile mul add"})
        self.assertEqual(done.returncode, 125)
        self.assertRegex(done.stderr, r"^kiln: lockstep: the unit at 0x[0-9a-f]+ \w+(\+0x[0-9a-f]+)? does something else")
        self.assertRegex(done.stderr, r"\n  \* x\d+ ")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--kiln", required=True, help="faulty_kiln")
    options, rest = parser.parse_known_args()
    KILN = os.path.abspath(options.kiln)
    with tempfile.TemporaryDirectory(prefix="kiln-bisect-") as folder:
        WORK = Path(folder)
        subprocess.run(["riscv64-linux-gnu-gcc", "-O1", "-g", "-static", HERE / "guests/observed.c", "-lm", "-o", WORK / "observed"],
                       check=True)
        unittest.main(argv=[sys.argv[0], *rest])
