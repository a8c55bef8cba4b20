// The calls on memory in all their forms, and what accesses to it do: growth, guards, files that become shorter,
// seals, what a child gets of it.
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

enum { page = 4096 };
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static sigjmp_buf out;
static volatile int number, code;
static void* volatile address;
static void leave(int signal_number, siginfo_t* info, void* context) {
    (void)context;
    number = signal_number;
    code = info->si_code;
    address = info->si_addr;
    siglongjmp(out, 1);
}
/// What reading or writing a byte gives: 0, or the signal; its details are in `code` and `address`.
static int touch(volatile char* at, int writes) {
    number = 0;
    if (sigsetjmp(out, 1) == 0) {
        if (writes)
            *at = 1;
        else
            (void)*at;
    }
    return number;
}
#define CHECK_FAULTS(at, writes, signal_number, signal_code) \
    CHECK(touch((char*)(at), writes) == (signal_number) && code == (signal_code) && address == (void*)(at))

static char* fresh(long pages) {
    char* at = mmap(NULL, (size_t)pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED);
    return at;
}
static void* map_at(void* at, int flags) {
    return mmap(at, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

static void flags(void) {
    char* area = fresh(8);
    CHECK_FAILS(map_at(area, MAP_FIXED_NOREPLACE), EEXIST);
    CHECK(map_at(area, 0) != area);
    area[0] = 5;
    CHECK(map_at(area, MAP_FIXED) == area && area[0] == 0);
    CHECK(munmap(area + page, page) == 0 && map_at(area + page, MAP_FIXED_NOREPLACE) == area + page);
    CHECK(munmap(area + page, page) == 0 && map_at(area + page, 0) == area + page);
    CHECK_FAILS(map_at(area + 1, MAP_FIXED), EINVAL);
    CHECK_FAILS(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), EINVAL);
    CHECK_FAILS(mmap(NULL, page, PROT_READ, MAP_ANONYMOUS, -1, 0), EINVAL);
    CHECK_FAILS(mmap(NULL, page, PROT_READ, MAP_PRIVATE, 99, 0), EBADF);
    CHECK_FAILS(mmap(NULL, ~0ul << 12, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
    const int harmless[] = {MAP_POPULATE, MAP_NORESERVE, MAP_STACK, MAP_LOCKED, MAP_NONBLOCK | MAP_POPULATE};
    for (int i = 0; i < 5; ++i) {
        char* at = map_at(NULL, harmless[i]);
        CHECK(at != MAP_FAILED && touch(at, 1) == 0 && munmap(at, page) == 0);
    }
    int fd = memfd_create("file", 0);
    CHECK(ftruncate(fd, page) == 0);
    CHECK_FAILS(mmap(NULL, page, PROT_READ, MAP_SHARED_VALIDATE | (1 << 25), fd, 0), EOPNOTSUPP);
    char* shared = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED_VALIDATE, fd, 0);
    CHECK(shared != MAP_FAILED);
    shared[0] = 'x';
    char byte = 0;
    CHECK(pread(fd, &byte, 1, 0) == 1 && byte == 'x');
    CHECK(pwrite(fd, "y", 1, 0) == 1 && shared[0] == 'y');
    CHECK_FAILS(mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 1), EINVAL);
    int closed = open("/proc/self/exe", O_RDONLY);
    CHECK_FAILS(mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, closed, 0), EACCES);
    close(closed);
    close(fd);
    munmap(area, 8 * page);
}

