#!/usr/bin/env python3
"""Tests how tools/fetch_guests.py finds the machine's Debian archive; the network stays out of it."""
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

FETCH = Path(__file__).resolve().parent.parent.parent / "tools" / "fetch_guests.py"
sys.path.insert(0, str(FETCH.parent))
import fetch_guests  # noqa: E402

KEYRING = __file__  # any file that exists


def mirrors(**files):
    """What is found in an apt folder with these files below sources.list.d (names with __ for the dot)."""
    with tempfile.TemporaryDirectory() as folder:
        parts = Path(folder, "sources.list.d")
        parts.mkdir()
        for name, text in files.items():
            (parts / name.replace("__", ".")).write_text(text)
        return fetch_guests.mirrors(fetch_guests.apt_sources(Path(folder)))


class Sources(unittest.TestCase):
    def setUp(self):
        for name in ("KILN_DEBIAN_MIRROR", "KILN_DEBIAN_SECURITY"):
            os.environ.pop(name, None)

    def test_deb822(self):
        found = mirrors(debian__sources=f"""# comment
Types: deb
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: {KEYRING}

Types: deb deb-src
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
""")
        self.assertEqual(found, ("http://mirror.example/debian", "http://mirror.example/debian-security", KEYRING))

    def test_one_line(self):
        found = mirrors(a__list=f"""deb-src http://mirror.example/debian bookworm main
# deb http://old.example/debian bookworm main
deb [arch=amd64 signed-by={KEYRING}] mirror+file:/etc/apt/mirrors.list bookworm main  # ours
""")
        self.assertEqual(found, ("mirror+file:/etc/apt/mirrors.list", None, KEYRING))

    def test_third_parties_are_not_the_archive(self):
        found = mirrors(a__list="deb http://tools.example/apt bookworm main\n",
                        b__sources=f"Types: deb\nURIs: http://m.example/debian/\nSuites: bookworm\nComponents: main\nSigned-By: {KEYRING}\n",
                        c__sources="Types: deb\nEnabled: no\nURIs: http://x.example/debian\nSuites: trixie\nComponents: main\n")
        self.assertEqual(found, ("http://m.example/debian/", None, KEYRING))
        with self.assertRaises(fetch_guests.Unreachable):
            mirrors(a__list="deb http://tools.example/apt nodistro main\ndeb http://t.example/debian bookworm stable\n")


class Command(unittest.TestCase):
    def run_fetch(self, *arguments):
        with tempfile.TemporaryDirectory() as folder:
            return subprocess.run([FETCH, *arguments], env={**os.environ, "KILN_GUESTS": folder}, text=True, capture_output=True)

    def test_offline_says_what_is_missing(self):
        result = self.run_fetch("--offline", "bash", "perl")
        self.assertEqual(result.returncode, 75)
        self.assertIn("not fetched yet: bash perl", result.stderr)

    def test_unknown_set(self):
        result = self.run_fetch("@nosuch")
        self.assertEqual(result.returncode, 2)
        self.assertIn("@tests", result.stderr)


if __name__ == "__main__":
    unittest.main()
