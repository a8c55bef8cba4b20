// Random system calls with arguments that are mostly plausible: what a call takes, the project's own table says
// (src/linux/syscalls.def). A call is a function of the seed and its index, so every run can be repeated; the memory
// and the descriptors that arguments refer to are in surroundings.h.
#pragma once

#include <string.h>

typedef unsigned long word;

struct row {
    short number;
    const char* name;
    const char* handler;
    const char* kinds;
};
static const struct row rows[] = {
#define SYSCALL(number, name, handler, kinds, meaning) {number, #name, #handler, kinds},
#include "linux/syscalls.def"
#undef SYSCALL
};
enum { row_count = sizeof rows / sizeof *rows };

/// Never made: they end the caller, or the run as a whole, or take long on a busy machine.
static const char* const never[] = {"exit", "exit_group", "rt_sigreturn", "reboot", "sync", "vhangup"};

static int may_be_made(const struct row* row) {
    for (unsigned i = 0; i < sizeof never / sizeof *never; ++i)
        if (strcmp(row->name, never[i]) == 0) return 0;
    return 1;
}

/// The memory that pointers point into: pages with words of all kinds, with strings, read-only, inaccessible, and
/// nothing behind.
enum { page = 4096, word_pages = 4, string_pages = 1, pool_pages = word_pages + string_pages + 2 };
static char* const pool = (char*)0x10000000;

static word random_state;
static word draw(word below) {
    random_state ^= random_state << 13, random_state ^= random_state >> 7, random_state ^= random_state << 17;
    return random_state % below;
}
static void seed_with(word seed, word index) {
    random_state = (seed + 1) * 0x9e3779b97f4a7c15 ^ (index + 1) * 0xd1342543de82ef95;
    for (int i = 0; i < 4; ++i) draw(2);
}

#define PICK(list) list[draw(sizeof list / sizeof *list)]

static word wrong_value(void) {
    static const word values[] = {
        8,    -8ul,      1ul << 63, 0x7ffffffff000, 0x555555555000, 1ul << 38,  (1ul << 38) - 8, 0,
        -1ul, 1ul << 40, 1ul << 62, 0x7fffffff,     0x80000000,     0xffffffff, -page,           1};
    if (draw(3) == 0) return (word)(pool + (1 + draw(pool_pages)) * page - 1 - draw(16));
    return PICK(values);
}

/// A word for the pages of words, which calls read as structures.
static word structure_word(void) {
    switch (draw(8)) {
        case 0:
        case 1: return 0;
        case 2: return draw(8);
        case 3: return draw(64);
        case 4: return (word)pool + draw(pool_pages * page) / 8 * 8;
        case 5: return draw(1ul << 16) | draw(16) << 32;
        case 6: return wrong_value();
        default: return 1ul << draw(64);
    }
}

static const char* const strings[] = {"a",
                                      "b",
                                      "dir",
                                      "dir/x",
                                      "dir/../a",
                                      "/",
                                      ".",
                                      "..",
                                      "",
                                      "/guest",
                                      "/a",
                                      "missing/x",
                                      "user.note",
                                      "tmpfs",
                                      "size",
                                      "4k",
                                      "keyring",
                                      "none",
                                      "/dir",
                                      "\xff\xfe",
                                      "link",
                                      "/proc/self/exe",
                                      "/proc/self/maps",
                                      "/dev/null"};
enum { string_bytes = 32 };

static word some_size(void) {
    static const word sizes[] = {0,  1,  4,   7,   8,    12,   16,   24,   32,   56,
                                 64, 88, 100, 128, 1000, 4096, 5000, 8192, 65536};
    return PICK(sizes);
}

static word some_flags(void) {
    switch (draw(5)) {
        case 0:
        case 1: return 0;
        case 2: return 1ul << draw(24);
        case 3: return 1ul << draw(24) | 1ul << draw(32);
        default: return draw(256);
    }
}