/// A region that grows down does so at accesses below it, as far as the stack's limit and what lies below allow.
static void growth(void) {
    char* area = fresh(2048);
    munmap(area, 2047 * page);
    char* top = area + 2047 * page;
    munmap(top, page);
    CHECK(mmap(top, page, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE, -1, 0) == top);
    CHECK(touch(top - 8, 1) == 0 && touch(top - 5 * page, 0) == 0 && touch(top - 3 * page, 1) == 0);
    unsigned char resident[8];
    CHECK(mincore(top - 5 * page, 6 * page, resident) == 0);
    CHECK_FAILS(mincore(top - 6 * page, page, resident), ENOMEM);
    struct rlimit before, small = {16 * page, RLIM_INFINITY};
    getrlimit(RLIMIT_STACK, &before);
    small.rlim_max = before.rlim_max;
    CHECK(setrlimit(RLIMIT_STACK, &small) == 0);
    CHECK(touch(top - 15 * page, 1) == 0);
    CHECK_FAULTS(top - 16 * page, 1, SIGSEGV, SEGV_MAPERR);
    setrlimit(RLIMIT_STACK, &before);
    CHECK(touch(top - 16 * page, 1) == 0);
    // A mapping below keeps its distance, one without rights does not.
    char* below = top - 400 * page;
    CHECK(map_at(below, MAP_FIXED_NOREPLACE) == below);
    CHECK(touch(below + 257 * page, 1) == 0);
    CHECK_FAULTS(below + 256 * page, 1, SIGSEGV, SEGV_MAPERR);
    CHECK(mprotect(below, page, PROT_NONE) == 0 && touch(below + 2 * page, 1) == 0);
    munmap(below, 401 * page);
}

static long deepest;
static volatile long no_end = 1l << 40;
static __attribute__((noinline)) long recurse(long depth) {
    volatile char frame[4000];
    frame[0] = (char)depth;
    deepest = depth;
    if (depth == no_end) return 0;
    return recurse(depth + 1) + frame[0];
}
/// The stack grows to its limit and not beyond; a handler with a stack of its own sees that.
static void stack_overflow(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_STACK, &limit);
    long wanted = limit.rlim_cur == RLIM_INFINITY ? 500 : (long)limit.rlim_cur / 4200;
    if (sigsetjmp(out, 1) == 0) {
        number = 0;
        recurse(0);
    }
    CHECK(number == SIGSEGV && code == SEGV_MAPERR && deepest > wanted * 9 / 10);
}

