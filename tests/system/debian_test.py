#!/usr/bin/env python3
"""Makes a Debian riscv64 system from packages and lives in it: debootstrap's second stage, apt, compilers, git, set-uid
programs, interpreters with their threads and children, terminals.

  tests/system/debian_test.py --kiln build/ci/src/cli/kiln [step ...]     all steps, or those whose names begin so
  tests/system/debian_test.py --kiln ... --root DIR                       in DIR, which stays; what is there is used
  tests/system/debian_test.py --kiln ... --quick                          without debootstrap and apt: seconds

The root directory is entered by chroot, in a user namespace with a binfmt_misc of its own (tools/namespace.py), where kiln is
the interpreter for riscv64. With --without-binfmt, or where the kernel has none for us, kiln is copied into the root and
started there, and what its guests start it runs itself.

With --quick the root directory is the sysroot of fetch_guests.py's @tests, below a file system in memory that takes the
changes, and the steps are those that say "# quick" in their heads: they find their programs there.

A step is debian/<number>-<name>.sh, run by the root's /bin/sh in a folder of its own; its standard output must be that
of debian/<number>-<name>.out and its exit status 0. "# needs: binfmt" in its head says that it cannot do without.
KILN_BLESS=1 writes what was seen. Steps build on the ones before: 30-tools installs what the later ones use.

The first stage and the packages are kept in the guests' folder (tools/fetch_guests.py). Variables of the environment
that begin with KILN_ reach the guests. Exit codes: 0 all is as expected, 1 something is not, 75 this machine or its
archive does not let us.
"""
import argparse
import difflib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
STEPS = HERE / "debian"
sys.path.insert(0, str(HERE.parent.parent / "tools"))
import fetch_guests  # noqa: E402
import namespace  # noqa: E402

SKIP = 75
LIMIT = 1800  # seconds for a step: an interpreter takes its time
ARCH = "riscv64"


def guest_environment():
    kept = {name: value for name, value in os.environ.items()
            if name.startswith("KILN_") or name.lower().endswith("_proxy")}
    # debootstrap makes no device files in such a container; those of the host are mounted instead.
    return kept | {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "TZ": "UTC",
                   "LC_ALL": "C.UTF-8", "TERM": "dumb", "DEBIAN_FRONTEND": "noninteractive", "container": "lxc"}


