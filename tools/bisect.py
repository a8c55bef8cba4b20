#!/usr/bin/env python3
"""Finds the first unit, pass or template that makes a guest go wrong.

  tools/bisect.py [options] -- build/ci/src/cli/kiln run --engine=jit1 ./guest arguments
  tools/bisect.py --status=0 --output=expected.txt -- make -C guests check

The command may be anything that runs kiln sooner or later: what kiln is to do reaches it through the environment
(KILN_FUEL_UNITS and its like, see `kiln run --help`), so the command's own words must not set these options. A run is
right if it ends with the status and writes to standard output what the options say, or what the command does when
nothing is compiled, no pass runs and no template is used.

Says which limit decides, the first N at which the run is wrong, and how to look at what was made then. Runs must be
repeatable up to what differs: give guests with threads --runs.

Exit codes: 0 found, 1 nothing to find (the run is right, or wrong without any of these), 2 wrong usage.
"""
import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KINDS = {"units": "KILN_FUEL_UNITS", "passes": "KILN_FUEL_PASSES", "templates": "KILN_FUEL_TEMPLATES"}
NOTHING = dict.fromkeys(KINDS.values(), "0")


class Command:
    def __init__(self, words, options):
        self.words, self.options = words, options
        self.wanted = None
        self.count = 0

    def run(self, env):
        """(status, standard output); a run that takes too long has the status 'too long'."""
        self.count += 1
        process = subprocess.Popen(self.words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                   env=os.environ | env, start_new_session=True)
        try:
            output, _ = process.communicate(timeout=self.options.timeout)
            return process.returncode, output
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return "too long", b""

    def is_right(self, env):
        return all(self.run(env) == self.wanted for _ in range(self.options.runs))

    def learn_what_is_right(self):
        status, output = self.run(NOTHING)
        if self.options.status is not None:
            status = self.options.status
        if self.options.output is not None:
            output = self.options.output.read_bytes()
        self.wanted = (status, output)


def first_wrong(command, env, variable):
    """The smallest limit with which the run is wrong: with 0 it is right, without a limit wrong."""
    right, wrong = 0, 1
    while command.is_right(env | {variable: str(wrong)}):
        right, wrong = wrong, 2 * wrong
        if wrong > 1 << 40:
            return None
    while wrong - right > 1:
        middle = (right + wrong) // 2
        if command.is_right(env | {variable: str(middle)}):
            right = middle
        else:
            wrong = middle
    return wrong


def places(command, env, move):
    """The pcs of the units that went to `move`, in order, of the process that made most of them."""
    with tempfile.TemporaryDirectory(prefix="kiln-bisect-") as folder:
        command.run(env | {"KILN_TRACE": "tier", "KILN_TRACE_FILE": f"{folder}/%d"})
        line = re.compile(rf"^tier: (0x[0-9a-f]+): {move}, ", re.M)
        return max((line.findall(path.read_text(errors="replace")) for path in Path(folder).iterdir()), key=len, default=[])


def pass_name(level, number):
    """The pass that is number `number` of the level, by the rows of src/opt/pipeline.cpp."""
    steps = re.findall(r"^    STEP\((\w+), ([\w| ]+)\)", (ROOT / "src/opt/pipeline.cpp").read_text(), re.M)
    names = [name for name, when in steps if "always" in when or level in when.split(" | ")]
    return names[number - 1] if number <= len(names) else "?"


def settings(env):
    return " ".join(f"{name}={value}" for name, value in env.items())


def find_unit(command, env):
    number = first_wrong(command, env, KINDS["units"])
    limited = env | {KINDS["units"]: str(number)}
    compiled = places(command, limited, "compiled")
    if not compiled:
        print(f"unit: one of the first {number} that are compiled; no trace says which")
        return limited
    pc = compiled[-1]
    alone = {"KILN_COMPILE_FROM": pc, "KILN_COMPILE_TO": hex(int(pc, 16) + 1)}
    enough = not command.is_right(env | alone)
    print(f"unit: number {number}, at {pc}, is the first that makes it wrong when compiled"
          f"{'; it does so alone' if enough else ''}")
    narrow = env | alone if enough else limited
    print(f"  {settings(narrow)} KILN_DUMP=guest,ir,host@{pc}")
    return narrow


def find_pass(command, env):
    number = first_wrong(command, env, KINDS["passes"])
    level = next((re.split(r"[= ]", word)[-1] for word in [os.environ.get("KILN_OPT", ""), *command.words]
                  if re.fullmatch(r"(--opt=)?(tier0|full)", word)), "full")
    name = pass_name(level, number)
    print(f"pass: number {number} of --opt={level}, {name}, is the first that makes it wrong")
    print(f"  {settings(env | {KINDS['passes']: str(number)})} KILN_DUMP=ir,ir-after:{name}")


def find_template(command, env):
    one_by_one = env | {"KILN_MAX_UNIT": "1"}
    alone = not command.is_right(one_by_one) and command.is_right(one_by_one | {KINDS["templates"]: "0"})
    env = one_by_one if alone else env
    number = first_wrong(command, env, KINDS["templates"])
    limited = env | {KINDS["templates"]: str(number)}
    made = places(command, limited, "interpreted")
    pc = made[number - 1] if len(made) >= number else "?"
    print(f"template: of the {'instruction' if alone else 'unit'} number {number} put together from templates, at {pc}")
    print(f"  {settings(limited)} KILN_DUMP=guest@{pc}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--status", type=int, help="the exit status of a right run")
    parser.add_argument("--output", type=Path, help="a file with what a right run writes to standard output")
    parser.add_argument("--timeout", type=float, default=60, help="a run that takes longer, in seconds, is wrong (60)")
    parser.add_argument("--runs", type=int, default=1, help="a run is right if it is so many times over (1)")
    parser.add_argument("command", nargs="+", help="the command, after --")
    options = parser.parse_args()

    command = Command(options.command, options)
    command.learn_what_is_right()
    if not command.is_right(NOTHING):
        print("wrong also when nothing is compiled, no pass runs and no template is used: not to be found here")
        return 1
    if command.is_right({}):
        print("right as it is: nothing to find")
        return 1
    deciding = [kind for kind, variable in KINDS.items() if command.is_right({variable: "0"})]
    if not deciding:
        print("wrong in more than one way: no single limit makes it right")
        return 1
    env = {}
    if "units" in deciding:
        env = find_unit(command, env)
    if "passes" in deciding:
        find_pass(command, env)
    if "templates" in deciding:
        find_template(command, env)
    print(f"{command.count} runs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
