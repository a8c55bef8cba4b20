#!/bin/sh
# Runs the quick tests of a build with preset coverage and prints which of src/ they reached:
#   tools/coverage.sh build/coverage [jobs]
# Every process counts into one file for each program in <build>/profiles, mapped into memory (cmake/options.cmake): kiln
# ends by exit_group and by signals, forks and runs other kilns, and nothing of that is lost. Leaves
# <build>/kiln.profdata for llvm-cov show.
set -eu
build=$(cd "$1" && pwd)
jobs=${2:-$(nproc)}
root=$(cd "$(dirname "$0")/.." && pwd)

rm -rf "$build/profiles"
mkdir "$build/profiles"
status=0
ctest --test-dir "$build" --output-on-failure --no-label-summary --no-tests=error -j"$jobs" -L quick || status=$?

llvm-profdata-19 merge -sparse "$build"/profiles/*.profraw -o "$build/kiln.profdata"
objects=
for program in $(find "$build/tests" "$build/tools" -type f -perm -u+x); do
    # Programs of the guests' and of helpers of tests have no coverage map.
    if llvm-objdump-19 -h "$program" 2>/dev/null | grep -q __llvm_covmap; then objects="$objects -object $program"; fi
done
# shellcheck disable=SC2086
llvm-cov-19 report -instr-profile="$build/kiln.profdata" -show-region-summary=false -show-branch-summary=false \
    "$build/src/cli/kiln" $objects "$root/src"
exit "$status"
