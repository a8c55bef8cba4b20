#!/usr/bin/env python3
"""Holds what the documents say about the repository, and keeps one machine's particulars out of it.

1. Every path of the repository that README.md or a file of docs/ names in `backticks`, or links to, exists. {a,b} and *
   are understood; a <placeholder> is left alone.
2. No file names a path of somebody's machine or the host of a package mirror.
"""
import re
import sys
from pathlib import Path

from repo_files import finish, numbered_lines, parse_arguments, repository_files

ROOTS = {".ci", "bench", "cmake", "docs", "examples", "include", "src", "tests", "tools"}
CODE_SPAN = re.compile(r"`([^`\s]+)`")
PATH_AND_LINE = re.compile(r"([\w.*{},/+-]+?)(?::\d+)?[.,;]?$")
TOP_FILE = re.compile(r"[A-Z]\w*\.(md|txt|json)$")
LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)[^)]*\)")

MACHINE_PATH = re.compile(r"(?<![\w.@})*])/(?:work|root|home|Users)/\w|(?<![\w.@})*])/tmp/w/")
MIRROR_HOST = re.compile(
    r"\b(?!www\.)[a-z0-9-]+(\.[a-z]{2})?\.(debian|ubuntu)\.(org|com|net)\b|\bmirrors?\.[a-z0-9-]+\.[a-z]{2,}\b|"
    r"\bhttps?://(?![^\s/]+\.example/)[^\s/]+/(debian|ubuntu)(-security)?\b", re.I)


def expand(text):
    """The alternatives of a{b,c}d, innermost braces first."""
    match = re.search(r"\{([^{}]*)\}", text)
    if not match:
        return [text]
    return [full for part in match[1].split(",") for full in expand(text[: match.start()] + part.strip() + text[match.end():])]


def exists(root, name):
    name = name.rstrip("/")
    return any(root.glob(name)) if "*" in name else (root / name).exists()


def missing_paths(root, path, line):
    """The paths that a line of a document names and that are not there."""
    for span in CODE_SPAN.findall(line):
        match = PATH_AND_LINE.match(span)
        if match and (("/" in match[1] and match[1].split("/")[0] in ROOTS) or TOP_FILE.match(match[1])):
            yield from (name for name in expand(match[1]) if not exists(root, name))
    for target in LINK.findall(line):
        if not (root / path.parent / target).exists():
            yield target


def main():
    root = parse_arguments(__doc__).root
    findings = []
    for path in repository_files(root):
        document = path.suffix == ".md" and (path.parts[0] == "docs" or path == Path("README.md"))
        for number, line in numbered_lines(root, path):
            if document:
                for name in missing_paths(root, path, line):
                    findings.append(f"{path}:{number}: there is no {name}; correct the path or write the file")
            machine = MACHINE_PATH.search(line)
            if machine:
                findings.append(f"{path}:{number}: a path of one machine ({line[machine.start():][:24]}); use a relative one")
            mirror = MIRROR_HOST.search(line)
            if mirror:
                findings.append(f"{path}:{number}: a mirror's name ({mirror[0]}); ask the machine's own apt sources")
    return finish(findings, "docs: every path named exists, no machine or mirror is named")


if __name__ == "__main__":
    sys.exit(main())
