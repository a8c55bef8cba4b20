#!/usr/bin/env python3
"""The command line of kiln as people and scripts use it: help texts, options and their variables, the qemu-user
personality, bad input, exit statuses, the report of --stats. Guests are built with Debian's riscv64 cross compiler."""
import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMPILER = "riscv64-linux-gnu-gcc"
ROW = re.compile(r'^OPTION\((\w+), .*?"([a-z0-9-]+)", *"([^"]*)", *"([^"]*)", *"', re.M)
OPTIONS = ROW.findall((ROOT / "src/base/options.def").read_text())  # group, name, qemu-user's name, QEMU_ variable
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("KILN_", "QEMU_", "T_"))} | {"HOME": "/dev/null/none"}


def run(*words, env=None, command=None, **more):
    return subprocess.run([*(command or [KILN]), *map(str, words)], capture_output=True, text=True, timeout=60,
                          env=CLEAN | (env or {}), cwd=WORK, **more)


class Help(unittest.TestCase):
    def test_the_table_is_read(self):
        self.assertGreater(len(OPTIONS), 15)
        self.assertIn(("guest", "sysroot", "L", "QEMU_LD_PREFIX"), OPTIONS)

    def test_every_option_is_in_every_page(self):
        for page in (["--help"], ["help"], ["run", "--help"], ["help", "run"], ["help", "options"], ["run", "-h"]):
            done = run(*page)
            self.assertEqual((done.returncode, done.stderr), (0, ""), page)
            for group, name, _, _ in OPTIONS:
                self.assertRegex(done.stdout, rf"--{name}\b", page)
                if group != "about":
                    self.assertIn("KILN_" + name.upper().replace("-", "_"), done.stdout, page)

    def test_qemu_names_are_in_the_pages(self):
        options, qemu = run("help", "options").stdout, run("-h", command=[QEMU]).stdout
        for _, _, name, variable in OPTIONS:
            for page in (options, qemu) if name else ():
                self.assertRegex(page, rf"\s-{name}\b")
                self.assertIn(variable, page)

    def test_lines_fit(self):
        for page in (["--help"], ["help", "options"]):
            self.assertLessEqual(max(map(len, run(*page).stdout.splitlines())), 100)

    def test_the_examples_in_the_help_are_right(self):
        examples = re.findall(r"^  (kiln .*?)  ", run("--help").stdout.split("Examples:")[1], re.M)
        self.assertEqual(len(examples), 3)
        for example in examples:
            done = run(*example.split()[1:])
            # The options are right; the program is not here, or this machine's.
            self.assertRegex(done.stderr, r"^kiln: \./hello: no such file|^kiln: /bin/ls: is a program for")

    def test_version(self):
        for words in (["--version"], ["run", "--version"], ["-version"]):
            done = run(*words)
            self.assertRegex(done.stdout, r"^kiln \d+\.\d+\.\d+ \(build [0-9a-f]{16}\)\n$")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(run("-version", command=[QEMU]).stdout, r"^qemu-riscv64: kiln \d")

    def test_values_are_listed(self):
        done = run("run", "-cpu", "help")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"\n  rv64 ")
        self.assertRegex(run("-d", "help", command=[QEMU]).stdout, r"\n  unimp ")

    def test_a_full_disk_is_an_error(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([KILN, "--help"], stdout=full, env=CLEAN)
        self.assertEqual(done.returncode, 1)


class WrongUsage(unittest.TestCase):
    def check(self, words, message, status=2, **more):
        done = run(*words, **more)
        self.assertEqual((done.stdout, done.returncode), ("", status), words)
        self.assertEqual(done.stderr, message + "\n")

    def test_options(self):
        self.check(["run", "--max-unit=0", "x"], "kiln: --max-unit=0: expected a number from 1 to 256")
        self.check(["--engine=jit9", "x"], "kiln: --engine=jit9: expected one of interp, jit1, jit2, hybrid")
        self.check(["run", "--sysrot=/", "x"], "kiln: unknown option --sysrot=/; did you mean --sysroot?")
        self.check(["run", "-L"], "kiln: -L needs a value: DIR")
        self.check(["run"], "kiln: no program to run; --help explains")
        self.check(["run", "-g", "0", "x"], "kiln: --gdb: 0 is no port; ports are 1 to 65535", 1)
        self.check(["run", "x"], "kiln: KILN_OPT=fast: expected one of none, tier0, full", env={"KILN_OPT": "fast"})

    def test_commands(self):
        self.check(["rnu"], "kiln: there is no command rnu; did you mean kiln run?")
        self.check(["frobnicate"], "kiln: there is no command frobnicate; to run a program: kiln run frobnicate")
        self.check(["help", "cheese"], "kiln: there is no help on cheese; there is on run, options, binfmt, cache and aot")
        done = run()
        self.assertEqual((done.stdout, done.returncode), ("", 2))
        self.assertTrue(done.stderr.startswith("usage: kiln run [options] program"))

    def test_as_qemu_the_status_is_1(self):
        self.check(["-foo"], "qemu-riscv64: unknown option -foo", 1, command=[QEMU])
        self.check([], "qemu-riscv64: no program to run; --help explains", 1, command=[QEMU])
        self.check(["x"], "qemu-riscv64: QEMU_STACK_SIZE=1: expected a size from 64k to 1024G", 1, command=[QEMU],
                   env={"QEMU_STACK_SIZE": "1"})

    def test_programs_that_cannot_run(self):
        (WORK / "plain").write_text("no program\n")
        (WORK / "text").write_text("no program\n")
        (WORK / "text").chmod(0o755)
        for name, status in (("nosuch", 127), ("plain", 126), ("text", 126), (".", 126)):
            for command in ([KILN, "run"], [QEMU]):
                done = run(WORK / name, command=command)
                self.assertEqual((done.stdout, done.returncode), ("", status), name)
                self.assertRegex(done.stderr, rf"^{Path(command[0]).name}: {re.escape(str(WORK / name))}.*\n$")

    def test_a_log_that_cannot_be_written(self):
        self.check(["run", "-D", "/nosuch/log", "x"],
                   "kiln: cannot write the log file /nosuch/log: No such file or directory", 1)


@unittest.skipUnless(shutil.which(COMPILER), f"needs {COMPILER}")
class Guests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.guest = WORK / "guest"
        subprocess.run([COMPILER, "-O1", "-static", Path(__file__).with_name("cli_guest.c"), "-o", cls.guest], check=True)

    def seen(self, *words, **more):
        """What the guest says, without the machine's line."""
        done = run(*words, **more)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        first, *rest = done.stdout.splitlines()
        self.assertEqual(first, "machine riscv64")
        return rest

    def test_run_may_be_left_out(self):
        for words in (["run", self.guest], [self.guest], ["--opt=none", self.guest], ["run", "--", self.guest],
                      ["run", "./guest"], ["./guest"], ["run", "guest"]):
            self.assertIn(f"word {words[-1]}", self.seen(*words, "--opt=full")[1])

    def test_words_and_argv0(self):
        words = [line for line in self.seen("run", "-0", "zero", self.guest, "", "-x", "a b") if line.startswith("word")]
        self.assertEqual(words, ["word zero", "word ", "word -x", "word a b"])

    def test_the_command_line_beats_the_environment(self):
        variables = {"KILN_RELEASE": "6.1.2", "QEMU_UNAME": "6.1.1"}
        self.assertEqual(self.seen("run", self.guest, env=variables)[0], "release 6.1.2")
        self.assertEqual(self.seen("run", "--release=6.1.3", self.guest, env=variables)[0], "release 6.1.3")
        self.assertEqual(self.seen(self.guest, command=[QEMU], env={"QEMU_UNAME": "6.1.1"})[0], "release 6.1.1")
        self.assertEqual(self.seen(self.guest, command=[QEMU], env=variables)[0], "release 6.1.2")
        self.assertEqual(self.seen("-r", "6.1.4", self.guest, command=[QEMU], env=variables)[0], "release 6.1.4")
        self.assertNotEqual(self.seen("run", self.guest, env={"QEMU_UNAME": "6.1.1"})[0], "release 6.1.1")

    def test_the_guests_environment(self):
        def variables(*words, **more):
            return sorted(line.split(" ", 1)[1] for line in self.seen(*words, **more) if line.startswith("variable"))
        ours = {"T_A": "1", "T_B": "2", "KILN_SET_ENV": "T_C=3", "KILN_MAX_UNIT": "32"}
        self.assertEqual(variables("run", "-E", "T_A=x=y,T_D=4", "-U", "T_B", self.guest, env=ours),
                         ["KILN_MAX_UNIT=32", "T_A=x=y", "T_C=3", "T_D=4"])
        self.assertEqual(variables(self.guest, command=[QEMU], env={"QEMU_SET_ENV": "T_A=1,T_B=2", "QEMU_UNSET_ENV": "T_C",
                                                                    "T_C": "3"}), ["T_A=1", "T_B=2"])

    def test_as_qemu(self):
        for link in ("qemu-riscv64-static", "qemu-riscv64"):
            path = WORK / link
            if not path.exists():
                path.symlink_to(KILN)
            done = run("-0", "me", "--", self.guest, "x", command=[path])
            self.assertIn("word me\nword x\n", done.stdout)
        # As binfmt_misc calls it: the program's path, then its own argv[0].
        link = WORK / "riscv64-binfmt-P"
        link.symlink_to(KILN)
        self.assertIn("word own\nword x\n", run(self.guest, "own", "x", command=[link]).stdout)

    def test_exit_statuses(self):
        self.assertEqual(run(self.guest, "exit", 7).returncode, 7)
        self.assertEqual(run(self.guest, "exit", 127).returncode, 127)
        self.assertEqual(run(self.guest, "kill", 15).returncode, -signal.SIGTERM)

    def test_the_seed_decides_at_random(self):
        def random(*words):
            return run("run", *words, self.guest, "random").stdout
        self.assertEqual(random("--seed=1"), random("-seed", "1"))
        self.assertNotEqual(random("--seed=1"), random("--seed=2"))
        self.assertNotEqual(random(), random())

    def test_nested_guests_run_alike(self):
        log = WORK / "nested.log"
        lines = self.seen("run", "--release=6.1.9", "-E", "T_A=1", "--strace", "-D", "nested.log", self.guest, "exec",
                          self.guest, "inner", "x", env={"KILN_ARGV0": "outer"})
        self.assertEqual(lines, ["release 6.1.9", "word inner", "word x", "variable T_A=1"])
        self.assertEqual(log.read_text().count("execve("), 1)
        self.assertEqual(log.read_text().count("exit_group(0)"), 1)
        # The log of another run begins anew.
        self.seen("run", "-D", log, "-strace", self.guest)
        self.assertNotIn("execve(", log.read_text())

    def test_strace_by_any_name(self):
        for words, env in ((["--strace"], {}), (["-strace"], {}), (["-d", "strace"], {}), ([], {"KILN_STRACE": "1"})):
            self.assertIn("exit_group(3)", run("run", *words, self.guest, "exit", 3, env=env).stderr, words)
        self.assertIn("exit_group(3)", run(self.guest, "exit", 3, command=[QEMU], env={"QEMU_STRACE": ""}).stderr)
        self.assertEqual(run("run", "--strace=no", self.guest, "exit", 3, env={"KILN_STRACE": "1"}).stderr, "")

    def test_stats_json(self):
        file = WORK / "stats.json"
        self.assertEqual(run("--stats=json", "--stats-file=stats.json", self.guest, "exit", 5).returncode, 5)
        stats = json.loads(file.read_text())
        self.assertEqual(stats["program"], str(self.guest))
        self.assertGreater(stats["guest_instructions"], 1000)
        self.assertGreater(stats["units_made"], 10)
        self.assertEqual(stats["unit_lookups"], stats["unit_hits"] + stats["unit_misses"])
        self.assertEqual(stats["syscalls_by_name"]["exit_group"], 1)
        self.assertEqual(sum(stats["syscalls_by_name"].values()), stats["syscalls"])
        self.assertEqual(stats["exits_by_reason"]["syscall"], stats["syscalls"])
        self.assertGreater(stats["peak_memory_bytes"], 1 << 20)

    def test_translation(self):
        lifted = {}
        for how in ("templates", "ir"):
            done = run("--engine=interp", "--translation=" + how, "--stats=json", self.guest, "exit", 5)
            self.assertEqual(done.returncode, 5)
            stats = json.loads(done.stderr)
            lifted[how] = stats["lifted_instructions"]
            self.assertEqual(stats["assembled_instructions"] > 0, how == "templates")
            self.assertEqual(stats["templates_learnt"] > 0, how == "templates")
        self.assertLess(lifted["templates"], lifted["ir"] / 10)

    def test_stats_text(self):
        done = run("--stats", self.guest, "exit", 0)
        self.assertRegex(done.stderr, r"^kiln: \S+, process \d+\n")
        self.assertRegex(done.stderr, r"\n +[\d,]+  guest instructions executed\n")
        self.assertRegex(done.stderr, r"\n +1  exit_group\n")
        self.assertEqual(run("--stats", "--stats=off", self.guest, "exit", 0).stderr, "")

    def test_stats_files_by_process(self):
        run("--stats=json", "--stats-file", WORK / "each.%d", self.guest, "exec", self.guest, "x")
        files = list(WORK.glob("each.*"))
        self.assertEqual([json.loads(file.read_text())["pid"] for file in files], [int(files[0].suffix[1:])])

    def test_a_stats_file_that_cannot_be_written_is_said(self):
        done = run("--stats=json", "--stats-file=/nosuch/file", self.guest, "exit", 3)
        self.assertEqual(done.returncode, 3)
        self.assertEqual(done.stderr, "kiln: cannot write the statistics to /nosuch/file: No such file or directory\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kiln", required=True)
    options, rest = parser.parse_known_args()
    KILN = str(Path(options.kiln).resolve())
    with tempfile.TemporaryDirectory(prefix="kiln-cli-") as folder:
        WORK = Path(folder)
        QEMU = str(WORK / "qemu-riscv64")
        Path(QEMU).symlink_to(KILN)
        unittest.main(argv=[sys.argv[0], *rest])
