// Code that is written: seen after fence.i, riscv_flush_icache or a change of the mapping, through whichever address or
// path it was written. For riscv64 only.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

enum { page = 4096, all = PROT_READ | PROT_WRITE | PROT_EXEC, warm = 20 };

/// li a0, value; ret
static void code_for(unsigned* at, int value) {
    at[0] = (unsigned)value << 20 | 0x513;
    at[1] = 0x00008067;
}
/// Calls it often enough for every way of running it.
static int call(const void* at) {
    int value = -1;
    for (int i = 0; i < warm; ++i) {
        int now = ((int (*)(void))at)();
        if (i > 0 && now != value) return -2;
        value = now;
    }
    return value;
}
static void fence_i(void) { __asm__ volatile("fence.i" ::: "memory"); }
static void flush(const void* at, long bytes) { syscall(259, at, (const char*)at + bytes, 0); }

static void in_place(void) {
    unsigned* code = mmap(NULL, 2 * page, all, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 6; ++i) {
        code_for(code, i);
        if (i % 3 == 0) fence_i();
        if (i % 3 == 1) flush(code, 8);
        if (i % 3 == 2) flush(NULL, 0);
        CHECK(call(code) == i);
    }
    // Only the end of a page changed, and code that crosses pages.
    unsigned* across = code + page / 4 - 1;
    for (int i = 10; i < 14; ++i) {
        code_for(across, i);
        flush(across, 8);
        CHECK(call(across) == i && call(code) == 5);
    }
    // The system writes it.
    unsigned text[2];
    int ends[2];
    CHECK(pipe(ends) == 0);
    code_for(text, 33);
    CHECK(write(ends[1], text, 8) == 8 && read(ends[0], code, 8) == 8);
    fence_i();
    CHECK(call(code) == 33);
    CHECK(madvise(code, page, MADV_DONTNEED) == 0);
    code_for(code, 34);
    CHECK(call(code) == 34);
    munmap(code, 2 * page);
}

