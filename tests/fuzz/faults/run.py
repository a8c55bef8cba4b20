#!/usr/bin/env python3
"""Compares what a guest's registers are at faults by chance, between engines.

  run.py --kiln=<executable> --guest=<program> [--faults=N] [OPTION ...]

The guest (program.c) runs loops of many kinds over memory whose pages come and go, and writes its registers at each fault,
in the end its memory. It does so in the interpreter, with every region compiled (--engine=jit2), and with regions where it
spends its time (--region-after); all must write the same. OPTIONs are kiln's, for each but the interpreter.
"""
import argparse
import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

# struct record of program.c.
FIELDS = ["address", "code", "pc", *(f"x{i}" for i in range(1, 32)), *(f"f{i}" for i in range(32)), "fcsr"]
RECORD = struct.Struct(f"<{len(FIELDS)}Q")
MEMORY = 32 * 4096  # behind the last record
# Of the faults with --engine=jit2: so many, in percent, must be in regions, or the test tests something else.
LEAST_IN_REGIONS = 95
REFERENCE = ["--engine=interp"]
ENGINES = [["--engine=jit2"], ["--hot-after=4", "--region-after=1", "--chaos=1"]]


def run(kiln, options, guest, faults, folder):
    """What the guest wrote, and kiln's counters."""
    stats = folder / "stats"
    command = [kiln, "run", "--cache=off", *options, "--stats=json", f"--stats-file={stats}", guest, str(faults)]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=1800)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: status {done.returncode}")
    counts = json.loads(stats.read_text())
    return done.stdout, {name: counts_of(counts, name) for name in ("region_faults", "regions_compiled")}


def counts_of(stats, name):
    """The counter of that name, in whatever group it stands."""
    if isinstance(stats, dict):
        if isinstance(stats.get(name), int):
            return stats[name]
        found = (counts_of(group, name) for group in stats.values())
        return next((count for count in found if count is not None), None)
    return None


def describe(wanted, seen):
    """The first difference of two outputs."""
    for at in range(0, min(len(wanted), len(seen)) - MEMORY, RECORD.size):
        if wanted[at:at + RECORD.size] == seen[at:at + RECORD.size]:
            continue
        lines = [f"fault {at // RECORD.size}:"]
        for name, one, other in zip(FIELDS, RECORD.unpack_from(wanted, at), RECORD.unpack_from(seen, at)):
            mark = "*" if one != other else " "
            if one != other or name in ("pc", "address"):
                lines.append(f"  {mark} {name:8} {one:16x} {other:16x}")
        return "\n".join(lines)
    return f"{len(wanted)} and {len(seen)} bytes, the same registers: the memory differs, or the number of faults"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kiln", required=True)
    parser.add_argument("--guest", required=True)
    parser.add_argument("--faults", type=float, default=1e4)
    options, more = parser.parse_known_args()
    faults, differences = int(options.faults), 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wanted, _ = run(options.kiln, REFERENCE, options.guest, faults, folder)
        count = (len(wanted) - MEMORY) // RECORD.size
        places = len({wanted[at + 16:at + 24] for at in range(0, count * RECORD.size, RECORD.size)})
        for engine in ENGINES:
            seen, counts = run(options.kiln, engine + more, options.guest, faults, folder)
            text = " ".join(engine + more)
            if seen != wanted:
                differences += 1
                print(f"{text} differs from {REFERENCE[0]}, {describe(wanted, seen)}")
            print(f"{text}: {count} faults at {places} instructions compared, {counts['region_faults']} of them in "
                  f"{counts['regions_compiled']} regions")
            if engine == ENGINES[0] and counts["region_faults"] * 100 < LEAST_IN_REGIONS * count:
                differences += 1
                print(f"  too few: less than {LEAST_IN_REGIONS} %")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
