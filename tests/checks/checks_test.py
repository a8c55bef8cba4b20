#!/usr/bin/env python3
"""Feeds every check of tools/ small trees that break its rules, and one that keeps them."""
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent


def check(what, files):
    """Runs tools/check_<what>.py on a tree of {path: text}; returns (exit code, what it printed)."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        shutil.copy(REPOSITORY / ".clang-format", folder)
        result = subprocess.run([sys.executable, REPOSITORY / f"tools/check_{what}.py", "--root", folder],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return result.returncode, result.stdout


class CheckTest(unittest.TestCase):
    def holds(self, what, files):
        code, output = check(what, files)
        self.assertEqual(code, 0, output)

    def complains(self, what, files, *parts):
        code, output = check(what, files)
        self.assertEqual(code, 1, output)
        for part in parts:
            self.assertIn(part, output)


class Includes(CheckTest):
    BASE = {"src/base/types.h": "#include <cstdint>\n#include <tl/expected.hpp>\n", "src/ir/op.h": "", "src/isa/isa.h": "",
            "src/interp/interp.h": "", "src/run/run.h": "", "src/cli/main.h": ""}

    def test_layers(self):
        self.holds("includes", {**self.BASE, "src/abi/abi.h": '#include "base/types.h"\n#include "ir/op.h"\n',
                                "src/cli/main.cpp": '#include "run/run.h"\n#include "ir/op.h"\n#include "main.h"\n#include <sys/mman.h>\n'})

    def test_upward_include(self):
        self.complains("includes", {**self.BASE, "src/base/bits.h": '\n#include "ir/op.h"\n'},
                       "src/base/bits.h:2:", 'src/base may not include "ir/op.h"')

    def test_sideways_include(self):
        self.complains("includes", {**self.BASE, "src/ir/a.cpp": '#include "isa/isa.h"\n'}, "src/ir/a.cpp:1:")

    def test_only_the_wiring_reaches_the_engines(self):
        self.holds("includes", {**self.BASE, "src/run/wiring.cpp": '#include "interp/interp.h"\n'})
        self.complains("includes", {**self.BASE, "src/run/other.cpp": '#include "interp/interp.h"\n'}, "src/run/other.cpp:1:")

    def test_missing_header(self):
        self.complains("includes", {**self.BASE, "src/ir/a.cpp": '#include "base/nosuch.h"\n'}, "there is no src/base/nosuch.h")

    def test_unknown_folder(self):
        self.complains("includes", {**self.BASE, "src/misc/a.cpp": ""}, "src/misc has no row")

    def test_third_party_in_two_folders(self):
        self.holds("includes", {**self.BASE, "src/emit/a.cpp": "#include <asmjit/x86.h>\n", "src/emit/b.cpp": "#include <asmjit/x86.h>\n"})
        self.complains("includes", {**self.BASE, "src/emit/a.cpp": "#include <asmjit/x86.h>\n", "src/run/b.cpp": "#include <asmjit/core.h>\n"},
                       "src/run/b.cpp:1:", "asmjit/core.h")

    def test_third_party_in_quotes(self):
        self.complains("includes", {**self.BASE, "src/emit/a.cpp": '#include "asmjit/x86.h"\n', "src/run/b.cpp": '#include "asmjit/x86.h"\n'},
                       "src/run/b.cpp:1:")

    def test_shared_third_party(self):
        self.holds("includes", {**self.BASE, "src/ir/print.cpp": "#include <fmt/format.h>\n", "src/cli/a.cpp": "#include <fmt/format.h>\n"})
        self.complains("includes", {**self.BASE, "src/mem/a.cpp": "#include <fmt/format.h>\n"}, "src/mem/a.cpp:1:")
        self.complains("includes", {**self.BASE, "src/base/a.cpp": "#include <tl/expected.hpp>\n"}, "src/base/a.cpp:1:")

    def test_guest_names(self):
        for word in ("RISC-V", "riscv64", "rv64", "AArch64", "arm", "Python"):
            self.complains("includes", {**self.BASE, "src/opt/fold.cpp": f"// as {word} does\n"}, "src/opt/fold.cpp:1:", word)
        self.holds("includes", {**self.BASE, "src/opt/fold.cpp": "// harmless\n", "src/lift/riscv64/a.cpp": "// RISC-V\n"})


class Docs(CheckTest):
    def test_paths(self):
        files = {"src/ir/ops.def": "", "src/ir/op.h": "", "docs/glossary.md": "", "Makefile": ""}
        self.holds("docs", {**files, "README.md": "`src/ir/ops.def:12`, `src/ir/`, `src/ir/{ops.def,op.h}`, `src/*/op.h`, "
                                                  "`a/b`, `build/x`, `src/<folder>/x`, [words](docs/glossary.md#unit), <https://x.org/y>\n"})
        self.complains("docs", {**files, "README.md": "\n`src/ir/gone.def`\n"}, "README.md:2:", "src/ir/gone.def")
        self.complains("docs", {**files, "docs/a.md": "`src/ir/{ops,gone}.def`\n"}, "docs/a.md:1:", "src/ir/gone.def")
        self.complains("docs", {**files, "docs/a.md": "[x](gone.md)\n"}, "gone.md")
        self.complains("docs", {**files, "docs/a.md": "`CMakePresets.json`\n"}, "CMakePresets.json")

    def test_machine_paths(self):
        for folder in ("work", "root", "home", "Users"):
            self.complains("docs", {"tools/a.py": f'\nopen("/{folder}/someone/x")\n'}, "tools/a.py:2:", "one machine")
        self.holds("docs", {"tools/a.sh": 'cat "$dir"/usr/x ${here}/work/x build/root/x\n'})

    def test_mirrors(self):
        for host in ("deb.{}.org", "ftp.de.{}.org", "security.{}.org"):
            name = host.format("debian")
            self.complains("docs", {"tools/a.sh": f"curl http://{name}/\n"}, "tools/a.sh:1:", name)
        self.complains("docs", {"a.txt": "https://example.net/" + "debian trixie\n"}, "a.txt:1:")
        self.holds("docs", {"a.txt": "https://www.debian.org/ports/riscv\n"})


class Format(CheckTest):
    def test_format(self):
        self.holds("format", {"src/a.cpp": "int main() { return 0; }\n", "src/a.def": "ROW( a,   1 )\n"})
        self.complains("format", {"src/a.cpp": "int  main( ) {return 0;}\n"}, "src/a.cpp:1:", "make format")


if __name__ == "__main__":
    unittest.main()
