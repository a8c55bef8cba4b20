#!/usr/bin/env python3
"""Holds the layering of src/: who includes whom, where third-party headers appear, where guests may be named.

1. A folder of src/ includes its own headers and those of the folders MAY_INCLUDE gives it, directly or through them.
   WIRING names the only files that reach further.
2. A third-party header is included in one folder only; SHARED_HEADERS names the exceptions.
3. GUEST_FREE folders name no guest, in code or comments.
"""
import re
import sys
from collections import defaultdict

from repo_files import finish, numbered_lines, parse_arguments, repository_files

# Folder: the folders right below it. What those may include, it may include too.
MAY_INCLUDE = {
    "base": [],
    "isa": ["base"],
    "ir": ["base"],
    "opt": ["ir"],
    "abi": ["ir"],
    "lift": ["isa", "ir", "abi"],
    "interp": ["abi"],
    "emit": ["abi"],
    "llvm": ["abi"],
    "store": ["abi"],
    "mem": ["base", "abi"],
    "run": ["mem"],
    "linux": ["run"],
    "machine": ["run"],
    "debug": ["run"],
    "cli": ["linux", "machine", "debug", "store"],
}

# The one file where the engine is put together, and what it reaches besides.
WIRING = {"src/run/wiring.cpp": ["lift", "opt", "interp", "emit", "store"]}

# First part of a third-party header's path: the places (folders or files) that may include it.
SHARED_HEADERS = {
    "fmt": ["src/base", "src/isa", "src/ir", "src/debug", "src/cli", "tools", "tests"],
    "tl": ["src/base/types.h"],
}

GUEST_FREE = ["src/ir", "src/opt"]
GUEST_NAMES = re.compile(r"(risc-?v|\brv(32|64)|aarch64|\barm(64|v\d)?\b|python)\w*", re.I)

# Headers of the C and C++ libraries, the kernel and the compiler; <name> without a dot is C++'s own.
PLATFORM = re.compile(
    r"(sys|linux|asm|asm-generic|arpa|net|netinet|bits|gnu|cxxabi\.h|sanitizer)(/|$)|"
    r"(aio|alloca|assert|byteswap|complex|cpuid|ctype|dirent|dlfcn|elf|endian|err|errno|error|execinfo|fcntl|features|fenv|float|"
    r"fnmatch|ftw|getopt|glob|grp|ifaddrs|immintrin|inttypes|langinfo|libgen|limits|link|locale|malloc|math|mntent|mqueue|netdb|"
    r"nl_types|poll|pthread|pty|pwd|regex|sched|search|semaphore|setjmp|sgtty|shadow|signal|spawn|stdarg|stdatomic|stdbool|stddef|"
    r"stdint|stdio|stdlib|string|strings|syscall|sysexits|syslog|tar|termios|threads|time|ucontext|ulimit|unistd|utime|utmpx|wait|wchar|"
    r"wctype|wordexp|x86intrin)\.h$|[a-z_0-9]+$")

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")')
SOURCES = {".h", ".hpp", ".cpp", ".c", ".cc", ".def", ".inc"}


def reachable(folder):
    """The folders whose headers `folder` may include, itself among them."""
    seen, todo = set(), [folder]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += MAY_INCLUDE[name]
    return seen


def place(path):
    """The folder a file counts for: src/<folder>, or the first part of its path."""
    return "/".join(path.parts[:2]) if path.parts[0] == "src" else path.parts[0]


def main():
    root = parse_arguments(__doc__).root
    files = repository_files(root)
    findings = []
    third_party = defaultdict(list)  # header's first part -> [(place, path, line number, header)]

    for path in files:
        in_src = len(path.parts) > 2 and path.parts[0] == "src"
        if in_src and path.parts[1] not in MAY_INCLUDE:
            findings.append(f"{path}:1: src/{path.parts[1]} has no row in MAY_INCLUDE; add it to tools/check_includes.py")
            continue
        if path.suffix not in SOURCES:
            continue
        lines = numbered_lines(root, path)
        if any(path.is_relative_to(folder) for folder in GUEST_FREE):
            for number, line in lines:
                name = GUEST_NAMES.search(line)
                if name:
                    findings.append(f"{path}:{number}: names the guest '{name[0]}'; {place(path)} knows no guest, "
                                    "say it in terms of state slots, or move it to src/lift or src/abi")
        allowed = reachable(path.parts[1]) | set(WIRING.get(str(path), [])) if in_src else None
        for number, line in lines:
            match = INCLUDE.match(line)
            if not match:
                continue
            system, own = match.groups()
            header = system or own
            first = header.split("/")[0]
            if own and ((root / path.parent / own).exists() or (root / "include" / own).exists()):
                continue
            if own and (root / "src" / own).exists():
                if allowed is not None and first not in allowed:
                    findings.append(f"{path}:{number}: src/{path.parts[1]} may not include \"{own}\"; it may include "
                                    f"{', '.join(sorted(allowed - {path.parts[1]})) or 'nothing else'} "
                                    "(MAY_INCLUDE in tools/check_includes.py)")
            elif own and first in MAY_INCLUDE:
                findings.append(f"{path}:{number}: there is no src/{own}; paths are relative to src/")
            elif not PLATFORM.match(header):
                third_party[first].append((place(path), path, number, header))

    for first, uses in sorted(third_party.items()):
        if first in SHARED_HEADERS:
            for _, path, number, header in uses:
                if not any(path.is_relative_to(allowed) for allowed in SHARED_HEADERS[first]):
                    findings.append(f"{path}:{number}: <{header}> belongs to {', '.join(SHARED_HEADERS[first])} only")
            continue
        home = uses[0][0]
        for where, path, number, header in uses:
            if where != home:
                findings.append(f"{path}:{number}: <{header}> is included in {home} already ({uses[0][1]}:{uses[0][2]}); "
                                "a third-party header lives in one folder, wrap what you need there")
    return finish(findings, "includes: every folder keeps to its layer")


if __name__ == "__main__":
    sys.exit(main())
