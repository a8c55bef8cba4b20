#!/usr/bin/env python3
"""Runs Debian riscv64 programs under an emulator and compares everything they do with qemu-user, or with a stated text.

  tests/system/run_programs.py --emulator 'build/ci/src/cli/kiln run' [--label quick|long|all] [group | group/case ...]
  tests/system/run_programs.py --list

A case is one file, cases/<group>/<name>.case; <name>.long.case belongs to the long suite. Its form:

    # What it shows.
    env: NAME=value            more environment, any number of lines
    limit: 60                  seconds for one command (default 120)
    needs: @SET                a set of packages beside @tests, see tools/fetch_guests.py
    keep: REGEX                only the output lines it is found in are looked at (the others hold times, say)
    [file NAME]                a file of the working folder, up to the next section; [file NAME executable] also exists
    [run]                      guest commands, one a line, split as a shell would; < file and > file at the end redirect
    [expect]                   the transcript, where qemu-user cannot run the case (it cannot run children's programs here)

A command's first word is looked for in the sysroot's bin folders, or in the working folder if it starts with ./ .
@SYSROOT@ in a case stands for the sysroot. The transcript holds, for each command, its standard output, its standard
error (each line after "2| ") and how it ended, if not with 0. Against qemu-user the working folder's files are
compared as well. KILN_BLESS=1 writes the transcript that was seen into every [expect] section instead of comparing.

Exit codes: 0 all agree, 1 something differs, 75 the guest programs are not here (see tools/fetch_guests.py).
Environment: KILN_BIN replaces the emulator command; -L <sysroot> and the program are appended to it.
"""
import argparse
import difflib
import hashlib
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
CASES = HERE / "cases"
FETCH = HERE.parent.parent / "tools" / "fetch_guests.py"
REFERENCE = "qemu-riscv64"
OLD = 981173106  # 2001-02-03 04:05:06 UTC, the age of every prepared file
CLEAN = {"LC_ALL": "C", "TZ": "UTC", "TERM": "dumb", "PERL_HASH_SEED": "0", "PYTHONHASHSEED": "0",
         "PYTHONDONTWRITEBYTECODE": "1",
         "KILN_CACHE": "off"}  # HOME is the working folder, whose files are compared


class Case:
    """A parsed case file; raises ValueError with file:line for what it does not understand."""

    def __init__(self, path):
        self.path = path
        self.name = f"{path.parent.name}/{path.name.removesuffix('.case').removesuffix('.long')}"
        self.label = "long" if path.name.endswith(".long.case") else "quick"
        self.env, self.limit, self.keep, self.files, self.commands, self.expect = {}, 120, None, [], [], None
        self.needs = {"@tests"}
        section, target = None, None
        for number, line in enumerate(path.read_text().splitlines(keepends=True), 1):
            head = re.fullmatch(r"\[(file|run|expect)(?: (\S+))?( executable)?\]\n", line)
            if head:
                section, target = head[1], []
                if section == "file":
                    self.files.append((head[2], bool(head[3]), target))
                elif section == "run":
                    self.commands = target
                else:
                    self.expect = target
            elif section:
                target.append(line)
            elif line.startswith("env: ") and "=" in line:
                name, value = line[5:].strip().split("=", 1)
                self.env[name] = value
            elif line.startswith("limit: "):
                self.limit = int(line[7:])
            elif line.startswith("needs: "):
                self.needs.add(line[7:].strip())
            elif line.startswith("keep: "):
                self.keep = re.compile(line[6:].strip())
            elif line.strip() and not line.startswith("#"):
                raise ValueError(f"{path}:{number}: neither a comment, env:, limit:, needs:, keep: nor a [section]")
        self.commands = [line.strip() for line in self.commands if line.strip()]
        if not self.commands:
            raise ValueError(f"{path}:1: no commands in a [run] section")

    def bless(self, transcript):
        text = self.path.read_text()
        self.path.write_text(text[: text.index("[expect]\n")] + "[expect]\n" + transcript)


