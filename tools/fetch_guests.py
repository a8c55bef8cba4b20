#!/usr/bin/env python3
"""Fetches Debian trixie programs of another architecture into a sysroot, leaving the machine's own apt alone.

  tools/fetch_guests.py lua5.4 sqlite3        riscv64 packages with everything they depend on
  tools/fetch_guests.py @tests                a named set, see SETS
  tools/fetch_guests.py --arch amd64 @bench   the same packages for this machine
  tools/fetch_guests.py --offline @tests      only say whether the packages are there

Prints the sysroot. The sysroot grows by what is asked for; what is there already needs no network. apt runs with a
configuration, state and cache of its own and an empty package database, so it resolves dependencies as on a new
system; the mirror, its key and the proxies are the ones this machine's apt uses. Packages are unpacked with
dpkg-deb, so no maintainer script runs; ALTERNATIVES lists the links that are missed.

Exit codes: 0 done, 75 the archive cannot be reached or used (tests skip), 1 anything else.
Environment: KILN_GUESTS is the folder that holds one folder for each architecture (default: kiln/guests in the user's
cache folder); KILN_DEBIAN_MIRROR, KILN_DEBIAN_SECURITY replace the mirrors found.
"""
import argparse
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

RELEASE = "trixie"
UNREACHABLE = 75  # EX_TEMPFAIL
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# What the project itself asks for; tests/system/cases has the programs each package is there for.
SETS = {
    "run": ["python3-minimal"],
    "bench": ["7zip", "busybox-static", "bash", "bzip2", "coreutils", "cpp-14", "dash", "gcc", "git", "grep", "gzip", "libc-bin",
              "libc6-dev", "lua5.4", "make", "nodejs", "openssl", "perl", "python3", "sed", "sqlite3", "stockfish", "xz-utils",
              "zstd"],
    "tests": ["bash", "binutils", "bsdutils", "busybox-static", "bzip2", "coreutils", "dash", "gcc", "git", "grep", "gzip",
              "iproute2", "libc-bin", "libc6-dev", "lua5.4", "make", "netbase", "openssl", "perl", "python3", "redis-server",
              "redis-tools", "sqlite3", "stockfish", "tmux", "xz-utils", "zstd"],
    # Programs with compilers or collectors of their own, for the long suite.
    "runtimes": ["golang-go", "guile-3.0", "libpython3.13-testsuite", "luajit", "nodejs", "openjdk-21-jdk-headless",
                 "pypy3", "ruby", "sbcl"],
}

# Links that update-alternatives or a postinst script would make: link below the sysroot, target, as guests see them.
ALTERNATIVES = [
    ("usr/bin/lua", "lua5.4"),
    ("usr/bin/awk", "mawk"),
    ("usr/bin/sh", "dash"),
    ("usr/bin/guile", "../lib/riscv64-linux-gnu/guile/3.0/bin/guile"),
    ("usr/bin/java", "../lib/jvm/java-21-openjdk-riscv64/bin/java"),
]

# Debian's merged /usr, which base-files would set up.
MERGED = ["bin", "sbin", "lib", "lib64"]


class Unreachable(Exception):
    """The archive is not there for us; tests skip, `make run` takes its bundled example."""


def guests_folder():
    if "KILN_GUESTS" in os.environ:
        return Path(os.environ["KILN_GUESTS"])
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(cache) / "kiln" / "guests"


# ---- where this machine gets its Debian packages ---------------------------------------------------------------


def stanzas(text):
    """The fields of each stanza of a deb822 file, names in lower case, continuation lines joined."""
    for block in re.split(r"\n\s*\n", text):
        fields, name = {}, None
        for line in block.splitlines():
            if line.startswith("#"):
                continue
            if line[:1].isspace() and name:
                fields[name] += "\n" + line.strip()
            elif ":" in line:
                name, value = line.split(":", 1)
                name = name.strip().lower()
                fields[name] = value.strip()
        if fields:
            yield fields


