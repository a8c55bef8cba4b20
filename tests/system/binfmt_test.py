#!/usr/bin/env python3
"""kiln under binfmt_misc: `kiln binfmt`, and what guests see that the kernel starts with it. Runs in a user namespace
with a binfmt_misc of its own (tools/namespace.py); where there is none, only the command line is tested."""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import namespace  # noqa: E402

COMPILER = "riscv64-linux-gnu-gcc"
SOURCE = Path(__file__).with_name("binfmt_guest.c")
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("KILN_", "QEMU_"))} | {"HOME": "/dev/null/none"}
PERSON = 1000


def kiln(*words, program=None, **more):
    return subprocess.run([program or KILN, *map(str, words)], capture_output=True, text=True, timeout=60, env=CLEAN, **more)


class CommandLine(unittest.TestCase):
    def refused(self, words, message):
        done = kiln("binfmt", *words)
        self.assertEqual((done.stdout, done.stderr, done.returncode), ("", f"kiln: {message}\n", 2))

    def test_wrong_usage(self):
        self.refused([], "binfmt: nothing to do; kiln help binfmt explains")
        self.refused(["--instal"], "binfmt: unknown option --instal; kiln help binfmt explains")
        self.refused(["--install", "--status"], "binfmt: --status is one thing too many")
        self.refused(["--install", "--arch=vax"], "--arch=vax: expected riscv64")
        self.refused(["--install", "--credential", "maybe"], "--credential=maybe: expected yes or no")
        self.refused(["--install", "--name"], "--name needs a value: NAME")
        for name in ("", "a/b", "..", "register", "a:b"):
            self.refused(["--install", f"--name={name}"], f"--name={name}: expected a word without / and :")

    def test_help(self):
        for words in (["help", "binfmt"], ["binfmt", "--help"]):
            done = kiln(*words)
            self.assertEqual((done.stderr, done.returncode), ("", 0))
            for word in ("--install", "--uninstall", "--status", "--print-systemd", "--print-debian", "--arch",
                         "--credential", "--name"):
                self.assertIn(word, done.stdout)

    def test_debian_file(self):
        fields = dict(line.split(" ", 1) for line in kiln("binfmt", "--print-debian", "--credential=yes").stdout.splitlines())
        self.assertEqual(fields["interpreter"], KILN)
        self.assertTrue(fields["magic"].startswith(r"\x7f\x45\x4c\x46\x02\x01\x01\x00"))
        self.assertTrue(fields["magic"].endswith(r"\x02\x00\xf3\x00"))
        self.assertEqual(len(fields["magic"]), len(fields["mask"]))
        self.assertEqual((fields["credentials"], fields["fix_binary"]), ("yes", "yes"))


