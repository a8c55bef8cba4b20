"""How one command is measured and how the programs of a case are built, found and started on each engine."""
import hashlib
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from suite import Kernel

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent

TRIPLET = {"amd64": "x86_64-linux-gnu", "riscv64": "riscv64-linux-gnu"}


class Unavailable(Exception):
    """Something a measurement needs is not on this machine; the text says what."""


@dataclass(frozen=True)
class Engine:
    name: str       # as columns name it
    kind: str       # native, qemu or kiln
    command: tuple  # what stands before the guest program, without sysroot options
    version: str

    @property
    def arch(self):
        return "amd64" if self.kind == "native" else "riscv64"


@dataclass(frozen=True)
class Measurement:
    cpu: float    # user + system seconds of one run
    wall: float   # seconds of one run
    rss: int      # peak resident set, bytes
    status: int   # as a shell would say
    output: str   # digest of what must agree between engines
    message: str  # the last line of stderr


def first_line(command):
    """The first line a command prints, for version strings."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as reason:
        raise Unavailable(f"{command[0]}: {reason}") from None
    lines = (done.stdout or done.stderr).splitlines()
    return lines[0] if lines else f"{command[0]} (exit {done.returncode})"


class Workshop:
    """Builds and finds programs, and runs them. `folder` receives everything that is built or written."""

    def __init__(self, folder, cc, cross_cc, timeout):
        self.folder, self.scale, self.timeout = folder, 1, timeout
        self.compilers = {"amd64": cc, "riscv64": cross_cc}
        self.sysroots = {}
        folder.mkdir(parents=True, exist_ok=True)
        self.launcher = folder / "launch"
        self._compile(cc, [BENCH / "launch.c"], self.launcher)

    def _compile(self, compiler, sources, target):
        newest = max(path.stat().st_mtime for path in [*sources, *BENCH.glob("kernels/*.h")])
        if target.exists() and target.stat().st_mtime > newest:
            return
        command = [compiler, "-O2", "-static", "-o", str(target), *map(str, sources), "-lm"]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except OSError as reason:
            raise Unavailable(f"{compiler}: {reason.strerror}") from None
        if done.returncode != 0:
            raise Unavailable(f"{' '.join(command)}\n{done.stderr}")

    def build_kernel(self, kernel, arch):
        target = self.folder / f"{kernel.source}.{arch}"
        self._compile(self.compilers[arch], [BENCH / f"kernels/{kernel.source}.c"], target)
        return target

    def fetch(self, arch, packages):
        """Makes sure that the packages are in the architecture's sysroot."""
        command = [str(ROOT / "tools/fetch_guests.py"), "--arch", arch, *sorted(packages)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise Unavailable((done.stderr.strip().splitlines() or ["tools/fetch_guests.py failed"])[-1])
        self.sysroots[arch] = Path(done.stdout.strip().splitlines()[-1])

    def _words(self, case, engine):
        """What the words in the texts of a row stand for."""
        triplet = TRIPLET[engine.arch]
        if case.rooted:
            return {"bench": "/bench", "data": "/data", "root": "", "triplet": triplet}
        return {"bench": BENCH, "data": self.folder / "data", "root": self.sysroots[engine.arch], "triplet": triplet}

    def _command(self, case, engine, kiln_options):
        """(command, stdin, environment) that runs the case on the engine."""
        env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "HOME": str(self.folder), "PYTHONHASHSEED": "0"}
        prefix = [*engine.command, *kiln_options]
        if isinstance(case, Kernel):
            rounds = max(1, round(case.rounds * self.scale))
            arguments = [rounds, case.threads] if case.threads else [rounds]
            return [*prefix, str(self.build_kernel(case, engine.arch)), *map(str, arguments)], "/dev/null", env

        words, root = self._words(case, engine), self.sysroots[engine.arch]
        path = case.path.format(**words)
        program = f"/{path}" if case.rooted else str(root / path)
        if case.rooted:
            env["HOME"] = "/root"
            prefix = ["/kiln", *prefix[1:]] if engine.kind == "kiln" else []
        elif engine.kind == "native" and not case.static:
            lib = root / "usr/lib"
            prefix = [str(root / "usr/lib64/ld-linux-x86-64.so.2"), "--library-path",
                      f"{lib / TRIPLET['amd64']}:{lib}", "--argv0", program]
        elif engine.kind != "native":
            prefix += ["-L", str(root)]
        env.update({name: value.format(**words) for name, value in case.env.items()})
        command = [*prefix, program, *(text.format(**words) for text in case.args)]
        return command, case.stdin.format(**words), env

    def run(self, case, engine, kiln_options=()):
        """Runs the case, as often in a row as its row says, and gives the mean of one run."""
        command, stdin, env = self._command(case, engine, kiln_options)
        out, err = self.folder / "stdout", self.folder / "stderr"
        runs, rooted = getattr(case, "runs", 1), getattr(case, "rooted", False)
        root = str(self.folder / "root") if rooted else "/"
        launch = [str(self.launcher), str(runs), str(self.timeout), root, stdin, str(out), str(err), *command]
        if rooted:
            emulator = [] if engine.kind == "native" else [f"--{engine.kind}", engine.command[0]]
            launch = [str(BENCH / "in_root.py"), *emulator, str(self.sysroots[engine.arch]), str(self.folder), *launch]
        done = subprocess.run(launch, env=env, cwd=self.folder, capture_output=True, text=True)
        if done.returncode != 0:
            raise Unavailable(done.stderr.strip() or f"{launch[0]}: exit {done.returncode}")
        cpu, wall, rss, status = map(int, done.stdout.split())
        stdout, stderr = out.read_bytes(), err.read_bytes()
        compared = stdout
        pattern = getattr(case, "output", "")
        if pattern:
            compared = b"\n".join(re.findall(pattern.encode(), stdout + b"\n" + stderr))
        lines = stderr.decode(errors="replace").strip().splitlines()
        return Measurement(cpu / 1e6 / runs, wall / 1e6 / runs, rss * 1024, status,
                           hashlib.sha256(compared).hexdigest(), lines[-1] if lines else "")

    def rehearse(self, case, engine):
        """One run that is not timed, on a kiln engine: what it keeps on disk is there afterwards. Gives the number of guest
        instructions, None when kiln does not say it or the program starts others."""
        if getattr(case, "rooted", False):
            self.run(case, engine)
            return None
        stats = self.folder / "stats.json"
        stats.unlink(missing_ok=True)
        self.run(case, engine, kiln_options=("--stats=json", f"--stats-file={stats}"))
        try:
            return _find(json.loads(stats.read_text()), "guest_instructions")
        except (OSError, ValueError):
            return None


def _find(tree, key):
    if isinstance(tree, dict):
        if key in tree:
            return tree[key]
        return next((found for found in (_find(value, key) for value in tree.values()) if found is not None), None)
    return None