def prepare(case, work, sysroot):
    work.mkdir()
    for name, executable, lines in case.files:
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines).replace("@SYSROOT@", str(sysroot)))
        path.chmod(0o755 if executable else 0o644)
    for folder, _, names in os.walk(work, topdown=False):
        for name in names:
            os.utime(os.path.join(folder, name), (OLD, OLD))
        os.utime(folder, (OLD, OLD))


def guest_program(word, sysroot, work):
    if word.startswith("./"):
        return str(work / word[2:])
    if word.startswith("/"):
        return word
    for folder in ("usr/bin", "usr/sbin", "usr/games"):
        if (sysroot / folder / word).exists():
            return str(sysroot / folder / word)
    raise ValueError(f"no {word} in the sysroot's bin folders")


def limits():
    os.umask(0o022)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored behind a shell's back; Python and bash leave it so


def run_command(emulator, line, case, work, sysroot):
    """Runs one guest command; returns (stdout, stderr, how it ended or '')."""
    words = shlex.split(line.replace("@SYSROOT@", str(sysroot)))
    source, sink = subprocess.DEVNULL, subprocess.PIPE
    with tempfile.TemporaryFile() as errors:
        while len(words) > 2 and words[-2] in ("<", ">"):
            if words[-2] == "<":
                source = open(work / words[-1], "rb")
            else:
                sink = open(work / words[-1], "wb")
            words = words[:-2]
        command = [*emulator, "-L", str(sysroot), guest_program(words[0], sysroot, work), *words[1:]]
        path = ":".join(str(sysroot / folder) for folder in ("usr/bin", "usr/sbin"))
        process = subprocess.Popen(command, cwd=work, stdin=source, stdout=sink, stderr=errors, start_new_session=True,
                                   preexec_fn=limits, env={**CLEAN, "PATH": path, "HOME": str(work), **case.env})
        try:
            output, _ = process.communicate(timeout=case.limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            return output or b"", b"", f"[killed after {case.limit} s]"
        finally:
            for stream in (source, sink):
                if hasattr(stream, "close"):
                    stream.close()
        errors.seek(0)
        code = process.returncode
        ended = "" if code == 0 else f"[exit {code}]" if code > 0 else f"[{signal.Signals(-code).name}]"
        return output or b"", errors.read(), ended


def comparable_error(text):
    """Without the emulator's own line about a fatal signal: qemu-user prints it only if it could dump core."""
    return re.sub(r"^[\w-]+: uncaught target signal .*\n", "", text, flags=re.M)


def transcript(emulator, case, work, sysroot):
    """Everything the case's commands showed, as text, paths of this run replaced."""
    lines = []
    for command in case.commands:
        try:
            output, errors, ended = run_command(emulator, command, case, work, sysroot)
        except (OSError, ValueError) as problem:  # no such program or input: an earlier command did not do its work
            output, errors, ended = b"", b"", f"[not run: {problem}]"
        lines.append(f"$ {command}")
        shown = output.decode(errors="backslashreplace").splitlines()
        shown += ["2| " + line for line in comparable_error(errors.decode(errors="backslashreplace")).splitlines()]
        lines += [line for line in shown if not case.keep or case.keep.search(line)]
        if ended:
            lines.append(ended)
    text = "\n".join(lines) + "\n"
    return text.replace(str(sysroot), "@SYSROOT@").replace(str(work), "@WORK@")


def folder_contents(work):
    """One line for each file below the working folder: mode, size or target, content, name."""
    lines = []
    for path in sorted(work.rglob("*")):
        name = path.relative_to(work)
        if path.is_symlink():
            lines.append(f"link {name} -> {os.readlink(path)}")
        elif path.is_dir():
            lines.append(f"{path.stat().st_mode:o} {name}/")
        elif path.is_file():
            lines.append(f"{path.stat().st_mode:o} {hashlib.sha256(path.read_bytes()).hexdigest()[:16]} {name}")
        else:
            lines.append(f"{path.stat().st_mode:o} special {name}")
    return "".join(line + "\n" for line in lines)


def observe(emulator, case, sysroot, folder):
    """Runs a case in a fresh folder of the same name each time; returns (transcript, files)."""
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    prepare(case, work, sysroot)
    text = transcript(emulator, case, work, sysroot)
    return text, folder_contents(work)


def difference(seen, wanted, wanted_name):
    diff = difflib.unified_diff(wanted.splitlines(), seen.splitlines(), wanted_name, "emulator", lineterm="", n=2)
    lines = list(diff)
    return "\n".join("    " + line for line in lines[:60] + (["..."] if len(lines) > 60 else []))


def run_case(case, emulator, reference, sysroot, show):
    """Returns '' if the case agrees, or what differs; prints the emulator's transcript if `show`."""
    with tempfile.TemporaryDirectory(prefix="kiln-system-") as folder:
        folder = Path(folder).resolve()
        text, files = observe(emulator, case, sysroot, folder)
        if show:
            print(text)
        if case.expect is not None:
            if os.environ.get("KILN_BLESS") == "1":
                case.bless(text)
                return ""
            wanted = "".join(case.expect)
            return "" if text == wanted else difference(text, wanted, "expected")
        wanted, wanted_files = observe(reference, case, sysroot, folder)
        return "\n".join(filter(None, [text != wanted and difference(text, wanted, "qemu-user"),
                                       files != wanted_files and difference(files, wanted_files, "qemu-user's files")]))


def locate(command):
    """A command's words, the first one absolute: the guest's PATH is not ours."""
    words = shlex.split(command)
    found = shutil.which(words[0])
    if not found:
        sys.exit(f"run_programs: no {words[0]} to run; build it, or install it with tools/install_deps.sh test")
    return [os.path.abspath(found), *words[1:]]


def select(cases, names, label):
    chosen = [case for case in cases if label in ("all", case.label)]
    if names:
        chosen = [case for case in chosen if case.name in names or case.path.parent.name in names]
    return chosen


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="groups or group/case; all of them by default")
    parser.add_argument("--emulator", default="build/ci/src/cli/kiln run", help="command before -L <sysroot> program")
    parser.add_argument("--label", default="all", choices=("quick", "long", "all"))
    parser.add_argument("--slower", type=int, default=1, metavar="N",
                        help="every limit times N, for an emulator that is told to be thorough")
    parser.add_argument("--show", action="store_true", help="print the emulator's transcripts as well")
    parser.add_argument("--list", action="store_true", help="name the cases and their labels")
    options = parser.parse_args()

    cases = select([Case(path) for path in sorted(CASES.glob("*/*.case"))], options.names, options.label)
    if not cases:
        parser.error("no such case")
    if options.list:
        for case in cases:
            print(f"{case.label:6}{'stated' if case.expect is not None else 'qemu':8}{case.name}")
        return 0

    sets = sorted(set.union(*(case.needs for case in cases)))
    fetched = subprocess.run([FETCH, "--offline", *sets], stdout=subprocess.PIPE, text=True)
    if fetched.returncode != 0:
        print(f"SKIP: the riscv64 programs are not here; tools/fetch_guests.py {' '.join(sets)} fetches them")
        return fetched.returncode
    sysroot = Path(fetched.stdout.strip()).resolve()
    emulator, reference = (locate(text) for text in (os.environ.get("KILN_BIN") or options.emulator, REFERENCE))

    failed = 0
    for case in cases:
        case.limit *= options.slower
        start = time.monotonic()
        problem = run_case(case, emulator, reference, sysroot, options.show)
        print(f"{'FAIL' if problem else 'ok  '} {case.name} ({time.monotonic() - start:.1f} s)", flush=True)
        if problem:
            failed += 1
            print(problem, flush=True)
    print(f"{len(cases) - failed} of {len(cases)} cases agree")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