class Root:
    """The root directory, from its first stage on."""

    def __init__(self, path, kiln, interpreter, with_binfmt):
        self.path, self.kiln, self.with_binfmt = path, kiln, with_binfmt
        self.interpreter = interpreter or kiln

    def make_of_sysroot(self):
        """For --quick, in the namespace: a sysroot that may be changed, with what packages' scripts would have made."""
        fetched = subprocess.run([fetch_guests.__file__, "--offline", "@tests"], stdout=subprocess.PIPE, text=True)
        if fetched.returncode != 0:
            raise fetch_guests.Unreachable("tools/fetch_guests.py @tests has not been run")
        namespace.mount("tmpfs", self.path, "tmpfs", 0, "mode=755")
        for name in ("changes", "work", "root"):
            (self.path / name).mkdir()
        namespace.mount("overlay", self.path / "root", "overlay", 0,
                        f"lowerdir={fetched.stdout.strip()},upperdir={self.path}/changes,workdir={self.path}/work")
        self.path = self.path / "root"
        for name in ("dev", "etc", "root"):
            (self.path / name).mkdir(exist_ok=True)
        (self.path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/bash\n")
        (self.path / "etc/group").write_text("root:x:0:\n")

    def make(self, cache):
        """The first stage: packages are fetched and unpacked, natively."""
        main, _, keyring = fetch_guests.mirrors(fetch_guests.apt_sources())
        fetch_guests.write_sources(cache, main, None, keyring)
        environment = fetch_guests.private_apt(ARCH, cache, keyring)
        fetch_guests.run_apt(environment, fetch_guests.Unreachable, "update")
        archive, debs = cache / "first-stage.tar", cache / "debs"
        debs.mkdir(exist_ok=True)
        if not archive.exists():
            made = cache / "first-stage"
            shutil.rmtree(made, ignore_errors=True)
            done = subprocess.run(["debootstrap", "--foreign", f"--arch={ARCH}", "--variant=minbase",
                                   f"--keyring={keyring}", f"--cache-dir={debs}", fetch_guests.RELEASE, made, main],
                                  env=os.environ | {"container": "lxc"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.returncode != 0:
                raise fetch_guests.Unreachable("debootstrap: " + done.stdout.decode(errors="replace")[-300:])
            if (made / "proc").is_symlink():  # so it does where it takes us for an unusual container
                (made / "proc").unlink()
                (made / "proc").mkdir()
            subprocess.run(["tar", "-C", made, "--exclude=./dev/*", "-cf", f"{archive}.new", "."], check=True)
            os.rename(f"{archive}.new", archive)
            shutil.rmtree(made)
        self.path.mkdir(parents=True, exist_ok=True)
        if not (self.path / "usr").exists():
            subprocess.run(["tar", "-C", self.path, "-xf", archive], check=True)
        (self.path / "etc/resolv.conf").write_bytes(Path("/etc/resolv.conf").read_bytes())
        # What tells apt how to reach the archive from this machine.
        settings = (cache / "apt.conf").read_text().splitlines()
        kept = [line for line in settings if line.startswith("Acquire") and "Languages" not in line]
        (self.path / "etc/apt/apt.conf.d/90machine").write_text("\n".join(kept) + "\n")

    def furnish(self):
        """Mounts what a system finds in its root, as far as it is not mounted."""
        for device in ("null", "zero", "full", "random", "urandom", "tty"):
            target = self.path / "dev" / device
            if not os.path.lexists(target):
                target.touch()
            if not os.path.ismount(target):
                namespace.mount(f"/dev/{device}", target, None, namespace.MS_BIND)
        for source, target, kind, flags, data in (
                ("proc", "proc", "proc", 0, None), ("/sys", "sys", None, namespace.MS_BIND | namespace.MS_REC, None),
                ("tmpfs", "tmp", "tmpfs", 0, "mode=1777"), ("tmpfs", "dev/shm", "tmpfs", 0, "mode=1777"),
                ("devpts", "dev/pts", "devpts", 0, "newinstance,ptmxmode=0666,mode=620")):
            (self.path / target).mkdir(parents=True, exist_ok=True)
            if not os.path.ismount(self.path / target):
                namespace.mount(source, self.path / target, kind, flags, data)
        for link, target in (("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"), ("console", "null")):
            if not os.path.lexists(self.path / "dev" / link):
                (self.path / "dev" / link).symlink_to(target)

    def install_kiln(self):
        if self.with_binfmt:
            printed = subprocess.run([self.kiln, "binfmt", "--print-systemd", "--credential=yes"], check=True,
                                     capture_output=True, text=True).stdout
            line = printed.splitlines()[-1].replace(str(self.kiln), str(self.interpreter))
            Path(namespace.BINFMT, "register").write_text(line)
        else:
            shutil.copy(self.kiln, self.path / "kiln")

    def run(self, command, folder="/"):
        """(exit status or -signal, standard output, the end of standard error) of a command inside."""
        if not self.with_binfmt:
            command = ["/kiln", "run", *command]

        def enter():
            os.chroot(self.path)
            os.chdir(folder)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen(command, env=guest_environment(), preexec_fn=enter, stdin=subprocess.DEVNULL,
                                       stdout=out, stderr=err, start_new_session=True)
            try:
                status = process.wait(LIMIT)
            except subprocess.TimeoutExpired:
                status = f"no end after {LIMIT} s"
            # All others in this process namespace are the step's leftovers.
            try:
                os.kill(-1, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
            out.seek(0)
            err.seek(0)
            return status, out.read().decode(errors="replace"), err.read().decode(errors="replace")[-3000:]

    def second_stage(self):
        if not (self.path / "debootstrap/debootstrap").exists():
            return True
        begun = time.monotonic()
        status, out, err = self.run(["/bin/sh", "/debootstrap/debootstrap", "--second-stage"])
        good = status == 0 and out.endswith("I: Base system installed successfully.\n")
        return report("second stage", begun, good, f"{out[-2000:]}{err}ended with {status}\n")

    def keep_packages(self, cache):
        """Lets apt find what an earlier run has fetched."""
        archives = cache / "archives"
        archives.mkdir(exist_ok=True)
        namespace.mount(archives, self.path / "var/cache/apt/archives", None, namespace.MS_BIND)

    def step(self, script):
        folder = f"/root/{script.stem}"
        shutil.rmtree(f"{self.path}{folder}", ignore_errors=True)
        os.mkdir(f"{self.path}{folder}")
        shutil.copy(script, f"{self.path}/tmp/step")
        begun = time.monotonic()
        status, out, err = self.run(["/bin/sh", "/tmp/step"], folder)
        expected = script.with_suffix(".out")
        if os.environ.get("KILN_BLESS") == "1":
            expected.write_text(out)
        difference = "".join(difflib.unified_diff(expected.read_text().splitlines(True), out.splitlines(True), "expected", "seen"))
        good = status == 0 and not difference
        return report(script.stem, begun, good, f"{difference}ended with {status}\n--- standard error\n{err}")


def report(name, begun, good, text):
    print(f"{'ok  ' if good else 'FAIL'} {name}, {time.monotonic() - begun:.1f} s", flush=True)
    if not good:
        print(text, flush=True)
    return good


def live(options, cache, with_binfmt):
    """All that is done inside the namespace; the exit code."""
    root = Root(options.root, options.kiln, options.interpreter, with_binfmt)
    try:
        if options.quick:
            root.make_of_sysroot()
        else:
            with open(cache / "lock", "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                root.make(cache)
    except fetch_guests.Unreachable as reason:
        print(f"debian_test: the archive is not available: {reason}", file=sys.stderr)
        return SKIP
    root.furnish()
    root.install_kiln()
    if not options.quick:
        if not root.second_stage():
            return 1
        root.furnish()  # debootstrap unmounts what it finds
        root.keep_packages(cache)
    failed = []
    for script in sorted(STEPS.glob("*.sh")):
        if options.steps and not script.stem.startswith(tuple(options.steps)):
            continue
        if options.quick and "# quick\n" not in script.read_text():
            continue
        if "# needs: binfmt\n" in script.read_text() and not with_binfmt:
            print(f"skip {script.stem}: needs binfmt_misc", flush=True)
        elif not root.step(script):
            failed.append(script.stem)
    if failed:
        print("failed: " + " ".join(failed))
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="*")
    parser.add_argument("--kiln", required=True, type=Path)
    parser.add_argument("--interpreter", type=Path, help="registered in place of kiln: another emulator, for comparison")
    parser.add_argument("--root", type=Path, help="default: a new one, removed at the end")
    parser.add_argument("--without-binfmt", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    options.kiln = options.kiln.resolve()
    if not options.quick and not shutil.which("debootstrap"):
        print("debian_test: needs debootstrap", file=sys.stderr)
        return SKIP
    if namespace.ids_to_map() == 1:
        print("debian_test: a system has many users: needs root", file=sys.stderr)
        return SKIP
    cache = fetch_guests.guests_folder().absolute() / ARCH / "debian"
    (cache / "etc").mkdir(parents=True, exist_ok=True)
    scratch = None
    if options.root is None:
        scratch = tempfile.mkdtemp(prefix="root-", dir=cache)
        options.root = Path(scratch)
        options.root.chmod(0o755)
    options.root = options.root.absolute()
    try:
        for with_binfmt in (False,) if options.without_binfmt else (True, False):
            try:
                status = namespace.enter(with_binfmt)
                break
            except namespace.Unavailable as reason:
                print(f"debian_test: {reason}", file=sys.stderr)
        else:
            return SKIP
        if status is None:
            code = 1
            try:
                code = live(options, cache, with_binfmt)
            except Exception:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        return os.waitstatus_to_exitcode(status)
    finally:
        if scratch:
            shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
