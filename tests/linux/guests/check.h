// For guest programs that check themselves: they print what went wrong and end with status 1, or print what
// they saw and end with 0. What is printed must not depend on the machine: it is compared with another
// emulator's.
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int failures;

static inline void check_that(int holds, const char* what, int line) {
    if (holds) return;
    ++failures;
    printf("line %d: not so: %s (errno %d, %s)\n", line, what, errno, strerror(errno));
    fflush(stdout);
}

#define CHECK(condition) check_that((condition) != 0, #condition, __LINE__)
/// The call fails with this errno.
#define CHECK_FAILS(call, code)                                                                  \
    do {                                                                                         \
        errno = 0;                                                                               \
        long check_result = (long)(call);                                                        \
        check_that(check_result == -1 && errno == (code), #call " fails with " #code, __LINE__); \
    } while (0)

static inline int verdict(void) {
    printf(failures ? "%d failures\n" : "all is well\n", failures);
    return failures != 0;
}
