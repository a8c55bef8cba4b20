# A small C project is configured and built, in a copy below /tmp: configure asks the compiler two dozen questions, as
# configure scripts do, and make builds the kernels of bench. The argument is the folder of benchmarks.
set -e
rm -rf /tmp/project
cp -r "$1/programs/project" /tmp/project
cp "$1"/kernels/*.[ch] /tmp/project
cd /tmp/project
sh ./configure
make
make check
make -q && echo up to date