static void two_views(void) {
    int fd = memfd_create("jit", 0);
    CHECK(ftruncate(fd, 2 * page) == 0);
    unsigned* writable = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    unsigned* first = mmap(NULL, 2 * page, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    unsigned* second = mmap(NULL, page, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    unsigned text[2];
    int value = 0;
    for (int way = 0; way < 8; ++way) {
        code_for(text, ++value);
        switch (way) {
            case 0:
            case 1:
            case 2: memcpy(writable, text, 8); break;
            case 3: CHECK(pwrite(fd, text, 8, 0) == 8); break;
            case 4: CHECK(lseek(fd, 0, SEEK_SET) == 0 && write(fd, text, 8) == 8); break;
            case 5:  // another process, through a mapping it has inherited
                if (fork() == 0) {
                    memcpy(writable, text, 8);
                    _exit(0);
                }
                wait(NULL);
                break;
            case 6:  // another process, through the file
                if (fork() == 0) _exit(pwrite(fd, text, 8, 0) != 8);
                wait(NULL);
                break;
            case 7: {
                unsigned* third = mmap(NULL, page, PROT_WRITE, MAP_SHARED, fd, 0);
                memcpy(third, text, 8);
                munmap(third, page);
                break;
            }
        }
        // Whichever of the addresses is named, or none.
        if (way % 4 == 0) fence_i();
        if (way % 4 == 1) flush(writable, 8);
        if (way % 4 == 2) flush(first, 8);
        if (way % 4 == 3) flush(second, 8);
        CHECK(call(first) == value && call(second) == value);
    }
    // A hole, or another length, and the code is gone.
    CHECK(fallocate(fd, 3, 0, page) == 0);
    code_for(text, 77);
    CHECK(pwrite(fd, text, 8, 0) == 8);
    fence_i();
    CHECK(call(first) == 77);
    munmap(writable, 2 * page);
    munmap(second, page);
    munmap(first, 2 * page);
    close(fd);
}

static sigjmp_buf out;
static volatile int fault_code, fault_number;
static void leave(int number, siginfo_t* info, void* context) {
    (void)context;
    fault_number = number;
    fault_code = info->si_code;
    siglongjmp(out, 1);
}
static int faults(const void* at) {
    fault_number = 0;
    if (sigsetjmp(out, 1) == 0) call(at);
    return fault_number;
}

static void changed_mappings(void) {
    unsigned text[2];
    unsigned* code = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(faults(code) == SIGSEGV && fault_code == SEGV_ACCERR);
    for (int i = 0; i < 5; ++i) {
        code_for(code, i);
        CHECK(mprotect(code, page, PROT_READ | PROT_EXEC) == 0);
        fence_i();
        CHECK(call(code) == i);
        CHECK(mprotect(code, page, PROT_READ | PROT_WRITE) == 0);
        CHECK(faults(code) == SIGSEGV && fault_code == SEGV_ACCERR);
    }
    CHECK(munmap(code, page) == 0 && faults(code) == SIGSEGV && fault_code == SEGV_MAPERR);
    // Another file in its place, the same file with other contents, and a file that is moved there.
    int fds[2] = {memfd_create("a", 0), memfd_create("b", 0)};
    for (int i = 0; i < 2; ++i) {
        code_for(text, 50 + i);
        CHECK(pwrite(fds[i], text, 8, 0) == 8);
    }
    for (int i = 0; i < 4; ++i) {
        CHECK(mmap(code, page, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fds[i % 2], 0) == code);
        CHECK(call(code) == 50 + i % 2);
    }
    code_for(text, 60);
    CHECK(pwrite(fds[1], text, 8, 0) == 8);
    CHECK(mmap(code, page, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fds[1], 0) == code &&
          call(code) == 60);
    unsigned* other = mmap(NULL, page, PROT_READ | PROT_EXEC, MAP_PRIVATE, fds[0], 0);
    CHECK(call(other) == 50);
    CHECK(mremap(other, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, code) == code && call(code) == 50);
    CHECK(faults(other) == SIGSEGV);
    // Code in a file that becomes shorter.
    unsigned* shared = mmap(NULL, page, PROT_READ | PROT_EXEC, MAP_SHARED, fds[1], 0);
    CHECK(call(shared) == 60 && ftruncate(fds[1], 0) == 0);
    fence_i();
    CHECK(faults(shared) == SIGBUS && fault_code == BUS_ADRERR);
    close(fds[0]);
    close(fds[1]);
}

// ---- While others run there ----

static unsigned* place;
static atomic_int stop, entered, left_by_fault;
static _Thread_local sigjmp_buf own_way_out;
static void leave_thread(int number, siginfo_t* info, void* context) {
    (void)info, (void)context;
    // Never SIGBUS: there is always a page behind the mapping, when there is one.
    if (number != SIGSEGV) CHECK(!"SIGSEGV");
    siglongjmp(own_way_out, 1);
}
static void* run_there(void* argument) {
    volatile int last = 0;
    while (!stop) {
        if (sigsetjmp(own_way_out, 1) != 0) {
            atomic_fetch_add(&left_by_fault, 1);
            continue;
        }
        int value = ((int (*)(void))place)();
        // Never a number that was not there, nor one from before the last.
        if (value < last || value > 1000) {
            CHECK(!"a value in its order");
            break;
        }
        last = value;
        atomic_store(&entered, value);
    }
    return argument;
}
/// The page goes away, comes back with the next code, and each thread sees faults or the newest code only.
static void remapped_under_threads(void) {
    struct sigaction action = {.sa_sigaction = leave_thread, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    pthread_t threads[3];
    unsigned* spare = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    place = mmap(NULL, page, all, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    code_for(place, 0);
    fence_i();
    for (int i = 0; i < 3; ++i) pthread_create(&threads[i], NULL, run_there, NULL);
    for (int i = 1; i <= 150; ++i) {
        if (i % 2) munmap(place, page);
        if (mprotect(spare, page, PROT_READ | PROT_WRITE) != 0) CHECK(!"mprotect");
        code_for(spare, i);
        mprotect(spare, page, PROT_READ | PROT_EXEC);
        if (mremap(spare, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, place) != place) CHECK(!"mremap");
        spare = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (((int (*)(void))place)() != i) CHECK(!"the new code");
        if (i % 10 == 0)
            while (entered < i) sched_yield();
    }
    stop = 1;
    for (int i = 0; i < 3; ++i) pthread_join(threads[i], NULL);
}

/// A thread in a loop that has no end leaves it when the loop is rewritten and a barrier tells all threads.
static atomic_int looping;
static void* loop(void* argument) {
    looping = 1;
    ((void (*)(void))argument)();
    return NULL;
}
static void loop_is_ended(void) {
    syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0);
    for (int way = 0; way < 2; ++way) {
        unsigned* code = mmap(NULL, page, all, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        code[0] = 0x0000006f;  // j .
        code[1] = 0x00008067;  // ret
        fence_i();
        pthread_t thread;
        looping = 0;
        pthread_create(&thread, NULL, loop, code);
        while (!looping) sched_yield();
        usleep(5000);
        __atomic_store_n(&code[0], 0x00000013, __ATOMIC_RELEASE);  // nop
        if (way == 0)
            flush(code, 4);
        else
            syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0);
        pthread_join(thread, NULL);
        munmap(code, page);
    }
}

int main(void) {
    struct sigaction action = {.sa_sigaction = leave, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    in_place();
    two_views();
    changed_mappings();
    remapped_under_threads();
    loop_is_ended();
    return verdict();
}
