# A project with a configure script that compiles to find out, and a parallel make.
mkdir project && cd project
cat > configure <<'END'
#!/bin/sh
: "${CC=cc}"
trap 'rm -f conftest*' EXIT
check() {
    printf 'checking for %s... ' "$1"
    printf '%s\nint main(void) { %s; return 0; }\n' "$2" "$3" > conftest.c
    if $CC conftest.c -o conftest 2>conftest.log && ./conftest; then
        echo yes
        echo "#define HAVE_$(echo "$1" | tr a-z A-Z) 1" >> config.h
    else
        echo no
    fi
}
: > config.h
check getrandom '#include <sys/random.h>' 'char c; getrandom(&c, 1, 0)'
check flying_pigs '#include <pigs.h>' 'fly()'
check int128 '' 'return sizeof(__int128) != 16'
check threads '#include <pthread.h>
static void* f(void* p) { return p; }' 'pthread_t t; pthread_create(&t, 0, f, 0); pthread_join(t, 0)'
for i in 1 2 3 4 5 6 7 8; do
    printf '#include "config.h"\n#ifndef HAVE_INT128\n#error configure was wrong\n#endif\nint part%s(int x) { return x + %s; }\n' $i $i > part$i.c
done
sed "s|@CC@|$CC|" Makefile.in > Makefile
END
cat > Makefile.in <<'END'
CC = @CC@
PARTS = $(foreach i,1 2 3 4 5 6 7 8,part$(i).o)
check: sum
	./sum
sum: main.o libparts.a
	$(CC) -o $@ main.o -L. -lparts
libparts.a: $(PARTS)
	ar rcs $@ $^
%.o: %.c config.h
	$(CC) -O2 -c $<
.SILENT:
END
cat > main.c <<'END'
#include <stdio.h>
#define PART(i) int part##i(int);
PART(1) PART(2) PART(3) PART(4) PART(5) PART(6) PART(7) PART(8)
int main(void) {
    printf("%d\n", part8(part7(part6(part5(part4(part3(part2(part1(0)))))))));
    return 0;
}
END
chmod +x configure
./configure && make -j4
touch part3.c && make -j4 && make -q sum && echo up to date
