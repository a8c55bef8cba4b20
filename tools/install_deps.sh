#!/bin/sh
# Installs what is missing of the Debian 12 packages that one use of the project needs, and nothing else:
#   tools/install_deps.sh build        to build and run kiln
#   tools/install_deps.sh test         to run the tests and the benchmarks as well
# This file is the only list of the project's packages. When everything is there it asks dpkg once and
# leaves the network alone. KILN_NO_INSTALL=1 skips the whole step (other distributions, containers).
set -eu

build_packages='
    ccache
    clang-19
    cmake
    git
    libc6-dev
    libasmjit-dev
    libexpected-dev
    libfmt-dev
    libstdc++-12-dev
    libxxhash-dev
    libzstd-dev
    lld-19
    ninja-build
    python3
'
# qemu-user is an oracle of the tests and a rival of the benchmarks; no tool of the project runs through it.
test_packages='
    clang-format-19
    debootstrap
    g++-riscv64-linux-gnu
    gcc-12
    gcc-riscv64-linux-gnu
    gdb-multiarch
    libc6-dev-riscv64-cross
    libclang-rt-19-dev
    libgmock-dev
    libgtest-dev
    llvm-19
    qemu-user
'

case "${1-}" in
    build) wanted=$build_packages ;;
    test) wanted="$build_packages $test_packages" ;;
    *) echo "usage: $0 build|test" >&2; exit 2 ;;
esac
[ "${KILN_NO_INSTALL:-0}" = 1 ] && exit 0

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "kiln: no apt here: install the equivalents of" $wanted "and set KILN_NO_INSTALL=1" >&2
    exit 1
fi

# A package that dpkg has never heard of is not printed at all, so "installed" is what counts.
# shellcheck disable=SC2086
installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $wanted 2>/dev/null | sed -n 's/ installed$//p' || true)
missing=
for package in $wanted; do
    printf '%s\n' "$installed" | grep -qxF "$package" || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ]; then
    as_root='env'
elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    as_root='sudo env'
else
    echo "kiln: missing packages; type as root:  apt-get update && apt-get install$missing" >&2
    exit 1
fi

echo "kiln: installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { $as_root DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 "$@" >"$log" 2>&1 </dev/null; }
# A failed update is not the end: the lists at hand, or another of the machine's sources, may do.
apt update || true
# shellcheck disable=SC2086
if ! apt install -y --no-install-recommends $missing; then
    tail -n 15 "$log" >&2
    echo "kiln: could not install; type as root:  apt-get update && apt-get install$missing" >&2
    exit 1
fi
