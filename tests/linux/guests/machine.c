// What a guest learns of its machine and of itself. Only what is the same natively is printed.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "check.h"

#ifdef __riscv
#define MACHINE "riscv64"
#else
#define MACHINE "x86_64"
#endif

#ifdef __riscv
// Code that the kernel writes, and that nobody announces: a hardware's cache might keep it, an emulator must not.
static void patched_code(void) {
    unsigned* code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int ends[2];
    CHECK(code != MAP_FAILED && pipe(ends) == 0);
    for (unsigned number = 1; number < 10; ++number) {
        unsigned function[] = {0x00000513 | number << 20, 0x00008067};  // li a0, number; ret
        CHECK(write(ends[1], function, sizeof function) == sizeof function);
        CHECK(read(ends[0], code, sizeof function) == sizeof function);
        for (int i = 0; i < 20; ++i) CHECK(((int (*)(void))code)() == (int)number);
        code[1024 - number] = number;  // data in the same page
        for (int i = 0; i < 20; ++i) CHECK(((int (*)(void))code)() == (int)number);
    }
    CHECK(munmap(code, 4096) == 0);
    close(ends[0]);
    close(ends[1]);
}
#endif

#ifdef __riscv
/// What there is none of answers as on a kernel without it: programs ask, and go on.
static void absent(void) {
    enum { io_uring_setup = 425, io_uring_enter, io_uring_register, get_action_avail = 2, filter_mode = 2 };
    static char zeros[256];
    CHECK_FAILS(syscall(io_uring_setup, 8, zeros), ENOSYS);
    CHECK_FAILS(syscall(io_uring_enter, 0, 0, 0, 0, NULL, 0), ENOSYS);
    CHECK_FAILS(syscall(io_uring_register, 0, 0, NULL, 0), ENOSYS);
    CHECK_FAILS(syscall(SYS_io_setup, 8, zeros), ENOSYS);
    CHECK_FAILS(syscall(SYS_ptrace, 0 /* PTRACE_TRACEME */, 0, 0, 0), ENOSYS);
    CHECK_FAILS(syscall(SYS_bpf, 0, zeros, sizeof zeros), ENOSYS);
    CHECK_FAILS(syscall(SYS_userfaultfd, 0), ENOSYS);
    CHECK_FAILS(syscall(SYS_perf_event_open, zeros, 0, -1, -1, 0), ENOSYS);
    CHECK_FAILS(syscall(SYS_kexec_load, 0, 0, NULL, 0), ENOSYS);
    CHECK_FAILS(syscall(SYS_rseq, zeros, 32, 0, 0x53053053), ENOSYS);
    CHECK_FAILS(syscall(SYS_pkey_alloc, 0, 0), ENOSYS);
    CHECK_FAILS(syscall(SYS_remap_file_pages, zeros, 4096, 0, 0, 0), ENOSYS);
    CHECK_FAILS(syscall(462 /* mseal */, zeros, 4096, 0), ENOSYS);
    unsigned action = 0x7fff0000;  // SECCOMP_RET_ALLOW
    CHECK_FAILS(syscall(SYS_seccomp, 0 /* SECCOMP_SET_MODE_STRICT */, 0, NULL), ENOSYS);
    CHECK_FAILS(syscall(SYS_seccomp, 1 /* SECCOMP_SET_MODE_FILTER */, 0, NULL), ENOSYS);
    CHECK_FAILS(syscall(SYS_seccomp, get_action_avail, 0, &action), ENOSYS);
    CHECK_FAILS(prctl(PR_GET_SECCOMP), EINVAL);
    CHECK_FAILS(prctl(PR_SET_SECCOMP, filter_mode, NULL), EINVAL);
    CHECK_FAILS(prctl(PR_SET_SECCOMP, filter_mode, zeros), EINVAL);
    CHECK_FAILS(prctl(PR_SET_MM, PR_SET_MM_BRK, zeros, 0, 0), EINVAL);
}
#endif

static char text[1 << 16];
static long slurp(const char* path) {
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0);
    long total = 0, bytes;
    while ((bytes = read(fd, text + total, sizeof text - 1 - total)) > 0) total += bytes;
    text[total] = 0;
    close(fd);
    return total;
}