static void moves(void) {
    char* area = fresh(8);
    for (int i = 0; i < 4; ++i) area[i * page] = (char)(i + 1);
    munmap(area + 4 * page, 4 * page);
    char* grown = mremap(area, 4 * page, 8 * page, 0);
    CHECK(grown == area && grown[3 * page] == 4 && grown[7 * page] == 0);
    CHECK(mremap(area, 8 * page, 4 * page, 0) == area && touch(area + 4 * page, 0) == SIGSEGV);
    CHECK(map_at(area + 4 * page, MAP_FIXED_NOREPLACE) == area + 4 * page);
    CHECK(mprotect(area + 4 * page, page, PROT_NONE) == 0);
    CHECK_FAILS(mremap(area, 4 * page, 6 * page, 0), ENOMEM);
    char* moved = mremap(area, 4 * page, 6 * page, MREMAP_MAYMOVE);
    CHECK(moved != MAP_FAILED && moved != area && moved[2 * page] == 3 && touch(area, 0) == SIGSEGV);
    char* target = fresh(6);
    target[0] = 9;
    CHECK(mremap(moved, 6 * page, 2 * page, MREMAP_MAYMOVE | MREMAP_FIXED, target) == target);
    CHECK(target[0] == 1 && target[page] == 2 && target[2 * page] == 0 && touch(moved, 0) == SIGSEGV);
    CHECK_FAILS(mremap(target, 2 * page, 2 * page, MREMAP_FIXED, area), EINVAL);
    CHECK_FAILS(mremap(target, 2 * page, 2 * page, MREMAP_MAYMOVE | MREMAP_FIXED, target + page), EINVAL);
    CHECK_FAILS(mremap(target, 2 * page, 2 * page, MREMAP_MAYMOVE | MREMAP_FIXED, target + 1), EINVAL);
    CHECK_FAILS(mremap(target + 1, page, page, MREMAP_MAYMOVE), EINVAL);
    CHECK_FAILS(mremap(target, page, 0, MREMAP_MAYMOVE), EINVAL);
    CHECK_FAILS(mremap(area, page, page * 2, MREMAP_MAYMOVE), EFAULT);
    CHECK_FAILS(mremap(target, page, page, 8), EINVAL);
    // The pages move, the place stays, empty.
    char* kept = mremap(target, 2 * page, 2 * page, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
    CHECK(kept != MAP_FAILED && kept != target && kept[page] == 2 && target[page] == 0);
    CHECK_FAILS(mremap(target, 2 * page, 3 * page, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL), EINVAL);
    // A second view of a shared object.
    char* shared = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    shared[0] = 7;
    char* view = mremap(shared, 0, page, MREMAP_MAYMOVE);
    CHECK(view != MAP_FAILED && view != shared && view[0] == 7);
    view[1] = 8;
    CHECK(shared[1] == 8);
    CHECK_FAILS(mremap(kept, 0, page, MREMAP_MAYMOVE), EINVAL);
}

static void advice(void) {
    char* area = fresh(6);
    memset(area, 'a', 6 * page);
    CHECK(madvise(area, page, MADV_DONTNEED) == 0 && area[0] == 0 && area[page] == 'a');
    CHECK(madvise(area + page, page, MADV_FREE) == 0);
    CHECK(madvise(area + 2 * page, page, MADV_DONTFORK) == 0);
    CHECK(madvise(area + 3 * page, page, MADV_WIPEONFORK) == 0);
    CHECK_FAILS(madvise(area, page, 999), EINVAL);
    CHECK_FAILS(madvise(area + 1, page, MADV_NORMAL), EINVAL);
    const int harmless[] = {MADV_NORMAL,   MADV_RANDOM,   MADV_SEQUENTIAL,
                            MADV_WILLNEED, MADV_DONTDUMP, MADV_POPULATE_WRITE};
    for (int i = 0; i < 6; ++i) CHECK(madvise(area, page, harmless[i]) == 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK_FAULTS(area + 2 * page, 0, SIGSEGV, SEGV_MAPERR);
        CHECK(area[3 * page] == 0 && area[4 * page] == 'a');
        // The place is free for something else.
        CHECK(map_at(area + 2 * page, MAP_FIXED_NOREPLACE) == area + 2 * page &&
              touch(area + 2 * page, 1) == 0);
        _exit(failures);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(area[2 * page] == 'a' && area[3 * page] == 'a');
    CHECK(madvise(area + 2 * page, page, MADV_DOFORK) == 0 && madvise(area + 3 * page, page, 19) == 0);
    if (fork() == 0) _exit(area[2 * page] != 'a' || area[3 * page] != 'a');
    CHECK(wait(&status) > 0 && status == 0);
    munmap(area + page, page);
    CHECK_FAILS(madvise(area, 3 * page, MADV_DONTNEED), ENOMEM);
    CHECK(area[2 * page] == 0);
    char* shared = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    memset(shared, 's', 2 * page);
    CHECK(madvise(shared, page, MADV_DONTNEED) == 0 && shared[0] == 's');
    CHECK(madvise(shared, page, MADV_REMOVE) == 0 && shared[0] == 0 && shared[page] == 's');
    CHECK_FAILS(madvise(area, page, MADV_REMOVE), EINVAL);
}

static void files(void) {
    int fd = memfd_create("shrinks", MFD_ALLOW_SEALING);
    CHECK(ftruncate(fd, 3 * page) == 0);
    char* map = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    memset(map, 'f', 3 * page);
    CHECK_FAULTS(map + 3 * page + 5, 0, SIGBUS, BUS_ADRERR);
    CHECK(ftruncate(fd, page + 100) == 0);
    CHECK(map[page + 99] == 'f' && map[page + 100] == 0 && touch(map + 2 * page - 1, 1) == 0);
    CHECK_FAULTS(map + 2 * page, 1, SIGBUS, BUS_ADRERR);
    CHECK_FAULTS(map + 2 * page + 77, 0, SIGBUS, BUS_ADRERR);
    CHECK_FAILS(write(fd, map + 2 * page, 1), EFAULT);
    CHECK(ftruncate(fd, 3 * page) == 0 && map[2 * page] == 0 && map[page + 100] == 0);
    CHECK(msync(map, 3 * page, MS_SYNC) == 0 && msync(map, page, MS_ASYNC | MS_INVALIDATE) == 0);
    CHECK_FAILS(msync(map, page, MS_SYNC | MS_ASYNC), EINVAL);
    CHECK_FAILS(msync(map + 1, page, MS_SYNC), EINVAL);

    CHECK(fcntl(fd, F_GET_SEALS) == 0);
    CHECK_FAILS(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
    munmap(map, 4 * page);
    CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK) == 0);
    CHECK_FAILS(mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), EPERM);
    map = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(map != MAP_FAILED);
    CHECK_FAILS(mprotect(map, page, PROT_READ | PROT_WRITE), EACCES);
    CHECK_FAILS(ftruncate(fd, page), EPERM);
    CHECK_FAILS(pwrite(fd, "x", 1, 0), EPERM);
    CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL) == 0);
    CHECK_FAILS(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), EPERM);
    close(fd);

    // Private copies keep what was written; the rest is still the file's.
    fd = memfd_create("private", 0);
    CHECK(ftruncate(fd, 2 * page) == 0 && pwrite(fd, "one", 3, 0) == 3 && pwrite(fd, "two", 3, page) == 3);
    map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    map[0] = 'O';
    CHECK(pwrite(fd, "ONE", 3, 0) == 3 && pwrite(fd, "TWO", 3, page) == 3);
    CHECK(memcmp(map, "One", 3) == 0 && memcmp(map + page, "TWO", 3) == 0);
    close(fd);
}

