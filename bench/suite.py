"""What is measured: one row a case. How it is measured stands in measure.py, what is made of it in report.py.

Nothing here may be tuned to an engine: a row is chosen because people run such code, and it stays when it looks bad.
"""
import lzma
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Kernel:
    """A program of bench/kernels, built static with -O2 for each architecture by the same compiler release."""

    source: str       # bench/kernels/<source>.c
    rounds: int       # its first argument at scale 1
    what: str
    threads: int = 0  # its second argument, where it takes one

    @property
    def name(self):
        return f"{self.source} x{self.threads}" if self.threads else self.source


@dataclass(frozen=True)
class Program:
    """A Debian trixie program, the same package for each architecture. In texts, {bench} is this folder, {data} the
    folder of generated inputs, {root} the sysroot and {triplet} the architecture's Debian name."""

    name: str
    packages: str
    path: str                # below the sysroot
    args: tuple = ()
    stdin: str = "/dev/null"
    env: dict = field(default_factory=dict)
    static: bool = False     # needs no dynamic loader
    rooted: bool = False     # the sysroot is its root directory: for programs that start others or look for files in fixed places
    runs: int = 1            # so many in a row are one measurement: for what is shorter than the accounting resolves well
    output: str = ""         # a regular expression: only its matches, in stdout and stderr, must agree
    compare: str = "all"     # "guests": the output depends on the architecture, so native stays out of the comparison


@dataclass(frozen=True)
class Group:
    title: str
    what: str
    cases: list
    long: bool = False       # measured with --long, when the others are not
    without: tuple = ()      # kinds of engines that stay out
    scale: float = 1         # multiplies the rounds of kernels
    wall: bool = False       # the tables have wall time as well


# At scale 1 about 0.1 s of native CPU time on an EPYC of 2024.
KERNELS = [
    Kernel("intloop",    365000,   "integer loops"),
    Kernel("sieve",      80,       "byte stores at a stride"),
    Kernel("matmul",     340,      "matrix product, double"),
    Kernel("nbody",      580000,   "double arithmetic, square root"),
    Kernel("mandelbrot", 5650,     "double arithmetic, short loop"),
    Kernel("libm",       2570000,  "sin, exp, log, pow"),
    Kernel("fib",        1020,     "recursion"),
    Kernel("memstr",     1280000,  "memcpy, strlen, memset"),
    Kernel("shortstr",   1990000,  "short strings"),
    Kernel("switchvm",   2250,     "bytecode interpreter"),
    Kernel("indirect",   16700000, "indirect calls"),
    Kernel("qsort",      57,       "qsort with a callback"),
    Kernel("sha256",     440,      "SHA-256"),
    Kernel("crc32",      680,      "CRC-32 by table"),
    Kernel("tree",       960000,   "binary search tree"),
    Kernel("printf",     246000,   "snprintf, stdio"),
    Kernel("malloc",     2690000,  "malloc, realloc, free"),
    Kernel("fpdiv",      460000,   "FP division, square root"),
    Kernel("intdiv",     800000,   "integer division"),
]

THREADS = [
    Kernel("collatz",    1000000,  "computing, nothing shared", 1),
    Kernel("collatz",    1000000,  "the same by two threads", 2),
    Kernel("atomic_add", 40000000, "atomic addition", 1),
    Kernel("atomic_add", 40000000, "atomic addition, contended", 2),
    Kernel("atomic_cas", 30000000, "compare and exchange", 1),
    Kernel("atomic_cas", 30000000, "compare and exchange, contended", 2),
    Kernel("mutex",      20000000, "a mutex, held for a few instructions", 1),
    Kernel("mutex",      20000000, "a mutex, contended", 2),
    Kernel("handoff",    40000,    "condition variables: threads in turns", 2),
]

_python = {"PYTHONHOME": "{root}/usr"}
_openssl = {"OPENSSL_CONF": "/dev/null"}

# These are run in two sizes.


def _stockfish(depth):
    return Program("stockfish", "stockfish", "usr/games/stockfish", ("bench", "16", "1", str(depth)),
                   output=r"Nodes searched\s*: \d+")


def _python3(times):
    return Program("python3", "python3", "usr/bin/python3", ("-B", "{bench}/programs/mix.py", str(times)), env=_python)


def _lua(times):
    return Program("lua", "lua5.4", "usr/bin/lua5.4", ("{bench}/programs/mix.lua", str(times)))


def _sqlite3(rows):
    size = f"CREATE TABLE size AS SELECT {rows} AS rows"
    return Program("sqlite3", "sqlite3", "usr/bin/sqlite3", ("-batch", "-cmd", size, ":memory:"), stdin="{bench}/programs/mix.sql")


def _perl(times):
    return Program("perl", "perl", "usr/bin/perl", ("{bench}/programs/mix.pl", str(times)))


def _node(name, script, times):
    return Program(name, "nodejs", "usr/bin/node", (f"{{bench}}/programs/{script}", str(times)), rooted=True)


def _compiler(*options):
    return Program("gcc " + " ".join(options), "cpp-14", "usr/libexec/gcc/{triplet}/14/cc1",
                   (*options, "-quiet", "-o", "-", "{bench}/programs/unit.c"), compare="guests")