class Registration(unittest.TestCase):
    def tearDown(self):
        Path(namespace.BINFMT, "status").write_text("-1")

    def done(self, *words, status=0, err="", **more):
        done = kiln("binfmt", *words, **more)
        self.assertEqual((done.stderr, done.returncode), (err and f"kiln: {err}\n", status))
        return done.stdout

    def test_install_status_uninstall(self):
        self.assertEqual(self.done("--status", status=1), "kiln-riscv64: not registered\n")
        for _ in range(2):  # a second time replaces the first
            self.done("--install")
        self.assertRegex(self.done("--status"), rf"^kiln-riscv64: enabled, {KILN}, flags P?OF\n$")
        self.done("--uninstall")
        self.done("--uninstall", status=1, err="there is no entry kiln-riscv64")
        self.assertEqual(os.listdir(namespace.BINFMT), ["register", "status"])

    def test_names_and_rivals(self):
        self.done("--install", "--name", "mine")
        self.done("--install", err="note: mine answers for riscv64 programs too; the kernel takes who came last: kiln")
        self.assertIn("mine answers for riscv64 programs too\n", self.done("--status"))
        line = Path(namespace.BINFMT, "mine").read_text()
        other = WORK / "other"
        shutil.copy("/bin/true", other)
        Path(namespace.BINFMT, "mine").write_text("-1")
        Path(namespace.BINFMT, "register").write_text(f":mine:E::vax::{other}:")
        self.done("--install", "--name=mine", status=1,
                  err=f"the name mine is taken, by {other}; choose another with --name, or remove it: kiln binfmt "
                      "--uninstall --name=mine")
        self.assertIn("magic 7f454c46", line)

    def test_systemds_line_is_the_kernels(self):
        comment, line = self.done("--print-systemd").splitlines()
        self.assertTrue(comment.startswith("# For /etc/binfmt.d/kiln-riscv64.conf"))
        Path(namespace.BINFMT, "register").write_text(line)
        self.assertIn("enabled", self.done("--status"))

    def test_switched_off_as_a_whole(self):
        Path(namespace.BINFMT, "status").write_text("0")
        self.addCleanup(Path(namespace.BINFMT, "status").write_text, "1")
        self.done("--install", err=f"note: binfmt_misc is switched off as a whole; `echo 1 > {namespace.BINFMT}/status` "
                                   "switches it on")
        self.assertIn("switched off", self.done("--status", status=1))

    def test_rights_only_for_a_kiln_that_root_alone_can_change(self):
        loose = WORK / "loose"
        shutil.copy(KILN, loose)
        loose.chmod(0o775)
        done = kiln("binfmt", "--install", "--credential=yes", program=loose)
        self.assertEqual(done.returncode, 1)
        self.assertIn("root must own it and nobody else may write it", done.stderr)

    def test_refusals_say_what_to_do(self):
        namespace.umount(namespace.BINFMT)
        try:
            for action in ("--install", "--status", "--uninstall"):
                done = kiln("binfmt", action)
                self.assertEqual(done.returncode, 1)
                self.assertIn("as root, `mount -t binfmt_misc binfmt_misc", done.stderr)
        finally:
            namespace.mount("binfmt_misc", namespace.BINFMT, "binfmt_misc", namespace.MS_RDONLY)
        done = kiln("binfmt", "--install")
        self.assertIn("binfmt_misc is mounted read-only here", done.stderr)
        namespace.umount(namespace.BINFMT)
        namespace.mount("binfmt_misc", namespace.BINFMT, "binfmt_misc")
        if namespace_ids > 1:
            done = kiln("binfmt", "--install", user=PERSON, program=PUBLIC_KILN)
            self.assertEqual((done.returncode, done.stderr), (1, "kiln: cannot register kiln-riscv64: no permission; that "
                                                                 "takes root (in a container, on the host)\n"))


