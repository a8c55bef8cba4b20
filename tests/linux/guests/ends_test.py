#!/usr/bin/env python3
"""How guests end and what is said about it: exit statuses, fatal signals, system calls that are not there, -strace.

  ends_test.py "<emulator>" <the program of fatal.c>
"""
import json
import re
import resource
import signal
import subprocess
import sys
import unittest

EMULATOR = []
FATAL = ""

CORE = "kiln: uncaught target signal {number} ({text}) - core dumped\n"


def run(*args, options=(), core_bytes=0):
    def limit_core():
        resource.setrlimit(resource.RLIMIT_CORE, (core_bytes, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    done = subprocess.run(EMULATOR + list(options) + [FATAL, *map(str, args)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, preexec_fn=limit_core)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


class Ends(unittest.TestCase):
    def test_exit_status_is_the_low_byte(self):
        for status, seen in ((0, 0), (7, 7), (300, 44), (-1, 255)):
            self.assertEqual(run("exit", status), (seen, "", ""))

    def test_exit_of_one_thread_ends_all(self):
        self.assertEqual(run("thread", 33), (33, "", ""))

    def test_a_shell_sees_128_and_the_signal(self):
        for how, number in (("raise", signal.SIGTERM), ("null", signal.SIGSEGV)):
            command = " ".join(EMULATOR + [FATAL, how, str(int(number))]) + "; echo $?"
            done = subprocess.run(["sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            self.assertEqual(done.stdout.decode(), f"{128 + number}\n")

    def test_death_without_a_core_is_silent(self):
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGPIPE, signal.SIGUSR1, 40):
            self.assertEqual(run("kill", int(number)), (-number, "", ""))

    @unittest.skipIf(resource.getrlimit(resource.RLIMIT_CORE)[1] == 0, "cores are forbidden here")
    def test_death_with_a_core_has_a_line(self):
        cases = (("abort", signal.SIGABRT, "Aborted"), ("null", signal.SIGSEGV, "Segmentation fault"),
                 ("jump", signal.SIGSEGV, "Segmentation fault"), ("ignored", signal.SIGSEGV, "Segmentation fault"),
                 ("blocked", signal.SIGSEGV, "Segmentation fault"),
                 ("overflow", signal.SIGSEGV, "Segmentation fault"))
        for how, number, text in cases:
            with self.subTest(how):
                self.assertEqual(run(how, 0, core_bytes=1 << 20), (-number, "", CORE.format(number=int(number), text=text)))
        for number, text in ((signal.SIGQUIT, "Quit"), (signal.SIGFPE, "Floating point exception"),
                             (signal.SIGSYS, "Bad system call")):
            self.assertEqual(run("raise", int(number), core_bytes=1 << 20),
                             (-number, "", CORE.format(number=int(number), text=text)))

    def test_death_is_silent_where_no_core_is_allowed(self):
        self.assertEqual(run("null", 0), (-signal.SIGSEGV, "", ""))
        if resource.getrlimit(resource.RLIMIT_CORE)[1] != 0:
            self.assertEqual(run("null", 0, core_bytes=1), (-signal.SIGSEGV, "", ""))


class Unimplemented(unittest.TestCase):
    def test_is_silent_unless_asked(self):
        self.assertEqual(run("unknown", 1000), (0, "all is well\n", ""))

    def test_is_said_once_for_each_number(self):
        status, _, said = run("unknown", 1000, options=["--trace=unimp"])
        self.assertEqual(status, 0)
        self.assertEqual(said.count("unimplemented system call 1000 "), 1)
        self.assertEqual(said.count("(userfaultfd)"), 1)


class Statistics(unittest.TestCase):
    def test_calls_are_counted_by_name(self):
        _, _, report = run("exit", 0, options=["--stats=json"])
        calls = json.loads(report)["syscalls_by_name"]
        self.assertEqual(calls["exit_group"], 1)
        self.assertGreaterEqual(calls["brk"], 2)

    def test_only_the_first_process_reports(self):
        status, _, report = run("fork", 5, options=["--stats=json"])
        self.assertEqual(status, 5)
        self.assertEqual(json.loads(report)["syscalls_by_name"]["getppid"], 50)


class Strace(unittest.TestCase):
    def test_lines_read_like_strace(self):
        status, _, lines = run("raise", int(signal.SIGCHLD), options=["--strace"])
        self.assertEqual(status, 98)
        self.assertRegex(lines, r'(?m)^readlinkat\(AT_FDCWD, "/proc/self/exe", "/.*"(\.\.\.)?, 4096\) = \d+$')
        self.assertRegex(lines, r"(?m)^brk\(NULL\) {2,}= 0x[0-9a-f]+$")
        self.assertRegex(lines, r"(?m)^tgkill\(\d+, \d+, SIGCHLD\) += 0$")

    def test_an_end_has_no_result(self):
        _, _, lines = run("exit", 3, options=["--strace"])
        self.assertTrue(lines.endswith("exit_group(3) = ?\n"), lines)

    def test_faults_are_shown(self):
        _, _, lines = run("null", 0, options=["--strace"])
        self.assertIn("--- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=NULL} ---\n", lines)

    def test_errors_have_names(self):
        _, _, lines = run("unknown", 1000, options=["--strace"])
        self.assertTrue(re.search(r"(?m)^syscall_1000\(\) += -1 ENOSYS \(Function not implemented\)$", lines), lines)


if __name__ == "__main__":
    EMULATOR = sys.argv.pop(1).split()
    FATAL = sys.argv.pop(1)
    unittest.main()
