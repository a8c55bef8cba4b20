"""What is measured: one row a case. How it is measured stands in measure.py, what is made of it in report.py.

Nothing here may be tuned to an engine: a row is chosen because people run such code, and it stays when it looks bad.
"""
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Kernel:
    """A program of bench/kernels, built static with -O2 for each architecture by the same compiler release."""

    name: str    # bench/kernels/<name>.c
    rounds: int  # its argument at scale 1: about 0.08 s of native CPU time on a 2.5 GHz Xeon
    what: str


@dataclass(frozen=True)
class Program:
    """A Debian trixie program, the same package for each architecture. In texts, {bench} is this folder, {data} the
    folder of generated inputs, {root} the sysroot and {triplet} the architecture's Debian name."""

    name: str
    package: str
    path: str                # below the sysroot
    args: tuple = ()
    stdin: str = "/dev/null"
    env: dict = field(default_factory=dict)
    static: bool = False     # needs no dynamic loader
    output: str = ""         # a regular expression: only its matches, in stdout and stderr, must agree
    compare: str = "all"     # "guests": the output depends on the architecture, so native stays out of the comparison


KERNELS = [
    Kernel("intloop",    103000,   "integer loops"),
    Kernel("sieve",      37,       "byte stores at a stride"),
    Kernel("matmul",     163,      "matrix product, double"),
    Kernel("nbody",      369000,   "double arithmetic, square root"),
    Kernel("mandelbrot", 2780,     "double arithmetic, short loop"),
    Kernel("libm",       1320000,  "sin, exp, log, pow"),
    Kernel("fib",        690,      "recursion"),
    Kernel("memstr",     870000,   "memcpy, strlen, memset"),
    Kernel("shortstr",   1345000,  "short strings"),
    Kernel("switchvm",   1500,     "bytecode interpreter"),
    Kernel("indirect",   10900000, "indirect calls"),
    Kernel("qsort",      26,       "qsort with a callback"),
    Kernel("sha256",     230,      "SHA-256"),
    Kernel("crc32",      460,      "CRC-32 by table"),
    Kernel("tree",       580000,   "binary search tree"),
    Kernel("printf",     87000,    "snprintf, stdio"),
    Kernel("malloc",     1270000,  "malloc, realloc, free"),
    Kernel("fpdiv",      290000,   "FP division, square root"),
    Kernel("intdiv",     195000,   "integer division"),
]

_python = {"PYTHONHOME": "{root}/usr"}
_openssl = {"OPENSSL_CONF": "/dev/null"}

PROGRAMS = [
    Program("stockfish", "stockfish", "usr/games/stockfish", ("bench", "16", "1", "6"),
            output=r"Nodes searched\s*: \d+"),
    Program("python3", "python3", "usr/bin/python3", ("-B", "{bench}/programs/mix.py"), env=_python),
    Program("lua", "lua5.4", "usr/bin/lua5.4", ("{bench}/programs/mix.lua",)),
    Program("sqlite3", "sqlite3", "usr/bin/sqlite3", ("-batch", ":memory:"), stdin="{bench}/programs/mix.sql"),
    Program("perl", "perl", "usr/bin/perl", ("{bench}/programs/mix.pl",)),
    Program("gcc -O2", "cpp-14", "usr/libexec/gcc/{triplet}/14/cc1",
            ("-O2", "-quiet", "-o", "-", "{bench}/programs/unit.c"), compare="guests"),
    Program("xz -6", "xz-utils", "usr/bin/xz", ("-6", "-T1", "-c", "{data}/text")),
    Program("bzip2", "bzip2", "usr/bin/bzip2", ("-c", "{data}/text")),
    Program("gzip", "gzip", "usr/bin/gzip", ("-n", "-c", "{data}/text")),
    Program("zstd -3", "zstd", "usr/bin/zstd", ("-3", "--single-thread", "-q", "-c", "{data}/large")),
    Program("openssl sha256", "openssl", "usr/bin/openssl", ("dgst", "-sha256", "{data}/large"), env=_openssl),
    Program("openssl aes", "openssl", "usr/bin/openssl",
            ("enc", "-aes-128-ctr", "-K", "00112233445566778899aabbccddeeff", "-iv", "0" * 32, "-in", "{data}/large"),
            env=_openssl),
    Program("openssl prime", "openssl", "usr/bin/openssl", ("prime", "-hex", "7" + "F" * 319), env=_openssl),
]

STARTUP = [
    Program("busybox true", "busybox-static", "usr/bin/busybox", ("true",), static=True),
    Program("bash -c :", "bash", "usr/bin/bash", ("-c", ":")),
    Program("perl -e 1", "perl", "usr/bin/perl", ("-e", "1")),
    Program("python3 -c pass", "python3", "usr/bin/python3", ("-B", "-c", "pass"), env=_python),
]

GROUPS = {"kernels": KERNELS, "programs": PROGRAMS, "startup": STARTUP}

# One run of a start-up case is shorter than what the accounting resolves well, so this many make one measurement.
STARTUP_RUNS = 10


def write_inputs(folder):
    """The generated inputs: `text` (512 KiB of words with repetition, as logs and sources have it), `large` (8 MiB of it)."""
    folder.mkdir(parents=True, exist_ok=True)
    state = 2463534242

    def pick(count):
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (state >> 33) % count

    letters = "etaoinshrdlucmfw"
    words = ["".join(letters[min(pick(16), pick(16))] for _ in range(2 + pick(8))) for _ in range(3000)]
    parts, size = [], 0
    while size < 1 << 19:
        word = words[min(pick(3000), pick(3000))] if pick(12) else str(pick(100000))
        parts.append(word + ("\n" if pick(11) == 0 else " "))
        size += len(parts[-1])
    text = "".join(parts).encode()[: 1 << 19]
    (folder / "text").write_bytes(text)
    # Rotated copies, so that a window longer than the text does not turn the rest into one match.
    (folder / "large").write_bytes(b"".join(text.translate(bytes((b + k) & 127 for b in range(256))) for k in range(16)))
