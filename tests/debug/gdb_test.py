#!/usr/bin/env python3
"""GDB (Debian's gdb-multiarch) on guests under kiln --gdb: each test is a script for it and what it has to print, as
regular expressions in order. The guest is guests/debugged.c, one part of it each time."""
import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("KILN_", "QEMU_"))} | {"KILN_CACHE": "off"}
SETTINGS = ["set pagination off", "set confirm off", "set width 0", "set debuginfod enabled off"]
SYSROOT = "/usr/riscv64-linux-gnu"
FETCH = Path(__file__).resolve().parent.parent.parent / "tools" / "fetch_guests.py"


class Session:
    """A guest and a GDB at work on it."""

    def __init__(self, folder, part, script, link="static", connect=True, env=None, command=None, sysroot=SYSROOT):
        self.socket = str(Path(folder, "socket"))
        program, *arguments = command or [str(Path(PROGRAMS, "debugged_" + link)), part]
        self.guest = subprocess.Popen([KILN, "run", "--gdb", self.socket, "-L", sysroot, program, *arguments],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                      env=CLEAN | (env or {}))
        wait_for(lambda: Path(self.socket).exists() or self.guest.poll() is not None)
        lines = SETTINGS + ([f"target remote {self.socket}"] if connect else []) + script
        command = [GDB, "-nx", "-q", "-batch"]
        for line in lines:
            command += ["-ex", line]
        self.gdb = subprocess.Popen([*command, program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, text=True, env=CLEAN)

    def finish(self):
        """GDB's output, and the guest's with its exit status."""
        try:
            text, _ = self.gdb.communicate(timeout=60)
            output, errors = self.guest.communicate(timeout=30)
            return text, output, errors, self.guest.returncode
        finally:
            for process in (self.gdb, self.guest):
                if process.poll() is None:
                    process.kill()
                    process.wait()


def wait_for(condition):
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise TimeoutError("waited 30 s in vain")


class GdbTest(unittest.TestCase):
    def debug(self, part, script, expected, *, output=None, status=0, **more):
        with tempfile.TemporaryDirectory() as folder:
            session = Session(folder, part, script, **more)
            self.check(session, expected, output, status)

    def check(self, session, expected, output, status):
        text, said, errors, ended = session.finish()
        at = 0
        for pattern in expected:
            found = re.compile(pattern, re.M).search(text, at)
            if not found:
                self.fail(f"no /{pattern}/ after character {at} of what gdb said:\n{text}\nguest: {said}{errors}")
            at = found.end()
        self.assertEqual(ended, status, f"{text}\nguest: {said}{errors}")
        if output is not None:
            self.assertEqual(said, output, text)

    # ---- Breakpoints, steps, registers ----

    def test_break_step_finish(self):
        self.debug("calls", ["break leaf", "continue", "backtrace", "finish", "delete", "next", "stepi", "continue"],
                   [r"^Breakpoint 1, leaf \(x=", r"^#0 +leaf \(x=", r"^#1 .* middle \(x=", r"^#2 .* calls \(\)",
                    r"^#3 .* main \(", r"Value returned is \$1 = 2", r"exited with code 027"],
                   output="sum 23\n", status=23)

    def test_hardware_breakpoint_and_ignore_count(self):
        self.debug("calls", ["hbreak leaf", "ignore 1 2", "continue", "print x", "print counter", "kill"],
                   [r"^Breakpoint 1, leaf \(x=", r"^\$1 = 3", r"^\$2 = 3", r"Inferior 1 .* killed"],
                   status=-signal.SIGKILL)

    def test_a_call_from_gdb(self):
        self.debug("calls", ["break leaf", "continue", "delete", "print middle(40)", "print ratio * 2", "set var counter = 100",
                             "continue"],
                   [r"^\$1 = 83", r"^\$2 = 3", r"exited with code"], output="sum 623\n", status=623 & 255)

    def test_registers(self):
        self.debug("calls", ["break calls", "continue", "set var $f3 = 2.5", "print $f3", "set var $fcsr = 0xe1",
                             "print $frm", "print/x $fflags", "set var $x31 = 0x1234", "print/x $t6", "print $cycle != 0",
                             "print $pc == (long)$pc && $sp != 0", "info registers pc", "kill"],
                   [r"^\$1 = .*2\.5", r"^\$2 = 7", r"^\$3 = 0x1", r"^\$4 = 0x1234", r"^\$5 = 1", r"^\$6 = 1", r"^pc .*<calls"],
                   status=-signal.SIGKILL)

    def test_guest_does_not_see_breakpoints(self):
        self.debug("reads", ["break leaf", "continue", "continue"], [r"^Breakpoint 1, leaf", r"exited normally"],
                   output="same code 1, no ebreak 1\n")

    def test_self_modifying_code(self):
        # Each time the function at the breakpoint is another one.
        self.debug("changes", ["break self_modifying", "continue", "tbreak mmap", "continue", "finish", "print $a0 != -1",
                               "break *$a0", "continue", "x/i $pc", "continue", "x/i $pc", "delete", "continue"],
                   [r"^\$\d+ = 1$", r"li\s+a0,1", r"li\s+a0,2", r"exited normally"], output="sum 123\n")

    # ---- Watchpoints ----

    def test_watch(self):
        self.debug("calls", ["watch counter", "continue", "continue", "continue", "continue"],
                   [r"Hardware watchpoint 1: counter", r"Old value = 0\nNew value = 1\n.* leaf \(", r"Old value = 1\nNew value = 3",
                    r"Old value = 3\nNew value = 6", r"exited with code 027"], status=23)

    def test_read_and_access_watch(self):
        self.debug("calls", ["break calls", "continue", "rwatch counter", "continue", "delete", "awatch counter", "continue", "kill"],
                   [r"read watchpoint 2: counter\n\nValue = 0\n", r"access \(read/write\) watchpoint 3: counter"],
                   status=-signal.SIGKILL)

    # ---- Signals ----

    def test_fault(self):
        self.debug("fault", ["continue", "x/i $pc", "print $_siginfo._sifields._sigfault.si_addr", "print $_siginfo.si_code", "continue"],
                   [r"^Program received signal SIGSEGV", r"^=> 0x\w+ <fault.*sw\s", r"= .*0x123000", r"= 1$",
                    r"Program terminated with signal SIGSEGV"], status=-signal.SIGSEGV)

    def test_signals_reach_handlers_or_not(self):
        self.debug("signals", ["handle SIGALRM nostop noprint nopass", "continue", "continue"],
                   [r"^Program received signal SIGUSR1", r"exited normally"], output="seen 10\nseen 0\n")
        self.debug("signals", ["handle SIGUSR1 nostop noprint pass", "handle SIGALRM stop print pass", "continue", "continue"],
                   [r"^Program received signal SIGALRM", r"exited normally"], output="seen 10\nseen 14\n")

    def test_handler_can_be_stopped_in(self):
        self.debug("signals", ["handle SIGUSR1 nostop pass", "break on_signal", "continue", "backtrace", "kill"],
                   [r"SIGUSR1", r"^Breakpoint 1, on_signal \(number=", r"<signal handler called>", r" signals \(\)"],
                   status=-signal.SIGKILL)

    # ---- Threads, ends, processes ----

    def test_threads(self):
        self.debug("threads", ["break in_worker", "continue", "info threads", "thread apply all backtrace 1", "continue", "continue",
                               "continue"],
                   [r"hit Breakpoint 1, in_worker", r'"debugged_static"', r'"worker-\d"', r'"worker-\d"', r'"worker-\d"',
                    r"hit Breakpoint 1", r"hit Breakpoint 1", r"exited normally"], output="counter 6\n")

    def test_thread_local_variables(self):
        for link in ("static", "dynamic"):
            self.debug("threads", ["print own_number", "break in_worker if number == 2", "continue", "print own_number",
                                   "print own_text", "print (int)errno", "thread 1", "print own_number",
                                   "set var own_number = 6", "print own_number", "continue"],
                       [r"^Cannot ", r"hit Breakpoint 1, in_worker", r"= 20$", r'= "own 2\\000', r"= 72$", r"= 5$", r"= 6$",
                        r"exited normally"], link=link)

    def test_the_first_thread_ends_first(self):
        self.debug("first", ["continue"], [r"exited with code 011"], status=9)

    def test_a_program_that_is_started_runs_free(self):
        self.debug("system", ["break leaf", "continue"], [r"exited normally"], output="status 5\n")

    def test_fork_and_stay(self):
        self.debug("forks", ["break in_child", "break in_parent", "continue", "print status", "continue"],
                   [r"^Breakpoint 2, in_parent \(status=", r"^\$1 = 11", r"exited normally"], output="child's status 11\n")

    def test_catch_fork(self):
        self.debug("forks", ["catch fork", "continue", "info breakpoints", "continue"],
                   [r"^Catchpoint 1 \(forked process \d+\)", r"fork, process \d+", r"exited normally"],
                   output="child's status 11\n")

    def test_fork_and_follow(self):
        self.debug("forks", ["set follow-fork-mode child", "break in_child", "break in_parent", "continue", "backtrace 2",
                             "info inferiors", "continue"],
                   [r"^Thread 2.* hit Breakpoint 1, in_child|^Breakpoint 1, in_child", r"#1 .* forks \(\)", r"exited with code 013"],
                   output="child's status 11\n")

    def test_exec(self):
        self.debug("executes", ["break leaf", "catch exec", "continue", "continue", "info breakpoints", "delete", "continue"],
                   [r"is executing new program: .*debugged_static", r"^Catchpoint 2 \(exec'd .*debugged_static\)",
                    r"^Breakpoint 1, leaf \(x=", r"breakpoint already hit", r"exited with code 027"],
                   output="sum 23\n", status=23)

    def test_exec_in_new_inferior_mode(self):
        self.debug("executes", ["set follow-exec-mode new", "catch exec", "continue", "info inferiors", "kill"],
                   [r"is executing new program", r"^\* 2 .*debugged_static"], status=-signal.SIGKILL)

    def test_vfork_and_stay(self):
        self.debug("vforks", ["break leaf", "break in_parent", "continue", "print status", "continue"],
                   [r"hit Breakpoint 2, in_parent|^Breakpoint 2, in_parent", r"^\$1 = 23", r"exited normally"], output="sum 23\n")

    def test_a_program_that_is_not_there(self):
        self.debug("spawns", ["catch vfork", "continue", "continue"], [r"^Catchpoint 1 \(vforked process \d+\)", r"exited normally"],
                   output="error 2\nchildren -1\n")

    def test_catch_vfork(self):
        self.debug("vforks", ["catch vfork", "break in_parent", "continue", "info breakpoints", "continue", "print status", "continue"],
                   [r"^Catchpoint 1 \(vforked process \d+\)", r"vfork, process \d+", r"Detaching after vfork from child",
                    r"Breakpoint 2, in_parent \(status=", r"^\$1 = 23", r"exited normally"], output="sum 23\n")

    def test_a_step_over_vfork(self):
        self.debug("vfork_only", ["break vfork_without_program", "continue", "next", "next", "next", "next", "step", "continue"],
                   [r"\sfflush\(", r"\spid_t child = vfork", r"Detaching after vfork", r"\sif \(child == 0", r"\swaitpid\(", r"\sin_parent\(",
                    r"exited normally"], output="child's status 11\n")

    def test_vfork_and_follow_to_the_end(self):
        self.debug("vfork_only", ["set follow-fork-mode child", "break in_child", "break in_parent", "continue", "backtrace 2",
                                  "info inferiors", "info threads", "continue", "info inferiors"],
                   [r"hit Breakpoint 1, in_child", r"#1 .* vfork_without_program \(\)", r"is vfork parent of inferior 2",
                    r"is vfork child of inferior 1", r"^  1\.1 ", r"^\* 2\.1 ", r"Detaching vfork parent process \d+ after child exit",
                    r"exited with code 013", r"^  1 +<null>"], output="child's status 11\n")

    def test_vfork_and_follow_through_exec(self):
        self.debug("vforks", ["set follow-fork-mode child", "break leaf", "break in_parent", "continue", "backtrace", "delete",
                              "continue"],
                   [r"Detaching vfork parent process \d+ after child exec", r"is executing new program: .*debugged_static",
                    r"hit Breakpoint 1, leaf \(x=", r" calls \(\)", r"exited with code 027"], output="sum 23\n")

    def test_another_engine(self):
        self.debug("calls", ["break leaf", "continue", "monitor engine interp", "stepi", "monitor engine jit1", "stepi",
                             "monitor engine", "delete", "continue"],
                   [r"\* interp ", r"\* jit1 ", r"\* jit1 ", r"exited with code 027"], output="sum 23\n", status=23)

    def test_detach(self):
        self.debug("calls", ["break leaf", "continue", "detach"], [r"detached"], output="sum 23\n", status=23)

    # ---- The dynamic linker's world ----

    def test_shared_libraries(self):
        if not Path(SYSROOT, "lib").exists():
            self.skipTest("no riscv64 C library here")
        self.debug("calls", ["set sysroot target:", "break main", "continue", "info sharedlibrary", "info auxv",
                             "break printf", "continue", "backtrace", "info proc mappings", "monitor maps", "kill"],
                   [r"^Breakpoint 1, main", r"target:/lib/libc.so.6", r"AT_ENTRY .*0x2a", r"^Breakpoint 2, .* in printf",
                    r"#1 .* calls \(\)", r"\[stack\]", r"\[stack\]"], link="dynamic", status=-signal.SIGKILL)

    # ---- Debian's programs ----

    def debian(self, command, script, expected, **more):
        fetched = subprocess.run([FETCH, "--offline", "bash", "coreutils", "python3"], stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, text=True)
        if fetched.returncode != 0:
            self.skipTest("tools/fetch_guests.py has not fetched Debian's programs")
        sysroot = fetched.stdout.strip()
        folder = f"{sysroot}/usr/bin"
        self.debug(None, ["set breakpoint pending on", *script], expected, command=[f"{folder}/{command[0]}", *command[1:]],
                   sysroot=sysroot, env={"PATH": folder}, **more)

    def test_bash_into_a_child_s_program(self):
        self.debian(["bash", "-c", "echo one; printf 'b\\na\\n' | sort; echo two"],
                    ["set follow-fork-mode child", "continue"], [r"exited normally"], output="one\na\nb\ntwo\n")
        self.debian(["bash", "-c", "echo one; sort /dev/null; echo two"],
                    ["set follow-fork-mode child", "catch exec", "continue", "break exit", "continue", "delete", "continue"],
                    [r"exec'd .*/usr/bin/sort", r"Breakpoint 2, .* in exit \(\)", r"exited normally"], output="one\ntwo\n")

    def test_python_with_threads_and_children(self):
        program = ("import subprocess, threading\n"
                   "threads = [threading.Thread(target=print, args=(i,)) for i in range(2)]\n"
                   "for thread in threads: thread.start(); thread.join()\n"
                   "print(subprocess.run(['echo', 'child'], capture_output=True).stdout)\n")
        self.debian(["python3", "-c", program],
                    ["break pthread_create", "continue", "backtrace 2", "continue", "tbreak vfork", "continue", "info threads",
                     "delete", "continue"],
                    [r"Breakpoint 1, .* in pthread_create \(\)", r"^#1 ", r"Breakpoint 1, .* pthread_create", r"in vfork \(\)", r'"python3"', r"exited normally"],
                    output="0\n1\nb'child\\n'\n")

    # ---- The user ----

    def interrupted(self, part, script, expected, **more):
        with tempfile.TemporaryDirectory() as folder:
            session = Session(folder, part, script)
            self.assertEqual(session.guest.stdout.readline(), "ready\n")
            time.sleep(0.2)
            session.gdb.send_signal(signal.SIGINT)
            self.check(session, expected, **more)

    def test_interrupt_a_loop(self):
        self.interrupted("spin", ["continue", "backtrace", "set var release = 1", "continue"],
                         [r"^Program received signal SIGINT", r"#0 .* spin \(\)", r"exited normally"], output="released\n", status=0)

    def test_interrupt_a_call(self):
        self.interrupted("wait", ["continue", "backtrace", "signal SIGUSR2"],
                         [r"^Program received signal SIGINT", r"#0 .* pause \(\)", r"exited normally"],
                         output="pause -1 1 seen 12\n", status=0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--kiln", required=True)
    parser.add_argument("--programs", required=True, help="where debugged_static and debugged_dynamic are")
    parser.add_argument("--gdb", default="gdb-multiarch")
    parser.add_argument("--engine", help="what runs the guests' code (kiln run --engine); else kiln's default")
    options, rest = parser.parse_known_args()
    KILN, PROGRAMS, GDB = options.kiln, options.programs, options.gdb
    if options.engine:
        CLEAN["KILN_ENGINE"] = options.engine
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
