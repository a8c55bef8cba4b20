// What a program sees that binfmt_misc has started: its words, its rights, its descriptors, the variables that steer
// emulators. `exec PROGRAM WORD...` runs a program in its place.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

extern char** environ;

int main(int argc, char** argv) {
    if (argc > 2 && strcmp(argv[1], "exec") == 0) {
        execv(argv[2], argv + 2);
        perror(argv[2]);
        return 1;
    }
    for (int i = 0; i < argc; i++) printf("word %s\n", argv[i]);
    printf("secure %lu\n", getauxval(AT_SECURE));
    printf("ids %d %d\n", getuid(), geteuid());
    printf("descriptors");
    for (int fd = 0; fd < 64; fd++)
        if (fcntl(fd, F_GETFD) >= 0) printf(" %d", fd);
    printf("\n");
    for (char** entry = environ; *entry; entry++)
        if (strncmp(*entry, "KILN_", 5) == 0 || strncmp(*entry, "QEMU_", 5) == 0)
            printf("variable %s\n", *entry);
    return 0;
}