static void rights(void) {
    char* area = fresh(4);
    CHECK(mprotect(area + page, page, PROT_NONE) == 0 && mprotect(area + 2 * page, page, PROT_READ) == 0);
    CHECK_FAULTS(area + page, 0, SIGSEGV, SEGV_ACCERR);
    CHECK_FAULTS(area + 2 * page + 3, 1, SIGSEGV, SEGV_ACCERR);
    CHECK(touch(area + 2 * page, 0) == 0 && touch(area + 3 * page, 1) == 0);
    CHECK(mprotect(area, 4 * page, PROT_READ | PROT_WRITE) == 0 && touch(area + page, 1) == 0);
    munmap(area + page, page);
    CHECK_FAILS(mprotect(area, 4 * page, PROT_READ), ENOMEM);
    CHECK(touch(area, 1) == SIGSEGV && touch(area + 3 * page, 1) == 0);
    CHECK_FAILS(mprotect(area + 1, page, PROT_READ), EINVAL);
    CHECK_FAILS(munmap(area + 1, page), EINVAL);
    CHECK_FAILS(munmap(area, 0), EINVAL);
    CHECK(munmap(area, 4 * page) == 0 && munmap(area, 4 * page) == 0);
}

static void locking(void) {
    char* area = fresh(4);
    CHECK(mlock(area, 2 * page) == 0 && munlock(area, 2 * page) == 0);
    CHECK(mlock(area + 100, 10) == 0 && munlock(area + 100, 10) == 0);
    CHECK(syscall(SYS_mlock2, area, page, 1) == 0 && munlock(area, page) == 0);
    CHECK_FAILS(syscall(SYS_mlock2, area, page, 2), EINVAL);
    CHECK_FAILS(mlockall(0), EINVAL);
    CHECK_FAILS(mlockall(MCL_ONFAULT), EINVAL);
    munmap(area + page, page);
    CHECK_FAILS(mlock(area, 3 * page), ENOMEM);
    // What comes later is resident at once.
    CHECK(mlockall(MCL_FUTURE) == 0);
    char* later = fresh(2);
    unsigned char resident[2] = {0, 0};
    CHECK(mincore(later, 2 * page, resident) == 0 && (resident[0] & 1) && (resident[1] & 1));
    CHECK(munlockall() == 0);
    char* after = fresh(2);
    CHECK(mincore(after, 2 * page, resident) == 0 && !(resident[0] & 1));
    CHECK_FAILS(mincore(after + 1, page, resident), EINVAL);
}

int main(void) {
    static char stack[1 << 16];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&alternate, NULL);
    struct sigaction action = {.sa_sigaction = leave, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    flags();
    growth();
    stack_overflow();
    moves();
    advice();
    files();
    rights();
    locking();
    return verdict();
}