static void own_files(char** argv) {
    char path[4096] = "";
    CHECK(readlink("/proc/self/exe", path, sizeof path - 1) > 0 && strstr(path, "machine") != NULL);
    char numbered[100], same[4096] = "";
    snprintf(numbered, sizeof numbered, "/proc/%d/exe", getpid());
    CHECK(readlink(numbered, same, sizeof same - 1) > 0 && strcmp(path, same) == 0);
    unsigned char magic[20];
    int fd = open("/proc/self/exe", O_RDONLY);
    CHECK(fd >= 0 && read(fd, magic, 20) == 20 && memcmp(magic, "\177ELF", 4) == 0);
    CHECK(magic[18] == (strcmp(MACHINE, "riscv64") == 0 ? 243 : 62));
    CHECK(slurp("/proc/self/cmdline") > 0 && strcmp(text, argv[0]) == 0);
    CHECK(slurp("/proc/self/maps") > 0 && strstr(text, "[stack]") != NULL && strstr(text, path) != NULL);
    unsigned long here, low, high;
    int found = 0;
    for (char* line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        char rights[8];
        here = (unsigned long)&own_files;
        if (sscanf(line, "%lx-%lx %7s", &low, &high, rights) == 3 && low <= here && here < high)
            found = strcmp(rights, "r-xp") == 0;
    }
    CHECK(found);
    long bytes = slurp("/proc/self/auxv");
    unsigned long* row = (unsigned long*)text;
    CHECK(bytes % 16 == 0);
    while (row[0] != AT_PHDR && row[0] != AT_NULL) row += 2;
    CHECK(row[0] == AT_PHDR && row[1] == getauxval(AT_PHDR));
    CHECK(slurp("/proc/cpuinfo") > 0 && strncmp(text, "processor\t: 0\n", 14) == 0);
}

static void limits(void) {
    struct rlimit limit, changed;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= 64);
    changed = (struct rlimit){64, limit.rlim_max};
    CHECK(setrlimit(RLIMIT_NOFILE, &changed) == 0 && getrlimit(RLIMIT_NOFILE, &changed) == 0 &&
          changed.rlim_cur == 64);
    CHECK(dup2(0, 64) == -1 && setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(getrlimit(RLIMIT_STACK, &limit) == 0);
    changed = (struct rlimit){1 << 20, limit.rlim_max};
    CHECK(setrlimit(RLIMIT_STACK, &changed) == 0 && getrlimit(RLIMIT_STACK, &limit) == 0 &&
          limit.rlim_cur == 1 << 20);
    changed = (struct rlimit){2, 1};
    CHECK_FAILS(setrlimit(RLIMIT_STACK, &changed), EINVAL);
    CHECK_FAILS(setrlimit(99, &changed), EINVAL);
}

int main(int argc, char** argv) {
    (void)argc;
    struct utsname name;
    CHECK(uname(&name) == 0 && strcmp(name.machine, MACHINE) == 0 && strcmp(name.sysname, "Linux") == 0);
    CHECK(atoi(name.release) >= 6);
    own_files(argv);
    limits();
    char title[16] = "";
    CHECK(prctl(PR_GET_NAME, title) == 0 && strcmp(title, "machine") == 0);
    CHECK(prctl(PR_SET_NAME, "renamed") == 0 && prctl(PR_GET_NAME, title) == 0 &&
          strcmp(title, "renamed") == 0);
    CHECK_FAILS(prctl(12345, 0), EINVAL);
    unsigned char random[16] = {0}, zero[16] = {0};
    CHECK(getrandom(random, 16, 0) == 16 && memcmp(random, zero, 16) != 0);
    cpu_set_t set;
    CHECK(sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) >= 1 &&
          CPU_COUNT(&set) <= sysconf(_SC_NPROCESSORS_ONLN));
    struct sysinfo facts;
    CHECK(sysinfo(&facts) == 0 && facts.totalram > 0);
    CHECK(getauxval(AT_PAGESZ) == 4096 && getauxval(AT_CLKTCK) == 100);
    CHECK_FAILS(syscall(5000), ENOSYS);
    // Memory whose residency is told, page by page.
    char* pages = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned char resident[3] = {9, 9, 9};
    pages[4096] = 1;
    CHECK(mincore(pages, 3 * 4096, resident) == 0 && resident[1] == 1 && resident[0] <= 1);
    CHECK_FAILS(mincore(pages, 4096, (unsigned char*)8), EFAULT);
#ifdef __riscv
    struct {
        long key;
        unsigned long value;
    } probe[3] = {{3, 0}, {4, 0}, {1234, 5}};
    CHECK(syscall(258, probe, 3, 0, 0, 0) == 0);
    CHECK(probe[0].value == 1 && (probe[1].value & 3) == 3 && probe[2].key == -1 && probe[2].value == 0);
    CHECK(getauxval(AT_HWCAP) == 0x112d);
    CHECK(syscall(259, 0, 0, 0) == 0);
    patched_code();
    absent();
#endif
    return verdict();
}