static word some_request(const char* kind) {
    static const word others[] = {0x80086601, 0x40086602, 0x801c581f, 0x401c5820, 0x40049409, 0x4020940d,
                                  0xc0189436, 0xc020660b, 0x80045430, 0x40045431, 0x5441,     0x400454ca};
    if (strcmp(kind, "fcntl_cmd") == 0) return draw(3) == 0 ? 1024 + draw(20) : draw(40);
    if (strcmp(kind, "prctl_op") == 0) return draw(20) == 0 ? 0x53564d41 : draw(80);
    switch (draw(6)) {
        case 0:
        case 1: return 0x5400 + draw(96);
        case 2: return 0x8900 + draw(160);
        case 3: return 0x1258 + draw(40);
        case 4: return 0x4c00 + draw(0x90);
        default: return PICK(others);
    }
}

static word some_signal(void) {
    // None that ends or stops a process whose handlers are gone, but the last, which is no signal at all.
    static const word signals[] = {0, 17, 23, 28, 10, 12, 34, 40, 64, 65};
    return PICK(signals);
}

/// An argument of `kind`, one in `rightness` wrong; `descriptors` are numbered from 3.
static word argument(const char* kind, unsigned rightness, unsigned descriptors) {
    if (draw(rightness) == 0) return wrong_value();
    static const char* const numbers[] = {"int", "uint", "long", "size", "off", "mode", "dev"};
    static const char* const strings_of[] = {"path", "link", "name", "str"};
    if (strcmp(kind, "fd") == 0 || strcmp(kind, "dirfd") == 0)
        return draw(8) == 0 ? -100ul : 3 + draw(descriptors + 2);
    for (unsigned i = 0; i < sizeof strings_of / sizeof *strings_of; ++i)
        if (strcmp(kind, strings_of[i]) == 0)
            return (word)pool + word_pages * page + draw(sizeof strings / sizeof *strings) * string_bytes;
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; ++i)
        if (strcmp(kind, numbers[i]) == 0) return draw(2) == 0 ? draw(10) : some_size();
    if (strcmp(kind, "sig") == 0) return some_signal();
    if (strcmp(kind, "request") == 0)
        return draw(2) == 0 ? draw(64) : (word)pool + draw(word_pages * page) / 8 * 8;
    const size_t length = strlen(kind);
    if (length > 4 && (strcmp(kind + length - 4, "_cmd") == 0 || strcmp(kind, "prctl_op") == 0))
        return some_request(kind);
    static const char* const sets[] = {"_flags", "_mask", "_mode", "_attrs", "_type", "_action"};
    for (unsigned i = 0; i < sizeof sets / sizeof *sets; ++i)
        if (strstr(kind, sets[i]) != NULL) return some_flags();
    static const char* const choices[] = {
        "_op",     "_how",   "_who", "clock", "domain",   "resource",   "whence",    "madvice",
        "fadvice", "itimer", "prot", "hex",   "sock_opt", "sock_level", "numa_mode", "personality"};
    for (unsigned i = 0; i < sizeof choices / sizeof *choices; ++i)
        if (strstr(kind, choices[i]) != NULL) return draw(4) == 0 ? some_flags() : draw(24);
    // All else is an address.
    return draw(10) == 0 ? 0 : (word)pool + draw(word_pages * page) / 8 * 8;
}

/// The process that no call is made about.
static int spared;

/// Arguments of `row`'s kinds, one in `rightness` wrong.
static void plausible_arguments(const struct row* row, unsigned rightness, unsigned descriptors,
                                word* arguments) {
    const char* kinds = row->kinds;
    for (int i = 0; i < 6; ++i) {
        char kind[32] = "";
        const size_t length = strcspn(kinds, " ");
        const size_t skipped = *kinds == '>';
        if (length > skipped) memcpy(kind, kinds + skipped, length - skipped);
        kinds += length + (kinds[length] == ' ');
        arguments[i] = *kind != 0 ? argument(kind, rightness, descriptors) : draw(3) == 0 ? wrong_value() : 0;
    }
    // The process that runs the batches is not to be limited, slowed down, written to or killed.
    const int place = strstr(row->kinds, "_who int") != NULL;
    if (strncmp(row->kinds, "int", 3) == 0 || place == 1)
        if ((int)arguments[place] == spared || (int)arguments[place] == -spared) arguments[place] = 0;
}
