"""What the repository's checks have in common: which files they look at, and how they report.

A check is a program `tools/check_<what>.py [--root DIR]`; it prints one line for each finding, as `file:line: what is
wrong; what to do`, and exits with 1 if there is any.
"""
import argparse
import os
import subprocess
import sys
from pathlib import Path


def parse_arguments(description, **switches):
    """Options of a check: --root, and a flag for each switch with its help text."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent, help="the tree to look at")
    for name, text in switches.items():
        parser.add_argument("--" + name, action="store_true", help=text)
    return parser.parse_args()


def repository_files(root):
    """Every file that is or could be committed, as sorted paths relative to root; a tree without git is walked."""
    if (root / ".git").exists():
        listing = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                                 cwd=root, stdout=subprocess.PIPE, check=True).stdout
        names = [os.fsdecode(name) for name in listing.split(b"\0") if name]
        paths = [Path(name) for name in set(names)]
    else:
        paths = [path.relative_to(root) for path in root.rglob("*") if path.relative_to(root).parts[0] != "build"]
    return sorted(path for path in paths if (root / path).is_file() and not (root / path).is_symlink())


def numbered_lines(root, path):
    """(number, text) of each line of a text file; nothing for a binary one."""
    data = (root / path).read_bytes()
    if b"\0" in data[:4096]:
        return []
    return list(enumerate(data.decode(errors="replace").splitlines(), 1))


def finish(findings, good_news):
    """Prints the findings, or one line that says what holds; returns the exit code."""
    for finding in findings:
        print(finding)
    if findings:
        print(f"{sys.argv[0].rsplit('/', 1)[-1]}: {len(findings)} to put right", file=sys.stderr)
        return 1
    print(good_news)
    return 0