def apt_sources(etc=Path("/etc/apt")):
    """Every binary source of the machine as (uri, suite, components, signed_by)."""
    for path in sorted((etc / "sources.list.d").glob("*.sources")):
        for fields in stanzas(path.read_text(errors="replace")):
            if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false"):
                continue
            for uri in fields.get("uris", "").split():
                for suite in fields.get("suites", "").split():
                    yield uri, suite, fields.get("components", "").split(), fields.get("signed-by", "")
    one_line = re.compile(r"^\s*deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.*)$")
    for path in [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*.list"))]:
        if not path.exists():
            continue
        for line in path.read_text(errors="replace").splitlines():
            match = one_line.match(line.split("#", 1)[0])
            if match:
                signed_by = re.search(r"signed-by=(\S+)", match["options"] or "", re.I)
                yield match["uri"], match["suite"], match["components"].split(), signed_by[1] if signed_by else ""


def mirrors(sources):
    """(main, security, keyring) of the Debian archive among the sources; security may be None."""
    debian = {"bookworm", "trixie", "forky", "sid", "stable", "testing", "unstable", "oldstable"}
    main = security = keyring = None
    # Third parties name their suites after Debian's, so a path that ends in /debian is taken first.
    ordered = sorted(sources, key=lambda s: not re.search(r"/debian(-security)?/?$", s[0]))
    for uri, suite, components, signed_by in ordered:
        name = re.split(r"[-/]", suite)[0]
        if "main" not in components or name not in debian:
            continue
        if suite in (name + "-security", name + "/updates"):
            security = security or uri
        elif suite in (name, name + "-updates"):
            if main is None:
                main, keyring = uri, signed_by
    main = os.environ.get("KILN_DEBIAN_MIRROR", main)
    security = os.environ.get("KILN_DEBIAN_SECURITY", security)
    if not main:
        raise Unreachable("no Debian archive among this machine's apt sources; set KILN_DEBIAN_MIRROR to a mirror's URI")
    if not (keyring or "").startswith("/"):
        keyring = KEYRING
    if not Path(keyring).exists():
        raise Unreachable(f"{keyring} is missing; install debian-archive-keyring")
    return main, security, keyring


# ---- a private apt ---------------------------------------------------------------------------------------------


def write_sources(folder, main, security, keyring):
    """The private apt's only sources: trixie, and its updates where `security` is given."""
    suites = f"{RELEASE} {RELEASE}-updates" if security else RELEASE
    text = f"Types: deb\nURIs: {main}\nSuites: {suites}\nComponents: main\nSigned-By: {keyring}\n"
    if security:
        text += f"\nTypes: deb\nURIs: {security}\nSuites: {RELEASE}-security\nComponents: main\nSigned-By: {keyring}\n"
    (folder / "etc/guests.sources").write_text(text)


def private_apt(arch, folder, keyring):
    """Writes apt's configuration below `folder`; returns the environment that makes apt use it."""
    for name in ("etc/apt.conf.d", "etc/preferences.d", "state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "status").write_text("")

    # Of the machine's settings only how to reach and trust the archive is kept: hooks would touch the machine.
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    kept = [line for line in dump.splitlines()
            if line.startswith("Acquire") and not re.search(r'IndexTargets|Changelogs|CompressionTypes|""', line)]
    settings = {
        "Dir": "/", "Dir::Etc": f"{folder}/etc", "Dir::Etc::main": "/dev/null", "Dir::Etc::parts": "apt.conf.d",
        "Dir::Etc::sourcelist": f"{folder}/etc/guests.sources", "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null", "Dir::Etc::preferencesparts": "preferences.d",
        "Dir::Etc::trusted": keyring, "Dir::Etc::trustedparts": f"{folder}/etc/apt.conf.d",
        "Dir::Etc::netrc": "/etc/apt/auth.conf", "Dir::Etc::netrcparts": "/etc/apt/auth.conf.d",
        "Dir::State": f"{folder}/state", "Dir::State::status": f"{folder}/status", "Dir::Cache": f"{folder}/cache",
        "Dir::Log": f"{folder}/state", "APT::Architecture": arch, "APT::Architectures": arch,
        "APT::Install-Recommends": "false", "APT::Sandbox::User": "root", "APT::Update::Error-Mode": "any",
        "Acquire::Languages": "none", "Acquire::Retries": "3",
        "Acquire::http::Timeout": "30", "Acquire::https::Timeout": "30",
    }
    conf = folder / "apt.conf"
    conf.write_text("\n".join(kept + [f'{name} "{value}";' for name, value in settings.items()]) + "\n")
    return dict(os.environ, APT_CONFIG=str(conf), LC_ALL="C")


def run_apt(environment, failure, *arguments):
    """Runs apt-get and returns what it printed; raises `failure` with its error lines."""
    result = subprocess.run(["apt-get", "-qq", *arguments], env=environment, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode != 0:
        lines = result.stdout.splitlines()
        raise failure(f"apt-get {arguments[0]}: " + "; ".join([l for l in lines if l.startswith("E:")] or lines[-3:]))
    return result.stdout


# ---- the sysroot -----------------------------------------------------------------------------------------------


def unpack(debs, sysroot):
    for name in MERGED:
        (sysroot / "usr" / name).mkdir(parents=True, exist_ok=True)
        if not (sysroot / name).is_symlink():
            (sysroot / name).symlink_to(f"usr/{name}")
    (sysroot / "tmp").mkdir(exist_ok=True)
    for deb in debs:
        # Through tar, because dpkg-deb -x would replace the merged-/usr links by folders.
        data = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE)
        tar = subprocess.run(["tar", "-x", "-C", sysroot, "--keep-directory-symlink", "--no-same-owner",
                              "--exclude=./usr/share/doc", "--exclude=./usr/share/man", "--exclude=./usr/share/locale",
                              "--exclude=./dev"], stdin=data.stdout)
        data.stdout.close()
        if data.wait() != 0 or tar.returncode != 0:
            raise RuntimeError(f"cannot unpack {deb}")
    for link, target in ALTERNATIVES:
        path = sysroot / link
        if not path.is_symlink() and not path.exists() and (path.parent / target).exists():
            path.symlink_to(target)
    # An absolute link would leave the sysroot when the host resolves it.
    for folder, folders, files in os.walk(sysroot):
        for name in folders + files:
            path = os.path.join(folder, name)
            if os.path.islink(path) and os.path.isabs(os.readlink(path)):
                target = os.path.join(sysroot, os.readlink(path).lstrip("/"))
                os.unlink(path)
                os.symlink(os.path.relpath(target, os.path.realpath(folder)), path)


def fetch(arch, packages, base):
    """Brings `packages`, and what was asked for before, into base/sysroot, resolved together."""
    stamp = base / "fetched.json"
    done = json.loads(stamp.read_text()) if stamp.exists() else {"packages": [], "debs": []}
    wanted = sorted(set(packages) | set(done["packages"]))

    main, security, keyring = mirrors(apt_sources())
    environment = private_apt(arch, base / "apt", keyring)
    write_sources(base / "apt", main, security, keyring)
    try:
        run_apt(environment, Unreachable, "update")
    except Unreachable:
        if not security:
            raise
        # A mirror may lack the suites of updates for this architecture; the release itself is what matters.
        write_sources(base / "apt", main, None, keyring)
        run_apt(environment, Unreachable, "update")

    plan = run_apt(environment, RuntimeError, "install", "-y", "--simulate", *wanted)
    debs = [f"{name}_{version.replace(':', '%3a')}_{of}.deb"
            for name, version, of in re.findall(r"^Inst (\S+) \((\S+) .*\[(\w+)\]\)", plan, re.M)]
    run_apt(environment, Unreachable, "install", "-y", "--download-only", *wanted)

    sysroot = base / "sysroot"
    new = [deb for deb in debs if deb not in done["debs"]]
    stamp.unlink(missing_ok=True)
    if not set(done["debs"]) <= set(debs):  # something has a newer version: start afresh
        new = debs
    if new == debs:
        shutil.rmtree(sysroot, ignore_errors=True)
    unpack([base / "apt/cache/archives" / deb for deb in new], sysroot)
    stamp.write_text(json.dumps({"packages": wanted, "debs": debs}, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="*", help="package names, or @set")
    parser.add_argument("--arch", default="riscv64", help="Debian architecture (default: riscv64)")
    parser.add_argument("--offline", action="store_true", help="fetch nothing; exit 75 if something is missing")
    parser.add_argument("--print-sysroot", action="store_true", help="only print where the sysroot is or would be")
    options = parser.parse_args()

    base = guests_folder().absolute() / options.arch
    sysroot = base / "sysroot"
    packages = []
    for name in options.packages:
        if name.startswith("@") and name[1:] not in SETS:
            parser.error(f"no set {name}; there are " + ", ".join("@" + name for name in SETS))
        packages += SETS[name[1:]] if name.startswith("@") else [name]
    if options.print_sysroot:
        print(sysroot)
        return 0

    base.mkdir(parents=True, exist_ok=True)
    with open(base / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = base / "fetched.json"
        have = json.loads(stamp.read_text())["packages"] if stamp.exists() else []
        missing = [name for name in packages if name not in have]
        try:
            if missing and options.offline:
                raise Unreachable("not fetched yet: " + " ".join(missing))
            if missing:
                if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
                    raise Unreachable("this machine has no apt")
                print(f"fetching {options.arch} packages from Debian {RELEASE}: {' '.join(missing)}", file=sys.stderr)
                fetch(options.arch, packages, base)
        except Unreachable as reason:
            print(f"fetch_guests: {options.arch} programs are not available: {reason}", file=sys.stderr)
            return UNREACHABLE
        except (RuntimeError, OSError) as reason:
            print(f"fetch_guests: {reason}", file=sys.stderr)
            return 1
    print(sysroot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
