#!/usr/bin/env python3
"""Times guest programs under kiln, qemu-user and natively, in one interleaved run, and checks that they agree.

  bench/run.py                                        everything short; writes docs/performance.md
  bench/run.py --long                                 what takes long; writes docs/performance-long.md
  bench/run.py --group kernels --only 'sha|crc' -n 5  some of it, to the terminal
  bench/run.py --kiln 'interp=build/release/src/cli/kiln --engine=interp' --kiln 'other/kiln' --json out.json

Exit codes: 0 every program ran and agreed, 1 one failed or differed, 2 the run could not start.
"""
import argparse
import datetime
import re
import shlex
import shutil
import sys
from pathlib import Path

import report
import suite
from measure import ROOT, Engine, Unavailable, Workshop, first_line

DOCUMENTS = {False: ROOT / "docs/performance.md", True: ROOT / "docs/performance-long.md"}


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", default="native,qemu,kiln", help="which to compare (default: %(default)s)")
    parser.add_argument("--kiln", action="append", metavar="[NAME=]'PATH [OPTIONS]'",
                        help="a kiln and its run options; repeat to compare several (default: the release build, "
                             "and the same without its store, cold)")
    parser.add_argument("--qemu", default="qemu-riscv64", metavar="PATH", help="(default: %(default)s)")
    parser.add_argument("--cc", default="gcc-12", help="native compiler (default: %(default)s)")
    parser.add_argument("--cross-cc", default="riscv64-linux-gnu-gcc-12", help="(default: %(default)s)")
    parser.add_argument("--group", action="append", choices=suite.GROUPS, help="repeat for several (default: all short ones)")
    parser.add_argument("--long", action="store_true", help="the groups that take long instead")
    parser.add_argument("--only", metavar="REGEX", help="only the cases whose name matches")
    parser.add_argument("-n", "--repetitions", type=int, default=3, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the kernels' rounds (default: 1)")
    parser.add_argument("--timeout", type=int, default=120, metavar="S", help="of one process (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="one repetition at a twentieth of the scale: a smoke test")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    parser.add_argument("--markdown", type=Path, metavar="FILE",
                        help="write the tables (default: the document in docs when the run is complete)")
    parser.add_argument("--build-dir", type=Path, default=ROOT / "build/bench", metavar="DIR", help="(default: %(default)s)")
    options = parser.parse_args()
    options.chosen = bool(options.group)
    options.group = options.group or [name for name, group in suite.GROUPS.items() if group.long == options.long]
    if options.quick:
        options.repetitions, options.scale = 1, options.scale / 20
    if options.repetitions < 1 or options.scale <= 0:
        parser.error("-n and --scale must be positive")
    return options


def make_engines(options):
    """The engines in the order of their columns; native first, since the others are divided by it."""
    wanted = options.engines.split(",")
    unknown = set(wanted) - {"native", "qemu", "kiln"}
    if unknown:
        raise Unavailable(f"--engines: no {', '.join(sorted(unknown))}; there are native, qemu, kiln")
    engines = []
    if "native" in wanted:
        engines.append(Engine("native", "native", (), first_line([options.cc, "--version"])))
    if "qemu" in wanted:
        path = shutil.which(options.qemu)
        if not path:
            raise Unavailable(f"no {options.qemu}: install qemu-user, or leave qemu out with --engines")
        engines.append(Engine("qemu", "qemu", (path,), first_line([path, "--version"])))
    if "kiln" in wanted:
        release = ROOT / "build/release/src/cli/kiln"
        for text in options.kiln or [str(release), f"cold={release} --cache=off"]:
            named = re.match(r"(\w+)=(.*)", text)
            engines.append(make_kiln(*named.groups()) if named else make_kiln("kiln", text))
    names = [engine.name for engine in engines]
    if len(set(names)) != len(names):
        raise Unavailable("two engines of one name: give each --kiln its NAME=")
    return engines


def make_kiln(name, command):
    path, *run_options = shlex.split(command)
    if not Path(path).is_file():
        raise Unavailable(f"no kiln at {path}: build it (make build), name another with --kiln, or leave it out with --engines")
    path = str(Path(path).resolve())
    version = first_line([path, "--version"])
    return Engine(name, "kiln", (path, "run", *run_options), " ".join([version, *run_options]))


def measure_case(workshop, case, engines, repetitions):
    """The rows of one case, {engine name: row}: A B C, A B C, ... An engine that fails is not asked again."""
    good, failed, expected = {engine.name: [] for engine in engines}, {}, None
    instructions = {engine.name: workshop.rehearse(case, engine) for engine in engines if engine.kind == "kiln"}
    for _ in range(repetitions):
        for engine in engines:
            if engine.name in failed:
                continue
            seen = workshop.run(case, engine)
            if seen.status != 0:
                what = "timeout" if seen.status == 124 else f"exit {seen.status}"
                failed[engine.name] = what + (f": {seen.message}" if seen.message else "")
                continue
            good[engine.name].append(seen)
            if engine.kind == "native" and getattr(case, "compare", "all") == "guests":
                continue
            expected = expected or seen.output
            if seen.output != expected:
                failed[engine.name] = "output differs"
    rows = {}
    for engine in engines:
        if engine.name in failed:
            rows[engine.name] = {"status": failed[engine.name].replace("|", "/")}
            continue
        rows[engine.name] = report.summarize(good[engine.name])
        if engine.name in instructions:
            rows[engine.name]["guest_instructions"] = instructions[engine.name]
    report.add_ratios(rows, engines)
    return rows


def measure_group(workshop, group, engines, options):
    """The group's part of the result, or None when --only leaves nothing of it."""
    cases = [case for case in group.cases if not options.only or re.search(options.only, case.name)]
    engines = [engine for engine in engines if engine.kind not in group.without]
    if not cases or not engines:
        return None
    workshop.scale = options.scale * group.scale
    rows = {}
    try:
        packages = {package for case in cases for package in getattr(case, "packages", "").split()}
        if packages:
            for arch in {engine.arch for engine in engines}:
                workshop.fetch(arch, packages)
            suite.write_inputs(workshop.folder / "data")
        for case in cases:
            rows[case.name] = measure_case(workshop, case, engines, options.repetitions)
            print(report.progress_line(case.name, rows[case.name], engines), flush=True)
    except Unavailable as reason:
        print(f"{group.title}: skipped: {reason}", file=sys.stderr)
        return {"skipped": str(reason)}
    means = report.geometric_means(rows, engines)
    for name, mean in means.items():
        print(f"{group.title}: geometric mean: {name} {report.mean_text(mean)}", flush=True)
    return {"cases": rows, "geometric_means": means}


def main():
    options, host = parse_options(), report.machine()
    try:
        engines = make_engines(options)
        workshop = Workshop(options.build_dir.absolute(), options.cc, options.cross_cc, options.timeout)
        versions = {engine.name: engine.version for engine in engines}
        if any(engine.arch == "riscv64" for engine in engines):
            versions["riscv64 compiler"] = first_line([options.cross_cc, "--version"])
        groups = {name: measure_group(workshop, suite.GROUPS[name], engines, options) for name in options.group}
    except Unavailable as reason:
        print(f"bench: {reason}", file=sys.stderr)
        return 2
    result = {
        "date": datetime.date.today().isoformat(),
        "machine": host,
        "versions": versions,
        "options": {"repetitions": options.repetitions, "scale": options.scale},
        "groups": {group: content for group, content in groups.items() if content},
    }
    if options.json:
        report.write_json(result, options.json)
    everything = not (options.only or options.chosen or options.quick) and options.engines == "native,qemu,kiln"
    document = options.markdown or (DOCUMENTS[options.long] if everything else None)
    if document:
        document.write_text(report.markdown(result, engines))
        print(f"wrote {document}")
    rows = [row for content in result["groups"].values() for case in content.get("cases", {}).values() for row in case.values()]
    if not rows:
        print("bench: nothing was measured", file=sys.stderr)
        return 2
    return 0 if all(row["status"] == "ok" for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
