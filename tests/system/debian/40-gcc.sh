# The compiler, the assembler, the linker, and what they make.
# quick
cat > hello.c <<'END'
#include <stdio.h>
#include <math.h>
int main(int argc, char** argv) {
    printf("hello from %s %s, %.6f\n", argv[0], argv[1], sqrt(2.0));
    return 0;
}
END
for options in -O0 '-O2 -g' '-O2 -static' '-Os -flto' '-O1 -fsanitize=undefined -fsanitize-undefined-trap-on-error'; do
    gcc $options hello.c -o hello -lm && ./hello "$options" || echo "not with $options"
done
objdump -f hello | grep 'file format'
printf 'int add(int a, int b) { return a + b; }\n' | gcc -O2 -S -x c - -o - | grep -c addw
gcc -c nothing.c 2>&1 | head -1
