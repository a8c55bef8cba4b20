"""irtool from the outside: what its commands print and exit with. Usage: irtool_test.py IRTOOL"""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

IRTOOL = sys.argv.pop(1)

ADD = """function rv64 0x10000 {
b0:
@0x10000:
  %0 = get_state.i64 x5
  %1 = iconst.i64 3
  %2 = add.i64 %0, %1
  put_state.i64 x6, %2
  %3 = mul.i64 %2, %0
  put_state.i64 x7, %3
  goto_pc.plain 0x10004
}
"""


def irtool(*arguments, text=""):
    return subprocess.run([IRTOOL, *arguments], input=text, capture_output=True, text=True)


class IrtoolTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.file = Path(self.folder.name) / "add.ir"
        self.file.write_text(ADD)

    def tearDown(self):
        self.folder.cleanup()

    def test_help_names_every_command(self):
        for question in (["help"], ["--help"], ["run", "--help"]):
            out = irtool(*question)
            self.assertEqual(out.returncode, 0)
            for command in "cat verify opt lift run diff reduce".split():
                self.assertIn(f"irtool {command} ", out.stdout)

    def test_bad_questions_exit_with_2(self):
        for arguments in (["frobnicate"], ["cat"], ["cat", "/nowhere.ir"], ["cat", str(self.file), "--loud"],
                          ["opt", str(self.file), "--passes=magic"], ["opt", str(self.file), "--level=9"],
                          ["lift", "1305050"], ["lift", "--elf=x"], ["run", str(self.file), "--set=q9=1"],
                          ["reduce", str(self.file)], ["diff", str(self.file)],
                          ["diff", str(self.file), "--level=full", "--states=0"],
                          ["opt", str(self.file), "--level=full", "--passes=fold"], ["cat", self.folder.name],
                          ["lift", "13831200", "--pc=3"], ["lift", "13831200", "--max=0"],
                          ["lift", "13831200", "--max=few"], ["lift", f"--elf={sys.executable}", "--symbol=main"],
                          ["lift", f"--elf={self.folder.name}", "--symbol=main"],
                          ["lift", f"--elf={self.file}", "--symbol=main"]):
            out = irtool(*arguments)
            self.assertEqual(out.returncode, 2, arguments)
            self.assertTrue(out.stderr.startswith("irtool: "), arguments)
            self.assertEqual(out.stderr.count("\n"), 1, arguments)

    def test_parse_errors_name_file_and_line(self):
        self.file.write_text(ADD + "\n" + ADD.replace("mul.i64", "mull.i64"))
        out = irtool("cat", str(self.file))
        self.assertEqual((out.returncode, out.stderr), (2, f"irtool: {self.file}:20: 'mull' is not an operation\n"))

    def test_verify_says_no_with_1(self):
        self.assertEqual(irtool("verify", str(self.file)).returncode, 0)
        self.file.write_text(ADD.replace("goto_pc.plain 0x10004", ""))
        out = irtool("verify", str(self.file))
        self.assertEqual(out.returncode, 1)
        self.assertIn("does not end with a terminator", out.stderr)

    def test_lift_and_run(self):
        lifted = irtool("lift", "13831200", "--pc=0x4000")  # addi t1, t0, 1
        self.assertIn("; 0x4000: addi t1, t0, 1\nfunction rv64 0x4000 {", lifted.stdout)
        out = irtool("run", "-", "--set=x5=41", text=lifted.stdout)
        self.assertEqual(out.returncode, 0, out.stderr)
        self.assertIn("exit: lookup", out.stdout)
        self.assertRegex(out.stdout, r"(?m)^x6 +0x2a$")

    def test_run_says_what_faulted(self):
        self.file.write_text(ADD.replace("put_state.i64 x6, %2", "store.i64.relaxed.mmu %0, 0, %2"))
        out = irtool("run", str(self.file), "--set=x5=0x202000,v128_a=1")
        self.assertIn("exit: fault at 0x202000: not accessible\n", out.stdout)
        self.assertRegex(out.stdout, r"(?m)^v128_a +0x1$")

    def test_run_gives_up(self):
        self.file.write_text("function rv64 0x1000 {\nb0:\n  br b1\nb1:\n  br b1\n}\n")
        out = irtool("run", str(self.file), "--seconds=1")
        self.assertEqual((out.returncode, out.stderr[:36]), (2, "irtool: the function does not end; -"))

    def test_diff(self):
        out = irtool("diff", str(self.file), "--level=full", "--states=7")
        self.assertEqual((out.returncode, out.stdout), (0, "the same on 7 states\n"))
        out = irtool("diff", "-", str(self.file), text=ADD.replace("iconst.i64 3", "iconst.i64 4"))
        self.assertEqual(out.returncode, 1)
        self.assertRegex(out.stdout, r"(?m)^\* x6 ")

    def test_reduce_keeps_what_matters(self):
        out = irtool("reduce", str(self.file), f"--test={IRTOOL} cat {{}} | grep -q mul.i64")
        self.assertEqual(out.returncode, 0, out.stderr)
        self.assertIn("mul.i64", out.stdout)
        for gone in ("put_state", "add.i64", "get_state"):
            self.assertNotIn(gone, out.stdout)
        self.assertEqual(irtool("reduce", str(self.file), "--test=grep -q no-such-text {}").returncode, 1)

    def test_reduce_drops_cases(self):
        self.file.write_text("""function rv64 0x10000 {
b0:
@0x10000:
  %0 = get_state.i64 x5
  switch.i64 %0, b1, 1: b2, 2: b3, 3: b3
b1:
  goto_pc.plain 0x20000
b2:
  goto_pc.plain 0x20004
b3:
  switch.i64 %0, b1, 7: b2
}
""")
        out = irtool("reduce", str(self.file), "--test=grep -q 'switch.*0x2: b' {}")
        self.assertRegex(out.stdout, r"(?m)^  switch.i64 %0, b1, 0x2: b[12]$")
        self.assertEqual(out.stdout.count("switch"), 1)


if __name__ == "__main__":
    unittest.main()
