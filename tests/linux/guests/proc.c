// /proc as a guest sees it: of itself, of its threads and of another guest.
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "check.h"

static char text[1 << 18];
static char self[4096];

static long slurp(const char* path) {
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0);
    long total = 0, bytes;
    while ((bytes = read(fd, text + total, sizeof text - 1 - total)) > 0) total += bytes;
    text[total] = 0;
    close(fd);
    return total;
}

static int file_is(const char* path, const char* content, long bytes) {
    return slurp(path) == bytes && memcmp(text, content, bytes) == 0;
}

static void another_guest(void) {
    int ready[2];
    CHECK(pipe(ready) == 0);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        dup2(ready[1], 1);
        execle(self, "a name", "wait", "", "last word", NULL, (char*[]){"ONE=1", "TWO=2", NULL});
        _exit(1);
    }
    char byte;
    CHECK(read(ready[0], &byte, 1) == 1);
    char path[100];
    snprintf(path, sizeof path, "/proc/%d/cmdline", child);
    CHECK(file_is(path, "a name\0wait\0\0last word", 23));
    snprintf(path, sizeof path, "/proc/%d/environ", child);
    CHECK(file_is(path, "ONE=1\0TWO=2", 12));
    snprintf(path, sizeof path, "/proc/%d/comm", child);
    CHECK(file_is(path, "proc\n", 5));
    snprintf(path, sizeof path, "/proc/%d/stat", child);
    CHECK(slurp(path) > 0 && strstr(text, " (proc) ") != NULL);
    snprintf(path, sizeof path, "/proc/%d/exe", child);
    char target[4096] = "";
    CHECK(readlink(path, target, sizeof target - 1) > 0 && strcmp(target, self) == 0);
    struct stat program, link;
    CHECK(stat(self, &program) == 0 && stat(path, &link) == 0);
    CHECK(program.st_ino == link.st_ino && program.st_dev == link.st_dev);
    CHECK(stat("/proc/self/exe", &link) == 0 && program.st_ino == link.st_ino);
    CHECK(lstat("/proc/self/exe", &link) == 0 && S_ISLNK(link.st_mode));
    // Its descriptors are those that it was given.
    snprintf(path, sizeof path, "/proc/%d/fd", child);
    DIR* folder = opendir(path);
    CHECK(folder != NULL);
    for (struct dirent* entry; (entry = readdir(folder)) != NULL;)
        CHECK(entry->d_name[0] == '.' || fcntl(atoi(entry->d_name), F_GETFD) != -1);
    closedir(folder);
    // A title is written over the arguments, as setproctitle(3) does it.
    CHECK(kill(child, SIGUSR1) == 0 && read(ready[0], &byte, 1) == 1);
    snprintf(path, sizeof path, "/proc/%d/cmdline", child);
    CHECK(slurp(path) > 0 && strcmp(text, "A title") == 0);
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
}

// Runs as that other guest.
static char* first_arg;
static void write_title(int signal) {
    (void)signal;
    strcpy(first_arg, "A title");
    CHECK(write(1, "t", 1) == 1);
}

static int wait_for_the_end(char** argv) {
    first_arg = argv[0];
    signal(SIGUSR1, write_title);
    if (write(1, "r", 1) != 1) return 1;
    for (;;) pause();
}

static void memory(void) {
    static volatile long number = 41;
    int fd = open("/proc/self/mem", O_RDWR);
    CHECK(fd >= 0);
    long seen = 0, put = 42;
    CHECK(pread(fd, &seen, sizeof seen, (off_t)(unsigned long)&number) == sizeof seen && seen == 41);
    CHECK(pwrite(fd, &put, sizeof put, (off_t)(unsigned long)&number) == sizeof put && number == 42);
    CHECK(lseek(fd, (off_t)(unsigned long)&number, SEEK_SET) == (off_t)(unsigned long)&number);
    CHECK(read(fd, &seen, sizeof seen) == sizeof seen && seen == 42);
    CHECK(lseek(fd, 0, SEEK_CUR) == (off_t)(unsigned long)(&number + 1));
    struct iovec piece = {&seen, sizeof seen};
    put = 43;
    CHECK(pwrite(fd, &put, sizeof put, (off_t)(unsigned long)&number) == sizeof put);
    CHECK(preadv(fd, &piece, 1, (off_t)(unsigned long)&number) == sizeof seen && seen == 43);
    close(fd);
    fd = open("/proc/self/pagemap", O_RDONLY);
    unsigned long page = 0;
    CHECK(pread(fd, &page, sizeof page, (off_t)((unsigned long)&number / 4096 * sizeof page)) == sizeof page);
    CHECK(page >> 63 == 1);
    close(fd);
}