def _compressor(name, package, *args, stdin="/dev/null", path=None):
    return Program(name, package, path or f"usr/bin/{name.split()[0]}", args, stdin=stdin)


_7z = "usr/lib/7zip/7za"

PROGRAMS = [
    _stockfish(6),
    _python3(4),
    _lua(4),
    _sqlite3(30000),
    _perl(2),
    _node("node", "mix.js", 1),
    _node("node worker", "worker.js", 50),
    _compiler("-O2"),
    _compressor("xz -6", "xz-utils", "-6", "-T1", "-c", "{data}/text"),
    _compressor("bzip2", "bzip2", "-c", "{data}/text"),
    _compressor("gzip", "gzip", "-n", "-c", "{data}/text"),
    _compressor("zstd -3", "zstd", "-3", "--single-thread", "-q", "-c", "{data}/large"),
    _compressor("7z a", "7zip", "a", "-txz", "-mmt=1", "-si", "-so", "x", stdin="{data}/text", path=_7z),
    _compressor("7z e", "7zip", "e", "-txz", "-mmt=1", "-so", "{data}/large.xz", path=_7z),
    Program("openssl sha256", "openssl", "usr/bin/openssl", ("dgst", "-sha256", "{data}/large"), env=_openssl),
    Program("openssl aes", "openssl", "usr/bin/openssl",
            ("enc", "-aes-128-ctr", "-K", "00112233445566778899aabbccddeeff", "-iv", "0" * 32, "-in", "{data}/large"),
            env=_openssl),
    Program("openssl prime", "openssl", "usr/bin/openssl", ("prime", "-hex", "7" + "F" * 319), env=_openssl),
]

LONG_PROGRAMS = [
    _stockfish(11),
    _python3(40),
    _lua(50),
    _sqlite3(250000),
    _perl(24),
    _node("node", "mix.js", 60),
    _node("node worker", "worker.js", 2000),
    _compiler("-O3", "-DLARGE"),
    _compressor("xz -3", "xz-utils", "-3", "-T1", "-c", "{data}/large"),
    _compressor("bzip2", "bzip2", "-c", "{data}/large", "{data}/large"),
    _compressor("zstd -15", "zstd", "-15", "--single-thread", "-q", "-c", "{data}/large"),
    _compressor("7z a", "7zip", "a", "-txz", "-mmt=1", "-si", "-so", "x", stdin="{data}/large", path=_7z),
]

_shell = {"packages": "dash coreutils", "path": "usr/bin/sh", "rooted": True}

STARTUP = [
    Program("busybox true", "busybox-static", "usr/bin/busybox", ("true",), static=True, runs=10),
    Program("bash -c :", "bash", "usr/bin/bash", ("-c", ":"), runs=10),
    Program("perl -e 1", "perl", "usr/bin/perl", ("-e", "1"), runs=10),
    Program("python3 -c pass", "python3", "usr/bin/python3", ("-B", "-c", "pass"), env=_python, runs=5),
    Program("git --version", "git", "usr/bin/git", ("--version",), runs=10),
    Program("node -e 0", "nodejs", "usr/bin/node", ("-e", "0"), rooted=True),
    Program("gcc -c hello.c", "gcc libc6-dev", "usr/bin/gcc", ("-c", "{bench}/programs/hello.c", "-o", "/tmp/hello.o"), rooted=True,
            runs=2),
    Program("200 fork+exec", **_shell, args=("-c", "i=0; while [ $i -lt 200 ]; do /usr/bin/true; i=$((i+1)); done; echo $i")),
    Program("200 subshells", **_shell, args=("-c", "i=0; while [ $i -lt 200 ]; do (: $i); i=$((i+1)); done; echo $i")),
]

BUILDS = [
    Program("configure + make", "dash coreutils gcc grep libc6-dev make sed", "usr/bin/sh", ("{bench}/programs/build.sh", "{bench}"),
            rooted=True),
]

GROUPS = {
    "kernels": Group("C kernels", "Our own programs of `bench/kernels`, static, `-O2`, the same compiler release on both sides; "
                     "some 0.1 s each.", KERNELS),
    "programs": Group("Programs", "Debian trixie, the same package on both sides, riscv64 and amd64.", PROGRAMS),
    "startup": Group("Start-up", "Processes that do next to nothing, and those that start many of them.", STARTUP),
    "threads": Group("Threads", "The same work by one thread and by two, so what a second thread gains is the quotient of two rows' "
                     "wall times.", THREADS, wall=True),
    "steady": Group("C kernels, steady", "The kernels again, 2 s each, so that nothing but hot code counts. Without qemu, whose ratios "
                    "do not change with the time.", KERNELS, long=True, without=("qemu",), scale=20),
    "long": Group("Programs, long", "The programs again, with a second of work and more.", LONG_PROGRAMS, long=True),
    "builds": Group("Builds", "A configure script and `make` of a small C project (`bench/programs/build.sh`), in the sysroot as root "
                    "directory.", BUILDS, long=True),
}


def write_inputs(folder):
    """The generated inputs: `text` (512 KiB of words with repetition, as logs and sources have it), `large` (8 MiB of it) and
    `large.xz`."""
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
    large = b"".join(text.translate(bytes((b + k) & 127 for b in range(256))) for k in range(16))
    (folder / "large").write_bytes(large)
    (folder / "large.xz").write_bytes(lzma.compress(large))
