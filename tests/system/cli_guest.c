// What a program sees of how it was started: its words, some variables, the kernel's release. With "exec" as
// first word it becomes the program that the other words name; with "exit" it ends with that status; with
// "kill" by that signal; with "random" it prints AT_RANDOM.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/utsname.h>
#include <unistd.h>

extern char** environ;

int main(int argc, char** argv) {
    if (argc > 2 && !strcmp(argv[1], "exec")) {
        execv(argv[2], argv + 3);
        perror(argv[2]);
        return 99;
    }
    if (argc > 2 && !strcmp(argv[1], "exit")) return atoi(argv[2]);
    if (argc > 2 && !strcmp(argv[1], "kill")) raise(atoi(argv[2]));
    if (argc > 1 && !strcmp(argv[1], "random")) {
        const unsigned char* bytes = (const unsigned char*)getauxval(AT_RANDOM);
        for (int i = 0; i < 16; i++) printf("%02x", bytes[i]);
        printf("\n");
        return 0;
    }
    struct utsname name;
    uname(&name);
    printf("machine %s\nrelease %s\n", name.machine, name.release);
    for (int i = 0; i < argc; i++) printf("word %s\n", argv[i]);
    for (char** entry = environ; *entry; entry++)
        if (!strncmp(*entry, "T_", 2) || !strncmp(*entry, "KILN_", 5) || !strncmp(*entry, "QEMU_", 5))
            printf("variable %s\n", *entry);
    return 0;
}