// What lists memory has the program's own, and nothing that the program did not map.
static long listed(const char* header, const char* name) {
    const char* line = strstr(text, header);
    if (line != NULL) line = strstr(line, name);
    return line != NULL ? atol(line + strlen(name)) : -1;
}

static void memory_listings(void) {
    enum { bytes = 1 << 20, touched = 1 << 16 };
    char* map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char* executable = mmap(NULL, bytes, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    // Between two that cannot be merged with it.
    CHECK(map != MAP_FAILED && executable != MAP_FAILED && mprotect(map, 4096, PROT_NONE) == 0 &&
          mprotect(map + bytes - 4096, 4096, PROT_NONE) == 0);
    memset(map + 4096, 1, touched);
    char header[100], maps[100];
    snprintf(header, sizeof header, "%lx-%lx rw-p", (long)map + 4096, (long)map + bytes - 4096);
    CHECK(slurp("/proc/self/smaps") > 0 && strstr(text, self) != NULL && strstr(text, "[stack]") != NULL);
    CHECK(listed(header, "\nSize: ") == (bytes - 8192) / 1024);
    CHECK(listed(header, "\nRss: ") == touched / 1024);
    CHECK(listed(header, "\nPrivate_Dirty: ") == touched / 1024 && listed(header, "\nSwap: ") == 0);
    snprintf(maps, sizeof maps, "%lx-", (long)executable);
    const char* line = strstr(text, maps);
    CHECK(line != NULL && strstr(line, "VmFlags: rd ex ") != NULL);
    char thread[100];
    snprintf(thread, sizeof thread, "/proc/self/task/%ld/smaps", syscall(SYS_gettid));
    CHECK(slurp(thread) > 0 && listed(header, "\nRss: ") == touched / 1024);
    CHECK(slurp("/proc/self/smaps_rollup") > 0 && strstr(text, " [rollup]\n") != NULL);
    const long all = listed("[rollup]", "\nRss: ");
    CHECK(all >= touched / 1024 && all < 4 * 1024);
    if (access("/proc/self/numa_maps", F_OK) == 0) {
        snprintf(header, sizeof header, "%lx default", (long)map + 4096);
        CHECK(slurp("/proc/self/numa_maps") > 0 && strstr(text, self) != NULL &&
              strstr(text, " stack") != NULL);
        CHECK(listed(header, " anon=") == touched / 4096 && listed(header, " kernelpagesize_kB=") == 4);
    }
    // The files that it maps are among its mappings.
    DIR* folder = opendir("/proc/self/map_files");
    CHECK(folder != NULL);
    slurp("/proc/self/maps");
    for (struct dirent* entry; (entry = readdir(folder)) != NULL;) {
        char start[40];
        snprintf(start, sizeof start, "%.*s", (int)strcspn(entry->d_name, "-"), entry->d_name);
        if (entry->d_name[0] != '.') CHECK(strstr(text, start) != NULL);
    }
    closedir(folder);
    CHECK(munmap(map, bytes) == 0 && munmap(executable, bytes) == 0);
}

// By relative paths they are the same.
static void from_inside(void) {
    const int proc = open("/proc", O_RDONLY | O_DIRECTORY);
    char target[4096] = "";
    CHECK(readlinkat(proc, "self/exe", target, sizeof target - 1) > 0 && strcmp(target, self) == 0);
    CHECK(chdir("/proc/self") == 0 && readlink("exe", target, sizeof target) > 0 &&
          strcmp(target, self) == 0);
    CHECK(slurp("maps") > 0 && strstr(text, self) != NULL);
    struct stat program, link;
    CHECK(stat(self, &program) == 0 && stat("exe", &link) == 0 && program.st_ino == link.st_ino);
    const int file = openat(proc, "self/exe", O_RDONLY);
    CHECK(fstat(file, &link) == 0 && program.st_ino == link.st_ino);
    CHECK(close(file) == 0 && close(proc) == 0 && chdir("/") == 0);
}

// A program that closes what it does not know finds only its own, and everything works afterwards.
static void descriptors(void) {
    CHECK(syscall(SYS_close_range, 3, ~0u, 0) == 0);
    const int first = open("/dev/null", O_RDONLY), second = open("/dev/null", O_RDONLY);
    CHECK(first >= 0 && second == first + 1);
    char task[100];
    snprintf(task, sizeof task, "/proc/self/task/%ld/fd", syscall(SYS_gettid));
    const char* folders[] = {"/proc/self/fd", "/proc/thread-self/fd", "/proc/self/fdinfo", task};
    for (unsigned i = 0; i < 4; ++i) {
        DIR* folder = opendir(folders[i]);
        CHECK(folder != NULL);
        int seen = 0;
        for (struct dirent* entry; (entry = readdir(folder)) != NULL;)
            if (entry->d_name[0] != '.') ++seen, CHECK(atoi(entry->d_name) <= second + 1);
        CHECK(seen >= 3);
        closedir(folder);
    }
    struct stat facts;
    for (int fd = second + 1; fd < 1024; ++fd)
        if (fstat(fd, &facts) == 0 || fcntl(fd, F_GETFD) != -1 || dup(fd) != -1 || fchdir(fd) == 0)
            printf("descriptor %d\n", fd);
    CHECK(syscall(SYS_close_range, second, ~0u, 0) == 0 && close(first) == 0);
    CHECK(readlink("/proc/self/exe", text, sizeof text) > 0);
}

static void* named(void* argument) {
    (void)argument;
    prctl(PR_SET_NAME, "worker");
    char path[100];
    snprintf(path, sizeof path, "/proc/self/task/%ld/comm", syscall(SYS_gettid));
    CHECK(file_is(path, "worker\n", 7));
    snprintf(path, sizeof path, "/proc/self/task/%ld/maps", syscall(SYS_gettid));
    CHECK(slurp(path) > 0 && strstr(text, self) != NULL);
    int tasks = 0;
    DIR* folder = opendir("/proc/self/task");
    CHECK(folder != NULL);
    for (struct dirent* entry; (entry = readdir(folder)) != NULL;) tasks += entry->d_name[0] != '.';
    closedir(folder);
    CHECK(tasks == 2);
    return NULL;
}

static unsigned long status_mask(const char* name) {
    unsigned long mask = 0;
    CHECK(slurp("/proc/self/status") > 0);
    const char* line = strstr(text, name);
    CHECK(line != NULL && sscanf(line + strlen(name), "%lx", &mask) == 1);
    return mask;
}

static void status(void) {
    CHECK(slurp("/proc/self/status") > 0 && strncmp(text, "Name:\tproc\n", 11) == 0);
    CHECK(strstr(text, "\nThreads:\t1\n") != NULL);
    unsigned long caught = status_mask("\nSigCgt:\t");
    CHECK(!(caught & 1ul << (SIGSEGV - 1)));
    signal(SIGUSR2, write_title);
    CHECK(status_mask("\nSigCgt:\t") == (caught | 1ul << (SIGUSR2 - 1)));
    unsigned long ignored = status_mask("\nSigIgn:\t");
    signal(SIGUSR2, SIG_IGN);
    CHECK(status_mask("\nSigIgn:\t") == (ignored | 1ul << (SIGUSR2 - 1)) &&
          status_mask("\nSigCgt:\t") == caught);
    sigset_t block;
    sigemptyset(&block);
    sigaddset(&block, SIGSEGV);
    sigprocmask(SIG_BLOCK, &block, NULL);
    CHECK(status_mask("\nSigBlk:\t") & 1ul << (SIGSEGV - 1));
}

int main(int argc, char** argv) {
    if (argc > 1 && strcmp(argv[1], "wait") == 0) return wait_for_the_end(argv);
    CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    another_guest();
    memory();
    memory_listings();
    status();
    from_inside();
    descriptors();
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, named, NULL) == 0 && pthread_join(thread, NULL) == 0);
    return verdict();
}