@unittest.skipUnless(shutil.which(COMPILER), f"needs {COMPILER}")
class Guests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.guest = WORK / "guest"
        subprocess.run([COMPILER, "-O1", "-static", SOURCE, "-o", cls.guest], check=True)
        cls.guest.chmod(0o755)

    def setUp(self):
        self.install()

    def tearDown(self):
        Path(namespace.BINFMT, "status").write_text("-1")

    def install(self, *words):
        done = kiln("binfmt", "--install", *words, program=PUBLIC_KILN)
        self.assertEqual((done.stdout, done.stderr, done.returncode), ("", "", 0))

    def run_guest(self, *words, program=None, env=None, **more):
        done = subprocess.run([*map(str, words)], executable=program, capture_output=True, text=True, timeout=60,
                              env=CLEAN | (env or {}), **more)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.splitlines()

    def variant(self, name, mode):
        path = WORK / name
        shutil.copy(self.guest, path)
        path.chmod(mode)
        return path

    def test_words_are_the_programs_own(self):
        for name in ("me", "", "run", "--help"):
            self.assertEqual(self.run_guest(name, "-L", "--stats", "", program=self.guest)[:4],
                             [f"word {name}", "word -L", "word --stats", "word "])

    def test_names_that_are_commands_or_options(self):
        for name in ("run", "binfmt", "--help", "-h"):
            self.variant(name, 0o755)
            lines = self.run_guest("never", cwd=WORK, preexec_fn=lambda: os.execv(name, ["me"]))
            self.assertEqual(lines[0], "word me")

    def test_no_descriptor_is_left_open(self):
        self.assertIn("descriptors 0 1 2", self.run_guest(self.guest))

    def test_variables_steer_it(self):
        lines = subprocess.run([self.guest], env=CLEAN | {"KILN_STRACE": "1"}, capture_output=True, text=True).stderr
        self.assertIn("exit_group(0)", lines)

    def test_nested_guests_and_scripts(self):
        script = WORK / "script"
        script.write_text(f"#!{self.guest} one word\n")
        script.chmod(0o755)
        self.assertEqual(self.run_guest(script, "x")[:4], [f"word {self.guest}", "word one word", f"word {script}", "word x"])
        self.assertIn("word inner", self.run_guest(self.guest, "exec", self.variant("inner", 0o755), "x")[0].replace(str(WORK) + "/", ""))

    def test_programs_that_may_not_be_read(self):
        if namespace_ids == 1:
            self.skipTest("needs a second user id")
        secret = self.variant("secret", 0o711)
        secret.chmod(0o111)
        self.assertIn(f"ids {PERSON} {PERSON}", self.run_guest(secret, user=PERSON))
        self.assertIn(f"ids {PERSON} {PERSON}", self.run_guest(self.guest, "exec", secret, user=PERSON))

    def test_a_chroot_without_kiln_and_without_proc(self):
        if DYNAMIC:
            self.skipTest("this kiln is not linked statically")
        root = WORK / "root"
        root.mkdir()
        for name in ("guest", "inner"):
            shutil.copy(self.guest, root / name)
        words = self.run_guest("/guest", "exec", "/inner", "x", preexec_fn=lambda: (os.chroot(root), os.chdir("/")))
        self.assertEqual(words[:2], ["word /inner", "word x"])

    def test_set_uid_programs(self):
        if namespace_ids == 1:
            self.skipTest("needs a second user id")
        setuid = self.variant("setuid", 0o4755)
        steering = {"KILN_STRACE": "1", "QEMU_STRACE": "1", "KILN_STATS": "text", "KILN_STACK_SIZE": "nonsense"}
        for credential, expected in (("no", [f"ids {PERSON} {PERSON}", "secure 0"]),
                                     ("yes", [f"ids {PERSON} 0", "secure 1"])):
            self.install(f"--credential={credential}")
            # A guest that is not set-uid obeys the variables, so the outer one is not given them.
            for words, env in (([setuid], steering if credential == "yes" else {}), ([self.guest, "exec", setuid], {})):
                lines = self.run_guest(*words, user=PERSON, env=env)
                self.assertEqual(sorted(line for line in lines if line.startswith(("ids", "secure", "variable"))), expected)

    def test_kiln_itself_may_not_be_set_uid(self):
        if namespace_ids == 1:
            self.skipTest("needs a second user id")
        copy = WORK / "raised"
        shutil.copy(KILN, copy)
        copy.chmod(0o4755)
        done = kiln("run", "-D", WORK / "log", self.guest, program=copy, user=PERSON)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("may not be set-uid", done.stderr)


def main():
    global KILN, PUBLIC_KILN, WORK, DYNAMIC, namespace_ids
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kiln", required=True)
    options, rest = parser.parse_known_args()
    KILN = str(Path(options.kiln).resolve())
    DYNAMIC = b"ld-linux" in Path(KILN).read_bytes()[:8192]
    namespace_ids = namespace.ids_to_map()
    cases = [CommandLine, Registration, Guests]
    with tempfile.TemporaryDirectory(prefix="kiln-binfmt-") as folder:
        WORK = Path(folder)
        WORK.chmod(0o755)
        PUBLIC_KILN = str(WORK / "kiln")
        shutil.copy(KILN, PUBLIC_KILN)
        Path(PUBLIC_KILN).chmod(0o755)
        try:
            status = namespace.enter()
            if status is not None:
                sys.exit(os.waitstatus_to_exitcode(status))
        except namespace.Unavailable as reason:
            print(f"only the command line is tested: no user namespace with a binfmt_misc: {reason}", file=sys.stderr)
            cases = cases[:1]
        suite = unittest.TestSuite(map(unittest.defaultTestLoader.loadTestsFromTestCase, cases))
        good = unittest.TextTestRunner(verbosity=2 if rest else 1).run(suite).wasSuccessful()
        sys.stdout.flush()
        os._exit(not good)  # the folder is the parent's to remove


if __name__ == "__main__":
    main()
