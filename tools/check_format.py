#!/usr/bin/env python3
"""Holds every C and C++ file to .clang-format; --fix formats them in place. Tables (.def) keep their columns."""
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from repo_files import finish, parse_arguments, repository_files

SUFFIXES = {".h", ".hpp", ".cpp", ".cc", ".c"}


def main():
    options = parse_arguments(__doc__, fix="format instead of complaining")
    root = options.root
    program = shutil.which("clang-format-19")
    if not program:
        sys.exit("check_format: clang-format-19 is missing; tools/install_deps.sh test installs it")
    files = [str(path) for path in repository_files(root) if path.suffix in SUFFIXES]

    def run(batch):
        mode = ["-i"] if options.fix else ["--dry-run", "-Werror", "--ferror-limit=1"]
        return subprocess.run([program, "--style=file", *mode, *batch], cwd=root, stderr=subprocess.PIPE, text=True).stderr

    jobs = os.cpu_count() or 1
    with ThreadPoolExecutor(jobs) as pool:
        output = "".join(pool.map(run, [batch for batch in (files[i::jobs] for i in range(jobs)) if batch]))
    findings = [line.split(": error:")[0] + ": not as .clang-format has it; run make format"
                for line in output.splitlines() if ": error:" in line]
    if output and not findings:
        findings = output.splitlines()
    return finish(findings, f"format: {len(files)} files are as .clang-format has them")


if __name__ == "__main__":
    sys.exit(main())
