// What the arguments of random system calls refer to: the pool's memory, and descriptors of many kinds.
#pragma once

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "generator.h"

static void make_pool(void) {
    mmap(pool, pool_pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    for (word* at = (word*)pool; at < (word*)(pool + word_pages * page); ++at) *at = structure_word();
    char* text = pool + word_pages * page;
    for (unsigned i = 0; i < sizeof strings / sizeof *strings; ++i)
        strcpy(text + i * string_bytes, strings[i]);
    mprotect(text + string_pages * page, page, PROT_READ);
    mprotect(text + (string_pages + 1) * page, page, PROT_NONE);
}

/// Descriptors of many kinds from 3 on; how many.
static unsigned make_descriptors(void) {
    int ends[2];
    (void)!pipe2(ends, O_NONBLOCK);
    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends);
    socket(AF_INET, SOCK_STREAM, 0);
    socket(AF_INET6, SOCK_DGRAM, 0);
    socket(AF_NETLINK, SOCK_RAW, 0);
    mkdir("dir", 0700);
    open("dir", O_RDONLY | O_DIRECTORY);
    int file = open("a", O_RDWR | O_CREAT, 0600);
    (void)!write(file, strings, 100);
    file = memfd_create("m", MFD_ALLOW_SEALING);
    (void)!ftruncate(file, 2 * page);
    eventfd(0, EFD_NONBLOCK);
    epoll_create1(0);
    timerfd_create(CLOCK_MONOTONIC, 0);
    inotify_init1(IN_NONBLOCK);
    return (unsigned)dup(file) - 3;
}
