#!/bin/sh
# What `make run` does once kiln is built: runs the user's program, or, without one, the tour.
#   tools/run_program.sh <kiln> <program or ''> [args ...]
# The tour is Debian's riscv64 python3, unmodified, fetched into the user's cache; where the archive cannot be
# reached, the bundled C example built with Debian's cross compiler takes its place.
set -eu

kiln=$1 program=$2
shift 2
here=$(cd "$(dirname "$0")/.." && pwd)

# Dynamic programs find their loader and libraries below the fetched sysroot, if there is one.
sysroot=$("$here/tools/fetch_guests.py" --print-sysroot)

if [ -n "$program" ]; then
    [ -d "$sysroot" ] && set -- -L "$sysroot" "$program" "$@" || set -- "$program" "$@"
    exec "$kiln" run --stats "$@"
fi

if "$here/tools/fetch_guests.py" @run >/dev/null; then
    echo "kiln: running python3 from Debian's riscv64 archive: $sysroot/usr/bin/python3 examples/tour.py"
    exec "$kiln" run --stats -L "$sysroot" "$sysroot/usr/bin/python3" "$here/examples/tour.py"
fi

command -v riscv64-linux-gnu-gcc >/dev/null || "$here/tools/install_deps.sh" test
mkdir -p "$here/build"
riscv64-linux-gnu-gcc -O2 -static -o "$here/build/tour" "$here/examples/tour.c"
echo "kiln: no Debian archive; running the bundled example: build/tour"
exec "$kiln" run --stats "$here/build/tour"
